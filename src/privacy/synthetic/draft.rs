//! The raw event, as a producer would have written it: in clear, where the layout of the event source says, without white space.
//!
//! Always holds: whatever is taken from the profile is listed in [`Draft::forced`], with the verdict it has there and those of all
//! inside it; nodes are counted as the reader will count them. Deliberately not here: what becomes of it.

use super::held::{Attribute, by_element, identifier};
use super::{EVENT, Profile};
use crate::privacy::automaton::key_name;
use crate::privacy::canonical;
use crate::privacy::error::Reason;
use crate::privacy::fields::Field;
use crate::privacy::path::{Path, Step};
use crate::privacy::rules::Verdict;
use crate::privacy::scan::Kind;
use crate::privacy::settings::{Case, Layout, Source};

/// The event's text, and what must hold for its values.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) text: String,
    /// By nodes of the text, not in order.
    pub(super) forced: Vec<Field>,
    /// The nodes of arrays that are ours, whose elements are the profile's, in document order.
    pub(super) arrays: Vec<usize>,
    /// The strings of the profile that were entered there, in document order and by nodes of the text as it is scanned, before they are entered.
    pub(super) strings: Vec<usize>,
    nodes: usize,
    /// Those that stand within strings.
    within: usize,
}

/// A value of the event.
enum Part<'a> {
    /// A text of ours.
    Text(&'a str),
    /// A value of the profile.
    Taken(Field),
    /// Values of the profile, arrays among them spread.
    Flat(&'a [Field]),
    Object(Members<'a>),
}

/// The members of an object in their order.
struct Members<'a> {
    case: Case,
    members: Vec<(&'a str, Part<'a>)>,
}

/// Drafts the event for `source` that tells of `attributes`.
///
/// # Errors
/// [`Reason::LayoutMismatch`] where the layout has a value below a value.
pub(super) fn draft(
    source: &Source,
    profile: &Profile,
    attributes: &[Attribute],
    time: Option<&str>,
    salt: &str,
) -> Result<Draft, Reason> {
    let Source { layout, case, .. } = source;
    let mut root = Members { case: *case, members: Vec::new() };
    if let Some(path) = layout.event.first() {
        root.put(path, Part::Text(EVENT))?;
    }
    if layout.name == "segment" {
        root.members.push(("type", Part::Text("track")));
    }
    root.own(layout, "label", "Profile updated");
    if let Some(path) = &layout.workspace {
        root.put(path, Part::Text(profile.workspace))?;
    }
    if let Some(time) = time {
        root.own(layout, "time", time);
    }
    root.own(layout, "eventSalt", salt);
    for (path, node) in [(&layout.id, profile.located.id), (&layout.uuid, profile.located.uuid)] {
        if let (Some(path), Some(field)) = (path, node.and_then(|node| identifier(profile, node))) {
            root.put(path, Part::Taken(field))?;
        }
    }
    if let Some(path) = layout.parameters.first() {
        let reasons = [("source", Part::Text("sivcar")), ("reason", Part::Text("attribute-marked"))];
        root.at(path.steps())?.members.extend(reasons);
    }
    if let Some(path) = layout.attributes.last() {
        root.at(path.steps())?.members.extend(attributes.iter().map(|attribute| (attribute.name, part(attribute))));
    }
    let mut draft = Draft::default();
    draft.object(profile, &root);
    Ok(draft)
}

fn part<'a>(attribute: &'a Attribute) -> Part<'a> {
    match attribute.values.as_slice() {
        [value] if !attribute.flat => Part::Taken(*value),
        values => Part::Flat(values),
    }
}

impl<'a> Members<'a> {
    /// Adds a member of our own to the root, unless the layout has something of that name.
    fn own(&mut self, layout: &Layout, name: &'a str, text: &'a str) {
        let words = layout.workspace.iter().chain(&layout.event).chain(&layout.id).chain(&layout.uuid);
        let mut paths = words.chain(&layout.attributes).chain(&layout.parameters);
        if !paths.any(|path| path.steps().first().is_some_and(|step| self.is_named(step, name))) {
            self.members.push((name, Part::Text(text)));
        }
    }

    fn put(&mut self, path: &'a Path, part: Part<'a>) -> Result<(), Reason> {
        let Some((last, above)) = path.steps().split_last() else { return Err(Reason::LayoutMismatch) };
        self.at(above)?.members.push((text(last), part));
        Ok(())
    }

