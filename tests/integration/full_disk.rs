//! The broker's disk takes no more: the broker goes down, and what is in hand is repeated and counted; once there is space again nothing
//! is missing and nothing is twice.
//!
//! The outage is shorter than the transaction's timeout. A broker that starts with a transaction that outlived it may leave out the
//! marker that ends it where its partition has no leader yet: what was aborted is then committed with the next transaction of the same
//! producer. That is Kafka's, and docs/operations.md tells of it.
#![cfg(target_os = "linux")] // elsewhere nobody sets the limits of a process that runs

use rand::{RngExt as _, SeedableRng as _};
use rustix::process::Signal;
use sivcar::record::Record;

use crate::dump;
use crate::error_table::row;
use crate::patience::eventually;
use crate::site::Site;

/// The most bytes that a file of the broker may have.
const DISK: u64 = 2 << 20;

const CONFIG: &str = r#"
[kafka.consumer]
"session.timeout.ms" = "10000"
[kafka.producer]
"transaction.timeout.ms" = "60000"
[[source]]
topic = "raw"
kind = "event"
protected = "protected"
dead-letters = "dead"
[[mark]]
workspace = "*"
on = "attribute"
name = "photo"
"#;

/// Inputs that fit all together, unlike their outputs, in which the marked part is a third longer.
const EVENTS: u64 = 2;
const MARKED: usize = 240_000;
const OTHERS: [usize; 3] = [250_000; 3];

fn events() -> impl Iterator<Item = (i32, Record)> {
    let mut random = rand::rngs::StdRng::seed_from_u64(4711);
    // does not compress, and needs no escapes
    let mut text = |length| {
        let mut bytes = vec![0; length];
        random.fill(&mut bytes[..]);
        bytes.iter().map(|byte| char::from(b'#' + byte % 56)).collect::<String>()
    };
    let (photo, others) = (text(MARKED), OTHERS.map(&mut text));
    (0..EVENTS).map(move |number| {
        let client = format!(r#"{{"id":{number},"photo":"{photo}"}}"#);
        let value =
            format!(r#"{{"workspace":"acme","action":"a","client":{client},"params":{{"others":{others:?}}}}}"#);
        (0, Record { key: Some(number.to_string().into()), value: Some(value.into()), ..Record::default() })
    })
}

#[test]
fn a_full_disk_is_waited_out() {
    let site = Site::new("workers = 2", CONFIG);
    site.create("raw", 2);
    let sidecar = site.start("a").ready();
    site.broker.fill_disk(DISK);
    site.feed("raw", events());
    let halted = "Shutdown broker because all log dirs";
    eventually("the broker goes down", || site.broker.log().contains(halted).then_some(()));
    let log = site.broker.log();
    assert!(log.contains("Error while appending records to protected-0") && log.contains("File too large"), "{log}");

    let row = row("the broker's disk is full, or it is gone");
    let names = [("group", "g"), ("brokers", &*site.broker.bootstrap)];
    sidecar.logged(&row.lines[0], |line| row.is_said(1, line["detail"].as_str().unwrap_or_default(), &names));

    site.broker.stop();
    site.broker.restart();
    sidecar.logs("transaction aborted, its batch is repeated");
    let metrics = sidecar.get("/metrics");
    let counted = metrics.lines().any(|line| line.starts_with(&row.then) && !line.ends_with(" 0"));

    // a member whose place was given away meanwhile ends as fenced, and a supervisor starts it again
    let mut sidecar = sidecar;
    assert!(counted || sidecar.child.try_wait().is_ok_and(|status| status.is_some()), "{metrics}");
    eventually("all is processed", || {
        if let Some(status) = sidecar.child.try_wait().expect("it is ours") {
            assert_eq!(status.code(), Some(3), "see {}", sidecar.log.display());
            sidecar = site.start("a");
        }
        dump::caught_up(&site.broker.bootstrap, "g", &["raw"]).then_some(())
    });
    sidecar.signal(Signal::TERM);
    let (status, log) = sidecar.end();
    assert!([Some(0), Some(3)].contains(&status.code()), "{log}");
    let report = site.check(&site.checker(&[]));
    assert_eq!((report.inputs, report.protected), (EVENTS, EVENTS));
}
