//! The program beside a real Kafka: a folder with configuration and keyset, and the sidecar as a child process.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sivcar::kafka::{Kafka, Settings, Wish};
use sivcar::record::Record;
use sivcar::stream::log::{Fault, Fetched, Log as _, Outgoing, Producer as _, Reader as _};

use crate::broker::Broker;

/// More than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long one look takes.
const WAIT: Duration = Duration::from_millis(100);

/// A broker, a folder and a client of the test's own.
pub struct Bench {
    _broker: Broker,
    pub folder: tempfile::TempDir,
    pub log: Kafka,
}

impl Bench {
    /// A new broker with a topic `raw` of so many partitions, and a configuration of group `g` that ends with `sections`.
    pub fn new(partitions: i32, sections: &str) -> Self {
        let broker = Broker::start();
        let folder = tempfile::tempdir().expect("a folder can be made");
        let config = format!(
            "group = \"g\"\ninstance = \"i\"\nworkers = 2\n[kafka]\n\"bootstrap.servers\" = \"{}\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\n[keys]\nfile = \"keyset.json\"\n{sections}",
            broker.bootstrap
        );
        std::fs::write(folder.path().join("sivcar.toml"), config).expect("can be written");
        let mut wish = Wish { group: "test".into(), replication_factor: -1, ..Wish::default() };
        wish.common.insert("bootstrap.servers".into(), broker.bootstrap.clone());
        let log = Kafka::new(Settings::new(wish).expect("sound")).expect("clients can be made");
        log.create_topic("raw", partitions, &[]).expect("can be made");
        let bench = Self { _broker: broker, folder, log };
        assert_eq!(bench.run("keys generate keyset.json").0, 0);
        bench
    }

    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sivcar"));
        command.current_dir(self.folder.path()).args(arguments.split_whitespace()).env_remove("RUST_LOG");
        command
    }

    /// Exit code, standard output, standard error.
    pub fn run(&self, arguments: &str) -> (i32, String, String) {
        let output = self.command(arguments).output().expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("is text");
        (output.status.code().expect("was not killed"), text(output.stdout), text(output.stderr))
    }

    #[track_caller]
    pub fn expect(&self, arguments: &str, code: i32, output: &str, errors: &str) {
        assert_eq!(self.run(arguments), (code, output.to_owned(), errors.to_owned()), "sivcar {arguments}");
    }

    /// Starts the sidecar and waits until it is ready.
    pub fn start(&self) -> Sidecar {
        let mut child = self
            .command("run --config sivcar.toml --log-format json")
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let lines = BufReader::new(child.stderr.take().expect("is piped")).lines();
        let (send, logged) = std::sync::mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| send.send(line)));
        let mut sidecar = Sidecar { child, logged, lines: Vec::new() };
        let started = sidecar.logs("sivcar runs");
        assert_eq!((started["group"].as_str(), started["instance"].as_str()), (Some("g"), Some("i")));
        let address = started["http"].as_str().expect("it tells where").to_owned();
        eventually("readiness", || get(&address, "/ready").starts_with("HTTP/1.1 200").then_some(()));
        assert!(get(&address, "/metrics").contains("sivcar_"), "metrics are served");
        sidecar
    }

    /// Writes these values to these partitions of `raw`, in one transaction.
    pub fn write<'a>(&self, values: impl IntoIterator<Item = (i32, &'a str)>) {
        let mut producer = self.log.producer("test").expect("can be made");
        eventually("a producer", || match producer.init() {
            Ok(()) => Some(()),
            Err(Fault::Retry(_)) => None,
            Err(fault) => panic!("{fault:?}"),
        });
        producer.begin().expect("begins");
        for (partition, value) in values {
            let record = Record { key: Some(b"k".to_vec()), value: Some(value.into()), ..Record::default() };
            producer.produce(Outgoing { topic: "raw".into(), partition: Some(partition), record }).expect("staged");
        }
        producer.drain().expect("acknowledged");
        producer.commit().expect("committed");
    }

    /// The records of `topic`, once there are `count`.
    pub fn records(&self, topic: &str, count: usize) -> Vec<Fetched> {
        let mut reader = eventually("the topic", || self.log.reader(topic).ok());
        let mut batch: Vec<Fetched> = Vec::new();
        eventually(topic, || {
            reader.poll(WAIT, &mut batch).expect("no fault");
            (batch.len() >= count).then_some(())
        });
        batch
    }

    /// Their values.
    pub fn values(&self, topic: &str, count: usize) -> Vec<String> {
        self.records(topic, count).into_iter().map(text).collect()
    }
}

/// A record's value as text.
pub fn text(fetched: Fetched) -> String {
    String::from_utf8_lossy(&fetched.record.value.unwrap_or_default()).into_owned()
}

/// The running sidecar.
pub struct Sidecar {
    child: Child,
    logged: std::sync::mpsc::Receiver<String>,
    lines: Vec<String>,
}

impl Sidecar {
    /// Waits for a log line with this message.
    pub fn logs(&mut self, message: &str) -> serde_json::Value {
        let until = Instant::now() + PATIENCE;
        while let Ok(line) = self.logged.recv_timeout(until.saturating_duration_since(Instant::now())) {
            self.lines.push(line.clone());
            let line: serde_json::Value = serde_json::from_str(&line).expect("every line is JSON");
            if line["message"] == message {
                return line;
            }
        }
        panic!("it never logged {message:?}, but:\n{}", self.lines.join("\n"));
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a process has an id");
        kill_process(pid, signal).expect("it runs");
    }

    /// SIGTERM, and a clean end.
    pub fn drain(mut self) {
        self.signal(Signal::TERM);
        self.logs("drained");
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0));
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // gone already, but for a test that failed
        let _ = self.child.kill();
    }
}

/// What `attempt` gives at last.
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(done) = attempt() {
            return done;
        }
        std::thread::sleep(WAIT / 10);
    }
    panic!("never happened: {what}");
}

fn get(address: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let mut answer = String::new();
    if let Ok(mut stream) = std::net::TcpStream::connect(address) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
    }
    answer
}
