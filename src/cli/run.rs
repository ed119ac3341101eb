//! `sivcar run`: the sidecar itself.
//!
//! ```text
//!   configuration ─ keysets ─ log ─ http ─ topics ─► supervisor (control reader, workers) ─► drained
//!                                                          ▲ stop: SIGTERM, SIGINT
//!                                                          ▲ new keysets: SIGHUP, a changed file
//! ```
//!
//! Always holds: keysets are read before any thread starts, for a variable is removed from the environment; a new keyset that
//! cannot be used is refused and the old one stays. The Tokio runtimes serve HTTP and signals, and never Kafka.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::exit::{Failure, Outcome};
use super::{cluster, offline, signals};
use crate::http::{Health, Server};
use crate::kafka::Kafka;
use crate::stream::context::Context;
use crate::stream::log::Log;
use crate::stream::supervisor;
use crate::telemetry::{self, LogFormat, Metrics};

/// Runs the sidecar: raw topics in, protected and debug topics out, exactly once, until SIGTERM or SIGINT.
///
/// Then the batch in hand is committed and the group is left. SIGHUP, or a change of a keyset file, loads the keysets anew. What is
/// logged is decided by RUST_LOG (info where it is not set).
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: sivcar run --config sivcar.toml --log-format json")]
pub struct Args {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// How log lines are written, on standard error
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let config = offline::config(&args.config)?;
    let keys = offline::keys_and_issuers(&config)?;
    telemetry::start_logs(args.log_format, None)?;
    telemetry::hide_panics();
    let log = cluster::connect(&config)?;
    let sources = config.settings.sources.iter().map(|source| source.topic.as_str());
    let metrics = Arc::new(Metrics::new(&config.settings.group, sources).of_process(config.workers));
    let shared: Arc<OnceLock<Arc<Context<Kafka>>>> = Arc::default();
    let asked = shared.clone();
    let server = Server::start(config.listen, Health::new(move || ready(asked.get()), metrics.clone()))?;
    let context = supervisor::prepare(log, cluster::plan(&config), keys.ring(), metrics.clone())?;
    let context = shared.get_or_init(|| context);
    let signals = signals::listen(context.clone(), keys, metrics)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        group = config.settings.group,
        instance = config.instance,
        workers = config.workers,
        http = %server.address(),
        sources = ?config.settings.sources.iter().map(|source| source.topic.as_str()).collect::<Vec<_>>(),
        "sivcar runs"
    );
    let result = supervisor::run(context);
    signals.stop();
    server.stop();
    result?;
    tracing::info!("drained");
    Ok(Outcome::Done)
}

/// Why the process is not ready, until it is.
pub(super) fn ready<L: Log>(context: Option<&Arc<Context<L>>>) -> Result<(), String> {
    let reason = match context {
        None => "the topics are not checked yet",
        Some(context) if context.ready.is_set() => return Ok(()),
        Some(context) if context.current.snapshot().is_none() => "the control topic is not read to its end yet",
        Some(_) => "not all tasks are open yet",
    };
    Err(reason.to_owned())
}
