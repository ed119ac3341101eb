//! The embedded log whose producers fail as the dice say: before a call, after it, or by the end of the whole process.

use std::ops::AddAssign;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sivcar::memory::{MemoryConsumer, MemoryLog, MemoryMembership, MemoryProducer, MemoryReader};
use sivcar::record::Partition;
use sivcar::stream::log::{Fault, Log, Outgoing, Producer, TopicFacts};

/// The text of the fault that stands for a kill.
pub const KILLED: &str = "killed";

/// How often what happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub kills: u64,
    pub aborts: u64,
    pub unknown_done: u64,
    pub unknown_not_done: u64,
    pub expulsions: u64,
    pub leaves: u64,
    pub marks: u64,
}

impl AddAssign for Faults {
    fn add_assign(&mut self, other: Self) {
        self.kills += other.kills;
        self.aborts += other.aborts;
        self.unknown_done += other.unknown_done;
        self.unknown_not_done += other.unknown_not_done;
        self.expulsions += other.expulsions;
        self.leaves += other.leaves;
        self.marks += other.marks;
    }
}

impl Faults {
    pub fn assert_each_occurred(&self) {
        let Faults { kills, aborts, unknown_done, unknown_not_done, expulsions, leaves, marks } = *self;
        for count in [kills, aborts, unknown_done, unknown_not_done, expulsions, leaves, marks] {
            assert!(count > 0, "{self:?}");
        }
    }
}

pub struct Dice {
    random: StdRng,
    /// One call in so many fails; 0: none.
    pub one_in: u32,
    pub faults: Faults,
}

#[derive(Clone)]
pub struct Faulty {
    pub log: MemoryLog,
    pub dice: Arc<Mutex<Dice>>,
}

impl Faulty {
    pub fn new(log: MemoryLog, seed: u64) -> Self {
        let dice = Dice { random: StdRng::seed_from_u64(seed), one_in: 60, faults: Faults::default() };
        Self { log, dice: Arc::new(Mutex::new(dice)) }
    }

    /// Runs `act`, unless the dice have something else happen.
    fn play(&self, ends: bool, act: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
        let (kind, after) = {
            let mut dice = self.dice.lock().expect("no panic holds it");
            if dice.one_in == 0 {
                return act();
            }
            let one_in = dice.one_in;
            if dice.random.random_range(0..one_in) > 0 {
                return act();
            }
            (dice.random.random_range(0..3), dice.random.random_range(0..2) == 0)
        };
        if after {
            act()?;
        }
        let mut dice = self.dice.lock().expect("no panic holds it");
        let faults = &mut dice.faults;
        match kind {
            0 => {
                faults.kills += 1;
                Err(Fault::Fatal(KILLED.to_owned()))
            }
            _ if ends => {
                let count = if after { &mut faults.unknown_done } else { &mut faults.unknown_not_done };
                *count += 1;
                Err(Fault::Unknown("lost answer".to_owned()))
            }
            _ => {
                faults.aborts += 1;
                Err(Fault::Abort("dice".to_owned()))
            }
        }
    }
}

pub struct FaultyProducer(MemoryProducer, Faulty);

impl Log for Faulty {
    type Membership = MemoryMembership;
    type Consumer = MemoryConsumer;
    type Producer = FaultyProducer;
    type Reader = MemoryReader;

    fn consumer(&self, worker: usize, topics: &[Arc<str>]) -> Result<MemoryConsumer, Fault> {
        self.log.consumer(worker, topics)
    }
    fn producer(&self, transactional_id: &str, batch_bytes: usize) -> Result<FaultyProducer, Fault> {
        Ok(FaultyProducer(self.log.producer(transactional_id, batch_bytes)?, self.clone()))
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
    fn create_topic(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<(), Fault> {
        self.log.create_topic(topic, partitions, settings)
    }
}

impl Producer for FaultyProducer {
    type Membership = MemoryMembership;

    fn init(&mut self) -> Result<(), Fault> {
        self.0.init()
    }
    fn begin(&mut self) -> Result<(), Fault> {
        self.0.begin()
    }
    fn produce(&mut self, outgoing: Outgoing) -> Result<(), Fault> {
        let Self(producer, faulty) = self;
        faulty.play(false, || producer.produce(outgoing))
    }
    fn drain(&mut self) -> Result<(), Fault> {
        let Self(producer, faulty) = self;
        faulty.play(false, || producer.drain())
    }
    fn send_offsets(&mut self, offsets: &[(Partition, i64, String)], member: &MemoryMembership) -> Result<(), Fault> {
        let Self(producer, faulty) = self;
        faulty.play(false, || producer.send_offsets(offsets, member))
    }
    fn commit(&mut self) -> Result<(), Fault> {
        let Self(producer, faulty) = self;
        faulty.play(true, || producer.commit())
    }
    fn abort(&mut self) -> Result<(), Fault> {
        let Self(producer, faulty) = self;
        faulty.play(true, || producer.abort())
    }
}
