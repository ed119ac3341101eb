//! A process that is killed, or stands still, at a chosen step of its loop: the production worker over the production adapter,
//! between them a log that sends the process a signal.
//!
//! The process is this test binary itself, asked for one test alone, which calls [`runs`] first. So nothing of it is in the
//! product.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use serde_json::json;
use sivcar::config::Config;
use sivcar::kafka::{Consumer, Kafka, Membership, Producer, Reader, Settings, Wish};
use sivcar::keys::Keys;
use sivcar::record::Partition;
use sivcar::stream::context::Plan;
use sivcar::stream::error::EXIT_BROKER;
use sivcar::stream::happening::Nobody;
use sivcar::stream::log::{self, Bounds, Committed, Fault, Fetched, Log, Outgoing, Rebalance, TopicFacts};
use sivcar::stream::supervisor;
use sivcar::stream::topics::Route;
use sivcar::telemetry::{LogFormat, start_logs};

use crate::sidecar::Sidecar;
use crate::site::Site;

/// Tells a child what to do: configuration, step and end.
const VARIABLE: &str = "SIVCAR_DOOMED";

/// The message of a child's last line.
pub const ENDED: &str = "the doomed process ends";

/// The transaction that is not survived; the first ones are. The first batch is not.
const TRANSACTION: u32 = 3;

/// More than a signal to oneself needs.
const TAKES_EFFECT: Duration = Duration::from_millis(500);

/// After which step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Records were read, and more may be.
    Polled,
    /// A transaction has begun, and its first record is about to be written.
    Begun,
    /// All is written and acknowledged.
    Drained,
    /// The offsets belong to the transaction.
    OffsetsSent,
    /// The broker has committed, and the process does not know.
    Committed,
}

/// What happens to the process then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Killed,
    StandsStill,
}

/// Starts the instance doomed, by the test named `test`.
pub fn start(site: &Site, instance: &str, step: Step, end: End, test: &str) -> Sidecar {
    let file = site.configure(instance);
    let mut command = Command::new(std::env::current_exe().expect("it runs"));
    command.args(["--exact", test, "--nocapture"]).current_dir(file.parent().expect("a folder"));
    command.env(VARIABLE, format!("{instance}.toml {step:?} {end:?}")).env_remove("RUST_LOG");
    site.spawn(instance, command)
}

/// Runs the doomed process where this is one; `false` in a test.
pub fn runs() -> bool {
    let Ok(text) = std::env::var(VARIABLE) else { return false };
    let words: Vec<&str> = text.split(' ').collect();
    let step = [Step::Polled, Step::Begun, Step::Drained, Step::OffsetsSent, Step::Committed];
    let step = step.into_iter().find(|step| format!("{step:?}") == words[1]).expect("a step");
    let signal = if words[2] == "Killed" { Signal::KILL } else { Signal::STOP };
    let config = Config::load(words[0].as_ref()).expect("a configuration");
    let keys = Keys::load(Some(config.keys.clone()), config.workspace_keys.clone()).expect("keysets");
    start_logs(LogFormat::Json, None).expect("the only log");
    let (settings, plan) = as_run_does(&config);
    let kafka = Kafka::new(settings).expect("clients can be made");
    let log = Doomed { kafka, doom: Arc::new(Doom { step, signal, times: AtomicU32::new(0) }) };
    let result =
        supervisor::prepare(log, plan, keys.ring(), Arc::new(Nobody)).and_then(|context| supervisor::run(&context));
    let code = result.as_ref().err().map(|error| error.exit_code());
    assert_ne!(code, Some(EXIT_BROKER), "{result:?}");
    println!("\n{}", json!({"message": ENDED, "code": code}));
    true
}

/// What `sivcar run` makes of its configuration.
fn as_run_does(config: &Config) -> (Settings, Plan) {
    let settings = Settings::new(Wish {
        group: config.settings.group.clone(),
        instance: Some(config.instance.clone()),
        replication_factor: config.topics.replication_factor.into(),
        common: config.kafka.common.clone(),
        consumer: config.kafka.consumer.clone(),
        producer: config.kafka.producer.clone(),
    });
    let plan = Plan {
        settings: Arc::new(config.settings.clone()),
        wished: config.wished.clone(),
        instance: config.instance.clone(),
        workers: config.workers,
        routes: Route::all(&config.settings),
        create: config.topics.create,
        max_staleness: config.max_staleness,
        state_bytes: config.state_bytes,
        limits: config.transaction,
    };
    (settings.expect("sound"), plan)
}

struct Doom {
    step: Step,
    signal: Signal,
    /// How often the step was reached.
    times: AtomicU32,
}

