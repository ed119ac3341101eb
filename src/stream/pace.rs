//! The walk's share of a transaction: how many profiles it takes.
//!
//! Always holds: at least a hundredth of what a transaction may take, so that every walk ends; at most all of it. The workers of a process
//! have one [`Throttle`]: a worker that has nothing but a walk yields to another's live records. Deliberately not here: which profiles.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many profiles a transaction's walk takes, learnt from the commits of all workers of a process.
#[derive(Debug)]
pub(super) struct Throttle {
    share: AtomicUsize,
    most: usize,
}

/// One in so many of a transaction's records is the walk's at least.
const LEAST: usize = 100;

impl Throttle {
    /// A throttle for transactions of at most `records`.
    pub(super) fn new(records: usize) -> Self {
        Self { share: AtomicUsize::new((records / 10).max(1)), most: records.max(1) }
    }

    /// How many profiles a transaction takes at least, however long that is.
    fn least(&self) -> usize {
        (self.most / LEAST).max(1)
    }

    /// Halves the share where live records suffer, else raises it by a quarter.
    fn learn(&self, suffer: bool) {
        let next = |share: usize| if suffer { share / 2 } else { share + share / 4 + 1 };
        let next = |share| Some(next(share).clamp(self.least(), self.most));
        // it never fails: there always is a next
        let _ = self.share.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }
}

/// How many profiles a worker's next transaction takes.
#[derive(Debug)]
pub(super) struct Pace {
    throttle: Arc<Throttle>,
    /// How often the broker refused what walks write since some of it was committed.
    refusals: usize,
    /// The broker refuses what the next profile's walk writes: it goes to the dead letters instead.
    pub reject: bool,
}

impl Pace {
    /// A worker's pace under the `throttle` of its process.
    pub(super) fn new(throttle: Arc<Throttle>) -> Self {
        Self { throttle, refusals: 0, reject: false }
    }

    /// How many profiles the next transaction takes.
    pub(super) fn share(&self) -> usize {
        if self.refusals > 0 { 1 } else { self.throttle.share.load(Ordering::Relaxed) }
    }

    /// How many it takes at least, however long that is.
    pub(super) fn least(&self) -> usize {
        self.throttle.least()
    }

    /// Takes in that a transaction was committed, whether live records suffer (its commit took long, or there were more of them than
    /// it takes), and whether walks were in it.
    pub(super) fn committed(&mut self, suffer: bool, walked: bool) {
        self.throttle.learn(suffer);
        if walked {
            (self.refusals, self.reject) = (0, false);
        }
    }

    /// Takes in that the broker refused what walks write: then one profile of one task is tried at a time, and refused once more it
    /// goes to the dead letters.
    pub(super) fn refused(&mut self) {
        self.reject = self.refusals > 0 && !self.reject;
        self.refusals += 1;
    }

    /// Which of `walks` walks goes on alone, if the others must wait.
    pub(super) fn alone(&self, walks: usize) -> Option<usize> {
        (self.refusals > 0).then(|| (self.refusals - 1) / 2 % walks.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        Pace::new(Arc::new(Throttle::new(5_000)))
    }

    #[test]
    fn the_share_falls_when_live_records_suffer_and_rises_else() {
        let mut pace = pace();
        assert_eq!(pace.share(), 500);
        pace.committed(true, true);
        assert_eq!(pace.share(), 250);
        (0..10).for_each(|_| pace.committed(true, true));
        assert_eq!(pace.share(), 50, "a hundredth at least");
        pace.committed(false, true);
        assert_eq!(pace.share(), 63);
        (0..40).for_each(|_| pace.committed(false, true));
        assert_eq!(pace.share(), 5_000, "all at most");
    }

    #[test]
    fn a_worker_yields_to_the_live_records_of_another() {
        let throttle = Arc::new(Throttle::new(5_000));
        let [mut live, walking] = [(); 2].map(|()| Pace::new(throttle.clone()));
        live.committed(true, false);
        assert_eq!(walking.share(), 250);
        live.refused();
        assert_eq!((live.share(), walking.share()), (1, 250), "what a broker refuses is one worker's matter");
    }

    #[test]
    fn a_refused_walk_goes_on_alone_and_then_gives_one_profile_up() {
        let mut pace = pace();
        assert_eq!((pace.alone(3), pace.reject), (None, false));
        // each of three walks is tried alone, and rejected where it is refused once more
        let mut tried = Vec::new();
        for _ in 0..6 {
            pace.refused();
            tried.push((pace.alone(3), pace.reject, pace.share()));
        }
        let expected = [(0, false), (0, true), (1, false), (1, true), (2, false), (2, true)];
        assert_eq!(tried, expected.map(|(walk, reject)| (Some(walk), reject, 1)));
        pace.committed(false, false);
        assert_eq!((pace.alone(3), pace.reject), (Some(2), true), "live records alone tell nothing of a walk");
        pace.committed(true, true);
        assert_eq!((pace.alone(3), pace.reject, pace.share()), (None, false, 313));
    }
}
