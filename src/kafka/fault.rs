//! From librdkafka's errors to [`Fault`]: what the caller does next.
//!
//! Always holds: the text names the request and the broker's own error, never a key, a value or a header. Deliberately not
//! here: retries.

use rdkafka::error::{KafkaError, RDKafkaError, RDKafkaErrorCode as Code};

use super::context::Complaint;
use crate::record::Partition;
use crate::stream::log::Fault;

/// A request of a transaction; what an error means depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Init,
    Begin,
    SendOffsets,
    Commit,
    Abort,
}

impl Request {
    fn text(self) -> &'static str {
        match self {
            Request::Init => "opening the transactional producer",
            Request::Begin => "opening a transaction",
            Request::SendOffsets => "adding offsets to the transaction",
            Request::Commit => "committing",
            Request::Abort => "aborting",
        }
    }
}

/// What librdkafka says of an error of a transaction.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) code: Code,
    pub(super) text: String,
    pub(super) fatal: bool,
    pub(super) retriable: bool,
    pub(super) requires_abort: bool,
}

impl From<&RDKafkaError> for Verdict {
    fn from(error: &RDKafkaError) -> Self {
        Self {
            code: error.code(),
            text: error.string(),
            fatal: error.is_fatal(),
            retriable: error.is_retriable(),
            requires_abort: error.txn_requires_abort(),
        }
    }
}

/// An error of a transaction's request.
pub(super) fn transaction(request: Request, error: &KafkaError) -> Fault {
    match error {
        KafkaError::Transaction(error) => judge(request, &Verdict::from(error)),
        other => match request {
            Request::Commit | Request::Abort => Fault::Unknown(format!("{}: {}", request.text(), said(other))),
            _ => Fault::Abort(format!("{}: {}", request.text(), said(other))),
        },
    }
}

/// An error of opening a transactional producer, whose client complained of `last`.
pub(super) fn opening(error: &KafkaError, brokers: &str, last: Option<Complaint>) -> Fault {
    match transaction(Request::Init, error) {
        Fault::Retry(_) if last.is_some() => {
            let code = error.rdkafka_error_code().unwrap_or(Code::OperationTimedOut);
            Fault::Retry(unreachable(Request::Init.text(), brokers, code, last))
        }
        fault => fault,
    }
}

/// An error code, told once: its own text is name and description, which say the same.
pub(super) fn name(code: Code) -> String {
    format!("{code:?}")
}

/// An error of librdkafka, told once.
pub(super) fn said(error: &KafkaError) -> String {
    error.rdkafka_error_code().map_or_else(|| error.to_string(), name)
}

/// What the caller does after `verdict`.
pub(super) fn judge(request: Request, verdict: &Verdict) -> Fault {
    let text = format!("{}: {} ({})", request.text(), verdict.text, name(verdict.code));
    let ending = matches!(request, Request::Commit | Request::Abort);
    if is_fenced(verdict.code, verdict.fatal) {
        return Fault::Fenced(fenced(&text));
    }
    if is_unauthorised(verdict.code) {
        return Fault::Fatal(forbidden(&text));
    }
    if request == Request::SendOffsets && is_lost(verdict.code) {
        return Fault::Lost(text);
    }
    match request {
        Request::Init if verdict.retriable => Fault::Retry(text),
        Request::Init => Fault::Fatal(text),
        // a producer that is beyond use, or a commit that may have happened even where librdkafka calls the error abortable (an
        // EndTxn was sent): the next producer with the same id finds out
        _ if verdict.fatal || ending => Fault::Unknown(text),
        Request::Begin if !verdict.requires_abort => Fault::Fatal(text),
        _ => Fault::Abort(text),
    }
}

