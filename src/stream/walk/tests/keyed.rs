//! Marks on record keys and headers: what stands under an old record key goes, once, and a deletion deletes.

use super::*;
use crate::privacy::control::StageRecord;
use crate::privacy::settings::Stage;
use crate::stream::log::Fetched;

/// What stands in the protected topic after compaction: record keys, and how often each was written, deletions too.
fn standing(world: &World) -> (Vec<String>, usize) {
    let records = world.log.log.records("people");
    let written = records.len();
    let mut newest = BTreeMap::new();
    for fetched in records {
        match fetched.record.value {
            Some(value) => drop(newest.insert(fetched.record.key, value)),
            None => drop(newest.remove(&fetched.record.key)),
        }
    }
    let text = |key: Option<Vec<u8>>| String::from_utf8(key.unwrap()).unwrap();
    (newest.into_keys().map(text).collect(), written)
}

fn tokens(ids: impl IntoIterator<Item = u32>, key: u32) -> Vec<String> {
    let keyring = whole::rotated(1);
    let mut sealer = Sealer::new(keyring.default_keyset().unwrap());
    let mut associated = Vec::new();
    Associated::Key { workspace: "acme", topic: "people" }.write(&mut associated);
    let mut token = |id: u32| {
        let (mut sealed, mut text) = (Vec::new(), Vec::new());
        sealer.seal_under(key, &associated, id.to_string().as_bytes(), &mut sealed).unwrap();
        crate::privacy::seal::token(&sealed, &mut text);
        String::from_utf8(text).unwrap()
    };
    let mut all: Vec<String> = ids.into_iter().map(&mut token).collect();
    all.sort();
    all
}

fn key_mark() -> MarkKey {
    MarkKey { workspace: "acme".into(), on: On::Key, name: "key".into(), event: None }
}

fn mark_keys(world: &mut World, mark: Mark) {
    world.table.version += 1;
    let since = mark.since.or(Some(world.table.version));
    world.table.marks.insert(key_mark(), Mark { since, ..mark });
}

#[test]
fn a_marked_record_key_moves_what_stands_there_in_clear_and_survives_rotation() {
    let mut world = World::new();
    world.feed(1..=30, "{\"n\":1}");
    let context = world.process();
    whole::publish(&world, &context, whole::rotated(1));
    let mut worker = worker(&context);
    settle(&mut worker);
    assert_eq!(standing(&world).0.len(), 30);

    // whoever comes first moves it: a live record, a deletion, the walk
    whole::pin(&mut world, "people", 1, &[]);
    mark_keys(&mut world, Mark::default());
    world.publish(&context);
    whole::publish(&world, &context, whole::rotated(1));
    world.feed([7], "{\"n\":2}");
    world.append("8", None);
    settle(&mut worker);
    let left = || (1..=30).filter(|id| *id != 8);
    assert_eq!(standing(&world), (tokens(left(), 1), 30 + 2 * 30));
    let named = world.log.log.records("people").into_iter().skip(30);
    let in_clear = named.filter(|fetched| !fetched.record.key.as_ref().unwrap().starts_with(b"siv:"));
    let in_clear: Vec<_> = in_clear.map(|fetched| fetched.record).collect();
    assert_eq!(in_clear.len(), 30, "one deletion each, and nothing else by its clear name");
    assert!(
        in_clear
            .iter()
            .all(|record| record.value.is_none()
                && record.headers.iter().any(|header| header.name == "sivcar-synthetic"))
    );
    assert!(world.events().is_empty());

    // rotation of the primary moves nothing, and a deletion finds what it deletes
    whole::publish(&world, &context, whole::rotated(2));
    world.feed([9], "{\"n\":3}");
    world.append("10", None);
    settle(&mut worker);
    let left = || (1..=30).filter(|id| ![8, 10].contains(id));
    assert_eq!(standing(&world), (tokens(left(), 1), 92));

    // another key is pinned: everything moves once
    whole::pin(&mut world, "people", 2, &[1]);
    whole::publish(&world, &context, whole::rotated(2));
    world.append("11", None);
    settle(&mut worker);
    let left = || (1..=30).filter(|id| ![8, 10, 11].contains(id));
    assert_eq!(standing(&world), (tokens(left(), 2), 92 + 2 * 28));

    // the mark goes: nothing is written anew, and a deletion deletes under every name that there was
    world.table.version += 1;
    world.table.marks.remove(&key_mark());
    whole::publish(&world, &context, whole::rotated(2));
    world.append("12", None);
    settle(&mut worker);
    let left = || (1..=30).filter(|id| ![8, 10, 11, 12].contains(id));
    assert_eq!(standing(&world), (tokens(left(), 2), 148 + 3));
}

