//! Keysets: the keys that seal and open, in Tink's JSON form.
//!
//! A keyset file is what `tinkey` and Tink's libraries write, so every language can make and read one. Always holds: each key of
//! a [`Keyset`] is a 64-byte AES-SIV key whose tokens name it (prefix TINK), ids are unique, and the primary is enabled; anything
//! else is refused when read, with its reason and never with its bytes. Keys stay in one place on the heap, are wiped when
//! dropped, and cannot be printed. Deliberately not here: where a keyset comes from and where new keys get their randomness
//! ([`crate::keys`]), and sealing itself ([`super::seal`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::jwt::Jwks;
use super::mark::EVERYWHERE;
use crate::secret::Secret;

mod wire;

/// The bytes of one key: 32 for S2V (CMAC), then 32 for CTR. RFC 5297 with AES-256.
pub const KEY_BYTES: usize = 64;

/// The most keys that a keyset may hold; each enabled one costs every worker a cipher and every search a token.
pub const KEYS_MAX: usize = 256;

/// Whether a key may be used. Tink's `DESTROYED` is refused: such an entry holds no key and can simply be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Seals and opens.
    Enabled,
    /// Kept, but neither seals nor opens.
    Disabled,
}

/// One key of a keyset.
#[derive(Debug)]
pub struct Key {
    id: u32,
    status: Status,
    material: Secret<Box<[u8]>>,
}

impl Key {
    fn new(id: u32, status: Status, material: &[u8; KEY_BYTES]) -> Self {
        Self { id, status, material: Secret::new(Box::from(material.as_slice())) }
    }

    /// The id that stands in each of its tokens.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Whether it seals and opens.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The 64 key bytes, for building a cipher and for nothing else.
    pub(super) fn material(&self) -> &[u8] {
        self.material.expose()
    }
}

/// Keys, one of them the primary. Each key is shared by [`Arc`], so that there is one copy to wipe.
#[derive(Debug)]
pub struct Keyset {
    primary: u32,
    keys: Vec<Arc<Key>>,
}

