//! A client of a group that is none of its members, and checks nothing: what librdkafka does, and the adapter never has it do.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use sivcar::record::Partition;
use sivcar::stream::log::{Fault, Outgoing};

use crate::patience::eventually;

/// How long it waits for an answer.
const WAIT: Duration = Duration::from_secs(20);

/// What one shows that never joined the group.
pub fn nobody(config: &ClientConfig) -> ConsumerGroupMetadata {
    let consumer: BaseConsumer = config.create().expect("a consumer");
    consumer.group_metadata().expect("metadata of no member")
}

/// What one shows that was a member, reading `topic`, and has left.
pub fn one_who_left(config: &ClientConfig, topic: &str) -> ConsumerGroupMetadata {
    let member: BaseConsumer = config.create().expect("a consumer");
    member.subscribe(&[topic]).expect("subscribed");
    eventually("it joins", || {
        assert!(member.poll(Duration::from_millis(100)).is_none(), "there is nothing to be read");
        member.assignment().ok().filter(|assignment| assignment.count() > 0)
    });
    member.group_metadata().expect("metadata of a member")
}

/// Commits a record, and offsets in the name of whoever `shown` is, by a client that checks nothing.
pub fn commit(
    bootstrap: &str,
    group: &str,
    record: &Outgoing,
    offsets: &[(Partition, i64, String)],
    shown: impl FnOnce(&ClientConfig) -> ConsumerGroupMetadata,
) -> Result<(), Fault> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("group.id", group);
    let shown = shown(&config);
    config.remove("group.id").set("transactional.id", format!("{group}.stranger"));
    let producer: BaseProducer = config.create().expect("a producer");
    producer.init_transactions(WAIT).expect("opens");
    producer.begin_transaction().expect("begins");
    let mut wire: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&record.topic).partition(0);
    (wire.key, wire.payload) = (record.record.key.as_deref(), record.record.value.as_deref());
    producer.send(wire).map_err(|(error, _)| error).expect("staged");
    producer.flush(WAIT).expect("acknowledged");
    let mut list = TopicPartitionList::new();
    for (partition, offset, text) in offsets {
        list.add_partition_offset(&partition.topic, partition.number, Offset::Offset(*offset)).expect("an offset");
        list.find_partition(&partition.topic, partition.number).expect("it was added").set_metadata(text);
    }
    match producer.send_offsets_to_transaction(&list, &shown, WAIT) {
        Err(KafkaError::Transaction(error)) if error.code() == RDKafkaErrorCode::UnknownMemberId => {
            producer.abort_transaction(WAIT).expect("aborted");
            Err(Fault::Lost(error.to_string()))
        }
        sent => {
            sent.expect("the broker takes it");
            producer.commit_transaction(WAIT).expect("and commits it");
            Ok(())
        }
    }
}
