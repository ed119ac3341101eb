//! The embedded log as one process sees it: what becomes of its calls is what the world has in store for it.
//!
//! A request waits in no real time: polls give at once what there is, and a request for offsets that are still unstable when it is
//! repeated goes on once the markers that it waits for have come. Deliberately not here: when something happens (`schedule`).

use std::sync::Arc;
use std::time::Duration;

use sivcar::memory::{MemoryConsumer, MemoryLog, MemoryMembership, MemoryProducer, MemoryReader};
use sivcar::record::Partition;
use sivcar::stream::log::{
    Bounds, Committed, Consumer, Fault, Fetched, Log, Outgoing, Producer, Reader, Rebalance, TopicFacts,
};

use crate::bugs::Bug;
use crate::world::Shared;

/// The text of the fault that stands for a kill.
pub const KILLED: &str = "killed";

/// What stands in a value that the broker refuses to take into a protected topic.
pub const REFUSED: &str = "refuse-me";

/// A call that something may become of. `Clock` is the question how long a transaction may take, `IsSpent` whether a producer is to be
/// used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Init,
    Begin,
    Produce,
    Drain,
    SendOffsets,
    Commit,
    Abort,
    Poll,
    Assign,
    Committed,
    Seek,
    Pause,
    Membership,
    Clock,
    IsSpent,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The process ends, before it or after it.
    Kill { after: bool },
    /// The process stands still before it, until it is resumed: perhaps so long that it is put out of the group, and for so many
    /// rounds of the others at least.
    Suspend { expelled: bool, rounds: usize },
    /// The transaction has to be aborted.
    Fail,
    /// It happens or does not, and the answer is lost.
    Unknown { after: bool },
    /// The answer is lost, and the commit is under way; it lands just before the next producer comes, or as [`Step::Land`] says.
    ///
    /// [`Step::Land`]: crate::schedule::Step::Land
    Late { lands: bool },
    /// The transaction has timed out before it.
    Expire,
    /// Before it its member is put out of the group.
    Expel,
    /// It is to be tried again.
    Retry,
    /// Membership is said to be lost.
    Lost,
    /// Time has passed.
    Jump,
}

/// What becomes of the call that comes after `wait` of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Twist {
    pub call: Call,
    pub wait: u8,
    pub what: What,
}

#[derive(Clone)]
pub struct Faulty {
    pub world: Arc<Shared>,
    pub process: usize,
}

fn killed() -> Fault {
    Fault::Fatal(KILLED.to_owned())
}

impl Faulty {
    fn log(&self) -> &MemoryLog {
        &self.world.log
    }

    /// Makes the call, unless the world has something else in store.
    fn play<T>(&self, call: Call, act: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        let process = self.process;
        if self.world.is_doomed(process) {
            return Err(killed());
        }
        let Some(what) = self.world.take_twist(process, call) else { return act() };
        let count = |name| self.world.tally.count(name);
        match what {
            What::Kill { after } => {
                count("killed in a call");
                if after { act().and(Err(killed())) } else { Err(killed()) }
            }
            What::Suspend { expelled, rounds } => {
                if expelled {
                    self.world.expel(process, "member expelled during a round");
                }
                self.world.suspend(process, rounds);
                if self.world.is_doomed(process) { Err(killed()) } else { act() }
            }
            What::Fail => {
                count("call failed");
                Err(Fault::Abort("it failed".to_owned()))
            }
            What::Unknown { after } => {
                let end = if call == Call::Commit { "commit" } else { "abort" };
                count(match (end, after) {
                    ("commit", true) => "commit reported failed, it succeeded",
                    ("commit", false) => "commit reported failed, it did not",
                    _ => "abort reported failed",
                });
                let unknown = Err(Fault::Unknown("the answer is lost".to_owned()));
                if after { act().and(unknown) } else { unknown }
            }
            What::Expire => {
                if self.log().expire(&self.world.transactional_id(process)) {
                    count("transaction timed out under its producer");
                }
                act()
            }
            What::Expel => {
                self.world.expel(process, "member expelled during a round");
                act()
            }
            What::Retry => {
                count("call to be tried again");
                Err(Fault::Retry("try again".to_owned()))
            }
            What::Lost => {
                count("membership said to be lost");
                Err(Fault::Lost("it is said so".to_owned()))
            }
            What::Late { .. } | What::Jump => act(),
        }
    }
}

