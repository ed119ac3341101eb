//! One world: a log, processes of which any may be down, raw records that come, a policy that changes.
//!
//! One thread does one thing after the other. A worker that is suspended in a call stands still while the schedule goes on, so that
//! any number of things happen between two of its calls. Deliberately not here: in which order.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sivcar::memory::{LateEnd, MemoryLog, MemoryProducer};
use sivcar::privacy::keyset::Keyring;
use sivcar::privacy::settings::{Detection, Settings};
use sivcar::record::{Partition, Record};
use sivcar::stream::log::{Fetched, Log, Outgoing, Producer};
use sivcar::stream::transaction::{Metadata, TransactionLimits};
use sivcar::stream::worker::Worker;

use crate::bugs::Bug;
use crate::faulty::Faulty;
use crate::ground::{self, LIMITED, RAW};
use crate::policy;
use crate::process::{Process, WORKERS, Who};
use crate::schedule::{Control, Numbered, PROCESSES, Step};
use crate::tally::{Tally, Witness};

pub const CONTROL: &str = "g.control";

/// How many workers stand still at a time, at most.
const SUSPENDED: usize = 2;

pub const HOUR: Duration = Duration::from_secs(3600);

#[derive(Default)]
pub struct Inner {
    pub processes: [Process; PROCESSES],
    pub steps: VecDeque<Numbered>,
    suspended: usize,
    /// How often a process was started.
    pub starts: u64,
    /// Workers of killed processes whose members the group still knows.
    pub graveyard: VecDeque<Box<Worker<Faulty>>>,
    pub late: VecDeque<LateEnd>,
    /// The writer of the raw topics, while it has a transaction open.
    upstream: Option<MemoryProducer>,
    pub failure: Option<String>,
}

/// What all processes of a world share.
pub struct Shared {
    pub log: MemoryLog,
    pub bug: Bug,
    pub tally: Arc<Tally>,
    pub witness: Arc<Witness>,
    pub settings: Settings,
    pub keyring: Arc<Keyring>,
    pub limits: TransactionLimits,
    /// How many workers each process has.
    pub workers: usize,
    /// Whether a rebalance takes everything from everybody first.
    pub eager: bool,
    /// What compaction and retention removed.
    pub removed: Mutex<Vec<Fetched>>,
    /// How many restores are under way, in killed processes too.
    pub restores: Arc<AtomicUsize>,
    inner: Mutex<Inner>,
}

/// A world. Ends its processes when it is dropped.
pub struct World(pub Arc<Shared>);

impl Drop for World {
    fn drop(&mut self) {
        let inner = std::mem::take(&mut *self.0.inner.lock().unwrap_or_else(PoisonError::into_inner));
        drop(inner);
    }
}

impl World {
    pub fn new(seed: u64, bug: Bug, tally: Arc<Tally>) -> World {
        let world = World::on(seed, bug, tally, ground::settings(seed), ground::keyring());
        policy::amend(&world.0.log, |_| ground::first_records());
        world.0.arrive_all();
        world
    }

    /// One whose control topic is empty yet.
    pub fn on(seed: u64, bug: Bug, tally: Arc<Tally>, settings: Settings, keyring: Arc<Keyring>) -> World {
        let log = MemoryLog::new("g").with_patience(Duration::ZERO);
        for (topic, partitions) in RAW {
            log.create_topic(topic, partitions, &[]).expect("a topic");
        }
        for (topic, partitions, bytes) in LIMITED {
            log.create_topic(topic, partitions, &[("max.message.bytes", bytes)]).expect("a topic");
        }
        for topic in ["g.control", "g.status"] {
            log.create_topic(topic, 1, &[("cleanup.policy", "compact")]).expect("a topic");
        }
        let eager = seed.is_multiple_of(4);
        if eager {
            log.rebalance_eagerly();
        }
        log.let_markers_lag();
        // without time the walk takes as little as it may; with much of it, ever more
        let time = if seed.is_multiple_of(2) { HOUR } else { Duration::ZERO };
        let limits = TransactionLimits { records: 8, output_bytes: 6000, time };
        let workers = if seed % 8 < 6 { 1 } else { WORKERS };
        let witness = Arc::new(Witness::new(tally.clone(), seed.is_multiple_of(16)));
        let (removed, restores, inner) = Default::default();
        World(Arc::new(Shared {
            log,
            bug,
            tally,
            witness,
            settings,
            keyring,
            limits,
            workers,
            eager,
            removed,
            restores,
            inner,
        }))
    }

