//! What the integration tests share.

pub mod around;
pub mod canary;
mod canary_tests;
pub mod checks;
pub mod documents;
pub mod expected;
pub mod fixed;
pub mod hidden;
pub mod pipeline;
pub mod reading;
pub mod reference;
pub mod worlds;
