//! What the seam promises (`stream::log`), each promise a scenario, and one list of them for both logs: the simulation's tests run it
//! over the embedded log, the integration tests over a real Kafka. So the model is checked where it is one.
//!
//! Each scenario has a group, topics and ids of its own, drives the seam's own traits, and asserts what it saw: offsets, ends, faults by
//! what the caller does next. What a broker or a network does to a client is the [`Rig`]'s to cause.
//!
//! Not here, since nobody can have a single broker do it from outside: a marker that is late at one partition and not at another
//! (`src/memory/tests.rs`, and on three brokers whose leaders go `integration/moves.rs`), and an eager rebalance, for which the adapter
//! never asks (`src/memory/group.rs`). A topic that is compacted is not the seam's but the topic's.

mod ends;
mod membership;
mod reading;
mod transactions;

use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use sivcar::record::{Partition, Record};
use sivcar::stream::log::{Bounds, Committed, Consumer, Fault, Fetched, Log, Outgoing, Producer, Reader, Rebalance};

use crate::patience::eventually;

/// How long one poll waits.
const WAIT: Duration = Duration::from_millis(100);

/// The instance's worker that is a scenario's first member.
const FIRST: usize = 0;

/// What a client's proof of membership is worth, of which the seam gives none.
#[derive(Clone, Copy, Debug)]
pub enum Stranger {
    /// It says that it is none: generation −1, and no name.
    Nobody,
    /// It was a member, and is none any more.
    Left,
}

/// What becomes of the end of a transaction that is sent again, the first request being held on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It arrives.
    Arrives,
    /// It is lost, until the first one has arrived.
    IsLost,
}

/// A log, and what can be done to it and its clients from outside.
pub trait Rig: Sized + Send + Sync {
    type Log: Log;

    /// For one scenario, by whose name its group is called, and all that is its own.
    fn scenario(&self) -> &str;

    /// The same log for a part of the scenario that is on its own.
    fn part(&self, name: &str) -> Self;

    /// The log as a process of the group has it.
    fn log(&self) -> &Self::Log;

    /// The same, whose transactions time out soon, and requests sooner.
    fn hasty(&self) -> &Self::Log;

    /// Appends records outside of any transaction.
    fn append(&self, partition: &Partition, records: &[Record]);

    /// Every record of `topic`, those of open and aborted transactions included.
    fn everything(&self, topic: &str) -> Vec<Fetched>;

    /// Drops the records before `offset`, as retention does.
    fn trim(&self, partition: &Partition, offset: i64);

    /// Adds a partition to a topic that has one.
    fn add_partition(&self, topic: &str);

    /// Puts every member out of the group, as the end of a session does.
    fn expel(&self);

    /// From here on the time of an open transaction of this id may be over: it is up to the log when it ends it.
    fn let_time_pass(&self, id: &str);

    /// A client of the group, but none of sivcar's, commits `record` and these offsets, or none, in a transaction.
    fn commit_as(&self, who: Stranger, record: &Outgoing, offsets: &[(Partition, i64, String)]) -> Result<(), Fault>;

    /// Commits or aborts by a producer of this id, whose request is held on its way; `meanwhile` happens then, and what the producer
    /// is told in the end is given.
    fn end_late(
        &self,
        id: &str,
        producer: &mut Writer<Self>,
        commits: bool,
        again: Again,
        meanwhile: impl FnOnce() + Send,
    ) -> Result<(), Fault>;

    /// The request that is held arrives; whether a transaction was ended.
    fn land(&self, id: &str) -> bool;
}

pub type Member<R> = <<R as Rig>::Log as Log>::Consumer;
pub type Writer<R> = <<R as Rig>::Log as Log>::Producer;

