//! The pure core: values in, values out.

pub mod canonical;
pub mod error;
pub mod fold;
pub mod keyset;
pub mod mask;
pub mod path;
pub mod scan;
pub mod seal;
