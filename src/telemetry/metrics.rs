//! The metrics: one table that registers them and documents them.
//!
//! Always holds: what is in the table is what is exposed, each series whose labels are known beforehand from the start, at
//! 0, so that an alert can rest on it. Each [`Metrics`] has a registry of its own: two processes in one test do not mix.

#[cfg(target_os = "linux")]
use prometheus::process_collector::ProcessCollector;
use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::privacy::error::Reason;

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The name, its unit in it.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The labels' names.
    pub labels: &'static [&'static str],
    /// What it tells.
    pub help: &'static str,
}

/// Upper bounds of the commit histogram, in seconds: an idle broker takes about 6 ms, a transaction's timeout is some 10 s.
const COMMIT_SECONDS: [f64; 12] = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

/// Builds one kind of metric from its row.
trait Register: Sized {
    const KIND: &'static str;
    fn register(registry: &Registry, row: &Metric) -> prometheus::Result<Self>;
}

impl Register for IntCounterVec {
    const KIND: &'static str = "counter";
    fn register(registry: &Registry, row: &Metric) -> prometheus::Result<Self> {
        let metric = IntCounterVec::new(Opts::new(row.name, row.help), row.labels)?;
        registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}

impl Register for IntGaugeVec {
    const KIND: &'static str = "gauge";
    fn register(registry: &Registry, row: &Metric) -> prometheus::Result<Self> {
        let metric = IntGaugeVec::new(Opts::new(row.name, row.help), row.labels)?;
        registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}

impl Register for GaugeVec {
    const KIND: &'static str = "gauge";
    fn register(registry: &Registry, row: &Metric) -> prometheus::Result<Self> {
        let metric = GaugeVec::new(Opts::new(row.name, row.help), row.labels)?;
        registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}

impl Register for HistogramVec {
    const KIND: &'static str = "histogram";
    fn register(registry: &Registry, row: &Metric) -> prometheus::Result<Self> {
        let options = HistogramOpts::new(row.name, row.help).buckets(COMMIT_SECONDS.to_vec());
        let metric = HistogramVec::new(options, row.labels)?;
        registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}

macro_rules! metrics {
    ($($field:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        /// Every metric there is, in the order of the documentation.
        pub const METRICS: &[Metric] = &[
            $(Metric { name: $name, kind: <$kind as Register>::KIND, labels: &[$($label),*], help: $help },)*
        ];

        /// The metrics of one process. What counts in them is in its methods, one per happening.
        pub struct Metrics {
            registry: Registry,
            /// The topics of the sources, by their index.
            pub(super) sources: Vec<String>,
            $(pub(super) $field: $kind,)*
        }

        impl Metrics {
            fn register(sources: Vec<String>) -> prometheus::Result<Self> {
                let registry = Registry::new();
                let mut rows = METRICS.iter();
                $(let $field = match rows.next() {
                    Some(row) => <$kind as Register>::register(&registry, row)?,
                    None => return Err(prometheus::Error::Msg(concat!($name, " has no row").to_owned())),
                };)*
                Ok(Self { registry, sources, $($field,)* })
            }
        }
    };
}

metrics! {
    build_info: IntGaugeVec "sivcar_build_info" ["version", "group"] "1, under the version of this process and its group";
    policy_version: IntGaugeVec "sivcar_policy_version" [] "Version of the policy in force: offset of the last control record, plus 1";
    policy_stale: IntGaugeVec "sivcar_policy_stale" ["worker"] "1 while the end of the control topic cannot be confirmed and the worker's tasks pause";
    records: IntCounterVec "sivcar_records_total" ["source", "outcome"] "Records read and committed, by what became of them: protected or dead_letter";
    dead_letters: IntCounterVec "sivcar_dead_letters_total" ["source", "reason"] "Records rejected and committed to the dead letters, by reason code";
    output_bytes: IntCounterVec "sivcar_output_bytes_total" [] "Bytes of all committed outputs: keys, values and headers";
    fields: IntCounterVec "sivcar_fields_total" ["source", "output", "action"] "Fields that a rule named, by output (protected or views) and what was done: sealed, masked, dropped or kept";
    clear_fields: IntCounterVec "sivcar_clear_fields_under_mark_total" ["source"] "Records rejected for a field under a mark that would have left in clear; anything but 0 is a bug";
    own_removed: IntCounterVec "sivcar_own_members_removed_total" ["source"] "Incoming _pii members that were removed";
    derived_copies: IntCounterVec "sivcar_derived_copies_total" ["source"] "Values that were treated as the marked parameter that they hold a copy of";
    alerts: IntCounterVec "sivcar_alerts_total" ["outcome"] "First sightings of what looks like personal data and no mark names: written to the alerts topic, or held_back for there was no room";
    sealed_input: IntCounterVec "sivcar_sealed_input_tokens_total" ["source", "outcome"] "Strings like tokens from sources of sealed input: passed, or sealed again because not_canonical or unopened";
    seals: IntCounterVec "sivcar_seals_total" ["key_id"] "Values sealed, by the id of the key";
    keyset_failures: IntCounterVec "sivcar_keyset_reload_failures_total" [] "Reloads of a keyset or a JWK set that were refused, so that the old one stays";
    commit_seconds: HistogramVec "sivcar_commit_seconds" [] "Time that sending the offsets and committing a transaction took";
    aborts: IntCounterVec "sivcar_aborts_total" ["reason"] "Transactions aborted and their batches repeated, by reason";
    unknown_commits: IntCounterVec "sivcar_unknown_commits_total" ["outcome"] "Commits whose outcome was unknown, by what was found: committed, aborted or lost";
    task_open: IntGaugeVec "sivcar_task_open" ["source", "partition"] "1 while records of this task are processed, 0 while it waits, is paused or is stopped; absent where another process has it";
    task_stops: IntCounterVec "sivcar_task_stops_total" ["source", "reason"] "Tasks stopped until a person has looked, by reason";
    synthetic: IntCounterVec "sivcar_synthetic_events_total" ["source"] "Synthetic profile.updated events committed, by the source of the profiles";
    rewritten: IntCounterVec "sivcar_profiles_rewritten_total" ["source"] "Profiles that were written anew because a mark became effective or their workspace is sealed anew";
    forgotten: IntCounterVec "sivcar_profiles_forgotten_total" ["source"] "Profiles that were deleted because their workspace is erased";
    abandoned: IntCounterVec "sivcar_profiles_abandoned_total" ["source"] "Profiles that could not be settled: their documents went to the dead letters";
    backfill: IntGaugeVec "sivcar_backfill_remaining_profiles" ["source", "partition"] "Profiles that the walk under way has not looked at yet";
    restored: IntGaugeVec "sivcar_restored_records" ["source", "partition"] "Changelog records read by the task's last restore, while it goes on and after";
    partitions: IntGaugeVec "sivcar_source_partitions" ["source"] "Partitions of the source's topic: as many tasks have to be open in all processes together";
    state_ratio: GaugeVec "sivcar_state_budget_ratio" ["source", "partition"] "Part of task-bytes under [state] that the task's profiles take; above 1 it stops";
    hanging: IntCounterVec "sivcar_hanging_transactions_total" ["source"] "Restores held up by a transaction that has not ended for longer than it may take";
    lag_records: IntGaugeVec "sivcar_lag_records" ["source", "partition"] "High watermark minus the own next offset";
    lag_unstable: IntGaugeVec "sivcar_lag_unstable_records" ["source", "partition"] "High watermark minus last stable offset: a transaction that hangs upstream";
    lag_age: GaugeVec "sivcar_lag_age_seconds" ["source", "partition"] "Age of the oldest unread record, at most: since the last one read, or since nothing was unread; 0 where none is";
}

impl Metrics {
    /// The metrics of a process of `group` that reads `sources` (topics, in the configuration's order).
    pub fn new(group: &str, sources: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let metrics = Self::register(sources.into_iter().map(Into::into).collect())
            .expect("the table's names are distinct and of Prometheus' grammar, as a test of it shows");
        metrics.build_info.with_label_values(&[env!("CARGO_PKG_VERSION"), group]).set(1);
        metrics.begin();
        metrics
    }

    /// The same, of this whole process: what each of so many workers tells of itself stands at 0 from the start; and, on Linux, the
    /// `process_*` metrics that every client of Prometheus has.
    pub fn of_process(self, workers: usize) -> Self {
        #[cfg(target_os = "linux")]
        self.registry
            .register(Box::new(ProcessCollector::for_self()))
            .expect("no name of the table begins with process_, as a test of it shows");
        for worker in 0..workers {
            self.policy_stale.with_label_values(&[worker.to_string()]);
        }
        self
    }

    /// Sets every series whose labels are known beforehand to 0.
    fn begin(&self) {
        let none: [&str; 0] = [];
        self.policy_version.with_label_values(&none);
        self.output_bytes.with_label_values(&none);
        self.keyset_failures.with_label_values(&none);
        self.commit_seconds.with_label_values(&none);
        for reason in ["refused", "lost", "fault", "unknown"] {
            self.aborts.with_label_values(&[reason]);
        }
        for outcome in ["written", "held_back"] {
            self.alerts.with_label_values(&[outcome]);
        }
        for outcome in ["committed", "aborted", "lost"] {
            self.unknown_commits.with_label_values(&[outcome]);
        }
        for source in &self.sources {
            for reason in ["out_of_range", "source_changed", "state_over_budget", "changelog_out_of_range"] {
                self.task_stops.with_label_values(&[source.as_str(), reason]);
            }
            for (output, action) in ["protected", "views"]
                .into_iter()
                .flat_map(|output| ["sealed", "masked", "dropped", "kept"].map(|action| (output, action)))
            {
                self.fields.with_label_values(&[source.as_str(), output, action]);
            }
            for outcome in ["passed", "not_canonical", "unopened"] {
                self.sealed_input.with_label_values(&[source.as_str(), outcome]);
            }
            for outcome in ["protected", "dead_letter"] {
                self.records.with_label_values(&[source.as_str(), outcome]);
            }
            for reason in Reason::ALL {
                self.dead_letters.with_label_values(&[source.as_str(), reason.code()]);
            }
            self.clear_fields.with_label_values(&[source.as_str()]);
            for counter in [
                &self.own_removed,
                &self.derived_copies,
                &self.synthetic,
                &self.rewritten,
                &self.forgotten,
                &self.abandoned,
                &self.hanging,
            ] {
                counter.with_label_values(&[source.as_str()]);
            }
        }
    }

    /// All of it in Prometheus' text format.
    ///
    /// # Errors
    /// Never for this table; the library's own type cannot say so.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    /// The table as Markdown: name, type, labels, meaning.
    pub fn documentation() -> String {
        let mut page = "| metric | type | labels | meaning |\n|---|---|---|---|\n".to_owned();
        for Metric { name, kind, labels, help } in METRICS {
            let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
            page.push_str(&format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", ")));
        }
        page
    }
}
