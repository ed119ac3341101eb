//! What a start finds of topics, before it creates any.
//!
//! Everything is asked for first: `sivcar check` tells it topic by topic, and a start refuses for the first that is wrong and only then creates
//! what is absent, so that one that is refused leaves nothing behind. Always holds: nothing is created here; a control topic that
//! is gone is never replaced, for an empty one says that nothing is marked.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::error::Error;
use super::super::log::{Fault, Log, TopicFacts};
use super::super::status::status_topic;
use super::super::transaction::{Metadata, PATIENCE, retry};
use super::{Route, ask, control_topic, count};
use crate::record::Partition;

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

/// What was found of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is there, and as it must be.
    There {
        /// Its name.
        topic: Arc<str>,
        /// How many partitions it has.
        partitions: i32,
        /// How many copies, where that was asked: not of raw topics.
        replicas: Option<i32>,
    },
    /// It is not there, and a start creates it.
    Absent(Absent),
    /// A start refuses.
    Wrong(Error),
}

/// A topic that a start creates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    /// Its name.
    pub topic: Arc<str>,
    /// How many partitions it will have.
    pub partitions: i32,
    pub(super) settings: Vec<(&'static str, String)>,
}

impl Finding {
    /// Why a start refuses, where it does.
    pub fn error(&self) -> Option<&Error> {
        match self {
            Finding::Wrong(error) => Some(error),
            Finding::There { .. } | Finding::Absent(_) => None,
        }
    }
}

