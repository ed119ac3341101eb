//! Random values in random spellings, and what Tink must say of their tokens.

use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use sivcar::privacy::canonical;
use sivcar::privacy::scan::{Document, Limits, Tape, scan_value};

use super::workshop::{Workshop, ask};

/// The configuration under which they are sealed: where they are read, the domain that pads, and their marks.
pub const SECTIONS: &str = r#"
[[source]]
topic = "raw"
kind = "event"
protected = "protected"
dead-letters = "dead"
[[domain]]
workspace = "acme"
name = "padded"
pad = 32
[[mark]]
workspace = "acme"
on = "parameter"
name = "plain"
[[mark]]
workspace = "acme"
on = "parameter"
name = "padded"
"#;

/// One value and how its domain pads.
pub struct Value {
    /// As it stands in a document.
    pub json: String,
    /// 0 in the domain `plain`, 32 in `padded`.
    pub pad: u32,
}

impl Value {
    fn domain(&self) -> &'static str {
        if self.pad == 0 { "plain" } else { "padded" }
    }

    /// An event with the value as a parameter that is named as its domain.
    pub fn event(&self) -> String {
        format!(r#"{{"workspace":"acme","action":"buy","params":{{"{}":{}}}}}"#, self.domain(), self.json)
    }

    /// What Tink's helper is asked for to seal it.
    pub fn question(&self) -> String {
        format!(r#"{{"value":{},"workspace":"acme","domain":"{}","pad":{}}}"#, self.json, self.domain(), self.pad)
    }

    fn canonical(&self) -> String {
        let (mut tape, mut out) = (Tape::default(), Vec::new());
        let text = scan_value(self.json.as_bytes(), &Limits::default(), &mut tape).expect("is JSON");
        canonical::text(&Document::new(text, &tape), 0, &mut out).expect("is in range");
        String::from_utf8(out).expect("is text")
    }
}

/// So many values that are neither null nor arrays, drawn by `seed`.
pub fn random(seed: u64, count: usize) -> Vec<Value> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut value = |index: usize| Value { json: text(&mut random, 3), pad: 32 * (index as u32 % 2) };
    (0..count).map(&mut value).collect()
}

fn text(random: &mut StdRng, depth: u32) -> String {
    match random.random_range(0..if depth == 3 { 8 } else { 10 }) {
        0..4 => string(random),
        4 | 5 => number(random),
        6 => random.random_bool(0.5).to_string(),
        7 if depth > 0 => {
            let members = random.random_range(0..5);
            let members: Vec<String> =
                (0..members).map(|_| format!("{} :\t{}", string(random), text(random, depth - 1))).collect();
            format!("{{ {}}}", members.join(", "))
        }
        8 if depth > 0 => {
            let elements = random.random_range(0..5);
            let elements: Vec<String> = (0..elements).map(|_| text(random, depth - 1)).collect();
            format!("[{}]", elements.join(","))
        }
        _ => ["true", "null"][usize::from(depth < 3)].to_owned(),
    }
}

/// A JSON string of any letters, some of them escaped in one of the ways there are, some of them halves of a pair.
fn string(random: &mut StdRng) -> String {
    let mut out = String::from("\"");
    for _ in 0..random.random_range(0..40) {
        match random.random_range(0..12) {
            0 => out += ["\\n", "\\\"", "\\\\", "\\/", "\\t", "\\u0000", "\\u007f"][random.random_range(0..7)],
            1 => out += &format!("\\u{:04X}", random.random_range(0..=0xffff_u32)),
            2 | 3 => {
                let drawn = random.random_range(0x80..0x11_0000_u32);
                out.extend(char::from_u32(drawn));
            }
            _ => out
                .extend(char::from_u32(random.random_range(0x20..0x7f)).filter(|letter| !['"', '\\'].contains(letter))),
        }
    }
    out + "\""
}

fn number(random: &mut StdRng) -> String {
    let sign = if random.random_bool(0.3) { "-" } else { "" };
    let digits = |random: &mut StdRng, most: u32| -> String {
        let count = random.random_range(1..=most);
        (0..count).map(|_| char::from(b'0' + random.random_range(0..10_u8))).collect()
    };
    let whole = digits(random, 25);
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = if random.random_bool(0.5) { format!(".{}", digits(random, 20)) } else { String::new() };
    let exponent = match random.random_range(0..4) {
        0 => format!(
            "{}{}{}",
            ["e", "E"][random.random_range(0..2)],
            ["", "+", "-"][random.random_range(0..3)],
            digits(random, 3)
        ),
        _ => String::new(),
    };
    format!("{sign}{whole}{fraction}{exponent}")
}

/// The token of each value in what became of its event.
pub fn tokens<D: AsRef<str>>(values: &[Value], documents: &[D]) -> Vec<String> {
    assert_eq!(values.len(), documents.len());
    let token = |(value, document): (&Value, &D)| {
        let document: serde_json::Value = serde_json::from_str(document.as_ref()).expect("is JSON");
        document["params"][value.domain()].as_str().expect("a token").to_owned()
    };
    values.iter().zip(documents).map(token).collect()
}

/// Tink opens each token to its value, and its own token of the value is the same.
pub fn tink_agrees(workshop: &Workshop, keyset: &Path, values: &[Value], tokens: &[String]) {
    let open = |(value, token): (&Value, &String)| {
        json!({"token": token, "workspace": "acme", "domain": value.domain(), "pad": value.pad}).to_string()
    };
    let asked: Vec<String> = values.iter().zip(tokens).map(open).collect();
    let canonical: Vec<String> = values.iter().map(Value::canonical).collect();
    assert_eq!(ask(workshop.helper(keyset, "open"), &asked), canonical);
    let asked: Vec<String> = values.iter().map(Value::question).collect();
    let sealed = ask(workshop.helper(keyset, "seal"), &asked);
    let primary = sealed.iter().map(|line| -> String {
        let tokens: Vec<String> = serde_json::from_str(line).expect("an array of tokens");
        tokens[0].clone()
    });
    assert_eq!(primary.collect::<Vec<_>>(), tokens);
}
