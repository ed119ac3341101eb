//! What the parts of a policy cost that look at more than marks: detection, hooks and derived copies, each on and off, in one run.
//!
//! The core alone, and the whole program on a real Kafka: events of 1 KB with three marks, protected and one view. All have the same marks
//! and read as long a backlog, in turns; the ratios of each round are taken, then their median. `SIVCAR_EVENTS` says how many events a turn
//! has (150,000), `SIVCAR_ROUNDS` how many rounds (3).

#[path = "../tests/integration/broker.rs"]
#[expect(dead_code, reason = "the integration tests' broker can do more")]
mod broker;
#[path = "parts/cluster.rs"]
#[expect(dead_code, reason = "another bench needs the rest")]
mod cluster;
#[path = "parts/counted.rs"]
mod counted;
#[path = "parts/figures.rs"]
mod figures;
#[path = "parts/orders.rs"]
#[expect(dead_code, reason = "another bench needs the rest")]
mod orders;
#[path = "../tests/common/patience.rs"]
mod patience;
#[path = "../tests/integration/sidecar.rs"]
#[expect(dead_code, reason = "the integration tests' process can do more")]
mod sidecar;
#[path = "parts/spread.rs"]
mod spread;
#[path = "parts/turn.rs"]
mod turn;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use sivcar::config::{Config, Surroundings};
use sivcar::privacy::control::Table;
use sivcar::privacy::keyset::{Keyring, Keyset};
use sivcar::privacy::policy::Policy;
use sivcar::privacy::protect::{Outputs, Protector};
use sivcar::record::Record;

use cluster::Cluster;
use figures::{is_wanted, number, row};
use orders::{SOURCES, order};
use spread::key;
use turn::{Turn, program};

/// How often both sides of a figure of the core take turns, and how many records each has in one.
const CORE_ROUNDS: usize = 20;
const CORE_RECORDS: u64 = 2_000;

const RAW: &str = "raw.events";
const OUTPUTS: [&str; 2] = ["protected.events", "debug.events"];

/// What is on, beside the marks.
struct Way {
    name: &'static str,
    detection: &'static str,
    copies: bool,
    /// Sections.
    hooks: &'static str,
}

const HOOKS: &str = r#"
[[hook]]
name = "orders"
level = 'event.startsWith("order.") && path == "email" ? 500 : 0'
[[hook]]
name = "addresses"
level = 'matcher == "ip" || path.contains("geo") ? 300 : 0'
"#;

/// Nothing first: what the others are held against.
const WAYS: [Way; 5] = [
    Way { name: "nothing", detection: "off", copies: false, hooks: "" },
    Way { name: "detection", detection: "report", copies: false, hooks: "" },
    Way { name: "hooks", detection: "off", copies: false, hooks: HOOKS },
    Way { name: "derived copies", detection: "off", copies: true, hooks: "" },
    Way { name: "all three", detection: "report", copies: true, hooks: HOOKS },
];

impl Way {
    /// The orders' configuration, with marks of a level that a hook can raise, one of them on a parameter of which there may be copies.
    fn sources(&self) -> String {
        let Way { detection, copies, hooks, .. } = self;
        let source = format!("detection = \"{detection}\"\nderived-copies = {copies}");
        let parameter = "on = \"parameter\"\nname = \"note\"";
        let changed = [
            ("detection = \"off\"", source.as_str()),
            ("[[mark]]", "[[mark]]\nlevel = 100"),
            ("on = \"attribute\"\nname = \"name\"", parameter),
        ];
        let sources = changed.iter().fold(SOURCES.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "the orders' configuration is another");
            text.replace(from, to)
        });
        format!("{sources}{hooks}")
    }

    fn protector(&self) -> Protector {
        let around = Surroundings { name: "bench", folder: Path::new(""), environment: &|_| None, host: "bench" };
        let text = format!("[kafka]\n\"bootstrap.servers\" = \"none:1\"\n[keys]\nfile = \"none\"\n{}", self.sources());
        let config = Config::parse(&text, &around).expect("the configuration is sound");
        let mut table = Table::default();
        for (offset, record) in (0..).zip(&config.wished) {
            let value = record.value.as_ref().map(|value| value.encode());
            table.apply(offset, &record.key.encode(), value.as_deref()).expect("a control record");
        }
        assert_eq!(table.marks.len(), 3);
        let policy = Policy::compile(&config.settings, &table).expect("the policy compiles");
        let keyring = Keyring::new(Some(Arc::new(Keyset::generate(&[7; 64], 1))), BTreeMap::new());
        Protector::new(Arc::new(policy), Arc::new(keyring))
    }
}

