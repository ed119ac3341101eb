//! What is read: bytes and ends as they are, nothing that is not stable, nothing that is gone.

use sivcar::record::{Header, Record};
use sivcar::stream::log::{Consumer, Producer, Reader, TopicFacts};

use super::*;

pub fn records_come_back_as_they_were_written<R: Rig>(rig: &R) {
    let (raw, out) = (create(rig, "raw", &[]), create(rig, "out", &[]));
    let header = |name: &str, value: Option<&[u8]>| Header { name: name.into(), value: value.map(<[u8]>::to_vec) };
    let headers = vec![header("a", Some(b"1")), header("a", None), header("", Some(b"")), header("ż", Some(&[0, 255]))];
    let records = [
        record("plain"),
        Record { key: None, ..record("no key") },
        Record { key: Some(vec![]), ..record("an empty key") },
        Record { value: None, ..record("") },
        Record { value: Some(vec![]), ..record("") },
        Record { headers, ..record("headers") },
        Record { timestamp: Some(1), ..record("an early time") },
        Record { timestamp: Some(-7), ..record("a time before 1970") },
    ];
    rig.append(&raw, &records);
    let (mut consumer, mut producer) = (member(rig, &raw), ready(rig.log(), &own(rig, "id")));
    let batch = read(&mut consumer, records.len());
    assert_eq!(offsets(&batch), (0..8).collect::<Vec<_>>());
    producer.begin().expect("begins");
    for fetched in &batch {
        assert_eq!(fetched.partition, raw);
        producer.produce(&record_to(&out, fetched.record.clone())).expect("staged");
    }
    producer.commit().expect("committed");
    let (mut reader, mut copies) = (rig.log().reader(&out.topic, Some(0)).expect("can be read"), Vec::new());
    eventually("the copies", || {
        read_up(&mut reader, &mut copies);
        (copies.len() >= records.len()).then_some(())
    });
    assert_eq!(offsets(&copies), (0..8).collect::<Vec<_>>());
    for copied in [batch, copies] {
        assert_eq!(copied.into_iter().map(|fetched| fetched.record).collect::<Vec<_>>(), records);
    }
}

pub fn an_open_transaction_of_another_holds_readers_back<R: Rig>(rig: &R) {
    both(rig, |rig, commits| {
        let raw = create(rig, "raw", &[]);
        let (mut consumer, mut other) = (member(rig, &raw), ready(rig.log(), &own(rig, "other")));
        let (mut reader, mut batch) = (rig.log().reader(&raw.topic, None).expect("can be read"), Vec::new());
        rig.append(&raw, &[record("before")]);
        begin(&mut other, &to(&raw, "open"));
        rig.append(&raw, &[record("behind")]);
        assert_eq!(values(&read(&mut consumer, 1)), ["before"]);
        reads_nothing(&mut consumer);
        assert_eq!(ends_of(&mut consumer, &raw), (0, 1, 3));
        assert_eq!((read_up(&mut reader, &mut batch), offsets(&batch)), (vec![1], vec![0]));
        if commits { other.commit() } else { other.abort() }.expect("ended");
        let seen: &[i64] = if commits { &[1, 2] } else { &[2] };
        assert_eq!(offsets(&read(&mut consumer, seen.len())), seen);
        reads_nothing(&mut consumer);
        batch.clear();
        assert_eq!((read_up(&mut reader, &mut batch), &*offsets(&batch)), (vec![4], seen));
        assert_eq!(ends_of(&mut consumer, &raw), (0, 4, 4));
        assert_eq!(offsets(&rig.everything(&raw.topic)), [0, 1, 2]);
    });
}

