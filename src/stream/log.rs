//! The seam between the stream and the log that carries it: tiny traits with two real implementations, `kafka` and
//! `memory`.
//!
//! The traits hold just what a worker's loop needs (EXACTLY-ONCE: consume → begin → produce → drain → send offsets → commit)
//! and say, by [`Fault`], what the caller does next. Deliberately not here: retries, policy, any decision.

use std::time::Duration;

use crate::record::{Partition, Record};

/// A record as read from a partition.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Where it was read.
    pub partition: Partition,
    /// Its offset there.
    pub offset: i64,
    /// What was read.
    pub record: Record,
}

/// A record to be written.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The topic to write to.
    pub topic: std::sync::Arc<str>,
    /// The partition; `None` lets the client choose by key (dead letters only).
    pub partition: Option<i32>,
    /// What is written.
    pub record: Record,
}

/// A change of what this member owns. Returned by [`Consumer::poll`], answered by [`Consumer::assign`] or
/// [`Consumer::unassign`]; until it is answered nothing of the new partitions is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rebalance {
    /// These partitions were added; the answer is `assign` with a start offset each.
    Assign(Vec<Partition>),
    /// These partitions go, in order: the answer is `unassign`.
    Revoke(Vec<Partition>),
    /// These partitions are already somebody else's; the answer is `unassign`, and nothing may be committed for them.
    Lost(Vec<Partition>),
}

/// What a group committed for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to be read.
    pub offset: i64,
    /// The text committed with it (see `stream::transaction`).
    pub metadata: String,
}

/// A partition's ends as a `read_committed` reader sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The first offset that still exists.
    pub low: i64,
    /// The last stable offset: where a `read_committed` reader stops.
    pub stable: i64,
    /// The high watermark.
    pub high: i64,
}

/// What went wrong, classed by what the caller does next. The text names the request, the topic or partition and the
/// broker's own error; never a key, a value or a header.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing has changed: try the same call again.
    #[error("{0}")]
    Retry(String),
    /// The transaction must be aborted and its batch repeated.
    #[error("{0}")]
    Abort(String),
    /// The broker will not take a record (size, timestamp): abort, then find the culprit one input at a time. Or a topic as it is
    /// to be created.
    #[error("{0}")]
    Refused(String),
    /// It is not known whether the commit or abort happened: discard the producer and compare the committed metadata.
    #[error("{0}")]
    Unknown(String),
    /// Membership was lost: the batch is dropped, nothing is sent.
    #[error("{0}")]
    Lost(String),
    /// Another producer with the same transactional id is at work: the process exits with its own code.
    #[error("{0}")]
    Fenced(String),
    /// A source no longer holds records that were not read yet: that task stops.
    #[error("{0}")]
    OutOfRange(String, Partition),
    /// A profile was settled under this policy version, which is not here yet: abort, and its task waits. No log gives it.
    #[error("a profile of {1} was settled under policy {0}, which is not here yet")]
    Early(u64, Partition),
    /// Nothing will help but a person: the worker stops with this text.
    #[error("{0}")]
    Fatal(String),
}

/// A member of the consumer group. Owned by one worker's thread; dropping it leaves the group.
pub trait Consumer {
    /// Proof of membership, to be sent with the offsets of a transaction.
    type Membership;

    /// Serves the group and reads: waits at most `wait` for a first record, then takes what is there, up to `max` records,
    /// appended to `batch`. A rebalance ends the call early; records of partitions that are going may still stand in `batch`
    /// and must be dropped by the caller. May be called while a [`Rebalance::Assign`] is unanswered (its committed offsets may
    /// have to wait for a pending transaction): what was assigned before is read meanwhile. [`Fault::Lost`] where this member is none
    /// any more and will not be one again: its owner joins anew.
    fn poll(&mut self, max: usize, wait: Duration, batch: &mut Vec<Fetched>) -> Result<Option<Rebalance>, Fault>;

    /// The offset before which `poll` gave all that is there, as far as that is known since it was last told where to read: the last
    /// offsets of a topic may be a transaction's marker or aborted records.
    fn end(&self, partition: &Partition) -> Option<i64>;

    /// Takes back a record that it gave, for its buffers.
    fn reuse(&mut self, _record: Record) {}

    /// Answers [`Rebalance::Assign`]: each partition is read from the given offset, whether or not it was paused when it was taken away.
    fn assign(&mut self, starts: &[(Partition, i64)]) -> Result<(), Fault>;

    /// Answers [`Rebalance::Revoke`] and [`Rebalance::Lost`].
    fn unassign(&mut self, partitions: &[Partition]) -> Result<(), Fault>;

    /// What the group committed for `partitions`, in their order; waits for pending transactions (require-stable).
    fn committed(&mut self, partitions: &[Partition]) -> Result<Vec<Option<Committed>>, Fault>;

    /// The ends of a partition, asked of the broker.
    fn bounds(&mut self, partition: &Partition) -> Result<Bounds, Fault>;

    /// Continues each partition at the given offset; what was fetched beyond it is dropped.
    fn seek(&mut self, positions: &[(Partition, i64)]) -> Result<(), Fault>;

    /// Stops fetching `partitions` while the group is still served.
    fn pause(&mut self, partitions: &[Partition]) -> Result<(), Fault>;

