//! Alerts: what detection saw for the first time, told in a topic.
//!
//! ```text
//!   transaction committed ─► sightings ─► new? ─► waiting ─► a thread of its own ─► {group}.alerts
//!                                          │          └── no room ─► held back: they are seen again
//! ```
//!
//! A compacted topic of one partition, whose record keys name source, workspace, place and matcher: what stands there was told. Always holds: no value
//! stands in it, nor any name that may be one ([`Sighting`]); no record waits for an alert, and none is aborted for one: they are written
//! after the commit, by another producer, slowly, and whatever comes of it. Deliberately not here: what is a sighting.

use std::collections::{HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::context::Context;
use super::error::Error;
use super::happening::Happening;
use super::log::{Fault, Log, Outgoing, Producer, Reader};
use super::settle::now_ms;
use super::topics::{alerts_topic, ensure_alerts};
use super::transaction::BatchTally;
use crate::privacy::matcher::{Matchers, Risk};
use crate::privacy::settings::Settings;
use crate::privacy::sighting::Sighting;
use crate::record::Record;

/// How many alerts are written at once, and how long it takes until the next are.
const BATCH: usize = 20;
const EVERY: Duration = Duration::from_secs(1);
/// How long nothing is written after a fault.
const AFTER_FAULT: Duration = Duration::from_secs(30);
/// How often the thread looks whether the process is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long one poll of the topic waits.
const WAIT: Duration = Duration::from_millis(50);

/// How many wait at most.
const WAITING_MAX: usize = 1_000;
/// How many are told apart at most: whoever makes up names must not fill the topic.
const TOLD_MAX: usize = 10_000;
/// The largest batch of records: alerts are small.
const BATCH_BYTES: usize = 100_000;

/// The record key of an alert.
#[derive(Serialize)]
struct Key<'a> {
    matcher: &'a str,
    on: &'a str,
    path: &'a str,
    source: &'a str,
    workspace: &'a str,
}

/// What an alert says beside its key.
#[derive(Serialize)]
struct Value<'a> {
    /// Milliseconds since the Unix epoch.
    at: i64,
    event: &'a str,
    instance: &'a str,
    policy: u64,
    risk: Risk,
}

/// What is to be told, of all workers of a process.
#[derive(Default)]
pub(super) struct Alerts {
    queue: Mutex<Queue>,
    came: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Record>,
    /// The record keys of those that wait or were told.
    told: HashSet<Vec<u8>>,
}

impl Alerts {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what was seen in a transaction that is committed, under the given policy version; gives how many alerts there is no room for.
    pub(super) fn take_in(&self, settings: &Settings, instance: &str, policy: u64, tally: &BatchTally) -> u64 {
        let mut held_back = 0;
        for (source, tally) in &tally.sources {
            let (sightings, Some(source)) = (&tally.done.sightings, settings.sources.get(*source)) else { continue };
            if sightings.is_empty() {
                continue;
            }
            held_back += sightings.beyond();
            let mut queue = self.lock();
            for (sighting, _) in sightings.iter() {
                let key = key(&source.topic, sighting);
                if queue.told.contains(&key) {
                    continue;
                }
                if queue.waiting.len() >= WAITING_MAX || queue.told.len() >= TOLD_MAX {
                    held_back += 1;
                    continue;
                }
                let Sighting { event, matcher, .. } = &**sighting;
                let risk = risk(&settings.matchers, matcher);
                let value = json(&Value { at: now_ms(), event, instance, policy, risk });
                queue.told.insert(key.clone());
                queue.waiting.push_back(Record { key: Some(key), value: Some(value), ..Record::default() });
                self.came.notify_one();
            }
        }
        held_back
    }

    /// The next that wait, once there are some, or none after a while.
    fn next(&self) -> Vec<Record> {
        let queue = self.lock();
        let waited = self.came.wait_timeout_while(queue, LOOK_EVERY, |queue| queue.waiting.is_empty());
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let some = queue.waiting.len().min(BATCH);
        queue.waiting.drain(..some).collect()
    }

