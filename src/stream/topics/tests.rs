//! Topics over the embedded log: what is created, what is refused, and that a start that is refused creates nothing.

use super::*;
use crate::memory::MemoryLog;
use crate::record::Partition;
use crate::stream::log::Committed;

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
    Facts::at_start(log, "g", &[route()], true).expect("topics fit")
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
    let error = Facts::at_start(&log, "g", &[route()], true).unwrap_err();
    assert!(error.to_string().contains("never creates raw topics"), "{error}");
    log.create_topic("raw", 3, &[]).unwrap();
    ensure_control(&log, "g", &[], true).unwrap();
    log.create_topic("g.status", 1, &[]).unwrap();
    let error = Facts::at_start(&log, "g", &[route()], false).unwrap_err();
    assert!(error.to_string().starts_with("topic protected does not exist"), "{error}");
    assert_eq!(log.topics().len(), 3);
}

#[test]
fn other_partition_counts_are_an_error_at_start_but_for_dead_letters() {
    let log = MemoryLog::new("g");
    log.create_topic("raw", 3, &[]).unwrap();
    log.create_topic("dead", 1, &[]).unwrap();
    facts(&log);
    log.delete_topic("debug");
    log.create_topic("debug", 2, &[]).unwrap();
    let error = Facts::at_start(&log, "g", &[route()], true).unwrap_err();
    assert!(error.to_string().contains("raw has 3 partitions, its output debug has 2"), "{error}");
}

#[test]
fn a_source_that_got_partitions_stops_and_stays_stopped() {
    let log = MemoryLog::new("g");
    log.create_topic("raw", 1, &[]).unwrap();
    ensure_control(&log, "g", &[], true).unwrap();
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
        assert!(matches!(ensure_control(&log, "g", &[], true), Err(Error::Topics(_))), "{partitions} {policy}");
    }
}

fn under(policy: u64) -> Option<Committed> {
    Some(Committed { offset: 1, metadata: format!("1;policy={policy};control=nonce;txn=a.1") })
}

#[test]
fn a_control_topic_that_is_gone_is_never_replaced() {
    let log = MemoryLog::new("g");
    log.create_topic("raw", 3, &[]).unwrap();
    log.set_committed(&Partition::new("raw", 1), under(7));
    for create in [true, false] {
        for refused in
            [Facts::at_start(&log, "g", &[route()], create).map(drop), ensure_control(&log, "g", &[route()], create)]
        {
            let Err(Error::PolicyWentBackwards(what)) = refused else { panic!("{refused:?}") };
            assert_eq!(
                what,
                "control topic g.control does not exist, and raw[1] was last written under policy 7: it was deleted"
            );
        }
    }
    assert_eq!(log.topics().len(), 1, "nothing is created");

    // as an operator's reset leaves it
    log.set_committed(&Partition::new("raw", 1), Some(Committed { offset: 1, metadata: String::new() }));
    facts(&log);
    log.set_committed(&Partition::new("raw", 1), under(7));
    facts(&log);
}

#[test]
fn a_start_that_is_refused_creates_nothing() {
    let log = MemoryLog::new("g");
    assert!(Facts::at_start(&log, "g", &[route()], true).is_err(), "there is no raw topic");
    log.create_topic("raw", 3, &[]).unwrap();
    log.create_topic("debug", 2, &[]).unwrap();
    assert!(Facts::at_start(&log, "g", &[route()], true).is_err(), "another count");
    assert_eq!(log.topics().len(), 2);
}
