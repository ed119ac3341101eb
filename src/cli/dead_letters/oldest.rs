//! Which dead letters a command is about: those that fit what was asked for, the oldest first.
//!
//! Always holds: the dead-letter topic is read to its end, for the oldest may stand in any of its partitions; letters are ordered by
//! their own time, then by where their records stand, so two commands see one order. No more records are held than were asked for.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;

use super::WAIT;
use crate::cli::cluster::{ask, retry};
use crate::cli::exit::Failure;
use crate::privacy::dead_letter::Envelope;
use crate::privacy::error::Reason;
use crate::record::{Coordinates, Record};
use crate::stream::log::{Log, Reader};

/// Which dead letters.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Select {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The raw topic, as in the configuration
    #[arg(long, value_name = "TOPIC")]
    pub topic: String,
    /// The partition of the record in its raw topic
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..))]
    pub partition: Option<i32>,
    /// The offset of the record in its raw topic
    #[arg(long, value_name = "NUMBER", requires = "partition", value_parser = clap::value_parser!(i64).range(0..))]
    pub offset: Option<i64>,
    /// Only those that were rejected for this reason
    #[arg(long, value_name = "CODE", hide_possible_values = true,
          value_parser = PossibleValuesParser::new(Reason::ALL.map(Reason::code)))]
    pub reason: Option<String>,
    /// At most so many, those first that were rejected first
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Only those after this one, named by where its record stands in the raw topic
    #[arg(long, value_name = "PARTITION:OFFSET", value_parser = place, conflicts_with = "offset")]
    pub after: Option<(i32, i64)>,
}

/// What was asked for.
pub struct Page<T> {
    /// The letters, the oldest first: what names each, and what was kept of it.
    pub letters: Vec<(Envelope, T)>,
    /// How many more there are than the limit let in.
    pub more: u64,
}

/// The letters' order: their time, where their records stand, and, as one record may have several, where they stand themselves.
type Age = (Option<i64>, Coordinates, Coordinates);

/// The selected letters of the dead-letter topic `topic`, and what `keep` keeps of each.
pub fn oldest<L: Log, T>(
    log: &L,
    topic: &str,
    select: &Select,
    keep: impl Fn(Record) -> T,
) -> Result<Page<T>, Failure> {
    if ask(|| log.partitions(topic))?.is_none() {
        return Err(Failure::usage(format!("dead-letter topic {topic} does not exist; nothing was rejected yet")));
    }
    let after = select.after.map(|place| age(log, topic, select, place)).transpose()?;
    let (mut letters, mut more) = (BTreeMap::new(), 0);
    each(log, topic, |age, envelope, record| {
        if select.wants(&envelope) && after.as_ref().is_none_or(|after| age > *after) {
            letters.insert(age, (envelope, keep(record)));
        }
        if select.limit.is_some_and(|limit| letters.len() as u64 > limit) {
            letters.pop_last();
            more += 1;
        }
    })?;
    Ok(Page { letters: letters.into_values().collect(), more })
}

/// The age of the last letter of the record that stands at `place` in the raw topic.
fn age<L: Log>(log: &L, topic: &str, select: &Select, (partition, offset): (i32, i64)) -> Result<Age, Failure> {
    let one =
        Select { topic: select.topic.clone(), partition: Some(partition), offset: Some(offset), ..Select::default() };
    let mut found = None;
    each(log, topic, |age, envelope, _| {
        if one.wants(&envelope) {
            found = found.take().max(Some(age));
        }
    })?;
    found.ok_or_else(|| {
        Failure::usage(format!("--after {partition}:{offset}: no such dead letter of {} in {topic}", select.topic))
    })
}

/// Gives each letter that is in the dead-letter topic `topic` now, in no order that holds.
fn each<L: Log>(log: &L, topic: &str, mut give: impl FnMut(Age, Envelope, Record)) -> Result<(), Failure> {
    let mut reader = retry(|| log.reader(topic, None))?;
    let mut batch = Vec::new();
    while retry(|| reader.caught_up())?.is_none() {
        retry(|| reader.poll(WAIT, &mut batch))?;
        for fetched in batch.drain(..) {
            // whatever else stands in the topic is not ours to judge
            let Ok(envelope) = Envelope::read(&fetched.record) else { continue };
            let stands = Coordinates { partition: fetched.partition, offset: fetched.offset };
            give((fetched.record.timestamp, envelope.at.clone(), stands), envelope, fetched.record);
        }
    }
    Ok(())
}

impl Select {
    fn wants(&self, Envelope { at, reason, .. }: &Envelope) -> bool {
        *at.partition.topic == *self.topic
            && self.partition.is_none_or(|partition| partition == at.partition.number)
            && self.offset.is_none_or(|offset| offset == at.offset)
            && self.reason.as_ref().is_none_or(|wanted| wanted == reason)
    }
}

/// A place in the raw topic, as an argument.
fn place(text: &str) -> Result<(i32, i64), String> {
    let parts = text.split_once(':').and_then(|(partition, offset)| {
        Some((partition.parse().ok().filter(|n| *n >= 0)?, offset.parse().ok().filter(|n| *n >= 0)?))
    });
    parts.ok_or_else(|| "must be a partition and an offset, as 0:17".to_owned())
}
