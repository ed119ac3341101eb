//! A real broker, a folder with keyset and configuration, and the optimised program in it.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::Value;
use sivcar::kafka::{Kafka, Settings, Wish};
use sivcar::stream::log::Log as _;
use tempfile::TempDir;

use crate::broker::Broker;
use crate::sidecar::Sidecar;
use crate::spread::{PARTITIONS, partition};

/// How long one look waits for the next: rarely enough to cost the program nothing that counts.
const PAUSE: Duration = Duration::from_millis(50);

const WAIT: Duration = Duration::from_secs(60);

/// A broker and one instance's folder.
pub struct Cluster {
    pub broker: Broker,
    folder: TempDir,
    workers: i32,
    starts: u32,
}

impl Cluster {
    /// A broker with these topics, and a configuration with so many workers and these sources.
    pub fn new(workers: i32, topics: &[&str], sources: &str) -> Cluster {
        let folder = TempDir::new().expect("a folder can be made");
        let cluster = Cluster { broker: Broker::start(), folder, workers, starts: 0 };
        cluster.configure(sources);
        cluster.run("keys generate keyset.json");
        topics.iter().for_each(|topic| cluster.create(topic));
        cluster
    }

    /// From the next start on these are the sources.
    pub fn configure(&self, sources: &str) {
        let config = format!(
            "group = \"g\"\ninstance = \"bench\"\nworkers = {}\n[kafka]\n\"bootstrap.servers\" = \"{}\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\n[keys]\nfile = \"keyset.json\"\n{sources}",
            self.workers, self.broker.bootstrap
        );
        fs::write(self.folder.path().join("sivcar.toml"), config).expect("the folder can be written");
    }

    /// Creates a topic as the others are.
    pub fn create(&self, topic: &str) {
        let mut wish = Wish { group: "bench".into(), replication_factor: -1, ..Wish::default() };
        wish.common.insert("bootstrap.servers".into(), self.broker.bootstrap.clone());
        let kafka = Kafka::new(Settings::new(wish).expect("sound")).expect("clients can be made");
        kafka.create_topic(topic, PARTITIONS, &[]).expect("can be made");
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sivcar"));
        command.current_dir(self.folder.path()).args(arguments.split_whitespace()).env_remove("RUST_LOG");
        command
    }

    /// Runs a command of the program to its end.
    pub fn run(&self, arguments: &str) {
        let output = self.command(arguments).output().expect("the program runs");
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts `sivcar run`, and waits until all tasks are open.
    pub fn start(&mut self) -> Sidecar {
        self.starts += 1;
        let log: PathBuf = self.folder.path().join(format!("{}.log", self.starts));
        let file = File::create(&log).expect("the folder can be written");
        let mut command = self.command("run --config sivcar.toml --log-format json");
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("one more handle")).stderr(file);
        Sidecar { child: command.spawn().expect("the program runs"), log }.ready()
    }

    /// Writes records `0..count` to `topic`, of which `make` gives key and value; gives the bytes of the values.
    pub fn feed(&self, topic: &str, count: u64, make: impl Fn(u64) -> (Vec<u8>, Vec<u8>)) -> f64 {
        let producer: BaseProducer = self
            .client()
            .set("enable.idempotence", "true")
            .set("batch.size", "1000000")
            .set("linger.ms", "5")
            .create()
            .expect("a producer can be made");
        let mut bytes = 0;
        for number in 0..count {
            let (key, value) = make(number);
            bytes += value.len();
            let mut record = BaseRecord::to(topic).partition(partition(number)).key(&key).payload(&value);
            while let Err((error, back)) = producer.send(record) {
                assert_eq!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
                producer.poll(Duration::from_millis(10));
                record = back;
            }
            producer.poll(Duration::ZERO);
        }
        producer.flush(WAIT).expect("the broker takes them");
        bytes as f64
    }

    /// The beginning of every client's configuration.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.broker.bootstrap);
        config
    }

    /// A consumer with the settings of the program's own readers.
    pub fn reader(&self) -> BaseConsumer {
        self.client()
            .set("group.id", "bench")
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("queued.max.messages.kbytes", "16384")
            .set("fetch.queue.backoff.ms", "10")
            .set("fetch.wait.max.ms", "50")
            .set("enable.partition.eof", "true")
            .create()
            .expect("a consumer can be made")
    }

    /// The ends of a topic's partitions; no transaction may be open.
    pub fn ends(&self, topic: &str) -> Vec<i64> {
        let client = self.reader();
        let end = |number| client.fetch_watermarks(topic, number, WAIT).expect("the topic exists").1;
        (0..PARTITIONS).map(end).collect()
    }
}

/// Waits as long as it takes until `done`.
pub fn wait(done: impl Fn() -> bool) {
    while !done() {
        thread::sleep(PAUSE);
    }
}

/// Marks the attribute that everyone has, and gives how long it took from the policy's being in force to everyone's being settled.
pub fn backfill(cluster: &Cluster, sidecar: &Sidecar) -> Duration {
    let before = in_force(sidecar);
    let settled = |line: &Value| line["message"] == "every profile is settled" && line["version"].as_u64() > before;
    thread::scope(|scope| {
        scope.spawn(|| cluster.run("mark --config sivcar.toml --workspace acme --on attribute --name email"));
        wait(|| in_force(sidecar) > before);
        let began = Instant::now();
        wait(|| sidecar.lines().into_iter().filter(settled).count() == PARTITIONS as usize);
        began.elapsed()
    })
}

/// Withdraws the mark, so that the next is newly effective.
pub fn withdraw(cluster: &Cluster, sidecar: &Sidecar) {
    let before = in_force(sidecar);
    cluster.run("unmark --config sivcar.toml --workspace acme --on attribute --name email");
    wait(|| in_force(sidecar) > before);
}

/// The newest policy version that the program's log tells of.
fn in_force(sidecar: &Sidecar) -> Option<u64> {
    let lines = sidecar.lines().into_iter().filter(|line| line["message"] == "policy in force");
    lines.filter_map(|line| line["version"].as_u64()).max()
}
