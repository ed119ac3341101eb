//! Which topics there are, whether they are as they must be, and how large a record each takes.
//!
//! Checked at start, where a mismatch is an error, and at each refresh, where it stops that source: outputs have their source's
//! partition count, so that a record keeps its partition; the control topic has one partition and is exactly `compact`. A source
//! that got partitions at run time differs from its outputs, in a running process and at the next start alike: the outputs are the
//! record of the count it was set up with. Dead letters are exempt. sivcar creates outputs and its own topics where it may, never a
//! raw topic.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::changelog::changelog_topic;
use super::error::Error;
use super::log::{Fault, Log, TopicFacts};
use super::status::status_topic;
use super::transaction::{PATIENCE, retry};
use crate::privacy::settings::{Settings, SourceKind};
use crate::record::Record;

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

/// What the broker told of all topics of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The largest record that each output takes, in [`wire_bytes`].
    pub limits: BTreeMap<Arc<str>, usize>,
    /// By source: its partition count, or why it must stop.
    pub sources: Vec<Result<i32, String>>,
}

/// Compacted outputs: how long a clear copy of an earlier record may live on.
const COMPACTED: [(&str, &str); 3] =
    [("cleanup.policy", "compact"), ("max.compaction.lag.ms", "86400000"), ("segment.ms", "86400000")];

/// Changelogs: small segments that are cleaned early keep a restore short; tombstones outlive the longest one.
const CHANGELOG: [(&str, &str); 4] = [
    ("cleanup.policy", "compact"),
    ("segment.bytes", "104857600"),
    ("min.cleanable.dirty.ratio", "0.2"),
    ("delete.retention.ms", "86400000"),
];

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
pub fn ensure_control<L: Log>(log: &L, group: &str, create: bool) -> Result<(), Error> {
    let topic = control_topic(group);
    let facts = ensure(log, &topic, create, 1, &[("cleanup.policy", "compact")])?;
    check_control(&topic, &facts)
}

/// Makes sure of the status topic.
pub fn ensure_status<L: Log>(log: &L, group: &str, create: bool) -> Result<(), Error> {
    ensure(log, &status_topic(group), create, 1, &[("cleanup.policy", "compact")]).map(drop)
}

/// The name of a group's alerts topic.
pub fn alerts_topic(group: &str) -> String {
    format!("{group}.alerts")
}

/// Makes sure of the alerts topic.
pub(super) fn ensure_alerts<L: Log>(log: &L, group: &str, create: bool) -> Result<(), Error> {
    ensure(log, &alerts_topic(group), create, 1, &[("cleanup.policy", "compact")]).map(drop)
}

/// Checks what is known of the control topic.
fn check_control(topic: &str, facts: &TopicFacts) -> Result<(), Error> {
    if facts.partitions != 1 {
        return Err(Error::Topics(format!(
            "control topic {topic} has {} partitions; it must have 1, for its offsets order all changes",
            facts.partitions
        )));
    }
    if facts.cleanup_policy != "compact" {
        return Err(Error::Topics(format!(
            "control topic {topic} has cleanup.policy={}; it must be exactly compact, or marks are lost",
            facts.cleanup_policy
        )));
    }
    Ok(())
}

impl Facts {
    /// The largest batch that every output takes.
    pub fn batch_bytes(&self) -> usize {
        self.limits.values().copied().min().unwrap_or(usize::MAX)
    }

