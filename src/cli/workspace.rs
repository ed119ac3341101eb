//! `sivcar stage`, `domain`, `reseal` and `erase`: what holds for a whole workspace, changed live.
//!
//! The configuration file only seeds stages and domains; from then on these commands change them. Always holds: what holds already is
//! not written anew, for a new record could make marks newly effective.

use std::cell::Cell;
use std::io::Write;
use std::path::PathBuf;

use super::exit::{Failure, Outcome, tell};
use super::status::Waiting;
use super::{cluster, marks, offline, unnamed};
use crate::config::Config;
use crate::privacy::control::{ControlKey, ControlRecord, ControlValue, Domain, Moment, PAD_MAX, StageRecord, Table};
use crate::privacy::mark::EVERYWHERE;
use crate::privacy::settings::{Stage, is_domain, is_name};
use crate::stream::control;
use crate::stream::log::Log;

/// Sets what is enforced in a workspace's protected topics, on the live stream.
///
/// Entering `enforced` makes every mark newly effective: each profile that holds a marked attribute is told of.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: sivcar stage --config sivcar.toml --workspace acme enforced --wait backfilled")]
pub struct StageArgs {
    #[command(flatten)]
    whose: Whose,
    /// off, configured (marks are kept, nothing is enforced) or enforced; views mask in every stage
    #[arg(value_name = "STAGE", value_parser = marks::word::<Stage>)]
    stage: Stage,
    #[command(flatten)]
    waiting: Waiting,
}

/// Sets how a domain's values are sealed, on the live stream: its marks become newly effective.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: sivcar domain --config sivcar.toml --workspace acme --name email --pad 32 --loose")]
pub struct DomainArgs {
    #[command(flatten)]
    whose: Whose,
    /// The domain
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Plaintexts are filled to a multiple of so many bytes; 0: they are not
    #[arg(long, value_name = "BYTES", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=i64::from(PAD_MAX)))]
    pad: u32,
    /// A second token ignores case and spaces
    #[arg(long)]
    loose: bool,
    /// An array is one token
    #[arg(long)]
    whole: bool,
    #[command(flatten)]
    waiting: Waiting,
}

/// Seals all that a workspace's profiles hold anew, under the primary: after a key was promoted, before the old one is disabled.
///
/// Each profile that holds a marked attribute is told of, and written anew; what events and dead letters hold stays under the old key.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: sivcar reseal --config sivcar.toml --workspace acme --wait backfilled")]
pub struct ResealArgs {
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    waiting: Waiting,
}

/// Forgets a workspace's profiles: their states, and their documents in protected topics and views once these are compacted.
///
/// Events stay until retention deletes them; destroying the workspace's own keyset makes them unreadable. A profile that comes again
/// begins anew.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: sivcar erase --config sivcar.toml --workspace acme --yes --wait backfilled")]
pub struct EraseArgs {
    #[command(flatten)]
    whose: Whose,
    /// Yes, for good
    #[arg(long, required = true)]
    yes: bool,
    #[command(flatten)]
    waiting: Waiting,
}

/// The workspace that a command is about.
#[derive(Debug, clap::Args)]
struct Whose {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The workspace
    #[arg(long, value_name = "NAME")]
    workspace: String,
}

/// Runs `stage`.
pub fn stage(args: &StageArgs, output: &mut dyn Write, errors: &mut dyn Write) -> Result<Outcome, Failure> {
    let config = args.whose.config(false)?;
    let workspace = args.whose.workspace.clone();
    let value = StageRecord { stage: args.stage, since: None, at: Some(marks::now()) };
    let key = ControlKey::Stage { workspace: workspace.clone() };
    let record = ControlRecord { key, value: Some(ControlValue::Stage(value)) };
    change(&config, &record, |table| stage_of(table, &workspace) == args.stage, &args.waiting, (output, errors))
}

