//! `sivcar token`: the tokens by which a value is searched.

use std::path::PathBuf;

use super::exit::{Failure, Outcome};
use super::filter::{Streams, each_line};
use super::offline;
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
/// standard error and exit code 1. A domain that nothing in the file names is warned of. Padding and `whole` are what the configuration says of the domain. Whoever may ask for tokens
/// can test any guess: treat this command as access to personal data.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: echo '\"ann@example.com\"' | sivcar token --config sivcar.toml --workspace acme --domain email"
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
    domain: String,
    /// Second tokens, that ignore case and spaces (as stand under _pii.loose)
    #[arg(long)]
    loose: bool,
}

/// Runs the command.
pub fn run(args: &Args, streams: Streams) -> Result<Outcome, Failure> {
    let config = offline::config(&args.config)?;
    check_names(&args.workspace, &args.domain)?;
    let keys = offline::keys(&config)?;
    let keyset = offline::keyset(&config, &keys, &args.workspace)?;
    let table = offline::table(&config)?;
    let domain = offline::domain(&table, &args.workspace, &args.domain);
    if !offline::is_named(&config, &table, &args.workspace, &args.domain) {
        // where standard error is gone, nobody is left to tell
        let _ = writeln!(
            streams.errors,
            "warning: no mark or domain of {} is named {:?} in workspace {}; unless a live mark is (sivcar marks), nothing was sealed so",
            args.config.display(),
            args.domain,
            args.workspace
        );
    }
    let mut sealer = Sealer::new(&keyset);
    let mut associated = Vec::new();
    let (workspace, name) = (args.workspace.as_str(), args.domain.as_str());
    match args.loose {
        false => Associated::Exact { workspace, domain: name }.write(&mut associated),
        true => Associated::Loose { workspace, domain: name }.write(&mut associated),
    }
    let (limits, mut tape) = (config.settings.limits, Tape::default());
    each_line(streams, limits.record_bytes, |line, out| {
        let text = scan::scan_value(line, &limits, &mut tape).map_err(Reason::code)?;
        let plaintext = plaintext(&Document::new(text, &tape), &domain, args.loose)?;
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
