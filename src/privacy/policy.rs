//! The policy: everything that is wished for, compiled into what a record is held against.
//!
//! [`Policy::compile`] takes the configuration's [`Settings`] and the control [`Table`] of one version and gives an immutable value
//! that all workers share. Per workspace there is one [`Rules`] for each way of comparing names; where several marks meet one
//! value, [`Rules::verdict`] is the one place that weighs them. Always holds: a mark's index is its place among those that hold in the
//! workspace, the most specific first. Deliberately not here: documents and bytes.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::HashMap;

use super::control::{Domain, Pinning, Table};
use super::layout::{self, CompiledLayout, Located};
use super::mark::{EVERYWHERE, Mark, MarkKey};
use super::path::Path;
use super::rules::Rules;
use super::scan::Document;
use super::settings::{Case, Settings, SettingsError, Source, Stage};
use super::since::{self, Effective};

/// All marks, settings and rules of one version.
#[derive(Debug)]
pub struct Policy {
    version: u64,
    /// The same, decimal: a header of every output.
    version_text: String,
    settings: Arc<Settings>,
    layouts: Vec<CompiledLayout>,
    workspaces: HashMap<String, WorkspaceRules>,
    everywhere: WorkspaceRules,
    /// Of records that do not tell their workspace: the marks on headers and keys of every one.
    untold: WorkspaceRules,
    pins: HashMap<String, Pins>,
}

/// Why a policy cannot be compiled.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PolicyError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A mark in the control topic is none.
    #[error("mark {name:?} of workspace {workspace:?}: {what}; withdraw it with sivcar unmark")]
    Mark {
        /// The mark's workspace.
        workspace: String,
        /// The mark's path as written.
        name: String,
        /// What is wrong.
        what: String,
    },
}

/// The keys that are pinned for one topic.
#[derive(Debug, Default)]
struct Pins {
    general: Option<Pinning>,
    own: HashMap<String, Pinning>,
}

/// The rules of one workspace.
#[derive(Debug)]
struct WorkspaceRules {
    stage: Stage,
    /// By `since`.
    effective: Vec<Effective>,
    /// Since when all is to be sealed anew; 0: never.
    resealed: u64,
    /// Since when profiles are to be forgotten; 0: never.
    erased: u64,
    /// The ids of test profiles.
    test_profiles: BTreeSet<String>,
    /// Since when record keys are protected; 0: they are not.
    keyed: u64,
    /// Since when all headers are that are; 0: none is.
    headed: u64,
    fold: Rules,
    exact: Rules,
}

impl Policy {
    /// Compiles the policy of `table`'s version.
    ///
    /// # Errors
    /// [`PolicyError`]: the settings contradict themselves, or a mark's path cannot be read. To go on without that mark would
    /// protect less than was asked for.
    pub fn compile(settings: &Settings, table: &Table) -> Result<Policy, PolicyError> {
        settings.check()?;
        let mut names: BTreeSet<&str> = settings.workspaces.iter().map(String::as_str).collect();
        names.extend(
            settings
                .sources
                .iter()
                .flat_map(|source| source.workspace.iter().chain(&source.workspaces))
                .map(String::as_str),
        );
        names.extend(table.marks.keys().map(|key| key.workspace.as_str()));
        names.extend(table.domains.keys().map(|(workspace, _)| workspace.as_str()));
        names.extend(table.stages.keys().chain(table.reseals.keys()).chain(table.erased.keys()).map(String::as_str));
        names.extend(table.test_profiles.iter().map(|(workspace, _)| workspace.as_str()));
        names.remove(EVERYWHERE);
        let compile = |name: &str| {
            let applying = applying(|key| key.workspace == name || key.workspace == EVERYWHERE, table)?;
            Ok::<_, PolicyError>(WorkspaceRules::compile(name, settings, table, &applying))
        };
        let around = applying(|key| key.on.is_around(), table)?;
        Ok(Policy {
            version: table.version,
            version_text: table.version.to_string(),
            settings: Arc::new(settings.clone()),
            layouts: settings.sources.iter().map(CompiledLayout::new).collect(),
            workspaces: names
                .into_iter()
                .map(|name| Ok((name.to_owned(), compile(name)?)))
                .collect::<Result<_, PolicyError>>()?,
            everywhere: compile(EVERYWHERE)?,
            untold: WorkspaceRules::compile(EVERYWHERE, settings, table, &around),
            pins: pins(table),
        })
    }

    /// Offset of the last control record in it, plus one.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The same, decimal.
    pub(super) fn version_text(&self) -> &str {
        &self.version_text
    }

    /// Whether anything concerns profiles anywhere after the version `through`: a mark became newly effective, a workspace is to be
    /// sealed anew or forgotten, record keys are to be moved to another key.
    pub fn concerns_after(&self, through: u64) -> bool {
        let last = |rules: &WorkspaceRules| {
            let effective = rules.effective.last().map_or(0, |moment| moment.since);
            effective.max(rules.resealed).max(rules.erased).max(rules.keyed).max(rules.headed) > through
        };
        let moved = |pins: &Pins| pins.own.values().chain(&pins.general).any(|pinning| pinning.since > through);
        self.workspaces.values().chain([&self.everywhere]).any(last) || self.pins.values().any(moved)
    }

    /// The key that is pinned for `topic`: for `workspace`, where it has a keyset of its own, else for all others.
    pub fn pinned(&self, topic: &str, workspace: Option<&str>) -> Option<&Pinning> {
        let pins = self.pins.get(topic)?;
        workspace.and_then(|workspace| pins.own.get(workspace)).or(pins.general.as_ref())
    }

