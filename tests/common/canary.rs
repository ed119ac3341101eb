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

/// Two hexadecimal digits per byte.
pub fn hex(bytes: &[u8]) -> Vec<u8> {
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

/// The code unit of a `\u` escape at the beginning.
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
