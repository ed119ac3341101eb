//! The group: who proves what he is, who owns what, and what the proof is worth once that has changed.

use sivcar::stream::log::{Consumer, Producer};

use super::*;

/// The workers that are further members.
const SECOND: usize = 1;
const THIRD: usize = 2;

fn consumer<R: Rig>(rig: &R, worker: usize, topic: &Arc<str>) -> Member<R> {
    rig.log().consumer(worker, from_ref(topic)).expect("a consumer can be made")
}

pub fn membership_is_proved_from_the_first_join_until_one_leaves<R: Rig>(rig: &R) {
    let (raw, out) = (create(rig, "raw", &[]), create(rig, "out", &[]));
    fails!(Lost, consumer(rig, FIRST, &raw.topic).membership());
    let (mut consumer, mut producer) = (member(rig, &raw), ready(rig.log(), &own(rig, "id")));
    let stale = consumer.membership().expect("a member");
    begin(&mut producer, &to(&out, "of a member"));
    producer.send_offsets(&position(&raw, 1, "of a member"), &stale).expect("offsets");
    producer.commit().expect("committed");
    drop(consumer);
    begin(&mut producer, &to(&out, "of nobody"));
    fails!(Lost, producer.send_offsets(&position(&raw, 2, "of nobody"), &stale));
    producer.abort().expect("aborted");
    let mut consumer = member(rig, &raw);
    assert_eq!(committed(&mut consumer, &raw), at(1, "of a member"));
    shows(rig, &out.topic, &["of a member"]);
}

pub fn whoever_is_put_out_of_the_group_lost_all_and_may_join_anew<R: Rig>(rig: &R) {
    let (raw, out) = (create(rig, "raw", &[]), create(rig, "out", &[]));
    let (mut consumer, mut producer) = (member(rig, &raw), ready(rig.log(), &own(rig, "id")));
    let stale = consumer.membership().expect("a member");
    begin(&mut producer, &to(&out, "expelled"));
    rig.expel();
    fails!(Lost, producer.send_offsets(&position(&raw, 1, "expelled"), &stale));
    producer.abort().expect("aborted");
    assert_eq!(rebalance(&mut consumer), Rebalance::Lost(vec![raw.clone()]));
    fails!(Lost, consumer.membership());
    consumer.unassign(from_ref(&raw)).expect("given up");
    assert_eq!(assigned(&mut consumer), from_ref(&raw));
    begin_at(&mut consumer, from_ref(&raw), 0);
    let membership = consumer.membership().expect("a member again");
    begin(&mut producer, &to(&out, "again"));
    producer.send_offsets(&position(&raw, 1, "again"), &membership).expect("offsets");
    producer.commit().expect("committed");
    assert_eq!(committed(&mut consumer, &raw), at(1, "again"));
    shows(rig, &out.topic, &["again"]);
}

/// What `giver` has to give up; the other one gets nothing meanwhile.
fn revoked(giver: &mut impl Consumer, taker: &mut impl Consumer) -> Vec<Partition> {
    let mut batch = Vec::new();
    let found = eventually("a revocation", || {
        assert_eq!(taker.poll(1, Duration::ZERO, &mut batch).expect("no fault"), None);
        giver.poll(1, WAIT, &mut batch).expect("no fault")
    });
    let Rebalance::Revoke(mut going) = found else { panic!("{found:?}") };
    going.sort();
    going
}

/// The partitions that `taker` gets, the giver being served.
fn handed_over(taker: &mut impl Consumer, giver: &mut impl Consumer) -> Vec<Partition> {
    let mut batch = Vec::new();
    let found = eventually("an assignment", || {
        assert_eq!(giver.poll(1, Duration::ZERO, &mut batch).expect("no fault"), None);
        taker.poll(1, WAIT, &mut batch).expect("no fault")
    });
    let Rebalance::Assign(mut partitions) = found else { panic!("{found:?}") };
    partitions.sort();
    partitions
}

