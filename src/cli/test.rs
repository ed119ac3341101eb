//! `sivcar test`: for documents on standard input, which rule fires where, and what every output would be.

use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::exit::{Failure, Outcome};
use super::filter::{Streams, each_line};
use super::offline;
use super::protect::header;
use crate::privacy::explain::Fired;
use crate::privacy::mark::Protect;
use crate::privacy::protect::{Outputs, Protector};
use crate::record::{Header, Record};

/// Tries the policy: for each JSON document, one per line of standard input, which rule fires where, and what the protected topic and every
/// view would get.
///
/// The policy is what the configuration's marks, domains and stages say; no broker is asked. A rejected document gives its number and
/// reason on standard error, and exit code 1 at the end.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: sivcar test --config sivcar.toml --source raw.events <event.json")]
pub struct Args {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The raw topic whose records the documents are, as in the configuration
    #[arg(long, value_name = "TOPIC")]
    source: String,
    /// A header that every record has beside its document, as a collector would set it; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = header)]
    header: Vec<Header>,
    /// How it is written: text for people, or json, one object per document
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    output: Output,
}

/// How what fired is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// A table, then every output.
    #[default]
    Text,
    /// One object per document.
    Json,
}

/// Runs the command.
pub fn run(args: &Args, streams: Streams) -> Result<Outcome, Failure> {
    let config = offline::config(&args.config)?;
    let source = offline::source(&config.settings, &args.source)?;
    let keys = offline::keys_and_issuers(&config)?;
    let policy = offline::policy(&config, &config.settings)?;
    let mut protector = Protector::new(policy, keys.ring());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let timestamp = i64::try_from(now.as_millis()).ok();
    let mut record = Record { key: Some(Vec::new()), value: None, headers: args.header.clone(), timestamp };
    let mut outputs = Outputs::default();
    each_line(streams, config.settings.limits.record_bytes, |line, out| {
        record.value = Some(line.to_vec());
        protector.protect(source, &record, &mut outputs).map_err(|rejection| rejection.reason.code())?;
        // what was protected is UTF-8
        let fired = std::str::from_utf8(line).map_or(Vec::new(), |text| protector.fired(source, text));
        let views = outputs.views.iter().map(|(index, record)| (config.settings.views[*index].name.as_str(), record));
        match args.output {
            Output::Text => block(&fired, &outputs.protected, views, out),
            Output::Json => object(&fired, &outputs.protected, views, out),
        }
        Ok(())
    })
}

/// What fired, as a table, then every output, then an empty line, but for its line feed.
fn block<'a>(
    fired: &[Fired],
    protected: &Record,
    views: impl Iterator<Item = (&'a str, &'a Record)>,
    out: &mut Vec<u8>,
) {
    let width =
        |column: fn(&Fired) -> &str| fired.iter().map(|fired| column(fired).chars().count()).max().unwrap_or_default();
    let (path, rule) = (width(|fired| &fired.path), width(|fired| &fired.rule));
    for fired in fired {
        let domain = fired.domain.as_ref().map(|domain| format!(" as {domain}")).unwrap_or_default();
        let done = format!("{}{domain}", word(fired.protect));
        let mask = format!("{:?}", fired.mask).to_lowercase();
        // writing to memory cannot fail
        let _ = writeln!(out, "{:path$}  {:rule$}  {done}; level {}, mask {mask}", fired.path, fired.rule, fired.level);
    }
    let views = views.map(|(name, record)| (format!("view {name}"), record));
    for (name, record) in std::iter::once(("protected".to_owned(), protected)).chain(views) {
        let _ = write!(out, "{name}: ");
        out.extend_from_slice(record.value.as_deref().unwrap_or(b"null"));
        out.push(b'\n');
        for header in &record.headers {
            let value = String::from_utf8_lossy(header.value.as_deref().unwrap_or_default()).into_owned();
            let _ = writeln!(out, "  {}: {}", header.name.escape_debug(), value.escape_debug());
        }
    }
}

fn word(protect: Protect) -> &'static str {
    match protect {
        Protect::Encrypt => "encrypt",
        Protect::Mask => "mask",
        Protect::Drop => "drop",
        Protect::None => "none",
    }
}

/// The same as one line of JSON; documents stand in it as they are.
fn object<'a>(
    fired: &[Fired],
    protected: &Record,
    views: impl Iterator<Item = (&'a str, &'a Record)>,
    out: &mut Vec<u8>,
) {
    let rules: Vec<Value> = fired
        .iter()
        .map(|fired| {
            json!({
                "path": fired.path,
                "rule": fired.rule,
                "protect": word(fired.protect),
                "domain": fired.domain,
                "level": fired.level,
                "mask": fired.mask,
            })
        })
        .collect();
    // writing to memory cannot fail
    let _ = write!(out, "{{\"fired\":{},\"protected\":", Value::Array(rules));
    as_json(protected, out);
    out.extend_from_slice(b",\"views\":{");
    for (index, (name, record)) in views.enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let _ = write!(out, "{comma}{}:", json!(name));
        as_json(record, out);
    }
    out.extend_from_slice(b"}}");
}

fn as_json(record: &Record, out: &mut Vec<u8>) {
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    let headers = record.headers.iter().map(|header| json!([header.name, header.value.as_ref().map(text)]));
    let _ = write!(out, "{{\"headers\":{},\"value\":", Value::Array(headers.collect()));
    // a line of input has no line feed, and what is put into it neither
    out.extend_from_slice(record.value.as_deref().unwrap_or(b"null").trim_ascii());
    out.push(b'}');
}
