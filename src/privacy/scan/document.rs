//! A scanned text with its tape: the one way to walk it.
//!
//! Escapes are resolved to WTF-8, since a lone surrogate escape has no UTF-8: it becomes its three-byte form, and a pair of
//! escapes the one character it means. Deliberately not here: lookup by key; keys may repeat, and how they compare is
//! [`crate::privacy::fold`]'s.

use std::borrow::Cow;
use std::iter;

use memchr::memchr;

use super::{Inner, Inside, Kind, Node, Parameter, Span, Tape};
use crate::privacy::fold;

/// What stands for a value that was taken out of a text: no part of any other value, of letters or digits.
const APART: &str = "\u{1}x\u{1}";

/// A text and the tape of its scan. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Document<'a> {
    /// The text itself, and behind it what stands within strings.
    text: &'a str,
    length: usize,
    tape: &'a Tape,
}

impl<'a> Document<'a> {
    /// The document that `text` is, after a scan of it into `tape` succeeded.
    pub fn new(text: &'a str, tape: &'a Tape) -> Self {
        debug_assert!(tape.nodes().first().is_some_and(|root| root.value.end as usize <= text.len()));
        Self { text, length: text.len(), tape }
    }

    /// The document that the first `length` bytes of `text` are, with what stands within its strings behind them.
    pub(in crate::privacy) fn within(text: &'a str, length: usize, tape: &'a Tape) -> Self {
        Self { text, length, tape }
    }

    /// What the string `i` holds, where strings were entered.
    #[inline]
    pub fn inner(&self, i: usize) -> Option<&'a Inner> {
        let inner = &self.tape.inner;
        if inner.is_empty() {
            return None;
        }
        inner.binary_search_by_key(&i, |inner| inner.node as usize).ok().map(|at| &inner[at])
    }

    /// What the string `i` holds, where strings were entered.
    pub fn inside(&self, i: usize) -> Option<Inside> {
        self.inner(i).map(|inner| inner.inside)
    }

    /// What node `i` is to whoever looks at what it holds: a string with a document in it is what that document is.
    pub fn shape(&self, i: usize) -> Kind {
        match self.inside(i) {
            Some(Inside::Object) => Kind::Object,
            Some(Inside::Array) => Kind::Array,
            _ => self.node(i).kind,
        }
    }

    /// The parameters of the query in a string, in their order, as its children stand.
    pub fn parameters(&self, query: &Inner) -> &'a [Parameter] {
        &self.tape.parameters[query.first as usize..]
    }

    /// What stands before the first parameter of a query.
    pub fn before_query(&self, query: &Inner) -> &'a str {
        let start = query.text.start;
        let end = self.parameters(query).first().map_or(start, |first| first.start);
        self.raw(Span { start, end })
    }

    /// The text of the string `i`, which has a query, without the values of the parameters that `found` tells: in the place of each stands
    /// what keeps apart whatever is read to its left and right.
    pub fn beside(&self, i: usize, mut found: impl FnMut(usize) -> bool) -> String {
        let Some(query) = self.inner(i) else { return String::new() };
        let (mut rest, mut at) = (String::new(), query.text.start);
        for (part, parameter) in self.children(i).zip(self.parameters(query)) {
            if found(part) {
                rest.push_str(self.raw(Span { start: at, end: parameter.value.start }));
                rest.push_str(APART);
                at = parameter.value.end;
            }
        }
        rest.push_str(self.raw(Span { start: at, end: query.text.end }));
        rest
    }

    /// The whole text, white space around the root included.
    pub fn text(&self) -> &'a str {
        &self.text[..self.length]
    }

    /// The nodes in document order, the root first.
    pub fn nodes(&self) -> &'a [Node] {
        self.tape.nodes()
    }

    /// Node `i`; 0 is the root.
    #[inline]
    pub fn node(&self, i: usize) -> &'a Node {
        &self.tape.nodes()[i]
    }

    /// The indices of the members or elements of node `i`, in document order; none for a scalar.
    pub fn children(&self, i: usize) -> impl Iterator<Item = usize> + use<'a> {
        let nodes = self.tape.nodes();
        let end = nodes[i].next as usize;
        let mut at = i + 1;
        iter::from_fn(move || {
            let child = at;
            (child < end).then(|| {
                at = nodes[child].next as usize;
                child
            })
        })
    }

    /// The text of a span, as it stands.
    #[inline]
    pub fn raw(&self, span: Span) -> &'a str {
        &self.text[span.start as usize..span.end as usize]
    }

    fn bytes(&self, span: Span) -> &'a [u8] {
        &self.text.as_bytes()[span.start as usize..span.end as usize]
    }

    /// The key of member `i`, unescaped, as WTF-8; `None` for elements and the root.
    #[inline]
    pub fn key(&self, i: usize) -> Option<Cow<'a, [u8]>> {
        let node = self.node(i);
        node.key.map(|span| unescape(self.bytes(span), node.key_escaped))
    }

    /// The key of member `i`, unescaped, as text: a lone surrogate is U+FFFD. `None` for elements and the root.
    #[inline]
    pub fn name(&self, i: usize) -> Option<Cow<'a, str>> {
        let node = self.node(i);
        let raw = self.raw(node.key?);
        let plain = !node.key_escaped;
        Some(if plain {
            Cow::Borrowed(raw)
        } else {
            Cow::Owned(fold::lossy(&unescape(raw.as_bytes(), true)).into_owned())
        })
    }

    /// The string that node `i` is, unescaped, as WTF-8; for any other kind its raw text.
    #[inline]
    pub fn string(&self, i: usize) -> Cow<'a, [u8]> {
        let node = self.node(i);
        let quote = u32::from(node.kind == Kind::String);
        unescape(self.bytes(Span { start: node.value.start + quote, end: node.value.end - quote }), node.escaped)
    }
}

