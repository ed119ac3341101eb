//! Profiles as most scenarios have them: their source, their records, marks, and who was told of since when.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sivcar::privacy::seal::{Associated, Sealer, token};
use sivcar::record::Record;
use sivcar::stream::log::Fetched;

use crate::dump;
use crate::site::Site;

/// The sources `events` and `users`, in the default layouts.
pub const SOURCES: &str = r#"
[[source]]
topic = "events"
kind = "event"
protected = "protected.events"
dead-letters = "dead"
[[source]]
topic = "users"
kind = "profile"
workspace = "acme"
protected = "protected.users"
dead-letters = "dead"
events = "events"
"#;

/// How many partitions each of them has.
pub const PARTITIONS: u64 = 2;

/// Record keys by the version since which they were told of.
pub type Told = BTreeMap<u64, BTreeSet<Vec<u8>>>;

/// A site of these sources; `more` stands before them.
pub fn site(head: &str, more: &str) -> Site {
    let site = Site::new(head, &format!("{more}{SOURCES}"));
    for topic in ["events", "users"] {
        site.create(topic, PARTITIONS as i32);
    }
    site
}

/// The record key of a profile.
pub fn key(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// A record of a profile, in its partition.
pub fn user(number: u64, attributes: &str) -> (i32, Record) {
    let value = format!(r#"{{"id":{number},"attributes":{attributes}}}"#);
    let record = Record { key: Some(key(number)), value: Some(value.into()), ..Record::default() };
    ((number % PARTITIONS) as i32, record)
}

/// The record that deletes a profile.
pub fn gone(number: u64) -> (i32, Record) {
    ((number % PARTITIONS) as i32, Record { key: Some(key(number)), ..Record::default() })
}

/// Runs a command of marks that must succeed; gives the policy version that it tells.
#[track_caller]
pub fn run(site: &Site, arguments: &str) -> u64 {
    let (code, output, errors) = site.run(arguments);
    assert_eq!((code, errors.as_str()), (0, ""), "{output}");
    output.trim().rsplit(' ').next().and_then(|version| version.parse().ok()).expect("a version")
}

/// Marks an attribute of `acme`; gives the policy version then, which is its since unless it was marked before.
#[track_caller]
pub fn mark(site: &Site, name: &str, more: &str) -> u64 {
    run(site, &format!("mark --config any.toml --workspace acme --on attribute --name {name} {more}"))
}

/// Withdraws that; gives the policy version then.
#[track_caller]
pub fn unmark(site: &Site, name: &str) -> u64 {
    run(site, &format!("unmark --config any.toml --workspace acme --on attribute --name {name}"))
}

/// What [`mark`] takes to return only when everybody is told of.
pub const BACKFILLED: &str = "--wait backfilled --timeout 100";

/// The since of each mark that holds, by its name.
#[track_caller]
pub fn sinces(site: &Site) -> BTreeMap<String, u64> {
    let (code, output, errors) = site.run("marks --config any.toml --json");
    assert_eq!((code, errors.as_str()), (0, ""));
    let marks: Vec<Value> = serde_json::from_str(&output).expect("is JSON");
    let since =
        |mark: &Value| (mark["name"].as_str().expect("a name").into(), mark["since"].as_u64().expect("a number"));
    marks.iter().map(since).collect()
}

/// Who was told of so far, once each.
#[track_caller]
pub fn told(site: &Site) -> Told {
    let mut told = Told::new();
    for (since, event) in synthetic(site, "protected.events") {
        let first = told.entry(since).or_default().insert(event.record.key.expect("a key"));
        assert!(first, "a second event since {since}");
    }
    told
}

/// Asserts that exactly these were told of.
#[track_caller]
pub fn assert_told(found: &Told, expected: &Told) {
    let nobody = BTreeSet::new();
    let sinces: BTreeSet<u64> = found.keys().chain(expected.keys()).copied().collect();
    let wrong = sinces.into_iter().filter_map(|since| {
        let [found, expected] = [found, expected].map(|told| told.get(&since).unwrap_or(&nobody));
        let some = |keys: Vec<&Vec<u8>>| {
            let some: Vec<_> = keys.iter().take(5).map(|key| String::from_utf8_lossy(key)).collect();
            format!("{} ({}…)", keys.len(), some.join(", "))
        };
        let (missing, more) = (expected.difference(found).collect(), found.difference(expected).collect());
        (found != expected).then(|| format!("since {since}: {} lack, {} are too many", some(missing), some(more)))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("; "));
}

/// Whose documents the walk wrote anew, by the policy version.
pub fn walked(site: &Site) -> Told {
    let mut walked = Told::new();
    for (version, document) in synthetic(site, "protected.users") {
        walked.entry(version).or_default().insert(document.record.key.expect("a key"));
    }
    walked
}

/// The committed records of a topic that have no input, with the number of their header.
pub fn synthetic(site: &Site, topic: &str) -> Vec<(u64, Fetched)> {
    let number = |fetched: &Fetched| {
        let header = fetched.record.headers.iter().find(|header| header.name == "sivcar-synthetic")?;
        std::str::from_utf8(header.value.as_deref()?).ok()?.parse().ok()
    };
    let all = dump::committed(&site.broker.bootstrap, topic);
    all.into_iter().filter_map(|fetched| Some((number(&fetched)?, fetched))).collect()
}

/// The token of a value of `acme` under the site's primary key.
pub fn sealed(site: &Site, domain: &str, value: &str) -> String {
    let (mut associated, mut bytes, mut text) = (Vec::new(), Vec::new(), Vec::new());
    Associated::Exact { workspace: "acme", domain }.write(&mut associated);
    let keyring = site.keyring();
    Sealer::new(keyring.of("acme").expect("a keyset")).seal(&associated, value.as_bytes(), &mut bytes);
    token(&bytes, &mut text);
    String::from_utf8(text).expect("is text")
}
