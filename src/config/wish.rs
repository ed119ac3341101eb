//! What the file wishes of the control topic: stages, domains and marks.
//!
//! Always holds: no two wishes have one key, and each is one that the control topic's own checks let pass. Deliberately not
//! here: what is published of them ([`Table::missing`](crate::privacy::control::Table::missing)).

use super::build::{number, wrong};
use super::error::suggest;
use super::file::{self, File, Text};
use super::substitute::Problem;
use crate::privacy::control::{ControlKey, ControlRecord, ControlValue, Domain, Nothing, PAD_MAX, StageRecord};
use crate::privacy::mark::{self, EVERYWHERE, KEY, Mark, MarkKey, On};
use crate::privacy::settings::{LEVEL_MAX, is_domain, is_name};

/// The workspaces that a text of the file may name: all, until one is configured.
pub(super) struct Workspaces<'a>(Vec<&'a str>);

impl<'a> Workspaces<'a> {
    pub(super) fn of(file: &'a File) -> Self {
        Self(file.workspace.iter().map(|workspace| workspace.id.get_ref().as_str()).collect())
    }

    /// A misspelt workspace would leave its values clear, or reject its records.
    pub(super) fn check(&self, name: &Text) -> Result<(), Problem> {
        let text = name.get_ref().as_str();
        if self.0.is_empty() || text == EVERYWHERE || self.0.contains(&text) {
            return Ok(());
        }
        wrong(name, format!("unknown workspace {text:?}; {}", suggest(text, &self.0)))
    }

    /// The same where `*` may stand too.
    fn check_or_everywhere(&self, name: &Text) -> Result<(), Problem> {
        if name.get_ref() != EVERYWHERE && !is_name(name.get_ref()) {
            return wrong(
                name,
                format!("workspace {:?} must be \"*\" or 1–64 letters, digits, '.', '_' or '-'", name.get_ref()),
            );
        }
        self.check(name)
    }
}

/// What the file wishes of the control topic: stages and domains first, so that they hold when the marks come.
pub(super) fn wished(file: &File, known: &Workspaces) -> Result<Vec<ControlRecord>, Problem> {
    let mut records: Vec<ControlRecord> = file.workspace.iter().filter_map(stage).collect();
    for written in &file.domain {
        known.check_or_everywhere(&written.workspace)?;
        add(&mut records, &written.name, domain(written)?)?;
    }
    for written in &file.mark {
        known.check_or_everywhere(&written.workspace)?;
        let name = written.name.as_ref().unwrap_or(&written.workspace);
        add(&mut records, name, mark(written)?)?;
    }
    for written in &file.test_profile {
        known.check(&written.workspace)?;
        add(&mut records, &written.id, test_profile(written)?)?;
    }
    Ok(records)
}

fn test_profile(written: &file::TestProfile) -> Result<ControlRecord, Problem> {
    let (workspace, id) = (written.workspace.get_ref().clone(), written.id.get_ref().clone());
    if !is_name(&workspace) {
        return wrong(&written.workspace, "workspace must be 1–64 letters, digits, '.', '_' or '-'".to_owned());
    }
    if !is_domain(&id) {
        return wrong(&written.id, "id must be 1–256 bytes without control characters".to_owned());
    }
    let value = Some(ControlValue::TestProfile(Nothing {}));
    Ok(ControlRecord { key: ControlKey::TestProfile { workspace, id }, value })
}

/// Adds a record whose key no other has: two would contradict each other.
fn add(records: &mut Vec<ControlRecord>, name: &Text, record: ControlRecord) -> Result<(), Problem> {
    if records.iter().any(|other| other.key == record.key) {
        return wrong(name, format!("{:?} is configured twice", name.get_ref()));
    }
    records.push(record);
    Ok(())
}

/// Only a stage that is written down is a wish.
fn stage(written: &file::Workspace) -> Option<ControlRecord> {
    Some(ControlRecord {
        key: ControlKey::Stage { workspace: written.id.get_ref().clone() },
        value: Some(ControlValue::Stage(StageRecord { stage: written.stage?, since: None, at: None })),
    })
}

fn domain(written: &file::Domain) -> Result<ControlRecord, Problem> {
    let name = written.name.get_ref();
    if !is_domain(name) {
        return wrong(&written.name, "name must be 1–256 bytes without control characters".to_owned());
    }
    let pad = number("pad", &written.pad, 0..=PAD_MAX.into())?;
    Ok(ControlRecord {
        key: ControlKey::Domain { workspace: written.workspace.get_ref().clone(), name: name.clone() },
        value: Some(ControlValue::Domain(Domain { pad, loose: written.loose, whole: written.whole, since: None })),
    })
}

fn mark(written: &file::Mark) -> Result<ControlRecord, Problem> {
    let name = match (&written.name, written.on) {
        (Some(name), _) => name.get_ref().as_str(),
        (None, On::Key) => KEY,
        (None, _) => {
            return wrong(
                &written.workspace,
                "key \"name\" is missing; only a mark on record keys needs none".to_owned(),
            );
        }
    };
    let key = MarkKey {
        workspace: written.workspace.get_ref().clone(),
        on: written.on,
        name: name.to_owned(),
        event: written.event.clone(),
    };
    let mark = Mark {
        level: number("level", &written.level, 0..=LEVEL_MAX.into())?,
        protect: written.protect,
        mask: written.mask,
        domain: written.domain.clone(),
        shape: written.shape,
        ..Mark::default()
    };
    let span = written.name.as_ref().unwrap_or(&written.workspace).span();
    mark::check_wish(&key, &mark).map_err(|what| (span, what))?;
    Ok(ControlRecord { key: ControlKey::Mark(key), value: Some(ControlValue::Mark(mark)) })
}