/// Runs `domain`.
pub fn domain(args: &DomainArgs, output: &mut dyn Write, errors: &mut dyn Write) -> Result<Outcome, Failure> {
    let config = args.whose.config(true)?;
    if !is_domain(&args.name) {
        return Err(Failure::usage(format!("--name {:?}: must be 1–256 bytes without control characters", args.name)));
    }
    let named = (args.whose.workspace.clone(), args.name.clone());
    let wish = Domain { pad: args.pad, loose: args.loose, whole: args.whole, since: None };
    let key = ControlKey::Domain { workspace: named.0.clone(), name: named.1.clone() };
    let record = ControlRecord { key, value: Some(ControlValue::Domain(wish.clone())) };
    let holds = |table: &Table| domain_of(table, &named) == wish;
    change(&config, &record, holds, &args.waiting, (output, errors))
}

/// Runs `reseal`.
pub fn reseal(args: &ResealArgs, output: &mut dyn Write, errors: &mut dyn Write) -> Result<Outcome, Failure> {
    let config = args.whose.config(true)?;
    let workspace = args.whose.workspace.clone();
    let asked = Asked::default();
    let holds = |table: &Table| asked.since(table.reseals.get(&workspace));
    change(
        &config,
        &moment(ControlKey::Reseal { workspace: workspace.clone() }),
        holds,
        &args.waiting,
        (output, errors),
    )
}

/// Runs `erase`.
pub fn erase(args: &EraseArgs, output: &mut dyn Write, errors: &mut dyn Write) -> Result<Outcome, Failure> {
    let config = args.whose.config(false)?;
    let workspace = args.whose.workspace.clone();
    let asked = Asked::default();
    let holds = |table: &Table| asked.since(table.erased.get(&workspace));
    change(
        &config,
        &moment(ControlKey::Erased { workspace: workspace.clone() }),
        holds,
        &args.waiting,
        (output, errors),
    )
}

fn moment(key: ControlKey) -> ControlRecord {
    ControlRecord { key, value: Some(ControlValue::Moment(Moment::default())) }
}

/// A wish that is fulfilled by any other record than the one that stood when it was first looked at.
#[derive(Default)]
struct Asked(Cell<Option<Option<u64>>>);

impl Asked {
    fn since(&self, now: Option<&u64>) -> bool {
        let before = self.0.get().unwrap_or(now.copied());
        self.0.set(Some(before));
        now.is_some() && now != before.as_ref()
    }
}

/// What is enforced in `workspace`: everything where no record says otherwise.
fn stage_of(table: &Table, workspace: &str) -> Stage {
    table.stages.get(workspace).map(|held| held.stage).unwrap_or_default()
}

/// What holds for the domain `named`, whose workspace may have none of its own.
fn domain_of(table: &Table, named: &(String, String)) -> Domain {
    let everywhere = || table.domains.get(&(EVERYWHERE.to_owned(), named.1.clone()));
    let held = table.domains.get(named).or_else(everywhere).cloned().unwrap_or_default();
    Domain { since: None, ..held }
}

/// Writes `record` unless what it says holds already, tells the policy version and waits as wished.
fn change(
    config: &Config,
    record: &ControlRecord,
    holds: impl Fn(&Table) -> bool,
    waiting: &Waiting,
    (output, errors): (&mut dyn Write, &mut dyn Write),
) -> Result<Outcome, Failure> {
    let log = cluster::connect_to_write(config)?;
    waiting.vet(&log, config)?;
    let (written, version) = write(&log, &config.settings.group, record, holds)?;
    let what = if written { "changed" } else { "held already" };
    unnamed::warn(&log, config, std::slice::from_ref(&record.key), errors)?;
    tell(output, &format!("{what}; policy version {version}\n"))?;
    waiting.wait(&log, config, version)?;
    Ok(Outcome::Done)
}

