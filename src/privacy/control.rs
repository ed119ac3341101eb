//! The control topic's records, and the table that they fold to.
//!
//! A key is canonical JSON that names one thing (a mark, a domain's settings, a workspace's stage, a key, what becomes of a workspace's profiles, the topic's incarnation), a
//! value says what holds for it, and null withdraws it. The offsets of the one partition order all changes; the policy version is
//! the offset of the last record read, plus one. Always holds: a record that cannot be understood makes the policy stricter
//! or is an error that stops the process, it never makes the policy weaker. Deliberately not here: reading and writing the topic.

use std::collections::{BTreeMap, BTreeSet};

use super::mark::{EVERYWHERE, Mark, MarkKey, Protect};

mod records;
mod values;

pub use records::{ControlKey, ControlRecord, ControlValue, Pin};
pub use values::{Domain, Incarnation, KeyRecord, Moment, Nothing, PAD_MAX, Pinned, Pinning, Primary, StageRecord};

/// A control record that this version cannot take as it stands.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ControlError {
    /// The key is no canonical JSON object, or of a kind this version does not know.
    #[error(
        "control record at offset {0}: its key is of no kind this version knows; upgrade sivcar, or withdraw the record"
    )]
    Key(i64),
    /// The value of a record that is not a mark cannot be read.
    #[error("control record at offset {0}: its value cannot be read; write it anew or withdraw it")]
    Value(i64),
}

/// All that the control topic says, as of one version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The marks that hold; `since` is always set.
    pub marks: BTreeMap<MarkKey, Mark>,
    /// The settings of domains, by workspace (or `*`) and name; `since` is always set.
    pub domains: BTreeMap<(String, String), Domain>,
    /// The stages of workspaces; `since` is always set.
    pub stages: BTreeMap<String, StageRecord>,
    /// The ids of test profiles, by workspace.
    pub test_profiles: BTreeSet<(String, String)>,
    /// The keys that this group has used, by id.
    pub keys: BTreeMap<u32, KeyRecord>,
    /// The primaries, by workspace or `*`; where there is none, the keyset's own is.
    pub primaries: BTreeMap<String, u32>,
    /// The keys that are pinned.
    pub pinned: BTreeMap<Pin, Pinning>,
    /// Since when all is to be sealed anew, by workspace or `*`.
    pub reseals: BTreeMap<String, u64>,
    /// Since when profiles are to be forgotten, by workspace.
    pub erased: BTreeMap<String, u64>,
    /// The topic's identity.
    pub incarnation: Option<String>,
    /// Offset of the last record in it, plus one; 0: none was read.
    pub version: u64,
}

impl Table {
    /// Takes in the record at `offset`, whose key and value are `key` and `value`.
    ///
    /// # Errors
    /// [`ControlError`], for a record that is neither a withdrawal nor understood: the process must stop, for to go on without it
    /// could protect less than was asked for. The table is unchanged then.
    pub fn apply(&mut self, offset: i64, key: &[u8], value: Option<&[u8]>) -> Result<(), ControlError> {
        let version = u64::try_from(offset).map_or(0, |offset| offset.saturating_add(1));
        match (ControlKey::decode(key), value) {
            (None, Some(_)) => return Err(ControlError::Key(offset)),
            (None, None) => {}
            (Some(key), None) => self.withdraw(&key),
            (Some(key), Some(bytes)) => {
                let value = ControlValue::decode(&key, bytes).ok_or(ControlError::Value(offset))?;
                self.put(key, value, version);
            }
        }
        self.version = self.version.max(version);
        Ok(())
    }

