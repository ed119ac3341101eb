//! A member of the group over librdkafka.
//!
//! librdkafka hands a rebalance over as an event and waits for an answer, with everything paused that is already assigned. So
//! an assignment is acknowledged at once, with nothing, and the partitions are added when the caller knows their offsets: kept
//! partitions go on, the group goes on, and no partition is ever read without an explicit start (`auto.offset.reset` never
//! decides). A revocation stays unanswered until the caller lets go, since the next owner begins then.
//!
//! Always holds: only records of partitions that the caller assigned are given. Deliberately not here: what to do about a
//! rebalance or a fault.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::context::Context;
use super::fault;
use super::inspector::Inspector;
use super::raw::{Event, Polled, seat};
use super::settings::Settings;
use crate::record::{Partition, Record};
use crate::stream::log::{self, Bounds, Committed, Fault, Fetched, Rebalance};

/// How long committed offsets are waited for; a pending transaction may hold them longer, so the caller asks again.
const COMMITTED_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a seek may take: it is answered by this process itself.
const SEEK_TIMEOUT: Duration = Duration::from_secs(10);

/// Proof of membership: the group's metadata, read after the last poll.
pub struct Membership(pub(super) Arc<ConsumerGroupMetadata>);

/// A member of the group. Dropping it leaves the group (a static member stays until its session ends).
pub struct Consumer {
    client: Polled,
    inspector: Arc<Inspector>,
    /// Given to us by the group, whether read already or not.
    granted: Vec<Partition>,
    /// Assigned by the caller, hence read.
    assigned: Vec<Partition>,
    /// Where those ended that were read to their end.
    ends: HashMap<Partition, i64>,
    /// A revocation that the caller has not answered yet.
    going: Option<Vec<Partition>>,
    /// A fault that came after records of the same call: told by the next call.
    held: Option<Fault>,
}

impl Consumer {
    /// Joins the group, subscribed to `topics`.
    pub(super) fn join(
        settings: &Settings,
        worker: usize,
        topics: &[Arc<str>],
        inspector: Arc<Inspector>,
    ) -> Result<Self, Fault> {
        let client = member(&settings.consumer(worker))?;
        let topics: Vec<&str> = topics.iter().map(|topic| &**topic).collect();
        client
            .client()
            .subscribe(&topics)
            .map_err(|error| Fault::Fatal(format!("subscribing to {}: {}", topics.join(", "), fault::said(&error))))?;
        let (granted, assigned) = (Vec::new(), Vec::new());
        Ok(Self { client, inspector, granted, assigned, ends: HashMap::new(), going: None, held: None })
    }

    /// Takes note of a rebalance; `None` where there is nothing in it for the caller.
    fn rebalance(&mut self, assign: bool, partitions: Vec<Partition>) -> Result<Option<Rebalance>, Fault> {
        if assign {
            self.client
                .client()
                .incremental_assign(&TopicPartitionList::new())
                .map_err(|error| Fault::Fatal(format!("acknowledging an assignment: {error}")))?;
            self.granted.extend(partitions.iter().cloned());
            return Ok((!partitions.is_empty()).then_some(Rebalance::Assign(partitions)));
        }
        self.granted.retain(|granted| !partitions.contains(granted));
        let lost = self.client.client().assignment_lost();
        self.going = Some(partitions.clone());
        if partitions.is_empty() {
            self.unassign_now(&[])?;
            return Ok(None);
        }
        Ok(Some(if lost { Rebalance::Lost(partitions) } else { Rebalance::Revoke(partitions) }))
    }

    /// Stops reading those of `partitions` that are read, which answers a pending revocation.
    fn unassign_now(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        let (stop, keep): (Vec<_>, Vec<_>) =
            self.assigned.drain(..).partition(|assigned| partitions.contains(assigned));
        self.assigned = keep;
        self.going = None;
        self.client
            .client()
            .incremental_unassign(&list(&stop))
            .map_err(|error| Fault::Fatal(format!("giving partitions back: {error}")))
    }
}

impl log::Consumer for Consumer {
    type Membership = Membership;

