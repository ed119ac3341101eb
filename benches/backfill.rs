//! Profiles on a real Kafka, each figure beside a peer in the same run: restore beside plain consuming, backfill beside plain mirroring
//! of the records it writes, the latency of live records with a backfill beside that without.
//!
//! Both sides of a figure take turns; the ratio of each round is taken, then their median. `SIVCAR_PROFILES` says how many profiles
//! (200,000), `SIVCAR_ROUNDS` how many rounds (3).

#[path = "../tests/integration/broker.rs"]
#[expect(dead_code, reason = "the integration tests' broker can do more")]
mod broker;
#[path = "parts/cluster.rs"]
mod cluster;
#[path = "parts/figures.rs"]
#[expect(dead_code, reason = "another bench needs the rest")]
mod figures;
#[path = "parts/live.rs"]
mod live;
#[path = "peers/mirror.rs"]
mod mirror;
#[path = "../tests/common/patience.rs"]
mod patience;
#[path = "parts/people.rs"]
mod people;
#[path = "peers/plain.rs"]
mod plain;
#[path = "../tests/integration/sidecar.rs"]
#[expect(dead_code, reason = "the integration tests' process can do more")]
mod sidecar;
#[path = "parts/spread.rs"]
mod spread;

use std::thread;
use std::time::Duration;

use cluster::{Cluster, backfill, wait, withdraw};
use figures::{is_wanted, median, number, quantile, resident, row};
use live::{Live, Made};
use mirror::{Rest, mirror};
use sidecar::Sidecar;
use spread::key;

/// How many workers the program has, and how many threads each peer.
const WORKERS: i32 = 2;

const CHANGELOG: &str = "g.raw.users.changelog";

/// What a backfill writes to, and the twins that the peer writes to.
const TWINS: [(&str, &[&str]); 3] =
    [("protected.events", &["twin.events"]), ("protected.users", &["twin.users"]), (CHANGELOG, &["twin.changelog"])];

/// How long the latency without a backfill is measured.
const QUIET: Duration = Duration::from_secs(5);

fn main() {
    if !is_wanted() {
        return;
    }
    let (profiles, rounds) = (number("SIVCAR_PROFILES", 200_000), number("SIVCAR_ROUNDS", 3));
    let mut cluster = Cluster::new(WORKERS, &["raw.events", "raw.users"], people::SOURCES);
    TWINS.iter().flat_map(|(_, twins)| *twins).for_each(|twin| cluster.create(twin));
    let sidecar = cluster.start();
    let before = resident(sidecar.child.id());
    let bytes = cluster.feed("raw.users", profiles, |number| (key(number), people::document(number)));
    wait(|| sidecar.metric("sivcar_records_total", "") >= profiles as f64);
    let filled = resident(sidecar.child.id()) - before;
    eprintln!("{profiles} profiles, {:.0} bytes each", bytes / profiles as f64);

    let (sidecar, restores) = restores(&mut cluster, sidecar, rounds);
    let restored = resident(sidecar.child.id()) - before;
    let resident = "resident memory of the whole process ÷ bytes of the documents";
    row("memory, filled by live records", &[filled / bytes], resident);
    row("memory, filled by a restore", &[restored / bytes], resident);
    row("restore", &restores, "time to restore a changelog ÷ time to consume it with bare librdkafka");
    let backfills = backfills(&cluster, &sidecar, profiles, rounds);
    row("backfill", &backfills, "time of a backfill ÷ time to mirror the same records with bare librdkafka");
    let (middle, slowest) = live_records(&cluster, &sidecar, profiles, rounds);
    row("latency of live records, p50", &middle, "with a backfill ÷ without");
    row("latency of live records, p99", &slowest, "with a backfill ÷ without");
    sidecar.drain();
}

/// Restarts the program and reads its changelog plainly, in turns.
fn restores(cluster: &mut Cluster, mut sidecar: Sidecar, rounds: u64) -> (Sidecar, Vec<f64>) {
    let mut ratios = Vec::new();
    for round in 0..rounds {
        let consume = |cluster: &Cluster| plain::consume(CHANGELOG, || cluster.reader(), WORKERS);
        let early = (round % 2 == 0).then(|| consume(cluster));
        sidecar.drain();
        sidecar = cluster.start();
        let restored: Vec<_> =
            sidecar.lines().into_iter().filter(|line| line["message"] == "profiles restored").collect();
        let records: u64 = restored.iter().filter_map(|line| line["records"].as_u64()).sum();
        let took = restored.iter().filter_map(|line| line["took_ms"].as_u64()).max().expect("it has profiles");
        let (consumed, plainly) = early.unwrap_or_else(|| consume(cluster));
        assert_eq!(consumed as u64, records, "both read the same");
        let took = Duration::from_millis(took);
        eprintln!("round {round}: {records} records restored in {took:.2?}, consumed in {plainly:.2?}");
        ratios.push(ratio(took, plainly));
    }
    (sidecar, ratios)
}

/// Marks an attribute that everyone has, then mirrors what the backfill wrote, in turns.
fn backfills(cluster: &Cluster, sidecar: &Sidecar, profiles: u64, rounds: u64) -> Vec<f64> {
    let round = |round| {
        let rests = TWINS.map(|(topic, to)| Rest { topic, to, from: cluster.ends(topic) });
        let took = backfill(cluster, sidecar);
        let (records, mirrored) = mirror(&cluster.client(), &rests, WORKERS);
        withdraw(cluster, sidecar);
        eprintln!(
            "round {round}: {profiles} profiles backfilled in {took:.2?}, {records} records mirrored in {mirrored:.2?}"
        );
        ratio(took, mirrored)
    };
    (0..rounds).map(round).collect()
}

/// Live records without and with a backfill, in turns; gives the ratios of p50 and of p99.
fn live_records(cluster: &Cluster, sidecar: &Sidecar, profiles: u64, rounds: u64) -> (Vec<f64>, Vec<f64>) {
    let live =
        Live { cluster, make: |count| live_record(count, profiles), outputs: &["protected.events", "protected.users"] };
    let round = |round| {
        let quiet = live.latencies(|| thread::sleep(QUIET));
        let busy = live.latencies(|| _ = backfill(cluster, sidecar));
        withdraw(cluster, sidecar);
        let both = [&quiet, &busy].map(|each| [median(each), quantile(each, 0.99)].map(Duration::from_secs_f64));
        eprintln!(
            "round {round}: p50 and p99 without {:.1?}, with {:.1?}, {} records",
            both[0],
            both[1],
            quiet.len() + busy.len()
        );
        (ratio(both[1][0], both[0][0]), ratio(both[1][1], both[0][1]))
    };
    (0..rounds).map(round).unzip()
}

/// An event and a patch of a profile in turn.
fn live_record(count: u64, profiles: u64) -> Made {
    let number = count.wrapping_mul(7_919) % profiles;
    let (topic, value) = match count % 2 {
        0 => (
            "raw.events",
            format!(r#"{{"workspace":"acme","action":"buy","client":{{"id":{number}}},"params":{{"n":{count}}}}}"#),
        ),
        _ => ("raw.users", format!(r#"{{"workspace":"acme","id":{number},"attributes":{{"seen":{count}}}}}"#)),
    };
    (topic, number, value.into_bytes())
}

/// How many times as long as `other` `one` is.
fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}
