//! `sivcar inventory`: what stands where in many documents, what of it looks like personal data, and what every output shows of it.
//!
//! Always holds: no value is kept or shown, nor a name that may be one; memory is bounded, and what there was no room for is told. A
//! topic is read by a client that joins no group, as committed records, up to the end that it had at the start. No keyset is needed: what would be sealed is sealed
//! under one that is made up and forgotten.

mod show;

use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::show::{Output, Shown};
use super::cluster::{ask, retry};
use super::exit::{Failure, Outcome, tell};
use super::filter::Streams;
use super::lines::Lines;
use super::{cluster, marks, offline};
use crate::config::Config;
use crate::kafka::{Kafka, Reader, Start};
use crate::privacy::control::Table;
use crate::privacy::inventory::Inventory;
use crate::privacy::keyset::{Keyring, Keyset};
use crate::privacy::policy::Policy;
use crate::privacy::protect::{Known, Outputs, Protector};
use crate::privacy::survey::Surveyor;
use crate::record::Record;
use crate::stream::log::{Log as _, Reader as _};
use crate::stream::topics::control_topic;

/// How long one poll waits.
const WAIT: Duration = Duration::from_millis(200);

/// Lists what documents hold, without a value: each place, how often and of which types, what looks like personal data there and by which
/// matcher, the mark that covers it, and what the protected topic and every view show of it. What was found where no mark
/// covers it comes first.
///
/// The documents are those of standard input, one per line, under the marks of the configuration file; or with --topic those of the
/// raw topic, under the marks that hold. Detection looks at everything, whatever the source's setting is. Rejected documents are counted,
/// and give exit code 1 at the end.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: sivcar inventory --config sivcar.toml --source raw.events <events.ndjson\n\
                  Example: sivcar inventory --config sivcar.toml --source raw.events --topic --last 10000 --output csv\n\
                  Example: sivcar inventory --config sivcar.toml --source raw.users --topic --output marks >marks.toml")]
pub struct Args {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The raw topic whose records the documents are, as in the configuration
    #[arg(long, value_name = "TOPIC")]
    source: String,
    /// Read the topic itself instead of standard input: record keys and headers too
    #[arg(long)]
    topic: bool,
    /// Only the last so many records of each partition
    #[arg(long, value_name = "COUNT", requires = "topic", value_parser = clap::value_parser!(u32).range(1..))]
    last: Option<u32>,
    /// Count the same place in different events apart
    #[arg(long)]
    by_event: bool,
    /// At most so many places, and what leads there
    #[arg(long, value_name = "COUNT", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    places: u32,
    /// How it is written: `marks` are [[mark]] sections for what was found and is not marked, as `mark --from` takes them
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    output: Output,
}

/// Counts record by record.
struct Count {
    source: usize,
    protector: Protector,
    outputs: Outputs,
    surveyor: Surveyor,
    inventory: Inventory,
    records: u64,
    rejected: BTreeMap<&'static str, u64>,
}

/// Runs the command.
pub fn run(args: &Args, streams: Streams) -> Result<Outcome, Failure> {
    let config = offline::config(&args.config)?;
    let source = offline::source(&config.settings, &args.source)?;
    let log = if args.topic { Some(cluster::connect(&config)?) } else { None };
    let table = table(&config, log.as_ref())?;
    let policy = Arc::new(Policy::compile(&config.settings, &table)?);
    let made_up = Keyring::new(Some(Arc::new(Keyset::generate(&[0; 64], 1))), BTreeMap::new());
    let mut count = Count {
        source,
        protector: Protector::new(policy, Arc::new(made_up)),
        outputs: Outputs::default(),
        surveyor: Surveyor::default(),
        inventory: Inventory::new(usize::try_from(args.places).unwrap_or(usize::MAX), args.by_event),
        records: 0,
        rejected: BTreeMap::new(),
    };
    match &log {
        Some(log) => count.topic(log, args)?,
        None => {
            let mut lines = Lines::new(BufReader::new(streams.input), config.settings.limits.record_bytes);
            while let Some(line) = lines.next().map_err(|error| Failure::reading("standard input", &error))? {
                // a line has no record key
                count.record(&Record { key: Some(Vec::new()), value: Some(line.bytes.to_vec()), ..Record::default() });
            }
        }
    }
    let topic = &config.settings.sources[source].topic;
    let views = config.settings.views.iter().filter(|view| view.topics.contains_key(topic));
    let shown = Shown {
        records: count.records,
        rejected: &count.rejected,
        views: views.map(|view| view.name.as_str()).collect(),
        matchers: &config.settings.matchers,
        inventory: &count.inventory,
    };
    tell(streams.output, &shown.text(args.output))?;
    // where standard error is gone, the exit code still tells
    let _ = streams.errors.write_all(shown.remarks(args.output).as_bytes());
    Ok(Outcome::of_rejected(count.rejected.values().sum()))
}

/// What holds in the cluster, where there is one and it has a control topic; else what the file says. No key is pinned: there is but one.
fn table(config: &Config, log: Option<&Kafka>) -> Result<Table, Failure> {
    let control = control_topic(&config.settings.group);
    let mut table = match log {
        Some(log) if ask(|| log.partitions(&control))?.is_some() => {
            marks::read(log, &config.settings.group)?.table().clone()
        }
        _ => offline::table(config)?,
    };
    table.pinned.clear();
    Ok(table)
}

impl Count {
    fn record(&mut self, record: &Record) {
        let Self { source, protector, outputs, surveyor, inventory, records, rejected } = self;
        *records += 1;
        // whoever may count the records needs no proof that they are whose they say
        let known = Known { admitted: true, ..Known::default() };
        match protector.protect_known(*source, record, known, outputs) {
            Ok(()) => protector.survey(*source, record, outputs, surveyor, inventory),
            Err(rejection) => *rejected.entry(rejection.reason.code()).or_default() += 1,
        }
    }

    /// Reads the raw topic to its present end.
    fn topic(&mut self, log: &Kafka, args: &Args) -> Result<(), Failure> {
        if ask(|| log.partitions(&args.source))?.is_none() {
            return Err(Failure::usage(format!("source {} does not exist", args.source)));
        }
        let start = args.last.map_or(Start::Beginning, |count| Start::Last(count.into()));
        let mut reader: Reader = ask(|| log.reader_from(&args.source, start))?;
        let ends = ask(|| reader.ends())?;
        let mut batch = Vec::new();
        while !reader.has_passed(&ends) {
            retry(|| reader.poll(WAIT, &mut batch))?;
            for fetched in batch.drain(..) {
                let end = ends.get(usize::try_from(fetched.partition.number).unwrap_or(usize::MAX));
                if end.is_some_and(|end| fetched.offset < *end) {
                    self.record(&fetched.record);
                }
            }
        }
        Ok(())
    }
}
