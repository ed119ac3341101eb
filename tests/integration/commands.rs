//! The program against a real Kafka: a whole day of an operator, from the first check to the drain.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
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

struct Bench {
    broker: Broker,
    folder: tempfile::TempDir,
    log: Kafka,
}

impl Bench {
    fn new() -> Self {
        let broker = Broker::start();
        let folder = tempfile::tempdir().expect("a folder can be made");
        let config = format!(
            "group = \"g\"\ninstance = \"i\"\nworkers = 2\n[kafka]\n\"bootstrap.servers\" = \"{}\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\n[keys]\nfile = \"keyset.json\"\n\
             [[source]]\ntopic = \"raw\"\nkind = \"event\"\nprotected = \"protected\"\ndead-letters = \"dead\"\n\
             [[view]]\nname = \"debug\"\nunlisted = \"show\"\ntopics = {{ raw = \"debug\" }}\n\
             [[mark]]\nworkspace = \"*\"\non = \"attribute\"\nname = \"email\"\n",
            broker.bootstrap
        );
        std::fs::write(folder.path().join("sivcar.toml"), config).expect("can be written");
        let mut wish = Wish { group: "test".into(), replication_factor: -1, ..Wish::default() };
        wish.common.insert("bootstrap.servers".into(), broker.bootstrap.clone());
        let log = Kafka::new(Settings::new(wish).expect("sound")).expect("clients can be made");
        log.create_topic("raw", 2, &[]).expect("can be made");
        let bench = Self { broker, folder, log };
        assert_eq!(bench.run("keys generate keyset.json").0, 0);
        bench
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sivcar"));
        command.current_dir(self.folder.path()).args(arguments.split_whitespace()).env_remove("RUST_LOG");
        command
    }

    /// Exit code, standard output, standard error.
    fn run(&self, arguments: &str) -> (i32, String, String) {
        let output = self.command(arguments).output().expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("is text");
        (output.status.code().expect("was not killed"), text(output.stdout), text(output.stderr))
    }

    #[track_caller]
    fn expect(&self, arguments: &str, code: i32, output: &str, errors: &str) {
        assert_eq!(self.run(arguments), (code, output.to_owned(), errors.to_owned()), "sivcar {arguments}");
    }

    /// Starts the sidecar and waits until it is ready.
    fn start(&self) -> Sidecar {
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

    fn write(&self, partition: i32, value: &str) {
        let mut producer = self.log.producer("test").expect("can be made");
        eventually("a producer", || match producer.init() {
            Ok(()) => Some(()),
            Err(Fault::Retry(_)) => None,
            Err(fault) => panic!("{fault:?}"),
        });
        producer.begin().expect("begins");
        let record = Record { key: Some(b"k".to_vec()), value: Some(value.into()), ..Record::default() };
        producer.produce(Outgoing { topic: "raw".into(), partition: Some(partition), record }).expect("staged");
        producer.drain().expect("acknowledged");
        producer.commit().expect("committed");
    }

    /// The values of `topic`, once there are `count`.
    fn values(&self, topic: &str, count: usize) -> Vec<String> {
        let mut reader = eventually("the topic", || self.log.reader(topic).ok());
        let mut batch: Vec<Fetched> = Vec::new();
        eventually(topic, || {
            reader.poll(WAIT, &mut batch).expect("no fault");
            (batch.len() >= count).then_some(())
        });
        let text = |fetched: Fetched| String::from_utf8_lossy(&fetched.record.value.unwrap_or_default()).into_owned();
        batch.into_iter().map(text).collect()
    }
}

struct Sidecar {
    child: Child,
    logged: std::sync::mpsc::Receiver<String>,
    lines: Vec<String>,
}

impl Sidecar {
    /// Waits for a log line with this message.
    fn logs(&mut self, message: &str) -> serde_json::Value {
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

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a process has an id");
        kill_process(pid, signal).expect("it runs");
    }

