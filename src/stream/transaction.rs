//! What bounds a transaction, and what it commits beside the offsets.
//!
//! Always holds: the metadata of a committed offset names the policy version its outputs were made under, the control topic's
//! incarnation, and the transaction itself, so that whoever opens the task next waits for that policy, refuses another control
//! topic, and can tell a commit that happened from one that did not.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::log::Fault;
use crate::privacy::error::Reason;
use crate::privacy::tally::Tally;

/// The bounds of one transaction, whichever is reached first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionLimits {
    /// The most records read.
    pub records: usize,
    /// The bytes of output after which no further record is processed.
    pub output_bytes: usize,
    /// How long records are gathered after the first.
    pub time: Duration,
}

impl Default for TransactionLimits {
    fn default() -> Self {
        Self { records: 5000, output_bytes: 8 << 20, time: Duration::from_millis(100) }
    }
}

/// What a batch did: staged with it, told when it is committed, gone when it is aborted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchTally {
    /// By source.
    pub sources: BTreeMap<usize, SourceTally>,
    /// Bytes of output, as [`super::topics::wire_bytes`] counts.
    pub output_bytes: usize,
}

/// What a batch did with the records of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceTally {
    /// Records protected.
    pub protected: u64,
    /// Records that went to the dead letters, by reason.
    pub rejected: BTreeMap<Reason, u64>,
    /// What was done to the protected ones.
    pub done: Tally,
    /// Synthetic events.
    pub synthetic: u64,
    /// Profiles that the walk wrote anew.
    pub rewritten: u64,
    /// Profiles that the walk deleted with their workspace.
    pub forgotten: u64,
    /// Profiles that could not be settled: their documents went to the dead letters.
    pub abandoned: u64,
}

impl BatchTally {
    /// How many records were read.
    pub fn records(&self) -> u64 {
        self.sources.values().map(|source| source.protected + source.rejected.values().sum::<u64>()).sum()
    }
}

/// The metadata of a committed offset: `1;policy=<version>;control=<nonce>;txn=<unique>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The policy version pinned for the transaction.
    pub policy: u64,
    /// The nonce of the control topic's incarnation.
    pub control: String,
    /// A text that no other transaction has.
    pub txn: String,
}

impl Metadata {
    /// Reads what [`Metadata`] prints; `None` for anything else.
    pub fn parse(text: &str) -> Option<Metadata> {
        let rest = text.strip_prefix("1;policy=")?;
        let (policy, rest) = rest.split_once(";control=")?;
        let (control, txn) = rest.split_once(";txn=")?;
        let metadata = Metadata { policy: policy.parse().ok()?, control: control.to_owned(), txn: txn.to_owned() };
        let plain = |text: &str| !text.is_empty() && !text.contains([';', '=']);
        (plain(control) && plain(txn) && metadata.to_string() == text).then_some(metadata)
    }
}

impl fmt::Display for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1;policy={};control={};txn={}", self.policy, self.control, self.txn)
    }
}

/// Gives each transaction of a worker a text that no other transaction has, in this process or another.
pub(super) struct Names {
    run: String,
    count: u64,
}

impl Names {
    /// A series that begins with a text nobody drew twice.
    pub(super) fn new() -> Result<Self, super::error::Error> {
        Ok(Self { run: nonce()?, count: 0 })
    }

    pub(super) fn next(&mut self) -> String {
        self.count += 1;
        format!("{}.{}", self.run, self.count)
    }
}

/// Sixteen hexadecimal digits from the system's randomness.
pub(super) fn nonce() -> Result<String, super::error::Error> {
    let drawn = getrandom::u64();
    drawn
        .map(|number| format!("{number:016x}"))
        .map_err(|_| super::error::Error::Broker("the system gives no randomness".to_owned()))
}

/// How long one request of a transaction is repeated before the transaction is given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The shortest and the longest wait between two tries.
const WAIT: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Repeats `call` while it says [`Fault::Retry`], with growing waits, for `limit` at most.
pub(super) fn retry<T>(limit: Duration, call: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
    let until = Instant::now() + limit;
    retry_while(|wait| Instant::now() + wait < until, call)
}

/// The same for as long as `goes_on` says before a wait: an outage may take hours, and is no reason to end.
pub(super) fn retry_while<T>(
    goes_on: impl Fn(Duration) -> bool,
    mut call: impl FnMut() -> Result<T, Fault>,
) -> Result<T, Fault> {
    let mut wait = WAIT.0;
    loop {
        match call() {
            Err(Fault::Retry(_)) if goes_on(wait) => std::thread::sleep(wait),
            result => return result,
        }
        wait = (wait * 2).min(WAIT.1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn metadata_prints_as_the_contract_says() {
        let metadata = Metadata { policy: 7, control: "ab12".into(), txn: "cd.3".into() };
        assert_eq!(metadata.to_string(), "1;policy=7;control=ab12;txn=cd.3");
    }

    #[test]
    fn anything_else_is_no_metadata() {
        for text in [
            "",
            "2;policy=7;control=a;txn=b",
            "1;policy=7;control=a",
            "1;policy=07;control=a;txn=b",
            "1;policy=-1;control=a;txn=b",
            "1;policy=7;control=;txn=b",
            "1;policy=7;control=a;txn=",
            "1;policy=7;control=a;txn=b;more=c",
            " 1;policy=7;control=a;txn=b",
        ] {
            assert_eq!(Metadata::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn metadata_round_trips(policy: u64, control in "[A-Za-z0-9.]{1,40}", txn in "[A-Za-z0-9.]{1,40}") {
            let metadata = Metadata { policy, control, txn };
            prop_assert_eq!(Metadata::parse(&metadata.to_string()), Some(metadata));
        }

        #[test]
        fn any_text_is_read_without_panic(text in ".*") {
            if let Some(metadata) = Metadata::parse(&text) {
                prop_assert_eq!(metadata.to_string(), text);
            }
        }
    }

    #[test]
    fn a_retry_ends() {
        let mut calls = 0;
        let result: Result<(), Fault> = retry(Duration::from_millis(100), || {
            calls += 1;
            Err(Fault::Retry("busy".into()))
        });
        assert_eq!(result, Err(Fault::Retry("busy".into())));
        assert!((2..=4).contains(&calls), "{calls}");
    }

    #[test]
    fn an_outage_is_outlasted_until_the_process_is_to_stop() {
        let calls = std::cell::Cell::new(0);
        let call = |ends: bool| {
            calls.set(calls.get() + 1);
            if ends && calls.get() == 6 { Ok(7) } else { Err(Fault::Retry("busy".into())) }
        };
        assert_eq!(retry_while(|_| true, || call(true)), Ok(7));
        assert_eq!(retry_while(|_| calls.get() < 9, || call(false)), Err(Fault::Retry("busy".into())));
        assert_eq!(calls.get(), 9);
    }

    #[test]
    fn names_do_not_repeat() {
        let (mut one, mut other) = (Names::new().unwrap(), Names::new().unwrap());
        let names: std::collections::BTreeSet<String> = (0..5).flat_map(|_| [one.next(), other.next()]).collect();
        assert_eq!(names.len(), 10);
    }
}
