//! Scenarios 16 to 18: what becomes of marks whose control records are altered, withdrawn, made again, or compacted away, and of
//! profiles that a live patch reaches before the walk does. Whatever it is, the set of (profile, since) is exact.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::Value;
use sivcar::stream::log::Fetched;

use crate::admin;
use crate::dump;
use crate::patience::eventually;
use crate::profiles::{
    self, BACKFILLED, Told, assert_told, gone, key, mark, run, sealed, sinces, told, unmark, user, walked,
};
use crate::site::Site;

const PROFILES: u64 = 400;

const CONTROL: &str = "g.control";

/// Compacts whatever is not in the newest segment, begins a new segment with nearly every batch, and keeps no withdrawal.
const EAGER: [(&str, &str); 5] = [
    ("cleanup.policy", "compact"),
    ("min.cleanable.dirty.ratio", "0.001"),
    ("max.compaction.lag.ms", "100"),
    ("segment.ms", "100"),
    ("delete.retention.ms", "0"),
];

/// Whether a profile has the attribute.
fn holds(number: u64, name: &str) -> bool {
    let without_one_in = match name {
        "phone" => 3,
        "city" => 7,
        _ => 10,
    };
    !number.is_multiple_of(without_one_in)
}

fn profile(number: u64) -> (i32, sivcar::record::Record) {
    let held = ["email", "phone", "city", "street", "badge"].into_iter().filter(|name| holds(number, name));
    let attributes: BTreeMap<&str, String> = held.map(|name| (name, value(number, name))).collect();
    user(number, &serde_json::to_string(&attributes).expect("texts"))
}

fn value(number: u64, name: &str) -> String {
    format!("{name}-{number}")
}

fn holders(name: &str) -> BTreeSet<Vec<u8>> {
    (0..PROFILES).filter(|number| holds(*number, name)).map(key).collect()
}

/// The control records that a client gets, by offset.
fn control(site: &Site) -> BTreeMap<i64, Fetched> {
    let all = dump::committed(&site.broker.bootstrap, CONTROL);
    all.into_iter().map(|fetched| (fetched.offset, fetched)).collect()
}

/// Appends what no `read_committed` client ever sees: the newest segment, which is never compacted, becomes another.
fn append_nothing(site: &Site) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &site.broker.bootstrap)
        .set("transactional.id", "nothing")
        .create()
        .expect("a producer can be made");
    let patience = Duration::from_secs(20);
    producer.init_transactions(patience).expect("opens");
    producer.begin_transaction().expect("begins");
    producer.send(BaseRecord::to(CONTROL).partition(0).key("nothing").payload("nothing")).expect("is queued");
    producer.flush(patience).expect("the broker takes it");
    producer.abort_transaction(patience).expect("aborts");
}

/// Marks, withdraws, marks again, alters, and marks three attributes at once; gives who must have been told of since when, the first
/// two of which have another control record now.
fn mark_again_and_again(site: &Site) -> Told {
    let first = mark(site, "email", BACKFILLED);
    let withdrawn = unmark(site, "email");
    let again = mark(site, "email", "");
    let edited = mark(site, "email", "--level 100");
    let three = ["phone", "city", "street"];
    let section = |name: &str| format!("[[mark]]\nworkspace = \"acme\"\non = \"attribute\"\nname = \"{name}\"\n");
    fs::write(site.path("three.toml"), three.map(section).concat()).expect("the folder can be written");
    run(site, &format!("mark --config any.toml --from three.toml {BACKFILLED}"));
    let times: Vec<i64> = control(site).values().rev().take(3).filter_map(|mark| mark.record.timestamp).collect();
    assert!(times.len() == 3 && times[0] - times[2] < 1000, "three marks in one second: {times:?}");
    let sinces = sinces(site);
    assert!(first < withdrawn && withdrawn < again && again < edited);
    let mut expected = Told::from([(first, holders("email")), (again, holders("email"))]);
    expected.extend(three.map(|name| (sinces[name], holders(name))));
    assert_eq!(expected.len(), 5);
    assert_told(&told(site), &expected);
    assert_eq!(sinces["email"], again, "a level is no news");
    expected
}

