//! A strict RFC 8259 reader, written to be obviously right: recursive descent, one byte at a time, a tree as its result. The
//! oracle of the scanner's property tests and fuzz targets; it shares with the scanner nothing but the words of its answer.

use sivcar::privacy::error::Reason;
use sivcar::privacy::scan::Limits;

/// A value and where it stands in the text, quotes and brackets included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub start: usize,
    pub end: usize,
    pub value: Value,
}

/// A value; strings and keys unescaped, as WTF-8; a number as its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Null,
    Bool(bool),
    Number(String),
    String(Vec<u8>),
    Array(Vec<Item>),
    Object(Vec<(Vec<u8>, Item)>),
}

/// Reads a record's value: its root must be an object.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Item, Reason> {
    let item = read_value(bytes, limits)?;
    match item.value {
        Value::Object(_) => Ok(item),
        _ => Err(Reason::RootNotObject),
    }
}

/// Reads a value of any kind.
pub fn read_value(bytes: &[u8], limits: &Limits) -> Result<Item, Reason> {
    if bytes.len() > limits.record_bytes {
        return Err(Reason::TooLarge);
    }
    if std::str::from_utf8(bytes).is_err() {
        return Err(Reason::NotUtf8);
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(Reason::ByteOrderMark);
    }
    let mut reader = Reader { bytes, at: 0, limits };
    reader.white_space();
    let item = reader.item(1)?;
    reader.white_space();
    match reader.peek() {
        None => Ok(item),
        Some(_) => Err(Reason::TrailingBytes),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    limits: &'a Limits,
}

/// What a string is made of: bytes that stand for themselves, and the code units of its escapes.
enum Piece {
    Byte(u8),
    Unit(u16),
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, text: &str) -> Result<(), Reason> {
        if text.bytes().all(|byte| self.take(byte)) { Ok(()) } else { Err(Reason::JsonSyntax) }
    }

    fn white_space(&mut self) {
        while self.take(b' ') || self.take(b'\t') || self.take(b'\n') || self.take(b'\r') {}
    }

    /// A value that, if it is a container, stands at `depth`.
    fn item(&mut self, depth: usize) -> Result<Item, Reason> {
        let start = self.at;
        let value = match self.peek() {
            Some(b'{' | b'[') if depth > self.limits.depth => return Err(Reason::TooDeep),
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Value::String(self.string()?),
            Some(b't') => self.expect("true").map(|()| Value::Bool(true))?,
            Some(b'f') => self.expect("false").map(|()| Value::Bool(false))?,
            Some(b'n') => self.expect("null").map(|()| Value::Null)?,
            _ => Value::Number(self.number()?),
        };
        Ok(Item { start, end: self.at, value })
    }

    fn object(&mut self, depth: usize) -> Result<Value, Reason> {
        let mut members = Vec::new();
        self.expect("{")?;
        self.white_space();
        if self.take(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            let key = self.string()?;
            self.white_space();
            self.expect(":")?;
            self.white_space();
            members.push((key, self.item(depth + 1)?));
            self.white_space();
            if self.take(b'}') {
                return Ok(Value::Object(members));
            }
            self.expect(",")?;
            self.white_space();
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Reason> {
        let mut elements = Vec::new();
        self.expect("[")?;
        self.white_space();
        if self.take(b']') {
            return Ok(Value::Array(elements));
        }
        loop {
            elements.push(self.item(depth + 1)?);
            self.white_space();
            if self.take(b']') {
                return Ok(Value::Array(elements));
            }
            self.expect(",")?;
            self.white_space();
        }
    }

    fn number(&mut self) -> Result<String, Reason> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned())
    }

    fn digits(&mut self) -> Result<(), Reason> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(Reason::JsonSyntax) } else { Ok(()) }
    }

    fn string(&mut self) -> Result<Vec<u8>, Reason> {
        self.expect("\"")?;
        let start = self.at;
        let mut pieces = Vec::new();
        while !self.take(b'"') {
            pieces.push(match self.inner(start)? {
                0..=0x1f => return Err(Reason::JsonSyntax),
                b'\\' => match self.inner(start)? {
                    byte @ (b'"' | b'\\' | b'/') => Piece::Byte(byte),
                    b'b' => Piece::Byte(8),
                    b'f' => Piece::Byte(12),
                    b'n' => Piece::Byte(10),
                    b'r' => Piece::Byte(13),
                    b't' => Piece::Byte(9),
                    b'u' => Piece::Unit(self.unit(start)?),
                    _ => return Err(Reason::JsonSyntax),
                },
                byte => Piece::Byte(byte),
            });
        }
        Ok(wtf8(&pieces))
    }

    /// The next byte of the string whose inside begins at `start`, if it may have one more.
    fn inner(&mut self, start: usize) -> Result<u8, Reason> {
        let byte = self.peek().ok_or(Reason::JsonSyntax)?;
        if self.at - start == self.limits.string_bytes {
            return Err(Reason::StringTooLong);
        }
        self.at += 1;
        Ok(byte)
    }

    fn unit(&mut self, start: usize) -> Result<u16, Reason> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = char::from(self.inner(start)?).to_digit(16).ok_or(Reason::JsonSyntax)?;
            unit = unit * 16 + digit as u16;
        }
        Ok(unit)
    }
}

/// Puts the pieces together; two code units that are a surrogate pair become one character, any other surrogate its
/// three-byte form.
fn wtf8(pieces: &[Piece]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = pieces;
    while let Some((piece, after)) = rest.split_first() {
        rest = after;
        let unit = match piece {
            Piece::Byte(byte) => {
                out.push(*byte);
                continue;
            }
            Piece::Unit(unit) => *unit,
        };
        if let Some(Piece::Unit(next)) = after.first()
            && let Some(Ok(c)) = char::decode_utf16([unit, *next]).next()
            && c > '\u{ffff}'
        {
            out.extend(c.to_string().bytes());
            rest = &after[1..];
        } else if let Some(c) = char::from_u32(unit.into()) {
            out.extend(c.to_string().bytes());
        } else {
            out.extend([0xed, 0x80 | (unit >> 6 & 0x3f) as u8, 0x80 | (unit & 0x3f) as u8]);
        }
    }
    out
}
