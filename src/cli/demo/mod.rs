//! `sivcar demo`: the whole sidecar at work on invented customers, in memory or on a broker, checked by itself.
//!
//! The tour: raw records are fed; workers protect them; some are shown raw, protected and masked side by side; an attribute is marked
//! live and more records show that it holds; then every topic is read again and all promises are counted. Always holds: it is the
//! same worker, control table and policy that `run` has, over either log. Deliberately not here: timing; nothing is measured.

mod customers;
mod recount;
mod show;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::exit::{Failure, Outcome};
use super::{cluster, offline, run, signals};
use crate::config::Config;
use crate::http::{Health, Server};
use crate::keys::{self, Keys};
use crate::memory::MemoryLog;
use crate::privacy::control::{ControlKey, ControlRecord, ControlValue, Table};
use crate::privacy::keyset::Keyset;
use crate::privacy::mark::{Mark, MarkKey, On};
use crate::privacy::mask::Mask;
use crate::record::Record;
use crate::stream::context::{Context, Stop};
use crate::stream::control;
use crate::stream::log::{Fault, Fetched, Log, Outgoing, Producer};
use crate::stream::supervisor;
use crate::telemetry::{self, LogFormat, Metrics};
use customers::Customers;
use recount::Topics;
use show::Forms;

/// See the whole sidecar at work on invented customers: raw, protected and masked records side by side, an attribute marked
/// live, and a recount of every promise. Needs nothing; with --kafka it does the same on a broker.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// End when all is shown and counted, with a non-zero exit code if any promise was broken
    #[arg(long)]
    once: bool,
    /// Use this broker (HOST:PORT) instead of memory; the demo's topics are new ones with a name of their own
    #[arg(long, value_name = "BOOTSTRAP")]
    kafka: Option<String>,
    /// Where metrics are served while the demo goes on; port 0 takes a free one, as --once does
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9464")]
    listen: SocketAddr,
}

const CONFIG: &str = include_str!("demo.toml");
const PARTITIONS: i32 = 4;
const CUSTOMERS: u64 = 40;
const EVENTS: usize = 400;
const SEED: u64 = 42;
/// How long outputs may take to come.
const PATIENCE: Duration = Duration::from_secs(60);
/// What no reader can make sense of: it must become a dead letter.
const BROKEN: &str = r#"{"workspace":"acme","action":"page.view","client":{"id":"#;

/// Shows the sidecar at work.
pub fn run(args: &Args, output: &mut dyn Write) -> Result<Outcome, Failure> {
    let keyset = keys::generate()?;
    let (group, bootstrap) = match &args.kafka {
        None => ("sivcar-demo".to_owned(), "memory:0"),
        Some(bootstrap) => (format!("sivcar-demo-{}", keyset.primary()), bootstrap.as_str()),
    };
    let folder = Folder::new(keyset.primary())?;
    keys::create(&folder.0.join("keyset.json"), &keyset)?;
    let listen = if args.once { "127.0.0.1:0".to_owned() } else { args.listen.to_string() };
    let text = CONFIG.replace("GROUP", &group).replace("BOOTSTRAP", bootstrap).replace("LISTEN", &listen);
    let file = folder.0.join("sivcar.toml");
    std::fs::write(&file, text).map_err(|error| Failure::failed(format!("demo: {}: {error}", file.display())))?;
    let config = offline::config(&file)?;
    let keys = offline::keys(&config)?;
    telemetry::start_logs(LogFormat::default(), Some("error"))?;
    telemetry::hide_panics();
    match &args.kafka {
        None => tour(MemoryLog::new(&group), &config, keys, args.once, output),
        Some(_) => tour(cluster::connect(&config)?, &config, keys, args.once, output),
    }
}

/// Where the demo's configuration and keyset stand, as those of any sidecar; gone with the demo.
struct Folder(PathBuf);

impl Folder {
    fn new(drawn: u32) -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("sivcar-demo-{drawn}"));
        let failed = |error| Failure::failed(format!("demo: {}: {error}", path.display()));
        std::fs::create_dir(&path).map_err(failed)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // what stays behind is an invented keyset that sealed invented people
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The demo over one log.
struct Demo<'a, L: Log> {
    context: &'a Context<L>,
    log: &'a L,
    group: &'a str,
    feeder: L::Producer,
    customers: Customers,
    output: &'a mut dyn Write,
    fed: usize,
}

