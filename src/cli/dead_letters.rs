//! `sivcar dead-letters`: lists, opens and replays what was rejected.
//!
//! A dead letter is named by where its record stands in the raw topic. Always holds: `list` needs no keyset and shows no content;
//! `replay` writes all that was asked for in one transaction, or nothing; which letters those are is in [`oldest`]. Deliberately not
//! here: removing letters; retention does.

mod oldest;

use std::io::Write;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use self::oldest::{Page, Select, oldest};
use super::cluster::retry;
use super::exit::{Failure, Outcome};
use super::tail::moment;
use super::{cluster, offline};
use crate::config::Config;
use crate::privacy::dead_letter::{self, DeadLetterError, Envelope};
use crate::privacy::keyset::{Entry, Keyring};
use crate::privacy::seal::Sealer;
use crate::record::Record;
use crate::stream::log::{Fault, Log, Outgoing, Producer};

/// How long one poll waits.
const WAIT: Duration = Duration::from_millis(200);

/// The most records that one replay takes: they are one transaction.
const REPLAY_MAX: u64 = 5_000;

/// Lists, opens and replays rejected records.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Shows where each rejected record stands in its raw topic, why it was rejected, under which policy version and when: the oldest
    /// first.
    #[command(after_help = "Example: sivcar dead-letters list --config sivcar.toml --topic raw.events --limit 20")]
    List(Select),
    /// Opens one dead letter: the record as JSON, with key, value and headers in clear. Needs the keyset.
    #[command(
        after_help = "Example: sivcar dead-letters open --config sivcar.toml --topic raw.events --partition 0 --offset 17"
    )]
    Open(Select),
    /// Writes rejected records to their raw topic again, each to its partition, to be read and protected anew.
    ///
    /// Name one by --partition and --offset, or the oldest by --limit, at most 5000 at once. Replaying twice writes twice: a
    /// replayed record's letter stays, so go on behind it with --after.
    #[command(
        after_help = "Example: sivcar dead-letters replay --config sivcar.toml --topic raw.events --partition 0 --offset 17\n\
                      Example: sivcar dead-letters replay --config sivcar.toml --topic raw.events --reason keyset_missing --limit 5000"
    )]
    Replay(Select),
}

/// Runs the command.
pub fn run(command: &Command, output: &mut dyn Write, errors: &mut dyn Write) -> Result<Outcome, Failure> {
    let (Command::List(select) | Command::Open(select) | Command::Replay(select)) = command;
    if matches!(command, Command::Open(_)) && select.offset.is_none() {
        return Err(Failure::usage("dead-letters open: name one record by --partition and --offset"));
    }
    let replays = matches!(command, Command::Replay(_));
    if replays && select.offset.is_none() && select.limit.is_none_or(|limit| limit > REPLAY_MAX) {
        return Err(Failure::usage(format!(
            "dead-letters replay: name one record by --partition and --offset, or give --limit (at most {REPLAY_MAX})"
        )));
    }
    let config = offline::config(&select.config)?;
    let topic = dead_letter_topic(&config, &select.topic)?;
    // before the client's threads: a variable is removed from the environment
    let keys = if matches!(command, Command::List(_)) { None } else { Some(offline::keys(&config)?) };
    let log = cluster::connect(&config)?;
    match keys {
        None => list(&log, &topic, select, output, errors),
        Some(keys) => {
            let opener = Opener::new(&keys.ring(), &config.settings.group);
            if replays {
                replay(&log, &topic, select, opener, output, errors)
            } else {
                open(&log, &topic, select, opener, output)
            }
        }
    }
}

fn dead_letter_topic(config: &Config, topic: &str) -> Result<String, Failure> {
    let found = config.settings.sources.iter().find(|source| source.topic == topic);
    found.map(|source| source.dead_letters.clone()).ok_or_else(|| {
        Failure::usage(format!("--topic {topic}: no such source in the configuration; name a raw topic"))
    })
}

fn list<L: Log>(
    log: &L,
    topic: &str,
    select: &Select,
    output: &mut dyn Write,
    errors: &mut dyn Write,
) -> Result<Outcome, Failure> {
    let page = oldest(log, topic, select, |letter| letter.timestamp)?;
    let line = |(Envelope { at, reason, policy }, since): &(Envelope, Option<i64>)| {
        let since = since.map(|ms| format!("  {}", moment(ms))).unwrap_or_default();
        format!("{at}  {reason}  policy {policy}{since}\n")
    };
    let text: String = page.letters.iter().map(line).collect();
    output.write_all(text.as_bytes()).map_err(|error| Failure::writing(&error))?;
    tell_rest(&page, errors);
    Ok(Outcome::Done)
}

/// Tells how many more there are than were asked for, and how to have the next.
fn tell_rest<T>(page: &Page<T>, errors: &mut dyn Write) {
    if let (Some((Envelope { at, .. }, _)), 1..) = (page.letters.last(), page.more) {
        // where standard error is gone, nobody is left to tell
        let _ = writeln!(errors, "{} more; go on with --after {}:{}", page.more, at.partition.number, at.offset);
    }
}

