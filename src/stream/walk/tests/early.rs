//! Profiles that were settled under a newer policy than is here: their task waits, as one does that was last written under it.

use super::*;
use crate::stream::error::Error;
use crate::stream::log::Committed;
use crate::stream::task::TaskState;

fn users() -> Partition {
    Partition::new("users", 0)
}

/// A process at version 7, where `marked` is said, of a world in which a profile was settled at 9. What told of that beside the profile
/// itself is gone: the last change was a withdrawal, which compaction took, and somebody has reset the offsets.
fn behind(marked: bool) -> (World, Arc<Context<Scripted>>, Worker<Scripted>) {
    let mut world = World::new();
    world.table.version = 9;
    world.feed([1], "{\"email\":\"#\"}");
    drop(world.settled());
    let raw = (0..3).map(|number| Partition::new("raw", number));
    for partition in raw.chain([users()]) {
        let offset = world.log.log.committed(&partition).unwrap().offset;
        world.log.log.set_committed(&partition, Some(Committed { offset, metadata: String::new() }));
    }
    world.table.version = if marked { 6 } else { 7 };
    if marked {
        world.mark("email", Mark::default());
    }
    let context = world.process();
    context.current.confirm(Instant::now(), 12);
    let worker = worker(&context);
    (world, context, worker)
}

fn step(worker: &mut Worker<Scripted>) {
    (0..8).for_each(|_| assert!(worker.step().is_ok()));
}

#[test]
fn a_profile_settled_under_a_newer_policy_has_its_task_wait_and_no_other() {
    for marked in [false, true] {
        let (mut world, context, mut worker) = behind(marked);
        if !marked {
            world.feed([1], "{\"n\":2}");
        }
        step(&mut worker);
        assert_eq!((&worker.tasks[&users()].state, context.current.wanted()), (&TaskState::Waiting, 9), "{marked}");
        let event = Record { value: Some(b"{\"workspace\":\"acme\"}".to_vec()), ..Record::default() };
        world.log.log.append(&Partition::new("raw", 1), event).unwrap();
        let begun = world.log.calls(Call::Begin);
        step(&mut worker);
        assert_eq!(world.log.log.records("protected").len(), 1, "others go on: {marked}");
        assert_eq!(world.log.calls(Call::Begin), begun + 1, "nothing is tried in vain: {marked}");
        assert_eq!(world.log.log.records("people").len(), 1);

        world.table.version = 12;
        world.publish(&context);
        world.feed([1], "{\"n\":3}");
        settle(&mut worker);
        assert!(world.people()["1"].contains("\"n\":3"), "{marked}");
    }
}

#[test]
fn a_profile_settled_beyond_the_control_topics_end_stops_the_process() {
    let (world, context, mut worker) = behind(false);
    world.feed([1], "{\"n\":2}");
    step(&mut worker);
    context.current.confirm(Instant::now(), 8);
    let error = worker.step().unwrap_err();
    assert!(matches!(error, Error::PolicyWentBackwards(_)), "{error}");
}
