//! What stands within strings: JSON documents, and the queries of URLs.
//!
//! Where a source asks for it, a string that holds a document is entered like an object or an array, and one that has a query like an
//! object of its parameters. What stands within is appended to the document's text and its nodes stand in the tape where the string's
//! inside would, so that all who walk a document find them; a string stays a string to whoever seals, masks or reads it whole. One level is entered. Always holds:
//! limits hold within as without, and depth counts on; what looks as if it could be entered and cannot is noted as unread, so that it can be hidden whole by
//! what would hold within. Deliberately not here: how it is written again ([`super::splice`]); the words of the layout, which stay what they are.

use std::borrow::Cow;

use memchr::memchr2;

use super::canonical;
use super::detect::query;
use super::layout::Located;
use super::scan::{Document, Inner, Inside, Kind, Limits, Node, Parameter, Span, Tape, scan_value};
use super::settings::Within;

/// What was read within the strings of one document, kept to reuse the memory.
#[derive(Debug, Default)]
pub struct Reading {
    text: String,
    tape: Tape,
    /// Of one string.
    scanned: Tape,
    /// Where each node of the document went, and behind the last the end.
    moved: Vec<u32>,
    /// The ends of the objects and arrays around.
    open: Vec<u32>,
}

/// Which strings are entered.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// All that hold something.
    All,
    /// Those at these nodes.
    Those(&'a [usize]),
}