    /// Takes back what could not be written.
    fn put_back(&self, records: Vec<Record>) {
        let mut queue = self.lock();
        records.into_iter().rev().for_each(|record| queue.waiting.push_front(record));
    }
}

fn key(source: &str, sighting: &Sighting) -> Vec<u8> {
    let Sighting { workspace, part, path, matcher, .. } = sighting;
    json(&Key { matcher, on: part.word(), path, source, workspace })
}

fn risk(matchers: &Matchers, name: &str) -> Risk {
    matchers.all().iter().find(|matcher| matcher.name == name).map_or(Risk::Yellow, |matcher| matcher.risk)
}

/// Plain structs of texts and numbers.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// Writes alerts until the process is to stop.
pub(super) fn write<L: Log>(context: &Context<L>) -> Result<(), Error> {
    let mut known = false;
    while !context.stop.is_set() {
        let records = context.alerts.next();
        if records.is_empty() {
            continue;
        }
        match written(context, &mut known, &records) {
            Ok(count) => {
                context.tell(&Happening::Alerts { written: count, held_back: 0 });
                rest(context, EVERY);
            }
            Err(error) => {
                tracing::warn!(%error, "alerts cannot be written, they are tried again later");
                context.alerts.put_back(records);
                rest(context, AFTER_FAULT);
            }
        }
    }
    Ok(())
}

fn rest<L: Log>(context: &Context<L>, time: Duration) {
    let mut left = time;
    while !left.is_zero() && !context.stop.is_set() {
        let step = left.min(LOOK_EVERY);
        std::thread::sleep(step);
        left -= step;
    }
}

/// Writes those of `records` that the topic lacks, in one transaction; gives how many.
fn written<L: Log>(context: &Context<L>, known: &mut bool, records: &[Record]) -> Result<u64, Error> {
    let plan = &context.plan;
    let topic = alerts_topic(&plan.settings.group);
    let mut stands = HashSet::new();
    if !*known {
        ensure_alerts(&context.log, &plan.settings.group, plan.create)?;
        stands = told(&context.log, &topic)?;
        context.alerts.lock().told.extend(stands.iter().take(TOLD_MAX).cloned());
        *known = true;
    }
    let new: Vec<&Record> =
        records.iter().filter(|record| record.key.as_ref().is_none_or(|key| !stands.contains(key))).collect();
    if new.is_empty() {
        return Ok(0);
    }
    let id = format!("{}.{}.alerts", plan.settings.group, plan.instance);
    let mut producer = context.log.producer(&id, BATCH_BYTES)?;
    producer.init()?;
    producer.begin()?;
    let mut stage = || -> Result<(), Fault> {
        for record in &new {
            let record = Record::clone(record);
            producer.produce(&Outgoing { topic: topic.as_str().into(), partition: Some(0), record })?;
        }
        producer.drain()?;
        producer.commit()
    };
    if let Err(fault) = stage() {
        // whatever comes of it: the next init ends this transaction
        let _ = producer.abort();
        return Err(fault.into());
    }
    Ok(new.len() as u64)
}

/// The record keys of what stands in the topic.
fn told<L: Log>(log: &L, topic: &str) -> Result<HashSet<Vec<u8>>, Fault> {
    let mut reader = log.reader(topic, None)?;
    let (mut keys, mut batch) = (HashSet::new(), Vec::new());
    while reader.caught_up()?.is_none() {
        reader.poll(WAIT, &mut batch)?;
        for fetched in batch.drain(..) {
            match (fetched.record.key, fetched.record.value) {
                (Some(key), Some(_)) => _ = keys.insert(key),
                // whoever wants to be told anew deletes it
                (Some(key), None) => _ = keys.remove(&key),
                (None, _) => {}
            }
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests;
