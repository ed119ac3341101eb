//! Every record of every topic of a cluster, read by plain consumers that share no code with the adapter.
//!
//! A dump is taken when no transaction is open any more, so that both kinds of readers get to the end. Kafka's own topics are in
//! it too, as `read_uncommitted` clients see them: nobody may find a value there either.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sivcar::record::{Header, Partition, Record};
use sivcar::stream::log::Fetched;

use crate::checker::{Dump, Topics};
use crate::patience::eventually;

/// How long one request or poll may take.
const WAIT: Duration = Duration::from_secs(10);

/// Reads all topics of the cluster, once every transaction has ended.
pub fn dump(bootstrap: &str) -> Dump {
    dump_of(bootstrap, |_| true)
}

/// The same of the topics that `is_ours` says, where others use the cluster too.
pub fn dump_of(bootstrap: &str, is_ours: impl Fn(&str) -> bool) -> Dump {
    let (committed, uncommitted) = (reader(bootstrap, "read_committed"), reader(bootstrap, "read_uncommitted"));
    let mut partitions = partitions(&uncommitted);
    partitions.retain(|partition| is_ours(&partition.topic));
    eventually("the end of every transaction", || {
        let ended = |partition: &&Partition| {
            let ends = [&committed, &uncommitted].map(|client| watermarks(client, partition).1);
            ends[0] == ends[1]
        };
        partitions.iter().filter(|partition| !partition.topic.starts_with("__")).all(|each| ended(&each)).then_some(())
    });
    let ours: BTreeSet<Partition> =
        partitions.iter().filter(|partition| !partition.topic.starts_with("__")).cloned().collect();
    Dump { committed: read(&committed, &ours), uncommitted: read(&uncommitted, &partitions) }
}

/// The records of one topic that `read_committed` clients see, as far as it goes now.
pub fn committed(bootstrap: &str, topic: &str) -> Vec<Fetched> {
    read_now(&reader(bootstrap, "read_committed"), topic)
}

/// The records of one topic that `read_uncommitted` clients see, as far as it goes now.
pub fn uncommitted(bootstrap: &str, topic: &str) -> Vec<Fetched> {
    read_now(&reader(bootstrap, "read_uncommitted"), topic)
}

fn read_now(client: &BaseConsumer, topic: &str) -> Vec<Fetched> {
    let ours = partitions(client).into_iter().filter(|partition| &*partition.topic == topic).collect();
    read(client, &ours).remove(topic).unwrap_or_default()
}

/// Whether the topic holds aborted records: ones that `read_committed` clients pass over on their way to later ones.
pub fn has_aborted(bootstrap: &str, topic: &str) -> bool {
    let all = uncommitted(bootstrap, topic);
    let place = |fetched: &Fetched| (fetched.partition.number, fetched.offset);
    let committed: BTreeSet<(i32, i64)> = committed(bootstrap, topic).iter().map(place).collect();
    let is_passed = |(number, offset)| committed.range((number, offset)..=(number, i64::MAX)).next().is_some();
    all.iter().map(place).any(|place| !committed.contains(&place) && is_passed(place))
}

/// How many records and markers stand in the topic: the sum of its high watermarks. 0 where there is no such topic.
pub fn length(bootstrap: &str, topic: &str) -> i64 {
    let client = reader(bootstrap, "read_uncommitted");
    let ours = partitions(&client).into_iter().filter(|partition| &*partition.topic == topic);
    ours.map(|partition| watermarks(&client, &partition).1).sum()
}

/// Whether `group` has committed everything that stands in `topics`.
pub fn caught_up(bootstrap: &str, group: &str, topics: &[&str]) -> bool {
    let client = client(bootstrap, group, "read_uncommitted");
    let ours = partitions(&client).into_iter().filter(|partition| topics.contains(&&*partition.topic));
    let ours: Vec<Partition> = ours.collect();
    let mut list = TopicPartitionList::new();
    for partition in &ours {
        list.add_partition(&partition.topic, partition.number);
    }
    let Ok(committed) = client.committed_offsets(list, WAIT) else { return false };
    !ours.is_empty()
        && ours.iter().all(|partition| {
            let committed = committed.find_partition(&partition.topic, partition.number);
            let end = watermarks(&client, partition).1;
            committed.is_some_and(|committed| committed.offset() == Offset::Offset(end))
        })
}

