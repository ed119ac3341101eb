//! What is asked of the cluster beside the streams: topics, their settings, high watermarks.
//!
//! One client serves a whole process; it reads nothing and belongs to no group. Always holds: each question ends within its
//! timeout, and one that no broker answers says where the broker was looked for. Deliberately not here: what the answers mean.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::context::Context;
use super::settings::{Settings, SettingsError, invalid};
use super::{fault, raw};
use crate::record::Partition;
use crate::stream::log::{Fault, TopicFacts};

/// How long one question to the cluster may take, the first connection included.
pub const QUESTION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the cluster may take to make a new topic known to all brokers.
pub const CREATION_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait before asking again for a new topic.
const CREATION_STEP: Duration = Duration::from_millis(50);

/// A client that only asks.
pub(super) struct Inspector {
    client: BaseConsumer<Context>,
    brokers: String,
}

impl Inspector {
    /// Makes the client; no broker is asked yet.
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let client = settings.inspector().create_with_context(Context::default()).map_err(invalid)?;
        Ok(Self { client, brokers: settings.brokers().to_owned() })
    }

    /// Where the cluster was looked for.
    pub(super) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// The first offset and the high watermark of `partition`, as a reader of everything sees them.
    pub(super) fn watermarks(&self, partition: &Partition) -> Result<(i64, i64), Fault> {
        self.listen();
        watermarks(&self.client, partition, &self.brokers)
    }

    /// How many partitions `topic` has; `None` where it does not exist.
    pub(super) fn partitions(&self, topic: &str) -> Result<Option<i32>, Fault> {
        Ok(self.extent(topic)?.map(|(partitions, _)| partitions))
    }

    /// How many partitions `topic` has, and how many copies of each.
    fn extent(&self, topic: &str) -> Result<Option<(i32, i32)>, Fault> {
        self.listen();
        let what = format!("asking for the topic {topic}");
        let answer = self.client.fetch_metadata(Some(topic), QUESTION_TIMEOUT);
        self.listen();
        let metadata =
            answer.map_err(|error| fault::question(&what, &self.brokers, &error, self.client.context().last()))?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Ok(None) };
        match found.error().map(Code::from) {
            None => {
                let replicas = found.partitions().iter().map(|partition| partition.replicas().len()).min().unwrap_or(0);
                let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
                Ok(Some((number(found.partitions().len()), number(replicas))))
            }
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Ok(None),
            Some(code) => {
                let error = KafkaError::MetadataFetch(code);
                Err(fault::question(&what, &self.brokers, &error, None))
            }
        }
    }

    /// Takes the client's log lines and errors off its queue.
    fn listen(&self) {
        raw::listen(self.client.client());
    }
}

/// The first offset of `partition` and the end that `client` would stop at: the last stable offset for `read_committed`, else
/// the high watermark.
pub(super) fn watermarks(
    client: &BaseConsumer<Context>,
    partition: &Partition,
    brokers: &str,
) -> Result<(i64, i64), Fault> {
    client.fetch_watermarks(&partition.topic, partition.number, QUESTION_TIMEOUT).map_err(|error| {
        fault::question(&format!("asking for the ends of {partition}"), brokers, &error, client.context().last())
    })
}

