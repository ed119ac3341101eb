//! Instructions counted by valgrind: figures that no other load on the machine changes.

use std::process::Command;

/// Says, to this program run by itself under valgrind, what to do and how often.
const ORDERS: &str = "SIVCAR_COUNTED";

/// What to do and how often, where this run is one that is counted.
pub fn ordered() -> Option<(String, u64)> {
    let orders = std::env::var(ORDERS).ok()?;
    let (what, times) = orders.rsplit_once(' ').expect("a number behind");
    Some((what.to_owned(), times.parse().expect("a number")))
}

/// How many instructions doing `what` once takes, in steady state; `None` where there is no valgrind.
pub fn instructions(what: &str) -> Option<f64> {
    let [few, many] = [200, 1_200].map(|times| total(what, times));
    Some((many? - few?) / 1_000.0)
}

fn total(what: &str, times: u64) -> Option<f64> {
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .env(ORDERS, format!("{what} {times}"));
    let told = String::from_utf8_lossy(&command.output().ok()?.stderr).into_owned();
    let line = told.lines().find(|line| line.contains("Collected"))?;
    line.split_whitespace().last()?.parse().ok()
}
