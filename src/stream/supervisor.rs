//! The threads of a process: one that follows the control topic, one that writes alerts, and the workers.
//!
//! ```text
//!   prepare: control topic ─► topic facts        run: control reader ─► first snapshot ─► workers ─► ready
//!                                                     first error, or the wish to stop ─► all finish their batch and leave
//! ```
//!
//! Always holds: no worker joins the group before the control topic was read to its end; the first error stops all, and is what
//! the process ends with. Deliberately not here: signals, HTTP, exit codes (`cli`'s).

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::alerts;
use super::context::{Context, Plan};
use super::control;
use super::error::Error;
use super::happening::Observer;
use super::log::Log;
use super::topics::Facts;
use super::worker::Worker;
use crate::privacy::keyset::Keyring;
use crate::privacy::settings::Detection;

/// How often a worker looks whether the first snapshot is there.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Makes sure of all topics and gives what the threads share.
///
/// # Errors
/// [`Error::Topics`] where a topic is missing or not as it must be.
pub fn prepare<L: Log>(
    log: L,
    plan: Plan,
    keyring: Arc<Keyring>,
    observer: Arc<dyn Observer>,
) -> Result<Arc<Context<L>>, Error> {
    let facts = Facts::at_start(&log, &plan.settings.group, &plan.routes, plan.create)?;
    Ok(Arc::new(Context::new(log, plan, keyring, facts, observer)))
}

/// Runs until `context.stop` is set or something fails; blocks.
///
/// # Errors
/// The first error of any thread.
pub fn run<L: Log>(context: &Arc<Context<L>>) -> Result<(), Error> {
    let first = FirstError::default();
    thread::scope(|scope| {
        let mut threads = vec![spawn(scope, context, &first, "control".to_owned(), || control::follow(context))];
        if context.plan.settings.sources.iter().any(|source| source.detection != Detection::Off) {
            threads.push(spawn(scope, context, &first, "alerts".to_owned(), || alerts::write(context)));
        }
        for number in 0..context.plan.workers {
            threads.push(spawn(scope, context, &first, format!("worker-{number}"), move || work(context, number)));
        }
        for failed in threads.into_iter().filter_map(Result::err) {
            first.take_in(context, Error::Broker(format!("a thread cannot be started: {failed}")));
        }
    });
    first.0.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// What the process ends with.
#[derive(Default)]
struct FirstError(Mutex<Option<Error>>);

impl FirstError {
    fn take_in<L: Log>(&self, context: &Context<L>, error: Error) {
        tracing::error!(%error, "stopping");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        context.stop.set();
    }
}

/// Stops the process however a thread ends: one that has lost a thread must not look alive.
struct StopAtEnd<'a, L: Log>(&'a Context<L>);

impl<L: Log> Drop for StopAtEnd<'_, L> {
    fn drop(&mut self) {
        self.0.stop.set();
    }
}

fn spawn<'scope, L: Log>(
    scope: &'scope thread::Scope<'scope, '_>,
    context: &'scope Context<L>,
    first: &'scope FirstError,
    name: String,
    body: impl FnOnce() -> Result<(), Error> + Send + 'scope,
) -> std::io::Result<thread::ScopedJoinHandle<'scope, ()>> {
    thread::Builder::new().name(name).spawn_scoped(scope, move || {
        let _stop = StopAtEnd(context);
        if let Err(error) = body() {
            first.take_in(context, error);
        }
    })
}

fn work<L: Log>(context: &Arc<Context<L>>, number: usize) -> Result<(), Error> {
    while context.current.snapshot().is_none() {
        if context.stop.is_set() {
            return Ok(());
        }
        thread::sleep(LOOK_EVERY);
    }
    let run = Worker::start(context.clone(), number).and_then(Worker::run);
    run.map_err(|error| error.of_transactional_id(&context.transactional_id(number)))
}

#[cfg(test)]
mod tests;