    /// The version since which all that `workspace` sealed is to be sealed anew; 0: never.
    pub fn resealed(&self, workspace: &str) -> u64 {
        self.workspace(workspace).resealed
    }

    /// The version since which the profiles of `workspace` are to be forgotten; 0: never.
    pub fn erased(&self, workspace: &str) -> u64 {
        self.workspace(workspace).erased
    }

    /// The version since which the record keys of `workspace` are protected; `None`: they are not.
    pub fn keyed(&self, workspace: &str) -> Option<u64> {
        Some(self.workspace(workspace).keyed).filter(|since| *since > 0)
    }

    /// The version since which all headers of `workspace` are protected that are; 0: none is.
    pub fn headed(&self, workspace: &str) -> u64 {
        self.workspace(workspace).headed
    }

    /// Whether the document is a test profile's: it has ids, and each is one of a test profile of `workspace`, by its text.
    pub fn is_test(&self, workspace: &str, document: &Document, located: &Located) -> bool {
        let known = &self.workspace(workspace).test_profiles;
        let mut ids = located.id.into_iter().chain(located.uuid).peekable();
        !known.is_empty() && ids.peek().is_some() && ids.all(|id| known.contains(&*layout::word_text(document, id)))
    }

    /// The configuration it was compiled from.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The layout of the source with this index.
    pub fn layout(&self, source: usize) -> &CompiledLayout {
        &self.layouts[source]
    }

    /// The rules that hold for `workspace` in records of `source`.
    pub fn rules(&self, source: &Source, workspace: &str) -> &Rules {
        self.workspace(workspace).by(source.case)
    }

    /// The rules for headers and key of a record of `source` that does not tell its workspace: whoever's it is, its marks are among them.
    pub fn rules_untold(&self, source: &Source) -> &Rules {
        self.untold.by(source.case)
    }

    /// The stage of `workspace`.
    pub fn stage(&self, workspace: &str) -> Stage {
        self.workspace(workspace).stage
    }

    /// The moments at which marks on attributes became newly effective in `workspace`, by `since`.
    pub fn effective(&self, workspace: &str) -> &[Effective] {
        &self.workspace(workspace).effective
    }

    /// The versions after `settled` that a profile of `workspace` must answer: distinct, ascending.
    pub fn sinces(&self, workspace: &str, settled: u64) -> impl Iterator<Item = u64> + '_ {
        let effective = self.effective(workspace);
        let open = &effective[effective.partition_point(|moment| moment.since <= settled)..];
        open.chunk_by(|one, other| one.since == other.since).map(|moments| moments[0].since)
    }

    fn workspace(&self, name: &str) -> &WorkspaceRules {
        self.workspaces.get(name).unwrap_or(&self.everywhere)
    }
}

impl WorkspaceRules {
    fn compile(workspace: &str, settings: &Settings, table: &Table, marks: &[Applying]) -> Self {
        let stage = table.stages.get(workspace).map(|record| record.stage).unwrap_or_default();
        let rules = |case| Rules::compile(workspace, case, settings, table, marks);
        let effective = since::effective(workspace, stage, marks, table);
        let tests = table.test_profiles.iter().filter(|(of, _)| of == workspace && of != EVERYWHERE);
        let test_profiles = tests.map(|(_, id)| id.clone()).collect();
        let (keyed, headed) = since::around(workspace, stage, marks, table);
        let resealed = since::resealed(workspace, table).unwrap_or_default();
        let erased = table.erased.get(workspace).copied().filter(|since| *since <= table.version).unwrap_or_default();
        let (fold, exact) = (rules(Case::Fold), rules(Case::Exact));
        Self { stage, effective, resealed, erased, test_profiles, keyed, headed, fold, exact }
    }

    fn by(&self, case: Case) -> &Rules {
        match case {
            Case::Fold => &self.fold,
            Case::Exact => &self.exact,
        }
    }
}

/// The pinned keys by topic.
fn pins(table: &Table) -> HashMap<String, Pins> {
    let mut pins = HashMap::<String, Pins>::default();
    for (pin, pinning) in &table.pinned {
        let topic = pins.entry(pin.topic.clone()).or_default();
        match &pin.workspace {
            Some(workspace) => _ = topic.own.insert(workspace.clone(), pinning.clone()),
            None => topic.general = Some(pinning.clone()),
        }
    }
    pins
}

/// A mark that holds in a workspace; its place among them is its index.
pub(super) type Applying<'a> = (&'a MarkKey, &'a Mark, Path);

/// The marks that are `wanted`, the most specific first.
fn applying<'a>(wanted: impl Fn(&MarkKey) -> bool, table: &'a Table) -> Result<Vec<Applying<'a>>, PolicyError> {
    let mut marks = Vec::new();
    for (key, mark) in &table.marks {
        let path = super::mark::check(key, mark).map_err(|what| PolicyError::Mark {
            workspace: key.workspace.clone(),
            name: key.name.clone(),
            what,
        })?;
        if wanted(key) {
            marks.push((key, mark, path));
        }
    }
    marks.sort_by_cached_key(|(key, mark, path)| {
        let general = (key.workspace == EVERYWHERE, key.event.is_none());
        (general, path.wildcards(), Reverse(path.steps().len()), mark.since, key.name.clone(), (*key).clone())
    });
    Ok(marks)
}

/// The settings of a domain: those of the own workspace, else those that hold everywhere.
pub(super) fn domain_settings<'a>(workspace: &str, name: &str, table: &'a Table) -> Option<&'a Domain> {
    let held = |workspace: &str| table.domains.get(&(workspace.to_owned(), name.to_owned()));
    held(workspace).or_else(|| held(EVERYWHERE))
}
