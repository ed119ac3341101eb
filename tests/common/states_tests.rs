//! The checker fails on a changelog that is not what the records of its profiles come to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use sivcar::config::{Config, Surroundings};
use sivcar::privacy::control::{ControlKey, ControlValue, Incarnation};
use sivcar::privacy::keyset::{Keyring, Keyset};
use sivcar::privacy::protect::Outputs;
use sivcar::privacy::seal::{Associated, Sealer, token};
use sivcar::profile::{Profile, State};
use sivcar::record::{Partition, Record};
use sivcar::stream::log::Fetched;

use super::checker::{Checker, Dump, Run, Topics};

const CONFIG: &str = r#"
group = "g"
[keys]
file = "keyset.json"
[[source]]
topic = "users"
kind = "profile"
workspace = "acme"
protected = "protected"
dead-letters = "dead"
"#;

const CHANGELOG: &str = "g.users.changelog";

/// Key and value of each record, in order: `a` is patched, `b` is deleted, `c` stays.
const RECORDS: [(&str, Option<&str>); 5] = [
    ("a", Some(r#"{"id":1,"attributes":{"x":1}}"#)),
    ("b", Some(r#"{"id":2}"#)),
    ("a", Some(r#"{"id":1,"attributes":{"y":2}}"#)),
    ("b", None),
    ("c", Some(r#"{"id":3}"#)),
];

fn checker() -> Checker {
    let surroundings = Surroundings { name: "test", folder: Path::new("/"), environment: &|_| None, host: "host" };
    let settings = Config::parse(CONFIG, &surroundings).expect("a configuration").settings;
    let keyring = Arc::new(Keyring::new(Some(Arc::new(Keyset::generate(&[7; 64], 1))), BTreeMap::new()));
    Checker { settings, keyring, unread: BTreeMap::new(), canaries: Vec::new() }
}

fn put(topics: &mut Topics, topic: &str, key: Vec<u8>, value: Option<Vec<u8>>) {
    let records = topics.entry(topic.to_owned()).or_default();
    let record = Record { key: Some(key), value, ..Record::default() };
    records.push(Fetched { partition: Partition::new(topic, 0), offset: records.len() as i64, record });
}

/// Appends an entry of the changelog.
fn entry(checker: &Checker, topics: &mut Topics, key: &str, state: Option<(i64, &str, &str)>) {
    let mut sealer = Sealer::new(checker.keyring.default_keyset().expect("a keyset"));
    let mut seal = |associated: Associated<'_>, plaintext: &[u8]| {
        let (mut text, mut sealed) = (Vec::new(), Vec::new());
        associated.write(&mut text);
        sealer.seal(&text, plaintext, &mut sealed);
        sealed
    };
    let (group, topic) = ("g", "users");
    let mut text = Vec::new();
    token(&seal(Associated::StateKey { group, topic }, key.as_bytes()), &mut text);
    let state = state.map(|(offset, id, document)| {
        let profile = Profile { workspace: "acme".into(), id: id.into(), document: document.into() };
        let bytes = State { offset, settled: 1, keyed: false, profile }.encode();
        let key = std::str::from_utf8(&text).expect("a token");
        seal(Associated::State { group, topic, key }, bytes.expose())
    });
    put(topics, CHANGELOG, text, state);
}

/// The inputs, their outputs, and a changelog that holds the state of `a` as it is given.
fn topics(checker: &Checker, a: Option<(i64, &str, &str)>) -> Topics {
    let mut topics = Topics::new();
    let nonce = ControlValue::Incarnation(Incarnation { nonce: "n".into() });
    put(&mut topics, "g.control", ControlKey::Incarnation.encode(), Some(nonce.encode()));
    for (key, value) in RECORDS {
        put(&mut topics, "users", key.into(), value.map(Into::into));
    }
    let dump = Dump { committed: topics.clone(), uncommitted: Topics::new() };
    let mut run = Run::new(checker, &dump);
    let protected = run.topic("users").iter().map(|input| {
        let mut made = Outputs::default();
        run.protector(1).expect("a policy").protect(0, &input.record, &mut made).expect("is sound");
        Fetched { record: made.protected, ..input.clone() }
    });
    topics.insert("protected".to_owned(), protected.collect());
    entry(checker, &mut topics, "b", Some((1, "2", r#"{"id":2}"#)));
    entry(checker, &mut topics, "a", a);
    entry(checker, &mut topics, "b", None);
    entry(checker, &mut topics, "c", Some((4, "3", r#"{"id":3}"#)));
    topics
}

const RIGHT: (i64, &str, &str) = (2, "1", r#"{"id":1,"attributes":{"x":1,"y":2}}"#);

#[track_caller]
fn finds(expected: Result<u64, &str>, a: Option<(i64, &str, &str)>, spoil: impl FnOnce(&mut Vec<Fetched>)) {
    let checker = checker();
    let mut committed = topics(&checker, a);
    put(&mut committed, CHANGELOG, b"settled-through".to_vec(), Some(vec![0]));
    spoil(committed.get_mut(CHANGELOG).expect("is there"));
    let report = checker.check(&Dump { uncommitted: committed.clone(), committed }, &[]);
    assert_eq!(report.map(|report| report.profiles), expected.map_err(str::to_owned));
}

#[test]
fn a_changelog_is_what_the_records_come_to() {
    finds(Ok(2), Some(RIGHT), |_| {});
    let differs = "g.users.changelog[0]@1: not the state that its records come to, the last of them at 2";
    finds(Err(differs), Some((0, "1", r#"{"id":1,"attributes":{"x":1}}"#)), |_| {});
    finds(Err(differs), Some((2, "1", r#"{"id":1,"attributes":{"y":2}}"#)), |_| {});
    finds(Err("the changelog of users: 1 states of 2"), None, |_| {});
    finds(Err("g.users.changelog[0]@0: the state of a profile that is none"), Some(RIGHT), |log| drop(log.remove(2)));
    finds(Err("g.users.changelog[0]@1: does not open to a state"), Some(RIGHT), |log| {
        log[1].record.value = log[3].record.value.clone();
    });
}