fn open<L: Log>(
    log: &L,
    topic: &str,
    select: &Select,
    mut opener: Opener,
    output: &mut dyn Write,
) -> Result<Outcome, Failure> {
    let letters = oldest(log, topic, select, |letter| letter)?.letters;
    if letters.is_empty() {
        return Err(none(topic, select));
    }
    for (envelope, letter) in &letters {
        let record = opener.open(letter).map_err(|error| Failure::failed(format!("{}: {error}", envelope.at)))?;
        let shown = format!("{:#}\n", shown(envelope, &record));
        output.write_all(shown.as_bytes()).map_err(|error| Failure::writing(&error))?;
    }
    Ok(Outcome::Done)
}

fn replay<L: Log>(
    log: &L,
    topic: &str,
    select: &Select,
    mut opener: Opener,
    output: &mut dyn Write,
    errors: &mut dyn Write,
) -> Result<Outcome, Failure> {
    let page = oldest(log, topic, select, |letter| letter)?;
    if page.letters.is_empty() {
        return Err(none(topic, select));
    }
    let (mut records, mut rejected) = (Vec::new(), 0);
    for (envelope, letter) in &page.letters {
        match opener.open(letter) {
            Ok(record) => records.push((envelope, record)),
            Err(error) => {
                rejected += 1;
                // where standard error is gone, the exit code still tells
                let _ = writeln!(errors, "{}: {error}", envelope.at);
            }
        }
    }
    write(log, &opener.group, &records)?;
    let mut text: String =
        records.iter().map(|(envelope, _)| format!("{} -> {}\n", envelope.at, envelope.at.partition)).collect();
    text += &format!("{} replayed; each is read and protected anew\n", records.len());
    output.write_all(text.as_bytes()).map_err(|error| Failure::writing(&error))?;
    tell_rest(&page, errors);
    Ok(Outcome::of_rejected(rejected))
}

/// Writes all of `records` to their raw partitions in one transaction.
fn write<L: Log>(log: &L, group: &str, records: &[(&Envelope, Record)]) -> Result<(), Failure> {
    if records.is_empty() {
        return Ok(());
    }
    let failed = |fault: Fault| match fault {
        Fault::Unknown(text) => {
            Failure::failed(format!("{text}; it is not known whether anything was replayed: look at the raw topic"))
        }
        fault => Failure::failed(format!("{fault}; nothing was replayed")),
    };
    let mut producer = log.producer(&format!("{group}.dead-letters"), usize::MAX)?;
    retry(|| producer.init()).map_err(failed)?;
    retry(|| producer.begin()).map_err(failed)?;
    for (Envelope { at, .. }, record) in records {
        let (topic, partition) = (at.partition.topic.clone(), Some(at.partition.number));
        producer.produce(&Outgoing { topic, partition, record: record.clone() }).map_err(failed)?;
    }
    retry(|| producer.drain()).map_err(failed)?;
    retry(|| producer.commit()).map_err(failed)
}

fn none(topic: &str, select: &Select) -> Failure {
    Failure::failed(format!("no such dead letter of {} in {topic}; see sivcar dead-letters list", select.topic))
}

/// Opens letters with whichever keyset sealed them: a letter does not name its workspace.
struct Opener {
    sealers: Vec<Sealer>,
    group: String,
}

impl Opener {
    fn new(ring: &Keyring, group: &str) -> Self {
        let own = ring.own().filter_map(|(_, entry)| match entry {
            Entry::Present(keyset) => Some(keyset),
            Entry::Missing => None,
        });
        let sealers = ring.default_keyset().into_iter().chain(own).map(|keyset| Sealer::new(keyset)).collect();
        Self { sealers, group: group.to_owned() }
    }

    fn open(&mut self, letter: &Record) -> Result<Record, DeadLetterError> {
        let mut last = DeadLetterError::Short;
        for sealer in &mut self.sealers {
            match dead_letter::open(sealer, &self.group, letter) {
                Err(error @ DeadLetterError::Sealed(_)) => last = error,
                done => return done,
            }
        }
        Err(last)
    }
}

/// A record as JSON: texts as they are, other bytes as base64.
fn shown(Envelope { at, reason, policy }: &Envelope, record: &Record) -> Value {
    let bytes = |bytes: &Option<Vec<u8>>| match bytes.as_deref().map(|bytes| (std::str::from_utf8(bytes), bytes)) {
        None => Value::Null,
        Some((Ok(text), _)) => json!(text),
        Some((Err(_), bytes)) => json!({ "base64": STANDARD.encode(bytes) }),
    };
    let headers: Vec<Value> = record.headers.iter().map(|header| json!([header.name, bytes(&header.value)])).collect();
    json!({
        "topic": *at.partition.topic,
        "partition": at.partition.number,
        "offset": at.offset,
        "reason": reason,
        "policy": policy,
        "key": bytes(&record.key),
        "headers": headers,
        "value": bytes(&record.value),
    })
}

#[cfg(test)]
mod tests;
