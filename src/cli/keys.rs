//! `sivcar keys`: makes, changes and compares keysets; never shows one.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use super::exit::{Failure, Outcome, tell};
use super::status::Waiting;
use super::{cluster, marks, offline};
use crate::config::Config;
use crate::keys::{self, KeySource};
use crate::privacy::control::{ControlRecord, Pin};
use crate::privacy::keyset::{Entry, Key, Keyring, Keyset, Status};
use crate::privacy::mark::EVERYWHERE;
use crate::privacy::seal::check_value;
use crate::stream::control;

/// A check value begins with a version byte and the key's id.
const PREFIX_BYTES: usize = 5;
/// How many bytes of it are then shown: enough to tell keys apart, by eye and by chance.
const SHOWN_BYTES: usize = 8;

/// Makes, changes and compares keysets (Tink's JSON form), without ever showing a key.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Makes a keyset file with one new key, mode 0600; an existing file is left alone.
    #[command(after_help = "Example: sivcar keys generate keyset.json")]
    Generate(File),
    /// Lists the keys: id, status, which is primary.
    #[command(after_help = "Example: sivcar keys inspect --config sivcar.toml")]
    Inspect(Place),
    /// Adds a new enabled key, which is not yet the primary: bring it to every reader and searcher first.
    #[command(after_help = "Example: sivcar keys add keyset.json")]
    Add(File),
    /// Makes a key the primary, by a control record, so that every worker changes at one policy version; then in the keyset file, where
    /// it is one. First add the key everywhere, searchers too.
    #[command(after_help = "Example: sivcar keys promote --config sivcar.toml --id 1919301694 --wait applied")]
    Promote {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The workspace whose own keyset it is; that under [keys] where left out
        #[arg(long, value_name = "NAME")]
        workspace: Option<String>,
        /// The key's id
        #[arg(long, value_name = "ID")]
        id: u32,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Moves the record keys of a changelog, of a view's topic or of a protected topic to another key: each profile's record is written anew
    /// and the old one deleted, once. Rotation does not need it; disabling a pinned key does.
    #[command(
        after_help = "Example: sivcar keys pin --config sivcar.toml --topic debug.users --id 1919301694 --wait backfilled"
    )]
    Pin {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The topic
        #[arg(long, value_name = "TOPIC")]
        topic: String,
        /// The workspace whose own keyset it is; that under [keys] where left out
        #[arg(long, value_name = "NAME")]
        workspace: Option<String>,
        /// The key's id
        #[arg(long, value_name = "ID")]
        id: u32,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Disables a key: its tokens can no longer be opened or searched. The primary is refused here; by the processes, a keyset without a
    /// key that a topic is pinned to (`sivcar status` lists them): move such a topic first, with `sivcar keys pin`.
    #[command(after_help = "Example: sivcar keys disable keyset.json --id 1919301694")]
    Disable {
        /// The keyset file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The key's id
        #[arg(long, value_name = "ID")]
        id: u32,
    },
    /// Checks keysets and shows a check value per key: two hosts with the same keys show the same lines.
    #[command(after_help = "Example: sivcar keys check --config sivcar.toml")]
    Check(Place),
}