    /// Does `steps`, then lets the world settle.
    ///
    /// # Errors
    /// A process ended by itself, or the world does not settle.
    pub fn run(&self, steps: &[Numbered]) -> Result<(), String> {
        self.0.lock().steps = steps.iter().copied().collect();
        self.0.run(false);
        self.settle()
    }

    /// No more faults: what is under way arrives, everybody is up and does all there is to do.
    ///
    /// # Errors
    /// As for [`World::run`].
    pub fn settle(&self) -> Result<(), String> {
        self.0.settle();
        self.0.lock().failure.take().map_or(Ok(()), Err)
    }
}

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no panic holds it")
    }

    /// What a broker does as time passes: a marker arrives, or a transaction times out. Says whether there was something to do.
    pub fn pass_time(&self) -> bool {
        if self.log.markers() > 0 {
            self.log.arrive(0);
            return true;
        }
        self.everyone().any(|who| self.log.expire(&who.transactional_id()))
    }

    /// The worker stands still: the others go so many rounds, then the schedule goes on until it is resumed.
    pub fn suspend(self: &Arc<Self>, who: Who, rounds: usize) {
        if self.lock().suspended == SUSPENDED {
            return;
        }
        self.lock().suspended += 1;
        self.tally.count("suspended in a call");
        for _ in 0..rounds {
            self.arrive_all();
            self.everyone().for_each(|other| self.work(other));
        }
        self.run(true);
        self.lock().suspended -= 1;
        if self.is_doomed(who.process) {
            self.tally.count("suspended process was killed");
        }
    }

    /// Goes on with the schedule: to its end, or until whoever is suspended goes on.
    fn run(self: &Arc<Self>, nested: bool) {
        loop {
            let next = self.lock().steps.pop_front();
            match next {
                None => return,
                Some((_, Step::Resume)) if nested => return,
                Some((number, step)) => self.perform(number, step),
            }
            if self.lock().failure.is_some() {
                return;
            }
        }
    }

    pub fn perform(self: &Arc<Self>, number: usize, step: Step) {
        let count = |occurred: bool, name| self.tally.add(name, occurred.into());
        match step {
            Step::Event(partition, kind) => {
                let detects = self.settings.sources[0].detection != Detection::Off;
                self.feed("events", partition, ground::event(number, kind, detects));
            }
            Step::Profile(id, patch) => {
                self.feed("users", i32::from(id) % RAW[1].1, ground::profile(number, id, patch))
            }
            Step::Open => self.open(),
            Step::Close(commit) => self.close(commit),
            Step::Control(control) => self.control(number, control),
            Step::Read(process) => self.read(process),
            Step::Start(process) => self.start(process),
            Step::Stop(process) => self.stop(process),
            Step::Kill(process) => self.kill(process),
            Step::Bury => drop(self.lock().graveyard.pop_front()),
            Step::Expel(process) => self.expel_all(process),
            Step::Expire(process) => self.expire_all(process),
            Step::Usurp(process) => self.usurp(process),
            Step::Arrive(marker) => {
                let markers = self.log.markers();
                count(markers > 0, "marker arrived by itself");
                self.log.arrive(marker % markers.max(1));
            }
            Step::Land => {
                let late = self.lock().late.pop_front();
                late.into_iter().for_each(|late| self.land(late));
            }
            Step::Compact(topic) => self.compact(topic),
            Step::Trim(topic, number, records) => self.trim(&Partition::new(topic, number), records),
            Step::Jump(process) => self.jump(process),
            Step::Twist(process, twist) => self.lock().processes[process].twists.push(twist),
            Step::Resume => {}
            Step::Work(process) => self.work(Who { process, worker: number % self.workers }),
        }
    }

    fn feed(&self, topic: &str, number: i32, record: Record) {
        let partition = Partition::new(topic, number);
        match &mut self.lock().upstream {
            Some(upstream) => {
                let outgoing = Outgoing { topic: partition.topic, partition: Some(number), record };
                upstream.produce(&outgoing).expect("nobody else has its id");
            }
            None => drop(self.log.append(&partition, record)),
        }
    }

    fn control(&self, number: usize, control: Control) {
        policy::amend(&self.log, |table| {
            let (records, name) = policy::records(table, number, control);
            self.tally.add(name, u64::from(!records.is_empty()));
            records
        });
    }

    fn open(&self) {
        let mut inner = self.lock();
        if inner.upstream.is_none() {
            let mut producer = self.log.producer("upstream", usize::MAX).expect("a producer");
            producer.init().and_then(|()| producer.begin()).expect("nobody else has its id");
            inner.upstream = Some(producer);
        }
    }

    pub fn close(&self, commit: bool) {
        let Some(mut upstream) = self.lock().upstream.take() else { return };
        if commit { upstream.commit() } else { upstream.abort() }.expect("nobody else has its id");
        self.tally.count(if commit { "raw transaction committed" } else { "raw transaction aborted" });
    }

    fn usurp(&self, process: usize) {
        for who in self.everyone().filter(|who| who.process == process) {
            let producer = self.log.producer(&who.transactional_id(), usize::MAX);
            producer.and_then(|mut producer| producer.init()).expect("a producer");
        }
        self.tally.count("transactional id taken by another");
    }

    /// The policy that was last committed for a task; 0 where none was.
    fn worked_under(&self, task: &Partition) -> i64 {
        let committed = self.log.committed(task);
        let metadata = committed.and_then(|committed| Metadata::parse(&committed.metadata));
        metadata.map_or(0, |metadata| metadata.policy.cast_signed())
    }

    /// Deletions go too: those of a changelog when nobody restores, those of the control topic once all have read them and every task was
    /// worked on under them. Before that the version of a policy would be another's.
    fn compact(&self, topic: &str) {
        let read = match topic {
            CONTROL => {
                (0..PROCESSES).for_each(|process| self.read(process));
                ground::tasks().map(|task| self.worked_under(&task)).min().unwrap_or(0)
            }
            _ if self.restores.load(Ordering::Relaxed) > 0 => 0,
            _ => i64::MAX,
        };
        let partitions = self.log.topic(topic).ok().flatten().map_or(0, |facts| facts.partitions);
        let removed = (0..partitions).flat_map(|number| self.log.compact(&Partition::new(topic, number), read));
        let removed: Vec<Fetched> = removed.collect();
        let deletions = removed.iter().filter(|fetched| fetched.record.value.is_none()).count() as u64;
        self.tally.add("compaction removed deletions", deletions);
        self.tally.add("compaction removed records", removed.len() as u64 - deletions);
        self.removed.lock().expect("no panic holds it").extend(removed);
    }

    /// Nothing goes of what nobody has committed anything for: who comes first begins at what there is.
    fn trim(&self, partition: &Partition, records: i64) {
        let (Some(bounds), Some(committed)) = (self.log.bounds(partition), self.log.committed(partition)) else {
            return;
        };
        let low = (bounds.low + records).min(bounds.stable);
        let dropped = self.log.trim(partition, low);
        self.tally.add("retention took raw records", dropped.len() as u64);
        let unread = dropped.iter().filter(|fetched| fetched.offset >= committed.offset).count();
        self.tally.add("retention took unread records", unread as u64);
        self.removed.lock().expect("no panic holds it").extend(dropped);
    }

    fn jump(&self, process: usize) {
        let inner = self.lock();
        let Some(context) = &inner.processes[process].context else { return };
        let asked = Instant::now().checked_sub(2 * HOUR);
        if let (Some(asked), Some(confirmed)) = (asked, context.current.confirmed()) {
            context.current.confirm(asked, confirmed.end);
            self.tally.count("clock jumped between rounds");
        }
    }
}
