//! The worker over the embedded log, stepped by hand, with scripted faults. Each test that has one asserts that it occurred.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::*;
use crate::memory::MemoryLog;
use crate::stream::assignment::LAG_EVERY;
use crate::stream::context::Plan;
use crate::stream::fixture::{document, keyring, plan, snapshot};
use crate::stream::happening::Observer;
use crate::stream::log::{Committed, Outgoing, Producer};
use crate::stream::scripted::{Call, Scripted, Twist};
use crate::stream::topics::Facts;
use crate::stream::transaction::{Metadata, TransactionLimits};

mod tasks;

/// Counts happenings by name.
#[derive(Default)]
struct Counts(Mutex<BTreeMap<String, u64>>);

impl Observer for Counts {
    fn observe(&self, happening: &Happening<'_>) {
        let (name, count) = match happening {
            Happening::Committed { tally, .. } => ("committed".to_owned(), tally.records()),
            Happening::Aborted { reason, .. } => (format!("aborted {reason}"), 1),
            Happening::Resolved { outcome, .. } => (format!("resolved {outcome}"), 1),
            Happening::Stopped { reason, .. } => (format!("stopped {reason}"), 1),
            Happening::Waiting { .. } => ("waiting".to_owned(), 1),
            Happening::Opened { .. } => ("opened".to_owned(), 1),
            Happening::Paused { .. } => ("paused".to_owned(), 1),
            Happening::Lag { records, .. } => (format!("lag {records}"), 1),
            Happening::Stale { stale, .. } => (format!("stale {stale}"), 1),
            _ => return,
        };
        *self.0.lock().unwrap().entry(name).or_default() += count;
    }
}

struct World {
    log: Scripted,
    context: Arc<Context<Scripted>>,
    counts: Arc<Counts>,
}

fn raw(number: i32) -> Partition {
    Partition::new("raw", number)
}

impl World {
    fn new() -> Self {
        Self::with(TransactionLimits { records: 100, time: Duration::ZERO, ..TransactionLimits::default() }, &[])
    }

    fn with(limits: TransactionLimits, protected: &[(&str, &str)]) -> Self {
        let memory = MemoryLog::new("g").with_patience(Duration::ZERO);
        memory.create_topic("raw", 2, &[]).unwrap();
        memory.create_topic("protected", 2, protected).unwrap();
        let log = Scripted::new(memory);
        let plan = Plan { limits, ..plan() };
        let facts = Facts::at_start(&log, "g", &plan.routes, true).unwrap();
        let counts = Arc::new(Counts::default());
        let context = Arc::new(Context::new(log.clone(), plan, keyring(), facts, counts.clone()));
        context.current.publish(snapshot(1));
        context.current.confirm(Instant::now(), 1);
        Self { log, context, counts }
    }

    fn worker(&self, number: usize) -> Worker<Scripted> {
        Worker::start(self.context.clone(), number).unwrap()
    }

    fn feed(&self, partition: i32, texts: &[&str]) {
        for text in texts {
            self.log.log.append(&raw(partition), document(text)).unwrap();
        }
    }

    /// The texts in a partition of the protected topic.
    fn protected(&self, partition: i32) -> Vec<String> {
        let records = self.log.log.records("protected").into_iter();
        let texts = records.filter(|fetched| fetched.partition.number == partition).map(|fetched| {
            let value: serde_json::Value = serde_json::from_slice(fetched.record.value.as_ref().unwrap()).unwrap();
            value["n"].as_str().unwrap().to_owned()
        });
        texts.collect()
    }

    fn committed(&self, partition: i32) -> i64 {
        self.log.log.committed(&raw(partition)).map_or(-1, |committed| committed.offset)
    }

    fn count(&self, name: &str) -> u64 {
        self.counts.0.lock().unwrap().get(name).copied().unwrap_or(0)
    }

    /// How many of both tasks, each told once, lag by so many records.
    fn lagging(&self, worker: &mut Worker<Scripted>, records: u64) -> u64 {
        let name = format!("lag {records}");
        let before = self.count(&name);
        for _ in 0..2 {
            worker.lag_told = worker.lag_told.take().map(|(_, partition)| (Instant::now() - LAG_EVERY, partition));
            worker.tell_lag();
        }
        self.count(&name) - before
    }
}

