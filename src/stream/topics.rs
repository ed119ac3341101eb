//! Which topics there are, whether they are as they must be, and how large a record each takes.
//!
//! Checked at start, where a mismatch is an error, and at each refresh, where it stops that source: outputs have their source's
//! partition count, so that a record keeps its partition; the control topic has one partition and is exactly `compact`. A source
//! that got partitions at run time differs from its outputs, in a running process and at the next start alike: the outputs are the
//! record of the count it was set up with. Dead letters are exempt. sivcar creates outputs and its own topics where it may, never a
//! raw topic, and none before all are looked at (`survey`).

mod survey;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::changelog::changelog_topic;
use super::error::Error;
use super::log::{Fault, Log, TopicFacts};
use super::transaction::{PATIENCE, retry};
use crate::privacy::settings::{Settings, SourceKind};
use crate::record::Record;

pub use survey::{Absent, Finding, survey};

/// Where the records of one source go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The raw topic.
    pub source: Arc<str>,
    /// Whether its outputs are compacted: those of a source of profiles, whose documents are written anew and deleted there.
    pub compacted: bool,
    /// The protected topic.
    pub protected: Arc<str>,
    /// The debug topics, by the view's index in the settings.
    pub views: BTreeMap<usize, Arc<str>>,
    /// The changelog of a source that keeps profiles.
    pub changelog: Option<Arc<str>>,
    /// The route of the event source whose outputs take the synthetic events of this source's profiles, by index.
    pub events: Option<usize>,
    /// The dead-letter topic; several sources may share it.
    pub dead_letters: Arc<str>,
    /// `max.message.bytes` of those of them that sivcar creates.
    pub max_message_bytes: usize,
}

impl Route {
    /// The routes of all sources, in the settings' order.
    pub fn all(settings: &Settings) -> Arc<[Route]> {
        let debug = |source: &str| {
            let views = settings.views.iter().enumerate();
            views.filter_map(|(index, view)| Some((index, view.topics.get(source)?.as_str().into()))).collect()
        };
        let routes = settings.sources.iter().map(|source| Route {
            source: source.topic.as_str().into(),
            compacted: source.kind == SourceKind::Profile,
            protected: source.protected.as_str().into(),
            views: debug(&source.topic),
            changelog: source.state.map(|_| changelog_topic(&settings.group, &source.topic).into()),
            events: source.events,
            dead_letters: source.dead_letters.as_str().into(),
            max_message_bytes: settings.limits.record_bytes.saturating_mul(OUTPUT_GROWTH).clamp(BROKER_DEFAULT, MOST),
        });
        routes.collect()
    }

    /// The topics that keep the source's partitions.
    pub fn outputs(&self) -> impl Iterator<Item = &Arc<str>> {
        self.protected_and_views().chain(&self.changelog)
    }

    fn protected_and_views(&self) -> impl Iterator<Item = &Arc<str>> {
        std::iter::once(&self.protected).chain(self.views.values())
    }
}

/// How each source is.
type Health = Vec<Result<i32, String>>;

/// What the broker told of all topics of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The largest record that each output takes, in [`wire_bytes`].
    pub limits: BTreeMap<Arc<str>, usize>,
    /// By source: its partition count, or why it must stop.
    pub sources: Health,
    /// By source: how many partitions its outputs began with. Those of a source that stopped may still be written to.
    pub partitions: Vec<i32>,
}

/// How many times as large as its input a record of a created output may be. A token, and a dead letter's value, is 4/3 as long as
/// what is in it and some 36 bytes more, so twice is enough where marked values are 50 bytes long or longer; a record that is
/// mostly shorter marked values and near the limit becomes `output_too_large`.
const OUTPUT_GROWTH: usize = 2;

/// `max.message.bytes` where nobody says otherwise: no created topic takes less.
const BROKER_DEFAULT: usize = 1_048_588;

/// The largest `max.message.bytes` there is.
const MOST: usize = i32::MAX as usize;

/// The name of a group's control topic.
pub fn control_topic(group: &str) -> String {
    format!("{group}.control")
}

/// Makes sure of the control topic: it exists (or is created, if `create`), with one partition, exactly `compact`.
///
/// # Errors
/// [`Error::PolicyWentBackwards`] where it does not exist, though the group has worked on one of `routes` under it.
pub fn ensure_control<L: Log>(log: &L, group: &str, routes: &[Route], create: bool) -> Result<(), Error> {
    settle(log, vec![survey::control(log, group, routes, create)?])
}

/// The name of a group's alerts topic.
pub fn alerts_topic(group: &str) -> String {
    format!("{group}.alerts")
}

/// Makes sure of the alerts topic.
pub(super) fn ensure_alerts<L: Log>(log: &L, group: &str, create: bool) -> Result<(), Error> {
    settle(log, vec![survey::own(log, &alerts_topic(group), create)?])
}

impl Facts {
    /// The largest batch that every output takes.
    pub fn batch_bytes(&self) -> usize {
        self.limits.values().copied().min().unwrap_or(usize::MAX)
    }

