//! What an operator, or an accident, does to a cluster: topics deleted, truncated, grown, set otherwise; rights granted and
//! taken away.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::metadata::Metadata;
use rdkafka::{Offset, TopicPartitionList};
use sivcar::stream::log::Log as _;

use crate::patience::{PATIENCE, eventually};
use crate::process::kafka;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(20);

fn ask<T>(bootstrap: &str, question: impl AsyncFnOnce(&AdminClient<DefaultClientContext>, &AdminOptions) -> T) -> T {
    let admin: AdminClient<_> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("a client can be made");
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(question(&admin, &options))
}

/// Deletes `topic` and waits until it is gone.
pub fn delete_topic(bootstrap: &str, topic: &str) {
    let done = ask(bootstrap, async |admin, options| admin.delete_topics(&[topic], options).await);
    done.expect("an answer").pop().expect("one topic").expect("it is deleted");
    let log = kafka(bootstrap, "admin");
    let start = Instant::now();
    while log.topic(topic).expect("an answer").is_some() {
        assert!(start.elapsed() < PATIENCE, "{topic} does not go");
    }
}

/// Deletes a group without members, as its retention does.
pub fn delete_group(bootstrap: &str, group: &str) {
    let delete = || ask(bootstrap, async |admin, options| admin.delete_groups(&[group], options).await);
    // who has left may not be gone yet
    eventually("the group is deleted", || delete().expect("an answer").pop().expect("one group").ok());
}

/// Creates `topic` on these brokers of a cluster: for each partition the leader, then who follows it.
pub fn place(bootstrap: &str, topic: &str, replicas: &[&[i32]], settings: &[(&str, &str)]) {
    let count = i32::try_from(replicas.len()).expect("a few");
    let mut new = NewTopic::new(topic, count, TopicReplication::Variable(replicas));
    new.config.extend(settings);
    let done = ask(bootstrap, async |admin, options| admin.create_topics(&[new], options).await);
    done.expect("an answer").pop().expect("one topic").expect("it is created");
}

/// What a cluster of several brokers says of its topics; `None` while it says nothing.
fn metadata(bootstrap: &str) -> Option<Metadata> {
    let client: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("a client can be made");
    client.inner().fetch_metadata(None, TIMEOUT).ok()
}

/// Who leads a partition of `topic`; `None` while nobody does.
pub fn leader(bootstrap: &str, topic: &str, partition: i32) -> Option<i32> {
    let metadata = metadata(bootstrap)?;
    let topic = metadata.topics().iter().find(|found| found.name() == topic)?;
    let partition = topic.partitions().iter().find(|found| found.id() == partition)?;
    (partition.leader() >= 0).then_some(partition.leader())
}

/// Whether every partition of the cluster has all its replicas in sync.
pub fn is_in_sync(bootstrap: &str) -> bool {
    metadata(bootstrap).is_some_and(|metadata| {
        let mut partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
        partitions.all(|partition| partition.leader() >= 0 && partition.isr().len() == partition.replicas().len())
    })
}

/// Gives `topic` more partitions.
pub fn grow(bootstrap: &str, topic: &str, partitions: usize) {
    let new = [NewPartitions::new(topic, partitions)];
    let done = ask(bootstrap, async |admin, options| admin.create_partitions(&new, options).await);
    done.expect("an answer").pop().expect("one topic").expect("it grows");
}

/// Deletes the records of partition 0 below `offset`.
pub fn truncate(bootstrap: &str, topic: &str, offset: Offset) {
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(topic, 0, offset).expect("an offset");
    let done = ask(bootstrap, async |admin, options| admin.delete_records(&offsets, options).await);
    for element in done.expect("an answer").elements() {
        element.error().expect("they are deleted");
    }
}

/// Sets `topic`'s own settings to these and no others.
pub fn set(bootstrap: &str, topic: &str, settings: &[(&str, &str)]) {
    let resource = ResourceSpecifier::Topic(topic);
    let change = [AlterConfig { specifier: resource, entries: settings.iter().copied().collect::<HashMap<_, _>>() }];
    let done = ask(bootstrap, async |admin, options| admin.alter_configs(&change, options).await);
    done.expect("an answer").pop().expect("one topic").expect("it is set");
}

/// A request of Kafka's protocol that rdkafka does not offer: header version 1, then `body`.
fn request(bootstrap: &str, api: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut message = [api.to_be_bytes(), version.to_be_bytes(), [0, 0], [0, 7], 4_i16.to_be_bytes()].concat();
    message.extend(b"test");
    message.extend(body);
    let mut stream = TcpStream::connect(bootstrap).expect("the broker listens");
    let length = u32::try_from(message.len()).expect("a short request");
    stream.write_all(&[&length.to_be_bytes(), &message[..]].concat()).expect("is sent");
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("an answer");
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).expect("the whole answer");
    assert_eq!(answer[..4], [0, 0, 0, 7], "it answers this request");
    answer.split_off(4)
}

