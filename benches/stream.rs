//! The sidecar on a real Kafka, one worker, events of 1 KB with three marks, protected and one view, exactly once: beside a pure mirror on
//! librdkafka with the same topics, fan-out, transactions and settings, which is the limit, and beside the naive way.
//!
//! All read the same backlog, in turns; the ratio of each round is taken, then their median. Then records come at a steady rate, and what
//! counts is the time from their writing to a `read_committed` reader. `SIVCAR_EVENTS` says how many events a round has (200,000),
//! `SIVCAR_ROUNDS` how many rounds (3).

#[path = "../tests/integration/broker.rs"]
#[expect(dead_code, reason = "the integration tests' broker can do more")]
mod broker;
#[path = "parts/cluster.rs"]
#[expect(dead_code, reason = "another bench needs the rest")]
mod cluster;
#[path = "parts/figures.rs"]
mod figures;
#[path = "parts/live.rs"]
mod live;
#[path = "peers/mirror.rs"]
mod mirror;
#[path = "peers/naive.rs"]
mod naive;
#[path = "parts/orders.rs"]
mod orders;
#[path = "../tests/common/patience.rs"]
mod patience;
#[path = "parts/plot.rs"]
mod plot;
#[path = "../tests/integration/sidecar.rs"]
#[expect(dead_code, reason = "the integration tests' process can do more")]
mod sidecar;
#[path = "parts/spread.rs"]
mod spread;
#[path = "peers/streaming.rs"]
mod streaming;
#[path = "parts/turn.rs"]
mod turn;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use cluster::{Cluster, wait};
use figures::{is_wanted, median, number, processor, quantile, row};
use live::{Live, Made};
use mirror::{Rest, follow, mirror};
use naive::Naive;
use orders::{SOURCES, order};
use spread::key;
use streaming::{Way, stream};
use turn::{Turn, program};

const RAW: &str = "raw.events";

/// What the program writes.
const OUTPUTS: &[&str] = &["protected.events", "debug.events"];

/// What the mirror writes, and what the naive way writes.
const TWINS: &[&str] = &["twin.protected", "twin.debug"];
const NAIVE: [&str; 2] = ["naive.protected", "naive.debug"];

/// How long live records are written in a round.
const LIVE: Duration = Duration::from_secs(5);

/// What the program's queues may hold, in bytes: 64 MiB to be sent, 16 MiB fetched and as much while it is unpacked, 8 MiB of outputs.
const QUEUES: f64 = 104.0 * 1024.0 * 1024.0;

