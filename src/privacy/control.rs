//! The control topic's records, and the table that they fold to.
//!
//! A key is canonical JSON that names one thing (a mark, a domain's settings, a workspace's stage, the topic's incarnation), a
//! value says what holds for it, and null withdraws it. The offsets of the one partition order all changes; the policy version is
//! the offset of the last record read, plus one. Always holds: a record that cannot be understood makes the policy stricter
//! or is an error that stops the process, it never makes the policy weaker. Deliberately not here: reading and writing the topic.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::mark::{Mark, MarkKey, On};
use super::settings::Stage;

/// What a control record is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ControlKey {
    /// A mark.
    Mark(MarkKey),
    /// The settings of a domain, in a workspace or everywhere (`*`).
    Domain {
        /// A workspace or `*`.
        workspace: String,
        /// The domain.
        name: String,
    },
    /// The stage of a workspace.
    Stage {
        /// The workspace.
        workspace: String,
    },
    /// The identity of this control topic.
    Incarnation,
}

/// What holds for a [`ControlKey`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlValue {
    /// For a mark.
    Mark(Mark),
    /// For a domain.
    Domain(Domain),
    /// For a stage.
    Stage(StageRecord),
    /// For the incarnation.
    Incarnation(Incarnation),
}

/// One control record that is to be written; `None` withdraws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRecord {
    /// What it is about.
    pub key: ControlKey,
    /// What holds from now on.
    pub value: Option<ControlValue>,
}

/// The settings of a domain: shared by all marks that name it, so that two marks cannot disagree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// Bytes of the bucket that plaintexts are filled to; 0: none.
    #[serde(default)]
    pub pad: u32,
    /// Whether a second token ignores case and spaces.
    #[serde(default)]
    pub loose: bool,
    /// Whether an array is one token.
    #[serde(default)]
    pub whole: bool,
    /// The policy version since which these settings hold; `None`: that of its own record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
}

/// The largest bucket: one string at the default limit.
pub const PAD_MAX: u32 = 65_536;

/// The stage of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StageRecord {
    /// What is enforced.
    pub stage: Stage,
    /// The policy version since which it holds; `None`: that of its own record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// When it was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// The control topic's identity: a re-created topic has another.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Incarnation {
    /// A text nobody chose twice: letters and digits.
    pub nonce: String,
}

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

/// The wire form of a key: every kind's fields together, sorted by name as canonical JSON wants.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WireKey {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on: Option<On>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workspace: Option<String>,
}

impl ControlKey {
    /// The key's canonical JSON: sorted, without white space.
    pub fn encode(&self) -> Vec<u8> {
        let empty = WireKey { event: None, kind: String::new(), name: None, on: None, workspace: None };
        let wire = match self.clone() {
            ControlKey::Mark(MarkKey { workspace, on, name, event }) => {
                WireKey { event, kind: "mark".to_owned(), name: Some(name), on: Some(on), workspace: Some(workspace) }
            }
            ControlKey::Domain { workspace, name } => {
                WireKey { kind: "domain".to_owned(), name: Some(name), workspace: Some(workspace), ..empty }
            }
            ControlKey::Stage { workspace } => {
                WireKey { kind: "stage".to_owned(), workspace: Some(workspace), ..empty }
            }
            ControlKey::Incarnation => WireKey { kind: "incarnation".to_owned(), ..empty },
        };
        to_json(&wire)
    }

    /// Reads a key; `None` where it is not one that [`ControlKey::encode`] writes: each thing has one key, or compaction would
    /// keep two.
    pub fn decode(bytes: &[u8]) -> Option<ControlKey> {
        let wire: WireKey = serde_json::from_slice(bytes).ok()?;
        let key = match (wire.kind.as_str(), wire.workspace, wire.name, wire.on, wire.event) {
            ("mark", Some(workspace), Some(name), Some(on), event) => {
                ControlKey::Mark(MarkKey { workspace, on, name, event })
            }
            ("domain", Some(workspace), Some(name), None, None) => ControlKey::Domain { workspace, name },
            ("stage", Some(workspace), None, None, None) => ControlKey::Stage { workspace },
            ("incarnation", None, None, None, None) => ControlKey::Incarnation,
            _ => return None,
        };
        (key.encode() == bytes).then_some(key)
    }
}

impl ControlValue {
    /// The value's canonical JSON.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            ControlValue::Mark(mark) => to_json(mark),
            ControlValue::Domain(domain) => to_json(domain),
            ControlValue::Stage(stage) => to_json(stage),
            ControlValue::Incarnation(incarnation) => to_json(incarnation),
        }
    }

    /// Reads the value that stands under `key`; a mark's that cannot be read counts as the strictest.
    fn decode(key: &ControlKey, bytes: &[u8]) -> Option<ControlValue> {
        match key {
            ControlKey::Mark(mark_key) => Some(ControlValue::Mark(
                object::<Mark>(bytes)
                    .filter(|mark| super::mark::check(mark_key, mark).is_ok())
                    .unwrap_or_else(Mark::strictest),
            )),
            ControlKey::Domain { .. } => {
                object::<Domain>(bytes).filter(|domain| domain.pad <= PAD_MAX).map(ControlValue::Domain)
            }
            ControlKey::Stage { .. } => Some(ControlValue::Stage(object(bytes).unwrap_or(StageRecord {
                stage: Stage::Enforced,
                since: None,
                at: None,
            }))),
            ControlKey::Incarnation => object(bytes).map(ControlValue::Incarnation),
        }
    }
}

/// Reads a record that must be an object: serde would take an array for its fields in order too.
fn object<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    bytes.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(bytes).ok())?
}

/// Serialises through a [`Value`] whose maps are rebuilt in order, so that keys are sorted.
fn to_json<T: Serialize>(wire: &T) -> Vec<u8> {
    let sorted: BTreeMap<String, Value> = match serde_json::to_value(wire) {
        Ok(Value::Object(map)) => map.into_iter().collect(),
        // the wire structs above are plain records of texts, numbers and booleans
        _ => BTreeMap::new(),
    };
    serde_json::to_vec(&sorted).unwrap_or_default()
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
            ControlKey::Incarnation => self.incarnation = None,
        }
    }

    /// What must still be published so that `wished` holds: marks that are absent or ask for something else (their `since` is
    /// carried while they are effective), and domains and stages that are absent, for these the file only seeds.
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
                _ => None,
            })
            .collect()
    }

    /// The mark to be written so that `wish` holds under `key`; `None` where it holds already.
    pub fn revise(&self, key: &MarkKey, wish: &Mark) -> Option<Mark> {
        let Some(held) = self.marks.get(key) else { return Some(wish.clone()) };
        (!held.asks_the_same(wish)).then(|| Mark { since: wish.since.or(held.since), ..wish.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert!(held.asks_the_same(&Mark::strictest()), "{value}: {held:?}");
        }
        let without_keys = mark.replace("email", "*");
        let settings = crate::privacy::settings::tests::settings();
        let table = applied(&without_keys, "{\"domain\":\"x\",\"new\":1}").expect("taken");
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
