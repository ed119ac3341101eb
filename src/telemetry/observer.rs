//! What is counted when: one method per happening, which writes its log line too where the stream does not.
//!
//! Always holds: counts of a batch come after its commit, so that a repeated batch counts once. A `source` is an index into the
//! configuration; one that is out of range is counted nowhere.

use super::metrics::Metrics;
use crate::keys::KeysError;
use crate::privacy::error::Reason;
use crate::privacy::tally::{Actions, Tally};
use crate::record::Partition;
use crate::stream::happening::{Happening, Observer};
use crate::stream::transaction::{BatchTally, SourceTally};

impl Observer for Metrics {
    fn observe(&self, happening: &Happening<'_>) {
        match happening {
            Happening::Committed { tally, commit, .. } => {
                self.commit_seconds.with_label_values::<&str>(&[]).observe(commit.as_secs_f64());
                self.committed(tally);
            }
            Happening::Aborted { reason, .. } => self.aborts.with_label_values(&[*reason]).inc(),
            Happening::Resolved { outcome, .. } => self.unknown_commits.with_label_values(&[*outcome]).inc(),
            Happening::Opened { partition, .. } => self.open(partition, 1),
            Happening::Assigned { partition }
            | Happening::Waiting { partition, .. }
            | Happening::Paused { partition } => self.open(partition, 0),
            Happening::Closed { partition, .. } => self.closed(partition),
            Happening::Stopped { partition, reason, .. } => {
                self.open(partition, 0);
                self.task_stops.with_label_values(&[&*partition.topic, *reason]).inc();
            }
            Happening::Stale { worker, stale } => {
                self.policy_stale.with_label_values(&[worker.to_string()]).set((*stale).into());
            }
            Happening::Policy { version } => {
                self.policy_version.with_label_values::<&str>(&[]).set(i64::try_from(*version).unwrap_or(i64::MAX));
            }
            Happening::KeysetRefused { .. } => self.keyset_failures.with_label_values::<&str>(&[]).inc(),
            Happening::Restoring { partition, records, .. } | Happening::Restored { partition, records, .. } => {
                let records = i64::try_from(*records).unwrap_or(i64::MAX);
                self.restored.with_label_values(&[&*partition.topic, &partition.number.to_string()]).set(records);
            }
            Happening::Hanging { partition } => self.hanging.with_label_values(&[&*partition.topic]).inc(),
            Happening::Walked { partition, remaining, .. } => {
                let remaining = i64::try_from(*remaining).unwrap_or(i64::MAX);
                self.backfill.with_label_values(&[&*partition.topic, &partition.number.to_string()]).set(remaining);
            }
            Happening::Alerts { written, held_back } => {
                self.alerts.with_label_values(&["written"]).inc_by(*written);
                self.alerts.with_label_values(&["held_back"]).inc_by(*held_back);
            }
            Happening::Partitions { source, count } => {
                self.partitions.with_label_values(&[*source]).set((*count).into());
            }
            Happening::Held { partition, bytes, most } => {
                let labels = [&*partition.topic, &partition.number.to_string()];
                self.state_ratio.with_label_values(&labels).set(*bytes as f64 / *most as f64);
            }
            Happening::Lag { partition, records, unstable, age } => {
                let labels = [&*partition.topic, &partition.number.to_string()];
                self.lag_records.with_label_values(&labels).set(*records);
                self.lag_unstable.with_label_values(&labels).set(*unstable);
                self.lag_age.with_label_values(&labels).set(age.map_or(0.0, |age| age.as_secs_f64()));
            }
        }
    }
}

impl Metrics {
    /// What was done to fields.
    fn done(&self, source: &str, tally: &Tally) {
        for (output, actions) in [("protected", &tally.fields), ("views", &tally.views)] {
            let Actions { sealed, masked, dropped, kept } = *actions;
            for (action, count) in [("sealed", sealed), ("masked", masked), ("dropped", dropped), ("kept", kept)] {
                self.fields.with_label_values(&[source, output, action]).inc_by(count);
            }
        }
        self.own_removed.with_label_values(&[source]).inc_by(tally.own_removed);
        self.derived_copies.with_label_values(&[source]).inc_by(tally.derived_copies);
        for (outcome, count) in [
            ("passed", tally.tokens_passed),
            ("not_canonical", tally.tokens_not_canonical),
            ("unopened", tally.tokens_unopened),
        ] {
            self.sealed_input.with_label_values(&[source, outcome]).inc_by(count);
        }
        for (key_id, count) in &tally.seals {
            self.seals.with_label_values(&[key_id.to_string()]).inc_by(*count);
        }
    }