/// A keyset file.
#[derive(Debug, clap::Args)]
pub struct File {
    /// The keyset file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// A keyset file, or all keysets of a configuration.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Place {
    /// The keyset file
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Take every keyset that this configuration names, wherever it comes from
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs the command.
pub fn run(command: &Command, output: &mut dyn Write) -> Result<Outcome, Failure> {
    match command {
        Command::Generate(File { file }) => {
            let keyset = keys::generate()?;
            keys::create(file, &keyset)?;
            tell(output, &format!("wrote {} with key {}\n", file.display(), keyset.primary()))
        }
        Command::Add(File { file }) => {
            let mut keyset = keys::read(&KeySource::File(file.clone()))?;
            let id = keys::add(&mut keyset)?;
            keys::replace(file, &keyset)?;
            let primary = keyset.primary();
            tell(output, &format!("added key {id} to {}; {primary} stays the primary\n", file.display()))
        }
        Command::Disable { file, id } => {
            let mut keyset = keys::read(&KeySource::File(file.clone()))?;
            if *id == keyset.primary() {
                return Err(Failure::usage(format!(
                    "{}: key {id} is the primary and cannot be disabled",
                    file.display()
                )));
            }
            keyset.disable(*id).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
            keys::replace(file, &keyset)?;
            tell(output, &format!("disabled key {id} in {}\n", file.display()))
        }
        Command::Promote { config, workspace, id, waiting } => {
            promote(&offline::config(config)?, workspace.as_deref(), *id, waiting, output)
        }
        Command::Pin { config, topic, workspace, id, waiting } => {
            let pin = Pin { topic: topic.clone(), workspace: workspace.clone() };
            move_pin(&offline::config(config)?, &pin, *id, waiting, output)
        }
        Command::Inspect(place) => show(place, output, |_| String::new()),
        Command::Check(place) => show(place, output, |check| format!("  {check}")),
    }
}

/// Promotes the key `id`: the control topic first, for it decides; a file that could not be written then is told of.
fn promote(
    config: &Config,
    workspace: Option<&str>,
    id: u32,
    waiting: &Waiting,
    output: &mut dyn Write,
) -> Result<Outcome, Failure> {
    let ring = offline::keys(config)?.ring();
    let (source, promoted) = with_primary(config, &ring, workspace, id)?;
    let log = cluster::connect_to_write(config)?;
    waiting.vet(&log, config)?;
    let group = &config.settings.group;
    control::publish(&log, group, &ControlRecord::of_keys(&ring))?;
    let whose = workspace.unwrap_or(EVERYWHERE);
    let control = control::amend(&log, group, |table| {
        let promoted = (table.primaries.get(whose) != Some(&id)).then(|| ControlRecord::promote(whose, id));
        Ok(promoted.into_iter().collect())
    })?;
    let version = control.table().version;
    tell(output, &format!("key {id} is the primary; policy version {version}\n"))?;
    match source {
        KeySource::File(file) => keys::replace(file, &promoted)?,
        _ => _ = tell(output, &format!("make it the primary in {source} too: searchers read it there\n"))?,
    }
    waiting.wait(&log, config, version)?;
    Ok(Outcome::Done)
}

/// Pins the key `id`, those that were pinned before it being remembered for the move.
fn move_pin(
    config: &Config,
    pin: &Pin,
    id: u32,
    waiting: &Waiting,
    output: &mut dyn Write,
) -> Result<Outcome, Failure> {
    let ring = offline::keys(config)?.ring();
    with_primary(config, &ring, pin.workspace.as_deref(), id)?;
    let log = cluster::connect(config)?;
    waiting.vet(&log, config)?;
    let group = &config.settings.group;
    if !marks::read(&log, group)?.table().pinned.contains_key(pin) {
        return Err(Failure::usage(format!("topic {}: no key is pinned for it; see sivcar status --json", pin.topic)));
    }
    control::publish(&log, group, &ControlRecord::of_keys(&ring))?;
    let control = control::amend(&log, group, |table| {
        let moved = table.pinned.get(pin).filter(|pinning| pinning.id != id).map(|pinning| {
            let was: Vec<u32> = pinning.was.iter().chain([&pinning.id]).copied().filter(|was| *was != id).collect();
            ControlRecord::pin(pin.clone(), id, &was)
        });
        Ok(moved.into_iter().collect())
    })?;
    let version = control.table().version;
    tell(output, &format!("key {id} is pinned for {}; policy version {version}\n", pin.topic))?;
    waiting.wait(&log, config, version)?;
    Ok(Outcome::Done)
}

/// The keyset of a workspace, or that under [keys], with the enabled key `id` as its primary, and where it comes from.
fn with_primary<'a>(
    config: &'a Config,
    ring: &Keyring,
    workspace: Option<&str>,
    id: u32,
) -> Result<(&'a KeySource, Keyset), Failure> {
    let (source, keyset) = match workspace {
        Some(workspace) => (config.workspace_keys.get(workspace), ring.of(workspace)),
        None => (Some(&config.keys), ring.default_keyset()),
    };
    let source = source.ok_or_else(|| {
        Failure::usage("--workspace: it has no keyset of its own; leave it out for that under [keys]")
    })?;
    let keyset = keyset.ok_or_else(|| Failure::usage(format!("{source}: there is no keyset")))?;
    let promoted = keyset.promoted(id).map_err(|error| Failure::usage(format!("{source}: {error}")))?;
    Ok((source, promoted))
}

/// Shows the keysets of `place`, a line per key, ended by what `more` makes of its check value.
fn show(place: &Place, output: &mut dyn Write, more: impl Fn(&str) -> String) -> Result<Outcome, Failure> {
    if let Some(file) = &place.file {
        let keyset = keys::read(&KeySource::File(file.clone()))?;
        return tell(output, &lines(&keyset, &more));
    }
    let Some(path) = &place.config else {
        return Err(Failure::usage("keys: name a FILE or --config"));
    };
    let config = offline::config(path)?;
    let ring = offline::keys(&config)?.ring();
    if let Some(keyset) = ring.default_keyset() {
        tell(output, &format!("[keys]\n{}", lines(keyset, &more)))?;
    }
    for (workspace, entry) in ring.own() {
        tell(output, &format!("workspace {workspace}\n"))?;
        match entry {
            Entry::Present(keyset) => tell(output, &lines(keyset, &more))?,
            Entry::Missing => tell(output, "missing: records of this workspace are rejected\n")?,
        };
    }
    Ok(Outcome::Done)
}

fn lines(keyset: &Keyset, more: &impl Fn(&str) -> String) -> String {
    let line = |key: &Arc<Key>| {
        let status = match key.status() {
            Status::Enabled if key.id() == keyset.primary() => "enabled, primary",
            Status::Enabled => "enabled",
            Status::Disabled => "disabled",
        };
        // what comes before says nothing new: a version and the id
        let check = check_value(key).into_iter().skip(PREFIX_BYTES).take(SHOWN_BYTES);
        let check: String = check.map(|byte| format!("{byte:02x}")).collect();
        let text = format!("{:<10}  {status:<16}{}", key.id(), more(&check));
        text.trim_end().to_owned() + "\n"
    };
    keyset.keys().iter().map(line).collect()
}
