//! One record as text: a block of lines for people, or a line of JSON.
//!
//! Always holds: characters that could steer a terminal (controls, and those that turn the direction of writing) are escaped as JSON
//! escapes them, in keys, values, names and headers; numbers and duplicates stand as they are in the document.

use std::borrow::Cow;
use std::fmt::Write;

use owo_colors::{OwoColorize, Stream, Style};

use super::super::harmless::harmless;
use crate::privacy::layout::{self, CompiledLayout, Located};
use crate::privacy::protect::POLICY_HEADER;
use crate::privacy::scan::{self, Document, Kind, Limits, Tape};
use crate::privacy::settings::Source;
use crate::stream::log::Fetched;

/// The widest column of paths, in characters.
const PATH_WIDTH: usize = 40;
/// The most bytes of a path that are shown: keys are as long as whoever wrote the record liked.
const PATH_BYTES_MAX: usize = 256;
/// Members that sivcar itself adds are not deeper than this.
const OWN_DEPTH: usize = 8;

/// Which records are shown.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Only {
    /// Only records of this workspace
    #[arg(long, value_name = "NAME")]
    pub workspace: Option<String>,
    /// Only events of this name
    #[arg(long, value_name = "NAME")]
    pub event: Option<String>,
    /// Only records with this key, as the view has it: one profile, without knowing whose it is
    #[arg(long, value_name = "TOKEN")]
    pub key: Option<String>,
    /// Only records whose document, as it stands in the topic, contains this text
    #[arg(long, value_name = "TEXT")]
    pub contains: Option<String>,
}

/// Turns records into text, and remembers how.
pub struct Screen {
    limits: Limits,
    only: Only,
    json: bool,
    tape: Tape,
    located: Located,
}

/// What a record tells of itself.
struct Words<'a> {
    workspace: Option<Cow<'a, str>>,
    event: Option<Cow<'a, str>>,
}

impl Screen {
    /// For documents that are nested as deep as `depth`.
    pub fn new(depth: usize, only: Only, json: bool) -> Self {
        let limits = Limits { depth: depth.max(OWN_DEPTH), ..Limits::NONE };
        Self { limits, only, json, tape: Tape::default(), located: Located::default() }
    }

    /// The text of a record that was read from the source's debug topic; `None` where it is not to be shown.
    pub fn shown(&mut self, source: &Source, layout: &CompiledLayout, fetched: &Fetched) -> Option<String> {
        let Self { limits, only, json, tape, located } = self;
        let value = fetched.record.value.as_deref();
        let document = match value.map(|value| scan::scan(value, limits, tape)) {
            None => None,
            // whatever else stands in the topic is not ours to show
            Some(Err(_)) => return None,
            Some(Ok(text)) => Some(Document::new(text, tape)),
        };
        let words = Words::of(source, layout, document.as_ref(), located);
        let key = fetched.record.key.as_deref().map(String::from_utf8_lossy);
        only.wants(&words, key.as_deref(), document.as_ref()).then(|| match json {
            true => as_json(fetched, key.as_deref(), document.as_ref()),
            false => as_block(fetched, key.as_deref(), &words, document.as_ref()),
        })
    }
}

impl<'a> Words<'a> {
    fn of(
        source: &'a Source,
        layout: &CompiledLayout,
        document: Option<&Document<'a>>,
        located: &mut Located,
    ) -> Words<'a> {
        let fixed = source.workspace.as_deref().map(Cow::Borrowed);
        let Some(document) = document else { return Words { workspace: fixed, event: None } };
        // a view may mask what stands around the words
        if layout.locate(document, located).is_err() {
            return Words { workspace: fixed, event: None };
        }
        let word = |node: Option<usize>| node.map(|node| layout::word_text(document, node));
        Words { workspace: fixed.or_else(|| word(located.workspace)), event: word(located.event) }
    }
}

impl Only {
    fn wants(&self, words: &Words, key: Option<&str>, document: Option<&Document>) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        let contains = |text: &String| document.is_some_and(|document| document.text().contains(text));
        is(&self.workspace, words.workspace.as_deref())
            && is(&self.event, words.event.as_deref())
            && is(&self.key, key)
            && self.contains.as_ref().is_none_or(contains)
    }
}