pub fn a_paused_partition_is_not_read_and_a_seek_decides_where_it_goes_on<R: Rig>(rig: &R) {
    let raw = create(rig, "raw", &[]);
    rig.append(&raw, &[0, 1, 2].map(|number| record(&number.to_string())));
    let mut consumer = member(rig, &raw);
    let raw = [raw];
    assert_eq!(offsets(&read(&mut consumer, 2)), [0, 1]);
    consumer.pause(&raw).expect("paused");
    reads_nothing(&mut consumer);
    consumer.seek(&[(raw[0].clone(), 1)]).expect("sought");
    reads_nothing(&mut consumer);
    consumer.resume(&raw).expect("resumed");
    assert_eq!(offsets(&read(&mut consumer, 2)), [1, 2]);
}

pub fn the_end_is_told_where_a_marker_stands_behind_the_last_record<R: Rig>(rig: &R) {
    let raw = create(rig, "raw", &[]);
    let (mut consumer, mut other) = (member(rig, &raw), ready(rig.log(), &own(rig, "other")));
    begin(&mut other, &to(&raw, "last"));
    other.commit().expect("committed");
    assert_eq!(offsets(&read(&mut consumer, 1)), [0]);
    assert_eq!(ends_of(&mut consumer, &raw), (0, 2, 2));
    eventually("the end is told", || {
        reads_nothing(&mut consumer);
        (consumer.end(&raw) == Some(2)).then_some(())
    });
    consumer.seek(&[(raw.clone(), 0)]).expect("sought");
    assert!(consumer.end(&raw).is_none_or(|end| end == 0), "nothing was given since");
    assert_eq!(offsets(&read(&mut consumer, 1)), [0]);
}

pub fn what_retention_took_unread_is_a_fault<R: Rig>(rig: &R) {
    let raw = create(rig, "raw", &[]);
    rig.append(&raw, &[0, 1, 2, 3].map(|number| record(&number.to_string())));
    let consumer = member(rig, &raw);
    let (mut reader, mut batch) = (rig.log().reader(&raw.topic, None).expect("can be read"), Vec::new());
    assert_eq!(read_up(&mut reader, &mut batch), [4]);
    drop(consumer);
    rig.trim(&raw, 3);
    for gone in [1, 1_000_000] {
        let mut consumer = rig.log().consumer(FIRST, from_ref(&raw.topic)).expect("a consumer can be made");
        assert_eq!(assigned(&mut consumer), from_ref(&raw));
        begin_at(&mut consumer, from_ref(&raw), gone);
        assert_eq!(ends_of(&mut consumer, &raw), (3, 4, 4));
        let fault = eventually("a fault", || consumer.poll(1, WAIT, &mut batch).err());
        assert!(matches!(&fault, Fault::OutOfRange(_, at) if *at == raw), "{fault:?}");
    }
    // who has read it all is told too: a table that lost its beginning is another one
    assert_eq!(batch.len(), 4);
    reader.poll(WAIT, &mut batch).expect("there is nothing to be read");
    fails!(OutOfRange, reader.caught_up());
    shows(rig, &raw.topic, &["3"]);
}

pub fn what_is_not_there_yet_is_to_be_asked_for_again<R: Rig>(rig: &R) {
    let raw = create(rig, "raw", &[]);
    let mut consumer = member(rig, &raw);
    fails!(Retry, consumer.bounds(&Partition::new(raw.topic.clone(), 1)));
    rig.add_partition(&raw.topic);
    assert_eq!(ends_of(&mut consumer, &Partition::new(raw.topic, 1)), (0, 0, 0));
}

pub fn topics_are_as_they_were_made<R: Rig>(rig: &R) {
    let name = own(rig, "kept");
    let settings = [("max.message.bytes", "2000"), ("cleanup.policy", "delete,compact")];
    rig.log().create_topic(&name, 3, &settings).expect("created");
    rig.log().create_topic(&name, 1, &[]).expect("one that exists is no error");
    let facts =
        TopicFacts { partitions: 3, replicas: 1, cleanup_policy: "compact,delete".to_owned(), max_message_bytes: 2000 };
    assert_eq!(rig.log().topic(&name), Ok(Some(facts)));
    let absent = own(rig, "absent");
    assert_eq!(rig.log().topic(&absent), Ok(None));
    fails!(Retry, rig.log().reader(&absent, None));
}
