//! What operators see of a process: its log, its metrics, its panics.
//!
//! Always holds: nothing here shows a value, a record key or a panic's payload; the labels of metrics are bounded, since they
//! come from the configuration, from closed lists in the code and from partition numbers. Deliberately not here: what happens in
//! the stream and its log lines ([`crate::stream::happening`], which [`Metrics`] observes), and serving metrics ([`crate::http`]).

mod logs;
mod metrics;
mod observer;
mod panics;

pub use logs::{LogError, LogFormat, start_logs};
pub use metrics::{METRICS, Metric, Metrics};
pub use panics::hide_panics;
