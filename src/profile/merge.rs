//! RFC 7396 over spans: a patch is merged into a document without reading either into a tree.
//!
//! Always holds: a member that the patch does not name is copied with all that stands around it between its commas; one whose value
//! is replaced keeps its place and the spelling of its name. Recursion follows the patch, whose depth is limited. Deliberately not
//! here: who may patch what.

use std::borrow::Cow;
use std::collections::HashMap;

use super::is_own;
use crate::privacy::scan::{Document, Kind, Span};

/// Appends `held`, with `patch` merged into it; without `held`, what the patch comes to by itself.
pub(super) fn merge(held: Option<&Document>, patch: &Document, out: &mut Vec<u8>) {
    let around = held.unwrap_or(patch);
    let (text, root) = (around.text().as_bytes(), around.node(0).value);
    out.extend_from_slice(&text[..root.start as usize]);
    Merger { held, patch, out }.object(held.map(|_| 0), 0);
    out.extend_from_slice(&text[root.end as usize..]);
}

struct Merger<'a, 'd> {
    held: Option<&'a Document<'d>>,
    patch: &'a Document<'d>,
    out: &'a mut Vec<u8>,
}

impl<'a, 'd> Merger<'a, 'd> {
    /// Appends the object `patch` of the patch, merged into the object `held` if there is one.
    fn object(&mut self, held: Option<usize>, patch: usize) {
        let target = self.held.zip(held);
        if target.is_none() && self.patch.children(patch).next().is_none() {
            self.raw(self.patch, self.patch.node(patch).value);
            return;
        }
        self.out.push(b'{');
        let start = self.out.len();
        let patches = members(self.patch, patch);
        let known = target.map(|(document, object)| members(document, object)).unwrap_or_default();
        if let Some((document, object)) = target {
            for member in document.children(object).filter(|member| is_last(document, *member, &known)) {
                match patches.get(&document.key(member).unwrap_or_default()) {
                    None => self.kept(document, object, member, start),
                    Some(patch) => self.member(document, object, member, start, Some(member), *patch),
                }
            }
        }
        for member in self.patch.children(patch).filter(|member| is_last(self.patch, *member, &patches)) {
            let is_new = !known.contains_key(&self.patch.key(member).unwrap_or_default());
            if is_new && !(patch == 0 && is_own(self.patch, member)) {
                self.member(self.patch, patch, member, start, None, member);
            }
        }
        self.out.push(b'}');
    }

    /// Appends a member that the patch does not name.
    fn kept(&mut self, document: &Document, object: usize, member: usize, start: usize) {
        let node = document.node(member);
        self.comma(start);
        self.raw(document, Span { start: node.before, end: end(document, object, member) });
    }

    /// Appends the member of an object as `document` spells it, with the value that the patch's member `patch` gives it beside the
    /// `held` one's; a null gives none.
    fn member(
        &mut self,
        document: &Document,
        object: usize,
        member: usize,
        start: usize,
        held: Option<usize>,
        patch: usize,
    ) {
        let (around, value) = (document.node(member), self.patch.node(patch));
        if value.kind == Kind::Null {
            return;
        }
        self.comma(start);
        self.raw(document, Span { start: around.before, end: around.value.start });
        if value.kind == Kind::Object {
            self.object(held.filter(|_| around.kind == Kind::Object), patch);
        } else {
            self.raw(self.patch, value.value);
        }
        self.raw(document, Span { start: around.value.end, end: end(document, object, member) });
    }

    /// Divides a member from those since `start`.
    fn comma(&mut self, start: usize) {
        if self.out.len() > start {
            self.out.push(b',');
        }
    }

    fn raw(&mut self, document: &Document, span: Span) {
        self.out.extend_from_slice(document.raw(span).as_bytes());
    }
}

/// The members of an object by their unescaped names; of those with one name the last.
fn members<'d>(document: &Document<'d>, object: usize) -> HashMap<Cow<'d, [u8]>, usize> {
    document.children(object).map(|member| (document.key(member).unwrap_or_default(), member)).collect()
}

fn is_last(document: &Document, member: usize, members: &HashMap<Cow<[u8]>, usize>) -> bool {
    members.get(&document.key(member).unwrap_or_default()) == Some(&member)
}

/// Where the comma or brace after a member stands.
fn end(document: &Document, object: usize, member: usize) -> u32 {
    let (object, next) = (document.node(object), document.node(member).next);
    if next < object.next { document.node(next as usize).before - 1 } else { object.value.end - 1 }
}
