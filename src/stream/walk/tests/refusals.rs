//! Profiles that cannot be written or kept, and walks that break off.

use super::*;
use crate::privacy::gate::Gate;
use crate::record::Header;
use crate::stream::store::Entry;

#[test]
fn a_profile_whose_event_the_broker_refuses_goes_to_the_dead_letters_alone() {
    let mut world = World::new();
    world.feed(1..=10, "{\"email\":\"#\"}");
    let (context, mut worker) = world.settled();
    let since = world.mark("email", Mark::default());
    world.log.refuse(|outgoing: &Outgoing| {
        &*outgoing.topic == "protected" && outgoing.record.key.as_deref() == Some(b"4".as_slice())
    });
    world.publish(&context);
    settle(&mut worker);
    assert!(world.log.script.lock().unwrap().refused > 0);
    assert_eq!(world.events(), once((1..=10).filter(|id| *id != 4), since));
    assert_eq!(world.log.log.records("dead").len(), 1);
    assert!(!worker.is_walking());
}

#[test]
fn live_records_and_the_walk_go_on_beside_a_profile_whose_event_the_broker_refuses() {
    let mut world = World::of(TransactionLimits { records: 3, time: Duration::ZERO, ..TransactionLimits::default() });
    world.feed(1..=10, "{\"email\":\"#\"}");
    let (context, mut worker) = world.settled();
    let since = world.mark("email", Mark::default());
    let refused = [("protected", "4"), ("protected", "7"), ("people", "103")];
    world.log.refuse(move |outgoing: &Outgoing| {
        refused
            .iter()
            .any(|(topic, key)| *topic == &*outgoing.topic && outgoing.record.key.as_deref() == Some(key.as_bytes()))
    });
    world.publish(&context);
    for id in 100..150 {
        world.feed([id], "{\"n\":1}");
        assert_eq!(worker.step().unwrap(), 1, "no live record waits for the walk");
    }
    assert!(world.log.script.lock().unwrap().refused > 0);
    assert!(!worker.is_walking());
    assert_eq!(world.events(), once((1..=10).filter(|id| ![4, 7].contains(id)), since));
    assert_eq!((world.log.log.records("dead").len(), world.people().len()), (3, 10 + 50 - 1));
}

#[test]
fn profiles_that_cannot_be_kept_are_rejected_by_reason() {
    let world = World::new();
    world.feed([1], "{}");
    world.append("1", Some("{\"workspace\":\"beta\",\"id\":1}".into()));
    world.append("1", Some("{\"workspace\":\"acme\",\"id\":2}".into()));
    let keyless = Record { value: Some(b"{\"workspace\":\"acme\",\"id\":3}".to_vec()), ..Record::default() };
    world.log.log.append(&Partition::new("users", 0), keyless).unwrap();
    let context = world.process();
    settle(&mut worker(&context));
    let letters = world.log.log.records("dead");
    let mut reasons: Vec<String> = letters
        .iter()
        .map(|letter| {
            let header = letter.record.headers.iter().find(|header| header.name == "sivcar-reason").unwrap();
            String::from_utf8(header.value.clone().unwrap()).unwrap()
        })
        .collect();
    reasons.sort();
    assert_eq!(reasons, ["profile_key_mismatch", "profile_key_mismatch", "profile_without_key"]);
    assert_eq!(world.people().len(), 1);
}

#[test]
fn state_over_its_budget_stops_the_task() {
    let mut world = World::new();
    world.plan.state_bytes = 2_000;
    world.feed(1..=100, "{\"email\":\"#\"}");
    let (_, worker) = world.settled();
    let task = &worker.tasks[&Partition::new("users", 0)];
    assert_eq!(task.state, crate::stream::task::TaskState::Stopped("state_over_budget"));
    assert!(world.people().len() < 100);
}

#[test]
fn a_state_over_its_budget_is_not_taken_up_again() {
    let mut world = World::new();
    let users = Partition::new("users", 0);
    let stopped = |worker: &Worker<Scripted>| {
        let task = &worker.tasks[&users];
        let state = crate::stream::task::TaskState::Stopped("state_over_budget");
        assert_eq!((&task.state, task.store.is_none(), worker.restores.is_empty()), (&state, true, true));
    };
    world.plan.state_bytes = 2_000;
    world.feed(1..=100, "{\"email\":\"#\"}");
    let (_, mut worker) = world.settled();
    stopped(&worker);
    let committed = world.log.log.committed(&users);

    // by whoever of the process gets it next
    assert!(world.log.log.expel(world.log.log.members()[0]));
    settle(&mut worker);
    stopped(&worker);
    drop(worker);
    // nor after a restart, by which a mark came
    world.mark("email", Mark::default());
    let (context, worker) = world.settled();
    stopped(&worker);
    assert_eq!(world.log.log.committed(&users), committed);
    assert!(context.parked.take(&users, committed.as_ref()).is_none(), "nobody keeps it");
    drop(worker);
    // where it may take more it goes on
    world.plan.state_bytes = 1 << 30;
    world.settled();
    assert_eq!(world.people().len(), 100);
}