    /// The object at `steps`, made where it is absent.
    fn at(&mut self, steps: &'a [Step]) -> Result<&mut Members<'a>, Reason> {
        let Some((first, rest)) = steps.split_first() else { return Ok(self) };
        let known = self.members.iter().position(|(name, _)| self.is_named(first, name));
        let index = known.unwrap_or_else(|| {
            let inner = Members { case: self.case, members: Vec::new() };
            self.members.push((text(first), Part::Object(inner)));
            self.members.len() - 1
        });
        match &mut self.members[index].1 {
            Part::Object(inner) => inner.at(rest),
            _ => Err(Reason::LayoutMismatch),
        }
    }

    fn is_named(&self, step: &Step, name: &str) -> bool {
        key_name(self.case, text(step)) == key_name(self.case, name)
    }
}

/// The settings were checked: a layout's path has names alone.
fn text(step: &Step) -> &str {
    match step {
        Step::Name { text, .. } => text,
        Step::Any | Step::Deep => "",
    }
}

impl Draft {
    fn object(&mut self, profile: &Profile, object: &Members) {
        self.nodes += 1;
        self.text.push('{');
        for (index, (name, part)) in object.members.iter().enumerate() {
            self.comma(index);
            self.quote(name);
            self.text.push(':');
            match part {
                Part::Text(text) => {
                    self.nodes += 1;
                    self.quote(text);
                }
                Part::Taken(field) => self.take(profile, field.node, field.verdict),
                Part::Flat(values) => {
                    self.arrays.push(self.nodes);
                    self.nodes += 1;
                    self.text.push('[');
                    let start = self.text.len();
                    values.iter().for_each(|value| self.spread(profile, value.node, value.verdict, start));
                    self.text.push(']');
                }
                Part::Object(inner) => self.object(profile, inner),
            }
        }
        self.text.push('}');
    }

    /// Writes a value as an element of the array that began at `start`; of an array that is sealed by element, its elements.
    fn spread(&mut self, profile: &Profile, node: usize, verdict: Verdict, start: usize) {
        if profile.document.node(node).kind == Kind::Array && by_element(profile, &verdict) {
            for element in profile.document.children(node) {
                self.spread(profile, element, verdict, start);
            }
        } else {
            self.comma(self.text.len() - start);
            self.take(profile, node, verdict);
        }
    }

    /// Writes a value of the profile, and notes what holds for it and all inside it.
    fn take(&mut self, profile: &Profile, node: usize, verdict: Verdict) {
        let first = self.nodes;
        self.forced.push(Field { node: first, verdict });
        let inside = profile.fields.below(profile.document, node);
        self.forced.extend(inside.iter().map(|field| Field { node: first + (field.node - node), ..*field }));
        self.copy(profile, node);
    }

    /// Writes a value as it stands, without the white space in it.
    fn copy(&mut self, profile: &Profile, node: usize) {
        let document = profile.document;
        let (open, close) = match document.node(node).kind {
            Kind::Object => ('{', '}'),
            Kind::Array => ('[', ']'),
            kind => {
                let inside = document.node(node).next as usize - node - 1;
                if kind == Kind::String && inside > 0 {
                    self.strings.push(self.nodes - self.within);
                    self.within += inside;
                    self.nodes += inside;
                }
                self.nodes += 1;
                self.text.push_str(document.raw(document.node(node).value));
                return;
            }
        };
        self.nodes += 1;
        self.text.push(open);
        for (index, child) in document.children(node).enumerate() {
            self.comma(index);
            if let Some(key) = document.node(child).key {
                self.text.extend(["\"", document.raw(key), "\":"]);
            }
            self.copy(profile, child);
        }
        self.text.push(close);
    }

    /// Divides what comes from what stands before it, if anything does.
    fn comma(&mut self, before: usize) {
        if before > 0 {
            self.text.push(',');
        }
    }

    fn quote(&mut self, text: &str) {
        let mut quoted = Vec::with_capacity(text.len() + 2);
        canonical::quote(text.as_bytes(), &mut quoted);
        // a text quoted is a text
        self.text.push_str(&String::from_utf8(quoted).unwrap_or_default());
    }
}
