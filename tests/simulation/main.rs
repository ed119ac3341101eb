//! The production worker over the embedded log, in worlds that a seed decides: up to three processes, events and profiles, a policy
//! that changes, and every fault of a log and of a process; then the checker over a dump of all topics.
//!
//! A run is named by its seed. One that fails prints its schedule, shrunk, and how to run just that again. `SIVCAR_SEEDS=0..100000` is
//! a long run.

mod bugs;
#[path = "../common/canary.rs"]
mod canary;
mod check;
#[path = "../common/checker.rs"]
mod checker;
mod embedded;
mod faulty;
mod ground;
#[path = "../common/patience.rs"]
mod patience;
mod policy;
mod process;
mod schedule;
#[path = "../seam/mod.rs"]
mod seam;
mod tally;
mod told;
mod world;

use std::collections::BTreeSet;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bugs::Bug;
use schedule::Numbered;
use tally::Tally;
use world::World;

/// The seeds of the ordinary run.
const SEEDS: Range<u64> = 0..2000;

/// In fewer worlds not every fault occurs.
const ENOUGH: u64 = 2000;

/// How many worlds there are at a time.
const THREADS: usize = 2;

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("SIVCAR_SEEDS") else { return SEEDS };
    let (first, last) = text.split_once("..").expect("SIVCAR_SEEDS is first..last");
    first.parse().expect("a number")..last.parse().expect("a number")
}

/// The schedule of `seed`: all of it, or the steps that SIVCAR_STEPS names.
fn steps(seed: u64) -> Vec<Numbered> {
    let Ok(text) = std::env::var("SIVCAR_STEPS") else { return schedule::draw(seed) };
    let kept: BTreeSet<usize> = text.split(',').map(|number| number.parse().expect("a number")).collect();
    schedule::draw(seed).into_iter().filter(|(number, _)| kept.contains(number)).collect()
}

/// Runs `steps` in the world of `seed`, and checks it.
fn run(seed: u64, steps: &[Numbered], bug: Bug, tally: &Arc<Tally>) -> Result<(), String> {
    let done = catch_unwind(AssertUnwindSafe(|| {
        let world = World::new(seed, bug, tally.clone());
        world.run(steps)?;
        world.check()
    }));
    done.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(format!("panic: {}", text.unwrap_or("of no text")))
    })
}

/// The fewest of `steps` that still go wrong, what goes wrong then, and how to run them again.
fn shrunk(seed: u64, steps: &[Numbered], bug: Bug) -> (Vec<Numbered>, String) {
    let tally = Arc::default();
    let fewest = schedule::shrink(steps, |steps| run(seed, steps, bug, &tally).is_err());
    let wrong = run(seed, &fewest, bug, &tally).err().unwrap_or_default();
    let numbers: Vec<String> = fewest.iter().map(|(number, _)| number.to_string()).collect();
    let lines: String = fewest.iter().map(|(number, step)| format!("{number:>6}  {step:?}\n")).collect();
    let again = format!("SIVCAR_SEEDS={seed}..{} SIVCAR_STEPS={}", seed + 1, numbers.join(","));
    (fewest, format!("{wrong}\n{lines}  {again}"))
}

/// Runs a world, and says of one that goes wrong what does, what is left of its schedule, and how to run that again.
fn try_out(seed: u64, steps: &[Numbered], bug: Bug, tally: &Arc<Tally>) -> Result<(), String> {
    run(seed, steps, bug, tally)
        .map_err(|wrong| format!("seed {seed}: {wrong}\nshrunk: {}", shrunk(seed, steps, bug).1))
}

#[test]
fn whatever_happens_the_topics_are_right() {
    let (tally, seeds) = (Arc::new(Tally::default()), seeds());
    let next = AtomicU64::new(seeds.start);
    let work = || {
        while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| seeds.contains(seed)) {
            let told = try_out(seed, &steps(seed), Bug::None, &tally);
            told.inspect_err(|_| next.store(seeds.end, Ordering::Relaxed))?;
        }
        Ok(())
    };
    let ends: Vec<Result<(), String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("panics are caught")).collect()
    });
    let wrong: Vec<String> = ends.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    eprint!("{}", tally.lines());
    let never = tally.never();
    assert!(seeds.end - seeds.start < ENOUGH || never.is_empty(), "never occurred: {never:?}");
}

#[test]
fn a_seed_decides_everything() {
    let dump = |seed| {
        let world = World::new(seed, Bug::None, Arc::default());
        world.run(&schedule::draw(seed)).expect("it settles");
        world.written()
    };
    for seed in 0..4 {
        assert!(dump(seed) == dump(seed), "{seed}");
        assert!(dump(seed) != dump(seed + 1), "{seed}");
    }
}
