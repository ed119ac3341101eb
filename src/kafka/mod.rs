//! The log over a real Kafka, by librdkafka. The only folder that names rdkafka.
//!
//! `settings` builds every client's properties and refuses those that would break a guarantee; `consumer`, `producer` and
//! `reader` are the seam's three clients; `inspector` asks the cluster; `fault` says what an error means for the caller; `raw`
//! holds what rdkafka's safe interface lacks; `apart` calls what may not come back. Deliberately not here: any decision about records, tasks or transactions.

mod apart;
mod consumer;
mod context;
mod fault;
mod inspector;
mod producer;
mod raw;
mod reader;
pub mod settings;

use std::sync::Arc;
use std::time::Duration;

pub use consumer::{Consumer, Membership};
pub use inspector::{CREATION_TIMEOUT, QUESTION_TIMEOUT};
pub use producer::Producer;
pub use reader::{Reader, Start};
pub use settings::{Settings, SettingsError, Wish};

use crate::record::Partition;
use crate::stream::log::{Committed, Fault, Log, TopicFacts};
use inspector::Inspector;

/// A Kafka cluster, as one process uses it.
pub struct Kafka {
    settings: Settings,
    inspector: Arc<Inspector>,
}

impl Kafka {
    /// Makes the cluster known; no broker is asked yet.
    ///
    /// # Errors
    /// [`SettingsError`] where librdkafka cannot use the settings (a certificate that is none, say).
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        raw::memory::keep();
        let inspector = Arc::new(Inspector::new(&settings)?);
        Ok(Self { settings, inspector })
    }

    /// A reader of all partitions of `topic`, from `start` on.
    ///
    /// # Errors
    /// [`Fault::Retry`] where there is no such topic, or no broker answers.
    pub fn reader_from(&self, topic: &str, start: Start) -> Result<Reader, Fault> {
        Reader::open(&self.settings, topic, None, start, self.inspector.clone())
    }
}

impl Log for Kafka {
    type Membership = Membership;
    type Consumer = Consumer;
    type Producer = Producer;
    type Reader = Reader;

    fn consumer(&self, worker: usize, topics: &[Arc<str>]) -> Result<Consumer, Fault> {
        Consumer::join(&self.settings, worker, topics, self.inspector.clone())
    }

    fn producer(&self, transactional_id: &str, batch_bytes: usize) -> Result<Producer, Fault> {
        Producer::new(&self.settings, transactional_id, batch_bytes)
    }

    fn reader(&self, topic: &str, partition: Option<i32>) -> Result<Reader, Fault> {
        Reader::open(&self.settings, topic, partition, Start::Beginning, self.inspector.clone())
    }

    fn message_max_bytes(&self) -> usize {
        self.settings.message_max_bytes()
    }

    fn transaction_timeout(&self) -> Duration {
        self.settings.transaction_timeout()
    }

    fn partitions(&self, topic: &str) -> Result<Option<i32>, Fault> {
        self.inspector.partitions(topic)
    }

    /// Must not be called from asynchronous code.
    fn topic(&self, topic: &str) -> Result<Option<TopicFacts>, Fault> {
        inspector::facts(&self.settings, &self.inspector, topic)
    }

    fn committed_by_group(&self, partitions: &[Partition]) -> Result<Vec<Option<Committed>>, Fault> {
        let client = consumer::member(&self.settings.reader())?;
        consumer::committed(client.client(), self.settings.brokers(), partitions)
    }

    /// Must not be called from asynchronous code.
    fn may_create(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<(), Fault> {
        inspector::request_creation(&self.settings, topic, partitions, settings, true)
    }

    /// Must not be called from asynchronous code.
    fn create_topic(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<(), Fault> {
        inspector::create(&self.settings, &self.inspector, topic, partitions, settings)
    }
}
