//! What writes to the embedded log: a transactional producer.

use std::collections::BTreeMap;

use super::state::{Open, State};
use super::{MemoryLog, MemoryMembership};
use crate::record::Partition;
use crate::stream::log::{Committed, Fault, Outgoing, Producer};
use crate::stream::topics::wire_bytes;

/// A transactional producer of the embedded log. Dropped with a transaction open, it leaves it open, as a crash does.
pub struct MemoryProducer {
    log: MemoryLog,
    transactional_id: String,
    epoch: u64,
    staged: usize,
    failed: Option<Fault>,
    /// Whether it has begun a transaction that it has not ended.
    begun: bool,
}

/// A commit or an abort on its way to the log. It ends whatever transaction its producer has open when it arrives; once another producer
/// has taken the id, none.
#[derive(Debug)]
pub struct LateEnd {
    pub(super) transactional_id: String,
    pub(super) epoch: u64,
    pub(super) committed: bool,
}

impl LateEnd {
    /// Whether it is a commit.
    pub fn commits(&self) -> bool {
        self.committed
    }
}

impl MemoryProducer {
    pub(super) fn new(log: MemoryLog, transactional_id: &str) -> Self {
        Self { log, transactional_id: transactional_id.to_owned(), epoch: 0, staged: 0, failed: None, begun: false }
    }

    /// Runs `act` on the state and this producer's open transaction, unless it is fenced.
    fn with<T>(&self, act: impl FnOnce(&mut State, &mut Option<Open>) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut state = self.log.lock();
        let id = &self.transactional_id;
        let held = state.transactional.get_mut(id).filter(|held| held.epoch == self.epoch);
        let Some(held) = held else { return Err(Fault::Fenced(format!("{id}: another producer took this id"))) };
        let mut open = held.open.take();
        let result = act(&mut state, &mut open);
        if let Some(held) = state.transactional.get_mut(id) {
            held.open = open;
        }
        self.log.shared.changed.notify_all();
        result
    }

    /// Sends the commit, or the abort, and does not wait for it: it is under way until [`MemoryLog::land`].
    pub fn end_late(&self, committed: bool) -> LateEnd {
        LateEnd { transactional_id: self.transactional_id.clone(), epoch: self.epoch, committed }
    }

    fn finish(&mut self, committed: bool) -> Result<(), Fault> {
        self.failed = None;
        let id = self.transactional_id.clone();
        self.with(|state, open| match open.take() {
            Some(open) => {
                state.end(&id, open, committed);
                Ok(())
            }
            None if !self.begun => Err(Fault::Fatal("no transaction is open".to_owned())),
            // ended behind its back: the same end once more is none, and what became of the other is not known
            None if state.ended(&id) == Some(committed) => Ok(()),
            None => Err(Fault::Unknown("the transaction was ended otherwise".to_owned())),
        })?;
        self.begun = false;
        Ok(())
    }
}

impl Producer for MemoryProducer {
    type Membership = MemoryMembership;

    fn init(&mut self) -> Result<(), Fault> {
        let mut state = self.log.lock();
        let id = &self.transactional_id;
        let held = state.transactional.entry(id.clone()).or_default();
        held.epoch += 1;
        self.epoch = held.epoch;
        if let Some(open) = held.open.take() {
            state.end(id, open, false);
        }
        state.complete(id);
        self.log.shared.changed.notify_all();
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Fault> {
        self.begun = true;
        self.with(|state, open| {
            if open.is_some() {
                return Err(Fault::Fatal("a transaction is open already".to_owned()));
            }
            state.complete(&self.transactional_id);
            state.transactions += 1;
            *open = Some(Open { number: state.transactions, group: None, offsets: BTreeMap::new() });
            Ok(())
        })
    }

    fn produce(&mut self, outgoing: &Outgoing) -> Result<(), Fault> {
        let staged = self.staged;
        let refused = self.with(|state, open| {
            let Some(open) = open else { return Err(Fault::Fatal("no transaction is open".to_owned())) };
            let Outgoing { topic: name, partition, record } = outgoing;
            let Some(topic) = state.topics.get_mut(name) else {
                return Err(Fault::Fatal(format!("topic {name} does not exist")));
            };
            let number = partition.unwrap_or((staged % topic.partitions.len().max(1)) as i32);
            if wire_bytes(record) > topic.max_message_bytes {
                return Ok(Some(Fault::Refused(format!("{name}[{number}]: the record is too large"))));
            }
            if record.key.is_none() && topic.is_compacted() {
                return Ok(Some(Fault::Refused(format!(
                    "{name}[{number}]: a compacted topic takes no record without a key"
                ))));
            }
            let log = usize::try_from(number).ok().and_then(|number| topic.partitions.get_mut(number));
            let Some(log) = log else { return Err(Fault::Fatal(format!("{name}[{number}] does not exist"))) };
            log.append(Some(open.number), record.clone());
            Ok(None)
        })?;
        self.staged += 1;
        self.failed = self.failed.take().or(refused);
        Ok(())
    }

    fn drain(&mut self) -> Result<(), Fault> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn send_offsets(&mut self, offsets: &[(Partition, i64, String)], member: &MemoryMembership) -> Result<(), Fault> {
        self.with(|state, open| {
            let Some(open) = open else { return Err(Fault::Fatal("no transaction is open".to_owned())) };
            if offsets.is_empty() {
                // as librdkafka: nothing is sent, so nobody looks whether the member is one
                return Ok(());
            }
            let group = state.group(&member.group);
            let over = member.of.is_some_and(|(number, generation)| {
                group.generation_of(number).is_none() || group.generation != generation
            });
            if over {
                return Err(Fault::Lost("send offsets: the generation is over".to_owned()));
            }
            for (partition, offset, metadata) in offsets {
                let committed = Committed { offset: *offset, metadata: metadata.clone() };
                open.offsets.insert(partition.clone(), committed);
                group.pending.insert((partition.clone(), open.number));
            }
            open.group = Some(member.group.clone());
            Ok(())
        })
    }

    fn commit(&mut self) -> Result<(), Fault> {
        match self.failed.clone() {
            Some(failed) => Err(failed),
            None => self.finish(true),
        }
    }

    fn abort(&mut self) -> Result<(), Fault> {
        self.finish(false)
    }
}
