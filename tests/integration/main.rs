//! Scenarios on a real Apache Kafka.

mod broker;
mod broker_works;
