//! What the threads of one process share: the log, the plan, the current policy, what the topics are, and two latches.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::alerts::Alerts;
use super::current::Current;
use super::error::Error;
use super::happening::{Happening, Observer};
use super::log::{Fault, Log, Producer};
use super::pace::Throttle;
use super::status::status_topic;
use super::store::Parked;
use super::topics::{Facts, Route};
use super::transaction::{PATIENCE, TransactionLimits, retry, retry_while};
use crate::privacy::control::ControlRecord;
use crate::privacy::keyset::Keyring;
use crate::privacy::settings::Settings;

/// How long a producer may take to become ready: it waits for its predecessor's transaction to end.
const INIT_PATIENCE: Duration = Duration::from_secs(60);

/// What a process is to run, from its configuration.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Sources, views, limits, and the group, prefix of sivcar's own topics and transactional ids.
    pub settings: Arc<Settings>,
    /// What the configuration wants to stand in the control topic.
    pub wished: Vec<ControlRecord>,
    /// This process among those of the group.
    pub instance: String,
    /// How many workers it runs.
    pub workers: usize,
    /// [`Route::all`] of the settings.
    pub routes: Arc<[Route]>,
    /// Whether outputs and sivcar's own topics may be created.
    pub create: bool,
    /// How long tasks may go on while the control topic's end cannot be confirmed.
    pub max_staleness: Duration,
    /// The bounds of a transaction.
    pub limits: TransactionLimits,
    /// The most memory that the profiles of one task may take, in bytes.
    pub state_bytes: usize,
}

/// A flag that is set once: the wish to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks everyone to finish what is in hand and end.
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it was asked for.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Set once, when every worker has joined and all its tasks are open; stays set.
#[derive(Clone, Debug, Default)]
pub struct Ready(Arc<(AtomicBool, Mutex<BTreeMap<usize, bool>>)>);

impl Ready {
    /// Latched when all of `workers` are ready at the same time.
    pub fn of(workers: usize) -> Self {
        Self(Arc::new((AtomicBool::new(false), Mutex::new((0..workers).map(|worker| (worker, false)).collect()))))
    }

    /// Whether the process was ready once.
    pub fn is_set(&self) -> bool {
        self.0.0.load(Ordering::SeqCst)
    }

    /// Takes in whether one worker is ready now.
    pub(super) fn worker(&self, number: usize, ready: bool) {
        let mut workers = self.0.1.lock().unwrap_or_else(PoisonError::into_inner);
        workers.insert(number, ready);
        if workers.values().all(|ready| *ready) {
            self.0.0.store(true, Ordering::SeqCst);
        }
    }
}

/// What the threads of a process share.
pub struct Context<L: Log> {
    /// The log.
    pub log: L,
    /// What to run.
    pub plan: Plan,
    /// The policy in force.
    pub current: Current,
    /// The keysets; a reload stores new ones here, and the control reader puts them in force.
    pub keyring: ArcSwap<Keyring>,
    /// What the topics are.
    pub facts: ArcSwap<Facts>,
    /// The status topic.
    pub status: Arc<str>,
    /// The profiles of tasks that no worker has in hand.
    pub parked: Parked,
    /// How fast walks go.
    pub(super) throttle: Arc<Throttle>,
    /// What detection saw, until it is told.
    pub(super) alerts: Alerts,
    /// Who counts.
    pub observer: Arc<dyn Observer>,
    /// The wish to stop.
    pub stop: Stop,
    /// Whether all tasks were open once.
    pub ready: Ready,
}

impl<L: Log> Context<L> {
    /// A process over `log`, whose topics were found to be as they must be.
    pub fn new(log: L, plan: Plan, keyring: Arc<Keyring>, facts: Facts, observer: Arc<dyn Observer>) -> Self {
        let context = Self {
            log,
            ready: Ready::of(plan.workers),
            current: Current::new(plan.max_staleness),
            keyring: ArcSwap::new(keyring),
            facts: ArcSwap::from_pointee(facts),
            status: status_topic(&plan.settings.group).into(),
            parked: Parked::default(),
            throttle: Arc::new(Throttle::new(plan.limits.records)),
            alerts: Alerts::default(),
            observer,
            stop: Stop::default(),
            plan,
        };
        context.tell_partitions();
        context
    }

    /// Tells how many partitions the sources have.
    pub(super) fn tell_partitions(&self) {
        for (route, count) in self.plan.routes.iter().zip(&self.facts.load().sources) {
            if let Ok(count) = count {
                self.tell(&Happening::Partitions { source: &route.source, count: *count });
            }
        }
    }

    /// Writes a happening's log line and has it counted.
    pub(super) fn tell(&self, happening: &Happening<'_>) {
        happening.log();
        self.observer.observe(happening);
    }

    /// The source that reads `topic`.
    pub(super) fn source(&self, topic: &str) -> Option<usize> {
        self.plan.routes.iter().position(|route| &*route.source == topic)
    }

    /// Stops a source in all workers of this process.
    pub(super) fn stop_source(&self, source: usize, what: &str) {
        self.facts.rcu(|facts| {
            let mut facts = Facts::clone(facts);
            if let Some(state @ Ok(_)) = facts.sources.get_mut(source) {
                *state = Err(what.to_owned());
            }
            facts
        });
    }

    /// A member of the group for the worker with this number.
    pub(super) fn consumer(&self, number: usize) -> Result<L::Consumer, Error> {
        let topics: Vec<Arc<str>> = self.plan.routes.iter().map(|route| route.source.clone()).collect();
        Ok(retry(PATIENCE, || self.log.consumer(number, &topics))?)
    }

    /// A producer for the worker with this number, ready to begin. Its batches are of `batch_bytes` at most.
    pub(super) fn producer(&self, number: usize, batch_bytes: usize) -> Result<L::Producer, Error> {
        let mut producer = self.unready_producer(number, batch_bytes)?;
        retry(INIT_PATIENCE, || producer.init())?;
        Ok(producer)
    }

    /// The same for a worker that has had one: it waits as long as the brokers need.
    pub(super) fn next_producer(&self, number: usize, batch_bytes: usize) -> Result<L::Producer, Error> {
        let mut producer = self.unready_producer(number, batch_bytes)?;
        self.outlast(|| producer.init())?;
        Ok(producer)
    }

    fn unready_producer(&self, number: usize, batch_bytes: usize) -> Result<L::Producer, Fault> {
        let id = self.transactional_id(number);
        retry(PATIENCE, || self.log.producer(&id, batch_bytes))
    }

    /// That of the worker with this number.
    pub(super) fn transactional_id(&self, number: usize) -> String {
        format!("{}.{}.{number}", self.plan.settings.group, self.plan.instance)
    }

    /// Repeats `call` while it says [`Fault::Retry`], until the process is to stop.
    pub(super) fn outlast<T>(&self, call: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
        retry_while(|_| !self.stop.is_set(), call)
    }
}
