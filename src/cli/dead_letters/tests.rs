use super::*;
use crate::memory::MemoryLog;
use crate::privacy::dead_letter::Extent;
use crate::privacy::error::Reason;
use crate::privacy::keyset::Keyset;
use crate::record::{Coordinates, Header, Partition};
use crate::stream::log::Reader;
use std::collections::BTreeMap;
use std::sync::Arc;

const CANARY: &str = "canary-4711";

/// A keyring of two keysets, the second acme's own.
fn ring() -> Keyring {
    let keyset = |byte| Arc::new(Keyset::generate(&[byte; 64], u32::from(byte)));
    Keyring::new(Some(keyset(1)), BTreeMap::from([("acme".to_owned(), Entry::Present(keyset(2)))]))
}

fn opener() -> Opener {
    Opener::new(&ring(), "g")
}

fn record(offset: i64) -> Record {
    Record {
        key: Some(vec![0xff]),
        value: Some(format!("{{\"n\":{offset},\"email\":\"{CANARY}\"").into_bytes()),
        headers: vec![
            Header { name: "h".into(), value: Some(b"v".to_vec()) },
            Header { name: "h".into(), value: None },
        ],
        timestamp: None,
    }
}

/// A log whose dead letters are, in the order of their times and not in that of the topic's partitions, those of raw[1]@3, of
/// raw[0]@7 (acme's keyset) and a short one of raw[1]@9; and one of another topic, and a record that is no letter.
fn log() -> MemoryLog {
    let log = MemoryLog::new("g");
    log.create_topic("raw", 2, &[]).expect("can be made");
    log.create_topic("dead", 2, &[]).expect("can be made");
    let mut producer = log.producer("test", usize::MAX).expect("can be made");
    producer.init().expect("is alone");
    producer.begin().expect("is alone");
    let letters = [
        (0, 30, "raw", 1, 9, 0, Extent::Short),
        (0, 20, "raw", 0, 7, 1, Extent::Whole),
        (0, 10, "other", 0, 7, 0, Extent::Whole),
        (1, 10, "raw", 1, 3, 0, Extent::Whole),
    ];
    let mut sealers = opener().sealers;
    for (place, time, topic, number, offset, keyset, extent) in letters {
        let at = Coordinates { partition: Partition::new(topic, number), offset };
        let reason = if offset == 9 { Reason::TooLarge } else { Reason::JsonSyntax };
        let envelope = Envelope::new(at, reason, 4);
        let mut letter = dead_letter::build(Some(&mut sealers[keyset]), "g", &envelope, &record(offset), extent);
        letter.timestamp = Some(time);
        producer.produce(&Outgoing { topic: "dead".into(), partition: Some(place), record: letter }).expect("is taken");
    }
    producer.produce(&Outgoing { topic: "dead".into(), partition: Some(0), record: record(0) }).expect("is taken");
    producer.drain().expect("is alone");
    producer.commit().expect("is alone");
    log
}

fn select(partition: Option<i32>, offset: Option<i64>, limit: Option<u64>) -> Select {
    Select { topic: "raw".to_owned(), partition, offset, limit, ..Select::default() }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("is text")
}

/// What `list` writes to standard output and to standard error.
fn listed(select: &Select) -> (String, String) {
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    assert_eq!(list(&log(), "dead", select, &mut output, &mut errors), Ok(Outcome::Done));
    (text(output), text(errors))
}

const FIRST: &str = "raw[1]@3  json_syntax  policy 4  1970-01-01 00:00:00.010Z\n";
const SECOND: &str = "raw[0]@7  json_syntax  policy 4  1970-01-01 00:00:00.020Z\n";
const THIRD: &str = "raw[1]@9  too_large  policy 4  1970-01-01 00:00:00.030Z\n";

#[test]
fn a_list_shows_coordinates_and_reason_the_oldest_first_and_no_content() {
    let all = format!("{FIRST}{SECOND}{THIRD}");
    assert_eq!(listed(&select(None, None, None)), (all.clone(), String::new()));
    assert_eq!(listed(&select(None, None, Some(3))), (all, String::new()));
    assert_eq!(listed(&select(Some(0), None, None)), (SECOND.to_owned(), String::new()));
    assert_eq!(listed(&select(Some(1), Some(4), None)), (String::new(), String::new()));
    let too_large = Select { reason: Some("too_large".to_owned()), ..select(None, None, None) };
    assert_eq!(listed(&too_large), (THIRD.to_owned(), String::new()));
}

