//! What values look like: patterns and, where they exist, checksums.
//!
//! A text's bytes are sorted once; a pattern is tried only on a text that has the bytes it needs. All patterns run in time linear in the
//! text. Always holds: what is found is a guess, wrong now and then in both directions. Deliberately not here: keys' names.

use std::sync::LazyLock;

use core::net::Ipv6Addr;

use regex::bytes::{Match, Regex};

/// A finding by value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Looks {
    /// The name of the default matcher.
    pub(super) like: &'static str,
    /// Whether the whole text does, not only a part of it.
    pub(super) whole: bool,
}

const DIGIT: u16 = 1;
const LETTER: u16 = 1 << 1;
const AT: u16 = 1 << 2;
const DOT: u16 = 1 << 3;
const COLON: u16 = 1 << 4;
const DASH: u16 = 1 << 5;
const PLUS: u16 = 1 << 6;
const PERCENT: u16 = 1 << 7;
const HIGH: u16 = 1 << 8;
const UNDERSCORE: u16 = 1 << 9;
const SPACE: u16 = 1 << 10;

/// What each byte is.
static SORTS: [u16; 256] = sorts();

const fn sorts() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'0'..=b'9' => DIGIT,
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'@' => AT,
            b'.' => DOT,
            b':' => COLON,
            b'-' => DASH,
            b'+' => PLUS,
            b'%' => PERCENT,
            b'_' => UNDERSCORE,
            b' ' => SPACE,
            0x80.. => HIGH,
            _ => 0,
        };
        byte += 1;
    }
    table
}

/// One pattern.
struct Pattern {
    like: &'static str,
    /// The fewest bytes that it takes.
    bytes_min: usize,
    /// The sorts of bytes that a text must all have.
    needs: u16,
    /// Sorts of bytes of which it must have one.
    needs_one: u16,
    regex: Regex,
    /// What a match must be besides; the group `it` of the match, or all of it.
    check: fn(&[u8]) -> bool,
}

/// The patterns, red matchers' first, and the rarer before the more frequent.
static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let pattern = |like, bytes_min, needs, needs_one, regex: &str, check: fn(&[u8]) -> bool| {
        let regex = Regex::new(&format!("(?-u){regex}")).expect("the patterns below are regular expressions");
        Pattern { like, bytes_min, needs, needs_one, regex, check }
    };
    let any: fn(&[u8]) -> bool = |_| true;
    vec![
        pattern(
            "social security number",
            11,
            DIGIT | DASH,
            DIGIT,
            r"(?:^|[^0-9A-Za-z-])(?P<it>[0-9]{3}-[0-9]{2}-[0-9]{4})(?:$|[^0-9A-Za-z-])",
            is_ssn,
        ),
        pattern(
            "credit card",
            12,
            DIGIT,
            DIGIT,
            r"(?:^|[^0-9A-Za-z.-])(?P<it>[2-6][0-9]{3}(?:[ -]?[0-9]){8,15})(?:$|[^0-9A-Za-z-])",
            is_card,
        ),
        pattern(
            "credit card",
            15,
            DIGIT | LETTER,
            DIGIT,
            r"(?:^|[^0-9A-Za-z])(?P<it>[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]){11,30})(?:$|[^0-9A-Za-z])",
            is_iban,
        ),
        pattern("password", 8, COLON | AT, LETTER, r"://[^/\s:@?#]*:[^/\s@?#]+@[^/\s]", any),
        pattern(
            "token",
            20,
            LETTER,
            DOT | UNDERSCORE | DASH | SPACE | DIGIT,
            r"(?:eyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{4,}\.[0-9A-Za-z_-]*|-----BEGIN [A-Z ]*PRIVATE KEY-----|(?:^|[^0-9A-Za-z_-])(?:gh[opsur]_[0-9A-Za-z]{30,}|github_pat_[0-9A-Za-z_]{30,}|glpat-[0-9A-Za-z_-]{20,}|xox[abeoprs]-[0-9A-Za-z-]{10,}|[rs]k_(?:live|test)_[0-9A-Za-z]{16,}|A[KS]IA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35}|sk-[0-9A-Za-z_-]{32,}|npm_[0-9A-Za-z]{36})|^(?i:bearer|basic) +[0-9A-Za-z+/=._~-]{12,}$)",
            any,
        ),
        pattern(
            "email",
            6,
            DOT,
            AT | PERCENT | HIGH,
            r"(?P<it>[0-9A-Za-z._%+'\x80-\xff-]{1,64}(?:@|%40|\xef\xbc\xa0)(?:[0-9A-Za-z\x80-\xff-]{1,63}\.){1,8}(?:[A-Za-z]{2,24}|xn--[0-9A-Za-z-]{2,59}|[\x80-\xff]{2,60}))",
            is_email,
        ),
        pattern(
            "phone",
            8,
            DIGIT | PLUS,
            DIGIT,
            r"(?:^|[^0-9A-Za-z+])(?P<it>\+[1-9][0-9 ()./-]{6,22}[0-9])(?:$|[^0-9A-Za-z])",
            is_phone,
        ),
        pattern(
            "phone",
            12,
            DIGIT,
            DASH | DOT | SPACE,
            r"^(?P<it>(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[ .-][0-9]{4})$",
            any,
        ),
        pattern(
            "ip",
            7,
            DIGIT | DOT,
            DIGIT,
            r"(?:^|[ ,;=\[(@\x22']|://)(?P<it>(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9]))(?:$|[ ,;:/\])\x22'&])",
            is_ip4,
        ),
        pattern("ip", 3, COLON, DIGIT | COLON, r"^\[?(?P<it>[0-9A-Fa-f:.]{3,45})(?:%[0-9A-Za-z]+)?\]?$", is_ip6),
        pattern(
            "mac",
            12,
            DIGIT | LETTER,
            COLON | DASH | DOT,
            r"^(?P<it>(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4})$",
            any,
        ),
        pattern("mac", 17, DIGIT, COLON | DASH, r"^(?P<it>(?:[0-9]{2}:){5}[0-9]{2}|(?:[0-9]{2}-){5}[0-9]{2})$", any),
    ]
});

