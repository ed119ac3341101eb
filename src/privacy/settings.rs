//! What a process knows from its configuration: sources, layouts, views, workspaces, limits.
//!
//! These are the domain's own structs; the file's form lives in `config` and is turned into them there. Always holds once
//! [`Settings::check`] has passed: names are well formed, no two sources write one protected topic, every source can tell its
//! workspace. Marks, domains and stages are not here: the control topic alone decides them ([`super::control`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::gate::Gate;
use super::matcher::Matchers;
use super::path::{Path, Step};
use super::scan::Limits;

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
}

/// What becomes of personal data that no mark speaks of and a matcher finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Detection {
    /// Nobody looks for any.
    #[default]
    Off,
    /// Protected topics show it; views mask it.
    Report,
    /// Protected topics show its token, in the domain of the matcher's name; views mask it.
    Encrypt,
    /// Both mask it.
    Mask,
    /// Protected topics lack it; views mask it.
    Drop,
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

const OWN_TOPIC: &str = "is kept by sivcar for itself; choose another name";

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

impl Settings {
    /// Refuses settings that contradict themselves.
    pub fn check(&self) -> Result<(), SettingsError> {
        let error = |where_: String, what: &str| Err(SettingsError { where_, what: what.to_owned() });
        if !is_name(&self.group) {
            return error("group".to_owned(), "must be 1–64 letters, digits, '.', '_' or '-'");
        }
        if self.sources.is_empty() {
            return error("source".to_owned(), "none is configured; add a [[source]] section");
        }
        if let Some(id) = self.workspaces.iter().find(|id| !is_name(id)) {
            return error(format!("workspace {id:?}"), "must be 1–64 letters, digits, '.', '_' or '-'");
        }
        for (index, source) in self.sources.iter().enumerate() {
            source.check().map_err(|what| SettingsError { where_: format!("source {:?}", source.topic), what })?;
            if self.sources[..index].iter().any(|other| other.topic == source.topic) {
                return error(format!("source {:?}", source.topic), "is configured twice");
            }
        }
        for source in &self.sources {
            self.check_events(source)
                .map_err(|what| SettingsError { where_: format!("source {:?}", source.topic), what })?;
        }
        for view in &self.views {
            view.check(self).map_err(|what| SettingsError { where_: format!("view {:?}", view.name), what })?;
        }
        self.check_topics()
    }

    /// A synthetic event needs a source that can tell whose it is, where its attributes stand, and whose keyset sealed them.
    fn check_events(&self, source: &Source) -> Result<(), String> {
        let Some(index) = source.events else { return Ok(()) };
        let Some(events) = self.sources.get(index).filter(|events| events.kind == SourceKind::Event) else {
            return Err("events names no source of kind \"event\"".to_owned());
        };
        let (topic, layout) = (&events.topic, &events.layout);
        let itself = source.topic == *topic;
        if source.kind == SourceKind::Event && !(itself && source.state.is_some()) {
            return Err("events is for sources of kind \"profile\"".to_owned());
        }
        let tells = layout.id.is_some() && !layout.attributes.is_empty();
        if !tells && itself {
            return Err(format!("keeps profiles (state), and its layout {:?} has no id or no attributes", layout.name));
        }
        if !tells {
            return Err(format!("events names {topic:?}, whose layout {:?} has no id or no attributes", layout.name));
        }
        if !events.carries_all_of(source) {
            return Err(format!("events names {topic:?}, which does not carry every workspace that this source does"));
        }
        Ok(())
    }

    /// Whether `topic` is named like one that sivcar keeps for itself: who could write it through a source or an output could switch
    /// protection off.
    fn is_own_topic(&self, topic: &str) -> bool {
        let own = topic.strip_prefix(self.group.as_str()).and_then(|rest| rest.strip_prefix('.'));
        own.is_some_and(|name| matches!(name, "control" | "status") || name.ends_with(".changelog"))
    }

