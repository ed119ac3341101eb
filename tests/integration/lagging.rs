//! Scenario 15: a mark is made during a rebalance, and one instance does not hear of it. What others have processed under the mark
//! does not open there under the policy before it.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use sivcar::config::Config;
use sivcar::privacy::control::{ControlKey, ControlRecord, ControlValue};
use sivcar::privacy::mark::{Mark, MarkKey, On};
use sivcar::record::{Partition, Record};
use sivcar::stream::control;
use sivcar::stream::log::Fetched;
use sivcar::stream::status::Tasks;

use crate::patience::eventually;
use crate::process::{Process, Stage, event};
use crate::profiles::assert_told;

/// The sources and their partitions. Whoever has half of them has events' for sure: of a profiles' task its changelog, too, tells
/// which policy it was processed under.
const SOURCES: [(&str, i32); 2] = [("raw", EVENTS), ("users", USERS)];
const EVENTS: i32 = 4;
const USERS: i32 = 2;

const PROFILES: i32 = 60;

const MORE: &str = r#"
[policy]
max-staleness = "600s"
[[source]]
topic = "lagging.users"
kind = "profile"
workspace = "acme"
protected = "lagging.people"
dead-letters = "lagging.dead"
events = "lagging.raw"
"#;

fn user(number: i32, attributes: &str) -> Record {
    let value = format!(r#"{{"id":{number},"attributes":{attributes}}}"#);
    Record { key: Some(number.to_string().into()), value: Some(value.into()), ..Record::default() }
}

/// All tasks of the group.
fn tasks(stage: &Stage) -> Vec<Partition> {
    let of = |(name, count)| (0..count).map(move |number| Partition::new(stage.topic(name), number));
    SOURCES.into_iter().flat_map(of).collect()
}

/// Those that the process has opened.
fn open(stage: &Stage, process: &Process) -> BTreeSet<Partition> {
    let line =
        |task: &Partition| format!("sivcar_task_open{{partition=\"{}\",source=\"{}\"}} 1", task.number, task.topic);
    tasks(stage).into_iter().filter(|task| process.told.measures(&line(task))).collect()
}

/// A member of the group that does nothing with what it gets.
fn guest(stage: &Stage) -> BaseConsumer {
    let guest: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &stage.bootstrap)
        .set("group.id", &stage.group)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("enable.auto.commit", "false")
        .set("heartbeat.interval.ms", "300")
        .create()
        .expect("a consumer can be made");
    guest.subscribe(&[&stage.topic("raw"), &stage.topic("users")]).expect("can be asked for");
    guest
}

/// Marks `phone`; gives the policy version then.
fn mark(stage: &Stage) -> u64 {
    let key = MarkKey { workspace: "acme".into(), on: On::Attribute, name: "phone".into(), event: None };
    let mark = ControlRecord { key: ControlKey::Mark(key), value: Some(ControlValue::Mark(Mark::default())) };
    control::publish(&stage.log, &stage.group, &[mark]).expect("is written").table().version
}

/// Waits until all of `which` have answered the policy.
fn answered(stage: &Stage, which: &BTreeSet<Partition>, version: u64) {
    let mut status = Tasks::open(&stage.log, &stage.group).expect("can be read");
    eventually("the policy in force and everybody told", || {
        status.refresh().expect("can be read");
        let done = |task: &Partition| {
            let reached = status.tasks.get(task);
            reached.is_some_and(|now| now.policy >= version && now.profiles.is_none_or(|all| all.settled >= version))
        };
        which.iter().all(done).then_some(())
    });
}

