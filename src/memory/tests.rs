//! The embedded log behaves as Kafka where a worker could tell.

use std::time::Duration;

use super::*;
use crate::stream::log::{Consumer, Outgoing, Producer, Reader, Rebalance};

fn log() -> MemoryLog {
    let log = MemoryLog::new("g").with_patience(Duration::ZERO);
    log.create_topic("raw", 1, &[]).unwrap();
    log.create_topic("out", 1, &[("max.message.bytes", "200")]).unwrap();
    log
}

fn raw() -> Partition {
    Partition::new("raw", 0)
}

fn out(value: &[u8]) -> Outgoing {
    let record = Record { value: Some(value.to_vec()), ..Record::default() };
    Outgoing { topic: "out".into(), partition: Some(0), record }
}

fn producer(log: &MemoryLog) -> MemoryProducer {
    let mut producer = log.producer("id", usize::MAX).unwrap();
    producer.init().unwrap();
    producer
}

/// A member that owns `raw[0]`, read from its beginning.
fn member(log: &MemoryLog) -> MemoryConsumer {
    let mut consumer = log.consumer(0, &["raw".into()]).unwrap();
    let assigned = consumer.poll(1, Duration::ZERO, &mut Vec::new()).unwrap();
    assert_eq!(assigned, Some(Rebalance::Assign(vec![raw()])));
    consumer.assign(&[(raw(), 0)]).unwrap();
    consumer
}

fn offsets(offset: i64) -> Vec<(Partition, i64, String)> {
    vec![(raw(), offset, "m".into())]
}

#[test]
fn outputs_and_offsets_appear_together_or_not_at_all() {
    for commit in [true, false] {
        let log = log();
        let (mut consumer, mut producer) = (member(&log), producer(&log));
        let membership = consumer.membership().unwrap();
        producer.begin().unwrap();
        producer.produce(&out(b"a")).unwrap();
        producer.send_offsets(&offsets(1), &membership).unwrap();
        assert!(log.records("out").is_empty());
        assert!(matches!(consumer.committed(&[raw()]), Err(Fault::Retry(_))), "a transaction is pending");
        if commit { producer.commit() } else { producer.abort() }.unwrap();
        assert_eq!((log.records("out").len(), log.uncommitted("out").len()), (usize::from(commit), 1));
        let committed = commit.then(|| Committed { offset: 1, metadata: "m".into() });
        assert_eq!(consumer.committed(&[raw()]), Ok(vec![committed]));
    }
}

#[test]
fn the_next_producer_of_an_id_aborts_and_fences_the_last() {
    let log = log();
    let mut first = producer(&log);
    first.begin().unwrap();
    first.produce(&out(b"a")).unwrap();
    let mut second = producer(&log);
    assert!(matches!(first.produce(&out(b"b")), Err(Fault::Fenced(_))));
    assert!(matches!(first.commit(), Err(Fault::Fenced(_))));
    second.begin().unwrap();
    second.produce(&out(b"c")).unwrap();
    second.commit().unwrap();
    let values: Vec<_> = log.records("out").into_iter().map(|fetched| fetched.record.value).collect();
    assert_eq!(values, [Some(b"c".to_vec())]);
}

#[test]
fn offsets_of_a_past_generation_are_refused() {
    let log = log();
    let (mut consumer, mut producer) = (member(&log), producer(&log));
    let membership = consumer.membership().unwrap();
    let _other = log.consumer(1, &["raw".into()]).unwrap();
    producer.begin().unwrap();
    assert!(matches!(producer.send_offsets(&offsets(1), &membership), Err(Fault::Lost(_))));
}

#[test]
fn a_new_topic_begins_a_generation_of_those_who_read_it() {
    let log = log();
    let mut consumer = log.consumer(0, &["raw".into(), "later".into()]).unwrap();
    consumer.poll(1, Duration::ZERO, &mut Vec::new()).unwrap();
    consumer.assign(&[(raw(), 0)]).unwrap();
    let before = consumer.membership().unwrap();
    log.create_topic("other", 1, &[]).unwrap();
    assert_eq!(consumer.poll(1, Duration::ZERO, &mut Vec::new()).unwrap(), None);
    let mut producer = producer(&log);
    producer.begin().unwrap();
    producer.send_offsets(&offsets(0), &before).unwrap();
    producer.commit().unwrap();
    log.create_topic("later", 1, &[]).unwrap();
    let assigned = consumer.poll(1, Duration::ZERO, &mut Vec::new()).unwrap();
    assert_eq!(assigned, Some(Rebalance::Assign(vec![Partition::new("later", 0)])));
}

#[test]
fn a_record_too_large_for_its_topic_is_refused_at_drain_and_nothing_commits() {
    let log = log();
    let mut producer = producer(&log);
    producer.begin().unwrap();
    producer.produce(&out(&[b'x'; 200])).unwrap();
    assert!(matches!(producer.drain(), Err(Fault::Refused(_))));
    assert!(matches!(producer.commit(), Err(Fault::Refused(_))));
    producer.abort().unwrap();
    producer.begin().unwrap();
    producer.produce(&out(b"a")).unwrap();
    producer.drain().and_then(|()| producer.commit()).unwrap();
    assert_eq!(log.records("out").len(), 1);
}

