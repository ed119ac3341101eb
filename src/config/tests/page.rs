//! The keys that the parser knows are those that the example uses and the page tells of.

use std::collections::BTreeSet;

use super::super::{error, file};
use super::{EXAMPLE, accepted};

/// Every key that the parser knows, by section, as its own refusals tell them: `group`, `limits.depth`, `source.topic` …
/// Complete, because each section's keys lead to its sub-sections, and the example must hold them all.
fn known_keys() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    let example: toml::Table = EXAMPLE.parse().expect("is TOML");
    let mut sections = vec![Vec::new()];
    while let Some(section) = sections.pop() {
        let mut probe = example.clone();
        let Some(table) = tables(&mut probe, &section).into_iter().next() else {
            panic!("the example has no section {section:?}");
        };
        table.insert("zz".to_owned(), toml::Value::Boolean(true));
        let text = toml::to_string(&probe).expect("is TOML");
        let names = match toml::from_str::<file::File>(&text) {
            Ok(_) => Vec::new(),
            Err(error) => {
                let (_, names) = error::unknown(error.message(), "unknown field `").expect("refused for its name");
                names.into_iter().map(str::to_owned).collect()
            }
        };
        // [kafka] takes any name; its two tables are the parser's own
        let names = if section == ["kafka"] { vec!["consumer".to_owned(), "producer".to_owned()] } else { names };
        for name in names {
            let inner: Vec<String> = section.iter().cloned().chain([name]).collect();
            let mut example = example.clone();
            let takes_names = ["kafka.consumer", "kafka.producer", "view.topics"].contains(&inner.join(".").as_str());
            if !takes_names && !tables(&mut example, &inner).is_empty() {
                sections.push(inner.clone());
            }
            known.insert(inner.join("."));
        }
    }
    known
}

/// The tables at `section`, through arrays of tables.
fn tables<'a>(root: &'a mut toml::Table, section: &[String]) -> Vec<&'a mut toml::Table> {
    let Some((first, rest)) = section.split_first() else { return vec![root] };
    match root.get_mut(first) {
        Some(toml::Value::Table(table)) => tables(table, rest),
        Some(toml::Value::Array(array)) => {
            array.iter_mut().filter_map(toml::Value::as_table_mut).flat_map(|table| tables(table, rest)).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn the_example_uses_every_key() {
    let mut example: toml::Table = EXAMPLE.parse().expect("is TOML");
    let known = known_keys();
    assert!(known.len() > 50 && known.contains("workspace.keys.command") && known.contains("kafka.producer"));
    for key in known {
        let (section, name) = key.rsplit_once('.').unwrap_or(("", &key));
        let section: Vec<String> = section.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        // [keys] and [workspace.keys] have the same three, of which each section names one
        let alike = if section == ["keys"] { vec!["workspace".to_owned(), "keys".to_owned()] } else { section.clone() };
        let used = [section, alike]
            .iter()
            .any(|section| tables(&mut example, section).iter().any(|table| table.contains_key(name)));
        assert!(used || key == "workspace.keys.file", "the example does not use {key}");
    }
}

const PAGE: &str = include_str!("../../../docs/configuration.md");

#[test]
fn the_page_tells_of_every_key_and_of_no_other() {
    let mut told = BTreeSet::new();
    let mut section = String::new();
    let mut keys = false;
    for line in PAGE.lines() {
        if line.starts_with('#') {
            // a heading that is a section's name in backticks, or prose
            let name = line.split_once("# `").map_or("", |(_, name)| name);
            section = name.trim_matches(['`', '[', ']']).to_owned();
            told.extend((!section.is_empty()).then(|| section.clone()));
        }
        keys = line.starts_with("| key |") || keys && line.starts_with('|');
        if let Some((name, _)) = line.strip_prefix("| `").and_then(|row| row.split_once('`')).filter(|_| keys) {
            told.insert(
                [section.as_str(), name].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("."),
            );
        }
    }
    assert_eq!(told, known_keys());
}

#[test]
fn the_examples_of_the_page_are_accepted() {
    let examples: Vec<&str> =
        PAGE.split("```toml\n").skip(1).filter_map(|rest| rest.split_once("```").map(|(text, _)| text)).collect();
    assert_eq!(examples.len(), 6);
    for text in &examples {
        // a block of one section's stands behind the least that works
        if text.contains("[[source]]") {
            accepted(text)
        } else {
            accepted(&format!("{}{text}", examples[0]))
        };
    }
}
