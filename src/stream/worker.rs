//! A worker: one thread with a member of the group, a transactional producer and the tasks of its partitions.
//!
//! Its loop, one [`Worker::step`] each: answer what was assigned → see which tasks may work → poll a bounded batch → read the
//! membership → pin the snapshot → one transaction (`commit`). Always holds: no transaction is open across a poll; records
//! of partitions that went leave the batch before the membership is read; no record is processed out of order or twice in one
//! committed history. Nothing is shared with other workers but what is immutable. Deliberately not here: threads (the
//! supervisor's), so that a test steps a worker by hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::context::Context;
use super::error::Error;
use super::happening::Happening;
use super::log::{Consumer, Fault, Fetched, Log, Producer, Rebalance};
use super::pace::Pace;
use super::pipeline::Pipeline;
use super::restore::Restore;
use super::task::Task;
use super::transaction::Names;
use crate::record::Partition;

/// How long a poll waits for a first record, unless the batch time is shorter.
const IDLE_WAIT: Duration = Duration::from_millis(100);

/// Proof that a worker is a member of its group.
pub(super) type Membership<L> = <L as Log>::Membership;

/// One worker. Made and used on one thread.
pub struct Worker<L: Log> {
    pub(super) context: Arc<Context<L>>,
    pub(super) number: usize,
    pub(super) consumer: L::Consumer,
    /// `None` only while it is made anew.
    pub(super) producer: Option<L::Producer>,
    /// The largest batch it makes.
    batch_bytes: usize,
    pub(super) tasks: BTreeMap<Partition, Task>,
    /// Assigned and not answered yet.
    pub(super) assigning: Vec<Partition>,
    /// Read and not committed; all of tasks that are open.
    pub(super) batch: Vec<Fetched>,
    /// Where a batch that the broker refused ended: up to there inputs are taken one at a time.
    pub(super) careful: BTreeMap<Partition, i64>,
    pub(super) pipeline: Option<Pipeline>,
    /// Of tasks whose profiles are not all read yet.
    pub(super) restores: BTreeMap<Partition, Restore<L::Reader>>,
    /// How fast its walks go.
    pub(super) pace: Pace,
    pub(super) names: Names,
    /// When it was first seen to be a member.
    pub(super) joined: Option<Instant>,
    /// Aborts since the last commit.
    pub(super) aborts: u32,
    pub(super) stale: bool,
    pub(super) lag_told: Option<(Instant, Partition)>,
}

impl<L: Log> Worker<L> {
    /// Joins the group and fences whoever had this worker's transactional id before.
    pub fn start(context: Arc<Context<L>>, number: usize) -> Result<Self, Error> {
        let batch_bytes = context.facts.load().batch_bytes();
        let producer = Some(context.producer(number, batch_bytes)?);
        let consumer = context.consumer(number)?;
        let pace = Pace::new(context.throttle.clone());
        Ok(Self {
            context,
            number,
            consumer,
            producer,
            batch_bytes,
            tasks: BTreeMap::new(),
            assigning: Vec::new(),
            batch: Vec::new(),
            careful: BTreeMap::new(),
            pipeline: None,
            restores: BTreeMap::new(),
            pace,
            names: Names::new()?,
            joined: None,
            aborts: 0,
            stale: false,
            lag_told: None,
        })
    }

    /// Steps until the process is told to stop; the batch in hand is finished before.
    pub fn run(mut self) -> Result<(), Error> {
        while !self.context.stop.is_set() {
            self.step()?;
        }
        Ok(())
    }

    /// One round of the loop; gives how many records were committed in it.
    ///
    /// # Errors
    /// Whatever stops the process. What can be repeated is repeated by the next step.
    pub fn step(&mut self) -> Result<u64, Error> {
        self.answer_assignment()?;
        self.update_tasks()?;
        self.plan_walks();
        self.fit_batches()?;
        self.gather()?;
        self.tell_lag();
        self.context.parked.expire();
        let version = self.context.current.snapshot().map_or(0, |snapshot| snapshot.version());
        let starting = self.tasks.values().any(|task| task.must_commit(version));
        if self.batch.is_empty() && !starting && !self.is_walking() {
            return Ok(0);
        }
        // not before there is something to write: during an outage this may take as long as that
        if self.producer.as_mut().is_some_and(Producer::is_spent) {
            self.renew_producer()?;
        }
        let member = match self.consumer.membership() {
            Err(Fault::Lost(_) | Fault::Retry(_)) => {
                self.rewind()?;
                return Ok(0);
            }
            member => member?,
        };
        if !self.pin()? || (starting && !self.commit_starts(&member)?) {
            return Ok(0);
        }
        self.commit_batch(&member)
    }

