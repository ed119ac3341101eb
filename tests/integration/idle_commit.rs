//! What a transaction of one record costs on an idle broker, beside one that leaves the waiting to `flush`.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::patience::eventually;
use crate::process::{Process, Stage, event};
use crate::watched::{Call, Returned};

const ROUNDS: usize = 50;
const PATIENCE: Duration = Duration::from_secs(20);

/// The transactions of one record, each from begin to commit.
fn transactions(calls: Vec<Returned>) -> Vec<Vec<Returned>> {
    let mut all: Vec<Vec<Returned>> = Vec::new();
    for returned in calls.into_iter().filter(|returned| !returned.by.is_empty()) {
        match (&returned.call, all.last_mut()) {
            (Call::Begin, _) => all.push(vec![returned]),
            (_, Some(last)) => last.push(returned),
            (_, None) => {}
        }
    }
    all.retain(|transaction| transaction.iter().any(|returned| matches!(returned.call, Call::Produce(_))));
    all
}

/// The same work as rdkafka's documentation has it: send, flush, send offsets, commit.
fn flushed(stage: &Stage) -> Vec<Duration> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &stage.bootstrap);
    let consumer: BaseConsumer = config.clone().set("group.id", "idle.peer").create().expect("a consumer");
    consumer.subscribe(&["idle.raw"]).expect("subscribes");
    eventually("it joins", || {
        let _ = consumer.poll(Duration::from_millis(50));
        consumer.assignment().ok().filter(|assigned| assigned.count() > 0)
    });
    let producer: BaseProducer =
        config.set("transactional.id", "idle.peer").set("linger.ms", "3").create().expect("a producer");
    producer.init_transactions(PATIENCE).expect("opens");
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset("idle.raw", 0, Offset::Offset(1)).expect("an offset");
    let round = || {
        let member = consumer.group_metadata().expect("a member");
        let start = Instant::now();
        producer.begin_transaction().expect("begins");
        for topic in ["idle.peer-protected", "idle.peer-debug"] {
            let record: BaseRecord<'_, str, str> = BaseRecord::to(topic).partition(0).payload("x").key("k");
            producer.send(record).map_err(|(error, _)| error).expect("staged");
        }
        producer.flush(PATIENCE).expect("acknowledged");
        producer.send_offsets_to_transaction(&offsets, &member, PATIENCE).expect("offsets");
        producer.commit_transaction(PATIENCE).expect("committed");
        start.elapsed()
    };
    (0..ROUNDS).map(|_| round()).collect()
}

/// Median and largest, in milliseconds.
fn spread(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    (ms(times[times.len() / 2]), ms(times[times.len() - 1]))
}

#[test]
fn delivery_reports_are_drained_before_a_commit() {
    let stage = Stage::new("idle", 1);
    for topic in ["peer-protected", "peer-debug"] {
        stage.create(topic, 1, &[]);
    }
    let config = stage.config("", "");
    let process = Process::ready(&config);
    for round in 1..=ROUNDS {
        stage.write("raw", 0, [event(&format!("n{round}"))]);
        eventually("its commit", || (transactions(process.calls.of_workers()).len() >= round).then_some(()));
    }
    stage.await_count("debug", ROUNDS);
    let ours = transactions(process.calls.of_workers());
    assert_eq!(ours.len(), ROUNDS);
    for transaction in &ours {
        let calls: Vec<_> = transaction.iter().map(|returned| &returned.call).collect();
        assert!(
            matches!(
                calls[..],
                [Call::Begin, Call::Produce(_), Call::Produce(_), Call::Drain, Call::Offsets(_), Call::Commit]
            ),
            "{calls:?}"
        );
        assert!(transaction.iter().all(|returned| returned.fault.is_none()));
    }
    let report = stage.check(&config, &[&process.told]);
    assert_eq!(report.protected, ROUNDS as u64);
    assert_eq!(process.stop(), Ok(()));

    let times = ours.iter().map(|transaction| transaction[5].ended - transaction[0].began).collect();
    let ((median, slowest), (peer_median, peer_slowest)) = (spread(times), spread(flushed(&stage)));
    eprintln!(
        "begin to commit, {ROUNDS} transactions of one record each: median {median:.1} ms, slowest {slowest:.1} ms"
    );
    eprintln!("the same with flush: median {peer_median:.1} ms, slowest {peer_slowest:.1} ms");
    eprintln!("ratio of the medians: {:.1}", peer_median / median);
}