/// Resolves the escapes of a scanned string's inside.
#[inline]
fn unescape(raw: &[u8], escaped: bool) -> Cow<'_, [u8]> {
    if escaped { Cow::Owned(resolved(raw)) } else { Cow::Borrowed(raw) }
}

fn resolved(raw: &[u8]) -> Vec<u8> {
    let mut rest = raw;
    let mut out = Vec::with_capacity(rest.len());
    while let Some(plain) = memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..plain]);
        rest = &rest[plain..];
        let (length, code) = match rest.get(1) {
            Some(b'u') => unit(rest),
            Some(b'b') => (2, 0x8),
            Some(b't') => (2, 0x9),
            Some(b'n') => (2, 0xa),
            Some(b'f') => (2, 0xc),
            Some(b'r') => (2, 0xd),
            other => (2, other.copied().map_or(0, u32::from)),
        };
        push_wtf8(code, &mut out);
        rest = rest.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

/// How many bytes of a string's inside, as it stands in the text, come to the first `length` bytes of what it means. The string means UTF-8.
pub fn raw_length(raw: &[u8], length: usize) -> usize {
    let (mut at, mut left) = (0, length);
    while left > 0 {
        let rest = raw.get(at..).unwrap_or_default();
        let plain = memchr(b'\\', &rest[..left.min(rest.len())]).unwrap_or(left);
        at += plain;
        left -= plain;
        if left > 0 {
            let (taken, code) = match raw.get(at + 1) {
                Some(b'u') => unit(&raw[at..]),
                _ => (2, 0),
            };
            at += taken;
            left = left.saturating_sub(char::from_u32(code).map_or(3, char::len_utf8));
        }
    }
    at
}

/// Reads the `\u` escape that `rest` begins with, and the low surrogate after a high one; gives the bytes read and the code point.
fn unit(rest: &[u8]) -> (usize, u32) {
    let high = hex(rest);
    match (high, rest.get(6..8)) {
        (0xd800..=0xdbff, Some(b"\\u")) => match hex(&rest[6..]) {
            low @ 0xdc00..=0xdfff => (12, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)),
            _ => (6, high),
        },
        _ => (6, high),
    }
}

/// The four hex digits of the `\u` escape that `rest` begins with; the scanner has checked them.
fn hex(rest: &[u8]) -> u32 {
    let digits = rest.get(2..6).unwrap_or_default();
    digits.iter().fold(0, |code, digit| (code << 4) | char::from(*digit).to_digit(16).unwrap_or_default())
}

/// Appends a code point, a surrogate as its three-byte form.
fn push_wtf8(code: u32, out: &mut Vec<u8>) {
    match char::from_u32(code) {
        Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.extend_from_slice(&[
            0xe0 | (code >> 12) as u8,
            0x80 | (code >> 6 & 0x3f) as u8,
            0x80 | (code & 0x3f) as u8,
        ]),
    }
}