fn step<L: Log>(worker: &mut Worker<L>, times: usize) -> u64 {
    (0..times).map(|_| worker.step().unwrap()).sum()
}

fn fault(kind: fn(String) -> Fault) -> Fault {
    kind("scripted".into())
}

#[test]
fn a_topic_is_mirrored_partition_by_partition_in_order() {
    let world = World::new();
    world.feed(0, &["a", "b", "c"]);
    world.feed(1, &["x"]);
    let mut worker = world.worker(0);
    assert_eq!(step(&mut worker, 4), 4);
    assert_eq!(world.protected(0), ["a", "b", "c"]);
    assert_eq!(world.protected(1), ["x"]);
    assert_eq!((world.committed(0), world.committed(1)), (3, 1));
    assert_eq!(world.count("committed"), 4);
    assert!(world.context.ready.is_set());
}

#[test]
fn a_marker_is_no_unread_record() {
    let world = World::new();
    let mut producer = world.log.log.producer("upstream", usize::MAX).unwrap();
    producer.init().unwrap();
    producer.begin().unwrap();
    producer.produce(&Outgoing { topic: "raw".into(), partition: Some(0), record: document("a") }).unwrap();
    producer.commit().unwrap();
    let mut worker = world.worker(0);
    assert_eq!(step(&mut worker, 4), 1);
    assert_eq!(world.lagging(&mut worker, 0), 2);
    world.feed(0, &["b"]);
    assert_eq!(world.lagging(&mut worker, 1), 1);
}

#[test]
fn a_first_transaction_commits_the_start_before_anything_is_written() {
    let world = World::new();
    world.log.log.append(&raw(0), document("gone")).unwrap();
    world.log.log.trim(&raw(0), 1);
    let mut worker = world.worker(0);
    step(&mut worker, 2);
    assert_eq!((world.committed(0), world.committed(1)), (1, 0));
    let metadata = world.log.log.committed(&raw(0)).unwrap().metadata;
    let metadata = Metadata::parse(&metadata).unwrap();
    assert_eq!((metadata.policy, metadata.control.as_str()), (1, "nonce"));
    assert!(world.log.log.uncommitted("protected").is_empty());
}

#[test]
fn a_batch_is_bounded_by_records_and_by_output() {
    let limits = TransactionLimits { records: 3, output_bytes: 1, time: Duration::ZERO };
    let world = World::with(limits, &[]);
    world.feed(0, &["a", "b", "c", "d"]);
    let mut worker = world.worker(0);
    step(&mut worker, 2);
    assert_eq!(world.log.calls(Call::Commit), 2, "the starts, then one record");
    for expected in ["b", "c", "d"] {
        assert_eq!(step(&mut worker, 1), 1);
        assert_eq!(world.protected(0).last().map(String::as_str), Some(expected));
    }
    assert_eq!(world.log.calls(Call::Commit), 5);
    assert_eq!(world.protected(0), ["a", "b", "c", "d"]);
}

#[test]
fn two_workers_share_and_each_partition_has_one_history() {
    let world = World::new();
    world.feed(0, &["a"]);
    world.feed(1, &["x"]);
    let mut first = world.worker(0);
    step(&mut first, 3);
    let mut second = world.worker(1);
    world.feed(0, &["b"]);
    world.feed(1, &["y"]);
    for _ in 0..4 {
        step(&mut first, 1);
        step(&mut second, 1);
    }
    assert_eq!((first.tasks.len(), second.tasks.len()), (1, 1));
    drop(first);
    world.feed(0, &["c"]);
    world.feed(1, &["z"]);
    step(&mut second, 4);
    assert_eq!(world.protected(0), ["a", "b", "c"]);
    assert_eq!(world.protected(1), ["x", "y", "z"]);
}

#[test]
fn an_abort_rewinds_and_the_batch_is_repeated() {
    for call in [Call::Drain, Call::SendOffsets, Call::Commit] {
        let world = World::new();
        let mut worker = world.worker(0);
        step(&mut worker, 2);
        world.feed(0, &["a", "b"]);
        world.log.next(call, Twist::Instead(fault(Fault::Abort)));
        assert_eq!(step(&mut worker, 1), 0);
        assert_eq!(world.log.occurred(call), 1, "{call:?}");
        assert_eq!(world.log.log.uncommitted("protected").len(), 2, "{call:?}");
        assert_eq!(step(&mut worker, 1), 2, "{call:?}");
        assert_eq!(world.protected(0), ["a", "b"]);
        assert_eq!((world.count("aborted fault"), world.count("committed")), (1, 2));
    }
}

