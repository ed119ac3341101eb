//! A process of a world: how it and its workers start, work, read the control topic and end.
//!
//! What ends a process ends all its workers: those between two rounds at once, one that stands in a call when it comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use sivcar::memory::LateEnd;
use sivcar::privacy::keyset::Keyring;
use sivcar::privacy::policy::Policy;
use sivcar::record::Partition;
use sivcar::stream::context::{Context, Plan};
use sivcar::stream::control::ControlTable;
use sivcar::stream::current::Snapshot;
use sivcar::stream::error::Error;
use sivcar::stream::topics::{Facts, Route};
use sivcar::stream::worker::Worker;

use crate::faulty::{Call, Faulty, KILLED, Twist, What};
use crate::ground::RAW;
use crate::schedule::PROCESSES;
use crate::world::{HOUR, Inner, Shared};

/// How many workers a process may have.
pub const WORKERS: usize = 2;

/// A worker, by its process and its number there.
#[derive(Clone, Copy, Debug)]
pub struct Who {
    pub process: usize,
    pub worker: usize,
}

impl Who {
    pub fn transactional_id(self) -> String {
        format!("g.p{}.{}", self.process, self.worker)
    }
}

/// A process: its control reader and its workers.
#[derive(Default)]
pub struct Process {
    pub context: Option<Arc<Context<Faulty>>>,
    pub control: Option<ControlTable<Faulty>>,
    /// Its keysets as they were promoted last.
    keyring: Option<(BTreeMap<String, u32>, Arc<Keyring>)>,
    pub seats: [Seat; WORKERS],
    pub twists: Vec<Twist>,
    ending: Ending,
    /// The partitions of profiles that it began to restore and was not given yet.
    restoring: BTreeSet<i32>,
}

/// A worker and what is known of it.
#[derive(Default)]
pub struct Seat {
    place: Place,
    member: Option<u64>,
    /// The end of a transaction of its that is under way.
    late: Option<LateEnd>,
    /// It has made a producer in this round: what it asks now it waits for.
    waits: bool,
}

/// Where a worker is.
#[derive(Default)]
enum Place {
    #[default]
    Down,
    Idle(Box<Worker<Faulty>>),
    /// In a round, or starting.
    Busy,
}

/// Whether a process goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    #[default]
    Runs,
    /// Its workers end in good order.
    Stops,
    /// It was killed.
    Killed,
}

impl Process {
    fn is_up(&self) -> bool {
        self.seats.iter().any(|seat| !matches!(seat.place, Place::Down))
    }

    fn take_idle(&mut self) -> Vec<Worker<Faulty>> {
        let is_idle = |seat: &&mut Seat| matches!(seat.place, Place::Idle(_));
        let taken = self.seats.iter_mut().filter(is_idle).map(|seat| std::mem::take(&mut seat.place));
        let worker = |place| if let Place::Idle(worker) = place { Some(*worker) } else { None };
        taken.filter_map(worker).collect()
    }
}

impl Inner {
    fn seat(&mut self, who: Who) -> &mut Seat {
        &mut self.processes[who.process].seats[who.worker]
    }

    /// Ends what can be ended of a process that ends; gives the workers that leave in good order.
    fn end(&mut self, process: usize, how: Ending) -> Vec<Worker<Faulty>> {
        let held = &mut self.processes[process];
        held.ending = held.ending.max(how);
        held.context.iter().for_each(|context| context.stop.set());
        let (ending, mut workers) = (held.ending, held.take_idle());
        if !held.is_up() {
            let gone = std::mem::take(held);
            // what is under way does not need its sender
            self.late.extend(gone.seats.into_iter().filter_map(|seat| seat.late));
        }
        if ending == Ending::Killed {
            self.graveyard.extend(workers.drain(..).map(Box::new));
        }
        workers
    }
}

impl Shared {
    /// Every worker that there may be.
    pub fn everyone(&self) -> impl Iterator<Item = Who> + use<> {
        let workers = self.workers;
        (0..PROCESSES).flat_map(move |process| (0..workers).map(move |worker| Who { process, worker }))
    }

    fn of(&self, process: usize) -> impl Iterator<Item = Who> + use<> {
        (0..self.workers).map(move |worker| Who { process, worker })
    }

    /// Whether the process is to end at its next call.
    pub fn is_doomed(&self, process: usize) -> bool {
        self.lock().processes[process].ending == Ending::Killed
    }

