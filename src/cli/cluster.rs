//! From the configuration to the cluster: the one place where Kafka is chosen as the log.

use std::io::Write;
use std::sync::Arc;

use super::exit::Failure;
use crate::config::Config;
use crate::kafka::{self, Kafka, Wish};
use crate::stream::context::Plan;
use crate::stream::log::Log;
use crate::stream::topics::{self, Facts, Route};

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
        limits: config.transaction,
    }
}

/// Asks the broker what a start would ask, creating nothing, and tells what was found, as comments of the TOML above it.
pub fn check_topics(config: &Config, settings: kafka::Settings, output: &mut dyn Write) -> Result<(), Failure> {
    let (log, group) = (Kafka::new(settings)?, &config.settings.group);
    let (routes, control) = (Route::all(&config.settings), topics::control_topic(group));
    let mut text = String::from("\n");
    let missing = if config.topics.create { missing(&log, &routes, &control)? } else { Vec::new() };
    if missing.is_empty() {
        topics::ensure_control(&log, group, false)?;
        text += &format!("# {control} is there, with 1 partition, compact\n");
        for (route, partitions) in routes.iter().zip(&Facts::at_start(&log, &routes, false)?.sources) {
            if let Ok(partitions) = partitions {
                text += &format!("# {} and its outputs are there, with {partitions} partitions each\n", route.source);
            }
        }
    } else {
        text += &format!("# the raw topics are there; a start will create {}\n", missing.join(", "));
    }
    output.write_all(text.as_bytes()).map_err(|error| Failure::writing(&error))
}

/// The topics that a start would create. A raw topic is never created: without it there is nothing to start.
fn missing(log: &Kafka, routes: &[Route], control: &str) -> Result<Vec<String>, Failure> {
    let mut missing = Vec::new();
    for Route { source, .. } in routes {
        if log.topic(source)?.is_none() {
            return Err(Failure::usage(format!("source {source} does not exist; create it, for sivcar never does")));
        }
    }
    let outputs = routes.iter().flat_map(|route| route.outputs().chain([&route.dead_letters]));
    for topic in std::iter::once(control).chain(outputs.map(|topic| &**topic)) {
        if log.topic(topic)?.is_none() && !missing.iter().any(|other| other == topic) {
            missing.push(topic.to_owned());
        }
    }
    Ok(missing)
}
