//! The pure core: values in, values out.

pub mod error;
pub mod fold;
pub mod path;
pub mod scan;