/// Why a keyset is refused. Ids are no secret; nothing else of the keyset is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // each message is the documentation
pub enum KeysetError {
    #[error("the keyset is not JSON: line {line}, column {column}")]
    Json { line: usize, column: usize },
    #[error(
        "the keyset is not in Tink's JSON form: a field is missing, unknown, repeated or of a wrong type at line {line}, column {column}; \
         take one from `sivcar keys generate` or from Tink"
    )]
    Form { line: usize, column: usize },
    #[error("the keyset is encrypted; let a command decrypt it")]
    Encrypted,
    #[error("the keyset has no keys")]
    NoKeys,
    #[error("the keyset has more than {KEYS_MAX} keys")]
    TooManyKeys,
    #[error("the primary key {id} is not in the keyset")]
    PrimaryMissing { id: u32 },
    #[error("the primary key {id} is not enabled")]
    PrimaryDisabled { id: u32 },
    #[error("two keys have the id {id}")]
    DuplicateId { id: u32 },
    #[error("there is no key {id} in the keyset")]
    UnknownId { id: u32 },
    #[error("key {id} is not of type AesSivKey")]
    Type { id: u32 },
    #[error("key {id} is not SYMMETRIC key material")]
    Material { id: u32 },
    #[error("key {id} is {found}, but only ENABLED and DISABLED keys are accepted")]
    Status { id: u32, found: &'static str },
    #[error("key {id} has the output prefix {found}, but only TINK is accepted, since a token must name its key")]
    Prefix { id: u32, found: &'static str },
    #[error("the value of key {id} is not padded standard base64")]
    Base64 { id: u32 },
    #[error("the value of key {id} is not an AesSivKey message")]
    Message { id: u32 },
    #[error("key {id} is of a version other than 0")]
    Version { id: u32 },
    #[error("key {id} does not have 64 bytes")]
    Size { id: u32 },
}

impl Keyset {
    /// Reads a Tink JSON keyset. Accepted are: numeric ids, enums by name, padded standard base64 and no field that Tink does
    /// not write.
    pub fn parse(json: &[u8]) -> Result<Self, KeysetError> {
        let (primary, keys) = wire::read(json)?;
        let keyset = Self { primary, keys };
        keyset.validate()?;
        Ok(keyset)
    }

    /// A keyset of one new key. `material` must be fresh from the system's random source, and `id` too.
    pub fn generate(material: &[u8; KEY_BYTES], id: u32) -> Self {
        Self { primary: id, keys: vec![Arc::new(Key::new(id, Status::Enabled, material))] }
    }

    /// The keyset as Tink's JSON, indented, with a line feed at its end; [`Keyset::parse`] gives it back.
    pub fn to_json(&self) -> Secret<String> {
        wire::write(self.primary, &self.keys)
    }

    /// The id of the key that seals.
    pub fn primary(&self) -> u32 {
        self.primary
    }

    /// All keys in the order of the file, disabled ones included.
    pub fn keys(&self) -> &[Arc<Key>] {
        &self.keys
    }

    /// The key `id`, enabled or not.
    pub fn key(&self, id: u32) -> Option<&Key> {
        self.keys.iter().map(Arc::as_ref).find(|key| key.id == id)
    }

    /// Adds an enabled key that is not yet primary, so that every reader can have it before anything is sealed under it.
    pub fn add(&mut self, material: &[u8; KEY_BYTES], id: u32) -> Result<(), KeysetError> {
        if self.key(id).is_some() {
            return Err(KeysetError::DuplicateId { id });
        }
        if self.keys.len() == KEYS_MAX {
            return Err(KeysetError::TooManyKeys);
        }
        self.keys.push(Arc::new(Key::new(id, Status::Enabled, material)));
        Ok(())
    }

    /// Disables the key `id`, which must not be the primary: its tokens can no longer be opened or searched.
    pub fn disable(&mut self, id: u32) -> Result<(), KeysetError> {
        if id == self.primary {
            return Err(KeysetError::PrimaryDisabled { id });
        }
        let key = self.keys.iter_mut().find(|key| key.id == id).ok_or(KeysetError::UnknownId { id })?;
        *key = Arc::new(Key { id, status: Status::Disabled, material: Secret::new(Box::from(key.material())) });
        Ok(())
    }

    /// The same keys, of which the enabled key `id` is the primary.
    pub fn promoted(&self, id: u32) -> Result<Keyset, KeysetError> {
        match self.key(id).ok_or(KeysetError::PrimaryMissing { id })?.status {
            Status::Enabled => Ok(Self { primary: id, keys: self.keys.clone() }),
            Status::Disabled => Err(KeysetError::PrimaryDisabled { id }),
        }
    }

    fn validate(&self) -> Result<(), KeysetError> {
        if self.keys.is_empty() {
            return Err(KeysetError::NoKeys);
        }
        if self.keys.len() > KEYS_MAX {
            return Err(KeysetError::TooManyKeys);
        }
        let mut seen = BTreeSet::new();
        if let Some(twin) = self.keys.iter().find(|key| !seen.insert(key.id)) {
            return Err(KeysetError::DuplicateId { id: twin.id });
        }
        match self.key(self.primary).map(Key::status) {
            Some(Status::Enabled) => Ok(()),
            Some(Status::Disabled) => Err(KeysetError::PrimaryDisabled { id: self.primary }),
            None => Err(KeysetError::PrimaryMissing { id: self.primary }),
        }
    }
}

/// A workspace's own keyset, as far as it could be had.
#[derive(Clone)]
pub enum Entry {
    /// It is here.
    Present(Arc<Keyset>),
    /// It is configured but does not exist: its workspace's records are rejected, never sealed under another keyset.
    Missing,
}

/// The keysets of a process: a default one and those that workspaces have of their own; and the public keys of issuers. Cheap to clone.
#[derive(Clone, Default)]
pub struct Keyring {
    default: Option<Arc<Keyset>>,
    own: BTreeMap<String, Entry>,
    issuers: BTreeMap<String, Arc<Jwks>>,
}

impl Keyring {
    /// A keyring of a default keyset, where there is one, and of the workspaces' own.
    pub fn new(default: Option<Arc<Keyset>>, own: BTreeMap<String, Entry>) -> Self {
        Self { default, own, issuers: BTreeMap::new() }
    }

    /// The same keysets beside these keys of issuers, by the source whose gate looks at their signatures.
    pub fn with_issuers(self, issuers: BTreeMap<String, Arc<Jwks>>) -> Self {
        Self { issuers, ..self }
    }

    /// Whose signatures the gate of the source `topic` takes.
    pub fn issuers(&self, topic: &str) -> Option<&Jwks> {
        self.issuers.get(topic).map(Arc::as_ref)
    }

    /// The keyset that seals for `workspace`: its own, or the default where it has none. `None` means `keyset_missing`: its own
    /// does not exist, or there is no default.
    pub fn of(&self, workspace: &str) -> Option<&Arc<Keyset>> {
        match self.own.get(workspace) {
            Some(Entry::Present(keyset)) => Some(keyset),
            Some(Entry::Missing) => None,
            None => self.default.as_ref(),
        }
    }

    /// The same keysets with these primaries, by workspace, `*` standing for `[keys]`; the others stay as they are.
    ///
    /// # Errors
    /// [`KeysetError`], with the workspace whose keyset does not have its primary as an enabled key.
    pub fn promoted(&self, primaries: &BTreeMap<String, u32>) -> Result<Keyring, (String, KeysetError)> {
        let promoted = |workspace: &str, keyset: &Arc<Keyset>| match primaries.get(workspace) {
            Some(id) if *id != keyset.primary => match keyset.promoted(*id) {
                Ok(promoted) => Ok(Arc::new(promoted)),
                Err(error) => Err((workspace.to_owned(), error)),
            },
            _ => Ok(keyset.clone()),
        };
        let own = self.own.iter().map(|(workspace, entry)| {
            let entry = match entry {
                Entry::Present(keyset) => Entry::Present(promoted(workspace, keyset)?),
                Entry::Missing => Entry::Missing,
            };
            Ok((workspace.clone(), entry))
        });
        let default = self.default.as_ref().map(|keyset| promoted(EVERYWHERE, keyset)).transpose()?;
        Ok(Keyring { default, own: own.collect::<Result<_, _>>()?, issuers: self.issuers.clone() })
    }

    /// The keyset of `[keys]`, which also seals dead letters of unknown workspaces.
    pub fn default_keyset(&self) -> Option<&Arc<Keyset>> {
        self.default.as_ref()
    }

    /// Every keyset that is here: the default one first.
    pub fn keysets(&self) -> impl Iterator<Item = &Arc<Keyset>> {
        let own = self.own.values().filter_map(|entry| match entry {
            Entry::Present(keyset) => Some(keyset),
            Entry::Missing => None,
        });
        self.default.iter().chain(own)
    }

    /// The workspaces with a keyset of their own, in order of their names.
    pub fn own(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.own.iter().map(|(workspace, entry)| (workspace.as_str(), entry))
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Entry::Present(_) => "Present",
            Entry::Missing => "Missing",
        })
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let primary = self.default.as_ref().map(|keyset| keyset.primary);
        f.debug_struct("Keyring").field("default_primary", &primary).field("own", &self.own).finish()
    }
}

#[cfg(test)]
mod tests;
