//! A process of a world: how it starts, works, reads the control topic and ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use sivcar::memory::LateCommit;
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
use crate::ground::{self, RAW};
use crate::world::{HOUR, Shared};

/// A process: its control reader and its worker.
#[derive(Default)]
pub struct Process {
    pub context: Option<Arc<Context<Faulty>>>,
    control: Option<ControlTable<Faulty>>,
    /// Its keysets as they were promoted last.
    keyring: Option<(BTreeMap<String, u32>, Arc<Keyring>)>,
    pub worker: Place,
    pub twists: Vec<Twist>,
    /// It is suspended, and was killed meanwhile.
    doomed: bool,
    member: Option<u64>,
    /// Its commit that is under way.
    late: Option<LateCommit>,
    /// It has made a producer in this round: what it asks now it waits for.
    waits: bool,
}

/// Where a worker is.
#[derive(Default)]
pub enum Place {
    #[default]
    Down,
    Idle(Box<Worker<Faulty>>),
    /// In a round, or starting.
    Busy,
}

impl Shared {
    pub fn transactional_id(&self, process: usize) -> String {
        format!("g.p{process}.0")
    }

    /// Whether the process is to end at its next call.
    pub fn is_doomed(&self, process: usize) -> bool {
        self.lock().processes[process].doomed
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

    /// Whether the commit is to be late; then it is under way.
    pub fn late_commit(&self, process: usize, commit: impl FnOnce() -> LateCommit) -> bool {
        let mut inner = self.lock();
        let held = &mut inner.processes[process];
        let at = held.twists.iter().position(|twist| twist.call == Call::Commit);
        let is_late = |at: &usize| held.twists[*at].wait == 0 && matches!(held.twists[*at].what, What::Late { .. });
        let Some(at) = at.filter(is_late) else { return false };
        let Twist { what, .. } = held.twists.remove(at);
        if what == (What::Late { lands: true }) {
            held.late = Some(commit());
        } else {
            inner.late.push_back(commit());
        }
        true
    }

    /// The late commit of a process lands before its next producer comes.
    pub fn land_own(&self, process: usize) {
        let late = self.lock().processes[process].late.take();
        late.into_iter().for_each(|late| self.land(late));
    }

    pub fn land(&self, late: LateCommit) {
        let landed = self.log.land(late);
        self.tally.count(if landed { "late commit landed" } else { "late commit met a successor" });
    }

    /// Takes in which member of the group a process is.
    pub fn is_member(&self, process: usize, member: u64) {
        self.lock().processes[process].member = Some(member);
    }

    /// Puts the member of a process out of the group.
    pub fn expel(&self, process: usize, name: &'static str) {
        let member = self.lock().processes[process].member;
        let expelled = member.is_some_and(|member| self.log.expel(member));
        self.tally.add(name, expelled.into());
    }

    pub fn now_waits(&self, process: usize) {
        self.lock().processes[process].waits = true;
    }

    pub fn is_waiting(&self, process: usize) -> bool {
        self.lock().processes[process].waits
    }

    pub fn kill(&self, process: usize) {
        if let Some(worker) = self.take_idle(process) {
            self.lock().graveyard.push_back(worker);
            self.tally.count("killed between rounds");
        } else if matches!(self.lock().processes[process].worker, Place::Busy) {
            self.lock().processes[process].doomed = true;
        }
    }

    /// Takes the worker of a process that is between two rounds; the process is down then.
    pub fn take_idle(&self, process: usize) -> Option<Box<Worker<Faulty>>> {
        let held = &mut self.lock().processes[process];
        match std::mem::take(&mut held.worker) {
            Place::Idle(worker) => {
                *held = Process::default();
                Some(worker)
            }
            other => {
                held.worker = other;
                None
            }
        }
    }

    pub fn start(self: &Arc<Self>, process: usize) {
        {
            let mut inner = self.lock();
            if !matches!(inner.processes[process].worker, Place::Down) {
                return;
            }
            inner.processes[process].worker = Place::Busy;
            inner.starts += 1;
        }
        let log = Faulty { world: self.clone(), process };
        let plan = Plan {
            routes: Route::all(&self.settings),
            settings: Arc::new(self.settings.clone()),
            wished: Vec::new(),
            instance: format!("p{process}"),
            workers: 1,
            limits: self.limits,
            create: true,
            max_staleness: HOUR,
            state_bytes: 1 << 30,
        };
        let facts = Facts::at_start(&log, &plan.routes, true).expect("topics fit");
        let context = Arc::new(Context::new(log, plan, ground::keyring(), facts, self.tally.clone()));
        let worker = Worker::start(context.clone(), 0);
        {
            let held = &mut self.lock().processes[process];
            held.context = Some(context);
        }
        match worker {
            Ok(worker) => self.put_back(process, Some(Box::new(worker)), Ok(())),
            Err(error) => self.put_back(process, None, Err(error)),
        }
        self.read(process);
    }

    /// A round of the worker's loop.
    pub fn work(&self, process: usize) {
        let place = {
            let held = &mut self.lock().processes[process];
            if !matches!(held.worker, Place::Idle(_)) {
                return;
            }
            held.waits = false;
            std::mem::replace(&mut held.worker, Place::Busy)
        };
        let Place::Idle(mut worker) = place else { return };
        let is_held_back = |(topic, partitions): (&str, i32)| {
            let mut bounds = (0..partitions).filter_map(|number| self.log.bounds(&Partition::new(topic, number)));
            bounds.any(|bounds| bounds.stable < bounds.high)
        };
        self.tally.add("raw records behind an open transaction", RAW.into_iter().any(is_held_back).into());
        let stepped = worker.step();
        self.put_back(process, Some(worker), stepped.map(drop));
    }

    /// Takes in how a round, or a start, ended.
    fn put_back(&self, process: usize, worker: Option<Box<Worker<Faulty>>>, result: Result<(), Error>) {
        let mut inner = self.lock();
        let held = &mut inner.processes[process];
        if result.is_ok() && !held.doomed {
            held.worker = worker.map_or(Place::Down, Place::Idle);
            return;
        }
        *held = Process::default();
        match result {
            Err(Error::Fenced(_)) => {
                self.tally.count("fenced");
                drop(inner);
                drop(worker);
            }
            Err(error) if error != Error::Broker(KILLED.to_owned()) => {
                inner.failure = Some(format!("process {process} ended: {error}"));
            }
            _ => inner.graveyard.extend(worker),
        }
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
        let table = control.table();
        if keyring.as_ref().is_none_or(|(primaries, _)| *primaries != table.primaries) {
            let promoted = context.keyring.load().promoted(&table.primaries).expect("both keys are there");
            *keyring = Some((table.primaries.clone(), Arc::new(promoted)));
        }
        let Some((_, keyring)) = keyring else { return };
        let is_new = context.current.snapshot().is_none_or(|held| held.version() < table.version);
        if is_new {
            let policy = Policy::compile(&self.settings, table).expect("a policy");
            let control = table.incarnation.clone().expect("the first record");
            context.current.publish(Snapshot { policy: Arc::new(policy), keyring: keyring.clone(), control });
        }
        context.current.confirm(asked, end);
    }
}
