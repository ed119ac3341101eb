//! `sivcar token`: the tokens by which a value is searched.

use std::path::PathBuf;

use super::exit::{Failure, Outcome};
use super::filter::{Streams, each_line};
use super::offline;
use crate::config::Config;
use crate::privacy::canonical;
use crate::privacy::control::Domain;
use crate::privacy::error::Reason;
use crate::privacy::scan::{self, Document, Kind, Tape};
use crate::privacy::seal::{self, Associated, Sealer};
use crate::privacy::settings::{is_domain, is_name};
use crate::privacy::value::loose_form;

/// What stands on standard error for a value that is never one token: null, an array whose domain is not `whole`, and with
/// --loose an object or array.
const NO_TOKEN: &str = "no_token";

/// Computes tokens for searching: one JSON value per line of standard input, a JSON array of its tokens per line of standard
/// output.
///
/// The array holds a token under every enabled key, the primary's first, for a search with IN (…). A value that is never sealed as
/// one token (null; an array whose domain is not `whole`; with --loose an object too) gives an empty line, `line N: no_token` on
/// standard error and exit code 1. With --topic the values are record keys or headers, each a JSON string of its text. A domain that nothing in the file names is warned of. Padding and `whole` are what the configuration says of the domain. Whoever may ask for tokens
/// can test any guess: treat this command as access to personal data.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: echo '\"ann@example.com\"' | sivcar token --config sivcar.toml --workspace acme --domain email\n\
                  Example: echo '\"ann@example.com\"' | sivcar token --config sivcar.toml --workspace acme --topic protected.users",
    group = clap::ArgGroup::new("what").required(true).args(["domain", "topic"])
)]
pub struct Args {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The workspace whose values are searched
    #[arg(long, value_name = "NAME")]
    workspace: String,
    /// The domain of the mark: its `domain`, else its name
    #[arg(long, value_name = "NAME")]
    domain: Option<String>,
    /// The protected topic whose record keys or headers are searched
    #[arg(long, value_name = "TOPIC", conflicts_with = "loose")]
    topic: Option<String>,
    /// Second tokens, that ignore case and spaces (as stand under _pii.loose)
    #[arg(long)]
    loose: bool,
}

/// Runs the command.
pub fn run(args: &Args, streams: Streams) -> Result<Outcome, Failure> {
    let config = offline::config(&args.config)?;
    match (&args.domain, &args.topic) {
        (Some(domain), _) => values(args, &config, domain, streams),
        (None, Some(topic)) => around(args, &config, topic, streams),
        (None, None) => Err(Failure::usage("token needs --domain or --topic; see sivcar token --help")),
    }
}

/// Tokens of record keys and headers.
fn around(args: &Args, config: &Config, topic: &str, streams: Streams) -> Result<Outcome, Failure> {
    let workspace = args.workspace.as_str();
    check_protected(config, workspace, topic)?;
    let keys = offline::keys(config)?;
    let mut sealer = Sealer::new(&*offline::keyset(config, &keys, workspace)?);
    let mut associated = Vec::new();
    Associated::Key { workspace, topic }.write(&mut associated);
    let (limits, mut tape) = (config.settings.limits, Tape::default());
    each_line(streams, limits.record_bytes, |line, out| {
        let text = scan::scan_value(line, &limits, &mut tape).map_err(Reason::code)?;
        let document = Document::new(text, &tape);
        if document.node(0).kind != Kind::String {
            return Err(NO_TOKEN);
        }
        // texts always serialise
        serde_json::to_writer(out, &sealer.tokens(&associated, &document.string(0))).map_err(|_| NO_TOKEN)
    })
}

fn values(args: &Args, config: &Config, domain: &str, streams: Streams) -> Result<Outcome, Failure> {
    check_names(&args.workspace, domain)?;
    let keys = offline::keys(config)?;
    let keyset = offline::keyset(config, &keys, &args.workspace)?;
    let table = offline::table(config)?;
    let settings = offline::domain(&table, &args.workspace, domain);
    if !offline::is_named(config, &table, &args.workspace, domain) {
        // where standard error is gone, nobody is left to tell
        let _ = writeln!(
            streams.errors,
            "warning: no mark or domain of {} is named {:?} in workspace {}; unless a live mark is (sivcar marks), nothing was sealed so",
            args.config.display(),
            domain,
            args.workspace
        );
    }
    let mut sealer = Sealer::new(&keyset);
    let mut associated = Vec::new();
    let workspace = args.workspace.as_str();
    match args.loose {
        false => Associated::Exact { workspace, domain }.write(&mut associated),
        true => Associated::Loose { workspace, domain }.write(&mut associated),
    }
    let (limits, mut tape) = (config.settings.limits, Tape::default());
    each_line(streams, limits.record_bytes, |line, out| {
        let text = scan::scan_value(line, &limits, &mut tape).map_err(Reason::code)?;
        let plaintext = plaintext(&Document::new(text, &tape), &settings, args.loose)?;
        let tokens = sealer.tokens(&associated, &plaintext);
        // texts always serialise
        serde_json::to_writer(out, &tokens).map_err(|_| NO_TOKEN)
    })
}

/// Refuses names under which nothing can have been sealed.
pub fn check_names(workspace: &str, domain: &str) -> Result<(), Failure> {
    if !is_name(workspace) {
        return Err(Failure::usage(format!(
            "--workspace {workspace:?}: must be 1–64 letters, digits, '.', '_' or '-'"
        )));
    }
    if !is_domain(domain) {
        return Err(Failure::usage(format!("--domain {domain:?}: must be 1–256 bytes without control characters")));
    }
    Ok(())
}

/// Refuses a topic in which no record key or header was sealed.
pub fn check_protected(config: &Config, workspace: &str, topic: &str) -> Result<(), Failure> {
    check_names(workspace, topic)?;
    if config.settings.sources.iter().all(|source| source.protected != topic) {
        return Err(Failure::usage(format!(
            "--topic {topic}: no source of the configuration has this protected topic"
        )));
    }
    Ok(())
}

/// What is sealed for the value of `document`, padded as `domain` says.
fn plaintext(document: &Document, domain: &Domain, loose: bool) -> Result<Vec<u8>, &'static str> {
    let mut plaintext = Vec::new();
    match document.node(0).kind {
        Kind::Null => return Err(NO_TOKEN),
        Kind::Array if loose || !domain.whole => return Err(NO_TOKEN),
        Kind::Object if loose => return Err(NO_TOKEN),
        _ => canonical::plaintext(document, 0, &mut plaintext).map_err(Reason::code)?,
    }
    if loose {
        plaintext = loose_form(&plaintext).ok_or(NO_TOKEN)?.into_bytes();
    }
    seal::pad(&mut plaintext, domain.pad as usize);
    Ok(plaintext)
}
