//! How often what happened, over all worlds, and what the processes of one world say of themselves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use sivcar::stream::happening::{Happening, Observer};
use sivcar::telemetry::Metrics;

use crate::faulty::Call;
use crate::ground::RAW;
use crate::schedule::KILLED_IN;

/// What has to occur, beside a kill in each of [`KILLED_IN`].
pub const FAULTS: &[&str] = &[
    "abort reported failed",
    "call failed",
    "call to be tried again",
    "clock jumped between rounds",
    "clock jumped during a round",
    "commit reported failed, it did not",
    "commit reported failed, it succeeded",
    "compaction removed deletions",
    "compaction removed records",
    "fenced",
    "killed between rounds",
    "late abort landed",
    "late abort met a successor",
    "late commit landed",
    "late commit met a successor",
    "marker arrived by itself",
    "member expelled between rounds",
    "member expelled during a round",
    "membership said to be lost",
    "no membership: only generation -1 could be sent",
    "offsets of a past generation refused",
    "offsets reset by an operator",
    "offsets were unstable",
    "partitions assigned",
    "partitions lost",
    "partitions revoked, all at once",
    "partitions revoked, cooperatively",
    "process started",
    "process stopped in good order",
    "producer spent",
    "raw records behind an open transaction",
    "raw transaction aborted",
    "raw transaction committed",
    "record refused",
    "resolved: aborted",
    "resolved: committed",
    "resolved: lost",
    "restore waited longer than a transaction may take",
    "retention took raw records",
    "retention took unread records",
    "suspended in a call",
    "suspended process was killed",
    "task stopped: out of range",
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
    "workspace erased",
    // what comes of it
    "profile forgotten",
    "profile rewritten",
    "profile told of",
    "profiles taken over within a process",
    "more shown to the more trusted",
];

/// What a kill in `call` is counted as.
pub fn killed_in(call: Call) -> &'static str {
    match call {
        Call::Init => "killed in init",
        Call::Begin => "killed in begin",
        Call::Produce => "killed in produce",
        Call::Drain => "killed in drain",
        Call::SendOffsets => "killed in send_offsets",
        Call::Commit => "killed in commit",
        Call::Abort => "killed in abort",
        Call::Poll => "killed in poll",
        Call::Assign => "killed in assign",
        Call::Committed => "killed in committed",
        Call::Seek => "killed in seek",
        Call::Pause => "killed in pause",
        Call::Membership => "killed in membership",
        Call::Clock => "killed in clock",
        Call::IsSpent => "killed in is_spent",
    }
}

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

    /// What has to occur and never did.
    pub fn never(&self) -> Vec<&'static str> {
        let counts = self.0.lock().expect("no panic holds it");
        let all = FAULTS.iter().copied().chain(KILLED_IN.iter().map(|call| killed_in(*call)));
        all.filter(|name| !counts.contains_key(name)).collect()
    }
}

/// Who observes the processes of one world: counts, and keeps what they say.
pub struct Witness {
    tally: Arc<Tally>,
    said: Mutex<String>,
    /// To make these takes time.
    metrics: Option<Metrics>,
}

impl Witness {
    pub fn new(tally: Arc<Tally>, measures: bool) -> Self {
        Self {
            tally,
            said: Mutex::default(),
            metrics: measures.then(|| Metrics::new("shop", RAW.map(|(topic, _)| topic))),
        }
    }

    pub fn said(&self) -> Vec<(String, Vec<u8>)> {
        let said = std::mem::take(&mut *self.said.lock().expect("no panic holds it"));
        let metrics = self.metrics.iter().map(|metrics| ("metrics", metrics.text().expect("a text")));
        metrics.chain([("a process", said)]).map(|(who, text)| (who.to_owned(), text.into_bytes())).collect()
    }
}

impl Observer for Witness {
    fn observe(&self, happening: &Happening<'_>) {
        self.metrics.iter().for_each(|metrics| metrics.observe(happening));
        let count = |name| self.tally.count(name);
        match happening {
            Happening::Aborted { detail, .. } | Happening::KeysetRefused { detail } => {
                self.said.lock().expect("no panic holds it").push_str(detail);
            }
            Happening::Stopped { partition, reason, detail } => {
                self.said.lock().expect("no panic holds it").push_str(detail);
                assert_eq!(*reason, "out_of_range", "{partition} stopped");
                count("task stopped: out of range");
            }
            Happening::Resolved { outcome, .. } => count(match *outcome {
                "committed" => "resolved: committed",
                "aborted" => "resolved: aborted",
                _ => "resolved: lost",
            }),
            Happening::Waiting { .. } => count("task waited for a newer policy"),
            Happening::Hanging { .. } => count("restore waited longer than a transaction may take"),
            Happening::Restored { .. } => count("store restored"),
            Happening::Committed { tally, .. } => {
                count("transaction committed");
                for source in tally.sources.values() {
                    self.tally.add("profile told of", source.synthetic);
                    self.tally.add("profile rewritten", source.rewritten);
                    self.tally.add("profile forgotten", source.forgotten);
                    self.tally.add("profile abandoned", source.abandoned);
                }
            }
            _ => {}
        }
    }
}