/// An error of one record: refused by the client when staged, or by the broker when delivered.
pub(super) fn production(topic: &str, code: Code) -> Fault {
    let text = format!("a record to {topic}: {}", name(code));
    match code {
        Code::MessageSizeTooLarge
        | Code::InvalidMessage
        | Code::InvalidMessageSize
        | Code::MessageBatchTooLarge
        | Code::InvalidTimestamp
        | Code::InvalidRecord
        | Code::PolicyViolation => Fault::Refused(text),
        Code::UnknownPartition | Code::UnknownTopic | Code::UnknownTopicOrPartition => {
            Fault::Fatal(format!("{text}: does the topic exist, with as many partitions as its source?"))
        }
        Code::KafkaStorageError => Fault::Abort(format!("{text}{FULL}")),
        code if is_unauthorised(code) => Fault::Fatal(forbidden(&text)),
        code if is_fenced(code, false) => Fault::Fenced(fenced(&text)),
        _ => Fault::Abort(text),
    }
}

/// An error that a consumer's queue gave; `None` where librdkafka goes on by itself and the group will tell the rest.
pub(super) fn consumption(code: Code, fatal: bool, text: &str, partition: Option<Partition>) -> Option<Fault> {
    let text = match &partition {
        Some(partition) => format!("reading {partition}: {text} ({})", name(code)),
        None => format!("reading: {text} ({})", name(code)),
    };
    match (code, partition) {
        (Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation, Some(partition)) => {
            Some(Fault::OutOfRange(lost(&text), partition))
        }
        (Code::FencedInstanceId, _) => Some(Fault::Fenced(format!("{text}: another member has this instance's name"))),
        (Code::UnreleasedInstanceId, _) => Some(Fault::Fenced(format!(
            "{text}: another member has this instance's name, or had it and was killed: then it is free when its session ends"
        ))),
        // librdkafka goes on behind what it cannot read, as if nothing had been there
        (Code::BadMessage | Code::BadCompression | Code::NotImplemented, _) => Some(Fault::Fatal(damaged(&text))),
        (code, _) if is_unauthorised(code) => Some(Fault::Fatal(forbidden(&text))),
        _ if fatal => Some(Fault::Fatal(text)),
        // the revocation as lost follows
        (Code::PollExceeded, _) => None,
        _ => Some(Fault::Retry(text)),
    }
}

/// A question that the broker did not answer as it should.
pub(super) fn question(what: &str, brokers: &str, error: &KafkaError, last: Option<Complaint>) -> Fault {
    let Some(code) = error.rdkafka_error_code() else { return Fault::Fatal(format!("{what}: {}", said(error))) };
    if is_unauthorised(code) {
        return Fault::Fatal(forbidden(&format!("{what}: {}", name(code))));
    }
    match code {
        Code::BrokerTransportFailure
        | Code::OperationTimedOut
        | Code::RequestTimedOut
        | Code::AllBrokersDown
        | Code::Resolve
        | Code::LeaderNotAvailable => Fault::Retry(unreachable(what, brokers, code, last)),
        Code::KafkaStorageError => Fault::Retry(format!("{what}: {}{FULL}", name(code))),
        _ => Fault::Retry(format!("{what}: {}", name(code))),
    }
}

/// What a broker's error of storage means to whoever runs it.
const FULL: &str = ": the broker cannot use its disk; has that space left?";

/// The text for a broker that does not answer: where it was looked for, and what to do.
fn unreachable(what: &str, brokers: &str, code: Code, last: Option<Complaint>) -> String {
    if let Some(Complaint { code: Code::Authentication, text }) = &last {
        return format!(
            "{what}: the broker at {brokers} refuses the credentials; correct sasl.mechanism, sasl.username and \
             sasl.password under [kafka]; the client's last word: {text}"
        );
    }
    let last = last.map(|last| format!("; the client's last word: {}", last.text)).unwrap_or_default();
    format!(
        "{what}: no Kafka broker answers at {brokers} ({}): is it running, and does bootstrap.servers name it as \
         this machine reaches it, with the right security.protocol{last}",
        name(code)
    )
}

