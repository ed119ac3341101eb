//! What the demo shows: raw, protected and masked side by side, in colour where the terminal has it.

use std::io::{self, Write};

use owo_colors::{OwoColorize, Stream, Style};
use serde_json::Value;

use super::recount::Finding;

/// The three forms of one record.
pub struct Forms {
    /// As it came in; null for a record without an input.
    pub raw: Value,
    /// As systems get it.
    pub protected: Value,
    /// As people get it.
    pub masked: Value,
}

/// Characters of a value that are shown: a token is longer than a line.
const SHOWN_CHARS: usize = 34;

/// A heading.
pub fn heading(out: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(out, "\n{}", text.if_supports_color(Stream::Stdout, |text| text.bold()))
}

/// One record in its three forms: a line per field, the changed ones in colour.
pub fn forms(out: &mut dyn Write, forms: &Forms) -> io::Result<()> {
    let [raw, protected] = ["raw topic", "protected topic (systems)"].map(|text| format!("{text:<SHOWN_CHARS$}"));
    let mut rows = Vec::new();
    leaves(if forms.raw.is_null() { &forms.protected } else { &forms.raw }, "", &mut rows);
    let widest = rows.iter().map(|(path, _)| path.chars().count()).max().unwrap_or(0);
    writeln!(out, "  {:<widest$} {raw} {protected} debug topic (people)", "")?;
    for (path, pointer) in rows {
        let cell = |document: &Value| {
            document.pointer(&pointer).map_or_else(|| covering(document, &pointer), ToString::to_string)
        };
        let raw = if forms.raw.is_null() { String::new() } else { cell(&forms.raw) };
        let (protected, masked) = (cell(&forms.protected), cell(&forms.masked));
        let tint = |text: &str, style: Style| {
            let plain = text == raw;
            let text = format!("{:<SHOWN_CHARS$}", shorten(text));
            if plain { text } else { text.if_supports_color(Stream::Stdout, |text| text.style(style)).to_string() }
        };
        let raw_cell = format!("{:<SHOWN_CHARS$}", shorten(&raw));
        let (green, yellow) = (Style::new().green(), Style::new().yellow());
        writeln!(out, "  {path:<widest$} {raw_cell} {} {}", tint(&protected, green), tint(&masked, yellow).trim_end())?;
    }
    writeln!(out)
}

/// What was found, a line each.
pub fn findings(out: &mut dyn Write, findings: &[Finding]) -> io::Result<()> {
    for Finding { promise, counted, holds } in findings {
        let verdict = if *holds {
            "ok ".if_supports_color(Stream::Stdout, |text| text.green()).to_string()
        } else {
            "BAD".if_supports_color(Stream::Stdout, |text| text.red()).to_string()
        };
        writeln!(out, "  {verdict} {promise}: {counted}")?;
    }
    Ok(())
}

/// Paths and pointers of all leaves.
fn leaves(value: &Value, pointer: &str, rows: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, member) in members {
                leaves(member, &format!("{pointer}/{key}"), rows);
            }
        }
        Value::Array(elements) if !elements.is_empty() => {
            for (index, element) in elements.iter().enumerate() {
                leaves(element, &format!("{pointer}/{index}"), rows);
            }
        }
        _ => rows.push((pointer.trim_start_matches('/').replace('/', "."), pointer.to_owned())),
    }
}

/// What stands where an ancestor was sealed or masked whole.
fn covering(document: &Value, pointer: &str) -> String {
    let mut at = pointer;
    while let Some((parent, _)) = at.rsplit_once('/') {
        if let Some(value) = document.pointer(parent).filter(|value| value.is_string()) {
            return format!("⤷ {value}");
        }
        at = parent;
    }
    "(gone)".to_owned()
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= SHOWN_CHARS {
        return text.to_owned();
    }
    let kept: String = text.chars().take(SHOWN_CHARS - 1).collect();
    kept + "…"
}
