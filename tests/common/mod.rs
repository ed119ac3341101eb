//! What the integration tests share.

pub mod checks;
pub mod documents;
pub mod reference;
