//! Two processes with one transactional id: one is fenced and says so by its exit code, and each record has one output.

use sivcar::config::Config;
use sivcar::stream::error::{EXIT_FENCED, Error};

use crate::error_table::row;
use crate::patience::eventually;
use crate::process::{Process, Stage, event};

#[test]
fn a_second_process_of_one_name_fences_the_first() {
    let stage = Stage::new("twins", 2);
    twins(&stage, &stage.config("", ""));
}

#[test]
fn a_second_static_member_of_one_name_fences_the_first() {
    let stage = Stage::new("statics", 2);
    let mut config = stage.config("\"session.timeout.ms\" = \"6000\"\n\"heartbeat.interval.ms\" = \"300\"", "");
    config.instance_is_named = true;
    twins(&stage, &config);
}

fn twins(stage: &Stage, config: &Config) {
    let mut count = 0;
    let mut write = || {
        count += 2;
        stage.write("raw", 0, [event(&format!("a{count}"))]);
        stage.write("raw", 1, [event(&format!("b{count}"))]);
        count
    };
    let first = Process::ready(config);
    write();
    let second = Process::start(config).expect("the topics fit");
    let told = [first.told.clone(), second.told.clone()];
    eventually("one is fenced", || {
        write();
        (!first.runs() || !second.runs()).then_some(())
    });
    let (fenced, other) = if first.runs() { (second, first) } else { (first, second) };
    let error = fenced.end().expect_err("it is fenced");
    assert!(matches!(error, Error::Fenced(_)), "{error:?}");
    assert_eq!(error.exit_code(), EXIT_FENCED);
    row("two processes have one name").ended(
        error.exit_code().into(),
        &format!("sivcar: {error}"),
        &[("group", &stage.group), ("instance", &config.instance)],
    );

    let count = write();
    stage.await_count("protected", count);
    assert!(other.runs(), "one works on");
    let report = stage.check(config, &[&told[0], &told[1]]);
    assert_eq!((report.inputs, report.protected), (count as u64, count as u64));
    assert_eq!(other.stop(), Ok(()));
}
