//! Rows of the table of errors that take a broker, or none where there should be one: the program is run, and says what the page says.

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::ClientConfig;
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::topic_partition_list::TopicPartitionList;
use rustix::process::Signal;
use sivcar::record::Record;
use sivcar::stream::log::Log as _;
use tempfile::TempDir;

use crate::admin;
use crate::broker::Broker;
use crate::dump;
use crate::error_table::row;
use crate::patience::eventually;
use crate::process::{Stage, event, keyring};
use crate::proxy::{END_TXN, Fate, Proxy};
use crate::sidecar::Sidecar;
use crate::site::Site;

/// A folder with a configuration and the keyset of every process here, where the program is run.
pub struct Desk(TempDir);

impl Desk {
    pub fn new(config: &str) -> Desk {
        let folder = TempDir::new().expect("a folder can be made");
        let keyset = folder.path().join("keyset.json");
        let text = keyring().default_keyset().expect("there is one").to_json();
        fs::write(&keyset, text.expose()).expect("the folder can be written");
        fs::set_permissions(&keyset, Permissions::from_mode(0o600)).expect("it is ours");
        fs::write(folder.path().join("sivcar.toml"), config).expect("the folder can be written");
        Desk(folder)
    }

    /// Starts `sivcar run`.
    pub fn start(&self) -> Sidecar {
        let log = self.0.path().join("log");
        let file = File::create(&log).expect("the folder can be written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_sivcar"));
        command.current_dir(self.0.path()).args(["run", "--config", "sivcar.toml", "--log-format", "json"]);
        command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        Sidecar { child: command.spawn().expect("the program runs"), log }
    }

    /// Runs a command to its end: its exit code and what it said on both outputs.
    pub fn asked(&self, arguments: &str) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sivcar"));
        command.current_dir(self.0.path()).args(arguments.split(' ')).env_remove("RUST_LOG");
        let output = command.output().expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (output.status.code().expect("was not killed"), text(output.stdout), text(output.stderr))
    }

    /// The same as [`Desk::start`], until it ends by itself: its exit code, and all that it said.
    pub fn run(&self) -> (i32, String) {
        let (status, errors) = self.start().end();
        (status.code().expect("was not killed"), errors)
    }
}

/// Asserts that a start with this configuration ends as the row says.
#[track_caller]
fn refused(when: &str, config: &str, names: &[(&str, &str)]) {
    let (code, errors) = Desk::new(config).run();
    row(when).ended(code, &errors, names);
}

#[test]
fn no_broker_answers() {
    const NOWHERE: &str = "127.0.0.1:1";
    let config = "group = \"g\"\n[kafka]\n\"bootstrap.servers\" = \"127.0.0.1:1\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
                  [keys]\nfile = \"keyset.json\"\n\
                  [[source]]\ntopic = \"raw\"\nkind = \"event\"\nprotected = \"protected\"\ndead-letters = \"dead\"\n";
    refused("no broker answers at the start", config, &[("group", "g"), ("brokers", NOWHERE)]);
}

