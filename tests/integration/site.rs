//! Where scenarios take place: a real broker, a fresh folder with a keyset, and the configuration that all instances share.
//!
//! Always holds: all that a process of the site writes, and every answer to /metrics, stays in its folder, where the checker
//! searches it.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header as WireHeader, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use sivcar::config::Config;
use sivcar::kafka::{Kafka, Settings, Wish};
use sivcar::keys::Keys;
use sivcar::privacy::keyset::Keyring;
use sivcar::record::Record;
use sivcar::stream::log::Log as _;
use tempfile::TempDir;

use crate::broker::Broker;
use crate::checker::{Checker, Dump, Report};
use crate::dump;
use crate::patience::{PATIENCE, PAUSE, eventually};
use crate::sidecar::Sidecar;

/// A broker, and what the instances of one group have in common.
pub struct Site {
    pub broker: Broker,
    folder: TempDir,
    /// The configuration without instance and brokers.
    common: String,
    /// Counts the processes, whose files it names.
    started: AtomicU32,
}

impl Site {
    /// A new broker, and a folder with a keyset. `common` is the configuration from `[[source]]` on; `head` what stands before any
    /// table. Members are noticed to be gone after a second and a half unless `common` has a `[kafka.consumer]`, transactions time out
    /// after ten seconds unless it has a `[kafka.producer]`.
    pub fn new(head: &str, common: &str) -> Site {
        Site::on(Broker::start(), head, common)
    }

    /// The same on a broker that runs already.
    pub fn on(broker: Broker, head: &str, common: &str) -> Site {
        let bootstrap = broker.bootstrap.clone();
        Site::behind(broker, &bootstrap, head, common)
    }

    /// The same where the instances reach the broker at another address than the test.
    pub fn behind(broker: Broker, bootstrap: &str, head: &str, common: &str) -> Site {
        let unless = |section, text| if common.contains(section) { "" } else { text };
        let consumer = "consumer = { \"session.timeout.ms\" = \"1500\", \"heartbeat.interval.ms\" = \"300\" }\n";
        let consumer = unless("[kafka.consumer]", consumer);
        let producer = unless("[kafka.producer]", "[kafka.producer]\n\"transaction.timeout.ms\" = \"10000\"\n");
        let common = format!(
            "group = \"g\"\n{head}\n[kafka]\n\"bootstrap.servers\" = \"{bootstrap}\"\n{consumer}{producer}\
             [http]\nlisten = \"127.0.0.1:0\"\n[keys]\nfile = \"keyset.json\"\n{common}"
        );
        let folder = TempDir::new().expect("a folder can be made");
        let site = Site { broker, folder, common, started: AtomicU32::new(0) };
        assert_eq!(site.run("keys generate keyset.json").0, 0);
        site
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the configuration of the instance, which is a static member; gives its file.
    pub fn configure(&self, instance: &str) -> PathBuf {
        let file = self.path(&format!("{instance}.toml"));
        fs::write(&file, format!("instance = \"{instance}\"\n{}", self.common)).expect("the folder can be written");
        file
    }

    /// What the instances' files say, as the library reads it.
    pub fn config(&self) -> Config {
        Config::load(&self.configure("any")).expect("the configuration is sound")
    }

    pub fn keyring(&self) -> Arc<Keyring> {
        let config = self.config();
        Keys::load(Some(config.keys.clone()), config.workspace_keys).expect("the keysets are sound").ring()
    }

    /// The cluster through the adapter.
    pub fn kafka(&self) -> Kafka {
        let mut wish = Wish { group: "test".into(), replication_factor: -1, ..Wish::default() };
        wish.common.insert("bootstrap.servers".into(), self.broker.bootstrap.clone());
        Kafka::new(Settings::new(wish).expect("sound")).expect("clients can be made")
    }

    pub fn create(&self, topic: &str, partitions: i32) {
        self.kafka().create_topic(topic, partitions, &[]).expect("can be made");
    }

    /// Writes records to their partitions of `topic`, in order, and waits until the broker has them.
    pub fn feed(&self, topic: &str, records: impl IntoIterator<Item = (i32, Record)>) {
        feed(&self.broker.bootstrap, topic, records);
    }

    /// Runs a command to its end: exit code, standard output, standard error.
    pub fn run(&self, arguments: &str) -> (i32, String, String) {
        let output = self.command(arguments).output().expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("is text");
        (output.status.code().expect("was not killed"), text(output.stdout), text(output.stderr))
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sivcar"));
        command.current_dir(self.folder.path()).args(arguments.split_whitespace()).env_remove("RUST_LOG");
        command
    }

    /// Starts `sivcar run` for the instance and does not wait.
    pub fn start(&self, instance: &str) -> Sidecar {
        self.configure(instance);
        self.launch(instance)
    }

    /// The same where the instance's configuration stands in its file already.
    pub fn launch(&self, instance: &str) -> Sidecar {
        self.spawn(instance, self.command(&format!("run --config {instance}.toml --log-format json")))
    }

    /// Starts a command and does not wait; what it says is its log.
    pub fn begin(&self, name: &str, arguments: &str) -> Sidecar {
        self.spawn(name, self.command(arguments))
    }

    /// Starts any process whose log is a sidecar's.
    pub fn spawn(&self, name: &str, mut command: Command) -> Sidecar {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let log = self.path(&format!("{name}-{number}.log"));
        let file = File::create(&log).expect("the folder can be written");
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("one more handle")).stderr(file);
        Sidecar { child: command.spawn().expect("the program runs"), log }
    }

