//! One world: a log, three processes of which any may be down, raw records that come, marks that are made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sivcar::memory::MemoryLog;
use sivcar::privacy::control::{ControlKey, ControlValue, Incarnation, Table};
use sivcar::privacy::keyset::{Keyring, Keyset};
use sivcar::privacy::mark::{Mark, MarkKey, On, Protect};
use sivcar::privacy::path::Path;
use sivcar::privacy::policy::Policy;
use sivcar::privacy::scan::Limits;
use sivcar::privacy::settings::{Case, Fold, Ids, Layout, Partitioner, Settings, Source, SourceKind, Unlisted, View};
use sivcar::record::{Partition, Record};
use sivcar::stream::context::{Context, Plan};
use sivcar::stream::current::Snapshot;
use sivcar::stream::error::Error;
use sivcar::stream::happening::Nobody;
use sivcar::stream::log::{Fetched, Log};
use sivcar::stream::topics::{Facts, Route};
use sivcar::stream::transaction::TransactionLimits;
use sivcar::stream::worker::Worker;

use super::checker::{Checker, Dump, Topics};
use super::faulty::{Faults, Faulty, KILLED};

pub const PARTITIONS: i32 = 3;
const PROCESSES: usize = 3;
const FOREVER: Duration = Duration::from_secs(86_400);

/// A process: down, or with its own view of the policy.
#[derive(Default)]
struct Process(Option<(Arc<Context<Faulty>>, Worker<Faulty>)>);

pub struct World {
    pub seed: u64,
    random: StdRng,
    pub log: Faulty,
    processes: [Process; PROCESSES],
    fed: u64,
    marks: u64,
    expulsions: u64,
    leaves: u64,
}

pub fn keyring() -> Arc<Keyring> {
    Arc::new(Keyring::new(Some(Arc::new(Keyset::generate(&[7; 64], 1))), BTreeMap::new()))
}

pub fn settings() -> Settings {
    let path = |text: &str| Path::parse(text).expect("a path");
    let source = Source {
        topic: "raw".into(),
        kind: SourceKind::Event,
        layout: Layout {
            name: "default".into(),
            workspace: Some(path("workspace")),
            parameters: vec![path("params")],
            ..Layout::default()
        },
        workspace: None,
        workspaces: BTreeSet::new(),
        protected: "protected".into(),
        dead_letters: "dead".into(),
        sealed_input: false,
        ids: Ids::Clear,
        case: Case::Fold,
        state: Fold::Merge,
        events: None,
        partitioner: Partitioner::Murmur2,
    };
    let view = View {
        name: "debug".into(),
        clearance: 0,
        unlisted: Unlisted::Mask,
        show: Vec::new(),
        headers: BTreeSet::new(),
        topics: BTreeMap::from([("raw".to_owned(), "debug".to_owned())]),
    };
    let limits = Limits::default();
    Settings { group: "g".into(), limits, workspaces: BTreeSet::new(), sources: vec![source], views: vec![view] }
}

/// The table as of the record at `version` − 1.
pub fn table(log: &MemoryLog, version: u64) -> Table {
    let mut table = Table::default();
    for fetched in log.records("g.control") {
        if (fetched.offset as u64) < version {
            let key = fetched.record.key.unwrap_or_default();
            table.apply(fetched.offset, &key, fetched.record.value.as_deref()).expect("a control record");
        }
    }
    table
}

fn control(log: &MemoryLog, key: &ControlKey, value: Option<&ControlValue>) {
    let record = Record { key: Some(key.encode()), value: value.map(ControlValue::encode), ..Record::default() };
    log.append(&Partition::new("g.control", 0), record).expect("the control topic exists");
}

impl World {
    pub fn new(seed: u64) -> Self {
        let log = MemoryLog::new("g").with_patience(Duration::ZERO);
        log.create_topic("raw", PARTITIONS, &[]).expect("a topic");
        log.create_topic("protected", PARTITIONS, &[("max.message.bytes", "400")]).expect("a topic");
        log.create_topic("dead", 1, &[("max.message.bytes", "1000")]).expect("a topic");
        log.create_topic("g.control", 1, &[("cleanup.policy", "compact")]).expect("a topic");
        log.create_topic("g.status", 1, &[("cleanup.policy", "compact")]).expect("a topic");
        let nonce = ControlValue::Incarnation(Incarnation { nonce: "nonce".into() });
        control(&log, &ControlKey::Incarnation, Some(&nonce));
        let (processes, random) = (Default::default(), StdRng::seed_from_u64(seed));
        let log = Faulty::new(log, seed ^ 0xfa01);
        Self { seed, random, log, processes, fed: 0, marks: 0, expulsions: 0, leaves: 0 }
    }

    pub fn faults(&self) -> Faults {
        let faults = self.log.dice.lock().expect("no panic holds it").faults;
        Faults { marks: self.marks, expulsions: self.expulsions, leaves: self.leaves, ..faults }
    }

    /// One thing happens.
    pub fn step(&mut self) {
        let process = self.random.random_range(0..PROCESSES);
        match self.random.random_range(0..100) {
            0..15 => self.feed(),
            15..19 => self.mark(),
            19..25 => self.read_control(process),
            25..28 => {
                self.leaves += u64::from(self.processes[process].0.take().is_some());
            }
            28..30 => self.expulsions += u64::from(self.log.log.expel_oldest()),
            30..32 => {
                self.log.log.expire(&format!("g.p{process}.0"));
            }
            32..40 => self.start(process),
            _ => self.work(process),
        }
    }

