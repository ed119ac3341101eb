//! Two thousand documents with values in marked, detected and hidden places, through the sidecar: what becomes of them in all topics, and what is
//! told of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use sivcar::privacy::control::{ControlValue, Table};
use sivcar::privacy::policy::Policy;
use sivcar::privacy::protect::{Outputs, Protector};
use sivcar::stream::log::Fetched;

use crate::canary::Canaries;
use crate::checker::Dump;
use crate::hidden_places::{Sample, bytes, samples, shows_exactly};
use crate::patience::eventually;
use crate::sidecar::Sidecar;
use crate::site::Site;

/// How many documents; and how many of them are broken off.
pub const DOCUMENTS: usize = 2_000;
pub const BROKEN: u64 = 40;

/// The clearances of the source's views.
pub const SHOWS: [u16; 2] = [0, 100];

/// The documents, in their partitions.
pub struct Hidden {
    samples: Vec<Sample>,
}

impl Hidden {
    /// Writes them to the topic `hidden` of so many partitions.
    pub fn fed(site: &Site, partitions: i32) -> Hidden {
        let samples = samples(DOCUMENTS);
        site.create("hidden", partitions);
        let spread = (0..partitions).cycle().zip(&samples);
        site.feed("hidden", spread.map(|(partition, sample)| (partition, sample.record.clone())));
        Hidden { samples }
    }

    /// The values that nobody who reads an output may see.
    pub fn canaries(&self) -> Vec<&str> {
        let seen = |sample: &'_ Sample| sample.values.clone();
        let hidden: BTreeSet<String> = self
            .samples
            .iter()
            .flat_map(seen)
            .filter(|value| !value.seen.protected && SHOWS.iter().all(|clearance| *clearance < value.seen.from))
            .map(|value| value.text)
            .collect();
        let all = self.samples.iter().flat_map(|sample| &sample.values).map(|value| value.text.as_str());
        all.filter(|text| hidden.contains(*text)).collect()
    }

    /// Waits until all is told that detection saw; and takes an inventory. Neither holds a value.
    pub fn told(&self, site: &Site, sidecar: &Sidecar) {
        let expected = self.alerts(site);
        assert!(expected.len() > 12, "{}", expected.len());
        eventually("alerts", || {
            (sidecar.metric("sivcar_alerts_total", "written") == expected.len() as f64).then_some(())
        });
        let told: BTreeSet<String> = crate::dump::committed(&site.broker.bootstrap, "g.alerts")
            .into_iter()
            .map(|fetched| String::from_utf8(fetched.record.key.expect("a key")).expect("is text"))
            .collect();
        assert_eq!(told, expected);

        let inventory = "inventory --config a.toml --source hidden --topic --output";
        let (code, json, errors) = site.run(&format!("{inventory} json"));
        assert_eq!((code, errors), (1, format!("rejected: {BROKEN} of {DOCUMENTS} records, json_syntax\n")));
        let (code, last, _) = site.run(&format!("{inventory} json --last 5"));
        assert!(code < 2 && last.contains("\"records\": 1"), "5 of each of three partitions: {last}");
        let values = self.values();
        let search = Canaries::new(&values);
        assert_eq!(search.find(json.as_bytes()), []);
        let shown: serde_json::Value = serde_json::from_str(&json).expect("is JSON");
        assert_eq!(shown["records"].as_u64(), Some(DOCUMENTS as u64));
        let marked = |path: &str| {
            let places = shown["places"].as_array().expect("places").iter();
            places.filter(|place| place["path"] == path && !place["mark"].is_null()).count()
        };
        assert_eq!((marked("email"), marked("home.road"), marked("color")), (1, 1, 0), "marks of the control topic");
    }

    fn values(&self) -> Vec<&str> {
        self.samples.iter().flat_map(|sample| &sample.values).map(|value| value.text.as_str()).collect()
    }

    /// The record keys of the alerts that there must be.
    fn alerts(&self, site: &Site) -> BTreeSet<String> {
        let config = site.config();
        let mut table = Table::default();
        for (offset, record) in (0..).zip(&config.wished) {
            let value = record.value.as_ref().map(ControlValue::encode);
            table.apply(offset, &record.key.encode(), value.as_deref()).expect("sound");
        }
        let policy = Policy::compile(&config.settings, &table).expect("a policy");
        let source = config.settings.sources.iter().position(|source| source.topic == "hidden").expect("it is there");
        let mut protector = Protector::new(Arc::new(policy), site.keyring());
        let (mut made, mut alerts) = (Outputs::default(), BTreeSet::new());
        for sample in self.samples.iter().filter(|sample| !sample.broken) {
            protector.protect(source, &sample.record, &mut made).expect("a good record");
            alerts.extend(made.tally.sightings.iter().map(|(sighting, _)| {
                let (on, path, matcher) = (sighting.part.word(), &sighting.path, &sighting.matcher);
                format!(
                    r#"{{"matcher":"{matcher}","on":"{on}","path":"{path}","source":"hidden","workspace":"{}"}}"#,
                    sighting.workspace
                )
            }));
        }
        alerts
    }

    /// Asserts that each output's topic shows exactly what it may.
    pub fn check(&self, dump: &Dump) {
        let values = self.values();
        let search = Canaries::new(&values);
        let found = |topic: &str| -> BTreeSet<usize> {
            let records: &Vec<Fetched> = &dump.committed[topic];
            let all: Vec<u8> = records.iter().flat_map(|fetched| bytes(&fetched.record)).collect();
            search.find(&all).iter().map(|found| found.value).collect()
        };
        shows_exactly(&self.samples, "protected", &found("hidden.protected"), |seen| seen.protected);
        for clearance in SHOWS {
            let topic = format!("hidden.show{clearance}");
            shows_exactly(&self.samples, &topic, &found(&topic), |seen| seen.from <= clearance);
        }
    }
}
