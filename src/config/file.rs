//! The file's form: every section and key, as a person writes them.
//!
//! Always holds: an unknown key is refused, in every table. Numbers and texts carry where they stand, so that what `build`
//! finds wrong with them is shown there. It is serialisable too, since the effective configuration is this form with its
//! defaults filled in. Deliberately not here: ranges, grammar, contradictions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::properties::Kafka;
use crate::privacy::mark::{On, Protect};
use crate::privacy::mask::Mask;
use crate::privacy::matcher::{self, Looking, Risk};
use crate::privacy::settings::{Case, Detection, Fold, Ids, LEVEL_MAX, Partitioner, SourceKind, Stage, Unlisted};

/// A text and where it stands.
pub(super) type Text = Spanned<String>;
/// A number and where it stands; its range is checked in `build`.
pub(super) type Number = Spanned<i64>;

/// The whole file.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    #[serde(default = "group")]
    pub group: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<Text>,
    #[serde(default = "number::<1>")]
    pub workers: Number,
    #[serde(default)]
    pub kafka: Kafka,
    #[serde(default)]
    pub topics: Topics,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub policy: Policy,
    #[serde(default)]
    pub transaction: Transaction,
    #[serde(default)]
    pub state: State,
    #[serde(default)]
    pub http: Http,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<Spanned<Keys>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workspace: Vec<Workspace>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layout: Vec<Layout>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source: Vec<Source>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domain: Vec<Domain>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub view: Vec<View>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mark: Vec<Mark>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matcher: Vec<Matcher>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test_profile: Vec<TestProfile>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hook: Vec<Hook>,
}

/// `[[hook]]`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Hook {
    pub name: Text,
    pub level: Text,
}

/// `[topics]`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Topics {
    pub create: bool,
    pub replication_factor: Number,
}

/// `[limits]`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Limits {
    pub depth: Number,
    pub record_bytes: Number,
    pub string_bytes: Number,
    pub detection_bytes: Number,
}

/// `[policy]`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Policy {
    pub max_staleness: Text,
}

/// `[transaction]`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Transaction {
    pub records: Number,
    pub output_bytes: Number,
    pub time: Text,
}

/// `[state]`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct State {
    pub store: Store,
    pub task_bytes: Number,
}

/// Where profiles are kept.
#[derive(Clone, Copy, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Store {
    #[default]
    Memory,
}

/// `[http]`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Http {
    pub listen: Text,
}

/// `[keys]` and `[workspace.keys]`: exactly one of these.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Keys {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
}

/// `[[workspace]]`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Workspace {
    pub id: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<Spanned<Keys>>,
}

/// `[[layout]]`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Layout {
    pub name: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Text>,
    #[serde(default)]
    pub event: Vec<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<Text>,
    #[serde(default)]
    pub attributes: Vec<Text>,
    #[serde(default)]
    pub parameters: Vec<Text>,
}

/// `[[source]]`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Source {
    pub topic: Text,
    pub kind: SourceKind,
    #[serde(default = "default_layout")]
    pub layout: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Text>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workspaces: Vec<Text>,
    pub protected: Text,
    pub dead_letters: Text,
    #[serde(default)]
    pub sealed_input: bool,
    #[serde(default)]
    pub ids: Ids,
    #[serde(default)]
    pub case: Case,
    #[serde(default)]
    pub detection: Detection,
    #[serde(default)]
    pub json_strings: bool,
    #[serde(default)]
    pub url_queries: bool,
    #[serde(default)]
    pub derived_copies: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<Spanned<Fold>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitioner: Option<Spanned<Partitioner>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
}

/// `[source.gate]`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Gate {
    pub header: Text,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<Spanned<Claims>>,
}

/// `[source.gate.claims]`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Claims {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
}

/// `[[domain]]`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Domain {
    pub workspace: Text,
    pub name: Text,
    #[serde(default = "number::<0>")]
    pub pad: Number,
    #[serde(default)]
    pub loose: bool,
    #[serde(default)]
    pub whole: bool,
}

/// `[[view]]`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct View {
    pub name: Text,
    #[serde(default = "number::<0>")]
    pub clearance: Number,
    #[serde(default)]
    pub unlisted: Unlisted,
    #[serde(default)]
    pub show: Vec<Text>,
    #[serde(default)]
    pub headers: Vec<Text>,
    #[serde(default)]
    pub trace: bool,
    pub topics: BTreeMap<String, Text>,
}

/// `[[mark]]`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Mark {
    pub workspace: Text,
    pub on: On,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    #[serde(default = "strictest_level")]
    pub level: Number,
    #[serde(default)]
    pub protect: Protect,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<Mask>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    #[serde(default)]
    pub shape: bool,
}

/// `[[matcher]]`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Matcher {
    pub name: Text,
    #[serde(default)]
    pub on: matcher::On,
    #[serde(default, rename = "match")]
    pub looking: Looking,
    pub texts: Vec<Text>,
    #[serde(default)]
    pub risk: Risk,
    #[serde(default = "strictest_level")]
    pub level: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<Spanned<Mask>>,
}

/// `[[test-profile]]`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TestProfile {
    pub workspace: Text,
    pub id: Text,
}

/// A value that stands nowhere in the file.
pub(super) fn nowhere<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

fn group() -> Text {
    nowhere("sivcar".to_owned())
}

fn default_layout() -> Text {
    nowhere("default".to_owned())
}

fn number<const N: i64>() -> Number {
    nowhere(N)
}

fn strictest_level() -> Number {
    nowhere(LEVEL_MAX.into())
}

impl Default for Topics {
    fn default() -> Self {
        Self { create: true, replication_factor: nowhere(-1) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: nowhere(64),
            record_bytes: nowhere(1_000_000),
            string_bytes: nowhere(262_144),
            detection_bytes: nowhere(16_384),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self { max_staleness: nowhere("30s".to_owned()) }
    }
}

impl Default for Transaction {
    fn default() -> Self {
        Self { records: nowhere(5_000), output_bytes: nowhere(8_388_608), time: nowhere("100ms".to_owned()) }
    }
}

impl Default for State {
    fn default() -> Self {
        Self { store: Store::Memory, task_bytes: nowhere(1 << 30) }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: nowhere("127.0.0.1:9464".to_owned()) }
    }
}
