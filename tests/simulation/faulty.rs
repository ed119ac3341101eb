//! The embedded log as one process sees it: what becomes of its workers' calls is what the world has in store for it.
//!
//! A request waits in no real time: polls give at once what there is, and a request for offsets that are still unstable when it is
//! repeated goes on once the markers that it waits for have come. Deliberately not here: when something happens (`schedule`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sivcar::memory::{MemoryConsumer, MemoryMembership, MemoryProducer, MemoryReader};
use sivcar::record::Partition;
use sivcar::stream::log::{
    Bounds, Committed, Consumer, Fault, Fetched, Log, Outgoing, Producer, Reader, Rebalance, TopicFacts,
};

use crate::bugs::Bug;
use crate::process::Who;
use crate::tally;
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
    /// The answer is lost, and the end is under way; it lands just before the next producer comes, or as [`Step::Land`] says.
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

/// The log of a process.
#[derive(Clone)]
pub struct Faulty {
    pub world: Arc<Shared>,
    pub process: usize,
}

/// The calls of a worker's clients.
struct Calls {
    world: Arc<Shared>,
    who: Who,
}

fn killed() -> Fault {
    Fault::Fatal(KILLED.to_owned())
}

impl Calls {
    fn count(&self, name: &'static str) {
        self.world.tally.count(name);
    }

    /// Makes the call, unless the world has something else in store.
    fn play<T>(&self, call: Call, act: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        let Calls { world, who } = self;
        if world.is_doomed(who.process) {
            return Err(killed());
        }
        let Some(what) = world.take_twist(who.process, call) else { return act() };
        match what {
            What::Kill { after } => {
                world.tally.count(tally::killed_in(call));
                if after { act().and(Err(killed())) } else { Err(killed()) }
            }
            What::Suspend { expelled, rounds } => {
                if expelled {
                    world.expel(*who, "member expelled during a round");
                }
                world.suspend(*who, rounds);
                if world.is_doomed(who.process) { Err(killed()) } else { act() }
            }
            What::Fail => {
                self.count("call failed");
                Err(Fault::Abort("it failed".to_owned()))
            }
            What::Unknown { after } => {
                let end = if call == Call::Commit { "commit" } else { "abort" };
                self.count(match (end, after) {
                    ("commit", true) => "commit reported failed, it succeeded",
                    ("commit", false) => "commit reported failed, it did not",
                    _ => "abort reported failed",
                });
                let unknown = Err(Fault::Unknown("the answer is lost".to_owned()));
                if after { act().and(unknown) } else { unknown }
            }
            What::Expire => {
                if world.log.expire(&who.transactional_id()) {
                    self.count("transaction timed out under its producer");
                }
                act()
            }
            What::Expel => {
                world.expel(*who, "member expelled during a round");
                act()
            }
            What::Retry => {
                self.count("call to be tried again");
                Err(Fault::Retry("try again".to_owned()))
            }
            What::Lost => {
                self.count("membership said to be lost");
                Err(Fault::Lost("it is said so".to_owned()))
            }
            What::Late { .. } | What::Jump => act(),
        }
    }

    /// The same for the end of a transaction, which may be late.
    fn end(&self, inner: &mut MemoryProducer, committed: bool) -> Result<(), Fault> {
        let call = if committed { Call::Commit } else { Call::Abort };
        if self.world.late_end(self.who, call, || inner.end_late(committed)) {
            return Err(Fault::Unknown("the answer is lost".to_owned()));
        }
        self.play(call, || if committed { inner.commit() } else { inner.abort() })
    }
}

pub struct FaultyConsumer(MemoryConsumer, Calls);

/// A reader; one of a single partition restores profiles.
pub struct FaultyReader {
    inner: MemoryReader,
    restores: Option<Arc<AtomicUsize>>,
}

impl Drop for FaultyReader {
    fn drop(&mut self) {
        self.restores.iter().for_each(|restores| _ = restores.fetch_sub(1, Ordering::Relaxed));
    }
}