pub struct FaultyConsumer(MemoryConsumer, Faulty);
pub struct FaultyReader(MemoryReader);

pub struct FaultyProducer {
    inner: MemoryProducer,
    log: Faulty,
    /// A record of the transaction was refused.
    refused: bool,
}

impl Log for Faulty {
    type Membership = MemoryMembership;
    type Consumer = FaultyConsumer;
    type Producer = FaultyProducer;
    type Reader = FaultyReader;

    fn consumer(&self, worker: usize, topics: &[Arc<str>]) -> Result<FaultyConsumer, Fault> {
        let consumer = self.log().consumer(worker, topics)?;
        self.world.is_member(self.process, consumer.member());
        Ok(FaultyConsumer(consumer, self.clone()))
    }
    fn producer(&self, transactional_id: &str, batch_bytes: usize) -> Result<FaultyProducer, Fault> {
        let inner = self.log().producer(transactional_id, batch_bytes)?;
        Ok(FaultyProducer { inner, log: self.clone(), refused: false })
    }
    fn reader(&self, topic: &str, partition: Option<i32>) -> Result<FaultyReader, Fault> {
        Ok(FaultyReader(self.log().reader(topic, partition)?))
    }
    fn message_max_bytes(&self) -> usize {
        self.log().message_max_bytes()
    }
    fn transaction_timeout(&self) -> Duration {
        if self.world.has_jumped(self.process) {
            self.world.tally.count("clock jumped during a round");
            return Duration::ZERO;
        }
        Duration::from_secs(86_400)
    }
    fn topic(&self, topic: &str) -> Result<Option<TopicFacts>, Fault> {
        self.log().topic(topic)
    }
    fn create_topic(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<(), Fault> {
        self.log().create_topic(topic, partitions, settings)
    }
}

impl Reader for FaultyReader {
    fn poll(&mut self, _: Duration, batch: &mut Vec<Fetched>) -> Result<(), Fault> {
        self.0.poll(Duration::ZERO, batch)
    }
    fn caught_up(&mut self) -> Result<Option<Vec<i64>>, Fault> {
        self.0.caught_up()
    }
}

impl Consumer for FaultyConsumer {
    type Membership = MemoryMembership;