fn tour<L: Log>(log: L, config: &Config, keys: Keys, once: bool, output: &mut dyn Write) -> Result<Outcome, Failure> {
    let group = &config.settings.group;
    for source in &config.settings.sources {
        log.create_topic(&source.topic, PARTITIONS, &[])?;
    }
    let keyring = keys.ring();
    let keyset = keyring.default_keyset().cloned().ok_or_else(|| Failure::failed("demo: there is no keyset"))?;
    let metrics = Arc::new(Metrics::new(
        &config.settings.group,
        config.settings.sources.iter().map(|source| source.topic.as_str()),
    ));
    let context = supervisor::prepare(log, cluster::plan(config), keyring, metrics.clone())?;
    let asked = Arc::clone(&context);
    let server = Server::start(config.listen, Health::new(move || run::ready(Some(&asked)), metrics.clone()))?;
    let mut feeder = context.log.producer(&format!("{group}.feeder"), usize::MAX)?;
    feeder.init()?;
    let customers = Customers::new(CUSTOMERS, SEED);
    let mut demo = Demo { context: &context, log: &context.log, group, feeder, customers, output, fed: 0 };
    std::thread::scope(|scope| {
        let signals = signals::listen(Arc::clone(&context), keys, metrics)?;
        let stream = scope.spawn(|| supervisor::run(&context));
        let mut told = demo.tell(&keyset);
        if told.is_ok() && !once {
            told = demo.go_on(server.address(), &context.stop);
        }
        context.stop.set();
        signals.stop();
        match stream.join() {
            Ok(ended) => ended?,
            Err(_) => return Err(Failure::failed("demo: a thread of the stream panicked")),
        }
        told
    })
}