/// The text for records that are gone although nobody read them.
fn lost(text: &str) -> String {
    format!(
        "{text}: records were deleted before they were read; give them up with Kafka's own kafka-consumer-groups \
         --reset-offsets, as docs/operations.md says, and start again"
    )
}

/// The text for records that are there and cannot be read.
fn damaged(text: &str) -> String {
    format!(
        "{text}: a batch there cannot be read, and what follows would be read without it; have a copy that is whole lead the partition, \
         or give up what is damaged as docs/operations.md says of deleted records, and start again"
    )
}

pub(super) fn forbidden(text: &str) -> String {
    format!(
        "{text}: this principal lacks the permission; grant what docs/operations.md lists under Access in the broker's ACLs, \
         and start again"
    )
}

/// The text for a fenced producer. A broker that aborts a transaction for its age fences its producer too, and librdkafka makes
/// one error of both.
fn fenced(text: &str) -> String {
    format!("{text}: another producer has this transactional id, or the transaction outlived transaction.timeout.ms")
}

fn is_fenced(code: Code, fatal: bool) -> bool {
    match code {
        Code::Fenced | Code::ProducerFenced => true,
        Code::InvalidProducerEpoch => fatal,
        _ => false,
    }
}

fn is_lost(code: Code) -> bool {
    matches!(
        code,
        Code::IllegalGeneration
            | Code::StaleMemberEpoch
            | Code::UnknownMemberId
            | Code::RebalanceInProgress
            | Code::FencedInstanceId
    )
}

