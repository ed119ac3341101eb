//! `sivcar protect`: the core as a filter, one document per line.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::exit::{Failure, Outcome};
use super::filter::{Streams, each_line};
use super::offline;
use crate::privacy::protect::{Outputs, Protector};
use crate::record::{Header, Record};

/// Protects documents: one JSON document per line of standard input, one line of standard output each, in order.
///
/// A rejected document gives an empty line, its number and reason on standard error, and exit code 1 at the end. The policy is
/// what the configuration's marks, domains and stages say; no broker is asked.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: sivcar protect --config sivcar.toml --source raw.events <events.ndjson >protected.ndjson"
)]
pub struct Args {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The raw topic whose records the documents are, as in the configuration
    #[arg(long, value_name = "TOPIC")]
    source: String,
    /// Show what this view gets, instead of the protected documents
    #[arg(long, value_name = "NAME")]
    view: Option<String>,
    /// A header that every record has beside its document, as a collector would set it; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = header)]
    header: Vec<Header>,
}

/// A header, written `NAME=VALUE`.
pub fn header(text: &str) -> Result<Header, String> {
    let (name, value) = text.split_once('=').ok_or("must be a name and a value, as trace-id=7")?;
    Ok(Header { name: name.to_owned(), value: Some(value.as_bytes().to_vec()) })
}

/// Runs the command.
pub fn run(args: &Args, streams: Streams) -> Result<Outcome, Failure> {
    let config = offline::config(&args.config)?;
    let source = offline::source(&config.settings, &args.source)?;
    let view = args.view.as_ref().map(|name| offline::view(&config.settings, source, name)).transpose()?;
    let keys = offline::keys_and_issuers(&config)?;
    let policy = offline::policy(&config, &config.settings)?;
    let mut protector = Protector::new(policy, keys.ring());
    // a line has no record key, and of what is shown nothing depends on it; a JWT among the headers is held against this moment
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let timestamp = i64::try_from(now.as_millis()).ok();
    let mut record = Record { key: Some(Vec::new()), value: None, headers: args.header.clone(), timestamp };
    let mut outputs = Outputs::default();
    each_line(streams, config.settings.limits.record_bytes, |line, out| {
        let value = record.value.get_or_insert_default();
        value.clear();
        value.extend_from_slice(line);
        protector.protect(source, &record, &mut outputs).map_err(|rejection| rejection.reason.code())?;
        let shown = match view {
            None => Some(&outputs.protected),
            Some(view) => outputs.views.iter().find(|(index, _)| *index == view).map(|(_, record)| record),
        };
        // a document that is not null gives outputs that are not null
        out.extend_from_slice(shown.and_then(|record| record.value.as_deref()).unwrap_or_default());
        Ok::<_, &str>(())
    })
}
