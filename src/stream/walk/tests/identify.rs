//! Events that are patches of their profiles too, where their source says so.

use super::*;

/// The event source keeps profiles; `users` is not read.
fn keeping() -> World {
    let mut world = World::new();
    let mut settings = with_profiles();
    settings.sources[0].state = Some(Fold::Merge);
    settings.sources[0].events = Some(0);
    settings.sources.truncate(1);
    settings.views[0].topics = [("raw".to_owned(), "shown".to_owned())].into();
    let pin = Pin { topic: changelog_topic("g", "raw"), workspace: None };
    world.table.pinned = [(pin, 1.into())].into();
    world.plan = Plan { routes: Route::all(&settings), settings: Arc::new(settings), ..world.plan };
    world
}

fn call(world: &World, key: Option<&str>, value: Option<&str>) {
    let canaries = value.map(|value| value.replace('#', NO_CANARY));
    let record = Record { key: key.map(Into::into), value: canaries.map(Into::into), ..Record::default() };
    world.log.log.append(&Partition::new("raw", 0), record).unwrap();
}

fn identify(world: &World, id: u32, client: &str) {
    let value = format!(r#"{{"workspace":"acme","action":"Identify","client":{{"id":{id},{client}}}}}"#);
    call(world, Some(&id.to_string()), Some(&value));
}

/// The attributes that each synthetic event tells, by id and since.
fn told(world: &World) -> Vec<(String, u64, String)> {
    let header = |fetched: &crate::stream::log::Fetched| {
        let headers = &fetched.record.headers;
        let header = headers.iter().find(|header| header.name == "sivcar-synthetic")?;
        std::str::from_utf8(header.value.as_ref()?).ok()?.parse::<u64>().ok()
    };
    let mut told = Vec::new();
    for fetched in world.log.log.records("protected") {
        let Some(since) = header(&fetched) else { continue };
        let event: serde_json::Value = serde_json::from_slice(&fetched.record.value.unwrap()).unwrap();
        assert_eq!(event["action"], "profile.updated");
        let email = event["params"]["attributes"]["email"].as_str().expect("an address");
        told.push((String::from_utf8(fetched.record.key.unwrap()).unwrap(), since, opened(email, "email")));
    }
    told.sort();
    told
}

fn letters(world: &World) -> usize {
    world.log.log.records("dead").len()
}

#[test]
fn what_identifies_is_folded_and_told_of_and_written_once() {
    let mut world = keeping();
    identify(&world, 1, r##""email":"old#""##);
    identify(&world, 1, r##""email":"1#","n":2"##);
    identify(&world, 1, r#""phone":"7""#);
    identify(&world, 2, r##""n":"2#""##);
    identify(&world, 3, r##""email":"3#""##);
    identify(&world, 4, r##""email":"4#""##);
    // neither identifies anybody; nor does a null value without a key delete
    call(&world, Some("1"), Some(r##"{"workspace":"acme","action":"view","client":{"id":1,"email":"other#"}}"##));
    call(&world, Some("5"), Some(r##"{"workspace":"acme","action":"identify","client":{"email":"5#"}}"##));
    call(&world, None, None);
    call(&world, Some("4"), None);
    let (context, mut worker) = world.settled();
    let store = |worker: &Worker<Scripted>| worker.tasks[&Partition::new("raw", 0)].store.as_ref().unwrap().profiles();
    assert_eq!((world.log.log.records("protected").len(), letters(&world), store(&worker)), (10, 0, 3));

    let since = world.mark("email", Mark::default());
    world.publish(&context);
    settle(&mut worker);
    let expected = |id: &str| (id.to_owned(), since, format!("{id}{NO_CANARY}"));
    assert_eq!(told(&world), [expected("1"), expected("3")]);
    let written = world.log.log.records("protected").len();
    assert_eq!(written, 12, "events are not written again");
    assert_eq!(world.log.log.records("shown").len(), written);

    // a live one is settled first, once
    let next = world.mark("email", Mark::default());
    identify(&world, 3, r##""email":"3b#""##);
    world.publish(&context);
    settle(&mut worker);
    let again = |id: &str| (id.to_owned(), next, format!("{id}{NO_CANARY}"));
    assert_eq!(told(&world), [expected("1"), again("1"), expected("3"), again("3")]);
}

#[test]
fn what_identifies_nobody_for_certain_is_rejected() {
    let world = keeping();
    call(&world, None, Some(r##"{"workspace":"acme","action":"identify","client":{"id":1,"email":"#"}}"##));
    identify(&world, 2, r##""email":"#""##);
    call(&world, Some("2"), Some(r##"{"workspace":"acme","action":"identify","client":{"id":3,"email":"#"}}"##));
    world.settled();
    let reasons: Vec<Vec<u8>> = (world.log.log.records("dead").into_iter())
        .filter_map(|fetched| fetched.record.headers.into_iter().find(|header| header.name == "sivcar-reason")?.value)
        .collect();
    assert_eq!(reasons, [b"profile_without_key".to_vec(), b"profile_key_mismatch".to_vec()]);
    assert_eq!(world.log.log.records("protected").len(), 1);
}

#[test]
fn a_forgotten_workspace_leaves_the_events_as_they_are() {
    let mut world = keeping();
    identify(&world, 1, r##""email":"1#""##);
    let (context, mut worker) = world.settled();
    world.table.version += 1;
    world.table.erased.insert("acme".into(), world.table.version);
    world.publish(&context);
    settle(&mut worker);
    assert_eq!(world.log.log.records("protected").len(), 1);
    assert_eq!(worker.tasks[&Partition::new("raw", 0)].store.as_ref().unwrap().profiles(), 0);
    let changelog = world.log.log.records(&changelog_topic("g", "raw"));
    assert!(changelog.iter().any(|fetched| fetched.record.value.is_none()), "its state is deleted");
}