/// One live record for each task.
fn feed(stage: &Stage) {
    for number in 0..EVENTS {
        stage.write("raw", number, [event("live")]);
    }
    for number in 0..USERS {
        stage.write("users", number, [user(number, r#"{"live":true}"#)]);
    }
}

/// The outputs of live records, by the task whose they are, with the policy they were made under.
fn outputs(stage: &Stage) -> BTreeSet<(Partition, u64)> {
    let number = |fetched: &Fetched, name: &str| {
        let header = fetched.record.headers.iter().find(|header| header.name == name)?;
        std::str::from_utf8(header.value.as_deref()?).ok()?.parse().ok()
    };
    let of = |input, output| {
        let all = stage.read(output).into_iter().filter(|fetched| {
            let value = fetched.record.value.as_deref().unwrap_or_default();
            value.windows(4).any(|part| part == b"live") && number(fetched, "sivcar-synthetic").is_none()
        });
        let by = move |fetched: Fetched| {
            let task = Partition::new(stage.topic(input), fetched.partition.number);
            (task, number(&fetched, "sivcar-policy").expect("a version"))
        };
        all.map(by)
    };
    of("raw", "protected").chain(of("users", "people")).collect()
}

fn instance(config: &Config, name: &str) -> Config {
    let mut config = config.clone();
    config.instance = name.into();
    config
}

#[test]
fn no_task_opens_where_its_policy_is_not_known_yet() {
    let stage = Stage::new("lagging", EVENTS);
    stage.create("users", USERS, &[]);
    let config = stage.config("\"heartbeat.interval.ms\" = \"300\"", MORE);
    for number in 0..USERS {
        let mine = (0..PROFILES).filter(|id| id % USERS == number);
        stage.write("users", number, mine.map(|id| user(id, &format!("{{\"phone\":\"{id}\"}}"))));
    }
    let first = Process::ready(&instance(&config, "first"));
    let lagging = Process::ready(&instance(&config, "lagging"));
    let share = || Some(open(&stage, &lagging)).filter(|open| open.len() == tasks(&stage).len() / 2);
    let before = eventually("it has its share", share);
    let all: BTreeSet<Partition> = tasks(&stage).into_iter().collect();
    eventually("the others are open", || (open(&stage, &first).len() + before.len() == all.len()).then_some(()));
    stage.await_count("people", PROFILES as usize);

    // a guest joins: what is taken from the two for it is nobody's when the mark is made
    lagging.held.store(true, Ordering::Relaxed);
    let open_tasks = || open(&stage, &first).len() + open(&stage, &lagging).len();
    let guest = guest(&stage);
    eventually("a rebalance", || {
        let _ = guest.poll(Duration::ZERO);
        (open_tasks() < all.len()).then_some(())
    });
    let version = mark(&stage);
    assert!(open_tasks() < all.len(), "the rebalance is over");
    drop(guest);
    eventually("all is open again", || (open_tasks() == all.len()).then_some(()));
    let kept = open(&stage, &lagging);
    let others: BTreeSet<Partition> = all.difference(&kept).cloned().collect();
    answered(&stage, &others, version);
    assert!(others.iter().any(|task| *task.topic == stage.topic("raw")), "{others:?}");

    // all of it comes to the one that has not heard of the mark
    let told = first.told.clone();
    assert_eq!(first.stop(), Ok(()));
    let old = lagging.context.current.snapshot().expect("it has one").version();
    eventually("each waits", || {
        let wrong: Vec<_> = open(&stage, &lagging).intersection(&others).cloned().collect();
        assert!(wrong.is_empty(), "processed under policy {version}, opened under {old}: {wrong:?}");
        let waits = |task| format!("Waiting {{ partition: {task:?}, floor: {version}, version: {old} }}");
        others.iter().all(|task| lagging.told.count(&waits(task)) > 0).then_some(())
    });
    feed(&stage);
    let goes_on: BTreeSet<(Partition, u64)> = kept.iter().map(|task| (task.clone(), old)).collect();
    eventually("it goes on with what it kept", || (outputs(&stage) == goes_on).then_some(()));
    assert_eq!((open(&stage, &lagging), lagging.runs()), (kept, true));

    lagging.held.store(false, Ordering::Relaxed);
    answered(&stage, &all, version);
    let made: BTreeSet<(Partition, u64)> =
        goes_on.into_iter().chain(others.into_iter().map(|task| (task, version))).collect();
    eventually("it goes on with all", || (outputs(&stage) == made).then_some(()));
    let report = stage.check(&config, &[&told, &lagging.told]);
    let holders = (0..PROFILES).map(|id| id.to_string().into_bytes()).collect();
    assert_told(&report.told, &[(version, holders)].into());
    assert_eq!(report.versions, [old, version].into());
    assert_eq!(report.inputs, (PROFILES + EVENTS + USERS) as u64);
    assert_eq!(lagging.stop(), Ok(()));
}
