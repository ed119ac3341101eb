//! `sivcar reveal`: opens tokens and documents, for someone who holds the keyset.

use std::path::PathBuf;

use serde::Deserialize;

use super::exit::{Failure, Outcome};
use super::filter::{Streams, each_line};
use super::{offline, token};
use crate::config::Config;
use crate::privacy::error::Reason;
use crate::privacy::reveal::{self, RevealError};
use crate::privacy::scan::{self, Document, Kind, Limits, Tape};
use crate::privacy::seal::{OpenError, Sealer, parse_token};
use crate::privacy::value::ValueSealer;

/// How many times longer a protected document may be than the raw one, about: a one-digit number becomes a token of 56 bytes.
const GROWTH: usize = 64;

/// The largest that any document may be: offsets in it take 32 bits.
const DOCUMENT_BYTES_MAX: usize = 1 << 30;

/// Opens what was sealed: a token per line of standard input gives its value as canonical JSON, with --topic that of a record key or header as
/// a JSON string; with --source a protected document
/// per line gives the document with its marked values opened.
///
/// A token may stand there plain or as a JSON string; a JSON array of tokens, as `token` prints, gives the array of their values.
/// Documents are opened by the marks' paths, never because something looks like a token; what does not open stays as it is, and
/// standard error tells at the end how many strings that look like tokens stayed. A line
/// that cannot be opened or read gives an empty line, its number and reason on standard error, and exit code 1.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: echo 'siv:AXJm…' | sivcar reveal --config sivcar.toml --workspace acme --domain email\n\
                  Example: sivcar reveal --config sivcar.toml --source raw.events <protected.ndjson",
    group = clap::ArgGroup::new("what").required(true).args(["source", "domain", "topic"])
)]
pub struct Args {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The workspace that the tokens are of
    #[arg(long, value_name = "NAME", conflicts_with = "source")]
    workspace: Option<String>,
    /// The domain of the mark: its `domain`, else its name
    #[arg(long, value_name = "NAME", requires = "workspace")]
    domain: Option<String>,
    /// The protected topic whose record keys or headers they are
    #[arg(long, value_name = "TOPIC", requires = "workspace")]
    topic: Option<String>,
    /// The raw topic of the documents, as in the configuration
    #[arg(long, value_name = "TOPIC")]
    source: Option<String>,
}

/// Runs the command.
pub fn run(args: &Args, streams: Streams) -> Result<Outcome, Failure> {
    let config = offline::config(&args.config)?;
    match (&args.source, &args.workspace, &args.domain, &args.topic) {
        (Some(source), ..) => documents(args, &config, source, streams),
        (None, Some(workspace), Some(domain), _) => {
            token::check_names(workspace, domain)?;
            tokens(&config, workspace, streams, |sealer, token| reveal::value(sealer, workspace, domain, token))
        }
        (None, Some(workspace), None, Some(topic)) => {
            token::check_protected(&config, workspace, topic)?;
            tokens(&config, workspace, streams, |sealer, token| reveal::around(sealer, workspace, topic, token))
        }
        _ => Err(Failure::usage(
            "reveal needs --source, or --workspace and --domain or --topic; see sivcar reveal --help",
        )),
    }
}

fn tokens(
    config: &Config,
    workspace: &str,
    streams: Streams,
    open: impl Fn(&mut Sealer, &str) -> Result<String, RevealError>,
) -> Result<Outcome, Failure> {
    let keys = offline::keys(config)?;
    let mut sealer = Sealer::new(&*offline::keyset(config, &keys, workspace)?);
    let limit = grown(config.settings.limits.record_bytes);
    each_line(streams, limit, |line, out| {
        if line.len() > limit {
            return Err(Reason::TooLarge.code());
        }
        let text = std::str::from_utf8(line).map_err(|_| code(RevealError::NotAToken))?;
        let mut value = |token: &str| open(&mut sealer, token).map_err(code);
        let revealed = match asked(text).ok_or(code(RevealError::NotAToken))? {
            Asked::One(token) => value(&token)?,
            Asked::All(tokens) => {
                let values = tokens.iter().map(|token| value(token)).collect::<Result<Vec<_>, _>>()?;
                format!("[{}]", values.join(","))
            }
        };
        out.extend_from_slice(revealed.as_bytes());
        Ok(())
    })
}

/// What a line asks to open.
#[derive(Deserialize)]
#[serde(untagged)]
enum Asked {
    One(String),
    All(Vec<String>),
}

/// The tokens of a line: the line itself, or those that it holds as JSON.
fn asked(line: &str) -> Option<Asked> {
    match line.trim_start().as_bytes().first() {
        Some(b'"' | b'[') => serde_json::from_str(line).ok(),
        _ => Some(Asked::One(line.to_owned())),
    }
}

fn documents(args: &Args, config: &Config, source: &str, streams: Streams) -> Result<Outcome, Failure> {
    let source = offline::source(&config.settings, source)?;
    let keys = offline::keys(config)?;
    let mut settings = config.settings.clone();
    let Limits { depth, record_bytes, string_bytes } = settings.limits;
    settings.limits = Limits { depth, record_bytes: grown(record_bytes), string_bytes: grown(string_bytes) };
    let policy = offline::policy(config, &settings)?;
    let mut sealer = ValueSealer::new(keys.ring());
    let (mut tape, mut stayed) = (Tape::default(), 0);
    let Streams { input, output, errors } = streams;
    let streams = Streams { input, output, errors: &mut *errors };
    let outcome = each_line(streams, settings.limits.record_bytes, |line, out| {
        *out = reveal::document(&policy, &mut sealer, source, line).map_err(Reason::code)?;
        stayed += tokens_in(out, &settings.limits, &mut tape);
        Ok::<_, &str>(())
    })?;
    if stayed > 0 {
        // where standard error is gone, nobody is left to tell
        let _ = writeln!(
            errors,
            "strings that look like tokens and stayed: {stayed}; {} does not mark their paths (sivcar marks lists those made live), or they do not open under its keys and domains",
            args.config.display()
        );
    }
    Ok(outcome)
}

/// How many strings of `document` look like tokens.
fn tokens_in(document: &[u8], limits: &Limits, tape: &mut Tape) -> usize {
    // what was just revealed can be read; opened values may have made it larger than a document may be
    let Ok(text) = scan::scan(document, limits, tape) else { return 0 };
    let document = Document::new(text, tape);
    let strings = document.nodes().iter().filter(|node| node.kind == Kind::String);
    strings.filter(|node| parse_token(document.raw(node.value).trim_matches('"')).is_some()).count()
}

/// The limit for what was protected under the limit `bytes`.
fn grown(bytes: usize) -> usize {
    bytes.saturating_mul(GROWTH).min(DOCUMENT_BYTES_MAX)
}

/// The bounded code of an error, for standard error.
fn code(error: RevealError) -> &'static str {
    match error {
        RevealError::NotAToken => "not_a_token",
        RevealError::Open(OpenError::Malformed) => "not_a_token",
        RevealError::Open(OpenError::UnknownKey(_)) => "unknown_key",
        RevealError::Open(OpenError::Unauthentic) => "does_not_open",
        RevealError::NotAValue => "not_a_value",
    }
}