#[test]
fn what_stands_under_a_sealed_key_goes_as_soon_as_a_profile_is_written_in_clear() {
    let mut world = World::new();
    whole::pin(&mut world, "people", 1, &[]);
    mark_keys(&mut world, Mark::default());
    world.feed(1..=4, "{\"email\":\"#\",\"n\":1}");
    let (context, mut worker) = world.settled();
    assert_eq!(standing(&world), (tokens(1..=4, 1), 4));

    // the mark on keys goes, and another comes: in a jump, or after live records
    for jump in [true, false] {
        world.table.version += 1;
        world.table.marks.remove(&key_mark());
        if !jump {
            world.publish(&context);
        }
        world.feed([2], "{\"email\":null}");
        world.append("3", None);
        if !jump {
            settle(&mut worker);
        }
        world.mark("email", Mark::default());
        world.publish(&context);
        settle(&mut worker);
        let clear: Vec<String> = [1, 2, 4].map(|id: u32| id.to_string()).to_vec();
        assert_eq!(standing(&world).0, clear, "2 holds it no more, and would show it under its sealed key");
        world.feed([3], "{\"email\":\"#\"}");
        mark_keys(&mut world, Mark::default());
        world.table.marks.retain(|key, _| key.on != On::Attribute);
        world.publish(&context);
        settle(&mut worker);
        assert_eq!(standing(&world).0, tokens(1..=4, 1));
        world.feed([2], "{\"email\":\"#\"}");
        settle(&mut worker);
    }
    let written = standing(&world).1;
    world.feed([1], "{\"n\":2}");
    settle(&mut worker);
    assert_eq!(standing(&world).1, written + 1, "nothing is deleted twice");
}

#[test]
fn keys_that_are_masked_away_are_sealed_and_those_that_are_only_noted_stay() {
    for (protect, sealed) in
        [(Protect::Drop, true), (Protect::Mask, true), (Protect::Encrypt, true), (Protect::None, false)]
    {
        let mut world = World::new();
        world.feed(1..=3, "{\"n\":1}");
        let (context, mut worker) = world.settled();
        whole::pin(&mut world, "people", 1, &[]);
        mark_keys(&mut world, Mark { protect, ..Mark::default() });
        world.publish(&context);
        settle(&mut worker);
        let clear: Vec<String> = (1..=3).map(|id: u32| id.to_string()).collect();
        assert_eq!(standing(&world).0, if sealed { tokens(1..=3, 1) } else { clear });
        assert_eq!(standing(&world).1, if sealed { 9 } else { 3 });
    }
}

#[test]
fn a_stage_lets_keys_pass_and_enforcing_it_moves_them() {
    let mut world = World::new();
    whole::pin(&mut world, "people", 1, &[]);
    mark_keys(&mut world, Mark::default());
    let staged = |world: &mut World, stage| {
        world.table.version += 1;
        let since = Some(world.table.version);
        world.table.stages.insert("acme".into(), StageRecord { stage, since, at: None });
    };
    staged(&mut world, Stage::Off);
    world.feed(1..=3, "{\"n\":1}");
    let (context, mut worker) = world.settled();
    assert_eq!(standing(&world), (vec!["1".to_owned(), "2".into(), "3".into()], 3));
    staged(&mut world, Stage::Enforced);
    world.publish(&context);
    settle(&mut worker);
    assert_eq!(standing(&world), (tokens(1..=3, 1), 9));
}

