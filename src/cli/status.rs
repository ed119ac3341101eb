//! `sivcar status`: what every task of the group has reached, from any machine; and the wait of `sivcar mark` for it.
//!
//! Always holds: what is shown stands in the control and the status topic; nothing is asked of any instance. A task that nobody told of
//! yet is shown as such.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use super::exit::{Failure, Outcome};
use super::{cluster, marks, offline};
use crate::config::Config;
use crate::privacy::control::{Domain, Table};
use crate::privacy::mark::EVERYWHERE;
use crate::record::Partition;
use crate::stream::log::Log;
use crate::stream::status::{Progress, Status, Tasks};

/// How often `--watch` and a wait look again.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The longest wait, in seconds: a year.
const LIMIT_MAX: u64 = 31_536_000;

/// How many characters a bar has.
const BAR: usize = 20;

/// Shows stages, domains, the policy of each task, and every backfill, for the whole group.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: sivcar status --config sivcar.toml --watch")]
pub struct Args {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Again every second, until it is stopped
    #[arg(long)]
    watch: bool,
    /// A JSON object, for programs
    #[arg(long, conflicts_with = "watch")]
    json: bool,
}

/// What a change of the policy is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Wait {
    /// It is in force on every task.
    Applied,
    /// Every profile that it concerns is settled for it, too.
    Backfilled,
}

/// Whether a command that changes the policy waits until that came to something.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Waiting {
    /// Returns only when the change is in force on every task of the group (applied), or every profile that it concerns is told of,
    /// too (backfilled)
    #[arg(long, value_name = "WORD", value_enum)]
    wait: Option<Wait>,
    /// How long to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600, requires = "wait", value_parser = clap::value_parser!(u64).range(..=LIMIT_MAX))]
    timeout: u64,
}

impl Waiting {
    /// Asks for what a wait, if wished, will look at: who may not see it writes nothing.
    ///
    /// # Errors
    /// The broker's, and that of a group that never started.
    pub fn vet<L: Log>(&self, log: &L, config: &Config) -> Result<(), Failure> {
        if self.wait.is_none() {
            return Ok(());
        }
        let mut tasks = open(log, config)?;
        tasks.refresh()?;
        every_task(log, config, &tasks.tasks).map(drop)
    }

    /// Waits for the policy `version`, if wished.
    ///
    /// # Errors
    /// Those of [`wait`].
    pub fn wait<L: Log>(&self, log: &L, config: &Config, version: u64) -> Result<(), Failure> {
        self.wait.map_or(Ok(()), |what| wait(log, config, version, what, Duration::from_secs(self.timeout)))
    }
}