    fn put(&mut self, key: ControlKey, value: ControlValue, version: u64) {
        match (key, value) {
            (ControlKey::Mark(key), ControlValue::Mark(mut mark)) => {
                mark.since = mark.since.or(Some(version));
                self.marks.insert(key, mark);
            }
            (ControlKey::Domain { workspace, name }, ControlValue::Domain(mut domain)) => {
                domain.since = domain.since.or(Some(version));
                self.domains.insert((workspace, name), domain);
            }
            (ControlKey::Stage { workspace }, ControlValue::Stage(mut stage)) => {
                stage.since = stage.since.or(Some(version));
                self.stages.insert(workspace, stage);
            }
            (ControlKey::TestProfile { workspace, id }, ControlValue::TestProfile(_)) => {
                self.test_profiles.insert((workspace, id));
            }
            (ControlKey::Key { id }, ControlValue::Key(key)) => {
                self.keys.insert(id, key);
            }
            (ControlKey::Primary { workspace }, ControlValue::Primary(primary)) => {
                self.primaries.extend(primary.id.parse().map(|id| (workspace, id)));
            }
            (ControlKey::Pinned(pin), ControlValue::Pinned(pinned)) => {
                self.pinned.extend(pinned.pinning(version).map(|pinning| (pin, pinning)));
            }
            (ControlKey::Reseal { workspace }, ControlValue::Moment(moment)) => {
                self.reseals.insert(workspace, moment.since.unwrap_or(version));
            }
            (ControlKey::Erased { workspace }, ControlValue::Moment(moment)) => {
                self.erased.insert(workspace, moment.since.unwrap_or(version));
            }
            (ControlKey::Incarnation, ControlValue::Incarnation(Incarnation { nonce })) => {
                self.incarnation = Some(nonce);
            }
            // `decode` gives the value of the key's own kind
            _ => {}
        }
    }

    fn withdraw(&mut self, key: &ControlKey) {
        match key {
            ControlKey::Mark(key) => {
                self.marks.remove(key);
            }
            ControlKey::Domain { workspace, name } => {
                self.domains.remove(&(workspace.clone(), name.clone()));
            }
            ControlKey::Stage { workspace } => {
                self.stages.remove(workspace);
            }
            ControlKey::TestProfile { workspace, id } => {
                self.test_profiles.remove(&(workspace.clone(), id.clone()));
            }
            ControlKey::Key { id } => {
                self.keys.remove(id);
            }
            ControlKey::Primary { workspace } => {
                self.primaries.remove(workspace);
            }
            ControlKey::Pinned(pin) => {
                self.pinned.remove(pin);
            }
            ControlKey::Reseal { workspace } => {
                self.reseals.remove(workspace);
            }
            ControlKey::Erased { workspace } => {
                self.erased.remove(workspace);
            }
            ControlKey::Incarnation => self.incarnation = None,
        }
    }

    /// What must still be published so that `wished` holds: marks that are absent or ask for something else (their `since` is
    /// carried while they are effective), domains, stages, primaries and pinned keys that are absent, for these the file only seeds, and keys
    /// that are absent or of another status.
    pub fn missing(&self, wished: &[ControlRecord]) -> Vec<ControlRecord> {
        wished
            .iter()
            .filter_map(|record| match (&record.key, &record.value) {
                (ControlKey::Mark(key), Some(ControlValue::Mark(mark))) => self
                    .revise(key, mark)
                    .map(|mark| ControlRecord { key: record.key.clone(), value: Some(ControlValue::Mark(mark)) }),
                (ControlKey::Domain { workspace, name }, _) => {
                    (!self.domains.contains_key(&(workspace.clone(), name.clone()))).then(|| record.clone())
                }
                (ControlKey::Stage { workspace }, _) => (!self.stages.contains_key(workspace)).then(|| record.clone()),
                (ControlKey::Primary { workspace }, _) => {
                    (!self.primaries.contains_key(workspace)).then(|| record.clone())
                }
                (ControlKey::TestProfile { workspace, id }, _) => {
                    (!self.test_profiles.contains(&(workspace.clone(), id.clone()))).then(|| record.clone())
                }
                (ControlKey::Pinned(pin), _) => (!self.pinned.contains_key(pin)).then(|| record.clone()),
                (ControlKey::Key { id }, Some(ControlValue::Key(key))) => {
                    (self.keys.get(id) != Some(key)).then(|| record.clone())
                }
                _ => None,
            })
            .collect()
    }

    /// Whether a mark on record keys or headers holds anywhere.
    pub fn marks_around(&self) -> bool {
        self.marks.keys().any(|key| key.on.is_around())
    }

