//! One transaction of a worker, from begin to its settled outcome.
//!
//! ```text
//!   begin ─► process and produce each ─► drain ─► send offsets ─► commit ──► committed: tasks advance, counts are told
//!     │            any fault ─► abort ──────────────► rewind to the positions at begin      ▲
//!     │            broker refuses a record ─► abort ─► one input at a time ─► culprit to the dead letters
//!     └── unknown outcome ─► new producer, init ─► committed metadata: ours ────────────────┘
//!                                                    the previous ─► rewind · neither ─► lost: join anew
//! ```
//!
//! Always holds: every transaction commits an offset for every task it wrote anything for, and never none; a task that never
//! committed commits its start before anything is written for it; a fenced producer ends the process and is never made anew.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::error::Error;
use super::happening::Happening;
use super::log::{Committed, Consumer, Fault, Log, Outgoing, Producer};
use super::pipeline::Treatment;
use super::settle::Hand;
use super::store::Overlay;
use super::topics::wire_bytes;
use super::transaction::{BatchTally, Metadata, PATIENCE, retry};
use super::worker::Worker;
use crate::record::Partition;

/// The longest wait between an abort and the next try.
const ABORT_WAIT_MAX: Duration = Duration::from_secs(1);

/// Processing may take this part of what the broker lets a transaction take: one that took longer would be fenced, repeated, and
/// fenced again.
const TIMEOUT_SHARE: u32 = 4;

/// What a transaction was about to commit.
struct Staged {
    /// How many records of the batch it took.
    taken: usize,
    /// Where each task that it wrote for goes on.
    ends: BTreeMap<Partition, End>,
    /// What is committed with each offset.
    metadata: String,
    /// The policy it was made under.
    policy: u64,
    /// What it did.
    tally: BatchTally,
    /// How long sending the offsets and committing took.
    commit: Duration,
    /// What becomes of the profiles of each task it touched.
    overlays: BTreeMap<Partition, Overlay>,
    /// How many profiles of each walk are dealt with when it is committed.
    walked: BTreeMap<Partition, usize>,
}

/// Where a task goes on after a transaction.
#[derive(Clone, Copy)]
struct End {
    /// The next offset.
    offset: i64,
    /// The timestamp of the last record.
    timestamp: Option<i64>,
}

/// How a transaction ended.
enum Outcome {
    Committed(Staged),
    /// Nothing of it happened.
    Aborted,
    /// Nothing of it happened, and the broker will not take one of its records.
    Refused,
    /// Nothing of it happened, for this worker is no longer a member.
    Lost,
    /// Somebody else committed for one of its tasks.
    Superseded,
}

/// The producer in the slot; it is empty only after a failed renewal, which ends the worker.
fn producer<P>(slot: &mut Option<P>) -> Result<&mut P, Fault> {
    slot.as_mut().ok_or_else(|| Fault::Fatal("the producer is gone".to_owned()))
}

/// Produces `outputs` and counts their bytes.
fn send<P: Producer>(producer: &mut P, outputs: &mut Vec<Outgoing>, tally: &mut BatchTally) -> Result<(), Fault> {
    for output in outputs.drain(..) {
        tally.output_bytes += wire_bytes(&output.record);
        producer.produce(output)?;
    }
    Ok(())
}

impl Staged {
    fn committed(&self, end: End) -> Committed {
        Committed { offset: end.offset, metadata: self.metadata.clone() }
    }
}

type Membership<L> = <L as Log>::Membership;

impl<L: Log> Worker<L> {
    /// Commits the start offset of each open task that never committed; `false` where that has to be tried again.
    pub(super) fn commit_starts(&mut self, member: &Membership<L>) -> Result<bool, Error> {
        let starts: Vec<(Partition, i64)> = self
            .tasks
            .iter()
            .filter(|(_, task)| task.is_open() && task.committed.is_none())
            .map(|(partition, task)| (partition.clone(), task.position))
            .collect();
        let outcome = self.transact(member, 0, Treatment::Protect, &starts)?;
        let committed = matches!(outcome, Outcome::Committed(_));
        self.settle(outcome)?;
        Ok(committed)
    }

    /// Commits what stands in the batch, or as much of it as one transaction holds; gives how many records.
    pub(super) fn commit_batch(&mut self, member: &Membership<L>) -> Result<u64, Error> {
        if self.batch.is_empty() && !self.is_walking() {
            return Ok(0);
        }
        let outcome = self.transact(member, usize::MAX, Treatment::Protect, &[])?;
        if !matches!(outcome, Outcome::Refused) {
            return self.settle(outcome);
        }
        if self.batch.is_empty() {
            self.pace.refused();
            return self.settle(Outcome::Aborted);
        }
        if self.batch.len() > 1 || self.is_walking() {
            for fetched in &self.batch {
                self.careful.insert(fetched.partition.clone(), fetched.offset + 1);
            }
            self.rewind()?;
            return Ok(0);
        }
        for treatment in [Treatment::Reject, Treatment::RejectShort] {
            let outcome = self.transact(member, 1, treatment, &[])?;
            if !matches!(outcome, Outcome::Refused) {
                return self.settle(outcome);
            }
        }
        Err(Error::Broker("the broker refuses even a short dead letter; see the log for its reason".to_owned()))
    }

