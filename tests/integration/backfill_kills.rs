//! `kill -9` at random points of one backfill under live load, two processes: every profile is told of exactly once, and every live
//! record has its output.
//!
//! A run is named by its seed, as in `kills`. `SIVCAR_LONG=1` kills thirty times over 200,000 profiles; `SIVCAR_KILLS` and
//! `SIVCAR_PROFILES` say otherwise.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sivcar::record::Record;

use crate::dump;
use crate::kills::{is_due, number};
use crate::patience::eventually;
use crate::profiles::SOURCES;
use crate::sidecar::Sidecar;
use crate::site::Site;

/// Small transactions, so that a kill meets one.
const LIMITS: &str = "[transaction]\nrecords = 200\ntime = \"20ms\"\n";

const PARTITIONS: u64 = 4;

const INSTANCES: [&str; 2] = ["a", "b"];

/// One profile in so many has no address.
const WITHOUT_ONE_IN: u64 = 10;

/// How many live records are written between two kills.
const LIVE: u64 = 200;

fn user(number: u64, attributes: &str) -> (i32, Record) {
    let value = format!(r#"{{"id":{number},"attributes":{attributes}}}"#);
    let key = Some(number.to_string().into_bytes());
    ((number % PARTITIONS) as i32, Record { key, value: Some(value.into()), ..Record::default() })
}

fn holds(number: u64) -> bool {
    !number.is_multiple_of(WITHOUT_ONE_IN)
}

fn profile(number: u64) -> (i32, Record) {
    let email = if holds(number) { format!("\"email\":\"{number}@example.com\",") } else { String::new() };
    user(number, &format!("{{{email}\"n\":{number}}}"))
}

/// Patches that change nobody's being a holder, and events.
fn live(random: &mut StdRng, site: &Site, profiles: u64) {
    let patches = (0..LIVE).map(|turn| {
        let number = random.random_range(0..profiles);
        match turn % 2 {
            0 if holds(number) => user(number, &format!("{{\"email\":\"new-{turn}@example.com\"}}")),
            _ => user(number, &format!("{{\"n\":{turn}}}")),
        }
    });
    site.feed("users", patches.collect::<Vec<_>>());
    let events = (0..LIVE).map(|turn| {
        let value = format!(r#"{{"workspace":"acme","action":"buy","client":{{"id":{turn}}}}}"#);
        ((turn % PARTITIONS) as i32, Record { value: Some(value.into()), ..Record::default() })
    });
    site.feed("events", events);
}

#[test]
fn every_profile_is_told_of_once_whatever_is_killed() {
    let (profiles, kills) = if std::env::var_os("SIVCAR_LONG").is_some() { (200_000, 30) } else { (3_000, 3) };
    let (profiles, kills) = (number("SIVCAR_PROFILES", profiles), number("SIVCAR_KILLS", kills) as usize);
    let seed = number("SIVCAR_SEED", 4711);
    let mut random = StdRng::seed_from_u64(seed);
    let site = Site::new("workers = 2", &format!("{LIMITS}{SOURCES}"));
    for topic in ["events", "users"] {
        site.create(topic, PARTITIONS as i32);
    }
    site.feed("users", (0..profiles).map(profile));
    let mut running: Vec<Option<Sidecar>> = INSTANCES.iter().map(|instance| Some(site.start(instance))).collect();
    site.catch_up();

    let written = || dump::length(&site.broker.bootstrap, "protected.events") as usize;
    let (code, output, errors) = site.run("mark --config a.toml --workspace acme --on attribute --name email");
    assert_eq!((code, errors.as_str()), (0, ""), "{output}");
    let holders: BTreeSet<Vec<u8>> =
        (0..profiles).filter(|number| holds(*number)).map(|number| number.to_string().into_bytes()).collect();
    let (mut killed, mut during) = (0, 0);
    while is_due(&site, "protected.events", killed, kills) {
        // aborted events, live ones and markers count too: how far it has come is a guess, and need be no more
        let point = (holders.len() * killed / kills).min(written() + holders.len() / kills).min(holders.len());
        eventually("the backfill comes so far", || (written() >= point).then_some(()));
        live(&mut random, &site, profiles);
        std::thread::sleep(Duration::from_micros(random.random_range(0..50_000)));
        let victim = random.random_range(0..INSTANCES.len());
        running[victim].take().expect("it runs").kill();
        let told = dump::committed(&site.broker.bootstrap, "protected.events");
        let told =
            told.iter().filter(|event| event.record.headers.iter().any(|header| header.name == "sivcar-synthetic"));
        during += u64::from(told.count() < holders.len());
        running[victim] = Some(site.start(INSTANCES[victim]));
        killed += 1;
    }
    assert!(during > 0, "the backfill was over before the first kill");
    site.catch_up();
    let running: Vec<Sidecar> = running.into_iter().flatten().map(Sidecar::ready).collect();
    eventually("everybody is looked at", || {
        let remaining: f64 = running.iter().map(|each| each.metric("sivcar_backfill_remaining_profiles", "")).sum();
        let settled: usize = site
            .said()
            .iter()
            .map(|(_, said)| String::from_utf8_lossy(said).matches("every profile is settled").count())
            .sum();
        (remaining == 0.0 && settled >= PARTITIONS as usize).then_some(())
    });
    running.into_iter().for_each(Sidecar::drain);

    let report = site.check(&site.checker(&[]));
    let (since, told) = report.told.first_key_value().expect("one version");
    eprintln!(
        "seed {seed}, {killed} kills, {during} of them during the backfill: {} of {profiles} profiles told of since {since}, \
         {} written anew, {} inputs, {} aborted records",
        told.len(),
        report.rewritten,
        report.inputs,
        report.aborted
    );
    assert_eq!((report.told.len(), told == &holders), (1, true), "{} told of, {} hold it", told.len(), holders.len());
    assert_eq!(report.inputs, profiles + 2 * LIVE * killed as u64);
    assert_eq!((report.protected, report.rejected.len()), (report.inputs, 0));
    assert!(report.aborted > 0, "no kill met a transaction");
}
