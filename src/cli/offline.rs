//! What the commands that touch no broker work with: the configuration, its keysets, and the policy of its own marks.
//!
//! Always holds: the policy is what the control topic would say if it held the configuration's wishes and nothing else, as
//! records at offsets 0, 1, 2 …; so the version is their number. What a control topic says beyond the file is not known here.

use std::path::Path as FilePath;
use std::sync::Arc;

use super::exit::Failure;
use crate::config::Config;
use crate::keys::Keys;
use crate::privacy::control::{ControlValue, Domain, Table};
use crate::privacy::keyset::Keyset;
use crate::privacy::mark::{EVERYWHERE, Mark, MarkKey};
use crate::privacy::path::Path;
use crate::privacy::policy::Policy;
use crate::privacy::settings::{Detection, Ids, Settings, Source};

/// Reads and checks the configuration.
pub fn config(path: &FilePath) -> Result<Config, Failure> {
    Ok(Config::load(path)?)
}

/// Loads every keyset that the configuration names. Must come before any thread is started: a variable is removed from the
/// environment once it is read.
pub fn keys(config: &Config) -> Result<Keys, Failure> {
    Ok(Keys::load(Some(config.keys.clone()), config.workspace_keys.clone())?)
}

/// The same with the keys by which gates check signatures, for who reads raw records.
pub fn keys_and_issuers(config: &Config) -> Result<Keys, Failure> {
    Ok(keys(config)?.with_issuers(config.issuers.clone())?)
}

/// The control table that the configuration's wishes alone make.
pub fn table(config: &Config) -> Result<Table, Failure> {
    let mut table = Table::default();
    for (offset, record) in (0..).zip(&config.wished) {
        let value = record.value.as_ref().map(ControlValue::encode);
        table.apply(offset, &record.key.encode(), value.as_deref())?;
    }
    Ok(table)
}

/// The policy of the configuration's wishes, with `settings` in place of its own.
pub fn policy(config: &Config, settings: &Settings) -> Result<Arc<Policy>, Failure> {
    Ok(Arc::new(Policy::compile(settings, &table(config)?)?))
}

/// The index of the source that reads `topic`.
pub fn source(settings: &Settings, topic: &str) -> Result<usize, Failure> {
    settings.sources.iter().position(|source| source.topic == topic).ok_or_else(|| {
        let known = list(settings.sources.iter().map(|source| source.topic.as_str()));
        Failure::usage(format!("--source {topic}: no such source in the configuration; it has {known}"))
    })
}

/// The index of the view `name`, which must have a topic for the source with index `source`.
pub fn view(settings: &Settings, source: usize, name: &str) -> Result<usize, Failure> {
    let topic = &settings.sources[source].topic;
    let has = |view: &&crate::privacy::settings::View| view.topics.contains_key(topic);
    settings.views.iter().position(|view| view.name == name && view.topics.contains_key(topic)).ok_or_else(|| {
        let known = list(settings.views.iter().filter(has).map(|view| view.name.as_str()));
        Failure::usage(format!("--view {name}: no such view of source {topic}; it has {known}"))
    })
}

/// The keyset that seals for `workspace`.
pub fn keyset(config: &Config, keys: &Keys, workspace: &str) -> Result<Arc<Keyset>, Failure> {
    let configured = &config.settings.workspaces;
    if !configured.is_empty() && !configured.contains(workspace) {
        let known = list(configured.iter().map(String::as_str));
        return Err(Failure::usage(format!(
            "--workspace {workspace}: no such workspace in the configuration; it has {known}"
        )));
    }
    keys.ring().of(workspace).cloned().ok_or_else(|| {
        Failure::usage(format!("--workspace {workspace}: its keyset is missing; put it where [workspace.keys] says"))
    })
}

/// The settings of the domain `name` in `workspace`: its own, else those that hold everywhere.
pub fn domain(table: &Table, workspace: &str, name: &str) -> Domain {
    let held = |workspace: &str| table.domains.get(&(workspace.to_owned(), name.to_owned())).cloned();
    held(workspace).or_else(|| held(EVERYWHERE)).unwrap_or_default()
}

/// Whether a mark or a domain of the file, a sealed id, or a matcher whose findings are sealed, has the domain `name` in `workspace`.
pub fn is_named(config: &Config, table: &Table, workspace: &str, name: &str) -> bool {
    let here = |named: &str| named == workspace || named == EVERYWHERE;
    let marks = |(key, mark): (&MarkKey, &Mark)| match (&mark.domain, Path::parse(&key.name)) {
        (Some(domain), _) => domain == name,
        (None, Ok(path)) => path.keys() == name,
        (None, Err(_)) => false,
    };
    let ids = config.settings.sources.iter().any(|source| source.ids == Ids::Seal) && ["id", "uuid"].contains(&name);
    let encrypts = |source: &Source| source.detection == Detection::Encrypt;
    let detected = config.settings.sources.iter().any(encrypts)
        && config.settings.matchers.all().iter().any(|matcher| matcher.name == name);
    ids || detected
        || table.marks.iter().any(|held| here(&held.0.workspace) && marks(held))
        || table.domains.keys().any(|(named, domain)| here(named) && domain == name)
}

/// Names for a message: "a, b", or "none".
pub fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
