//! Transactions: together or not at all, fenced, over their time, refused.

use sivcar::record::Record;
use sivcar::stream::log::{Consumer, Producer};

use super::*;

pub fn outputs_and_offsets_appear_together_or_not_at_all<R: Rig>(rig: &R) {
    both(rig, |rig, commits| {
        let (raw, out) = (create(rig, "raw", &[]), create(rig, "out", &[]));
        let (mut consumer, mut producer) = (member(rig, &raw), ready(rig.log(), &own(rig, "id")));
        assert_eq!(consumer.committed(from_ref(&raw)), Ok(vec![None]));
        let membership = consumer.membership().expect("a member");
        begin(&mut producer, &to(&out, "a"));
        producer.produce(&to(&out, "b")).expect("staged");
        producer.drain().expect("acknowledged");
        assert_eq!(ends_of(&mut consumer, &out), (0, 0, 2));
        producer.send_offsets(&position(&raw, 7, "1;policy=7;control=ab;txn=ż"), &membership).expect("offsets");
        fails!(Retry, consumer.committed(from_ref(&raw)));
        assert!(committed_values(rig, &out.topic).is_empty());
        if commits { producer.commit() } else { producer.abort() }.expect("ended");
        let position = committed(&mut consumer, &raw);
        assert_eq!(position, at(7, "1;policy=7;control=ab;txn=ż").filter(|_| commits));
        let seen: &[&str] = if commits { &["a", "b"] } else { &[] };
        shows(rig, &out.topic, seen);
        assert_eq!(all_values(rig, &out.topic), ["a", "b"]);
        // two records and a marker
        assert_eq!(ends_of(&mut consumer, &out), (0, 3, 3));
    });
}

pub fn the_very_first_transaction_may_be_aborted<R: Rig>(rig: &R) {
    let (raw, out) = (create(rig, "raw", &[]), create(rig, "out", &[]));
    let (mut consumer, mut producer) = (member(rig, &raw), ready(rig.log(), &own(rig, "id")));
    let membership = consumer.membership().expect("a member");
    // with a record that nobody has acknowledged yet, and with nothing at all
    producer.begin().expect("begins");
    producer.produce(&to(&out, "aborted")).expect("staged");
    producer.abort().expect("aborted");
    producer.begin().and_then(|()| producer.abort()).expect("nothing was staged");
    assert_eq!(committed(&mut consumer, &raw), None);
    begin(&mut producer, &to(&out, "committed"));
    producer.send_offsets(&position(&raw, 0, "first"), &membership).expect("offsets");
    producer.commit().expect("committed");
    assert_eq!(committed(&mut consumer, &raw), at(0, "first"));
    shows(rig, &out.topic, &["committed"]);
}

pub fn the_next_producer_of_an_id_aborts_and_fences_the_last<R: Rig>(rig: &R) {
    let (raw, out) = (create(rig, "raw", &[]), create(rig, "out", &[]));
    let (id, mut consumer) = (own(rig, "id"), member(rig, &raw));
    let membership = consumer.membership().expect("a member");
    let mut zombie = ready(rig.log(), &id);
    begin(&mut zombie, &to(&out, "zombie"));
    let mut heir = ready(rig.log(), &id);
    let sent = zombie.send_offsets(&position(&raw, 1, "zombie"), &membership);
    fails!(Fenced, sent.and_then(|()| zombie.commit()));
    begin(&mut heir, &to(&out, "heir"));
    heir.send_offsets(&position(&raw, 1, "heir"), &membership).expect("offsets");
    heir.commit().expect("committed");
    assert_eq!(committed(&mut consumer, &raw), at(1, "heir"));
    shows(rig, &out.topic, &["heir"]);
    assert_eq!(ends_of(&mut consumer, &out), (0, 4, 4));
    let mut last = ready(rig.log(), &id);
    // fenced without anything open
    fails!(Fenced, heir.begin().and_then(|()| heir.produce(&to(&out, "late"))).and_then(|()| heir.commit()));
    last.begin().and_then(|()| last.abort()).expect("it is the last");
    shows(rig, &out.topic, &["heir"]);
}

