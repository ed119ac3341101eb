//! Which properties are not the operator's to set, which numbers have bounds, and which values are secret.
//!
//! Always holds: each refusal has its reason; a secret's value is in none. Deliberately not here: librdkafka's own checks.

use std::fs::File;
use std::io::ErrorKind;
use std::ops::RangeInclusive;

use super::SettingsError;

/// The bounds of `transaction.timeout.ms`: below them commits fail under load, above them a dead owner blocks readers too long.
const TRANSACTION_TIMEOUT_MS: RangeInclusive<u64> = 5_000..=60_000;
/// The shortest `max.poll.interval.ms`: four of the longest waits of a worker.
const MAX_POLL_INTERVAL_MS_MIN: u64 = 60_000;

/// Properties that are never the operator's, with the reason. Aliases stand beside their names.
pub const REFUSED: &[(&str, &str)] = &[
    ("isolation.level", "records of aborted transactions would be read; it is read_committed"),
    ("enable.auto.commit", "offsets are committed with the outputs, in one transaction"),
    ("auto.commit.enable", "offsets are committed with the outputs, in one transaction"),
    ("auto.commit.interval.ms", "offsets are committed with the outputs, in one transaction"),
    ("enable.auto.offset.store", "offsets are committed with the outputs, in one transaction"),
    ("offset.store.method", "offsets are committed with the outputs, in one transaction"),
    ("offset.store.path", "offsets are committed with the outputs, in one transaction"),
    ("auto.offset.reset", "a lost position would be a silent jump instead of an error"),
    ("group.id", "it is `group`"),
    ("group.instance.id", "it is made of `group`, `instance` and the worker's number"),
    ("group.protocol.type", "sivcar's members are consumers"),
    ("partition.assignment.strategy", "kept tasks keep their state only with cooperative-sticky"),
    ("enable.partition.eof", "the end of a topic is sivcar's own question"),
    ("transactional.id", "it is made of `group`, `instance` and the worker's number, so that a zombie is fenced"),
    ("enable.idempotence", "transactions need it"),
    ("enable.gapless.guarantee", "it turns errors that a transaction recovers from into fatal ones"),
    ("acks", "an output counts only once all in-sync replicas have it"),
    ("request.required.acks", "an output counts only once all in-sync replicas have it"),
    ("delivery.report.only.error", "a commit waits for the report of each record"),
    ("queuing.strategy", "the order of the input is kept"),
    ("allow.auto.create.topics", "a misspelt topic would come into being with the wrong settings"),
    ("test.mock.num.brokers", "a mock cluster keeps nothing"),
    ("plugin.library.paths", "foreign code in the process could read the keys"),
    ("log.connection.close", "a connection that breaks tells that the end of a transaction may have been sent twice"),
    ("log.queue", "librdkafka's log lines go to sivcar's log"),
    ("builtin.features", "it is what librdkafka was built with"),
];

/// Properties whose number must lie within bounds, with the client they concern.
const BOUNDED: &[(&str, RangeInclusive<u64>)] = &[
    ("max.in.flight", 1..=5),
    ("max.in.flight.requests.per.connection", 1..=5),
    ("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS),
    ("max.poll.interval.ms", MAX_POLL_INTERVAL_MS_MIN..=86_400_000),
    ("message.max.bytes", 1_000..=1_000_000_000),
];

/// Refuses the property where it would break a guarantee.
pub(super) fn check(name: &str, value: &str) -> Result<(), SettingsError> {
    if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        return Err(SettingsError::Refused { name: name.to_owned(), reason });
    }
    readable(name, value)?;
    match BOUNDED.iter().find(|(bounded, _)| *bounded == name) {
        Some((_, bounds)) => bounded(name, Some(&value.to_owned()), bounds),
        None => Ok(()),
    }
}

/// Properties that name a file or a folder: librdkafka looks there only when a client is made, and names none.
const FILES: &[&str] =
    &["ssl.ca.location", "ssl.certificate.location", "ssl.crl.location", "ssl.key.location", "ssl.keystore.location"];

/// Refuses a file that cannot be read.
fn readable(name: &str, value: &str) -> Result<(), SettingsError> {
    // the one word that is no path: librdkafka looks for the system's certificates
    if !FILES.contains(&name) || value.is_empty() || value == "probe" {
        return Ok(());
    }
    let reason = match File::open(value).map_err(|error| error.kind()) {
        Ok(_) => return Ok(()),
        Err(ErrorKind::NotFound) => "does not exist".to_owned(),
        Err(kind) => format!("cannot be read ({kind})"),
    };
    Err(SettingsError::File { name: name.to_owned(), file: value.to_owned(), reason })
}

/// Refuses a value that is no number within `bounds`; an absent one is none. librdkafka takes digits behind a zero for octal, so a
/// number has one text here.
pub(super) fn bounded(name: &str, value: Option<&String>, bounds: &RangeInclusive<u64>) -> Result<(), SettingsError> {
    match value.map(|value| value.parse::<u64>()) {
        None => Ok(()),
        Some(Ok(number)) if bounds.contains(&number) && value == Some(&number.to_string()) => Ok(()),
        Some(_) => Err(SettingsError::OutOfBounds {
            name: name.to_owned(),
            bounds: format!("a number from {} to {}", bounds.start(), bounds.end()),
        }),
    }
}

/// Whether the value of the property `name` must not be shown.
pub fn is_secret(name: &str) -> bool {
    const PARTS: [&str; 6] = ["password", "secret", "pem", "private.key", "ssl.key", "oauthbearer.config"];
    let location = name.ends_with(".location");
    PARTS.iter().any(|part| name.contains(part)) && !location
}
