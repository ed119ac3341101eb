//! `sivcar keys`: makes, changes and compares keysets; never shows one.

use std::io::Write;
use std::path::PathBuf;

use super::exit::{Failure, Outcome, tell};
use super::offline;
use crate::keys::{self, KeySource};
use crate::privacy::keyset::{Entry, Keyset, Status};
use crate::privacy::seal::check_value;

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
    /// Disables a key: its tokens can no longer be opened or searched. The primary is refused.
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
        Command::Inspect(place) => show(place, output, |_| String::new()),
        Command::Check(place) => show(place, output, |check| format!("  {check}")),
    }
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
    let line = |key: &crate::privacy::keyset::Key| {
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
