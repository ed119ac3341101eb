//! The pure core: values in, values out.

pub mod canonical;
pub mod control;
pub mod error;
pub mod fold;
pub mod keyset;
pub mod mark;
pub mod mask;
pub mod path;
pub mod scan;
pub mod seal;
pub mod settings;
