//! Sightings: where detection found something, and what, for an inventory and its alerts.
//!
//! A sighting names a place in the policy's own words, as a mark would; a strange key, which may be anything, is `*`. Always holds: it
//! holds no value and, of keys and events' names, only what reads like a name; of one record at most [`MOST`] are told apart. Deliberately not here: what
//! is done with them, and what becomes of the values.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::AddAssign;
use std::sync::Arc;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use super::fields::Fields;
use super::layout::Located;
use super::matcher::{MatcherIndex, Matchers};
use super::place::{self, Part};
use super::scan::Document;
use super::settings::Case;

/// What stands in the place of a name that may be anything.
pub const STRANGE: &str = "*";
/// The most that are told apart in one [`Sightings`].
pub const MOST: usize = 1_024;
/// The most that are remembered by one worker, in each of two generations.
const REMEMBERED: usize = 4_096;
/// The most bytes of workspace, event and keys; what stands under longer ones is seen at [`STRANGE`].
const REMEMBERED_BYTES_MAX: usize = 1_024;

/// What was found, where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sighting {
    /// The workspace; [`STRANGE`] where the record does not tell.
    pub workspace: String,
    /// The event's name; empty where the record has none.
    pub event: String,
    /// Where.
    pub part: Part,
    /// The keys from the root as names are compared, joined by dots, without arrays; a header's name; of a record key nothing.
    pub path: String,
    /// The matcher's name.
    pub matcher: String,
}

/// Sightings, each with how often it was made.
#[derive(Clone, Debug, Default)]
pub struct Sightings {
    /// By where they stand in memory: a worker makes each but once, as long as it remembers it.
    counts: Vec<(Arc<Sighting>, u64)>,
    /// How many more were made.
    beyond: u64,
}

impl Sightings {
    /// Counts `count` of one.
    pub fn add(&mut self, sighting: &Arc<Sighting>, count: u64) {
        match self.counts.binary_search_by_key(&Arc::as_ptr(sighting), |(known, _)| Arc::as_ptr(known)) {
            Ok(known) => self.counts[known].1 += count,
            Err(place) if self.counts.len() < MOST => self.counts.insert(place, (Arc::clone(sighting), count)),
            Err(_) => self.beyond += count,
        }
    }

    /// Each and how often it was made, in no order; one may be given several times.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<Sighting>, u64)> {
        self.counts.iter().map(|(sighting, count)| (sighting, *count))
    }

    /// How many more were made, of which nobody knows where.
    pub fn beyond(&self) -> u64 {
        self.beyond
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.beyond == 0
    }

    /// Forgets them, and keeps the room that they took.
    pub fn clear(&mut self) {
        self.counts.clear();
        self.beyond = 0;
    }
}

impl PartialEq for Sightings {
    fn eq(&self, other: &Self) -> bool {
        let counts = |sightings: &Sightings| {
            let mut counts: BTreeMap<Sighting, u64> = BTreeMap::new();
            sightings.iter().for_each(|(sighting, count)| *counts.entry((**sighting).clone()).or_default() += count);
            counts
        };
        self.beyond == other.beyond && counts(self) == counts(other)
    }
}

impl Eq for Sightings {}

impl AddAssign<&Sightings> for Sightings {
    fn add_assign(&mut self, other: &Sightings) {
        other.iter().for_each(|(sighting, count)| self.add(sighting, count));
        self.beyond += other.beyond;
    }
}

/// Makes sightings. Owned by one worker: what was made before is not made again, however many names are made up.
#[derive(Default)]
pub(super) struct Watch {
    young: HashMap<Box<[u8]>, Arc<Sighting>, RandomState>,
    old: HashMap<Box<[u8]>, Arc<Sighting>, RandomState>,
    known_by: Vec<u8>,
}

/// The record that something is found in.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) matchers: &'a Matchers,
    pub(super) workspace: &'a str,
    /// The event's name, if it has one.
    pub(super) event: Option<&'a str>,
}

/// The keys that lead to something, as they stand in the record.
pub type Keys<'a> = SmallVec<[Cow<'a, [u8]>; 8]>;

