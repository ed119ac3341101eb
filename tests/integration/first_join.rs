//! Offsets of one that is no member: brokers take them unchecked, so sivcar never sends any.

use std::sync::Arc;

use serde_json::Value;
use sivcar::record::{Partition, Record};
use sivcar::stream::log::{Fault, Log as _, Outgoing};

use crate::broker::Broker;
use crate::patience::eventually;
use crate::process::{Process, Stage, event, kafka};
use crate::watched::Call;
use crate::{admin, stranger};

/// The group, generation and member of each TxnOffsetCommit that the broker has logged.
fn offset_commits(log: &str) -> Vec<(String, i64, String)> {
    let lines = log.lines().filter(|line| line.contains("TXN_OFFSET_COMMIT"));
    let requests = lines.filter_map(|line| serde_json::from_str::<Value>(line.get(line.find('{')?..)?).ok());
    let requests = requests.map(|request| {
        let request = &request["request"];
        let text = |name: &str| request[name].as_str().expect("a text").to_owned();
        (text("groupId"), request["generationId"].as_i64().expect("a number"), text("memberId"))
    });
    requests.collect()
}

#[test]
fn nothing_is_sent_before_the_first_join_nor_after_a_loss() {
    let broker = Arc::new(Broker::start());
    admin::log_requests(&broker.bootstrap);
    let stage = Stage::on(broker.clone(), "joins", 2);
    let topic = Partition::new("strangers", 0);
    kafka(&stage.bootstrap, "strangers").create_topic(&topic.topic, 1, &[]).expect("created");
    let record = Outgoing { topic: topic.topic.clone(), partition: Some(0), record: Record::default() };
    let taken =
        stranger::commit(&stage.bootstrap, "strangers", &record, &[(topic, 1, String::new())], stranger::nobody);
    assert_eq!(taken, Ok(()));
    let all = eventually("the broker logs it", || Some(offset_commits(&broker.log())).filter(|all| !all.is_empty()));
    // a client asks again where the coordinator was not ready
    let stranger = ("strangers".to_owned(), -1, String::new());
    assert!(all.iter().all(|one| *one == stranger), "the broker takes what nobody vouches for: {all:?}");

    stage.write("raw", 0, [event("a"), event("b")]);
    let config = stage.config("\"session.timeout.ms\" = \"2000\"\n\"heartbeat.interval.ms\" = \"300\"", "");
    let process = Process::ready(&config);
    stage.await_count("protected", 2);
    let calls = process.calls.of_workers();
    let joined = calls.iter().position(|returned| returned.call == Call::Membership && returned.fault.is_none());
    let (before, after) = calls.split_at(joined.expect("it joined"));
    assert!(before.iter().any(|returned| matches!(returned.fault, Some(Fault::Lost(_)))), "it was asked for too early");
    assert!(before.iter().all(|returned| !matches!(returned.call, Call::Begin | Call::Offsets(_))));
    assert!(after.iter().any(|returned| matches!(returned.call, Call::Offsets(_))));

    // the membership is lost, and found again; a second member comes and goes
    broker.pause();
    process.told.await_happening(&["Closed", "lost: true"]);
    broker.resume();
    stage.write("raw", 1, [event("c")]);
    stage.await_count("protected", 3);
    let mut other = config.clone();
    other.instance = "other".into();
    let second = Process::ready(&other);
    stage.write("raw", 0, [event("d")]);
    stage.write("raw", 1, [event("e")]);
    stage.await_count("protected", 5);
    assert_eq!(second.stop(), Ok(()));
    let told = process.told.clone();
    let report = stage.check(&config, &[&told]);
    assert_eq!(report.protected, 5);
    assert_eq!(process.stop(), Ok(()));

    let commits = offset_commits(&broker.log());
    let ours: Vec<_> = commits.iter().filter(|(group, ..)| group == "joins").collect();
    assert!(ours.len() >= 2, "{commits:?}");
    assert!(ours.iter().all(|(_, generation, member)| *generation >= 0 && !member.is_empty()), "{ours:?}");
}
