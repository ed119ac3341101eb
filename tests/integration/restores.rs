//! Scenarios 7, 8, 9 and 12: a task is restored while a transaction in its changelog is open: one whose marker is late, a dead owner's,
//! one that hangs. Each has a partition of its own, and one process takes them all at once.
//!
//! What a restore took in shows in who is told of: whoever held an address when it was marked, as far as was committed.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sivcar::record::{Partition, Record};

use crate::doomed::{self, End, Step};
use crate::dump;
use crate::error_table::row;
use crate::held::Held;
use crate::patience::eventually;
use crate::profiles::{self, SOURCES, gone, key, mark};
use crate::sidecar::Sidecar;
use crate::site::Site;

/// The shortest interval that can be configured, and a transaction's timeout well below it.
const CONFIG: &str = r#"
[kafka.consumer]
"session.timeout.ms" = "1500"
"heartbeat.interval.ms" = "300"
"max.poll.interval.ms" = "60000"
[kafka.producer]
"transaction.timeout.ms" = "40000"
[transaction]
records = 10
"#;

/// `max.poll.interval.ms`, and time for librdkafka to notice.
const POLL_INTERVAL: Duration = Duration::from_secs(60 + 4);

const CHANGELOG: &str = "g.users.changelog";

/// The partitions, by what is in their changelogs.
const QUIET: u64 = 0;
const COMMITTED_LATE: u64 = 1;
const ABORTED_LATE: u64 = 2;
const DEAD_OWNERS: u64 = 3;
const HANGING: u64 = 4;
const PARTITIONS: [u64; 5] = [QUIET, COMMITTED_LATE, ABORTED_LATE, DEAD_OWNERS, HANGING];

/// Profiles in each partition.
const EACH: u64 = 20;

/// Outputs in each partition before there is any fault.
const BEFORE: usize = 2 * EACH as usize;

fn numbers(partition: u64) -> std::ops::Range<u64> {
    partition * EACH..(partition + 1) * EACH
}

fn place((_, record): (i32, Record), number: u64) -> (i32, Record) {
    ((number / EACH) as i32, record)
}

fn patch(number: u64, holds: bool) -> (i32, Record) {
    let email = if holds { format!("\"{number}@example.com\"") } else { "null".to_owned() };
    place(profiles::user(number, &format!("{{\"email\":{email}}}")), number)
}

fn feed(site: &Site, partition: u64, holds: bool) {
    site.feed("users", numbers(partition).map(|number| patch(number, holds)));
}

/// The first entry of each profile in a partition of the changelog: when it held an address.
fn first_entries(site: &Site, partition: u64) -> Vec<Record> {
    let mut first = BTreeMap::new();
    for fetched in dump::committed(&site.broker.bootstrap, CHANGELOG) {
        if fetched.partition.number == partition as i32 && fetched.record.key.as_deref() != Some(b"settled-through") {
            first.entry(fetched.record.key.clone()).or_insert(fetched.record);
        }
    }
    assert_eq!(first.len() as u64, EACH);
    first.into_values().collect()
}

/// How many outputs a partition has, as `read_committed` clients see it, or as the others do.
fn outputs(site: &Site, partition: u64, committed: bool) -> usize {
    let read = if committed { dump::committed } else { dump::uncommitted };
    let all = read(&site.broker.bootstrap, "protected.users");
    all.iter().filter(|fetched| fetched.partition.number == partition as i32).count()
}

/// Who holds an address after the first `taken` of these records, nobody before.
fn holders(records: &[(u64, bool)], taken: usize) -> BTreeSet<u64> {
    let last: BTreeMap<u64, bool> = records[..taken].iter().copied().collect();
    last.into_iter().filter(|(_, holds)| *holds).map(|(number, _)| number).collect()
}

/// Whether a transaction is open in this partition of the changelog.
fn hangs(site: &Site, partition: u64) -> bool {
    let partition = Partition::new(CHANGELOG, partition as i32);
    dump::unstable_of(&site.broker.bootstrap, |other| *other == partition) > 0
}

/// Kills an owner in a transaction that made holders of some and took it from others; gives who holds without it.
fn leave_a_transaction(site: &Site, test: &str) -> BTreeSet<u64> {
    // each record of a profile turns the one before it around
    let turns = (0..3).flat_map(|turn| numbers(DEAD_OWNERS).map(move |number| (number, (turn + number) % 2 == 0)));
    let turns: Vec<(u64, bool)> = turns.collect();
    site.feed("users", turns.iter().map(|(number, holds)| patch(*number, *holds)));
    doomed::start(site, "b", Step::Drained, End::Killed, test).killed();
    assert!(hangs(site, DEAD_OWNERS), "no transaction is open");
    let [kept, written] = [true, false].map(|committed| outputs(site, DEAD_OWNERS, committed) - BEFORE);
    let holders = [kept, written].map(|taken| holders(&turns, taken));
    assert_ne!(holders[0], holders[1], "its transaction changes nothing");
    let [without, _] = holders;
    without
}

