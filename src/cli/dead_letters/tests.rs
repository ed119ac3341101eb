use super::*;
use crate::memory::MemoryLog;
use crate::privacy::dead_letter::Extent;
use crate::privacy::error::Reason;
use crate::privacy::keyset::Keyset;
use crate::record::{Coordinates, Header, Partition};
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

/// A log whose dead letters are those of raw[1]@3 and raw[0]@7 (acme's keyset), a short one of raw[1]@9, one of another topic,
/// and a record that is no letter.
fn log() -> MemoryLog {
    let log = MemoryLog::new("g");
    log.create_topic("raw", 2, &[]).expect("can be made");
    log.create_topic("dead", 1, &[]).expect("can be made");
    let mut producer = log.producer("test", usize::MAX).expect("can be made");
    producer.init().expect("is alone");
    producer.begin().expect("is alone");
    let letters = [
        ("raw", 1, 3, 0, Extent::Whole),
        ("raw", 0, 7, 1, Extent::Whole),
        ("other", 0, 7, 0, Extent::Whole),
        ("raw", 1, 9, 0, Extent::Short),
    ];
    let mut sealers = opener().sealers;
    for (topic, number, offset, keyset, extent) in letters {
        let at = Coordinates { partition: Partition::new(topic, number), offset };
        let envelope = Envelope::new(at, Reason::JsonSyntax, 4);
        let letter = dead_letter::build(Some(&mut sealers[keyset]), "g", &envelope, &record(offset), extent);
        producer.produce(Outgoing { topic: "dead".into(), partition: Some(0), record: letter }).expect("is taken");
    }
    producer.produce(Outgoing { topic: "dead".into(), partition: Some(0), record: record(0) }).expect("is taken");
    producer.drain().expect("is alone");
    producer.commit().expect("is alone");
    log
}

fn select(partition: Option<i32>, offset: Option<i64>, limit: Option<u64>) -> Select {
    Select { config: PathBuf::new(), topic: "raw".to_owned(), partition, offset, limit }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("is text")
}

#[test]
fn a_list_shows_coordinates_and_reason_and_no_content() {
    let listed = |select: &Select| {
        let mut output = Vec::new();
        assert_eq!(list(&log(), "dead", select, &mut output), Ok(Outcome::Done));
        text(output)
    };
    let all = "raw[1]@3  json_syntax  policy 4\nraw[0]@7  json_syntax  policy 4\nraw[1]@9  json_syntax  policy 4\n";
    assert_eq!(listed(&select(None, None, None)), all);
    assert_eq!(listed(&select(Some(0), None, None)), "raw[0]@7  json_syntax  policy 4\n");
    assert_eq!(listed(&select(None, None, Some(1))), "raw[1]@3  json_syntax  policy 4\n");
    assert_eq!(listed(&select(Some(1), Some(4), None)), "");
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
    let mut reader = log.reader("raw").expect("it exists");
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
