//! What goes into one transaction, from its first record to the commit.
//!
//! Live records first, then the walks' share, then what the tasks have reached; drained, with the offsets, and committed. Always holds:
//! a task whose profiles are walked commits its offset too; a transaction ends long before the broker would end it. Deliberately not
//! here: what becomes of a fault (`commit`).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::log::{Committed, Fault, Log, Outgoing, Producer};
use super::pipeline::Treatment;
use super::settle::{Hand, now_ms};
use super::status::{Profiles, Status};
use super::store::{Overlay, Store};
use super::task::Told;
use super::topics::wire_bytes;
use super::transaction::{BatchTally, PATIENCE, retry};
use super::worker::{Membership, Worker};
use crate::record::{Partition, Record};

/// How often a walk's progress is told in the status topic, and how often that there are more or fewer profiles.
const STATUS_EVERY: Duration = Duration::from_millis(500);
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// Processing may take this part of what the broker lets a transaction take: one that took longer would be fenced, repeated, and
/// fenced again.
const TIMEOUT_SHARE: u32 = 4;

/// Where live records wait in the same transaction, the walks take this part of the time that it would else gather records for.
const WALK_SHARE: u32 = 2;

/// What a transaction was about to commit.
pub(super) struct Staged {
    /// How many records of the batch it took.
    pub(super) taken: usize,
    /// Where each task that it wrote for goes on.
    pub(super) ends: BTreeMap<Partition, End>,
    /// What is committed with each offset.
    pub(super) metadata: String,
    /// The policy it was made under.
    pub(super) policy: u64,
    /// What it did.
    pub(super) tally: BatchTally,
    /// How long sending the offsets and committing took.
    pub(super) commit: Duration,
    /// What becomes of the profiles of each task it touched.
    pub(super) overlays: BTreeMap<Partition, Overlay>,
    /// How many profiles of each walk are dealt with when it is committed.
    pub(super) walked: BTreeMap<Partition, usize>,
    /// The tasks whose status it tells.
    pub(super) told: Vec<(Partition, Told)>,
}

/// What a transaction is over.
pub(super) enum Work {
    /// The positions of tasks that have something to commit, though nothing was read.
    Starts(Vec<(Partition, i64)>),
    /// The batch and the walks' share.
    All,
    /// The batch alone.
    Live,
    /// The first record of the batch, whose outputs the broker refuses.
    Culprit(Treatment),
}

impl Work {
    /// Where the tasks go on of which nothing was read.
    pub(super) fn starts(&self) -> BTreeMap<Partition, End> {
        let Work::Starts(starts) = self else { return BTreeMap::new() };
        starts.iter().map(|(partition, offset)| (partition.clone(), End { offset: *offset, timestamp: None })).collect()
    }

    /// How many records of the batch are taken at most, and how.
    fn records(&self) -> (usize, Treatment) {
        match self {
            Work::Starts(_) => (0, Treatment::Protect),
            Work::All | Work::Live => (usize::MAX, Treatment::Protect),
            Work::Culprit(treatment) => (1, *treatment),
        }
    }
}

/// Where a task goes on after a transaction.
#[derive(Clone, Copy)]
pub(super) struct End {
    /// The next offset.
    pub(super) offset: i64,
    /// The timestamp of the last record.
    pub(super) timestamp: Option<i64>,
}

impl Staged {
    pub(super) fn committed(&self, end: End) -> Committed {
        Committed { offset: end.offset, metadata: self.metadata.clone() }
    }
}

/// The producer in the slot; it is empty only after a failed renewal, which ends the worker.
pub(super) fn producer<P>(slot: &mut Option<P>) -> Result<&mut P, Fault> {
    slot.as_mut().ok_or_else(|| Fault::Fatal("the producer is gone".to_owned()))
}

