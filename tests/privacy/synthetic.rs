//! Synthetic events against the protected profile they tell of: what that hides, they hide.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sivcar::privacy::mark::{Mark, MarkKey, On};
use sivcar::privacy::policy::Policy;
use sivcar::privacy::protect::{Outputs, Protector};
use sivcar::privacy::settings::{Case, Fold, Ids, Source, SourceKind};
use sivcar::privacy::synthetic::Concerned;
use sivcar::record::Record;

use crate::common::canary::Canaries;
use crate::common::fixed::{LAYOUTS, Row, keyring, layout};
use crate::common::pipeline::text;
use crate::common::worlds::{Sample, World, sample, world};

fn rows(kind: SourceKind) -> Vec<Row> {
    LAYOUTS.into_iter().filter(|(other, _)| *other == kind).map(|(_, row)| row).collect()
}

/// A world with profiles, and events that take what they owe; both of one workspace.
fn profiles(events: Vec<Row>) -> impl Strategy<Value = (World, Sample)> {
    let names = vec(select(vec!["email", "a", "b", "address", "a.b", "*.b", "a.*", "**.street"]), 1..4);
    let drawn = (world(), select(rows(SourceKind::Profile)), select(events), any::<bool>(), any::<bool>(), names);
    let world = drawn.prop_map(|(mut world, profile, event, exact, seals, names)| {
        for (since, name) in (1..).zip(names) {
            let key = MarkKey { workspace: "acme".to_owned(), on: On::Attribute, name: name.to_owned(), event: None };
            world.table.marks.entry(key).or_insert_with(|| Mark { since: Some(since), ..Mark::default() });
        }
        let first = &mut world.settings.sources[0];
        first.kind = SourceKind::Profile;
        first.state = Some(Fold::Merge);
        first.layout = layout(profile);
        first.workspace = Some("acme".to_owned());
        first.workspaces.clear();
        first.events = Some(1);
        let events = Source {
            topic: "events".to_owned(),
            kind: SourceKind::Event,
            layout: layout(event),
            protected: "protected.events".to_owned(),
            ids: if seals { Ids::Seal } else { Ids::Clear },
            case: if exact { Case::Exact } else { Case::Fold },
            events: None,
            ..first.clone()
        };
        world.settings.sources.push(events);
        for view in &mut world.settings.views {
            view.topics.insert("events".to_owned(), format!("{}.events", view.name));
        }
        world
    });
    world.prop_flat_map(|world| {
        let sample = sample(world.settings.sources[0].layout.clone());
        (Just(world), sample)
    })
}

/// The protected profile, and every event that it owes; nothing where it is rejected.
fn owed(world: &World, record: &Record) -> Option<(Outputs, Vec<Outputs>)> {
    let policy = Arc::new(Policy::compile(&world.settings, &world.table).expect("a policy"));
    let mut protector = Protector::new(Arc::clone(&policy), keyring());
    let mut profile = Outputs::default();
    protector.protect(0, record, &mut profile).ok()?;
    let identity = profile.identity.as_ref().expect("a profile's");
    let mut events = Vec::new();
    for since in policy.sinces(&identity.workspace, 0) {
        let mut event = Outputs::default();
        // a name of a mark may take the place of a word
        if protector.synthesize(0, text(record), since, 5, &mut event) == Ok(Concerned::Shown) {
            events.push(event);
        }
    }
    Some((profile, events))
}

fn shown(search: &Canaries, record: &Record) -> BTreeSet<usize> {
    let headers = record.headers.iter().filter_map(|header| header.value.as_deref());
    let parts = [record.key.as_deref().unwrap_or_default(), text(record)].into_iter().chain(headers);
    let bytes: Vec<u8> = parts.flat_map(|part| [part, b"\n"].concat()).collect();
    search.find(&bytes).into_iter().map(|finding| finding.value).collect()
}

fn tokens(record: &Record) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(text(record)).into_owned();
    text.split('"').filter(|part| part.starts_with("siv:")).map(str::to_owned).collect()
}

proptest! {
    #[test]
    fn what_the_profile_hides_the_event_hides((world, sample) in profiles(rows(SourceKind::Event))) {
        let Some((profile, events)) = owed(&world, &sample.record) else { return Ok(()) };
        let search = Canaries::new(&sample.canaries);
        for event in events {
            let (inside, outside) = (shown(&search, &event.protected), shown(&search, &profile.protected));
            prop_assert!(inside.is_subset(&outside), "{:?}", inside.difference(&outside));
            prop_assert_eq!(event.views.len(), profile.views.len());
            for ((_, event), (_, profile)) in event.views.iter().zip(&profile.views) {
                let (inside, outside) = (shown(&search, event), shown(&search, profile));
                prop_assert!(inside.is_subset(&outside), "{:?}", inside.difference(&outside));
            }
        }
    }

    /// Where only attributes are marked, the event holds tokens of the protected profile and no other, at least one unless masked.
    #[test]
    fn its_tokens_are_those_of_the_profile((mut world, sample) in profiles(rows(SourceKind::Event)[..1].to_vec())) {
        world.table.marks.retain(|key, _| key.on == On::Attribute && key.event.is_none());
        world.settings.sources.iter_mut().for_each(|source| source.ids = Ids::Clear);
        let Some((profile, events)) = owed(&world, &sample.record) else { return Ok(()) };
        for event in events {
            prop_assert!(tokens(&event.protected).is_subset(&tokens(&profile.protected)));
        }
    }
}

#[test]
fn the_generator_makes_events() {
    let mut runner = TestRunner::deterministic();
    let (mut profiles_taken, mut made, mut sealed, mut viewed) = (0, 0, 0, 0);
    for _ in 0..2_000 {
        let (world, sample) = profiles(rows(SourceKind::Event)).new_tree(&mut runner).expect("a value").current();
        let Some((_, events)) = owed(&world, &sample.record) else { continue };
        profiles_taken += 1;
        made += events.len();
        sealed += events.iter().filter(|event| !tokens(&event.protected).is_empty()).count();
        viewed += events.iter().filter(|event| !event.views.is_empty()).count();
    }
    println!("{profiles_taken} profiles, {made} events, {sealed} with tokens, {viewed} with views");
    assert!(profiles_taken > 600 && made > 300 && sealed > 200 && viewed > 150);
}
