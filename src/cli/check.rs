//! `sivcar check`: what can be known before a start, and what holds.

use std::io::Write;
use std::path::PathBuf;

use super::exit::{Failure, Outcome};
use super::{cluster, offline};

/// Validates the configuration, its keysets and its policy, and prints what holds: defaults filled in, secrets as ***.
///
/// Without --connect no broker is asked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: sivcar check --config sivcar.toml --connect")]
pub struct Args {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Ask the broker whether the topics are as they must be; nothing is created
    #[arg(long)]
    connect: bool,
}

/// Runs the command.
pub fn run(args: &Args, output: &mut dyn Write) -> Result<Outcome, Failure> {
    let config = offline::config(&args.config)?;
    offline::keys(&config)?;
    offline::policy(&config, &config.settings)?;
    // a file that only ever serves the offline commands may name no broker
    let broker = config.kafka.common.contains_key("bootstrap.servers") || args.connect;
    let settings = broker.then(|| cluster::settings(&config)).transpose()?;
    output.write_all(config.effective().as_bytes()).map_err(|error| Failure::writing(&error))?;
    if args.connect
        && let Some(settings) = settings
    {
        cluster::check_topics(&config, settings, output)?;
    }
    Ok(Outcome::Done)
}
