//! sivcar, an AES-SIV sidecar for Apache Kafka.

pub mod cli;
pub mod config;
pub mod http;
pub mod kafka;
pub mod keys;
pub mod memory;
pub mod privacy;
pub mod record;
pub mod secret;
pub mod stream;
pub mod telemetry;
