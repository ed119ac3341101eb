//! The properties of every client: ours where a guarantee hangs on them, the operator's everywhere else.
//!
//! Always holds: the operator's properties are laid over our defaults and under what must not change; a property that would
//! break a guarantee is refused with the reason; a secret's value stands in no error and no `Debug`. Deliberately not here:
//! what the properties mean to librdkafka, which checks names and values itself when a client is built.

mod guard;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

pub use guard::{REFUSED, is_secret};
use guard::{bounded, check};

use super::raw::names;

/// Names and values, as the configuration has them.
pub type Properties = BTreeMap<String, String>;

/// How long a transaction may take before the broker aborts it, where the operator does not say.
pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a producer's request may take, where the operator does not say. Shorter than the transaction.
const PRODUCER_SOCKET_TIMEOUT_MS: u64 = 10_000;
/// `batch.size`, where the operator does not say and the topics take as much.
const BATCH_SIZE: &str = "1000000";
/// The largest record a producer takes, where the operator does not say: the broker's and the topic's limits decide.
const MESSAGE_MAX_BYTES: usize = 67_108_864;

/// What a producer's queue holds, where the operator does not say; librdkafka's own default is 1 GB.
const QUEUE_KBYTES: usize = 65_536;

/// What librdkafka is told, and by whom.
pub struct Settings {
    group: String,
    instance: Option<String>,
    replication_factor: i32,
    common: Properties,
    consumer: Properties,
    producer: Properties,
}

/// What the operator says about Kafka.
#[derive(Clone, Default)]
pub struct Wish {
    /// The consumer group.
    pub group: String,
    /// The instance, only where the configuration names one: then members are static.
    pub instance: Option<String>,
    /// Copies of each topic that is created; −1 is the broker's default.
    pub replication_factor: i32,
    /// Properties of every client.
    pub common: Properties,
    /// Properties of consumers only.
    pub consumer: Properties,
    /// Properties of producers only.
    pub producer: Properties,
}

/// A property that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The property is sivcar's own.
    #[error("{name} cannot be set: {reason}")]
    Refused {
        /// The property's name.
        name: String,
        /// Which guarantee it would break.
        reason: &'static str,
    },
    /// The value lies outside what a guarantee allows.
    #[error("{name} must be {bounds}")]
    OutOfBounds {
        /// The property's name.
        name: String,
        /// What the value must be.
        bounds: String,
    },
    /// librdkafka does not take it.
    #[error("{name}: {reason}")]
    Invalid {
        /// The property's name, or the client's where librdkafka names none.
        name: String,
        /// librdkafka's words; for a secret none of them.
        reason: String,
    },
    /// A client could not read a file that it is told of.
    #[error("{name}: {file} {reason}; correct the path, or the permissions of the file and its folders")]
    File {
        /// The property's name.
        name: String,
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// There is no broker to ask.
    #[error("bootstrap.servers is missing: name at least one broker as host:port")]
    NoBroker,
}

impl SettingsError {
    /// The property that is wrong.
    pub fn property(&self) -> Option<&str> {
        match self {
            Self::Refused { name, .. }
            | Self::OutOfBounds { name, .. }
            | Self::Invalid { name, .. }
            | Self::File { name, .. } => Some(name),
            Self::NoBroker => None,
        }
    }
}

/// Of producers: what must not outlast the transaction, or its outcome could be decided behind its back.
const WITHIN_TRANSACTION: &[&str] = &["message.timeout.ms", "delivery.timeout.ms", "socket.timeout.ms"];

impl Settings {
    /// Checks what the operator wishes, up to building each client's configuration; no broker is asked.
    ///
    /// # Errors
    /// [`SettingsError`] for the first property that would break a guarantee or that librdkafka does not take.
    pub fn new(wish: Wish) -> Result<Self, SettingsError> {
        let Wish { group, instance, replication_factor, common, consumer, producer } = wish;
        for (name, value) in common.iter().chain(&consumer).chain(&producer) {
            check(name, value)?;
        }
        let settings = Self { group, instance, replication_factor, common, consumer, producer };
        if settings.brokers().is_empty() {
            return Err(SettingsError::NoBroker);
        }
        let transaction_ms = settings.transaction_timeout().as_millis() as u64;
        for name in WITHIN_TRANSACTION {
            // socket.timeout.ms among the common properties is also the consumers'; a producer's own comes first
            let value = settings.producer.get(*name).or_else(|| settings.common.get(*name));
            bounded(name, value, &(1..=transaction_ms))?;
        }
        for config in
            [settings.consumer(0), settings.reader(), settings.producer("check", usize::MAX), settings.admin()]
        {
            config.create_native_config().map_err(invalid)?;
        }
        Ok(settings)
    }

