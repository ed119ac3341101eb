//! Canonical values: the one text and the one plaintext that equal values share.
//!
//! Tokens are compared byte by byte, so `1`, `1.0` and `1e0`, `"\u0061"` and `"a"`, `{"b":1,"a":2}` and `{ "a":2, "b":1 }` must
//! become the same bytes before they are sealed, in every language that seals. The rules are SEALING.md §3's.
//!
//! Always holds: canonical text is a fixpoint, and two numbers have the same text only if they are equal; nothing goes through
//! floating point. A refused value leaves half a text behind in `out`: the caller drops it with the record. Nothing here
//! recurses, however deep a document is.
//!
//! Deliberately not here: padding to a bucket and the sealing itself (the sealer's), and what is sealed element by element
//! (the pipeline's).

use std::borrow::Cow;
use std::vec;

use super::error::Reason;
use super::scan::{Document, Kind, Limits, Tape, scan_value};

/// The largest exponent, either way, that a number under a mark may have once it is written as digits and exponent.
pub const MAX_EXPONENT: i64 = 1_000_000_000;
/// The exponents between which, both included, a number is written without `e`.
const MIN_PLAIN: i64 = -64;
const MAX_PLAIN: i64 = 64;
/// The first byte of the plaintext of everything but strings; no UTF-8 text holds it.
const NOT_A_STRING: u8 = 0xff;
/// The fewest bytes after that first one; spaces fill them, so that booleans and short numbers have one length.
const SHORTEST_TEXT: usize = 15;

/// An opened plaintext that no sealer of ours writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plaintext is neither a string nor marked canonical JSON")]
pub struct Malformed;

/// Appends the canonical text of the JSON number `text`, as the scanner accepts it.
///
/// # Errors
/// [`Reason::NumberOutOfRange`] where the exponent passes [`MAX_EXPONENT`]; then nothing is appended.
pub fn number(text: &str, out: &mut Vec<u8>) -> Result<(), Reason> {
    Decimal::read(text)?.write(out);
    Ok(())
}

/// Appends the canonical text of node `i` and all inside it.
///
/// # Errors
/// [`Reason::NumberOutOfRange`] as [`number`].
pub fn text(doc: &Document, i: usize, out: &mut Vec<u8>) -> Result<(), Reason> {
    let mut open = Vec::new();
    begin(doc, i, &mut open, out)?;
    while let Some(container) = open.last_mut() {
        let Some(child) = container.rest.next() else {
            out.push(if container.object { b'}' } else { b']' });
            open.pop();
            continue;
        };
        if !std::mem::take(&mut container.first) {
            out.push(b',');
        }
        if let Some(key) = doc.key(child) {
            quote(&key, out);
            out.push(b':');
        }
        begin(doc, child, &mut open, out)?;
    }
    Ok(())
}

/// Appends the plaintext of node `i`: a string's UTF-8 bytes; for everything else, and for a string with a lone surrogate, the
/// byte `FF` and the canonical text, filled with spaces to 15 bytes. Not yet padded to a bucket.
///
/// # Errors
/// [`Reason::NumberOutOfRange`] as [`number`].
pub fn plaintext(doc: &Document, i: usize, out: &mut Vec<u8>) -> Result<(), Reason> {
    let node = doc.node(i);
    if node.kind == Kind::String {
        let string = doc.string(i);
        if !node.escaped || std::str::from_utf8(&string).is_ok() {
            out.extend_from_slice(&string);
            return Ok(());
        }
    }
    out.push(NOT_A_STRING);
    let start = out.len();
    text(doc, i, out)?;
    out.resize(out.len().max(start + SHORTEST_TEXT), b' ');
    Ok(())
}

/// The canonical JSON text of a plaintext, without its bucket's padding: the inverse of [`plaintext`]. What another writer
/// sealed in another order or spacing is brought into canonical form.
///
/// # Errors
/// [`Malformed`] where what stands after `FF` is no JSON or holds a number out of range, and where a string is no UTF-8.
pub fn reveal(plaintext: &[u8]) -> Result<String, Malformed> {
    let mut out = Vec::with_capacity(plaintext.len() + 2);
    match plaintext.split_first() {
        Some((&NOT_A_STRING, json)) => {
            let mut tape = Tape::default();
            let json = scan_value(json, &Limits::NONE, &mut tape).map_err(|_| Malformed)?;
            text(&Document::new(json, &tape), 0, &mut out).map_err(|_| Malformed)?;
        }
        _ => quote(std::str::from_utf8(plaintext).map_err(|_| Malformed)?.as_bytes(), &mut out),
    }
    String::from_utf8(out).map_err(|_| Malformed)
}

/// Whether every number in node `i` and inside it is in range, without writing anything.
///
/// # Errors
/// [`Reason::NumberOutOfRange`] as [`number`].
pub fn check_numbers(doc: &Document, i: usize) -> Result<(), Reason> {
    let (mut at, end) = (i, doc.node(i).next as usize);
    while at < end {
        let node = doc.node(at);
        if node.kind == Kind::Number {
            Decimal::read(doc.raw(node.value))?;
        }
        // a string is a string, whatever numbers stand in it
        at = if node.kind == Kind::String { node.next as usize } else { at + 1 };
    }
    Ok(())
}

/// Appends the canonical JSON string of unescaped WTF-8 bytes: raw but for `"`, `\`, U+0000–001F and lone surrogates.
pub fn quote(wtf8: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    quoted(wtf8, out);
    out.push(b'"');
}