#[test]
fn the_gate_is_asked_once_for_what_is_read_and_never_by_the_walk() {
    let mut world = World::new();
    let gate = Gate { header: "auth".into(), accepted: ["jwt".to_owned()].into(), jwt: None };
    let mut settings = Settings::clone(&world.plan.settings);
    settings.sources[1].gate = Some(gate);
    world.plan.settings = Arc::new(settings);
    world.feed([1], "{\"email\":\"#\"}");
    let value = format!("{{\"workspace\":\"acme\",\"id\":2,\"attributes\":{{\"email\":\"2{NO_CANARY}\"}}}}");
    let header = Header { name: "Auth".into(), value: Some(b"jwt".to_vec()) };
    let record = Record { key: Some(b"2".to_vec()), value: Some(value.into()), headers: vec![header], timestamp: None };
    world.log.log.append(&Partition::new("users", 0), record).unwrap();
    let (context, mut worker) = world.settled();
    assert_eq!(world.people().keys().collect::<Vec<_>>(), ["2"]);
    assert_eq!(world.log.log.records("dead").len(), 1);

    let since = world.mark("email", Mark::default());
    world.publish(&context);
    settle(&mut worker);
    assert_eq!(world.events(), once([2], since));
    assert!(!world.people()["2"].contains(NO_CANARY), "written anew");
    world.table.version += 1;
    world.table.erased.insert("acme".into(), world.table.version);
    world.publish(&context);
    settle(&mut worker);
    assert!(world.people().is_empty(), "forgotten");
    assert_eq!(world.log.log.records("dead").len(), 1, "the walk rejects none");
    let written = ["people", "shown", "protected"].into_iter().flat_map(|topic| world.log.log.records(topic));
    assert!(written.flat_map(|fetched| fetched.record.headers).all(|header| header.name != "Auth"));
}

#[test]
fn an_abort_of_unknown_outcome_before_any_offset_is_there_settles_nobody() {
    let mut world = World::new();
    world.feed(1..=10, "{\"email\":\"#\"}");
    let (context, mut worker) = world.settled();
    let since = world.mark("email", Mark::default());
    world.publish(&context);
    // each of the four tasks tells its policy first, then the walk its first event
    (0..4).for_each(|_| world.log.next(Call::Produce, Twist::Before(Box::new(|_| {}))));
    world.log.next(Call::Produce, Twist::Instead(Fault::Abort("scripted".into())));
    world.log.next(Call::Abort, Twist::After(Fault::Unknown("scripted".into())));
    settle(&mut worker);
    assert_eq!((world.log.occurred(Call::Produce), world.log.occurred(Call::Abort)), (5, 1));
    assert_eq!(world.events(), once(1..=10, since));
    assert_eq!(live_is_restored(&world, &worker), 10);
}

#[test]
fn a_source_of_profiles_that_has_grown_stops_alone() {
    let world = World::new();
    let context = world.process();
    // the second partition has no changelog
    world.log.log.add_partitions("users", 1);
    let event = b"{\"workspace\":\"acme\",\"action\":\"a\",\"params\":{}}".to_vec();
    world.log.log.append(&Partition::new("raw", 2), Record { value: Some(event), ..Record::default() }).unwrap();
    let mut worker = worker(&context);
    settle(&mut worker);
    let stopped = worker.tasks.iter().filter(|(_, task)| !task.is_open());
    let stopped: Vec<String> = stopped.map(|(partition, _)| partition.to_string()).collect();
    assert_eq!(stopped, ["users[0]", "users[1]"]);
    assert_eq!(world.log.log.records("protected").len(), 1);
}

#[test]
fn an_answer_that_went_wrong_leaves_no_restore_behind() {
    let world = World::new();
    world.feed(1..=3, "{\"email\":\"#\"}");
    let (context, mut first) = world.settled();
    let users = Partition::new("users", 0);
    let left = first.tasks.remove(&users).unwrap();
    drop(first);
    world.log.next(Call::Assign, Twist::Instead(Fault::Retry("scripted".into())));
    let mut second = worker(&context);
    while world.log.occurred(Call::Assign) == 0 {
        second.step().unwrap();
    }
    assert!(second.tasks.is_empty() && second.restores.contains_key(&users), "the answer was not taken");
    // whoever had it lets go of it only now, and knew more than the changelog shows yet
    let mut store = left.store.unwrap();
    store.set(b"4".as_slice().into(), Some(Entry { sealed: b"4".as_slice().into(), settled: Some(1) }));
    context.parked.put(users.clone(), store, left.committed);
    second.step().unwrap();
    assert_eq!(second.tasks[&users].store.as_ref().unwrap().profiles(), 4);
    assert!(second.restores.is_empty());
}