pub struct FaultyProducer {
    inner: MemoryProducer,
    calls: Calls,
    /// A record of the transaction was refused.
    refused: bool,
}

impl Log for Faulty {
    type Membership = MemoryMembership;
    type Consumer = FaultyConsumer;
    type Producer = FaultyProducer;
    type Reader = FaultyReader;

    fn consumer(&self, worker: usize, topics: &[Arc<str>]) -> Result<FaultyConsumer, Fault> {
        let who = Who { process: self.process, worker };
        let consumer = self.world.log.consumer(worker, topics)?;
        self.world.is_member(who, consumer.member());
        Ok(FaultyConsumer(consumer, Calls { world: self.world.clone(), who }))
    }
    fn producer(&self, transactional_id: &str, batch_bytes: usize) -> Result<FaultyProducer, Fault> {
        let worker = transactional_id.rsplit('.').next().and_then(|number| number.parse().ok());
        let who = Who { process: self.process, worker: worker.expect("it ends in the worker's number") };
        let inner = self.world.log.producer(transactional_id, batch_bytes)?;
        Ok(FaultyProducer { inner, calls: Calls { world: self.world.clone(), who }, refused: false })
    }
    fn reader(&self, topic: &str, partition: Option<i32>) -> Result<FaultyReader, Fault> {
        let inner = self.world.log.reader(topic, partition)?;
        let restores = partition.map(|number| {
            self.world.restores_begin(self.process, number);
            self.world.restores.clone()
        });
        Ok(FaultyReader { inner, restores })
    }
    fn message_max_bytes(&self) -> usize {
        self.world.log.message_max_bytes()
    }
    fn transaction_timeout(&self) -> Duration {
        if self.world.has_jumped(self.process) {
            self.world.tally.count("clock jumped during a round");
            return Duration::ZERO;
        }
        Duration::from_secs(86_400)
    }
    fn topic(&self, topic: &str) -> Result<Option<TopicFacts>, Fault> {
        self.world.log.topic(topic)
    }
    fn committed_by_group(&self, partitions: &[Partition]) -> Result<Vec<Option<Committed>>, Fault> {
        self.world.log.committed_by_group(partitions)
    }
    fn create_topic(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<(), Fault> {
        self.world.log.create_topic(topic, partitions, settings)
    }
}

impl Reader for FaultyReader {
    fn poll(&mut self, _: Duration, batch: &mut Vec<Fetched>) -> Result<(), Fault> {
        self.inner.poll(Duration::ZERO, batch)
    }
    fn caught_up(&mut self) -> Result<Option<Vec<i64>>, Fault> {
        self.inner.caught_up()
    }
}

impl Consumer for FaultyConsumer {
    type Membership = MemoryMembership;

