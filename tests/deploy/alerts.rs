//! The alert rules, by promtool: their form, and that each fires for what it is about and for nothing else.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::metric_names;
use crate::tools::{content, package, prometheus, text};

const RULES: &str = "prometheus/alerts.yml";

/// Whether Prometheus reaches a process.
const UP: &str = r#"up{job="sivcar"}"#;

/// What stays as it is for as long as a test looks, a sample a minute.
const STEADY: &str = "x60";
/// A counter that rises once, ten minutes before a test looks.
const ONCE: &str = "0x20 1x40";
/// When a test looks.
const AT: &str = "30m";

/// Each alert, and the series that it fires for.
fn cases() -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let steady = |value: &str| format!("{value}{STEADY}");
    let once = || ONCE.to_owned();
    vec![
        ("SivcarClearFieldUnderMark", vec![(r#"sivcar_clear_fields_under_mark_total{source="raw"}"#, once())]),
        ("SivcarDown", vec![(UP, steady("0"))]),
        ("SivcarNotReady", vec![(r#"sivcar_task_open{source="raw",partition="0"}"#, steady("0"))]),
        (
            "SivcarTasksMissing",
            vec![
                (r#"sivcar_source_partitions{source="raw"}"#, steady("2")),
                (r#"sivcar_task_open{source="raw",partition="0"}"#, steady("1")),
            ],
        ),
        ("SivcarStateNearBudget", vec![(r#"sivcar_state_budget_ratio{source="raw",partition="0"}"#, steady("0.9"))]),
        ("SivcarPolicyStale", vec![(r#"sivcar_policy_stale{worker="0"}"#, steady("1"))]),
        ("SivcarTaskStopped", vec![(r#"sivcar_task_stops_total{source="raw",reason="out_of_range"}"#, once())]),
        ("SivcarLag", vec![(r#"sivcar_lag_age_seconds{source="raw",partition="0"}"#, steady("301"))]),
        (
            "SivcarHangingTransactionUpstream",
            vec![
                (r#"sivcar_lag_unstable_records{source="raw",partition="0"}"#, steady("1")),
                (r#"sivcar_lag_records{source="raw",partition="0"}"#, steady("1")),
            ],
        ),
        ("SivcarHangingTransaction", vec![(r#"sivcar_hanging_transactions_total{source="raw"}"#, once())]),
        ("SivcarDeadLetters", vec![(r#"sivcar_dead_letters_total{source="raw",reason="too_deep"}"#, once())]),
        ("SivcarProfilesAbandoned", vec![(r#"sivcar_profiles_abandoned_total{source="raw"}"#, once())]),
        ("SivcarKeysetRefused", vec![("sivcar_keyset_reload_failures_total", once())]),
        (
            "SivcarSlowCommits",
            vec![
                (r#"sivcar_commit_seconds_bucket{le="2"}"#, steady("0+90")),
                (r#"sivcar_commit_seconds_bucket{le="5"}"#, steady("0+100")),
                (r#"sivcar_commit_seconds_bucket{le="+Inf"}"#, steady("0+100")),
            ],
        ),
        ("SivcarAborts", vec![(r#"sivcar_aborts_total{reason="fault"}"#, steady("0+10"))]),
        ("SivcarUnknownCommits", vec![(r#"sivcar_unknown_commits_total{outcome="lost"}"#, once())]),
    ]
}

/// A process that is well: nothing fires.
fn well() -> Vec<(&'static str, String)> {
    let values = [
        (UP, "1"),
        ("sivcar_policy_version", "7"),
        (r#"sivcar_source_partitions{source="raw"}"#, "1"),
        (r#"sivcar_state_budget_ratio{source="raw",partition="0"}"#, "0.5"),
        (r#"sivcar_task_open{source="raw",partition="0"}"#, "1"),
        (r#"sivcar_policy_stale{worker="0"}"#, "0"),
        (r#"sivcar_clear_fields_under_mark_total{source="raw"}"#, "0"),
        (r#"sivcar_lag_age_seconds{source="raw",partition="0"}"#, "10"),
        (r#"sivcar_lag_records{source="raw",partition="0"}"#, "100"),
        (r#"sivcar_lag_unstable_records{source="raw",partition="0"}"#, "0"),
        (r#"sivcar_dead_letters_total{source="raw",reason="too_deep"}"#, "3"),
        (r#"sivcar_task_stops_total{source="raw",reason="out_of_range"}"#, "0"),
        (r#"sivcar_unknown_commits_total{outcome="committed"}"#, "0+1"),
        (r#"sivcar_commit_seconds_bucket{le="0.1"}"#, "0+1000"),
        (r#"sivcar_commit_seconds_bucket{le="+Inf"}"#, "0+1000"),
    ];
    values.map(|(series, value)| (series, format!("{value}{STEADY}"))).into()
}

/// promtool's test of these series: which alerts fire.
fn test(series: &[(&str, String)], fires: &[&str]) -> Value {
    let input: Vec<Value> = series.iter().map(|(series, values)| json!({"series": series, "values": values})).collect();
    let firing: Vec<Value> =
        fires.iter().map(|name| json!({"labels": format!("{{alertname=\"{name}\"}}"), "value": 1})).collect();
    json!({
        "interval": "1m",
        "input_series": input,
        "promql_expr_test": [{
            "expr": "count by (alertname) (ALERTS{alertstate=\"firing\"})",
            "eval_time": AT,
            "exp_samples": firing,
        }],
    })
}

/// The names of the rules.
fn rules() -> BTreeSet<String> {
    let text = text(RULES);
    let names = text.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}

#[test]
fn each_alert_fires_for_what_it_is_about_and_for_nothing_else() {
    let tested: BTreeSet<String> = cases().iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(tested, rules());
    let Some(mut promtool) = prometheus("promtool") else { return };
    let mut tests = Vec::new();
    for (name, mut series) in cases() {
        if series.iter().all(|(other, _)| *other != UP) {
            series.push((UP, format!("1{STEADY}")));
        }
        tests.push(test(&series, &[name]));
    }
    tests.push(test(&well(), &[]));
    tests.push(test(&[], &["SivcarDown"]));
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("tests.yml");
    let rules = package("deploy").join(RULES);
    let all = json!({"rule_files": [rules], "evaluation_interval": "1m", "tests": tests});
    std::fs::write(&file, all.to_string()).expect("the folder can be written");
    content(promtool.args(["test", "rules"]).arg(file));
}

#[test]
fn the_rules_and_the_settings_are_in_form() {
    let Some(mut promtool) = prometheus("promtool") else { return };
    content(promtool.args(["check", "config"]).arg(package("deploy/prometheus/prometheus.yml")));
    for file in [RULES, "grafana/dashboard.json"] {
        assert_eq!(metric_names::unknown(&text(file)), BTreeSet::new(), "{file}");
    }
}

#[test]
fn the_page_lists_the_alerts() {
    let page = std::fs::read_to_string(package("docs/operations.md")).expect("it is there");
    let word = |line: &str| line.strip_prefix("| `Sivcar").and_then(|rest| rest.split('`').next().map(str::to_owned));
    let listed: BTreeSet<String> = page.lines().filter_map(word).map(|rest| format!("Sivcar{rest}")).collect();
    assert_eq!(listed, rules());
}
