//! One transaction of a worker, from begin to its settled outcome.
//!
//! ```text
//!   begin ─► process and produce each ─► drain ─► send offsets ─► commit ──► committed: tasks advance, counts are told
//!     │            any fault ─► abort ──────────────► rewind to the positions at begin      ▲
//!     │            broker refuses a record ─► abort ─► without the walks ─► one input at a time ─► culprit to the dead letters
//!     └── unknown outcome ─► new producer, init ─► committed metadata: ours ────────────────┘
//!                                                    the previous ─► rewind · neither ─► lost: join anew
//! ```
//!
//! Always holds: every transaction commits an offset for every task it wrote anything for, and never none; a task that never
//! committed commits its start before anything is written for it; a fenced producer ends the process and is never made anew.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::Error;
use super::happening::Happening;
use super::log::{Consumer, Fault, Log, Producer};
use super::pipeline::Treatment;
use super::stage::{Staged, Work, producer};
use super::store::Overlay;
use super::transaction::{BatchTally, Metadata, PATIENCE, retry};
use super::worker::{Membership, Worker};
use crate::record::Partition;

/// The longest wait between an abort and the next try.
const ABORT_WAIT_MAX: Duration = Duration::from_secs(1);

/// How a transaction ended.
enum Outcome {
    Committed(Staged),
    /// Nothing of it happened.
    Aborted,
    /// Nothing of it happened, and the broker will not take one of its records.
    Refused,
    /// Nothing of it happened, for a task has to wait for this policy version.
    Early(u64, Partition),
    /// Nothing of it happened, for this worker is no longer a member.
    Lost,
    /// Somebody else committed for one of its tasks.
    Superseded,
}

impl<L: Log> Worker<L> {
    /// Commits the offset of each open task that never committed, or not under the policy in force; `false` where that has to be tried
    /// again.
    pub(super) fn commit_starts(&mut self, member: &Membership<L>) -> Result<bool, Error> {
        let version = self.pipeline.as_ref().map_or(0, |pipeline| pipeline.snapshot().version());
        let starts: Vec<(Partition, i64)> = self
            .tasks
            .iter()
            .filter(|(_, task)| task.must_commit(version))
            .map(|(partition, task)| (partition.clone(), task.position))
            .collect();
        let outcome = self.transact(member, Work::Starts(starts))?;
        let committed = matches!(outcome, Outcome::Committed(_));
        self.settle(outcome)?;
        Ok(committed)
    }

    /// Commits what stands in the batch, or as much of it as one transaction holds; gives how many records.
    pub(super) fn commit_batch(&mut self, member: &Membership<L>) -> Result<u64, Error> {
        if self.batch.is_empty() && !self.is_walking() {
            return Ok(0);
        }
        let mut outcome = self.transact(member, Work::All)?;
        if matches!(outcome, Outcome::Refused) && self.is_walking() {
            if self.batch.is_empty() {
                self.pace.refused();
                return self.settle(Outcome::Aborted);
            }
            // whatever the walks write, live records go on; and they tell whose record was refused
            outcome = self.transact(member, Work::Live)?;
            if matches!(outcome, Outcome::Committed(_)) {
                self.pace.refused();
            }
        }
        if !matches!(outcome, Outcome::Refused) {
            return self.settle(outcome);
        }
        if self.batch.len() > 1 {
            for fetched in &self.batch {
                self.careful.insert(fetched.partition.clone(), fetched.offset + 1);
            }
            self.rewind()?;
            return Ok(0);
        }
        for treatment in [Treatment::Reject, Treatment::RejectShort] {
            let outcome = self.transact(member, Work::Culprit(treatment))?;
            if !matches!(outcome, Outcome::Refused) {
                return self.settle(outcome);
            }
        }
        Err(Error::Broker("the broker refuses even a short dead letter; see the log for its reason".to_owned()))
    }

