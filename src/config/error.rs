//! What is wrong with a configuration: one line, with where it stands.
//!
//! The toml crate's own texts may show a value; they are rewritten here so that none is. Deliberately not here: several errors
//! at once; the first is shown.

use std::ops::Range;

/// Why a configuration is refused. The text is one line and shows no value that came from the environment.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// There is no such file.
    #[error("{file}: it does not exist; correct --config, or write it as docs/configuration.md says")]
    Absent {
        /// The file.
        file: String,
    },
    /// The file cannot be read.
    #[error("{file}: cannot be read: {kind}; name a file in --config that this user may read")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        kind: std::io::ErrorKind,
    },
    /// Something is wrong at one place.
    #[error("{file}:{line}:{column}: {what}")]
    At {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What is wrong and what to do.
        what: String,
    },
    /// Something is missing that has no place.
    #[error("{file}: {what}")]
    Whole {
        /// The file.
        file: String,
        /// What is wrong and what to do.
        what: String,
    },
}

impl ConfigError {
    /// The error `what` in `file`, whose content is `text`, at `span` (bytes); an empty span at the start is no place.
    pub(super) fn new(file: &str, text: &str, span: Range<usize>, what: String) -> ConfigError {
        let file = file.to_owned();
        if span == (0..0) {
            return ConfigError::Whole { file, what };
        }
        let (line, column) = place(text, span.start);
        ConfigError::At { file, line, column, what }
    }
}

/// What the toml crate says of a value that is no text where a word is wanted.
pub(super) const NO_WORD: &str = "wanted string or table";

/// Line and column of a byte of `text`, from 1.
pub(super) fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    (line, before.chars().rev().take_while(|char| *char != '\n').count() + 1)
}

/// The toml crate's text in ours: unknown names with the nearest known one, kinds of values instead of values.
pub(crate) fn rephrase(message: &str) -> String {
    if let Some((name, known)) = unknown(message, "unknown field `") {
        return format!("unknown key {name:?}; {}", suggest(name, &known));
    }
    if let Some((name, known)) = unknown(message, "unknown variant `") {
        return format!("unknown value {name:?}; {}", words(name, &known));
    }
    if let Some(name) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return format!("key {name:?} is missing");
    }
    if let Some(rest) = message.strip_prefix("invalid type: ")
        && let Some((found, expected)) = rest.rsplit_once(", expected ")
    {
        return format!("the value must be {}, not {}", kind(expected), kind(found));
    }
    message.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

/// What serde says of a word that is none of those it knows, for who sees the word already.
pub(crate) fn choice(message: &str) -> String {
    unknown(message, "unknown variant `").map_or_else(|| rephrase(message), |(name, known)| words(name, &known))
}

/// "did you mean" where a known name is near, else all of them.
pub(super) fn suggest<T: AsRef<str>>(name: &str, known: &[T]) -> String {
    match near(name, known) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("known here: {}", list(known)),
    }
}

/// The same of words that are few enough to be shown at any rate.
fn words(name: &str, known: &[&str]) -> String {
    let near = near(name, known).map(|near| format!("did you mean {near:?}? ")).unwrap_or_default();
    format!("{near}known here: {}", list(known))
}

fn near<'a, T: AsRef<str>>(name: &str, known: &'a [T]) -> Option<&'a str> {
    let likeness = |known: &'a T| (strsim::normalized_damerau_levenshtein(name, known.as_ref()), known.as_ref());
    let near = known.iter().map(likeness).filter(|(likeness, _)| *likeness >= 0.5);
    near.max_by(|left, right| left.0.total_cmp(&right.0)).map(|(_, known)| known)
}

pub(super) fn list<T: AsRef<str>>(names: &[T]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{:?}", name.as_ref())).collect();
    quoted.join(", ")
}

/// Takes serde's "unknown … `name`, expected one of `a`, `b`" apart. The name is a person's and may hold anything.
pub(super) fn unknown<'a>(message: &'a str, prefix: &str) -> Option<(&'a str, Vec<&'a str>)> {
    let (name, known) = message.strip_prefix(prefix)?.rsplit_once("`, expected ")?;
    Some((name, known.split('`').skip(1).step_by(2).collect()))
}

/// The kind of a value in the file's words, from serde's, which may be followed by the value.
fn kind(serde: &str) -> &str {
    const KINDS: [(&str, &str); 9] = [
        ("string", "a string"),
        ("integer", "an integer"),
        ("i64", "an integer"),
        ("floating point", "a float"),
        ("boolean", "a boolean"),
        ("sequence", "an array"),
        ("a sequence", "an array"),
        ("map", "a table"),
        ("struct ", "a table"),
    ];
    KINDS.iter().find(|(theirs, _)| serde.starts_with(theirs)).map_or(serde, |(_, ours)| ours)
}