/// Appends what [`quote`] has between its quotes.
pub fn quoted(wtf8: &[u8], out: &mut Vec<u8>) {
    let mut rest = wtf8;
    while let Some(plain) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f | 0xed)) {
        out.extend_from_slice(&rest[..plain]);
        rest = &rest[plain..];
        let length = match *rest {
            [0xed, second @ 0xa0..=0xbf, third, ..] => {
                escape(0xd000 | (u32::from(second & 0x3f) << 6) | u32::from(third & 0x3f), out);
                3
            }
            [byte @ 0..=0x1f, ..] => {
                control(byte, out);
                1
            }
            [byte, ..] => {
                out.extend_from_slice(if byte == 0xed { &[] } else { b"\\" });
                out.push(byte);
                1
            }
            [] => 0,
        };
        rest = &rest[length..];
    }
    out.extend_from_slice(rest);
}

/// Appends a control character's escape, the short one where there is one.
fn control(byte: u8, out: &mut Vec<u8>) {
    match byte {
        0x8 => out.extend_from_slice(b"\\b"),
        0x9 => out.extend_from_slice(b"\\t"),
        0xa => out.extend_from_slice(b"\\n"),
        0xc => out.extend_from_slice(b"\\f"),
        0xd => out.extend_from_slice(b"\\r"),
        _ => escape(u32::from(byte), out),
    }
}

/// Appends `\uxxxx`, lower case.
fn escape(code: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\\u{code:04x}").as_bytes());
}

/// A container whose members or elements are being written.
struct Container {
    rest: vec::IntoIter<usize>,
    object: bool,
    first: bool,
}

/// Writes a scalar, or the opening of a container, which is then the last of `open`.
fn begin(doc: &Document, i: usize, open: &mut Vec<Container>, out: &mut Vec<u8>) -> Result<(), Reason> {
    let node = doc.node(i);
    match node.kind {
        Kind::Null | Kind::False | Kind::True => out.extend_from_slice(doc.raw(node.value).as_bytes()),
        Kind::Number => number(doc.raw(node.value), out)?,
        Kind::String => quote(&doc.string(i), out),
        Kind::Array => {
            out.push(b'[');
            let rest = doc.children(i).collect::<Vec<_>>().into_iter();
            open.push(Container { rest, object: false, first: true });
        }
        Kind::Object => {
            out.push(b'{');
            let mut members: Vec<(Option<Cow<[u8]>>, usize)> =
                doc.children(i).map(|child| (doc.key(child), child)).collect();
            members.sort_by(|a, b| a.0.cmp(&b.0)); // stable: duplicates keep their order
            let rest = members.into_iter().map(|(_, child)| child).collect::<Vec<_>>().into_iter();
            open.push(Container { rest, object: true, first: true });
        }
    }
    Ok(())
}

/// A number as ±D·10^E, D without leading or trailing zeros; zero has no digits and E 0.
struct Decimal<'t> {
    negative: bool,
    /// The digits before and after the point, without the zeros that do not count.
    digits: (&'t [u8], &'t [u8]),
    exponent: i64,
}

impl<'t> Decimal<'t> {
    fn read(text: &'t str) -> Result<Self, Reason> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, written) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let whole = whole.trim_start_matches('0');
        let places = fraction.len() as i64;
        let kept = fraction.trim_end_matches('0');
        let (whole, kept, dropped) = if kept.is_empty() {
            let trimmed = whole.trim_end_matches('0');
            (trimmed, kept, places + (whole.len() - trimmed.len()) as i64)
        } else {
            (whole, if whole.is_empty() { kept.trim_start_matches('0') } else { kept }, places - kept.len() as i64)
        };
        let digits = (whole.as_bytes(), kept.as_bytes());
        if whole.is_empty() && kept.is_empty() {
            return Ok(Self { negative: false, digits, exponent: 0 });
        }
        // Saturated far beyond any text's length, so that the sum neither overflows nor comes back into range.
        let exponent = saturating_exponent(written) - places + dropped;
        if exponent.abs() > MAX_EXPONENT {
            return Err(Reason::NumberOutOfRange);
        }
        Ok(Self { negative: text.starts_with('-'), digits, exponent })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let (whole, fraction) = self.digits;
        let length = whole.len() + fraction.len();
        if length == 0 {
            out.push(b'0');
            return;
        }
        out.extend_from_slice(if self.negative { b"-" } else { b"" });
        let start = out.len();
        out.extend_from_slice(whole);
        out.extend_from_slice(fraction);
        let places = self.exponent.unsigned_abs() as usize; // at most MAX_EXPONENT, which 32 bits hold
        match self.exponent {
            0..=MAX_PLAIN => out.resize(start + length + places, b'0'),
            MIN_PLAIN..0 => {
                let zeros = (places + 1).saturating_sub(length);
                out.splice(start..start, std::iter::repeat_n(b'0', zeros));
                out.insert(out.len() - places, b'.');
            }
            _ => out.extend_from_slice(format!("e{}", self.exponent).as_bytes()),
        }
    }
}

/// The exponent of a JSON number, its sign included; ±10¹⁸ stands for all beyond that.
fn saturating_exponent(written: &str) -> i64 {
    const MOST: i64 = 1_000_000_000_000_000_000;
    let digits = written.trim_start_matches(['+', '-']).bytes();
    let size =
        digits.fold(0i64, |size, digit| size.saturating_mul(10).saturating_add(i64::from(digit.wrapping_sub(b'0'))));
    if written.starts_with('-') { -size.min(MOST) } else { size.min(MOST) }
}

#[cfg(test)]
mod tests;
