//! The real program, as an operator runs it: `sivcar run` as a child process with a configuration in a fresh folder, over a real
//! broker.
//!
//! A [`Site`] is a broker, a folder and what all instances' configurations have in common; a [`Sidecar`] is one process. Always
//! holds: a sidecar ends with its value, also when the test panics; all that it writes, and every answer to /metrics, stays in the
//! site's folder, where the checker searches it.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header as WireHeader, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde_json::Value;
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

/// More than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long one look waits for the next.
const PAUSE: Duration = Duration::from_millis(10);

/// Attempts until there is something.
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(done) = attempt() {
            return done;
        }
        std::thread::sleep(PAUSE);
    }
    panic!("never happened: {what}");
}

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
    /// table. Members are noticed to be gone after a second and a half, transactions time out after five seconds unless `common` has a
    /// `[kafka.producer]`.
    pub fn new(head: &str, common: &str) -> Site {
        Site::on(Broker::start(), head, common)
    }

    /// The same on a broker that runs already.
    pub fn on(broker: Broker, head: &str, common: &str) -> Site {
        let producer = "[kafka.producer]\n\"transaction.timeout.ms\" = \"5000\"\n";
        let producer = if common.contains("[kafka.producer]") { "" } else { producer };
        let common = format!(
            "group = \"g\"\n{head}\n[kafka]\n\"bootstrap.servers\" = \"{}\"\n\
             consumer = {{ \"session.timeout.ms\" = \"1500\", \"heartbeat.interval.ms\" = \"300\" }}\n\
             {producer}\
             [http]\nlisten = \"127.0.0.1:0\"\n[keys]\nfile = \"keyset.json\"\n{common}",
            broker.bootstrap
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
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &self.broker.bootstrap)
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
        self.spawn(instance, self.command(&format!("run --config {instance}.toml --log-format json")))
    }

    /// Starts any process whose log is a sidecar's.
    pub fn spawn(&self, name: &str, mut command: Command) -> Sidecar {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let log = self.path(&format!("{name}-{number}.log"));
        let file = File::create(&log).expect("the folder can be written");
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("one more handle")).stderr(file);
        let child = command.spawn().expect("the program runs");
        Sidecar { child, log }
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

/// One process.
pub struct Sidecar {
    child: Child,
    log: PathBuf,
}

impl Sidecar {
    /// Waits for a log line with this message, and gives the first.
    pub fn logs(&self, message: &str) -> Value {
        self.logged(message, |_| true)
    }

    /// Waits for a log line with this message that `is` what is meant, and gives the first.
    pub fn logged(&self, message: &str, is: impl Fn(&Value) -> bool) -> Value {
        eventually(message, || self.lines().into_iter().find(|line| line["message"] == message && is(line)))
    }

    /// The lines so far; what is no JSON is a text.
    pub fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.log).expect("it has a log");
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| line.into())).collect()
    }

    /// Waits until all its tasks are open.
    pub fn ready(mut self) -> Sidecar {
        eventually("readiness", || {
            let ended = self.child.try_wait().expect("it is ours");
            assert_eq!(ended, None, "it ended:\n{}", self.text());
            self.get("/ready").starts_with("HTTP/1.1 200").then_some(())
        });
        self
    }

    /// The answer to a request, empty where nobody answers.
    pub fn get(&self, path: &str) -> String {
        let lines = self.lines();
        let Some(address) = lines.iter().find_map(|line| line["http"].as_str()) else { return String::new() };
        let mut answer = String::new();
        if let Ok(mut stream) = std::net::TcpStream::connect(address) {
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
        }
        answer
    }

    /// The metrics as served, kept for the checker too.
    pub fn metrics(&self) -> String {
        let metrics = self.get("/metrics");
        assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
        fs::write(self.log.with_extension("metrics"), &metrics).expect("the folder can be written");
        metrics
    }

    /// The sum of a metric over all its labels; those whose line holds `label`.
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        let metrics = self.metrics();
        let lines = metrics.lines().filter(|line| line.starts_with(name) && line.contains(label));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed()).expect("a process has an id")
    }

    /// `SIGSTOP`: it stands still wherever it is.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Waits until it stands still.
    pub fn stopped(&self) {
        eventually("it stands still", || {
            let options = WaitOptions::UNTRACED | WaitOptions::NOHANG;
            let (_, status) = waitpid(Some(self.pid()), options).expect("it is ours")?;
            assert!(status.stopped(), "it ended instead: {}", self.text());
            Some(())
        });
    }

    /// Lets one that stands still go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.killed();
    }

    /// Waits until `kill -9` has ended it, whoever sent that.
    pub fn killed(self) {
        let (status, log) = self.end();
        assert_eq!(status.signal(), Some(9), "{log}");
    }

    /// Waits until it has noticed that others have its partitions.
    pub fn lost(&self) {
        self.logged("task closed", |line| line["lost"] == true);
    }

    /// SIGTERM, and a clean end.
    pub fn drain(self) {
        self.metrics();
        self.signal(Signal::TERM);
        let (status, log) = self.end();
        assert_eq!(status.code(), Some(0), "{log}");
    }

    /// Waits until it ends by itself; gives its status and its log.
    pub fn end(mut self) -> (ExitStatus, String) {
        let status = eventually("it ends", || self.child.try_wait().expect("it is ours"));
        (status, self.text())
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // gone already, but for a test that failed
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}:\n{}", self.log.display(), last_lines(&self.log));
        }
    }
}

fn last_lines(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
