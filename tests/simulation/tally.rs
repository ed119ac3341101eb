//! How often what happened, over all worlds.

use std::collections::BTreeMap;
use std::sync::Mutex;

use sivcar::stream::happening::{Happening, Observer};

/// What has to occur.
pub const FAULTS: &[&str] = &[
    "abort reported failed",
    "call failed",
    "call to be tried again",
    "clock jumped between rounds",
    "clock jumped during a round",
    "commit reported failed, it did not",
    "commit reported failed, it succeeded",
    "compaction removed records",
    "fenced",
    "killed between rounds",
    "killed in a call",
    "late commit landed",
    "late commit met a successor",
    "marker arrived by itself",
    "member expelled between rounds",
    "member expelled during a round",
    "membership said to be lost",
    "no membership: only generation -1 could be sent",
    "offsets of a past generation refused",
    "offsets were unstable",
    "partitions assigned",
    "partitions lost",
    "partitions revoked",
    "process stopped in good order",
    "producer spent",
    "raw records behind an open transaction",
    "raw transaction aborted",
    "record refused",
    "resolved: aborted",
    "resolved: committed",
    "resolved: lost",
    "restore waited longer than a transaction may take",
    "suspended in a call",
    "suspended process was killed",
    "task waited for a newer policy",
    "transaction timed out",
    "transaction timed out under its producer",
    "transactional id taken by another",
    "waited for unstable offsets",
    // what is done to the policy
    "key pinned anew",
    "key promoted",
    "mark edited",
    "mark made",
    "mark withdrawn",
    "padding changed",
    "reseal",
    "stage changed",
    // what comes of it
    "profile rewritten",
    "profile told of",
];

#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<&'static str, u64>>);

impl Tally {
    pub fn count(&self, name: &'static str) {
        self.add(name, 1);
    }

    pub fn add(&self, name: &'static str, more: u64) {
        if more > 0 {
            *self.0.lock().expect("no panic holds it").entry(name).or_default() += more;
        }
    }

    /// Each with its count, one a line.
    pub fn lines(&self) -> String {
        let counts = self.0.lock().expect("no panic holds it");
        counts.iter().map(|(name, count)| format!("{count:>10}  {name}\n")).collect()
    }

    /// Those of [`FAULTS`] that never occurred.
    pub fn never(&self) -> Vec<&'static str> {
        let counts = self.0.lock().expect("no panic holds it");
        FAULTS.iter().filter(|name| !counts.contains_key(*name)).copied().collect()
    }
}

impl Observer for Tally {
    fn observe(&self, happening: &Happening<'_>) {
        match happening {
            Happening::Resolved { outcome, .. } => self.count(match *outcome {
                "committed" => "resolved: committed",
                "aborted" => "resolved: aborted",
                _ => "resolved: lost",
            }),
            Happening::Waiting { .. } => self.count("task waited for a newer policy"),
            Happening::Hanging { .. } => self.count("restore waited longer than a transaction may take"),
            Happening::Restored { .. } => self.count("store restored"),
            Happening::Committed { tally, .. } => {
                self.count("transaction committed");
                for source in tally.sources.values() {
                    self.add("profile told of", source.synthetic);
                    self.add("profile rewritten", source.rewritten);
                    self.add("profile abandoned", source.abandoned);
                }
            }
            _ => {}
        }
    }
}