/// Puts every member out of `group` (LeaveGroup, version 0, in its name).
pub fn expel(bootstrap: &str, group: &str) {
    let client: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("a client can be made");
    let groups = client.fetch_group_list(Some(group), TIMEOUT).expect("an answer");
    let members = groups.groups().iter().flat_map(|group| group.members());
    let left = members.map(|member| {
        let answer = request(bootstrap, 13, 0, &[text(group), text(member.id())].concat());
        assert_eq!(answer, [0, 0], "no error");
    });
    assert!(left.count() > 0, "{group} has no member");
}

fn text(text: &str) -> Vec<u8> {
    let length = i16::try_from(text.len()).expect("a short text");
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

/// What rights are given to, by its number in the protocol.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    Topic = 2,
    Group = 3,
    TransactionalId = 5,
}

/// Permissions by their numbers in the protocol.
const DENY: u8 = 2;
const ALLOW: u8 = 3;

/// An ACL binding: the name taken literally, or where it ends with a star as a prefix; from every host.
fn binding(resource: Resource, name: &str, principal: &str, operation: u8, permission: u8) -> Vec<u8> {
    let (name, pattern) = name.strip_suffix('*').map_or((name, 3), |prefix| (prefix, 4));
    [&[resource as u8], &text(name)[..], &[pattern], &text(principal), &text("*"), &[operation, permission]].concat()
}

/// The number of an operation, by its name in Kafka's tools.
fn operation(name: &str) -> u8 {
    let names = ["All", "Read", "Write", "Create", "Delete", "Alter", "Describe", "ClusterAction", "DescribeConfigs"];
    let at = names.iter().position(|known| *known == name).expect("an operation of Kafka's");
    u8::try_from(at + 2).expect("a few")
}

/// Allows `principal` one operation.
pub fn allow(bootstrap: &str, resource: Resource, name: &str, principal: &str, wanted: &str) {
    bind(bootstrap, &binding(resource, name, principal, operation(wanted), ALLOW));
}

/// Takes one operation from `principal`, whatever is allowed.
pub fn forbid(bootstrap: &str, resource: Resource, name: &str, principal: &str, unwanted: &str) {
    bind(bootstrap, &binding(resource, name, principal, operation(unwanted), DENY));
}

/// Undoes [`forbid`].
pub fn forbid_no_more(bootstrap: &str, resource: Resource, name: &str, principal: &str, unwanted: &str) {
    unbind(bootstrap, &binding(resource, name, principal, operation(unwanted), DENY), principal);
}

/// Adds a binding (CreateAcls, version 1).
fn bind(bootstrap: &str, binding: &[u8]) {
    let answer = request(bootstrap, 30, 1, &[&[0, 0, 0, 1], binding].concat());
    assert_eq!(answer[..10], [0, 0, 0, 0, 0, 0, 0, 1, 0, 0], "throttle time, one result, no error");
    eventually("the binding is in force", || is_bound(bootstrap, binding).then_some(()));
}

/// Deletes a binding (DeleteAcls, version 1).
fn unbind(bootstrap: &str, binding: &[u8], principal: &str) {
    let answer = request(bootstrap, 31, 1, &[&[0, 0, 0, 1], binding].concat());
    assert_eq!(answer[..10], [0, 0, 0, 0, 0, 0, 0, 1, 0, 0], "throttle time, one result, no error");
    assert!(String::from_utf8_lossy(&answer).contains(principal), "the binding that was taken away");
    eventually("the binding is gone", || (!is_bound(bootstrap, binding)).then_some(()));
}

/// Whether the broker goes by this binding (DescribeAcls, version 1): it answers a change before it does.
fn is_bound(bootstrap: &str, binding: &[u8]) -> bool {
    let answer = request(bootstrap, 29, 1, binding);
    assert_eq!(answer[..8], [0; 8], "throttle time, no error, an empty message");
    answer[8..12] != [0; 4]
}

/// Has the broker log every request (IncrementalAlterConfigs, version 0: sets the level of one of its loggers).
pub fn log_requests(bootstrap: &str) {
    let entry = [&text("kafka.request.logger")[..], &[0], &text("DEBUG")].concat();
    let loggers = [&[8], &text("1")[..], &[0, 0, 0, 1], &entry].concat();
    let answer = request(bootstrap, 44, 0, &[&[0, 0, 0, 1], &loggers[..], &[0]].concat());
    assert_eq!(answer[..10], [0, 0, 0, 0, 0, 0, 0, 1, 0, 0], "throttle time, one result, no error");
}
