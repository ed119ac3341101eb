//! The inventory: what stands at which places of many records, counted, and what becomes of it. It holds no value.
//!
//! Places are a tree: workspace, event, part of the record, then names as [`super::place`] shows them. Always holds: there are at most as many places
//! as were asked for, and at most [`NAMES_MAX`] names in one and as many that a matcher finds by name, those beyond sharing `*`; whatever finds no place is counted. Deliberately
//! not here: what is looked at ([`super::survey`]), and how it is shown.

use std::collections::BTreeMap;

use super::mask::Mask;
use super::place::{Part, Place};
use super::sighting::STRANGE;

/// How many names are told apart in one object, and how many more of those that a matcher finds by name.
pub const NAMES_MAX: usize = 200;

/// What was counted.
#[derive(Debug)]
pub struct Inventory {
    /// The first is the root.
    branches: Vec<Branch>,
    most: usize,
    apart: bool,
    /// How many values stood at places that there was no room for.
    pub unlisted: u64,
}

#[derive(Debug, Default)]
struct Branch {
    below: BTreeMap<Box<str>, usize>,
    /// How many of them a matcher found by name when they were first seen.
    named: usize,
    part: Option<Part>,
    row: Option<Row>,
}

/// What was counted at one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// How many values.
    pub seen: u64,
    /// Of which types.
    pub types: BTreeMap<&'static str, u64>,
    /// What was found: matcher, whether it is a red one, by what, and how often.
    pub found: BTreeMap<Found, u64>,
    /// The mark that covers it, or some of it.
    pub mark: Option<Covering>,
    /// What was found in values that no mark covers: nothing, something, or something red.
    pub open: Option<bool>,
    /// What the protected topic shows of it, how often.
    pub protected: BTreeMap<Fate, u64>,
    /// What the source's views show of it, in their order.
    pub views: Vec<BTreeMap<Fate, u64>>,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Whether the matcher is yellow; red ones stand first.
    pub yellow: bool,
    /// The matcher.
    pub matcher: String,
    /// `name`, `lookalike`, `value`, `part` or `length` as in [`super::matcher::By`]; `key` where the name itself looks like a value.
    pub by: &'static str,
}

/// The mark that covers a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covering {
    /// Its path as written.
    pub name: String,
    /// Views show the value from this clearance on.
    pub level: u16,
    /// How many of the values it covers.
    pub values: u64,
}

/// What an output shows of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// The value.
    Clear,
    /// A token.
    Token,
    /// A mask.
    Masked(Mask),
    /// Nothing.
    Gone,
}

/// One line of the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The workspace.
    pub workspace: &'a str,
    /// The event's name; empty where there is none, or events are not told apart.
    pub event: &'a str,
    /// Where.
    pub place: Place,
    /// What.
    pub row: &'a Row,
}

impl Fate {
    /// The fate as a word.
    pub fn word(self) -> &'static str {
        match self {
            Fate::Clear => "clear",
            Fate::Token | Fate::Masked(Mask::Token) => "token",
            Fate::Masked(Mask::Full) => "full",
            Fate::Masked(Mask::Empty) => "empty",
            Fate::Masked(Mask::Last4) => "last4",
            Fate::Masked(Mask::Email) => "email",
            Fate::Masked(Mask::Word) => "word",
            Fate::Gone | Fate::Masked(Mask::Drop) => "drop",
        }
    }
}

impl Row {
    /// What needs a look first: red without a mark, then yellow, then what is marked, then what is neither.
    fn rank(&self) -> u8 {
        match (self.open, &self.mark) {
            (Some(true), _) => 0,
            (Some(false), _) => 1,
            (None, Some(_)) => 2,
            (None, None) => 3,
        }
    }

    /// Whether something was found that no mark covers.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

impl Inventory {
    /// An empty one, of at most `most` places and what leads there. `apart`: events are told apart.
    pub fn new(most: usize, apart: bool) -> Self {
        Self { branches: vec![Branch::default()], most, apart, unlisted: 0 }
    }

    /// The row of a place, made if there is room. `named`: a matcher finds it by its name.
    pub(super) fn row(&mut self, workspace: &str, event: &str, place: &Place, named: bool) -> Option<&mut Row> {
        let event = if self.apart { event } else { "" };
        let mut at = self.below(0, workspace, false).and_then(|at| self.below(at, event, false));
        at = at.and_then(|at| self.below(at, place.part.word(), false));
        if let Some(at) = at {
            self.branches[at].part = Some(place.part);
        }
        let mut steps = place.path.split('.').peekable();
        while let Some(step) = steps.next() {
            let named = named && steps.peek().is_none();
            at = at.and_then(|at| self.below(at, step, named));
        }
        match at {
            Some(at) => Some(self.branches[at].row.get_or_insert_default()),
            None => {
                self.unlisted += 1;
                None
            }
        }
    }

    fn below(&mut self, at: usize, name: &str, named: bool) -> Option<usize> {
        let next = self.branches.len();
        let Branch { below, named: among, .. } = &mut self.branches[at];
        let alike = if named { *among } else { below.len() - *among };
        let name = if alike < NAMES_MAX || below.contains_key(name) { name } else { STRANGE };
        if let Some(known) = below.get(name) {
            return Some(*known);
        }
        if next > self.most {
            return None;
        }
        below.insert(name.into(), next);
        *among += usize::from(named);
        self.branches.push(Branch::default());
        Some(next)
    }

    /// Every place, what needs a look first, first.
    pub fn entries(&self) -> Vec<Entry<'_>> {
        let mut entries = Vec::new();
        for (workspace, at) in &self.branches[0].below {
            for (event, at) in &self.branches[*at].below {
                for at in self.branches[*at].below.values() {
                    let part = self.branches[*at].part.unwrap_or(Part::Field);
                    self.collect(*at, String::new(), &mut |path, row| {
                        entries.push(Entry { workspace, event, place: Place { part, path }, row });
                    });
                }
            }
        }
        entries.sort_by(|one, other| {
            let found = |entry: &Entry| entry.row.found.values().sum::<u64>();
            let order = |entry: &Entry| (entry.row.rank(), std::cmp::Reverse(found(entry)));
            order(one).cmp(&order(other)) // stable: then by name
        });
        entries
    }

    fn collect<'a>(&'a self, at: usize, path: String, give: &mut impl FnMut(String, &'a Row)) {
        let Branch { below, row, .. } = &self.branches[at];
        for (name, at) in below {
            let dot = if path.is_empty() { "" } else { "." };
            self.collect(*at, format!("{path}{dot}{name}"), give);
        }
        if let Some(row) = row {
            give(path, row);
        }
    }
}

#[cfg(test)]
mod tests;
