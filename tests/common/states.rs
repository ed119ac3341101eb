//! What a changelog must come to: each profile as its records leave it, sealed, and nobody else. Since a store is derived from its
//! changelog and every entry from the store, this is where a store that differs shows.

use std::collections::BTreeMap;

use sivcar::privacy::keyset::Keyring;
use sivcar::privacy::protect::Identity;
use sivcar::privacy::scan::Limits;
use sivcar::privacy::seal::{Associated, Sealer, parse_token};
use sivcar::privacy::settings::Fold;
use sivcar::profile::{Profile, State};
use sivcar::stream::log::Fetched;

/// The reserved key that says up to which version a partition is settled.
const SETTLED_THROUGH: &[u8] = b"settled-through";

/// By partition and record key: the last record's offset and the profile.
#[derive(Default)]
pub struct States(BTreeMap<(i32, Vec<u8>), (i64, Profile)>);

impl States {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes in a record that was not rejected, and whose document tells of `identity`; a null value deletes.
    pub fn take(
        &mut self,
        input: &Fetched,
        identity: Option<&Identity>,
        fold: Fold,
        limits: &Limits,
    ) -> Result<(), String> {
        let place = (input.partition.number, input.record.key.clone().unwrap_or_default());
        let (Some(value), Some(identity)) = (&input.record.value, identity) else {
            self.0.remove(&place);
            return Ok(());
        };
        let held = self.0.get(&place).map(|(_, profile)| profile);
        let profile = Profile::fold(held, fold, identity, value, limits)
            .map_err(|reason| format!("{}@{}: should be refused for {reason}", input.partition, input.offset))?;
        self.0.insert(place, (input.offset, profile));
        Ok(())
    }

    /// Holds a changelog against what was taken in; `names` are the group and the source.
    pub fn compare(&self, changelog: &[Fetched], names: (&str, &str), keyring: &Keyring) -> Result<(), String> {
        let mut found: BTreeMap<(i32, &[u8]), &Fetched> = BTreeMap::new();
        for fetched in changelog {
            let key = fetched.record.key.as_deref().unwrap_or_default();
            found.insert((fetched.partition.number, key), fetched);
        }
        found.retain(|(_, key), fetched| *key != SETTLED_THROUGH && fetched.record.value.is_some());
        for fetched in found.values() {
            let at = format!("{}@{}", fetched.partition, fetched.offset);
            let (record_key, state) = open(fetched, names, keyring).ok_or(format!("{at}: does not open to a state"))?;
            let Some((offset, profile)) = self.0.get(&(fetched.partition.number, record_key)) else {
                return Err(format!("{at}: the state of a profile that is none"));
            };
            if (state.offset, &state.profile) != (*offset, profile) {
                return Err(format!("{at}: not the state that its records come to, the last of them at {offset}"));
            }
        }
        let (held, right) = (found.len(), self.0.len());
        if held == right { Ok(()) } else { Err(format!("the changelog of {}: {held} states of {right}", names.1)) }
    }
}

/// The record key and the state of an entry.
fn open(fetched: &Fetched, (group, topic): (&str, &str), keyring: &Keyring) -> Option<(Vec<u8>, State)> {
    let opened = |associated: Associated<'_>, sealed: &[u8]| {
        let mut text = Vec::new();
        associated.write(&mut text);
        keyring.keysets().find_map(|keyset| Sealer::new(keyset).open(&text, sealed).ok())
    };
    let key = std::str::from_utf8(fetched.record.key.as_deref()?).ok()?;
    let record_key = opened(Associated::StateKey { group, topic }, &parse_token(key)?)?;
    let state = opened(Associated::State { group, topic, key }, fetched.record.value.as_deref()?)?;
    Some((record_key, State::decode(&state)?))
}
