//! The configuration: a TOML file becomes the settings that a process runs with.
//!
//! Two twins. `file` is what a person writes, key by key, unknown keys refused; [`Config`] is what holds: checked, with
//! defaults filled in, files resolved, paths parsed. Between them `substitute` puts environment variables into strings after
//! the file was parsed, so that no variable can add a key, and `build` refuses every value out of its range. Always holds: a
//! [`Config`] contradicts nothing that can be known without a broker or a keyset, and neither its errors nor
//! [`Config::effective`] show what came from the environment. Deliberately not here: reading keysets, meeting a broker, and
//! deciding what a librdkafka property may be (`kafka` refuses those that would break a guarantee).

mod build;
mod effective;
mod error;
mod file;
mod layouts;
mod matchers;
mod number;
mod properties;
mod source;
mod substitute;
#[cfg(test)]
mod tests;
mod wish;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::keys::KeySource;
use crate::privacy::control::ControlRecord;
use crate::privacy::settings::Settings;
use crate::stream::transaction::TransactionLimits;

pub use error::ConfigError;
pub(crate) use error::{choice, rephrase};
pub(crate) use number::duration;

/// Everything a process knows from its configuration file.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the policy is compiled from.
    pub settings: Settings,
    /// The stages, domains and marks of the file, in this order: what is published where the control topic lacks it.
    pub wished: Vec<ControlRecord>,
    /// This process's name among those of its group; part of its transactional ids.
    pub instance: String,
    /// Whether the file names the instance, so that its members may be static; else it is the host's name.
    pub instance_is_named: bool,
    /// Worker threads of this process, at least 1.
    pub workers: usize,
    /// librdkafka's properties as written.
    pub kafka: KafkaProperties,
    /// How topics are created.
    pub topics: Topics,
    /// When a transaction is full.
    pub transaction: TransactionLimits,
    /// The most that the profiles of one task may take, in bytes, as they are kept.
    pub state_bytes: usize,
    /// How long tasks go on while the control topic's end cannot be confirmed.
    pub max_staleness: Duration,
    /// Where HTTP listens.
    pub listen: SocketAddr,
    /// Where the keyset comes from that serves all workspaces without their own.
    pub keys: KeySource,
    /// Where the keysets of workspaces with their own come from, by workspace.
    pub workspace_keys: BTreeMap<String, KeySource>,
    /// The files with the public keys of issuers, by the source whose gate looks at their signatures.
    pub issuers: BTreeMap<String, PathBuf>,
    effective: String,
    /// The file, and the line and column of each librdkafka property in it.
    file: String,
    properties: BTreeMap<String, (usize, usize)>,
    /// What came from the environment.
    hidden: substitute::Substituted,
}

/// librdkafka properties, name to value. What stands in `consumer` and `producer` goes before `common`. Values may be
/// passwords: `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KafkaProperties {
    /// For every client.
    pub common: BTreeMap<String, String>,
    /// For consumers.
    pub consumer: BTreeMap<String, String>,
    /// For producers.
    pub producer: BTreeMap<String, String>,
}

/// How topics are created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topics {
    /// Whether sivcar may create its own topics and the outputs; raw ones it never creates.
    pub create: bool,
    /// Replicas of a created topic; −1: the broker's default.
    pub replication_factor: i16,
}

/// What a file is read with: passed in, so that tests decide it.
pub struct Surroundings<'a> {
    /// The file's name, for errors.
    pub name: &'a str,
    /// The folder that relative files are relative to.
    pub folder: &'a Path,
    /// The environment.
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// The host's name: the default instance.
    pub host: &'a str,
}

impl Config {
    /// Reads and checks the file at `path`, with the process's own environment and host name.
    ///
    /// # Errors
    /// [`ConfigError`], one line that says where and what.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => ConfigError::Absent { file: name.clone() },
            kind => ConfigError::Unreadable { file: name.clone(), kind },
        })?;
        let host = gethostname::gethostname();
        Config::parse(
            &text,
            &Surroundings {
                name: &name,
                folder: path.parent().unwrap_or(Path::new("")),
                environment: &|name| std::env::var_os(name),
                host: &host.to_string_lossy(),
            },
        )
    }

    /// Checks the configuration in `text`.
    ///
    /// # Errors
    /// [`ConfigError`], one line that says where and what.
    pub fn parse(text: &str, surroundings: &Surroundings) -> Result<Config, ConfigError> {
        build::config(text, surroundings)
    }

    /// The error `what` in `[kafka]`, with where the property `name` stands if the file has it. librdkafka shows values: none of them is
    /// shown that came from the environment.
    pub fn of_kafka(&self, name: Option<&str>, what: &str) -> ConfigError {
        let what = self.hidden.hide(format!("[kafka]: {what}")).lines().map(str::trim).collect::<Vec<_>>().join("; ");
        let file = self.file.clone();
        match name.and_then(|name| self.properties.get(name)) {
            Some(&(line, column)) => ConfigError::At { file, line, column, what },
            None => ConfigError::Whole { file, what },
        }
    }

    /// What holds, as TOML that would be read as the same configuration: defaults filled in, files resolved. Secrets are
    /// `***`: all that came from the environment, and every librdkafka property whose name says that it holds one.
    pub fn effective(&self) -> &str {
        &self.effective
    }
}

impl fmt::Debug for KafkaProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |properties: &BTreeMap<String, String>| properties.keys().cloned().collect::<Vec<_>>();
        f.debug_struct("KafkaProperties")
            .field("common", &names(&self.common))
            .field("consumer", &names(&self.consumer))
            .field("producer", &names(&self.producer))
            .finish()
    }
}
