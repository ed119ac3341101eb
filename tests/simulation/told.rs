//! Who has to be told of what: the exact set of synthetic events, and that no profile's last record shows what is marked by now.
//!
//! A changelog's history says when each profile was touched, and under which policy; the documents are those that the checker has held
//! against the raw records. What is marked is read from the control topic, and looked for in a document read as a tree.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sivcar::privacy::control::Table;
use sivcar::privacy::mark::{MarkKey, On, Protect};
use sivcar::privacy::policy::Policy;
use sivcar::privacy::seal::Sealers;
use sivcar::privacy::settings::Stage;
use sivcar::profile::State;
use sivcar::record::{Coordinates, Partition};

use crate::checker::states::{self, SETTLED_THROUGH};
use crate::checker::{Checker, Dump, Report, table_of};

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

    /// The versions that `held` has to be told of when it is touched under `version`.
    fn due(&mut self, version: u64, held: &State) -> Result<BTreeSet<u64>, String> {
        let document: Value = serde_json::from_slice(&held.profile.document).map_err(|error| error.to_string())?;
        let workspace = &held.profile.workspace;
        let (table, policy) = self.at(version)?;
        let shows = |name: &str| {
            let key = MarkKey { workspace: workspace.clone(), on: On::Attribute, name: name.to_owned(), event: None };
            table.marks.get(&key).is_some_and(|mark| mark.protect != Protect::Drop)
                && document["attributes"].get(name).is_some_and(|value| !value.is_null())
        };
        let open = policy.effective(workspace).iter().filter(|moment| moment.since > held.settled);
        Ok(open.filter(|moment| shows(&moment.name)).map(|moment| moment.since).collect())
    }
}

/// What stands under one record key: under which sealed key, and the state.
type Held<'a> = BTreeMap<(i32, Vec<u8>), (&'a [u8], State)>;

/// Checks the events of `dump`, and the last record of each profile.
///
/// # Errors
/// The first that is wrong.
pub fn check(checker: &Checker, dump: &Dump, report: &Report) -> Result<(), String> {
    let mut policies = Policies { checker, dump, known: BTreeMap::new() };
    let (mut held, mut sealers) = (Held::new(), Sealers::default());
    let mut expected: BTreeMap<u64, BTreeSet<Vec<u8>>> = BTreeMap::new();
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
            (None, None) => return Err(format!("{at}: deletes what no record deleted")),
        };
        if let Some((_, before)) = before {
            for since in policies.due(version, before)? {
                if !expected.entry(since).or_default().insert(place.1.clone()) {
                    return Err(format!("{at}: was told of {since} before"));
                }
            }
        }
        match state {
            Some(state) => drop(held.insert(place, (key, state))),
            None => drop(held.remove(&place)),
        }
    }
    if report.told != expected {
        return Err(format!("told are {:?}, to be told were {:?}", words(&report.told), words(&expected)));
    }
    finished(&mut policies, &held)?;
    hidden(&mut policies, dump, &held)
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

/// Nobody is left to be told of anything.
fn finished(policies: &mut Policies, held: &Held) -> Result<(), String> {
    let version = last(policies);
    for ((number, key), (_, state)) in held {
        if let Some(since) = policies.due(version, state)?.first() {
            let key = String::from_utf8_lossy(key);
            return Err(format!("profile {key} of users[{number}] was not told of {since}"));
        }
    }
    Ok(())
}

/// After compaction of the protected topic nothing is left in clear that is marked.
fn hidden(policies: &mut Policies, dump: &Dump, held: &Held) -> Result<(), String> {
    let version = last(policies);
    let (table, policy) = policies.at(version)?;
    let mut records = BTreeMap::new();
    for fetched in &dump.committed["protected.users"] {
        records.insert((fetched.partition.number, fetched.record.key.clone().unwrap_or_default()), fetched);
    }
    for (place, (_, state)) in held {
        let workspace = &state.profile.workspace;
        let Some(fetched) = records.get(place) else {
            return Err(format!("users[{}]: a profile without a record", place.0));
        };
        let value = fetched.record.value.as_deref().unwrap_or_default();
        let document: Value = serde_json::from_slice(value).map_err(|error| error.to_string())?;
        if policy.stage(workspace) != Stage::Enforced {
            continue;
        }
        for key in table.marks.keys().filter(|key| key.on == On::Attribute && key.workspace == *workspace) {
            let shown = document["attributes"].get(&key.name).filter(|value| !value.is_null());
            if shown.is_some_and(|value| !value.as_str().is_some_and(|text| text == "***" || text.starts_with("siv:")))
            {
                return Err(format!("{}@{}: {} in clear", fetched.partition, fetched.offset, key.name));
            }
        }
    }
    Ok(())
}

fn words(told: &BTreeMap<u64, BTreeSet<Vec<u8>>>) -> Vec<String> {
    let keys = |keys: &BTreeSet<Vec<u8>>| -> Vec<String> {
        keys.iter().map(|key| String::from_utf8_lossy(key).into_owned()).collect()
    };
    told.iter().map(|(since, all)| format!("{since}: {}", keys(all).join(" "))).collect()
}
