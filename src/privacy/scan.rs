//! The scanner: strict RFC 8259 in one pass and without recursion, giving a flat list of spans.
//!
//! Protecting splices bytes, so what counts is where each value stands, not what it holds: the [`Tape`] has one [`Node`] per
//! value in document order, and everything between the nodes is copied. A [`Document`] is a text with its tape; it resolves
//! escapes only when asked.
//!
//! Always holds after a scan that succeeds: spans lie in the text on character boundaries, inside their parents, in order; and
//! every reader that follows RFC 8259 sees the same values at the same places. A failed scan leaves the tape empty. In steady
//! state nothing is allocated: the tape keeps its capacity.
//!
//! Deliberately not done: duplicates are kept, numbers are not evaluated (`1e99999999999` is a number here), and lone
//! surrogate escapes pass, since the RFC's grammar allows them.

use super::error::Reason;

mod document;
mod tape;

pub use document::Document;
pub use tape::{Kind, Node, Span, Tape};

/// What a document may take before it is refused. All in bytes but `depth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How deep containers may stand in each other, the root counting as 1.
    pub depth: usize,
    /// How long the whole text may be. Spans are 32 bits wide, so no setting admits 4 GiB or more.
    pub record_bytes: usize,
    /// How many raw bytes may stand between the quotes of a string or key.
    pub string_bytes: usize,
}

impl Limits {
    /// For texts that were held against limits before, or that we wrote ourselves.
    pub const NONE: Limits = Limits { depth: usize::MAX, record_bytes: usize::MAX, string_bytes: usize::MAX };
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 64, record_bytes: 1_000_000, string_bytes: 262_144 }
    }
}

/// Scans a record's value, whose root must be an object, and gives it back as text.
///
/// # Errors
/// The first that applies of `too_large`, `not_utf8`, `byte_order_mark`; then of `json_syntax`, `too_deep` and
/// `string_too_long` the one that comes first in the text; then `trailing_bytes`, `root_not_object`.
pub fn scan<'t>(bytes: &'t [u8], limits: &Limits, tape: &mut Tape) -> Result<&'t str, Reason> {
    let text = scan_value(bytes, limits, tape)?;
    if tape.nodes[0].kind != Kind::Object {
        tape.clear();
        return Err(Reason::RootNotObject);
    }
    Ok(text)
}

/// Like [`scan`], for any root: what stands alone on a line or inside a token.
///
/// # Errors
/// Those of [`scan`], but for `root_not_object`.
pub fn scan_value<'t>(bytes: &'t [u8], limits: &Limits, tape: &mut Tape) -> Result<&'t str, Reason> {
    tape.clear();
    if bytes.len() > limits.record_bytes || u32::try_from(bytes.len()).is_err() {
        return Err(Reason::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Reason::NotUtf8)?;
    if text.starts_with('\u{feff}') {
        return Err(Reason::ByteOrderMark);
    }
    let outcome = Scanner { bytes, at: 0, limits, tape }.document();
    if let Err(reason) = outcome {
        tape.clear();
        return Err(reason);
    }
    Ok(text)
}

/// What stands before a value and belongs to its node.
struct Place {
    key: Option<Span>,
    key_escaped: bool,
    before: usize,
}

struct Scanner<'s> {
    bytes: &'s [u8],
    at: usize,
    limits: &'s Limits,
    tape: &'s mut Tape,
}

