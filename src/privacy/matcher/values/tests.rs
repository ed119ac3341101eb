use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

#[track_caller]
fn check(text: &str, expected: Option<(&str, bool)>) {
    let found = looks(text.as_bytes(), false).map(|looks| (looks.like, looks.whole));
    assert_eq!(found, expected, "{text}");
}

#[test]
fn values_are_told_by_what_they_look_like() {
    for (text, like) in [
        ("ann@example.com", "email"),
        ("ann.o'neil+x@mail.example.co.uk", "email"),
        ("\u{fc}n@b\u{fc}cher.example", "email"),
        ("+48 600 700 800", "phone"),
        ("+14155550123", "phone"),
        ("(415) 555-0123", "phone"),
        ("415-555-0123", "phone"),
        ("192.0.2.7", "ip"),
        ("2001:db8::7", "ip"),
        ("00:1A:2b:3c:4d:5e", "mac"),
        ("00-1a-2b-3c-4d-5e", "mac"),
        ("001a.2b3c.4d5e", "mac"),
        ("aa:bb:cc:dd:ee:ff", "mac"),
        ("12:34:56:12:34:56", "mac"),
        ("4111111111111111", "credit card"),
        ("4111 1111 1111 1111", "credit card"),
        ("3782-822463-10005", "credit card"),
        ("DE89370400440532013000", "credit card"),
        ("GB29 NWBK 6016 1331 9268 19", "credit card"),
        ("078-05-1120", "social security number"),
    ] {
        check(text, Some((like, true)));
    }
}

#[test]
fn a_part_of_a_text_counts_too() {
    for (text, like) in [
        ("Ann <ann@example.com>", "email"),
        ("mailto:ann@example.com", "email"),
        ("https://x.example/?e=ann%40example.com", "email"),
        ("call +48 600-700-800, please", "phone"),
        ("my card is 4111 1111 1111 1111.", "credit card"),
        ("SSN: 078-05-1120", "social security number"),
        ("10.1.2.3, 192.0.2.7", "ip"),
        ("192.0.2.7:8080", "ip"),
        ("https://ann:secret@host.example/", "password"),
    ] {
        check(text, Some((like, false)));
    }
}

#[test]
fn secrets_are_told_by_how_they_begin() {
    for text in [
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "Bearer abcdefgh12345678",
        "ghp_0123456789abcdefghijABCDEFGHIJ012345",
        "-----BEGIN RSA PRIVATE KEY-----",
        "AKIAABCDEFGHIJKLMNOP",
    ] {
        assert_eq!(looks(text.as_bytes(), false).map(|looks| looks.like), Some("token"), "{text}");
    }
}

proptest! {
    #[test]
    fn a_pattern_is_tried_where_it_would_match(parts in vec(select(&PARTS[..]), 1..6), noise in "[ -~]{0,6}") {
        let text = parts.concat() + &noise;
        let found = |looks: Looks| (looks.like, looks.whole);
        let tried = PATTERNS.iter().find_map(|pattern| pattern.find(text.as_bytes()));
        prop_assert_eq!(looks(text.as_bytes(), false).map(found), tried.map(found), "{}", text);
    }
}

/// Of what is looked for, whole and in pieces.
const PARTS: [&str; 35] = [
    "ann@example.com",
    "ann%40example.com",
    "a\u{ff20}b.co",
    "@",
    "+48 600 700 800",
    "(415) 555-0123",
    "1-415-555-0123",
    "192.0.2.7",
    "2001:db8::7",
    "::1",
    "00:1A:2b:3c:4d:5e",
    "001a.2b3c.4d5e",
    "12-34-56-12-34-56",
    "4111111111111111",
    "4111 1111-1111 1111",
    "3782",
    "DE89370400440532013000",
    "GB29 NWBK 6016 1331 9268 19",
    "078-05-1120",
    "://ann:secret@host",
    "eyJhbGciOiJIUzI1.eyJzdWIi.x",
    "Bearer abcdefgh12345678",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "-----BEGIN RSA PRIVATE KEY-----",
    "AKIAABCDEFGHIJKLMNOP",
    "aa:bb:cc:dd:ee:ff",
    "sk-0123456789012345678901234567890123",
    "2026-01-01T00:00:00.000Z",
    " ",
    "-",
    ".",
    ":",
    ", ",
    "7",
    "x",
];

#[test]
fn what_only_resembles_is_not_found() {
    for text in [
        "",
        "order.paid",
        "2026-01-01T00:00:00.000+01:00",
        "1700000000000",
        "icon@2x.png",
        "lodash@4.17.21",
        "@ann",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/114.0.0.0 Safari/537.36",
        "0.0.0.0",
        "127.0.0.1",
        "12:34:56",
        "::",
        "4111111111111112",
        "DE89370400440532013001",
        "XX89370400440532013000",
        "000-12-3456",
        "666-12-3456",
        "123-00-4567",
        "6f1d0c9e-7f4b-4b1a-9d53-0a8f0d4c1e11",
        "https://example.com/a/b?c=d",
        "14155550123",
        "1.2.3",
        "9999-99-9999999",
    ] {
        check(text, None);
    }
    assert_eq!(looks(b"10.2.3.4", true), None, "a version");
}
