//! What happens in the stream, told once: each happening writes its own log line, and an observer counts it.
//!
//! Always holds: no key, value or header stands in one; counts of a batch are told only when it is committed. Deliberately not here:
//! metrics; `telemetry` observes.

use std::time::Duration;

use super::transaction::BatchTally;
use crate::record::Partition;

/// Something an operator may want to see or count.
#[derive(Debug)]
pub enum Happening<'a> {
    /// A transaction was committed.
    Committed {
        /// The worker's number.
        worker: usize,
        /// What was in it.
        tally: &'a BatchTally,
        /// How long sending the offsets and committing took.
        commit: Duration,
    },
    /// A transaction was aborted and its batch is repeated.
    Aborted {
        /// The worker's number.
        worker: usize,
        /// A bounded word.
        reason: &'static str,
        /// The fault's own text.
        detail: &'a str,
    },
    /// It was unknown whether a transaction had happened; now it is known.
    Resolved {
        /// The worker's number.
        worker: usize,
        /// `committed`, `aborted` or `lost`.
        outcome: &'static str,
    },
    /// A task was taken over; it waits until it is told open.
    Assigned {
        /// The task.
        partition: &'a Partition,
    },
    /// A task's records are processed from now on.
    Opened {
        /// The task.
        partition: &'a Partition,
        /// Its next offset.
        position: i64,
    },
    /// A task waits for a policy that this process has not read yet.
    Waiting {
        /// The task.
        partition: &'a Partition,
        /// The policy version it was last written under.
        floor: u64,
        /// The version that this process has.
        version: u64,
    },
    /// A task's records wait until the control topic's end is confirmed again; then it is told open anew.
    Paused {
        /// The task.
        partition: &'a Partition,
    },
    /// A task was revoked or lost.
    Closed {
        /// The task.
        partition: &'a Partition,
        /// Whether it was lost rather than revoked.
        lost: bool,
    },
    /// A task stopped until a person has looked.
    Stopped {
        /// The task.
        partition: &'a Partition,
        /// A bounded word.
        reason: &'static str,
        /// What is wrong.
        detail: &'a str,
    },
    /// The control topic's end could not be confirmed in time: all tasks pause; or it could again.
    Stale {
        /// The worker's number.
        worker: usize,
        /// Whether it is stale now.
        stale: bool,
    },
    /// A new policy is in force.
    Policy {
        /// Its version.
        version: u64,
    },
    /// Keysets that were loaded anew are refused; those before stay in use.
    KeysetRefused {
        /// Why.
        detail: &'a str,
    },
    /// A task's profiles are being read from the changelog.
    Restoring {
        /// The task.
        partition: &'a Partition,
        /// Records read so far.
        records: u64,
        /// The changelog's end when the restore began: an upper bound, for compaction leaves gaps.
        high: i64,
    },
    /// A task's profiles are all there.
    Restored {
        /// The task.
        partition: &'a Partition,
        /// Records read.
        records: u64,
        /// Profiles that they came to.
        profiles: usize,
        /// How long it took.
        took: Duration,
    },
    /// A transaction of an earlier owner has not ended for longer than it may take: the task stays closed.
    Hanging {
        /// The task.
        partition: &'a Partition,
    },
    /// A walk went on, or ended.
    Walked {
        /// The task.
        partition: &'a Partition,
        /// The policy version that everyone is being settled for.
        target: u64,
        /// Profiles left.
        remaining: usize,
    },
    /// What detection saw for the first time was told, or there was no room for it.
    Alerts {
        /// Alerts written.
        written: u64,
        /// Sightings that wait until they are seen again.
        held_back: u64,
    },
    /// How many partitions a source has.
    Partitions {
        /// Its topic.
        source: &'a str,
        /// As many.
        count: i32,
    },
    /// What a task's profiles take.
    Held {
        /// The task.
        partition: &'a Partition,
        /// Bytes of memory.
        bytes: usize,
        /// As many as they may take.
        most: usize,
    },
    /// How far a task is behind.
    Lag {
        /// The task.
        partition: &'a Partition,
        /// High watermark minus next offset, in records.
        records: i64,
        /// High watermark minus last stable offset: a transaction that hangs upstream.
        unstable: i64,
        /// The age of the oldest unread record, at most; `None` where nothing is unread or known.
        age: Option<Duration>,
    },
}

/// Whoever counts what happens.
pub trait Observer: Send + Sync {
    /// Takes in one happening; must return fast, for a worker waits.
    fn observe(&self, happening: &Happening<'_>);
}

/// Counts nothing.
pub struct Nobody;

impl Observer for Nobody {
    fn observe(&self, _: &Happening<'_>) {}
}

impl Happening<'_> {
    /// Writes the log line.
    pub fn log(&self) {
        match self {
            Happening::Committed { worker, tally, commit } => {
                tracing::debug!(worker, records = tally.records(), commit_ms = commit.as_millis() as u64, "committed");
            }
            Happening::Aborted { worker, reason, detail } => {
                tracing::warn!(worker, reason, detail, "transaction aborted, its batch is repeated");
            }
            Happening::Resolved { worker, outcome } => {
                tracing::warn!(worker, outcome, "the outcome of a transaction was unknown and is resolved");
            }
            Happening::Assigned { partition } => tracing::info!(%partition, "task assigned"),
            Happening::Opened { partition, position } => tracing::info!(%partition, position, "task open"),
            Happening::Waiting { partition, floor, version } => {
                tracing::warn!(%partition, floor, version, "task waits for a newer policy");
            }
            Happening::Closed { partition, lost } => tracing::info!(%partition, lost, "task closed"),
            Happening::Stopped { partition, reason, detail } => {
                tracing::error!(%partition, reason, detail, "task stopped");
            }
            Happening::Stale { worker, stale: true } => {
                tracing::error!(worker, "the control topic's end cannot be confirmed: tasks pause");
            }
            Happening::Stale { worker, stale: false } => tracing::info!(worker, "the control topic is confirmed again"),
            Happening::Policy { version } => tracing::info!(version, "policy in force"),
            Happening::KeysetRefused { detail } => {
                tracing::error!(detail, "keysets not taken, those before stay in use");
            }
            Happening::Restoring { partition, records, high } => {
                tracing::info!(%partition, records, high, "restoring profiles");
            }
            Happening::Restored { partition, records, profiles, took } => {
                tracing::info!(%partition, records, profiles, took_ms = took.as_millis() as u64, "profiles restored");
            }
            Happening::Hanging { partition } => {
                tracing::error!(%partition, "a transaction hangs in the changelog: the task stays closed");
            }
            Happening::Walked { partition, target, remaining: 0 } => {
                tracing::info!(%partition, version = target, "every profile is settled");
            }
            Happening::Alerts { written, .. } if *written > 0 => {
                tracing::info!(written, "alerts: detection found something where it had not before");
            }
            Happening::Walked { .. }
            | Happening::Lag { .. }
            | Happening::Alerts { .. }
            | Happening::Paused { .. }
            | Happening::Partitions { .. }
            | Happening::Held { .. } => {}
        }
    }
}