    /// The brokers to begin with, as configured.
    pub fn brokers(&self) -> &str {
        ["bootstrap.servers", "metadata.broker.list"].iter().find_map(|name| self.common.get(*name)).map_or("", |s| s)
    }

    /// How many copies a created topic gets; −1 is the broker's default.
    pub fn replication_factor(&self) -> i32 {
        self.replication_factor
    }

    /// `transaction.timeout.ms`.
    pub fn transaction_timeout(&self) -> Duration {
        self.producer_ms("transaction.timeout.ms").unwrap_or(TRANSACTION_TIMEOUT)
    }

    /// A producer's `socket.timeout.ms`: a commit that takes as long may have been sent twice.
    pub fn producer_socket_timeout(&self) -> Duration {
        let default = Duration::from_millis(PRODUCER_SOCKET_TIMEOUT_MS).min(self.transaction_timeout());
        self.producer_ms("socket.timeout.ms").unwrap_or(default)
    }

    /// The largest record a producer takes: one that is larger than its queue would wait for ever.
    pub fn message_max_bytes(&self) -> usize {
        let most = self.producer_number("message.max.bytes").unwrap_or(MESSAGE_MAX_BYTES);
        let queue = self.producer_number("queue.buffering.max.kbytes").unwrap_or(QUEUE_KBYTES);
        most.min(queue.saturating_mul(1024))
    }

    fn producer_ms(&self, name: &str) -> Option<Duration> {
        self.producer_number(name).map(Duration::from_millis)
    }

    /// A number that the operator gives producers.
    fn producer_number<N: FromStr>(&self, name: &str) -> Option<N> {
        self.producer.get(name).or_else(|| self.common.get(name))?.parse().ok()
    }

    /// A member of the group: the worker with this number.
    pub(super) fn consumer(&self, worker: usize) -> ClientConfig {
        let mut config = self.reading("16384");
        // incremental rebalances: tasks that stay are not touched; `group.protocol=consumer` has nothing else
        if !self.speaks_consumer_protocol() {
            config.set("partition.assignment.strategy", "cooperative-sticky");
        }
        if let Some(instance) = &self.instance {
            config.set("group.instance.id", format!("{}.{instance}.{worker}", self.group));
        }
        config
    }

    /// A reader of a whole topic. It names the group, as librdkafka wants it for an assignment, but never joins it.
    pub(super) fn reader(&self) -> ClientConfig {
        // each partition that is restored has one: what they fetch ahead adds up, and the allocator keeps it
        let mut config = self.reading("4096");
        // a broker answers one request of a connection after the other: asking for the end would wait behind a long poll
        config.set("fetch.wait.max.ms", "50");
        config
    }

    /// A client that asks for topics and high watermarks.
    pub(super) fn inspector(&self) -> ClientConfig {
        let mut config = self.base(&[&self.common, &self.consumer], &[]);
        // the high watermark is what a reader of everything sees
        config.set("isolation.level", "read_uncommitted").set("allow.auto.create.topics", "false");
        // a group property of the operator's would ask for a group
        config.remove("group.protocol").remove("group.remote.assignor");
        config
    }

    /// A transactional producer, no batch of which is larger than `batch_bytes`.
    pub(super) fn producer(&self, transactional_id: &str, batch_bytes: usize) -> ClientConfig {
        let transaction_ms = self.transaction_timeout().as_millis().to_string();
        let socket_ms = self.producer_socket_timeout().as_millis().to_string();
        let message_max_bytes = self.message_max_bytes().to_string();
        let queue_kbytes = QUEUE_KBYTES.to_string();
        let defaults = [
            ("queue.buffering.max.kbytes", queue_kbytes.as_str()),
            ("linger.ms", "3"), // fills batches, costs no commit more than that
            ("batch.size", BATCH_SIZE),
            ("batch.num.messages", "10000"),
            ("compression.codec", "lz4"),
            ("max.in.flight", "5"),
            ("socket.timeout.ms", &socket_ms),
            ("message.max.bytes", &message_max_bytes),
        ];
        let mut config = self.base(&[&self.common, &self.producer], &defaults);
        config
            .set("transactional.id", transactional_id)
            .set("transaction.timeout.ms", transaction_ms)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("allow.auto.create.topics", "false"); // librdkafka's default for producers is true
        let wished: Option<usize> = config.get("batch.size").and_then(|size| size.parse().ok());
        if wished.is_some_and(|wished| wished > batch_bytes) {
            config.set("batch.size", batch_bytes.to_string());
        }
        config
    }