fn is_unauthorised(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(code: Code) -> Verdict {
        Verdict { code, text: String::new(), fatal: false, retriable: false, requires_abort: false }
    }

    fn kind(fault: &Fault) -> &'static str {
        match fault {
            Fault::Retry(_) => "retry",
            Fault::Abort(_) => "abort",
            Fault::Refused(_) => "refused",
            Fault::Unknown(_) => "unknown",
            Fault::Lost(_) => "lost",
            Fault::Fenced(_) => "fenced",
            Fault::OutOfRange(..) => "out of range",
            Fault::Early(..) => "early",
            Fault::Fatal(_) => "fatal",
        }
    }

    #[test]
    fn each_verdict_says_what_to_do_next() {
        let plain = verdict;
        let fatal = |code| Verdict { fatal: true, ..verdict(code) };
        let retriable = |code| Verdict { retriable: true, ..verdict(code) };
        let abortable = |code| Verdict { requires_abort: true, ..verdict(code) };
        let cases = [
            (Request::Init, retriable(Code::OperationTimedOut), "retry"),
            (Request::Init, fatal(Code::InvalidTransactionTimeout), "fatal"),
            (Request::Init, fatal(Code::TransactionalIdAuthorizationFailed), "fatal"),
            (Request::Init, fatal(Code::Fenced), "fenced"),
            (Request::Begin, plain(Code::State), "fatal"),
            (Request::SendOffsets, abortable(Code::IllegalGeneration), "lost"),
            (Request::SendOffsets, abortable(Code::StaleMemberEpoch), "lost"),
            (Request::SendOffsets, abortable(Code::UnknownMemberId), "lost"),
            (Request::SendOffsets, abortable(Code::RebalanceInProgress), "lost"),
            (Request::SendOffsets, abortable(Code::FencedInstanceId), "lost"),
            (Request::SendOffsets, retriable(Code::OperationTimedOut), "abort"),
            (Request::SendOffsets, abortable(Code::GroupAuthorizationFailed), "fatal"),
            (Request::SendOffsets, fatal(Code::InvalidProducerEpoch), "fenced"),
            (Request::Commit, abortable(Code::InvalidProducerEpoch), "unknown"),
            (Request::Commit, abortable(Code::OperationTimedOut), "unknown"),
            (Request::Commit, retriable(Code::OperationTimedOut), "unknown"),
            (Request::Commit, plain(Code::BrokerTransportFailure), "unknown"),
            (Request::Commit, fatal(Code::InvalidTransactionalState), "unknown"),
            (Request::Commit, fatal(Code::ProducerFenced), "fenced"),
            (Request::Abort, retriable(Code::OperationTimedOut), "unknown"),
            (Request::Abort, abortable(Code::OutOfOrderSequenceNumber), "unknown"),
            (Request::Abort, fatal(Code::Fenced), "fenced"),
        ];
        for (request, verdict, wanted) in cases {
            assert_eq!(kind(&judge(request, &verdict)), wanted, "{request:?} {verdict:?}");
        }
    }

    #[test]
    fn a_record_that_the_broker_will_never_take_is_refused() {
        let cases = [
            (Code::MessageSizeTooLarge, "refused"),
            (Code::InvalidTimestamp, "refused"),
            (Code::InvalidRecord, "refused"),
            (Code::MessageTimedOut, "abort"),
            (Code::NotEnoughReplicas, "abort"),
            (Code::TopicAuthorizationFailed, "fatal"),
            (Code::UnknownPartition, "fatal"),
            (Code::Fenced, "fenced"),
        ];
        for (code, wanted) in cases {
            assert_eq!(kind(&production("t", code)), wanted, "{code:?}");
        }
    }

    #[test]
    fn an_error_is_told_once() {
        let down = Code::BrokerTransportFailure;
        assert_eq!(production("t", down), Fault::Abort("a record to t: BrokerTransportFailure".to_owned()));
        let fault = transaction(Request::Begin, &KafkaError::Global(down));
        assert_eq!(fault, Fault::Abort("opening a transaction: BrokerTransportFailure".to_owned()));
        let asked = question("asking for t", "b:1", &KafkaError::MetadataFetch(down), None);
        assert!(
            asked.to_string().starts_with("asking for t: no Kafka broker answers at b:1 (BrokerTransportFailure): is")
        );
    }

    #[test]
    fn credentials_that_are_refused_are_told_of_as_such() {
        let asked = |code| {
            let last = Complaint { code, text: "b: no".to_owned() };
            question("asking", "b:1", &KafkaError::MetadataFetch(Code::OperationTimedOut), Some(last)).to_string()
        };
        let refused = asked(Code::Authentication);
        assert!(refused.starts_with("asking: the broker at b:1 refuses the credentials; correct sasl."), "{refused}");
        assert!(refused.ends_with("; the client's last word: b: no"), "{refused}");
        let silent = asked(Code::SSL);
        assert!(silent.starts_with("asking: no Kafka broker answers at b:1 (OperationTimedOut): is"), "{silent}");
        assert!(silent.ends_with("; the client's last word: b: no"), "{silent}");
    }

    #[test]
    fn an_error_of_reading_names_its_partition() {
        let here = Partition::new("t", 3);
        let fault = consumption(Code::AutoOffsetReset, false, "gone", Some(here.clone())).expect("a fault");
        assert!(matches!(&fault, Fault::OutOfRange(text, at) if text.starts_with("reading t[3]: gone") && *at == here));
        assert_eq!(consumption(Code::PollExceeded, false, "", None), None);
        let cases = [
            (Code::TopicAuthorizationFailed, false, "fatal"),
            (Code::FencedInstanceId, true, "fenced"),
            (Code::UnreleasedInstanceId, true, "fenced"),
            (Code::Fatal, true, "fatal"),
            (Code::BadMessage, false, "fatal"),
            (Code::BadCompression, false, "fatal"),
            (Code::NotImplemented, false, "fatal"),
            (Code::BrokerTransportFailure, false, "retry"),
        ];
        for (code, fatal, wanted) in cases {
            let fault = consumption(code, fatal, "", Some(here.clone())).expect("a fault");
            assert_eq!(kind(&fault), wanted, "{code:?}");
        }
    }
}