    /// No topic is written by two, and none that is read is written: a sidecar must not feed on itself.
    fn check_topics(&self) -> Result<(), SettingsError> {
        let raw: BTreeSet<&str> = self.sources.iter().map(|source| source.topic.as_str()).collect();
        let dead: BTreeSet<&str> = self.sources.iter().map(|source| source.dead_letters.as_str()).collect();
        let mut written = BTreeSet::new();
        let protected = self.sources.iter().map(|source| ("protected topic", source.protected.as_str()));
        let debug = self.views.iter().flat_map(|view| view.topics.values().map(|topic| ("view topic", topic.as_str())));
        for (role, topic) in protected.chain(debug) {
            let what = if self.is_own_topic(topic) {
                OWN_TOPIC
            } else if !written.insert(topic) {
                "is written by two; give each its own topic"
            } else if raw.contains(topic) {
                "is also a source; sivcar would read what it writes"
            } else if dead.contains(topic) {
                "is also a dead-letter topic"
            } else {
                continue;
            };
            return Err(SettingsError { where_: format!("{role} {topic:?}"), what: what.to_owned() });
        }
        if let Some(topic) = raw.iter().chain(&dead).find(|topic| self.is_own_topic(topic)) {
            return Err(SettingsError { where_: format!("topic {topic:?}"), what: OWN_TOPIC.to_owned() });
        }
        match dead.iter().find(|topic| raw.contains(*topic)) {
            Some(topic) => Err(SettingsError {
                where_: format!("dead-letter topic {topic:?}"),
                what: "is also a source; sivcar would read what it writes".to_owned(),
            }),
            None => Ok(()),
        }
    }
}

impl Source {
    /// Whether every workspace that `other` may carry is one that documents of this source may have.
    fn carries_all_of(&self, other: &Source) -> bool {
        match (&self.workspace, &other.workspace) {
            (Some(fixed), Some(other)) => fixed == other,
            (Some(fixed), None) => other.workspaces.len() == 1 && other.workspaces.contains(fixed),
            (None, _) if self.workspaces.is_empty() => true,
            (None, Some(other)) => self.workspaces.contains(other),
            (None, None) => !other.workspaces.is_empty() && other.workspaces.is_subset(&self.workspaces),
        }
    }

    fn check(&self) -> Result<(), String> {
        self.layout.check().map_err(|what| format!("layout {:?}: {what}", self.layout.name))?;
        if self.kind == SourceKind::Profile && self.layout.id.is_none() {
            return Err(format!("layout {:?} names no id, which a profile needs", self.layout.name));
        }
        if let Some(name) = self.workspace.iter().chain(&self.workspaces).find(|name| !is_name(name)) {
            return Err(format!("workspace {name:?} must be 1–64 letters, digits, '.', '_' or '-'"));
        }
        if let Some(gate) = &self.gate {
            gate.check()?;
            if self.layout.id.is_none() && self.layout.uuid.is_none() {
                return Err(format!(
                    "layout {:?} names no id or uuid, so that the gate would let all pass",
                    self.layout.name
                ));
            }
        }
        match (&self.workspace, &self.layout.workspace) {
            (None, None) => Err("names no workspace, nor does its layout; set workspace = \"…\"".to_owned()),
            (Some(_), _) if !self.workspaces.is_empty() => {
                Err("has both workspace and workspaces; workspace fixes it, workspaces lists what documents may name"
                    .to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl View {
    fn check(&self, settings: &Settings) -> Result<(), String> {
        if !is_name(&self.name) {
            return Err("name must be 1–64 letters, digits, '.', '_' or '-'".to_owned());
        }
        if settings.views.iter().filter(|view| view.name == self.name).count() > 1 {
            return Err("is configured twice".to_owned());
        }
        if self.clearance > LEVEL_MAX {
            return Err(format!("clearance must be 0–{LEVEL_MAX}"));
        }
        if self.topics.is_empty() {
            return Err("has no topics; set topics = { \"raw topic\" = \"debug topic\" }".to_owned());
        }
        if self.show.iter().any(Path::is_root) {
            return Err("show names \"$\", which is everything; set unlisted = \"show\" instead".to_owned());
        }
        match self.topics.keys().find(|topic| settings.sources.iter().all(|source| source.topic != **topic)) {
            Some(topic) => Err(format!("topics names {topic:?}, which is no source")),
            None => Ok(()),
        }
    }
}

impl Layout {
    /// Words must have one place: only plain steps; containers too, and these may be the root.
    fn check(&self) -> Result<(), String> {
        let plain = |path: &Path| path.steps().iter().all(|step| matches!(step, Step::Name { .. }));
        let words = self.workspace.iter().chain(&self.event).chain(&self.id).chain(&self.uuid);
        for path in words {
            if path.is_root() || !plain(path) {
                return Err(format!("{:?} must be a path of plain names", path.text()));
            }
        }
        match self.attributes.iter().chain(&self.parameters).find(|path| !plain(path)) {
            Some(path) => Err(format!("{:?} must be a path of plain names or $", path.text())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
