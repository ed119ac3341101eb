//! How a worker's tasks come to be, wait, open and pause.
//!
//! On assignment: committed offsets (waiting for pending transactions) → their metadata is checked → the start offset → assign.
//! Always holds: a task opens only under a policy at least as new as the one its last outputs were made under; whether the control
//! topic went backwards is told only by an end that was asked for after that version was learned.

use std::slice::from_ref;
use std::time::{Duration, Instant, SystemTime};

use super::changelog::Codec;
use super::current::Snapshot;
use super::error::Error;
use super::happening::Happening;
use super::log::{Consumer, Fault, Log};
use super::restore::{Restore, Restored};
use super::status::Tasks;
use super::task::{Task, TaskState};
use super::worker::Worker;
use crate::record::Partition;

/// How often a worker tells the lag of one of its tasks, in turn.
pub(super) const LAG_EVERY: Duration = Duration::from_secs(1);

/// How long a member without tasks waits until it takes it that there are none for it.
const SHARED_OUT_AFTER: Duration = Duration::from_secs(1);

/// How often a waiting task is told of.
const WAIT_TOLD_EVERY: Duration = Duration::from_secs(5);

/// What the broker answered; `None` where it is to be asked again, or the next poll tells of a loss.
fn answered<T>(result: Result<T, Fault>) -> Result<Option<T>, Error> {
    match result {
        Ok(given) => Ok(Some(given)),
        Err(Fault::Retry(_) | Fault::Lost(_)) => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}

impl<L: Log> Worker<L> {
    /// Answers what was assigned, each partition as soon as the broker knows where it starts. The first that has to wait is tried again
    /// last, so that it holds no other back.
    pub(super) fn answer_assignment(&mut self) -> Result<(), Error> {
        let Some(snapshot) = self.context.current.snapshot() else { return Ok(()) };
        let (mut begun, mut worked_on) = (Vec::new(), None);
        while let Some(partition) = self.assigning.first().cloned() {
            let Some(task) = self.begin(&partition, &snapshot, &mut worked_on)? else {
                self.assigning.rotate_left(1);
                break;
            };
            self.assigning.remove(0);
            begun.push((partition, task));
        }
        if begun.is_empty() {
            return Ok(());
        }
        let starts: Vec<(Partition, i64)> =
            begun.iter().map(|(partition, task)| (partition.clone(), task.position)).collect();
        if answered(self.consumer.assign(&starts))?.is_some() {
            self.tasks.extend(begun);
            return Ok(());
        }
        for (partition, task) in begun {
            self.park(&partition, task);
            self.assigning.push(partition);
        }
        Ok(())
    }

    /// The task of a partition, with its profiles or a restore that finds them; `None` where the broker cannot tell yet. `worked_on` holds
    /// what tasks the group has ever committed for, once that was asked for.
    fn begin(
        &mut self,
        partition: &Partition,
        snapshot: &Snapshot,
        worked_on: &mut Option<Tasks<L>>,
    ) -> Result<Option<Task>, Error> {
        let Some(source) = self.context.source(&partition.topic) else {
            return Err(Error::Broker(format!("{partition} was assigned, its topic was not asked for")));
        };
        let Some(committed) = answered(self.consumer.committed(from_ref(partition)))? else { return Ok(None) };
        let committed = committed.into_iter().next().flatten();
        let low = match committed {
            Some(_) => Some(0),
            None => answered(self.first_offset(partition, worked_on))?,
        };
        let Some(low) = low else { return Ok(None) };
        let mut task = Task::open(partition, source, committed, low, &snapshot.control)?;
        let found = answered(self.find_profiles(partition, &mut task, snapshot))?;
        Ok(found.map(|()| task))
    }

    /// Where a task starts that the group has no offset for. One that it has worked on tells so in the status topic, to which each of its
    /// offsets was committed too: the broker let go of them, and all that is retained would be written once more.
    fn first_offset(&mut self, partition: &Partition, worked_on: &mut Option<Tasks<L>>) -> Result<i64, Fault> {
        if worked_on.is_none() {
            let mut tasks = Tasks::open(&self.context.log, &self.context.plan.settings.group)?;
            tasks.refresh()?;
            *worked_on = Some(tasks);
        }
        if worked_on.as_ref().is_some_and(|held| held.tasks.contains_key(partition)) {
            return Err(Fault::Fatal(format!(
                "{partition} was worked on, and the group has no offset for it any more: was the group down for longer than the broker's \
                 offsets.retention.minutes? Set one with Kafka's own kafka-consumer-groups --reset-offsets, as docs/operations.md says, \
                 and start again"
            )));
        }
        Ok(self.consumer.bounds(partition)?.low)
    }

    /// Finds the profiles of a task: those that another worker of this process left, else a restore begins. What is committed for
    /// the task is known already, so no transaction of it is pending whose entries the high watermark could miss.
    fn find_profiles(&mut self, partition: &Partition, task: &mut Task, snapshot: &Snapshot) -> Result<(), Fault> {
        // of an answer that went wrong
        self.restores.remove(partition);
        let plan = &self.context.plan;
        let route = &plan.routes[task.source];
        // where its source has changed it stops, and there may be nothing to read
        let changelog = route.changelog.as_ref().filter(|_| self.changed(partition, task.source).is_none());
        let Some(changelog) = changelog else { return Ok(()) };
        task.store = self.context.parked.take(partition, task.committed.as_ref());
        if task.store.is_some() {
            return Ok(());
        }
        let pinned = snapshot.policy.pinned(changelog, None);
        let pinned = pinned.ok_or_else(|| Fault::Fatal(format!("no key is pinned for {changelog}")))?;
        let codec = Codec::new(&plan.settings.group, &route.source, &snapshot.keyring, pinned.clone());
        let high = self.consumer.bounds(&Partition::new(changelog.clone(), partition.number))?.high;
        let reader = self.context.log.reader(changelog, Some(partition.number))?;
        self.restores.insert(partition.clone(), Restore::new(reader, high, codec));
        Ok(())
    }

    /// Reads on in the changelogs of tasks that are being restored.
    fn restore(&mut self) -> Result<(), Error> {
        for partition in self.restores.keys().cloned().collect::<Vec<_>>() {
            let Some(restore) = self.restores.get_mut(&partition) else { continue };
            match restore.step(self.context.log.transaction_timeout()) {
                Ok(Restored::Reading) => {
                    if let Some((records, high)) = restore.worth_telling() {
                        self.context.tell(&Happening::Restoring { partition: &partition, records, high });
                    }
                }
                Ok(Restored::Hangs) => self.context.tell(&Happening::Hanging { partition: &partition }),
                Ok(Restored::Done(store)) => {
                    let (records, took) = restore.progress();
                    let profiles = store.profiles();
                    self.context.tell(&Happening::Restored { partition: &partition, records, profiles, took });
                    self.restores.remove(&partition);
                    if let Some(task) = self.tasks.get_mut(&partition) {
                        task.floor = task.floor.max(store.through);
                        task.store = Some(store);
                    }
                }
                Err(Fault::Retry(detail)) => tracing::warn!(%partition, detail, "the changelog cannot be read"),
                Err(Fault::OutOfRange(detail, _)) => {
                    self.stop_task(&partition, "changelog_out_of_range", &detail);
                }
                Err(fault) => return Err(fault.into()),
            }
        }
        Ok(())
    }

    /// Opens tasks whose policy is there, stops those of changed sources, pauses and resumes.
    pub(super) fn update_tasks(&mut self) -> Result<(), Error> {
        self.stop_changed_sources();
        self.restore()?;
        self.stop_too_large();
        self.open_waiting()?;
        let stale = !self.context.current.is_fresh();
        if stale != self.stale {
            self.stale = stale;
            self.context.tell(&Happening::Stale { worker: self.number, stale });
            for (partition, task) in self.tasks.iter().filter(|(_, task)| task.is_open()) {
                self.context.tell(&match stale {
                    true => Happening::Paused { partition },
                    false => Happening::Opened { partition, position: task.position },
                });
            }
            if stale {
                self.rewind()?;
            }
        }
        self.apply_pauses()?;
        if !self.context.ready.is_set() {
            let ready = !stale && self.is_settled();
            self.context.ready.worker(self.number, ready);
        }
        Ok(())
    }

    /// Whether this worker is a member all of whose tasks are open. One without any may still be waiting for its share.
    fn is_settled(&mut self) -> bool {
        if self.consumer.membership().is_err() {
            self.joined = None;
            return false;
        }
        let joined = *self.joined.get_or_insert_with(Instant::now);
        let shared_out = !self.tasks.is_empty() || joined.elapsed() >= SHARED_OUT_AFTER;
        shared_out && self.assigning.is_empty() && self.tasks.values().all(Task::is_open)
    }

    fn open_waiting(&mut self) -> Result<(), Error> {
        let Some(snapshot) = self.context.current.snapshot() else { return Ok(()) };
        for (partition, task) in self.tasks.iter_mut().filter(|(_, task)| task.state == TaskState::Waiting) {
            let restored = task.store.is_some() || self.context.plan.routes[task.source].changelog.is_none();
            if task.floor <= snapshot.version() && !restored {
                continue;
            }
            if task.floor <= snapshot.version() {
                task.state = TaskState::Open;
                // what could not be paused is sought like what was
                task.paused |= std::mem::take(&mut task.missed);
                if !self.stale {
                    self.context.tell(&Happening::Opened { partition, position: task.position });
                }
                continue;
            }
            let confirmed = self.context.current.confirmed().filter(|confirmed| confirmed.asked >= task.learned);
            if confirmed.is_some_and(|confirmed| u64::try_from(confirmed.end).unwrap_or(0) < task.floor) {
                return Err(Error::PolicyWentBackwards(format!(
                    "{partition} was last written under policy {}, beyond the control topic's end: it was emptied",
                    task.floor
                )));
            }
            self.context.current.want(task.floor);
            if task.told.is_none_or(|told| told.elapsed() > WAIT_TOLD_EVERY) {
                task.told = Some(Instant::now());
                let (floor, version) = (task.floor, snapshot.version());
                self.context.tell(&Happening::Waiting { partition, floor, version });
            }
        }
        Ok(())
    }

    /// Pauses what may not work and resumes what may, from its position: what came meanwhile was dropped.
    fn apply_pauses(&mut self) -> Result<(), Error> {
        let stale = self.stale;
        let wrong = |task: &Task| task.paused == (task.is_open() && !stale);
        let (mut pause, mut resume) = (Vec::new(), Vec::new());
        for (partition, task) in self.tasks.iter().filter(|(_, task)| wrong(task)) {
            match task.paused {
                true => resume.push((partition.clone(), task.position)),
                false => pause.push(partition.clone()),
            }
        }
        let partitions: Vec<Partition> = resume.iter().map(|(partition, _)| partition.clone()).collect();
        let consumer = &mut self.consumer;
        let mut done = if pause.is_empty() { Ok(()) } else { consumer.pause(&pause) };
        if !resume.is_empty() {
            done = done.and_then(|()| consumer.seek(&resume)).and_then(|()| consumer.resume(&partitions));
        }
        if answered(done)?.is_none() {
            return Ok(());
        }
        for partition in pause.iter().chain(&partitions) {
            if let Some(task) = self.tasks.get_mut(partition) {
                task.paused = !task.paused;
                task.next = task.position;
            }
        }
        self.batch.retain(|fetched| !pause.contains(&fetched.partition));
        Ok(())
    }

    /// Tells the lag of one task a second, in turn; where the broker does not answer, another time.
    pub(super) fn tell_lag(&mut self) {
        let next = match &self.lag_told {
            Some((at, _)) if at.elapsed() < LAG_EVERY => return,
            Some((_, last)) => self.tasks.range((std::ops::Bound::Excluded(last), std::ops::Bound::Unbounded)).next(),
            None => None,
        };
        let Some((partition, task)) = next.or_else(|| self.tasks.first_key_value()) else { return };
        let partition = partition.clone();
        if let Ok(bounds) = self.consumer.bounds(&partition) {
            // behind what was processed there may be nothing but a transaction's marker; where records are dropped until the task works,
            // nobody knows
            let all_processed = task.is_open() && !task.paused && !task.missed && task.next == task.position;
            let end = self.consumer.end(&partition).filter(|_| all_processed);
            let records = (bounds.high - task.position.max(end.unwrap_or_default())).max(0);
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            // the oldest unread record came after the last one read, and after the topic was last seen read to its end
            let last = task.timestamp.and_then(|at| u64::try_from(at).ok()).map(Duration::from_millis);
            let since = last.max(task.caught_up).filter(|_| records > 0);
            self.context.tell(&Happening::Lag {
                partition: &partition,
                records,
                unstable: (bounds.high - bounds.stable).max(0),
                age: since.map(|since| now.saturating_sub(since)),
            });
            if let Some(store) = &task.store {
                self.context.tell(&Happening::Held {
                    partition: &partition,
                    bytes: store.bytes(),
                    most: self.context.plan.state_bytes,
                });
            }
            if let (0, Some(task)) = (records, self.tasks.get_mut(&partition)) {
                task.caught_up = Some(now);
            }
        }
        self.lag_told = Some((Instant::now(), partition));
    }
}
