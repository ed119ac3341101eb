//! From the configuration to the cluster: the one place where Kafka is chosen as the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::exit::Failure;
use crate::config::Config;
use crate::kafka::{self, Kafka, SettingsError, Wish};
use crate::stream::context::Plan;
use crate::stream::log::Fault;
use crate::stream::topics::{Route, ensure_control};

/// How long a broker that was there may give no answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// For how long a question is put again. Each waits for a broker itself ([`kafka::QUESTION_TIMEOUT`]): one that none answered is not.
const ASKING: Duration = Duration::from_secs(5);
/// How long to wait before trying again.
const STEP: Duration = Duration::from_millis(200);

/// Tries again what may pass, for as long as a broker may give no answer.
///
/// # Errors
/// The last fault.
pub fn retry<T>(call: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
    patiently(PATIENCE, call)
}

/// Asks the cluster; where there is none, that is told once one question has waited for it.
///
/// # Errors
/// The last fault.
pub fn ask<T>(question: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
    patiently(ASKING, question)
}

fn patiently<T>(patience: Duration, mut call: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
    let until = Instant::now() + patience;
    loop {
        match call() {
            Err(Fault::Retry(_)) if Instant::now() < until => std::thread::sleep(STEP),
            result => return result,
        }
    }
}

/// Checks the configuration's librdkafka properties; no client is made.
pub fn settings(config: &Config) -> Result<kafka::Settings, Failure> {
    let properties = config.kafka.clone();
    let settings = kafka::Settings::new(Wish {
        group: config.settings.group.clone(),
        // a host name may change at each start: only a name that was given makes static members
        instance: config.instance_is_named.then(|| config.instance.clone()),
        replication_factor: config.topics.replication_factor.into(),
        common: properties.common,
        consumer: properties.consumer,
        producer: properties.producer,
    });
    settings.map_err(|error| refused(config, &error))
}

/// The cluster that the configuration names; no broker is asked yet.
pub fn connect(config: &Config) -> Result<Kafka, Failure> {
    Kafka::new(settings(config)?).map_err(|error| refused(config, &error))
}

/// What is wrong with `[kafka]`, where it stands.
fn refused(config: &Config, error: &SettingsError) -> Failure {
    config.of_kafka(error.property(), &error.to_string()).into()
}

/// The same for who writes the control topic, which is there then.
pub fn connect_to_write(config: &Config) -> Result<Kafka, Failure> {
    let (log, settings) = (connect(config)?, &config.settings);
    ensure_control(&log, &settings.group, &Route::all(settings), config.topics.create)?;
    Ok(log)
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
