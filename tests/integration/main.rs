//! Scenarios on a real Apache Kafka.

#[path = "../common/canary.rs"]
mod canary;
#[path = "../common/checker.rs"]
mod checker;
#[path = "../common/checker_tests.rs"]
mod checker_tests;
#[path = "../common/error_table.rs"]
#[allow(dead_code)] // the whole table is for others
mod error_table;
#[path = "../common/hidden.rs"]
mod hidden_places;
#[path = "../segment/judge.rs"]
mod judge;
#[path = "../segment/lexer.rs"]
mod lexer;
#[path = "../common/patience.rs"]
mod patience;
#[path = "../seam/mod.rs"]
mod seam;
#[path = "../common/states_tests.rs"]
mod states_tests;
#[path = "../interop/values.rs"]
mod values;
#[path = "../interop/workshop.rs"]
mod workshop;

mod adapter;
mod admin;
mod backfill;
mod backfill_kills;
mod between_steps;
mod broker;
mod broker_works;
mod commands;
mod compaction;
mod control_topic;
mod demo;
mod doomed;
mod doubled;
mod dump;
mod enforced;
mod errors;
mod first_join;
mod forbidden;
mod full_disk;
mod held;
mod hidden;
mod idle_commit;
mod keysets;
mod kills;
mod lagging;
mod load;
mod moves;
mod outcomes;
mod partitions;
mod process;
mod profiles;
mod promises;
mod proxy;
mod refused;
mod remarks;
mod restores;
mod scaling;
mod segment;
mod sidecar;
mod site;
mod static_members;
mod stranger;
mod tink;
mod watched;
mod zombies;
