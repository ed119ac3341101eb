//! The adapter over a real Kafka: each promise of the seam, by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sivcar::kafka::{Consumer, Kafka, Producer, Settings, Wish};
use sivcar::record::{Header, Partition, Record};
use sivcar::stream::log::{
    Bounds, Committed, Consumer as _, Fault, Fetched, Log as _, Outgoing, Producer as _, Reader as _, Rebalance,
};

use crate::broker::Broker;

/// More than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one poll waits.
const WAIT: Duration = Duration::from_millis(100);

fn kafka(bootstrap: &str, group: &str, more: &[(&str, &str)]) -> Kafka {
    let mut wish = Wish { group: group.into(), replication_factor: -1, ..Wish::default() };
    wish.common.insert("bootstrap.servers".into(), bootstrap.into());
    wish.common.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Kafka::new(Settings::new(wish).expect("the settings are sound")).expect("clients can be made")
}

fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(done) = attempt() {
            return done;
        }
    }
    panic!("never happened: {what}");
}

fn record(value: &str) -> Record {
    Record {
        key: Some(b"k".to_vec()),
        value: Some(value.as_bytes().to_vec()),
        headers: vec![],
        timestamp: Some(1_700_000_000_000),
    }
}

fn to(topic: &str, partition: i32, record: Record) -> Outgoing {
    Outgoing { topic: topic.into(), partition: Some(partition), record }
}

fn ready(kafka: &Kafka, id: &str) -> Producer {
    let mut producer = kafka.producer(id, usize::MAX).expect("a producer can be made");
    eventually("a producer opens", || match producer.init() {
        Ok(()) => Some(()),
        Err(Fault::Retry(_)) => None,
        Err(fault) => panic!("{fault:?}"),
    });
    producer
}

/// The next rebalance; what is read meanwhile is dropped.
fn rebalance(consumer: &mut Consumer) -> Rebalance {
    let mut batch = Vec::new();
    eventually("a rebalance", || consumer.poll(100, WAIT, &mut batch).expect("no fault"))
}

fn joined(kafka: &Kafka, worker: usize, topic: &str, count: usize) -> (Consumer, Vec<Partition>) {
    let mut consumer = kafka.consumer(worker, &[Arc::from(topic)]).expect("a consumer can be made");
    let Rebalance::Assign(partitions) = rebalance(&mut consumer) else { panic!("the first rebalance assigns") };
    assert_eq!(partitions.len(), count);
    (consumer, partitions)
}

fn begin_at(consumer: &mut Consumer, partitions: &[Partition], offset: i64) {
    let starts: Vec<_> = partitions.iter().map(|partition| (partition.clone(), offset)).collect();
    consumer.assign(&starts).expect("what was granted can be assigned");
}

fn read(consumer: &mut Consumer, count: usize) -> Vec<Fetched> {
    let mut batch = Vec::new();
    eventually("the records", || {
        assert_eq!(consumer.poll(count - batch.len(), WAIT, &mut batch).expect("no fault"), None);
        (batch.len() == count).then_some(())
    });
    batch
}

/// Reads every partition of `topic` to its end.
fn dump(kafka: &Kafka, topic: &str) -> Vec<Fetched> {
    let mut reader = kafka.reader(topic, None).expect("the topic can be read");
    let mut all = Vec::new();
    eventually("the end of the topic", || {
        reader.poll(WAIT, &mut all).expect("no fault");
        // a broker that was away may have to be found again
        match reader.caught_up() {
            Err(Fault::Retry(_)) => None,
            answer => answer.expect("no other fault"),
        }
    });
    all
}

/// One transaction: `records` and the offsets.
fn transact(
    producer: &mut Producer,
    consumer: &mut Consumer,
    records: Vec<Outgoing>,
    offsets: &[(Partition, i64, String)],
) {
    let member = consumer.membership().expect("a member");
    producer.begin().expect("begins");
    for record in records {
        producer.produce(&record).expect("staged");
    }
    producer.drain().expect("acknowledged");
    producer.send_offsets(offsets, &member).expect("offsets");
    producer.commit().expect("committed");
}

/// The middle of `times` and their largest.
fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    format!("median {:?}, slowest {:?}", times[times.len() / 2], times[times.len() - 1])
}