    /// Polls until the batch is full, its time is over, nothing came, or the group changed.
    fn gather(&mut self) -> Result<(), Error> {
        let limits = self.context.plan.limits;
        let most = if self.careful.is_empty() { limits.records } else { 1 };
        // whoever has other work does not wait for records; a walk takes the time that others gather for
        let walking = self.is_walking();
        let idle = if walking || !self.restores.is_empty() { Duration::ZERO } else { IDLE_WAIT };
        let time = if walking { Duration::ZERO } else { limits.time };
        let mut until = (!self.batch.is_empty()).then(Instant::now);
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let known = self.batch.len();
            let polled =
                self.consumer.poll(most.saturating_sub(known), left.unwrap_or(limits.time.min(idle)), &mut self.batch);
            let came = self.batch.len() > known;
            self.admit(known);
            match polled {
                Ok(None) => {}
                Ok(Some(rebalance)) => return self.rebalance(rebalance),
                Err(Fault::Retry(_)) => return Ok(()),
                Err(Fault::OutOfRange(detail, partition)) => {
                    self.stop_task(&partition, "out_of_range", &detail);
                    return Ok(());
                }
                Err(Fault::Lost(_)) => return self.rejoin(),
                Err(fault) => return Err(fault.into()),
            }
            let over = until.is_some_and(|until| until <= Instant::now());
            if !came || over || self.batch.len() >= most {
                return Ok(());
            }
            until = until.or(Some(Instant::now() + time));
        }
    }

    /// Keeps of what came after the first `known` records what its task expects: nothing of a task that does not work, and
    /// nothing twice.
    fn admit(&mut self, known: usize) {
        let tasks = &mut self.tasks;
        let mut expected = |fetched: &Fetched| {
            let Some(task) = tasks.get_mut(&fetched.partition) else { return false };
            task.missed |= !task.is_open();
            if !task.is_open() || task.paused || fetched.offset < task.next {
                return false;
            }
            task.next = fetched.offset + 1;
            true
        };
        let mut index = 0;
        self.batch.retain(|fetched| {
            index += 1;
            index <= known || expected(fetched)
        });
    }

    /// Takes in a change of what this worker owns; records of what goes leave the batch.
    fn rebalance(&mut self, rebalance: Rebalance) -> Result<(), Error> {
        let (going, lost) = match rebalance {
            Rebalance::Assign(partitions) => {
                partitions.iter().for_each(|partition| self.context.tell(&Happening::Assigned { partition }));
                self.assigning.extend(partitions);
                return Ok(());
            }
            Rebalance::Revoke(partitions) => (partitions, false),
            Rebalance::Lost(partitions) => (partitions, true),
        };
        for partition in &going {
            self.close(partition, lost);
        }
        self.batch.retain(|fetched| !going.contains(&fetched.partition));
        match self.consumer.unassign(&going) {
            Err(Fault::Lost(_)) | Ok(()) => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Lets a task go, whether it was answered already or not; its profiles wait for whoever of this process gets it next.
    fn close(&mut self, partition: &Partition, lost: bool) {
        self.careful.remove(partition);
        self.restores.remove(partition);
        self.assigning.retain(|assigned| assigned != partition);
        self.context.tell(&Happening::Closed { partition, lost });
        if let Some(task) = self.tasks.remove(partition) {
            self.park(partition, task);
        }
    }

    /// Keeps the profiles of a task that this worker does not have any more.
    pub(super) fn park(&self, partition: &Partition, task: Task) {
        if let Some(store) = task.store {
            self.context.parked.put(partition.clone(), store, task.committed);
        }
    }

    /// Drops the batch and goes back to what is committed.
    pub(super) fn rewind(&mut self) -> Result<(), Error> {
        self.batch.clear();
        self.tasks.values_mut().for_each(|task| task.next = task.position);
        let positions: Vec<(Partition, i64)> =
            self.tasks.iter().map(|(partition, task)| (partition.clone(), task.position)).collect();
        if positions.is_empty() {
            return Ok(());
        }
        let consumer = &mut self.consumer;
        match super::transaction::retry(super::transaction::PATIENCE, || consumer.seek(&positions)) {
            Ok(()) => Ok(()),
            Err(Fault::Lost(_)) => {
                // where the consumer stands is not known: nothing of these tasks is taken until a seek went well
                self.tasks.values_mut().for_each(|task| task.paused = true);
                Ok(())
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// Leaves the group and joins it anew: what this worker owns is no longer known.
    pub(super) fn rejoin(&mut self) -> Result<(), Error> {
        let all: Vec<Partition> = self.tasks.keys().chain(&self.assigning).cloned().collect();
        all.iter().for_each(|partition| self.close(partition, true));
        self.batch.clear();
        self.consumer = self.context.consumer(self.number)?;
        Ok(())
    }

    /// Discards the producer, whose transaction's outcome is unknown, and makes the next one with the same id, which waits for
    /// that transaction to end.
    pub(super) fn renew_producer(&mut self) -> Result<(), Error> {
        self.producer = None;
        self.batch_bytes = self.context.facts.load().batch_bytes();
        self.producer = Some(self.context.next_producer(self.number, self.batch_bytes)?);
        Ok(())
    }

    /// Takes a producer of smaller batches once an output takes less than before.
    fn fit_batches(&mut self) -> Result<(), Error> {
        if self.context.facts.load().batch_bytes() < self.batch_bytes { self.renew_producer() } else { Ok(()) }
    }

    /// Pins the newest snapshot for the next transaction; `false`, with the batch dropped, where none may be used.
    fn pin(&mut self) -> Result<bool, Error> {
        let snapshot = self.context.current.snapshot().filter(|_| self.context.current.is_fresh());
        let Some(snapshot) = snapshot else {
            self.rewind()?;
            return Ok(false);
        };
        let newest = self.tasks.values().filter(|task| task.is_open()).map(|task| task.floor).max();
        if newest.is_some_and(|floor| floor > snapshot.version()) {
            // `update_tasks` opens no task whose floor is above the snapshot, and versions never fall
            return Err(Error::PolicyWentBackwards("a task was opened under a newer policy".to_owned()));
        }
        if self.pipeline.as_ref().is_none_or(|pipeline| !Arc::ptr_eq(pipeline.snapshot(), &snapshot)) {
            self.pipeline = Some(match self.pipeline.take() {
                Some(pipeline) => pipeline.renew(snapshot),
                None => {
                    let plan = &self.context.plan;
                    let facts = self.context.facts.load_full();
                    Pipeline::new(snapshot, &plan.settings.group, plan.routes.clone(), facts)
                }
            });
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
