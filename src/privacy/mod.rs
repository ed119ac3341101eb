//! The pure core: values in, values out.

pub mod automaton;
pub mod canonical;
pub mod clearance;
pub mod control;
pub mod dead_letter;
pub mod error;
pub mod fields;
pub mod fold;
pub mod keyset;
pub mod layout;
pub mod mark;
pub mod mask;
mod page;
pub mod path;
pub mod policy;
pub mod protect;
pub mod protected;
pub mod reveal;
pub mod rules;
pub mod scan;
pub mod seal;
pub mod settings;
pub mod since;
pub mod splice;
pub mod synthetic;
pub mod tally;
pub mod value;