    /// Runs one transaction over the first `most` records of the batch, and over `starts` beside.
    fn transact(
        &mut self,
        member: &Membership<L>,
        most: usize,
        treatment: Treatment,
        starts: &[(Partition, i64)],
    ) -> Result<Outcome, Error> {
        let Some(pipeline) = &self.pipeline else { return Ok(Outcome::Aborted) };
        let snapshot = pipeline.snapshot().clone();
        let (policy, control) = (snapshot.version(), snapshot.control.clone());
        let starts =
            starts.iter().map(|(partition, offset)| (partition.clone(), End { offset: *offset, timestamp: None }));
        let mut staged = Staged {
            taken: 0,
            ends: starts.collect(),
            metadata: Metadata { policy, control, txn: self.names.next() }.to_string(),
            policy,
            tally: BatchTally::default(),
            commit: Duration::ZERO,
            overlays: BTreeMap::new(),
            walked: BTreeMap::new(),
        };
        retry(PATIENCE, || producer(&mut self.producer)?.begin())?;
        let done = self.stage(member, most, treatment, &mut staged);
        match done {
            Ok(()) => Ok(Outcome::Committed(staged)),
            Err(Fault::Unknown(detail)) => self.resolve(staged, &detail),
            Err(fault) => self.abort(fault, staged),
        }
    }

