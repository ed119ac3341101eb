//! The peer of a restore: plain librdkafka that reads a topic from its beginning to its end, `read_committed`, and keeps nothing.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::spread::PARTITIONS;

const WAIT: Duration = Duration::from_secs(60);

/// Reads `topic` with so many threads, each of which makes a consumer for its share of the partitions; gives how many records, and how
/// long from the first consumer's making to the last end.
pub fn consume(topic: &str, make: impl Fn() -> BaseConsumer + Sync, threads: i32) -> (usize, Duration) {
    let began = Instant::now();
    let read: Vec<usize> = thread::scope(|scope| {
        let spawn = |number| {
            let make = &make;
            scope.spawn(move || read(topic, &make(), (0..PARTITIONS).filter(|partition| partition % threads == number)))
        };
        let running: Vec<_> = (0..threads).map(spawn).collect();
        running.into_iter().map(|thread| thread.join().expect("nothing fails here")).collect()
    });
    (read.iter().sum(), began.elapsed())
}

fn read(topic: &str, consumer: &BaseConsumer, partitions: impl Iterator<Item = i32>) -> usize {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
    }
    consumer.assign(&list).expect("can be assigned");
    let (mut left, mut records) = (list.count(), 0);
    while left > 0 {
        match consumer.poll(WAIT) {
            Some(Ok(_)) => records += 1,
            Some(Err(KafkaError::PartitionEOF(_))) => left -= 1,
            Some(Err(error)) => panic!("reading {topic}: {error}"),
            None => panic!("{topic} does not end"),
        }
    }
    records
}