    /// Runs one transaction over `work`.
    fn transact(&mut self, member: &Membership<L>, work: Work) -> Result<Outcome, Error> {
        let Some(pipeline) = &self.pipeline else { return Ok(Outcome::Aborted) };
        let snapshot = pipeline.snapshot().clone();
        let (policy, control) = (snapshot.version(), snapshot.control.clone());
        let mut staged = Staged {
            taken: 0,
            ends: work.starts(),
            metadata: Metadata { policy, control, txn: self.names.next() }.to_string(),
            policy,
            tally: BatchTally::default(),
            commit: Duration::ZERO,
            overlays: BTreeMap::new(),
            walked: BTreeMap::new(),
            told: Vec::new(),
        };
        retry(PATIENCE, || producer(&mut self.producer)?.begin())?;
        let done = self.stage(member, &work, &mut staged);
        match done {
            Ok(()) => Ok(Outcome::Committed(staged)),
            Err(Fault::Unknown(detail)) => self.resolve(staged, &detail),
            Err(fault) => self.abort(fault, staged),
        }
    }

    /// Aborts after `fault`.
    fn abort(&mut self, fault: Fault, staged: Staged) -> Result<Outcome, Error> {
        let (reason, outcome) = match &fault {
            Fault::Fenced(_) | Fault::Fatal(_) => return Err(fault.into()),
            Fault::Refused(_) => ("refused", Outcome::Refused),
            Fault::Lost(_) => ("lost", Outcome::Lost),
            Fault::Early(version, partition) => ("fault", Outcome::Early(*version, partition.clone())),
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
        let found = match self.context.outlast(|| consumer.committed(&partitions)) {
            Ok(found) => found,
            Err(Fault::Lost(_)) => Vec::new(),
            Err(fault) => return Err(fault.into()),
        };
        // what broke off before any task had an offset in it was never committed
        let ours = !partitions.is_empty()
            && found.len() == partitions.len()
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
            Outcome::Early(version, partition) => {
                self.rewind()?;
                self.careful.remove(&partition);
                if let Some(task) = self.tasks.get_mut(&partition) {
                    task.wait_for(version);
                }
                Ok(0)
            }
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
        self.batch.drain(..staged.taken).for_each(|fetched| self.consumer.reuse(fetched.record));
        for (partition, end) in &staged.ends {
            if self.careful.get(partition).is_some_and(|careful| end.offset >= *careful) {
                self.careful.remove(partition);
            }
            if let Some(task) = self.tasks.get_mut(partition) {
                task.timestamp = end.timestamp.or(task.timestamp);
                task.advance(staged.committed(*end), staged.policy);
            }
        }
        for (partition, told) in &staged.told {
            if let Some(task) = self.tasks.get_mut(partition) {
                task.reached = Some(*told);
            }
        }
        let limits = self.context.plan.limits;
        // a full transaction: more live records wait behind it
        let suffer = staged.commit > limits.time || staged.taken >= limits.records;
        self.pace.committed(suffer, !staged.walked.is_empty());
        self.take_over(std::mem::take(&mut staged.overlays), &staged.walked);
        let (worker, tally, commit) = (self.number, &staged.tally, staged.commit);
        self.context.tell(&Happening::Committed { worker, tally, commit });
        let plan = &self.context.plan;
        let held_back = self.context.alerts.take_in(&plan.settings, &plan.instance, staged.policy, tally);
        if held_back > 0 {
            self.context.tell(&Happening::Alerts { written: 0, held_back });
        }
        staged.taken as u64
    }

    /// Makes what was committed the tasks' state.
    fn take_over(&mut self, overlays: BTreeMap<Partition, Overlay>, walked: &BTreeMap<Partition, usize>) {
        for (partition, overlay) in overlays {
            let Some(task) = self.tasks.get_mut(&partition) else { continue };
            if let (Some(walk), Some(done)) = (&mut task.walk, walked.get(&partition)) {
                walk.done = *done;
                let (target, remaining) = (walk.target, walk.remaining());
                self.context.tell(&Happening::Walked { partition: &partition, target, remaining });
            }
            task.walk.take_if(|_| overlay.through.is_some());
            let Some(store) = &mut task.store else { continue };
            let ended = overlay.through.is_some();
            store.merge(overlay);
            if ended && store.has_passed(&Overlay::default()) {
                tracing::warn!(%partition, "profiles whose keyset is missing were passed by; they are settled once it is there");
            }
        }
    }
}