#[test]
fn a_seek_that_was_lost_skips_nothing() {
    let world = World::new();
    let mut worker = world.worker(0);
    step(&mut worker, 2);
    world.feed(0, &["a", "b"]);
    world.log.next(Call::Drain, Twist::Instead(fault(Fault::Abort)));
    world.log.next(Call::Seek, Twist::Instead(fault(Fault::Lost)));
    step(&mut worker, 1);
    assert_eq!((world.log.occurred(Call::Drain), world.log.occurred(Call::Seek)), (1, 1));
    world.feed(0, &["c"]);
    step(&mut worker, 3);
    assert_eq!(world.protected(0), ["a", "b", "c"]);
}

#[test]
fn an_abort_of_the_very_first_transaction_starts_again_at_the_start() {
    let world = World::new();
    world.feed(0, &["a"]);
    world.log.next(Call::Commit, Twist::Instead(fault(Fault::Abort)));
    let mut worker = world.worker(0);
    step(&mut worker, 5);
    assert_eq!(world.log.occurred(Call::Commit), 1);
    assert_eq!(world.protected(0), ["a"]);
}

#[test]
fn an_unknown_commit_that_happened_is_not_repeated() {
    let world = World::new();
    let mut worker = world.worker(0);
    step(&mut worker, 2);
    world.feed(0, &["a", "b"]);
    world.log.next(Call::Commit, Twist::After(fault(Fault::Unknown)));
    assert_eq!(step(&mut worker, 1), 2);
    assert_eq!(world.log.occurred(Call::Commit), 1);
    assert_eq!(world.log.calls(Call::Init), 2);
    assert_eq!(world.count("resolved committed"), 1);
    world.feed(0, &["c"]);
    assert_eq!(step(&mut worker, 1), 1);
    assert_eq!(world.protected(0), ["a", "b", "c"]);
}

#[test]
fn an_unknown_commit_that_did_not_happen_is_repeated() {
    for call in [Call::Commit, Call::Abort] {
        let world = World::new();
        let mut worker = world.worker(0);
        step(&mut worker, 2);
        world.feed(0, &["a", "b"]);
        if call == Call::Abort {
            world.log.next(Call::Drain, Twist::Instead(fault(Fault::Abort)));
        }
        world.log.next(call, Twist::Instead(fault(Fault::Unknown)));
        assert_eq!(step(&mut worker, 1), 0);
        assert_eq!(world.log.occurred(call), 1);
        assert_eq!(world.log.calls(Call::Init), 2);
        assert_eq!(world.count("resolved aborted"), 1);
        assert_eq!(step(&mut worker, 1), 2);
        assert_eq!(world.protected(0), ["a", "b"]);
    }
}

#[test]
fn an_unknown_commit_after_which_another_committed_is_lost_and_the_group_is_joined_anew() {
    let world = World::new();
    let mut worker = world.worker(0);
    step(&mut worker, 2);
    world.feed(0, &["a", "b"]);
    let other = Committed { offset: 1, metadata: "1;policy=1;control=nonce;txn=other.1".into() };
    world.log.next(Call::Commit, Twist::Instead(fault(Fault::Unknown)));
    world.log.next(Call::Committed, Twist::Before(Box::new(move |log| log.set_committed(&raw(0), Some(other)))));
    assert_eq!(step(&mut worker, 1), 0);
    assert_eq!((world.log.occurred(Call::Commit), world.log.occurred(Call::Committed)), (1, 1));
    assert_eq!(world.count("resolved lost"), 1);
    step(&mut worker, 3);
    assert_eq!(world.protected(0), ["b"]);
}

