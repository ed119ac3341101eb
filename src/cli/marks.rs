//! `sivcar mark`, `unmark` and `marks`: writes, withdraws and lists the marks of the control topic.
//!
//! Always holds: many marks are one transaction, and nothing is written unless all of them are well formed; a mark that stands in
//! the configuration file is neither withdrawn nor altered, for the next start would undo it.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use toml::Spanned;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::exit::{Failure, Outcome, tell};
use super::status::Waiting;
use super::{cluster, offline, unnamed};
use crate::config::{self, Config};
use crate::privacy::control::{ControlKey, ControlRecord, ControlValue, Table};
use crate::privacy::mark::{self, EVERYWHERE, Mark, MarkKey, On, Protect};
use crate::privacy::mask::Mask;
use crate::privacy::path::Path;
use crate::privacy::settings::LEVEL_MAX;
use crate::stream::control::{self, ControlTable};
use crate::stream::log::Log;
use crate::stream::topics::control_topic;

/// Marks attributes, parameters, fields, headers or record keys as personal data, from now on and on the live stream.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: sivcar mark --config sivcar.toml --workspace acme --on attribute --name email --mask email\n\
                        Example: sivcar mark --config sivcar.toml --from marks.toml   ([[mark]] sections as in the configuration)"
)]
pub struct MarkArgs {
    #[command(flatten)]
    which: Which,
    /// Views show the value where their clearance is at least this; the highest where left out
    #[arg(long, value_name = "0-9999", value_parser = clap::value_parser!(u16).range(0..=i64::from(LEVEL_MAX)))]
    level: Option<u16>,
    /// What protected topics do: encrypt (the default), mask, drop or none
    #[arg(long, value_name = "WORD", value_parser = word::<Protect>)]
    protect: Option<Protect>,
    /// How views show it: word, full (the default), empty, last4, email, token or drop
    #[arg(long, value_name = "WORD", value_parser = word::<Mask>)]
    mask: Option<Mask>,
    /// Values of one domain can be compared with each other; the name's keys where left out
    #[arg(long, value_name = "NAME")]
    domain: Option<String>,
    /// Views keep keys and lengths below the marked value
    #[arg(long)]
    shape: bool,
    /// Who makes the mark
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
    #[command(flatten)]
    waiting: Waiting,
}

/// Withdraws marks: later records pass in clear. A mark that stands in the configuration file must be removed there first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: sivcar unmark --config sivcar.toml --workspace acme --on attribute --name email")]
pub struct UnmarkArgs {
    #[command(flatten)]
    which: Which,
}

/// Lists the marks that hold.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: sivcar marks --config sivcar.toml --workspace acme --json")]
pub struct MarksArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only those of this workspace, and those that hold everywhere
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    /// A JSON array, for programs
    #[arg(long)]
    json: bool,
    /// [[mark]] sections, as `mark --from` takes them: what to keep in case the control topic is lost
    #[arg(long, conflicts_with = "json")]
    toml: bool,
}

/// What names marks: one by arguments, or many by a file.
#[derive(Debug, clap::Args)]
struct Which {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The workspace, or '*' for every one
    #[arg(long, value_name = "NAME", required_unless_present = "from")]
    workspace: Option<String>,
    /// Where the name begins: attribute, parameter or field (from the root); or what stands around: header or key
    #[arg(long, value_name = "WORD", value_parser = word::<On>, required_unless_present = "from")]
    on: Option<On>,
    /// The path, as addresses.zipcode; of a header its name; of the record key nothing
    #[arg(long, value_name = "PATH", required_unless_present_any = ["from", "on"])]
    name: Option<String>,
    /// The event it holds for; every event where left out
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// A TOML file of [[mark]] sections, all written in one transaction
    #[arg(long, value_name = "FILE", conflicts_with_all = ["workspace", "on", "name", "event"])]
    from: Option<PathBuf>,
}

