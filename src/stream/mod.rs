//! The runtime: workers, tasks, transactions, the control table.
//!
//! A [`worker`] owns tasks and runs the loop; [`log`] is the seam to what carries the records. Read `worker`, then `commit`.

mod assignment;
mod commit;
pub mod context;
pub mod control;
pub mod current;
pub mod error;
#[cfg(test)]
mod fixture;
pub mod happening;
pub mod log;
mod pipeline;
#[cfg(test)]
mod scripted;
pub mod supervisor;
pub mod task;
pub mod topics;
pub mod transaction;
pub mod worker;
