//! A reader of one topic, from its beginning or from where one looks, over librdkafka: no group is joined, nothing is committed.
//!
//! Always holds: what stands before the last stable offset counts as given once librdkafka said that it reached that end; the
//! offsets of records alone would not tell, since a transaction's marker or an aborted record may be the last. Deliberately
//! not here: what the records mean.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::consumer::member;
use super::fault;
use super::inspector::{Inspector, QUESTION_TIMEOUT, watermarks};
use super::raw::{Event, Polled};
use super::settings::Settings;
use crate::record::Partition;
use crate::stream::log::{self, Fault, Fetched};

/// The most records that one call gives.
const RECORDS_MAX: usize = 10_000;

/// Where a reader begins.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// With the first record there is.
    Beginning,
    /// Behind the last one, as a `read_committed` reader sees it.
    End,
    /// With the first record that is not older.
    At(SystemTime),
    /// So many offsets before the last one of each partition.
    Last(i64),
}

fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A reader of all partitions of a topic.
pub struct Reader {
    client: Polled,
    inspector: Arc<Inspector>,
    partitions: Vec<Reading>,
}

/// One partition that is read.
struct Reading {
    partition: Partition,
    /// The offset before which everything was given.
    next: i64,
    /// The first offset as it was first seen.
    low: Option<i64>,
}

impl Reader {
    /// Reads the partition of `topic`, or all that it has now.
    pub(super) fn open(
        settings: &Settings,
        topic: &str,
        partition: Option<i32>,
        start: Start,
        inspector: Arc<Inspector>,
    ) -> Result<Self, Fault> {
        let Some(count) = inspector.partitions(topic)? else {
            return Err(Fault::Retry(format!("the topic {topic} does not exist")));
        };
        let client = member(&settings.reader())?;
        let failed = |error| Fault::Fatal(format!("reading {topic}: {}", fault::said(&error)));
        let (mut list, mut partitions) = (TopicPartitionList::new(), Vec::new());
        let first = match start {
            Start::Beginning => Offset::Beginning,
            Start::End => Offset::End,
            Start::At(time) => Offset::Offset(milliseconds(time)),
            Start::Last(count) => Offset::OffsetTail(count),
        };
        for number in partition.map_or(0..count, |number| number..number + 1) {
            list.add_partition_offset(topic, number, first).map_err(failed)?;
            partitions.push(Reading { partition: Partition::new(topic, number), next: 0, low: None });
        }
        if let Start::At(_) = start {
            let found = client.client().offsets_for_times(list, QUESTION_TIMEOUT);
            list = found.map_err(|error| {
                let what = format!("asking {topic} for a time");
                fault::question(&what, inspector.brokers(), &error, client.client().context().last())
            })?;
        }
        client.client().assign(&list).map_err(failed)?;
        Ok(Self { client, inspector, partitions })
    }

    /// Where each partition ends now, in the order of their numbers.
    ///
    /// # Errors
    /// [`Fault::Retry`] where no broker answers.
    pub fn ends(&mut self) -> Result<Vec<i64>, Fault> {
        let ends = self.partitions.iter().map(|reading| {
            watermarks(self.client.client(), &reading.partition, self.inspector.brokers()).map(|(_, stable)| stable)
        });
        ends.collect()
    }

    /// Whether everything before `ends` was given by `poll`.
    pub fn has_passed(&self, ends: &[i64]) -> bool {
        self.partitions.iter().zip(ends).all(|(reading, end)| reading.next >= *end)
    }

    fn passed(&mut self, partition: &Partition, offset: i64) {
        if let Some(reading) = self.partitions.iter_mut().find(|reading| reading.partition.number == partition.number) {
            reading.next = offset.max(reading.next);
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
                // librdkafka looks for the group's coordinator, of which a reader wants nothing: who may only read a topic may do this
                Event::Failed { code: RDKafkaErrorCode::GroupAuthorizationFailed, .. } => {}
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
        let mut ends = Vec::with_capacity(self.partitions.len());
        for Reading { partition, next, low: known_low } in &mut self.partitions {
            let (low, stable) = watermarks(self.client.client(), partition, self.inspector.brokers())?;
            // compaction leaves the first offset where it is
            if low > *known_low.get_or_insert(low) {
                return Err(Fault::OutOfRange(
                    format!("{partition}: records below {low} were deleted"),
                    partition.clone(),
                ));
            }
            if stable < *next {
                let text = format!("{partition} ends at {stable}, and {next} was read already");
                return Err(Fault::OutOfRange(text, partition.clone()));
            }
            if *next < stable {
                return Ok(None);
            }
            ends.push(stable);
        }
        Ok(Some(ends))
    }
}
