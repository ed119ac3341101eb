//! Span-splicing: copies a document and replaces or removes only the values that an [`Editor`] names.
//!
//! Every byte that no rule touches is copied as it stands: number text, key order, white space, escapes, duplicates. A removed
//! member with a kept one after it goes from the end of the token before it through its comma; trailing removed ones go from the
//! comma after the last kept member (or the brace) to the end of the last value. A string that was entered is spliced like a document, inside its quotes. Deliberately not here: what is replaced, and by
//! what.

use super::canonical;
use super::error::Reason;
use super::scan::{Document, Inner, Inside, Kind, Limits, Tape, raw_length, scan_value};

/// What becomes of a member or an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice<C> {
    /// Its bytes stay.
    Copy,
    /// Its members or elements are asked for in turn; a value that has none stays.
    Enter(C),
    /// Its value is written anew.
    Replace(C),
    /// The member or element goes.
    Remove,
}

/// Decides what becomes of each value, and writes those that are replaced.
pub trait Editor {
    /// What is known from the values around.
    type Context: Copy;

    /// What becomes of the member or element `node`, below a value entered with `context`. Must not depend on what was written.
    fn choose(&mut self, document: &Document, node: usize, context: Self::Context) -> Choice<Self::Context>;

    /// Appends the JSON text that replaces the value of `node`.
    fn write(
        &mut self,
        document: &Document,
        node: usize,
        context: Self::Context,
        out: &mut Vec<u8>,
    ) -> Result<(), Reason>;

    /// Appends the member that is added at the end of the root, if there is one, beginning with a comma if `comma` is set.
    fn tail(&mut self, comma: bool, out: &mut Vec<u8>);
}

/// Appends to `out` the document as `editor` wants it.
///
/// # Errors
/// The first that [`Editor::write`] gives; what stands in `out` is of no use then.
pub fn splice<E: Editor>(
    document: &Document,
    editor: &mut E,
    context: E::Context,
    out: &mut Vec<u8>,
) -> Result<(), Reason> {
    let mut splicer = Splicer { document, editor, out, cursor: 0, quoted: None, made: Vec::new() };
    splicer.inside(0, document.node(0).value.start, context)?;
    splicer.copy_to(document.text().len());
    Ok(())
}

/// Tells what `editor` makes of each value below the root, in document order, and writes nothing: what stands in a value that is copied,
/// replaced or removed shares its fate.
pub fn foresee<E: Editor>(
    document: &Document,
    editor: &mut E,
    context: E::Context,
    tell: &mut impl FnMut(usize, Choice<E::Context>),
) {
    foresee_inside(document, editor, 0, context, tell);
}

fn foresee_inside<E: Editor>(
    document: &Document,
    editor: &mut E,
    container: usize,
    context: E::Context,
    tell: &mut impl FnMut(usize, Choice<E::Context>),
) {
    for member in document.children(container) {
        let choice = editor.choose(document, member, context);
        match choice {
            Choice::Enter(inner) => {
                tell(member, choice);
                foresee_inside(document, editor, member, inner, tell);
            }
            choice => (member..document.node(member).next as usize).for_each(|node| tell(node, choice)),
        }
    }
}

struct Splicer<'a, 'd, E> {
    document: &'a Document<'d>,
    editor: &'a mut E,
    out: &'a mut Vec<u8>,
    /// Everything before this byte is written or gone: of the document, or of the text of the string that is entered.
    cursor: usize,
    /// Where the cursor stands in the document, while a string is entered.
    quoted: Option<usize>,
    /// What takes a value's place in such a string, before it is escaped.
    made: Vec<u8>,
}

impl<E: Editor> Splicer<'_, '_, E> {
    fn copy_to(&mut self, end: usize) {
        self.pass(end, true);
    }

    fn skip_to(&mut self, end: usize) {
        self.pass(end, false);
    }

    fn pass(&mut self, end: usize, copies: bool) {
        if end <= self.cursor {
            return;
        }
        let text = self.document.text().as_bytes();
        let (start, stop) = match &mut self.quoted {
            None => (self.cursor, end),
            Some(at) => {
                let start = *at;
                *at += raw_length(&text[start..], end - self.cursor);
                (start, *at)
            }
        };
        if copies {
            self.out.extend_from_slice(&text[start..stop]);
        }
        self.cursor = end;
    }

