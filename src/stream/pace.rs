//! The walk's share of a transaction: how many profiles it takes.
//!
//! Always holds: at least a hundredth of what a transaction may take, so that every walk ends; at most all of it. Deliberately not here:
//! which profiles.

use std::time::Duration;

/// How many profiles a transaction's walk takes.
#[derive(Debug)]
pub(super) struct Pace {
    share: usize,
    most: usize,
    /// How often the broker refused a transaction of walks since one was committed.
    refusals: usize,
    /// The broker refuses what the next profile's walk writes: it goes to the dead letters instead.
    pub reject: bool,
}

/// One in so many of a transaction's records is the walk's at least.
const LEAST: usize = 100;

impl Pace {
    /// A pace for transactions of at most `records`.
    pub(super) fn new(records: usize) -> Self {
        Self { share: (records / 10).max(1), most: records.max(1), refusals: 0, reject: false }
    }

    /// How many profiles the next transaction takes.
    pub(super) fn share(&self) -> usize {
        self.share
    }

    /// How many it takes at least, however long that is.
    pub(super) fn least(&self) -> usize {
        (self.most / LEAST).max(1)
    }

    /// Takes in how long a commit took against what a transaction may take: slower means fewer, down to a hundredth.
    pub(super) fn learn(&mut self, commit: Duration, target: Duration) {
        let slow = commit > target;
        let share = if slow { self.share / 2 } else { self.share + self.share / 4 + 1 };
        self.share = share.clamp(self.least(), self.most);
        (self.refusals, self.reject) = (0, false);
    }

    /// Takes in that the broker refused a transaction of walks alone: then one profile of one task is tried at a time, and refused
    /// once more it goes to the dead letters.
    pub(super) fn refused(&mut self) {
        self.reject = self.refusals > 0 && !self.reject;
        self.refusals += 1;
        self.share = 1;
    }

    /// Which of `walks` walks goes on alone, if the others must wait.
    pub(super) fn alone(&self, walks: usize) -> Option<usize> {
        (self.refusals > 0).then(|| (self.refusals - 1) / 2 % walks.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_falls_when_commits_are_slow_and_rises_else() {
        let (target, slow, fast) = (Duration::from_millis(100), Duration::from_millis(101), Duration::from_millis(5));
        let mut pace = Pace::new(5_000);
        assert_eq!(pace.share(), 500);
        pace.learn(slow, target);
        assert_eq!(pace.share(), 250);
        for _ in 0..10 {
            pace.learn(slow, target);
        }
        assert_eq!(pace.share(), 50, "a hundredth at least");
        pace.learn(fast, target);
        assert_eq!(pace.share(), 63);
        for _ in 0..40 {
            pace.learn(fast, target);
        }
        assert_eq!(pace.share(), 5_000, "all at most");
    }

    #[test]
    fn a_refused_walk_goes_on_alone_and_then_gives_one_profile_up() {
        let mut pace = Pace::new(5_000);
        assert_eq!((pace.alone(3), pace.reject), (None, false));
        // each of three walks is tried alone, and rejected where it is refused once more
        let mut tried = Vec::new();
        for _ in 0..6 {
            pace.refused();
            tried.push((pace.alone(3), pace.reject, pace.share()));
        }
        let expected = [(0, false), (0, true), (1, false), (1, true), (2, false), (2, true)];
        assert_eq!(tried, expected.map(|(walk, reject)| (Some(walk), reject, 1)));
        pace.learn(Duration::ZERO, Duration::from_millis(100));
        assert_eq!((pace.alone(3), pace.reject, pace.share()), (None, false, 50));
    }
}
