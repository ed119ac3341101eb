//! A log whose calls fail as a test says: instead of happening, or after they happened.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::log::{Bounds, Committed, Consumer, Fault, Fetched, Log, Outgoing, Producer, Rebalance, TopicFacts};
use crate::memory::{MemoryConsumer, MemoryLog, MemoryMembership, MemoryProducer, MemoryReader};
use crate::record::Partition;

/// A call that may be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    Init,
    Begin,
    Produce,
    Drain,
    SendOffsets,
    Commit,
    Abort,
    Membership,
    Assign,
    Committed,
    Seek,
    Pause,
}

/// What happens in its place.
pub enum Twist {
    /// The fault, and nothing else.
    Instead(Fault),
    /// The call, then the fault.
    After(Fault),
    /// Something else happens to the log before the call.
    Before(Box<dyn FnOnce(&MemoryLog) + Send>),
}

type Refuses = Box<dyn Fn(&Outgoing) -> bool + Send>;

#[derive(Default)]
pub struct Script {
    twists: BTreeMap<Call, VecDeque<Twist>>,
    refuses: Option<Refuses>,
    /// How often each call failed by this script.
    pub occurred: BTreeMap<Call, usize>,
    /// How many records were refused.
    pub refused: usize,
    /// How often each call was made.
    pub calls: BTreeMap<Call, usize>,
}

/// An embedded log with a script.
#[derive(Clone)]
pub struct Scripted {
    pub log: MemoryLog,
    pub script: Arc<Mutex<Script>>,
}

impl Scripted {
    pub fn new(log: MemoryLog) -> Self {
        Self { log, script: Arc::default() }
    }

    pub fn next(&self, call: Call, twist: Twist) {
        self.script.lock().unwrap().twists.entry(call).or_default().push_back(twist);
    }

    pub fn refuse(&self, which: impl Fn(&Outgoing) -> bool + Send + 'static) {
        self.script.lock().unwrap().refuses = Some(Box::new(which));
    }

    pub fn occurred(&self, call: Call) -> usize {
        self.script.lock().unwrap().occurred.get(&call).copied().unwrap_or(0)
    }

    pub fn calls(&self, call: Call) -> usize {
        self.script.lock().unwrap().calls.get(&call).copied().unwrap_or(0)
    }

    fn play<T>(&self, call: Call, act: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        let twist = {
            let mut script = self.script.lock().unwrap();
            *script.calls.entry(call).or_default() += 1;
            let twist = script.twists.get_mut(&call).and_then(VecDeque::pop_front);
            if twist.is_some() {
                *script.occurred.entry(call).or_default() += 1;
            }
            twist
        };
        match twist {
            None => act(),
            Some(Twist::Instead(fault)) => Err(fault),
            Some(Twist::After(fault)) => act().and(Err(fault)),
            Some(Twist::Before(other)) => {
                other(&self.log);
                act()
            }
        }
    }
}

pub struct ScriptedConsumer(MemoryConsumer, Scripted);
pub struct ScriptedProducer(MemoryProducer, Scripted, bool);

impl Log for Scripted {
    type Membership = MemoryMembership;
    type Consumer = ScriptedConsumer;
    type Producer = ScriptedProducer;
    type Reader = MemoryReader;

    fn consumer(&self, worker: usize, topics: &[Arc<str>]) -> Result<ScriptedConsumer, Fault> {
        Ok(ScriptedConsumer(self.log.consumer(worker, topics)?, self.clone()))
    }
    fn producer(&self, transactional_id: &str, batch_bytes: usize) -> Result<ScriptedProducer, Fault> {
        Ok(ScriptedProducer(self.log.producer(transactional_id, batch_bytes)?, self.clone(), false))
    }
    fn reader(&self, topic: &str, partition: Option<i32>) -> Result<MemoryReader, Fault> {
        self.log.reader(topic, partition)
    }
    fn message_max_bytes(&self) -> usize {
        self.log.message_max_bytes()
    }
    fn transaction_timeout(&self) -> Duration {
        self.log.transaction_timeout()
    }
    fn topic(&self, topic: &str) -> Result<Option<TopicFacts>, Fault> {
        self.log.topic(topic)
    }
    fn committed_by_group(&self, partitions: &[Partition]) -> Result<Vec<Option<Committed>>, Fault> {
        self.log.committed_by_group(partitions)
    }
    fn create_topic(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<(), Fault> {
        self.log.create_topic(topic, partitions, settings)
    }
}

impl Consumer for ScriptedConsumer {
    type Membership = MemoryMembership;

    fn end(&self, partition: &Partition) -> Option<i64> {
        self.0.end(partition)
    }

    fn poll(&mut self, max: usize, wait: Duration, batch: &mut Vec<Fetched>) -> Result<Option<Rebalance>, Fault> {
        self.0.poll(max, wait, batch)
    }
    fn assign(&mut self, starts: &[(Partition, i64)]) -> Result<(), Fault> {
        self.1.play(Call::Assign, || self.0.assign(starts))
    }
    fn unassign(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.0.unassign(partitions)
    }
    fn committed(&mut self, partitions: &[Partition]) -> Result<Vec<Option<Committed>>, Fault> {
        self.1.play(Call::Committed, || self.0.committed(partitions))
    }
    fn bounds(&mut self, partition: &Partition) -> Result<Bounds, Fault> {
        self.0.bounds(partition)
    }
    fn seek(&mut self, positions: &[(Partition, i64)]) -> Result<(), Fault> {
        self.1.play(Call::Seek, || self.0.seek(positions))
    }
    fn pause(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.1.play(Call::Pause, || self.0.pause(partitions))
    }
    fn resume(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.0.resume(partitions)
    }
    fn membership(&mut self) -> Result<MemoryMembership, Fault> {
        self.1.play(Call::Membership, || self.0.membership())
    }
}

impl Producer for ScriptedProducer {
    type Membership = MemoryMembership;

    fn init(&mut self) -> Result<(), Fault> {
        self.1.play(Call::Init, || self.0.init())
    }
    fn begin(&mut self) -> Result<(), Fault> {
        self.2 = false;
        self.1.play(Call::Begin, || self.0.begin())
    }
    fn produce(&mut self, outgoing: &Outgoing) -> Result<(), Fault> {
        let mut script = self.1.script.lock().unwrap();
        if script.refuses.as_ref().is_some_and(|refuses| refuses(outgoing)) {
            script.refused += 1;
            self.2 = true;
            return Ok(());
        }
        drop(script);
        let Self(producer, log, _) = self;
        log.play(Call::Produce, || producer.produce(outgoing))
    }
    fn drain(&mut self) -> Result<(), Fault> {
        if self.2 {
            return Err(Fault::Refused("the broker refuses a record".into()));
        }
        self.1.play(Call::Drain, || self.0.drain())
    }
    fn send_offsets(&mut self, offsets: &[(Partition, i64, String)], member: &MemoryMembership) -> Result<(), Fault> {
        assert!(!offsets.is_empty(), "an empty list would commit unfenced");
        self.1.play(Call::SendOffsets, || self.0.send_offsets(offsets, member))
    }
    fn commit(&mut self) -> Result<(), Fault> {
        self.1.play(Call::Commit, || self.0.commit())
    }
    fn abort(&mut self) -> Result<(), Fault> {
        self.1.play(Call::Abort, || self.0.abort())
    }
}
