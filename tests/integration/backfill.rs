//! Real profiles on a real broker: marks bring exactly one event for each profile that holds the attribute, tink-py opens each, and
//! compaction leaves nothing in clear.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};
use sivcar::record::Record;
use sivcar::stream::log::Log as _;

use crate::dump;
use crate::patience::eventually;
use crate::site::Site;
use crate::workshop::{self, ask};

const CONFIG: &str = r#"
[[layout]]
name = "users"
id = "id"
attributes = ["$"]
[[source]]
topic = "raw.events"
kind = "event"
protected = "protected.events"
dead-letters = "dead"
[[source]]
topic = "raw.users"
kind = "profile"
layout = "users"
workspace = "acme"
state = "replace"
protected = "protected.users"
dead-letters = "dead"
events = "raw.events"
[[source]]
topic = "raw.calls"
kind = "event"
layout = "segment"
workspace = "calls"
state = "merge"
protected = "protected.calls"
dead-letters = "dead"
[[view]]
name = "debug"
unlisted = "show"
topics = { "raw.events" = "debug.events", "raw.users" = "debug.users" }
"#;

const PARTITIONS: usize = 3;

/// Compacts whatever is not in the newest segment, and begins a new segment with nearly every batch.
const EAGER: [(&str, &str); 5] = [
    ("cleanup.policy", "compact"),
    ("min.cleanable.dirty.ratio", "0.001"),
    ("max.compaction.lag.ms", "100"),
    ("segment.ms", "100"),
    ("max.message.bytes", "2000000"),
];

/// The profiles' documents by their id.
fn profiles() -> BTreeMap<String, String> {
    let data = std::env::var("SIVCAR_DATA").expect("SIVCAR_DATA names the folder of the shared data");
    let output = Command::new("gzip").args(["-dc", &format!("{data}/profiles.ndjson.gz")]).output().expect("gzip runs");
    assert!(output.status.success(), "gzip: {}", output.status);
    let text = String::from_utf8(output.stdout).expect("is text");
    let by_id = |line: &str| {
        let profile: Value = serde_json::from_str(line).expect("is JSON");
        (profile["id"].as_str().expect("an id").to_owned(), line.to_owned())
    };
    text.lines().map(by_id).collect()
}

fn record(id: &str, document: &str) -> (i32, Record) {
    let number = id.bytes().map(usize::from).sum::<usize>() % PARTITIONS;
    (number as i32, Record { key: Some(id.into()), value: Some(document.into()), ..Record::default() })
}

/// Marks, and waits until every profile that holds it is told of.
fn mark(site: &Site, arguments: &str) {
    let (code, output, errors) =
        site.run(&format!("mark --config a.toml --workspace acme --wait backfilled --timeout 60 {arguments}"));
    assert_eq!((code, errors.as_str()), (0, ""), "{output}");
}

/// The synthetic events by since: for each profile the attributes as sealed.
fn events(site: &Site) -> BTreeMap<u64, BTreeMap<String, Value>> {
    let mut events: BTreeMap<u64, BTreeMap<String, Value>> = BTreeMap::new();
    for fetched in dump::committed(&site.broker.bootstrap, "protected.events") {
        let header = fetched.record.headers.iter().find(|header| header.name == "sivcar-synthetic").expect("no input");
        let since = String::from_utf8_lossy(header.value.as_ref().expect("a version")).parse().expect("a number");
        let id = String::from_utf8(fetched.record.key.expect("a key")).expect("is text");
        let event: Value = serde_json::from_slice(&fetched.record.value.expect("a value")).expect("is JSON");
        assert_eq!((&event["action"], &event["client"]["id"]), (&json!("profile.updated"), &json!(id)));
        let twin = events.entry(since).or_default().insert(id, event["params"]["attributes"].clone());
        assert_eq!(twin, None, "one event each");
    }
    events
}

/// What Tink opens the tokens to, as JSON values.
fn opened(site: &Site, tokens: &[String], domain: &str) -> Option<Vec<Value>> {
    let workshop = workshop::python()?;
    let question =
        |token: &String| json!({"token": token, "workspace": "acme", "domain": domain, "pad": 0}).to_string();
    let asked: Vec<String> = tokens.iter().map(question).collect();
    let answers = ask(workshop.helper(&site.path("keyset.json"), "open"), &asked);
    Some(answers.iter().map(|answer| serde_json::from_str(answer).expect("is JSON")).collect())
}

