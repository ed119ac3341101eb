//! The runtime: workers, tasks, transactions, the control table.
//!
//! A [`worker`] owns tasks and runs the loop; [`log`] is the seam to what carries the records. Read `worker`, then `commit`.

mod alerts;
mod assignment;
pub mod changelog;
mod commit;
pub mod context;
pub mod control;
pub mod current;
pub mod error;
#[cfg(test)]
mod fixture;
pub mod happening;
pub mod log;
mod pace;
mod pipeline;
mod restore;
#[cfg(test)]
mod scripted;
mod settle;
mod stage;
pub mod status;
mod stopped;
pub mod store;
pub mod supervisor;
pub mod task;
pub mod topics;
pub mod transaction;
mod walk;
pub mod worker;
