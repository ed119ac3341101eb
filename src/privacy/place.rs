//! Where a value stands in a record, told in names that hold no value.
//!
//! A place is a [`Part`] of the record and the path there as a mark would name it: names as they are compared, joined by dots, arrays left
//! out. Always holds: a name that might itself be somebody's is written `*`, which is what a mark would have to say there too; so a
//! place may be shown to whoever may know what keys there are. Deliberately not here: what was found at a place.

use std::collections::HashMap;

use serde::Serialize;

use super::automaton::key_name;
use super::fold;
use super::layout::{Holds, Located};
use super::mark::On;
use super::matcher::{Leaf, Matchers, Scope};
use super::scan::Document;
use super::settings::Case;
use super::sighting::STRANGE;

/// What a path begins in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// A container of attributes.
    Attribute,
    /// A container of parameters.
    Parameter,
    /// The document, from its root.
    Field,
    /// The profile's id; its path is from the root.
    Id,
    /// The profile's second identifier; its path is from the root.
    Uuid,
    /// A header, by its name.
    Header,
    /// The record key.
    Key,
}

/// A place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// What the path begins in.
    pub part: Part,
    /// The path.
    pub path: String,
}

/// What stands for the root.
const ROOT: &str = "$";

/// The longest name that is shown, in bytes.
const SHOWN_BYTES_MAX: usize = 48;

/// The most digits of a name that is shown: a number of anything has more.
const DIGITS_MAX: usize = 4;

/// How many names' steps are kept.
const STEPS_MAX: usize = 4096;

impl Part {
    /// The part as it is written.
    pub fn word(self) -> &'static str {
        match self {
            Part::Attribute => On::Attribute.word(),
            Part::Parameter => On::Parameter.word(),
            Part::Field => On::Field.word(),
            Part::Id => "id",
            Part::Uuid => "uuid",
            Part::Header => On::Header.word(),
            Part::Key => On::Key.word(),
        }
    }
}

/// Names as they are shown, kept from record to record. Holds at most [`STEPS_MAX`] of them; nothing shows those that are not to be shown.
#[derive(Default)]
pub(super) struct Steps(HashMap<Box<[u8]>, Option<Box<str>>>);

impl Steps {
    /// The key `name`, unescaped, as steps of a path.
    pub(super) fn step(&mut self, matchers: &Matchers, case: Case, name: &[u8]) -> &str {
        if name.len() > SHOWN_BYTES_MAX {
            return STRANGE;
        }
        if !self.0.contains_key(name) {
            if self.0.len() >= STEPS_MAX {
                self.0.clear();
            }
            self.0.insert(name.into(), shown(matchers, case, &fold::lossy(name)).map(Into::into));
        }
        self.0.get(name).and_then(Option::as_deref).unwrap_or(STRANGE)
    }

    /// The place of the last of `chain`, which leads from below the root of `document` to it. Names behind the first of `chain` that is `whole` are not
    /// shown, for they are part of a value that outputs hide.
    pub(super) fn place(
        &mut self,
        matchers: &Matchers,
        case: Case,
        document: &Document,
        located: &Located,
        chain: &[usize],
        whole: impl Fn(usize) -> bool,
    ) -> Place {
        let node = chain.last().copied().unwrap_or(0);
        let word = match node {
            0 => None,
            node if located.id == Some(node) => Some(Part::Id),
            node if located.uuid == Some(node) => Some(Part::Uuid),
            _ => None,
        };
        let (mut part, mut path) = (word.unwrap_or(Part::Field), String::new());
        let container = |node: usize| {
            let first = located.containers.partition_point(|(object, _)| *object < node);
            located.containers.get(first).filter(|(object, _)| *object == node && word.is_none())
        };
        let mut inside = false;
        for at in [0].into_iter().chain(chain.iter().copied()) {
            if let Some(key) = document.key(at) {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(if inside { STRANGE } else { self.step(matchers, case, &key) });
            }
            inside |= whole(at);
            if let Some((_, holds)) = container(at).filter(|_| at != node || node == 0) {
                part = match holds {
                    Holds::Attributes => Part::Attribute,
                    Holds::Parameters => Part::Parameter,
                };
                path.clear();
            }
        }
        if path.is_empty() {
            path.push_str(ROOT);
        }
        Place { part, path }
    }
}

/// A key as it is compared, where it is a name like others: short, of letters, with few digits, and no value that a matcher knows. One with
/// spaces must be a name that a matcher knows, for those of people have spaces too.
pub(super) fn shown(matchers: &Matchers, case: Case, key: &str) -> Option<String> {
    let name = key_name(case, key);
    let is_word = |word: &str| {
        // alone it would be the root of a path
        word != "$"
            && word.starts_with(|first: char| first.is_alphabetic() || matches!(first, '_' | '$'))
            && !word.ends_with(' ')
            && word.chars().all(|char| char.is_alphanumeric() || matches!(char, '_' | '-' | '$' | ' '))
    };
    let known = || matchers.name(key).matched(matchers, Scope::Open, Leaf::Text).is_some();
    let plain = is_short(&name)
        && name.split('.').all(is_word)
        && (!name.contains(' ') || known())
        && matchers.value(key.as_bytes(), false).is_none();
    plain.then_some(name)
}

/// The name of an event as it is shown: `*` where it might be more than a name. Names of events are sentences often (`Order Completed`), but
/// those that have digits too might be addresses.
pub(super) fn event(matchers: &Matchers, name: &str) -> String {
    let plain = is_short(name)
        && name.chars().all(|char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.' | ':' | '/' | ' ' | '$'))
        && !(name.contains(' ') && name.contains(char::is_numeric))
        && matchers.value(name.as_bytes(), false).is_none();
    if plain { name.to_owned() } else { STRANGE.to_owned() }
}

/// Whether a name is as short as names are, and has few digits.
fn is_short(name: &str) -> bool {
    name.len() <= SHOWN_BYTES_MAX && name.chars().filter(|char| char.is_numeric()).count() <= DIGITS_MAX
}

#[cfg(test)]
mod tests;
