//! What reads the embedded log: a member of a group, and a table reader without one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::MemoryLog;
use super::group::MemberNumber;
use super::state::State;
use crate::record::Partition;
use crate::stream::log::{Bounds, Committed, Consumer, Fault, Fetched, Reader, Rebalance};

/// Proof of membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryMembership {
    pub(super) group: Arc<str>,
    /// Who, in which generation; `None` stands for generation −1 and an empty member id.
    pub(super) of: Option<(MemberNumber, u64)>,
}

impl MemoryMembership {
    /// What a client sends that is no member: generation −1 and an empty member id. As brokers do, the log takes its offsets unchecked.
    pub fn of_nobody(group: &str) -> Self {
        Self { group: group.into(), of: None }
    }
}

/// A member of a group of the embedded log.
pub struct MemoryConsumer {
    log: MemoryLog,
    topics: Vec<Arc<str>>,
    member: MemberNumber,
    positions: BTreeMap<Partition, i64>,
    offered: BTreeSet<Partition>,
    paused: BTreeSet<Partition>,
    served_last: Option<Partition>,
}

impl MemoryConsumer {
    pub(super) fn join(log: MemoryLog, topics: &[Arc<str>]) -> Self {
        let member = enter(&mut log.lock(), &log.group, topics);
        log.shared.changed.notify_all();
        let (positions, offered, paused) = Default::default();
        Self { log, topics: topics.to_vec(), member, positions, offered, paused, served_last: None }
    }

    /// Its number in the group; another one once it was expelled and joined anew.
    pub fn member(&self) -> u64 {
        self.member
    }

    /// The owned partitions that may be read, beginning after the one served last, so that none starves.
    fn readable(&self) -> Vec<Partition> {
        let mut open: Vec<Partition> =
            self.positions.keys().filter(|partition| !self.paused.contains(*partition)).cloned().collect();
        let first = open.iter().position(|partition| Some(partition) > self.served_last.as_ref()).unwrap_or(0);
        open.rotate_left(first);
        open
    }

    fn position(&mut self, partition: &Partition) -> Result<&mut i64, Fault> {
        self.positions.get_mut(partition).ok_or_else(|| Fault::Fatal(format!("{partition} is not assigned")))
    }
}

fn enter(state: &mut State, group: &Arc<str>, topics: &[Arc<str>]) -> MemberNumber {
    let counts = state.counts();
    state.group(group).join(topics, &counts)
}

/// What one look at the log found.
enum Found {
    Rebalance(Rebalance),
    Records(Vec<Fetched>, Vec<(Partition, i64)>),
    OutOfRange(Partition),
}

fn look(state: &mut State, readable: &[(Partition, i64)], max: usize) -> Option<Found> {
    let (mut records, mut positions) = (Vec::new(), Vec::new());
    for (partition, position) in readable {
        let Some(log) = state.partition(partition) else { continue };
        if *position < log.low() || *position > log.high() {
            return Some(Found::OutOfRange(partition.clone()));
        }
        let next = log.read(*position, max - records.len(), |offset, record| {
            records.push(Fetched { partition: partition.clone(), offset, record: record.clone() });
        });
        if next != *position {
            positions.push((partition.clone(), next));
        }
        if records.len() == max {
            break;
        }
    }
    (!positions.is_empty()).then_some(Found::Records(records, positions))
}

impl Consumer for MemoryConsumer {
    type Membership = MemoryMembership;

    fn end(&self, partition: &Partition) -> Option<i64> {
        self.positions.get(partition).copied()
    }

    fn poll(&mut self, max: usize, wait: Duration, batch: &mut Vec<Fetched>) -> Result<Option<Rebalance>, Fault> {
        let believes: BTreeSet<Partition> = self.positions.keys().chain(&self.offered).cloned().collect();
        let readable: Vec<(Partition, i64)> = self
            .readable()
            .into_iter()
            .map(|partition| {
                let position = self.positions[&partition];
                (partition, position)
            })
            .collect();
        let (group, topics, member) = (self.log.group.clone(), &self.topics, &mut self.member);
        let found = self.log.wait(wait, |state| {
            if believes.is_empty() && !state.group(&group).knows(*member) {
                *member = enter(state, &group, topics);
            }
            let next = state.group(&group).next(*member, &believes);
            next.map(Found::Rebalance).or_else(|| look(state, &readable, max))
        });
        match found {
            None => Ok(None),
            Some(Found::OutOfRange(partition)) => {
                Err(Fault::OutOfRange(format!("{partition}: the next offset no longer exists"), partition))
            }
            Some(Found::Rebalance(rebalance)) => {
                if let Rebalance::Assign(partitions) = &rebalance {
                    self.offered.extend(partitions.iter().cloned());
                }
                Ok(Some(rebalance))
            }
            Some(Found::Records(records, positions)) => {
                self.served_last = positions.last().map(|(partition, _)| partition.clone());
                self.positions.extend(positions);
                batch.extend(records);
                Ok(None)
            }
        }
    }

