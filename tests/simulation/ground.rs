//! What a world stands on: its configuration, its keys, its documents.
//!
//! Personal values of workspace `vault`, whose attribute and parameter `email` are marked from the beginning to the end, all end in
//! [`VAULT`] and stand in clear nowhere but in raw topics; those of `acme`, whose marks and stage come and go, end in [`ACME`] and
//! stand in clear in none of [`SEALED`].

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use sivcar::config::{Config, Surroundings};
use sivcar::privacy::control::{ControlKey, ControlRecord, ControlValue, Incarnation, Pin};
use sivcar::privacy::keyset::{Keyring, Keyset};
use sivcar::privacy::mark::{Mark, MarkKey, On};
use sivcar::privacy::settings::{Fold, Settings};
use sivcar::record::Record;

use crate::faulty::REFUSED;
use crate::schedule::{Event, Patch};

pub const VAULT: &str = "@vault.example";
pub const ACME: &str = "@acme.example";
/// Topics in which nothing of a document stands in clear.
pub const SEALED: [&str; 4] = ["dead", "g.control", "g.status", "g.users.changelog"];

/// The raw topics and how many partitions they have.
pub const RAW: [(&str, i32); 2] = [("events", 3), ("users", 2)];

const CONFIG: &str = r#"
group = "g"
[keys]
file = "keyset.json"
[[source]]
topic = "events"
kind = "event"
protected = "protected.events"
dead-letters = "dead"
[[source]]
topic = "users"
kind = "profile"
protected = "protected.users"
dead-letters = "dead"
events = "events"
[[view]]
name = "debug"
topics = { events = "debug.events", users = "debug.users" }
"#;

pub fn settings(fold: Fold) -> Settings {
    static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
        let surroundings =
            Surroundings { name: "simulation", folder: Path::new("/"), environment: &|_| None, host: "host" };
        Config::parse(CONFIG, &surroundings).expect("a configuration").settings
    });
    let mut settings = SETTINGS.clone();
    settings.sources[1].state = Some(fold);
    settings
}

/// Two keys, of which the first is the primary.
pub fn keyring() -> Arc<Keyring> {
    let mut keyset = Keyset::generate(&[7; 64], 1);
    keyset.add(&[8; 64], 2).expect("another key");
    Arc::new(Keyring::new(Some(Arc::new(keyset)), BTreeMap::new()))
}

/// What stands in the control topic from the beginning.
pub fn first_records() -> Vec<ControlRecord> {
    let nonce = ControlValue::Incarnation(Incarnation { nonce: "nonce".into() });
    let pin = |topic: &str| ControlRecord::pin(Pin { topic: topic.to_owned(), workspace: None }, 1, &[]);
    let mark = |on| ControlRecord {
        key: ControlKey::Mark(MarkKey { workspace: "vault".into(), on, name: "email".into(), event: None }),
        value: Some(ControlValue::Mark(Mark::default())),
    };
    vec![
        ControlRecord { key: ControlKey::Incarnation, value: Some(nonce) },
        pin("g.users.changelog"),
        pin("debug.events"),
        pin("debug.users"),
        mark(On::Attribute),
        mark(On::Parameter),
    ]
}

fn workspace(number: usize) -> (&'static str, &'static str) {
    if number.is_multiple_of(4) { ("vault", VAULT) } else { ("acme", ACME) }
}

/// Milliseconds since the epoch, now forth, now back.
fn timestamp(number: usize) -> Option<i64> {
    Some((number as i64 * 7919) % 1000 * 1000)
}

fn record(key: Option<String>, value: Option<String>, number: usize) -> Record {
    let (key, value) = (key.map(String::into_bytes), value.map(String::into_bytes));
    Record { key, value, headers: Vec::new(), timestamp: timestamp(number) }
}

/// The raw event with this number.
pub fn event(number: usize, kind: Event) -> Record {
    let (workspace, domain) = workspace(number);
    let more = match kind {
        Event::Long => format!(",\"long\":\"{}\"", "x".repeat(1500)),
        Event::Refused => format!(",\"text\":\"{REFUSED}\""),
        _ => String::new(),
    };
    let end = if matches!(kind, Event::Broken) { "" } else { "}" };
    let value = format!(
        r#"{{"workspace":"{workspace}","action":"a","n":{number},"params":{{"email":"p{number}{domain}","note":{number}{more}}}{end}"#
    );
    record(Some(number.to_string()), (!matches!(kind, Event::Null)).then_some(value), number)
}

/// The profile's record with this number.
pub fn profile(number: usize, id: u8, patch: Patch) -> Record {
    let (workspace, domain) = workspace(id.into());
    let attributes = match patch {
        Patch::Email => format!(r#""email":"a{number}{domain}""#),
        Patch::Phone => format!(r#""phone":{number},"email":"b{number}{domain}""#),
        Patch::NoEmail => r#""email":null"#.to_owned(),
        Patch::Refused => format!(r#""other":"{REFUSED}""#),
        _ => format!(r#""other":{number}"#),
    };
    let whose = if matches!(patch, Patch::Stranger) { id + 100 } else { id };
    let value = format!(r#"{{"workspace":"{workspace}","id":{whose},"attributes":{{{attributes}}}}}"#);
    let key = (!matches!(patch, Patch::Keyless)).then(|| id.to_string());
    record(key, (!matches!(patch, Patch::Deleted)).then_some(value), number)
}
