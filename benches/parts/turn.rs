//! One turn of the program on a backlog: how fast it was, and what it took.

use std::time::{Duration, Instant};

use crate::cluster::{Cluster, wait};
use crate::figures::{processor, resident};

/// How one of several did in one round.
pub struct Turn {
    /// Records per second.
    pub rate: f64,
    /// Seconds of processor time per record; `None` where the system does not tell.
    pub processor: Option<f64>,
}

impl Turn {
    /// So many records in this time.
    pub fn new(records: f64, took: Duration, processor: Option<Duration>) -> Self {
        Self { rate: records / took.as_secs_f64(), processor: processor.map(|used| used.as_secs_f64() / records) }
    }
}

/// Starts the program on a backlog of so many events, and looks at it from its first commits to its last; gives its resident memory in
/// bytes too, as it was at the end.
pub fn program(cluster: &mut Cluster, events: u64) -> (Turn, f64) {
    let sidecar = cluster.start();
    let pid = sidecar.child.id();
    let done = || sidecar.metric("sivcar_records_total", "");
    wait(|| done() > 0.0);
    let (first, used, began) = (done(), processor(pid), Instant::now());
    assert!(first < events as f64 / 2.0, "too few events to measure anything: {first} are done already");
    wait(|| done() >= events as f64);
    let took = began.elapsed();
    let used = processor(pid).zip(used).map(|(after, before)| after - before);
    let held = resident(pid);
    assert_eq!(sidecar.metric("sivcar_records_total", "outcome=\"protected\""), events as f64);
    sidecar.drain();
    (Turn::new(events as f64 - first, took, used), held)
}
