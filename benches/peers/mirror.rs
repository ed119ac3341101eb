//! The limit: plain librdkafka that reads records and writes each, unchanged, to one or more other topics, in transactions with the
//! offsets it read. Partitions, threads, batches and client settings are sivcar's; it opens, scans and seals nothing.
//!
//! Delivery reports are drained in short polls before a commit, as sivcar does: rust-rdkafka's own `flush` waits in steps of 100 ms.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;

/// A transaction takes so many records at most, as sivcar's default has it …
pub const RECORDS: usize = 5_000;
/// … and so many bytes …
pub const BYTES: usize = 8 << 20;
/// … and is gathered so long.
pub const TIME: Duration = Duration::from_millis(100);

/// How long a record is waited for.
pub const POLL: Duration = Duration::from_millis(10);
/// How long delivery reports are waited for at once.
const REPORTS: Duration = Duration::from_millis(1);
/// How long the broker may take over a request.
pub const WAIT: Duration = Duration::from_secs(60);

/// The rest of a topic, to be mirrored to another one.
pub struct Rest {
    pub topic: &'static str,
    pub to: &'static [&'static str],
    /// By partition: the offset from which on.
    pub from: Vec<i64>,
}

/// Counts the delivery reports.
#[derive(Default)]
struct Reports(AtomicUsize);

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        assert!(result.is_ok(), "the broker takes every record");
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Mirrors `rests` to their ends, where nobody writes any more, with so many threads, each of which has its share of the partitions;
/// gives how many records, and how long from the first one read to the last commit.
pub fn mirror(client: &ClientConfig, rests: &[Rest], threads: i32) -> (usize, Duration) {
    run(client, rests, threads, None)
}

/// Mirrors what comes until it is told to stop.
#[allow(dead_code, reason = "one bench of two follows")]
pub fn follow(client: &ClientConfig, rests: &[Rest], threads: i32, stop: &AtomicBool) {
    run(client, rests, threads, Some(stop));
}

fn run(client: &ClientConfig, rests: &[Rest], threads: i32, stop: Option<&AtomicBool>) -> (usize, Duration) {
    let done: Vec<(usize, Instant, Instant)> = thread::scope(|scope| {
        let spawn = |number| scope.spawn(move || Mirror::new(client, rests, number, threads, stop).run());
        let running: Vec<_> = (0..threads).map(spawn).collect();
        running.into_iter().map(|thread| thread.join().expect("nothing fails here")).collect()
    });
    let began = done.iter().map(|(_, began, _)| *began).min().expect("a thread");
    let ended = done.iter().map(|(.., ended)| *ended).max().expect("a thread");
    (done.iter().map(|(records, ..)| records).sum(), ended - began)
}

/// A consumer with sivcar's settings.
pub fn consumer(client: &ClientConfig, group: &str) -> ClientConfig {
    let mut config = client.clone();
    config
        .set("group.id", group)
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("queued.max.messages.kbytes", "16384")
        .set("fetch.queue.backoff.ms", "10")
        .set("enable.partition.eof", "true");
    config
}

/// A producer with sivcar's settings.
pub fn producer(client: &ClientConfig, transactional_id: &str) -> ClientConfig {
    let mut config = client.clone();
    config
        .set("transactional.id", transactional_id)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("queue.buffering.max.kbytes", "65536")
        .set("linger.ms", "3")
        .set("batch.size", "1000000")
        .set("batch.num.messages", "10000")
        .set("compression.codec", "lz4")
        .set("max.in.flight", "5");
    config
}

struct Mirror<'a> {
    consumer: BaseConsumer,
    producer: BaseProducer<Reports>,
    rests: &'a [Rest],
    /// Partitions that are not read to their end.
    left: usize,
    /// If there is one, it alone says when to end.
    stop: Option<&'a AtomicBool>,
    taken: usize,
    sent: usize,
    began: Option<Instant>,
}

