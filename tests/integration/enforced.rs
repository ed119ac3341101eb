//! Scenario 19: a workspace enters `enforced` while many profiles are there and records keep coming. Every profile that holds what
//! is marked is told of exactly once, and every live record has its output.
//!
//! `SIVCAR_LONG=1` takes a million profiles; `SIVCAR_PROFILES` says otherwise.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sivcar::record::Record;

use crate::dump;
use crate::kills::number;
use crate::patience::eventually;
use crate::profiles::{self, PARTITIONS, Told, assert_told, key, run, told, user, walked};
use crate::site::Site;

const CONFIG: &str = r#"
[transaction]
records = 200
[[workspace]]
id = "acme"
stage = "off"
[[mark]]
workspace = "acme"
on = "attribute"
name = "email"
[[mark]]
workspace = "acme"
on = "attribute"
name = "phone"
[[mark]]
workspace = "acme"
on = "parameter"
name = "code"
"#;

/// How many profiles are written at once.
const SLICE: u64 = 20_000;

/// Between two live records of a topic.
const LIVE_EVERY: Duration = Duration::from_millis(2);

/// What a profile holds of what is marked: one in ten nothing, one in seven no phone.
fn held(number: u64) -> Vec<&'static str> {
    let phone = (!number.is_multiple_of(7)).then_some("phone");
    if number.is_multiple_of(10) { Vec::new() } else { phone.into_iter().chain(["email"]).collect() }
}

fn profile(number: u64) -> (i32, Record) {
    let marked: String = held(number).iter().map(|name| format!("\"{name}\":\"{name}-{number}\",")).collect();
    user(number, &format!("{{{marked}\"n\":0}}"))
}

/// A patch that makes nobody a holder and leaves every holder one.
fn patch(turn: u64, profiles: u64) -> (i32, Record) {
    let number = turn.wrapping_mul(7_919) % profiles;
    let email = held(number).contains(&"email") && turn.is_multiple_of(2);
    let email = if email { format!("\"email\":\"new-{turn}\",") } else { String::new() };
    user(number, &format!("{{{email}\"n\":{turn}}}"))
}

fn event(turn: u64) -> (i32, Record) {
    let value =
        format!(r#"{{"workspace":"acme","action":"buy","client":{{"id":{turn}}},"params":{{"code":"{turn}"}}}}"#);
    ((turn % PARTITIONS) as i32, Record { value: Some(value.into()), ..Record::default() })
}

/// Writes to a topic until it is told to stop, and counts.
fn load(site: &Site, topic: &str, stop: &AtomicBool, written: &AtomicU64, record: impl Fn(u64) -> (i32, Record)) {
    let next = |turn: u64| {
        std::thread::sleep(LIVE_EVERY);
        written.fetch_add(1, Ordering::Relaxed);
        record(turn)
    };
    site.feed(topic, (0..).take_while(|_| !stop.load(Ordering::Relaxed)).map(next));
}

/// Enters `enforced` in the midst of live records; gives the since, and how many live records there were.
fn enforce_under_load(site: &Site, profiles: u64) -> (u64, u64) {
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    let since = std::thread::scope(|scope| {
        scope.spawn(|| load(site, "users", &stop, &written, |turn| patch(turn, profiles)));
        scope.spawn(|| load(site, "events", &stop, &written, event));
        eventually("live records are processed", || {
            (dump::length(&site.broker.bootstrap, "protected.events") > 0).then_some(())
        });
        let before = written.load(Ordering::Relaxed);
        let since = run(site, "stage --config any.toml --workspace acme enforced --wait backfilled --timeout 3600");
        let during = written.load(Ordering::Relaxed) - before;
        stop.store(true, Ordering::Relaxed);
        assert!(before > 0 && during > 0, "no load: {before} live records, {during} during the backfill");
        since
    });
    (since, written.into_inner())
}

#[test]
fn entering_enforced_tells_of_every_holder_once() {
    let profiles = if std::env::var_os("SIVCAR_LONG").is_some() { 1_000_000 } else { 3_000 };
    let profiles = number("SIVCAR_PROFILES", profiles);
    let site = profiles::site("workers = 2", CONFIG);
    site.configure("any");
    let sidecar = site.start("a").ready();
    for first in (0..profiles).step_by(SLICE as usize) {
        site.feed("users", (first..profiles.min(first + SLICE)).map(profile));
        site.catch_up();
    }
    assert!(told(&site).is_empty(), "nothing is enforced");

    let (since, live) = enforce_under_load(&site, profiles);
    site.catch_up();
    let holders: BTreeSet<Vec<u8>> = (0..profiles).filter(|number| !held(*number).is_empty()).map(key).collect();
    let by_walk = walked(&site).remove(&since).unwrap_or_default();
    let by_patch = holders.difference(&by_walk).count();
    sidecar.drain();
    let report = site.check(&site.checker(&[]));
    eprintln!(
        "{} of {profiles} profiles told of since {since}, {by_patch} of them by a live record before the walk; {live} live \
         records, policy versions {:?}",
        holders.len(),
        report.versions
    );
    assert!(by_patch > 0 && report.versions.len() > 1, "the load did not meet the walk");
    assert_told(&report.told, &Told::from([(since, holders)]));
    assert_eq!((report.inputs, report.protected), (profiles + live, profiles + live));
}
