//! Properties of the pure core, each against an oracle that shares no code with it.

#[path = "../common/mod.rs"]
mod common;

mod allocations;
mod bounds;
mod canonical;
mod control;
mod detection;
mod entered;
mod hidden;
mod jwt;
mod path;
mod protect;
mod scan;
mod seal;
mod synthetic;
