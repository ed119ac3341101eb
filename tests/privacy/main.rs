//! Properties of the pure core, each against an oracle that shares no code with it.

#[path = "../common/mod.rs"]
mod common;

mod canonical;
mod path;
mod scan;