/// Writes to `topic` through a group of its own: each transaction commits an offset of `seed`.
fn write(bootstrap: &str, topic: &str, records: Vec<Record>) {
    let group = format!("writer-{topic}");
    let writer = kafka(bootstrap, &group, &[]);
    writer.create_topic("seed", 1, &[]).expect("created");
    let mut producer = ready(&writer, &group);
    let (mut consumer, seed) = joined(&writer, 0, "seed", 1);
    let records = records.into_iter().map(|record| to(topic, 0, record)).collect();
    transact(&mut producer, &mut consumer, records, &[(seed[0].clone(), 0, String::new())]);
}

/// Prints what a transaction of one record costs on an idle broker.
fn time_transactions(producer: &mut Producer, consumer: &mut Consumer, mine: &Partition) {
    let (mut drains, mut commits) = (Vec::new(), Vec::new());
    for round in 0..21 {
        let member = consumer.membership().expect("a member");
        let start = Instant::now();
        producer.begin().expect("begins");
        producer.produce(&to("copied", 0, record("x"))).expect("staged");
        producer.drain().expect("acknowledged");
        drains.push(start.elapsed());
        let start = Instant::now();
        producer.send_offsets(&[(mine.clone(), 8, format!("round {round}"))], &member).expect("offsets");
        producer.commit().expect("committed");
        commits.push(start.elapsed());
    }
    eprintln!("begin to acknowledged: {}", spread(drains));
    eprintln!("offsets and commit: {}", spread(commits));
}

/// A marker behind the last record is nothing to be read.
fn ends_behind_markers(producer: &mut Producer, consumer: &mut Consumer, mine: &Partition) {
    transact(producer, consumer, vec![to("raw", 0, record("last"))], &[(mine.clone(), 8, String::new())]);
    let last = read(consumer, 1).remove(0).offset;
    let high = consumer.bounds(mine).expect("the broker answers").high;
    assert_eq!(high, last + 2);
    eventually("the end is told", || {
        assert_eq!(consumer.poll(1, WAIT, &mut Vec::new()).expect("no fault"), None);
        (consumer.end(mine) == Some(high)).then_some(())
    });
    consumer.seek(&[(mine.clone(), 0)]).expect("seeks");
    assert_eq!(consumer.end(mine), None);
}

#[test]
fn a_topic_is_copied_in_transactions_as_it_is() {
    let broker = Broker::start();
    let kafka = kafka(&broker.bootstrap, "copy", &[]);
    for topic in ["raw", "copied", "scrap"] {
        kafka.create_topic(topic, 1, &[]).expect("created");
        kafka.create_topic(topic, 1, &[]).expect("one that exists is no error");
    }
    let header = |name: &str, value: Option<&[u8]>| Header { name: name.into(), value: value.map(<[u8]>::to_vec) };
    let raw = vec![
        record("plain"),
        Record { key: None, ..record("no key") },
        Record { key: Some(vec![]), ..record("an empty key") },
        Record { value: None, ..record("") },
        Record { value: Some(vec![]), ..record("") },
        Record {
            headers: vec![
                header("a", Some(b"1")),
                header("a", None),
                header("", Some(b"")),
                header("ż", Some(&[0, 255])),
            ],
            ..record("headers")
        },
        Record { timestamp: Some(1), ..record("an early time") },
        Record { timestamp: Some(-7), ..record("a time before 1970") },
    ];
    write(&broker.bootstrap, "raw", raw.clone());

    let mut producer = ready(&kafka, "copy.a.0");
    let (mut consumer, mine) = joined(&kafka, 0, "raw", 1);
    assert_eq!(consumer.committed(&mine).expect("the broker answers"), [None]);
    begin_at(&mut consumer, &mine, 0);
    let batch = read(&mut consumer, raw.len());
    assert_eq!(batch.iter().map(|fetched| fetched.record.clone()).collect::<Vec<_>>(), raw);
    assert_eq!(batch.iter().map(|fetched| fetched.offset).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());

    // aborted with records still in flight, and after them: nothing is seen, and the input is read again
    for topic in ["scrap", "copied"] {
        producer.begin().expect("begins");
        for fetched in &batch {
            producer.produce(&to(topic, 0, fetched.record.clone())).expect("staged");
        }
        if topic == "copied" {
            producer.drain().expect("acknowledged");
        }
        let start = Instant::now();
        producer.abort().expect("aborted");
        eprintln!("an abort: {:?}", start.elapsed());
    }
    assert!(dump(&kafka, "scrap").is_empty());
    consumer.seek(&[(mine[0].clone(), 0)]).expect("seeks");
    let batch = read(&mut consumer, raw.len());

    let copies = batch.iter().map(|fetched| to("copied", 0, fetched.record.clone())).collect();
    let text = "1;policy=7;control=ab;txn=ż".to_owned();
    transact(&mut producer, &mut consumer, copies, &[(mine[0].clone(), 8, text.clone())]);
    assert_eq!(consumer.committed(&mine).expect("the broker answers"), [Some(Committed { offset: 8, metadata: text })]);
    let copied = dump(&kafka, "copied");
    assert_eq!(copied.iter().map(|fetched| fetched.record.clone()).collect::<Vec<_>>(), raw);
    // 8 aborted, a marker, 8 committed, a marker
    let ends = Bounds { low: 0, stable: 18, high: 18 };
    assert_eq!(consumer.bounds(&Partition::new("copied", 0)).expect("the broker answers"), ends);

    time_transactions(&mut producer, &mut consumer, &mine[0]);

    // a transaction in the middle: the end is not stable
    producer.begin().expect("begins");
    producer.produce(&to("copied", 0, record("open"))).expect("staged");
    producer.drain().expect("acknowledged");
    let open = consumer.bounds(&Partition::new("copied", 0)).expect("the broker answers");
    assert_eq!(open, Bounds { low: 0, stable: 60, high: 61 });
    producer.abort().expect("aborted");

    ends_behind_markers(&mut producer, &mut consumer, &mine[0]);
}

