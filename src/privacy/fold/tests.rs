use super::*;
use proptest::prelude::*;

/// Forms made by another implementation (Python's tables) from the same rules.
#[test]
fn the_golden_loose_forms_are_met() {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/golden/tokens_golden.json")).expect("valid JSON");
    let cases = golden["loose"].as_array().expect("a list");
    assert_eq!(cases.len(), 15);
    for case in cases {
        let text = case["string"].as_str().expect("a string");
        assert_eq!(loose(text), case["loose"].as_str().expect("a string"), "{text:?}");
    }
}

#[test]
fn names_keep_white_space_and_nothing_else() {
    for (text, expected) in [
        ("Email", "email"),
        ("E Mail", "e mail"),
        ("É\u{a0}Mail", "é mail"), // a no-break space is a space by NFKC
        ("e\u{200b}mail", "email"),
        ("\u{feff}email\u{ad}", "email"),
        ("ｅｍａｉｌ", "email"),
        ("ſtraße", "strasse"),
        ("\u{212a}ey", "key"),
        ("a\u{85}b", "a\u{85}b"),
        ("a\tb\u{1c}", "a\tb\u{1c}"),
    ] {
        assert_eq!(name(text), expected, "{text:?}");
    }
}

#[test]
fn what_removal_brings_together_composes() {
    assert_eq!(name("pre\u{200b}\u{301}nom"), name("prénom"));
    assert_eq!(name("e\u{ad}\u{301}"), "é");
}

#[test]
fn a_loose_value_loses_characters_after_it_was_folded() {
    assert_eq!(loose("e\u{ad}\u{301}"), "e\u{301}");
    assert_eq!(loose("O\u{b4}Brien"), "o\u{301}brien"); // the spacing acute is a space and a combining acute by NFKC
}

#[test]
fn removed_is_exactly_white_space_and_the_listed() {
    let mut removed: Vec<u32> = (0..=0x10ffff)
        .filter_map(char::from_u32)
        .filter(|c| loose(&format!("\u{4e00}{c}")) == "\u{4e00}")
        .map(u32::from)
        .collect();
    let expected = [
        0x9, 0xa, 0xb, 0xc, 0xd, 0x20, 0x85, 0xa0, 0xad, 0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005,
        0x2006, 0x2007, 0x2008, 0x2009, 0x200a, 0x200b, 0x200c, 0x200d, 0x2028, 0x2029, 0x202f, 0x205f, 0x2060, 0x3000,
        0xfeff,
    ];
    removed.sort_unstable();
    assert_eq!(removed, expected);
}

/// FNV-1a over the loose form of every character: tokens change if the tables do, so a new Unicode version must not come
/// unnoticed with an update. If this fails, name the new version in `UNICODE_VERSION` and tell operators.
#[test]
fn the_tables_are_those_of_the_named_version() {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for c in (0..=0x10ffff).filter_map(char::from_u32) {
        for byte in loose(c.encode_utf8(&mut [0; 4])).bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    assert_eq!((UNICODE_VERSION, format!("{hash:016x}").as_str()), ("18.0.0", "39a0234788e6e68e"));
}

#[test]
fn a_lone_surrogate_is_one_replacement() {
    for (bytes, expected) in [
        (&b"plain"[..], "plain"),
        (b"\xed\xa0\x80", "\u{fffd}"),
        (b"a\xed\xbf\xbfb\xed\xa0\xbd", "a\u{fffd}b\u{fffd}"),
        (b"\xed\xa0\x80\xed\xb0\x80", "\u{fffd}\u{fffd}"),
        (b"\xff\xc5\xbc\xed", "\u{fffd}ż\u{fffd}"),
    ] {
        assert_eq!(lossy(bytes), expected, "{bytes:x?}");
    }
    assert!(matches!(lossy("ż".as_bytes()), Cow::Borrowed("ż")));
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "(?s:.{0,24})",
        "[\\x00-\\x7f]{0,24}",
        // what interacts: letters that fold to several, marks, invisible characters, spaces, compatibility forms
        "[aAeEiIİıßſΣςσὈᾳ\u{345}\u{301}\u{307}\u{308}\u{323}\u{b4}\u{a8}\u{1fbd}\u{200b}\u{ad}\u{2060} \u{a0}\u{3000}ﬁＡ\u{1100}\u{1161}\u{11a8}\u{3d3}\u{1d15e}]{0,12}",
    ]
}

proptest! {
    #[test]
    fn names_fold_idempotently(text in text()) {
        let once = name(&text);
        prop_assert_eq!(name(&once), once);
    }

    #[test]
    fn case_spaces_and_compatibility_do_not_count(text in text(), spaced in prop::collection::vec("[ \u{a0}\u{2003}\t]{0,2}", 25)) {
        let folded = stable(&text, |_| false);
        prop_assert_eq!(loose(&folded), loose(&text));
        let spread: String = folded.chars().zip(&spaced).map(|(c, space)| format!("{c}{space}")).collect();
        let tail: String = folded.chars().skip(25).collect();
        let marks = |c: char| CodePointSetData::new::<WhiteSpace>().contains(c) || is_invisible(c) || !c.is_alphanumeric();
        // between letters and digits a space changes nothing; before a combining mark it may
        if !folded.chars().any(marks) && folded.is_ascii() {
            prop_assert_eq!(loose(&(spread + &tail)), loose(&text));
        }
    }

    #[test]
    fn ascii_needs_no_table(text in "[\\x00-\\x7f]{0,24}") {
        prop_assert_eq!(name(&text), stable(&text, is_invisible));
        prop_assert_eq!(loose(&text), stable(&text, |_| false).replace(is_ascii_space, ""));
    }

    #[test]
    fn lossy_is_the_identity_on_utf8(text in "(?s:.{0,24})") {
        prop_assert_eq!(lossy(text.as_bytes()), text.as_str());
    }

    #[test]
    fn lossy_is_total(bytes in prop::collection::vec(any::<u8>(), 0..16)) {
        let _ = lossy(&bytes);
    }
}