    /// What becomes of this call.
    pub fn take_twist(&self, process: usize, call: Call) -> Option<What> {
        let twists = &mut self.lock().processes[process].twists;
        let at = twists.iter().position(|twist| twist.call == call)?;
        if twists[at].wait > 0 {
            twists[at].wait -= 1;
            return None;
        }
        Some(twists.remove(at).what)
    }

    /// Whether the clock of a process has jumped; for so many questions as it waits, it has.
    pub fn has_jumped(&self, process: usize) -> bool {
        let twists = &mut self.lock().processes[process].twists;
        let Some(at) = twists.iter().position(|twist| twist.call == Call::Clock) else { return false };
        match twists[at].wait {
            0 => drop(twists.remove(at)),
            _ => twists[at].wait -= 1,
        }
        true
    }

    /// Whether the end of a transaction is to be late; then it is under way.
    pub fn late_end(&self, who: Who, call: Call, end: impl FnOnce() -> LateEnd) -> bool {
        let mut inner = self.lock();
        let twists = &mut inner.processes[who.process].twists;
        let at = twists.iter().position(|twist| twist.call == call);
        let is_late = |at: &usize| twists[*at].wait == 0 && matches!(twists[*at].what, What::Late { .. });
        let Some(at) = at.filter(is_late) else { return false };
        if twists.remove(at).what == (What::Late { lands: true }) {
            inner.seat(who).late = Some(end());
        } else {
            inner.late.push_back(end());
        }
        true
    }

    /// The late end of a worker's transaction lands before its next producer comes.
    pub fn land_own(&self, who: Who) {
        let late = self.lock().seat(who).late.take();
        late.into_iter().for_each(|late| self.land(late));
    }

    pub fn land(&self, late: LateEnd) {
        let commits = late.commits();
        self.tally.count(match (commits, self.log.land(late)) {
            (true, true) => "late commit landed",
            (true, false) => "late commit met a successor",
            (false, true) => "late abort landed",
            (false, false) => "late abort met a successor",
        });
    }

    /// Takes in which member of the group a worker is.
    pub fn is_member(&self, who: Who, member: u64) {
        self.lock().seat(who).member = Some(member);
    }

    /// Puts a worker's member out of the group; says whether it was one.
    pub fn put_out(&self, who: Who) -> bool {
        let member = self.lock().seat(who).member;
        member.is_some_and(|member| self.log.expel(member))
    }

    pub fn expel(&self, who: Who, name: &'static str) {
        self.tally.add(name, self.put_out(who).into());
    }

    pub fn expel_all(&self, process: usize) {
        self.of(process).for_each(|who| self.expel(who, "member expelled between rounds"));
    }

    pub fn expire_all(&self, process: usize) {
        let expired = self.of(process).filter(|who| self.log.expire(&who.transactional_id())).count();
        self.tally.add("transaction timed out", expired as u64);
    }

    pub fn now_waits(&self, who: Who) {
        self.lock().seat(who).waits = true;
    }

    pub fn is_waiting(&self, who: Who) -> bool {
        self.lock().seat(who).waits
    }

