//! The embedded log: topics, transactions and a consumer group in memory, behind the same seam as Kafka.
//!
//! The production worker runs over it in the demo, the simulation and the tests. Always holds, as in Kafka: a `read_committed`
//! reader stops at the last stable offset and never sees an aborted record; a producer is fenced by the next one with its
//! transactional id; offsets are committed with the transaction that carries them, for a member only in the current generation, and
//! for whoever says that he is none unchecked. Everything is decided under one lock, so a single-threaded run is deterministic;
//! whoever waits is woken by every change and never waits longer than asked.
//!
//! What a broker does in its own time is done when it is told: markers arrive one by one ([`MemoryLog::let_markers_lag`]), late
//! ends land, transactions time out, members are expelled, partitions are compacted and trimmed. Deliberately not here:
//! durability, clocks, the choice of when any of this happens, more than one group per handle.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::record::{Partition, Record};
use crate::stream::log::{Bounds, Committed, Fault, Fetched, Log, TopicFacts};

mod consumer;
mod group;
mod partition;
mod producer;
mod state;

pub use consumer::{MemoryConsumer, MemoryMembership, MemoryReader};
pub use producer::{LateEnd, MemoryProducer};
use state::{State, Topic, Transactional};

/// What a Kafka broker takes by default, in bytes.
const MAX_MESSAGE_BYTES: usize = 1_048_588;

/// How long a request for committed offsets waits for a pending transaction, unless told otherwise.
const PATIENCE: Duration = Duration::from_millis(500);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// A handle to an embedded log, for one group. Clones and [`MemoryLog::of_group`] share the log: each is one process.
#[derive(Clone)]
pub struct MemoryLog {
    shared: Arc<Shared>,
    group: Arc<str>,
    patience: Duration,
}

impl MemoryLog {
    /// An empty log, and the handle of the group `group` to it.
    pub fn new(group: &str) -> Self {
        Self { shared: Arc::default(), group: group.into(), patience: PATIENCE }
    }

    /// The same log for another group.
    pub fn of_group(&self, group: &str) -> Self {
        Self { group: group.into(), ..self.clone() }
    }

