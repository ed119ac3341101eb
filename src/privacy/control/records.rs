//! The control topic's records as they stand on the wire: canonical JSON, one text per key.
//!
//! Always holds: what is written reads back as the same; a key that is written in another way than ours is none, or compaction would
//! keep two. Deliberately not here: what the records come to together ([`super::Table`]).

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::values::{Domain, Incarnation, KeyRecord, Moment, Nothing, PAD_MAX, Pinned, Primary, StageRecord};
use crate::privacy::keyset::{Keyring, Status};
use crate::privacy::mark::{self, Mark, MarkKey, On};
use crate::privacy::seal::{check_value, token};
use crate::privacy::settings::Stage;

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
    /// An id of a test profile: what views show in clear.
    TestProfile {
        /// The workspace.
        workspace: String,
        /// The id or uuid, as text.
        id: String,
    },
    /// A key that values are sealed under, of whatever keyset.
    Key {
        /// Its id.
        id: u32,
    },
    /// The key that seals for a workspace, or for all those without a keyset of their own (`*`).
    Primary {
        /// A workspace or `*`.
        workspace: String,
    },
    /// The key under which the record keys of a topic are sealed.
    Pinned(Pin),
    /// All that a workspace's profiles sealed is to be sealed anew.
    Reseal {
        /// A workspace or `*`.
        workspace: String,
    },
    /// The profiles of a workspace are to be forgotten.
    Erased {
        /// The workspace.
        workspace: String,
    },
    /// The identity of this control topic.
    Incarnation,
}

/// Where record keys are sealed under one key, whatever becomes of the primary: else compaction, tombstones and erasure would break at
/// each rotation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pin {
    /// The topic.
    pub topic: String,
    /// A workspace with a keyset of its own; `None`: all others.
    pub workspace: Option<String>,
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
    /// For a test profile.
    TestProfile(Nothing),
    /// For a key.
    Key(KeyRecord),
    /// For a primary.
    Primary(Primary),
    /// For a pinned key.
    Pinned(Pinned),
    /// For a re-seal and an erasure.
    Moment(Moment),
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

impl ControlRecord {
    /// The record that pins the key `id` after those in `was`.
    pub fn pin(pin: Pin, id: u32, was: &[u32]) -> ControlRecord {
        let value = Pinned { id: id.to_string(), was: was.iter().map(u32::to_string).collect() };
        ControlRecord { key: ControlKey::Pinned(pin), value: Some(ControlValue::Pinned(value)) }
    }

    /// The record that makes the key `id` the primary of `workspace`, or of `[keys]` (`*`).
    pub fn promote(workspace: &str, id: u32) -> ControlRecord {
        let value = Primary { id: id.to_string(), since: None };
        let key = ControlKey::Primary { workspace: workspace.to_owned() };
        ControlRecord { key, value: Some(ControlValue::Primary(value)) }
    }

    /// The records of all keys in `keyring`, disabled ones included. One that two keysets share has one record, or they would
    /// overwrite each other for ever; it is enabled where either has it enabled.
    pub fn of_keys(keyring: &Keyring) -> Vec<ControlRecord> {
        let mut known: BTreeMap<(u32, String), Status> = BTreeMap::new();
        for key in keyring.keysets().flat_map(|keyset| keyset.keys()) {
            let mut check = Vec::new();
            token(&check_value(key), &mut check);
            let check = String::from_utf8(check).unwrap_or_default(); // a token is ASCII
            let status = known.entry((key.id(), check)).or_insert(key.status());
            if key.status() == Status::Enabled {
                *status = Status::Enabled;
            }
        }
        let record = |((id, check), status)| {
            let value = ControlValue::Key(KeyRecord { check, status });
            ControlRecord { key: ControlKey::Key { id }, value: Some(value) }
        };
        known.into_iter().map(record).collect()
    }
}

/// The wire form of a key: every kind's fields together, sorted by name as canonical JSON wants.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WireKey {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on: Option<On>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workspace: Option<String>,
}