impl Watch {
    /// Counts what `matcher` found under `keys`.
    pub(super) fn see(
        &mut self,
        found: &Found,
        part: Part,
        keys: &Keys,
        matcher: MatcherIndex,
        sightings: &mut Sightings,
    ) {
        let Self { young, old, known_by } = self;
        let event = found.event.unwrap_or_default();
        known_by.clear();
        known_by.push(part as u8);
        known_by.extend(matcher.to_be_bytes());
        for part in [found.workspace.as_bytes(), event.as_bytes()].into_iter().chain(keys.iter().map(AsRef::as_ref)) {
            // each with its length, so that two sightings are never known by the same
            known_by.extend(part.len().to_be_bytes());
            known_by.extend(part);
        }
        let told = known_by.len() <= REMEMBERED_BYTES_MAX;
        if told && let Some(known) = young.get(known_by.as_slice()) {
            return sightings.add(known, 1);
        }
        let sighting = old.get(known_by.as_slice()).cloned().unwrap_or_else(|| {
            let mut path = String::new();
            for (index, key) in keys.iter().enumerate().filter(|_| told) {
                path.push_str(if index > 0 { "." } else { "" });
                path.push_str(name(found.matchers, key).as_deref().unwrap_or(STRANGE));
            }
            Arc::new(Sighting {
                workspace: found.workspace.to_owned(),
                event: place::event(found.matchers, event),
                part,
                path: if told { path } else { STRANGE.to_owned() },
                matcher: found.matchers.get(matcher).name.clone(),
            })
        });
        sightings.add(&sighting, 1);
        if !told {
            return;
        }
        if young.len() >= REMEMBERED {
            *old = std::mem::take(young);
        }
        young.insert(known_by.as_slice().into(), sighting);
    }
}

/// Counts what `fields` says that detection found in `document`, and ids that look like an address or a phone.
pub(super) fn document(
    watch: &mut Watch,
    found: &Found,
    document: &Document,
    fields: &Fields,
    located: &Located,
    sightings: &mut Sightings,
) {
    for detected in fields.detected() {
        // names within a value that outputs hide as a whole are part of it
        let chain = fields.parents().chain(detected.node);
        let whole = chain[..chain.len().saturating_sub(1)].iter().position(|at| fields.verdict(*at).is_some());
        let key = |(index, at): (usize, &usize)| match whole {
            Some(whole) if index > whole => document.key(*at).map(|_| Cow::Borrowed(STRANGE.as_bytes())),
            _ => document.key(*at),
        };
        let keys = chain.iter().enumerate().filter_map(key).collect();
        watch.see(found, Part::Field, &keys, detected.found.matcher, sightings);
    }
    for node in located.id.into_iter().chain(located.uuid) {
        if let Some(matcher) = found.matchers.identifier(&document.string(node)) {
            let mut parents = Parents::default();
            parents.note(document);
            watch.see(found, Part::Id, &parents.keys(document, node), matcher, sightings);
        }
    }
}

/// `key` as it is shown; `None` where it does not read like a name.
fn name(matchers: &Matchers, key: &[u8]) -> Option<String> {
    place::shown(matchers, Case::Fold, std::str::from_utf8(key).ok()?)
}

/// The parent of each node of a document, so that a path costs its depth alone.
#[derive(Debug, Default)]
pub(super) struct Parents(Vec<u32>);

impl Parents {
    /// Notes those of `document`.
    pub(super) fn note(&mut self, document: &Document) {
        let nodes = document.nodes();
        self.0.clear();
        self.0.push(0);
        let mut open = 0usize;
        for at in 1..nodes.len() {
            while nodes[open].next as usize <= at {
                open = self.0[open] as usize;
            }
            // an index into nodes, of which there are fewer than bytes
            self.0.push(open as u32);
            open = at;
        }
    }

    /// `node` and those around it but the root, the outermost first.
    pub(super) fn chain(&self, node: usize) -> SmallVec<[usize; 16]> {
        let mut chain = SmallVec::new();
        let mut at = node;
        while at != 0 {
            chain.push(at);
            at = self.0[at] as usize;
        }
        chain.reverse();
        chain
    }

    /// The keys that lead to `node`.
    pub(super) fn keys<'d>(&self, document: &Document<'d>, node: usize) -> Keys<'d> {
        self.chain(node).iter().filter_map(|at| document.key(*at)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::scan::{Limits, Tape, scan};

    #[test]
    fn parents_are_those_around() {
        let mut tape = Tape::default();
        let text = scan(br#"{"a":{"b":[1,{"c":2}],"d":3},"e":4}"#, &Limits::default(), &mut tape).expect("a document");
        let mut parents = Parents::default();
        parents.note(&Document::new(text, &tape));
        assert_eq!(parents.0, [0, 0, 1, 2, 2, 4, 1, 0]);
        assert_eq!(parents.chain(5).as_slice(), [1, 2, 4, 5]);
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let mut sightings = Sightings::default();
        for number in 0..MOST + 2 {
            let sighting = Sighting {
                workspace: "acme".to_owned(),
                event: String::new(),
                part: Part::Field,
                path: number.to_string(),
                matcher: "email".to_owned(),
            };
            sightings.add(&Arc::new(sighting), 3);
        }
        assert_eq!((sightings.iter().count(), sightings.beyond()), (MOST, 6));
        let mut twice = sightings.clone();
        twice += &sightings;
        assert_eq!((twice.iter().map(|(_, count)| count).sum::<u64>(), twice.beyond()), (6 * MOST as u64, 12));
    }
}