pub fn partitions_come_and_go_with_members<R: Rig>(rig: &R) {
    let topic: Arc<str> = own(rig, "raw").into();
    rig.log().create_topic(&topic, 4, &[]).expect("created");
    let mut first = consumer(rig, FIRST, &topic);
    let all = assigned(&mut first);
    assert_eq!(all, [0, 1, 2, 3].map(|number| Partition::new(topic.clone(), number)));
    begin_at(&mut first, &all, 0);
    // a pause ends with the assignment
    first.pause(&all).expect("paused");
    let mut second = consumer(rig, SECOND, &topic);
    let going = revoked(&mut first, &mut second);
    assert_eq!(going.len(), 2);
    // until the answer nobody else has them
    reads_nothing(&mut second);
    first.unassign(&going).expect("given back");
    assert_eq!(handed_over(&mut second, &mut first), going);
    fails!(Lost, first.assign(&[(going[0].clone(), 0)]));
    // unanswered, and yet the group is served: the second leaves, and the first gets them back
    drop(second);
    assert_eq!(assigned(&mut first), going);
    begin_at(&mut first, &going, 0);
    rig.append(&going[0], &[record("after all")]);
    assert_eq!(values(&read(&mut first, 1)), ["after all"]);

    // a member that goes with its revocation unanswered
    let mut third = consumer(rig, THIRD, &topic);
    assert_eq!(revoked(&mut first, &mut third).len(), 2);
    drop(first);
    let mut had = Vec::new();
    while had.len() < 4 {
        had.extend(assigned(&mut third));
    }
    had.sort();
    assert_eq!(had, all);
}

/// As soon as the next one is through; while it is under way a broker may take them yet, for nobody else has the partitions.
pub fn offsets_of_a_past_generation_are_refused<R: Rig>(rig: &R) {
    let topic: Arc<str> = own(rig, "raw").into();
    rig.log().create_topic(&topic, 2, &[]).expect("created");
    let (mut first, mut producer) = (consumer(rig, FIRST, &topic), ready(rig.log(), &own(rig, "id")));
    let both = assigned(&mut first);
    begin_at(&mut first, &both, 0);
    let stale = first.membership().expect("a member");
    let mut second = consumer(rig, SECOND, &topic);
    let going = revoked(&mut first, &mut second);
    first.unassign(&going).expect("given back");
    assert_eq!(handed_over(&mut second, &mut first), going);
    let kept = both.into_iter().find(|partition| !going.contains(partition)).expect("one of two");
    producer.begin().expect("begins");
    fails!(Lost, producer.send_offsets(&position(&kept, 1, "past"), &stale));
    producer.abort().expect("aborted");
    let membership = first.membership().expect("a member");
    producer.begin().expect("begins");
    producer.send_offsets(&position(&kept, 1, "now"), &membership).expect("offsets");
    producer.commit().expect("committed");
    assert_eq!(committed(&mut first, &kept), at(1, "now"));
}

pub fn offsets_of_nobody_are_taken_unchecked_and_an_empty_list_asks_nobody<R: Rig>(rig: &R) {
    let (raw, out) = (create(rig, "raw", &[]), create(rig, "out", &[]));
    let taken = |who, offset: Option<i64>| {
        let offsets: Vec<_> = offset.into_iter().map(|offset| (raw.clone(), offset, "stranger".to_owned())).collect();
        rig.commit_as(who, &to(&out, &format!("{who:?} {offset:?}")), &offsets)
    };
    fails!(Lost, taken(Stranger::Left, Some(1)));
    taken(Stranger::Left, None).expect("nobody is asked");
    taken(Stranger::Nobody, Some(2)).expect("nobody is looked for");
    let mut consumer = member(rig, &raw);
    assert_eq!(committed(&mut consumer, &raw), at(2, "stranger"));
    shows(rig, &out.topic, &["Left None", "Nobody Some(2)"]);
}

pub fn what_comes_into_being_is_assigned_to_those_who_read_it<R: Rig>(rig: &R) {
    let (raw, later) = (create(rig, "raw", &[]), Partition::new(own(rig, "later"), 0));
    let mut consumer =
        rig.log().consumer(FIRST, &[raw.topic.clone(), later.topic.clone()]).expect("a consumer can be made");
    assert_eq!(assigned(&mut consumer), from_ref(&raw));
    begin_at(&mut consumer, from_ref(&raw), 0);
    // what others read is nothing to this group, nor is what it has already
    let membership = consumer.membership().expect("a member");
    create(rig, "other", &[]);
    create(rig, "raw", &[]);
    reads_nothing(&mut consumer);
    let mut producer = ready(rig.log(), &own(rig, "id"));
    producer.begin().expect("begins");
    producer.send_offsets(&position(&raw, 0, ""), &membership).expect("offsets");
    producer.commit().expect("committed");

    create(rig, "later", &[]);
    assert_eq!(assigned(&mut consumer), from_ref(&later));
    begin_at(&mut consumer, from_ref(&later), 0);
    rig.add_partition(&raw.topic);
    assert_eq!(assigned(&mut consumer), [Partition::new(raw.topic.clone(), 1)]);
}