    fn end(&self, partition: &Partition) -> Option<i64> {
        self.0.end(partition)
    }
    fn poll(&mut self, max: usize, _: Duration, batch: &mut Vec<Fetched>) -> Result<Option<Rebalance>, Fault> {
        let Self(consumer, calls) = self;
        let polled = calls.play(Call::Poll, || consumer.poll(max, Duration::ZERO, batch));
        calls.world.is_member(calls.who, consumer.member());
        let polled = polled?;
        calls.count(match &polled {
            None => return Ok(None),
            Some(Rebalance::Assign(_)) => "partitions assigned",
            Some(Rebalance::Revoke(_)) if calls.world.eager => "partitions revoked, all at once",
            Some(Rebalance::Revoke(_)) => "partitions revoked, cooperatively",
            Some(Rebalance::Lost(_)) => "partitions lost",
        });
        Ok(polled)
    }
    fn assign(&mut self, starts: &[(Partition, i64)]) -> Result<(), Fault> {
        let Self(consumer, calls) = self;
        calls.world.assigned(calls.who.process, starts);
        calls.play(Call::Assign, || consumer.assign(starts))
    }
    fn unassign(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.0.unassign(partitions)
    }
    fn committed(&mut self, partitions: &[Partition]) -> Result<Vec<Option<Committed>>, Fault> {
        let Self(consumer, calls) = self;
        let mut found = calls.play(Call::Committed, || consumer.committed(partitions));
        if matches!(&found, Err(Fault::Retry(_))) {
            let waits = calls.world.is_waiting(calls.who);
            calls.count(if waits { "waited for unstable offsets" } else { "offsets were unstable" });
            while waits && matches!(&found, Err(Fault::Retry(_))) && calls.world.pass_time() {
                found = consumer.committed(partitions);
            }
        }
        calls.world.bug.of_committed(found)
    }
    fn bounds(&mut self, partition: &Partition) -> Result<Bounds, Fault> {
        self.0.bounds(partition)
    }
    fn seek(&mut self, positions: &[(Partition, i64)]) -> Result<(), Fault> {
        let Self(consumer, calls) = self;
        if calls.world.bug == Bug::NoRewind {
            return Ok(());
        }
        calls.play(Call::Seek, || consumer.seek(positions))
    }
    fn pause(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        let Self(consumer, calls) = self;
        calls.play(Call::Pause, || consumer.pause(partitions))
    }
    fn resume(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.0.resume(partitions)
    }
    fn membership(&mut self) -> Result<MemoryMembership, Fault> {
        let Self(consumer, calls) = self;
        let member = calls.play(Call::Membership, || consumer.membership());
        if matches!(&member, Err(Fault::Lost(_))) {
            calls.count("no membership: only generation -1 could be sent");
        }
        calls.world.bug.of_membership(member)
    }
}

impl Producer for FaultyProducer {
    type Membership = MemoryMembership;

    fn init(&mut self) -> Result<(), Fault> {
        let Self { inner, calls, .. } = self;
        calls.world.now_waits(calls.who);
        calls.world.land_own(calls.who);
        calls.play(Call::Init, || inner.init())
    }
    fn is_spent(&mut self) -> bool {
        let calls = &self.calls;
        let spent = calls.world.take_twist(calls.who.process, Call::IsSpent).is_some();
        calls.world.tally.add("producer spent", spent.into());
        spent
    }
    fn begin(&mut self) -> Result<(), Fault> {
        let Self { inner, calls, refused } = self;
        *refused = false;
        calls.play(Call::Begin, || inner.begin())
    }
    fn produce(&mut self, outgoing: &Outgoing) -> Result<(), Fault> {
        let Self { inner, calls, refused } = self;
        let value = outgoing.record.value.as_deref().unwrap_or_default();
        if outgoing.topic.starts_with("protected")
            && value.windows(REFUSED.len()).any(|text| text == REFUSED.as_bytes())
        {
            calls.count("record refused");
            *refused = true;
            return Ok(());
        }
        // when a status is told depends on the time of day
        if outgoing.topic.ends_with(".status") {
            return inner.produce(outgoing);
        }
        calls.play(Call::Produce, || inner.produce(outgoing))
    }
    fn drain(&mut self) -> Result<(), Fault> {
        let Self { inner, calls, refused } = self;
        if *refused {
            return Err(Fault::Refused("the broker refuses a record".to_owned()));
        }
        calls.play(Call::Drain, || inner.drain())
    }
    fn send_offsets(&mut self, offsets: &[(Partition, i64, String)], member: &MemoryMembership) -> Result<(), Fault> {
        let Self { inner, calls, .. } = self;
        let offsets = calls.world.bug.of_offsets(&calls.world.log, offsets);
        let sent = calls.play(Call::SendOffsets, || inner.send_offsets(&offsets, member));
        if matches!(&sent, Err(Fault::Lost(_))) {
            calls.count("offsets of a past generation refused");
        }
        sent
    }
    fn commit(&mut self) -> Result<(), Fault> {
        self.calls.end(&mut self.inner, true)
    }
    fn abort(&mut self) -> Result<(), Fault> {
        self.calls.end(&mut self.inner, false)
    }
}
