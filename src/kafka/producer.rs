//! A transactional producer over librdkafka.
//!
//! Always holds: a transaction is committed only after every record in it was acknowledged; the first error of a record is the
//! one told, not those of the records that librdkafka threw away because of it; where a request of a transaction may have been sent
//! twice, the transaction's outcome counts as unknown, for the late one might end the next. Deliberately not here: what to do after a
//! fault; only that a producer is good for nothing after [`Fault::Unknown`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseProducer, DeliveryResult, Producer as _, ProducerContext};

use super::apart::{Client, apart};
use super::consumer::{Membership, positions};
use super::context::Context;
use super::fault::{self, Request};
use super::raw::{self, Outlet};
use super::settings::{Settings, invalid};
use crate::record::Partition;
use crate::stream::log::{self, Fault, Outgoing};

/// The longest that delivery reports are waited for at once: what a commit on an idle broker may lose.
const REPORT_WAIT: Duration = Duration::from_millis(1);
/// How long one step of an abort may take while records are in flight.
const ABORT_STEP: Duration = Duration::from_millis(10);
/// How long fencing an earlier producer may take: its open transaction is aborted first.
const INIT_TIMEOUT: Duration = Duration::from_secs(30);
/// What a request of a transaction may take beyond the transaction's own time before its outcome is given up.
const GRACE: Duration = Duration::from_secs(5);
/// How long librdkafka's log lines are taken in at once.
const LOG_PATIENCE: Duration = Duration::from_secs(1);

/// Why a transaction is not gone on with.
const BROKEN: &str = "a connection broke, and what went over it was sent again";

/// Told once of each producer.
const FULL: &str = "the producer's queue is full, and records wait: queue.buffering.max.messages or .kbytes are small, or the broker is slow";

/// A transactional producer.
pub struct Producer {
    /// Its handles die before the client.
    outlet: Outlet,
    client: Arc<Client<BaseProducer<Reports>>>,
    brokers: String,
    /// Records staged since the producer was made.
    staged: u64,
    /// How long one request of a transaction is waited for.
    patience: Duration,
    /// A request that took as long may have been sent twice.
    socket_timeout: Duration,
    /// Whether one of this transaction has.
    late: bool,
    /// Whether its queue was full once.
    full: bool,
}

impl Producer {
    /// A producer with this transactional id; no broker is asked yet.
    pub(super) fn new(settings: &Settings, transactional_id: &str, batch_bytes: usize) -> Result<Self, Fault> {
        let client: BaseProducer<Reports> = settings
            .producer(transactional_id, batch_bytes)
            .create_with_context(Reports::default())
            .map_err(|error| Fault::Fatal(invalid(error).to_string()))?;
        let outlet = Outlet::new(client.client()).ok_or_else(|| Fault::Fatal("a producer without a queue".into()))?;
        let client = Arc::new(Client::new(client));
        let patience = settings.transaction_timeout() + GRACE;
        let (brokers, socket_timeout) = (settings.brokers().to_owned(), settings.producer_socket_timeout());
        Ok(Self { outlet, client, brokers, staged: 0, patience, socket_timeout, late: false, full: false })
    }

    /// Takes in what librdkafka has to say, of which it says the next thing within `wait`.
    fn serve(&mut self, wait: Duration) {
        let reports = self.client.context();
        self.outlet.reports(self.client.client(), wait, |report| reports.take(report));
    }

    /// The first error of a delivered record, as a fault; where the producer itself is beyond use, that comes first.
    fn failure(&self) -> Option<Fault> {
        let reports = self.client.context();
        let failed = reports.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((code, text)) = self.client.client().fatal_error() {
            let topic = failed.as_ref().map_or("its topic", |(topic, _)| topic);
            return Some(match fault::production(topic, code) {
                fenced @ Fault::Fenced(_) => fenced,
                forbidden @ Fault::Fatal(_) => forbidden,
                _ => Fault::Unknown(format!("the producer failed: {text} ({})", fault::name(code))),
            });
        }
        failed.map(|(topic, code)| self.refusal(&topic, code))
    }

    /// The fault of a record that failed with `code`. Where librdkafka threw it away, or did not take it, because the transaction
    /// had failed already, the transaction's own error tells why.
    fn refusal(&self, topic: &str, code: Code) -> Fault {
        if !is_consequence(code) {
            return fault::production(topic, code);
        }
        // asked for by a call that can do nothing else in an open transaction
        match self.client.begin_transaction() {
            Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {
                tracing::warn!(target: "kafka", "the transaction failed: {}", error.string());
                fault::production(topic, error.code())
            }
            _ => fault::production(topic, code),
        }
    }

    /// Ends a transaction by `request`. Where that or its offsets took as long as a request may, or a connection broke, librdkafka
    /// has sent them again, and the late ones might hit the next transaction: its outcome counts as unknown.
    fn end(&mut self, request: Request) -> Result<(), Fault> {
        let start = Instant::now();
        let answer = match request {
            Request::Commit => self.client.commit_transaction(self.patience),
            _ => self.abort_served(start),
        };
        answer.map_err(|error| fault::transaction(request, &error))?;
        if self.late || start.elapsed() >= self.socket_timeout {
            return Err(Fault::Unknown("the broker took as long over the transaction's end as a request may".into()));
        }
        if self.is_broken() {
            return Err(Fault::Unknown(BROKEN.into()));
        }
        self.forget();
        Ok(())
    }

