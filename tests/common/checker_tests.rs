//! The checker fails on what it is there for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sivcar::config::{Config, Surroundings};
use sivcar::privacy::control::{ControlKey, ControlRecord, ControlValue, Incarnation};
use sivcar::privacy::dead_letter::{self, Envelope, Extent};
use sivcar::privacy::error::Reason;
use sivcar::privacy::keyset::{Keyring, Keyset};
use sivcar::privacy::protect::Outputs;
use sivcar::privacy::seal::Sealer;
use sivcar::record::{Coordinates, Header, Partition, Record};
use sivcar::stream::log::Fetched;

use super::checker::{Checker, Dump, Report, Run, Topics};

const CONFIG: &str = r#"
group = "g"
[keys]
file = "keyset.json"
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
[[mark]]
workspace = "acme"
on = "parameter"
name = "note"
"#;

/// The offset of the record that is no JSON.
const BROKEN: i64 = 3;

fn checker() -> (Checker, Vec<ControlRecord>) {
    let surroundings =
        Surroundings { name: "test", folder: std::path::Path::new("/"), environment: &|_| None, host: "host" };
    let config = Config::parse(CONFIG, &surroundings).expect("a configuration");
    let keyring = Keyring::new(Some(Arc::new(Keyset::generate(&[7; 64], 1))), BTreeMap::new());
    let canaries = vec!["Kanarienvogel".to_owned()];
    let checker = Checker { settings: config.settings, keyring: Arc::new(keyring), unread: BTreeMap::new(), canaries };
    let incarnation = ControlValue::Incarnation(Incarnation { nonce: "n".into() });
    let first = ControlRecord { key: ControlKey::Incarnation, value: Some(incarnation) };
    (checker, std::iter::once(first).chain(config.wished).collect())
}

fn put(topics: &mut Topics, topic: &str, number: i32, record: Record) {
    let records = topics.entry(topic.to_owned()).or_default();
    let offset = records.iter().filter(|fetched| fetched.partition.number == number).count() as i64;
    records.push(Fetched { partition: Partition::new(topic, number), offset, record });
}

/// Two partitions of six inputs each, their outputs made under versions 2 and then 3.
fn sound() -> (Checker, Dump) {
    let (checker, control) = checker();
    let mut topics = Topics::new();
    for ControlRecord { key, value } in control {
        let record = Record { key: Some(key.encode()), value: value.map(|value| value.encode()), ..Record::default() };
        put(&mut topics, "g.control", 0, record);
    }
    for (number, offset) in (0..2).flat_map(|number| (0..6).map(move |offset| (number, offset))) {
        let value = match offset {
            BROKEN => format!("{{\"workspace\":\"acme\",\"x\":\"Kanarienvogel-{number}\""),
            _ => format!(
                r#"{{"workspace":"acme","params":{{"email":"Kanarienvogel-{offset}@example.com","note":"n","n":{offset}}}}}"#
            ),
        };
        let record = Record { value: Some(value.into_bytes()), timestamp: Some(7), ..Record::default() };
        put(&mut topics, "raw", number, record);
    }
    let dump = Dump { committed: topics.clone(), uncommitted: topics };
    let outputs = outputs(&checker, &dump);
    let committed: Topics = dump.committed.into_iter().chain(outputs).collect();
    (checker, Dump { uncommitted: committed.clone(), committed })
}

fn outputs(checker: &Checker, dump: &Dump) -> Topics {
    let mut run = Run::new(checker, dump);
    let mut topics = Topics::new();
    for input in run.topic("raw") {
        let (number, offset) = (input.partition.number, input.offset);
        let version = if offset < 2 { 2 } else { 3 };
        if offset == BROKEN {
            let at = Coordinates { partition: input.partition.clone(), offset };
            let mut sealer = Sealer::new(checker.keyring.default_keyset().expect("a keyset"));
            let envelope = Envelope::new(at, Reason::JsonSyntax, version);
            let letter = dead_letter::build(Some(&mut sealer), "g", &envelope, &input.record, Extent::Whole);
            put(&mut topics, "dead", 0, letter);
            continue;
        }
        let mut made = Outputs::default();
        run.protector(version).expect("a policy").protect(0, &input.record, &mut made).expect("is sound");
        put(&mut topics, "protected", number, made.protected);
        put(&mut topics, "debug", number, made.views.remove(0).1);
    }
    topics
}

/// Asserts what the checker says after `spoil`.
#[track_caller]
fn fails(expected: &str, spoil: impl FnOnce(&mut Topics)) {
    let (checker, mut dump) = sound();
    spoil(&mut dump.committed);
    dump.uncommitted = dump.committed.clone();
    assert_eq!(checker.check(&dump, &[]), Err(expected.to_owned()));
}

fn topic<'a>(topics: &'a mut Topics, name: &str) -> &'a mut Vec<Fetched> {
    topics.get_mut(name).expect("is there")
}

#[test]
fn a_sound_dump_is_counted() {
    let (checker, dump) = sound();
    let places = (0..2).flat_map(|number| (0..6).map(move |offset| (number, offset)));
    let places =
        places.map(|(number, offset)| (Coordinates { partition: Partition::new("raw", number), offset }, offset));
    let expected = Report {
        inputs: 12,
        protected: 10,
        views: 10,
        rejected: BTreeMap::from([("json_syntax".to_owned(), 2)]),
        versions: BTreeSet::from([2, 3]),
        made_under: places.map(|(at, offset)| (at, if offset < 2 { 2 } else { 3 })).collect(),
        aborted: 0,
        ..Report::default()
    };
    assert_eq!(checker.check(&dump, &[("log".to_owned(), b"all is well".to_vec())]), Ok(expected));
}

