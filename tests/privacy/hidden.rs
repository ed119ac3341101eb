//! Two thousand documents with values in marked, detected and hidden places: every output shows exactly those that it may, in any form, and an
//! inventory and what is seen for the first time show none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use sivcar::config::{Config, Surroundings};
use sivcar::privacy::control::{ControlValue, Table};
use sivcar::privacy::inventory::Inventory;
use sivcar::privacy::keyset::{Keyring, Keyset};
use sivcar::privacy::policy::Policy;
use sivcar::privacy::protect::{Outputs, Protector};
use sivcar::privacy::survey::Surveyor;

use crate::common::canary::Canaries;
use crate::common::hidden::{Sample, bytes, samples, sections, shows_exactly};

const DOCUMENTS: usize = 2_000;

const SHOWS: [u16; 5] = [0, 100, 200, 9998, 9999];
const MASKS: [u16; 3] = [0, 200, 9999];

fn protector() -> Protector {
    let text = format!("[keys]\nfile = 'k'\n[kafka]\n'bootstrap.servers' = 'none:1'\n{}", sections(&SHOWS, &MASKS));
    let around = Surroundings { name: "test", folder: Path::new(""), environment: &|_| None, host: "host" };
    let config = Config::parse(&text, &around).expect("the configuration is sound");
    let mut table = Table::default();
    for (offset, record) in (0..).zip(&config.wished) {
        let value = record.value.as_ref().map(ControlValue::encode);
        table.apply(offset, &record.key.encode(), value.as_deref()).expect("sound");
    }
    let policy = Policy::compile(&config.settings, &table).expect("a policy");
    let keyring = Keyring::new(Some(Arc::new(Keyset::generate(&[7; 64], 1))), BTreeMap::new());
    Protector::new(Arc::new(policy), Arc::new(keyring))
}

/// The bytes of every output by its name, of all samples together; and the inventory.
fn outputs(samples: &[Sample]) -> (BTreeMap<String, Vec<u8>>, Inventory) {
    let (mut protector, mut made) = (protector(), Outputs::default());
    let (mut surveyor, mut inventory) = (Surveyor::default(), Inventory::new(10_000, true));
    let mut all: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for Sample { record, broken, .. } in samples {
        let done = protector.protect(0, record, &mut made);
        assert_eq!(done.is_err(), *broken);
        if *broken {
            continue;
        }
        protector.survey(0, record, &made, &mut surveyor, &mut inventory);
        all.entry("protected".to_owned()).or_default().extend(bytes(&made.protected));
        let views = &protector.policy().settings().views;
        for (index, record) in &made.views {
            all.entry(views[*index].name.clone()).or_default().extend(bytes(record));
        }
        all.entry("told".to_owned()).or_default().extend(format!("{:?}", made.tally).into_bytes());
    }
    (all, inventory)
}

#[test]
fn every_output_shows_exactly_what_it_may() {
    let samples = samples(DOCUMENTS);
    let values: Vec<&str> = samples.iter().flat_map(|sample| &sample.values).map(|value| value.text.as_str()).collect();
    assert!(values.len() > 2 * DOCUMENTS, "{}", values.len());
    let canaries = Canaries::new(&values);
    let found = |bytes: &[u8]| -> BTreeSet<usize> { canaries.find(bytes).iter().map(|found| found.value).collect() };
    let (outputs, inventory) = outputs(&samples);

    // the search finds all of them where they are
    let raw: Vec<u8> = samples.iter().flat_map(|sample| bytes(&sample.record)).collect();
    assert_eq!(found(&raw).len(), values.len());

    shows_exactly(&samples, "protected", &found(&outputs["protected"]), |seen| seen.protected);
    for clearance in SHOWS {
        let name = format!("show{clearance}");
        shows_exactly(&samples, &name, &found(&outputs[&name]), |seen| seen.from <= clearance);
    }
    for clearance in MASKS {
        let name = format!("mask{clearance}");
        shows_exactly(&samples, &name, &found(&outputs[&name]), |seen| seen.listed && seen.from <= clearance);
    }
    let told = [outputs["told"].clone(), format!("{inventory:?}").into_bytes()].concat();
    shows_exactly(&samples, "told", &found(&told), |_| false);
    assert!(inventory.entries().len() > 30 && inventory.unlisted == 0, "{}", inventory.entries().len());
}
