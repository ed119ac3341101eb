//! The policy in force in this process, and how sure we are that it is the newest.
//!
//! Written by the control reader alone, read by every worker at the start of each transaction. Always holds: versions never
//! fall. Deliberately not here: how the table is read ([`super::control`]) and what a policy does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use crate::privacy::keyset::Keyring;
use crate::privacy::policy::Policy;

/// What a transaction is made under. Never changes once published.
pub struct Snapshot {
    /// All marks, settings and rules.
    pub policy: Arc<Policy>,
    /// The keysets.
    pub keyring: Arc<Keyring>,
    /// The nonce of the control topic's incarnation.
    pub control: String,
}

impl Snapshot {
    /// The policy's version.
    pub fn version(&self) -> u64 {
        self.policy.version()
    }
}

/// A moment at which the whole control topic had been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// When the broker was asked for the end.
    pub asked: Instant,
    /// The end it told: all before it is in the snapshot.
    pub end: i64,
}

/// The current snapshot and its freshness.
pub struct Current {
    snapshot: ArcSwapOption<Snapshot>,
    confirmed: Mutex<Option<Confirmed>>,
    wanted: AtomicU64,
    max_staleness: Duration,
}

impl Current {
    /// Nothing is known yet. Without a confirmation for `max_staleness` tasks pause.
    pub fn new(max_staleness: Duration) -> Self {
        Self { snapshot: ArcSwapOption::empty(), confirmed: Mutex::new(None), wanted: AtomicU64::new(0), max_staleness }
    }

    /// The snapshot to pin; `None` until the control topic was read to its end once.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.load_full()
    }

    /// Puts `snapshot` in force, unless it is older than the one that is.
    pub fn publish(&self, snapshot: Snapshot) {
        if self.snapshot().is_none_or(|held| held.version() <= snapshot.version()) {
            self.snapshot.store(Some(Arc::new(snapshot)));
        }
    }

    /// Takes in that the table was read up to `end`, which the broker was asked for at `asked`.
    pub fn confirm(&self, asked: Instant, end: i64) {
        *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Confirmed { asked, end });
    }

    /// The last confirmation.
    pub fn confirmed(&self) -> Option<Confirmed> {
        *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the last confirmation is young enough to work under.
    pub fn is_fresh(&self) -> bool {
        self.confirmed().is_some_and(|confirmed| confirmed.asked.elapsed() <= self.max_staleness)
    }

    /// Asks the control reader for a snapshot of at least this version: a task was last written under it.
    pub fn want(&self, version: u64) {
        self.wanted.fetch_max(version, Ordering::Relaxed);
    }

    /// The highest version asked for.
    pub fn wanted(&self) -> u64 {
        self.wanted.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::snapshot;
    use super::*;

    #[test]
    fn versions_never_fall() {
        let current = Current::new(Duration::from_secs(1));
        assert!(current.snapshot().is_none());
        for version in [3, 2, 5, 4] {
            current.publish(snapshot(version));
        }
        assert_eq!(current.snapshot().map(|snapshot| snapshot.version()), Some(5));
    }

    #[test]
    fn without_confirmation_the_table_grows_stale() {
        let current = Current::new(Duration::from_millis(5));
        assert!(!current.is_fresh());
        current.confirm(Instant::now(), 1);
        assert!(current.is_fresh());
        std::thread::sleep(Duration::from_millis(10));
        assert!(!current.is_fresh());
    }
}