/// Produces `outputs`, counts their bytes, and gives the records to `sent`, for their buffers.
fn send<P: Producer>(
    producer: &mut P,
    outputs: &mut Vec<Outgoing>,
    tally: &mut BatchTally,
    mut sent: impl FnMut(Record),
) -> Result<(), Fault> {
    for output in outputs.drain(..) {
        tally.output_bytes += wire_bytes(&output.record);
        producer.produce(&output)?;
        sent(output.record);
    }
    Ok(())
}

impl<L: Log> Worker<L> {
    /// From the first record to the commit.
    pub(super) fn stage(&mut self, member: &Membership<L>, work: &Work, staged: &mut Staged) -> Result<(), Fault> {
        let Some(pipeline) = &mut self.pipeline else { return Err(Fault::Abort("no snapshot is pinned".to_owned())) };
        pipeline.measure_by(self.context.facts.load_full());
        let (began, longest) = (Instant::now(), self.context.log.transaction_timeout() / TIMEOUT_SHARE);
        let (most, treatment) = work.records();
        let mut outputs: Vec<Outgoing> = Vec::new();
        for fetched in self.batch.iter().take(most) {
            // what is left of the batch comes with the next transaction
            let full = staged.tally.output_bytes >= self.context.plan.limits.output_bytes;
            if full || (staged.taken > 0 && began.elapsed() >= longest) {
                break;
            }
            let Some(task) = self.tasks.get(&fetched.partition) else {
                return Err(Fault::Abort(format!("{} went, its records must leave the batch", fetched.partition)));
            };
            let mut hand = task.store.as_ref().map(|store| {
                let overlay = staged.overlays.entry(fetched.partition.clone()).or_default();
                Hand { store, overlay }
            });
            pipeline.process(task.source, fetched, treatment, hand.as_mut(), &mut outputs, &mut staged.tally)?;
            staged.taken += 1;
            let end = End { offset: fetched.offset + 1, timestamp: fetched.record.timestamp };
            match staged.ends.get_mut(&fetched.partition) {
                Some(held) => *held = end,
                None => drop(staged.ends.insert(fetched.partition.clone(), end)),
            }
            let reuse = |record| pipeline.protector.reuse(record);
            send(producer(&mut self.producer)?, &mut outputs, &mut staged.tally, reuse)?;
        }
        if matches!(work, Work::All) && self.is_walking() {
            self.stage_walks(staged, began + longest)?;
        }
        self.stage_statuses(staged)?;
        self.end(member, staged)
    }

    /// Stages what a task has reached with this transaction, where that is worth telling: another policy, a walk that goes on or
    /// ended, now and then another count of profiles.
    fn stage_statuses(&mut self, staged: &mut Staged) -> Result<(), Fault> {
        let mut outputs = Vec::new();
        for partition in staged.ends.keys() {
            let Some(task) = self.tasks.get(partition) else { continue };
            let overlay = staged.overlays.get(partition);
            let ended = overlay.and_then(|overlay| overlay.through);
            let (policy, settled) = (staged.policy, ended.unwrap_or(task.settled()));
            let news = task.reached.is_none_or(|last| last.policy < policy || last.settled < settled);
            let goes_on = task.walk.is_some() && task.reached.is_none_or(|last| last.at.elapsed() >= STATUS_EVERY);
            // as of the transaction before, for to count this one's takes time
            let before = task.store.as_ref().map_or(0, Store::profiles);
            let grew = task.reached.is_some_and(|last| last.count != before && last.at.elapsed() >= COUNT_EVERY);
            if !(news || goes_on || grew) {
                continue;
            }
            let count =
                task.store.as_ref().zip(overlay).map_or(before, |(store, overlay)| store.profiles_with(overlay));
            let done = staged.walked.get(partition).copied();
            let profiles = task.store.as_ref().map(|_| Profiles {
                count,
                settled,
                walk: task
                    .walk
                    .as_ref()
                    .filter(|_| ended.is_none())
                    .map(|walk| walk.progress(done.unwrap_or(walk.done))),
            });
            let status = Status { instance: self.context.plan.instance.clone(), at: now_ms(), policy, profiles };
            let topic = self.context.status.clone();
            outputs.push(Outgoing { topic, partition: Some(0), record: status.record(partition) });
            staged.told.push((partition.clone(), Told { at: Instant::now(), policy, settled, count }));
        }
        send(producer(&mut self.producer)?, &mut outputs, &mut staged.tally, drop)
    }

