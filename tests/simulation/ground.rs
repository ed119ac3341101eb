//! What a world stands on: its configuration, its keys, its documents.
//!
//! Personal values of workspace `vault`, whose marks hold from the beginning to the end, all hold one of [`VAULT`] and stand in clear
//! nowhere but in raw topics: under marks (attribute, parameter, header, record key), as a copy of a marked parameter, and as what nobody
//! marked and detection finds. Those of `acme`, whose marks and stage come and go, end in [`ACME`] and stand in clear in none of [`SEALED`].

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use sivcar::config::{Config, Surroundings};
use sivcar::privacy::control::{ControlKey, ControlRecord, ControlValue, Incarnation, Pin};
use sivcar::privacy::keyset::{Keyring, Keyset};
use sivcar::privacy::mark::{Mark, MarkKey, On};
use sivcar::privacy::settings::{Detection, Fold, Settings};
use sivcar::record::{Header, Partition, Record};

use crate::faulty::REFUSED;
use crate::schedule::{Event, HEADER, KEY, PINNED, Patch};

pub const VAULT: [&str; 2] = ["@vault.example", "kanarek"];
pub const ACME: &str = "@acme.example";
/// Topics in which nothing of a document stands in clear.
pub const SEALED: [&str; 4] = ["dead", "g.control", "g.status", "g.users.changelog"];

/// The raw topics and how many partitions they have.
pub const RAW: [(&str, i32); 2] = [("events", 3), ("users", 2)];

/// Their partitions.
pub fn tasks() -> impl Iterator<Item = Partition> {
    RAW.into_iter().flat_map(|(topic, count)| (0..count).map(move |number| Partition::new(topic, number)))
}

/// What the outputs that are not as wide as others take, in bytes.
pub const LIMITED: [(&str, i32, &str); 2] = [("protected.events", RAW[0].1, "1400"), ("dead", 1, "1200")];

/// What all processes of a world are configured for, from the sources on; how profiles are folded stands in
/// place of `{fold}`, what becomes of what is detected in place of `{detection}`.
const SOURCES: &str = r#"
[[source]]
topic = "events"
kind = "event"
protected = "protected.events"
dead-letters = "dead"
derived-copies = true
detection = "{detection}"
[[source]]
topic = "users"
kind = "profile"
state = "{fold}"
protected = "protected.users"
dead-letters = "dead"
events = "events"
detection = "off"
[[view]]
name = "debug"
unlisted = "show"
topics = { events = "debug.events", users = "debug.users" }
[[view]]
name = "trusted"
clearance = 150
unlisted = "show"
topics = { users = "trusted.users" }
"#;

pub fn sources(fold: &str, detection: &str) -> String {
    SOURCES.replace("{fold}", fold).replace("{detection}", detection)
}

/// The settings of the world with this seed. To detect costs more than all else, so few do.
pub fn settings(seed: u64) -> Settings {
    static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
        let surroundings =
            Surroundings { name: "simulation", folder: Path::new("/"), environment: &|_| None, host: "host" };
        let text = format!("group = \"g\"\n[keys]\nfile = \"keyset.json\"\n{}", sources("merge", "off"));
        Config::parse(&text, &surroundings).expect("a configuration").settings
    });
    let mut settings = SETTINGS.clone();
    settings.sources[0].detection = if seed % 8 == 5 { Detection::Encrypt } else { Detection::Off };
    settings.sources[1].state = Some(if seed.is_multiple_of(3) { Fold::Replace } else { Fold::Merge });
    settings
}

/// Two keys, of which the first is the primary.
pub fn keyset() -> Keyset {
    let mut keyset = Keyset::generate(&[7; 64], 1);
    keyset.add(&[8; 64], 2).expect("another key");
    keyset
}

pub fn keyring() -> Arc<Keyring> {
    Arc::new(Keyring::new(Some(Arc::new(keyset())), BTreeMap::new()))
}

/// What stands in the control topic from the beginning.
pub fn first_records() -> Vec<ControlRecord> {
    let nonce = ControlValue::Incarnation(Incarnation { nonce: "nonce".into() });
    let pin = |topic: &&str| ControlRecord::pin(Pin { topic: (*topic).to_owned(), workspace: None }, 1, &[]);
    let incarnation = ControlRecord { key: ControlKey::Incarnation, value: Some(nonce) };
    let pins = PINNED.iter().chain(&["debug.events", "protected.events"]).map(pin);
    std::iter::once(incarnation).chain(pins).chain(lasting_marks()).collect()
}

/// The marks of `vault`.
pub fn lasting_marks() -> impl Iterator<Item = ControlRecord> {
    let named = [(On::Attribute, "email"), (On::Parameter, "email"), (On::Parameter, "nick")];
    named.into_iter().chain([(On::Header, HEADER), (On::Key, KEY)]).map(|(on, name)| ControlRecord {
        key: ControlKey::Mark(MarkKey { workspace: "vault".into(), on, name: name.into(), event: None }),
        value: Some(ControlValue::Mark(Mark::default())),
    })
}

fn workspace(number: usize) -> (&'static str, &'static str) {
    if number.is_multiple_of(4) { ("vault", VAULT[0]) } else { ("acme", ACME) }
}

/// The record key of an event or a profile: of `vault`'s a personal value too.
pub fn key(prefix: &str, number: usize) -> String {
    match workspace(number) {
        ("vault", domain) => format!("{prefix}{number}{domain}"),
        _ => number.to_string(),
    }
}

/// Milliseconds since the epoch, now forth, now back.
fn timestamp(number: usize) -> Option<i64> {
    Some((number as i64 * 7919) % 1000 * 1000)
}

fn record(key: Option<String>, value: Option<String>, header: String, number: usize) -> Record {
    let (key, value) = (key.map(String::into_bytes), value.map(String::into_bytes));
    let headers = vec![Header { name: HEADER.to_owned(), value: Some(header.into_bytes()) }];
    Record { key, value, headers, timestamp: timestamp(number) }
}

/// The raw event with this number. Its text holds its nick. Where personal data is detected it has a contact that nobody marks.
pub fn event(number: usize, kind: Event, detects: bool) -> Record {
    let (workspace, domain) = workspace(number);
    let nick = if workspace == "vault" { VAULT[1] } else { "wrobel" };
    let more = match kind {
        Event::Long => format!(",\"long\":\"{}\"", "x".repeat(1500)),
        Event::Refused => format!(",\"reply\":\"{REFUSED}\""),
        _ => String::new(),
    };
    let end = if matches!(kind, Event::Broken) { "" } else { "}" };
    let contact = if detects { format!("\"contact\":\"c{number}{domain}\",") } else { String::new() };
    let named = format!(r#"{contact}"email":"p{number}{domain}","nick":"{nick}{number}""#);
    let params = format!(r#"{{{named},"note":{number},"text":"to {}{number}, today"{more}}}"#, nick.to_uppercase());
    let value = format!(r#"{{"workspace":"{workspace}","action":"a","n":{number},"params":{params}{end}"#);
    let value = (!matches!(kind, Event::Null)).then_some(value);
    record(Some(key("e", number)), value, format!("h{number}{domain}"), number)
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
    let name = (!matches!(patch, Patch::Keyless)).then(|| key("k", id.into()));
    let value = (!matches!(patch, Patch::Deleted)).then_some(value);
    record(name, value, format!("h{number}{domain}"), number)
}
