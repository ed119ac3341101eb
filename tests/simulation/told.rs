//! Who has to be told of what: the exact set of synthetic events with what they tell, who is forgotten, and that no profile's document
//! shows what is marked by now.
//!
//! A changelog's history says when each profile was touched, and under which policy; the documents are those that the checker has held
//! against the raw records. What is marked is read from the control topic, and looked for in a document read as a tree. What an event
//! tells is opened and held against that document; for another workspace or domain it does not open.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sivcar::privacy::control::Table;
use sivcar::privacy::mark::{MarkKey, On, Protect};
use sivcar::privacy::policy::Policy;
use sivcar::privacy::protect::SYNTHETIC_HEADER;
use sivcar::privacy::reveal;
use sivcar::privacy::seal::{Associated, Sealer, Sealers};
use sivcar::privacy::settings::Stage;
use sivcar::profile::State;
use sivcar::record::{Coordinates, Partition, Record};

use crate::checker::states::{self, SETTLED_THROUGH};
use crate::checker::{Checker, Dump, Report, table_of};

/// Whose event it is: workspace and id.
type Whose = (String, String);

/// Events by the version since which and whose they are: each attribute's value, `***` where it is masked.
type Told = BTreeMap<(u64, Whose), BTreeMap<String, Value>>;

/// The policies of a world, each compiled once.
struct Policies<'a> {
    checker: &'a Checker,
    dump: &'a Dump,
    known: BTreeMap<u64, (Table, Policy)>,
}

impl Policies<'_> {
    fn at(&mut self, version: u64) -> Result<&(Table, Policy), String> {
        if !self.known.contains_key(&version) {
            let table = table_of(&self.dump.committed["g.control"], version)?;
            let policy = Policy::compile(&self.checker.settings, &table).map_err(|error| error.to_string())?;
            self.known.insert(version, (table, policy));
        }
        Ok(&self.known[&version])
    }

    /// Whether `held` is to be forgotten under `version`.
    fn is_forgotten(&mut self, version: u64, held: &State) -> Result<bool, String> {
        Ok(held.settled < self.at(version)?.1.erased(&held.profile.workspace))
    }

    /// What has to be told of `held` when it is touched under `version`: by the version since which, each attribute's value.
    fn due(&mut self, version: u64, held: &State) -> Result<BTreeMap<u64, BTreeMap<String, Value>>, String> {
        let document: Value = serde_json::from_slice(&held.profile.document).map_err(|error| error.to_string())?;
        let workspace = &held.profile.workspace;
        let mut due: BTreeMap<u64, BTreeMap<String, Value>> = BTreeMap::new();
        if self.is_forgotten(version, held)? {
            return Ok(due);
        }
        let (table, policy) = self.at(version)?;
        for moment in policy.effective(workspace).iter().filter(|moment| moment.since > held.settled) {
            let name = moment.name.clone();
            let key = MarkKey { workspace: workspace.clone(), on: On::Attribute, name: name.clone(), event: None };
            let value = document["attributes"].get(&name).filter(|value| !value.is_null());
            let (Some(mark), Some(value)) = (table.marks.get(&key), value) else { continue };
            let told = match mark.protect {
                Protect::Drop => continue,
                Protect::Mask => MASKED.into(),
                _ => value.clone(),
            };
            due.entry(moment.since).or_default().insert(name, told);
        }
        Ok(due)
    }
}

/// What a masked value shows.
const MASKED: &str = "***";

/// The events of `dump`, opened.
fn events(checker: &Checker, dump: &Dump) -> Result<Told, String> {
    let mut sealer = Sealer::new(checker.keyring.default_keyset().ok_or("no keyset")?);
    let mut told = Told::new();
    for fetched in &dump.committed["protected.events"] {
        let Some(since) = synthetic(&fetched.record) else { continue };
        let at = format!("{}@{}", fetched.partition, fetched.offset);
        let event: Value = serde_json::from_slice(fetched.record.value.as_deref().unwrap_or_default())
            .map_err(|error| format!("{at}: {error}"))?;
        let workspace = event["workspace"].as_str().unwrap_or_default().to_owned();
        let attributes = event["params"]["attributes"].as_object().ok_or_else(|| format!("{at}: tells nothing"))?;
        let opened = attributes.iter().map(|(name, value)| {
            let token = value.as_str().unwrap_or_default();
            if token == MASKED {
                return Ok((name.clone(), value.clone()));
            }
            let opened =
                reveal::value(&mut sealer, &workspace, name, token).map_err(|error| format!("{at}: {error}"))?;
            if reveal::value(&mut sealer, "other", name, token).is_ok()
                || reveal::value(&mut sealer, &workspace, "other", token).is_ok()
            {
                return Err(format!("{at}: opens for another workspace or domain"));
            }
            Ok((name.clone(), serde_json::from_str(&opened).map_err(|error| format!("{at}: {error}"))?))
        });
        let whose = (workspace.clone(), event["client"]["id"].to_string());
        if told.insert((since, whose), opened.collect::<Result<_, String>>()?).is_some() {
            return Err(format!("{at}: a second event of one profile since {since}"));
        }
    }
    Ok(told)
}