    /// The keys that are still to be pinned for the protected topics `topics`, where marks on record keys or headers are to hold: the
    /// primaries of the moment.
    pub fn unpinned<'a>(&self, topics: impl Iterator<Item = &'a str>) -> Vec<ControlRecord> {
        let pins = topics.flat_map(|topic| {
            self.primaries.iter().map(move |(workspace, id)| {
                let workspace = Some(workspace.clone()).filter(|workspace| workspace != EVERYWHERE);
                (Pin { topic: topic.to_owned(), workspace }, *id)
            })
        });
        let absent = pins.filter(|(pin, _)| !self.pinned.contains_key(pin));
        absent.map(|(pin, id)| ControlRecord::pin(pin, id, &[])).collect()
    }

    /// The id of a key in `wished` that is not the key which this group knows by that id, or which two keysets have as two keys.
    pub fn contradicted(&self, wished: &[ControlRecord]) -> Option<u32> {
        let mut checks: BTreeMap<u32, &str> = self.keys.iter().map(|(id, key)| (*id, key.check.as_str())).collect();
        wished.iter().find_map(|record| match (&record.key, &record.value) {
            (ControlKey::Key { id }, Some(ControlValue::Key(key))) => {
                (*checks.entry(*id).or_insert(&key.check) != key.check).then_some(*id)
            }
            _ => None,
        })
    }

    /// The mark to be written so that `wish` holds under `key`; `None` where it holds already.
    pub fn revise(&self, key: &MarkKey, wish: &Mark) -> Option<Mark> {
        let Some(held) = self.marks.get(key) else { return Some(wish.clone()) };
        // one that has protected topics do something for the first time is newly effective
        let begins = held.protect == Protect::None && wish.protect != Protect::None;
        let carried = held.since.filter(|_| !begins);
        (!held.asks_the_same(wish)).then(|| Mark { since: wish.since.or(carried), ..wish.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::mark::On;
    use crate::privacy::settings::Stage;

    fn applied(key: &str, value: &str) -> Result<Table, ControlError> {
        let mut table = Table::default();
        table.apply(4, key.as_bytes(), Some(value.as_bytes())).map(|()| table)
    }

    #[test]
    fn a_value_that_is_no_object_never_weakens_anything() {
        let mark = r#"{"kind":"mark","name":"email","on":"attribute","workspace":"acme"}"#;
        for value in
            ["[]", "[0,\"none\"]", " [0,\"none\"]", "null", "{\"level\":0,\"new\":1}", "{\"level\":0,\"level\":0}"]
        {
            let table = applied(mark, value).expect("taken");
            let held = table.marks.values().next().expect("a mark");
            assert!(held.asks_the_same(&Mark::strictest(On::Attribute)), "{value}: {held:?}");
        }
        let without_keys = mark.replace("email", "*");
        let settings = crate::privacy::settings::tests::settings();
        let table = applied(&without_keys, "{\"domain\":\"x\",\"new\":1}").expect("taken");
        assert!(crate::privacy::policy::Policy::compile(&settings, &table).is_ok());
        // a name that no new mark on record keys may have
        let key = r#"{"kind":"mark","name":"id","on":"key","workspace":"acme"}"#;
        let table = applied(key, "{\"level\":5}").expect("taken");
        assert_eq!(table.marks.values().next().map(|mark| mark.level), Some(5));
        assert!(crate::privacy::policy::Policy::compile(&settings, &table).is_ok());
        let stage = r#"{"kind":"stage","workspace":"acme"}"#;
        for (value, expected) in [("[\"off\"]", Stage::Enforced), ("{\"stage\":\"off\"}", Stage::Off)] {
            let table = applied(stage, value).expect("taken");
            assert_eq!(table.stages["acme"].stage, expected, "{value}");
        }
        let domain = r#"{"kind":"domain","name":"email","workspace":"acme"}"#;
        assert_eq!(applied(domain, "[32]"), Err(ControlError::Value(4)));
        assert_eq!(applied(r#"{"kind":"incarnation"}"#, "[\"x\"]"), Err(ControlError::Value(4)));
    }
}
