//! The production worker over the embedded log, stepped by one thread in an order that a seed decides, with kills, lost answers,
//! rebalances and new marks; then the checker over a dump of all topics.
//!
//! A run is named by its seed: `SIVCAR_SEEDS=4711..4712` repeats one, `SIVCAR_SEEDS=0..100000` is a long run.

#[path = "../common/canary.rs"]
mod canary;
#[path = "../common/checker.rs"]
mod checker;
mod faulty;
mod world;

use std::ops::Range;

use world::World;

/// How many steps of the world one run takes before it settles.
const STEPS: usize = 300;

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("SIVCAR_SEEDS") else { return 0..60 };
    let (first, last) = text.split_once("..").expect("SIVCAR_SEEDS is first..last");
    first.parse().expect("a number")..last.parse().expect("a number")
}

#[test]
fn one_output_per_input_in_order_whatever_is_killed() {
    let mut faults = faulty::Faults::default();
    for seed in seeds() {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.settle();
        world.check();
        faults += world.faults();
    }
    eprintln!("{faults:?}");
    faults.assert_each_occurred();
}

#[test]
fn a_seed_decides_everything() {
    let run = |seed| {
        let mut world = World::new(seed);
        (0..STEPS).for_each(|_| world.step());
        world.settle();
        world.dump()
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}
