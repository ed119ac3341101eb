//! What librdkafka says by itself: log lines and errors of a client, told through `tracing` under the target `kafka`.
//!
//! Always holds: no payload; librdkafka puts none into its log lines. The last error is remembered, since "timed out" alone
//! tells nobody that a password is wrong. Deliberately not here: decisions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// The voice of one client.
#[derive(Default)]
pub(super) struct Context {
    last: Mutex<Option<Complaint>>,
    /// The last log line that a person was shown.
    logged: Mutex<String>,
    broken: AtomicBool,
    timed_out: AtomicBool,
}

/// An error that a client told by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) code: RDKafkaErrorCode,
    pub(super) text: String,
}

impl Context {
    /// Whether a connection broke over which requests may have gone. librdkafka sends these again by itself and tells nobody else;
    /// the same complaint again within 30 seconds it does not log, so this stays set.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Whether this member's session ended for lack of answers. A static one that does not poll then asks on without a member id, and is
    /// told that somebody else has its name.
    pub(super) fn has_timed_out(&self) -> bool {
        self.timed_out.load(Ordering::Relaxed)
    }

    /// Whether the log line before has just said the same: librdkafka tells of most errors twice.
    fn has_logged(&self, reason: &str) -> bool {
        self.logged.lock().unwrap_or_else(PoisonError::into_inner).ends_with(reason)
    }

    /// What the client last complained about.
    pub(super) fn last(&self) -> Option<Complaint> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Where librdkafka logs that a connection failed, what it says of one that was in use, and where that a session ended.
const FAILURE: &str = "FAIL";
const SESSION_TIMED_OUT: &str = "SESSTMOUT";
const IN_USE: [&str; 2] = ["in state UP", "in state REAUTH"];

/// What a broker says while it reads the state of a group or of transactions, as it does when it is first asked: the client tries
/// again by itself, and it is no sign of trouble.
const COORDINATOR_LOADS: &str = "Coordinator load in progress";

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        let unplanned = !matches!(level, RDKafkaLogLevel::Debug);
        if unplanned && facility == FAILURE && IN_USE.iter().any(|state| line.contains(state)) {
            self.broken.store(true, Ordering::Relaxed);
        }
        if facility == SESSION_TIMED_OUT {
            self.timed_out.store(true, Ordering::Relaxed);
        }
        if line.contains(COORDINATOR_LOADS) {
            tracing::debug!(target: "kafka", facility, "{line}");
            return;
        }
        if unplanned {
            line.clone_into(&mut self.logged.lock().unwrap_or_else(PoisonError::into_inner));
        }
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
                tracing::error!(target: "kafka", facility, "{line}");
            }
            RDKafkaLogLevel::Warning => tracing::warn!(target: "kafka", facility, "{line}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(target: "kafka", facility, "{line}"),
            RDKafkaLogLevel::Debug => tracing::debug!(target: "kafka", facility, "{line}"),
        }
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        if code == RDKafkaErrorCode::PartitionEOF {
            return;
        }
        if reason.contains(COORDINATOR_LOADS) {
            tracing::debug!(target: "kafka", "{reason}");
            return;
        }
        // that all brokers are down follows from what was said of one, and is said again at each attempt to connect
        if code == RDKafkaErrorCode::AllBrokersDown {
            tracing::debug!(target: "kafka", "{reason}");
            return;
        }
        if self.has_logged(reason) {
            tracing::debug!(target: "kafka", "{reason}");
        } else {
            tracing::warn!(target: "kafka", "{reason}");
        }
        let complaint = Complaint { code, text: reason.to_owned() };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(complaint);
    }
}

impl ConsumerContext for Context {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_stands_in_the_log_is_not_told_again() {
        let context = Context::default();
        let reason = "b:1/1: Connect to ipv4#b:1 failed: Connection refused (after 0ms in state CONNECT)";
        assert!(!context.has_logged(reason));
        context.log(RDKafkaLogLevel::Error, "FAIL", &format!("[thrd:b:1/1]: {reason}"));
        assert!(context.has_logged(reason));
        context.error(KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure), reason);
        context.error(KafkaError::Global(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        assert_eq!(context.last().map(|last| last.text), Some(reason.to_owned()), "what follows from it says less");
        context.log(RDKafkaLogLevel::Debug, "BROKER", "[thrd:main]: looking");
        assert!(context.has_logged(reason), "a line that nobody sees says nothing");
        assert!(!context.has_logged("b:1/1: SASL authentication error"));
    }

    #[test]
    fn only_a_connection_in_use_breaks() {
        let context = Context::default();
        for (facility, line, broken) in [
            ("FAIL", "b:1/1: Connect to ipv4#b:1 failed: Connection refused (after 0ms in state CONNECT)", false),
            ("REQTMOUT", "b:1/1: Timed out 1 in-flight request, in state UP", false),
            ("FAIL", "TxnCoordinator: b:1: Disconnected: connection closed by peer (after 2196ms in state UP)", true),
            ("FAIL", "b:1/1: Connect to ipv4#b:1 failed: Connection refused (after 0ms in state CONNECT)", true),
        ] {
            context.log(RDKafkaLogLevel::Info, facility, line);
            assert_eq!(context.is_broken(), broken, "{line}");
        }
        let context = Context::default();
        context.log(RDKafkaLogLevel::Debug, "FAIL", "b:1/1: Decommissioning this broker (after 3ms in state UP)");
        assert!(!context.is_broken(), "it was closed on purpose");
    }
}
