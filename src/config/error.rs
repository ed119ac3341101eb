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
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.chars().rev().take_while(|char| *char != '\n').count() + 1;
        ConfigError::At { file, line, column, what }
    }
}

/// The toml crate's text in ours: unknown names with the nearest known one, kinds of values instead of values.
pub(super) fn rephrase(message: &str) -> String {
    if let Some((name, known)) = unknown(message, "unknown field `") {
        return format!("unknown key {name:?}; {}", suggest(name, &known));
    }
    if let Some((name, known)) = unknown(message, "unknown variant `") {
        return format!("unknown value {name:?}; known here: {}", list(&known));
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

/// "did you mean" where a known name is near, else all of them.
pub(super) fn suggest<T: AsRef<str>>(name: &str, known: &[T]) -> String {
    let near = known
        .iter()
        .map(|known| (strsim::normalized_damerau_levenshtein(name, known.as_ref()), known.as_ref()))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|left, right| left.0.total_cmp(&right.0));
    match near {
        Some((_, known)) => format!("did you mean {known:?}?"),
        None => format!("known here: {}", list(known)),
    }
}

fn list<T: AsRef<str>>(names: &[T]) -> String {
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
