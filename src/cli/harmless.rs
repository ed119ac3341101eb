//! Text of a record on somebody's terminal.
//!
//! Always holds: characters that could steer a terminal (controls, and those that turn the direction of writing) are escaped as JSON escapes
//! them, so that a document stays the document that it is.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` with what could steer a terminal escaped.
pub fn harmless(text: &str) -> Cow<'_, str> {
    let steers = |char: char| {
        char.is_control()
            || matches!(char, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        let _ = match steers(char) {
            true => write!(out, "\\u{:04x}", u32::from(char)),
            false => write!(out, "{char}"),
        };
    }
    Cow::Owned(out)
}