    pub fn restores_begin(&self, process: usize, partition: i32) {
        self.lock().processes[process].restoring.insert(partition);
        self.restores.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    /// A process is given partitions: the profiles of those that it does not restore another of its workers had.
    pub fn assigned(&self, process: usize, starts: &[(Partition, i64)]) {
        let restoring = &mut self.lock().processes[process].restoring;
        let profiles = starts.iter().filter(|(partition, _)| &*partition.topic == "users");
        let taken = profiles.filter(|(partition, _)| !restoring.remove(&partition.number)).count();
        self.tally.add("profiles taken over within a process", taken as u64);
    }

    pub fn kill(&self, process: usize) {
        let mut inner = self.lock();
        if inner.processes[process].is_up() {
            self.tally.count("killed between rounds");
            inner.end(process, Ending::Killed);
        }
    }

    /// The workers of a process end in good order.
    pub fn stop(&self, process: usize) {
        let (was_up, workers) = {
            let mut inner = self.lock();
            (inner.processes[process].is_up(), inner.end(process, Ending::Stops))
        };
        drop(workers);
        self.tally.add("process stopped in good order", was_up.into());
    }

    pub fn start(self: &Arc<Self>, process: usize) {
        if self.lock().processes[process].is_up() {
            return;
        }
        let log = Faulty { world: self.clone(), process };
        let plan = Plan {
            routes: Route::all(&self.settings),
            settings: Arc::new(self.settings.clone()),
            wished: Vec::new(),
            instance: format!("p{process}"),
            workers: self.workers,
            limits: self.limits,
            create: true,
            max_staleness: HOUR,
            state_bytes: 1 << 30,
        };
        let facts = Facts::at_start(&log, &plan.settings.group, &plan.routes, true).expect("topics fit");
        let context = Arc::new(Context::new(log, plan, self.keyring.clone(), facts, self.witness.clone()));
        {
            let mut inner = self.lock();
            inner.starts += 1;
            inner.processes[process].context = Some(context.clone());
            self.of(process).for_each(|who| inner.seat(who).place = Place::Busy);
        }
        self.tally.count("process started");
        for who in self.of(process) {
            if context.stop.is_set() {
                self.put_back(who, None, Ok(()));
                continue;
            }
            match Worker::start(context.clone(), who.worker) {
                Ok(worker) => self.put_back(who, Some(Box::new(worker)), Ok(())),
                Err(error) => self.put_back(who, None, Err(error)),
            }
        }
        self.read(process);
    }

    /// A round of a worker's loop.
    pub fn work(&self, who: Who) {
        let place = {
            let mut inner = self.lock();
            let seat = inner.seat(who);
            if !matches!(seat.place, Place::Idle(_)) {
                return;
            }
            seat.waits = false;
            std::mem::replace(&mut seat.place, Place::Busy)
        };
        let Place::Idle(mut worker) = place else { return };
        let is_held_back = |(topic, partitions): (&str, i32)| {
            let mut bounds = (0..partitions).filter_map(|number| self.log.bounds(&Partition::new(topic, number)));
            bounds.any(|bounds| bounds.stable < bounds.high)
        };
        self.tally.add("raw records behind an open transaction", RAW.into_iter().any(is_held_back).into());
        let stepped = worker.step();
        self.put_back(who, Some(worker), stepped.map(drop));
    }

    /// Takes in how a worker's round, or its start, ended.
    fn put_back(&self, who: Who, worker: Option<Box<Worker<Faulty>>>, result: Result<(), Error>) {
        let mut inner = self.lock();
        let ending = inner.processes[who.process].ending;
        let how = match result {
            Ok(()) if ending == Ending::Runs => {
                inner.seat(who).place = worker.map_or(Place::Down, Place::Idle);
                return;
            }
            Ok(()) => ending,
            Err(Error::Broker(text)) if text == KILLED => Ending::Killed,
            Err(Error::Fenced(_)) => {
                self.tally.count("fenced");
                Ending::Stops
            }
            // whoever is to stop waits for nobody
            Err(Error::Broker(_)) if ending != Ending::Runs => ending,
            Err(error) => {
                inner.failure = Some(format!("process {} ended: {error}", who.process));
                Ending::Stops
            }
        };
        inner.seat(who).place = Place::Down;
        let others = inner.end(who.process, how);
        if how.max(ending) == Ending::Killed {
            inner.graveyard.extend(worker);
            return;
        }
        drop(inner);
        drop((worker, others));
    }

    /// The process reads the control topic to its end, and puts in force what it says.
    pub fn read(&self, process: usize) {
        let mut inner = self.lock();
        let Process { context: Some(context), control, keyring, .. } = &mut inner.processes[process] else { return };
        if control.is_none() {
            *control = Some(ControlTable::open(&context.log, "g").expect("the control topic is there"));
        }
        let Some(control) = control else { return };
        let asked = Instant::now();
        let end = control.read_to_end().expect("the control topic only grows");
        let table = &*self.bug.of_table(control.table(), context.current.snapshot().is_none());
        if keyring.as_ref().is_none_or(|(primaries, _)| *primaries != table.primaries) {
            let promoted = context.keyring.load().promoted(&table.primaries).expect("both keys are there");
            *keyring = Some((table.primaries.clone(), Arc::new(promoted)));
        }
        let Some((_, keyring)) = keyring else { return };
        // the record of the version that a task was last written under may be gone, as that of a withdrawal
        let wanted = Some(context.current.wanted()).filter(|wanted| *wanted <= end.cast_unsigned());
        let version = table.version.max(wanted.unwrap_or(0));
        if context.current.snapshot().is_none_or(|held| held.version() < version) {
            self.tally.add("policy reached whose record is gone", (version > table.version).into());
            let mut table = table.clone();
            table.version = version;
            let policy = Policy::compile(&self.settings, &table).expect("a policy");
            let control = table.incarnation.clone().expect("the first record");
            context.current.publish(Snapshot { policy: Arc::new(policy), keyring: keyring.clone(), control });
        }
        context.current.confirm(asked, end);
    }
}
