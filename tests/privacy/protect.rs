//! The pipeline against an oracle without automaton, tape or cursor, over hostile records and overlapping marks.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sivcar::privacy::error::Reason;
use sivcar::record::{Header, Record};

use crate::common::documents::damaged;
use crate::common::fixed::{self, keyring};
use crate::common::pipeline::{Pipeline, text};
use crate::common::worlds::{KEY_CANARY, Sample, World, world, world_and_samples};

fn pipeline(world: &World) -> Pipeline {
    Pipeline::new(world.settings.clone(), world.table.clone(), keyring())
}

fn one(sample: &[Sample]) -> &Sample {
    &sample[0]
}

proptest! {
    #[test]
    fn every_byte_is_the_one_that_the_rules_give((world, samples) in world_and_samples(1)) {
        pipeline(&world).writes_what_the_rules_say(&one(&samples).record);
    }

    #[test]
    fn what_is_hidden_is_found_in_no_form((world, samples) in world_and_samples(1)) {
        let Sample { record, canaries, .. } = one(&samples);
        pipeline(&world).hides(record, canaries, KEY_CANARY);
    }

    #[test]
    fn what_is_sealed_opens_and_all_else_is_as_it_was((world, samples) in world_and_samples(1)) {
        pipeline(&world).reveals(&one(&samples).record);
    }

    #[test]
    fn more_clearance_never_shows_less((world, samples) in world_and_samples(1)) {
        let Sample { record, canaries, .. } = one(&samples);
        for view in &world.settings.views {
            pipeline(&world).shows_more_to_more_clearance(record, canaries, view);
        }
    }

    #[test]
    fn records_before_it_change_nothing((world, samples) in world_and_samples(3)) {
        let records: Vec<Record> = samples.into_iter().map(|sample| sample.record).collect();
        pipeline(&world).forgets(&records);
    }

    #[test]
    fn what_was_written_is_read_again_as_the_same((world, samples) in world_and_samples(1)) {
        pipeline(&world).again_is_the_same(&one(&samples).record);
    }

    #[test]
    fn damaged_records_are_refused_for_the_first_reason(world in world(), value in damaged()) {
        let record = Record { key: Some(Vec::new()), value: Some(value), ..Record::default() };
        pipeline(&world).writes_what_the_rules_say(&record);
        pipeline(&world).leaks_nothing(&record);
    }

    /// The fuzz target's predicate.
    #[test]
    fn nothing_marked_is_left_under_any_reading(index in 0..fixed::WORLDS, value in damaged()) {
        let (settings, table) = fixed::world(index.into());
        let pipeline = Pipeline::new(settings, table, keyring());
        let record = Record { key: Some(Vec::new()), value: Some(value), ..Record::default() };
        pipeline.writes_what_the_rules_say(&record);
        pipeline.leaks_nothing(&record);
        pipeline.reveals(&record);
    }

    /// A spelling of a name is that name: what the generator meant, not what the folding says.
    #[test]
    fn names_are_what_their_spellings_stand_for((world, samples) in world_and_samples(1)) {
        let sample = one(&samples);
        match pipeline(&world).reading(&sample.record) {
            Ok(reading) => prop_assert_eq!(reading.names(), sample.names.clone()),
            Err(reason) => prop_assert!(reason >= Reason::LayoutAmbiguous, "{:?}", reason),
        }
    }
}