impl Reading {
    /// `document` with what stands within its strings, as far as `within` asks for it; nodes in `located` follow.
    pub fn read<'a>(
        &'a mut self,
        document: Document<'a>,
        within: Within,
        which: Which,
        limits: &Limits,
        located: &mut Located,
    ) -> Document<'a> {
        let is_asked = |node: usize| match which {
            Which::All => true,
            Which::Those(nodes) => nodes.binary_search(&node).is_ok(),
        };
        let first = if within == Within::default() {
            None
        } else {
            let mut nodes = 1..document.nodes().len();
            nodes.find(|node| is_asked(*node) && holds(&document, *node, within).is_some())
        };
        self.tape.clear();
        let Some(first) = first else { return document };
        self.text.clear();
        self.text.push_str(document.text());
        self.moved.clear();
        self.open.clear();
        for (at, node) in document.nodes().iter().enumerate() {
            self.moved.push(offset(self.tape.nodes.len()));
            while self.open.last().is_some_and(|end| *end as usize <= at) {
                self.open.pop();
            }
            self.tape.nodes.push(*node);
            if matches!(node.kind, Kind::Object | Kind::Array) {
                self.open.push(node.next);
            }
            let held =
                if at < first || !is_asked(at) || located.is_word(at) { None } else { holds(&document, at, within) };
            match held {
                Some(Inside::UnreadDocument) => self.document(&document, at, within, limits),
                Some(_) => self.query(&document, at, within),
                None => {}
            }
        }
        self.moved.push(offset(self.tape.nodes.len()));
        self.settle();
        located.follow(&self.moved);
        Document::within(&self.text, document.text().len(), &self.tape)
    }

    /// The document that was read last, whose text is `text` and whose own nodes are in `tape`.
    pub fn document_of<'a>(&'a self, text: &'a str, tape: &'a Tape) -> Document<'a> {
        if self.tape.nodes.is_empty() {
            return Document::new(text, tape);
        }
        Document::within(&self.text, text.len(), &self.tape)
    }

    /// Lets the document's own nodes end where they end now.
    fn settle(&mut self) {
        let Self { moved, tape, .. } = self;
        for own in &moved[..moved.len() - 1] {
            let node = &mut tape.nodes[*own as usize];
            node.next = moved[node.next as usize];
        }
    }

    /// Enters the string `at`, which is the last node so far, as a document.
    fn document(&mut self, document: &Document, at: usize, within: Within, limits: &Limits) {
        let string = document.string(at);
        let Self { text, tape, scanned, open, .. } = self;
        let (own, base) = (tape.nodes.len() - 1, text.len());
        // the string itself stands in what is open around it
        let depth = limits.depth.saturating_sub(open.len());
        let limits = Limits { depth, record_bytes: usize::MAX, string_bytes: limits.string_bytes };
        let read = scan_value(&string, &limits, scanned).ok().filter(|_| fits(base, string.len()));
        let (inside, read) = match (scanned.nodes().first().map(|root| root.kind), read) {
            (Some(Kind::Object), Some(read)) => (Inside::Object, read),
            (Some(Kind::Array), Some(read)) => (Inside::Array, read),
            _ => return tape.inner.push(unread(own, Inside::UnreadDocument)),
        };
        let Some((root, inner)) = scanned.nodes().split_first().filter(|(_, inner)| !inner.is_empty()) else { return };
        text.push_str(read);
        let start = offset(base) + root.value.start;
        let span = Span { start: offset(base), end: offset(text.len()) };
        tape.inner.push(Inner { node: offset(own), inside, text: span, start, first: 0 });
        let here = Document::new(read, scanned);
        let moved = |span: Span| Span { start: span.start + offset(base), end: span.end + offset(base) };
        for (index, node) in inner.iter().enumerate() {
            tape.nodes.push(Node {
                key: node.key.map(moved),
                value: moved(node.value),
                before: node.before + offset(base),
                next: node.next + offset(own),
                ..*node
            });
            // one level is entered
            let further = holds(&here, index + 1, within);
            tape.inner.extend(further.map(|inside| unread(own + index + 1, inside)));
        }
    }

    /// Enters the string `at`, which is the last node so far, as a text with a query.
    fn query(&mut self, document: &Document, at: usize, within: Within) {
        let string = document.string(at);
        let own = self.tape.nodes.len() - 1;
        let (base, nodes, known) = (self.text.len(), self.tape.nodes.len(), self.tape.parameters.len());
        let read = std::str::from_utf8(&string).ok().filter(|text| fits(base, text.len().saturating_mul(12)));
        let read = read.filter(|text| !divides_an_address(text));
        let Some(text) = read else { return self.tape.inner.push(unread(own, Inside::UnreadQuery)) };
        self.text.push_str(text);
        let end = offset(self.text.len());
        let inner = self.tape.inner.len();
        let span = Span { start: offset(base), end };
        self.tape.inner.push(Inner {
            node: offset(own),
            inside: Inside::Query,
            text: span,
            start: span.start,
            first: offset(known),
        });
        for part in parts(text) {
            let decoded = decoded(&text[part.name.clone()]).zip(decoded(&text[part.value.clone()]));
            let Some((name, value)) = decoded else {
                // the name may be any: nothing within is known
                self.text.truncate(base);
                self.tape.nodes.truncate(nodes);
                self.tape.parameters.truncate(known);
                self.tape.inner.truncate(inner);
                return self.tape.inner.push(unread(own, Inside::UnreadQuery));
            };
            self.parameter(base, &part, &name, &value, within);
        }
    }

    /// Appends one parameter: its node speaks of it as JSON would.
    fn parameter(&mut self, base: usize, part: &Part, name: &str, value: &str, within: Within) {
        let own = &mut self.text;
        let mut quote = |text: &str| {
            let mut quoted = Vec::with_capacity(text.len() + 2);
            canonical::quote(text.as_bytes(), &mut quoted);
            let start = own.len();
            // a text that was quoted is a text
            own.push_str(&String::from_utf8(quoted).unwrap_or_default());
            (Span { start: offset(start), end: offset(own.len()) }, own.len() > start + text.len() + 2)
        };
        let ((key, key_escaped), (shown, escaped)) = (quote(name), quote(value));
        let at = self.tape.nodes.len();
        let moved =
            |range: &std::ops::Range<usize>| Span { start: offset(base + range.start), end: offset(base + range.end) };
        self.tape.parameters.push(Parameter { start: offset(base + part.name.start), value: moved(&part.value) });
        self.tape.nodes.push(Node {
            kind: Kind::String,
            key: Some(Span { start: key.start + 1, end: key.end - 1 }),
            key_escaped,
            value: shown,
            escaped,
            before: offset(base + part.name.start),
            next: offset(at + 1),
        });
        // one level is entered
        self.tape.inner.extend(of_text(value.as_bytes(), within).map(|inside| unread(at, inside)));
    }
}

/// That nobody read what stands within the node `at`.
fn unread(at: usize, inside: Inside) -> Inner {
    Inner { node: offset(at), inside, text: Span { start: 0, end: 0 }, start: 0, first: 0 }
}

/// What the string `node` may hold, before anybody reads it.
fn holds(document: &Document, node: usize, within: Within) -> Option<Inside> {
    if document.node(node).kind != Kind::String {
        return None;
    }
    of_text(&document.string(node), within)
}

/// What a text may hold, before anybody reads it.
fn of_text(text: &[u8], within: Within) -> Option<Inside> {
    if within.json && is_meant_as_document(text) {
        return Some(Inside::UnreadDocument);
    }
    let query = || std::str::from_utf8(text).map_or(true, |text| parts(text).next().is_some());
    let may = within.queries && memchr2(b'?', b'#', text).is_some() && memchr::memchr(b'=', text).is_some();
    (may && query()).then_some(Inside::UnreadQuery)
}

