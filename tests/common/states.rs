//! What a changelog must come to: each profile as its records leave it, sealed, and nobody else. Since a store is derived from its
//! changelog and every entry from the store, this is where a store that differs shows.

use std::collections::BTreeMap;

use sivcar::privacy::error::Reason;
use sivcar::privacy::keyset::Keyring;
use sivcar::privacy::policy::Policy;
use sivcar::privacy::protect::Identity;
use sivcar::privacy::seal::{Associated, Sealers, parse_token};
use sivcar::privacy::settings::{Source, SourceKind};
use sivcar::profile::{Profile, State};
use sivcar::stream::log::Fetched;

/// The reserved key that says up to which version a partition is settled.
pub const SETTLED_THROUGH: &[u8] = b"settled-through";

/// A profile as its records leave it.
pub struct Held {
    /// The last record's offset.
    offset: i64,
    /// The policy version under which that one was protected.
    pub version: u64,
    pub profile: Profile,
}

impl Held {
    /// Whether it is to be forgotten under `policy`: its workspace was erased since its last record.
    pub fn is_forgotten(&self, policy: &Policy) -> bool {
        self.version < policy.erased(&self.profile.workspace)
    }
}

/// By partition and record key.
#[derive(Default)]
pub struct States(BTreeMap<(i32, Vec<u8>), Held>);

impl States {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The profile that a record is of.
    pub fn held(&self, input: &Fetched) -> Option<&Held> {
        self.0.get(&(input.partition.number, input.record.key.clone()?))
    }

    /// Whether a record of `source` touches a profile: of events those that identify one, and those that delete.
    pub fn touches(source: &Source, input: &Fetched, identity: Option<&Identity>) -> bool {
        let deletes = input.record.value.is_none() && input.record.key.is_some();
        source.state.is_some() && (source.kind == SourceKind::Profile || identity.is_some() || deletes)
    }

    /// What a record makes of its profile under `policy`; its document can be protected and tells of `identity`, and a null value
    /// deletes. One that is to be forgotten begins anew, but for a record that moves it to another workspace.
    ///
    /// # Errors
    /// Why it is to be rejected.
    pub fn after(
        &self,
        input: &Fetched,
        identity: Option<&Identity>,
        source: &Source,
        policy: &Policy,
    ) -> Result<Option<Profile>, Reason> {
        input.record.key.as_ref().ok_or(Reason::ProfileWithoutKey)?;
        let (Some(value), Some(identity)) = (&input.record.value, identity) else { return Ok(None) };
        let stays = |held: &&Held| !held.is_forgotten(policy) || held.profile.workspace != identity.workspace;
        let held = self.held(input).filter(stays).map(|held| &held.profile);
        let limits = &policy.settings().limits;
        Profile::fold(held, source.state.unwrap_or_default(), identity, value, limits).map(Some)
    }

    /// Takes in what a record, which was protected under `version`, makes of its profile.
    pub fn set(&mut self, input: &Fetched, version: u64, profile: Option<Profile>) {
        let place = (input.partition.number, input.record.key.clone().unwrap_or_default());
        match profile {
            Some(profile) => drop(self.0.insert(place, Held { offset: input.offset, version, profile })),
            None => drop(self.0.remove(&place)),
        }
    }

    /// Drops those that are forgotten once all is done that `policy` asks for.
    pub fn forget(&mut self, policy: &Policy) {
        self.0.retain(|_, held| !held.is_forgotten(policy));
    }

    /// Holds a changelog against what was taken in; `names` are the group and the source.
    pub fn compare(&self, changelog: &[Fetched], names: (&str, &str), keyring: &Keyring) -> Result<(), String> {
        let mut found: BTreeMap<(i32, &[u8]), &Fetched> = BTreeMap::new();
        for fetched in changelog {
            let key = fetched.record.key.as_deref().unwrap_or_default();
            found.insert((fetched.partition.number, key), fetched);
        }
        found.retain(|(_, key), fetched| *key != SETTLED_THROUGH && fetched.record.value.is_some());
        let mut sealers = Sealers::default();
        for fetched in found.values() {
            let at = format!("{}@{}", fetched.partition, fetched.offset);
            let Some((record_key, Some(state))) = open(fetched, names, (keyring, &mut sealers)) else {
                return Err(format!("{at}: does not open to a state"));
            };
            let Some(Held { offset, profile, .. }) = self.0.get(&(fetched.partition.number, record_key)) else {
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

/// The record key and the state of an entry; a deletion has none.
pub fn open(
    fetched: &Fetched,
    (group, topic): (&str, &str),
    (keyring, sealers): (&Keyring, &mut Sealers),
) -> Option<(Vec<u8>, Option<State>)> {
    let mut opened = |associated: Associated<'_>, sealed: &[u8]| {
        let mut text = Vec::new();
        associated.write(&mut text);
        keyring.keysets().find_map(|keyset| sealers.of(keyset).open(&text, sealed).ok())
    };
    let key = std::str::from_utf8(fetched.record.key.as_deref()?).ok()?;
    let record_key = opened(Associated::StateKey { group, topic }, &parse_token(key)?)?;
    let Some(sealed) = &fetched.record.value else { return Some((record_key, None)) };
    let state = opened(Associated::State { group, topic, key }, sealed)?;
    Some((record_key, Some(State::decode(&state)?)))
}
