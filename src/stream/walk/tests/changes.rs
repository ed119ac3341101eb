//! Walks during which something else changes: their event source stops, their mark is withdrawn.

use std::sync::Mutex;

use super::*;
use crate::stream::happening::Happening;

#[test]
fn events_keep_their_partitions_when_their_source_stops() {
    let mut world = World::new();
    world.feed(1..=30, "{\"email\":\"#\"}");
    let (context, mut worker) = world.settled();
    world.log.log.add_partitions("raw", 1);
    let facts = context.facts.load().refresh(&context.log, "g", &context.plan.routes).unwrap();
    assert!(facts.sources[0].is_err() && facts.sources[1].is_ok());
    context.facts.store(Arc::new(facts));
    let since = world.mark("email", Mark::default());
    world.publish(&context);
    settle(&mut worker);
    assert_eq!(world.events(), once(1..=30, since));
    for event in world.log.log.records("protected") {
        let hash = murmur2::murmur2(&event.record.key.unwrap(), murmur2::KAFKA_SEED) & 0x7fff_ffff;
        assert_eq!(u32::try_from(event.partition.number), Ok(hash % 3));
    }
}

/// How many profiles were last told to be left.
#[derive(Default)]
struct Left(Mutex<Option<usize>>);

impl Observer for Left {
    fn observe(&self, happening: &Happening<'_>) {
        if let Happening::Walked { remaining, .. } = happening {
            *self.0.lock().unwrap() = Some(*remaining);
        }
    }
}

#[test]
fn a_walk_whose_mark_is_withdrawn_leaves_nobody() {
    let mut world = World::of(TransactionLimits { records: 3, time: Duration::ZERO, ..TransactionLimits::default() });
    world.feed(1..=20, "{\"email\":\"#\"}");
    let left = Arc::new(Left::default());
    let context = world.observed(left.clone());
    let mut worker = worker(&context);
    settle(&mut worker);
    world.mark("email", Mark::default());
    world.publish(&context);
    while left.0.lock().unwrap().is_none() {
        worker.step().unwrap();
    }
    assert!(left.0.lock().unwrap().is_some_and(|left| left > 0), "half-way");
    world.table.marks.clear();
    world.table.version += 1;
    world.publish(&context);
    settle(&mut worker);
    assert_eq!(*left.0.lock().unwrap(), Some(0));
}