    /// A client that creates and describes topics.
    pub(super) fn admin(&self) -> ClientConfig {
        let mut config = self.base(&[&self.common], &[]);
        config.set("allow.auto.create.topics", "false");
        config
    }

    /// What members and readers have in common; they fetch so many kilobytes ahead.
    fn reading(&self, ahead: &str) -> ClientConfig {
        let defaults = [
            ("queued.max.messages.kbytes", ahead),
            ("fetch.queue.backoff.ms", "10"), // librdkafka's second leaves holes after each commit
        ];
        let mut config = self.base(&[&self.common, &self.consumer], &defaults);
        config
            .set("group.id", &self.group)
            .set("isolation.level", "read_committed") // also makes committed offsets wait for pending transactions
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true") // the end of a topic shows even where it is a transaction's marker
            .set("allow.auto.create.topics", "false");
        config
    }

    fn base(&self, layers: &[&Properties], defaults: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Info).set("client.id", "sivcar");
        for (name, value) in defaults {
            config.set(*name, *value);
        }
        for (name, value) in layers.iter().copied().flatten() {
            for alias in aliases(name) {
                config.remove(alias);
            }
            config.set(name, value);
        }
        config
    }

    fn speaks_consumer_protocol(&self) -> bool {
        let value = self.consumer.get("group.protocol").or_else(|| self.common.get("group.protocol"));
        value.is_some_and(|value| value.eq_ignore_ascii_case("consumer"))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |properties: &Properties| properties.keys().cloned().collect::<Vec<_>>();
        f.debug_struct("Settings")
            .field("group", &self.group)
            .field("instance", &self.instance)
            .field("common", &names(&self.common))
            .field("consumer", &names(&self.consumer))
            .field("producer", &names(&self.producer))
            .finish()
    }
}

/// Other names of a default, which an operator's property replaces under any of them.
fn aliases(name: &str) -> &'static [&'static str] {
    match name {
        "max.in.flight.requests.per.connection" => &["max.in.flight"],
        "compression.type" => &["compression.codec"],
        "queue.buffering.max.ms" => &["linger.ms"],
        _ => &[],
    }
}

/// librdkafka's refusal of a configuration; of a secret only the name.
pub(super) fn invalid(error: KafkaError) -> SettingsError {
    match error {
        KafkaError::ClientConfig(_, _, name, _) if is_secret(&name) => {
            SettingsError::Invalid { name, reason: "librdkafka does not take its value".to_owned() }
        }
        KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, _, name, _) => {
            let likeness = |known: &String| strsim::normalized_damerau_levenshtein(&name, known);
            let near = names::properties().into_iter().max_by(|left, right| likeness(left).total_cmp(&likeness(right)));
            let near = near.filter(|near| likeness(near) >= 0.5).map(|near| format!("; did you mean {near:?}?"));
            let reason = format!("librdkafka has no such property{}", near.unwrap_or_default());
            SettingsError::Invalid { name, reason }
        }
        KafkaError::ClientConfig(_, reason, name, _) => SettingsError::Invalid { name, reason },
        KafkaError::ClientCreation(reason) => match reason.split_once(" failed: ") {
            // of a file: "ssl.ca.location failed: error:…"
            Some((name, reason)) if !name.contains(' ') => {
                SettingsError::Invalid { name: name.to_owned(), reason: format!("librdkafka cannot use it: {reason}") }
            }
            _ => SettingsError::Invalid { name: "kafka".to_owned(), reason },
        },
        _ => SettingsError::Invalid { name: "kafka".to_owned(), reason: "a property holds a NUL".to_owned() },
    }
}

#[cfg(test)]
mod tests;