impl<'a> Mirror<'a> {
    fn new(client: &ClientConfig, rests: &'a [Rest], number: i32, threads: i32, stop: Option<&'a AtomicBool>) -> Self {
        let name = format!("mirror-{number}");
        let consumer: BaseConsumer = consumer(client, &name).create().expect("a consumer can be made");
        let producer: BaseProducer<Reports> =
            producer(client, &name).create_with_context(Reports::default()).expect("a producer can be made");
        producer.init_transactions(WAIT).expect("nobody else has the id");
        let mut list = TopicPartitionList::new();
        for rest in rests {
            for (partition, first) in (0..).zip(&rest.from).filter(|(partition, _)| partition % threads == number) {
                list.add_partition_offset(rest.topic, partition, Offset::Offset(*first)).expect("an offset");
            }
        }
        consumer.assign(&list).expect("can be assigned");
        Mirror { left: list.count(), stop, consumer, producer, rests, taken: 0, sent: 0, began: None }
    }

    fn run(mut self) -> (usize, Instant, Instant) {
        while !self.ended() {
            self.transact();
        }
        let now = Instant::now();
        (self.taken, self.began.unwrap_or(now), now)
    }

    fn ended(&self) -> bool {
        self.stop.map_or(self.left == 0, |stop| stop.load(Ordering::Relaxed))
    }

    /// One transaction, unless nothing comes.
    fn transact(&mut self) {
        let (mut taken, mut bytes, mut until) = (0, 0, None::<Instant>);
        let mut offsets = BTreeMap::new();
        while !self.ended() && taken < RECORDS && bytes < BYTES && until.is_none_or(|until| Instant::now() < until) {
            match self.consumer.poll(POLL) {
                None if taken > 0 => break,
                None => {}
                Some(Err(KafkaError::PartitionEOF(_))) => self.left = self.left.saturating_sub(1),
                Some(Err(error)) => panic!("the mirror reads: {error}"),
                Some(Ok(message)) => {
                    if taken == 0 {
                        self.producer.begin_transaction().expect("none is open");
                        until = Some(Instant::now() + TIME);
                        self.began.get_or_insert_with(Instant::now);
                    }
                    let rest = self.rests.iter().position(|rest| rest.topic == message.topic()).expect("was assigned");
                    let to = self.rests[rest].to;
                    to.iter().for_each(|to| self.send(to, &message));
                    self.sent += to.len();
                    offsets.insert((rest, message.partition()), message.offset() + 1);
                    taken += 1;
                    bytes += (message.key_len() + message.payload_len()) * to.len();
                }
            }
        }
        self.taken += taken;
        if taken > 0 {
            self.commit(&offsets);
        }
    }

    /// Stages the record as it is: key, value, headers, partition and time.
    fn send(&self, to: &str, message: &BorrowedMessage) {
        let mut record: BaseRecord<[u8], [u8]> = BaseRecord::to(to).partition(message.partition());
        (record.key, record.payload, record.timestamp) =
            (message.key(), message.payload(), message.timestamp().to_millis());
        record.headers = message.headers().map(|headers| headers.detach());
        while let Err((error, back)) = self.producer.send(record) {
            assert_eq!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
            self.producer.poll(REPORTS);
            record = back;
        }
    }

    fn commit(&self, offsets: &BTreeMap<(usize, i32), i64>) {
        let reported = || self.producer.context().0.load(Ordering::Relaxed);
        while reported() < self.sent {
            let before = reported();
            // a wait of rdkafka's own would spin
            self.producer.poll(Duration::ZERO);
            if reported() == before {
                thread::sleep(REPORTS);
            }
        }
        let mut list = TopicPartitionList::new();
        for ((rest, partition), offset) in offsets {
            let topic = self.rests[*rest].topic;
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset)).expect("an offset");
        }
        let member = self.consumer.group_metadata().expect("it has a group");
        self.producer.send_offsets_to_transaction(&list, &member, WAIT).expect("the broker takes them");
        self.producer.commit_transaction(WAIT).expect("nobody fences it");
    }
}