/// Whether `text` begins as JSON documents do: an object, or an array with something in it that JSON knows.
fn is_meant_as_document(text: &[u8]) -> bool {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text).trim_ascii_start();
    match text.split_first() {
        Some((b'{', _)) => true,
        Some((b'[', rest)) => {
            let next = rest.trim_ascii_start().first();
            next.is_some_and(|next| matches!(next, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n'))
        }
        _ => false,
    }
}

/// A parameter's place in the text.
struct Part {
    name: std::ops::Range<usize>,
    value: std::ops::Range<usize>,
}

/// What stands between parameters.
const DIVIDERS: [char; 4] = ['&', ';', '?', '#'];

/// Whether an address within the query may go on behind what divides parameters: who it is for stands in front of its `@`, and may hold `&` and `;`.
/// Nobody knows then where a parameter ends. One that tells a name of its own there is one, unless a password may have begun.
fn divides_an_address(text: &str) -> bool {
    // what is escaped within an address as it stands is none of its signs, and all there is of one that is escaped itself
    goes_on(text, |part| part.into()) || (text.contains('%') && goes_on(text, query::resolved))
}

/// The same, each part being read by `read`.
fn goes_on(text: &str, read: fn(&[u8]) -> Cow<'_, [u8]>) -> bool {
    // in an address whose host has not begun: whether a colon stood there
    let mut open = None;
    let mut at = memchr2(b'?', b'#', text.as_bytes()).map_or(text.len(), |at| at + 1);
    while at < text.len() {
        let end = text[at..].find(DIVIDERS).map_or(text.len(), |length| at + length);
        let part = read(&text.as_bytes()[at..end]);
        if let Some(password) = open.take().filter(|_| text[..at].ends_with(['&', ';'])) {
            let user = authority(&part);
            match memchr::memchr(b'@', user) {
                Some(host) if password || !user[..host].contains(&b'=') => return true,
                Some(_) => {}
                None => open = (user.len() == part.len()).then_some(password || user.contains(&b':')),
            }
        }
        if let Some(scheme) = memchr::memmem::rfind(&part, b"://") {
            let rest = &part[scheme + 3..];
            let user = authority(rest);
            open = (user.len() == rest.len() && !user.contains(&b'@')).then_some(user.contains(&b':'));
        }
        at = end + 1;
    }
    false
}

/// So much of `text` as may belong to who an address is for, and its host.
fn authority(text: &[u8]) -> &[u8] {
    &text[..text.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(text.len())]
}

/// The parameters of the query and the fragment of `text`, empty ones left out: what stands between `?`, `#`, `&` and `;`. One without `=` is a value
/// without a name. A text in which none has a name has no query.
fn parts(text: &str) -> impl Iterator<Item = Part> {
    let start = memchr2(b'?', b'#', text.as_bytes()).map_or(text.len(), |at| at + 1);
    let named = text[start..].contains('=');
    let mut at = if named { start } else { text.len() };
    std::iter::from_fn(move || {
        while at < text.len() {
            let end = text[at..].find(DIVIDERS).map_or(text.len(), |length| at + length);
            let part = at..end;
            at = end + 1;
            if part.is_empty() {
                continue;
            }
            return Some(match text[part.clone()].find('=') {
                Some(equals) => {
                    Part { name: part.start..part.start + equals, value: part.start + equals + 1..part.end }
                }
                None => Part { name: part.start..part.start, value: part },
            });
        }
        None
    })
}

/// `text` without its percent escapes, and with spaces for plus signs; `None` where an escape is none, or the bytes are no text.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if memchr2(b'%', b'+', text.as_bytes()).is_none() {
        return Some(Cow::Borrowed(text));
    }
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let digit = |at: usize| bytes.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        at += match byte {
            b'%' => {
                out.push((digit(at + 1)? * 16 + digit(at + 2)?) as u8);
                3
            }
            b'+' => {
                out.push(b' ');
                1
            }
            byte => {
                out.push(*byte);
                1
            }
        };
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

/// Whether places in the text stay within 32 bits.
fn fits(length: usize, more: usize) -> bool {
    u32::try_from(length.saturating_add(more)).is_ok()
}

/// A place in a text whose length was looked at, or an index of a node, of which there are fewer.
fn offset(at: usize) -> u32 {
    at as u32
}

#[cfg(test)]
mod tests;
