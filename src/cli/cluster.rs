//! From the configuration to the cluster: the one place where Kafka is chosen as the log.

use std::sync::Arc;

use super::exit::Failure;
use crate::config::Config;
use crate::kafka::{self, Kafka, Wish};
use crate::stream::context::Plan;
use crate::stream::topics::Route;

/// Checks the configuration's librdkafka properties; no client is made.
pub fn settings(config: &Config) -> Result<kafka::Settings, Failure> {
    let properties = config.kafka.clone();
    Ok(kafka::Settings::new(Wish {
        group: config.settings.group.clone(),
        // a host name may change at each start: only a name that was given makes static members
        instance: config.instance_is_named.then(|| config.instance.clone()),
        replication_factor: config.topics.replication_factor.into(),
        common: properties.common,
        consumer: properties.consumer,
        producer: properties.producer,
    })?)
}

/// The cluster that the configuration names; no broker is asked yet.
pub fn connect(config: &Config) -> Result<Kafka, Failure> {
    Ok(Kafka::new(settings(config)?)?)
}

/// What the configuration's process is to run.
pub fn plan(config: &Config) -> Plan {
    Plan {
        settings: Arc::new(config.settings.clone()),
        wished: config.wished.clone(),
        instance: config.instance.clone(),
        workers: config.workers,
        routes: Route::all(&config.settings),
        create: config.topics.create,
        max_staleness: config.max_staleness,
        state_bytes: config.state_bytes,
        limits: config.transaction,
    }
}
