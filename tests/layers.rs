//! The direction of dependencies, held by reading the code: `{record, secret} ← privacy ← profile ← stream ←
//! {kafka, memory} ← cli`.
//!
//! Code under `#[cfg(test)]` may name what it likes: a worker is tested over the embedded log. A new top-level module needs
//! an entry in [`LAYERS`], so that somebody decides where it belongs. That the test can fail is tested on a fixture: every
//! line there that ends in `//~ finding` must be found, and no other.

#[path = "layers/code.rs"]
mod code;
#[path = "layers/tidy.rs"]
mod tidy;

use std::collections::BTreeSet;
use std::path::Path;

use code::{Named, Source};

/// What each top-level module may name, besides itself.
const LAYERS: &[(&str, &[&str])] = &[
    // the words
    ("record", &[]),
    ("secret", &[]),
    // pure
    ("privacy", &["record", "secret"]),
    ("profile", &["privacy", "record", "secret"]),
    // the runtime
    ("stream", &["profile", "privacy", "record", "secret"]),
    // adapters
    ("kafka", &["stream", "profile", "privacy", "record", "secret"]),
    ("memory", &["stream", "profile", "privacy", "record", "secret"]),
    ("keys", &["privacy", "record", "secret"]),
    // edges: the configuration builds what keys and stream ask for; telemetry observes both, which do not know it
    ("config", &["keys", "stream", "privacy", "record", "secret"]),
    ("telemetry", &["keys", "stream", "privacy", "record", "secret"]),
    ("http", &["telemetry", "stream", "privacy", "record", "secret"]),
    // the one place that wires
    (
        "cli",
        &["config", "http", "kafka", "keys", "memory", "privacy", "profile", "record", "secret", "stream", "telemetry"],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Values in, values out.
const PURE: &[&str] = &["record", "secret", "privacy", "profile"];

/// What a pure module does not know: runtime, broker, files, environment, clock, network, processes, threads, randomness,
/// output.
const EFFECTS: &[&str] = &[
    "tokio",
    "rdkafka",
    "rdkafka_sys",
    "std::fs",
    "std::env",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::net",
    "std::process",
    "std::thread",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "rand",
    "getrandom",
    "fake",
    "tracing",
    "print!",
    "println!",
    "eprint!",
    "eprintln!",
    "dbg!",
];

/// Crates that one module alone names.
const OWNED: &[(&str, &str)] = &[("rdkafka", "kafka"), ("rdkafka_sys", "kafka")];

/// Where unsafe code may stand, and how often.
const UNSAFE: &[(&str, usize)] = &[
    ("kafka/raw.rs", usize::MAX),
    ("kafka/raw/inlet.rs", usize::MAX),
    ("kafka/raw/memory.rs", 2),
    ("kafka/raw/names.rs", 1),
    ("kafka/raw/outlet.rs", usize::MAX),
    ("keys.rs", 1),
];

/// File, line, what is wrong there.
type Finding = (String, usize, String);

fn findings(root: &Path) -> BTreeSet<Finding> {
    let mut findings = BTreeSet::new();
    for source in code::read(root) {
        let mut report = |line, what: String| findings.insert((source.file.clone(), line, what));
        for (module, line) in &source.modules {
            if matches!(source.layer.as_str(), "lib" | "main") && !LAYERS.iter().any(|(name, _)| name == module) {
                report(*line, format!("{module} has no entry in the table of layers"));
            }
        }
        for named in &source.names {
            if let Some(what) = forbidden(&source, named) {
                report(named.line, what);
            }
        }
        let allowed = UNSAFE.iter().find(|(file, _)| *file == source.file).map_or(0, |(_, times)| *times);
        for line in source.unsafe_lines.iter().skip(allowed) {
            report(*line, "unsafe code".to_owned());
        }
    }
    findings
}

fn forbidden(source: &Source, named: &Named) -> Option<String> {
    let layer = source.layer.as_str();
    let path = named.path.as_str();
    if named.ours {
        let target = path.split("::").next().unwrap_or_default();
        if target == "*" {
            return Some(format!("{layer} takes the whole crate"));
        }
        let known = LAYERS.iter().any(|(name, _)| *name == target);
        let (_, may) = LAYERS.iter().find(|(name, _)| *name == layer)?;
        return (known && target != layer && !may.contains(&target)).then(|| format!("{layer} names {target}"));
    }
    if let Some((owned, _)) = OWNED.iter().find(|(owned, owner)| covers(path, owned) && *owner != layer) {
        return Some(format!("{layer} names {owned}"));
    }
    let effect = EFFECTS.iter().find(|effect| covers(path, effect))?;
    PURE.contains(&layer).then(|| format!("{layer} names {effect}"))
}

/// Whether `path` is `item`, stands inside it, or takes it along by a glob.
fn covers(path: &str, item: &str) -> bool {
    let inside = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    inside(item, path) || path.strip_suffix("::*").is_some_and(|stem| inside(stem, item))
}

#[test]
fn dependencies_run_one_way() {
    let found = findings(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_violation_of_the_fixture_is_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/layers");
    let expected: BTreeSet<Finding> = code::read(&root)
        .iter()
        .flat_map(|source| {
            source.text.lines().enumerate().flat_map(move |(index, line)| {
                line.split("//~ ").skip(1).map(move |what| (source.file.clone(), index + 1, what.trim().to_owned()))
            })
        })
        .collect();
    assert_eq!(findings(&root), expected);
    let layers = LAYERS.iter().map(|(name, _)| *name).filter(|name| !matches!(*name, "lib" | "cli"));
    let rules =
        EFFECTS.iter().map(|effect| format!("names {effect}")).chain(layers.map(|name| format!("{name} names ")));
    for rule in rules.chain(["unsafe code", "whole crate", "has no entry"].map(str::to_owned)) {
        assert!(expected.iter().any(|(_, _, what)| what.contains(&rule)), "the fixture does not break: {rule}");
    }
}
