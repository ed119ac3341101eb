//! The broker will not take a record: it alone goes to the dead letters, and everything else keeps its place.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use sivcar::record::{Partition, Record};
use sivcar::stream::context::Context;
use sivcar::stream::log::{Fault, Fetched};

use crate::admin;
use crate::dump;
use crate::patience::eventually;
use crate::process::{Process, Stage, event, sized_event};
use crate::watched::{Call, Calls};

/// How often the broker refused a record of a worker.
fn refusals(calls: &Calls) -> usize {
    calls.of_workers().iter().filter(|returned| matches!(returned.fault, Some(Fault::Refused(_)))).count()
}

fn rejected(expected: &[(&str, u64)]) -> BTreeMap<String, u64> {
    expected.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect()
}

#[test]
fn a_record_outgrows_its_topic() {
    let stage = Stage::new("outgrown", 1);
    stage.create("protected", 1, &[("cleanup.policy", "compact"), ("max.message.bytes", "20000")]);
    let config = stage.config("", "");
    let process = Process::ready(&config);
    stage.write("raw", 0, [event("a"), sized_event("b", 8000), event("c")]);
    stage.await_count("protected", 3);
    assert_eq!(refusals(&process.calls), 0);

    // the broker is the first to know
    let narrow = [("cleanup.policy", "compact"), ("max.message.bytes", "4000")];
    admin::set(&stage.bootstrap, "outgrown.protected", &narrow);
    let keyless = Record { key: None, ..event("e") };
    stage.write("raw", 0, [event("d"), keyless, event("f"), sized_event("g", 8000), event("h")]);
    stage.await_count("protected", 6);
    stage.await_count("dead", 2);
    assert!(refusals(&process.calls) >= 3, "the batch, then each culprit alone");
    assert!(process.told.count("reason: \"refused\"") >= 3);
    let told = process.told.clone();
    assert_eq!(process.stop(), Ok(()));

    // a process that knows measures before it stages
    let process = Process::ready(&config);
    stage.write("raw", 0, [event("i"), sized_event("j", 8000), event("k")]);
    stage.await_count("protected", 8);
    stage.await_count("dead", 3);
    assert_eq!(refusals(&process.calls), 0);
    let report = stage.check(&config, &[&told, &process.told]);
    assert_eq!(report.rejected, rejected(&[("broker_refused", 2), ("output_too_large", 1)]));
    assert_eq!((report.inputs, report.protected), (11, 8));
    assert_eq!(process.stop(), Ok(()));
}

#[test]
fn many_small_records_fit_a_narrow_topic() {
    let stage = Stage::new("narrow", 1);
    stage.create("protected", 1, &[("max.message.bytes", "3000"), ("compression.type", "producer")]);
    let config = stage.config("producer = { \"compression.codec\" = \"none\" }", "");
    let process = Process::ready(&config);
    stage.write("raw", 0, (0..100).map(|number| event(&format!("n{number}"))));
    stage.await_count("protected", 100);
    assert_eq!(process.told.count("Aborted"), 0, "each record fits, so no batch of them is refused");

    // the topic becomes narrower than batches are: none is lost, and once that is known none is refused
    admin::set(&stage.bootstrap, "narrow.protected", &[("max.message.bytes", "1500")]);
    let mut count = 100;
    let mut write = |more: usize| {
        stage.write("raw", 0, (0..more).map(|number| event(&format!("m{number}"))));
        count += more;
        stage.await_count("protected", count);
        count
    };
    eventually("a batch is refused", || (write(20) > 0 && process.told.count("Aborted") > 0).then_some(()));
    let Context { facts, log, plan, .. } = &*process.context;
    facts.store(Arc::new(facts.load().refresh(log, "narrow", &plan.routes).expect("the broker answers")));
    assert_eq!(facts.load().batch_bytes(), 1500);
    write(1);
    let aborted = process.told.count("Aborted");
    let count = write(100);
    assert_eq!(process.told.count("Aborted"), aborted);
    let report = stage.check(&config, &[&process.told]);
    assert_eq!((report.protected, report.rejected), (count as u64, rejected(&[])));
    assert_eq!(process.stop(), Ok(()));
}

