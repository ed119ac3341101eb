//! The runtime: workers, tasks, transactions, the control table.

pub mod log;
