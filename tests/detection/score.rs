//! How well the default matchers find what people labelled as personal data: recall and precision over groups of paths.
//!
//! A group counts once. It is found if any value at any of its paths is found in any document: of a `pii` group that is a hit, of a `not`
//! group a false alarm. `unsure` groups are not scored. Groups of class `other` have no matcher and are counted apart.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sivcar::config::{Config, Surroundings};
use sivcar::privacy::detect::{Detector, Question};
use sivcar::privacy::layout::{CompiledLayout, Located};
use sivcar::privacy::matcher::Matchers;
use sivcar::privacy::scan::{Document, Kind, Limits, Tape, scan};
use sivcar::privacy::settings::Source;

/// What was labelled.
#[derive(Deserialize)]
struct Group {
    group: String,
    paths: Vec<String>,
    label: String,
    class: String,
}

/// What came of one set.
pub struct Score {
    /// `pii` groups of the 36 classes that were found, and all of them.
    pub hits: (usize, usize),
    /// `not` groups that were found.
    pub false_alarms: Vec<String>,
    /// `pii` groups of the 36 classes that were not found.
    pub misses: Vec<String>,
    /// `pii` groups of class `other` that were found, and all of them.
    pub others: (usize, usize),
}

impl Score {
    pub fn recall(&self) -> f64 {
        self.hits.0 as f64 / self.hits.1 as f64
    }

    pub fn precision(&self) -> f64 {
        self.hits.0 as f64 / (self.hits.0 + self.false_alarms.len()) as f64
    }
}

/// The folder of data, where the environment names it.
pub fn data() -> Option<PathBuf> {
    std::env::var_os("SIVCAR_DATA").map(PathBuf::from)
}

fn source(written: &str) -> Source {
    let around = Surroundings { name: "test", folder: Path::new(""), environment: &|_| None, host: "host" };
    let text = format!(
        "[keys]\nfile = 'k'\n[kafka]\n'bootstrap.servers' = 'none:1'\n[[layout]]\nname = 'users'\nid = 'id'\nattributes = ['$']\n\
        [[source]]\ntopic = 't'\nworkspace = 'acme'\nprotected = 'p'\ndead-letters = 'd'\n{written}\n"
    );
    Config::parse(&text, &around).expect("the configuration is sound").settings.sources.remove(0)
}

/// The documents of a file, one per line; a file whose name ends so is unpacked.
fn lines(file: &Path) -> Vec<String> {
    let packed = file.extension().is_some_and(|extension| extension == "gz");
    let mut text = String::new();
    if packed {
        let unpacked = std::process::Command::new("gzip").arg("-dc").arg(file).output().expect("gzip runs");
        unpacked.stdout.as_slice().read_to_string(&mut text).expect("is text");
    } else {
        text = std::fs::read_to_string(file).expect("a file of data");
    }
    text.lines().map(str::to_owned).collect()
}

/// A set of labelled documents.
pub struct Set {
    /// The documents, one per line.
    pub documents: &'static str,
    labels: &'static str,
    /// How the documents are read: a source's kind and layout.
    source: &'static str,
}

/// The sets.
pub const SETS: [Set; 2] = [
    Set {
        documents: "segment-events.ndjson",
        labels: "labels/segment-events.json",
        source: "kind = 'event'\nlayout = 'segment'",
    },
    Set {
        documents: "profiles.ndjson.gz",
        labels: "labels/profiles.json",
        source: "kind = 'profile'\nlayout = 'users'",
    },
];

/// Scores what is found in `set` against its labels; both stand in `folder`.
pub fn score(folder: &Path, set: &Set) -> Score {
    let found = found(&lines(&folder.join(set.documents)), &source(set.source));
    let labels = std::fs::read(folder.join(set.labels)).expect("a file of labels");
    let groups: Vec<Group> = serde_json::from_slice(&labels).expect("labels");
    let mut score = Score { hits: (0, 0), false_alarms: Vec::new(), misses: Vec::new(), others: (0, 0) };
    for group in groups {
        let is_found = group.paths.iter().any(|path| found.contains(path));
        match (group.label.as_str(), group.class.as_str()) {
            ("pii", "other") => {
                score.others.0 += usize::from(is_found);
                score.others.1 += 1;
            }
            ("pii", _) => {
                score.hits.0 += usize::from(is_found);
                score.hits.1 += 1;
                if !is_found {
                    score.misses.push(group.group);
                }
            }
            ("not", _) if is_found => score.false_alarms.push(group.group),
            _ => {}
        }
    }
    score
}

/// The paths at which something is found.
fn found(documents: &[String], source: &Source) -> BTreeSet<String> {
    let (matchers, layout) = (Matchers::default(), CompiledLayout::new(source));
    let (mut tape, mut located, mut detector) = (Tape::default(), Located::default(), Detector::default());
    let (mut detected, mut found) = (Vec::new(), BTreeSet::new());
    for document in documents {
        let text = scan(document.as_bytes(), &Limits::default(), &mut tape).expect("a document");
        let document = Document::new(text, &tape);
        if layout.locate(&document, &mut located).is_err() {
            located = Located::default(); // looked at all the same
        }
        let question = Question {
            document: &document,
            matchers: &matchers,
            located: &located,
            marked: &[],
            own: &[],
            unread: &[],
        };
        detector.find(&question, &mut detected);
        for detected in &detected {
            leaves(&document, detected.node, &path(&document, detected.node), &mut found);
        }
    }
    found
}

/// The path of a node: keys joined by dots, arrays as `[]`.
fn path(document: &Document, node: usize) -> String {
    let (mut at, mut path) = (0, String::new());
    while at != node {
        let inner = document.children(at).find(|child| *child <= node && node < document.node(*child).next as usize);
        at = inner.expect("a node stands in the root");
        match document.key(at) {
            Some(key) if path.is_empty() => path.push_str(&String::from_utf8_lossy(&key)),
            Some(key) => path = format!("{path}.{}", String::from_utf8_lossy(&key)),
            None => path.push_str("[]"),
        }
    }
    path
}

/// Every leaf at or below a node.
fn leaves(document: &Document, node: usize, path: &str, found: &mut BTreeSet<String>) {
    if !matches!(document.node(node).kind, Kind::Object | Kind::Array) {
        found.insert(path.to_owned());
    }
    for child in document.children(node) {
        let step = document.key(child).map_or("[]".to_owned(), |key| format!(".{}", String::from_utf8_lossy(&key)));
        leaves(document, child, &format!("{path}{step}"), found);
    }
}
