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

pub use document::{Document, raw_length};
pub use tape::{Inner, Inside, Kind, Node, Parameter, Span, Tape};

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

struct Scanner<'s> {
    bytes: &'s [u8],
    at: usize,
    limits: &'s Limits,
    tape: &'s mut Tape,
}

// One loop over the bytes, cut into functions for reading only: all but what is rare is inlined, so that the position stays in a register.
impl Scanner<'_> {
    #[inline(always)]
    fn document(mut self) -> Result<(), Reason> {
        let first = self.next();
        self.value(first, 0, None, false)?;
        while let Some(&container) = self.tape.open.last() {
            match self.tape.nodes[container].kind {
                Kind::Object => self.inside::<true>(container)?,
                _ => self.inside::<false>(container)?,
            }
        }
        self.next();
        if self.at == self.bytes.len() { Ok(()) } else { Err(Reason::TrailingBytes) }
    }

    /// Reads on in the innermost open container, to its end or to the opening of another one in it.
    #[inline(always)]
    fn inside<const OBJECT: bool>(&mut self, container: usize) -> Result<(), Reason> {
        let mut first = container + 1 == self.tape.nodes.len();
        loop {
            let mut before = self.at;
            let mut byte = self.next();
            match byte {
                b',' if !first => {
                    self.at += 1;
                    before = self.at;
                    byte = self.next();
                }
                b'}' if OBJECT => return self.close(container),
                b']' if !OBJECT => return self.close(container),
                _ if first => {}
                _ => return Err(Reason::JsonSyntax),
            }
            first = false;
            let opened = if OBJECT {
                let (key, escaped) = self.key(byte)?;
                let byte = self.next();
                self.value(byte, before, Some(key), escaped)?
            } else {
                self.value(byte, before, None, false)?
            };
            if opened {
                return Ok(());
            }
        }
    }

    #[inline(always)]
    fn close(&mut self, container: usize) -> Result<(), Reason> {
        self.at += 1;
        let next = offset(self.tape.nodes.len());
        let node = &mut self.tape.nodes[container];
        node.value.end = offset(self.at);
        node.next = next;
        self.tape.open.pop();
        Ok(())
    }

    /// Reads a key, which begins with `byte`, and its colon; gives the span inside the quotes, and whether it holds a backslash.
    #[inline(always)]
    fn key(&mut self, byte: u8) -> Result<(Span, bool), Reason> {
        if byte != b'"' {
            return Err(Reason::JsonSyntax);
        }
        let start = self.at + 1;
        let escaped = self.string()?;
        let key = Span { start: offset(start), end: offset(self.at - 1) };
        if self.next() != b':' {
            return Err(Reason::JsonSyntax);
        }
        self.at += 1;
        Ok((key, escaped))
    }

    /// Reads a scalar, or the opening of a container, which begins with `byte`; gives whether it is the latter.
    #[inline(always)]
    fn value(&mut self, byte: u8, before: usize, key: Option<Span>, key_escaped: bool) -> Result<bool, Reason> {
        let start = self.at;
        let mut escaped = false;
        let kind = match byte {
            b'"' => {
                escaped = self.string()?;
                Kind::String
            }
            b'{' => self.open(Kind::Object)?,
            b'[' => self.open(Kind::Array)?,
            b'-' | b'0'..=b'9' => self.number()?,
            b't' => self.literal(b"true", Kind::True)?,
            b'f' => self.literal(b"false", Kind::False)?,
            b'n' => self.literal(b"null", Kind::Null)?,
            _ => return Err(Reason::JsonSyntax),
        };
        let next = self.tape.nodes.len() + 1;
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
        Ok(matches!(kind, Kind::Object | Kind::Array))
    }

    #[inline(always)]
    fn open(&mut self, kind: Kind) -> Result<Kind, Reason> {
        if self.tape.open.len() >= self.limits.depth {
            return Err(Reason::TooDeep);
        }
        self.tape.open.push(self.tape.nodes.len());
        self.at += 1;
        Ok(kind)
    }

    #[inline(always)]
    fn literal(&mut self, word: &[u8], kind: Kind) -> Result<Kind, Reason> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(Reason::JsonSyntax);
        }
        self.at += word.len();
        Ok(kind)
    }

    #[inline(always)]
    fn number(&mut self) -> Result<Kind, Reason> {
        self.at += usize::from(self.peek() == b'-');
        if self.peek() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if let b'e' | b'E' = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), b'+' | b'-'));
            self.digits()?;
        }
        Ok(Kind::Number)
    }

    /// One digit or more.
    #[inline(always)]
    fn digits(&mut self) -> Result<(), Reason> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(Reason::JsonSyntax) }
    }

    /// Reads a string from its opening quote through its closing one; gives whether it holds a backslash.
    #[inline(always)]
    fn string(&mut self) -> Result<bool, Reason> {
        let start = self.at + 1;
        let end = plain(self.bytes, start);
        if self.bytes.get(end) == Some(&b'"') && end - start <= self.limits.string_bytes {
            self.at = end + 1;
            return Ok(false);
        }
        self.at = unplain(self.bytes, start, self.limits.string_bytes)?;
        Ok(true)
    }

    /// Passes white space; gives the byte that comes next, as [`Scanner::peek`] does.
    #[inline(always)]
    fn next(&mut self) -> u8 {
        loop {
            match self.peek() {
                byte if byte > b' ' => return byte,
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return byte,
            }
        }
    }

    /// The next byte; 0, which stands nowhere outside of strings, at the end.
    #[inline(always)]
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }
}