/// A file of marks: the configuration's sections, and who made them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MarkFile {
    mark: Vec<Spanned<Section>>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Section {
    workspace: String,
    on: On,
    name: Option<String>,
    event: Option<String>,
    level: Option<i64>,
    #[serde(default)]
    protect: Protect,
    mask: Option<Mask>,
    domain: Option<String>,
    #[serde(default)]
    shape: bool,
    by: Option<String>,
}

/// Runs `mark`.
pub fn mark(args: &MarkArgs, output: &mut dyn Write, errors: &mut dyn Write) -> Result<Outcome, Failure> {
    let config = offline::config(&args.which.config)?;
    let made = Mark {
        level: args.level.unwrap_or(LEVEL_MAX),
        protect: args.protect.unwrap_or_default(),
        mask: args.mask,
        domain: args.domain.clone(),
        shape: args.shape,
        by: args.by.clone(),
        ..Mark::default()
    };
    let wishes = args.which.wishes(&config, &made)?;
    for (key, mark) in &wishes {
        mark::check_wish(key, mark).map_err(|what| Failure::usage(format!("{}: {what}", describe(key))))?;
    }
    refuse_configured(&config, &args.which, wishes.iter().map(|(key, mark)| (key, Some(mark))))?;
    let log = cluster::connect_to_write(&config)?;
    args.waiting.vet(&log, &config)?;
    let protected: Vec<&str> = config.settings.sources.iter().map(|source| source.protected.as_str()).collect();
    let (written, version) = write(&log, &config.settings.group, &protected, &wishes)?;
    let changed: Vec<ControlKey> = wishes.iter().map(|(key, _)| ControlKey::Mark(key.clone())).collect();
    unnamed::warn(&log, &config, &changed, errors)?;
    let same = wishes.len() - written;
    tell(output, &format!("{written} marked, {same} held already; policy version {version}\n"))?;
    args.waiting.wait(&log, &config, version)?;
    Ok(Outcome::Done)
}

/// Runs `unmark`.
pub fn unmark(args: &UnmarkArgs, output: &mut dyn Write) -> Result<Outcome, Failure> {
    let config = offline::config(&args.which.config)?;
    let keys: Vec<MarkKey> = args.which.wishes(&config, &Mark::default())?.into_iter().map(|(key, _)| key).collect();
    refuse_configured(&config, &args.which, keys.iter().map(|key| (key, None)))?;
    let log = cluster::connect(&config)?;
    let version = withdraw(&log, &config.settings.group, &keys)?;
    tell(output, &format!("{} withdrawn; policy version {version}\n", keys.len()))
}

/// Runs `marks`.
pub fn marks(args: &MarksArgs, output: &mut dyn Write) -> Result<Outcome, Failure> {
    let config = offline::config(&args.config)?;
    let control = read(&cluster::connect(&config)?, &config.settings.group)?;
    let of = |key: &MarkKey| {
        args.workspace.as_ref().is_none_or(|workspace| key.workspace == *workspace || key.workspace == EVERYWHERE)
    };
    let shown: Vec<(&MarkKey, &Mark)> = control.table().marks.iter().filter(|(key, _)| of(key)).collect();
    let text = match (args.json, args.toml) {
        (true, _) => as_json(&shown),
        (_, true) => as_toml(&shown)?,
        _ => as_table(&shown),
    };
    tell(output, &text)
}

/// Writes those of `wishes` that do not hold yet, behind the keys that they need pinned for the `protected` topics; gives how many, and the
/// policy version then.
fn write<L: Log>(
    log: &L,
    group: &str,
    protected: &[&str],
    wishes: &[(MarkKey, Mark)],
) -> Result<(usize, u64), Failure> {
    let mut written = 0;
    let around = wishes.iter().any(|(key, _)| key.on.is_around());
    let control = control::amend(log, group, |table| {
        let mut records = table.unpinned(protected.iter().copied().filter(|_| around));
        let pins = records.len();
        records.extend(wishes.iter().filter_map(|(key, mark)| revised(table, key, mark)));
        // asked again once all is written, it has nothing to give
        written = written.max(records.len() - pins);
        Ok(records)
    })?;
    Ok((written, control.table().version))
}

