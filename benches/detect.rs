//! What detection finds of what people labelled, and what it costs: the core on one event with detection and without, in turns.

#[path = "parts/figures.rs"]
#[expect(dead_code, reason = "another bench needs the rest")]
mod figures;
#[path = "parts/orders.rs"]
#[expect(dead_code, reason = "another bench needs the rest")]
mod orders;
#[path = "../tests/detection/score.rs"]
mod score;

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

use figures::{is_wanted, row};
use orders::{SOURCES, order};
use score::{SETS, Score, data, score};

/// How often both sides take turns, and how many records each has in one.
const ROUNDS: usize = 20;
const RECORDS: u64 = 2_000;

fn protector(detection: &str) -> Protector {
    let around = Surroundings { name: "bench", folder: Path::new(""), environment: &|_| None, host: "bench" };
    let sources = SOURCES.replacen("\"off\"", &format!("\"{detection}\""), 1);
    let text = format!("[kafka]\n\"bootstrap.servers\" = \"none:1\"\n[keys]\nfile = \"none\"\n{sources}");
    let config = Config::parse(&text, &around).expect("the configuration is sound");
    let mut table = Table::default();
    for (offset, record) in (0..).zip(&config.wished) {
        let value = record.value.as_ref().map(|value| value.encode());
        table.apply(offset, &record.key.encode(), value.as_deref()).expect("a control record");
    }
    let policy = Policy::compile(&config.settings, &table).expect("the policy compiles");
    let keyring = Keyring::new(Some(Arc::new(Keyset::generate(&[7; 64], 1))), BTreeMap::new());
    Protector::new(Arc::new(policy), Arc::new(keyring))
}

/// What a round takes, in seconds.
fn took(protector: &mut Protector, records: &[Record], outputs: &mut Outputs) -> f64 {
    let began = Instant::now();
    for record in records {
        black_box(protector.protect(0, black_box(record), outputs)).expect("a good record");
    }
    began.elapsed().as_secs_f64()
}

fn cost() {
    let record = |number| Record { key: Some(b"7".to_vec()), value: Some(order(number)), ..Record::default() };
    let records: Vec<Record> = (0..RECORDS).map(record).collect();
    let (mut outputs, mut off) = (Outputs::default(), protector("off"));
    for how in ["report", "encrypt"] {
        let mut on = protector(how);
        let ratios: Vec<f64> = (0..ROUNDS)
            .map(|_| took(&mut on, &records, &mut outputs) / took(&mut off, &records, &mut outputs))
            .collect();
        row(
            &format!("detection, {how}"),
            &ratios,
            "time of the core with detection ÷ without, 1 KB, 3 marks, one view",
        );
    }
}

fn main() {
    if !is_wanted() {
        return;
    }
    match data() {
        Some(folder) => {
            for set in SETS {
                let score = score(&folder, &set);
                let Score { hits: (found, all), false_alarms, misses, others } = &score;
                println!("{}: missed {misses:?}, false {false_alarms:?}", set.documents);
                row(
                    &format!("detection, recall, {}", set.documents),
                    &[score.recall()],
                    &format!("{found} of {all} groups of paths"),
                );
                let against =
                    format!("{found} right, {} wrong; of class other {} of {}", false_alarms.len(), others.0, others.1);
                row(&format!("detection, precision, {}", set.documents), &[score.precision()], &against);
            }
        }
        None => println!("SIVCAR_DATA is not set: the labelled data is not looked at"),
    }
    cost();
}
