//! A raw topic gets partitions at run time: its source stops and says so, others go on, and no process starts any more.

use sivcar::record::Partition;
use sivcar::stream::error::{EXIT_CONFIG, Error};

use crate::admin;
use crate::error_table::row;
use crate::process::{Process, Stage, event};

#[test]
fn a_source_that_grows_stops_alone() {
    let stage = Stage::new("grown", 1);
    stage.create("other", 1, &[]);
    let other = "[policy]\nmax-staleness = \"2s\"\n[[source]]\ntopic = \"grown.other\"\nkind = \"event\"\n\
                 protected = \"grown.other-protected\"\ndead-letters = \"grown.dead\"\n";
    // the client learns of the partition, so that somebody is to work on it
    let config = stage.config("\"topic.metadata.refresh.interval.ms\" = \"500\"", other);
    let process = Process::ready(&config);
    stage.write("raw", 0, [event("before")]);
    stage.write("other", 0, [event("before")]);
    stage.await_count("protected", 1);
    stage.await_count("other-protected", 1);

    admin::grow(&stage.bootstrap, "grown.raw", 2);
    stage.write("raw", 1, [event("astray")]);
    let [more, differ] = ["a raw topic gets more partitions", "partition counts differ"].map(row);
    for partition in ["grown.raw[0]", "grown.raw[1]"] {
        let stopped = format!("Stopped {{ partition: {partition},");
        let told = process.told.await_happening(&[&stopped, "reason: \"source_changed\""]);
        let (_, detail) = told.split_once("detail: \"").expect("it says why");
        let detail = detail.trim_end_matches("\" }");
        // who is first: the worker that got the partition, or whoever asks for all topics from time to time
        let names = [("source", "grown.raw"), ("count", "2"), ("topic", "grown.protected"), ("other", "1")];
        if !differ.is_said(0, detail, &names) {
            more.says(1, detail, &[("partition", "grown.raw[1]"), ("count", "1")]);
        }
    }
    assert_eq!(more.then, "sivcar_task_stops_total");
    assert!(process.told.measures("sivcar_task_stops_total{reason=\"source_changed\",source=\"grown.raw\"} 2"));
    assert!(process.told.measures("sivcar_task_open{partition=\"0\",source=\"grown.raw\"} 0"));

    stage.write("raw", 0, [event("after")]);
    stage.write("other", 0, [event("after")]);
    stage.await_count("other-protected", 2);
    assert!(process.told.measures("sivcar_task_open{partition=\"0\",source=\"grown.other\"} 1"));
    let told = process.told.clone();
    assert_eq!(process.stop(), Ok(()));

    let error = Process::start(&config).err().expect("it does not start");
    assert!(matches!(&error, Error::Topics(text) if text.contains("grown.raw has 2 partitions")), "{error:?}");
    assert_eq!(error.exit_code(), EXIT_CONFIG);

    let mut checker = stage.checker(&config);
    let after = stage.read("raw").iter().filter(|fetched| fetched.partition.number == 0).nth(1).expect("two").offset;
    checker.unread.extend([(Partition::new("grown.raw", 0), after), (Partition::new("grown.raw", 1), 0)]);
    let said = [("a process".to_owned(), told.text().into_bytes())];
    let report = checker.check(&stage.dump(), &said).expect("all is right");
    assert_eq!((report.inputs, report.protected), (3, 3));
}