impl Absent {
    /// Asks for it until the broker answers: whether it may be created, or that it is.
    pub(super) fn ask(
        &self,
        mut request: impl FnMut(&str, i32, &[(&str, &str)]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let settings: Vec<(&str, &str)> = self.settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        retry(PATIENCE, || request(&self.topic, self.partitions, &settings))
    }
}

/// Asks for every topic that a start needs: the group's own, then by route the source and its outputs. Each is told of once.
///
/// # Errors
/// The broker's; what is wrong with topics is among the findings.
pub fn survey<L: Log>(log: &L, group: &str, routes: &[Route], create: bool) -> Result<Vec<Finding>, Error> {
    let mut findings = vec![control(log, group, routes, create)?, own(log, &status_topic(group), create)?];
    let mut seen = BTreeSet::new();
    for route in routes {
        let Some(partitions) = count(log, &route.source)? else {
            findings.push(Finding::Wrong(Error::Topics(format!(
                "source {} does not exist; create it, for sivcar never creates raw topics",
                route.source
            ))));
            continue;
        };
        findings.push(Finding::There { topic: route.source.clone(), partitions, replicas: None });
        for wanted in outputs(route, partitions).into_iter().filter(|wanted| seen.insert(wanted.topic.clone())) {
            let topic = wanted.topic.clone();
            let fits = |facts: &TopicFacts| match topic == route.dead_letters {
                true => Ok(()),
                false => fit_for_output(route, partitions, &topic, facts),
            };
            findings.push(look(log, wanted, create, fits)?);
        }
    }
    Ok(findings)
}

/// The control topic.
pub(super) fn control<L: Log>(log: &L, group: &str, routes: &[Route], create: bool) -> Result<Finding, Error> {
    let topic = control_topic(group);
    if count(log, &topic)?.is_none()
        && let Some((partition, policy)) = last_written(log, routes)?
    {
        return Ok(Finding::Wrong(Error::PolicyWentBackwards(format!(
            "control topic {topic} does not exist, and {partition} was last written under policy {policy}: it was deleted"
        ))));
    }
    look(log, compacted(&topic), create, |facts| fit_for_control(&topic, facts))
}

/// Another topic of the group's own.
pub(super) fn own<L: Log>(log: &L, topic: &str, create: bool) -> Result<Finding, Error> {
    look(log, compacted(topic), create, |_| Ok(()))
}

/// A topic of the group's own, as it is created.
fn compacted(topic: &str) -> Absent {
    Absent { topic: topic.into(), partitions: 1, settings: vec![("cleanup.policy", "compact".to_owned())] }
}

/// The topics that a route writes to, as they are created; its source has so many `partitions`.
fn outputs(route: &Route, partitions: i32) -> Vec<Absent> {
    let with = |topic: &Arc<str>, more: &[(&'static str, &str)]| {
        let mut settings = vec![("max.message.bytes", route.max_message_bytes.to_string())];
        settings.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Absent { topic: topic.clone(), partitions, settings }
    };
    let compacted: &[_] = if route.compacted { &COMPACTED } else { &[] };
    let shown = route.protected_and_views().map(|topic| with(topic, compacted));
    let changelog = route.changelog.iter().map(|topic| with(topic, &CHANGELOG));
    shown.chain(changelog).chain([with(&route.dead_letters, &[])]).collect()
}

fn look<L: Log>(
    log: &L,
    wanted: Absent,
    create: bool,
    fits: impl FnOnce(&TopicFacts) -> Result<(), String>,
) -> Result<Finding, Error> {
    let Absent { topic, partitions, .. } = &wanted;
    let wrong = |what| Finding::Wrong(Error::Topics(what));
    Ok(match ask(log, topic)? {
        Some(facts) => match fits(&facts) {
            Ok(()) => {
                let TopicFacts { partitions, replicas, .. } = facts;
                Finding::There { topic: topic.clone(), partitions, replicas: Some(replicas) }
            }
            Err(what) => wrong(what),
        },
        None if create => match wanted.ask(|topic, partitions, settings| log.may_create(topic, partitions, settings)) {
            Ok(()) => Finding::Absent(wanted),
            Err(Fault::Refused(what)) => wrong(what),
            Err(fault) => return Err(fault.into()),
        },
        None => {
            let count = if *partitions == 1 { "1 partition".to_owned() } else { format!("{partitions} partitions") };
            wrong(format!("topic {topic} does not exist; create it with {count} or set create = true under [topics]"))
        }
    })
}

/// Where the group committed last under a policy, as far as anybody can tell without the control topic. Metadata that an operator's tool has
/// emptied tells nothing.
fn last_written<L: Log>(log: &L, routes: &[Route]) -> Result<Option<(Partition, u64)>, Error> {
    for route in routes {
        let Some(count) = count(log, &route.source)? else { continue };
        let partitions: Vec<_> = (0..count).map(|number| Partition::new(route.source.clone(), number)).collect();
        let committed = retry(PATIENCE, || log.committed_by_group(&partitions))?;
        let policy = committed.iter().map(|held| Some(Metadata::parse(&held.as_ref()?.metadata)?.policy));
        if let Some(found) = partitions.into_iter().zip(policy).find_map(|(at, policy)| Some((at, policy?))) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Refuses a control topic that cannot be one.
pub(super) fn fit_for_control(topic: &str, facts: &TopicFacts) -> Result<(), String> {
    if facts.partitions != 1 {
        return Err(format!(
            "control topic {topic} has {} partitions; it must have 1, for its offsets order all changes",
            facts.partitions
        ));
    }
    if facts.cleanup_policy != "compact" {
        return Err(format!(
            "control topic {topic} has cleanup.policy={}; it must be exactly compact, or marks are lost",
            facts.cleanup_policy
        ));
    }
    Ok(())
}

/// Refuses an output that does not keep the places of its source's records, which has `count` partitions, or the profiles.
pub(super) fn fit_for_output(route: &Route, count: i32, output: &Arc<str>, facts: &TopicFacts) -> Result<(), String> {
    if facts.partitions != count {
        return Err(format!(
            "source {} has {count} partitions, its output {output} has {}; they must be equal, for a record keeps its partition",
            route.source, facts.partitions
        ));
    }
    if route.changelog.as_ref() == Some(output) && facts.cleanup_policy != "compact" {
        return Err(format!(
            "changelog {output} has cleanup.policy={}; it must be exactly compact, or profiles are lost",
            facts.cleanup_policy
        ));
    }
    Ok(())
}
