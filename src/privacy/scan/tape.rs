//! What a scan leaves: where every value of a document stands.
//!
//! Always holds: plain positions, nothing of the text, so a tape may be printed. Only the scanner writes one.

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the seven of RFC 8259 §3
pub enum Kind {
    Null,
    False,
    True,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    /// The name of the type.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::False | Kind::True => "boolean",
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Array => "array",
            Kind::Object => "object",
        }
    }
}

/// A stretch of the text, `start` included and `end` not; byte offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

/// One value and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// What the value is.
    pub kind: Kind,
    /// The member's key without its quotes; `None` for elements and the root.
    pub key: Option<Span>,
    /// Whether the key holds a backslash.
    pub key_escaped: bool,
    /// The whole value, a string with its quotes.
    pub value: Span,
    /// Whether the value is a string that holds a backslash.
    pub escaped: bool,
    /// The end of the `{`, `[` or `,` before this member or element: from here its own bytes begin, white space included. For
    /// the root 0.
    pub before: u32,
    /// The index of the first node after this one and all inside it.
    pub next: u32,
}

/// What a string holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inside {
    /// A document that is an object.
    Object,
    /// A document that is an array.
    Array,
    /// A query, whose parameters are like members.
    Query,
    /// What begins as a document does, and was not read.
    UnreadDocument,
    /// What may be a query, and was not read.
    UnreadQuery,
}

/// What was read, or was not, within one string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inner {
    /// The string's node; what stands in it are the nodes behind.
    pub node: u32,
    /// What the string holds.
    pub inside: Inside,
    /// Where the string's own text stands, unescaped.
    pub text: Span,
    /// Where in it the document's bracket stands.
    pub start: u32,
    /// Of a query: the index of its first parameter.
    pub first: u32,
}

/// Where a parameter stands in its query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Where its name begins.
    pub start: u32,
    /// Its value, as it stands.
    pub value: Span,
}

/// The result of a scan, kept for the next one.
#[derive(Debug, Default)]
pub struct Tape {
    pub(in crate::privacy) nodes: Vec<Node>,
    /// By node. Of what is scanned there is none: strings are entered later.
    pub(in crate::privacy) inner: Vec<Inner>,
    /// Of all queries.
    pub(in crate::privacy) parameters: Vec<Parameter>,
    /// The containers that are still open, outermost first; empty after a scan.
    pub(super) open: Vec<usize>,
}

impl Tape {
    /// The values in document order, each container before what it holds; the root is the first. Empty before the first scan
    /// and after a failed one.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Forgets the last scan and keeps the room it took.
    pub(in crate::privacy) fn clear(&mut self) {
        self.nodes.clear();
        self.inner.clear();
        self.parameters.clear();
        self.open.clear();
    }
}
