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

impl Topic {
    pub(super) fn is_compacted(&self) -> bool {
        self.cleanup_policy.contains("compact")
    }
}

/// What a transactional id has in progress.
#[derive(Default)]
pub(super) struct Transactional {
    pub(super) epoch: u64,
    pub(super) open: Option<Open>,
    /// How the last one ended, if there was one: whether it was committed.
    ended: Option<bool>,
}

/// An open transaction.
pub(super) struct Open {
    pub(super) number: TransactionNumber,
    pub(super) group: Option<Arc<str>>,
    pub(super) offsets: BTreeMap<Partition, Committed>,
}

/// Where a transaction's end must arrive.
enum Place {
    /// At a partition that it wrote to.
    Log(Partition),
    /// At the group's offsets.
    Offsets,
}

/// A transaction whose outcome is decided and has not arrived everywhere.
struct Ending {
    transactional_id: String,
    open: Open,
    committed: bool,
    places: Vec<Place>,
}

/// Everything, under one lock.
#[derive(Default)]
pub(super) struct State {
    pub(super) topics: BTreeMap<Arc<str>, Topic>,
    pub(super) groups: BTreeMap<Arc<str>, Group>,
    pub(super) transactional: BTreeMap<String, Transactional>,
    pub(super) transactions: TransactionNumber,
    /// Whether markers wait until they are told to arrive.
    pub(super) markers_lag: bool,
    endings: Vec<Ending>,
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

    /// `topic` has another number of partitions: the groups that read it begin a generation.
    pub(super) fn replan(&mut self, topic: &str) {
        let counts = self.counts();
        self.groups.values_mut().filter(|group| group.reads(topic)).for_each(|group| group.plan(&counts));
    }

    /// Decides how a transaction ends. Markers, and the group's offsets, come now, or one by one where they lag.
    pub(super) fn end(&mut self, transactional_id: &str, open: Open, committed: bool) {
        let logs = self.topics.iter().flat_map(|(name, topic)| {
            let open = (0..).zip(&topic.partitions).filter(|(_, log)| log.is_open(open.number));
            open.map(|(number, _)| Place::Log(Partition::new(name.clone(), number)))
        });
        let places: Vec<Place> = logs.chain(open.group.is_some().then_some(Place::Offsets)).collect();
        if let Some(held) = self.transactional.get_mut(transactional_id) {
            held.ended = Some(committed);
        }
        self.endings.push(Ending { transactional_id: transactional_id.to_owned(), open, committed, places });
        if !self.markers_lag {
            self.complete(transactional_id);
        }
    }

    /// How the last transaction of `transactional_id` ended: whether it was committed.
    pub(super) fn ended(&self, transactional_id: &str) -> Option<bool> {
        self.transactional.get(transactional_id)?.ended
    }

    /// How many markers are under way.
    pub(super) fn markers(&self) -> usize {
        self.endings.iter().map(|ending| ending.places.len()).sum()
    }

    /// The marker with this number among those under way, the oldest transaction's first, arrives.
    pub(super) fn arrive(&mut self, mut number: usize) {
        let mut endings = std::mem::take(&mut self.endings);
        for ending in &mut endings {
            if number < ending.places.len() {
                let place = ending.places.remove(number);
                self.mark(ending, &place);
                break;
            }
            number -= ending.places.len();
        }
        endings.retain(|ending| !ending.places.is_empty());
        self.endings = endings;
    }

    /// Every marker of the transactions of `transactional_id` arrives: its next one begins only then.
    pub(super) fn complete(&mut self, transactional_id: &str) {
        let of_id = |ending: &mut Ending| ending.transactional_id == transactional_id;
        let complete: Vec<Ending> = self.endings.extract_if(.., of_id).collect();
        for ending in complete {
            ending.places.iter().for_each(|place| self.mark(&ending, place));
        }
    }

    fn mark(&mut self, ending: &Ending, place: &Place) {
        let Ending { open, committed, .. } = ending;
        match place {
            Place::Log(partition) => {
                if let Some(log) = self.partition(partition) {
                    log.end(open.number, *committed);
                }
            }
            Place::Offsets => {
                let Some(group) = open.group.as_ref().and_then(|group| self.groups.get_mut(group)) else { return };
                group.pending.retain(|(_, number)| *number != open.number);
                if *committed {
                    group.offsets.extend(open.offsets.clone());
                }
            }
        }
    }
}
