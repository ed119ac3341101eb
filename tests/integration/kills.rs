//! `kill -9` at random points of a run, again and again, while marks are made: exactly one output per input.
//!
//! A run is named by its seed: `SIVCAR_SEED` repeats one, as far as time lets itself be repeated. `SIVCAR_LONG=1`, as
//! `./dev test --long` sets it, kills thirty times over 200,000 records; `SIVCAR_KILLS` and `SIVCAR_RECORDS` say otherwise. It goes
//! on beyond them with as many records each time, until a kill has met a transaction.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sivcar::record::{Header, Record};

use crate::checker::Report;
use crate::dump;
use crate::patience::eventually;
use crate::sidecar::Sidecar;
use crate::site::Site;

const CONFIG: &str = r#"
[transaction]
records = 100
time = "20ms"
[[source]]
topic = "raw"
kind = "event"
protected = "protected"
dead-letters = "dead"
[[view]]
name = "debug"
unlisted = "show"
topics = { raw = "debug" }
[[view]]
name = "closed"
topics = { raw = "closed" }
[[mark]]
workspace = "acme"
on = "parameter"
name = "email"
[[mark]]
workspace = "acme"
on = "parameter"
name = "phone"
"#;

/// What stands in every marked value, as text and as digits.
const CANARIES: [&str; 2] = ["Kanarienvogel", "48700123"];

const PARTITIONS: i32 = 6;

const INSTANCES: [&str; 2] = ["a", "b"];

/// One in so many records is no JSON.
const BROKEN_ONE_IN: u32 = 50;

/// How many kills more than planned are tried where none met a transaction.
const SPARE: usize = 10;

/// What the marks are made on while it runs; never canaries, for they pass in clear before.
const MARKED_LIVE: [&str; 4] = ["note", "city", "colour", "size"];

pub fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect(name))
}

fn record(random: &mut StdRng, number: u64) -> Record {
    let end = if random.random_ratio(1, BROKEN_ONE_IN) { "" } else { "}" };
    let value = format!(
        r#"{{"workspace":"acme","action":"buy","client":{{"id":{number}}},"params":{{"email":"Kanarienvogel-{number}@example.com","phone":"+48 700-123 {number:05}","note":"n{number}","city":"Łódź","colour":{{"name":"red"}},"size":{number}.50}}{end}"#
    );
    Record {
        key: random.random_ratio(9, 10).then(|| format!("k{}", number % 1000).into_bytes()),
        value: random.random_ratio(99, 100).then(|| value.into_bytes()),
        headers: vec![Header { name: "n".into(), value: Some(number.to_string().into_bytes()) }],
        timestamp: Some(1_700_000_000_000 + number as i64),
    }
}

/// Marks or unmarks, as an operator does.
fn change(site: &Site, random: &mut StdRng, step: usize) {
    let name = MARKED_LIVE[step % MARKED_LIVE.len()];
    let verb = if (step / MARKED_LIVE.len()).is_multiple_of(2) { "mark" } else { "unmark" };
    let how = match (verb, random.random_range(0..3)) {
        ("unmark", _) => "",
        (_, 0) => "--protect mask --by ann",
        (_, 1) => "--protect drop --by ann",
        _ => "--by ann",
    };
    let command = format!("{verb} --config any.toml --workspace acme --on parameter --name {name} {how}");
    let (code, _, errors) = site.run(&command);
    assert_eq!((code, errors.as_str()), (0, ""), "{command}");
}

/// Whether one more kill is due: those that were planned, and a few more until one of them has met a transaction.
pub fn is_due(site: &Site, topic: &str, killed: usize, planned: usize) -> bool {
    let has_met = || {
        site.catch_up();
        dump::has_aborted(&site.broker.bootstrap, topic)
    };
    killed < planned || (killed < planned + SPARE && !has_met())
}

/// How many records and markers stand in the protected topic.
fn written(site: &Site) -> usize {
    dump::length(&site.broker.bootstrap, "protected") as usize
}

fn is_broken(record: &Record) -> bool {
    record.value.as_ref().is_some_and(|value| !value.ends_with(b"0}}"))
}

#[test]
fn one_output_per_input_whatever_is_killed() {
    let (records, kills) = if std::env::var_os("SIVCAR_LONG").is_some() { (200_000, 30) } else { (6_000, 3) };
    let (records, kills) = (number("SIVCAR_RECORDS", records), number("SIVCAR_KILLS", kills) as usize);
    let seed = number("SIVCAR_SEED", 4711);
    let mut random = StdRng::seed_from_u64(seed);
    let site = Site::new("workers = 2", CONFIG);
    site.create("raw", PARTITIONS);
    site.configure("any");

    let mut running: Vec<Option<Sidecar>> = INSTANCES.iter().map(|instance| Some(site.start(instance))).collect();
    let (mut fed, mut broken, mut step) = (0, 0, 0);
    while is_due(&site, "protected", step, kills) {
        let numbers = fed..fed + records.div_ceil(kills as u64);
        fed = numbers.end;
        let slice: Vec<_> =
            numbers.map(|number| (random.random_range(0..PARTITIONS), record(&mut random, number))).collect();
        broken += slice.iter().filter(|(_, record)| is_broken(record)).count() as u64;
        // aborted outputs and markers count too, so how far the run has come is a guess, and need be no more
        let point = written(&site) + random.random_range(0..slice.len() * 3 / 4);
        site.feed("raw", slice);
        eventually("the run comes so far", || (written(&site) >= point).then_some(()));
        std::thread::sleep(Duration::from_micros(random.random_range(0..20_000)));
        let victim = random.random_range(0..INSTANCES.len());
        running[victim].take().expect("it runs").kill();
        running[victim] = Some(site.start(INSTANCES[victim]));
        change(&site, &mut random, step);
        step += 1;
    }
    site.catch_up();
    for sidecar in running.into_iter().flatten() {
        sidecar.ready().drain();
    }

    let report = site.check(&site.checker(&CANARIES));
    eprintln!("seed {seed}, {step} kills: {:?}", Report { made_under: BTreeMap::new(), ..report.clone() });
    assert_eq!((report.inputs, report.protected, report.views), (fed, fed - broken, 2 * (fed - broken)));
    assert_eq!(report.rejected.get("json_syntax"), Some(&broken));
    assert!(report.aborted > 0, "no kill met a transaction");
    assert!(report.versions.len() > 1, "no mark met the run: {:?}", report.versions);
}
