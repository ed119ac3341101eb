//! Bugs that a world may be given on purpose: the simulation has to find each.

use std::borrow::Cow;
use std::sync::Arc;

use sivcar::memory::{MemoryLog, MemoryMembership};
use sivcar::privacy::control::{ControlRecord, Table};
use sivcar::record::Partition;
use sivcar::stream::log::{Committed, Fault};

use crate::{ground, schedule};

/// Each is found in the first so many worlds.
const WORLDS: u64 = 500;

/// And shrinks to so few steps.
const FEW: usize = 20;

/// What is wrong with all processes of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    None,
    /// An abort does not rewind: a seek does nothing.
    NoRewind,
    /// Where nothing was read no offset is committed again: the list is empty, and the commit unfenced.
    NoOffsets,
    /// Whoever is no member sends generation −1.
    Unchecked,
    /// A task opens under whatever policy its process has, and that is the first there was where the process has just begun.
    OlderPolicy,
}

impl Bug {
    /// What a process makes of the control topic, which says `read`.
    pub fn of_table(self, read: &Table, begins: bool) -> Cow<'_, Table> {
        if self != Bug::OlderPolicy || !begins {
            return Cow::Borrowed(read);
        }
        let mut first = Table::default();
        for (offset, ControlRecord { key, value }) in (0..).zip(ground::first_records()) {
            let value = value.map(|value| value.encode());
            first.apply(offset, &key.encode(), value.as_deref()).expect("it was written like this");
        }
        Cow::Owned(first)
    }

    pub fn of_committed(self, found: Result<Vec<Option<Committed>>, Fault>) -> Result<Vec<Option<Committed>>, Fault> {
        if self != Bug::OlderPolicy {
            return found;
        }
        let forget = |committed: Committed| {
            if committed.metadata.is_empty() {
                return committed;
            }
            let rest = committed.metadata.find(";control").map(|at| &committed.metadata[at..]).unwrap_or_default();
            Committed { offset: committed.offset, metadata: format!("1;policy=0{rest}") }
        };
        found.map(|found| found.into_iter().map(|committed| committed.map(forget)).collect())
    }

    pub fn of_membership(self, member: Result<MemoryMembership, Fault>) -> Result<MemoryMembership, Fault> {
        match member {
            Err(Fault::Lost(_)) if self == Bug::Unchecked => Ok(MemoryMembership::of_nobody("g")),
            member => member,
        }
    }

    pub fn of_offsets(self, log: &MemoryLog, offsets: &[(Partition, i64, String)]) -> Vec<(Partition, i64, String)> {
        let is_read = |(partition, offset, _): &&(Partition, i64, String)| {
            log.committed(partition).is_none_or(|committed| committed.offset != *offset)
        };
        match self {
            Bug::NoOffsets => offsets.iter().filter(is_read).cloned().collect(),
            _ => offsets.to_vec(),
        }
    }
}

/// The first world that `bug` breaks, and in few steps; what is wrong is said so.
#[track_caller]
fn is_found(bug: Bug, says: &str) {
    let tally = Arc::default();
    let fails = |seed: &u64| crate::run(*seed, &schedule::draw(*seed), bug, &tally).is_err();
    let seed = (0..WORLDS).find(fails).expect("it is found");
    let (steps, text) = crate::shrunk(seed, &schedule::draw(seed), bug);
    eprintln!("{bug:?}, seed {seed}: {text}");
    assert!(text.contains(says), "it is found by something else");
    assert_eq!(crate::run(seed, &steps, Bug::None, &tally), Ok(()), "without the bug all is well");
    assert!(steps.len() <= FEW, "{} steps", steps.len());
}

#[test]
fn no_rewind_after_an_abort_is_found() {
    is_found(Bug::NoRewind, "is not read");
}

#[test]
fn an_empty_list_of_offsets_is_found() {
    is_found(Bug::NoOffsets, "an output of no input");
}

#[test]
fn offsets_of_nobody_are_found() {
    is_found(Bug::Unchecked, "an output of no input");
}

#[test]
fn a_policy_that_is_taken_back_is_found() {
    is_found(Bug::OlderPolicy, "its policy is");
}
