//! `sivcar check`: what can be known before a start, and what holds.
//!
//! What holds is TOML on standard output; what was found of topics stands on standard error, so that neither hides the other.

mod topics;

use std::io::Write;
use std::path::PathBuf;

use super::exit::{Failure, Outcome};
use super::{cluster, marks, offline};
use crate::stream::control;
use crate::stream::error::Error;
use crate::stream::log::Log as _;
use crate::stream::topics::{Finding, Route, control_topic, survey};

/// Validates the configuration, its keysets and its policy, and prints what holds: defaults filled in, secrets as ***.
///
/// Without --connect no broker is asked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: sivcar check --config sivcar.toml --connect")]
pub struct Args {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Ask the broker whether the topics are as they must be, and tell of each on standard error; and whether the keysets have the
    /// keys that the group uses; nothing is created
    #[arg(long)]
    connect: bool,
}

/// Runs the command.
pub fn run(args: &Args, output: &mut dyn Write, errors: &mut dyn Write) -> Result<Outcome, Failure> {
    let config = offline::config(&args.config)?;
    let keys = offline::keys_and_issuers(&config)?;
    offline::policy(&config, &config.settings)?;
    cluster::settings(&config)?;
    output.write_all(config.effective().as_bytes()).map_err(|error| Failure::writing(&error))?;
    if !args.connect {
        return Ok(Outcome::Done);
    }
    output.flush().map_err(|error| Failure::writing(&error))?;
    let (log, group) = (cluster::connect(&config)?, &config.settings.group);
    let findings = survey(&log, group, &Route::all(&config.settings), config.topics.create)?;
    // where standard error is gone, the exit code still tells
    let _ = errors.write_all(topics::tell(&log, &config, &findings)?.as_bytes());
    let wrong: Vec<&Error> = findings.iter().filter_map(Finding::error).collect();
    match wrong[..] {
        [] if log.partitions(&control_topic(group))?.is_some() => {
            control::vet(&cluster::plan(&config), marks::read(&log, group)?.table(), &keys.ring())?;
            Ok(Outcome::Done)
        }
        [] => Ok(Outcome::Done),
        [error @ Error::PolicyWentBackwards(_), ..] => Err(error.clone().into()),
        [_] => Err(Failure::usage("a topic is not as it must be; it is named above")),
        _ => Err(Failure::usage(format!("{} topics are not as they must be; they are named above", wrong.len()))),
    }
}
