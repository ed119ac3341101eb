//! Scenarios on a real Apache Kafka.

#[path = "../common/canary.rs"]
mod canary;
#[path = "../common/checker.rs"]
mod checker;
#[path = "../common/checker_tests.rs"]
mod checker_tests;
#[path = "../segment/judge.rs"]
mod judge;
#[path = "../segment/lexer.rs"]
mod lexer;
#[path = "../interop/values.rs"]
mod values;
#[path = "../interop/workshop.rs"]
mod workshop;

mod adapter;
mod between_steps;
mod broker;
mod broker_works;
mod commands;
mod demo;
mod doomed;
mod dump;
mod kills;
mod segment;
#[allow(dead_code)] // scenarios use different parts
mod sidecar;
mod tink;
