//! Walks during which something else changes: their event source stops.

use super::*;

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
