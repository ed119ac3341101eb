//! A canary search: whether a value stands in bytes that must not hold it, however it is written.
//!
//! Every level of tests uses it, from the properties of the pipeline to a dump of all topics of a broker. The forms looked for
//! are [`Form`]'s; a letter's case never matters. What is searched is first read in three ways: as it is, with JSON's escapes
//! resolved, and with percent-encoding resolved too; so that a value may be written partly in one and partly in another way.
//! Deliberately not here: what ought to be found. A value must be longer than chance and masks would show.

use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// How a value was found to be written; letter case apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As it is, as the inside of a JSON string, percent-encoded, or a mixture.
    Text,
    /// Two hexadecimal digits per byte.
    Hex,
    /// Base64 of either alphabet, beginning at any of the three places in a group.
    Base64,
    /// Its digits alone, at least [`FEWEST_DIGITS`] of them, with or without punctuation between them.
    Digits,
}

/// Where and what was found. Holds no value: a failing test may print it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Index of the value among those searched for.
    pub value: usize,
    /// How it is written.
    pub form: Form,
}

/// The fewest bytes of a value: a shorter one would be found by chance.
pub const FEWEST_BYTES: usize = 6;
/// The fewest digits that count as a value's digits.
pub const FEWEST_DIGITS: usize = 7;

/// Values that are searched for, made ready once.
pub struct Canaries {
    /// Over lower-case text: each value's literal and its hexadecimal form.
    folded: Search,
    /// Over text whose base64 is of the standard alphabet.
    base64: Search,
    /// Over digits without what may stand between them.
    digits: Search,
}

struct Search {
    patterns: AhoCorasick,
    meaning: Vec<Finding>,
}

impl Search {
    fn new(patterns: Vec<(Vec<u8>, Finding)>) -> Self {
        let meaning = patterns.iter().map(|(_, finding)| *finding).collect();
        let patterns = AhoCorasick::new(patterns.iter().map(|(pattern, _)| pattern)).expect("patterns within limits");
        Self { patterns, meaning }
    }

    fn find(&self, bytes: &[u8], found: &mut Vec<Finding>) {
        let matches = self.patterns.find_overlapping_iter(bytes);
        found.extend(matches.map(|found| self.meaning[found.pattern().as_usize()]));
    }
}

impl Canaries {
    /// A search for `values`, each of [`FEWEST_BYTES`] or more.
    pub fn new<V: AsRef<str>>(values: impl IntoIterator<Item = V>) -> Self {
        let (mut folded, mut base64, mut digits) = (Vec::new(), Vec::new(), Vec::new());
        for (value, text) in values.into_iter().enumerate() {
            let text = text.as_ref();
            assert!(text.len() >= FEWEST_BYTES, "value {value} is so short that it would be found by chance");
            let finding = |form| Finding { value, form };
            folded.push((text.to_lowercase().into_bytes(), finding(Form::Text)));
            folded.push((hex(text.as_bytes()), finding(Form::Hex)));
            base64.extend(alignments(text.as_bytes()).map(|pattern| (pattern, finding(Form::Base64))));
            let number: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).collect();
            if number.len() >= FEWEST_DIGITS {
                digits.push((number, finding(Form::Digits)));
            }
        }
        Self { folded: Search::new(folded), base64: Search::new(base64), digits: Search::new(digits) }
    }

    /// Every value that stands in `bytes`, once per form, in order.
    pub fn find(&self, bytes: &[u8]) -> Vec<Finding> {
        let mut found = Vec::new();
        self.find_in(bytes, &mut found);
        let unescaped = resolve(bytes, json_escape);
        if unescaped.len() != bytes.len() {
            self.find_in(&unescaped, &mut found);
        }
        let decoded = resolve(&unescaped, percent);
        if decoded.len() != unescaped.len() {
            self.find_in(&decoded, &mut found);
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn find_in(&self, bytes: &[u8], found: &mut Vec<Finding>) {
        self.folded.find(String::from_utf8_lossy(bytes).to_lowercase().as_bytes(), found);
        let standard: Vec<u8> = bytes
            .iter()
            .map(|byte| match byte {
                b'-' => b'+',
                b'_' => b'/',
                byte => *byte,
            })
            .collect();
        self.base64.find(&standard, found);
        self.digits.find(&digits(bytes), found);
    }
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

/// The parts of the value's base64 that no neighbour decides, when 0, 1 or 2 bytes stand before it in its group.
fn alignments(value: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..3).map(|before| {
        let encoded = STANDARD_NO_PAD.encode([&[0; 2][..before], value].concat()).into_bytes();
        let whole = (before + value.len()) * 8 / 6;
        encoded[(before * 8).div_ceil(6)..whole].to_vec()
    })
}

/// The bytes with every place that `read` understands replaced by what it stands for; `read` gives how many bytes it took.
fn resolve(bytes: &[u8], read: impl Fn(&[u8], &mut Vec<u8>) -> usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match read(&bytes[at..], &mut out) {
            0 => {
                out.push(bytes[at]);
                at += 1;
            }
            taken => at += taken,
        }
    }
    out
}

