//! Generators of hostile JSON: duplicates, escaped keys, white space everywhere, deep nesting, surrogates, odd numbers; and
//! documents damaged byte by byte.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// White space as RFC 8259 has it, mostly none.
pub fn white_space() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just(String::new()), 1 => "[ \t\n\r]{1,3}"]
}

/// A number's text: small ones, long ones, and those that break readers.
pub fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "-?(0|[1-9][0-9]{0,4})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?",
        1 => "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,12})?",
        1 => select(vec!["-0", "0e99999999999999999999", "1e400", "9007199254740993", "1E+0", "12e99999999999999999999"])
            .prop_map(str::to_owned),
    ]
}

/// What may stand between the quotes of a string: plain text, every escape, pairs, halves of pairs, and keys that collide.
pub fn inside() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-c]{0,3}",
        1 => "[^\"\\\\\\x00-\\x1f]{0,3}",
        2 => select(vec![
            "\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u0061", "\\u0000", "\\u001F", "\\u00e9", "\\ud83d",
            "\\uDE00", "\\ud83d\\ude00", "\\udbff\\udfff", "\u{7f}", "\u{2028}", "\u{ffff}", "\u{10ffff}", "siv:", "FF",
        ]).prop_map(str::to_owned),
    ];
    vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

/// A value's text, nested up to 8 deep.
pub fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        select(vec!["null", "true", "false", "[]", "{}", "\"\""]).prop_map(str::to_owned),
        number(),
        inside().prop_map(|inside| format!("\"{inside}\"")),
    ];
    leaf.prop_recursive(8, 48, 5, |inner| {
        let spaced = (white_space(), inner.clone(), white_space()).prop_map(|(a, value, b)| format!("{a}{value}{b}"));
        let elements = vec(spaced, 0..5).prop_map(|elements| format!("[{}]", elements.join(",")));
        prop_oneof![elements, members(inner)]
    })
}

/// A document: an object with white space around it.
pub fn document() -> impl Strategy<Value = String> {
    (white_space(), members(value()), white_space()).prop_map(|(a, object, b)| format!("{a}{object}{b}"))
}

fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let spaces = [white_space(), white_space(), white_space(), white_space()];
    let member =
        (spaces, inside(), value).prop_map(|([a, b, c, d], key, value)| format!("{a}\"{key}\"{b}:{c}{value}{d}"));
    (vec(member, 0..5), white_space()).prop_map(|(members, space)| match members.is_empty() {
        true => format!("{{{space}}}"),
        false => format!("{{{}}}", members.join(",")),
    })
}

/// What is done to a document at one place.
#[derive(Clone, Debug)]
enum Damage {
    Insert(Index, Vec<u8>),
    /// A control character shortly after a quote: in a string, if the quote opens one.
    Control(Index, usize, u8),
    Replace(Index, u8),
    Remove(Index),
    Repeat(Index, Index),
    Cut(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let words: Vec<&[u8]> = vec![
        b"\"",
        b"\\",
        b"\\u",
        b"\\ud8",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"0",
        b"-",
        b".",
        b"e",
        b" ",
        b"\n",
        b"\0",
        b"\x0c",
        b"\xef\xbb\xbf",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xc2\xa0",
        b"true",
        b"nul",
        b"NaN",
        b"//",
        b"'",
        b"[[[[",
        b"]]]]",
        b"\x1f",
    ];
    let word = prop_oneof![4 => select(words).prop_map(<[u8]>::to_vec), 1 => vec(any::<u8>(), 1..3)];
    prop_oneof![
        3 => (any::<Index>(), word).prop_map(|(at, word)| Damage::Insert(at, word)),
        1 => (any::<Index>(), 1usize..4, 0u8..0x20).prop_map(|(at, after, byte)| Damage::Control(at, after, byte)),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        2 => any::<Index>().prop_map(Damage::Remove),
        1 => any::<(Index, Index)>().prop_map(|(at, end)| Damage::Repeat(at, end)),
        1 => any::<Index>().prop_map(Damage::Cut),
    ]
}

/// A document's bytes after up to three damages: some are still documents.
pub fn damaged() -> impl Strategy<Value = Vec<u8>> {
    (document(), vec(damage(), 0..4)).prop_map(|(document, damages)| {
        let mut bytes = document.into_bytes();
        for damage in damages {
            let size = bytes.len() + 1;
            match damage {
                Damage::Insert(at, word) => drop(bytes.splice(at.index(size)..at.index(size), word)),
                Damage::Control(at, after, byte) => {
                    let quotes: Vec<usize> = (0..bytes.len()).filter(|place| bytes[*place] == b'"').collect();
                    if !quotes.is_empty() {
                        let place = (quotes[at.index(quotes.len())] + after).min(bytes.len());
                        bytes.insert(place, byte);
                    }
                }
                Damage::Replace(at, byte) => {
                    bytes.iter_mut().skip(at.index(size)).take(1).for_each(|place| *place = byte)
                }
                Damage::Remove(at) => {
                    let at = at.index(size);
                    bytes.drain(at..bytes.len().min(at + 1));
                }
                Damage::Repeat(at, end) => {
                    let (at, end) = (at.index(size).min(end.index(size)), at.index(size).max(end.index(size)));
                    bytes.extend_from_within(at..end);
                }
                Damage::Cut(at) => bytes.truncate(at.index(size)),
            }
        }
        bytes
    })
}
