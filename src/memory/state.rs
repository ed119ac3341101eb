//! What the embedded log holds, and how a transaction ends in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::group::Group;
use super::partition::{self, TransactionNumber};
use crate::record::Partition;
use crate::stream::log::{Bounds, Committed};

/// A topic: its partitions and what [`Log::topic`] tells of it.
pub(super) struct Topic {
    pub(super) partitions: Vec<partition::Partition>,
    pub(super) cleanup_policy: String,
    pub(super) max_message_bytes: usize,
}

/// What a transactional id has in progress.
#[derive(Default)]
pub(super) struct Transactional {
    pub(super) epoch: u64,
    pub(super) open: Option<Open>,
}

/// An open transaction.
pub(super) struct Open {
    pub(super) number: TransactionNumber,
    pub(super) group: Option<Arc<str>>,
    pub(super) offsets: BTreeMap<Partition, Committed>,
}

/// Everything, under one lock.
#[derive(Default)]
pub(super) struct State {
    pub(super) topics: BTreeMap<Arc<str>, Topic>,
    pub(super) groups: BTreeMap<Arc<str>, Group>,
    pub(super) transactional: BTreeMap<String, Transactional>,
    pub(super) transactions: TransactionNumber,
}

impl State {
    pub(super) fn partition(&mut self, partition: &Partition) -> Option<&mut partition::Partition> {
        let number = usize::try_from(partition.number).ok()?;
        self.topics.get_mut(&partition.topic)?.partitions.get_mut(number)
    }

    pub(super) fn bounds(&mut self, partition: &Partition) -> Option<Bounds> {
        let log = self.partition(partition)?;
        Some(Bounds { low: log.low(), stable: log.stable(), high: log.high() })
    }

    pub(super) fn group(&mut self, group: &Arc<str>) -> &mut Group {
        self.groups.entry(group.clone()).or_default()
    }

    pub(super) fn counts(&self) -> BTreeMap<Arc<str>, usize> {
        self.topics.iter().map(|(name, topic)| (name.clone(), topic.partitions.len())).collect()
    }

    pub(super) fn replan(&mut self) {
        let counts = self.counts();
        self.groups.values_mut().for_each(|group| group.plan(&counts));
    }

    /// Ends a transaction everywhere: markers, then offsets.
    pub(super) fn end(&mut self, open: Open, committed: bool) {
        for topic in self.topics.values_mut() {
            topic.partitions.iter_mut().for_each(|log| log.end(open.number, committed));
        }
        let Some(group) = open.group.and_then(|group| self.groups.get_mut(&group)) else { return };
        group.pending.retain(|_, number| *number != open.number);
        if committed {
            group.offsets.extend(open.offsets);
        }
    }
}
