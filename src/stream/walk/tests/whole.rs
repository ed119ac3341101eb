//! What is asked for of a whole workspace: all its profiles sealed anew, or forgotten.

use super::*;
use crate::privacy::control::Pinning;
use crate::privacy::keyset::{Entry, KEY_BYTES, Keyset};

/// The keyset of the fixture with one more key, which is the primary or is not.
pub(super) fn rotated(primary: u32) -> Arc<Keyring> {
    let mut keyset: Keyset = Keyset::parse(keyset().to_json().expose().as_bytes()).unwrap();
    keyset.add(&[9; KEY_BYTES], 2).unwrap();
    Arc::new(Keyring::new(Some(Arc::new(keyset.promoted(primary).unwrap())), BTreeMap::new()))
}

pub(super) fn publish(world: &World, context: &Context<Scripted>, keyring: Arc<Keyring>) {
    world.publish(context);
    let policy = context.current.snapshot().unwrap().policy.clone();
    context.current.publish(Snapshot { policy, keyring, control: "nonce".into() });
}

/// The newest record of each key in the changelog, deletions left out: by which key it is sealed.
fn sealed_under(world: &World) -> BTreeMap<Vec<u8>, u32> {
    let mut newest = BTreeMap::new();
    for fetched in world.log.log.records(&changelog_topic("g", "users")) {
        let key = fetched.record.key.unwrap();
        match fetched.record.value {
            Some(value) => drop(newest.insert(key, u32::from_be_bytes(value[1..5].try_into().unwrap()))),
            None => drop(newest.remove(&key)),
        }
    }
    newest.remove(super::super::SETTLED_THROUGH);
    newest
}

