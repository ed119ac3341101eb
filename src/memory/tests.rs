//! What the embedded log does when it is told, and no single broker does when somebody asks for it; all else that it promises is in the
//! list of the seam's scenarios (`tests/seam`).

use std::time::Duration;

use super::*;
use crate::stream::log::{Consumer, Outgoing, Producer, Rebalance};

#[test]
fn a_commits_markers_arrive_one_by_one_and_all_before_the_next_transaction() {
    let log = MemoryLog::new("g").with_patience(Duration::ZERO);
    let (raw, out) = (Partition::new("raw", 0), Partition::new("out", 0));
    log.create_topic(&raw.topic, 1, &[]).unwrap();
    log.create_topic(&out.topic, 1, &[]).unwrap();
    log.let_markers_lag();
    let mut consumer = log.consumer(0, std::slice::from_ref(&raw.topic)).unwrap();
    let assigned = consumer.poll(1, Duration::ZERO, &mut Vec::new()).unwrap();
    assert_eq!(assigned, Some(Rebalance::Assign(vec![raw.clone()])));
    let membership = consumer.membership().unwrap();
    let mut producer = log.producer("id", usize::MAX).unwrap();
    producer.init().and_then(|()| producer.begin()).unwrap();
    producer.produce(&Outgoing { topic: out.topic, partition: Some(0), record: Record::default() }).unwrap();
    producer.send_offsets(&[(raw.clone(), 1, "m".into())], &membership).unwrap();
    producer.commit().unwrap();
    assert_eq!((log.markers(), log.records("out").len()), (2, 0));
    log.arrive(0);
    assert_eq!((log.markers(), log.records("out").len()), (1, 1));
    let raw = [raw];
    assert!(matches!(consumer.committed(&raw), Err(Fault::Retry(_))), "its offsets are unstable");
    producer.begin().unwrap();
    assert_eq!(log.markers(), 0);
    let committed = Committed { offset: 1, metadata: "m".into() };
    assert_eq!(consumer.committed(&raw), Ok(vec![Some(committed)]));
}