    /// Asks the broker for every topic of `routes`, creates outputs that do not exist if `create`, and refuses what does not fit.
    ///
    /// # Errors
    /// [`Error::Topics`] says which topic is wrong and how to mend it.
    pub fn at_start<L: Log>(log: &L, routes: &[Route], create: bool) -> Result<Facts, Error> {
        for route in routes {
            let Some(partitions) = count(log, &route.source)? else {
                return Err(Error::Topics(format!(
                    "source {} does not exist; create it, for sivcar never creates raw topics",
                    route.source
                )));
            };
            let largest = route.max_message_bytes.to_string();
            let common = [("max.message.bytes", largest.as_str())];
            let outputs: Vec<_> = common.iter().chain(COMPACTED.iter().filter(|_| route.compacted)).copied().collect();
            for output in route.protected_and_views() {
                ensure(log, output, create, partitions, &outputs)?;
            }
            if let Some(changelog) = &route.changelog {
                let settings: Vec<_> = common.iter().chain(&CHANGELOG).copied().collect();
                ensure(log, changelog, create, partitions, &settings)?;
            }
            ensure(log, &route.dead_letters, create, partitions, &common)?;
        }
        let facts = Self::now(log, routes)?;
        match facts.sources.iter().find_map(|source| source.as_ref().err()) {
            Some(what) => Err(Error::Topics(what.clone())),
            None => Ok(facts),
        }
    }