fn main() {
    if !is_wanted() {
        return;
    }
    let (events, rounds) = (number("SIVCAR_EVENTS", 200_000), number("SIVCAR_ROUNDS", 3));
    let topics: Vec<&str> = [RAW].iter().chain(OUTPUTS).chain(TWINS).chain(&NAIVE).copied().collect();
    let mut cluster = Cluster::new(1, &topics, SOURCES);
    let (mut held, mut rates, mut costs) = (Vec::new(), [const { Vec::new() }; 3], Vec::new());
    let mut drawn = ["mirror: the limit", "sivcar", "naive", "naive, cipher kept"].map(|name| (name, Vec::new()));
    for round in 0..rounds {
        let from = cluster.ends(RAW);
        cluster.feed(RAW, events, |number| (key(number), order(number)));
        let mut turns = [const { None }; 4];
        // each is first, second, third and last in turn
        for place in 0..4 {
            let who = (place + round as usize) % 4;
            turns[who] = Some(match who {
                0 => {
                    let (turn, bytes) = program(&mut cluster, events);
                    held.push(bytes / QUEUES);
                    turn
                }
                1 => limit(&cluster, &from),
                naive => naively(&cluster, &from, naive == 3),
            });
        }
        let [ours, limit, fresh, kept] = turns.map(|turn| turn.expect("each had its turn"));
        let told = [&ours, &limit, &fresh, &kept].map(|turn| turn.rate.round());
        eprintln!("round {round}: records per second of sivcar, mirror, naive, naive with its cipher kept: {told:?}");
        for (ratios, peer) in rates.iter_mut().zip([&limit, &fresh, &kept]) {
            ratios.push(ours.rate / peer.rate);
        }
        for ((_, ratios), turn) in drawn.iter_mut().zip([&limit, &ours, &fresh, &kept]) {
            ratios.push(turn.rate / limit.rate);
        }
        costs.extend(ours.processor.zip(limit.processor).map(|(ours, limit)| ours / limit));
    }
    plot::write("docs/runs/stream.svg", "Records per second ÷ those of bare librdkafka", &drawn);
    let [limit, fresh, kept] = rates;
    row(
        "throughput, to the mirror's",
        &limit,
        "records per second of sivcar ÷ of bare librdkafka; at least 0.80 is wanted",
    );
    if !costs.is_empty() {
        row(
            "CPU, to the mirror's",
            &costs,
            "processor time per record of sivcar ÷ of bare librdkafka; at most 1.5 is wanted",
        );
    }
    row("throughput, to the naive way's", &fresh, "records per second of sivcar ÷ of trees with a cipher per value");
    row(
        "throughput, to the naive way's, cipher kept",
        &kept,
        "records per second of sivcar ÷ of trees with one cipher",
    );
    row("memory under load", &held, "resident memory ÷ what its queues may hold (104 MiB)");
    let (middle, slowest) = latencies(&mut cluster, rounds);
    row("latency of live records, p50", &middle, "sivcar ÷ mirror, both to a read_committed reader");
    row("latency of live records, p99", &slowest, "sivcar ÷ mirror, both to a read_committed reader");
}

/// Runs a peer in this process.
fn peer(run: impl FnOnce() -> (usize, Duration)) -> Turn {
    let before = processor(std::process::id());
    let (records, took) = run();
    let used = processor(std::process::id()).zip(before).map(|(after, before)| after - before);
    Turn::new(records as f64, took, used)
}

fn limit(cluster: &Cluster, from: &[i64]) -> Turn {
    let rest = Rest { topic: RAW, to: TWINS, from: from.to_vec() };
    peer(|| mirror(&cluster.client(), &[rest], 1))
}

fn naively(cluster: &Cluster, from: &[i64], keep: bool) -> Turn {
    let way = Way { topic: RAW, from: from.to_vec(), protected: NAIVE[0], shown: NAIVE[1] };
    peer(|| stream(&cluster.client(), &way, &mut Naive::new(1, [7; 64], keep)))
}

/// Live records through the program and through the mirror, in turns; gives the ratios of p50 and of p99.
fn latencies(cluster: &mut Cluster, rounds: u64) -> (Vec<f64>, Vec<f64>) {
    let (mut middle, mut slowest) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let sidecar = cluster.start();
        // what the mirror's round left is dealt with first
        wait(|| sidecar.metric("sivcar_lag_records", "") == 0.0);
        let ours = live(cluster, &OUTPUTS[..1]).latencies(|| thread::sleep(LIVE));
        sidecar.drain();
        let (rest, stop) = (Rest { topic: RAW, to: TWINS, from: cluster.ends(RAW) }, AtomicBool::new(false));
        let theirs = thread::scope(|scope| {
            scope.spawn(|| follow(&cluster.client(), &[rest], 1, &stop));
            let theirs = live(cluster, &TWINS[..1]).latencies(|| thread::sleep(LIVE));
            stop.store(true, Ordering::Relaxed);
            theirs
        });
        let both = [&ours, &theirs].map(|each| [median(each), quantile(each, 0.99)]);
        eprintln!("round {round}: p50 and p99 in ms of sivcar, mirror: {:.1?}", both.map(|each| each.map(|s| s * 1e3)));
        middle.push(both[0][0] / both[1][0]);
        slowest.push(both[0][1] / both[1][1]);
    }
    (middle, slowest)
}

fn live<'a>(cluster: &'a Cluster, outputs: &'static [&'static str]) -> Live<'a, fn(u64) -> Made> {
    Live { cluster, make: |count| (RAW, count, order(count)), outputs }
}