    /// Waits until the group has committed all that stands in the raw topics.
    pub fn catch_up(&self) {
        let config = self.config();
        let topics: Vec<&str> = config.settings.sources.iter().map(|source| source.topic.as_str()).collect();
        let (bootstrap, group) = (&self.broker.bootstrap, &config.settings.group);
        eventually("all is processed", || dump::caught_up(bootstrap, group, &topics).then_some(()));
    }

    /// The checker of this site's settings.
    pub fn checker(&self, canaries: &[&str]) -> Checker {
        let canaries = canaries.iter().map(|&canary| canary.to_owned()).collect();
        Checker { settings: self.config().settings, keyring: self.keyring(), unread: Default::default(), canaries }
    }

    /// Takes a dump of all topics and checks it, and all that the processes said.
    #[track_caller]
    pub fn check(&self, checker: &Checker) -> Report {
        self.dump(checker).1
    }

    /// The same, and gives the dump too.
    #[track_caller]
    pub fn dump(&self, checker: &Checker) -> (Dump, Report) {
        let dump = dump::dump(&self.broker.bootstrap);
        let report = checker.check(&dump, &self.said()).unwrap_or_else(|wrong| panic!("{wrong}"));
        (dump, report)
    }

    /// The logs and metrics of all processes so far.
    pub fn said(&self) -> Vec<(String, Vec<u8>)> {
        let files = fs::read_dir(self.folder.path()).expect("the folder can be read");
        let paths = files.map(|entry| entry.expect("the folder can be read").path());
        let said = paths.filter(|path| path.extension().is_some_and(|kind| kind == "log" || kind == "metrics"));
        said.map(|path| (path.display().to_string(), fs::read(&path).expect("can be read"))).collect()
    }
}

/// Writes records to their partitions of `topic`, in order, and waits until the broker has them.
pub fn feed(bootstrap: &str, topic: &str, records: impl IntoIterator<Item = (i32, Record)>) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("enable.idempotence", "true")
        .set("linger.ms", "2")
        .create()
        .expect("a producer can be made");
    for (partition, record) in records {
        let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, header| {
            headers.insert(WireHeader { key: &header.name, value: header.value.as_deref() })
        });
        let mut wire: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(partition);
        (wire.key, wire.payload) = (record.key.as_deref(), record.value.as_deref());
        wire.timestamp = record.timestamp;
        wire.headers = (!record.headers.is_empty()).then_some(headers);
        while let Err((error, back)) = producer.send(wire) {
            assert_eq!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
            producer.poll(PAUSE);
            wire = back;
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(PATIENCE).expect("the broker takes them");
}
