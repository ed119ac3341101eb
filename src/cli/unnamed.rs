//! Workspaces that nothing but the change at hand names. A record's document may be what names one, so this is no error; but a
//! mistyped name changes nothing, and nobody else would tell.

use std::collections::BTreeSet;
use std::io::Write;

use super::exit::Failure;
use super::marks;
use crate::config::Config;
use crate::privacy::control::{ControlKey, Table};
use crate::privacy::mark::EVERYWHERE;
use crate::stream::log::Log;

/// Warns of the workspaces of `changed`, which was written, that neither the configuration file nor the rest of the control topic names.
pub fn warn<L: Log>(log: &L, config: &Config, changed: &[ControlKey], errors: &mut dyn Write) -> Result<(), Failure> {
    let unnamed = by_file(config, changed);
    if unnamed.is_empty() {
        return Ok(());
    }
    let control = marks::read(log, &config.settings.group)?;
    for workspace in by_table(control.table(), changed, unnamed) {
        // where standard error is gone, nobody is left to tell
        let _ = writeln!(
            errors,
            "warning: nothing else names workspace {workspace}: no source, domain, stage or mark; is it mistyped?"
        );
    }
    Ok(())
}

/// The workspaces of `changed` that the configuration file does not name.
fn by_file<'a>(config: &Config, changed: &'a [ControlKey]) -> BTreeSet<&'a str> {
    let settings = &config.settings;
    let wished = |name: &str| config.wished.iter().any(|record| workspace(&record.key) == Some(name));
    let read = |name: &str| {
        settings
            .sources
            .iter()
            .any(|source| source.workspace.as_deref() == Some(name) || source.workspaces.contains(name))
    };
    let known = |name: &str| name == EVERYWHERE || settings.workspaces.contains(name);
    changed.iter().filter_map(workspace).filter(|name| !known(name) && !read(name) && !wished(name)).collect()
}

/// Those of `workspaces` of which the control table holds nothing but `changed` either.
fn by_table<'a>(table: &Table, changed: &[ControlKey], workspaces: BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    let domains = table.domains.keys().cloned().map(|(workspace, name)| ControlKey::Domain { workspace, name });
    let stages = table.stages.keys().cloned().map(|workspace| ControlKey::Stage { workspace });
    let tests = table.test_profiles.iter().cloned().map(|(workspace, id)| ControlKey::TestProfile { workspace, id });
    let all = table.marks.keys().cloned().map(ControlKey::Mark).chain(domains).chain(stages).chain(tests);
    let others: Vec<ControlKey> = all.filter(|key| !changed.contains(key)).collect();
    workspaces.into_iter().filter(|name| !others.iter().any(|key| workspace(key) == Some(name))).collect()
}

/// The workspace that a control record is about.
fn workspace(key: &ControlKey) -> Option<&str> {
    match key {
        ControlKey::Mark(key) => Some(&key.workspace),
        ControlKey::Domain { workspace, .. }
        | ControlKey::Stage { workspace }
        | ControlKey::TestProfile { workspace, .. }
        | ControlKey::Reseal { workspace }
        | ControlKey::Erased { workspace } => Some(workspace),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Surroundings;
    use crate::privacy::control::StageRecord;
    use crate::privacy::mark::{Mark, MarkKey, On};
    use crate::privacy::settings::Stage;

    const CONFIG: &str = r#"
[keys]
file = "k"
[[source]]
topic = "raw"
kind = "event"
workspaces = ["read"]
protected = "protected"
dead-letters = "dead"
[[mark]]
workspace = "marked"
on = "attribute"
name = "email"
"#;

    fn mark(workspace: &str, name: &str) -> ControlKey {
        let (workspace, name) = (workspace.to_owned(), name.to_owned());
        ControlKey::Mark(MarkKey { workspace, on: On::Attribute, name, event: None })
    }

    #[test]
    fn a_workspace_is_named_by_whatever_else_speaks_of_it() {
        let around = Surroundings { name: "f", folder: "/".as_ref(), environment: &|_| None, host: "h" };
        let config = Config::parse(CONFIG, &around).expect("is right");
        let changes = ["*", "read", "marked", "acme", "beta"].map(|workspace| mark(workspace, "phone"));
        let unnamed = by_file(&config, &changes);
        assert_eq!(unnamed, BTreeSet::from(["acme", "beta"]));

        let mut table = Table::default();
        for key in changes.iter().cloned().chain([mark("beta", "email")]) {
            let ControlKey::Mark(key) = key else { continue };
            table.marks.insert(key, Mark::default());
        }
        assert_eq!(by_table(&table, &changes, unnamed), BTreeSet::from(["acme"]), "a mark does not name itself");
    }

    #[test]
    fn every_change_of_a_workspace_is_looked_at() {
        let workspace = || "acme".to_owned();
        let mut table = Table::default();
        table.stages.insert(workspace(), StageRecord { stage: Stage::Off, since: None, at: None });
        table.test_profiles.insert((workspace(), "7".to_owned()));
        let stage = ControlKey::Stage { workspace: workspace() };
        let test = ControlKey::TestProfile { workspace: workspace(), id: "7".to_owned() };
        for (changed, named) in [
            (vec![ControlKey::Erased { workspace: workspace() }], true),
            (vec![ControlKey::Domain { workspace: workspace(), name: "email".to_owned() }], true),
            (vec![stage.clone()], true),
            (vec![test.clone()], true),
            (vec![stage, test], false),
        ] {
            let unnamed = by_table(&table, &changed, BTreeSet::from(["acme"]));
            assert_eq!(unnamed.is_empty(), named, "{changed:?}");
        }
    }
}
