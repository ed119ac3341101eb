//! Scenarios 6, 27 and 32, on three brokers: leaders and coordinators move in the middle of a commit, a topic has too few replicas in
//! sync for a while, and the controller is lost under load.

use sivcar::record::Record;

use crate::admin;
use crate::broker::Broker;
use crate::doomed::{self, End, Step};
use crate::patience::eventually;
use crate::site::Site;

const NAME: &str = "moves::leaders_and_coordinators_move_and_replicas_go_and_come_back";

/// A member stays one while its group's coordinator moves, and records are given up long before their transaction.
const CONFIG: &str = r#"
[kafka.producer]
"transaction.timeout.ms" = "20000"
"message.timeout.ms" = "5000"
[kafka.consumer]
"session.timeout.ms" = "20000"
"heartbeat.interval.ms" = "300"
[transaction]
records = 10
[[source]]
topic = "raw"
kind = "event"
protected = "protected"
dead-letters = "dead"
[[view]]
name = "debug"
unlisted = "show"
topics = { raw = "debug" }
[[mark]]
workspace = "acme"
on = "parameter"
name = "email"
"#;

const CANARY: &str = "Kanarienvogel";

/// How many records are written at once: several transactions' worth.
const SLICE: u64 = 60;

const PARTITIONS: u64 = 2;

const COMPACT: (&str, &str) = ("cleanup.policy", "compact");
const TWO_IN_SYNC: (&str, &str) = ("min.insync.replicas", "2");

/// A topic, for each of its partitions the brokers that have it, the leader first, and its settings.
type Place = (&'static str, &'static [&'static [i32]], &'static [(&'static str, &'static str)]);

/// The second broker coordinates transactions, the third the group; each leads one partition of the protected topic. The third has the
/// only other copy of the debug topic, and the first leads all that is read.
const PLACES: [Place; 5] = [
    ("__transaction_state", &[&[2, 3, 1]], &[COMPACT, TWO_IN_SYNC]),
    ("__consumer_offsets", &[&[3, 2, 1]], &[COMPACT, TWO_IN_SYNC]),
    ("raw", &[&[1, 2, 3], &[1, 3, 2]], &[]),
    ("protected", &[&[2, 3, 1], &[3, 2, 1]], &[TWO_IN_SYNC]),
    ("debug", &[&[1, 3], &[1, 3]], &[]),
];

fn feed(site: &Site, fed: &mut u64) {
    let record = |number: u64| {
        let params = format!(r#"{{"email":"{CANARY}-{number}@example.com","n":{number}}}"#);
        let value = format!(r#"{{"workspace":"acme","action":"buy","params":{params}}}"#);
        ((number % PARTITIONS) as i32, Record { value: Some(value.into()), ..Record::default() })
    };
    site.feed("raw", (*fed..*fed + SLICE).map(record));
    *fed += SLICE;
}

/// Who coordinates transactions, who the group, and who leads the first partition of the protected topic.
fn leaders(site: &Site) -> [i32; 3] {
    ["__transaction_state", "__consumer_offsets", "protected"]
        .map(|topic| eventually("a partition has a leader", || admin::leader(&site.broker.bootstrap, topic, 0)))
}

/// Scenario 6: whoever leads what a transaction needs goes by `leave` while the process stands at `step`, and another one takes over.
fn moves(site: &Site, fed: &mut u64, step: Step, gone: [bool; 3], leave: impl FnOnce()) {
    feed(site, fed);
    let process = doomed::start(site, "a", step, End::StandsStill, NAME);
    process.stopped();
    let before = leaders(site);
    leave();
    process.resume();
    site.catch_up();
    let moved: Vec<bool> = before.iter().zip(leaders(site)).map(|(before, after)| *before != after).collect();
    assert_eq!(moved, gone, "{step:?}: {before:?} led");
    // it met the transaction
    process.logs("the outcome of a transaction was unknown and is resolved");
    process.kill();
}

/// Scenario 32: the active controller, whichever it is, is killed under load, and another one takes over.
fn loses_its_controller(site: &Site, fed: &mut u64, brokers: [&Broker; 3]) {
    let active = |broker: &Broker| broker.controller().and_then(|id| usize::try_from(id - 1).ok());
    let lost = eventually("there is a controller", || active(brokers[0]));
    let next = brokers[(lost + 1) % brokers.len()];
    feed(site, fed);
    brokers[lost].kill();
    feed(site, fed);
    eventually("another controller", || active(next).filter(|id| *id != lost));
    // what only a controller can do
    site.create("later", 1);
    feed(site, fed);
    site.catch_up();
}

#[test]
fn leaders_and_coordinators_move_and_replicas_go_and_come_back() {
    if doomed::runs() {
        return;
    }
    let [first, second, third] = Broker::cluster("");
    let site = Site::on(first, "workers = 1", CONFIG);
    for (topic, replicas, settings) in PLACES {
        admin::place(&site.broker.bootstrap, topic, replicas, settings);
    }
    let mut fed = 0;
    moves(&site, &mut fed, Step::OffsetsSent, [true, false, true], || second.kill());
    second.restart();
    eventually("all is in sync again", || admin::is_in_sync(&site.broker.bootstrap).then_some(()));
    moves(&site, &mut fed, Step::Drained, [true, true, true], || third.stop());

    // scenario 27: one copy of the debug topic is left, and two are asked for
    let sidecar = site.start("a").ready();
    admin::set(&site.broker.bootstrap, "debug", &[TWO_IN_SYNC]);
    feed(&site, &mut fed);
    let detail = "a record to debug: MessageTimedOut";
    sidecar.logged("transaction aborted, its batch is repeated", |line| line["detail"] == detail);
    let log = site.broker.log();
    let refused = log.lines().any(|line| line.contains("NotEnoughReplicas") && line.contains("debug-"));
    assert!(refused, "the broker took them");
    third.restart();
    site.catch_up();

    admin::set(&site.broker.bootstrap, "debug", &[]);
    eventually("all is in sync again", || admin::is_in_sync(&site.broker.bootstrap).then_some(()));
    loses_its_controller(&site, &mut fed, [&site.broker, &second, &third]);
    sidecar.drain();
    let report = site.check(&site.checker(&[CANARY]));
    assert_eq!((report.inputs, report.protected, report.views), (fed, fed, fed));
    assert!(report.aborted > 0);
}
