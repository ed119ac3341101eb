//! `kill -9` at random points of a run, again and again, while marks are made: exactly one output per input.
//!
//! A run is named by its seed. `SIVCAR_RECORDS=200000 SIVCAR_KILLS=30` is the long form; `SIVCAR_SEED` repeats one.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sivcar::record::{Header, Record};

use crate::dump;
use crate::sidecar::{Sidecar, Site};

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

/// What the marks are made on while it runs; never canaries, for they pass in clear before.
const MARKED_LIVE: [&str; 4] = ["note", "city", "colour", "size"];

fn number(name: &str, otherwise: u64) -> u64 {
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

#[test]
fn one_output_per_input_whatever_is_killed() {
    let (seed, records, kills) =
        (number("SIVCAR_SEED", 4711), number("SIVCAR_RECORDS", 6_000), number("SIVCAR_KILLS", 3));
    let mut random = StdRng::seed_from_u64(seed);
    let site = Site::new("workers = 2", CONFIG);
    site.create("raw", PARTITIONS);
    let inputs: Vec<(i32, Record)> =
        (0..records).map(|number| (random.random_range(0..PARTITIONS), record(&mut random, number))).collect();
    let broken =
        inputs.iter().filter(|(_, record)| record.value.as_ref().is_some_and(|value| !value.ends_with(b"0}}")));
    let broken = broken.count() as u64;
    site.feed("raw", inputs);

    let mut running: Vec<Option<Sidecar>> = INSTANCES.iter().map(|instance| Some(site.start(instance))).collect();
    site.configure("any");
    // where outputs stand, aborted ones and markers among them, is how far the run has come
    let mut points: Vec<u64> = (0..kills).map(|_| random.random_range(records / 20..records * 19 / 20)).collect();
    points.sort_unstable();
    let mut marks = 0;
    for (kill, point) in points.iter().enumerate() {
        while (dump::length(&site.broker.bootstrap, "protected") as u64) < *point {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        if kill * MARKED_LIVE.len() / kills as usize >= marks {
            change(&site, &mut random, marks);
            marks += 1;
        }
        std::thread::sleep(std::time::Duration::from_micros(random.random_range(0..50_000)));
        let victim = random.random_range(0..INSTANCES.len());
        running[victim].take().expect("it runs").kill();
        running[victim] = Some(site.start(INSTANCES[victim]));
    }
    site.catch_up();
    for sidecar in running.into_iter().flatten() {
        sidecar.ready().drain();
    }

    let report = site.check(&site.checker(&CANARIES));
    eprintln!("seed {seed}, {kills} kills: {report:?}");
    assert_eq!((report.inputs, report.protected, report.views), (records, records - broken, 2 * (records - broken)));
    assert_eq!(report.rejected.get("json_syntax"), Some(&broken));
    assert!(report.aborted > 0, "no kill met a transaction");
    assert!(report.versions.len() > 1, "no mark met the run: {:?}", report.versions);
}