fn record(number: u64) -> Record {
    Record { key: Some(key(number)), value: Some(order(number)), ..Record::default() }
}

/// What a round of the core takes, in seconds.
fn took(protector: &mut Protector, records: &[Record], outputs: &mut Outputs) -> f64 {
    let began = Instant::now();
    for record in records {
        black_box(protector.protect(0, black_box(record), outputs)).expect("a good record");
    }
    began.elapsed().as_secs_f64()
}

fn core() {
    let records: Vec<Record> = (0..CORE_RECORDS).map(record).collect();
    let mut outputs = Outputs::default();
    let [nothing, others @ ..] = &WAYS;
    let mut off = nothing.protector();
    for way in others {
        let mut on = way.protector();
        let turns =
            (0..CORE_ROUNDS).map(|_| took(&mut on, &records, &mut outputs) / took(&mut off, &records, &mut outputs));
        let ratios: Vec<f64> = turns.collect();
        row(&format!("{}, core", way.name), &ratios, "time of the core with it ÷ without");
    }
}

/// What is counted under valgrind: so many records, with what has the `name`.
fn work(name: &str, count: u64) {
    let records: Vec<Record> = (0..100).map(record).collect();
    let way = WAYS.iter().find(|way| way.name == name).expect("one of the ways");
    let (mut protector, mut outputs) = (way.protector(), Outputs::default());
    for record in records.iter().cycle().take(count as usize) {
        black_box(protector.protect(0, black_box(record), &mut outputs)).expect("a good record");
    }
}

/// The same figures in instructions, where valgrind is there to count them.
fn in_instructions() {
    let [Some(off), others @ ..] = WAYS.map(|way| counted::instructions(way.name)) else {
        return eprintln!("instructions are not counted: valgrind is not here");
    };
    for (way, on) in WAYS[1..].iter().zip(others.into_iter().flatten()) {
        eprintln!("instructions per record with {} and without: {on} {off}", way.name);
        row(&format!("{}, core in instructions", way.name), &[on / off], "instructions of the core with it ÷ without");
    }
}

fn main() {
    if let Some((name, count)) = counted::ordered() {
        return work(&name, count);
    }
    if !is_wanted() {
        return;
    }
    core();
    in_instructions();
    let (events, rounds) = (number("SIVCAR_EVENTS", 150_000), number("SIVCAR_ROUNDS", 3));
    let topics: Vec<&str> = [RAW].into_iter().chain(OUTPUTS).collect();
    let mut cluster = Cluster::new(1, &topics, &WAYS[0].sources());
    let mut ratios = WAYS.map(|way| (way.name, Vec::new(), Vec::new()));
    for round in 0..rounds as usize {
        let mut turns = WAYS.map(|_| None);
        // each is first, second and so on in turn
        for place in 0..WAYS.len() {
            let who = (place + round) % WAYS.len();
            cluster.configure(&WAYS[who].sources());
            cluster.feed(RAW, events, |number| (key(number), order(number)));
            turns[who] = Some(program(&mut cluster, events).0);
        }
        let turns: Vec<Turn> = turns.into_iter().flatten().collect();
        let told: Vec<f64> = turns.iter().map(|turn| turn.rate.round()).collect();
        eprintln!("round {round}: records per second of {:?}: {told:?}", WAYS.map(|way| way.name));
        for ((_, rates, costs), turn) in ratios.iter_mut().zip(&turns) {
            rates.push(turn.rate / turns[0].rate);
            costs.extend(turn.processor.zip(turns[0].processor).map(|(on, off)| on / off));
        }
    }
    for (name, rates, costs) in &ratios[1..] {
        let wanted = if *name == "detection" { "; at most 1.6 is wanted" } else { "" };
        if !costs.is_empty() {
            row(
                &format!("{name}, CPU of the program"),
                costs,
                &format!("processor time per record with it ÷ without{wanted}"),
            );
        }
        row(&format!("{name}, throughput of the program"), rates, "records per second with it ÷ without");
    }
}