#[test]
fn a_promoted_key_seals_from_then_on_and_a_reseal_brings_the_rest_under_it() {
    let mut world = World::new();
    world.feed(1..=3, "{\"email\":\"#\"}");
    world.feed(4..=5, "{\"n\":1}");
    world.append("6", Some(r#"{"workspace":"acme","id":6,"attributes":{},"ip":"10.0.0.1"}"#.to_owned()));
    let context = world.process();
    let field = MarkKey { workspace: "acme".into(), on: On::Field, name: "ip".into(), event: None };
    world.table.marks.insert(field, Mark { since: Some(1), ..Mark::default() });
    let first = world.mark("email", Mark::default());
    publish(&world, &context, rotated(1));
    let mut worker = worker(&context);
    settle(&mut worker);
    let keys: Vec<Vec<u8>> = sealed_under(&world).into_keys().collect();
    assert!(world.events().is_empty(), "all were marked when they came");

    world.table.version += 1;
    publish(&world, &context, rotated(2));
    world.feed([3], "{\"n\":2}");
    settle(&mut worker);
    assert_eq!(sealed_under(&world).into_values().filter(|id| *id == 2).count(), 1, "the one that was touched");

    world.table.version += 1;
    let since = world.table.version;
    world.table.reseals.insert("acme".into(), since);
    publish(&world, &context, rotated(2));
    let written = world.log.log.records("people").len();
    settle(&mut worker);
    assert!(since > first);
    assert_eq!(world.events(), once(1..=3, since));
    let event = world.log.log.records("protected").remove(0).record.value.unwrap();
    let event: serde_json::Value = serde_json::from_slice(&event).unwrap();
    let token = parse_token(event["params"]["attributes"]["email"].as_str().unwrap()).unwrap();
    assert_eq!(token[1..5], 2u32.to_be_bytes());
    assert_eq!(
        sealed_under(&world).into_iter().collect::<Vec<_>>(),
        keys.into_iter().map(|key| (key, 2)).collect::<Vec<_>>()
    );
    assert_eq!(
        world.log.log.records("people").len(),
        written + 4,
        "who holds nothing sealed is sealed anew in the changelog alone"
    );
    let document: serde_json::Value = serde_json::from_str(&world.people()["6"]).unwrap();
    let token = parse_token(document["ip"].as_str().unwrap()).unwrap();
    assert_eq!(token[1..5], 2u32.to_be_bytes(), "whatever is sealed in a document");
}

#[test]
fn an_erased_workspace_is_forgotten_and_who_comes_again_begins_anew() {
    let mut world = World::new();
    world.feed(1..=30, "{\"email\":\"#\",\"n\":1}");
    let (context, mut worker) = world.settled();
    assert_eq!((world.people().len(), sealed_under(&world).len()), (30, 30));

    world.table.version += 1;
    world.table.erased.insert("acme".into(), world.table.version);
    world.feed([7, 30], "{\"m\":2}");
    world.append("8", Some(r#"{"workspace":"beta","id":8,"attributes":{}}"#.to_owned()));
    world.publish(&context);
    settle(&mut worker);
    let left = world.people();
    assert_eq!(left.keys().collect::<Vec<_>>(), ["30", "7"]);
    assert!(left.values().all(|document| document.contains("\"m\":2") && !document.contains(NO_CANARY)));
    assert_eq!(sealed_under(&world).len(), 2);
    let deleted = world.log.log.records("people").into_iter().filter(|fetched| fetched.record.value.is_none());
    let synthetic =
        deleted.filter(|fetched| fetched.record.headers.iter().any(|header| header.name == "sivcar-synthetic"));
    assert_eq!(
        world.log.log.records("dead").len(),
        1,
        "who moves before the walk comes would leave its copies in views"
    );
    assert_eq!(synthetic.count(), 28, "one null each, but for those that live records have begun anew");

    // what was forgotten holds nothing
    world.mark("email", Mark::default());
    world.publish(&context);
    settle(&mut worker);
    assert!(world.events().is_empty());
}

/// What stands in the view after compaction: how many records under each key.
fn shown_under(world: &World) -> BTreeMap<u32, usize> {
    let mut newest = BTreeMap::new();
    for fetched in world.log.log.records("shown") {
        let key = String::from_utf8(fetched.record.key.unwrap()).unwrap();
        match fetched.record.value {
            Some(value) => drop(newest.insert(key, value)),
            None => drop(newest.remove(&key)),
        }
    }
    let mut under = BTreeMap::new();
    for key in newest.keys() {
        let token = parse_token(key).unwrap();
        *under.entry(u32::from_be_bytes(token[1..5].try_into().unwrap())).or_default() += 1;
    }
    under
}

pub(super) fn pin(world: &mut World, topic: &str, id: u32, was: &[u32]) {
    world.table.version += 1;
    let pin = Pin { topic: topic.to_owned(), workspace: None };
    let pinning = Pinning { id, was: was.to_vec(), since: if was.is_empty() { 0 } else { world.table.version } };
    world.table.pinned.insert(pin, pinning);
}

/// How many profiles of the changelog stand under each key.
fn kept_under(world: &World) -> BTreeMap<u32, usize> {
    let mut under = BTreeMap::new();
    for key in sealed_under(world).keys() {
        let token = parse_token(std::str::from_utf8(key).unwrap()).unwrap();
        *under.entry(u32::from_be_bytes(token[1..5].try_into().unwrap())).or_default() += 1;
    }
    under
}

#[test]
fn a_pinned_key_moves_with_all_that_stands_under_it() {
    let mut world = World::new();
    pin(&mut world, "shown", 1, &[]);
    world.feed(1..=30, "{\"email\":\"#\"}");
    let context = world.process();
    publish(&world, &context, rotated(1));
    let mut worker = worker(&context);
    settle(&mut worker);
    assert_eq!((shown_under(&world), kept_under(&world)), ([(1, 30)].into(), [(1, 30)].into()));

    // the view's alone
    pin(&mut world, "shown", 2, &[1]);
    publish(&world, &context, rotated(1));
    world.feed([7], "{\"n\":1}");
    world.append("8", None);
    settle(&mut worker);
    assert_eq!((shown_under(&world), kept_under(&world)), ([(2, 29)].into(), [(1, 29)].into()));
    assert_eq!(world.people().len(), 29);

    // the changelog's; a record finds its profile wherever it stands, and a deletion too
    let written = world.log.log.records("shown").len();
    pin(&mut world, &changelog_topic("g", "users"), 2, &[1]);
    publish(&world, &context, rotated(1));
    world.feed([7], "{\"n\":2}");
    world.append("9", None);
    settle(&mut worker);
    assert_eq!((shown_under(&world), kept_under(&world)), ([(2, 28)].into(), [(2, 28)].into()));
    assert_eq!(world.log.log.records("shown").len(), written + 2, "only what was read");

    // nobody is told of anything, nothing is moved again, and a restart finds all
    assert!(world.events().is_empty());
    let changelog = world.log.log.records(&changelog_topic("g", "users")).len();
    drop(worker);
    let context = world.process();
    publish(&world, &context, rotated(1));
    let mut worker = super::worker(&context);
    settle(&mut worker);
    assert_eq!(world.log.log.records(&changelog_topic("g", "users")).len(), changelog);
    assert_eq!(worker.tasks[&Partition::new("users", 0)].store.as_ref().unwrap().profiles(), 28);
    // the patches were folded into what stood under the old keys
    let since = world.mark("email", Mark::default());
    publish(&world, &context, rotated(1));
    settle(&mut worker);
    assert_eq!(world.events(), once((1..=30).filter(|id| ![8, 9].contains(id)), since));
}

/// `acme` has a keyset of its own: that of the fixture, or none yet.
fn own(keyset: Option<Arc<Keyset>>) -> Arc<Keyring> {
    let entry = keyset.map_or(Entry::Missing, Entry::Present);
    Arc::new(Keyring::new(rotated(1).default_keyset().cloned(), [("acme".to_owned(), entry)].into()))
}

#[test]
fn whose_keyset_is_missing_is_passed_by_and_settled_once_it_is_there() {
    for (since_when, restarted) in [("from the start", false), ("from the start", true), ("later", false)] {
        let mut world = World::new();
        world.feed(1..=3, "{\"email\":\"#\"}");
        let mut context = world.process();
        // states under a key that is not there, or under one that is, in a workspace that has a keyset by now
        let theirs = Arc::new(Keyset::generate(&[5; KEY_BYTES], 5));
        let before = if since_when == "later" { rotated(1) } else { own(Some(theirs.clone())) };
        publish(&world, &context, before);
        let mut first = worker(&context);
        settle(&mut first);

        let since = world.mark("email", Mark::default());
        publish(&world, &context, own(None));
        settle(&mut first);
        let told = |world: &World| world.log.log.records("protected").len();
        assert_eq!((told(&world), world.log.log.records("dead").len()), (0, 0), "{since_when}");
        assert_eq!(first.tasks[&Partition::new("users", 0)].store.as_ref().unwrap().through, since);

        if restarted {
            drop(first);
            context = world.process();
            publish(&world, &context, own(Some(theirs.clone())));
            first = worker(&context);
        } else {
            world.table.version += 1;
            publish(&world, &context, own(Some(theirs.clone())));
        }
        settle(&mut first);
        assert_eq!(told(&world), 3, "{since_when} {restarted}");
        assert!(world.people().values().all(|document| !document.contains(NO_CANARY)));
    }
}

#[test]
fn a_walks_end_whose_key_was_disabled_stops_nobody() {
    let mut world = World::new();
    world.feed(1..=3, "{\"email\":\"#\"}");
    let context = world.process();
    let mut before = worker(&context);
    settle(&mut before);
    let since = world.mark("email", Mark::default());
    let mut keyset = Keyset::parse(keyset().to_json().expose().as_bytes()).unwrap();
    keyset.add(&[9; KEY_BYTES], 2).unwrap();
    publish(&world, &context, Arc::new(Keyring::new(Some(Arc::new(keyset.promoted(2).unwrap())), [].into())));
    settle(&mut before);
    assert_eq!(world.events(), once(1..=3, since));
    drop(before);

    // the states are under key 2 too: only a deletion of all leaves the walk's end alone
    for id in 1..=3 {
        world.append(&id.to_string(), None);
    }
    keyset.disable(2).unwrap();
    let context = world.process();
    publish(&world, &context, Arc::new(Keyring::new(Some(Arc::new(keyset)), [].into())));
    let mut after = worker(&context);
    settle(&mut after);
    assert_eq!(world.events(), once(1..=3, since));
    assert!(after.tasks[&Partition::new("users", 0)].is_open());
}
