//! A sidecar in this process over a real broker, what it tells, and the topics around it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sivcar::config::{Config, Surroundings};
use sivcar::kafka::{Kafka, Settings, Wish};
use sivcar::privacy::keyset::{Keyring, Keyset};
use sivcar::record::Record;
use sivcar::stream::context::{Context, Plan};
use sivcar::stream::error::Error;
use sivcar::stream::happening::{Happening, Observer};
use sivcar::stream::log::{Fetched, Log as _, Outgoing, Producer as _, Reader as _};
use sivcar::stream::supervisor;
use sivcar::stream::topics::Route;
use sivcar::telemetry::Metrics;

use crate::broker::Broker;
use crate::checker::{Checker, Dump, Report};
use crate::dump;
use crate::patience::{PATIENCE, PAUSE, eventually};
use crate::seam::answered;
use crate::watched::{Calls, Watched};

/// The cluster at `bootstrap`, as a client of this group.
pub fn kafka(bootstrap: &str, group: &str) -> Kafka {
    let mut wish = Wish { group: group.into(), replication_factor: -1, ..Wish::default() };
    wish.common.insert("bootstrap.servers".into(), bootstrap.into());
    Kafka::new(Settings::new(wish).expect("sound")).expect("clients can be made")
}

/// An event of workspace `acme` whose attribute `email` is marked.
pub fn event(name: &str) -> Record {
    sized_event(name, 0)
}

/// The same with so many bytes of text that no rule names; they do not compress.
pub fn sized_event(name: &str, bytes: usize) -> Record {
    use rand::{RngExt as _, SeedableRng as _};
    let mut random = rand::rngs::StdRng::seed_from_u64(4711);
    let filler: String = (0..bytes).map(|_| char::from(random.random_range(b'#'..b'['))).collect();
    let value = format!(
        r#"{{"workspace":"acme","action":"a","client":{{"email":"{name}@canary.example"}},"params":{{"name":"{name}","filler":"{filler}"}}}}"#
    );
    Record { key: Some(name.into()), value: Some(value.into()), headers: vec![], timestamp: None }
}

/// The topics of one group on a broker, and what is needed to write and read them.
pub struct Stage {
    pub bootstrap: String,
    pub group: String,
    pub log: Kafka,
    _broker: Arc<Broker>,
}

impl Stage {
    /// A group of its own on a broker that other tests use too; its raw topic has `partitions`.
    pub fn new(group: &str, partitions: i32) -> Stage {
        Stage::on(Broker::shared(), group, partitions)
    }

    /// The same on this broker.
    pub fn on(broker: Arc<Broker>, group: &str, partitions: i32) -> Stage {
        let bootstrap = broker.bootstrap.clone();
        let log = kafka(&bootstrap, &format!("{group}.test"));
        let stage = Stage { bootstrap, group: group.into(), log, _broker: broker };
        stage.create("raw", partitions, &[]);
        stage
    }

    /// `{group}.{name}`
    pub fn topic(&self, name: &str) -> String {
        format!("{}.{name}", self.group)
    }

    pub fn create(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        self.log.create_topic(&self.topic(name), partitions, settings).expect("it is created");
    }

    /// The configuration of a sidecar: source `raw`, its outputs `protected`, `debug`, `dead`. `kafka` goes into that section,
    /// `more` at the end.
    pub fn config(&self, kafka: &str, more: &str) -> Config {
        let surroundings =
            Surroundings { name: "sivcar.toml", folder: Path::new(""), environment: &|_| None, host: "test" };
        Config::parse(&self.text(kafka, more), &surroundings).expect("the configuration is sound")
    }

    /// The same as it stands in a file.
    pub fn text(&self, kafka: &str, more: &str) -> String {
        let (group, bootstrap) = (&self.group, &self.bootstrap);
        let text = format!(
            r#"
            group = "{group}"
            [kafka]
            "bootstrap.servers" = "{bootstrap}"
            {kafka}
            [http]
            listen = "127.0.0.1:0"
            [keys]
            file = "keyset.json"
            [[source]]
            topic = "{group}.raw"
            kind = "event"
            protected = "{group}.protected"
            dead-letters = "{group}.dead"
            [[view]]
            name = "debug"
            topics = {{ "{group}.raw" = "{group}.debug" }}
            [[mark]]
            workspace = "*"
            on = "attribute"
            name = "email"
            {more}"#
        );
        match kafka.contains("bootstrap.servers") {
            true => text.replacen(&format!("\"bootstrap.servers\" = \"{bootstrap}\"\n"), "", 1),
            false => text,
        }
    }

    /// Writes to a partition of a topic of this group, in one transaction.
    pub fn write(&self, name: &str, partition: i32, records: impl IntoIterator<Item = Record>) {
        let topic: Arc<str> = self.topic(name).into();
        let mut producer = self.log.producer(&format!("{}.writer", self.group), usize::MAX).expect("can be made");
        eventually("a producer", || answered(producer.init()));
        producer.begin().expect("begins");
        for record in records {
            producer.produce(&Outgoing { topic: topic.clone(), partition: Some(partition), record }).expect("staged");
        }
        producer.drain().expect("acknowledged");
        producer.commit().expect("committed");
    }

    /// All of a topic that is committed; nothing where it does not exist.
    pub fn read(&self, name: &str) -> Vec<Fetched> {
        let Ok(mut reader) = self.log.reader(&self.topic(name), None) else { return Vec::new() };
        let mut all = Vec::new();
        eventually("the end of the topic", || {
            answered(reader.poll(Duration::from_millis(100), &mut all))?;
            answered(reader.caught_up())?
        });
        all
    }

