//! The control topic as a global table: read by one thread per process, and amended in one transaction at a time.
//!
//! Whoever writes does so under the one transactional id `{group}.control`: init (which ends and fences every other writer) → read
//! to the end → write what is missing → commit. So two starters cannot both write an incarnation, and nobody overwrites a change
//! he has not seen; who was fenced tries again. Always holds: a snapshot is published only after the topic was read to its end
//! once; a topic that ends below what was read, or that has another incarnation, stops the process. Such a transaction carries
//! no offsets: it stands for no task, and its fencing is the producer's own.

mod follow;
mod keys;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::Error;
use super::log::{Fault, Fetched, Log, Outgoing, Producer, Reader};
use super::topics::control_topic;
use super::transaction::{PATIENCE, nonce, retry};
use crate::privacy::control::{ControlKey, ControlRecord, ControlValue, Incarnation, Table};
use crate::record::Record;

/// How long one poll of the control topic waits.
const WAIT: Duration = Duration::from_millis(100);

/// The largest batch of control records: a control topic that takes no more is of no use.
const CONTROL_BATCH_BYTES: usize = 65_536;

/// How long the topic may take to be read to its end, and an amendment to be made.
const LIMIT: Duration = Duration::from_secs(120);

/// How often that is told while it lasts: a client without brokers complains many times a second.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// The control topic's reader and what it has read.
pub struct ControlTable<L: Log> {
    topic: Arc<str>,
    reader: L::Reader,
    table: Table,
    batch: Vec<Fetched>,
    /// When it was last told that nothing can be read.
    told: Option<Instant>,
}

impl<L: Log> ControlTable<L> {
    /// Begins to read the control topic of `group`, which must exist.
    pub fn open(log: &L, group: &str) -> Result<Self, Error> {
        let topic = control_topic(group);
        let reader = retry(PATIENCE, || log.reader(&topic, None))?;
        Ok(Self::new(topic.into(), reader))
    }

    fn new(topic: Arc<str>, reader: L::Reader) -> Self {
        Self { topic, reader, table: Table::default(), batch: Vec::new(), told: None }
    }

    /// Tells that nothing can be read for now, and while that lasts, now and then.
    fn tell_unread(&mut self, detail: &str) {
        if self.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            self.told = Some(Instant::now());
            tracing::warn!(detail, "the control topic cannot be read");
        }
    }

    /// What was read so far.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Reads what is there, waiting at most `wait`; says whether anything came.
    fn poll(&mut self, wait: Duration) -> Result<bool, Error> {
        match self.reader.poll(wait, &mut self.batch) {
            Ok(()) => {}
            Err(Fault::Retry(detail)) => self.tell_unread(&detail),
            Err(Fault::OutOfRange(detail, _)) => return Err(went_backwards(&self.topic, &detail)),
            Err(fault) => return Err(fault.into()),
        }
        let came = !self.batch.is_empty();
        for fetched in self.batch.drain(..) {
            if u64::try_from(fetched.offset).unwrap_or(0) < self.table.version {
                return Err(went_backwards(&self.topic, "it gives offsets that were read before"));
            }
            let known = self.table.incarnation.clone();
            let key = fetched.record.key.unwrap_or_default();
            let applied = self.table.apply(fetched.offset, &key, fetched.record.value.as_deref());
            applied.map_err(|error| Error::Policy(error.to_string()))?;
            if known.is_some() && known != self.table.incarnation {
                return Err(went_backwards(&self.topic, "it has another incarnation than before"));
            }
        }
        Ok(came)
    }

    /// The topic's end, if everything before it was read.
    fn caught_up(&mut self) -> Result<Option<i64>, Error> {
        let end = match self.reader.caught_up() {
            Ok(ends) => ends.and_then(|ends| ends.first().copied()),
            Err(Fault::Retry(detail)) => {
                tracing::warn!(detail, "the control topic's end cannot be confirmed");
                None
            }
            Err(Fault::OutOfRange(detail, _)) => return Err(went_backwards(&self.topic, &detail)),
            Err(fault) => return Err(fault.into()),
        };
        match end {
            Some(end) if u64::try_from(end).unwrap_or(0) < self.table.version => {
                Err(went_backwards(&self.topic, "it ends before what was read"))
            }
            end => Ok(end),
        }
    }

    /// Reads to the end; gives it.
    pub fn read_to_end(&mut self) -> Result<i64, Error> {
        self.read_to_end_within(LIMIT)
    }

    fn read_to_end_within(&mut self, limit: Duration) -> Result<i64, Error> {
        let until = Instant::now() + limit;
        while Instant::now() < until {
            if let Some(end) = self.caught_up()? {
                return Ok(end);
            }
            self.poll(WAIT)?;
        }
        Err(Error::Broker(format!("control topic {}: its end was not reached in {} s", self.topic, limit.as_secs())))
    }
}