impl ControlKey {
    /// The key's canonical JSON: sorted, without white space.
    pub fn encode(&self) -> Vec<u8> {
        let of = |kind: &str| WireKey { kind: kind.to_owned(), ..WireKey::default() };
        let wire = match self.clone() {
            ControlKey::Mark(MarkKey { workspace, on, name, event }) => {
                WireKey { event, name: Some(name), on: Some(on), workspace: Some(workspace), ..of("mark") }
            }
            ControlKey::Domain { workspace, name } => {
                WireKey { name: Some(name), workspace: Some(workspace), ..of("domain") }
            }
            ControlKey::Stage { workspace } => WireKey { workspace: Some(workspace), ..of("stage") },
            ControlKey::TestProfile { workspace, id } => {
                WireKey { id: Some(id), workspace: Some(workspace), ..of("test-profile") }
            }
            ControlKey::Key { id } => WireKey { id: Some(id.to_string()), ..of("key") },
            ControlKey::Primary { workspace } => WireKey { workspace: Some(workspace), ..of("primary") },
            ControlKey::Pinned(Pin { topic, workspace }) => WireKey { topic: Some(topic), workspace, ..of("pinned") },
            ControlKey::Reseal { workspace } => WireKey { workspace: Some(workspace), ..of("reseal") },
            ControlKey::Erased { workspace } => WireKey { workspace: Some(workspace), ..of("erased") },
            ControlKey::Incarnation => of("incarnation"),
        };
        to_json(&wire)
    }

    /// Reads a key; `None` where it is not one that [`ControlKey::encode`] writes: each thing has one key, or compaction would
    /// keep two.
    pub fn decode(bytes: &[u8]) -> Option<ControlKey> {
        let wire: WireKey = serde_json::from_slice(bytes).ok()?;
        // what a kind does not have is told by the comparison below
        let WireKey { event, id, kind, name, on, topic, workspace } = wire;
        let key = match kind.as_str() {
            "mark" => ControlKey::Mark(MarkKey { workspace: workspace?, on: on?, name: name?, event }),
            "domain" => ControlKey::Domain { workspace: workspace?, name: name? },
            "stage" => ControlKey::Stage { workspace: workspace? },
            "test-profile" => ControlKey::TestProfile { workspace: workspace?, id: id? },
            "key" => ControlKey::Key { id: id?.parse().ok()? },
            "primary" => ControlKey::Primary { workspace: workspace? },
            "pinned" => ControlKey::Pinned(Pin { topic: topic?, workspace }),
            "reseal" => ControlKey::Reseal { workspace: workspace? },
            "erased" => ControlKey::Erased { workspace: workspace? },
            "incarnation" => ControlKey::Incarnation,
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
            ControlValue::TestProfile(nothing) => to_json(nothing),
            ControlValue::Key(key) => to_json(key),
            ControlValue::Primary(primary) => to_json(primary),
            ControlValue::Pinned(pinned) => to_json(pinned),
            ControlValue::Moment(moment) => to_json(moment),
            ControlValue::Incarnation(incarnation) => to_json(incarnation),
        }
    }

    /// Reads the value that stands under `key`; a mark's that cannot be read counts as the strictest.
    pub(super) fn decode(key: &ControlKey, bytes: &[u8]) -> Option<ControlValue> {
        match key {
            ControlKey::Mark(mark_key) => Some(ControlValue::Mark(
                object::<Mark>(bytes)
                    .filter(|mark| mark::check(mark_key, mark).is_ok())
                    .unwrap_or_else(|| Mark::strictest(mark_key.on)),
            )),
            ControlKey::Domain { .. } => {
                object::<Domain>(bytes).filter(|domain| domain.pad <= PAD_MAX).map(ControlValue::Domain)
            }
            ControlKey::Stage { .. } => Some(ControlValue::Stage(object(bytes).unwrap_or(StageRecord {
                stage: Stage::Enforced,
                since: None,
                at: None,
            }))),
            ControlKey::TestProfile { .. } => object(bytes).map(ControlValue::TestProfile),
            ControlKey::Key { .. } => object(bytes).map(ControlValue::Key),
            ControlKey::Primary { .. } => {
                object::<Primary>(bytes).filter(|primary| primary.id.parse::<u32>().is_ok()).map(ControlValue::Primary)
            }
            ControlKey::Pinned(_) => {
                object::<Pinned>(bytes).filter(|pinned| pinned.pinning(0).is_some()).map(ControlValue::Pinned)
            }
            ControlKey::Reseal { .. } | ControlKey::Erased { .. } => object(bytes).map(ControlValue::Moment),
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
