//! A real Kafka whose calls are written down: what a worker asked of the log, in which order, when, and what came of it; and whose
//! control topics can be held back from a process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sivcar::kafka::{Consumer, Kafka, Membership, Producer, Reader};
use sivcar::record::Partition;
use sivcar::stream::log::{self, Bounds, Committed, Fault, Fetched, Log, Outgoing, Rebalance, TopicFacts};

/// One call of a worker's consumer or of any producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    Membership,
    Init,
    Begin,
    Produce(Arc<str>),
    Drain,
    Offsets(Vec<(Partition, i64)>),
    Commit,
    Abort,
    Seek(Vec<(Partition, i64)>),
}

/// A call that returned.
#[derive(Clone, Debug)]
pub struct Returned {
    /// `{group}.{instance}.{worker}` of a producer, nothing of a consumer.
    pub by: String,
    pub call: Call,
    pub fault: Option<Fault>,
    pub began: Instant,
    pub ended: Instant,
}

/// All calls of one process.
#[derive(Clone, Default)]
pub struct Calls(Arc<Mutex<Vec<Returned>>>);

impl Calls {
    /// Those made so far.
    pub fn all(&self) -> Vec<Returned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those of a producer whose transactional id is neither the control topic's nor the alerts', and of consumers; but for what a task has reached, which
    /// is told beside the outputs.
    pub fn of_workers(&self) -> Vec<Returned> {
        let told = |call: &Call| matches!(call, Call::Produce(topic) if topic.ends_with(".status"));
        let beside = |by: &str| [".control", ".alerts"].iter().any(|end| by.ends_with(end));
        let of_workers = |returned: &Returned| !beside(&returned.by) && !told(&returned.call);
        self.all().into_iter().filter(of_workers).collect()
    }

    fn run<T>(&self, by: &str, call: Call, act: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        let began = Instant::now();
        let result = act();
        let fault = result.as_ref().err().cloned();
        let returned = Returned { by: by.to_owned(), call, fault, began, ended: Instant::now() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(returned);
        result
    }
}

/// Kafka, watched.
pub struct Watched {
    pub kafka: Kafka,
    pub calls: Calls,
    /// While it is set, control topics give nothing, and their end cannot be confirmed.
    pub held: Arc<AtomicBool>,
}

pub struct WatchedConsumer(Consumer, Calls);
pub struct WatchedProducer(Producer, String, Calls);
pub struct WatchedReader(Reader, Option<Arc<AtomicBool>>);

impl Log for Watched {
    type Membership = Membership;
    type Consumer = WatchedConsumer;
    type Producer = WatchedProducer;
    type Reader = WatchedReader;