#[test]
fn a_duplicate_a_gap_and_a_swap_are_told() {
    let differs = "raw[0]@1: protected[0]@0 is not what policy 2 makes of it";
    fails(differs, |topics| {
        let first = topic(topics, "protected")[0].clone();
        topic(topics, "protected").insert(1, first);
    });
    fails("raw[0]@0: protected[0]@1 is not what policy 2 makes of it", |topics| {
        topic(topics, "protected").swap(0, 1);
    });
    fails("raw[0]@2: protected[0]@3 is not what policy 3 makes of it", |topics| {
        topic(topics, "protected").remove(2);
    });
    fails("raw[1]@5: no output in debug", |topics| drop(topic(topics, "debug").pop()));
    fails("protected[1]@4: an output of no input", |topics| {
        let last = topic(topics, "protected").last().expect("some").clone();
        topic(topics, "protected").push(last);
    });
    fails("debug[0]@4: an output of no input", |topics| {
        let last = topic(topics, "debug").iter().rfind(|fetched| fetched.partition.number == 0).expect("some").clone();
        topic(topics, "debug").push(last);
    });
}

#[test]
fn another_byte_key_header_or_time_is_told() {
    let differs = "raw[0]@0: protected[0]@0 is not what policy 2 makes of it";
    let edits: [fn(&mut Record); 4] = [
        |record| record.value.as_mut().expect("a value").push(b' '),
        |record| record.key = Some(Vec::new()),
        |record| record.headers.push(Header { name: "more".into(), value: None }),
        |record| record.timestamp = None,
    ];
    for edit in edits {
        fails(differs, |topics| edit(&mut topic(topics, "protected")[0].record));
    }
    fails("raw[0]@0: its output names no policy", |topics| topic(topics, "protected")[0].record.headers.clear());
}

#[test]
fn a_falling_version_is_told_although_the_output_is_its_own() {
    let (checker, mut dump) = sound();
    let mut run = Run::new(&checker, &dump);
    let mut made = Outputs::default();
    let last = dump.committed["raw"].iter().position(|input| input.offset == 5).expect("is there");
    run.protector(2).expect("a policy").protect(0, &dump.committed["raw"][last].record, &mut made).expect("is sound");
    let place = dump.committed["protected"].iter().rposition(|output| output.partition.number == 0).expect("is there");
    topic(&mut dump.committed, "protected")[place].record = made.protected;
    topic(&mut dump.committed, "debug")[place].record = made.views.remove(0).1;
    dump.uncommitted = dump.committed.clone();
    assert_eq!(checker.check(&dump, &[]), Err("raw[0]@5: its policy is 2, and 3 before it".to_owned()));
}

#[test]
fn dead_letters_are_one_each_with_the_right_reason_and_their_own_record() {
    fails("raw[0]@3: two dead letters", |topics| {
        let first = topic(topics, "dead")[0].clone();
        topic(topics, "dead").push(first);
    });
    fails("raw[0]@3: no output in protected", |topics| {
        topic(topics, "dead").remove(0);
        topic(topics, "protected").retain(|output| output.offset < 3);
        topic(topics, "debug").retain(|output| output.offset < 3);
    });
    let set = |record: &mut Record, name: &str, value: &str| {
        let header = record.headers.iter_mut().find(|header| header.name == name).expect("is there");
        header.value = Some(value.as_bytes().to_vec());
    };
    fails("raw[0]@3: was refused for too_deep", |topics| {
        set(&mut topic(topics, "dead")[0].record, dead_letter::REASON, "too_deep");
    });
    fails("raw[7]@3: a dead letter of no input", |topics| {
        let mut more = topic(topics, "dead")[0].clone();
        set(&mut more.record, dead_letter::PARTITION, "7");
        topic(topics, "dead").push(more);
    });
    fails("raw[0]@3: its dead letter does not open to it", |topics| {
        *topic(topics, "dead")[0].record.value.as_mut().expect("a value").last_mut().expect("bytes") ^= 1;
    });
    fails("raw[0]@3: its dead letter keeps what it must not, or nothing", |topics| {
        topic(topics, "dead")[0].record.value = None;
    });
}

#[test]
fn a_value_in_clear_is_told_wherever_it_stands() {
    let (checker, sound) = sound();
    for name in ["protected", "debug", "dead", "g.control", "another"] {
        let mut dump = sound.clone();
        // of an aborted transaction: committed readers do not see it
        let record = Record { key: Some(b"4b616e617269656e766f67656c".to_vec()), ..Record::default() };
        put(&mut dump.uncommitted, name, 5, record);
        let told = checker.check(&dump, &[]).expect_err("a value in clear");
        assert!(told.starts_with(&format!("{name}[5]@0: ")) && told.ends_with("in clear"), "{told}");
    }
    let mut dump = sound.clone();
    let header = Header { name: "x".into(), value: Some(b"KANARIENVOGEL".to_vec()) };
    put(&mut dump.uncommitted, "debug", 0, Record { headers: vec![header], ..Record::default() });
    assert!(checker.check(&dump, &[]).is_err());
    let log = ("log".to_owned(), b"{\"detail\":\"kanarienvogel-1\"}".to_vec());
    let told = checker.check(&sound, &[log]).expect_err("a value in clear");
    assert!(told.starts_with("log: "), "{told}");
}

#[test]
fn aborted_records_are_counted_and_unread_inputs_have_no_output() {
    let (mut checker, mut dump) = sound();
    put(&mut dump.uncommitted, "protected", 0, Record::default());
    assert_eq!(checker.check(&dump, &[]).map(|report| report.aborted), Ok(1));
    checker.unread.insert(Partition::new("raw", 1), 5);
    assert_eq!(checker.check(&dump, &[]), Err("debug[1]@4: an output of no input".to_owned()));
}