/// Waits until the cleaner has removed the records at `superseded`; gives the whole topic as it was.
fn compact(site: &Site, superseded: &[u64]) -> BTreeMap<i64, Fetched> {
    let whole = control(site);
    let stands = |whole: &BTreeMap<i64, Fetched>, version: u64| whole.contains_key(&(version.cast_signed() - 1));
    assert!(superseded.iter().all(|version| stands(&whole, *version)));
    admin::set(&site.broker.bootstrap, CONTROL, &EAGER);
    eventually("compaction", || {
        append_nothing(site);
        std::thread::sleep(Duration::from_millis(200));
        let left = control(site);
        (!superseded.iter().any(|version| stands(&left, *version))).then_some(())
    });
    admin::set(&site.broker.bootstrap, CONTROL, &[("cleanup.policy", "compact")]);
    whole
}

/// Marks `badge` and patches every second profile while nobody is there: whoever starts then has patches to process and a walk to
/// make at once. Gives the since.
fn patch_before_the_walk(site: &Site) -> u64 {
    let since = mark(site, "badge", "");
    let patch = |number: u64| match number % 8 {
        0 => user(number, "{\"badge\":\"another\"}"),
        2 => user(number, "{\"badge\":null}"),
        4 => gone(number),
        _ => user(number, "{\"n\":1}"),
    };
    site.feed("users", (0..PROFILES).step_by(2).map(patch));
    since
}

/// Each was told of the value it had before any patch; some by the patch, some by the walk.
fn assert_both_settle(site: &Site, since: u64) {
    let events = profiles::synthetic(site, "protected.events").into_iter().filter(|(of, _)| *of == since);
    for (_, event) in events {
        let id = String::from_utf8(event.record.key.expect("a key")).expect("is text");
        let event: Value = serde_json::from_slice(&event.record.value.expect("a value")).expect("is JSON");
        let before = value(id.parse().expect("a number"), "badge");
        assert_eq!(event["params"]["attributes"]["badge"], sealed(site, "badge", &before), "{id}");
    }
    let by_walk = &walked(site)[&since];
    let by_patch: Vec<Vec<u8>> = holders("badge").into_iter().filter(|key| !by_walk.contains(key)).collect();
    let patched: BTreeSet<Vec<u8>> = (0..PROFILES).step_by(2).map(key).collect();
    eprintln!("{} settled by the walk, {} by a patch before it", by_walk.len(), by_patch.len());
    assert!(!by_patch.is_empty() && !by_walk.is_empty(), "the fault did not occur");
    assert!(by_patch.iter().all(|key| patched.contains(key)));
}

#[test]
fn each_since_is_told_of_once_whatever_becomes_of_its_mark() {
    let site = profiles::site("workers = 1", "[transaction]\nrecords = 10\n");
    site.feed("users", (0..PROFILES).map(profile));
    site.configure("any");
    let sidecar = site.start("a").ready();
    site.catch_up();
    let mut expected = mark_again_and_again(&site);
    // a withdrawal is the last record, and its version is committed with the tasks' offsets
    let withdrawn = unmark(&site, "city");
    assert_eq!(mark(&site, "street", "--wait applied"), withdrawn);
    sidecar.drain();

    let superseded = [expected.keys().copied().take(2).collect(), vec![withdrawn]].concat();
    let mut history = compact(&site, &superseded);
    let sidecar = site.start("a").ready();
    mark(&site, "nobody", BACKFILLED);
    assert_told(&told(&site), &expected);
    sidecar.drain();

    let since = patch_before_the_walk(&site);
    expected.insert(since, holders("badge"));
    let sidecar = site.start("a").ready();
    site.catch_up();
    assert_eq!(mark(&site, "badge", BACKFILLED), since);
    assert_both_settle(&site, since);
    sidecar.drain();

    let checker = site.checker(&[]);
    let mut dump = dump::dump(&site.broker.bootstrap);
    // what stood there holds for what was written then
    history.extend(control(&site));
    dump.committed.insert(CONTROL.into(), history.into_values().collect());
    let report = checker.check(&dump, &site.said()).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert_eq!((report.inputs, report.protected), (PROFILES + PROFILES / 2, PROFILES + PROFILES / 2));
    assert_told(&report.told, &expected);
}