    /// SIGTERM, and a clean end.
    fn drain(mut self) {
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

fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
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

fn event(n: u32) -> String {
    format!(
        r#"{{"workspace":"acme","action":"a","client":{{"email":"ann{n}@example.com"}},"params":{{"code":"c{n}"}}}}"#
    )
}

#[test]
fn a_day_of_an_operator() {
    let bench = Bench::new();
    let (code, output, errors) = bench.run("check --config sivcar.toml --connect");
    assert_eq!((code, errors.as_str()), (0, ""));
    let last = "# the raw topics are there; a start will create g.control, protected, debug, dead";
    assert_eq!(output.lines().last(), Some(last));

    let mut sidecar = bench.start();
    bench.write(0, &event(1));
    let protected = bench.values("protected", 1);
    assert!(protected[0].contains("siv:") && protected[0].contains("\"code\":\"c1\""), "{}", protected[0]);
    assert!(!protected[0].contains("ann1") && !bench.values("debug", 1)[0].contains("ann1"));

    // a mark acts on the live stream
    let mark = "mark --config sivcar.toml --workspace acme --on parameter --name code --by ann";
    bench.expect(mark, 0, "1 marked, 0 held already; policy version 4\n", "");
    bench.expect(mark, 0, "0 marked, 1 held already; policy version 4\n", "");
    sidecar.logs("policy in force");
    eventually("the mark in force", || {
        bench.write(0, &event(2));
        bench.values("protected", 2).last().filter(|last| !last.contains("c2")).map(|_| ())
    });
    bench.expect(
        "marks --config sivcar.toml",
        0,
        "WORKSPACE  ON         NAME   EVENT  LEVEL  PROTECT  MASK  DOMAIN  SINCE  BY\n\
         *          attribute  email  -      9999   encrypt  -     -       2      -\n\
         acme       parameter  code   -      9999   encrypt  -     -       4      ann\n",
        "",
    );
    bench.expect(
        "unmark --config sivcar.toml --workspace * --on attribute --name email",
        2,
        "",
        "sivcar: mark \"email\" on attribute in workspace * stands in sivcar.toml, which would publish it again; remove it there first\n",
    );

    // what is rejected is listed, opened and replayed
    bench.write(1, "{\"workspace\":\"acme\",\"email\":\"canary-4711\"");
    bench.values("dead", 1);
    let (code, list, _) = bench.run("dead-letters list --config sivcar.toml --topic raw");
    assert_eq!((code, list.starts_with("raw[1]@0  json_syntax  policy ")), (0, true), "{list}");
    let (code, opened, _) = bench.run("dead-letters open --config sivcar.toml --topic raw --partition 1 --offset 0");
    let opened: serde_json::Value = serde_json::from_str(&opened).expect("is JSON");
    assert_eq!((code, opened["value"].as_str()), (0, Some("{\"workspace\":\"acme\",\"email\":\"canary-4711\"")));
    bench.expect(
        "dead-letters replay --config sivcar.toml --topic raw --partition 1 --offset 0",
        0,
        "raw[1]@0 -> raw[1]\n1 replayed; each is read and protected anew\n",
        "",
    );
    bench.values("dead", 2);

    // keysets are loaded anew, and a bad one is refused
    bench.run("keys add keyset.json");
    sidecar.signal(Signal::HUP);
    assert_eq!(sidecar.logs("keysets loaded anew")["changed"], true);
    set_mode(&bench.folder.path().join("keyset.json"), 0o644);
    sidecar.signal(Signal::HUP);
    sidecar.logs("keyset not reloaded, the one before stays in use");
    set_mode(&bench.folder.path().join("keyset.json"), 0o600);

    let (code, output, errors) = bench.run("check --config sivcar.toml --connect");
    assert_eq!((code, errors.as_str()), (0, ""));
    let found =
        "# g.control is there, with 1 partition, compact\n# raw and its outputs are there, with 2 partitions each\n";
    assert!(output.ends_with(found), "{output}");
    sidecar.drain();
    assert!(!bench.broker.bootstrap.is_empty());
}

fn set_mode(file: &Path, mode: u32) {
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).expect("the file is there");
}