    /// Fetches `partitions` again.
    fn resume(&mut self, partitions: &[Partition]) -> Result<(), Fault>;

    /// The proof of membership, read once after the last poll. `Fault::Lost` where there is none, where the generation is
    /// below zero with an empty member id (which brokers accept unchecked), or where the assignment was lost.
    fn membership(&mut self) -> Result<Self::Membership, Fault>;
}

/// A transactional producer. Owned by one worker's thread. After [`Fault::Unknown`] it must be dropped.
pub trait Producer {
    /// What [`Consumer::membership`] gives.
    type Membership;

    /// Fences earlier producers of the same transactional id and waits for their transactions to end. Called once.
    fn init(&mut self) -> Result<(), Fault>;

    /// Whether this producer should not begin another transaction: something happened to it that may spoil the next one's outcome.
    fn is_spent(&mut self) -> bool {
        false
    }

    /// Opens a transaction.
    fn begin(&mut self) -> Result<(), Fault>;

    /// Stages a copy of one record; where the queue is full it polls and repeats.
    fn produce(&mut self, outgoing: &Outgoing) -> Result<(), Fault>;

    /// Waits until the broker has acknowledged everything staged. Must come before [`Producer::commit`], which would else
    /// wait in steps of 100 ms.
    fn drain(&mut self) -> Result<(), Fault>;

    /// Adds offsets (partition, next offset, metadata) to the transaction. Never called with none: that would commit unfenced.
    fn send_offsets(&mut self, offsets: &[(Partition, i64, String)], member: &Self::Membership) -> Result<(), Fault>;

    /// Commits. `Fault::Unknown` after a timeout or transport error.
    fn commit(&mut self) -> Result<(), Fault>;

    /// Aborts; everything staged is gone.
    fn abort(&mut self) -> Result<(), Fault>;
}

/// A reader of one topic, or one partition of it, without a group, from its beginning, `read_committed`: the control topic as a
/// table, a changelog.
pub trait Reader {
    /// Waits at most `wait`, then gives what is there. [`Fault::OutOfRange`] where the topic was truncated or re-created.
    fn poll(&mut self, wait: Duration, batch: &mut Vec<Fetched>) -> Result<(), Fault>;

    /// Asks the broker for the last stable offset of each partition that is read, in the order of their numbers; gives them if
    /// everything before them was given by `poll`, else `None`.
    fn caught_up(&mut self) -> Result<Option<Vec<i64>>, Fault>;
}

/// What a topic is, as the broker tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicFacts {
    /// The number of partitions.
    pub partitions: i32,
    /// How many copies of each partition there are; of the one with the fewest.
    pub replicas: i32,
    /// `cleanup.policy`, as `compact` or `delete`; both as `compact,delete`.
    pub cleanup_policy: String,
    /// `max.message.bytes`.
    pub max_message_bytes: usize,
}

/// The log as a whole: where clients come from, and what is asked of topics.
pub trait Log: Send + Sync + 'static {
    /// Proof of membership that goes from consumer to producer.
    type Membership;
    /// The group's member.
    type Consumer: Consumer<Membership = Self::Membership>;
    /// The transactional producer.
    type Producer: Producer<Membership = Self::Membership>;
    /// The reader of a table.
    type Reader: Reader;

    /// Joins the group as the worker with this number, subscribed to `topics`.
    fn consumer(&self, worker: usize, topics: &[std::sync::Arc<str>]) -> Result<Self::Consumer, Fault>;

    /// A producer with this transactional id; `init` is the caller's. `batch_bytes` is the largest batch that every topic it writes
    /// to takes: brokers measure batches, not records. A record that is larger makes a batch of its own.
    fn producer(&self, transactional_id: &str, batch_bytes: usize) -> Result<Self::Producer, Fault>;

    /// A reader of one partition of `topic`, or of all of them, from the beginning.
    fn reader(&self, topic: &str, partition: Option<i32>) -> Result<Self::Reader, Fault>;

    /// The largest record a producer of this log takes (`message.max.bytes`), whatever the topic says.
    fn message_max_bytes(&self) -> usize;

    /// How long the broker lets a transaction of this log's producers take: one that is older hangs.
    fn transaction_timeout(&self) -> Duration;

    /// How many partitions `topic` has, or `None` where it does not exist. Takes fewer rights than [`Log::topic`]: reading the topic is
    /// enough.
    fn partitions(&self, topic: &str) -> Result<Option<i32>, Fault> {
        Ok(self.topic(topic)?.map(|facts| facts.partitions))
    }

    /// The facts of `topic`, or `None` where it does not exist.
    fn topic(&self, topic: &str) -> Result<Option<TopicFacts>, Fault>;

    /// What the group committed for `partitions`, in their order, asked without being a member; waits for pending transactions.
    fn committed_by_group(&self, partitions: &[Partition]) -> Result<Vec<Option<Committed>>, Fault>;

    /// Whether [`Log::create_topic`] would be taken; nothing is created. [`Fault::Refused`] where it would not be, as it is. A log that cannot
    /// tell takes it.
    fn may_create(&self, _topic: &str, _partitions: i32, _settings: &[(&str, &str)]) -> Result<(), Fault> {
        Ok(())
    }

    /// Creates `topic` with the given number of partitions and settings; one that exists already is no error.
    fn create_topic(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<(), Fault>;
}
