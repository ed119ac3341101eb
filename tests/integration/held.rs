//! A transaction of the test's own that stays open for as long as the test likes: so a partition looks to readers while the marker of
//! a commit is late, while nobody has ended a dead owner's transaction yet, or when one hangs.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use sivcar::record::Record;

use crate::patience::PATIENCE;
use crate::site::Site;

/// Longer than any test takes.
const TIMEOUT: Duration = Duration::from_secs(600);

/// An open transaction.
pub struct Held(BaseProducer);

impl Held {
    /// Begins one and writes `records` to a partition of `topic`; the broker has them when this returns.
    pub fn open(site: &Site, topic: &str, partition: i32, records: &[Record]) -> Held {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &site.broker.bootstrap)
            .set("transactional.id", format!("held.{topic}.{partition}"))
            .set("transaction.timeout.ms", TIMEOUT.as_millis().to_string())
            .create()
            .expect("a producer can be made");
        producer.init_transactions(PATIENCE).expect("the broker answers");
        producer.begin_transaction().expect("begins");
        for record in records {
            let mut wire: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(partition);
            (wire.key, wire.payload) = (record.key.as_deref(), record.value.as_deref());
            producer.send(wire).map_err(|(error, _)| error).expect("there is room");
        }
        producer.flush(PATIENCE).expect("the broker takes them");
        Held(producer)
    }

    pub fn commit(self) {
        self.0.commit_transaction(PATIENCE).expect("the broker commits");
    }

    pub fn abort(self) {
        self.0.abort_transaction(PATIENCE).expect("the broker aborts");
    }
}