/// Runs `status`.
pub fn run(args: &Args, output: &mut dyn Write) -> Result<Outcome, Failure> {
    let config = offline::config(&args.config)?;
    let log = cluster::connect(&config)?;
    let mut tasks = open(&log, &config)?;
    loop {
        let control = marks::read(&log, &config.settings.group)?;
        tasks.refresh()?;
        let all = every_task(&log, &config, &tasks.tasks)?;
        let text = match args.json {
            true => as_json(control.table(), &all),
            false => as_text(control.table(), &all),
        };
        let clear = if args.watch && std::io::stdout().is_terminal() { "\u{1b}[2J\u{1b}[H" } else { "" };
        let written = output.write_all(format!("{clear}{text}").as_bytes()).and_then(|()| output.flush());
        written.map_err(|error| Failure::writing(&error))?;
        if !args.watch {
            return Ok(Outcome::Done);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Waits until the policy `version` is in force on every task of the group and, if wished, every profile settled for it.
///
/// # Errors
/// After `limit`, with how far it has come.
pub fn wait<L: Log>(log: &L, config: &Config, version: u64, what: Wait, limit: Duration) -> Result<(), Failure> {
    let mut tasks = open(log, config)?;
    let until = Instant::now() + limit;
    loop {
        tasks.refresh()?;
        let all = every_task(log, config, &tasks.tasks)?;
        let reached = all.values().filter(|status| status.is_some_and(|status| reaches(status, version, what))).count();
        if reached == all.len() {
            return Ok(());
        }
        if Instant::now() >= until {
            return Err(Failure::failed(format!(
                "policy {version} is not yet reached by {} of {} tasks; see sivcar status",
                all.len() - reached,
                all.len()
            )));
        }
        std::thread::sleep(LOOK_EVERY.min(until.saturating_duration_since(Instant::now())));
    }
}

fn reaches(status: &Status, version: u64, what: Wait) -> bool {
    let settled = status.profiles.is_none_or(|profiles| profiles.settled >= version);
    status.policy >= version && (what == Wait::Applied || settled)
}

fn open<L: Log>(log: &L, config: &Config) -> Result<Tasks<L>, Failure> {
    let topic = crate::stream::status::status_topic(&config.settings.group);
    if log.partitions(&topic)?.is_none() {
        return Err(Failure::usage(format!("status topic {topic} does not exist; it comes with the first start")));
    }
    Ok(Tasks::open(log, &config.settings.group)?)
}

/// Every task there is, with what was told of it.
fn every_task<'a, L: Log>(
    log: &L,
    config: &Config,
    told: &'a BTreeMap<Partition, Status>,
) -> Result<BTreeMap<Partition, Option<&'a Status>>, Failure> {
    let mut all = BTreeMap::new();
    for source in &config.settings.sources {
        let count = log.partitions(&source.topic)?.unwrap_or(0);
        for number in 0..count {
            let task = Partition::new(source.topic.as_str(), number);
            let status = told.get(&task);
            all.insert(task, status);
        }
    }
    Ok(all)
}

type Told<'a> = BTreeMap<Partition, Option<&'a Status>>;

fn as_json(table: &Table, all: &Told) -> String {
    let stages: BTreeMap<_, _> = table.stages.iter().collect();
    let domains = table.domains.iter().map(|((workspace, name), Domain { pad, loose, whole, since })| {
        json!({"workspace": workspace, "name": name, "pad": pad, "loose": loose, "whole": whole, "since": since})
    });
    let domains: Vec<_> = domains.collect();
    let pinned = table
        .pinned
        .iter()
        .map(|(pin, pinning)| json!({"topic": pin.topic, "workspace": pin.workspace, "key": pinning.id}));
    let pinned: Vec<_> = pinned.collect();
    let task = |(task, status): (&Partition, &Option<&Status>)| json!({"topic": &*task.topic, "partition": task.number, "status": status});
    let tasks: Vec<_> = all.iter().map(task).collect();
    format!(
        "{}\n",
        json!({
            "policy": table.version, "marks": table.marks.len(), "stages": stages, "domains": domains,
            "primaries": table.primaries, "pinned": pinned, "tasks": tasks
        })
    )
}

fn as_text(table: &Table, all: &Told) -> String {
    let in_force = all.values().flatten().filter(|status| status.policy >= table.version).count();
    let mut text = format!(
        "policy {}, in force on {in_force} of {} tasks; {} marks (see sivcar marks)\n",
        table.version,
        all.len(),
        table.marks.len()
    );
    for (workspace, stage) in &table.stages {
        let word = serde_json::to_value(stage.stage).ok().and_then(|word| word.as_str().map(str::to_owned));
        let _ = writeln!(text, "workspace {workspace}: {}", word.unwrap_or_default());
    }
    for ((workspace, name), Domain { pad, loose, whole, .. }) in &table.domains {
        let _ = writeln!(text, "domain {name} of workspace {workspace}: pad {pad}, loose {loose}, whole {whole}");
    }
    for (pin, pinning) in &table.pinned {
        let primary =
            pin.workspace.as_ref().and_then(|own| table.primaries.get(own)).or(table.primaries.get(EVERYWHERE));
        if primary.is_some_and(|primary| *primary != pinning.id) {
            let _ = writeln!(text, "{} is pinned to key {}, which is not the primary", pin.topic, pinning.id);
        }
    }
    let widest = all.keys().map(|task| task.to_string().len()).max().unwrap_or(0).max("TASK".len());
    let _ = writeln!(text, "\n{:<widest$}  POLICY  PROFILES  SETTLED  INSTANCE  BACKFILL", "TASK");
    let mut total = Progress { target: 0, total: 0, remaining: 0, took: 0 };
    let (mut profiles, mut walks) = (0, 0);
    for (task, status) in all {
        let Some(Status { instance, policy, profiles: kept, .. }) = status else {
            let _ = writeln!(text, "{:<widest$}  nothing told yet", task.to_string());
            continue;
        };
        let (count, settled) =
            kept.map_or(("-".to_owned(), "-".to_owned()), |kept| (kept.count.to_string(), kept.settled.to_string()));
        let walk = kept.and_then(|kept| kept.walk);
        profiles += kept.map_or(0, |kept| kept.count);
        if let Some(walk) = walk {
            walks += 1;
            total.total += walk.total;
            total.remaining += walk.remaining;
            total.took = total.took.max(walk.took);
        }
        let bar = walk.as_ref().map(bar).unwrap_or_default();
        let line =
            format!("{:<widest$}  {policy:<6}  {count:<8}  {settled:<7}  {instance:<8}  {bar}", task.to_string());
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if all.values().flatten().all(|status| status.profiles.is_none()) {
        return text;
    }
    let bar = if walks > 0 { bar(&total) } else { String::new() };
    text.push_str(format!("{:<widest$}          {profiles:<8}                     {bar}", "all").trim_end());
    text.push('\n');
    text
}

/// A bar, how many are left, how fast it goes and how long it will still take, if it goes on so.
fn bar(progress: &Progress) -> String {
    let Progress { total, remaining, took, .. } = *progress;
    let done = total.saturating_sub(remaining);
    let filled = BAR * done / total.max(1);
    let per_second = done as f64 / (took.max(1) as f64 / 1000.0);
    let left = if done == 0 { "?".to_owned() } else { format!("{:.0} s", remaining as f64 / per_second) };
    format!(
        "{}{} {} %, {remaining} left, {per_second:.0}/s, {left}",
        "█".repeat(filled),
        "░".repeat(BAR - filled),
        100 * done / total.max(1)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::control::{Pin, Pinning};
    use crate::stream::status::Profiles;

    fn status(policy: u64, profiles: Option<Profiles>) -> Status {
        Status { instance: "a".into(), at: 0, policy, profiles }
    }

    #[test]
    fn every_task_has_a_line_and_every_walk_a_bar() {
        let walk = Some(Progress { target: 9, total: 1_000, remaining: 250, took: 3_000 });
        let walking = status(9, Some(Profiles { count: 1_000, settled: 4, walk }));
        let idle = status(7, None);
        let all = BTreeMap::from([
            (Partition::new("events", 0), Some(&idle)),
            (Partition::new("events", 1), None),
            (Partition::new("users", 0), Some(&walking)),
        ]);
        let table = Table { version: 9, ..Table::default() };
        let expected = "policy 9, in force on 1 of 3 tasks; 0 marks (see sivcar marks)\n\n\
                        TASK       POLICY  PROFILES  SETTLED  INSTANCE  BACKFILL\n\
                        events[0]  7       -         -        a\n\
                        events[1]  nothing told yet\n\
                        users[0]   9       1000      4        a         \
                        ███████████████░░░░░ 75 %, 250 left, 250/s, 1 s\n\
                        all                1000                         \
                        ███████████████░░░░░ 75 %, 250 left, 250/s, 1 s\n";
        assert_eq!(as_text(&table, &all), expected);
        let parsed: serde_json::Value = serde_json::from_str(&as_json(&table, &all)).expect("JSON");
        assert_eq!(parsed["tasks"][2]["status"]["profiles"]["walk"]["remaining"], 250);
        assert_eq!(parsed["tasks"][1]["status"], serde_json::Value::Null);
    }

    #[test]
    fn what_holds_for_all_tasks_stands_above_them() {
        let mut table = Table { version: 9, ..Table::default() };
        let email = Domain { pad: 32, loose: true, ..Domain::default() };
        table.domains.insert(("acme".to_owned(), "email".to_owned()), email);
        table.primaries.insert(EVERYWHERE.to_owned(), 7);
        for (topic, id) in [("debug.events", 5), ("debug.users", 7)] {
            let pin = Pin { topic: topic.to_owned(), workspace: None };
            table.pinned.insert(pin, Pinning { id, ..Pinning::default() });
        }
        let idle = status(9, None);
        let all = BTreeMap::from([(Partition::new("events", 0), Some(&idle))]);
        let expected = "policy 9, in force on 1 of 1 tasks; 0 marks (see sivcar marks)\n\
                        domain email of workspace acme: pad 32, loose true, whole false\n\
                        debug.events is pinned to key 5, which is not the primary\n\n\
                        TASK       POLICY  PROFILES  SETTLED  INSTANCE  BACKFILL\n\
                        events[0]  9       -         -        a\n";
        assert_eq!(as_text(&table, &all), expected);
        let parsed: serde_json::Value = serde_json::from_str(&as_json(&table, &all)).expect("JSON");
        assert_eq!(parsed["domains"][0]["pad"], 32);
    }

    #[test]
    fn a_wait_is_for_the_policy_and_then_for_everyone() {
        let settled = |settled| Some(Profiles { count: 1, settled, walk: None });
        for (status, applied, backfilled) in [
            (status(4, None), false, false),
            (status(5, None), true, true),
            (status(5, settled(4)), true, false),
            (status(6, settled(5)), true, true),
        ] {
            assert_eq!(reaches(&status, 5, Wait::Applied), applied, "{status:?}");
            assert_eq!(reaches(&status, 5, Wait::Backfilled), backfilled, "{status:?}");
        }
    }
}
