//! How long tests wait for what others do.

use std::time::{Duration, Instant};

/// More than a busy machine needs.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// How long one look waits for the next.
pub const PAUSE: Duration = Duration::from_millis(10);

/// Repeats `attempt` until it gives something; panics with `what` after [`PATIENCE`].
#[track_caller]
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(done) = attempt() {
            return done;
        }
        std::thread::sleep(PAUSE);
    }
    panic!("never happened: {what}");
}
