//! The demo over a real broker is the demo in memory: the same tour, the same counts.

use super::broker::Broker;

#[path = "../common/demo.rs"]
mod common;

#[test]
fn the_demo_on_a_broker_keeps_its_promises() {
    let broker = Broker::start();
    common::keeps_its_promises(&["--once", "--kafka", &broker.bootstrap]);
}
