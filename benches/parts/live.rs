//! Live records at a steady rate, and how long each takes from its writing to a `read_committed` reader of the protected topics.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::cluster::Cluster;
use crate::spread::{key, partition};

/// One record each.
const EVERY: Duration = Duration::from_millis(2);

/// Tells when a live record was written, in microseconds since the epoch; what sivcar makes by itself has no such header.
const WRITTEN: &str = "written";

/// A raw topic, the number of whom its record is about, which decides key and partition, and the record's value.
pub type Made = (&'static str, u64, Vec<u8>);

/// What is written, and where it comes out.
pub struct Live<'a, F> {
    pub cluster: &'a Cluster,
    /// Makes the record that comes after so many.
    pub make: F,
    /// The topics that take what became of them, one record each.
    pub outputs: &'static [&'static str],
}

impl<F: Fn(u64) -> Made + Sync> Live<'_, F> {
    /// Writes live records while `meanwhile` runs; gives how many seconds each took, of those written before it ended.
    pub fn latencies(&self, meanwhile: impl FnOnce()) -> Vec<f64> {
        let reader = reader(self.cluster, self.outputs);
        let began = now_us();
        let (stop, written) = (AtomicBool::new(false), AtomicUsize::new(usize::MAX));
        thread::scope(|scope| {
            let arrivals = scope.spawn(|| arrivals(&reader, began, &written));
            scope.spawn(|| written.store(self.write(&stop), Ordering::SeqCst));
            meanwhile();
            stop.store(true, Ordering::SeqCst);
            arrivals.join().expect("nothing fails here")
        })
    }

    /// Writes until it is told to stop; gives how many records.
    fn write(&self, stop: &AtomicBool) -> usize {
        let producer: BaseProducer =
            self.cluster.client().set("linger.ms", "0").create().expect("a producer can be made");
        let (mut count, began): (u64, _) = (0, Instant::now());
        while !stop.load(Ordering::SeqCst) {
            // each has its moment, also where the machine was busy at the one before
            let due = EVERY * u32::try_from(count).expect("a short run");
            thread::sleep(due.saturating_sub(began.elapsed()));
            let (topic, number, value) = (self.make)(count);
            let key = key(number);
            let at = now_us().to_be_bytes();
            let headers = OwnedHeaders::new().insert(Header { key: WRITTEN, value: Some(&at) });
            let record = BaseRecord::to(topic).partition(partition(number)).key(&key).payload(&value).headers(headers);
            producer.send(record).map_err(|(error, _)| error).expect("there is room");
            producer.poll(Duration::ZERO);
            count += 1;
        }
        producer.flush(Duration::from_secs(60)).expect("the broker takes them");
        count as usize
    }
}

/// Microseconds since the epoch.
fn now_us() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// A reader from the outputs' present ends on.
fn reader(cluster: &Cluster, outputs: &[&str]) -> BaseConsumer {
    let reader = cluster.reader();
    let mut list = TopicPartitionList::new();
    for topic in outputs {
        for (partition, end) in (0..).zip(cluster.ends(topic)) {
            list.add_partition_offset(topic, partition, Offset::Offset(end)).expect("an offset");
        }
    }
    reader.assign(&list).expect("can be assigned");
    reader
}

fn arrivals(reader: &BaseConsumer, began: u64, written: &AtomicUsize) -> Vec<f64> {
    let mut took = Vec::new();
    while took.len() < written.load(Ordering::SeqCst) {
        let message = match reader.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => message,
            Some(Err(KafkaError::PartitionEOF(_))) | None => continue,
            Some(Err(error)) => panic!("reading the outputs: {error}"),
        };
        let Some(headers) = message.headers() else { continue };
        let Some(at) = headers.iter().find(|header| header.key == WRITTEN) else { continue };
        let at = at.value.and_then(|value| value.try_into().ok()).map(u64::from_be_bytes).expect("eight bytes");
        // what came of records of an earlier run is none of this one's
        if at >= began {
            took.push(now_us().saturating_sub(at) as f64 / 1e6);
        }
    }
    took
}