fn went_backwards(topic: &str, what: &str) -> Error {
    Error::PolicyWentBackwards(format!("control topic {topic}: {what}; it was emptied or re-created"))
}

/// Makes `changes` of the table until there is nothing left to change, and gives the table then. `changes` is asked anew whenever
/// the table may have changed, and must give nothing once its wish is fulfilled.
///
/// # Errors
/// Those of `changes`, and the broker's.
pub fn amend<L: Log>(
    log: &L,
    group: &str,
    mut changes: impl FnMut(&Table) -> Result<Vec<ControlRecord>, Error>,
) -> Result<ControlTable<L>, Error> {
    let mut control = ControlTable::open(log, group)?;
    let until = Instant::now() + LIMIT;
    let mut wait = Duration::from_millis(20);
    loop {
        control.read_to_end()?;
        if changes(&control.table)?.is_empty() {
            return Ok(control);
        }
        match write(log, group, &mut control, &mut changes) {
            Ok(()) if Instant::now() < until => continue,
            // a wish that its own record does not fulfil would be written for ever
            Ok(()) => return Err(Error::Broker(format!("{}: what was written does not come to hold", control.topic))),
            Err(Failed::Again(fault)) if Instant::now() < until => {
                tracing::info!(%fault, "another process amends the control topic, trying again");
            }
            Err(Failed::Again(fault)) => return Err(Error::Broker(fault.to_string())),
            Err(Failed::Stop(error)) => return Err(error),
        }
        // the drawn part keeps two starters from fencing each other in step
        let drawn = u64::from(getrandom::u32().unwrap_or(0) % 50);
        std::thread::sleep(wait + Duration::from_millis(drawn));
        wait = (wait * 2).min(Duration::from_secs(1));
    }
}

/// Why an amendment was not made.
enum Failed {
    Again(Fault),
    Stop(Error),
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Fatal(_) | Fault::Refused(_) => Failed::Stop(fault.into()),
            fault => Failed::Again(fault),
        }
    }
}

/// One transaction: whatever `changes` gives once every earlier writer has ended.
fn write<L: Log>(
    log: &L,
    group: &str,
    control: &mut ControlTable<L>,
    changes: &mut impl FnMut(&Table) -> Result<Vec<ControlRecord>, Error>,
) -> Result<(), Failed> {
    let mut producer = retry(PATIENCE, || log.producer(&control_topic(group), CONTROL_BATCH_BYTES))?;
    retry(PATIENCE, || producer.init())?;
    control.read_to_end().map_err(Failed::Stop)?;
    let records = changes(&control.table).map_err(Failed::Stop)?;
    if records.is_empty() {
        return Ok(());
    }
    retry(PATIENCE, || producer.begin())?;
    let stage = || -> Result<(), Fault> {
        for ControlRecord { key, value } in records {
            let value = value.map(|value| value.encode());
            let record = Record { key: Some(key.encode()), value, ..Record::default() };
            producer.produce(&Outgoing { topic: control.topic.clone(), partition: Some(0), record })?;
        }
        retry(PATIENCE, || producer.drain())
    };
    if let Err(fault) = stage() {
        // whatever comes of it: the next writer's init ends this transaction
        let _ = producer.abort();
        return Err(fault.into());
    }
    // an unknown outcome shows when the table is read again
    Ok(retry(PATIENCE, || producer.commit())?)
}

/// Publishes what the configuration wishes and the control topic lacks: its incarnation, marks that are absent or ask for
/// something else, seeds of domains and stages, and keys. Gives the table, which holds all of it.
///
/// # Errors
/// [`Error::Keys`] where the group knows another key by the id of one of `wished`.
pub fn publish<L: Log>(log: &L, group: &str, wished: &[ControlRecord]) -> Result<ControlTable<L>, Error> {
    let incarnation = Incarnation { nonce: nonce()? };
    let incarnation =
        ControlRecord { key: ControlKey::Incarnation, value: Some(ControlValue::Incarnation(incarnation)) };
    amend(log, group, |table| {
        refuse_contradicted(table, wished)?;
        let first = table.incarnation.is_none().then(|| incarnation.clone());
        Ok(first.into_iter().chain(table.missing(wished)).collect())
    })
}

fn refuse_contradicted(table: &Table, wished: &[ControlRecord]) -> Result<(), Error> {
    table.contradicted(wished).map_or(Ok(()), |id| {
        Err(Error::Keys(format!(
            "key {id} is another key than the one this group has sealed under that id; start with the keyset it was started with, \
             and give a new key an id of its own"
        )))
    })
}

pub(super) use follow::follow;
pub use keys::vet;

#[cfg(test)]
mod tests;
