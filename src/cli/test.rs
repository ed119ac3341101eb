//! `sivcar test`: for documents on standard input, which rule fires where, and what every output would be.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::exit::{Failure, Outcome};
use super::filter::{Streams, each_line};
use super::harmless::harmless;
use super::marks::plain;
use super::offline;
use super::protect::header;
use crate::privacy::explain::{Explained, Fired};
use crate::privacy::mark::On;
use crate::privacy::protect::{Outputs, Protector, Rejection};
use crate::privacy::settings::Stage;
use crate::record::{Header, Record};

/// Tries the policy: for each JSON document, one per line of standard input, which rule fires where (also on headers and the record key), and
/// what the protected topic and every view would get.
///
/// The policy is what the configuration's marks, domains, stages and test profiles say; no broker is asked. A rejected document gives its number,
/// the reason and, where it does not fit the layout, the path on standard error, and exit code 1 at the end.
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
    /// The record key that every record has
    #[arg(long, value_name = "TEXT")]
    key: Option<String>,
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
    // profiles have one
    let key = args.key.clone().unwrap_or_default().into_bytes();
    let mut record = Record { key: Some(key), value: None, headers: args.header.clone(), timestamp };
    let mut outputs = Outputs::default();
    each_line(streams, config.settings.limits.record_bytes, |line, out| {
        record.value = Some(line.to_vec());
        protector.protect(source, &record, &mut outputs).map_err(|Rejection { reason, .. }| {
            let place = protector.misfit(source, reason).map(|path| format!(": {path}")).unwrap_or_default();
            format!("{reason}{place}")
        })?;
        let Some(mut explained) = protector.explain(source, &record) else { return Ok(()) };
        let views = outputs.views.drain(..).map(|(index, record)| (config.settings.views[index].name.as_str(), record));
        let mut tried = Tried { protected: std::mem::take(&mut outputs.protected), views: views.collect() };
        if args.key.is_none() {
            explained.fired.retain(|fired| fired.on != On::Key);
            tried.all().for_each(|record| record.key = None);
        }
        match args.output {
            Output::Text => tried.block(&explained, out),
            Output::Json => tried.object(&explained, out),
        }
        Ok::<_, String>(())
    })
}

/// Every output of one document.
struct Tried<'a> {
    protected: Record,
    views: Vec<(&'a str, Record)>,
}

impl Tried<'_> {
    fn all(&mut self) -> impl Iterator<Item = &mut Record> {
        std::iter::once(&mut self.protected).chain(self.views.iter_mut().map(|(_, record)| record))
    }

    /// What fired, as a table, then every output, then an empty line, but for its line feed.
    fn block(&self, explained: &Explained, out: &mut Vec<u8>) {
        let Explained { workspace, stage, test, fired } = explained;
        let places: Vec<String> = fired.iter().map(place).collect();
        let width =
            |texts: &mut dyn Iterator<Item = &String>| texts.map(|text| text.chars().count()).max().unwrap_or(0);
        let (path, rule) = (width(&mut places.iter()), width(&mut fired.iter().map(|fired| &fired.rule)));
        let mut text = String::new();
        for (place, fired) in places.iter().zip(fired) {
            let domain = fired.domain.as_ref().map(|domain| format!(" as {domain}")).unwrap_or_default();
            let (done, mask) = (format!("{}{domain}", plain(&fired.protect)), plain(&fired.mask));
            let warning =
                if fired.guessable { "; WARNING: true and false have two tokens, each soon guessed" } else { "" };
            let (rule_told, level) = (&fired.rule, fired.level);
            // a String takes all that is written
            let _ = writeln!(text, "{place:path$}  {rule_told:rule$}  {done}; level {level}, mask {mask}{warning}");
        }
        if *stage != Stage::Enforced {
            let _ =
                writeln!(text, "workspace {workspace} is in stage {}: protected topics enforce nothing", plain(stage));
        }
        if *test {
            let _ = writeln!(text, "a test profile's: views show it in clear");
        }
        let views = self.views.iter().map(|(name, record)| (format!("view {name}"), record));
        for (name, record) in std::iter::once(("protected".to_owned(), &self.protected)).chain(views) {
            let shown = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or(b"null")).replace('\t', " ");
            let _ = writeln!(text, "{name}: {}", harmless(shown(record.value.as_deref()).trim()));
            if let Some(key) = &record.key {
                let _ = writeln!(text, "  (record key): {}", harmless(&shown(Some(key))));
            }
            for header in &record.headers {
                let _ = writeln!(text, "  {}: {}", harmless(&header.name), harmless(&shown(header.value.as_deref())));
            }
        }
        out.extend_from_slice(text.as_bytes());
    }

    /// The same as one line of JSON; documents stand in it as they are.
    fn object(&self, explained: &Explained, out: &mut Vec<u8>) {
        let rules = explained.fired.iter().map(|fired| {
            json!({
                "on": fired.on,
                "path": fired.path,
                "rule": fired.rule,
                "protect": fired.protect,
                "domain": fired.domain,
                "level": fired.level,
                "mask": fired.mask,
                "guessable": fired.guessable,
            })
        });
        let about = json!({
            "fired": rules.collect::<Vec<_>>(),
            "stage": explained.stage,
            "test": explained.test,
            "workspace": explained.workspace,
        });
        let about = about.to_string();
        out.extend_from_slice(about.strip_suffix('}').unwrap_or(&about).as_bytes());
        out.extend_from_slice(b",\"protected\":");
        as_json(&self.protected, out);
        out.extend_from_slice(b",\"views\":{");
        for (index, (name, record)) in self.views.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            // writing to memory cannot fail
            let _ = write!(out, "{comma}{}:", json!(name));
            as_json(record, out);
        }
        out.extend_from_slice(b"}}");
    }
}

/// Where a rule fired, for people.
fn place(fired: &Fired) -> String {
    match fired.on {
        On::Header => harmless(&format!("header {}", fired.path)).into_owned(),
        On::Key => "record key".to_owned(),
        _ => harmless(&fired.path).into_owned(),
    }
}

fn as_json(record: &Record, out: &mut Vec<u8>) {
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    let headers = record.headers.iter().map(|header| json!([header.name, header.value.as_ref().map(text)]));
    let about = json!({ "headers": headers.collect::<Vec<_>>(), "key": record.key.as_ref().map(text) }).to_string();
    out.extend_from_slice(about.strip_suffix('}').unwrap_or(&about).as_bytes());
    out.extend_from_slice(b",\"value\":");
    // a line of input has no line feed, and what is put into it neither
    out.extend_from_slice(record.value.as_deref().unwrap_or(b"null").trim_ascii());
    out.push(b'}');
}