    /// Looks at every topic of the group, refuses what does not fit, and only then creates what is absent, if `create`.
    ///
    /// # Errors
    /// [`Error::Topics`] says which topic is wrong and how to mend it; [`Error::PolicyWentBackwards`] where the control topic is gone.
    pub fn at_start<L: Log>(log: &L, group: &str, routes: &[Route], create: bool) -> Result<Facts, Error> {
        settle(log, survey(log, group, routes, create)?)?;
        let (limits, sources) = Self::now(log, routes)?;
        let partitions = sources.iter().cloned().collect::<Result<_, _>>().map_err(Error::Topics)?;
        Ok(Facts { limits, sources, partitions })
    }

    /// Asks anew. A source that was stopped stays so, and so does one whose partition count changed.
    pub fn refresh<L: Log>(&self, log: &L, group: &str, routes: &[Route]) -> Result<Facts, Error> {
        let topic = control_topic(group);
        match ask(log, &topic)? {
            Some(facts) => survey::fit_for_control(&topic, &facts).map_err(Error::Topics)?,
            None => return Err(Error::PolicyWentBackwards(format!("control topic {topic} no longer exists"))),
        }
        let (limits, mut sources) = Self::now(log, routes)?;
        for (now, count) in sources.iter_mut().zip(&self.partitions) {
            if let Ok(more) = &now
                && more != count
            {
                *now = Err(format!("a source that began with {count} partitions has {more} now"));
            }
        }
        Ok(Facts { limits, sources, partitions: self.partitions.clone() }.keep_stopped(self))
    }

    /// The same, with every source stopped that is stopped in `held`: it may have been by a worker meanwhile.
    pub(super) fn keep_stopped(mut self, held: &Facts) -> Facts {
        for (source, held) in self.sources.iter_mut().zip(&held.sources) {
            if held.is_err() {
                source.clone_from(held);
            }
        }
        self
    }

    /// What each output takes, and what each source is.
    fn now<L: Log>(log: &L, routes: &[Route]) -> Result<(BTreeMap<Arc<str>, usize>, Health), Error> {
        let outputs = || routes.iter().flat_map(|route| route.outputs().chain([&route.dead_letters]));
        let names: BTreeSet<&Arc<str>> = outputs().collect();
        let mut found = BTreeMap::new();
        for name in names {
            if let Some(facts) = ask(log, name)? {
                found.insert(name.clone(), facts);
            }
        }
        let largest = log.message_max_bytes();
        let limit = |facts: &TopicFacts| facts.max_message_bytes.min(largest);
        let limits = outputs().filter_map(|name| Some((name.clone(), limit(found.get(name)?)))).collect();
        let sources: Result<_, Error> =
            routes.iter().map(|route| Ok(partitions(route, count(log, &route.source)?, &found))).collect();
        Ok((limits, sources?))
    }
}

/// The partition count that a source, which has `count`, and its outputs share, or what is wrong.
fn partitions(route: &Route, count: Option<i32>, found: &BTreeMap<Arc<str>, TopicFacts>) -> Result<i32, String> {
    let missing = |topic: &Arc<str>| format!("topic {topic} does not exist");
    let count = count.ok_or_else(|| missing(&route.source))?;
    found.get(&route.dead_letters).ok_or_else(|| missing(&route.dead_letters))?;
    for output in route.outputs() {
        let facts = found.get(output).ok_or_else(|| missing(output))?;
        survey::fit_for_output(route, count, output, facts)?;
    }
    Ok(count)
}

/// Refuses for the first finding that is wrong, and then creates what is absent.
fn settle<L: Log>(log: &L, findings: Vec<Finding>) -> Result<(), Error> {
    if let Some(error) = findings.iter().find_map(Finding::error) {
        return Err(error.clone());
    }
    for finding in findings {
        let Finding::Absent(absent) = finding else { continue };
        absent.ask(|topic, partitions, settings| log.create_topic(topic, partitions, settings))?;
        // the broker that is asked may learn of it later than the one that was told
        let missing = || Fault::Retry(format!("topic {} is not there yet", absent.topic));
        retry(PATIENCE, || log.topic(&absent.topic)?.ok_or_else(missing))?;
    }
    Ok(())
}

/// How many partitions `topic` has, asked for until the broker answers: all that is asked of raw topics.
fn count<L: Log>(log: &L, topic: &str) -> Result<Option<i32>, Error> {
    Ok(retry(PATIENCE, || log.partitions(topic))?)
}

/// The facts of `topic`, asked for until the broker answers.
fn ask<L: Log>(log: &L, topic: &str) -> Result<Option<TopicFacts>, Error> {
    Ok(retry(PATIENCE, || log.topic(topic))?)
}

/// What a batch and the fields of one record take beside key, value and headers, at most: 61 bytes of batch header, and each
/// number of the record as its longest varint (Kafka's message format 2).
const RECORD_OVERHEAD_BYTES: usize = 61 + 1 + 10 + 5 * 5;

/// The most bytes that `record` takes alone in an uncompressed batch: what the broker compares with `max.message.bytes`.
/// Compression may make it smaller; what fits by this measure always fits.
pub fn wire_bytes(record: &Record) -> usize {
    RECORD_OVERHEAD_BYTES + record.bytes() + record.headers.len() * 10
}

#[cfg(test)]
mod tests;