    /// A keyset, or the public keys of an issuer, was refused on reload; the one before stays in use.
    pub fn keyset_refused(&self, error: &KeysError) {
        tracing::error!(%error, "keyset or JWK set not reloaded, the one before stays in use");
        self.keyset_failures.with_label_values::<&str>(&[]).inc();
    }

    fn committed(&self, batch: &BatchTally) {
        for (source, tally) in &batch.sources {
            let SourceTally { protected, rejected, done, synthetic, rewritten, forgotten, abandoned } = tally;
            let Some(source) = self.sources.get(*source).map(String::as_str) else { continue };
            self.synthetic.with_label_values(&[source]).inc_by(*synthetic);
            self.rewritten.with_label_values(&[source]).inc_by(*rewritten);
            self.forgotten.with_label_values(&[source]).inc_by(*forgotten);
            self.abandoned.with_label_values(&[source]).inc_by(*abandoned);
            self.records.with_label_values(&[source, "protected"]).inc_by(*protected);
            for (reason, count) in rejected {
                self.records.with_label_values(&[source, "dead_letter"]).inc_by(*count);
                self.dead_letters.with_label_values(&[source, reason.code()]).inc_by(*count);
                if *reason == Reason::ClearUnderMark {
                    tracing::error!(source, count, "a field under a mark would have left in clear: please report this");
                    self.clear_fields.with_label_values(&[source]).inc_by(*count);
                }
            }
            self.done(source, done);
        }
        self.output_bytes.with_label_values::<&str>(&[]).inc_by(batch.output_bytes as u64);
    }

    fn open(&self, partition: &Partition, open: i64) {
        self.task_open.with_label_values(&[&*partition.topic, &partition.number.to_string()]).set(open);
    }