    /// Stages what the walks bring: a share of the transaction for each task that has one, and a task's unchanged position where it
    /// read nothing. Their time is divided among them; not much beyond `until`.
    fn stage_walks(&mut self, staged: &mut Staged, until: Instant) -> Result<(), Fault> {
        let Some(pipeline) = &mut self.pipeline else { return Ok(()) };
        let most_bytes = self.context.plan.limits.output_bytes;
        let treatment = if self.pace.reject { Treatment::Reject } else { Treatment::Protect };
        let walking = self.tasks.iter().filter(|(_, task)| task.is_open() && task.walk.is_some());
        let count = walking.clone().count();
        let alone = self.pace.alone(count);
        let each = self.context.plan.limits.time / WALK_SHARE / u32::try_from(count).unwrap_or(u32::MAX).max(1);
        let waited_for = staged.taken > 0;
        for (index, (partition, task)) in walking.enumerate() {
            let (Some(walk), Some(store)) = (&task.walk, &task.store) else { continue };
            if alone.is_some_and(|alone| alone != index) {
                continue;
            }
            let overlay = staged.overlays.entry(partition.clone()).or_default();
            let mut outputs = Vec::new();
            let mut done = walk.done;
            let (least, share) = (walk.done + self.pace.least(), walk.done + self.pace.share());
            let end = Instant::now() + each;
            while let Some(key) = walk.next(done) {
                let (full, now) = (done >= share || staged.tally.output_bytes >= most_bytes, Instant::now());
                if full || (waited_for && done >= least && now >= end) || (done > walk.done && now >= until) {
                    break;
                }
                let hand = &mut Hand { store, overlay };
                let tally = &mut staged.tally;
                outputs.extend(pipeline.walk_one(task.source, partition, key, hand, treatment, tally)?);
                let reuse = |record| pipeline.protector.reuse(record);
                send(producer(&mut self.producer)?, &mut outputs, &mut staged.tally, reuse)?;
                done += 1;
            }
            if walk.next(done).is_none() {
                overlay.through = Some(walk.target);
                // after a restart those who were passed by are to be looked at again
                if !store.has_passed(overlay) {
                    outputs.push(pipeline.settled_through(task.source, partition, walk.target)?);
                }
                send(producer(&mut self.producer)?, &mut outputs, &mut staged.tally, drop)?;
            }
            staged.walked.insert(partition.clone(), done);
            staged.ends.entry(partition.clone()).or_insert(End { offset: task.position, timestamp: None });
        }
        Ok(())
    }

    /// From the last record to the commit.
    fn end(&mut self, member: &Membership<L>, staged: &mut Staged) -> Result<(), Fault> {
        let producer = producer(&mut self.producer)?;
        retry(PATIENCE, || producer.drain())?;
        let began = Instant::now();
        let offsets: Vec<(Partition, i64, String)> = staged
            .ends
            .iter()
            .map(|(partition, end)| (partition.clone(), end.offset, staged.metadata.clone()))
            .collect();
        if offsets.is_empty() {
            // an empty list would commit unfenced
            return Err(Fault::Abort("nothing to commit".to_owned()));
        }
        retry(PATIENCE, || producer.send_offsets(&offsets, member))?;
        let done = retry(PATIENCE, || producer.commit());
        staged.commit = began.elapsed();
        match done {
            // a commit that was only ever told to be tried again may have happened
            Err(Fault::Retry(detail)) => Err(Fault::Unknown(detail)),
            done => done,
        }
    }
}