fn open_line(line: &serde_json::Value, partition: u64) -> bool {
    line["message"] == "task open" && line["partition"] == format!("users[{partition}]")
}

fn is_open(process: &Sidecar, partition: u64) -> bool {
    process.lines().iter().any(|line| open_line(line, partition))
}

/// Waits until this task is open, the others of `closed` being not.
fn opens(process: &Sidecar, partition: u64, closed: &[u64]) {
    process.logged("task open", |line| open_line(line, partition));
    for other in closed {
        assert!(!is_open(process, *other), "users[{other}] did not wait");
    }
}

/// How often the group began to share out anew.
fn rebalances(site: &Site) -> usize {
    site.broker.log().matches("Preparing to rebalance group g ").count()
}

/// Asserts that the process got each task once, lost none, and settled everybody.
fn kept_its_tasks(process: &Sidecar) {
    for partition in PARTITIONS {
        process.logged("every profile is settled", |line| line["partition"] == format!("users[{partition}]"));
        let opened = process.lines().iter().filter(|line| open_line(line, partition)).count();
        assert_eq!(opened, 1, "users[{partition}]");
    }
    for line in process.lines() {
        let text = line["message"].as_str().unwrap_or_default();
        assert!(text != "task closed" && !text.contains("poll interval"), "{line}");
    }
}

#[test]
fn a_restore_ends_with_every_transaction_that_was_open_when_it_began() {
    if doomed::runs() {
        return;
    }
    const NAME: &str = "restores::a_restore_ends_with_every_transaction_that_was_open_when_it_began";
    let site = Site::new("workers = 1", &format!("{CONFIG}{SOURCES}"));
    site.create("events", 1);
    site.create("users", PARTITIONS.len() as i32);
    let first = site.start("a").ready();
    for holds in [true, false] {
        PARTITIONS.iter().for_each(|partition| feed(&site, *partition, holds));
        site.catch_up();
    }
    first.drain();

    let entries = [COMMITTED_LATE, ABORTED_LATE, HANGING].map(|partition| (partition, first_entries(&site, partition)));
    let mut holders = leave_a_transaction(&site, NAME);
    let since = mark(&site, "email", "");
    let held = entries.map(|(partition, entries)| Held::open(&site, CHANGELOG, partition as i32, &entries));
    let heir = site.start("c");
    opens(&heir, QUIET, &PARTITIONS[1..]);
    let (began, before) = (Instant::now(), rebalances(&site));
    heir.logged("restoring profiles", |line| line["partition"] == format!("users[{DEAD_OWNERS}]"));
    assert!(!is_open(&heir, DEAD_OWNERS), "users[{DEAD_OWNERS}] did not wait");
    assert!(hangs(&site, DEAD_OWNERS), "its timeout is over already");
    let [late_commit, late_abort, hanging] = held;
    late_commit.commit();
    late_abort.abort();
    opens(&heir, COMMITTED_LATE, &[HANGING]);
    opens(&heir, ABORTED_LATE, &[HANGING]);
    holders.extend(numbers(COMMITTED_LATE));

    // one that hangs stops nobody else
    feed(&site, QUIET, true);
    feed(&site, HANGING, true);
    let after = BEFORE + EACH as usize;
    eventually("what the others bring", || (outputs(&site, QUIET, true) == after).then_some(()));
    opens(&heir, DEAD_OWNERS, &[HANGING]);
    // an open task has transactions of its own there, which end
    eventually("the end of the dead owner's transaction", || (!hangs(&site, DEAD_OWNERS)).then_some(()));
    let alarm = row("a transaction hangs in a changelog");
    heir.logged(&alarm.lines[0], |line| line["partition"] == format!("users[{HANGING}]"));
    assert_eq!(heir.metric(&alarm.then, "source=\"users\""), 1.0);
    // and the group is polled meanwhile, or this member would be thrown out
    sleep(POLL_INTERVAL.saturating_sub(began.elapsed()));
    assert!(!is_open(&heir, HANGING), "users[{HANGING}] did not wait");
    assert_eq!(outputs(&site, HANGING, false), BEFORE, "it is processed before it is restored");
    hanging.abort();
    opens(&heir, HANGING, &[]);
    let restored = heir.logged("profiles restored", |line| line["partition"] == format!("users[{HANGING}]"));
    let took = restored["took_ms"].as_u64().expect("a number");
    assert!(took > 60_000, "the restore took {took} ms, less than a member may be silent");
    site.catch_up();
    assert_eq!(rebalances(&site), before, "the member was thrown out");
    kept_its_tasks(&heir);

    // what the test itself has committed comes of no record, and goes
    site.feed("users", numbers(COMMITTED_LATE).map(|number| place(gone(number), number)));
    site.catch_up();
    heir.drain();
    let report = site.check(&site.checker(&[]));
    assert_eq!(report.told, BTreeMap::from([(since, holders.into_iter().map(key).collect())]));
    assert_eq!((report.profiles, report.protected), (4 * EACH, report.inputs));
    assert!(report.aborted > 0);
}