    fn consumer(&self, worker: usize, topics: &[Arc<str>]) -> Result<WatchedConsumer, Fault> {
        Ok(WatchedConsumer(self.kafka.consumer(worker, topics)?, self.calls.clone()))
    }
    fn producer(&self, transactional_id: &str, batch_bytes: usize) -> Result<WatchedProducer, Fault> {
        let producer = self.kafka.producer(transactional_id, batch_bytes)?;
        Ok(WatchedProducer(producer, transactional_id.to_owned(), self.calls.clone()))
    }
    fn reader(&self, topic: &str, partition: Option<i32>) -> Result<WatchedReader, Fault> {
        let held = topic.ends_with(".control").then(|| self.held.clone());
        Ok(WatchedReader(self.kafka.reader(topic, partition)?, held))
    }
    fn message_max_bytes(&self) -> usize {
        self.kafka.message_max_bytes()
    }
    fn transaction_timeout(&self) -> Duration {
        self.kafka.transaction_timeout()
    }
    fn partitions(&self, topic: &str) -> Result<Option<i32>, Fault> {
        self.kafka.partitions(topic)
    }
    fn topic(&self, topic: &str) -> Result<Option<TopicFacts>, Fault> {
        self.kafka.topic(topic)
    }
    fn may_create(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<(), Fault> {
        self.kafka.may_create(topic, partitions, settings)
    }
    fn committed_by_group(&self, partitions: &[Partition]) -> Result<Vec<Option<Committed>>, Fault> {
        self.kafka.committed_by_group(partitions)
    }
    fn create_topic(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<(), Fault> {
        self.kafka.create_topic(topic, partitions, settings)
    }
}

impl log::Consumer for WatchedConsumer {
    type Membership = Membership;

    fn end(&self, partition: &Partition) -> Option<i64> {
        self.0.end(partition)
    }
    fn poll(&mut self, max: usize, wait: Duration, batch: &mut Vec<Fetched>) -> Result<Option<Rebalance>, Fault> {
        self.0.poll(max, wait, batch)
    }
    fn assign(&mut self, starts: &[(Partition, i64)]) -> Result<(), Fault> {
        self.0.assign(starts)
    }
    fn unassign(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.0.unassign(partitions)
    }
    fn committed(&mut self, partitions: &[Partition]) -> Result<Vec<Option<Committed>>, Fault> {
        self.0.committed(partitions)
    }
    fn bounds(&mut self, partition: &Partition) -> Result<Bounds, Fault> {
        self.0.bounds(partition)
    }
    fn seek(&mut self, positions: &[(Partition, i64)]) -> Result<(), Fault> {
        let Self(consumer, calls) = self;
        calls.run("", Call::Seek(positions.to_vec()), || consumer.seek(positions))
    }
    fn pause(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.0.pause(partitions)
    }
    fn resume(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.0.resume(partitions)
    }
    fn membership(&mut self) -> Result<Membership, Fault> {
        let Self(consumer, calls) = self;
        calls.run("", Call::Membership, || consumer.membership())
    }
}

impl log::Producer for WatchedProducer {
    type Membership = Membership;

    fn init(&mut self) -> Result<(), Fault> {
        let Self(producer, id, calls) = self;
        calls.run(id, Call::Init, || producer.init())
    }
    fn is_spent(&mut self) -> bool {
        self.0.is_spent()
    }
    fn begin(&mut self) -> Result<(), Fault> {
        let Self(producer, id, calls) = self;
        calls.run(id, Call::Begin, || producer.begin())
    }
    fn produce(&mut self, outgoing: &Outgoing) -> Result<(), Fault> {
        let Self(producer, id, calls) = self;
        calls.run(id, Call::Produce(outgoing.topic.clone()), || producer.produce(outgoing))
    }
    fn drain(&mut self) -> Result<(), Fault> {
        let Self(producer, id, calls) = self;
        calls.run(id, Call::Drain, || producer.drain())
    }
    fn send_offsets(&mut self, offsets: &[(Partition, i64, String)], member: &Membership) -> Result<(), Fault> {
        let Self(producer, id, calls) = self;
        let sent = offsets.iter().map(|(partition, offset, _)| (partition.clone(), *offset)).collect();
        calls.run(id, Call::Offsets(sent), || producer.send_offsets(offsets, member))
    }
    fn commit(&mut self) -> Result<(), Fault> {
        let Self(producer, id, calls) = self;
        calls.run(id, Call::Commit, || producer.commit())
    }
    fn abort(&mut self) -> Result<(), Fault> {
        let Self(producer, id, calls) = self;
        calls.run(id, Call::Abort, || producer.abort())
    }
}

impl WatchedReader {
    fn is_held(&self) -> bool {
        self.1.as_ref().is_some_and(|held| held.load(Ordering::Relaxed))
    }
}

impl log::Reader for WatchedReader {
    fn poll(&mut self, wait: Duration, batch: &mut Vec<Fetched>) -> Result<(), Fault> {
        if self.is_held() {
            std::thread::sleep(wait);
            return Ok(());
        }
        self.0.poll(wait, batch)
    }
    fn caught_up(&mut self) -> Result<Option<Vec<i64>>, Fault> {
        if self.is_held() { Err(Fault::Retry("held back".into())) } else { self.0.caught_up() }
    }
}
