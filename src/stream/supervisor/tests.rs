//! A whole process, with its threads, over the embedded log.

use std::time::Instant;

use super::*;
use crate::memory::MemoryLog;
use crate::privacy::control::{ControlKey, ControlRecord, ControlValue};
use crate::privacy::mark::{Mark, MarkKey, On};
use crate::record::{Partition, Record};
use crate::stream::fixture::{keyring, plan};
use crate::stream::happening::Nobody;
use crate::stream::log::Fault;
use crate::stream::scripted::{Call, Scripted, Twist};
use crate::stream::transaction::TransactionLimits;

fn email() -> ControlRecord {
    let key = MarkKey { workspace: "acme".into(), on: On::Parameter, name: "email".into(), event: None };
    ControlRecord { key: ControlKey::Mark(key), value: Some(ControlValue::Mark(Mark::default())) }
}

fn feed(log: &MemoryLog, count: i32) {
    for number in 0..count {
        let value = format!("{{\"workspace\":\"acme\",\"params\":{{\"email\":\"ann{number}@example.com\"}}}}");
        let record = Record { value: Some(value.into_bytes()), ..Record::default() };
        log.append(&Partition::new("raw", number % 4), record).unwrap();
    }
}

fn until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "it never held");
        thread::sleep(Duration::from_millis(2));
    }
}

fn log() -> MemoryLog {
    let log = MemoryLog::new("g");
    log.create_topic("raw", 4, &[]).unwrap();
    log
}

fn two_workers() -> Plan {
    let limits = TransactionLimits { time: Duration::from_millis(5), ..TransactionLimits::default() };
    Plan { workers: 2, limits, wished: vec![email()], ..plan() }
}

#[test]
fn a_process_protects_from_its_first_record_on_and_drains_when_told() {
    let log = log();
    feed(&log, 100);
    let context = prepare(log.clone(), two_workers(), keyring(), Arc::new(Nobody)).unwrap();
    thread::scope(|scope| {
        let running = scope.spawn(|| run(&context));
        until(|| log.records("protected").len() == 100);
        until(|| context.ready.is_set());
        context.stop.set();
        assert_eq!(running.join().unwrap(), Ok(()));
    });
    for fetched in log.records("protected") {
        let value = String::from_utf8(fetched.record.value.unwrap()).unwrap();
        assert!(value.contains("\"email\":\"siv:") && !value.contains("example"), "{value}");
    }
    for number in 0..4 {
        assert_eq!(log.committed(&Partition::new("raw", number)).unwrap().offset, 25);
    }
}

#[test]
fn the_first_error_stops_every_thread() {
    let log = Scripted::new(log());
    log.next(Call::SendOffsets, Twist::Instead(Fault::Fenced("scripted".into())));
    let context = prepare(log.clone(), two_workers(), keyring(), Arc::new(Nobody)).unwrap();
    let Err(Error::Fenced(text)) = run(&context) else { panic!("it ends fenced") };
    assert!(["g.i.0: scripted", "g.i.1: scripted"].contains(&text.as_str()), "{text}");
    assert_eq!(log.occurred(Call::SendOffsets), 1);
}

#[test]
fn a_process_with_a_re_created_control_topic_refuses_to_go_on() {
    let log = log();
    feed(&log, 4);
    let first = prepare(log.clone(), two_workers(), keyring(), Arc::new(Nobody)).unwrap();
    thread::scope(|scope| {
        let running = scope.spawn(|| run(&first));
        until(|| log.records("protected").len() == 4);
        first.stop.set();
        running.join().unwrap().unwrap();
    });
    log.delete_topic("g.control");
    let error = prepare(log.clone(), two_workers(), keyring(), Arc::new(Nobody)).err().expect("it is gone");
    assert!(matches!(error, Error::PolicyWentBackwards(_)), "{error}");
    log.create_topic("g.control", 1, &[("cleanup.policy", "compact")]).unwrap();
    let second = prepare(log.clone(), two_workers(), keyring(), Arc::new(Nobody)).unwrap();
    feed(&log, 4);
    let error = run(&second).unwrap_err();
    assert!(matches!(error, Error::PolicyWentBackwards(_)), "{error}");
    assert_eq!(log.records("protected").len(), 4, "nothing was written under the other control topic");
}

#[test]
fn topics_that_are_not_as_they_must_be_are_told_before_any_thread_starts() {
    let log = MemoryLog::new("g");
    let error = prepare(log, two_workers(), keyring(), Arc::new(Nobody)).err().expect("there is no source");
    assert_eq!(error.exit_code(), crate::stream::error::EXIT_CONFIG);
}