    /// Writes what stands in a container, whose bracket is at `bracket`.
    fn inside(&mut self, container: usize, bracket: u32, context: E::Context) -> Result<(), Reason> {
        let document = self.document;
        let brace = bracket as usize + 1;
        let mut kept = None;
        let mut cut = None;
        let mut end = brace;
        for member in document.children(container) {
            let node = document.node(member);
            let before = node.before as usize;
            end = node.value.end as usize;
            match self.editor.choose(document, member, context) {
                Choice::Remove => {
                    cut.get_or_insert(before);
                }
                choice => {
                    if let Some(start) = cut.take() {
                        self.copy_to(start);
                        self.skip_to(before);
                    }
                    self.value(member, choice)?;
                    kept = Some(end);
                }
            }
        }
        if container == 0 {
            self.copy_to(kept.unwrap_or(brace));
            self.editor.tail(kept.is_some(), self.out);
        }
        if let Some(start) = cut {
            self.copy_to(if kept.is_some() { start - 1 } else { start });
            self.skip_to(end);
        }
        Ok(())
    }

    fn value(&mut self, node: usize, choice: Choice<E::Context>) -> Result<(), Reason> {
        let document = self.document;
        match choice {
            Choice::Copy | Choice::Remove => {}
            Choice::Replace(context) => {
                let span = document.node(node).value;
                self.copy_to(span.start as usize);
                self.write(node, context)?;
                self.skip_to(span.end as usize);
            }
            Choice::Enter(context) => match (document.inner(node), document.node(node).kind) {
                (Some(inner), _) => self.string(node, inner, context)?,
                (None, Kind::Object | Kind::Array) => self.inside(node, document.node(node).value.start, context)?,
                _ => {}
            },
        }
        Ok(())
    }

    /// Writes what takes a value's place.
    fn write(&mut self, node: usize, context: E::Context) -> Result<(), Reason> {
        if self.quoted.is_none() {
            return self.editor.write(self.document, node, context, self.out);
        }
        self.made.clear();
        self.editor.write(self.document, node, context, &mut self.made)?;
        canonical::quoted(&self.made, self.out);
        Ok(())
    }

    /// Writes a string that was entered; what no rule touches keeps its escapes.
    fn string(&mut self, node: usize, inner: &Inner, context: E::Context) -> Result<(), Reason> {
        let span = self.document.node(node).value;
        if self.quoted.is_some() || matches!(inner.inside, Inside::UnreadDocument | Inside::UnreadQuery) {
            return Ok(());
        }
        self.copy_to(span.start as usize + 1);
        (self.quoted, self.cursor) = (Some(self.cursor), inner.text.start as usize);
        match inner.inside {
            Inside::Query => self.query(node, inner, context)?,
            _ => self.inside(node, inner.start, context)?,
        }
        self.copy_to(inner.text.end as usize);
        (self.quoted, self.cursor) = (None, span.end as usize - 1);
        Ok(())
    }

    /// Writes the parameters of a query. One that goes takes along the sign that divides it from the one that stays before it, else from
    /// the next; the signs with which query and fragment begin stay.
    fn query(&mut self, node: usize, query: &Inner, context: E::Context) -> Result<(), Reason> {
        let document = self.document;
        let text = document.raw(query.text).as_bytes();
        let at = |place: u32| (place - query.text.start) as usize;
        let (mut kept, mut last) = (false, 0);
        for (child, parameter) in document.children(node).zip(document.parameters(query)) {
            let (start, value) = (parameter.start as usize, parameter.value);
            kept &= !text[last..at(parameter.start)].iter().any(|sign| matches!(sign, b'?' | b'#'));
            last = at(value.end);
            match self.editor.choose(document, child, context) {
                Choice::Copy | Choice::Enter(_) => kept = true,
                Choice::Replace(context) => {
                    kept = true;
                    self.copy_to(value.start as usize);
                    self.made.clear();
                    self.editor.write(document, child, context, &mut self.made)?;
                    encode(&self.made, self.out);
                    self.skip_to(value.end as usize);
                }
                Choice::Remove => {
                    let divided = !kept && matches!(text.get(last), Some(b'&' | b';'));
                    self.copy_to(start - usize::from(kept));
                    self.skip_to(value.end as usize + usize::from(divided));
                }
            }
        }
        Ok(())
    }
}

/// Appends the text that the JSON text `made` is as the value of a query's parameter: with percent escapes for all but RFC 3986's unreserved
/// characters and those that need none in a query and mean nothing there (`* : @`).
fn encode(made: &[u8], out: &mut Vec<u8>) {
    let mut tape = Tape::default();
    let text = scan_value(made, &Limits::NONE, &mut tape);
    // an editor writes JSON
    let Ok(text) = text else { return };
    for byte in Document::new(text, &tape).string(0).iter() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' | b'*' | b':' | b'@' => out.push(*byte),
            byte => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
}
