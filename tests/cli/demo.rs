//! The demo in memory.

#[path = "../common/demo.rs"]
mod common;

#[test]
fn the_demo_in_memory_keeps_its_promises() {
    common::keeps_its_promises(&["--once"]);
}