impl Scanner<'_> {
    fn document(mut self) -> Result<(), Reason> {
        self.white_space();
        self.value(Place { key: None, key_escaped: false, before: 0 })?;
        while let Some(&container) = self.tape.open.last() {
            self.inside(container)?;
        }
        self.white_space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(Reason::TrailingBytes) }
    }

    /// Reads the next member or element of the innermost open container, or its end.
    fn inside(&mut self, container: usize) -> Result<(), Reason> {
        let first = container + 1 == self.tape.nodes.len();
        let object = self.tape.nodes[container].kind == Kind::Object;
        let mut before = self.at;
        self.white_space();
        match self.peek() {
            Some(b'}') if object => return self.close(container),
            Some(b']') if !object => return self.close(container),
            Some(b',') if !first => {
                self.at += 1;
                before = self.at;
                self.white_space();
            }
            Some(_) if first => {}
            _ => return Err(Reason::JsonSyntax),
        }
        let mut place = Place { key: None, key_escaped: false, before };
        if object {
            (place.key, place.key_escaped) = self.key()?;
        }
        self.value(place)
    }

    fn close(&mut self, container: usize) -> Result<(), Reason> {
        self.at += 1;
        let next = offset(self.tape.nodes.len());
        let node = &mut self.tape.nodes[container];
        node.value.end = offset(self.at);
        node.next = next;
        self.tape.open.pop();
        Ok(())
    }

    /// Reads a key and its colon; gives the span inside the quotes.
    fn key(&mut self) -> Result<(Option<Span>, bool), Reason> {
        if self.peek() != Some(b'"') {
            return Err(Reason::JsonSyntax);
        }
        let start = self.at + 1;
        let escaped = self.string()?;
        let key = Span { start: offset(start), end: offset(self.at - 1) };
        self.white_space();
        if self.peek() != Some(b':') {
            return Err(Reason::JsonSyntax);
        }
        self.at += 1;
        self.white_space();
        Ok((Some(key), escaped))
    }

    /// Reads a scalar, or the opening of a container.
    fn value(&mut self, place: Place) -> Result<(), Reason> {
        let start = self.at;
        let mut escaped = false;
        let kind = match self.peek() {
            Some(b'"') => {
                escaped = self.string()?;
                Kind::String
            }
            Some(b'{') => self.open(Kind::Object)?,
            Some(b'[') => self.open(Kind::Array)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.literal(b"true", Kind::True)?,
            Some(b'f') => self.literal(b"false", Kind::False)?,
            Some(b'n') => self.literal(b"null", Kind::Null)?,
            _ => return Err(Reason::JsonSyntax),
        };
        let next = self.tape.nodes.len() + 1;
        let Place { key, key_escaped, before } = place;
        let value = Span { start: offset(start), end: offset(self.at) };
        self.tape.nodes.push(Node {
            kind,
            key,
            key_escaped,
            value,
            escaped,
            before: offset(before),
            next: offset(next),
        });
        Ok(())
    }

    fn open(&mut self, kind: Kind) -> Result<Kind, Reason> {
        if self.tape.open.len() >= self.limits.depth {
            return Err(Reason::TooDeep);
        }
        self.tape.open.push(self.tape.nodes.len());
        self.at += 1;
        Ok(kind)
    }

    fn literal(&mut self, word: &[u8], kind: Kind) -> Result<Kind, Reason> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(Reason::JsonSyntax);
        }
        self.at += word.len();
        Ok(kind)
    }

    fn number(&mut self) -> Result<Kind, Reason> {
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(Kind::Number)
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), Reason> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(Reason::JsonSyntax) }
    }

    /// Reads a string from its opening quote through its closing one; gives whether it holds a backslash.
    fn string(&mut self) -> Result<bool, Reason> {
        let start = self.at + 1;
        // The last byte that may be the closing quote. Whatever else stands there makes the string too long.
        let last = start.saturating_add(self.limits.string_bytes);
        let window = &self.bytes[..self.bytes.len().min(last.saturating_add(1))];
        let mut escaped = false;
        self.at = start;
        loop {
            let found = self.at + plain(&window[self.at..]);
            match window.get(found) {
                Some(b'"') => {
                    self.at = found + 1;
                    return Ok(escaped);
                }
                Some(b'\\') if found < last => self.at = self.escape(found, last)?,
                // a control character at `last` itself is one byte too many before it is a mistake
                Some(_) if found < last => return Err(Reason::JsonSyntax),
                _ if window.len() > last => return Err(Reason::StringTooLong),
                _ => return Err(Reason::JsonSyntax),
            }
            escaped = true;
        }
    }

    /// Checks the escape whose backslash stands at `at`; gives the byte after it. No quote inside an escape closes a string.
    fn escape(&self, at: usize, last: usize) -> Result<usize, Reason> {
        let digits = if self.bytes.get(at + 1) == Some(&b'u') { 4 } else { 0 };
        for index in at + 1..at + 2 + digits {
            let fits = match self.bytes.get(index) {
                Some(_) if index >= last => return Err(Reason::StringTooLong),
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u') if index == at + 1 => true,
                Some(byte) => index > at + 1 && byte.is_ascii_hexdigit(),
                None => false,
            };
            if !fits {
                return Err(Reason::JsonSyntax);
            }
        }
        Ok(at + 2 + digits)
    }

    fn white_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
}

/// How many bytes come before the first quote, backslash or control character. Most strings are short, so eight bytes are looked at in one
/// word: a byte is zero if subtracting one borrows from its highest bit; a borrow goes upwards only, so the lowest byte found is right.
fn plain(bytes: &[u8]) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = EACH << 7;
    let below = |word: u64, least: u8| word.wrapping_sub(EACH * u64::from(least)) & !word & HIGHEST;
    let equal = |word: u64, byte: u8| below(word ^ (EACH * u64::from(byte)), 1);
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = below(word, 0x20) | equal(word, b'"') | equal(word, b'\\');
        if found != 0 {
            return 8 * index + found.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    8 * words.len() + rest.iter().position(special).unwrap_or(rest.len())
}

/// A position in a text, or an index into its nodes, of which there are no more than bytes: both are below 2³² since the
/// length of the text was checked.
fn offset(at: usize) -> u32 {
    at as u32
}

#[cfg(test)]
mod tests;