fn as_json(fetched: &Fetched, key: Option<&str>, document: Option<&Document>) -> String {
    let text = |bytes: &Option<Vec<u8>>| bytes.as_deref().map(String::from_utf8_lossy).map(Cow::into_owned);
    let headers: Vec<_> = fetched.record.headers.iter().map(|header| (&header.name, text(&header.value))).collect();
    let about = serde_json::json!({
        "topic": &*fetched.partition.topic,
        "partition": fetched.partition.number,
        "offset": fetched.offset,
        "timestamp": fetched.record.timestamp,
        "key": key,
        "headers": headers,
    });
    // within a document these are white space: in strings they are escaped
    let value = document.map_or("null".to_owned(), |document| document.text().trim().replace(['\n', '\r', '\t'], " "));
    let about = about.to_string();
    let open = about.strip_suffix('}').unwrap_or(&about);
    format!("{}\n", harmless(&format!("{open},\"value\":{value}}}")))
}

fn as_block(fetched: &Fetched, key: Option<&str>, words: &Words, document: Option<&Document>) -> String {
    let mut out = String::new();
    let place = format!("{}@{}", fetched.partition, fetched.offset);
    let known = [words.workspace.as_deref(), words.event.as_deref(), key];
    let parts = fetched.record.timestamp.map(moment).into_iter().chain([place]);
    let parts: Vec<String> = parts.chain(known.into_iter().flatten().map(str::to_owned)).collect();
    let heading = harmless(&parts.join("  ")).into_owned();
    let _ = writeln!(out, "{}", coloured(&heading, Style::new().bold()));
    let mut rows = Vec::new();
    for header in fetched.record.headers.iter().filter(|header| header.name != POLICY_HEADER) {
        let value = header.value.as_deref().map_or("null".into(), String::from_utf8_lossy);
        rows.push((format!("({})", header.name), value.into_owned()));
    }
    match document {
        None => rows.push(("(deleted)".to_owned(), String::new())),
        Some(document) => leaves(document, 0, &mut String::new(), &mut rows),
    }
    let widest = rows.iter().map(|(path, _)| path.chars().count()).max().unwrap_or(0).min(PATH_WIDTH);
    for (path, value) in &rows {
        let (path, value) = (harmless(path), harmless(value));
        let style = match value.as_ref() {
            value if value.starts_with("\"siv:") => Style::new().cyan(),
            value if value.contains("***") => Style::new().yellow(),
            _ => Style::new(),
        };
        let line = format!("  {path:<widest$}  {}", coloured(&value, style));
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// Path and text of every leaf below `node`, in document order.
fn leaves(document: &Document, node: usize, path: &mut String, rows: &mut Vec<(String, String)>) {
    let length = path.len();
    let mut empty = true;
    for (index, child) in document.children(node).enumerate() {
        empty = false;
        let _ = match document.key(child) {
            Some(key) if length == 0 => write!(path, "{}", String::from_utf8_lossy(&key)),
            Some(key) => write!(path, ".{}", String::from_utf8_lossy(&key)),
            None => write!(path, "[{index}]"),
        };
        leaves(document, child, path, rows);
        path.truncate(length);
    }
    let container = matches!(document.node(node).kind, Kind::Object | Kind::Array);
    if empty && (node != 0 || !container) {
        let end = (0..=path.len().min(PATH_BYTES_MAX)).rev().find(|end| path.is_char_boundary(*end)).unwrap_or(0);
        let cut = if end < path.len() { "…" } else { "" };
        rows.push((format!("{}{cut}", &path[..end]), document.raw(document.node(node).value).to_owned()));
    }
}

fn coloured(text: &str, style: Style) -> String {
    text.if_supports_color(Stream::Stdout, |text| text.style(style)).to_string()
}

/// Milliseconds since the Unix epoch as date and time in UTC, by the civil calendar (H. Hinnant's days from civil, backwards).
pub(in crate::cli) fn moment(ms: i64) -> String {
    let (days, ms) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let days = days.saturating_add(719_468);
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153; // months since March
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (seconds, ms) = (ms / 1_000, ms % 1_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests;
