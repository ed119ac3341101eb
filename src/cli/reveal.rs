//! `sivcar reveal`: opens tokens and documents, for someone who holds the keyset.

use std::path::PathBuf;

use super::exit::{Failure, Outcome};
use super::filter::{Streams, each_line};
use super::{offline, token};
use crate::config::Config;
use crate::privacy::error::Reason;
use crate::privacy::reveal::{self, RevealError};
use crate::privacy::scan::Limits;
use crate::privacy::seal::{OpenError, Sealer};
use crate::privacy::value::ValueSealer;

/// How many times longer a protected document may be than the raw one, about: a one-digit number becomes a token of 56 bytes.
const GROWTH: usize = 64;

/// The largest that any document may be: offsets in it take 32 bits.
const DOCUMENT_BYTES_MAX: usize = 1 << 30;

/// Opens what was sealed: a token per line of standard input gives its value as canonical JSON; with --source a protected document
/// per line gives the document with its marked values opened.
///
/// Documents are opened by the marks' paths, never because something looks like a token; what does not open stays as it is. A line
/// that cannot be opened or read gives an empty line, its number and reason on standard error, and exit code 1.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: echo 'siv:AXJm…' | sivcar reveal --config sivcar.toml --workspace acme --domain email\n\
                  Example: sivcar reveal --config sivcar.toml --source raw.events <protected.ndjson",
    group = clap::ArgGroup::new("what").required(true).args(["source", "domain"])
)]
pub struct Args {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The workspace that the tokens are of
    #[arg(long, value_name = "NAME", requires = "domain", conflicts_with = "source")]
    workspace: Option<String>,
    /// The domain of the mark: its `domain`, else its name
    #[arg(long, value_name = "NAME", requires = "workspace")]
    domain: Option<String>,
    /// The raw topic of the documents, as in the configuration
    #[arg(long, value_name = "TOPIC")]
    source: Option<String>,
}

/// Runs the command.
pub fn run(args: &Args, streams: Streams) -> Result<Outcome, Failure> {
    let config = offline::config(&args.config)?;
    match (&args.source, &args.workspace, &args.domain) {
        (Some(source), _, _) => documents(&config, source, streams),
        (None, Some(workspace), Some(domain)) => tokens(&config, workspace, domain, streams),
        _ => Err(Failure::usage("reveal needs --source, or --workspace and --domain; see sivcar reveal --help")),
    }
}

fn tokens(config: &Config, workspace: &str, domain: &str, streams: Streams) -> Result<Outcome, Failure> {
    token::check_names(workspace, domain)?;
    let keys = offline::keys(config)?;
    let mut sealer = Sealer::new(&*offline::keyset(config, &keys, workspace)?);
    let limit = grown(config.settings.limits.record_bytes);
    each_line(streams, limit, |line, out| {
        if line.len() > limit {
            return Err(Reason::TooLarge.code());
        }
        let text = std::str::from_utf8(line).map_err(|_| code(RevealError::NotAToken))?;
        let value = reveal::value(&mut sealer, workspace, domain, text).map_err(code)?;
        out.extend_from_slice(value.as_bytes());
        Ok(())
    })
}

fn documents(config: &Config, source: &str, streams: Streams) -> Result<Outcome, Failure> {
    let source = offline::source(&config.settings, source)?;
    let keys = offline::keys(config)?;
    let mut settings = config.settings.clone();
    let Limits { depth, record_bytes, string_bytes } = settings.limits;
    settings.limits = Limits { depth, record_bytes: grown(record_bytes), string_bytes: grown(string_bytes) };
    let policy = offline::policy(config, &settings)?;
    let mut sealer = ValueSealer::new(keys.ring());
    each_line(streams, settings.limits.record_bytes, |line, out| {
        *out = reveal::document(&policy, &mut sealer, source, line).map_err(Reason::code)?;
        Ok(())
    })
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