    fn poll(&mut self, max: usize, _: Duration, batch: &mut Vec<Fetched>) -> Result<Option<Rebalance>, Fault> {
        let Self(consumer, log) = self;
        let polled = log.play(Call::Poll, || consumer.poll(max, Duration::ZERO, batch));
        log.world.is_member(log.process, consumer.member());
        let polled = polled?;
        log.world.tally.count(match &polled {
            None => return Ok(None),
            Some(Rebalance::Assign(_)) => "partitions assigned",
            Some(Rebalance::Revoke(_)) => "partitions revoked",
            Some(Rebalance::Lost(_)) => "partitions lost",
        });
        Ok(polled)
    }
    fn assign(&mut self, starts: &[(Partition, i64)]) -> Result<(), Fault> {
        let Self(consumer, log) = self;
        log.play(Call::Assign, || consumer.assign(starts))
    }
    fn unassign(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.0.unassign(partitions)
    }
    fn committed(&mut self, partitions: &[Partition]) -> Result<Vec<Option<Committed>>, Fault> {
        let Self(consumer, log) = self;
        let mut found = log.play(Call::Committed, || consumer.committed(partitions));
        if matches!(&found, Err(Fault::Retry(_))) {
            let waits = log.world.is_waiting(log.process);
            log.world.tally.count(if waits { "waited for unstable offsets" } else { "offsets were unstable" });
            while waits && matches!(&found, Err(Fault::Retry(_))) && log.world.pass_time() {
                found = consumer.committed(partitions);
            }
        }
        log.world.bug.of_committed(found)
    }
    fn bounds(&mut self, partition: &Partition) -> Result<Bounds, Fault> {
        self.0.bounds(partition)
    }
    fn seek(&mut self, positions: &[(Partition, i64)]) -> Result<(), Fault> {
        let Self(consumer, log) = self;
        if log.world.bug == Bug::NoRewind {
            return Ok(());
        }
        log.play(Call::Seek, || consumer.seek(positions))
    }
    fn pause(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        let Self(consumer, log) = self;
        log.play(Call::Pause, || consumer.pause(partitions))
    }
    fn resume(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.0.resume(partitions)
    }
    fn membership(&mut self) -> Result<MemoryMembership, Fault> {
        let Self(consumer, log) = self;
        let member = log.play(Call::Membership, || consumer.membership());
        if matches!(&member, Err(Fault::Lost(_))) {
            log.world.tally.count("no membership: only generation -1 could be sent");
        }
        log.world.bug.of_membership(member)
    }
}

impl Producer for FaultyProducer {
    type Membership = MemoryMembership;

    fn init(&mut self) -> Result<(), Fault> {
        let Self { inner, log, .. } = self;
        log.world.now_waits(log.process);
        log.world.land_own(log.process);
        log.play(Call::Init, || inner.init())
    }
    fn is_spent(&mut self) -> bool {
        let spent = self.log.world.take_twist(self.log.process, Call::IsSpent).is_some();
        self.log.world.tally.add("producer spent", spent.into());
        spent
    }
    fn begin(&mut self) -> Result<(), Fault> {
        let Self { inner, log, refused } = self;
        *refused = false;
        log.play(Call::Begin, || inner.begin())
    }
    fn produce(&mut self, outgoing: &Outgoing) -> Result<(), Fault> {
        let Self { inner, log, refused } = self;
        let value = outgoing.record.value.as_deref().unwrap_or_default();
        if outgoing.topic.starts_with("protected")
            && value.windows(REFUSED.len()).any(|text| text == REFUSED.as_bytes())
        {
            log.world.tally.count("record refused");
            *refused = true;
            return Ok(());
        }
        // when a status is told depends on the time of day
        if outgoing.topic.ends_with(".status") {
            return inner.produce(outgoing);
        }
        log.play(Call::Produce, || inner.produce(outgoing))
    }
    fn drain(&mut self) -> Result<(), Fault> {
        let Self { inner, log, refused } = self;
        if *refused {
            return Err(Fault::Refused("the broker refuses a record".to_owned()));
        }
        log.play(Call::Drain, || inner.drain())
    }
    fn send_offsets(&mut self, offsets: &[(Partition, i64, String)], member: &MemoryMembership) -> Result<(), Fault> {
        let Self { inner, log, .. } = self;
        let offsets = log.world.bug.of_offsets(&log.world.log, offsets);
        let sent = log.play(Call::SendOffsets, || inner.send_offsets(&offsets, member));
        if matches!(&sent, Err(Fault::Lost(_))) {
            log.world.tally.count("offsets of a past generation refused");
        }
        sent
    }
    fn commit(&mut self) -> Result<(), Fault> {
        let Self { inner, log, .. } = self;
        if log.world.late_commit(log.process, || inner.commit_late()) {
            return Err(Fault::Unknown("the answer is lost".to_owned()));
        }
        log.play(Call::Commit, || inner.commit())
    }
    fn abort(&mut self) -> Result<(), Fault> {
        let Self { inner, log, .. } = self;
        log.play(Call::Abort, || inner.abort())
    }
}
