//! `sivcar test-profiles`: whose records views show in clear, for they are nobody's.
//!
//! Always holds: one that stands in the configuration file is not withdrawn, for the next start would publish it again.

use std::io::Write;
use std::path::PathBuf;

use super::exit::{Failure, Outcome, tell};
use super::{cluster, marks, offline, unnamed};
use crate::config::Config;
use crate::privacy::control::{ControlKey, ControlRecord, ControlValue, Nothing};
use crate::privacy::settings::{is_domain, is_name};
use crate::stream::control;
use crate::stream::log::Log;

/// Adds, withdraws and lists test profiles: views show a record in clear if every id in it is one of a test profile.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Makes an id one of a test profile
    #[command(after_help = "Example: sivcar test-profiles add --config sivcar.toml --workspace acme --id 42")]
    Add(Which),
    /// Makes it anybody's again
    Remove(Which),
    /// Lists them
    List {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// What names one.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The workspace
    #[arg(long, value_name = "NAME")]
    workspace: String,
    /// The id or uuid, as text: 42 is 42 and "42"
    #[arg(long, value_name = "ID")]
    id: String,
}

/// Runs the command.
pub fn run(command: &Command, output: &mut dyn Write, errors: &mut dyn Write) -> Result<Outcome, Failure> {
    match command {
        Command::Add(which) => {
            let (config, key) = which.named()?;
            let log = cluster::connect_to_write(&config)?;
            let value = Some(ControlValue::TestProfile(Nothing {}));
            let version = change(&log, &config, &ControlRecord { key: key.clone(), value })?;
            unnamed::warn(&log, &config, &[key], errors)?;
            tell(output, &format!("policy version {version}\n"))
        }
        Command::Remove(which) => {
            let (config, key) = which.named()?;
            if config.wished.iter().any(|record| record.key == key) {
                let file = which.config.display();
                return Err(Failure::usage(format!(
                    "test profile {:?} stands in {file}, and the next start would publish it; remove it there first",
                    which.id
                )));
            }
            let log = cluster::connect(&config)?;
            let held = marks::read(&log, &config.settings.group)?;
            if !held.table().test_profiles.contains(&(which.workspace.clone(), which.id.clone())) {
                let Which { workspace, id, .. } = which;
                return Err(Failure::usage(format!(
                    "no such test profile: {id:?} in workspace {workspace}; see sivcar test-profiles list"
                )));
            }
            let version = change(&log, &config, &ControlRecord { key, value: None })?;
            tell(output, &format!("policy version {version}\n"))
        }
        Command::List { config } => {
            let config = offline::config(config)?;
            let control = marks::read(&cluster::connect(&config)?, &config.settings.group)?;
            let lines = control.table().test_profiles.iter().map(|(workspace, id)| format!("{workspace}\t{id}\n"));
            tell(output, &lines.collect::<String>())
        }
    }
}

impl Which {
    fn named(&self) -> Result<(Config, ControlKey), Failure> {
        let config = offline::config(&self.config)?;
        let (workspace, id) = (self.workspace.clone(), self.id.clone());
        let configured = &config.settings.workspaces;
        if !is_name(&workspace) {
            return Err(Failure::usage(format!(
                "--workspace {workspace:?}: must be 1–64 letters, digits, '.', '_' or '-'"
            )));
        }
        if !configured.is_empty() && !configured.contains(&workspace) {
            return Err(Failure::usage(format!("--workspace {workspace}: no such workspace in the configuration")));
        }
        if !is_domain(&id) {
            return Err(Failure::usage("--id must be 1–256 bytes without control characters"));
        }
        Ok((config, ControlKey::TestProfile { workspace, id }))
    }
}

/// Writes `record` unless it holds already; gives the policy version then.
fn change<L: Log>(log: &L, config: &Config, record: &ControlRecord) -> Result<u64, Failure> {
    let ControlKey::TestProfile { workspace, id } = &record.key else {
        return Err(Failure::failed("this is no test profile"));
    };
    let named = (workspace.clone(), id.clone());
    let control = control::amend(log, &config.settings.group, |table| {
        let holds = table.test_profiles.contains(&named) == record.value.is_some();
        Ok(if holds { Vec::new() } else { vec![record.clone()] })
    })?;
    Ok(control.table().version)
}