fn synthetic(record: &Record) -> Option<u64> {
    let header = record.headers.iter().find(|header| header.name == SYNTHETIC_HEADER)?;
    std::str::from_utf8(header.value.as_deref()?).ok()?.parse().ok()
}

/// What stands under one record key: under which sealed key, and the state.
type Held<'a> = BTreeMap<(i32, Vec<u8>), (&'a [u8], State)>;

/// Checks the events of `dump`, and what is left of each profile once its topics are compacted.
///
/// # Errors
/// The first that is wrong.
pub fn check(checker: &Checker, dump: &Dump, report: &Report) -> Result<(), String> {
    let mut policies = Policies { checker, dump, known: BTreeMap::new() };
    let (mut held, mut sealers) = (Held::new(), Sealers::default());
    let mut expected = Told::new();
    for fetched in &dump.committed["g.users.changelog"] {
        let at = format!("{}@{}", fetched.partition, fetched.offset);
        let key = fetched.record.key.as_deref().unwrap_or_default();
        if key == SETTLED_THROUGH {
            continue;
        }
        let opened = states::open(fetched, ("g", "users"), (&checker.keyring, &mut sealers));
        let (record_key, state) = opened.ok_or_else(|| format!("{at}: does not open"))?;
        let place = (fetched.partition.number, record_key);
        let before = held.get(&place);
        if state.is_none() && before.is_some_and(|(under, _)| *under != key) {
            continue; // it was moved to another key
        }
        let live = live(dump, report, &place, before.map(|(_, state)| state.offset), state.as_ref());
        let version = match (&state, live) {
            (Some(state), Some(version)) if state.settled != version => {
                return Err(format!("{at}: is settled up to {}, and was made under {version}", state.settled));
            }
            (Some(state), _) => state.settled,
            (None, Some(version)) => version,
            (None, None) => {
                let version = last(&policies);
                let is_erased = |(_, state): &(&[u8], State)| policies.is_forgotten(version, state);
                if !before.map(is_erased).transpose()?.unwrap_or(false) {
                    return Err(format!("{at}: deletes what no record deleted"));
                }
                version
            }
        };
        if let Some((_, before)) = before {
            let whose = (before.profile.workspace.clone(), before.profile.id.clone());
            for (since, attributes) in policies.due(version, before)? {
                if expected.insert((since, whose.clone()), attributes).is_some() {
                    return Err(format!("{at}: was told of {since} before"));
                }
            }
        }
        match state {
            Some(state) => drop(held.insert(place, (key, state))),
            None => drop(held.remove(&place)),
        }
    }
    let told = events(checker, dump)?;
    if told != expected {
        return Err(format!("told are {}, to be told were {}", words(&told), words(&expected)));
    }
    finished(&mut policies, &held)?;
    hidden(&mut policies, dump, &held)?;
    in_views(dump, &held)
}

/// The version under which the live record was processed that made `state` of what was known up to `offset`; `None` where the walk did.
fn live(
    dump: &Dump,
    report: &Report,
    place: &(i32, Vec<u8>),
    offset: Option<i64>,
    state: Option<&State>,
) -> Option<u64> {
    let partition = Partition::new("users", place.0);
    let made_under =
        |offset: i64| report.made_under.get(&Coordinates { partition: partition.clone(), offset }).copied();
    match state {
        Some(state) if Some(state.offset) == offset => None,
        Some(state) => made_under(state.offset),
        None => {
            let mut after = dump.committed["users"].iter().filter(|fetched| {
                fetched.partition.number == place.0
                    && fetched.record.key.as_ref() == Some(&place.1)
                    && fetched.record.value.is_none()
                    && Some(fetched.offset) > offset
            });
            after.next().and_then(|fetched| made_under(fetched.offset))
        }
    }
}

/// The last version.
fn last(policies: &Policies) -> u64 {
    let control = &policies.dump.committed["g.control"];
    control.last().map_or(0, |fetched| fetched.offset.cast_unsigned() + 1)
}

