//! One world: a log, processes of which any may be down, raw records that come, a policy that changes.
//!
//! One thread does one thing after the other. A process that is suspended in a call stands still while the schedule goes on, so that
//! any number of things happen between two of its calls. Deliberately not here: in which order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sivcar::memory::{LateCommit, MemoryLog, MemoryProducer};
use sivcar::privacy::settings::{Fold, Settings};
use sivcar::record::{Partition, Record};
use sivcar::stream::log::{Fetched, Log, Outgoing, Producer};
use sivcar::stream::transaction::TransactionLimits;
use sivcar::stream::worker::Worker;

use crate::bugs::Bug;
use crate::faulty::Faulty;
use crate::ground::{self, RAW};
use crate::process::Process;
use crate::schedule::{Numbered, PROCESSES, Step};
use crate::tally::Tally;

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
    pub late: VecDeque<LateCommit>,
    /// The writer of the raw topics, while it has a transaction open.
    upstream: Option<MemoryProducer>,
    pub failure: Option<String>,
}

/// What all processes of a world share.
pub struct Shared {
    pub log: MemoryLog,
    pub bug: Bug,
    pub tally: Arc<Tally>,
    pub settings: Settings,
    pub limits: TransactionLimits,
    /// What compaction removed.
    pub removed: Mutex<Vec<Fetched>>,
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
        let log = MemoryLog::new("g").with_patience(Duration::ZERO);
        for (topic, partitions) in RAW {
            log.create_topic(topic, partitions, &[]).expect("a topic");
        }
        log.create_topic("protected.events", RAW[0].1, &[("max.message.bytes", "1400")]).expect("a topic");
        log.create_topic("dead", 1, &[("max.message.bytes", "1200")]).expect("a topic");
        for topic in ["g.control", "g.status"] {
            log.create_topic(topic, 1, &[("cleanup.policy", "compact")]).expect("a topic");
        }
        if seed.is_multiple_of(4) {
            log.rebalance_eagerly();
        }
        log.let_markers_lag();
        let settings = ground::settings(if seed.is_multiple_of(3) { Fold::Replace } else { Fold::Merge });
        // without time the walk takes as little as it may; with much of it, ever more
        let time = if seed.is_multiple_of(2) { HOUR } else { Duration::ZERO };
        let limits = TransactionLimits { records: 8, output_bytes: 6000, time };
        let (removed, inner) = Default::default();
        let world = World(Arc::new(Shared { log, bug, tally, settings, limits, removed, inner }));
        world.0.write_control(&ground::first_records());
        world.0.arrive_all();
        world
    }

    /// Does `steps`, then lets the world settle.
    ///
    /// # Errors
    /// A process ended by itself, or the world does not settle.
    pub fn run(&self, steps: &[Numbered]) -> Result<(), String> {
        self.0.lock().steps = steps.iter().copied().collect();
        self.0.run(false);
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
        (0..PROCESSES).any(|process| self.log.expire(&self.transactional_id(process)))
    }

    /// The process stands still: the others go so many rounds, then the schedule goes on until it is resumed.
    pub fn suspend(self: &Arc<Self>, process: usize, rounds: usize) {
        if self.lock().suspended == PROCESSES - 1 {
            return;
        }
        self.lock().suspended += 1;
        self.tally.count("suspended in a call");
        for _ in 0..rounds {
            self.arrive_all();
            (0..PROCESSES).for_each(|other| self.work(other));
        }
        self.run(true);
        self.lock().suspended -= 1;
        if self.is_doomed(process) {
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

    fn perform(self: &Arc<Self>, number: usize, step: Step) {
        let count = |occurred: bool, name| self.tally.add(name, occurred.into());
        match step {
            Step::Event(partition, kind) => self.feed("events", partition, ground::event(number, kind)),
            Step::Profile(id, patch) => {
                self.feed("users", i32::from(id) % RAW[1].1, ground::profile(number, id, patch))
            }
            Step::Open => self.open(),
            Step::Close(commit) => self.close(commit),
            Step::Control(control) => self.control(number, control),
            Step::Read(process) => self.read(process),
            Step::Start(process) => self.start(process),
            Step::Stop(process) => count(self.take_idle(process).is_some(), "process stopped in good order"),
            Step::Kill(process) => self.kill(process),
            Step::Bury => drop(self.lock().graveyard.pop_front()),
            Step::Expel(process) => self.expel(process, "member expelled between rounds"),
            Step::Expire(process) => count(self.log.expire(&self.transactional_id(process)), "transaction timed out"),
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
            Step::Jump(process) => self.jump(process),
            Step::Twist(process, twist) => self.lock().processes[process].twists.push(twist),
            Step::Resume => {}
            Step::Work(process) => self.work(process),
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
        self.tally.add("raw transaction aborted", u64::from(!commit));
    }

    fn usurp(&self, process: usize) {
        let producer = self.log.producer(&self.transactional_id(process), usize::MAX);
        producer.and_then(|mut producer| producer.init()).expect("a producer");
        self.tally.count("transactional id taken by another");
    }

    fn compact(&self, topic: &str) {
        let partitions = self.log.topic(topic).ok().flatten().map_or(0, |facts| facts.partitions);
        let removed = (0..partitions).flat_map(|number| self.log.compact(&Partition::new(topic, number)));
        let mut all = self.removed.lock().expect("no panic holds it");
        let before = all.len();
        all.extend(removed);
        self.tally.add("compaction removed records", (all.len() - before) as u64);
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
