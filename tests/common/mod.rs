//! What the integration tests share.

pub mod canary;
pub mod checks;
pub mod documents;
pub mod reference;
