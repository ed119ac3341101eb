//! Bugs that a world may be given on purpose: the simulation has to find each.

use std::sync::Arc;

use sivcar::memory::{MemoryLog, MemoryMembership};
use sivcar::record::Partition;
use sivcar::stream::log::{Committed, Fault};

use crate::schedule;

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
    /// A task opens under whatever policy its process has.
    OlderPolicy,
}

impl Bug {
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

/// The first world that `bug` breaks, and in few steps.
#[track_caller]
fn is_found(bug: Bug) {
    let tally = Arc::default();
    let fails = |seed: &u64| crate::run(*seed, &schedule::draw(*seed), bug, &tally).is_err();
    let seed = (0..WORLDS).find(fails).expect("it is found");
    let (steps, text) = crate::shrunk(seed, &schedule::draw(seed), bug);
    eprintln!("{bug:?}, seed {seed}: {text}");
    assert_eq!(crate::run(seed, &steps, Bug::None, &tally), Ok(()), "without the bug all is well");
    assert!(steps.len() <= FEW, "{} steps", steps.len());
}

#[test]
fn no_rewind_after_an_abort_is_found() {
    is_found(Bug::NoRewind);
}

#[test]
fn an_empty_list_of_offsets_is_found() {
    is_found(Bug::NoOffsets);
}

#[test]
fn offsets_of_nobody_are_found() {
    is_found(Bug::Unchecked);
}

#[test]
fn a_policy_that_is_taken_back_is_found() {
    is_found(Bug::OlderPolicy);
}
