//! The broker that all scenarios stand on does what its harness promises.

use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::broker::Broker;

/// More than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether the broker answers a request in time.
fn answers(broker: &Broker, wait: Duration) -> bool {
    let client: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", &broker.bootstrap).create().expect("a client can be made");
    client.fetch_metadata(None, wait).is_ok_and(|metadata| metadata.brokers().len() == 1)
}

fn listens(bootstrap: &str) -> bool {
    TcpStream::connect(bootstrap).is_ok()
}

#[test]
fn a_broker_is_frozen_killed_restarted_and_gone_at_the_end() {
    let broker = Broker::start();
    let bootstrap = broker.bootstrap.clone();
    assert!(answers(&broker, PATIENCE));
    assert!(broker.log().contains("Kafka Server started"));

    broker.pause();
    assert!(listens(&bootstrap) && !answers(&broker, Duration::from_secs(1)));
    broker.resume();
    assert!(answers(&broker, PATIENCE));

    broker.kill();
    while listens(&bootstrap) {
        std::thread::yield_now();
    }
    broker.restart();
    assert!(answers(&broker, PATIENCE));

    broker.stop();
    assert!(!listens(&bootstrap));
    broker.restart();
    drop(broker);
    assert!(!listens(&bootstrap));
}

#[test]
fn a_panic_stops_the_broker() {
    let (bootstrap, folder) = std::panic::catch_unwind(|| {
        let broker = Broker::start();
        std::panic::panic_any((broker.bootstrap.clone(), broker.folder.clone()));
    })
    .expect_err("it panics")
    .downcast::<(String, PathBuf)>()
    .map(|payload| *payload)
    .expect("the panic carries them");
    assert!(!listens(&bootstrap));
    std::fs::remove_dir_all(folder).expect("a failed test leaves its folder");
}
