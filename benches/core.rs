//! The core on one event of about 1 KB with three marks and one view, beside peers in the same run: the naive way, and serde_json alone.
//! Ratios between the lines are what counts; absolute times are the machine's.

#[path = "parts/counted.rs"]
mod counted;
#[path = "parts/figures.rs"]
#[expect(dead_code, reason = "another bench needs the rest")]
mod figures;
#[path = "peers/naive.rs"]
mod naive;
#[path = "parts/orders.rs"]
mod orders;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group};
use sivcar::config::{Config, Surroundings};
use sivcar::privacy::control::Table;
use sivcar::privacy::keyset::{Keyring, Keyset};
use sivcar::privacy::mark::{Mark, MarkKey, On};
use sivcar::privacy::policy::Policy;
use sivcar::privacy::protect::{Outputs, Protector};
use sivcar::privacy::scan::{Limits, Tape, scan};
use sivcar::record::Record;

use figures::{is_wanted, row};
use naive::{Both, Naive};
use orders::{MARKED, SOURCES, order};

/// How often both sides of a figure take turns, and how many records each has in one.
const ROUNDS: usize = 20;
const RECORDS: u64 = 2_000;

const KEY: [u8; 64] = [7; 64];
const KEY_ID: u32 = 1;

fn protector() -> Protector {
    let surroundings = Surroundings { name: "bench", folder: Path::new(""), environment: &|_| None, host: "bench" };
    let text = format!(
        "group = \"g\"\n[kafka]\n\"bootstrap.servers\" = \"none:1\"\n[keys]\nfile = \"none\"\n[http]\nlisten = \"127.0.0.1:0\"\n{SOURCES}"
    );
    let config = Config::parse(&text, &surroundings).expect("the configuration is sound");
    let mark = |name: &str| {
        let key = MarkKey { workspace: "acme".to_owned(), on: On::Attribute, name: name.to_owned(), event: None };
        (key, Mark::default())
    };
    let table = Table { marks: MARKED.map(mark).into(), version: 1, ..Table::default() };
    let policy = Policy::compile(&config.settings, &table).expect("the policy compiles");
    let keyring = Keyring::new(Some(Arc::new(Keyset::generate(&KEY, KEY_ID))), BTreeMap::new());
    Protector::new(Arc::new(policy), Arc::new(keyring))
}

fn record(number: u64) -> Record {
    Record { key: Some(number.to_string().into_bytes()), value: Some(order(number)), ..Record::default() }
}

/// What sivcar makes of a record.
fn ours(protector: &mut Protector, record: &Record, outputs: &mut Outputs) -> Both {
    protector.protect(0, record, outputs).expect("a good record");
    let shown = outputs.views.first().map(|(_, record)| record.clone()).expect("a view");
    Both {
        protected: outputs.protected.value.clone().expect("a document"),
        shown: shown.value.expect("a document"),
        key: String::from_utf8(shown.key.expect("a key")).expect("a token"),
    }
}

fn theirs(naive: &mut Naive, record: &Record) -> Both {
    naive.protect(record.key.as_deref().unwrap_or_default(), record.value.as_deref().unwrap_or_default())
}

/// The core beside the naive way, in turns; both make the same.
fn beside_the_naive() {
    let (mut protector, mut outputs) = (protector(), Outputs::default());
    let mut peers = [Naive::new(KEY_ID, KEY, false), Naive::new(KEY_ID, KEY, true)];
    let records: Vec<Record> = (0..RECORDS).map(record).collect();
    for record in &records {
        let ours = ours(&mut protector, record, &mut outputs);
        peers.iter_mut().for_each(|peer| assert_eq!(theirs(peer, record), ours));
    }
    let mut ratios = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for record in &records {
            black_box(protector.protect(0, black_box(record), &mut outputs)).expect("a good record");
        }
        let took = began.elapsed();
        for (peer, ratios) in peers.iter_mut().zip(&mut ratios) {
            let began = Instant::now();
            records.iter().for_each(|record| drop(black_box(theirs(peer, black_box(record)))));
            ratios.push(began.elapsed().as_secs_f64() / took.as_secs_f64());
        }
    }
    let [fresh, kept] = ratios;
    row("core, naive", &fresh, "time of serde_json trees and a cipher per value ÷ sivcar's, same bytes out");
    row(
        "core, naive with its cipher kept",
        &kept,
        "time of serde_json trees and one cipher ÷ sivcar's, same bytes out",
    );
}

/// What is counted under valgrind: so many records, by sivcar or in one of the naive ways.
fn work(who: &str, count: u64) {
    let records: Vec<Record> = (0..100).map(record).collect();
    let (mut protector, mut outputs, mut naive) =
        (protector(), Outputs::default(), Naive::new(KEY_ID, KEY, who == "kept"));
    for record in records.iter().cycle().take(count as usize) {
        match who {
            "ours" => black_box(protector.protect(0, black_box(record), &mut outputs)).expect("a good record"),
            _ => drop(black_box(theirs(&mut naive, black_box(record)))),
        }
    }
}

/// The same figures in instructions, where valgrind is there to count them.
fn in_instructions() {
    let [Some(ours), Some(fresh), Some(kept)] = ["ours", "fresh", "kept"].map(counted::instructions) else {
        return eprintln!("instructions are not counted: valgrind is not here");
    };
    eprintln!("instructions per record of sivcar, naive, naive with its cipher kept: {ours} {fresh} {kept}");
    row("core in instructions, naive", &[fresh / ours], "instructions of trees and a cipher per value ÷ sivcar's");
    row("core in instructions, cipher kept", &[kept / ours], "instructions of trees and one cipher ÷ sivcar's");
}

fn core(criterion: &mut Criterion) {
    let mut protector = protector();
    let record = record(42);
    let bytes = record.value.clone().unwrap_or_default();
    let mut outputs = Outputs::default();
    let (mut tape, limits) = (Tape::default(), Limits::default());

    let mut group = criterion.benchmark_group("1 KB event");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("scan", |bencher| bencher.iter(|| scan(black_box(&bytes), &limits, &mut tape).is_ok()));
    group.bench_function("scan, protect and one view", |bencher| {
        bencher.iter(|| protector.protect(0, black_box(&record), &mut outputs).is_ok());
    });
    group.bench_function("peer: serde_json reads a tree", |bencher| {
        bencher.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(&bytes)).is_ok());
    });
    group.bench_function("peer: serde_json reads and writes twice", |bencher| {
        bencher.iter(|| {
            let tree: serde_json::Value = serde_json::from_slice(black_box(&bytes)).expect("a document");
            (serde_json::to_vec(&tree).expect("written"), serde_json::to_vec(&tree).expect("written"))
        });
    });
    group.finish();
}

criterion_group!(benches, core);

fn main() {
    if let Some((who, count)) = counted::ordered() {
        return work(&who, count);
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
    // a filter asks for one of the others
    if is_wanted() && std::env::args().len() == 2 {
        beside_the_naive();
        in_instructions();
    }
}
