//! The binary as a person calls it: what it prints, where, and how it ends.

#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/broker_free.rs"]
mod broker_free;
#[path = "cli/demo.rs"]
mod demo;
#[path = "cli/error_rows.rs"]
mod error_rows;
#[path = "common/error_table.rs"]
mod error_table;
#[path = "cli/errors.rs"]
mod errors;
#[path = "cli/inventory.rs"]
mod inventory;
#[path = "cli/keys.rs"]
mod keys;
#[path = "cli/lines.rs"]
mod lines;