    /// From the first record to the commit.
    fn stage(
        &mut self,
        member: &Membership<L>,
        most: usize,
        treatment: Treatment,
        staged: &mut Staged,
    ) -> Result<(), Fault> {
        let Some(pipeline) = &mut self.pipeline else { return Err(Fault::Abort("no snapshot is pinned".to_owned())) };
        pipeline.measure_by(self.context.facts.load_full());
        let (began, longest) = (Instant::now(), self.context.log.transaction_timeout() / TIMEOUT_SHARE);
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
            send(producer(&mut self.producer)?, &mut outputs, &mut staged.tally)?;
        }
        if most > 0 && self.is_walking() {
            self.stage_walks(staged, began + longest)?;
        }
        self.end(member, staged)
    }

    /// Stages what the walks bring: a share of the transaction for each task that has one, and a task's unchanged position where it
    /// read nothing; not much beyond `until`.
    fn stage_walks(&mut self, staged: &mut Staged, until: Instant) -> Result<(), Fault> {
        let Some(pipeline) = &mut self.pipeline else { return Ok(()) };
        let most_bytes = self.context.plan.limits.output_bytes;
        let treatment = if self.pace.reject { Treatment::Reject } else { Treatment::Protect };
        let walking = self.tasks.iter().filter(|(_, task)| task.is_open() && task.walk.is_some());
        let alone = self.pace.alone(walking.clone().count());
        for (index, (partition, task)) in walking.enumerate() {
            let (Some(walk), Some(store)) = (&task.walk, &task.store) else { continue };
            if alone.is_some_and(|alone| alone != index) {
                continue;
            }
            let overlay = staged.overlays.entry(partition.clone()).or_default();
            let mut outputs = Vec::new();
            let mut done = walk.done;
            let share = walk.done + self.pace.share();
            while let Some(key) = walk.next(done) {
                let full = done >= share || staged.tally.output_bytes >= most_bytes;
                if full || (done > walk.done && Instant::now() >= until) {
                    break;
                }
                let hand = &mut Hand { store, overlay };
                let tally = &mut staged.tally;
                outputs.extend(pipeline.walk_one(task.source, partition, key, hand, treatment, tally)?);
                send(producer(&mut self.producer)?, &mut outputs, &mut staged.tally)?;
                done += 1;
            }
            if walk.next(done).is_none() {
                overlay.through = Some(walk.target);
                outputs.push(pipeline.settled_through(task.source, partition, walk.target)?);
                send(producer(&mut self.producer)?, &mut outputs, &mut staged.tally)?;
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

    /// Aborts after `fault`.
    fn abort(&mut self, fault: Fault, staged: Staged) -> Result<Outcome, Error> {
        let (reason, outcome) = match &fault {
            Fault::Fenced(_) | Fault::Fatal(_) => return Err(fault.into()),
            Fault::Refused(_) => ("refused", Outcome::Refused),
            Fault::Lost(_) => ("lost", Outcome::Lost),
            Fault::Retry(_) | Fault::Abort(_) | Fault::Unknown(_) | Fault::OutOfRange(..) => {
                ("fault", Outcome::Aborted)
            }
        };
        self.context.tell(&Happening::Aborted { worker: self.number, reason, detail: &fault.to_string() });
        match retry(PATIENCE, || producer(&mut self.producer)?.abort()) {
            Ok(()) => Ok(outcome),
            Err(fault @ (Fault::Fenced(_) | Fault::Fatal(_))) => Err(fault.into()),
            Err(fault) => match self.resolve(staged, &fault.to_string())? {
                Outcome::Aborted => Ok(outcome),
                other => Ok(other),
            },
        }
    }

    /// Finds out whether a transaction happened: the next producer of the same id waits for it to end, then the group's
    /// offsets tell.
    fn resolve(&mut self, staged: Staged, detail: &str) -> Result<Outcome, Error> {
        self.context.tell(&Happening::Aborted { worker: self.number, reason: "unknown", detail });
        self.renew_producer()?;
        let partitions: Vec<Partition> = staged.ends.keys().cloned().collect();
        let consumer = &mut self.consumer;
        let found = match retry(PATIENCE, || consumer.committed(&partitions)) {
            Ok(found) => found,
            Err(Fault::Lost(_)) => Vec::new(),
            Err(fault) => return Err(fault.into()),
        };
        let ours = found.len() == partitions.len()
            && staged.ends.values().zip(&found).all(|(end, found)| *found == Some(staged.committed(*end)));
        let previous = found.len() == partitions.len()
            && partitions
                .iter()
                .zip(&found)
                .all(|(partition, found)| self.tasks.get(partition).is_some_and(|task| task.committed == *found));
        let (outcome, word) = match (ours, previous) {
            (true, _) => (Outcome::Committed(staged), "committed"),
            (false, true) => (Outcome::Aborted, "aborted"),
            (false, false) => (Outcome::Superseded, "lost"),
        };
        self.context.tell(&Happening::Resolved { worker: self.number, outcome: word });
        Ok(outcome)
    }

    /// Performs what an outcome asks for; gives how many records are committed now.
    fn settle(&mut self, outcome: Outcome) -> Result<u64, Error> {
        match outcome {
            Outcome::Committed(staged) => Ok(self.advance(staged)),
            Outcome::Lost => self.rewind().map(|()| 0),
            Outcome::Superseded => self.rejoin().map(|()| 0),
            Outcome::Aborted | Outcome::Refused => {
                self.rewind()?;
                // the first abort is repeated at once, then waits grow
                let wait = Duration::from_millis(5) * (1 << self.aborts.min(8));
                if self.aborts > 0 {
                    std::thread::sleep(wait.min(ABORT_WAIT_MAX));
                }
                self.aborts += 1;
                Ok(0)
            }
        }
    }

    fn advance(&mut self, mut staged: Staged) -> u64 {
        self.aborts = 0;
        self.batch.drain(..staged.taken);
        for (partition, end) in &staged.ends {
            if self.careful.get(partition).is_some_and(|careful| end.offset >= *careful) {
                self.careful.remove(partition);
            }
            if let Some(task) = self.tasks.get_mut(partition) {
                task.timestamp = end.timestamp.or(task.timestamp);
                task.advance(staged.committed(*end), staged.policy);
            }
        }
        self.pace.learn(staged.commit, self.context.plan.limits.time);
        self.take_over(std::mem::take(&mut staged.overlays), &staged.walked);
        let (worker, tally, commit) = (self.number, &staged.tally, staged.commit);
        self.context.tell(&Happening::Committed { worker, tally, commit });
        staged.taken as u64
    }

    /// Makes what was committed the tasks' state. A task whose state takes more than it may stops, rather than die with all others.
    fn take_over(&mut self, overlays: BTreeMap<Partition, Overlay>, walked: &BTreeMap<Partition, usize>) {
        let most = self.context.plan.state_bytes;
        for (partition, overlay) in overlays {
            let Some(task) = self.tasks.get_mut(&partition) else { continue };
            if let (Some(walk), Some(done)) = (&mut task.walk, walked.get(&partition)) {
                walk.done = *done;
                let (target, remaining) = (walk.target, walk.remaining());
                self.context.tell(&Happening::Walked { partition: &partition, target, remaining });
            }
            task.walk.take_if(|_| overlay.through.is_some());
            let Some(store) = &mut task.store else { continue };
            store.merge(overlay);
            let bytes = store.bytes();
            if bytes > most {
                let detail =
                    format!("its profiles take {bytes} bytes of memory, task-bytes under [state] allows {most}");
                self.stop_task(&partition, "state_over_budget", &detail);
            }
        }
    }
}
