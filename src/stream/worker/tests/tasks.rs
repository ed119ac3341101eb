//! When tasks open, pause and stop.

use super::*;
use crate::telemetry::Metrics;

#[test]
fn no_task_opens_under_a_policy_older_than_its_last() {
    let world = World::new();
    let metadata = "1;policy=7;control=nonce;txn=x.1".to_owned();
    world.log.log.set_committed(&raw(0), Some(Committed { offset: 0, metadata }));
    world.feed(0, &["a"]);
    world.feed(1, &["x"]);
    world.context.current.confirm(Instant::now(), 8);
    let mut worker = world.worker(0);
    assert_eq!(step(&mut worker, 4), 1);
    assert_eq!((world.count("waiting"), world.context.current.wanted()), (1, 7));
    assert!(!world.context.ready.is_set());
    assert_eq!(world.protected(1), ["x"]);
    world.context.current.publish(snapshot(7));
    assert_eq!(step(&mut worker, 2), 1);
    assert_eq!(world.protected(0), ["a"]);
}

#[test]
fn what_came_before_a_pause_could_be_made_is_read_again() {
    for fault in [fault(Fault::Retry), fault(Fault::Lost)] {
        let world = World::new();
        let metadata = "1;policy=7;control=nonce;txn=x.1".to_owned();
        world.log.log.set_committed(&raw(0), Some(Committed { offset: 0, metadata }));
        world.feed(0, &["a", "b"]);
        world.context.current.confirm(Instant::now(), 8);
        (0..2).for_each(|_| world.log.next(Call::Pause, Twist::Instead(fault.clone())));
        let mut worker = world.worker(0);
        step(&mut worker, 3);
        assert_eq!((world.log.occurred(Call::Pause), world.committed(0)), (2, 0), "{fault}");
        assert_eq!(world.lagging(&mut worker, 2), 1, "what was dropped is unread: {fault}");
        world.context.current.publish(snapshot(7));
        world.feed(0, &["c"]);
        step(&mut worker, 2);
        assert_eq!(world.protected(0), ["a", "b", "c"], "{fault}");
    }
}

#[test]
fn a_policy_beyond_the_control_topics_end_stops_the_process() {
    let world = World::new();
    let metadata = "1;policy=7;control=nonce;txn=x.1".to_owned();
    world.log.log.set_committed(&raw(0), Some(Committed { offset: 0, metadata }));
    let mut worker = world.worker(0);
    step(&mut worker, 3);
    // an end asked for after the task was opened tells; the one before could not
    world.context.current.confirm(Instant::now(), 6);
    let error = worker.step().unwrap_err();
    assert!(matches!(error, Error::PolicyWentBackwards(_)), "{error}");
    assert_eq!(error.exit_code(), crate::stream::error::EXIT_POLICY_WENT_BACKWARDS);
}

#[test]
fn another_control_topic_stops_the_process() {
    let world = World::new();
    let metadata = "1;policy=1;control=other;txn=x.1".to_owned();
    world.log.log.set_committed(&raw(0), Some(Committed { offset: 0, metadata }));
    let mut worker = world.worker(0);
    let error = (0..3).find_map(|_| worker.step().err()).expect("the process stops");
    assert!(matches!(error, Error::PolicyWentBackwards(_)), "{error}");
}

#[test]
fn policy_versions_never_fall_in_a_partition() {
    let world = World::new();
    let mut worker = world.worker(0);
    step(&mut worker, 2);
    let mut versions = Vec::new();
    for version in [3, 2, 5] {
        world.context.current.publish(snapshot(version));
        world.feed(0, &["a"]);
        assert_eq!(step(&mut worker, 1), 1);
        let metadata = world.log.log.committed(&raw(0)).unwrap().metadata;
        versions.push(Metadata::parse(&metadata).unwrap().policy);
    }
    assert_eq!(versions, [3, 3, 5]);
}