/// What `text` looks like; `version`: whether four numbers with dots between are a version here.
pub(super) fn looks(text: &[u8], version: bool) -> Option<Looks> {
    let sorts = text.iter().fold(0, |sorts, byte| sorts | SORTS[*byte as usize]);
    if sorts & (DIGIT | AT | COLON | PERCENT | HIGH | PLUS) == 0 && text.len() < TOKEN_BYTES_MIN {
        return None;
    }
    let apt = |pattern: &&Pattern| {
        text.len() >= pattern.bytes_min
            && sorts & pattern.needs == pattern.needs
            && sorts & pattern.needs_one != 0
            && !(version && pattern.like == "ip")
    };
    PATTERNS.iter().filter(apt).find_map(|pattern| pattern.find(text))
}

/// The shortest secret that is told by its beginning.
const TOKEN_BYTES_MIN: usize = 20;

impl Pattern {
    fn find(&self, text: &[u8]) -> Option<Looks> {
        let mut from = 0;
        while let Some(found) = self.regex.captures_at(text, from) {
            let whole: Match = found.get(0)?;
            let it = found.name("it").unwrap_or(whole);
            if (self.check)(it.as_bytes()) {
                return Some(Looks { like: self.like, whole: it.len() == text.trim_ascii().len() });
            }
            // what bounds one candidate may bound the next
            from = it.end().max(from + 1);
        }
        None
    }
}

fn digits(text: &[u8]) -> impl DoubleEndedIterator<Item = u32> {
    text.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'))
}

/// An area from 001 to 899 but 666, and no part that is all zeros.
fn is_ssn(text: &[u8]) -> bool {
    let (area, group, serial) = (&text[..3], &text[4..6], &text[7..]);
    area != b"000" && area != b"666" && area[0] != b'9' && group != b"00" && serial != b"0000"
}

/// A network's prefix and length (ISO/IEC 7812), and Luhn's check digit (Annex B).
fn is_card(text: &[u8]) -> bool {
    let number: Vec<u32> = digits(text).collect();
    let prefix = |length: usize| number.iter().take(length).fold(0, |prefix, digit| prefix * 10 + digit);
    let length = number.len();
    let network = match prefix(4) {
        4000..=4999 => matches!(length, 13 | 16 | 19),
        5100..=5599 | 2221..=2720 => length == 16,
        3400..=3499 | 3700..=3799 => length == 15,
        3000..=3059 | 3600..=3699 | 3800..=3999 => length == 14 || length == 16,
        3528..=3589 => (16..=19).contains(&length),
        6011 | 6440..=6599 | 6200..=6299 => (16..=19).contains(&length),
        5000..=5099 | 5600..=5899 | 6304 | 6759 | 6761..=6763 => (13..=19).contains(&length),
        _ => false,
    };
    let luhn = |sum: u32, (place, digit): (usize, u32)| {
        let doubled = if place % 2 == 1 { digit * 2 } else { digit };
        sum + doubled / 10 + doubled % 10
    };
    network && number.iter().rev().copied().enumerate().fold(0, luhn) % 10 == 0
}

/// Countries and the lengths of their account numbers (ISO 13616).
const IBAN_LENGTHS: &str = "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27\
    GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28\
    NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30";

/// The country's length, and a remainder of 1 modulo 97 (ISO 7064).
fn is_iban(text: &[u8]) -> bool {
    let letters: Vec<u8> = text.iter().copied().filter(|byte| *byte != b' ').collect();
    let known = IBAN_LENGTHS.as_bytes().chunks_exact(4).any(|country| {
        let length = usize::from(country[2] - b'0') * 10 + usize::from(country[3] - b'0');
        country[..2] == letters[..2] && length == letters.len()
    });
    let rest = |rest: u32, byte: &u8| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    };
    known && letters[4..].iter().chain(&letters[..4]).fold(0, rest) == 1
}

/// Files whose names have an `@` in them, as `icon@2x.png`, are no addresses.
fn is_email(text: &[u8]) -> bool {
    const FILES: [&[u8]; 9] = [b".png", b".jpg", b".jpeg", b".gif", b".svg", b".webp", b".js", b".css", b".html"];
    !FILES.iter().any(|file| text.len() >= file.len() && text[text.len() - file.len()..].eq_ignore_ascii_case(file))
}

/// E.164: at most 15 digits, the country's code among them.
fn is_phone(text: &[u8]) -> bool {
    (8..=15).contains(&digits(text).count())
}

/// Not the network of this host, nor the host itself.
fn is_ip4(text: &[u8]) -> bool {
    !text.starts_with(b"0.") && !text.starts_with(b"127.")
}

fn is_ip6(text: &[u8]) -> bool {
    let address = std::str::from_utf8(text).ok().and_then(|text| text.parse::<Ipv6Addr>().ok());
    address.is_some_and(|address| !address.is_unspecified() && !address.is_loopback())
}

#[cfg(test)]
mod tests {
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
        ] {
            assert_eq!(looks(text.as_bytes(), false).map(|looks| looks.like), Some("token"), "{text}");
        }
    }

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
}