#[test]
fn a_backlog_is_worked_off_page_by_page() {
    let page = |after, limit| listed(&Select { after, ..select(None, None, Some(limit)) });
    assert_eq!(page(None, 1), (FIRST.to_owned(), "2 more; go on with --after 1:3\n".to_owned()));
    assert_eq!(page(Some((1, 3)), 1), (SECOND.to_owned(), "1 more; go on with --after 0:7\n".to_owned()));
    assert_eq!(page(Some((0, 7)), 9), (THIRD.to_owned(), String::new()));
    assert_eq!(page(Some((1, 9)), 9), (String::new(), String::new()));
    let nowhere = Select { after: Some((0, 8)), ..select(None, None, None) };
    let error = list(&log(), "dead", &nowhere, &mut Vec::new(), &mut Vec::new()).expect_err("no such letter");
    assert_eq!(error, Failure::usage("--after 0:8: no such dead letter of raw in dead"));
}

#[test]
fn a_letter_opens_whichever_keyset_sealed_it() {
    for (partition, offset) in [(1, 3), (0, 7)] {
        let mut output = Vec::new();
        let select = select(Some(partition), Some(offset), None);
        assert_eq!(open(&log(), "dead", &select, opener(), &mut output), Ok(Outcome::Done));
        let shown: Value = serde_json::from_slice(&output).expect("is JSON");
        let value = text(record(offset).value.expect("it has one"));
        assert_eq!(
            shown,
            json!({"topic": "raw", "partition": partition, "offset": offset, "reason": "json_syntax", "policy": 4,
                   "key": {"base64": "/w=="}, "headers": [["h", "v"], ["h", null]], "value": value})
        );
    }
}

#[test]
fn what_does_not_open_is_told_without_content() {
    let mut output = Vec::new();
    let short = select(Some(1), Some(9), None);
    let error = open(&log(), "dead", &short, opener(), &mut output).expect_err("it keeps no payload");
    let line = "raw[1]@9: the dead letter is a short one: read the record at its coordinates in the raw topic";
    assert_eq!(error, Failure::failed(line));
    let other = Opener::new(&Keyring::new(Some(Arc::new(Keyset::generate(&[9; 64], 1))), BTreeMap::new()), "g");
    let error = open(&log(), "dead", &select(Some(1), Some(3), None), other, &mut output).expect_err("another key");
    assert_eq!(error, Failure::failed("raw[1]@3: does not open: altered, or sealed for something else"));
    let error = open(&log(), "dead", &select(Some(1), Some(4), None), opener(), &mut output).expect_err("none");
    assert_eq!(error, Failure::failed("no such dead letter of raw in dead; see sivcar dead-letters list"));
    assert!(output.is_empty());
}

#[test]
fn replay_writes_each_to_its_partition_and_tells_what_it_did() {
    let log = log();
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let outcome = replay(&log, "dead", &select(None, None, Some(10)), opener(), &mut output, &mut errors);
    assert_eq!(outcome, Ok(Outcome::Rejected), "the short letter cannot be replayed");
    assert_eq!(text(output), "raw[1]@3 -> raw[1]\nraw[0]@7 -> raw[0]\n2 replayed; each is read and protected anew\n");
    assert_eq!(
        text(errors),
        "raw[1]@9: the dead letter is a short one: read the record at its coordinates in the raw topic\n"
    );
    let mut reader = log.reader("raw", None).expect("it exists");
    let mut batch = Vec::new();
    while reader.caught_up().expect("it exists").is_none() {
        reader.poll(WAIT, &mut batch).expect("it exists");
    }
    let mut written: Vec<(i32, Record)> =
        batch.into_iter().map(|fetched| (fetched.partition.number, fetched.record)).collect();
    written.sort_by_key(|(number, _)| *number);
    assert_eq!(written.len(), 2);
    for ((number, found), (expected, offset)) in written.iter().zip([(0, 7), (1, 3)]) {
        assert_eq!((*number, &found.key, &found.value), (expected, &record(offset).key, &record(offset).value));
        assert!(found.headers == record(offset).headers);
    }
}

#[test]
fn nothing_to_replay_is_an_error() {
    let log = MemoryLog::new("g");
    let one = select(Some(0), Some(1), None);
    let error = replay(&log, "dead", &one, opener(), &mut Vec::new(), &mut Vec::new()).expect_err("no such topic");
    assert_eq!(error, Failure::usage("dead-letter topic dead does not exist; nothing was rejected yet"));
}