    /// Another process tells of this task from now on.
    fn closed(&self, partition: &Partition) {
        let labels = [&*partition.topic, &partition.number.to_string()];
        for gauge in [&self.task_open, &self.backfill, &self.restored, &self.lag_records, &self.lag_unstable] {
            // absent already where it was never set
            let _ = gauge.remove_label_values(&labels);
        }
        for gauge in [&self.lag_age, &self.state_ratio] {
            let _ = gauge.remove_label_values(&labels);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::keys::{KeySource, Keys};
    use crate::privacy::error::Reason;
    use crate::telemetry::logs::tests::logged;
    use crate::telemetry::{LogFormat, METRICS, Metric};

    fn batch(source: usize, tally: SourceTally) -> BatchTally {
        BatchTally { sources: BTreeMap::from([(source, tally)]), output_bytes: 77 }
    }

    fn commit(metrics: &Metrics, source: usize, done: Tally) {
        let tally = batch(source, SourceTally { protected: 1, done, ..SourceTally::default() });
        metrics.observe(&Happening::Committed { worker: 0, tally: &tally, commit: Duration::ZERO });
    }

    fn everything(metrics: &Metrics) {
        let partition = &Partition::new("raw", 3);
        let done = Tally {
            fields: Actions { sealed: 4, masked: 1, dropped: 0, kept: 2 },
            views: Actions { masked: 9, ..Actions::default() },
            own_removed: 1,
            derived_copies: 1,
            tokens_unopened: 3,
            seals: vec![(4_000_000_000, 6), (1, 1)],
            ..Tally::default()
        };
        let tally = &batch(
            0,
            SourceTally {
                protected: 5,
                rejected: BTreeMap::from([(Reason::TooDeep, 2), (Reason::ClearUnderMark, 1)]),
                done,
                synthetic: 3,
                rewritten: 2,
                forgotten: 3,
                abandoned: 1,
            },
        );
        for happening in [
            Happening::Committed { worker: 0, tally, commit: Duration::from_millis(6) },
            Happening::Aborted { worker: 0, reason: "refused", detail: "" },
            Happening::Resolved { worker: 0, outcome: "committed" },
            Happening::Opened { partition, position: 0 },
            Happening::Stopped { partition: &Partition::new("raw", 4), reason: "out_of_range", detail: "" },
            Happening::Stale { worker: 1, stale: true },
            Happening::Policy { version: 9 },
            Happening::KeysetRefused { detail: "" },
            Happening::Restored { partition, records: 12, profiles: 7, took: Duration::from_secs(1) },
            Happening::Hanging { partition },
            Happening::Walked { partition, target: 9, remaining: 5 },
            Happening::Alerts { written: 2, held_back: 1 },
            Happening::Partitions { source: "raw", count: 6 },
            Happening::Held { partition, bytes: 4096, most: 8192 },
            Happening::Lag { partition, records: 8, unstable: 1, age: Some(Duration::from_secs(2)) },
        ] {
            metrics.observe(&happening);
        }
        let missing = Keys::load(Some(KeySource::File("/nowhere/k.json".into())), BTreeMap::new());
        metrics.keyset_refused(&missing.map(|_| ()).expect_err("there is no such file"));
    }

    #[test]
    fn every_metric_of_the_table_is_exposed_with_its_help() {
        let metrics = Metrics::new("shop", ["raw"]);
        everything(&metrics);
        let text = metrics.text().expect("the table can be written");
        for row in METRICS {
            assert!(text.contains(&format!("# HELP {} {}\n", row.name, row.help)), "{} in\n{text}", row.name);
            assert!(text.contains(&format!("# TYPE {} {}\n", row.name, row.kind)), "{}", row.name);
            assert!(Metrics::documentation().contains(&format!("| `{}` | {} |", row.name, row.kind)));
        }
        assert_eq!(text.matches("# HELP ").count(), METRICS.len());
    }

    #[test]
    fn happenings_are_counted() {
        let metrics = Metrics::new("shop", ["raw"]);
        everything(&metrics);
        let text = metrics.text().expect("the table can be written");
        for line in [
            "sivcar_records_total{outcome=\"protected\",source=\"raw\"} 5",
            "sivcar_records_total{outcome=\"dead_letter\",source=\"raw\"} 3",
            "sivcar_dead_letters_total{reason=\"too_deep\",source=\"raw\"} 2",
            "sivcar_dead_letters_total{reason=\"not_utf8\",source=\"raw\"} 0",
            "sivcar_output_bytes_total 77",
            "sivcar_clear_fields_under_mark_total{source=\"raw\"} 1",
            "sivcar_fields_total{action=\"sealed\",output=\"protected\",source=\"raw\"} 4",
            "sivcar_fields_total{action=\"dropped\",output=\"protected\",source=\"raw\"} 0",
            "sivcar_fields_total{action=\"masked\",output=\"views\",source=\"raw\"} 9",
            "sivcar_own_members_removed_total{source=\"raw\"} 1",
            "sivcar_sealed_input_tokens_total{outcome=\"unopened\",source=\"raw\"} 3",
            "sivcar_seals_total{key_id=\"4000000000\"} 6",
            "sivcar_keyset_reload_failures_total 2",
            "sivcar_commit_seconds_bucket{le=\"0.01\"} 1",
            "sivcar_commit_seconds_count 1",
            "sivcar_aborts_total{reason=\"refused\"} 1",
            "sivcar_unknown_commits_total{outcome=\"committed\"} 1",
            "sivcar_policy_version 9",
            "sivcar_policy_stale{worker=\"1\"} 1",
            "sivcar_task_open{partition=\"3\",source=\"raw\"} 1",
            "sivcar_task_open{partition=\"4\",source=\"raw\"} 0",
            "sivcar_synthetic_events_total{source=\"raw\"} 3",
            "sivcar_profiles_rewritten_total{source=\"raw\"} 2",
            "sivcar_profiles_forgotten_total{source=\"raw\"} 3",
            "sivcar_profiles_abandoned_total{source=\"raw\"} 1",
            "sivcar_backfill_remaining_profiles{partition=\"3\",source=\"raw\"} 5",
            "sivcar_restored_records{partition=\"3\",source=\"raw\"} 12",
            "sivcar_hanging_transactions_total{source=\"raw\"} 1",
            "sivcar_source_partitions{source=\"raw\"} 6",
            "sivcar_state_budget_ratio{partition=\"3\",source=\"raw\"} 0.5",
            "sivcar_lag_records{partition=\"3\",source=\"raw\"} 8",
            "sivcar_lag_unstable_records{partition=\"3\",source=\"raw\"} 1",
            "sivcar_lag_age_seconds{partition=\"3\",source=\"raw\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn every_metric_is_seen_to_change() {
        let series = |metrics: &Metrics, row: &Metric| -> Vec<String> {
            let suffixes: &[&str] = if row.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            let names: Vec<String> = suffixes.iter().map(|suffix| format!("{}{suffix}", row.name)).collect();
            let text = metrics.text().expect("the table can be written");
            let ours =
                |line: &&str| line.split(['{', ' ']).next().is_some_and(|name| names.iter().any(|own| own == name));
            text.lines().filter(ours).map(str::to_owned).collect()
        };
        let (still, moved) = (Metrics::new("shop", ["raw"]), Metrics::new("shop", ["raw"]));
        everything(&moved);
        let unmoved = METRICS.iter().filter(|row| series(&still, row) == series(&moved, row));
        let unmoved: Vec<&str> = unmoved.map(|row| row.name).collect();
        // says what runs, and nothing that happens
        assert_eq!(unmoved, ["sivcar_build_info"]);
    }

    #[test]
    fn what_an_alert_waits_for_stands_at_0_from_the_start() {
        let text = Metrics::new("shop", ["raw"]).of_process(2).text().expect("the table can be written");
        for (name, count) in [
            ("sivcar_task_stops_total", 4),
            ("sivcar_aborts_total", 4),
            ("sivcar_fields_total", 8),
            ("sivcar_sealed_input_tokens_total", 3),
            ("sivcar_unknown_commits_total", 3),
            ("sivcar_policy_stale", 2),
            ("sivcar_clear_fields_under_mark_total", 1),
            ("sivcar_dead_letters_total", Reason::ALL.len()),
        ] {
            let zero = |line: &&str| line.starts_with(&format!("{name}{{")) && line.ends_with(" 0");
            assert_eq!(text.lines().filter(zero).count(), count, "{name} in\n{text}");
        }
        // a word that the stream tells and the table lacks would be one series more
        let metrics = Metrics::new("shop", ["raw"]).of_process(2);
        let series = |metrics: &Metrics| metrics.text().expect("the table can be written").lines().count();
        let before = series(&metrics);
        for reason in ["refused", "lost", "fault", "unknown"] {
            metrics.observe(&Happening::Aborted { worker: 0, reason, detail: "" });
        }
        metrics.observe(&Happening::Stale { worker: 1, stale: true });
        assert_eq!(series(&metrics), before);
    }

    #[test]
    fn a_clear_field_is_counted_and_logged() {
        let metrics = Metrics::new("shop", ["raw"]);
        let rejected = BTreeMap::from([(Reason::ClearUnderMark, 2)]);
        let tally = batch(0, SourceTally { rejected, ..SourceTally::default() });
        let committed = Happening::Committed { worker: 0, tally: &tally, commit: Duration::ZERO };
        let log = logged(LogFormat::Json, "error", || metrics.observe(&committed));
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(log.contains("\"source\":\"raw\"") && log.contains("\"count\":2"), "{log}");
        let text = metrics.text().expect("the table can be written");
        assert!(text.contains("sivcar_clear_fields_under_mark_total{source=\"raw\"} 2\n"), "{text}");
    }

    #[test]
    fn a_source_out_of_range_is_counted_nowhere() {
        let metrics = Metrics::new("shop", ["raw"]);
        commit(&metrics, 1, Tally { seals: vec![(1, 1)], own_removed: 1, ..Tally::default() });
        let text = metrics.text().expect("the table can be written");
        let counted = text.lines().filter(|line| line.contains("source=") && !line.ends_with(" 0")).count();
        assert_eq!((counted, text.contains("key_id")), (0, false), "{text}");
    }

    #[test]
    fn a_closed_task_is_told_by_another_process() {
        let metrics = Metrics::new("shop", ["raw"]);
        everything(&metrics);
        metrics.observe(&Happening::Closed { partition: &Partition::new("raw", 3), lost: false });
        let text = metrics.text().expect("the table can be written");
        assert!(!text.contains("partition=\"3\""), "{text}");
    }

    #[test]
    fn every_name_holds_sivcar_and_counters_end_in_total() {
        for row in METRICS {
            assert!(row.name.starts_with("sivcar_"), "{}", row.name);
            assert_eq!(row.kind == "counter", row.name.ends_with("_total"), "{}", row.name);
        }
    }
}