/// How many records and markers of the topic stand beyond the first open transaction of their partition.
pub fn unstable(bootstrap: &str, topic: &str) -> i64 {
    unstable_of(bootstrap, |partition| &*partition.topic == topic)
}

/// The same of the partitions that `is_meant` says.
pub fn unstable_of(bootstrap: &str, is_meant: impl Fn(&Partition) -> bool) -> i64 {
    let (committed, uncommitted) = (reader(bootstrap, "read_committed"), reader(bootstrap, "read_uncommitted"));
    let ours = partitions(&uncommitted).into_iter().filter(is_meant);
    ours.map(|partition| watermarks(&uncommitted, &partition).1 - watermarks(&committed, &partition).1).sum()
}

/// Whether an open transaction holds offsets of `topic` that the group committed in it.
pub fn pending(bootstrap: &str, group: &str, topic: &str) -> bool {
    let client = client(bootstrap, group, "read_committed");
    let mut list = TopicPartitionList::new();
    for partition in partitions(&client).iter().filter(|partition| &*partition.topic == topic) {
        list.add_partition(topic, partition.number);
    }
    // the broker is asked again and again until no answer is pending, or the time is over
    client.committed_offsets(list, Duration::from_secs(1)).is_err()
}

fn reader(bootstrap: &str, isolation: &str) -> BaseConsumer {
    client(bootstrap, "dump", isolation)
}

fn client(bootstrap: &str, group: &str, isolation: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", group)
        .set("isolation.level", isolation)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "10")
        .set("fetch.queue.backoff.ms", "10")
        .create()
        .expect("a consumer can be made")
}

fn partitions(client: &BaseConsumer) -> BTreeSet<Partition> {
    let metadata = eventually("the cluster's topics", || client.fetch_metadata(None, WAIT).ok());
    let of = |topic: &rdkafka::metadata::MetadataTopic| -> Vec<Partition> {
        topic.partitions().iter().map(|partition| Partition::new(topic.name(), partition.id())).collect()
    };
    metadata.topics().iter().flat_map(of).collect()
}

/// The first offset and the end, as this client sees them.
fn watermarks(client: &BaseConsumer, partition: &Partition) -> (i64, i64) {
    eventually("the ends of a partition", || client.fetch_watermarks(&partition.topic, partition.number, WAIT).ok())
}

fn read(client: &BaseConsumer, partitions: &BTreeSet<Partition>) -> Topics {
    let names: BTreeSet<&str> = partitions.iter().map(|partition| &*partition.topic).collect();
    names.into_iter().map(|name| (name.to_owned(), read_topic(client, name, partitions))).collect()
}

fn read_topic(client: &BaseConsumer, name: &str, partitions: &BTreeSet<Partition>) -> Vec<Fetched> {
    let mut list = TopicPartitionList::new();
    for partition in partitions.iter().filter(|partition| &*partition.topic == name) {
        list.add_partition_offset(name, partition.number, Offset::Beginning).expect("an offset");
    }
    client.assign(&list).expect("can be assigned");
    let (mut ended, mut records) = (BTreeSet::new(), Vec::new());
    while ended.len() < list.count() {
        match client.poll(WAIT) {
            Some(Ok(message)) => records.push(fetched(&message)),
            Some(Err(KafkaError::PartitionEOF(number))) => _ = ended.insert(number),
            // a broker of several is away: the client goes on with the others by itself
            Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::BrokerTransportFailure))) => {}
            Some(Err(error)) => panic!("reading {name}: {error}"),
            None => panic!("{name} does not end"),
        }
    }
    client.unassign().expect("can be taken back");
    records
}

fn fetched(message: &BorrowedMessage<'_>) -> Fetched {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    let headers = headers.map(|header| Header { name: header.key.to_owned(), value: header.value.map(<[u8]>::to_vec) });
    let record = Record {
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.collect(),
        timestamp: message.timestamp().to_millis(),
    };
    Fetched { partition: Partition::new(message.topic(), message.partition()), offset: message.offset(), record }
}