fn json_escape(bytes: &[u8], out: &mut Vec<u8>) -> usize {
    let [b'\\', kind, ..] = bytes else { return 0 };
    let plain = match kind {
        b'"' | b'\\' | b'/' => *kind,
        b'b' => 8,
        b't' => 9,
        b'n' => 10,
        b'f' => 12,
        b'r' => 13,
        b'u' => {
            let Some(first) = unit(bytes) else { return 0 };
            let pair = unit(&bytes[6..]).and_then(|second| char::decode_utf16([first, second]).next()?.ok());
            let (read, taken) = match pair.filter(|c| *c > '\u{ffff}') {
                Some(c) => (c, 12),
                None => (char::from_u32(first.into()).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
            };
            out.extend_from_slice(read.encode_utf8(&mut [0; 4]).as_bytes());
            return taken;
        }
        _ => return 0,
    };
    out.push(plain);
    2
}

/// The code unit of a `\uXXXX` at the beginning.
fn unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    let digits =
        std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

fn percent(bytes: &[u8], out: &mut Vec<u8>) -> usize {
    let [b'%', high, low, ..] = bytes else { return 0 };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let (Some(high), Some(low)) = (digit(high), digit(low)) else { return 0 };
    out.push((high * 16 + low) as u8);
    3
}

/// Digits with at most two bytes of the punctuation that people write between them left out; anything else divides.
fn digits(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut between = 3;
    for byte in bytes {
        match byte {
            b'0'..=b'9' => {
                if between > 2 {
                    out.push(b'|');
                }
                out.push(*byte);
                between = 0;
            }
            b' ' | b'.' | b'-' | b'(' | b')' | b'/' | b'+' | b'_' | b',' => between += 1,
            _ => between = 3,
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// A value with what makes forms differ: both cases, a quote, a slash, a letter beyond ASCII and one beyond 16 bits, digits.
    const VALUE: &str = "Zoë \"Q\"/😀 601-234-567";

    fn forms(value: &str, text: &[u8]) -> Vec<Form> {
        let search = Canaries::new(["a value that is not there", value]);
        let found = search.find(&[b"{\"k\":\"x", text, b"x\",\"n\":17}"].concat());
        assert!(found.iter().all(|finding| finding.value == 1), "{found:?}");
        found.into_iter().map(|finding| finding.form).collect()
    }

    #[test]
    fn the_literal_is_found_in_any_case() {
        for text in [VALUE.to_owned(), VALUE.to_uppercase(), VALUE.to_lowercase()] {
            assert_eq!(forms(VALUE, text.as_bytes()), [Form::Text, Form::Digits], "{text}");
        }
    }

    #[test]
    fn every_mixture_of_json_escapes_is_found() {
        let every: String = VALUE.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        let upper: String = VALUE.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        for text in [every, upper, "Zo\\u00eB \\\"Q\\u0022\\/\\ud83D\\uDe00 \\u00360\\u0031-234-567".to_owned()] {
            assert!(forms(VALUE, text.as_bytes()).contains(&Form::Text), "{text}");
        }
    }

    #[test]
    fn percent_encoding_is_found_whole_in_part_and_escaped() {
        let every: String = VALUE.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let some = "Zo%c3%AB%20%22Q%22%2f😀%20601-234-567";
        let escaped = "Zo\\u0025c3%ab \\\"Q%22\\/😀 601-234-567";
        for text in [every.as_str(), some, escaped] {
            assert!(forms(VALUE, text.as_bytes()).contains(&Form::Text), "{text}");
        }
    }

    #[test]
    fn hexadecimal_is_found_in_any_case() {
        let lower = hex(VALUE.as_bytes());
        assert!(forms(VALUE, &lower).contains(&Form::Hex));
        assert!(forms(VALUE, &lower.to_ascii_uppercase()).contains(&Form::Hex));
    }

    #[test]
    fn base64_is_found_in_both_alphabets_and_at_every_place() {
        use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
        let value = "~~~???>>> ann";
        for before in ["", "a", "ab", "abc", "abcd"] {
            for after in ["", "z", "zz"] {
                let text = format!("{before}{value}{after}");
                for encoded in [STANDARD.encode(&text), URL_SAFE.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                    assert_eq!(forms(value, encoded.as_bytes()), [Form::Base64], "{text}");
                    let escaped = encoded.replace('/', "\\/").replace('+', "\\u002b");
                    assert_eq!(forms(value, escaped.as_bytes()), [Form::Base64], "{text}");
                }
            }
        }
    }

    #[test]
    fn digits_are_found_with_and_without_punctuation() {
        for text in ["601234567", "+48 601 234 567", "601-234-567", "(601) 234.567", "60\\u00312345\\u00367"] {
            assert_eq!(forms("(60)1234-567", text.as_bytes()), [Form::Digits], "{text}");
        }
        assert_eq!(forms("(60)1234-567", b"601, then 234567"), [], "words divide");
        assert_eq!(forms("ann 123456", b"123456"), [], "too few to tell");
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let controls =
            ["Zoë \"Q\"/😀 601-234-568", "Zoe \"Q\"/😀", "siv:AXJlZmV0b2tlbnRva2Vu", "\\u00", "%", "%4", "\\", "***"];
        for control in controls {
            assert_eq!(forms(VALUE, control.as_bytes()), [], "{control}");
        }
        assert_eq!(forms(VALUE, b"\xff\xfe\xed\xa0\x80\0"), [], "bytes that are no text");
    }

    #[test]
    fn every_value_of_many_is_told() {
        let values: Vec<String> = (0..500).map(|index| format!("value-{index:05}-")).collect();
        let search = Canaries::new(&values);
        let found = search.find(b"..VALUE-00007-..value-00499-value-00007-");
        assert_eq!(found, [7, 499].map(|value| Finding { value, form: Form::Text }));
    }

    #[test]
    fn megabytes_take_no_time_worth_telling() {
        let values: Vec<String> = (0..2_000).map(|index| format!("person-{index:05}@example.com")).collect();
        let search = Canaries::new(&values);
        let record =
            br#"{"client":{"email":"siv:AXJmMjY2MzgzZTllOTI2NjI5","phone":"***"},"n":123456,"t":"2024\u002d01"}"#;
        let started = Instant::now();
        assert_eq!(search.find(&record.repeat(20_000)), []);
        assert!(started.elapsed() < Duration::from_secs(60), "2 MB, unoptimised: {:?}", started.elapsed());
    }
}
