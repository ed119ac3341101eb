//! What profiles take of memory: the growth of this process against the bytes of the documents themselves.
//!
//! The worker fills its store from live records over the embedded log, as it does over Kafka; what the log holds is dropped after each
//! step, as retention does, so that what has grown is the store. Then a mark is made, and the walk rewrites every entry. `SIVCAR_PROFILES`
//! says how many profiles (a million).

#[path = "parts/figures.rs"]
#[expect(dead_code, reason = "another bench needs the rest")]
mod figures;
#[path = "parts/people.rs"]
mod people;
#[path = "parts/spread.rs"]
mod spread;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use sivcar::config::{Config, Surroundings};
use sivcar::memory::MemoryLog;
use sivcar::privacy::control::{Pin, Table};
use sivcar::privacy::keyset::{Keyring, Keyset};
use sivcar::privacy::mark::{Mark, MarkKey, On};
use sivcar::privacy::policy::Policy;
use sivcar::record::{Partition, Record};
use sivcar::stream::context::{Context, Plan};
use sivcar::stream::current::Snapshot;
use sivcar::stream::happening::{Happening, Observer};
use sivcar::stream::log::Log as _;
use sivcar::stream::supervisor;
use sivcar::stream::topics::Route;
use sivcar::stream::worker::Worker;

use figures::{is_wanted, number, resident, row};
use people::{SOURCES, document};
use spread::{PARTITIONS, key, partition};

/// How many records come at once: a full batch, so that nobody waits for more.
const CHUNK: u64 = 5_000;

/// Counts the walks that ended.
#[derive(Default)]
struct Walks(AtomicI32);

impl Observer for Walks {
    fn observe(&self, happening: &Happening<'_>) {
        if let Happening::Walked { remaining: 0, .. } = happening {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn plan() -> Plan {
    let surroundings = Surroundings { name: "bench", folder: Path::new(""), environment: &|_| None, host: "bench" };
    let text = format!(
        "group = \"g\"\n[kafka]\n\"bootstrap.servers\" = \"none:1\"\n[keys]\nfile = \"none\"\n[http]\nlisten = \"127.0.0.1:0\"\n{SOURCES}"
    );
    let config = Config::parse(&text, &surroundings).expect("the configuration is sound");
    Plan {
        routes: Route::all(&config.settings),
        settings: Arc::new(config.settings),
        wished: Vec::new(),
        instance: "bench".to_owned(),
        workers: 1,
        create: true,
        max_staleness: Duration::from_secs(86_400),
        limits: config.transaction,
        state_bytes: usize::MAX,
    }
}

fn publish(context: &Context<MemoryLog>, table: &Table) {
    let policy = Arc::new(Policy::compile(&context.plan.settings, table).expect("a policy"));
    let keyring = context.keyring.load_full();
    context.current.publish(Snapshot { policy, keyring, control: "nonce".to_owned() });
    context.current.confirm(Instant::now(), table.version as i64);
}

/// Drops what everybody has read.
fn forget(log: &MemoryLog) {
    for topic in log.topics() {
        for number in 0..PARTITIONS {
            log.trim(&Partition::new(topic.clone(), number), i64::MAX);
        }
    }
}

/// Writes profiles and has them processed; gives the bytes of their documents.
fn fill(log: &MemoryLog, worker: &mut Worker<MemoryLog>, profiles: u64) -> f64 {
    let mut bytes = 0;
    for first in (0..profiles).step_by(CHUNK as usize) {
        let chunk = first..profiles.min(first + CHUNK);
        let mut left = chunk.end - chunk.start;
        for number in chunk {
            let value = document(number);
            bytes += value.len();
            let record = Record { key: Some(key(number)), value: Some(value), ..Record::default() };
            log.append(&Partition::new("raw.users", partition(number)), record).expect("the topic exists");
        }
        while left > 0 {
            left -= worker.step().expect("nothing fails here");
        }
        forget(log);
    }
    bytes as f64
}

fn main() {
    if !is_wanted() {
        return;
    }
    let profiles = number("SIVCAR_PROFILES", 1_000_000);
    let log = MemoryLog::new("g");
    for topic in ["raw.events", "raw.users"] {
        log.create_topic(topic, PARTITIONS, &[]).expect("a topic");
    }
    let keyring = Arc::new(Keyring::new(Some(Arc::new(Keyset::generate(&[7; 64], 1))), BTreeMap::new()));
    let walks = Arc::new(Walks::default());
    let context = supervisor::prepare(log.clone(), plan(), keyring, walks.clone()).expect("topics fit");
    let pin = Pin { topic: "g.raw.users.changelog".to_owned(), workspace: None };
    let pinned = [(pin, 1.into())].into();
    let mut table = Table { version: 1, pinned, ..Table::default() };
    publish(&context, &table);
    let mut worker = Worker::start(context.clone(), 0).expect("a worker");

    let own = std::process::id();
    let before = resident(own);
    let began = Instant::now();
    let bytes = fill(&log, &mut worker, profiles);
    let filled = resident(own) - before;
    eprintln!("{profiles} profiles, {:.0} bytes each; filled in {:.1?}", bytes / profiles as f64, began.elapsed());

    let email = MarkKey { workspace: "acme".to_owned(), on: On::Attribute, name: "email".to_owned(), event: None };
    table.version += 1;
    table.marks.insert(email, Mark { since: Some(table.version), ..Mark::default() });
    publish(&context, &table);
    let (began, mut peak) = (Instant::now(), 0.0_f64);
    while walks.0.load(Ordering::Relaxed) < PARTITIONS {
        worker.step().expect("nothing fails here");
        peak = peak.max(resident(own) - before);
        forget(&log);
    }
    eprintln!("walked in {:.1?}", began.elapsed());
    let walked = resident(own) - before;

    let against = "growth of resident memory ÷ bytes of the documents";
    row("memory per profile", &[filled / bytes], against);
    row("memory per profile, at most during a walk", &[peak / bytes], against);
    row("memory per profile, after a walk", &[walked / bytes], against);
}