    /// Asks anew. A source that was stopped stays so, and so does one whose partition count changed.
    pub fn refresh<L: Log>(&self, log: &L, group: &str, routes: &[Route]) -> Result<Facts, Error> {
        let topic = control_topic(group);
        match ask(log, &topic)? {
            Some(facts) => check_control(&topic, &facts)?,
            None => return Err(Error::PolicyWentBackwards(format!("control topic {topic} no longer exists"))),
        }
        let mut facts = Self::now(log, routes)?;
        for (now, before) in facts.sources.iter_mut().zip(&self.sources) {
            if let (Ok(more), Ok(count)) = (&now, before)
                && more != count
            {
                *now = Err(format!("a source that began with {count} partitions has {more} now"));
            }
        }
        Ok(facts.keep_stopped(self))
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

    fn now<L: Log>(log: &L, routes: &[Route]) -> Result<Facts, Error> {
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
        Ok(Facts { limits, sources: sources? })
    }
}

/// The partition count that a source, which has `count`, and its outputs share, or what is wrong.
fn partitions(route: &Route, count: Option<i32>, found: &BTreeMap<Arc<str>, TopicFacts>) -> Result<i32, String> {
    let missing = |topic: &Arc<str>| format!("topic {topic} does not exist");
    let count = count.ok_or_else(|| missing(&route.source))?;
    found.get(&route.dead_letters).ok_or_else(|| missing(&route.dead_letters))?;
    for output in route.outputs() {
        let facts = found.get(output).ok_or_else(|| missing(output))?;
        if facts.partitions != count {
            return Err(format!(
                "source {} has {count} partitions, its output {output} has {}; they must be equal, for a record keeps its partition",
                route.source, facts.partitions
            ));
        }
    }
    let changelog = route.changelog.as_ref().and_then(|topic| Some((topic, found.get(topic)?)));
    if let Some((topic, facts)) = changelog.filter(|(_, facts)| facts.cleanup_policy != "compact") {
        return Err(format!(
            "changelog {topic} has cleanup.policy={}; it must be exactly compact, or profiles are lost",
            facts.cleanup_policy
        ));
    }
    Ok(count)
}

/// The facts of `topic`, which is created if it does not exist and `create` allows it.
fn ensure<L: Log>(
    log: &L,
    topic: &str,
    create: bool,
    partitions: i32,
    settings: &[(&str, &str)],
) -> Result<TopicFacts, Error> {
    if let Some(facts) = ask(log, topic)? {
        return Ok(facts);
    }
    if !create {
        return Err(Error::Topics(format!(
            "topic {topic} does not exist; create it with {partitions} partitions or set create = true under [topics]"
        )));
    }
    retry(PATIENCE, || log.create_topic(topic, partitions, settings))?;
    // the broker that is asked may learn of it later than the one that was told
    let missing = || Fault::Retry(format!("topic {topic} is not there yet"));
    Ok(retry(PATIENCE, || log.topic(topic)?.ok_or_else(missing))?)
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
mod tests {
    use super::*;
    use crate::memory::MemoryLog;

    fn route() -> Route {
        Route {
            source: "raw".into(),
            compacted: true,
            protected: "protected".into(),
            views: BTreeMap::from([(0, "debug".into())]),
            changelog: None,
            events: None,
            dead_letters: "dead".into(),
            max_message_bytes: 2_000_000,
        }
    }

    fn facts(log: &MemoryLog) -> Facts {
        Facts::at_start(log, &[route()], true).expect("topics fit")
    }

    #[test]
    fn outputs_are_created_with_the_sources_partitions() {
        let log = MemoryLog::new("g");
        log.create_topic("raw", 3, &[]).unwrap();
        let facts = facts(&log);
        assert_eq!(facts.sources, [Ok(3)]);
        let protected = log.topic("protected").unwrap().unwrap();
        assert_eq!((protected.partitions, protected.cleanup_policy.as_str()), (3, "compact"));
        assert_eq!(log.topic("debug").unwrap().unwrap().partitions, 3);
        for topic in ["protected", "debug", "dead"] {
            assert_eq!(log.topic(topic).unwrap().unwrap().max_message_bytes, 2_000_000);
        }
        assert_eq!(facts.limits.values().copied().collect::<Vec<_>>(), [2_000_000; 3], "not the source's");
        assert_eq!(facts.batch_bytes(), 2_000_000);
    }

    #[test]
    fn a_raw_topic_is_never_created_nor_an_output_against_the_wish() {
        let log = MemoryLog::new("g");
        let error = Facts::at_start(&log, &[route()], true).unwrap_err();
        assert!(error.to_string().contains("never creates raw topics"), "{error}");
        log.create_topic("raw", 3, &[]).unwrap();
        let error = Facts::at_start(&log, &[route()], false).unwrap_err();
        assert!(error.to_string().starts_with("topic protected does not exist"), "{error}");
        assert_eq!(log.topics().len(), 1);
    }

    #[test]
    fn other_partition_counts_are_an_error_at_start_but_for_dead_letters() {
        let log = MemoryLog::new("g");
        log.create_topic("raw", 3, &[]).unwrap();
        log.create_topic("dead", 1, &[]).unwrap();
        facts(&log);
        log.delete_topic("debug");
        log.create_topic("debug", 2, &[]).unwrap();
        let error = Facts::at_start(&log, &[route()], true).unwrap_err();
        assert!(error.to_string().contains("raw has 3 partitions, its output debug has 2"), "{error}");
    }

    #[test]
    fn a_source_that_got_partitions_stops_and_stays_stopped() {
        let log = MemoryLog::new("g");
        log.create_topic("raw", 1, &[]).unwrap();
        ensure_control(&log, "g", true).unwrap();
        let before = facts(&log);
        assert_eq!(before.refresh(&log, "g", &[route()]), Ok(before.clone()));
        log.add_partitions("raw", 1);
        let after = before.refresh(&log, "g", &[route()]).unwrap();
        assert!(after.sources[0].as_ref().unwrap_err().contains("has 2 partitions, its output"));
        for output in ["protected", "debug"] {
            log.add_partitions(output, 1);
        }
        assert!(after.refresh(&log, "g", &[route()]).unwrap().sources[0].is_err());
        assert!(before.refresh(&log, "g", &[route()]).unwrap().sources[0].is_err());
    }

    #[test]
    fn the_control_topic_has_one_partition_and_is_exactly_compact() {
        for (partitions, policy) in [(2, "compact"), (1, "delete"), (1, "compact,delete")] {
            let log = MemoryLog::new("g");
            log.create_topic("g.control", partitions, &[("cleanup.policy", policy)]).unwrap();
            assert!(matches!(ensure_control(&log, "g", true), Err(Error::Topics(_))), "{partitions} {policy}");
        }
    }
}
