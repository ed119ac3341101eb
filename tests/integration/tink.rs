//! Scenario 31: a Tink client opens what the cluster wrote.

use sivcar::record::Record;

use crate::site::Site;
use crate::values::{self, Value};
use crate::workshop;

#[test]
fn tink_opens_what_the_cluster_wrote() {
    let Some(workshop) = workshop::python() else { return };
    let site = Site::new("workers = 2", values::SECTIONS);
    site.create("raw", 2);
    let values = values::random(31, 1_000);
    let record = |value: &Value| Record { value: Some(value.event().into_bytes()), ..Record::default() };
    site.feed("raw", values.iter().zip((0..2).cycle()).map(|(value, partition)| (partition, record(value))));
    let sidecar = site.start("a").ready();
    site.catch_up();
    sidecar.drain();

    let (dump, report) = site.dump(&site.checker(&[]));
    assert_eq!((report.inputs, report.protected), (1_000, 1_000));
    // two partitions in turn, each in the order of its input
    let mut outputs = [0, 1].map(|number| {
        let of = dump.committed["protected"].iter().filter(move |output| output.partition.number == number);
        of.map(|output| String::from_utf8(output.record.value.clone().expect("a value")).expect("is text"))
    });
    let documents: Vec<String> = (0..values.len()).filter_map(|index| outputs[index % 2].next()).collect();
    let tokens = values::tokens(&values, &documents);
    values::tink_agrees(&workshop, &site.path("keyset.json"), &values, &tokens);
}