/// Marks on record keys that come, go and overlap while nobody writes the profiles: what stands under a sealed key stays, and no deletion
/// names its clear one.
#[test]
fn a_key_that_is_sealed_already_is_not_named_again() {
    for [first, second] in [["*", "acme"], ["acme", "*"]] {
        let mut world = World::new();
        whole::pin(&mut world, "people", 1, &[]);
        let put = |world: &mut World, workspace: &str, mark: Option<Mark>| {
            world.table.version += 1;
            let key = MarkKey { workspace: workspace.into(), ..key_mark() };
            let since = Some(world.table.version);
            match mark {
                Some(mark) => drop(world.table.marks.insert(key, Mark { since, ..mark })),
                None => drop(world.table.marks.remove(&key)),
            }
        };
        put(&mut world, first, Some(Mark::default()));
        world.feed(1..=3, "{\"n\":1}");
        let (context, mut worker) = world.settled();
        assert_eq!(standing(&world), (tokens(1..=3, 1), 3));
        let mut publish = |world: &World| {
            world.publish(&context);
            settle(&mut worker);
        };
        // one is made beside the other, which then goes
        put(&mut world, second, Some(Mark::default()));
        publish(&world);
        put(&mut world, first, None);
        publish(&world);
        // all go and come back, with another written meanwhile
        put(&mut world, second, None);
        publish(&world);
        world.feed([3], "{\"n\":2}");
        publish(&world);
        assert_eq!(standing(&world).1, 5, "{first} then {second}: in clear, and what stood under its sealed key goes");
        put(&mut world, first, Some(Mark::default()));
        publish(&world);
        world.append("2", None);
        publish(&world);
        let clear = |fetched: &Fetched| !fetched.record.key.as_ref().unwrap().starts_with(b"siv:");
        let named: Vec<_> = world.log.log.records("people").into_iter().filter(clear).collect();
        assert!(named.iter().all(|fetched| fetched.record.key.as_deref() == Some(b"3")), "{first} then {second}");
        assert_eq!(named.len(), 2, "its record, and the deletion of that");
        assert_eq!(standing(&world).0, tokens([1, 3], 1));
    }
}

#[test]
fn a_marked_header_has_documents_written_without_their_headers() {
    let mut world = World::new();
    world.feed(1..=3, "{\"n\":1}");
    let headers = vec![crate::record::Header { name: "who".into(), value: Some(b"ann".to_vec()) }];
    let value = Some(br#"{"workspace":"acme","id":4,"attributes":{}}"#.to_vec());
    let record = Record { key: Some(b"4".to_vec()), value, headers, ..Record::default() };
    world.log.log.append(&Partition::new("users", 0), record.clone()).unwrap();
    let (context, mut worker) = world.settled();
    world.table.version += 1;
    let since = Some(world.table.version);
    let key = MarkKey { on: On::Header, name: "who".into(), ..key_mark() };
    world.table.marks.insert(key, Mark { since, ..Mark::default() });
    world.publish(&context);
    world.log.log.append(&Partition::new("users", 0), record).unwrap();
    settle(&mut worker);
    let records = world.log.log.records("people");
    assert_eq!(records.len(), 8, "each once more");
    let clear = |fetched: &&Fetched| fetched.record.headers.iter().any(|header| header.value == Some(b"ann".to_vec()));
    assert_eq!(records.iter().skip(4).filter(clear).count(), 0);
    assert_eq!(records.iter().filter(clear).count(), 1);
}

#[test]
fn a_synthetic_event_is_keyed_as_the_mark_says_and_stands_where_live_ones_do() {
    let keyed = |marked: bool| {
        let mut world = World::new();
        world.feed(1..=30, "{\"email\":\"#\"}");
        let (context, mut worker) = world.settled();
        if marked {
            mark_keys(&mut world, Mark::default());
        }
        world.mark("email", Mark::default());
        world.publish(&context);
        settle(&mut worker);
        let records = world.log.log.records("protected").into_iter();
        let keyed = records.map(|fetched| (fetched.partition.number, fetched.record.key.unwrap()));
        keyed.collect::<Vec<_>>()
    };
    let (clear, sealed) = (keyed(false), keyed(true));
    assert_eq!((clear.len(), sealed.len()), (30, 30));
    assert!(sealed.iter().all(|(_, key)| key.starts_with(b"siv:")));
    let partitions = |keyed: &[(i32, Vec<u8>)]| {
        let mut count = [0; 3];
        keyed.iter().for_each(|(partition, _)| count[*partition as usize] += 1);
        count
    };
    assert_eq!(partitions(&clear), partitions(&sealed));
}
