//! What a profile holds of the attributes that are newly effective at one version.
//!
//! Always holds: a value that stands below another which protected topics hide is none of them, for the outer one is what shows; a
//! value's verdict is at least as strict as those of all it stands in.

use std::collections::BTreeMap;

use super::Profile;
use crate::privacy::fields::Field;
use crate::privacy::mark::Protect;
use crate::privacy::mask::Mask;
use crate::privacy::rules::Verdict;
use crate::privacy::scan::{Document, Kind};
use crate::privacy::since::Effective;

/// An attribute as the event names it.
pub(super) struct Attribute<'a> {
    /// The mark's path as written.
    pub(super) name: &'a str,
    /// The values that it matches, in document order, by their nodes in the profile.
    pub(super) values: Vec<Field>,
    /// Whether they are shown as an array: where there are several, or the path passes through one.
    pub(super) flat: bool,
}

/// The attributes of which the profile holds a value, by name.
pub(super) fn attributes<'a>(profile: &Profile, moments: &[&'a Effective]) -> Vec<Attribute<'a>> {
    let weighed = weighed(profile);
    let mut names: BTreeMap<&str, Vec<Field>> = BTreeMap::new();
    for (node, mark) in profile.fields.noted() {
        let Ok(index) = weighed.binary_search_by_key(node, |(field, _)| field.node) else { continue };
        let (field, hidden) = weighed[index];
        let shows = match field.verdict.protect {
            Protect::Encrypt => true,
            Protect::Mask => field.verdict.mask != Mask::Drop,
            Protect::Drop | Protect::None => false,
        };
        if hidden || !shows || profile.document.node(*node).kind == Kind::Null {
            continue;
        }
        for moment in moments.iter().filter(|moment| moment.mark == *mark) {
            let values = names.entry(&moment.name).or_default();
            // two marks of one name are one attribute
            if values.last().is_none_or(|last| last.node != *node) {
                values.push(field);
            }
        }
    }
    let held = names.into_iter().filter(|(_, values)| values.iter().any(|value| is_value(profile, value)));
    held.map(|(name, values)| Attribute { name, flat: is_flat(profile, &values), values }).collect()
}

/// Every field with what holds for it and all that it stands in, and whether the protected profile hides one of these.
fn weighed(profile: &Profile) -> Vec<(Field, bool)> {
    let mut open: Vec<(usize, Verdict)> = Vec::new();
    let weigh = |field: &Field| {
        while open.last().is_some_and(|(end, _)| *end <= field.node) {
            open.pop();
        }
        let outer = open.last().map(|(_, verdict)| *verdict);
        let verdict = outer.map_or(field.verdict, |outer| field.verdict.with(&outer));
        open.push((profile.document.node(field.node).next as usize, verdict));
        (Field { node: field.node, verdict }, outer.is_some_and(|outer| outer.protect != Protect::None))
    };
    profile.fields.all().iter().map(weigh).collect()
}

/// What holds for an id of the profile, with all that it stands in.
pub(super) fn identifier(profile: &Profile, node: usize) -> Option<Field> {
    let around = profile.fields.all().iter().filter(|field| {
        field.node <= node && node < profile.document.node(field.node).next as usize && field.node != node
    });
    let own = profile.fields.verdict(node)?;
    Some(Field { node, verdict: around.fold(own, |verdict, field| verdict.with(&field.verdict)) })
}

/// Whether an array is sealed element by element.
pub(super) fn by_element(profile: &Profile, verdict: &Verdict) -> bool {
    verdict.protect == Protect::Encrypt && !profile.rules.domain(verdict).settings.whole
}

/// Whether there is something at all: an array that is sealed element by element is what its elements are.
fn is_value(profile: &Profile, field: &Field) -> bool {
    fn any(document: &Document, node: usize) -> bool {
        match document.node(node).kind {
            Kind::Null => false,
            Kind::Array => document.children(node).any(|element| any(document, element)),
            _ => true,
        }
    }
    !by_element(profile, &field.verdict) || any(profile.document, field.node)
}

fn is_flat(profile: &Profile, values: &[Field]) -> bool {
    match values {
        [value] => passes_array(profile, value.node),
        _ => true,
    }
}

/// Whether an array stands between the innermost container of attributes and the value.
fn passes_array(profile: &Profile, node: usize) -> bool {
    let document = profile.document;
    let holds = |object: usize| object < node && node < document.node(object).next as usize;
    let containers = profile.located.containers.iter().rev();
    let container = containers.map(|(object, _)| *object).find(|object| holds(*object));
    let mut at = container.unwrap_or(0);
    while let Some(inner) = document.children(at).find(|child| node < document.node(*child).next as usize) {
        if inner == node {
            return false;
        }
        if document.shape(inner) == Kind::Array {
            return true;
        }
        at = inner;
    }
    false
}
