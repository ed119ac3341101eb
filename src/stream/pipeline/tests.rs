//! What a record becomes: its outputs, or one dead letter that opens again.

use super::*;
use crate::privacy::keyset::{Entry, Keyring, Keyset};
use crate::privacy::seal::Sealer;
use crate::record::{Header, Partition, Record};
use crate::stream::fixture::{document, keyset, plan, snapshot};

fn input(record: Record) -> Fetched {
    Fetched { partition: Partition::new("raw", 1), offset: 5, record }
}

fn pipeline(keyring: Keyring) -> Pipeline {
    let snapshot = Snapshot { keyring: Arc::new(keyring), ..snapshot(9) };
    Pipeline::new(Arc::new(snapshot), "g", plan().routes, Arc::new(facts(BTreeMap::new())))
}

fn facts(limits: BTreeMap<Arc<str>, usize>) -> Facts {
    Facts { limits, sources: vec![Ok(2)], partitions: vec![2] }
}

fn with_default() -> Pipeline {
    pipeline(Keyring::new(Some(keyset()), BTreeMap::new()))
}

fn limits(protected: usize, dead: usize) -> BTreeMap<Arc<str>, usize> {
    BTreeMap::from([("protected".into(), protected), ("dead".into(), dead)])
}

/// The only output, and the reason it was rejected for, if it was.
fn only(
    pipeline: &mut Pipeline,
    record: &Record,
    treatment: Treatment,
    limits: &BTreeMap<Arc<str>, usize>,
) -> (Outgoing, Option<Reason>) {
    let (mut outputs, mut tally) = (Vec::new(), BatchTally::default());
    pipeline.measure_by(Arc::new(facts(limits.clone())));
    pipeline.process(0, &input(record.clone()), treatment, None, &mut outputs, &mut tally).unwrap();
    assert_eq!((outputs.len(), tally.records()), (1, 1));
    let reason = tally.sources[&0].rejected.keys().next().copied();
    (outputs.remove(0), reason)
}

fn header(record: &Record, name: &str) -> String {
    let header = record.headers.iter().find(|header| header.name == name).expect("the header is there");
    String::from_utf8(header.value.clone().unwrap()).unwrap()
}

#[test]
fn a_record_keeps_its_partition_and_carries_the_policys_version() {
    let (output, reason) = only(&mut with_default(), &document("a"), Treatment::Protect, &limits(9999, 9999));
    assert_eq!((&*output.topic, output.partition, reason), ("protected", Some(1), None));
    assert_eq!(output.record.value, document("a").value);
    assert_eq!(header(&output.record, "sivcar-policy"), "9");
}

#[test]
fn what_cannot_be_read_becomes_a_dead_letter_that_opens_again() {
    let headers = vec![Header { name: "h".into(), value: None }];
    let record = Record { key: Some(b"k".to_vec()), value: Some(b"{\"a\":".to_vec()), headers, timestamp: None };
    let (letter, reason) = only(&mut with_default(), &record, Treatment::Protect, &limits(9999, 9999));
    assert_eq!((&*letter.topic, letter.partition, reason), ("dead", None, Some(Reason::JsonSyntax)));
    assert_eq!(
        (header(&letter.record, "sivcar-reason"), header(&letter.record, "sivcar-policy")),
        ("json_syntax".into(), "9".into())
    );
    let mut sealer = Sealer::new(&keyset());
    assert_eq!(dead_letter::open(&mut sealer, "g", &letter.record), Ok(record));
}

#[test]
fn an_output_that_its_topic_would_not_take_is_never_staged() {
    let (output, _) = only(&mut with_default(), &document("a"), Treatment::Protect, &limits(9999, 9999));
    let bytes = wire_bytes(&output.record);
    let fitting = only(&mut with_default(), &document("a"), Treatment::Protect, &limits(bytes, 9999));
    assert_eq!(fitting.1, None);
    let (letter, reason) = only(&mut with_default(), &document("a"), Treatment::Protect, &limits(bytes - 1, 9999));
    assert_eq!((&*letter.topic, reason), ("dead", Some(Reason::OutputTooLarge)));
    let mut sealer = Sealer::new(&keyset());
    assert_eq!(dead_letter::open(&mut sealer, "g", &letter.record), Ok(document("a")));
}

#[test]
fn a_dead_letter_that_is_too_large_keeps_a_keyed_hash() {
    let (letter, reason) = only(&mut with_default(), &document("a"), Treatment::Protect, &limits(10, 300));
    assert_eq!((reason, letter.record.value.as_ref().map(Vec::len)), (Some(Reason::OutputTooLarge), Some(21)));
    assert!(dead_letter::is_of(&mut Sealer::new(&keyset()), "g", &letter.record, &document("a")));
}

#[test]
fn what_the_broker_refused_is_a_dead_letter_whole_then_short() {
    for (treatment, whole) in [(Treatment::Reject, true), (Treatment::RejectShort, false)] {
        let (letter, reason) = only(&mut with_default(), &document("a"), treatment, &limits(9999, 9999));
        assert_eq!(reason, Some(Reason::BrokerRefused));
        assert_eq!(dead_letter::open(&mut Sealer::new(&keyset()), "g", &letter.record).is_ok(), whole);
    }
}

#[test]
fn a_workspaces_dead_letters_are_sealed_under_its_own_keyset() {
    let own = Arc::new(Keyset::generate(&[8; 64], 2));
    let entries = BTreeMap::from([("acme".to_owned(), Entry::Present(own.clone()))]);
    let mut pipeline = pipeline(Keyring::new(Some(keyset()), entries));
    let (letter, _) = only(&mut pipeline, &document("a"), Treatment::Reject, &limits(9999, 9999));
    assert_eq!(dead_letter::open(&mut Sealer::new(&own), "g", &letter.record), Ok(document("a")));
    let nameless = Record { value: Some(b"{}".to_vec()), ..Record::default() };
    let (letter, _) = only(&mut pipeline, &nameless, Treatment::Protect, &limits(9999, 9999));
    assert_eq!(dead_letter::open(&mut Sealer::new(&keyset()), "g", &letter.record), Ok(nameless));
}

#[test]
fn a_missing_keyset_is_never_replaced_by_anothers() {
    let entries = BTreeMap::from([("acme".to_owned(), Entry::Missing)]);
    let mut pipeline = pipeline(Keyring::new(Some(keyset()), entries));
    let (letter, reason) = only(&mut pipeline, &document("a"), Treatment::Protect, &limits(9999, 9999));
    assert_eq!((reason, letter.record.value), (Some(Reason::KeysetMissing), None));
}
