//! Scenarios 23 and 29: another key becomes the primary, and whatever is found by a sealed record key is found as before, in views, in
//! changelogs and, where record keys are marked, in protected topics; and an instance whose keyset is not the group's does not begin.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};
use sivcar::privacy::seal::{self, Associated, Sealer, parse_token};
use sivcar::record::Record;
use sivcar::stream::log::Fetched;

use crate::dump;
use crate::error_table::row;
use crate::patience::eventually;
use crate::profiles::{self, BACKFILLED, PARTITIONS, Told, assert_told, gone, key, mark, run, sealed, user};
use crate::sidecar::Sidecar;
use crate::site::Site;

/// A view, whose record keys are tokens, and a mark that has protected topics seal theirs.
const KEYED: &str = r#"
[[view]]
name = "debug"
unlisted = "show"
topics = { users = "debug.users" }
[[mark]]
workspace = "acme"
on = "key"
"#;

const PROFILES: u64 = 40;

const EVENTS: u64 = 10;

const CHANGELOG: &str = "g.users.changelog";

/// Of what is sealed under a pinned key, what is named first.
const PINNED: &str = "protected.events";

fn profile(number: u64) -> (i32, Record) {
    user(number, &format!("{{\"email\":\"email-{number}\",\"phone\":\"phone-{number}\"}}"))
}

