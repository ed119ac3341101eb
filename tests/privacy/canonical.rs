//! Canonical text is one per value: a fixpoint, the same for every way to write a value, and numbers share it only if they are
//! equal.

use proptest::prelude::*;
use sivcar::privacy::canonical::{MAX_EXPONENT, check_numbers, number, plaintext, reveal, text};
use sivcar::privacy::error::Reason;
use sivcar::privacy::scan::{Document, Limits, Tape, scan_value};

use crate::common::documents::value;
use crate::common::reference::{Value, read_value};

fn with<T>(json: &str, then: impl FnOnce(&Document) -> T) -> T {
    let mut tape = Tape::default();
    let json = scan_value(json.as_bytes(), &Limits::default(), &mut tape).expect("valid JSON");
    then(&Document::new(json, &tape))
}

fn canonical(json: &str) -> Result<String, Reason> {
    let mut out = Vec::new();
    with(json, |doc| text(doc, 0, &mut out))?;
    Ok(String::from_utf8(out).expect("canonical text is UTF-8"))
}

/// A value, apart from how it is written. A string is its code points, lone surrogates among them.
#[derive(Clone, Debug)]
enum Tree {
    Word(&'static str),
    Number { negative: bool, digits: u64, exponent: i64 },
    String(Vec<u32>),
    Array(Vec<Tree>),
    Object(Vec<(Vec<u32>, Tree)>),
}

fn string() -> impl Strategy<Value = Vec<u32>> {
    let point = prop_oneof![
        4 => 0x61u32..0x64,
        1 => 0u32..0x80,
        1 => any::<char>().prop_map(u32::from),
        1 => 0xd7feu32..0xe002,
    ];
    prop::collection::vec(point, 0..6).prop_map(|mut points| {
        // A high surrogate before a low one would be a pair, which is another string.
        for index in 1..points.len() {
            if (0xd800..0xdc00).contains(&points[index - 1]) && (0xdc00..0xe000).contains(&points[index]) {
                points[index] = 0x61;
            }
        }
        points
    })
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "false"]).prop_map(Tree::Word),
        (
            any::<bool>(),
            prop_oneof![0u64..30, any::<u64>()],
            prop_oneof![-5i64..5, -90i64..90, -999_999_000i64..999_999_000]
        )
            .prop_map(|(negative, digits, exponent)| Tree::Number { negative, digits, exponent }),
        string().prop_map(Tree::String),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Tree::Array),
            prop::collection::vec((string(), inner), 0..5).prop_map(Tree::Object),
        ]
    })
}

/// Choices of how to write a value (SplitMix64).
struct Choices(u64);

impl Choices {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed >> 33) as usize % count
    }

    fn space(&mut self) -> &'static str {
        ["", "", "", " ", "\n\t", "\r "][self.below(6)]
    }

    fn number(&mut self, negative: bool, digits: u64, exponent: i64) -> String {
        let zeros = self.below(4);
        let digits = format!("{}{}{}", "0".repeat(self.below(4)), digits, "0".repeat(zeros));
        let point = self.below(digits.len() + 1);
        let (whole, fraction) = digits.split_at(point);
        let exponent = exponent - zeros as i64 + fraction.len() as i64;
        let whole = if whole.trim_start_matches('0').is_empty() { "0" } else { whole.trim_start_matches('0') };
        let sign = if negative { "-" } else { "" };
        let fraction = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
        match (exponent, self.below(3)) {
            (0, 0) => format!("{sign}{whole}{fraction}"),
            (0.., 1) => format!("{sign}{whole}{fraction}E+00{exponent}"),
            _ => format!("{sign}{whole}{fraction}e{exponent}"),
        }
    }

    fn string(&mut self, points: &[u32]) -> String {
        let mut out = String::from("\"");
        for point in points {
            let raw = char::from_u32(*point).filter(|c| !matches!(c, '"' | '\\' | '\0'..='\x1f'));
            let short = "\"\"\\\\//b\x08f\x0cn\nr\rt\t".as_bytes().chunks(2).find(|pair| u32::from(pair[1]) == *point);
            match (raw, short, self.below(3)) {
                (Some(c), _, 0) => out.push(c),
                (_, Some(pair), 1) => out.extend(['\\', char::from(pair[0])]),
                _ => {
                    let mut units = [0; 2];
                    let units = match char::from_u32(*point) {
                        Some(c) => c.encode_utf16(&mut units),
                        None => {
                            units[0] = *point as u16;
                            &mut units[..1]
                        }
                    };
                    for unit in units {
                        out += &if self.below(2) == 0 { format!("\\u{unit:04x}") } else { format!("\\u{unit:04X}") };
                    }
                }
            }
        }
        out + "\""
    }

    /// Writes the tree one of many ways: other order of keys (duplicates excepted), escapes, spaces, texts of numbers.
    fn write(&mut self, tree: &Tree) -> String {
        let inner = match tree {
            Tree::Word(word) => (*word).to_owned(),
            Tree::Number { negative, digits, exponent } => self.number(*negative, *digits, *exponent),
            Tree::String(points) => self.string(points),
            Tree::Array(elements) => {
                let elements: Vec<String> = elements.iter().map(|element| self.write(element)).collect();
                format!("[{}{}]", elements.join(","), self.space())
            }
            Tree::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                let seed = self.below(1 << 20) as u64;
                members.sort_by_key(|(key, _)| {
                    key.iter().fold(seed, |rank, point| (rank ^ u64::from(*point)).wrapping_mul(0x0100_0000_01b3))
                });
                let mut written = Vec::new();
                for (key, member) in members {
                    let key = self.string(key);
                    written.push(format!("{}{key}{}:{}", self.space(), self.space(), self.write(member)));
                }
                format!("{{{}{}}}", written.join(","), self.space())
            }
        };
        format!("{}{inner}{}", self.space(), self.space())
    }
}

