//! A task: one source partition in a worker's hands.

use std::time::{Duration, Instant};

use super::error::Error;
use super::log::Committed;
use super::store::Store;
use super::transaction::Metadata;
use super::walk::Walk;
use crate::record::Partition;

/// What a task may do.
///
/// ```text
///   assigned ──start offset found──► Waiting ──policy is there──► Open
///                                       │ ◄──profile is newer────── │
///                                       └── out of range, source changed ──► Stopped
/// ```
///
/// From each state a task goes when its partition is revoked or lost. While the control table is stale, open tasks are
/// paused and stay `Open`, though they are told as paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Its last outputs, or a profile, were made under a newer policy than this process has read.
    Waiting,
    /// Its records are processed.
    Open,
    /// It needs a person; the reason is a bounded word for logs and metrics.
    Stopped(&'static str),
}

/// One source partition.
#[derive(Debug)]
pub(super) struct Task {
    /// The source's index.
    pub source: usize,
    /// What it may do.
    pub state: TaskState,
    /// The next offset to be processed: what is committed, or the resolved start.
    pub position: i64,
    /// The next offset to be read into a batch; ahead of `position` while a batch is gathered.
    pub next: i64,
    /// What the group holds for it.
    pub committed: Option<Committed>,
    /// No output may be made under an older policy.
    pub floor: u64,
    /// When `floor` was learned: the control topic's end must be confirmed after this to tell that it went backwards.
    pub learned: Instant,
    /// When it was last told that it waits.
    pub told: Option<Instant>,
    /// Whether the consumer was told not to fetch it.
    pub paused: bool,
    /// Whether records of it were dropped, for it did not work and could not be paused: it must be read again from its position.
    pub missed: bool,
    /// The timestamp of the last processed record, milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// When it was last seen to have nothing unread, since the epoch.
    pub caught_up: Option<Duration>,
    /// The profiles of a source of profiles, once they are restored; a source of events has none.
    pub store: Option<Store>,
    /// The walk over them that is under way.
    pub walk: Option<Walk>,
    /// What was told of it last in the status topic.
    pub reached: Option<Told>,
}

/// What was told of a task.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    /// When.
    pub at: Instant,
    /// The policy in force.
    pub policy: u64,
    /// Up to which version everyone is settled; 0 for events.
    pub settled: u64,
    /// How many profiles there are; 0 for events.
    pub count: usize,
}

impl Task {
    /// A task that starts at what is committed, or else at `low`, the first offset there is.
    ///
    /// # Errors
    /// [`Error::PolicyWentBackwards`] where the metadata names another control topic than `control`; [`Error::Topics`] where it
    /// cannot be read. Empty metadata (an operator reset the offset) sets no floor.
    pub fn open(
        partition: &Partition,
        source: usize,
        committed: Option<Committed>,
        low: i64,
        control: &str,
    ) -> Result<Task, Error> {
        let text = committed.as_ref().map_or("", |committed| committed.metadata.as_str());
        let floor = match Metadata::parse(text) {
            None if text.is_empty() => 0,
            None => {
                return Err(Error::Topics(format!(
                    "{partition}: the committed offset's metadata is not sivcar's; is the group used by another consumer?"
                )));
            }
            Some(metadata) if metadata.control != control => {
                return Err(Error::PolicyWentBackwards(format!(
                    "{partition} was last written under control topic {}, this one is {control}: it was re-created",
                    metadata.control
                )));
            }
            Some(metadata) => metadata.policy,
        };
        let position = committed.as_ref().map_or(low, |committed| committed.offset);
        Ok(Task {
            source,
            state: TaskState::Waiting,
            position,
            next: position,
            committed,
            floor,
            learned: Instant::now(),
            told: None,
            paused: false,
            missed: false,
            timestamp: None,
            caught_up: None,
            store: None,
            walk: None,
            reached: None,
        })
    }

    /// Whether its records are processed, as far as the task goes.
    pub fn is_open(&self) -> bool {
        self.state == TaskState::Open
    }

    /// Whether a transaction must be committed for it although nothing was read: nothing is committed yet, or under an older policy
    /// than `version`, or everyone is settled for it and nobody was told; the group must see that it is in force.
    pub fn must_commit(&self, version: u64) -> bool {
        let untold = self.reached.is_some_and(|told| told.settled < self.settled()) && self.walk.is_none();
        self.is_open() && (self.committed.is_none() || self.floor < version || untold)
    }

    /// Up to which policy version all its profiles are settled; 0 for events.
    pub fn settled(&self) -> u64 {
        self.store.as_ref().map_or(0, |store| store.through)
    }

    /// Waits for the policy of `floor`: what was kept of it was made under that.
    pub fn wait_for(&mut self, floor: u64) {
        (self.state, self.floor, self.learned, self.told) = (TaskState::Waiting, floor, Instant::now(), None);
    }

    /// Takes in that a transaction was committed for this task.
    pub fn advance(&mut self, committed: Committed, policy: u64) {
        self.position = committed.offset;
        self.next = self.next.max(committed.offset);
        self.committed = Some(committed);
        self.floor = policy;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(metadata: Option<&str>) -> Result<Task, Error> {
        let committed = metadata.map(|metadata| Committed { offset: 9, metadata: metadata.into() });
        Task::open(&Partition::new("raw", 0), 0, committed, 3, "abc")
    }

    #[test]
    fn a_task_starts_where_it_was_committed_else_at_the_first_offset() {
        let first = open(None).unwrap();
        assert_eq!((first.position, first.floor, first.state), (3, 0, TaskState::Waiting));
        let later = open(Some("1;policy=5;control=abc;txn=x.1")).unwrap();
        assert_eq!((later.position, later.next, later.floor), (9, 9, 5));
        assert_eq!(open(Some("")).unwrap().floor, 0);
    }

    #[test]
    fn another_control_topic_and_foreign_metadata_are_refused() {
        assert!(matches!(open(Some("1;policy=5;control=abd;txn=x.1")), Err(Error::PolicyWentBackwards(_))));
        assert!(matches!(open(Some("checkpoint")), Err(Error::Topics(_))));
    }
}