#[test]
fn membership_is_proved_and_zombies_are_fenced() {
    let broker = Broker::start();
    let kafka = kafka(&broker.bootstrap, "fence", &[]);
    kafka.create_topic("raw", 1, &[]).expect("created");
    kafka.create_topic("out", 1, &[]).expect("created");

    // before the first join there is nothing to prove
    let mut early = kafka.consumer(0, &[Arc::from("raw")]).expect("a consumer can be made");
    assert!(matches!(early.membership(), Err(Fault::Lost(_))));
    drop(early);

    let mut zombie = ready(&kafka, "fence.a.0");
    let (mut consumer, mine) = joined(&kafka, 0, "raw", 1);
    zombie.begin().expect("begins");
    zombie.produce(&to("out", 0, record("zombie"))).expect("staged");
    zombie.drain().expect("acknowledged");
    let mut heir = ready(&kafka, "fence.a.0");
    let member = consumer.membership().expect("a member");
    let offsets = [(mine[0].clone(), 0, String::new())];
    let fault = zombie.send_offsets(&offsets, &member).and_then(|()| zombie.commit()).expect_err("fenced");
    assert!(matches!(fault, Fault::Fenced(_)), "{fault:?}");
    transact(&mut heir, &mut consumer, vec![to("out", 0, record("heir"))], &offsets);
    let out = dump(&kafka, "out");
    assert_eq!(out.iter().map(|fetched| fetched.record.clone()).collect::<Vec<_>>(), [record("heir")]);

    // whoever left proves nothing any more
    let stale = consumer.membership().expect("a member");
    drop(consumer);
    heir.begin().expect("begins");
    heir.produce(&to("out", 0, record("left"))).expect("staged");
    heir.drain().expect("acknowledged");
    let fault = heir.send_offsets(&offsets, &stale).expect_err("no member");
    assert!(matches!(fault, Fault::Lost(_)), "{fault:?}");
    heir.abort().expect("aborted");
}