/// A number as sign, digits and exponent, by arithmetic: tens are divided out, and zero is (false, 0, 0). For texts whose
/// digits fit 128 bits.
fn arithmetic(json: &str) -> (bool, u128, i128) {
    let (mantissa, exponent) = json.split_once(['e', 'E']).unwrap_or((json, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits: u128 = format!("{whole}{fraction}").trim_start_matches('-').parse().expect("fits");
    let mut exponent = exponent.parse::<i128>().expect("fits") - fraction.len() as i128;
    if digits == 0 {
        return (false, 0, 0);
    }
    while digits.is_multiple_of(10) {
        digits /= 10;
        exponent += 1;
    }
    (json.starts_with('-'), digits, exponent)
}

/// The reference's value, members sorted and positions forgotten, numbers by arithmetic.
fn normal(value: &Value, out: &mut String) {
    match value {
        Value::Null => *out += "null ",
        Value::Bool(value) => *out += &format!("{value} "),
        Value::Number(text) => *out += &format!("{:?} ", digits_and_exponent(text)),
        Value::String(string) => *out += &format!("\"{}\" ", string.escape_ascii()),
        Value::Array(elements) => {
            *out += "[ ";
            elements.iter().for_each(|element| normal(&element.value, out));
            *out += "] ";
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(key, _)| key.clone());
            *out += "{ ";
            for (key, member) in members {
                *out += &format!("\"{}\": ", key.escape_ascii());
                normal(&member.value, out);
            }
            *out += "} ";
        }
    }
}

/// Numbers too long for 128 bits lose their outer zeros first, which is all that canonical text changes in them.
fn digits_and_exponent(json: &str) -> (bool, String, i128) {
    let (mantissa, exponent) = json.split_once(['e', 'E']).unwrap_or((json, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('-').trim_start_matches('0');
    let kept = digits.trim_end_matches('0');
    if kept.is_empty() {
        return (false, String::new(), 0);
    }
    let exponent: i128 = exponent.parse().expect("fits");
    (json.starts_with('-'), kept.to_owned(), exponent - fraction.len() as i128 + (digits.len() - kept.len()) as i128)
}

fn normalised(json: &str) -> String {
    let mut out = String::new();
    normal(&read_value(json.as_bytes(), &Limits::default()).expect("valid JSON").value, &mut out);
    out
}

proptest! {
    #[test]
    fn canonical_text_is_a_fixpoint_and_says_the_same(json in value()) {
        match canonical(&json) {
            Ok(once) => {
                prop_assert_eq!(canonical(&once), Ok(once.clone()));
                prop_assert_eq!(normalised(&once), normalised(&json));
                prop_assert_eq!(with(&json, |doc| check_numbers(doc, 0)), Ok(()));
            }
            Err(reason) => {
                prop_assert_eq!(reason, Reason::NumberOutOfRange);
                prop_assert_eq!(with(&json, |doc| check_numbers(doc, 0)), Err(reason));
            }
        }
    }

    #[test]
    fn every_way_to_write_a_value_has_one_canonical_text(tree in tree(), seeds in any::<(u64, u64)>()) {
        let (one, other) = (Choices(seeds.0).write(&tree), Choices(seeds.1).write(&tree));
        let text = canonical(&one).expect("in range");
        prop_assert_eq!(canonical(&other), Ok(text.clone()), "{} and {}", one, other);
        prop_assert!(!text.contains(['\n', '\r', '\t']) && text.len() <= text.trim().len());
    }

    #[test]
    fn values_are_equal_where_their_canonical_texts_are(one in value(), other in value()) {
        if let (Ok(a), Ok(b)) = (canonical(&one), canonical(&other)) {
            prop_assert_eq!(a == b, normalised(&one) == normalised(&other));
        }
    }

    #[test]
    fn numbers_share_a_text_exactly_if_they_are_equal(
        one in "-?(0|[1-9][0-9]{0,5})(\\.[0-9]{1,6})?([eE][+-]?[0-9])?",
        other in "-?(0|[1-9][0-9]{0,1})(\\.[0-9]{1,2})?([eE][+-]?[0-2])?",
        third in "-?(0|[1-9][0-9]{0,1})(\\.[0-9]{1,2})?([eE][+-]?[0-2])?",
    ) {
        // all as integers of 10^-15
        let scaled = |json: &str| {
            let (negative, digits, exponent) = arithmetic(json);
            let size = digits as i128 * 10i128.pow((exponent + 15) as u32);
            if negative { -size } else { size }
        };
        for (a, b) in [(&one, &other), (&other, &third)] {
            prop_assert_eq!(canonical(a) == canonical(b), scaled(a) == scaled(b), "{} and {}", a, b);
        }
    }

    #[test]
    fn a_number_is_written_in_the_form_its_exponent_asks_for(
        negative: bool,
        digits in prop_oneof![0u64..200, any::<u64>()],
        exponent in prop_oneof![-70i64..70, -1_000_000_030i64..-999_999_970, 999_999_970i64..1_000_000_030],
        seed: u64,
    ) {
        let written = Choices(seed).number(negative, digits, exponent);
        let (sign, expected_digits, expected_exponent) = arithmetic(&written);
        let mut out = Vec::new();
        if expected_exponent.abs() > i128::from(MAX_EXPONENT) {
            prop_assert_eq!(number(&written, &mut out), Err(Reason::NumberOutOfRange));
            prop_assert!(out.is_empty());
            return Ok(());
        }
        prop_assert_eq!(number(&written, &mut out), Ok(()));
        let shown = String::from_utf8(out).expect("digits");
        let sign = if sign { "-" } else { "" };
        let plain = expected_digits.to_string();
        let expected = match expected_exponent {
            0..=64 => format!("{sign}{plain}{}", "0".repeat(expected_exponent as usize)),
            -64..0 => {
                let places = -expected_exponent as usize;
                let padded = format!("{plain:0>width$}", width = places + 1);
                let (whole, fraction) = padded.split_at(padded.len() - places);
                format!("{sign}{whole}.{fraction}")
            }
            _ => format!("{sign}{plain}e{expected_exponent}"),
        };
        prop_assert_eq!(shown, expected);
    }

    #[test]
    fn reveal_gives_the_canonical_text_of_what_was_a_plaintext(json in value()) {
        let Ok(expected) = canonical(&json) else { return Ok(()) };
        let mut bytes = Vec::new();
        with(&json, |doc| plaintext(doc, 0, &mut bytes)).expect("in range");
        prop_assert_eq!(reveal(&bytes), Ok(expected));
        let string = std::str::from_utf8(&bytes).is_ok();
        prop_assert!(string || (bytes[0] == 0xff && bytes.len() >= 16));
    }

    #[test]
    fn reveal_is_total(bytes in prop::collection::vec(any::<u8>(), 0..12), json: bool) {
        let bytes = if json { [&[0xff], &bytes[..]].concat() } else { bytes };
        if let Ok(text) = reveal(&bytes) {
            prop_assert!(read_value(text.as_bytes(), &Limits::default()).is_ok());
        }
    }
}
