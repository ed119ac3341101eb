//! A reader of one topic from its beginning, over librdkafka: no group is joined, nothing is committed.
//!
//! Always holds: what stands before the last stable offset counts as given once librdkafka said that it reached that end; the
//! offsets of records alone would not tell, since a transaction's marker or an aborted record may be the last. Deliberately
//! not here: what the records mean.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::consumer::member;
use super::fault;
use super::inspector::{Inspector, watermarks};
use super::raw::{Event, Polled};
use super::settings::Settings;
use crate::record::Partition;
use crate::stream::log::{self, Fault, Fetched};

/// The most records that one call gives.
const RECORDS_MAX: usize = 10_000;

/// A reader of all partitions of a topic.
pub struct Reader {
    client: Polled,
    inspector: Arc<Inspector>,
    topic: Arc<str>,
    /// Per partition, the offset before which everything was given.
    next: Vec<i64>,
    /// Per partition, the first offset as it was first seen.
    low: Vec<Option<i64>>,
}

impl Reader {
    /// Reads all partitions that `topic` has now, from the beginning.
    pub(super) fn open(settings: &Settings, topic: &str, inspector: Arc<Inspector>) -> Result<Self, Fault> {
        let Some(partitions) = inspector.partitions(topic)? else {
            return Err(Fault::Retry(format!("the topic {topic} does not exist")));
        };
        let client = member(&settings.reader())?;
        let mut list = TopicPartitionList::new();
        for number in 0..partitions {
            list.add_partition_offset(topic, number, Offset::Beginning)
                .map_err(|error| Fault::Fatal(format!("reading {topic}: {error}")))?;
        }
        client.client().assign(&list).map_err(|error| Fault::Fatal(format!("reading {topic}: {error}")))?;
        Ok(Self { client, inspector, topic: topic.into(), next: vec![0; list.count()], low: vec![None; list.count()] })
    }

    fn passed(&mut self, partition: &Partition, offset: i64) {
        let next = usize::try_from(partition.number).ok().and_then(|number| self.next.get_mut(number));
        if let Some(next) = next {
            *next = offset.max(*next);
        }
    }
}

impl log::Reader for Reader {
    fn poll(&mut self, wait: Duration, batch: &mut Vec<Fetched>) -> Result<(), Fault> {
        let (until, before) = (Instant::now() + wait, batch.len());
        while batch.len() - before < RECORDS_MAX {
            let first = batch.len() == before;
            let wait = if first { until.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
            match self.client.poll(wait) {
                Event::Nothing => break,
                Event::Served | Event::Rebalance { .. } => {}
                Event::Record(fetched) => {
                    self.passed(&fetched.partition, fetched.offset + 1);
                    batch.push(fetched);
                }
                Event::End(partition, offset) => self.passed(&partition, offset),
                Event::Failed { code, fatal, text, partition } => {
                    if let Some(fault) = fault::consumption(code, fatal, &text, partition) {
                        return Err(fault);
                    }
                }
            }
        }
        Ok(())
    }

    fn caught_up(&mut self) -> Result<Option<Vec<i64>>, Fault> {
        let mut ends = Vec::with_capacity(self.next.len());
        for ((number, next), known_low) in (0..).zip(&self.next).zip(&mut self.low) {
            let partition = Partition { topic: self.topic.clone(), number };
            let (low, stable) = watermarks(self.client.client(), &partition, self.inspector.brokers())?;
            // compaction leaves the first offset where it is
            if low > *known_low.get_or_insert(low) {
                return Err(Fault::OutOfRange(format!("{partition}: records below {low} were deleted"), partition));
            }
            if stable < *next {
                let text = format!("{partition} ends at {stable}, and {next} was read already");
                return Err(Fault::OutOfRange(text, partition));
            }
            if *next < stable {
                return Ok(None);
            }
            ends.push(stable);
        }
        Ok(Some(ends))
    }
}