/// Whether `record` was written, for what it says did not hold, and the policy version then.
fn write<L: Log>(
    log: &L,
    group: &str,
    record: &ControlRecord,
    holds: impl Fn(&Table) -> bool,
) -> Result<(bool, u64), Failure> {
    let mut written = false;
    let control = control::amend(log, group, |table| {
        let missing = !holds(table);
        written |= missing;
        Ok(missing.then(|| record.clone()).into_iter().collect())
    })?;
    Ok((written, control.table().version))
}

impl Whose {
    /// The configuration, in which the workspace must be known where it names any; `*` is one only if `everywhere`.
    fn config(&self, everywhere: bool) -> Result<Config, Failure> {
        let config = offline::config(&self.config)?;
        let (name, known) = (&self.workspace, &config.settings.workspaces);
        if everywhere && name == EVERYWHERE {
            return Ok(config);
        }
        if !is_name(name) {
            return Err(Failure::usage(format!("--workspace {name:?}: must be 1–64 letters, digits, '.', '_' or '-'")));
        }
        if !known.is_empty() && !known.contains(name) {
            return Err(Failure::usage(format!("workspace {name}: no such workspace in the configuration")));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryLog;
    use crate::stream::topics::ensure_control;

    fn set(log: &MemoryLog, stage: Stage) -> (bool, u64) {
        let key = ControlKey::Stage { workspace: "acme".to_owned() };
        let value = StageRecord { stage, since: None, at: None };
        let record = ControlRecord { key, value: Some(ControlValue::Stage(value)) };
        write(log, "g", &record, |table| stage_of(table, "acme") == stage).expect("is written")
    }

    #[test]
    fn what_is_done_once_is_asked_for_as_often_as_one_likes() {
        let log = MemoryLog::new("g");
        ensure_control(&log, "g", &[], true).expect("a control topic can be made");
        let reseal = || ControlKey::Reseal { workspace: "acme".to_owned() };
        let ask = || {
            let asked = Asked::default();
            write(&log, "g", &moment(reseal()), |table| asked.since(table.reseals.get("acme"))).expect("is written")
        };
        let ((first, version), (again, later)) = (ask(), ask());
        assert!(first && again && later > version);
        assert_eq!(marks::read(&log, "g").expect("is read").table().reseals["acme"], later);
        let beyond = Moment { since: Some(u64::MAX) };
        let beyond = ControlRecord { value: Some(ControlValue::Moment(beyond)), ..moment(reseal()) };
        assert!(write(&log, "g", &beyond, |table| table.reseals.get("acme") == Some(&u64::MAX)).expect("is written").0);
        let (written, version) = ask();
        assert!(written, "whatever somebody wrote before");
        assert_eq!(marks::read(&log, "g").expect("is read").table().reseals["acme"], version);
    }

    #[test]
    fn a_domains_settings_are_those_of_all_workspaces_where_its_own_has_none() {
        let padded = Domain { pad: 32, since: Some(4), ..Domain::default() };
        let named = |workspace: &str| (workspace.to_owned(), "email".to_owned());
        let table = Table { domains: [(named("*"), padded)].into(), ..Table::default() };
        assert_eq!(domain_of(&table, &named("acme")), Domain { pad: 32, ..Domain::default() });
        let own = Table {
            domains: [(named("acme"), Domain::default()), (named("*"), table.domains[&named("*")].clone())].into(),
            ..table
        };
        assert_eq!(domain_of(&own, &named("acme")), Domain::default());
    }

    #[test]
    fn what_holds_already_is_not_written_anew() {
        let log = MemoryLog::new("g");
        ensure_control(&log, "g", &[], true).expect("a control topic can be made");
        assert_eq!(set(&log, Stage::Enforced), (false, 0), "it holds where nothing says otherwise");
        let (written, off) = set(&log, Stage::Off);
        assert!(written && off > 0);
        assert_eq!(set(&log, Stage::Off), (false, off));
        let (written, entered) = set(&log, Stage::Enforced);
        assert!(written && entered > off);
        let held = marks::read(&log, "g").expect("is read").table().stages["acme"].clone();
        assert_eq!((held.stage, held.since), (Stage::Enforced, Some(entered)));
    }
}
