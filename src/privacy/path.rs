//! The path language: how layouts, marks and views name a place in a document.
//!
//! ```text
//! path = ["$" "."] step {"." step} | "$"
//! step = (name | "'" … "'" | "*" | "**") ["[]"]
//! ```
//!
//! `''` inside quotes is one quote; a bare name holds anything but `. ' * [ ]`; `*` is one step, `**` zero or more; `[]` says
//! "an array stands here" and changes nothing, since a step by key descends arrays anyway; `$`, alone or first, is the root.
//!
//! Always holds: a [`Path`] comes only from [`Path::parse`], so it is within the limits and prints back to equal steps.
//! Deliberately not here: what a path matches (folding of names, dotted keys), and where `$` or a wildcard is allowed; both are
//! their user's rules.

use std::fmt;

/// The most bytes a path may have.
pub const MAX_BYTES: usize = 1024;
/// The most steps a path may have; the root is none.
pub const MAX_STEPS: usize = 32;

/// One step from a value to values inside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// By key.
    Name {
        /// The key, quotes and their escapes resolved; may be empty or hold dots only where quoted.
        text: String,
        /// Whether it stood in quotes: only a bare name may be one part of a dotted key.
        quoted: bool,
    },
    /// `*`: any one key.
    Any,
    /// `**`: any number of keys, zero included.
    Deep,
}

/// A parsed path. Equal and ordered as written: `a[].b` and `a.b` have equal [`steps`](Path::steps) and are two paths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    text: String,
    rooted: bool,
    steps: Vec<Step>,
}

/// Why a text is no path; bytes are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// More than [`MAX_BYTES`].
    #[error("path has {bytes} bytes, more than {MAX_BYTES}")]
    TooLong {
        /// The bytes it has.
        bytes: usize,
    },
    /// More than [`MAX_STEPS`].
    #[error("path has more than {MAX_STEPS} steps, the first too many at byte {at}")]
    TooManySteps {
        /// Where the first step too many begins.
        at: usize,
    },
    /// Nothing between two dots, before the first or after the last; an empty name is written `''`.
    #[error("path has an empty step at byte {at}; write one as a.b, and a name that holds a dot in quotes, as 'a.b'")]
    EmptyStep {
        /// Where a step should begin.
        at: usize,
    },
    /// A quote that is never closed.
    #[error("path has a quote without its end at byte {at}")]
    OpenQuote {
        /// Where the quote stands.
        at: usize,
    },
    /// A character that cannot stand there: after a step only `[]` (once), a dot or the end may follow.
    #[error("path has something other than a dot or its end after a step, at byte {at}")]
    Unexpected {
        /// Where the character stands.
        at: usize,
    },
    /// A bracket that is not half of `[]`.
    #[error("path has a bracket that is not `[]` at byte {at}")]
    Bracket {
        /// Where the bracket stands.
        at: usize,
    },
    /// `$[]`: the root of a record is never an array, so this could match nothing.
    #[error("path has brackets after the root at byte {at}")]
    RootBracket {
        /// Where the bracket stands.
        at: usize,
    },
}

impl Path {
    /// Reads `text` by the grammar above.
    ///
    /// # Errors
    /// A [`PathError`] that says what is wrong and at which byte.
    pub fn parse(text: &str) -> Result<Path, PathError> {
        if text.len() > MAX_BYTES {
            return Err(PathError::TooLong { bytes: text.len() });
        }
        if text.starts_with("$[") {
            return Err(PathError::RootBracket { at: 1 });
        }
        let mut path = Path { text: text.to_owned(), rooted: text == "$" || text.starts_with("$."), steps: Vec::new() };
        if text == "$" {
            return Ok(path);
        }
        let mut at = if path.rooted { 2 } else { 0 };
        loop {
            if path.steps.len() == MAX_STEPS {
                return Err(PathError::TooManySteps { at });
            }
            let (step, end) = step(text, at)?;
            path.steps.push(step);
            match text.as_bytes().get(end) {
                None => return Ok(path),
                Some(b'.') => at = end + 1,
                Some(b'[' | b']') => return Err(PathError::Bracket { at: end }),
                Some(_) => return Err(PathError::Unexpected { at: end }),
            }
        }
    }

    /// The steps in their order; none for the root.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether the path began with `$`.
    pub fn rooted(&self) -> bool {
        self.rooted
    }

    /// Whether the path is `$` alone.
    pub fn is_root(&self) -> bool {
        self.steps.is_empty()
    }

    /// The path as it was written, byte for byte.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names joined by dots, without `[]`, `*` and `**`: a mark's default domain. Empty where the path has no name.
    pub fn keys(&self) -> String {
        let names = self.steps.iter().filter_map(|step| match step {
            Step::Name { text, .. } => Some(text.as_str()),
            Step::Any | Step::Deep => None,
        });
        names.collect::<Vec<_>>().join(".")
    }

    /// How many steps are `*` or `**`: fewer is more specific.
    pub fn wildcards(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step, Step::Any | Step::Deep)).count()
    }
}

/// Reads the step that begins at byte `at`, with its `[]`; gives it and the byte after it.
fn step(text: &str, at: usize) -> Result<(Step, usize), PathError> {
    let rest = &text[at..];
    let (step, end) = if rest.starts_with("**") {
        (Step::Deep, at + 2)
    } else if rest.starts_with('*') {
        (Step::Any, at + 1)
    } else if rest.starts_with('\'') {
        quoted(text, at)?
    } else {
        let end = rest.find(['.', '\'', '*', '[', ']']).map_or(text.len(), |length| at + length);
        if end == at {
            return Err(match rest.as_bytes().first() {
                Some(b'[' | b']') => PathError::Bracket { at },
                _ => PathError::EmptyStep { at },
            });
        }
        (Step::Name { text: text[at..end].to_owned(), quoted: false }, end)
    };
    let brackets = if text[end..].starts_with("[]") { 2 } else { 0 };
    Ok((step, end + brackets))
}

/// Reads the quoted name whose quote stands at byte `at`.
fn quoted(text: &str, at: usize) -> Result<(Step, usize), PathError> {
    let mut name = String::new();
    let mut from = at + 1;
    loop {
        let Some(length) = text[from..].find('\'') else {
            return Err(PathError::OpenQuote { at });
        };
        let quote = from + length;
        name.push_str(&text[from..quote]);
        if !text[quote + 1..].starts_with('\'') {
            return Ok((Step::Name { text: name, quoted: true }, quote + 1));
        }
        name.push('\'');
        from = quote + 2;
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Name { text, quoted: true } => write!(f, "'{}'", text.replace('\'', "''")),
            Step::Name { text, quoted: false } => f.write_str(text),
            Step::Any => f.write_str("*"),
            Step::Deep => f.write_str("**"),
        }
    }
}

/// The normal form: the path without its `[]`.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.rooted { "$" } else { "" })?;
        for (index, step) in self.steps.iter().enumerate() {
            f.write_str(if index > 0 || self.rooted { "." } else { "" })?;
            write!(f, "{step}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