pub fn a_crash_leaves_its_transaction_to_the_next_producer<R: Rig>(rig: &R) {
    let (raw, out) = (create(rig, "raw", &[]), create(rig, "out", &[]));
    let (id, mut consumer) = (own(rig, "id"), member(rig, &raw));
    let mut first = ready(rig.log(), &id);
    begin(&mut first, &to(&out, "crashed"));
    let membership = consumer.membership().expect("a member");
    first.send_offsets(&position(&raw, 1, "crashed"), &membership).expect("offsets");
    drop(first);
    assert_eq!(ends_of(&mut consumer, &out), (0, 0, 1));
    fails!(Retry, consumer.committed(from_ref(&raw)));
    drop(ready(rig.log(), &id));
    assert_eq!(committed(&mut consumer, &raw), None);
    eventually("the marker", || (ends_of(&mut consumer, &out) == (0, 2, 2)).then_some(()));
    assert!(committed_values(rig, &out.topic).is_empty());
}

pub fn a_transaction_that_times_out_is_aborted_and_its_producer_fenced<R: Rig>(rig: &R) {
    both(rig, |rig, commits| {
        let (raw, out) = (create(rig, "raw", &[]), create(rig, "out", &[]));
        let (id, mut consumer) = (own(rig, "id"), member(rig, &raw));
        let mut hanging = ready(rig.hasty(), &id);
        begin(&mut hanging, &to(&out, "hanging"));
        rig.append(&out, &[record("behind it")]);
        let (mut reader, mut batch) = (rig.log().reader(&out.topic, None).expect("can be read"), Vec::new());
        assert_eq!((read_up(&mut reader, &mut batch), batch.len()), (vec![0], 0));
        rig.let_time_pass(&id);
        eventually("its end", || (ends_of(&mut consumer, &out) == (0, 3, 3)).then_some(()));
        assert_eq!((read_up(&mut reader, &mut batch), offsets(&batch)), (vec![3], vec![1]));
        fails!(Fenced, if commits { hanging.commit() } else { hanging.abort() });
        drop(hanging);
        let mut heir = ready(rig.log(), &id);
        begin(&mut heir, &to(&out, "heir"));
        heir.commit().expect("committed");
        shows(rig, &out.topic, &["behind it", "heir"]);
    });
}

pub fn a_record_that_is_refused_fails_its_transaction_alone<R: Rig>(rig: &R) {
    let narrow = create(rig, "narrow", &[("max.message.bytes", "2000"), ("cleanup.policy", "compact")]);
    let out = create(rig, "out", &[]);
    let mut producer = ready(rig.log(), &own(rig, "id"));
    // numbers do not compress much
    let large = Record { value: Some((0..5000_u32).flat_map(u32::to_le_bytes).collect()), ..record("") };
    for refused in [large, Record { key: None, ..record("a compacted topic wants a key") }] {
        begin(&mut producer, &to(&out, "beside it"));
        producer.produce(&record_to(&narrow, refused)).expect("staged");
        fails!(Refused, producer.drain());
        fails!(Refused, producer.commit());
        producer.abort().expect("aborted");
        // the next one may fail yet: a client counts the records that it sent, and the broker those that it took
        eventually("a transaction after it", || {
            begin(&mut producer, &to(&out, "good"));
            producer.produce(&to(&narrow, "good")).expect("staged");
            match producer.commit() {
                Err(Fault::Abort(_)) => producer.abort().map(|()| None),
                told => told.map(Some),
            }
            .expect("ended")
        });
    }
    shows(rig, &out.topic, &["good", "good"]);
    shows(rig, &narrow.topic, &["good", "good"]);
}