    fn poll(&mut self, max: usize, wait: Duration, batch: &mut Vec<Fetched>) -> Result<Option<Rebalance>, Fault> {
        if let Some(fault) = self.held.take() {
            return Err(fault);
        }
        let (until, before) = (Instant::now() + wait, batch.len());
        while batch.len() - before < max {
            let first = batch.len() == before;
            let wait = if first { until.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
            match self.client.poll(wait) {
                Event::Nothing => break,
                Event::Served => {}
                Event::End(partition, offset) => {
                    self.ends.insert(partition, offset);
                }
                Event::Record(fetched) if self.assigned.contains(&fetched.partition) => batch.push(fetched),
                Event::Record(_) => {}
                Event::Rebalance { assign, partitions } => {
                    if let Some(rebalance) = self.rebalance(assign, partitions)? {
                        return Ok(Some(rebalance));
                    }
                }
                Event::Failed { code, fatal, text, partition } => {
                    let voice = self.client.client().context();
                    if code == Code::FencedInstanceId && voice.has_timed_out() {
                        return Err(Fault::Lost(format!("the session ended: {text}")));
                    }
                    match fault::consumption(code, fatal, &text, partition) {
                        None => {}
                        Some(fault) if first => return Err(fault),
                        Some(fault) => {
                            self.held = Some(fault);
                            break;
                        }
                    }
                }
            }
        }
        Ok(None)
    }

    fn end(&self, partition: &Partition) -> Option<i64> {
        self.ends.get(partition).copied()
    }

    fn reuse(&mut self, record: Record) {
        self.client.reuse(record);
    }

    fn assign(&mut self, starts: &[(Partition, i64)]) -> Result<(), Fault> {
        if let Some((gone, _)) = starts.iter().find(|(partition, _)| !self.granted.contains(partition)) {
            return Err(Fault::Lost(format!("{gone} is not this member's any more")));
        }
        let list = positions(starts)?;
        // librdkafka keeps a pause beyond the assignment that it was made in, and takes one back from what is not assigned too
        self.resume(&starts.iter().map(|(partition, _)| partition.clone()).collect::<Vec<_>>())?;
        self.client
            .client()
            .incremental_assign(&list)
            .map_err(|error| Fault::Fatal(format!("reading newly assigned partitions: {}", fault::said(&error))))?;
        self.ends.retain(|partition, _| self.assigned.contains(partition));
        self.assigned.extend(starts.iter().map(|(partition, _)| partition.clone()));
        Ok(())
    }

    fn unassign(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.unassign_now(partitions)
    }

    fn committed(&mut self, partitions: &[Partition]) -> Result<Vec<Option<Committed>>, Fault> {
        committed(self.client.client(), self.inspector.brokers(), partitions)
    }

    fn bounds(&mut self, partition: &Partition) -> Result<Bounds, Fault> {
        // a read_committed client is told the last stable offset; the high watermark is asked after it, so it is never below
        let (low, stable) = super::inspector::watermarks(self.client.client(), partition, self.inspector.brokers())?;
        let (_, high) = self.inspector.watermarks(partition)?;
        Ok(Bounds { low, stable, high })
    }

    fn seek(&mut self, places: &[(Partition, i64)]) -> Result<(), Fault> {
        self.ends.retain(|partition, _| places.iter().all(|(sought, _)| sought != partition));
        let answer = self
            .client
            .client()
            .seek_partitions(positions(places)?, SEEK_TIMEOUT)
            .map_err(|error| Fault::Retry(format!("seeking: {}", fault::said(&error))))?;
        for element in answer.elements() {
            element.error().map_err(|error| {
                Fault::Lost(format!("seeking in {}[{}]: {error}", element.topic(), element.partition()))
            })?;
        }
        Ok(())
    }

    fn pause(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.client
            .client()
            .pause(&list(partitions))
            .map_err(|error| Fault::Retry(format!("pausing: {}", fault::said(&error))))
    }

    fn resume(&mut self, partitions: &[Partition]) -> Result<(), Fault> {
        self.client
            .client()
            .resume(&list(partitions))
            .map_err(|error| Fault::Retry(format!("resuming: {}", fault::said(&error))))
    }

    fn membership(&mut self) -> Result<Membership, Fault> {
        let client = self.client.client();
        if client.assignment_lost() {
            return Err(Fault::Lost("the group gave this member's partitions away".into()));
        }
        // rdkafka hides what its metadata holds, so it is read between two looks at the member's place: a generation never
        // comes back, so equal looks mean that it holds the same
        let before = seat(client.client());
        let metadata = client.group_metadata();
        let after = seat(client.client());
        match (before, metadata, after) {
            (Some(before), Some(metadata), Some(after)) if before == after => {
                if before.generation < 0 || before.member.is_empty() {
                    return Err(Fault::Lost("this member has not joined its group".into()));
                }
                Ok(Membership(metadata.into()))
            }
            _ => Err(Fault::Lost("the group is changing".into())),
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // librdkafka closes only when a revocation that it handed over is answered; those that still come while it closes are
        // answered by rdkafka
        if self.going.take().is_some() {
            let _ = self.client.client().incremental_unassign(&list(&self.assigned));
        }
    }
}

/// What the client's group committed for `partitions`, in their order.
pub(super) fn committed(
    client: &BaseConsumer<Context>,
    brokers: &str,
    partitions: &[Partition],
) -> Result<Vec<Option<Committed>>, Fault> {
    let what = "reading committed offsets";
    let answer = client
        .committed_offsets(list(partitions), COMMITTED_TIMEOUT)
        .map_err(|error| fault::question(what, brokers, &error, client.context().last()))?;
    let texts = super::raw::committed_texts(&answer);
    let mut committed = Vec::with_capacity(partitions.len());
    for ((element, metadata), partition) in answer.elements().iter().zip(texts).zip(partitions) {
        let failed = |error| fault::question(&format!("{what} of {partition}"), brokers, &error, None);
        element.error().map_err(failed)?;
        committed.push(match element.offset() {
            Offset::Offset(offset) => Some(Committed { offset, metadata }),
            _ => None,
        });
    }
    Ok(committed)
}

/// A consumer whose queue is polled by [`Polled`].
pub(super) fn member(config: &rdkafka::ClientConfig) -> Result<Polled, Fault> {
    let created: Result<BaseConsumer<Context>, KafkaError> = config.create_with_context(Context::default());
    let client = created.map_err(|error| Fault::Fatal(super::settings::invalid(error).to_string()))?;
    Polled::new(client).ok_or_else(|| Fault::Fatal("a consumer without a group".into()))
}

fn list(partitions: &[Partition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(&partition.topic, partition.number);
    }
    list
}

/// The list of `starts` with their offsets.
pub(super) fn positions(starts: &[(Partition, i64)]) -> Result<TopicPartitionList, Fault> {
    let mut list = TopicPartitionList::with_capacity(starts.len());
    for (partition, offset) in starts {
        list.add_partition_offset(&partition.topic, partition.number, Offset::Offset(*offset))
            .map_err(|_| Fault::Fatal(format!("{partition} has no offset {offset}")))?;
    }
    Ok(list)
}
