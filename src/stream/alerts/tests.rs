//! What becomes of sightings, over the embedded log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::*;
use crate::memory::MemoryLog;
use crate::privacy::place::Part;
use crate::privacy::settings::Detection;
use crate::privacy::sighting::Sightings;
use crate::privacy::tally::Tally;
use crate::record::Partition;
use crate::stream::context::Plan;
use crate::stream::fixture::{document, keyring, plan};
use crate::stream::happening::Observer;
use crate::stream::supervisor::{prepare, run};
use crate::stream::transaction::SourceTally;

/// Counts alerts.
#[derive(Default)]
struct Counts(Mutex<(u64, u64)>);

impl Observer for Counts {
    fn observe(&self, happening: &Happening<'_>) {
        if let Happening::Alerts { written, held_back } = happening {
            let mut counts = self.0.lock().unwrap();
            *counts = (counts.0 + written, counts.1 + held_back);
        }
    }
}

fn sighting(path: &str, event: &str) -> Arc<Sighting> {
    let (workspace, matcher) = ("acme".to_owned(), "email".to_owned());
    Arc::new(Sighting { workspace, event: event.to_owned(), part: Part::Field, path: path.to_owned(), matcher })
}

fn tally(sightings: impl IntoIterator<Item = Arc<Sighting>>) -> BatchTally {
    let mut seen = Sightings::default();
    sightings.into_iter().for_each(|sighting| seen.add(&sighting, 1));
    let source = SourceTally { done: Tally { sightings: seen, ..Tally::default() }, ..SourceTally::default() };
    BatchTally { sources: BTreeMap::from([(0, source)]), ..BatchTally::default() }
}

fn take_in(alerts: &Alerts, sightings: impl IntoIterator<Item = Arc<Sighting>>) -> u64 {
    alerts.take_in(&plan().settings, "i", 3, &tally(sightings))
}

#[test]
fn a_place_is_told_once_whatever_the_event() {
    let alerts = Alerts::default();
    assert_eq!(take_in(&alerts, [sighting("a", "one"), sighting("b", "")]), 0);
    assert_eq!(take_in(&alerts, [sighting("a", "two")]), 0);
    let mut records = alerts.next();
    records.sort_by(|one, other| one.key.cmp(&other.key));
    let text = |bytes: &Option<Vec<u8>>| String::from_utf8(bytes.clone().unwrap()).unwrap();
    let keys: Vec<String> = records.iter().map(|record| text(&record.key)).collect();
    let key =
        |path: &str| format!(r#"{{"matcher":"email","on":"field","path":"{path}","source":"raw","workspace":"acme"}}"#);
    assert_eq!(keys, [key("a"), key("b")]);
    let value = text(&records[0].value);
    let (at, rest) = value.split_once(',').unwrap();
    assert!(at.starts_with(r#"{"at":1"#), "{at}");
    assert_eq!(rest, r#""event":"one","instance":"i","policy":3,"risk":"yellow"}"#);
    assert_eq!(alerts.next(), []);
}

#[test]
fn what_there_is_no_room_for_is_held_back_until_it_is_seen_again() {
    let alerts = Alerts::default();
    let many = |from: usize| (from..from + 600).map(|number| sighting(&number.to_string(), ""));
    assert_eq!((take_in(&alerts, many(0)), take_in(&alerts, many(600))), (0, 200));
    assert_eq!(alerts.next().len(), BATCH);
    assert_eq!(take_in(&alerts, many(600)), 200 - BATCH as u64);
    let records = alerts.next();
    alerts.put_back(records.clone());
    assert_eq!(alerts.next(), records, "in their order");
}

fn until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "it never held");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Runs a process that looks for personal data, until `enough` alerts stand in the topic and everything is protected; gives the counts.
fn process(log: &MemoryLog, enough: usize) -> (u64, u64) {
    let mut settings = Settings::clone(&plan().settings);
    settings.sources[0].detection = Detection::Report;
    let counts = Arc::new(Counts::default());
    let plan = Plan { settings: Arc::new(settings), ..plan() };
    let context = prepare(log.clone(), plan, keyring(), counts.clone()).unwrap();
    thread::scope(|scope| {
        let running = scope.spawn(|| run(&context));
        until(|| log.records("protected").len() == log.records("raw").len());
        until(|| log.topics().iter().any(|topic| &**topic == "g.alerts") && log.records("g.alerts").len() >= enough);
        until(|| context.alerts.lock().waiting.is_empty());
        context.stop.set();
        assert_eq!(running.join().unwrap(), Ok(()));
    });
    *counts.0.lock().unwrap()
}

#[test]
fn what_was_told_is_told_no_more_by_any_process_until_it_is_deleted() {
    let log = MemoryLog::new("g");
    log.create_topic("raw", 1, &[]).unwrap();
    let raw = Partition::new("raw", 0);
    for _ in 0..3 {
        log.append(&raw, document("ann@example.com")).unwrap();
    }
    assert_eq!(process(&log, 1), (1, 0));
    let first = log.records("g.alerts")[0].record.clone();
    assert_eq!(
        first.key.as_deref(),
        Some(br#"{"matcher":"email","on":"field","path":"n","source":"raw","workspace":"acme"}"#.as_slice())
    );

    log.append(&raw, document("ann@example.com")).unwrap();
    let key = Some(b"eve@example.com".to_vec());
    log.append(&raw, Record { key, ..document("x") }).unwrap();
    assert_eq!(process(&log, 2), (1, 0), "the record key alone is new");
    let second = log.records("g.alerts")[1].record.clone();
    assert_eq!(
        second.key.as_deref(),
        Some(br#"{"matcher":"email","on":"key","path":"","source":"raw","workspace":"acme"}"#.as_slice())
    );

    log.append(&Partition::new("g.alerts", 0), Record { value: None, ..first.clone() }).unwrap();
    log.append(&raw, document("ann@example.com")).unwrap();
    assert_eq!(process(&log, 4), (1, 0));
    assert_eq!(log.records("g.alerts")[3].record.key, first.key);
}

#[test]
fn alerts_that_cannot_be_written_hold_nobody_up() {
    let log = MemoryLog::new("g");
    log.create_topic("raw", 1, &[]).unwrap();
    let mut settings = Settings::clone(&plan().settings);
    settings.sources[0].detection = Detection::Report;
    let counts = Arc::new(Counts::default());
    let context =
        prepare(log.clone(), Plan { settings: Arc::new(settings), ..plan() }, keyring(), counts.clone()).unwrap();
    // the topic is missing, and may not be created
    let forbidden = Plan { create: false, ..context.plan.clone() };
    let context = Context::new(log.clone(), forbidden, keyring(), (**context.facts.load()).clone(), counts.clone());
    let context = Arc::new(context);
    thread::scope(|scope| {
        let running = scope.spawn(|| run(&context));
        for number in 0..3 {
            log.append(&Partition::new("raw", 0), document("ann@example.com")).unwrap();
            until(|| log.records("protected").len() == number + 1);
        }
        context.stop.set();
        assert_eq!(running.join().unwrap(), Ok(()));
    });
    assert_eq!(context.alerts.lock().waiting.len(), 1, "it waits for the topic");
    assert_eq!(*counts.0.lock().unwrap(), (0, 0));
}