    /// The same log, whose requests for committed offsets wait this long for a pending transaction; zero makes a
    /// single-threaded run step without waiting.
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self { patience, ..self.clone() }
    }

    /// Appends a record outside of any transaction and gives its offset; `None` where there is no such partition.
    pub fn append(&self, partition: &Partition, record: Record) -> Option<i64> {
        let mut state = self.lock();
        let offset = state.partition(partition)?.append(None, record);
        self.shared.changed.notify_all();
        Some(offset)
    }

    /// Every record of `topic` that a `read_committed` reader sees, partition by partition.
    pub fn records(&self, topic: &str) -> Vec<Fetched> {
        self.collect(topic, |log, each| {
            log.read(log.low(), usize::MAX, each);
        })
    }

    /// Every record of `topic`, those of open and aborted transactions included.
    pub fn uncommitted(&self, topic: &str) -> Vec<Fetched> {
        self.collect(topic, |log, each| log.all().for_each(|(offset, record)| each(offset, record)))
    }

    /// The names of all topics.
    pub fn topics(&self) -> Vec<Arc<str>> {
        self.lock().topics.keys().cloned().collect()
    }

    /// What the group committed for `partition`.
    pub fn committed(&self, partition: &Partition) -> Option<Committed> {
        self.lock().groups.get(&self.group)?.offsets.get(partition).cloned()
    }

    /// Commits an offset from outside, as an operator's tool does.
    pub fn set_committed(&self, partition: &Partition, committed: Option<Committed>) {
        let mut state = self.lock();
        let offsets = &mut state.group(&self.group).offsets;
        match committed {
            Some(committed) => offsets.insert(partition.clone(), committed),
            None => offsets.remove(partition),
        };
    }

    /// Drops the records before `offset`, as retention does, and gives what was committed of them.
    pub fn trim(&self, partition: &Partition, offset: i64) -> Vec<Fetched> {
        let dropped = self.lock().partition(partition).map(|log| log.trim(offset)).unwrap_or_default();
        fetched(partition, dropped)
    }

    /// Adds partitions to a topic at run time, and lets every group that reads it know.
    pub fn add_partitions(&self, topic: &str, more: usize) {
        let mut state = self.lock();
        if let Some(topic) = state.topics.get_mut(topic) {
            topic.partitions.extend((0..more).map(|_| partition::Partition::default()));
        }
        state.replan(topic);
        self.shared.changed.notify_all();
    }

    /// Deletes a topic with all it holds.
    pub fn delete_topic(&self, topic: &str) {
        self.lock().topics.remove(topic);
    }

    /// The members of the group, by their numbers, the oldest first.
    pub fn members(&self) -> Vec<u64> {
        self.lock().group(&self.group).members()
    }

    /// Puts the member with this number out of the group, as a session timeout does; `false` where it is none.
    pub fn expel(&self, member: u64) -> bool {
        let mut state = self.lock();
        let counts = state.counts();
        let expelled = state.group(&self.group).leave(member, &counts);
        self.shared.changed.notify_all();
        expelled
    }

    /// From now on a rebalance of the group takes everything from everybody first.
    pub fn rebalance_eagerly(&self) {
        self.lock().group(&self.group).eager = true;
    }

    /// From now on a transaction that ends is decided and no more: its markers, and the group's offsets, come one by one, as
    /// [`MemoryLog::arrive`] says, or all of them before its producer's next transaction.
    pub fn let_markers_lag(&self) {
        self.lock().markers_lag = true;
    }

    /// How many markers are under way.
    pub fn markers(&self) -> usize {
        self.lock().markers()
    }

    /// The marker with this number among those under way, the oldest transaction's first, arrives.
    pub fn arrive(&self, number: usize) {
        self.lock().arrive(number);
        self.shared.changed.notify_all();
    }

    /// A late end of a transaction reaches the log; says whether it ended one.
    pub fn land(&self, late: LateEnd) -> bool {
        let LateEnd { transactional_id, epoch, committed } = late;
        self.end_open(&transactional_id, committed, |held| held.epoch == epoch)
    }

    /// Aborts the open transaction of `transactional_id`, as its timeout does; `false` where there is none.
    pub fn expire(&self, transactional_id: &str) -> bool {
        self.end_open(transactional_id, false, |held| {
            held.epoch += 1;
            true
        })
    }

    /// Ends the open transaction of `transactional_id` where `may` says so; says whether it did.
    fn end_open(&self, transactional_id: &str, committed: bool, may: impl FnOnce(&mut Transactional) -> bool) -> bool {
        let mut state = self.lock();
        let held = state.transactional.get_mut(transactional_id).and_then(|held| may(held).then(|| held.open.take()));
        let Some(Some(open)) = held else { return false };
        state.end(transactional_id, open, committed);
        self.shared.changed.notify_all();
        true
    }

    /// Compacts a partition as far as it is stable, and gives what was removed. Deletions stay, but for those before `read`: up to
    /// there everybody who reads has read, as a topic's `delete.retention.ms` has to see to.
    pub fn compact(&self, partition: &Partition, read: i64) -> Vec<Fetched> {
        let removed = self.lock().partition(partition).map(|log| log.compact(read)).unwrap_or_default();
        fetched(partition, removed)
    }

    /// The ends of a partition.
    pub fn bounds(&self, partition: &Partition) -> Option<Bounds> {
        self.lock().bounds(partition)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // a panic elsewhere leaves whole records: every change below is made in one go
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the state until `look` has something to give or `wait` is over, then gives the last look.
    fn wait<T>(&self, wait: Duration, mut look: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let until = Instant::now() + wait;
        let mut state = self.lock();
        loop {
            if let Some(found) = look(&mut state) {
                return Some(found);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let woken = self.shared.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn collect(&self, topic: &str, walk: impl Fn(&partition::Partition, &mut dyn FnMut(i64, &Record))) -> Vec<Fetched> {
        let mut found = Vec::new();
        let state = self.lock();
        let Some((name, topic)) = state.topics.get_key_value(topic) else { return found };
        for (number, log) in topic.partitions.iter().enumerate() {
            let partition = Partition::new(name.clone(), number as i32);
            walk(log, &mut |offset, record| {
                found.push(Fetched { partition: partition.clone(), offset, record: record.clone() });
            });
        }
        found
    }
}

fn fetched(partition: &Partition, records: Vec<(i64, Record)>) -> Vec<Fetched> {
    let fetched = |(offset, record)| Fetched { partition: partition.clone(), offset, record };
    records.into_iter().map(fetched).collect()
}

impl Log for MemoryLog {
    type Membership = MemoryMembership;
    type Consumer = MemoryConsumer;
    type Producer = MemoryProducer;
    type Reader = MemoryReader;

    fn consumer(&self, _worker: usize, topics: &[Arc<str>]) -> Result<MemoryConsumer, Fault> {
        Ok(MemoryConsumer::join(self.clone(), topics))
    }

    /// There are no batches.
    fn producer(&self, transactional_id: &str, _: usize) -> Result<MemoryProducer, Fault> {
        Ok(MemoryProducer::new(self.clone(), transactional_id))
    }

    fn reader(&self, topic: &str, partition: Option<i32>) -> Result<MemoryReader, Fault> {
        match self.lock().topics.get_key_value(topic) {
            Some((name, topic)) => {
                let starts =
                    (0..).zip(&topic.partitions).map(|(number, log)| (Partition::new(name.clone(), number), log.low()));
                let starts = starts.filter(|(at, _)| partition.is_none_or(|number| number == at.number));
                Ok(MemoryReader::new(self.clone(), starts.collect()))
            }
            None => Err(Fault::Retry(format!("the topic {topic} does not exist"))),
        }
    }

    fn message_max_bytes(&self) -> usize {
        usize::MAX
    }

    fn transaction_timeout(&self) -> Duration {
        Duration::from_secs(15)
    }

    fn topic(&self, topic: &str) -> Result<Option<TopicFacts>, Fault> {
        Ok(self.lock().topics.get(topic).map(|topic| TopicFacts {
            partitions: topic.partitions.len() as i32,
            replicas: 1,
            cleanup_policy: topic.cleanup_policy.clone(),
            max_message_bytes: topic.max_message_bytes,
        }))
    }

    fn committed_by_group(&self, partitions: &[Partition]) -> Result<Vec<Option<Committed>>, Fault> {
        Ok(partitions.iter().map(|partition| self.committed(partition)).collect())
    }

    fn create_topic(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<(), Fault> {
        let set = |name: &str| settings.iter().find(|setting| setting.0 == name).map(|setting| setting.1);
        let max_message_bytes = match set("max.message.bytes").map(str::parse) {
            None => MAX_MESSAGE_BYTES,
            Some(Ok(bytes)) => bytes,
            Some(Err(_)) => return Err(Fault::Fatal(format!("topic {topic}: max.message.bytes is no number"))),
        };
        let mut policies: Vec<&str> = set("cleanup.policy").unwrap_or("delete").split(',').collect();
        policies.sort();
        let mut state = self.lock();
        if !state.topics.contains_key(topic) {
            let partitions = (0..partitions).map(|_| partition::Partition::default()).collect();
            let cleanup_policy = policies.join(",");
            state.topics.insert(topic.into(), Topic { partitions, cleanup_policy, max_message_bytes });
            state.replan(topic);
            self.shared.changed.notify_all();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