impl Doom {
    /// The process does not come past this, or only when it is told to go on.
    fn at(&self, step: Step) {
        let last = if step == Step::Polled { 1 } else { TRANSACTION };
        if self.step == step && self.times.fetch_add(1, Ordering::SeqCst) + 1 == last {
            kill_process(getpid(), self.signal).expect("it is this process");
            // the signal may be another thread's to take: this one goes on until it has
            std::thread::sleep(TAKES_EFFECT);
        }
    }
}

struct Doomed {
    kafka: Kafka,
    doom: Arc<Doom>,
}

struct DoomedConsumer(Consumer, Arc<Doom>);

struct DoomedProducer {
    producer: Producer,
    /// Records in the transaction; those of the control topic's writer do not count.
    records: u32,
    doom: Option<Arc<Doom>>,
}

impl DoomedProducer {
    /// Only transactions with records in them count.
    fn at(&self, step: Step) {
        if let Some(doom) = self.doom.as_ref().filter(|_| self.records > 0) {
            doom.at(step);
        }
    }
}

impl Log for Doomed {
    type Membership = Membership;
    type Consumer = DoomedConsumer;
    type Producer = DoomedProducer;
    type Reader = Reader;

    fn consumer(&self, worker: usize, topics: &[Arc<str>]) -> Result<DoomedConsumer, Fault> {
        Ok(DoomedConsumer(self.kafka.consumer(worker, topics)?, self.doom.clone()))
    }

    fn producer(&self, transactional_id: &str, batch_bytes: usize) -> Result<DoomedProducer, Fault> {
        let beside = [".control", ".alerts"].iter().any(|end| transactional_id.ends_with(end));
        let doom = (!beside).then(|| self.doom.clone());
        Ok(DoomedProducer { producer: self.kafka.producer(transactional_id, batch_bytes)?, records: 0, doom })
    }

    fn reader(&self, topic: &str, partition: Option<i32>) -> Result<Reader, Fault> {
        self.kafka.reader(topic, partition)
    }

    fn message_max_bytes(&self) -> usize {
        self.kafka.message_max_bytes()
    }

    fn transaction_timeout(&self) -> Duration {
        self.kafka.transaction_timeout()
    }

    fn topic(&self, topic: &str) -> Result<Option<TopicFacts>, Fault> {
        self.kafka.topic(topic)
    }

    fn committed_by_group(&self, partitions: &[Partition]) -> Result<Vec<Option<Committed>>, Fault> {
        self.kafka.committed_by_group(partitions)
    }
    fn create_topic(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<(), Fault> {
        self.kafka.create_topic(topic, partitions, settings)
    }
}

impl log::Consumer for DoomedConsumer {
    type Membership = Membership;

    fn end(&self, partition: &Partition) -> Option<i64> {
        self.0.end(partition)
    }
    fn poll(&mut self, max: usize, wait: Duration, batch: &mut Vec<Fetched>) -> Result<Option<Rebalance>, Fault> {
        let known = batch.len();
        let polled = self.0.poll(max, wait, batch);
        if batch.len() > known {
            self.1.at(Step::Polled);
        }
        polled
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
        self.0.seek(positions)
    }

    fn pause(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.0.pause(partitions)
    }

    fn resume(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.0.resume(partitions)
    }

    fn membership(&mut self) -> Result<Membership, Fault> {
        self.0.membership()
    }
}

impl log::Producer for DoomedProducer {
    type Membership = Membership;

    fn init(&mut self) -> Result<(), Fault> {
        self.producer.init()
    }

    fn is_spent(&mut self) -> bool {
        self.producer.is_spent()
    }

    fn begin(&mut self) -> Result<(), Fault> {
        self.records = 0;
        self.producer.begin()
    }

    fn produce(&mut self, outgoing: &Outgoing) -> Result<(), Fault> {
        // what a task has reached is told in the transaction of its start, too
        if !outgoing.topic.ends_with(".status") {
            self.records += 1;
            if self.records == 1 {
                self.at(Step::Begun);
            }
        }
        self.producer.produce(outgoing)
    }

    fn drain(&mut self) -> Result<(), Fault> {
        self.producer.drain()?;
        self.at(Step::Drained);
        Ok(())
    }

    fn send_offsets(&mut self, offsets: &[(Partition, i64, String)], member: &Membership) -> Result<(), Fault> {
        self.producer.send_offsets(offsets, member)?;
        self.at(Step::OffsetsSent);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Fault> {
        self.producer.commit()?;
        self.at(Step::Committed);
        Ok(())
    }

    fn abort(&mut self) -> Result<(), Fault> {
        self.producer.abort()
    }
}
