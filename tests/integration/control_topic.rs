//! The control topic is re-created or truncated: what runs stops, and nothing starts any more.

use sivcar::config::Config;
use sivcar::record::Partition;
use sivcar::stream::error::{EXIT_POLICY_WENT_BACKWARDS, Error};
use sivcar::stream::log::Fetched;

use crate::admin;
use crate::process::{Process, Stage, event};

/// A process that has protected two records, and the control topic as it was.
fn begun(stage: &Stage, config: &Config) -> (Process, Vec<Fetched>) {
    let process = Process::ready(config);
    stage.write("raw", 0, [event("first"), event("second")]);
    stage.await_count("protected", 2);
    let control = stage.read("control");
    assert_eq!(control.len(), 5, "incarnation, mark, key, primary and the view's pin");
    (process, control)
}

#[track_caller]
fn went_backwards(result: Result<(), Error>) {
    let error = result.expect_err("it stops");
    assert!(matches!(error, Error::PolicyWentBackwards(_)), "{error:?}");
    assert_eq!(error.exit_code(), EXIT_POLICY_WENT_BACKWARDS);
    assert!(error.to_string().starts_with("policy_went_backwards: "), "{error}");
}

/// Nobody protects what came after the accident, and nothing of it is anywhere.
fn nothing_more(stage: &Stage, config: &Config, control: &[Fetched]) {
    stage.write("raw", 0, [event("third")]);
    for _ in 0..2 {
        // the first of these writes an incarnation of its own; that makes nothing right
        went_backwards(Process::start(config).expect("the topics are there").end());
    }
    let third = stage.read("raw").pop().expect("three").offset;
    let mut dump = stage.dump();
    let now = dump.committed.insert(stage.topic("control"), control.to_vec()).expect("it is there again");
    let nonce = |records: &[Fetched]| records[0].record.value.clone();
    assert_ne!(nonce(&now), nonce(control), "the fault occurred: another incarnation");
    let mut checker = stage.checker(config);
    checker.unread.insert(Partition::new(stage.topic("raw"), 0), third);
    let report = checker.check(&dump, &[]).expect("all is right");
    assert_eq!((report.inputs, report.protected), (2, 2));
}

#[test]
fn a_recreated_control_topic_stops_everything() {
    let stage = Stage::new("recreated", 1);
    let config = stage.config("", "[policy]\nmax-staleness = \"2s\"");
    let (process, control) = begun(&stage, &config);
    admin::delete_topic(&stage.bootstrap, &stage.topic("control"));
    // whoever starts does not create it; somebody else does
    went_backwards(Process::start(&config).map(drop));
    stage.create("control", 1, &[("cleanup.policy", "compact")]);
    // as long as before at once, so that its end alone tells nothing
    went_backwards(Process::start(&config).expect("the topics are there").end());
    assert_eq!(stage.read("control").len(), control.len());
    went_backwards(process.end());
    nothing_more(&stage, &config, &control);
}

#[test]
fn a_deleted_control_topic_stops_what_runs() {
    let stage = Stage::new("deleted", 1);
    let config = stage.config("", "[policy]\nmax-staleness = \"2s\"");
    let (process, control) = begun(&stage, &config);
    admin::delete_topic(&stage.bootstrap, &stage.topic("control"));
    went_backwards(process.end());
    went_backwards(Process::start(&config).map(drop));
    stage.create("control", 1, &[("cleanup.policy", "compact")]);
    nothing_more(&stage, &config, &control);
}

#[test]
fn a_truncated_control_topic_stops_everything() {
    let stage = Stage::new("truncated", 1);
    let config = stage.config("", "");
    let (process, control) = begun(&stage, &config);
    let topic = stage.topic("control");
    // the broker deletes no records of a compacted topic, until somebody makes it another one for a moment
    admin::set(&stage.bootstrap, &topic, &[("cleanup.policy", "delete")]);
    admin::truncate(&stage.bootstrap, &topic, rdkafka::Offset::End);
    admin::set(&stage.bootstrap, &topic, &[("cleanup.policy", "compact")]);
    assert!(stage.read("control").is_empty());
    went_backwards(process.end());
    nothing_more(&stage, &config, &control);
}
