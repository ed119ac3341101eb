//! Why a process stops: the classes that its exit code tells apart.

/// What ends a worker, the control reader, and with them the process. The text says what to do; it holds no key and no value.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum Error {
    /// Another process works under the same transactional id, or this one stalled for longer than its transaction may take.
    #[error("fenced: {0}; does another process run with the same group and `instance`, or did this one stall?")]
    Fenced(String),
    /// The control topic was emptied or re-created: to go on would switch protection off.
    #[error(
        "policy_went_backwards: {0}; to go on would switch protection off: do what docs/operations.md says of a lost control topic"
    )]
    PolicyWentBackwards(String),
    /// Topics are not as they must be.
    #[error("{0}")]
    Topics(String),
    /// The keysets are not those that this group has used.
    #[error("{0}")]
    Keys(String),
    /// A control record or the policy made of them cannot be taken.
    #[error("{0}")]
    Policy(String),
    /// The broker refuses, and waiting does not help.
    #[error("{0}")]
    Broker(String),
}

/// Exit code: the broker refuses, or anything that no other code names.
pub const EXIT_BROKER: u8 = 1;
/// Exit code: configuration, topics or keysets are not as they must be (also that of a wrong command line).
pub const EXIT_CONFIG: u8 = 2;
/// Exit code: fenced by another process with the same transactional id; a supervisor must not restart both.
pub const EXIT_FENCED: u8 = 3;
/// Exit code: `policy_went_backwards`; a person must look before protection is switched off.
pub const EXIT_POLICY_WENT_BACKWARDS: u8 = 4;
/// Exit code: the control topic holds what this version cannot take.
pub const EXIT_POLICY: u8 = 5;

impl Error {
    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Fenced(_) => EXIT_FENCED,
            Error::PolicyWentBackwards(_) => EXIT_POLICY_WENT_BACKWARDS,
            Error::Topics(_) | Error::Keys(_) => EXIT_CONFIG,
            Error::Policy(_) => EXIT_POLICY,
            Error::Broker(_) => EXIT_BROKER,
        }
    }
}

impl Error {
    /// The same, of whoever has this transactional id: a fault of the log does not know whose it is.
    pub(super) fn of_transactional_id(self, id: &str) -> Self {
        match self {
            Error::Fenced(text) => Error::Fenced(format!("{id}: {text}")),
            other => other,
        }
    }
}

impl From<super::log::Fault> for Error {
    /// For faults that nobody handled: whatever could have been retried was.
    fn from(fault: super::log::Fault) -> Self {
        match fault {
            super::log::Fault::Fenced(text) => Error::Fenced(text),
            other => Error::Broker(other.to_string()),
        }
    }
}