/// Real calls, a third of which identify somebody: these are folded, and told of as profiles are.
fn calls(site: &Site) {
    let data = std::env::var("SIVCAR_DATA").expect("SIVCAR_DATA names the folder of the shared data");
    let text = std::fs::read_to_string(format!("{data}/segment-events.ndjson")).expect("can be read");
    let (mut people, mut records) = (BTreeMap::<String, Value>::new(), Vec::new());
    for line in text.lines() {
        let call: Value = serde_json::from_str(line).expect("is JSON");
        let Some(id) = call["userId"].as_str() else { continue };
        records.push(record(id, line));
        // `properties` must be an object: four calls are dead letters
        let refused = !call["properties"].is_object() && !call["properties"].is_null();
        let name = if call["event"].is_null() { &call["type"] } else { &call["event"] };
        if name == "identify" && !refused {
            merge(people.entry(id.to_owned()).or_default(), &call);
        }
    }
    let fed = records.len();
    site.feed("raw.calls", records);
    site.catch_up();
    assert_eq!(dump::committed(&site.broker.bootstrap, "protected.calls").len(), fed - 4);
    let mark = "mark --config a.toml --workspace calls --wait backfilled --timeout 60 --on attribute --name email";
    let (code, output, errors) = site.run(mark);
    assert_eq!((code, errors.as_str()), (0, ""), "{output}");
    let holds =
        |person: &Value| [&person["traits"], &person["context"]["traits"]].map(|traits| traits["email"].is_string());
    let holders: Vec<&String> =
        people.iter().filter(|(_, person)| holds(person).contains(&true)).map(|(id, _)| id).collect();
    let mut told = Vec::new();
    for fetched in dump::committed(&site.broker.bootstrap, "protected.calls") {
        if !fetched.record.headers.iter().any(|header| header.name == "sivcar-synthetic") {
            continue;
        }
        let event: Value = serde_json::from_slice(&fetched.record.value.expect("a value")).expect("is JSON");
        assert_eq!((&event["type"], &event["event"]), (&json!("track"), &json!("profile.updated")));
        told.push(event["userId"].as_str().expect("an id").to_owned());
    }
    told.sort();
    assert_eq!((fed, people.len(), holders.len()), (669, 67, 32));
    assert!(told.iter().eq(holders.iter().copied()), "{} events, {} hold it", told.len(), holders.len());
}

/// RFC 7396.
fn merge(document: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *document = patch.clone();
        return;
    };
    if !document.is_object() {
        *document = json!({});
    }
    for (name, value) in patch {
        if value.is_null() {
            document.as_object_mut().map(|members| members.remove(name));
        } else {
            merge(&mut document[name], value);
        }
    }
}

#[test]
fn marking_tells_exactly_the_holders_and_compaction_leaves_nothing_in_clear() {
    let profiles = profiles();
    assert_eq!(profiles.len(), 5_250);
    let site = Site::new("workers = 2", CONFIG);
    for topic in ["raw.events", "raw.users", "raw.calls"] {
        site.create(topic, PARTITIONS as i32);
    }
    site.kafka().create_topic("protected.users", PARTITIONS as i32, &EAGER).expect("can be made");
    site.feed("raw.users", profiles.iter().map(|(id, document)| record(id, document)));
    let sidecar = site.start("a").ready();
    site.catch_up();
    let clear = dump::committed(&site.broker.bootstrap, "protected.users");
    assert_eq!(clear.len(), 5_250);
    assert!(events(&site).is_empty());

    mark(&site, "--on attribute --name email");
    let told = events(&site);
    let (since, told) = told.first_key_value().expect("one version");
    assert!(told.keys().eq(profiles.keys()), "{} events", told.len());
    let tokens: Vec<String> = told.values().map(|event| event["email"].as_str().expect("a token").to_owned()).collect();
    let Some(opened_to) = opened(&site, &tokens, "email") else { return };
    for ((id, document), found) in profiles.iter().zip(opened_to) {
        let document: Value = serde_json::from_str(document).expect("is JSON");
        assert_eq!(found, document["email"], "{id}");
    }

    // some have no address any more; who has one is told of all its parts
    let moved: Vec<&String> = profiles.keys().step_by(70).collect();
    let without = |id: &&String| record(id, &format!(r#"{{"id":"{id}","email":"{id}@example.com"}}"#));
    site.feed("raw.users", moved.iter().map(without));
    site.catch_up();
    mark(&site, "--on attribute --name addresses.zipcode");
    mark(&site, "--on parameter --name code");
    mark(&site, "--on attribute --name nickname");
    let (code, status, errors) = site.run("status --config a.toml");
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(status.contains("in force on 9 of 9 tasks; 4 marks"), "{status}");
    let all: Vec<&str> = status.lines().last().expect("a total").split_whitespace().collect();
    assert_eq!(all, ["all", "5250"], "{status}");
    let told = events(&site);
    assert_eq!(told.len(), 2, "nobody has a nickname, and events are not retroactive");
    let (last, told) = told.last_key_value().expect("two versions");
    assert!(last > since);
    let holders: Vec<&String> = profiles.keys().filter(|id| !moved.contains(id)).collect();
    assert!(told.keys().eq(holders.iter().copied()), "{} events, {} hold it", told.len(), holders.len());
    let first = &told[holders[0]]["addresses.zipcode"];
    let tokens: Vec<String> =
        first.as_array().expect("flat").iter().map(|token| token.as_str().expect("a token").to_owned()).collect();
    let document: Value = serde_json::from_str(&profiles[holders[0]]).expect("is JSON");
    let codes: Vec<Value> =
        document["addresses"].as_array().expect("addresses").iter().map(|at| at["zipcode"].clone()).collect();
    assert_eq!(opened(&site, &tokens, "addresses.zipcode"), Some(codes));

    calls(&site);

    // a record now and then begins the segments that let the older ones be compacted
    let clear = |document: &[u8]| {
        let document: Value = serde_json::from_slice(document).expect("is JSON");
        document["email"].as_str().is_some_and(|mail| !mail.starts_with("siv:"))
    };
    eventually("compaction", || {
        site.feed(
            "raw.users",
            (0..PARTITIONS).map(|number| {
                let document = r#"{"id":"tick"}"#;
                (number as i32, Record { key: Some("tick".into()), value: Some(document.into()), ..Record::default() })
            }),
        );
        std::thread::sleep(std::time::Duration::from_millis(500));
        let left = dump::uncommitted(&site.broker.bootstrap, "protected.users");
        let left = left.iter().filter(|fetched| fetched.record.value.as_deref().is_some_and(clear));
        (left.count() == 0).then_some(())
    });
    sidecar.drain();
}
