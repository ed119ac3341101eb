//! What reaches a running process from outside: signals, and changed files of keysets and issuers' keys.
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
use crate::privacy::keyset::Keyring;
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
        if let Some(ring) = self.anew() {
            context.keyring.store(ring);
        }
    }

    /// The keys, if any of them is another once all were read anew; what is refused is told and counted.
    fn anew(&mut self) -> Option<Arc<Keyring>> {
        // before reading: a change in between shows at the next look
        self.files = stamps(&self.keys);
        let reload = self.keys.reload();
        reload.refused.iter().for_each(|error| self.metrics.keyset_refused(error));
        tracing::info!(changed = reload.changed, unreadable = reload.refused.len(), "keyset files read again");
        reload.changed.then(|| self.keys.ring())
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::keys::{self, KeySource};

    #[test]
    fn issuers_keys_that_cannot_be_read_anew_are_counted_as_keysets_are() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let (keyset, issuer) = (folder.path().join("keyset.json"), folder.path().join("jwks.json"));
        keys::create(&keyset, &keys::generate().expect("random bytes")).expect("can be written");
        let good = include_str!("../../tests/golden/jwks.json");
        fs::write(&issuer, good).expect("can be written");
        fs::set_permissions(&issuer, fs::Permissions::from_mode(0o644)).expect("ours");
        let keys = Keys::load(Some(KeySource::File(keyset.clone())), BTreeMap::new()).expect("a keyset");
        let keys = keys.with_issuers(BTreeMap::from([("raw".to_owned(), issuer.clone())])).expect("a JWK set");
        let metrics = Arc::new(Metrics::new("g", ["raw"]));
        let mut reloader = Reloader { files: stamps(&keys), keys, metrics: Arc::clone(&metrics) };
        let spoil = |file: &PathBuf| fs::write(file, "{}").expect("can be written");
        let vanish = |file: &PathBuf| fs::remove_file(file).expect("it is there");
        for (count, change) in [(1, &spoil as &dyn Fn(&PathBuf)), (2, &vanish)] {
            change(&issuer);
            assert!(stamps(&reloader.keys) != reloader.files, "it is seen");
            assert!(reloader.anew().is_none(), "what was there stays");
            let counted = format!("\nsivcar_keyset_reload_failures_total {count}\n");
            assert!(metrics.text().expect("text").contains(&counted), "{counted}");
        }
        spoil(&keyset);
        assert!(reloader.anew().is_none());
        assert!(metrics.text().expect("text").contains("\nsivcar_keyset_reload_failures_total 4\n"), "one of each");
    }
}
