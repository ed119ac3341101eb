//! A real Prometheus reads a sivcar that runs, with the settings, the rules and the dashboard that stand in deploy/.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use sivcar::telemetry::METRICS;

use crate::patience::eventually;
use crate::tools::{package, prometheus, text};

/// What stays at 0, or is not told of at all, as long as all is well: others see it change.
const ONLY_IN_TROUBLE: [&str; 14] = [
    "sivcar_policy_stale",
    "sivcar_clear_fields_under_mark_total",
    "sivcar_own_members_removed_total",
    "sivcar_derived_copies_total",
    "sivcar_sealed_input_tokens_total",
    "sivcar_keyset_reload_failures_total",
    "sivcar_aborts_total",
    "sivcar_unknown_commits_total",
    "sivcar_task_stops_total",
    "sivcar_profiles_forgotten_total",
    "sivcar_profiles_abandoned_total",
    "sivcar_hanging_transactions_total",
    "sivcar_lag_unstable_records",
    "sivcar_restored_records",
];

/// What comes and goes by the second.
const NOW_AND_THEN: [&str; 3] = ["sivcar_lag_records", "sivcar_lag_age_seconds", "sivcar_backfill_remaining_profiles"];

/// A process that ends with its value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // gone already, but for a test that failed
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The demo in memory, once it has shown all: the whole sidecar, fed on and on. Gives where its metrics are.
fn sivcar() -> (Running, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sivcar"));
    command.args(["demo", "--listen", "127.0.0.1:0"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = Running(command.spawn().expect("the program runs"));
    let mut output = BufReader::new(running.0.stdout.take().expect("piped"));
    let said = output.by_ref().lines().map(|line| line.expect("text")).find_map(|line| {
        let (_, rest) = line.split_once("http://")?;
        Some(rest.split('/').next()?.to_owned())
    });
    // it ends when nobody listens to what it says
    std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    (running, said.expect("it says where its metrics are"))
}

/// Prometheus with the settings of deploy/, but for whom it asks and how often.
struct Prometheus {
    _running: Running,
    address: String,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    fn start(mut command: Command, target: &str) -> Prometheus {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let settings = text("prometheus/prometheus.yml");
        assert!(settings.contains("sivcar:9464") && settings.matches(": 5s").count() == 2, "{settings}");
        let settings = settings.replace("sivcar:9464", target).replace(": 5s", ": 200ms");
        fs::write(folder.path().join("prometheus.yml"), settings).expect("the folder can be written");
        fs::copy(package("deploy/prometheus/alerts.yml"), folder.path().join("alerts.yml")).expect("it is there");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
        let address = free.to_string();
        command
            .current_dir(folder.path())
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).expect("the folder can be written"));
        let running = Running(command.spawn().expect("it runs"));
        Prometheus { _running: running, address, _folder: folder }
    }

    /// The data of an answer of its interface; `None` where there is none, or an error.
    fn get(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let mut answer = String::new();
        stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: x\r\n\r\n").as_bytes()).ok()?;
        stream.read_to_string(&mut answer).ok()?;
        let mut answer: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
        (answer["status"] == "success").then(|| answer["data"].take())
    }

    /// The samples of an expression; `None` where it is none, or nobody answers.
    fn query(&self, expression: &str) -> Option<Vec<Value>> {
        let bytes = expression.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        });
        let data = self.get(&format!("/api/v1/query?query={}", bytes.collect::<String>()))?;
        data["result"].as_array().cloned()
    }

    /// The sum of an expression over all its series; 0 where there are none.
    fn sum(&self, expression: &str) -> f64 {
        let result = self.query(&format!("sum({expression})")).unwrap_or_default();
        let value = result.first().and_then(|sample| sample["value"][1].as_str()?.parse().ok());
        value.unwrap_or(0.0)
    }

    /// The alerts by name and state, once each rule was evaluated.
    fn alerts(&self) -> Vec<(String, String)> {
        let rules = eventually("all rules are evaluated", || {
            let data = self.get("/api/v1/rules")?;
            let rules = data["groups"][0]["rules"].as_array()?.clone();
            let healthy = !rules.is_empty() && rules.iter().all(|rule| rule["health"] == "ok");
            assert!(rules.iter().all(|rule| rule["health"] != "err"), "{rules:#?}");
            healthy.then_some(rules)
        });
        let word = |rule: &Value, name: &str| rule[name].as_str().unwrap_or_default().to_owned();
        rules.iter().map(|rule| (word(rule, "name"), word(rule, "state"))).collect()
    }
}

/// The expressions of the dashboard.
fn expressions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&text("grafana/dashboard.json")).expect("it is JSON");
    let panels = dashboard["panels"].as_array().expect("panels").clone();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    targets
        .map(|target| target["expr"].as_str().expect("a text").replace("$__rate_interval", "1m").replace("$job", ".*"))
        .collect()
}

#[test]
fn prometheus_reads_a_sivcar_that_runs() {
    let Some(command) = prometheus("prometheus") else { return };
    let (sivcar, address) = sivcar();
    let prometheus = Prometheus::start(command, &address);
    eventually("it is scraped", || (prometheus.sum("up{job=\"sivcar\"}") == 1.0).then_some(()));

    // what a healthy process moves, and what not
    let moved = eventually("all that moves has moved", || {
        let moved: BTreeSet<&str> = METRICS
            .iter()
            .filter(|row| {
                let series = if row.kind == "histogram" { format!("{}_count", row.name) } else { row.name.to_owned() };
                prometheus.sum(&series) > 0.0
            })
            .map(|row| row.name)
            .filter(|name| !NOW_AND_THEN.contains(name))
            .collect();
        (moved.len() + ONLY_IN_TROUBLE.len() + NOW_AND_THEN.len() >= METRICS.len()).then_some(moved)
    });
    let rest: BTreeSet<&str> = METRICS.iter().map(|row| row.name).filter(|name| !moved.contains(name)).collect();
    assert_eq!(rest, ONLY_IN_TROUBLE.into_iter().chain(NOW_AND_THEN).collect());
    eventually("it goes on", || (prometheus.sum("changes(sivcar_records_total[1m])") > 0.0).then_some(()));

    for expression in expressions() {
        assert!(prometheus.query(&expression).is_some(), "{expression}");
    }
    let firing = |alerts: Vec<(String, String)>| {
        alerts.into_iter().filter(|(_, state)| state != "inactive").map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(firing(prometheus.alerts()), Vec::<String>::new(), "all is well");
    drop(sivcar);
    eventually("it is missed", || (firing(prometheus.alerts()) == ["SivcarDown"]).then_some(()));
}