fn revised(table: &Table, key: &MarkKey, wish: &Mark) -> Option<ControlRecord> {
    let mark = table.revise(key, wish)?;
    Some(ControlRecord { key: ControlKey::Mark(key.clone()), value: Some(ControlValue::Mark(mark)) })
}

/// Withdraws the marks `keys`, which must all hold; gives the policy version then.
fn withdraw<L: Log>(log: &L, group: &str, keys: &[MarkKey]) -> Result<u64, Failure> {
    let held = read(log, group)?;
    if let Some(key) = keys.iter().find(|key| !held.table().marks.contains_key(key)) {
        return Err(Failure::usage(format!("no such mark: {}; see sivcar marks", describe(key))));
    }
    let control = control::amend(log, group, |table| {
        let held = keys.iter().filter(|key| table.marks.contains_key(key));
        Ok(held.map(|key| ControlRecord { key: ControlKey::Mark(key.clone()), value: None }).collect())
    })?;
    Ok(control.table().version)
}

/// The control topic, read to its end.
pub(super) fn read<L: Log>(log: &L, group: &str) -> Result<ControlTable<L>, Failure> {
    let topic = control_topic(group);
    if log.partitions(&topic)?.is_none() {
        return Err(Failure::usage(format!(
            "control topic {topic} does not exist; it comes with the first start or mark"
        )));
    }
    let mut control = ControlTable::open(log, group)?;
    control.read_to_end()?;
    Ok(control)
}

/// Refuses wishes that the next start would undo, for the configuration file says otherwise: `None` wishes a mark away.
fn refuse_configured<'a>(
    config: &Config,
    which: &Which,
    wishes: impl IntoIterator<Item = (&'a MarkKey, Option<&'a Mark>)>,
) -> Result<(), Failure> {
    for (key, wish) in wishes {
        let named = ControlKey::Mark(key.clone());
        let stands = config.wished.iter().find(|record| record.key == named).map(|record| &record.value);
        let Some(Some(ControlValue::Mark(stands))) = stands else { continue };
        if wish.is_none_or(|wish| !wish.asks_the_same(stands)) {
            let (what, file) = (describe(key), which.config.display());
            return Err(Failure::usage(format!(
                "{what} stands in {file}, and the next start would publish it; edit it there first"
            )));
        }
    }
    Ok(())
}

impl Which {
    /// The marks that are named: the one `made` by arguments, or the file's.
    fn wishes(&self, config: &Config, made: &Mark) -> Result<Vec<(MarkKey, Mark)>, Failure> {
        let at = Some(now());
        let wishes = match (&self.from, &self.workspace, self.on, &self.name) {
            (Some(file), ..) => from_file(file)?,
            (None, Some(workspace), Some(on), name) => {
                let name = named(on, name.clone()).ok_or_else(|| Failure::usage("a mark needs --name"))?;
                let (workspace, event) = (workspace.clone(), self.event.clone());
                vec![(MarkKey { workspace, on, name, event }, made.clone())]
            }
            _ => return Err(Failure::usage("name a mark by --workspace, --on and --name, or give --from FILE")),
        };
        for (key, _) in &wishes {
            let configured = &config.settings.workspaces;
            let known = configured.is_empty() || key.workspace == EVERYWHERE || configured.contains(&key.workspace);
            if !known {
                return Err(Failure::usage(format!("{}: no such workspace in the configuration", describe(key))));
            }
        }
        Ok(wishes.into_iter().map(|(key, mark)| (key, Mark { at: at.clone(), ..mark })).collect())
    }
}