/// A scenario and its name.
pub type Scenario<R> = (&'static str, fn(&R));

/// All there are.
pub fn all<R: Rig>() -> Vec<Scenario<R>> {
    macro_rules! list {
        ($($module:ident::$scenario:ident),* $(,)?) => { vec![$((stringify!($scenario), $module::$scenario::<R>)),*] };
    }
    list![
        transactions::outputs_and_offsets_appear_together_or_not_at_all,
        transactions::the_very_first_transaction_may_be_aborted,
        transactions::the_next_producer_of_an_id_aborts_and_fences_the_last,
        transactions::a_crash_leaves_its_transaction_to_the_next_producer,
        transactions::a_transaction_that_times_out_is_aborted_and_its_producer_fenced,
        transactions::a_record_that_is_refused_fails_its_transaction_alone,
        ends::an_end_that_never_arrives_is_unknown_and_did_not_happen,
        ends::an_end_that_arrives_and_is_not_answered_is_unknown_and_happened,
        ends::a_late_end_is_nothing_to_the_next_producer,
        ends::a_late_end_hits_the_next_transaction_of_a_producer_that_was_kept,
        membership::membership_is_proved_from_the_first_join_until_one_leaves,
        membership::whoever_is_put_out_of_the_group_lost_all_and_may_join_anew,
        membership::partitions_come_and_go_with_members,
        membership::offsets_of_a_past_generation_are_refused,
        membership::offsets_of_nobody_are_taken_unchecked_and_an_empty_list_asks_nobody,
        membership::what_comes_into_being_is_assigned_to_those_who_read_it,
        reading::records_come_back_as_they_were_written,
        reading::an_open_transaction_of_another_holds_readers_back,
        reading::a_paused_partition_is_not_read_and_a_seek_decides_where_it_goes_on,
        reading::the_end_is_told_where_a_marker_stands_behind_the_last_record,
        reading::what_retention_took_unread_is_a_fault,
        reading::what_is_not_there_yet_is_to_be_asked_for_again,
        reading::topics_are_as_they_were_made,
    ]
}

/// Asserts that it fails so.
macro_rules! fails {
    ($kind:ident, $result:expr) => {
        match $result.err() {
            Some(sivcar::stream::log::Fault::$kind(..)) => {}
            other => panic!("{} is not {}: {other:?}", stringify!($result), stringify!($kind)),
        }
    };
}
use fails;

/// Tries a commit and an abort, at the same time: what is lost has to be waited for.
fn both<R: Rig>(rig: &R, attempt: impl Fn(&R, bool) + Sync) {
    std::thread::scope(|scope| {
        let aborts = scope.spawn(|| attempt(&rig.part("abort"), false));
        attempt(&rig.part("commit"), true);
        aborts.join().expect("the abort is as it should be");
    });
}

/// The scenario's own name for a topic or a transactional id.
fn own<R: Rig>(rig: &R, name: &str) -> String {
    format!("{}.{name}", rig.scenario())
}

/// Creates a topic; gives its first partition.
fn create<R: Rig>(rig: &R, name: &str, settings: &[(&str, &str)]) -> Partition {
    let name = own(rig, name);
    rig.log().create_topic(&name, 1, settings).expect("created");
    Partition::new(name, 0)
}

fn record(value: &str) -> Record {
    Record {
        key: Some(b"k".to_vec()),
        value: Some(value.as_bytes().to_vec()),
        headers: vec![],
        timestamp: Some(1_700_000_000_000),
    }
}

fn to(partition: &Partition, value: &str) -> Outgoing {
    record_to(partition, record(value))
}

fn record_to(partition: &Partition, record: Record) -> Outgoing {
    Outgoing { topic: partition.topic.clone(), partition: Some(partition.number), record }
}

/// What a call gave, unless it is to be repeated: a broker that was away has not taken up all it had yet.
#[track_caller]
pub fn answered<T>(result: Result<T, Fault>) -> Option<T> {
    match result {
        Ok(given) => Some(given),
        Err(Fault::Retry(_)) => None,
        Err(fault) => panic!("{fault:?}"),
    }
}

/// A producer that is ready to begin.
fn ready<L: Log>(log: &L, id: &str) -> L::Producer {
    let mut producer = log.producer(id, usize::MAX).expect("a producer can be made");
    eventually("a producer opens", || answered(producer.init()));
    producer
}

/// Begins a transaction, and has this record acknowledged in it.
fn begin<P: Producer>(producer: &mut P, outgoing: &Outgoing) {
    producer.begin().expect("begins");
    producer.produce(outgoing).expect("staged");
    producer.drain().expect("acknowledged");
}

/// Polls up to so many records. Where it is to be tried again there is nothing.
fn poll(consumer: &mut impl Consumer, max: usize, batch: &mut Vec<Fetched>) -> Option<Rebalance> {
    answered(consumer.poll(max, WAIT, batch)).flatten()
}

/// The next rebalance; nothing is read meanwhile.
fn rebalance(consumer: &mut impl Consumer) -> Rebalance {
    let mut batch = Vec::new();
    let found = eventually("a rebalance", || poll(consumer, 100, &mut batch));
    assert!(batch.is_empty());
    found
}

/// The partitions that the group gives to this member next, in order.
fn assigned(consumer: &mut impl Consumer) -> Vec<Partition> {
    let mut partitions = match rebalance(consumer) {
        Rebalance::Assign(partitions) => partitions,
        other => panic!("{other:?}"),
    };
    partitions.sort();
    partitions
}

fn begin_at(consumer: &mut impl Consumer, partitions: &[Partition], offset: i64) {
    let starts: Vec<_> = partitions.iter().map(|partition| (partition.clone(), offset)).collect();
    consumer.assign(&starts).expect("what was granted can be assigned");
}

/// A member that owns this partition, which is all of its topic, and reads it from its beginning.
fn member<R: Rig>(rig: &R, partition: &Partition) -> Member<R> {
    let mut consumer = rig.log().consumer(FIRST, from_ref(&partition.topic)).expect("a consumer can be made");
    assert_eq!(assigned(&mut consumer), from_ref(partition));
    begin_at(&mut consumer, from_ref(partition), 0);
    consumer
}

/// The next so many records.
fn read(consumer: &mut impl Consumer, count: usize) -> Vec<Fetched> {
    let mut batch = Vec::new();
    eventually("the records", || {
        assert_eq!(poll(consumer, count - batch.len(), &mut batch), None);
        (batch.len() == count).then_some(())
    });
    batch
}

fn offsets(batch: &[Fetched]) -> Vec<i64> {
    batch.iter().map(|fetched| fetched.offset).collect()
}

/// Asserts that there is nothing to be read now.
fn reads_nothing(consumer: &mut impl Consumer) {
    let mut batch = Vec::new();
    assert_eq!((poll(consumer, 100, &mut batch), offsets(&batch)), (None, vec![]));
}

/// Reads until all that is there was given; gives the ends.
fn read_up(reader: &mut impl Reader, batch: &mut Vec<Fetched>) -> Vec<i64> {
    eventually("the end of the topic", || {
        answered(reader.poll(WAIT, batch))?;
        answered(reader.caught_up())?
    })
}

/// The values of a topic that a `read_committed` reader sees.
fn committed_values<R: Rig>(rig: &R, topic: &str) -> Vec<String> {
    let mut batch = Vec::new();
    read_up(&mut rig.log().reader(topic, None).expect("the topic can be read"), &mut batch);
    values(&batch)
}

/// Waits until a `read_committed` reader sees these values: a commit is answered before its marker stands everywhere.
#[track_caller]
fn shows<R: Rig>(rig: &R, topic: &str, expected: &[&str]) {
    eventually(&format!("{topic} shows {expected:?}"), || (committed_values(rig, topic) == expected).then_some(()));
}

/// The values that whoever reads everything sees.
fn all_values<R: Rig>(rig: &R, topic: &str) -> Vec<String> {
    values(&rig.everything(topic))
}

fn values(batch: &[Fetched]) -> Vec<String> {
    let text = |fetched: &Fetched| String::from_utf8(fetched.record.value.clone().expect("a value")).expect("text");
    batch.iter().map(text).collect()
}

fn ends_of(consumer: &mut impl Consumer, partition: &Partition) -> (i64, i64, i64) {
    let Bounds { low, stable, high } = eventually("the bounds", || answered(consumer.bounds(partition)));
    (low, stable, high)
}

/// What the group committed for a partition, once nothing is pending.
fn committed(consumer: &mut impl Consumer, partition: &Partition) -> Option<Committed> {
    let found = eventually("committed offsets", || answered(consumer.committed(from_ref(partition))));
    found.into_iter().next().expect("an answer for each")
}

/// What is committed by one transaction for a partition.
fn position(partition: &Partition, offset: i64, text: &str) -> Vec<(Partition, i64, String)> {
    vec![(partition.clone(), offset, text.to_owned())]
}

fn at(offset: i64, text: &str) -> Option<Committed> {
    Some(Committed { offset, metadata: text.to_owned() })
}
