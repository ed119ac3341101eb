//! Ends of transactions of whose answer nothing is heard: they never arrive, arrive unheard, or arrive late. Each as a commit and as an
//! abort.

use sivcar::stream::log::{Consumer, Producer};

use super::*;

/// What one end is tried on: an output, and offsets in the same transaction.
struct Trial {
    raw: Partition,
    out: Partition,
    id: String,
}

impl Trial {
    fn new<R: Rig>(rig: &R) -> Trial {
        Trial { raw: create(rig, "raw", &[]), out: create(rig, "out", &[]), id: own(rig, "id") }
    }

    /// A member, and a producer with a transaction that is to be ended.
    fn open<R: Rig>(&self, rig: &R) -> (Member<R>, Writer<R>) {
        let (mut consumer, mut producer) = (member(rig, &self.raw), ready(rig.hasty(), &self.id));
        let membership = consumer.membership().expect("a member");
        begin(&mut producer, &to(&self.out, "in doubt"));
        producer.send_offsets(&position(&self.raw, 1, "in doubt"), &membership).expect("offsets");
        (consumer, producer)
    }

    /// Asserts that the next producer finds all of it, or nothing.
    fn came_to<R: Rig>(&self, rig: &R, consumer: &mut Member<R>, happened: bool) {
        let mut heir = ready(rig.log(), &self.id);
        assert_eq!(committed(consumer, &self.raw), at(1, "in doubt").filter(|_| happened));
        let seen: &[&str] = if happened { &["in doubt"] } else { &[] };
        shows(rig, &self.out.topic, seen);
        begin(&mut heir, &to(&self.out, "heir"));
        heir.commit().expect("committed");
    }
}

pub fn an_end_that_never_arrives_is_unknown_and_did_not_happen<R: Rig>(rig: &R) {
    both(rig, |rig, commits| {
        let trial = Trial::new(rig);
        let (mut consumer, mut producer) = trial.open(rig);
        fails!(Unknown, rig.end_late(&trial.id, &mut producer, commits, Again::IsLost, || {}));
        drop(producer);
        trial.came_to(rig, &mut consumer, false);
        assert!(!rig.land(&trial.id), "nobody has its epoch any more");
    });
}

pub fn an_end_that_arrives_and_is_not_answered_is_unknown_and_happened<R: Rig>(rig: &R) {
    both(rig, |rig, commits| {
        let trial = Trial::new(rig);
        let (mut consumer, mut producer) = trial.open(rig);
        let lands = || assert!(rig.land(&trial.id));
        fails!(Unknown, rig.end_late(&trial.id, &mut producer, commits, Again::IsLost, lands));
        drop(producer);
        trial.came_to(rig, &mut consumer, commits);
    });
}

pub fn a_late_end_is_nothing_to_the_next_producer<R: Rig>(rig: &R) {
    both(rig, |rig, commits| {
        let trial = Trial::new(rig);
        let (mut consumer, mut producer) = trial.open(rig);
        let replaced = || {
            let mut heir = ready(rig.log(), &trial.id);
            begin(&mut heir, &to(&trial.out, "heir"));
            assert!(!rig.land(&trial.id), "it ended a transaction");
            assert_eq!(committed_values(rig, &trial.out.topic), [""; 0]);
            heir.commit().expect("committed");
        };
        fails!(Fenced, rig.end_late(&trial.id, &mut producer, commits, Again::IsLost, replaced));
        drop(producer);
        assert_eq!(committed(&mut consumer, &trial.raw), None);
        shows(rig, &trial.out.topic, &["heir"]);
        assert_eq!(all_values(rig, &trial.out.topic), ["in doubt", "heir"]);
    });
}

/// Which is why one that is told nothing has to be discarded.
pub fn a_late_end_hits_the_next_transaction_of_a_producer_that_was_kept<R: Rig>(rig: &R) {
    both(rig, |rig, commits| {
        let trial = Trial::new(rig);
        let (mut consumer, mut kept) = trial.open(rig);
        fails!(Unknown, rig.end_late(&trial.id, &mut kept, commits, Again::Arrives, || {}));
        assert_eq!(committed(&mut consumer, &trial.raw), at(1, "in doubt").filter(|_| commits));
        begin(&mut kept, &to(&trial.out, "next"));
        assert!(rig.land(&trial.id), "it ended none");
        eventually("it is over", || (ends_of(&mut consumer, &trial.out) == (0, 4, 4)).then_some(()));
        let seen: &[&str] = if commits { &["in doubt", "next"] } else { &[] };
        shows(rig, &trial.out.topic, seen);
        // one that it has ended like this is ended, and the other end of it is none
        let told = kept.commit();
        if commits { told.expect("it is committed") } else { fails!(Unknown, told) }
    });
}