#[test]
fn a_fenced_worker_ends_and_never_initialises_again() {
    let world = World::new();
    let mut worker = world.worker(0);
    step(&mut worker, 2);
    world.feed(0, &["a"]);
    world.log.log.producer("g.i.0", usize::MAX).unwrap().init().unwrap();
    let error = worker.step().unwrap_err();
    assert!(matches!(error, Error::Fenced(_)), "{error}");
    assert_eq!(error.exit_code(), crate::stream::error::EXIT_FENCED);
    assert_eq!(world.log.calls(Call::Init), 1);
    assert!(world.protected(0).is_empty());
}

#[test]
fn without_membership_nothing_is_sent() {
    let world = World::new();
    let mut worker = world.worker(0);
    step(&mut worker, 2);
    world.feed(0, &["a"]);
    let begun = world.log.calls(Call::Begin);
    world.log.next(Call::Membership, Twist::Instead(fault(Fault::Lost)));
    assert_eq!(step(&mut worker, 1), 0);
    assert_eq!((world.log.occurred(Call::Membership), world.log.calls(Call::Begin)), (1, begun));
    assert_eq!(step(&mut worker, 1), 1);
    assert_eq!(world.protected(0), ["a"]);
}

#[test]
fn an_expelled_member_commits_nothing_and_comes_back() {
    let world = World::new();
    let mut worker = world.worker(0);
    step(&mut worker, 2);
    world.feed(0, &["a"]);
    let expel = |log: &MemoryLog| assert!(log.expel(log.members()[0]));
    world.log.next(Call::SendOffsets, Twist::Before(Box::new(expel)));
    assert_eq!(step(&mut worker, 1), 0);
    assert_eq!(world.log.occurred(Call::SendOffsets), 1);
    assert_eq!(world.count("aborted lost"), 1);
    step(&mut worker, 4);
    assert_eq!(world.protected(0), ["a"]);
}

#[test]
fn a_refused_record_is_found_one_input_at_a_time() {
    let world = World::new();
    let mut worker = world.worker(0);
    step(&mut worker, 2);
    world.log.refuse(|outgoing: &Outgoing| {
        &*outgoing.topic == "protected" && outgoing.record.value == document("bad").value
    });
    world.feed(0, &["a", "b", "bad", "c"]);
    world.feed(1, &["x"]);
    assert_eq!(step(&mut worker, 10), 5);
    assert_eq!(world.log.script.lock().unwrap().refused, 2);
    assert_eq!(world.protected(0), ["a", "b", "c"]);
    assert_eq!(world.protected(1), ["x"]);
    assert_eq!(world.log.log.records("dead").len(), 1);
    assert_eq!(world.count("aborted refused"), 2);
    assert!(worker.careful.is_empty());
}

#[test]
fn an_output_too_large_for_its_topic_is_a_dead_letter_and_the_rest_flows() {
    let limits = TransactionLimits { records: 100, time: Duration::ZERO, ..TransactionLimits::default() };
    let world = World::with(limits, &[("max.message.bytes", "300")]);
    world.feed(0, &["a", &"x".repeat(200), "b"]);
    let mut worker = world.worker(0);
    assert_eq!(step(&mut worker, 4), 3);
    assert_eq!(world.protected(0), ["a", "b"]);
    let letters = world.log.log.records("dead");
    assert_eq!(letters.len(), 1);
    assert!(letters[0].record.headers.iter().any(|header| header.value.as_deref() == Some(b"output_too_large")));
    assert_eq!(world.count("aborted refused"), 0, "it was measured, the broker was not asked");
}

#[test]
fn a_pending_transaction_of_a_dead_owner_holds_its_task_back_and_no_other() {
    let world = World::new();
    world.feed(0, &["a"]);
    world.feed(1, &["x"]);
    let pending = || world.log.next(Call::Committed, Twist::Instead(fault(Fault::Retry)));
    pending();
    world.log.next(Call::Committed, Twist::Before(Box::new(|_| {})));
    pending();
    pending();
    let mut worker = world.worker(0);
    assert_eq!(step(&mut worker, 4), 1);
    assert_eq!(world.log.occurred(Call::Committed), 4);
    assert_eq!((worker.tasks.keys().collect::<Vec<_>>(), worker.assigning.clone()), (vec![&raw(1)], vec![raw(0)]));
    assert_eq!(world.protected(1), ["x"]);
    assert_eq!(step(&mut worker, 2), 1);
    assert_eq!(world.protected(0), ["a"]);
}
