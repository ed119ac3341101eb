//! When a task walks, whom it has yet to look at, and how far it has come.
//!
//! Deliberately not here: what becomes of each ([`super`]).

use std::time::Instant;

use crate::privacy::policy::Policy;
use crate::stream::happening::Happening;
use crate::stream::log::Log;
use crate::stream::status::Progress;
use crate::stream::store::{StateKey, Store};
use crate::stream::worker::Worker;

/// A task's walk.
#[derive(Debug)]
pub(in crate::stream) struct Walk {
    /// The policy version up to which everyone is settled when it ends.
    pub target: u64,
    /// Who was not settled when it began.
    pending: Vec<StateKey>,
    /// How many of them are done, as committed.
    pub done: usize,
    /// When it began.
    began: Instant,
}

impl Walk {
    /// The walk that `store` needs under `policy`; `None` where no mark is newly effective since it was last settled.
    pub(in crate::stream) fn plan(store: &Store, policy: &Policy) -> Option<Walk> {
        let concerned = store.through < policy.version() && policy.concerns_after(store.through);
        concerned.then(|| Walk {
            target: policy.version(),
            pending: store.unsettled(policy.version()),
            done: 0,
            began: Instant::now(),
        })
    }

    /// Who comes next, `done` of them being dealt with.
    pub(in crate::stream) fn next(&self, done: usize) -> Option<&StateKey> {
        self.pending.get(done)
    }

    /// How far it has come when `done` are dealt with.
    pub(in crate::stream) fn progress(&self, done: usize) -> Progress {
        let total = self.pending.len();
        let took = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Progress { target: self.target, total, remaining: total - done.min(total), took }
    }

    /// How many are left, as committed.
    pub(in crate::stream) fn remaining(&self) -> usize {
        self.pending.len() - self.done
    }
}

impl<L: Log> Worker<L> {
    /// Plans the walks that the policy in force asks for; whom it does not concern is settled by that alone.
    pub(in crate::stream) fn plan_walks(&mut self) {
        let Some(snapshot) = self.context.current.snapshot() else { return };
        let target = snapshot.version();
        for (partition, task) in self.tasks.iter_mut().filter(|(_, task)| task.is_open()) {
            let Some(store) = &mut task.store else { continue };
            let again = store.look_again(&snapshot.keyring);
            let walks_there = task.walk.as_ref().is_some_and(|walk| walk.target >= target);
            if store.through >= target || (walks_there && !again) {
                continue;
            }
            let broken_off = task.walk.take().is_some();
            task.walk = Walk::plan(store, &snapshot.policy);
            if task.walk.is_none() {
                store.through = target;
                if broken_off {
                    self.context.tell(&Happening::Walked { partition, target, remaining: 0 });
                }
            }
        }
    }

    /// Whether a walk goes on in the next transaction: none does while a refused batch is taken apart.
    pub(in crate::stream) fn is_walking(&self) -> bool {
        self.careful.is_empty() && !self.stale && self.tasks.values().any(|task| task.is_open() && task.walk.is_some())
    }
}