    /// Aborts in short calls, serving delivery reports between them: librdkafka waits for the reports of records in flight, but
    /// leaves them to the one thread that is waiting. An abort may be called again until it is through.
    fn abort_served(&mut self, start: Instant) -> Result<(), KafkaError> {
        loop {
            let idle = self.client.context().delivered.load(Ordering::Relaxed) >= self.staged;
            let answer = self.client.abort_transaction(if idle { self.patience } else { ABORT_STEP });
            match answer {
                Err(error) if !idle && start.elapsed() < self.patience => {
                    tracing::debug!(target: "kafka", "aborting goes on: {error}");
                    self.serve(REPORT_WAIT);
                }
                answer => return answer,
            }
        }
    }

    /// Whether a connection broke, as far as librdkafka has logged. Its lines are served one at a time; nothing else is left once all
    /// is delivered.
    fn is_broken(&mut self) -> bool {
        let start = Instant::now();
        while self.client.in_flight_count() > 0 && start.elapsed() < LOG_PATIENCE {
            self.serve(Duration::ZERO);
        }
        self.client.context().voice.is_broken()
    }

    /// Forgets the reports of the transaction that ended.
    fn forget(&mut self) {
        let reports = self.client.context();
        reports.delivered.store(self.staged, Ordering::Relaxed);
        *reports.failed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl log::Producer for Producer {
    type Membership = Membership;

    fn init(&mut self) -> Result<(), Fault> {
        self.client.init_transactions(INIT_TIMEOUT).map_err(|error| {
            raw::listen(self.client.client()); // nothing is staged: no report is lost
            fault::opening(&error, &self.brokers, self.client.context().voice.last())
        })
    }

    fn is_spent(&mut self) -> bool {
        self.is_broken()
    }

    fn begin(&mut self) -> Result<(), Fault> {
        self.client.begin_transaction().map_err(|error| fault::transaction(Request::Begin, &error))
    }

    fn produce(&mut self, outgoing: &Outgoing) -> Result<(), Fault> {
        let mut since = None::<Instant>;
        loop {
            let Err(code) = self.outlet.stage(self.client.client(), outgoing) else {
                self.staged += 1;
                return Ok(());
            };
            if code == Code::QueueFull && since.get_or_insert_with(Instant::now).elapsed() < self.patience {
                if !std::mem::replace(&mut self.full, true) {
                    tracing::info!(target: "kafka", "{FULL}");
                }
                self.serve(REPORT_WAIT);
            } else {
                // librdkafka takes no more once the transaction failed: the report that tells why may still be queued
                self.serve(Duration::ZERO);
                return Err(self.failure().unwrap_or_else(|| self.refusal(&outgoing.topic, code)));
            }
        }
    }

    fn drain(&mut self) -> Result<(), Fault> {
        let start = Instant::now();
        while self.client.context().delivered.load(Ordering::Relaxed) < self.staged {
            if start.elapsed() > self.patience {
                return Err(Fault::Abort("the broker did not acknowledge the records in time".into()));
            }
            self.serve(REPORT_WAIT);
            // librdkafka sends nothing more once the transaction failed: the other reports would come with the transaction's timeout
            if let Some(fault) = self.failure() {
                return Err(fault);
            }
        }
        self.serve(Duration::ZERO); // log lines
        self.failure().map_or(Ok(()), Err)
    }

    fn send_offsets(&mut self, offsets: &[(Partition, i64, String)], member: &Membership) -> Result<(), Fault> {
        if offsets.is_empty() {
            return Err(Fault::Fatal("a transaction without offsets would commit unfenced".into()));
        }
        let starts: Vec<_> = offsets.iter().map(|(partition, offset, _)| (partition.clone(), *offset)).collect();
        if self.is_broken() {
            return Err(Fault::Abort(BROKEN.into()));
        }
        let list = positions(&starts)?;
        for (partition, _, metadata) in offsets {
            if let Some(mut element) = list.find_partition(&partition.topic, partition.number) {
                element.set_metadata(metadata);
            }
        }
        let start = Instant::now();
        let (client, member, patience) = (self.client.clone(), member.0.clone(), self.patience);
        let send = move || client.send_offsets_to_transaction(&list, &member, patience);
        let answer = apart(self.patience - GRACE, send)
            .ok_or_else(|| Fault::Unknown("adding offsets to the transaction: librdkafka does not come back".into()))?;
        self.late |= start.elapsed() >= self.socket_timeout;
        answer.map_err(|error| fault::transaction(Request::SendOffsets, &error))
    }

    fn commit(&mut self) -> Result<(), Fault> {
        self.drain()?;
        self.end(Request::Commit)
    }

    fn abort(&mut self) -> Result<(), Fault> {
        self.end(Request::Abort)
    }
}

/// Whether a record failed only because its transaction had.
fn is_consequence(code: Code) -> bool {
    matches!(code, Code::PurgeQueue | Code::PurgeInflight | Code::State)
}

/// The delivery reports of one producer.
#[derive(Default)]
struct Reports {
    voice: Context,
    delivered: AtomicU64,
    /// Topic and code of the first record that failed for a reason of its own.
    failed: Mutex<Option<(String, Code)>>,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.voice.log(level, facility, line);
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.voice.error(error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    /// Only where rdkafka serves the queue itself: when a client ends.
    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

impl Reports {
    fn take(&self, report: raw::Report) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
        if let Some((topic, code)) = report {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            if failed.as_ref().is_none_or(|(_, first)| is_consequence(*first) && !is_consequence(code)) {
                *failed = Some((topic, code));
            }
        }
    }
}