/// Nobody is left to be told of anything, or to be forgotten.
fn finished(policies: &mut Policies, held: &Held) -> Result<(), String> {
    let version = last(policies);
    for ((number, key), (_, state)) in held {
        let key = String::from_utf8_lossy(key);
        if let Some((since, _)) = policies.due(version, state)?.first_key_value() {
            return Err(format!("profile {key} of users[{number}] was not told of {since}"));
        }
        if policies.is_forgotten(version, state)? {
            return Err(format!("profile {key} of users[{number}] was not forgotten"));
        }
    }
    Ok(())
}

/// What compaction leaves of a topic: the last record of each key, unless it deletes.
fn left<'a>(dump: &'a Dump, topic: &str) -> BTreeMap<(i32, Vec<u8>), &'a Record> {
    let mut left = BTreeMap::new();
    for fetched in &dump.committed[topic] {
        left.insert((fetched.partition.number, fetched.record.key.clone().unwrap_or_default()), &fetched.record);
    }
    left.retain(|_, record| record.value.is_some());
    left
}

/// Whether a mark on `on` of this name is enforced for a workspace, so that nothing may stand there in clear.
fn is_marked((table, policy): &(Table, Policy), workspace: &str, on: On, name: &str) -> bool {
    let key = MarkKey { workspace: workspace.to_owned(), on, name: name.to_owned(), event: None };
    policy.stage(workspace) == Stage::Enforced && table.marks.contains_key(&key)
}

/// After compaction of the protected topic nothing is left in clear that is marked, and nothing of those who are gone.
fn hidden(policies: &mut Policies, dump: &Dump, held: &Held) -> Result<(), String> {
    let version = last(policies);
    let mut sealer = Sealer::new(policies.checker.keyring.default_keyset().ok_or("no keyset")?);
    let known = policies.at(version)?;
    let mut left = left(dump, "protected.users");
    for ((number, key), (_, state)) in held {
        let workspace = &state.profile.workspace;
        let mut associated = Vec::new();
        Associated::Key { workspace, topic: "protected.users" }.write(&mut associated);
        let sealed = sealer.tokens(&associated, key).into_iter().map(String::into_bytes);
        let names: Vec<Vec<u8>> = std::iter::once(key.clone()).chain(sealed).collect();
        let found: Vec<_> = names.iter().filter_map(|name| left.remove(&(*number, name.clone()))).collect();
        if found.is_empty() {
            return Err(format!("users[{number}]: a profile without a record"));
        }
        for record in found {
            let whose = format!("protected.users[{number}], profile {}", state.profile.id);
            if is_marked(known, workspace, On::Key, crate::schedule::KEY) && record.key.as_ref() == Some(key) {
                return Err(format!("{whose}: its record key in clear"));
            }
            if let Some(name) = in_clear(known, workspace, record)? {
                return Err(format!("{whose}: {name} in clear"));
            }
        }
    }
    match left.first_key_value() {
        Some(((number, _), _)) => Err(format!("protected.users[{number}]: a document of nobody")),
        None => Ok(()),
    }
}

/// A marked attribute that a record shows.
fn in_clear(known: &(Table, Policy), workspace: &str, record: &Record) -> Result<Option<String>, String> {
    let value = record.value.as_deref().unwrap_or_default();
    let document: Value = serde_json::from_slice(value).map_err(|error| error.to_string())?;
    let attributes = document["attributes"].as_object().into_iter().flatten();
    let is_hidden = |value: &Value| {
        value.is_null() || value.as_str().is_some_and(|text| text == MASKED || text.starts_with("siv:"))
    };
    let mut shown = attributes.filter(|(_, value)| !is_hidden(value));
    Ok(shown.find(|(name, _)| is_marked(known, workspace, On::Attribute, name)).map(|(name, _)| name.clone()))
}

/// After compaction each view has one document of everybody, and none of those who are gone.
fn in_views(dump: &Dump, held: &Held) -> Result<(), String> {
    for topic in ["debug.users", "trusted.users"] {
        let mut counts: BTreeMap<i32, i64> = BTreeMap::new();
        left(dump, topic).keys().for_each(|(number, _)| *counts.entry(*number).or_default() += 1);
        held.keys().for_each(|(number, _)| *counts.entry(*number).or_default() -= 1);
        if let Some((number, count)) = counts.into_iter().find(|(_, count)| *count != 0) {
            return Err(format!("{topic}[{number}]: {count} documents more than profiles"));
        }
    }
    Ok(())
}

fn words(told: &Told) -> String {
    let mut by_since: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for ((since, (_, id)), attributes) in told {
        let names: Vec<&str> = attributes.keys().map(String::as_str).collect();
        by_since.entry(*since).or_default().insert(format!("{id} ({})", names.join(", ")));
    }
    format!("{by_since:?}")
}