    fn assign(&mut self, starts: &[(Partition, i64)]) -> Result<(), Fault> {
        if let Some((gone, _)) = starts.iter().find(|(partition, _)| !self.offered.contains(partition)) {
            return Err(Fault::Lost(format!("{gone} is not this member's any more")));
        }
        for (partition, start) in starts {
            self.offered.remove(partition);
            self.positions.insert(partition.clone(), *start);
        }
        Ok(())
    }

    fn unassign(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        for partition in partitions {
            self.positions.remove(partition);
            self.offered.remove(partition);
            self.paused.remove(partition);
        }
        self.log.lock().group(&self.log.group).release(self.member, partitions);
        self.log.shared.changed.notify_all();
        Ok(())
    }

    fn committed(&mut self, partitions: &[Partition]) -> Result<Vec<Option<Committed>>, Fault> {
        let group = &self.log.group;
        let found = self.log.wait(self.log.patience, |state| {
            let group = state.group(group);
            let stable = group.pending.iter().all(|(pending, _)| !partitions.contains(pending));
            stable.then(|| partitions.iter().map(|partition| group.offsets.get(partition).cloned()).collect())
        });
        found.ok_or_else(|| Fault::Retry("committed offsets: a transaction is pending".to_owned()))
    }

    fn bounds(&mut self, partition: &Partition) -> Result<Bounds, Fault> {
        let bounds = self.log.lock().bounds(partition);
        bounds.ok_or_else(|| Fault::Retry(format!("bounds: {partition} does not exist")))
    }

    fn seek(&mut self, positions: &[(Partition, i64)]) -> Result<(), Fault> {
        for (partition, offset) in positions {
            *self.position(partition)? = *offset;
        }
        Ok(())
    }

    fn pause(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.paused.extend(partitions.iter().cloned());
        Ok(())
    }

    fn resume(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.paused.retain(|partition| !partitions.contains(partition));
        Ok(())
    }

    fn membership(&mut self) -> Result<MemoryMembership, Fault> {
        let generation = self.log.lock().group(&self.log.group).generation_of(self.member);
        let group = self.log.group.clone();
        match generation {
            Some(generation) => Ok(MemoryMembership { group, of: Some((self.member, generation)) }),
            None => Err(Fault::Lost("this member is not in the group".to_owned())),
        }
    }
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        let mut state = self.log.lock();
        let counts = state.counts();
        state.group(&self.log.group).leave(self.member, &counts);
        self.log.shared.changed.notify_all();
    }
}

/// A reader of partitions of one topic of the embedded log.
pub struct MemoryReader {
    log: MemoryLog,
    /// Each with the next offset.
    positions: BTreeMap<Partition, i64>,
    /// The first offset of each, as it was first seen.
    lows: BTreeMap<Partition, i64>,
}

impl MemoryReader {
    pub(super) fn new(log: MemoryLog, positions: BTreeMap<Partition, i64>) -> Self {
        Self { log, positions, lows: BTreeMap::new() }
    }
}

impl Reader for MemoryReader {
    fn poll(&mut self, wait: Duration, batch: &mut Vec<Fetched>) -> Result<(), Fault> {
        let readable: Vec<(Partition, i64)> =
            self.positions.iter().map(|(partition, position)| (partition.clone(), *position)).collect();
        let found = self.log.wait(wait, |state| look(state, &readable, usize::MAX));
        match found {
            Some(Found::Records(records, positions)) => {
                self.positions.extend(positions);
                batch.extend(records);
                Ok(())
            }
            Some(Found::OutOfRange(partition)) => {
                Err(Fault::OutOfRange(format!("{partition} was truncated or re-created"), partition))
            }
            _ => Ok(()),
        }
    }

    fn caught_up(&mut self) -> Result<Option<Vec<i64>>, Fault> {
        let mut state = self.log.lock();
        let mut ends = Vec::with_capacity(self.positions.len());
        for (partition, next) in &self.positions {
            let bounds = state.bounds(partition);
            let Bounds { low, stable, .. } =
                bounds.ok_or_else(|| Fault::Fatal(format!("{partition} does not exist")))?;
            // compaction leaves the first offset where it is
            if low > *self.lows.entry(partition.clone()).or_insert(low) || stable < *next {
                let text = format!("{partition} was truncated or re-created");
                return Err(Fault::OutOfRange(text, partition.clone()));
            }
            ends.push(stable);
        }
        let given = self.positions.values().zip(&ends).all(|(at, end)| at >= end);
        Ok(given.then_some(ends))
    }
}