    /// All topics of this group as the checker takes them.
    pub fn dump(&self) -> Dump {
        let prefix = self.topic("");
        dump::dump_of(&self.bootstrap, |topic| topic.starts_with(&prefix))
    }

    /// What a dump is checked against: every source is read to its end.
    pub fn checker(&self, config: &Config) -> Checker {
        let canaries = vec!["canary.example".to_owned()];
        Checker { settings: config.settings.clone(), keyring: keyring(), unread: BTreeMap::new(), canaries }
    }

    /// Checks what stands in this group's topics, and what its processes told.
    #[track_caller]
    pub fn check(&self, config: &Config, told: &[&Told]) -> Report {
        let said: Vec<_> = told.iter().map(|told| ("a process".to_owned(), told.text().into_bytes())).collect();
        self.checker(config).check(&self.dump(), &said).unwrap_or_else(|wrong| panic!("{wrong}"))
    }

    /// All of a topic, once it holds `count` records.
    #[track_caller]
    pub fn await_count(&self, name: &str, count: usize) -> Vec<Fetched> {
        eventually(&format!("{count} records in {name}"), || Some(self.read(name)).filter(|all| all.len() >= count))
    }
}

/// Everything a process told, as text, and its metrics.
pub struct Told {
    happenings: Mutex<Vec<String>>,
    metrics: Metrics,
}

impl Observer for Told {
    fn observe(&self, happening: &Happening<'_>) {
        self.metrics.observe(happening);
        if !matches!(happening, Happening::Lag { .. }) {
            self.happenings.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{happening:?}"));
        }
    }
}

impl Told {
    /// What it told so far.
    pub fn all(&self) -> Vec<String> {
        self.happenings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many of these hold `text`.
    pub fn count(&self, text: &str) -> usize {
        self.all().iter().filter(|told| told.contains(text)).count()
    }

    /// Waits for a happening whose text begins so and holds all of `parts`.
    #[track_caller]
    pub fn await_happening(&self, parts: &[&str]) -> String {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let told = self.all().into_iter().find(|told| parts.iter().all(|part| told.contains(part)));
            if let Some(told) = told {
                return told;
            }
            std::thread::sleep(PAUSE);
        }
        panic!("never told {parts:?}, but {:#?}", self.all());
    }

    /// All happenings and the metrics.
    pub fn text(&self) -> String {
        self.all().join("\n") + &self.metrics.text().expect("text")
    }

    /// Whether the metrics have this line.
    pub fn measures(&self, line: &str) -> bool {
        self.metrics.text().expect("text").lines().any(|held| held == line)
    }
}

/// A sidecar that runs on threads of this process.
pub struct Process {
    pub context: Arc<Context<Watched>>,
    pub told: Arc<Told>,
    pub calls: Calls,
    /// While it is set, it reads nothing of the control topic.
    pub held: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

/// The keyset of every process here.
pub fn keyring() -> Arc<Keyring> {
    Arc::new(Keyring::new(Some(Arc::new(Keyset::generate(&[7; 64], 1))), BTreeMap::new()))
}

fn plan(config: &Config) -> Plan {
    Plan {
        settings: Arc::new(config.settings.clone()),
        wished: config.wished.clone(),
        instance: config.instance.clone(),
        workers: 1,
        routes: Route::all(&config.settings),
        create: config.topics.create,
        max_staleness: config.max_staleness,
        state_bytes: config.state_bytes,
        limits: config.transaction,
    }
}

impl Process {
    /// Starts, as `sivcar run` does.
    pub fn start(config: &Config) -> Result<Process, Error> {
        let properties = config.kafka.clone();
        let settings = Settings::new(Wish {
            group: config.settings.group.clone(),
            instance: config.instance_is_named.then(|| config.instance.clone()),
            replication_factor: -1,
            common: properties.common,
            consumer: properties.consumer,
            producer: properties.producer,
        });
        let kafka = Kafka::new(settings.expect("sound")).expect("clients can be made");
        let calls = Calls::default();
        let metrics =
            Metrics::new(&config.settings.group, config.settings.sources.iter().map(|source| source.topic.as_str()));
        let told = Arc::new(Told { happenings: Mutex::default(), metrics });
        let held = Arc::<AtomicBool>::default();
        let log = Watched { kafka, calls: calls.clone(), held: held.clone() };
        let context = supervisor::prepare(log, plan(config), keyring(), told.clone())?;
        let running = context.clone();
        let thread = Some(std::thread::spawn(move || supervisor::run(&running)));
        Ok(Process { context, told, calls, held, thread })
    }

    /// Starts and waits until all its tasks are open.
    pub fn ready(config: &Config) -> Process {
        let process = Process::start(config).expect("the topics fit");
        eventually("readiness", || {
            assert!(process.runs(), "it ended: {:#?}", process.told.all());
            process.context.ready.is_set().then_some(())
        });
        process
    }

    pub fn runs(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Waits until it ends by itself.
    pub fn end(mut self) -> Result<(), Error> {
        eventually("its end", || (!self.runs()).then_some(()));
        self.join()
    }

    /// Asks it to stop, and waits.
    pub fn stop(self) -> Result<(), Error> {
        self.context.stop.set();
        self.end()
    }

    fn join(&mut self) -> Result<(), Error> {
        self.thread.take().map_or(Ok(()), |thread| thread.join().expect("no panic"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{:#?}", self.told.all().into_iter().take(100).collect::<Vec<_>>());
        }
        self.context.stop.set();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