#[test]
fn tasks_pause_while_the_control_topic_cannot_be_confirmed() {
    let world = World::new();
    let plan = Plan { max_staleness: Duration::ZERO, ..world.context.plan.clone() };
    let facts = Facts::clone(&world.context.facts.load());
    let context = Arc::new(Context::new(world.log.clone(), plan, keyring(), facts, world.counts.clone()));
    context.current.publish(snapshot(1));
    let stale = context.clone();
    let mut worker = Worker::start(context, 0).unwrap();
    world.feed(0, &["a"]);
    assert_eq!(step(&mut worker, 4), 0);
    assert_eq!((world.count("stale true"), worker.tasks.len()), (1, 2));
    assert_eq!((world.count("opened"), world.count("paused")), (0, 0), "none was open before");
    assert!(worker.tasks.values().all(|task| task.paused));
    assert_eq!(world.log.calls(Call::Begin), 0);
    worker.context = world.context.clone();
    step(&mut worker, 3);
    assert_eq!((world.count("stale false"), world.protected(0)), (1, vec!["a".to_owned()]));
    assert_eq!(world.count("opened"), 2);
    worker.context = stale;
    step(&mut worker, 1);
    assert_eq!((world.count("stale true"), world.count("paused")), (2, 2), "no task that is paused counts as open");
}

#[test]
fn a_lost_range_stops_its_task_alone() {
    let world = World::new();
    let mut worker = world.worker(0);
    world.feed(0, &["a", "b", "c"]);
    world.log.log.set_committed(&raw(0), Some(Committed { offset: 1, metadata: String::new() }));
    world.log.log.trim(&raw(0), 2);
    world.feed(1, &["x"]);
    step(&mut worker, 6);
    assert_eq!(world.count("stopped out_of_range"), 1);
    assert!(world.protected(0).is_empty());
    assert_eq!(world.protected(1), ["x"]);
    assert_eq!(world.committed(0), 1);
}

#[test]
fn partitions_added_at_run_time_stop_their_source() {
    let world = World::new();
    let mut worker = world.worker(0);
    step(&mut worker, 2);
    world.log.log.add_partitions("raw", 1);
    step(&mut worker, 2);
    world.feed(0, &["a"]);
    world.feed(2, &["new"]);
    assert_eq!(step(&mut worker, 3), 0);
    assert_eq!(world.count("stopped source_changed"), 3);
    assert!(world.context.facts.load().sources[0].is_err());
}

#[test]
fn a_task_is_told_of_from_its_assignment_until_it_goes() {
    let world = World::new();
    let metrics = Arc::new(Metrics::new("g", ["raw"]));
    let told = |open: u8| {
        let text = metrics.text().unwrap();
        let of_raw = text.lines().filter(|line| line.starts_with("sivcar_task_open{"));
        of_raw.filter(|line| line.ends_with(&format!(" {open}"))).count()
    };
    let facts = Facts::clone(&world.context.facts.load());
    let plan = world.context.plan.clone();
    let context = Arc::new(Context::new(world.log.clone(), plan, keyring(), facts, metrics.clone()));
    context.current.publish(snapshot(1));
    context.current.confirm(Instant::now(), 1);
    let mut worker = Worker::start(context, 0).unwrap();

    // what is committed is not known yet: both tasks are this process', and neither is open
    (0..2).for_each(|_| world.log.next(Call::Committed, Twist::Instead(fault(Fault::Retry))));
    step(&mut worker, 2);
    assert_eq!((worker.assigning.len(), told(0), told(1)), (2, 2, 0));
    assert!(world.log.log.expel(world.log.log.members()[0]));
    step(&mut worker, 1);
    assert_eq!((world.log.occurred(Call::Committed), told(0), told(1)), (2, 0, 0), "another process tells of them");
    step(&mut worker, 2);
    assert_eq!((told(0), told(1)), (0, 2));
}

#[test]
fn an_offset_that_has_expired_is_no_first_start() {
    let world = World::new();
    world.feed(0, &["a", "b"]);
    let mut worker = world.worker(0);
    step(&mut worker, 4);
    drop(worker);
    world.log.log.set_committed(&raw(0), None);
    let mut worker = world.worker(0);
    let error = (0..3).find_map(|_| worker.step().err()).expect("the process stops");
    assert!(error.to_string().starts_with("raw[0] was worked on, and the group has no offset"), "{error}");
    drop(worker);
    assert_eq!(world.protected(0), ["a", "b"]);

    // an operator says where it goes on
    world.log.log.set_committed(&raw(0), Some(Committed { offset: 1, metadata: String::new() }));
    step(&mut world.worker(0), 4);
    assert_eq!(world.protected(0), ["a", "b", "b"]);
}