/// A property over records that are all refused, or that no mark touches, would say nothing.
#[test]
fn the_generator_reaches_what_the_properties_are_about() {
    let mut runner = TestRunner::deterministic();
    let mut reached: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..4_000 {
        let (world, samples) = world_and_samples(1).new_tree(&mut runner).expect("a value").current();
        let pipeline = pipeline(&world);
        let mut reach = |what: &str| *reached.entry(what.to_owned()).or_default() += 1;
        match pipeline.agree(&one(&samples).record) {
            None => reach(pipeline.protect(&one(&samples).record).expect_err("refused").code()),
            Some((_, outputs)) => {
                let (fields, text) =
                    (outputs.tally.fields, String::from_utf8_lossy(text(&outputs.protected)).into_owned());
                reach("accepted");
                [
                    ("sealed", fields.sealed > 0),
                    ("many sealed", fields.sealed > 3),
                    ("masked", fields.masked > 0),
                    ("dropped", fields.dropped > 0),
                    ("kept", fields.kept > 0),
                    ("own removed", outputs.tally.own_removed > 0),
                    ("loose", text.contains("\"_pii\":{\"loose\":{")),
                    ("views", !outputs.views.is_empty()),
                    ("another key", outputs.protected.key != one(&samples).record.key),
                    ("a sealed header", sealed(&outputs.protected)),
                    ("a hidden header", hides_a_header(&one(&samples).record, &outputs.protected)),
                ]
                .iter()
                .for_each(|(what, holds)| {
                    if *holds {
                        reach(what)
                    }
                });
            }
        }
    }
    println!("{reached:#?}");
    for (what, least) in [
        ("accepted", 1_500),
        ("sealed", 600),
        ("many sealed", 50),
        ("masked", 100),
        ("dropped", 100),
        ("kept", 100),
        ("own removed", 20),
        ("loose", 50),
        ("views", 500),
        ("another key", 100),
        ("a sealed header", 60),
        ("a hidden header", 30),
        ("layout_ambiguous", 20),
        ("layout_mismatch", 20),
        ("id_missing", 20),
        ("workspace_invalid", 20),
        ("workspace_unknown", 20),
        ("profile_without_key", 20),
        ("keyset_missing", 20),
        ("number_out_of_range", 10),
    ] {
        assert!(reached.get(what).is_some_and(|count| *count >= least), "{what}: {reached:#?}");
    }
}

fn sealed(output: &Record) -> bool {
    let values = output.headers.iter().filter_map(|header| header.value.as_deref());
    values.into_iter().any(|value| value.starts_with(b"siv:"))
}

/// Whether a header of `record` is not on its output.
fn hides_a_header(record: &Record, output: &Record) -> bool {
    let is_own = |name: &str| name.to_ascii_lowercase().starts_with("sivcar-");
    let named = |header: &Header| output.headers.iter().any(|other| other.name == header.name);
    record.headers.iter().any(|header| !is_own(&header.name) && !named(header))
}

/// A record of this value under the default event layout, and how long it takes.
fn timed(value: String, depth: usize) -> Duration {
    let (mut settings, table) = fixed::world(0);
    settings.limits.depth = depth;
    let pipeline = Pipeline::new(settings, table, keyring());
    let record = Record { value: Some(value.into_bytes()), ..Record::default() };
    let started = Instant::now();
    pipeline.protect(&record).expect("accepted");
    started.elapsed()
}

#[test]
fn no_shape_of_a_document_takes_more_than_its_size() {
    let times = |count: usize, part: &str| vec![part; count].join(",");
    for (what, value) in [
        ("containers", format!(r#"{{"workspace":"acme","params":[{}]}}"#, times(60_000, "{}"))),
        ("repeated containers", format!(r#"{{"workspace":"acme",{}}}"#, times(60_000, r#""params":{}"#))),
        ("our own members", format!(r#"{{"workspace":"acme",{}}}"#, times(60_000, r#""_pii":0"#))),
        ("removed members", format!(r#"{{"workspace":"acme","client":{{{}}}}}"#, times(60_000, r#""x":0"#))),
        ("shown members", format!(r#"{{"workspace":"acme","a":{{{}}}}}"#, times(60_000, r#""b":0"#))),
        ("sealed members", format!(r#"{{"workspace":"acme","client":{{{}}}}}"#, times(6_000, r#""email":0"#))),
        ("sealed elements", format!(r#"{{"workspace":"acme","client":{{"email":[{}]}}}}"#, times(6_000, "0"))),
    ] {
        let taken = timed(value, 64);
        assert!(taken < Duration::from_secs(20), "{what}: {taken:?}, unoptimised");
    }
}

/// A test's thread has the stack of a worker's; the configuration allows no more than 1,000.
#[test]
fn the_deepest_documents_fit_the_stack_of_a_worker() {
    let nested = |open: &str, close: &str| format!("{}1{}", open.repeat(990), close.repeat(990));
    timed(format!(r#"{{"workspace":"acme","client":{}}}"#, nested(r#"{"c":"#, "}")), 1_000);
    timed(format!(r#"{{"workspace":"acme","client":{}}}"#, nested(r#"{"a":"#, "}")), 1_000);
    timed(format!(r#"{{"workspace":"acme","params":{}}}"#, nested("[", "]").replace('1', "{}")), 1_000);
    timed(format!(r#"{{"workspace":"acme","client":{{"email":{}}}}}"#, nested("[", "]")), 1_000);
    timed(format!(r#"{{"workspace":"acme","client":{{"a":{{"b":{}}}}}}}"#, nested("[", "]")), 1_000);
}