/// Reads the rest of a string that holds more than plain characters, or is none, from the byte after its opening quote; gives the byte
/// after its closing one.
#[inline(never)]
fn unplain(bytes: &[u8], start: usize, string_bytes: usize) -> Result<usize, Reason> {
    // The last byte that may be the closing quote. Whatever else stands there makes the string too long.
    let last = start.saturating_add(string_bytes);
    let window = &bytes[..bytes.len().min(last.saturating_add(1))];
    let mut at = start;
    loop {
        let found = plain(window, at);
        match window.get(found) {
            Some(b'"') => return Ok(found + 1),
            Some(b'\\') if found < last => at = escape(bytes, found, last)?,
            // a control character at `last` itself is one byte too many before it is a mistake
            Some(_) if found < last => return Err(Reason::JsonSyntax),
            _ if window.len() > last => return Err(Reason::StringTooLong),
            _ => return Err(Reason::JsonSyntax),
        }
    }
}

/// Checks the escape whose backslash stands at `at`; gives the byte after it. No quote inside an escape closes a string.
fn escape(bytes: &[u8], at: usize, last: usize) -> Result<usize, Reason> {
    let digits = if bytes.get(at + 1) == Some(&b'u') { 4 } else { 0 };
    for index in at + 1..at + 2 + digits {
        let fits = match bytes.get(index) {
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

/// The first quote, backslash or control character from `start` on; the end where there is none.
#[inline(always)]
fn plain(bytes: &[u8], start: usize) -> usize {
    // most keys end within eight bytes
    match bytes.get(start..).and_then(<[u8]>::first_chunk).and_then(special) {
        Some(found) => start + found,
        None => plain_on(bytes, start),
    }
}

/// The same, wherever it stands.
#[inline(never)]
fn plain_on(bytes: &[u8], start: usize) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    let (words, few) = rest.as_chunks();
    let found = words.iter().enumerate().find_map(|(index, word)| Some(index * word.len() + special(word)?));
    let is_special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    let last = || Some(rest.len() - few.len() + few.iter().position(is_special)?);
    start + found.or_else(last).unwrap_or(rest.len())
}

/// Where in eight bytes the first quote, backslash or control character stands. They are looked at in one word: a byte is zero if subtracting
/// one borrows from its highest bit; a borrow goes upwards only, so the lowest byte found is right.
#[inline(always)]
fn special(word: &[u8; 8]) -> Option<usize> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = EACH << 7;
    let word = u64::from_le_bytes(*word);
    // with its second bit turned, the quote (0x22) comes right after the control characters, which stay among themselves
    let quote_or_control = (word ^ (EACH * 0x02)).wrapping_sub(EACH * 0x21);
    let backslash = (word ^ (EACH * u64::from(b'\\'))).wrapping_sub(EACH);
    let found = (quote_or_control | backslash) & !word & HIGHEST;
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

/// A position in a text, or an index into its nodes, of which there are no more than bytes: both are below 2³² since the
/// length of the text was checked.
fn offset(at: usize) -> u32 {
    at as u32
}

#[cfg(test)]
mod tests;
