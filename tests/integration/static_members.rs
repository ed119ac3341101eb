//! Scenarios 10, 11 and 25 with static members: a group of the real program grows from one process to two and four, each is restarted in
//! turn without a rebalance, and it shrinks to one again, all under load, through producers whose queues are too small.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::load::{Load, PROFILES};
use crate::patience::eventually;
use crate::sidecar::Sidecar;
use crate::site::Site;

/// Members come back long before they are missed; a producer holds fewer records than a transaction writes.
const CONFIG: &str = r#"
[kafka.consumer]
"session.timeout.ms" = "12000"
"heartbeat.interval.ms" = "300"
[kafka.producer]
"transaction.timeout.ms" = "20000"
"queue.buffering.max.messages" = "10"
[[source]]
topic = "events"
kind = "event"
protected = "protected.events"
dead-letters = "dead"
[[source]]
topic = "users"
kind = "profile"
workspace = "acme"
protected = "protected.users"
dead-letters = "dead"
events = "events"
[[mark]]
workspace = "acme"
on = "attribute"
name = "email"
"#;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// What a producer says once when its queue is full.
const FULL: &str = "the producer's queue is full, and records wait";

const CANARY: &str = "canary.example";

/// Partitions of the source of profiles; that of events has one.
const PARTITIONS: u64 = 6;

const TASKS: usize = PARTITIONS as usize + 1;

/// How often a process told this of each of its tasks.
fn told(process: &Sidecar, message: &str) -> Vec<String> {
    let lines = process.lines().into_iter().filter(|line| line["message"] == message);
    lines.map(|line| line["partition"].as_str().expect("a task").to_owned()).collect()
}

/// The tasks that are open; none of them was ever restored twice, nor without having come.
fn open(process: &Sidecar) -> BTreeSet<String> {
    let [opened, closed, restored] =
        ["task open", "task closed", "profiles restored"].map(|message| told(process, message));
    let count = |all: &[String], task: &String| all.iter().filter(|other| *other == task).count();
    for task in &restored {
        let came = count(&opened, task).max(1);
        assert!(count(&restored, task) <= came, "{task} was restored and had not moved");
    }
    opened.iter().filter(|task| count(&opened, task) > count(&closed, task)).cloned().collect()
}

/// Waits until these processes share all tasks evenly.
fn balances(processes: &[Sidecar]) {
    eventually("the tasks are shared out", || {
        let open: Vec<usize> = processes.iter().map(|process| open(process).len()).collect();
        let least = TASKS / processes.len();
        (open.iter().sum::<usize>() == TASKS && open.iter().all(|open| *open >= least)).then_some(())
    });
}

/// How often the group began to share out anew.
fn rebalances(site: &Site) -> usize {
    site.broker.log().matches("Preparing to rebalance group g ").count()
}

/// Whether its producer's queue was full.
fn was_full(process: &Sidecar) -> bool {
    let full = |line: &Value| line["message"].as_str().is_some_and(|text| text.starts_with(FULL));
    process.lines().iter().any(full)
}

#[test]
fn members_with_names_grow_restart_and_shrink() {
    let site = Site::new("workers = 1", CONFIG);
    site.create("events", 1);
    site.create("users", PARTITIONS as i32);
    let load = Load::start(&site.broker.bootstrap, ["users", "events"].map(str::to_owned), PARTITIONS);

    // scenario 10: one, two, four
    let mut running = vec![site.start("a").ready()];
    for names in [&["b"][..], &["c", "d"]] {
        let joining: Vec<Sidecar> = names.iter().map(|name| site.start(name)).collect();
        running.extend(joining.into_iter().map(Sidecar::ready));
        balances(&running);
    }
    let moved = told(&running[0], "task closed").len();
    assert!(moved > 0 && moved < TASKS, "{moved} tasks moved");

    // scenario 11
    let shared_out = rebalances(&site);
    assert!(shared_out > 0, "the broker does not tell");
    let closed: Vec<usize> = running.iter().map(|process| told(process, "task closed").len()).collect();
    for (place, name) in NAMES.into_iter().enumerate() {
        let before = running.remove(place);
        let tasks = open(&before);
        before.drain();
        running.insert(place, site.start(name).ready());
        assert_eq!(open(&running[place]), tasks, "{name} came back to other tasks");
        for (other, process) in running.iter().enumerate().skip(place + 1) {
            assert_eq!(told(process, "task closed").len(), closed[other], "{name} came back, others lost tasks");
        }
    }
    assert_eq!(rebalances(&site), shared_out, "the group was shared out anew");

    // scenario 10: back to one
    let kept = open(&running[0]);
    running.drain(1..).for_each(Sidecar::drain);
    balances(&running);
    let last = running.remove(0);
    assert_eq!(told(&last, "task closed"), [""; 0]);
    for task in kept.iter().filter(|task| task.starts_with("users")) {
        let restored = told(&last, "profiles restored").iter().filter(|restored| *restored == task).count();
        assert_eq!(restored, 1, "{task} was kept and restored again");
    }
    // scenario 25
    eventually("the queue is full", || was_full(&last).then_some(()));
    let written = load.stop();
    site.catch_up();
    last.drain();
    let report = site.check(&site.checker(&[CANARY]));
    assert_eq!((report.inputs, report.protected, report.profiles), (2 * written, 2 * written, PROFILES.min(written)));
}
