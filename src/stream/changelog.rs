//! A changelog's records: what of a profile's state is written, sealed, and how it is read again.
//!
//! The record key is the profile's record key, sealed under the key pinned for the changelog, so that rotation of the primary
//! neither breaks compaction nor hides a profile from its deletion; the value is the state, sealed under its workspace's keyset, or
//! null. One reserved key, which no token equals, says up to which version all is settled. Always holds: nothing in clear. Who
//! can write a changelog can roll profiles back (see the threat model). Deliberately not here: reading the topic
//! ([`super::restore`]).

use std::sync::Arc;

use zeroize::Zeroizing;

use super::store::StateKey;
use crate::privacy::control::Pinning;
use crate::privacy::keyset::Keyring;
use crate::privacy::seal::{Associated, OpenError, Sealers, parse_token, token};
use crate::profile::State;

/// The record key that says up to which policy version a whole partition is settled.
pub(super) const SETTLED_THROUGH: &[u8] = b"settled-through";

/// The name of a source's changelog.
pub fn changelog_topic(group: &str, source: &str) -> String {
    format!("{group}.{source}.changelog")
}

/// Why a state cannot be sealed or opened. Says nothing of what is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ChangelogError {
    /// Profiles' keys are sealed under a key that is not there.
    #[error("the keyset under [keys] does not have the enabled key {0}, under which the keys of profiles are sealed")]
    PinnedKey(u32),
    /// There is no `[keys]`.
    #[error("profiles need a keyset under [keys]: the keys of their state are sealed under it")]
    NoDefault,
    /// The workspace's keyset is missing.
    #[error("the keyset of a profile's workspace is missing")]
    Keyset,
    /// The key under which it was sealed is gone: what it sealed is erased.
    #[error("the key of an entry is gone")]
    KeyGone,
    /// The bytes do not open under any keyset, or what is in them is no state.
    #[error("an entry does not open, or is no state: somebody else wrote it")]
    Foreign,
}

/// Seals and opens the states of one source's profiles. One per worker and source.
pub(super) struct Codec {
    group: Arc<str>,
    source: Arc<str>,
    keyring: Arc<Keyring>,
    /// The key under which record keys are sealed, and those under which they were.
    pinned: Pinning,
    sealers: Sealers,
    associated: Vec<u8>,
}

impl Codec {
    pub(super) fn new(group: &str, source: &Arc<str>, keyring: &Arc<Keyring>, pinned: Pinning) -> Self {
        Self {
            group: group.into(),
            source: source.clone(),
            keyring: keyring.clone(),
            pinned,
            sealers: Sealers::default(),
            associated: Vec::new(),
        }
    }

    /// The sealed form of a record key.
    pub(super) fn key(&mut self, record_key: &[u8]) -> Result<StateKey, ChangelogError> {
        self.key_under(self.pinned.id, record_key)
    }

    /// Its sealed forms under the keys that were pinned before, as far as the keyset still has them.
    pub(super) fn earlier_keys(&mut self, record_key: &[u8]) -> Vec<StateKey> {
        let was = self.pinned.was.clone();
        was.into_iter().filter_map(|id| self.key_under(id, record_key).ok()).collect()
    }

    fn key_under(&mut self, id: u32, record_key: &[u8]) -> Result<StateKey, ChangelogError> {
        self.associate(None);
        let keyset = self.keyring.default_keyset().ok_or(ChangelogError::NoDefault)?;
        let (mut sealed, mut text) = (Vec::new(), Vec::new());
        let done = self.sealers.of(keyset).seal_under(id, &self.associated, record_key, &mut sealed);
        done.map_err(|unknown| ChangelogError::PinnedKey(unknown.0))?;
        token(&sealed, &mut text);
        Ok(text.into())
    }

    /// The record key that `key` is the sealed form of.
    pub(super) fn record_key(&mut self, key: &[u8]) -> Result<Vec<u8>, ChangelogError> {
        self.associate(None);
        let keyset = self.keyring.default_keyset().ok_or(ChangelogError::NoDefault)?;
        let sealed = std::str::from_utf8(key).ok().and_then(parse_token).ok_or(ChangelogError::Foreign)?;
        self.sealers.of(keyset).open(&self.associated, &sealed).map_err(|_| ChangelogError::Foreign)
    }

    /// The sealed form of `state`, which stands under `key`.
    pub(super) fn seal(&mut self, key: &[u8], state: &State) -> Result<Box<[u8]>, ChangelogError> {
        self.associate(Some(key));
        let keyset = self.keyring.of(&state.profile.workspace).ok_or(ChangelogError::Keyset)?;
        let mut sealed = Vec::new();
        self.sealers.of(keyset).seal(&self.associated, state.encode().expose(), &mut sealed);
        Ok(sealed.into())
    }

    /// The state that `sealed`, which stands under `key`, is the sealed form of. Whose keyset it is says the state alone, so each that
    /// has the key is tried.
    pub(super) fn open(&mut self, key: &[u8], sealed: &[u8]) -> Result<State, ChangelogError> {
        let plaintext = self.opened(Some(key), sealed)?;
        State::decode(&plaintext).ok_or(ChangelogError::Foreign)
    }

    /// The value of [`SETTLED_THROUGH`].
    pub(super) fn seal_through(&mut self, version: u64) -> Result<Vec<u8>, ChangelogError> {
        self.associate(Some(SETTLED_THROUGH));
        let keyset = self.keyring.default_keyset().ok_or(ChangelogError::NoDefault)?;
        let mut sealed = Vec::new();
        self.sealers.of(keyset).seal(&self.associated, &version.to_be_bytes(), &mut sealed);
        Ok(sealed)
    }

    /// What [`Codec::seal_through`] sealed.
    pub(super) fn open_through(&mut self, sealed: &[u8]) -> Result<u64, ChangelogError> {
        let plaintext = self.opened(Some(SETTLED_THROUGH), sealed)?;
        let bytes = plaintext.as_slice().try_into().map_err(|_| ChangelogError::Foreign)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn opened(&mut self, key: Option<&[u8]>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, ChangelogError> {
        self.associate(key);
        let mut error = ChangelogError::KeyGone;
        for keyset in self.keyring.keysets() {
            match self.sealers.of(keyset).open(&self.associated, sealed) {
                Ok(plaintext) => return Ok(Zeroizing::new(plaintext)),
                Err(OpenError::UnknownKey(_)) => {}
                Err(_) => error = ChangelogError::Foreign,
            }
        }
        Err(error)
    }

    fn associate(&mut self, key: Option<&[u8]>) {
        self.associated.clear();
        let (group, topic) = (&*self.group, &*self.source);
        match key {
            None => Associated::StateKey { group, topic }.write(&mut self.associated),
            Some(key) => {
                // a state key is a token or the reserved word: ASCII
                let key = std::str::from_utf8(key).unwrap_or_default();
                Associated::State { group, topic, key }.write(&mut self.associated);
            }
        }
    }
}