#[test]
fn a_record_at_the_limit_grows_and_fits() {
    let stage = Stage::new("grows", 1);
    let config = stage.config("producer = { \"compression.codec\" = \"none\" }", "");
    let process = Process::ready(&config);
    let large = |name: &str, head: &str, tail: &str| {
        let text = String::from_utf8(sized_event(name, 240_000).value.expect("a value")).expect("text");
        let filler = text.split('"').max_by_key(|part| part.len()).expect("a part");
        let value = format!("{head}[\"{filler}\",\"{filler}\",\"{filler}\",\"{filler}\"]{tail}");
        assert!((950_000..1_000_000).contains(&value.len()), "{}", value.len());
        Record { value: Some(value.into()), ..event(name) }
    };
    stage.write("raw", 0, [large("a", "{\"workspace\":\"acme\",\"client\":{\"email\":", "}}")]);
    stage.write("raw", 0, [large("b", "", "")]);
    let protected = stage.await_count("protected", 1);
    let letter = stage.await_count("dead", 1);
    let bytes = |fetched: &Fetched| fetched.record.bytes();
    assert!(bytes(&protected[0]) > 1_270_000 && bytes(&letter[0]) > 1_270_000, "whole, though larger than its input");
    let report = stage.check(&config, &[&process.told]);
    assert_eq!((report.protected, report.rejected), (1, rejected(&[("root_not_object", 1)])));
    assert_eq!(process.stop(), Ok(()));
}

#[test]
fn a_time_that_the_topic_does_not_take_aborts_the_very_first_transaction() {
    let stage = Stage::new("untimely", 1);
    stage.create("protected", 1, &[("message.timestamp.before.max.ms", "3600000")]);
    let wide = [("message.timestamp.after.max.ms", "9000000000000"), ("retention.ms", "-1")];
    admin::set(&stage.bootstrap, "untimely.raw", &wide);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    let now = i64::try_from(now).expect("a while to go");
    let at = |name: &str, timestamp: i64| Record { timestamp: Some(timestamp), ..event(name) };
    // what stands before the first record that is left is not the start
    stage.write("raw", 0, [at("gone", now)]);
    eventually("its commit is marked", || (dump::length(&stage.bootstrap, "untimely.raw") == 2).then_some(()));
    admin::truncate(&stage.bootstrap, "untimely.raw", rdkafka::Offset::Offset(2));
    let day = 86_400_000;
    stage.write("raw", 0, [at("old", now - day), at("a", now), at("b", now + 1), at("early", now + day), at("c", now)]);
    let config = stage.config("", "");
    let process = Process::ready(&config);
    stage.await_count("protected", 3);
    stage.await_count("dead", 2);

    // the start was committed first and by itself; the first batch was aborted, and read again from there
    let calls = process.calls.of_workers();
    let start = vec![(Partition::new("untimely.raw", 0), 2)];
    let first = calls.iter().position(|returned| matches!(returned.call, Call::Offsets(_))).expect("offsets");
    assert_eq!(calls[first].call, Call::Offsets(start.clone()));
    assert!(calls[..first].iter().all(|returned| !matches!(returned.call, Call::Produce(_))));
    assert!(calls[first + 1].call == Call::Commit && calls[first + 1].fault.is_none());
    let mut after = calls[first + 2..].iter().filter(|returned| !matches!(returned.call, Call::Produce(_)));
    let wanted = [Call::Membership, Call::Begin, Call::Drain, Call::Abort, Call::Seek(start)];
    let then: Vec<_> = after.by_ref().filter(|returned| returned.call != Call::Membership).take(4).collect();
    let calls: Vec<_> = then.iter().map(|returned| returned.call.clone()).collect();
    assert_eq!(calls, wanted[1..]);
    assert!(matches!(then[1].fault, Some(Fault::Refused(_))), "{:?}", then[1].fault);

    let report = stage.check(&config, &[&process.told]);
    assert_eq!(report.rejected, rejected(&[("broker_refused", 2)]));
    assert_eq!((report.inputs, report.protected), (5, 3));
    assert_eq!(process.stop(), Ok(()));
}

#[test]
fn a_full_queue_only_waits() {
    let stage = Stage::new("full", 1);
    let config = stage.config("producer = { \"queue.buffering.max.messages\" = \"10\" }", "");
    stage.write("raw", 0, (0..2000).map(|number| event(&format!("n{number}"))));
    let process = Process::ready(&config);
    stage.await_count("debug", 2000);
    // more was staged in one transaction than the queue holds
    let largest = largest_transaction(&process.calls);
    assert!(largest > 10, "{largest}");
    assert_eq!(process.told.count("Aborted"), 0);
    let report = stage.check(&config, &[&process.told]);
    assert_eq!((report.protected, report.rejected), (2000, rejected(&[])));
    assert_eq!(process.stop(), Ok(()));
}

fn largest_transaction(calls: &Calls) -> usize {
    let (mut count, mut largest) = (0, 0);
    for returned in calls.of_workers() {
        match returned.call {
            Call::Begin => count = 0,
            Call::Produce(_) => count += 1,
            _ => {}
        }
        largest = largest.max(count);
    }
    largest
}