/// The broker goes for good when a transaction is about to be committed.
#[test]
fn a_process_is_stopped_while_no_broker_answers() {
    const CONFIG: &str = "[kafka.producer]\n\"transaction.timeout.ms\" = \"5000\"\n\"socket.timeout.ms\" = \"1000\"\n\
                          [[source]]\ntopic = \"raw\"\nkind = \"event\"\nprotected = \"protected\"\ndead-letters = \"dead\"\n";
    let (faulty, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let judged = (faulty.clone(), lost.clone());
    let (broker, proxy) = Proxy::start(move |request| {
        let loses = request.id == "g.a.0" && request.key == END_TXN && judged.0.load(Ordering::SeqCst);
        judged.1.fetch_or(loses, Ordering::SeqCst);
        if loses { Fate::Lost } else { Fate::Passes }
    });
    let site = Site::behind(broker, &proxy.address, "", CONFIG);
    site.create("raw", 1);
    let mut sidecar = site.start("a").ready();
    faulty.store(true, Ordering::SeqCst);
    site.feed("raw", [(0, event("a"))]);
    eventually("a transaction ends", || lost.load(Ordering::SeqCst).then_some(()));
    site.broker.kill();

    sidecar.logged("transaction aborted, its batch is repeated", |line| line["reason"] == "unknown");
    assert_eq!(sidecar.child.try_wait().expect("it is ours"), None, "it outlasts the outage");
    sidecar.signal(Signal::TERM);
    let (status, errors) = sidecar.end();
    let row = row("a process is stopped while no broker answers");
    row.ended(status.code().expect("was not killed"), &errors, &[("brokers", &proxy.address)]);
}

#[test]
fn topics_are_not_as_they_must_be() {
    let stage = Stage::new("wrong", 2);
    let absent = stage.text("", "").replace("wrong.raw", "wrong.absent");
    refused("a raw topic is missing", &absent, &[("topic", "wrong.absent")]);
    let copies = stage.text("", "[topics]\nreplication-factor = 3");
    refused("there are fewer brokers than copies", &copies, &[("topic", "wrong.control")]);
    let (code, _, errors) = Desk::new(&copies).asked("check --config sivcar.toml --connect");
    assert_eq!((code, errors.matches("WRONG: creating the topic wrong.").count()), (2, 5), "{errors}");
    let own = stage.text("", "[topics]\ncreate = false");
    let names = [("topic", "wrong.control"), ("count", "1 partition")];
    refused("a topic is missing that sivcar may not create", &own, &names);
    stage.create("protected", 3, &[]);
    let names = [("source", "wrong.raw"), ("count", "2"), ("topic", "wrong.protected"), ("other", "3")];
    refused("partition counts differ", &stage.text("", ""), &names);
    for own in ["control", "status", "debug", "dead"] {
        assert_eq!(stage.log.topic(&stage.topic(own)), Ok(None), "what is refused leaves nothing behind");
    }
}

#[test]
fn the_control_topic_is_not_what_it_was() {
    let stage = Stage::new("other", 1);
    let desk = Desk::new(&stage.text("", ""));
    let sidecar = desk.start().ready();
    stage.write("raw", 0, [event("a")]);
    stage.await_count("protected", 1);
    sidecar.drain();

    let later = Record { key: Some(r#"{"kind":"later"}"#.into()), value: Some("{}".into()), ..Record::default() };
    stage.write("control", 0, [later]);
    let offset = stage.read("control").last().expect("it is there").offset.to_string();
    let (code, errors) = desk.run();
    row("the control topic holds what this version cannot take").ended(code, &errors, &[("offset", &offset)]);

    admin::delete_topic(&stage.bootstrap, &stage.topic("control"));
    let names = [("group", "other"), ("partition", "other.raw[0]")];
    let (code, errors) = desk.run();
    row("the control topic is gone").ended(code, &errors, &names);
    let (code, _, errors) = desk.asked("check --config sivcar.toml --connect");
    row("the control topic is gone").ended(code, &errors, &names);
    assert!(errors.starts_with("WRONG: policy_went_backwards: "), "{errors}");
    stage.create("control", 1, &[("cleanup.policy", "compact")]);
    let (code, errors) = desk.run();
    row("the control topic was re-created").ended(code, &errors, &[("partition", "other.raw[0]")]);
    begin_anew(&stage, &desk);
}

/// Does what the page says of a lost control topic: then marks hold from the first record on that is read.
fn begin_anew(stage: &Stage, desk: &Desk) {
    for own in ["control", "status"] {
        admin::delete_topic(&stage.bootstrap, &stage.topic(own));
    }
    give_up(stage, stage.read("raw").last().expect("one was read").offset + 1);
    stage.write("raw", 0, [event("canary")]);
    let (code, said, errors) = desk.asked("mark --config sivcar.toml --workspace * --on parameter --name name");
    assert_eq!((code, said.as_str()), (0, "1 marked, 0 held already; policy version 1\n"), "{errors}");
    let sidecar = desk.start().ready();
    let protected = stage.await_count("protected", 2);
    sidecar.drain();
    let value = String::from_utf8(protected[1].record.value.clone().expect("a value")).expect("text");
    assert!(!value.contains("canary") && value.matches("siv:").count() == 2, "{value}");
}

/// Does what the page says of records that are gone, by a client of the group's name: Kafka's own tool does no more.
fn give_up(stage: &Stage, offset: i64) {
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &stage.bootstrap)
        .set("group.id", &stage.group)
        .create()
        .expect("a client can be made");
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&stage.topic("raw"), 0, Offset::Offset(offset)).expect("an offset");
    eventually("the group is empty", || client.commit(&offsets, CommitMode::Sync).ok());
}

#[test]
fn unread_records_are_gone() {
    let stage = Stage::new("gone", 1);
    let config = stage.config("", "");
    let desk = Desk::new(&stage.text("", ""));
    let first = desk.start().ready();
    stage.write("raw", 0, [event("a"), event("b")]);
    stage.await_count("protected", 2);
    first.drain();

    let read = stage.read("raw");
    stage.write("raw", 0, [event("never read")]);
    let lost = stage.read("raw").len() - read.len();
    admin::truncate(&stage.bootstrap, &stage.topic("raw"), Offset::End);
    assert_eq!((lost, stage.read("raw").len()), (1, 0), "the fault occurred");
    stage.write("raw", 0, [event("c")]);

    let row = row("unread records were deleted");
    let second = desk.start();
    let line = second.logs(&row.lines[0]);
    row.says(1, line["detail"].as_str().expect("it says why"), &[("partition", "gone.raw[0]")]);
    assert_eq!(second.metric(&row.then, "reason=\"out_of_range\",source=\"gone.raw\""), 1.0);
    assert_eq!(second.metric("sivcar_task_open", ""), 0.0);
    second.signal(Signal::TERM);
    assert_eq!(second.end().0.code(), Some(0));
    assert_eq!(stage.read("protected").len(), 2, "nothing was jumped over in silence");

    let kept = stage.read("raw");
    give_up(&stage, kept[0].offset);
    let third = desk.start().ready();
    stage.await_count("protected", 3);
    third.drain();
    let mut dump = dump::dump_of(&stage.bootstrap, |topic| topic.starts_with("gone."));
    dump.committed.insert(stage.topic("raw"), read.into_iter().chain(kept).collect());
    let report = stage.checker(&config).check(&dump, &[]).expect("all is right");
    assert_eq!((report.inputs, report.protected), (3, 3));
}

#[test]
fn a_batch_is_damaged() {
    let broker = Broker::shared();
    let stage = Stage::on(broker.clone(), "damaged", 1);
    let desk = Desk::new(&stage.text("consumer = { \"check.crcs\" = \"true\" }", ""));
    stage.write("raw", 0, [event("a")]);
    stage.write("raw", 0, [event("b")]);

    // the broker looks at what it stores no second time; behind the head of its batch the first record stands
    const HEAD: u64 = 61;
    let file = broker.folder.join("data/damaged.raw-0/00000000000000000000.log");
    let file = OpenOptions::new().read(true).write(true).open(file).expect("the broker's data are here");
    let mut byte = [0];
    file.read_exact_at(&mut byte, HEAD + 20).expect("there is a record");
    file.write_all_at(&[!byte[0]], HEAD + 20).expect("it is ours");

    let (code, errors) = desk.run();
    row("a batch of records is damaged").ended(code, &errors, &[("partition", "damaged.raw[0]")]);
    assert_eq!(stage.read("protected").len(), 0, "what follows was not taken");
}

#[test]
fn offsets_have_expired() {
    let stage = Stage::new("expired", 1);
    let desk = Desk::new(&stage.text("", ""));
    let first = desk.start().ready();
    stage.write("raw", 0, [event("a"), event("b")]);
    stage.await_count("protected", 2);
    first.drain();
    admin::delete_group(&stage.bootstrap, &stage.group);

    let (code, errors) = desk.run();
    row("the group's offsets have expired").ended(code, &errors, &[("partition", "expired.raw[0]")]);
    assert_eq!(stage.read("protected").len(), 2, "nothing is written once more");
    give_up(&stage, stage.read("raw")[1].offset);
    let last = desk.start().ready();
    stage.await_count("protected", 3);
    last.drain();
}