impl<L: Log> Demo<'_, L> {
    /// The whole tour but for what goes on after it.
    fn tell(&mut self, keyset: &Keyset) -> Result<Outcome, Failure> {
        self.say(&format!("Feeding {CUSTOMERS} profiles and {EVENTS} events into {}.raw.*", self.group))?;
        let profiles: Vec<Record> = self.customers.profiles().collect();
        self.feed("raw.profiles", profiles)?;
        self.feed_events(EVENTS)?;
        let broken = Record { key: Some(b"1".to_vec()), value: Some(BROKEN.into()), ..Record::default() };
        self.feed("raw.events", vec![broken])?;
        self.fed += 1;
        self.wait_for_outputs()?;
        self.show_some("page.view", "An event: name, e-mail and address are marked; the telephone number is detected, which masks it for people alone")?;
        self.show_some("form.submit", "Attributes inside parameters are found too")?;

        let since = self.mark_phone()?;
        self.wait_for("the new mark to be in force", || {
            Ok(self.context.current.snapshot().is_some_and(|snapshot| snapshot.version() >= since))
        })?;
        self.say(&format!("Marked live: attribute phone, from policy version {since} on"))?;
        self.show_told()?;
        self.feed_events(EVENTS)?;
        self.wait_for_outputs()?;
        self.show_some("cart.add", "The same kind of event after it")?;

        let findings = Topics::read(self.log, self.group)?.findings(&self.customers, keyset, since, 1);
        self.say("Recounted from the topics themselves")?;
        show::findings(self.output, &findings).map_err(|error| Failure::writing(&error))?;
        if findings.iter().all(|finding| finding.holds) {
            return Ok(Outcome::Done);
        }
        Err(Failure::failed("demo: a promise was broken; see the lines marked BAD"))
    }

    /// Feeds an event now and then until someone stops it.
    fn go_on(&mut self, metrics: SocketAddr, stop: &Stop) -> Result<Outcome, Failure> {
        self.say(&format!("Metrics: http://{metrics}/metrics"))?;
        self.say("Going on with five events a second; end with Ctrl-C")?;
        while !stop.is_set() {
            self.feed_events(1)?;
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(Outcome::Done)
    }

    fn say(&mut self, text: &str) -> Result<(), Failure> {
        show::heading(self.output, text).and_then(|()| self.output.flush()).map_err(|error| Failure::writing(&error))
    }

    fn feed_events(&mut self, count: usize) -> Result<(), Failure> {
        let events = (0..count).map(|_| self.customers.event()).collect();
        self.fed += count;
        self.feed("raw.events", events)
    }

    /// Writes records in one transaction, each to the partition of its key.
    fn feed(&mut self, topic: &str, records: Vec<Record>) -> Result<(), Failure> {
        let topic: Arc<str> = format!("{}.{topic}", self.group).into();
        self.feeder.begin()?;
        for record in records {
            let sum: u32 = record.key.iter().flatten().map(|byte| u32::from(*byte)).sum();
            let partition = i32::try_from(sum % PARTITIONS.unsigned_abs()).unwrap_or(0);
            self.feeder.produce(&Outgoing { topic: Arc::clone(&topic), partition: Some(partition), record })?;
        }
        self.feeder.drain()?;
        Ok(self.feeder.commit()?)
    }

    /// Waits until every event fed so far is in the protected topic or among the dead letters, and every profile.
    fn wait_for_outputs(&self) -> Result<(), Failure> {
        let count = |topic: &str| recount::read_all(self.log, &format!("{}.{topic}", self.group)).map(|all| all.len());
        let people = self.customers.people().len();
        self.wait_for("outputs", || {
            let events = count("protected.events")? + count("dead-letters")?;
            Ok(events >= self.fed && count("protected.profiles")? >= people)
        })
    }

    fn wait_for(&self, what: &str, mut come: impl FnMut() -> Result<bool, Fault>) -> Result<(), Failure> {
        let until = Instant::now() + PATIENCE;
        while !come()? {
            if Instant::now() > until || self.context.stop.is_set() {
                return Err(Failure::failed(format!("demo: {what} did not come within {} s", PATIENCE.as_secs())));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Shows the newest event of this action in its three forms.
    fn show_some(&mut self, action: &str, text: &str) -> Result<(), Failure> {
        let read = |topic: &str| recount::read_all(self.log, &format!("{}.{topic}", self.group));
        let all = [read("raw.events")?, read("protected.events")?, read("debug.events")?];
        let newest = all[0]
            .iter()
            .map(|fetched| recount::document(&fetched.record))
            .filter(|document| document["action"] == action);
        let Some(raw) = newest.max_by_key(|document| document["no"].as_u64()) else { return Ok(()) };
        let same = |records: &[Fetched]| {
            let mut documents = records.iter().map(|fetched| recount::document(&fetched.record));
            documents.find(|document| document["no"] == raw["no"]).unwrap_or_default()
        };
        let forms = Forms { protected: same(&all[1]), masked: same(&all[2]), raw };
        self.say(text)?;
        show::forms(self.output, &forms).map_err(|error| Failure::writing(&error))
    }

    /// Waits until every profile is told of, and shows one of the events.
    fn show_told(&mut self) -> Result<(), Failure> {
        let people = self.customers.people().len();
        let synthetic = |topic: &str| {
            let mut all = recount::read_all(self.log, &format!("{}.{topic}", self.group))?;
            all.retain(|fetched| recount::is_synthetic(&fetched.record));
            Ok::<Vec<Fetched>, Fault>(all)
        };
        self.wait_for("the profiles' events", || Ok(synthetic("debug.profiles")?.len() >= people))?;
        let (told, masked) = (synthetic("protected.events")?, synthetic("debug.events")?);
        let newest =
            |records: &[Fetched]| records.last().map(|last| recount::document(&last.record)).unwrap_or_default();
        let forms = Forms { raw: serde_json::Value::Null, protected: newest(&told), masked: newest(&masked) };
        self.say(&format!(
            "{} synthetic events tell of it, one for each profile that has it; one of them",
            told.len()
        ))?;
        show::forms(self.output, &forms).map_err(|error| Failure::writing(&error))
    }

    /// Marks the attribute `phone` in the control topic, as `sivcar mark` does; gives the policy version from which it holds.
    fn mark_phone(&self) -> Result<u64, Failure> {
        let key = MarkKey { workspace: "acme".to_owned(), on: On::Attribute, name: "phone".to_owned(), event: None };
        let mark = Mark { level: 300, mask: Some(Mask::Last4), by: Some("demo".to_owned()), ..Mark::default() };
        let table = control::amend(self.log, self.group, |table: &Table| {
            let revised = table.revise(&key, &mark).map(ControlValue::Mark);
            Ok(revised
                .map(|value| ControlRecord { key: ControlKey::Mark(key.clone()), value: Some(value) })
                .into_iter()
                .collect())
        })?;
        Ok(table.table().marks.get(&key).and_then(|mark| mark.since).unwrap_or_default())
    }
}
