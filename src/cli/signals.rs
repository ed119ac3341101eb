//! What reaches a running process from outside: signals and changed keyset files.
//!
//! A thread of its own with a small Tokio runtime waits for them. Always holds: SIGTERM and SIGINT only set the wish to stop, and
//! whoever works finishes its batch; a keyset that cannot be used is told and counted, and the one before stays in force.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::exit::Failure;
use crate::keys::Keys;
use crate::stream::context::Context;
use crate::stream::log::Log;
use crate::telemetry::Metrics;

/// How often keyset files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The waiting thread.
pub struct Signals {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Signals {
    /// Waits no more.
    pub fn stop(self) {
        // it has ended by itself where nobody receives
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

/// Waits for signals and changed files on behalf of the process that shares `context`.
pub fn listen<L: Log>(context: Arc<Context<L>>, keys: Keys, metrics: Arc<Metrics>) -> Result<Signals, Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("signals cannot be waited for: {}", error.kind()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (stop, stopped) = oneshot::channel();
    let streams = {
        let _inside = runtime.enter();
        let each = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
        let [terminate, interrupt, hangup] = each;
        [terminate.map_err(failed)?, interrupt.map_err(failed)?, hangup.map_err(failed)?]
    };
    let reloader = Reloader { files: stamps(&keys), keys, metrics };
    let thread = std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || runtime.block_on(wait(&context, streams, reloader, stopped)))
        .map_err(failed)?;
    Ok(Signals { stop, thread })
}

async fn wait<L: Log>(
    context: &Context<L>,
    [mut terminate, mut interrupt, mut hangup]: [tokio::signal::unix::Signal; 3],
    mut reloader: Reloader,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            _ = terminate.recv() => return drain(context, "SIGTERM"),
            _ = interrupt.recv() => return drain(context, "SIGINT"),
            _ = hangup.recv() => reloader.reload(context),
            _ = look.tick() => reloader.look(context),
        }
    }
}

fn drain<L: Log>(context: &Context<L>, signal: &'static str) {
    tracing::info!(signal, "draining: the batch in hand is finished");
    context.stop.set();
}

/// Loads keysets anew and puts them in force.
struct Reloader {
    keys: Keys,
    files: Vec<Stamp>,
    metrics: Arc<Metrics>,
}

/// What tells that a file was changed.
type Stamp = Option<(SystemTime, u64)>;

impl Reloader {
    fn look<L: Log>(&mut self, context: &Context<L>) {
        if stamps(&self.keys) != self.files {
            self.reload(context);
        }
    }

    fn reload<L: Log>(&mut self, context: &Context<L>) {
        // before reading: a change in between shows at the next look
        self.files = stamps(&self.keys);
        let reload = self.keys.reload();
        reload.refused.iter().for_each(|error| self.metrics.keyset_refused(error));
        if reload.changed {
            context.keyring.store(self.keys.ring());
        }
        tracing::info!(changed = reload.changed, refused = reload.refused.len(), "keysets looked at again");
    }
}

/// When each file of keys was changed, and its length; `None` where there is none.
fn stamps(keys: &Keys) -> Vec<Stamp> {
    let stamp = |path: PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    keys.files().into_iter().map(stamp).collect()
}