#[test]
fn a_hanging_transaction_holds_readers_back_until_it_expires() {
    let log = log();
    let mut reader = log.reader("out", None).unwrap();
    let mut hanging = producer(&log);
    hanging.begin().unwrap();
    hanging.produce(&out(b"a")).unwrap();
    log.append(&Partition::new("out", 0), out(b"b").record).unwrap();
    let mut batch = Vec::new();
    reader.poll(Duration::ZERO, &mut batch).unwrap();
    assert_eq!((batch.len(), reader.caught_up()), (0, Ok(Some(vec![0]))));
    assert!(log.expire("id"));
    reader.poll(Duration::ZERO, &mut batch).unwrap();
    assert_eq!((batch.len(), reader.caught_up()), (1, Ok(Some(vec![3]))));
    assert!(matches!(hanging.commit(), Err(Fault::Fenced(_))));
}

#[test]
fn a_paused_partition_is_not_read_and_a_seek_decides_where_it_goes_on() {
    let log = log();
    let mut consumer = member(&log);
    for _ in 0..3 {
        log.append(&raw(), Record::default());
    }
    let read = |consumer: &mut MemoryConsumer| {
        let mut batch = Vec::new();
        consumer.poll(2, Duration::ZERO, &mut batch).unwrap();
        batch.into_iter().map(|fetched| fetched.offset).collect::<Vec<_>>()
    };
    assert_eq!(read(&mut consumer), [0, 1]);
    consumer.pause(&[raw()]).unwrap();
    assert!(read(&mut consumer).is_empty());
    consumer.seek(&[(raw(), 1)]).unwrap();
    consumer.resume(&[raw()]).unwrap();
    assert_eq!(read(&mut consumer), [1, 2]);
}

#[test]
fn a_commits_markers_arrive_one_by_one_and_all_before_the_next_transaction() {
    let log = log();
    log.let_markers_lag();
    let (mut consumer, mut producer) = (member(&log), producer(&log));
    let membership = consumer.membership().unwrap();
    producer.begin().unwrap();
    producer.produce(&out(b"a")).unwrap();
    producer.send_offsets(&offsets(1), &membership).unwrap();
    producer.commit().unwrap();
    assert_eq!((log.markers(), log.records("out").len()), (2, 0));
    log.arrive(0);
    assert_eq!((log.markers(), log.records("out").len()), (1, 1));
    assert!(matches!(consumer.committed(&[raw()]), Err(Fault::Retry(_))), "its offsets are unstable");
    producer.begin().unwrap();
    assert_eq!(log.markers(), 0);
    let committed = Committed { offset: 1, metadata: "m".into() };
    assert_eq!(consumer.committed(&[raw()]), Ok(vec![Some(committed)]));
}

#[test]
fn a_late_commit_ends_its_producers_transaction_and_no_successors() {
    for successor in [false, true] {
        let log = log();
        let mut first = producer(&log);
        first.begin().unwrap();
        first.produce(&out(b"a")).unwrap();
        let late = first.end_late(true);
        assert!(log.records("out").is_empty());
        let second = successor.then(|| producer(&log));
        assert_eq!((log.land(late), log.records("out").len()), (!successor, usize::from(!successor)));
        drop(second);
    }
}

#[test]
fn a_late_end_hits_the_next_transaction_of_a_producer_that_was_kept() {
    for committed in [true, false] {
        let log = log();
        let mut kept = producer(&log);
        kept.begin().unwrap();
        let late = kept.end_late(committed);
        kept.abort().unwrap();
        kept.begin().unwrap();
        kept.produce(&out(b"a")).unwrap();
        assert!(log.land(late));
        assert_eq!((log.records("out").len(), log.uncommitted("out").len()), (usize::from(committed), 1));
        assert!(kept.commit().is_err(), "none is open");
    }
}

#[test]
fn offsets_of_nobody_are_taken_unchecked_and_an_empty_list_asks_nobody() {
    let log = log();
    let (mut consumer, mut producer) = (member(&log), producer(&log));
    let past = consumer.membership().unwrap();
    let members = log.members();
    assert_eq!(
        (members.as_slice(), log.expel(members[0]), log.expel(members[0])),
        ([consumer.member()].as_slice(), true, false)
    );
    producer.begin().unwrap();
    assert!(matches!(producer.send_offsets(&offsets(1), &past), Err(Fault::Lost(_))));
    producer.send_offsets(&[], &past).unwrap();
    producer.send_offsets(&offsets(2), &MemoryMembership::of_nobody("g")).unwrap();
    producer.commit().unwrap();
    assert_eq!(log.committed(&raw()).map(|committed| committed.offset), Some(2));
}