fn event(number: u64) -> (i32, Record) {
    let value = format!(r#"{{"workspace":"acme","action":"buy","client":{{"email":"email-{number}"}}}}"#);
    ((number % PARTITIONS) as i32, Record { value: Some(value.into()), ..Record::default() })
}

fn read(site: &Site, file: &str) -> Value {
    serde_json::from_slice(&fs::read(site.path(file)).expect("it is there")).expect("is JSON")
}

fn primary(site: &Site, file: &str) -> u32 {
    read(site, file)["primaryKeyId"].as_u64().and_then(|id| id.try_into().ok()).expect("an id")
}

/// Makes a copy of a keyset file; only its owner may read it, too.
fn copy(site: &Site, from: &str, to: &str) {
    fs::copy(site.path(from), site.path(to)).expect("the folder can be written");
}

/// The id in what a key has sealed.
fn key_of(sealed: &[u8]) -> u32 {
    u32::from_be_bytes(sealed[1..5].try_into().expect("four bytes"))
}

/// The records of a topic whose keys are sealed, by their profile's record key.
fn by_profile(site: &Site, topic: &str, associated: &Associated<'_>) -> BTreeMap<Vec<u8>, Vec<Fetched>> {
    let mut text = Vec::new();
    associated.write(&mut text);
    let keyring = site.keyring();
    let mut sealer = Sealer::new(keyring.default_keyset().expect("there is one"));
    let mut found: BTreeMap<Vec<u8>, Vec<Fetched>> = BTreeMap::new();
    for fetched in dump::committed(&site.broker.bootstrap, topic) {
        let token = std::str::from_utf8(fetched.record.key.as_deref().expect("a key")).expect("is text");
        // a changelog has a word of its own beside them
        let Some(sealed) = parse_token(token) else { continue };
        found.entry(sealer.open(&text, &sealed).expect("it opens")).or_default().push(fetched);
    }
    found
}

/// Asserts that the records of each profile have one key, sealed under `pinned`, and that of those in `gone` a null is the last.
fn assert_keys(of: &BTreeMap<Vec<u8>, Vec<Fetched>>, pinned: u32, gone: &BTreeSet<Vec<u8>>) {
    assert_eq!(of.len() as u64, PROFILES);
    for (profile, records) in of {
        let keys: BTreeSet<&[u8]> = records.iter().filter_map(|fetched| fetched.record.key.as_deref()).collect();
        let text = String::from_utf8_lossy(profile);
        assert_eq!(keys.len(), 1, "{text}: a second key, which compaction keeps apart");
        let sealed = keys.first().and_then(|key| parse_token(std::str::from_utf8(key).ok()?)).expect("a token");
        assert_eq!(key_of(&sealed), pinned, "{text}");
        let last = records.last().expect("a record");
        assert_eq!(last.record.value.is_none(), gone.contains(profile), "{text}");
    }
}

/// The record key that events in `protected.events` have of this profile, under a key that seals no more.
fn keyed(site: &Site, pinned: u32, profile: &[u8]) -> Vec<u8> {
    let (mut text, mut sealed, mut token) = (Vec::new(), Vec::new(), Vec::new());
    Associated::Key { workspace: "acme", topic: "protected.events" }.write(&mut text);
    let keyring = site.keyring();
    let mut sealer = Sealer::new(keyring.default_keyset().expect("there is one"));
    sealer.seal_under(pinned, &text, profile, &mut sealed).expect("the keyset has it still");
    seal::token(&sealed, &mut token);
    token
}

/// Adds a key and promotes it; gives its id.
fn rotate(site: &Site, sidecar: &Sidecar) -> u32 {
    let old = primary(site, "keyset.json");
    copy(site, "keyset.json", "old.json");
    assert_eq!(site.run("keys add keyset.json").0, 0);
    sidecar.signal(Signal::HUP);
    sidecar.logged("keyset files read again", |line| line["changed"] == true);
    let keys = read(site, "keyset.json")["key"].as_array().expect("keys").clone();
    let new = keys.iter().filter_map(|key| key["keyId"].as_u64()).find(|id| *id != u64::from(old)).expect("two keys");
    run(site, &format!("keys promote --config any.toml --id {new} --wait applied"));
    assert_eq!(u64::from(primary(site, "keyset.json")), new);
    primary(site, "keyset.json")
}

/// How the start of another instance with this keyset ends: its exit code and standard error.
fn start_with(site: &Site, keyset: &str) -> (i32, String) {
    configure(site, keyset);
    let (code, output, errors) = site.run("run --config b.toml");
    assert_eq!(output, "", "{keyset}: {errors}");
    (code, errors)
}

/// Instance `b` has this keyset.
fn configure(site: &Site, keyset: &str) {
    let file = site.configure("b");
    let text = fs::read_to_string(&file).expect("it is there").replace("keyset.json", keyset);
    fs::write(file, text).expect("the folder can be written");
}

fn refuse_others(site: &Site, [old, new]: [u32; 2]) {
    assert_eq!(site.run("keys generate foreign.json").0, 0);
    copy(site, "foreign.json", "contradicting.json");
    let mut other = read(site, "contradicting.json");
    (other["primaryKeyId"], other["key"][0]["keyId"]) = (json!(old), json!(old));
    fs::write(site.path("contradicting.json"), other.to_string()).expect("the folder can be written");
    copy(site, "keyset.json", "disabled.json");
    assert_eq!(site.run(&format!("keys disable disabled.json --id {old}")).0, 0);
    let (old, new) = (&*old.to_string(), &*new.to_string());
    for (keyset, when, names) in [
        ("contradicting.json", "the keyset is not the group's", [("id", old), ("topic", "")]),
        ("foreign.json", "the keyset lacks a key that is needed", [("id", old), ("topic", PINNED)]),
        ("disabled.json", "the keyset lacks a key that is needed", [("id", old), ("topic", PINNED)]),
        ("old.json", "the keyset lacks a key that was promoted", [("id", new), ("topic", "")]),
    ] {
        let (code, errors) = start_with(site, keyset);
        row(when).ended(code, &errors, &names);
        let (code, _, errors) = site.run("check --config b.toml --connect");
        row(when).ended(code, &errors, &names);
    }
}

/// An instance that has one more key takes its share.
fn work_beside(site: &Site, sidecar: &Sidecar) -> Sidecar {
    copy(site, "keyset.json", "more.json");
    assert_eq!(site.run("keys add more.json").0, 0);
    configure(site, "more.json");
    let beside = site.launch("b").ready();
    let share = |each: &Sidecar| each.metric("sivcar_task_open", "");
    eventually("each has its share", || (share(sidecar) == 2.0 && share(&beside) == 2.0).then_some(()));
    beside
}

#[test]
fn a_rotation_loses_nobody_and_other_keysets_are_refused() {
    let site = profiles::site("workers = 1", KEYED);
    site.configure("any");
    site.feed("users", (0..PROFILES).map(profile));
    let sidecar = site.start("a").ready();
    site.catch_up();
    let email = mark(&site, "email", BACKFILLED);
    let old = primary(&site, "keyset.json");
    let before = sealed(&site, "email", "email-1");
    let new = rotate(&site, &sidecar);
    assert_ne!((old, before), (new, sealed(&site, "email", "email-1")), "the primary is another");

    // some go at once, one when its state was read again
    site.feed("users", [user(1, "{\"n\":1}"), gone(7), gone(8)]);
    site.catch_up();
    sidecar.drain();
    let sidecar = site.start("a").ready();
    site.feed("users", [gone(9)]);
    site.catch_up();
    let phone = mark(&site, "phone", BACKFILLED);
    let left: BTreeSet<Vec<u8>> = [7, 8, 9].map(key).into();
    let states = by_profile(&site, CHANGELOG, &Associated::StateKey { group: "g", topic: "users" });
    let touched = states[&key(1)].last().and_then(|fetched| fetched.record.value.as_deref()).expect("a state");
    assert_eq!(key_of(touched), new, "states are sealed under the new primary");
    assert_keys(&states, old, &left);
    assert_keys(&by_profile(&site, "debug.users", &Associated::View { workspace: "acme", view: "debug" }), old, &left);
    let protected = Associated::Key { workspace: "acme", topic: "protected.users" };
    assert_keys(&by_profile(&site, "protected.users", &protected), old, &left);
    let written = dump::committed(&site.broker.bootstrap, "protected.users");
    let is_token = |fetched: &Fetched| fetched.record.key.as_ref().is_some_and(|key| key.starts_with(b"siv:"));
    assert!(written.iter().all(is_token), "a record key in clear");

    refuse_others(&site, [old, new]);
    let beside = work_beside(&site, &sidecar);
    let there = || (0..PROFILES).filter(|number| !left.contains(&key(*number)));
    site.feed("users", there().map(|number| user(number, "{\"n\":2}")));
    site.feed("events", (0..EVENTS).map(event));
    site.catch_up();
    let worked = |each: &Sidecar| each.metric("sivcar_records_total", "outcome=\"protected\"");
    assert!(worked(&beside) > 0.0, "it has done nothing");
    [sidecar, beside].into_iter().for_each(Sidecar::drain);

    let report = site.check(&site.checker(&[]));
    let keyed = |number: u64| keyed(&site, old, &key(number));
    let everybody = (0..PROFILES).map(keyed).collect();
    assert_told(&report.told, &Told::from([(email, everybody), (phone, there().map(keyed).collect())]));
    assert_eq!(report.inputs, PROFILES + 4 + PROFILES - 3 + EVENTS);
    assert_eq!((report.protected, report.views), (report.inputs, report.inputs - EVENTS));
}
