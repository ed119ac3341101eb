//! Span-splicing: copies a document and replaces or removes only the values that an [`Editor`] names.
//!
//! Every byte that no rule touches is copied as it stands: number text, key order, white space, escapes, duplicates. A removed
//! member with a kept one after it goes from the end of the token before it through its comma; trailing removed ones go from the
//! comma after the last kept member (or the brace) to the end of the last value. Deliberately not here: what is replaced, and by
//! what.

use super::error::Reason;
use super::scan::{Document, Kind};

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
    let mut splicer = Splicer { document, editor, out, cursor: 0 };
    splicer.inside(0, context)?;
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
    /// Everything before this byte of the document is written or gone.
    cursor: usize,
}

impl<E: Editor> Splicer<'_, '_, E> {
    fn copy_to(&mut self, end: usize) {
        if end > self.cursor {
            self.out.extend_from_slice(&self.document.text().as_bytes()[self.cursor..end]);
            self.cursor = end;
        }
    }

    /// Writes what stands in a container.
    fn inside(&mut self, container: usize, context: E::Context) -> Result<(), Reason> {
        let document = self.document;
        let brace = document.node(container).value.start as usize + 1;
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
                        self.cursor = before;
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
            self.cursor = end;
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
                self.editor.write(document, node, context, self.out)?;
                self.cursor = span.end as usize;
            }
            Choice::Enter(context) => match document.node(node).kind {
                Kind::Object | Kind::Array => self.inside(node, context)?,
                _ => {}
            },
        }
        Ok(())
    }
}
