//! Scenarios on a real Apache Kafka.

mod adapter;
mod broker;
mod broker_works;
mod commands;
mod program;
mod segment;
