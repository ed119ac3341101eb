//! What contradicts itself in settings, and is refused at start.

use std::collections::BTreeSet;

use super::{LEVEL_MAX, Layout, Settings, SettingsError, Source, SourceKind, View, is_name};
use crate::privacy::path::{Path, Step};

const OWN_TOPIC: &str = "is kept by sivcar for itself; choose another name";

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
        if itself && (!tells || layout.event.is_empty()) {
            return Err(format!(
                "keeps profiles (state), and its layout {:?} has no event, no id or no attributes",
                layout.name
            ));
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
        own.is_some_and(|name| matches!(name, "control" | "status" | "alerts") || name.ends_with(".changelog"))
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
            gate.check(&self.layout)?;
        }
        if self.derived_copies && self.layout.parameters.is_empty() {
            return Err(format!(
                "derived-copies looks for copies of marked parameters, and layout {:?} has no parameters",
                self.layout.name
            ));
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
