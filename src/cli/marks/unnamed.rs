//! Workspaces that nothing but the marks at hand names. A record's document may be what names one, so this is no error; but a
//! mistyped name protects nothing, and nobody else would tell.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::privacy::control::{ControlKey, Table};
use crate::privacy::mark::{EVERYWHERE, Mark, MarkKey};

/// The workspaces of `wishes` that the configuration file does not name.
pub fn by_file<'a>(config: &Config, wishes: &'a [(MarkKey, Mark)]) -> BTreeSet<&'a str> {
    let settings = &config.settings;
    let wished = |workspace: &str| {
        config.wished.iter().any(|record| match &record.key {
            ControlKey::Mark(key) => key.workspace == workspace,
            ControlKey::Domain { workspace: named, .. } | ControlKey::Stage { workspace: named } => named == workspace,
            _ => false,
        })
    };
    let read = |workspace: &str| {
        settings
            .sources
            .iter()
            .any(|source| source.workspace.as_deref() == Some(workspace) || source.workspaces.contains(workspace))
    };
    let known = |workspace: &str| workspace == EVERYWHERE || settings.workspaces.contains(workspace);
    let all = wishes.iter().map(|(key, _)| key.workspace.as_str());
    all.filter(|workspace| !known(workspace) && !read(workspace) && !wished(workspace)).collect()
}

/// Those of `workspaces` of which the control table holds nothing but `wishes` either.
pub fn by_table<'a>(table: &Table, wishes: &[(MarkKey, Mark)], workspaces: BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    let other = |key: &MarkKey| wishes.iter().all(|(wish, _)| wish != key);
    let held = |workspace: &str| {
        table.marks.keys().any(|key| key.workspace == workspace && other(key))
            || table.domains.keys().any(|(named, _)| named == workspace)
            || table.stages.contains_key(workspace)
    };
    workspaces.into_iter().filter(|workspace| !held(workspace)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Surroundings;
    use crate::privacy::mark::On;

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

    fn wish(workspace: &str) -> (MarkKey, Mark) {
        let (workspace, name) = (workspace.to_owned(), "phone".to_owned());
        (MarkKey { workspace, on: On::Attribute, name, event: None }, Mark::default())
    }

    #[test]
    fn a_workspace_is_named_by_whatever_else_speaks_of_it() {
        let around = Surroundings { name: "f", folder: "/".as_ref(), environment: &|_| None, host: "h" };
        let config = Config::parse(CONFIG, &around).expect("is right");
        let wishes = ["*", "read", "marked", "acme", "beta"].map(wish);
        let unnamed = by_file(&config, &wishes);
        assert_eq!(unnamed, BTreeSet::from(["acme", "beta"]));

        let mut table = Table::default();
        table.marks.extend(wishes.clone());
        assert_eq!(by_table(&table, &wishes, unnamed.clone()), unnamed, "a mark does not name itself");
        let (key, mark) = wish("beta");
        table.marks.insert(MarkKey { name: "email".to_owned(), ..key }, mark);
        assert_eq!(by_table(&table, &wishes, unnamed), BTreeSet::from(["acme"]));
    }
}
