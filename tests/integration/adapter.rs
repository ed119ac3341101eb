//! What the adapter promises beyond the seam, whose promises are in `promises`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sivcar::kafka::{Kafka, Settings, Wish};
use sivcar::record::Partition;
use sivcar::stream::log::{Consumer as _, Fault, Log as _, Producer as _, Rebalance};

use crate::broker::Broker;
use crate::patience::eventually;

/// How long one poll waits.
const WAIT: Duration = Duration::from_millis(100);

fn member_of(bootstrap: &str, instance: Option<&str>) -> Kafka {
    let instance = instance.map(str::to_owned);
    let mut wish = Wish { group: "adapter".into(), instance, replication_factor: -1, ..Wish::default() };
    wish.common.insert("bootstrap.servers".into(), bootstrap.into());
    wish.common.insert("heartbeat.interval.ms".into(), "300".into());
    Kafka::new(Settings::new(wish).expect("the settings are sound")).expect("clients can be made")
}

#[test]
fn what_is_wrong_with_a_client_or_its_broker_is_told_and_it_can_be_dropped() {
    let broker = Broker::start();
    let [one, two] = [(); 2].map(|()| member_of(&broker.bootstrap, Some("a")));
    one.create_topic("raw", 1, &[]).expect("created");
    let mine = [Partition::new("raw", 0)];
    let joined = |kafka: &Kafka| {
        let mut consumer = kafka.consumer(0, &[Arc::from("raw")]).expect("a consumer can be made");
        let found = eventually("it joins", || consumer.poll(1, WAIT, &mut Vec::new()).expect("no fault"));
        assert_eq!(found, Rebalance::Assign(mine.to_vec()));
        consumer.assign(&[(mine[0].clone(), 0)]).expect("it was granted");
        consumer
    };
    // a static member that is doubled is fenced
    let mut first = joined(&one);
    let mut second = joined(&two);
    let fault = eventually("a fault", || first.poll(1, WAIT, &mut Vec::new()).err());
    assert!(matches!(fault, Fault::Fenced(_)), "{fault:?}");
    drop(first);

    // librdkafka would take an empty list, and send nothing
    let mut producer = one.producer("id", usize::MAX).expect("a producer can be made");
    eventually("it opens", || producer.init().ok());
    producer.begin().expect("begins");
    let membership = second.membership().expect("a member");
    assert!(matches!(producer.send_offsets(&[], &membership), Err(Fault::Fatal(_))));
    producer.abort().expect("aborted");

    // nothing is staged, so nobody is asked
    broker.kill();
    producer.begin().and_then(|()| producer.abort()).expect("there is nobody who could object");
    drop(producer);
    drop(second);
}

#[test]
fn a_missing_broker_is_told_in_time() {
    let kafka = member_of("127.0.0.1:1", None);
    let start = Instant::now();
    let fault = kafka.topic("raw").expect_err("nobody answers");
    assert!(start.elapsed() < Duration::from_secs(20));
    let Fault::Retry(text) = fault else { panic!("{fault:?}") };
    assert!(text.starts_with("asking for the topic raw: no Kafka broker answers at 127.0.0.1:1 ("), "{text}");
    assert!(text.contains("does bootstrap.servers name it"), "{text}");
    drop(kafka.consumer(0, &[Arc::from("raw")]).expect("a consumer can be made"));
}