/// The facts of `topic`, or `None` where it does not exist. Must not be called from asynchronous code.
pub(super) fn facts(settings: &Settings, inspector: &Inspector, topic: &str) -> Result<Option<TopicFacts>, Fault> {
    let Some((partitions, replicas)) = inspector.extent(topic)? else { return Ok(None) };
    let what = format!("asking for the settings of {topic}");
    let options = AdminOptions::new().request_timeout(Some(QUESTION_TIMEOUT));
    let wanted = [ResourceSpecifier::Topic(topic)];
    let answer = ask(settings, async |admin| admin.describe_configs(&wanted, &options).await)?;
    let refused = |code| fault::question(&what, settings.brokers(), &KafkaError::AdminOp(code), None);
    let answer = answer.map_err(|error| fault::question(&what, settings.brokers(), &error, None))?;
    let resource: ConfigResource = match answer.into_iter().next() {
        Some(Ok(resource)) => resource,
        Some(Err(Code::UnknownTopicOrPartition)) => return Ok(None),
        Some(Err(code)) => return Err(refused(code)),
        None => return Err(Fault::Retry(format!("{what}: the broker says nothing"))),
    };
    let value = |name: &str| resource.get(name).and_then(|entry| entry.value.clone());
    let mut policies: Vec<String> =
        value("cleanup.policy").unwrap_or_default().split(',').map(|part| part.trim().to_owned()).collect();
    policies.sort();
    let max_message_bytes = value("max.message.bytes").and_then(|value| value.parse().ok());
    match max_message_bytes {
        Some(max_message_bytes) => {
            Ok(Some(TopicFacts { partitions, replicas, cleanup_policy: policies.join(","), max_message_bytes }))
        }
        // rdkafka drops the reason; the topic is there, for its partitions were told
        None => Err(Fault::Fatal(fault::forbidden(&format!("{what}: DescribeConfigs")))),
    }
}

/// Creates `topic` and waits until its facts can be asked; one that exists is no error. Must not be called from asynchronous
/// code.
pub(super) fn create(
    settings: &Settings,
    inspector: &Inspector,
    topic: &str,
    partitions: i32,
    properties: &[(&str, &str)],
) -> Result<(), Fault> {
    request_creation(settings, topic, partitions, properties, false)?;
    let start = Instant::now();
    while facts(settings, inspector, topic)?.is_none() {
        if start.elapsed() > CREATION_TIMEOUT {
            return Err(Fault::Retry(format!("creating the topic {topic}: no broker knows it yet")));
        }
        std::thread::sleep(CREATION_STEP);
    }
    Ok(())
}

/// Asks the cluster to create `topic`, or only whether it would.
pub(super) fn request_creation(
    settings: &Settings,
    topic: &str,
    partitions: i32,
    properties: &[(&str, &str)],
    only_ask: bool,
) -> Result<(), Fault> {
    let what = format!("creating the topic {topic}");
    let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(settings.replication_factor()));
    for (name, value) in properties {
        new = new.set(name, value);
    }
    let options = AdminOptions::new().request_timeout(Some(CREATION_TIMEOUT)).operation_timeout(Some(CREATION_TIMEOUT));
    let options = options.validate_only(only_ask);
    let answer = ask(settings, async |admin| admin.create_topics([&new], &options).await)?;
    let answer = answer.map_err(|error| fault::question(&what, settings.brokers(), &error, None))?;
    match answer.into_iter().next() {
        Some(Ok(_) | Err((_, Code::TopicAlreadyExists))) => Ok(()),
        Some(Err((_, code @ Code::InvalidReplicationFactor))) => Err(Fault::Refused(format!(
            "{what}: {}: the cluster has fewer brokers than replication-factor under [topics], or than its own default, asks for",
            fault::name(code)
        ))),
        Some(Err((
            _,
            code @ (Code::InvalidConfig | Code::InvalidTopic | Code::InvalidPartitions | Code::PolicyViolation),
        ))) => Err(Fault::Refused(format!("{what}: {}", fault::name(code)))),
        Some(Err((_, code))) => Err(fault::question(&what, settings.brokers(), &KafkaError::AdminOp(code), None)),
        None => Err(Fault::Retry(format!("{what}: the broker says nothing"))),
    }
}

/// Runs one administrative question on a client of its own: rdkafka's never empties its log queue, so it must not live long.
fn ask<T>(
    settings: &Settings,
    question: impl AsyncFnOnce(&AdminClient<DefaultClientContext>) -> T,
) -> Result<T, Fault> {
    let admin: AdminClient<DefaultClientContext> =
        settings.admin().create().map_err(|error| Fault::Fatal(invalid(error).to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| Fault::Fatal(format!("waiting for an answer: {error}")))?;
    Ok(runtime.block_on(question(&admin)))
}