#[test]
fn partitions_come_and_go_with_members() {
    let broker = Broker::start();
    come_and_go(&broker, "classic", &[("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "300")]);
}

#[test]
fn partitions_come_and_go_with_members_of_the_new_protocol() {
    let broker = Broker::start();
    come_and_go(&broker, "consumer", &[("group.protocol", "consumer")]);
}

fn come_and_go(broker: &Broker, group: &str, properties: &[(&str, &str)]) {
    let kafka = kafka(&broker.bootstrap, group, properties);
    kafka.create_topic("raw", 4, &[]).expect("created");
    kafka.create_topic("out", 1, &[]).expect("created");
    let (mut first, all) = joined(&kafka, 0, "raw", 4);
    begin_at(&mut first, &all, 0);
    let mut second = kafka.consumer(1, &[Arc::from("raw")]).expect("a consumer can be made");
    let mut batch = Vec::new();

    let revoked = eventually("a revocation", || {
        second.poll(1, Duration::ZERO, &mut batch).expect("no fault");
        first.poll(1, WAIT, &mut batch).expect("no fault")
    });
    let Rebalance::Revoke(mut going) = revoked else { panic!("{revoked:?}") };
    assert_eq!(going.len(), 2);
    // until the answer nobody else has them
    assert_eq!(second.poll(1, WAIT, &mut batch).expect("no fault"), None);
    first.unassign(&going).expect("given back");
    let assigned = eventually("an assignment", || {
        assert_eq!(first.poll(1, Duration::ZERO, &mut batch).expect("no fault"), None);
        second.poll(1, WAIT, &mut batch).expect("no fault")
    });
    let Rebalance::Assign(mut assigned) = assigned else { panic!("{assigned:?}") };
    assigned.sort();
    going.sort();
    assert_eq!(assigned, going);
    // unanswered so far, and yet the group is served: the second leaves, and the first gets them back
    assert!(matches!(first.assign(&[(going[0].clone(), 0)]), Err(Fault::Lost(_))), "they are not the first's");
    drop(second);
    let back = rebalance(&mut first);
    let Rebalance::Assign(mut back) = back else { panic!("{back:?}") };
    back.sort();
    assert_eq!(back, going);
    begin_at(&mut first, &back, 0);
    write(&broker.bootstrap, "raw", vec![record("after all")]);
    assert_eq!(read(&mut first, 1)[0].record, record("after all"));

    let mut producer = ready(&kafka, &format!("{group}.a.0"));
    transact(&mut producer, &mut first, vec![to("out", 0, record("x"))], &[(going[0].clone(), 1, "text".into())]);
    let committed = Some(Committed { offset: 1, metadata: "text".into() });
    assert_eq!(first.committed(&going[..1]).expect("the broker answers"), [committed]);

    // dropping a member whose revocation is unanswered does not hang
    let mut third = kafka.consumer(2, &[Arc::from("raw")]).expect("a consumer can be made");
    eventually("a revocation", || {
        third.poll(1, Duration::ZERO, &mut batch).expect("no fault");
        first.poll(1, WAIT, &mut batch).expect("no fault")
    });
    drop(first);
    let got = rebalance(&mut third);
    assert!(matches!(got, Rebalance::Assign(_)), "{got:?}");
}

#[test]
fn an_end_that_nobody_confirms_is_unknown() {
    let broker = Broker::start();
    let kafka = kafka(&broker.bootstrap, "unknown", &[("transaction.timeout.ms", "10000")]);
    kafka.create_topic("raw", 1, &[]).expect("created");
    kafka.create_topic("out", 1, &[]).expect("created");
    let (mut consumer, mine) = joined(&kafka, 0, "raw", 1);
    let mut producer = ready(&kafka, "unknown.a.0");
    let offsets = |text: &str| [(mine[0].clone(), 0, text.to_owned())];
    transact(&mut producer, &mut consumer, vec![], &offsets("first"));

    producer.begin().expect("begins");
    producer.produce(&to("out", 0, record("in doubt"))).expect("staged");
    producer.drain().expect("acknowledged");
    producer.send_offsets(&offsets("second"), &consumer.membership().expect("a member")).expect("offsets");
    // a pending transaction holds the committed offset back
    assert!(matches!(consumer.committed(&mine), Err(Fault::Retry(_))));

    broker.pause();
    let start = Instant::now();
    let fault = producer.commit().expect_err("nobody answers");
    eprintln!("a commit that nobody answers: {:?}: {fault}", start.elapsed());
    assert!(matches!(fault, Fault::Unknown(_)), "{fault:?}");
    let start = Instant::now();
    drop(producer);
    eprintln!("dropping the producer: {:?}", start.elapsed());
    broker.resume();

    let mut heir = ready(&kafka, "unknown.a.0");
    let committed = eventually("a committed offset", || consumer.committed(&mine).ok());
    let text = &committed[0].as_ref().expect("the first was committed").metadata;
    let out = dump(&kafka, "out").len();
    eprintln!("what became of it: {text}, {out} records");
    assert!((text == "first" && out == 0) || (text == "second" && out == 1), "all or nothing");

    // clients of a dead broker can be dropped
    broker.kill();
    let start = Instant::now();
    assert!(heir.begin().and_then(|()| heir.abort()).is_ok(), "nothing was staged, so nobody is asked");
    drop(heir);
    drop(consumer);
    eprintln!("dropping clients of a dead broker: {:?}", start.elapsed());
    broker.restart();
}

#[test]
fn what_cannot_be_is_told_by_its_fault() {
    let broker = Broker::start();
    let kafka = kafka(&broker.bootstrap, "faults", &[]);
    kafka.create_topic("raw", 1, &[]).expect("created");
    kafka
        .create_topic("narrow", 1, &[("max.message.bytes", "2000"), ("cleanup.policy", "delete,compact")])
        .expect("created");
    let facts = kafka.topic("narrow").expect("the broker answers").expect("it exists");
    assert_eq!((facts.partitions, facts.cleanup_policy.as_str(), facts.max_message_bytes), (1, "compact,delete", 2000));
    assert_eq!(kafka.topic("absent").expect("the broker answers"), None);

    let mut producer = ready(&kafka, "faults.a.0");
    let (mut consumer, mine) = joined(&kafka, 0, "raw", 1);
    let offsets = [(mine[0].clone(), 0, String::new())];
    for refused in [
        Record { value: Some((0..5000_u32).flat_map(u32::to_le_bytes).collect()), ..record("") }, // too large
        Record { key: None, ..record("a compacted topic wants a key") },
    ] {
        producer.begin().expect("begins");
        for _ in 0..10 {
            producer.produce(&to("raw", 0, record("beside it"))).expect("staged");
        }
        producer.produce(&to("narrow", 0, refused)).expect("staged");
        let fault = producer.drain().expect_err("the broker refuses it");
        assert!(matches!(&fault, Fault::Refused(text) if text.starts_with("a record to narrow: ")), "{fault:?}");
        producer.abort().expect("aborted");
        transact(&mut producer, &mut consumer, vec![to("raw", 0, record("good"))], &offsets);
    }

    // a position that the topic does not have
    begin_at(&mut consumer, &mine, 1_000_000);
    let mut batch = Vec::new();
    let fault = eventually("a fault", || consumer.poll(1, WAIT, &mut batch).err());
    assert!(matches!(&fault, Fault::OutOfRange(_, at) if *at == mine[0]), "{fault:?}");
    let missing = kafka.reader("absent", None).err();
    assert!(matches!(missing, Some(Fault::Retry(_))), "{missing:?}");
}

#[test]
fn a_static_member_that_is_doubled_is_fenced() {
    let broker = Broker::start();
    let member = || {
        let mut wish =
            Wish { group: "static".into(), instance: Some("a".into()), replication_factor: -1, ..Wish::default() };
        wish.common.insert("bootstrap.servers".into(), broker.bootstrap.clone());
        wish.common.insert("heartbeat.interval.ms".into(), "300".into());
        Kafka::new(Settings::new(wish).expect("the settings are sound")).expect("clients can be made")
    };
    let (one, two) = (member(), member());
    one.create_topic("raw", 1, &[]).expect("created");
    let (mut first, mine) = joined(&one, 0, "raw", 1);
    begin_at(&mut first, &mine, 0);
    let (_second, _) = joined(&two, 0, "raw", 1);
    let mut batch = Vec::new();
    let fault = eventually("a fault", || first.poll(1, WAIT, &mut batch).err());
    assert!(matches!(fault, Fault::Fenced(_)), "{fault:?}");
    drop(first);
}

#[test]
fn a_missing_broker_is_told_in_time() {
    let kafka = kafka("127.0.0.1:1", "nobody", &[]);
    let start = Instant::now();
    let fault = kafka.topic("raw").expect_err("nobody answers");
    assert!(start.elapsed() < Duration::from_secs(20));
    let Fault::Retry(text) = fault else { panic!("{fault:?}") };
    assert!(text.starts_with("asking for the topic raw: no Kafka broker answers at 127.0.0.1:1 ("), "{text}");
    assert!(text.contains("does bootstrap.servers name it"), "{text}");
    eprintln!("{text}");
    drop(kafka.consumer(0, &[Arc::from("raw")]).expect("a consumer can be made"));
}
