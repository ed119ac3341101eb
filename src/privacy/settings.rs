//! What a process knows from its configuration: sources, layouts, views, workspaces, limits.
//!
//! These are the domain's own structs; the file's form lives in `config` and is turned into them there. Always holds once
//! [`Settings::check`] has passed: names are well formed, no two sources write one protected topic, every source can tell its
//! workspace. Marks, domains and stages are not here: the control topic alone decides them ([`super::control`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::gate::Gate;
use super::hook::Hooks;
use super::matcher::Matchers;
use super::path::Path;
use super::scan::Limits;

mod check;

/// Everything the policy is compiled from, but for the control table.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The consumer group: also the prefix of sivcar's own topics.
    pub group: String,
    /// Limits of the scanner.
    pub limits: Limits,
    /// The configured workspaces. As soon as there is one, records of any other are rejected.
    pub workspaces: BTreeSet<String>,
    /// The raw topics, in the configuration's order; a source is named by its index here.
    pub sources: Vec<Source>,
    /// The debug audiences; a view is named by its index here.
    pub views: Vec<View>,
    /// What detection looks for, in sources that ask for it.
    pub matchers: Arc<Matchers>,
    /// What raises levels.
    pub hooks: Arc<Hooks>,
}

/// What becomes of personal data that no mark speaks of and a matcher finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Detection {
    /// Nobody looks for any.
    Off,
    /// Protected topics show it; views mask it.
    #[default]
    Report,
    /// Protected topics show its token, in the domain of the matcher's name; views mask it.
    Encrypt,
    /// Both mask it.
    Mask,
    /// Protected topics lack it; views mask it.
    Drop,
}

impl Detection {
    /// Whether protected topics do not show what is found.
    pub fn hides(self) -> bool {
        !matches!(self, Detection::Off | Detection::Report)
    }
}

/// Which strings of a source's documents are entered like objects, by marks and by detection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Within {
    /// Those that hold a JSON document.
    pub json: bool,
    /// Those that hold a URL's query.
    pub queries: bool,
}

/// What the records of a source are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// Something that happened; may lack ids and a name.
    Event,
    /// A profile or a patch of one; needs its id.
    Profile,
}

/// What protected topics show of ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ids {
    /// As they are.
    #[default]
    Clear,
    /// Sealed under the domains `id` and `uuid`.
    Seal,
}

/// How names are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// By [`super::fold::name`]: `Email` is `email`.
    #[default]
    Fold,
    /// Byte by byte.
    Exact,
}

/// What a record of a profile source does to the profile's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fold {
    /// It is a patch: RFC 7396.
    #[default]
    Merge,
    /// It is the whole profile.
    Replace,
}

/// What chooses the partition of a synthetic event from its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Partitioner {
    /// As Java's producer does.
    #[default]
    Murmur2,
}

/// What is enforced in protected topics for one workspace; views mask in every stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Nothing.
    Off,
    /// Nothing; records carry the header `sivcar-stage: configured`.
    Configured,
    /// Every mark.
    #[default]
    Enforced,
}

/// Where the parts of a document stand.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Layout {
    /// The layout's name, for messages.
    pub name: String,
    /// The workspace, unless the source fixes it.
    pub workspace: Option<Path>,
    /// The event's name: the first of these that is present.
    pub event: Vec<Path>,
    /// The profile's id.
    pub id: Option<Path>,
    /// The profile's second identifier.
    pub uuid: Option<Path>,
    /// The containers of attributes.
    pub attributes: Vec<Path>,
    /// The containers of parameters.
    pub parameters: Vec<Path>,
}

/// A raw topic and how to read it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The raw topic.
    pub topic: String,
    /// Events or profiles.
    pub kind: SourceKind,
    /// Where things stand.
    pub layout: Layout,
    /// The fixed workspace; the document's is then not read.
    pub workspace: Option<String>,
    /// The workspaces a document may name; empty: any.
    pub workspaces: BTreeSet<String>,
    /// The protected topic.
    pub protected: String,
    /// The dead-letter topic; several sources may share one.
    pub dead_letters: String,
    /// Whether the writers are as trusted as we, so that their tokens may pass.
    pub sealed_input: bool,
    /// What protected topics show of ids.
    pub ids: Ids,
    /// How names are compared.
    pub case: Case,
    /// What becomes of personal data that no mark speaks of.
    pub detection: Detection,
    /// Which strings are entered.
    pub within: Within,
    /// Whether what holds for a marked parameter holds for its copies elsewhere in the document.
    pub derived_copies: bool,
    /// What a record does to its profile's state: every record of a profile source, and the [`IDENTIFY`] events of an event source that
    /// keeps profiles. `None`: none are kept.
    pub state: Option<Fold>,
    /// Of a source that keeps profiles: index of the event source whose outputs take the synthetic events; `None`: none are made.
    pub events: Option<usize>,
    /// How a synthetic event's partition is chosen.
    pub partitioner: Partitioner,
    /// What a record that tells whose it is must carry; `None`: nothing.
    pub gate: Option<Gate>,
}

/// What a view shows of fields that no rule touches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unlisted {
    /// Each leaf as `***`.
    #[default]
    Mask,
    /// As it is.
    Show,
}

/// A debug audience.
#[derive(Clone, Debug)]
pub struct View {
    /// The view's name.
    pub name: String,
    /// Clear where at least a field's level, 0–9999.
    pub clearance: u16,
    /// What no rule touches.
    pub unlisted: Unlisted,
    /// Paths from the root, shown although `unlisted` masks.
    pub show: Vec<Path>,
    /// The headers that are kept, by name.
    pub headers: BTreeSet<String>,
    /// Whether documents tell which rules touched them.
    pub trace: bool,
    /// The debug topic per raw topic.
    pub topics: BTreeMap<String, String>,
}

/// The name of the events that are patches of their profiles too, where their source keeps profiles.
pub const IDENTIFY: &str = "identify";

/// The highest level and clearance.
pub const LEVEL_MAX: u16 = 9999;

/// A contradiction in the settings: what is wrong and where, never a secret.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{where_}: {what}")]
pub struct SettingsError {
    /// The part of the configuration, as `source "raw.events"`.
    pub where_: String,
    /// What is wrong with it and what to do.
    pub what: String,
}

/// Whether `name` may name a workspace, a group or a view: 1–64 of letters, digits, `.`, `_` and `-`.
pub fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Whether `domain` may name a domain: 1–256 bytes without control characters.
pub fn is_domain(domain: &str) -> bool {
    (1..=256).contains(&domain.len()) && !domain.chars().any(char::is_control)
}

#[cfg(test)]
pub(crate) mod tests;
