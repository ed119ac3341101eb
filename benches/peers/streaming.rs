//! The naive way as a whole: rdkafka's `StreamConsumer` and `FutureProducer` in transactions, with [`Naive`] between them.
//!
//! It is as exactly-once as its happy path: one that runs alone and never fails. Batches and client settings are the mirror's.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::time::{sleep, timeout};

use crate::mirror::{BYTES, POLL, RECORDS, TIME, WAIT, consumer, producer};
use crate::naive::Naive;

/// Where it reads, from which offset of each partition on, and where what goes.
pub struct Way {
    pub topic: &'static str,
    pub from: Vec<i64>,
    pub protected: &'static str,
    pub shown: &'static str,
}

/// Runs to the topic's end, on this thread but for the clients' own; gives how many records, and how long from the first one read to the
/// last commit.
pub fn stream(client: &ClientConfig, way: &Way, naive: &mut Naive) -> (usize, Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime can be made");
    // a consumer is made within the runtime that it waits in
    runtime.block_on(async { Streaming::new(client, way).run(way, naive).await })
}

struct Streaming {
    consumer: StreamConsumer,
    producer: FutureProducer,
    /// Partitions that are not read to their end.
    left: usize,
}

impl Streaming {
    fn new(client: &ClientConfig, way: &Way) -> Self {
        let made: StreamConsumer = consumer(client, "naive").create().expect("a consumer can be made");
        let producer: FutureProducer = producer(client, "naive").create().expect("a producer can be made");
        producer.init_transactions(WAIT).expect("nobody else has the id");
        let mut list = TopicPartitionList::new();
        for (partition, first) in (0..).zip(&way.from) {
            list.add_partition_offset(way.topic, partition, Offset::Offset(*first)).expect("an offset");
        }
        made.assign(&list).expect("can be assigned");
        Self { consumer: made, producer, left: way.from.len() }
    }

    async fn run(mut self, way: &Way, naive: &mut Naive) -> (usize, Duration) {
        let (mut taken, mut began) = (0, None);
        while self.left > 0 {
            taken += self.transact(way, naive, &mut began).await;
        }
        (taken, began.map_or(Duration::ZERO, |began: Instant| began.elapsed()))
    }

    /// One transaction, unless nothing comes; gives how many records it took.
    async fn transact(&mut self, way: &Way, naive: &mut Naive, began: &mut Option<Instant>) -> usize {
        let (mut sent, mut taken, mut bytes, mut until) = (Vec::new(), 0, 0, None::<Instant>);
        let mut offsets = BTreeMap::new();
        while self.left > 0 && taken < RECORDS && bytes < BYTES && until.is_none_or(|until| Instant::now() < until) {
            let message = match timeout(POLL, self.consumer.recv()).await {
                Err(_) if taken > 0 => break,
                Err(_) => continue,
                Ok(Err(KafkaError::PartitionEOF(_))) => {
                    self.left -= 1;
                    continue;
                }
                Ok(message) => message.expect("the topic can be read"),
            };
            if taken == 0 {
                self.producer.begin_transaction().expect("none is open");
                until = Some(Instant::now() + TIME);
                began.get_or_insert_with(Instant::now);
            }
            let key = message.key().expect("every record has a key");
            let both = naive.protect(key, message.payload().expect("every record has a value"));
            bytes += both.protected.len() + both.shown.len();
            let partition = message.partition();
            sent.push(self.send(way.protected, partition, key, &both.protected).await);
            sent.push(self.send(way.shown, partition, both.key.as_bytes(), &both.shown).await);
            offsets.insert(partition, message.offset() + 1);
            taken += 1;
        }
        for delivery in sent {
            delivery.await.expect("it was sent").map_err(|(error, _)| error).expect("the broker takes it");
        }
        if taken > 0 {
            self.commit(way, &offsets);
        }
        taken
    }

    async fn send(&self, to: &str, partition: i32, key: &[u8], value: &[u8]) -> DeliveryFuture {
        let mut record = FutureRecord::to(to).partition(partition).key(key).payload(value);
        loop {
            match self.producer.send_result(record) {
                Ok(delivery) => return delivery,
                Err((error, back)) => {
                    assert_eq!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
                    sleep(Duration::from_millis(1)).await;
                    record = back;
                }
            }
        }
    }

    fn commit(&self, way: &Way, offsets: &BTreeMap<i32, i64>) {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            list.add_partition_offset(way.topic, *partition, Offset::Offset(*offset)).expect("an offset");
        }
        let member = self.consumer.group_metadata().expect("it has a group");
        self.producer.send_offsets_to_transaction(&list, &member, WAIT).expect("the broker takes them");
        self.producer.commit_transaction(WAIT).expect("nobody fences it");
    }
}
