//! Exit codes, and the one line that tells why a command failed.
//!
//! Always holds: a command that did all it was asked for ends with 0, and whatever else happened ends with another code and one
//! line on standard error. No line holds a value, a key or a payload. Deliberately not here: what the line says; that is the
//! error's own text.

use std::io::{self, Write};

use crate::config::ConfigError;
use crate::http::HttpError;
use crate::keys::KeysError;
use crate::privacy::control::ControlError;
use crate::privacy::policy::PolicyError;
use crate::stream::error::{self as stream, EXIT_BROKER, EXIT_CONFIG};
use crate::stream::log::Fault;
use crate::telemetry::LogError;

/// All was done.
pub const EXIT_OK: u8 = 0;
/// All was done that could be, but something was rejected: each is named on standard error. Also the stream's
/// [`EXIT_BROKER`]: the broker refused, or something failed that no other code names.
pub const EXIT_REJECTED: u8 = 1;
/// The command line or the configuration (keysets and topics with it) is not as it must be.
pub const EXIT_USAGE: u8 = EXIT_CONFIG;
/// Whoever read standard output went away: what a shell shows for a program that ended by SIGPIPE.
pub const EXIT_BROKEN_PIPE: u8 = 141;

/// What a command did that ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All that was asked for.
    Done,
    /// Something was rejected; standard error names it.
    Rejected,
}

/// Why a command ended early: the exit code and one line.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    code: u8,
    text: String,
}

impl Outcome {
    /// [`Outcome::Rejected`] where `count` is not 0.
    pub fn of_rejected(count: u64) -> Self {
        if count == 0 { Outcome::Done } else { Outcome::Rejected }
    }
}

impl Failure {
    /// The command line or the configuration is wrong; `text` says what, where and what to do.
    pub fn usage(text: impl Into<String>) -> Self {
        Self { code: EXIT_USAGE, text: text.into() }
    }

    /// Something failed on the way.
    pub fn failed(text: impl Into<String>) -> Self {
        Self { code: EXIT_REJECTED, text: text.into() }
    }

    /// Reading `what` failed.
    pub fn reading(what: &str, error: &io::Error) -> Self {
        Self::failed(format!("{what} cannot be read: {error}"))
    }

    /// Writing to standard output failed. A reader that went away is no error to tell of.
    pub fn writing(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self { code: EXIT_BROKEN_PIPE, text: String::new() },
            _ => Self::failed(format!("standard output cannot be written: {error}")),
        }
    }
}

/// Writes what a command came to.
///
/// # Errors
/// [`Failure::writing`].
pub fn tell(output: &mut dyn Write, text: &str) -> Result<Outcome, Failure> {
    output.write_all(text.as_bytes()).map_err(|error| Failure::writing(&error))?;
    Ok(Outcome::Done)
}

/// Writes the line, if there is one to write, and gives the exit code.
pub fn conclude(result: Result<Outcome, Failure>, errors: &mut impl Write) -> u8 {
    match result {
        Ok(Outcome::Done) => EXIT_OK,
        Ok(Outcome::Rejected) => EXIT_REJECTED,
        Err(failure) => {
            if !failure.text.is_empty() {
                // where standard error is gone too, nobody is left to tell
                let _ = writeln!(errors, "sivcar: {}", failure.text);
            }
            failure.code
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        stream::Error::Policy(error.to_string()).into()
    }
}

impl From<stream::Error> for Failure {
    fn from(error: stream::Error) -> Self {
        Self { code: error.exit_code(), text: error.to_string() }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        stream::Error::from(fault).into()
    }
}

const _: () = assert!(EXIT_BROKER == EXIT_REJECTED, "both are documented as one code");