    /// No more faults; everybody is up and reads all there is.
    pub fn settle(&mut self) {
        self.log.dice.lock().expect("no panic holds it").one_in = 0;
        for process in 0..PROCESSES {
            self.start(process);
            self.read_control(process);
        }
        for round in 0.. {
            assert!(round < 1000, "seed {}: the world does not settle", self.seed);
            for process in 0..PROCESSES {
                self.start(process);
                self.read_control(process);
                self.work(process);
            }
            let done = (0..PARTITIONS).all(|number| {
                let raw = Partition::new("raw", number);
                let fed = self.log.log.records("raw").iter().filter(|fetched| fetched.partition == raw).count();
                self.log.log.committed(&raw).is_some_and(|committed| committed.offset == fed as i64)
            });
            if done {
                return;
            }
        }
    }

    /// Takes a dump of all topics and checks it.
    pub fn check(&self) {
        let log = &self.log.log;
        let topics = |read: fn(&MemoryLog, &str) -> Vec<Fetched>| -> Topics {
            log.topics().into_iter().map(|topic| (topic.to_string(), read(log, &topic))).collect()
        };
        let dump = Dump { committed: topics(MemoryLog::records), uncommitted: topics(MemoryLog::uncommitted) };
        let (unread, canaries) = (BTreeMap::new(), Vec::new());
        let checker = Checker { settings: settings(), keyring: keyring(), unread, canaries };
        let report = checker.check(&dump, &[]).unwrap_or_else(|wrong| panic!("seed {}: {wrong}", self.seed));
        assert_eq!(report.inputs, self.fed, "seed {}", self.seed);
    }

    /// Every record of every topic, for comparison; but for the status topic, where the time of day stands.
    pub fn dump(&self) -> Vec<(String, i64, Record)> {
        let log = &self.log.log;
        let topics =
            log.topics().into_iter().filter(|topic| &**topic != "g.status").flat_map(|topic| log.uncommitted(&topic));
        topics.map(|fetched| (fetched.partition.to_string(), fetched.offset, fetched.record)).collect()
    }

    fn feed(&mut self) {
        for _ in 0..self.random.random_range(1..6) {
            self.fed += 1;
            let fed = self.fed;
            let value = match self.random.random_range(0..20) {
                0 => Some(format!("{{\"workspace\":\"acme\",\"n\":{fed}")),
                1 => Some(format!(
                    "{{\"workspace\":\"acme\",\"n\":{fed},\"params\":{{\"long\":\"{}\"}}}}",
                    "x".repeat(400)
                )),
                2 => None,
                _ => Some(format!(
                    "{{\"workspace\":\"acme\",\"n\":{fed},\"params\":{{\"email\":\"ann{fed}@example.com\",\"a\":1}}}}"
                )),
            };
            let record = Record {
                key: Some(fed.to_string().into_bytes()),
                value: value.map(String::into_bytes),
                ..Record::default()
            };
            let number = self.random.random_range(0..PARTITIONS);
            self.log.log.append(&Partition::new("raw", number), record);
        }
    }

    fn mark(&mut self) {
        self.marks += 1;
        let name = ["email", "a", "long"][self.random.random_range(0..3)];
        let key = MarkKey { workspace: "acme".into(), on: On::Parameter, name: name.into(), event: None };
        let protect = [Protect::Encrypt, Protect::Mask, Protect::Drop][self.random.random_range(0..3)];
        let value = ControlValue::Mark(Mark { protect, ..Mark::default() });
        let value = (self.random.random_range(0..4) > 0).then_some(value);
        control(&self.log.log, &ControlKey::Mark(key), value.as_ref());
    }

    fn start(&mut self, process: usize) {
        if self.processes[process].0.is_some() {
            return;
        }
        let settings = settings();
        let plan = Plan {
            routes: Route::all(&settings),
            settings: Arc::new(settings),
            wished: Vec::new(),
            instance: format!("p{process}"),
            workers: 1,
            limits: TransactionLimits { records: 20, output_bytes: 2000, time: Duration::ZERO },
            create: true,
            max_staleness: FOREVER,
            state_bytes: 1 << 30,
        };
        let facts = Facts::at_start(&self.log, &plan.routes, true).expect("topics fit");
        let context = Arc::new(Context::new(self.log.clone(), plan, keyring(), facts, Arc::new(Nobody)));
        let worker = Worker::start(context.clone(), 0).expect("a worker");
        self.processes[process].0 = Some((context, worker));
        self.read_control(process);
    }

    /// The process reads the control topic to its end: until it does, its policy is an older one.
    fn read_control(&mut self, process: usize) {
        let Some((context, _)) = &self.processes[process].0 else { return };
        let table = table(&self.log.log, u64::MAX);
        let policy = Policy::compile(&settings(), &table).expect("a policy");
        let end = table.version as i64;
        let asked = Instant::now();
        let control = table.incarnation.expect("the first record");
        context.current.publish(Snapshot { policy: Arc::new(policy), keyring: context.keyring.load_full(), control });
        context.current.confirm(asked, end);
    }

    fn work(&mut self, process: usize) {
        let Some((_, worker)) = &mut self.processes[process].0 else { return };
        match worker.step() {
            Ok(_) => {}
            // a kill leaves its transaction open; a worker that was fenced by hand ends too
            Err(Error::Broker(text)) if text == KILLED => self.processes[process].0 = None,
            Err(Error::Fenced(_)) => self.processes[process].0 = None,
            Err(error) => panic!("seed {}: {error}", self.seed),
        }
    }
}