fn from_file(file: &PathBuf) -> Result<Vec<(MarkKey, Mark)>, Failure> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::usage(format!("{name}: it does not exist; correct --from")),
        kind => Failure::usage(format!("{name}: cannot be read: {kind}")),
    })?;
    let wrong = |at: usize, what: &str| {
        let line = text[..at].matches('\n').count() + 1;
        Failure::usage(format!("{name}:{line}: {what}"))
    };
    let place = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
    let parsed: MarkFile =
        toml::from_str(&text).map_err(|error| wrong(place(&error), &config::rephrase(error.message())))?;
    let wish = |section: Spanned<Section>| {
        let at = section.span().start;
        let Section { workspace, on, name, event, level, protect, mask, domain, shape, by } = section.into_inner();
        let level = u16::try_from(level.unwrap_or(LEVEL_MAX.into())).ok().filter(|level| *level <= LEVEL_MAX);
        let level = level.ok_or_else(|| wrong(at, "level must be 0–9999"))?;
        let mark = Mark { level, protect, mask, domain, shape, by, since: None, at: None };
        let name = named(on, name).ok_or_else(|| wrong(at, "key \"name\" is missing"))?;
        Ok((MarkKey { workspace, on, name, event }, mark))
    };
    parsed.mark.into_iter().map(wish).collect()
}

/// The name of a mark; that of one on record keys may be left out.
fn named(on: On, name: Option<String>) -> Option<String> {
    name.or_else(|| (on == On::Key).then(|| mark::KEY.to_owned()))
}

/// A word of the wire's form, as an argument.
pub(super) fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(Value::String(text.to_owned())).map_err(|error| config::choice(&error.to_string()))
}

/// The time in UTC, as RFC 3339 writes it.
pub(super) fn now() -> String {
    let mut text = String::new();
    // a String takes all that is written
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

fn describe(key: &MarkKey) -> String {
    let event = key.event.as_ref().map(|event| format!(" of event {event:?}")).unwrap_or_default();
    format!("mark {:?} on {}{event} in workspace {}", key.name, plain(&key.on), key.workspace)
}

/// A word as the wire writes it.
pub(super) fn plain(word: &impl serde::Serialize) -> String {
    match serde_json::to_value(word) {
        Ok(Value::String(text)) => text,
        _ => String::new(),
    }
}

fn as_json(marks: &[(&MarkKey, &Mark)]) -> String {
    let each = marks.iter().map(|(key, mark)| {
        let mut object = json!({ "workspace": key.workspace, "on": key.on, "name": key.name, "event": key.event });
        if let (Value::Object(object), Ok(Value::Object(mark))) = (&mut object, serde_json::to_value(mark)) {
            object.extend(mark);
        }
        object
    });
    format!("{:#}\n", Value::Array(each.collect()))
}

/// What the values of a mark without a domain of its own are sealed under.
fn default_domain(key: &MarkKey) -> Option<String> {
    let path = Path::parse(&key.name).ok().filter(|_| !key.on.is_around())?;
    Some(path.keys())
}

/// What [`from_file`] reads as these marks.
fn as_toml(marks: &[(&MarkKey, &Mark)]) -> Result<String, Failure> {
    let sections = marks.iter().map(|(key, mark)| {
        let MarkKey { workspace, on, name, event } = MarkKey::clone(key);
        let Mark { level, protect, mask, domain, shape, by, .. } = Mark::clone(mark);
        Section { workspace, on, name: Some(name), event, level: Some(level.into()), protect, mask, domain, shape, by }
    });
    let file = BTreeMap::from([("mark", sections.collect::<Vec<_>>())]);
    toml::to_string(&file).map_err(|error| Failure::failed(format!("the marks cannot be written as TOML: {error}")))
}

fn as_table(marks: &[(&MarkKey, &Mark)]) -> String {
    let head = ["WORKSPACE", "ON", "NAME", "EVENT", "LEVEL", "PROTECT", "MASK", "DOMAIN", "SINCE", "BY"];
    let mut rows = vec![head.map(str::to_owned)];
    let dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    rows.extend(marks.iter().map(|(key, mark)| {
        [
            key.workspace.clone(),
            plain(&key.on),
            key.name.clone(),
            dash(key.event.clone()),
            mark.level.to_string(),
            plain(&mark.protect),
            dash(mark.mask.map(|mask| plain(&mask))),
            dash(mark.domain.clone().or_else(|| default_domain(key))),
            dash(mark.since.map(|since| since.to_string())),
            dash(mark.by.clone()),
        ]
    }));
    let widths: Vec<usize> =
        (0..head.len()).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let line = |row: &[String; 10]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests;
