//! Brings a task's store up to what is committed, by reading its changelog partition from the beginning.
//!
//! ```text
//!   committed offsets (no transaction of the task is pending) ─► the changelog's high watermark, as read_uncommitted sees it
//!     ─► read_committed to the end ─► end ≥ high watermark? ── yes ─► restored
//!                                        └─ no: a transaction still hangs there; after its timeout an alarm, and the wait goes on
//! ```
//!
//! Stopping where a `read_committed` reader stops at first would lose what stands behind a commit's delayed marker (KAFKA-10167).
//! Always holds: one step takes a bounded number of records, for the group must be polled between two. Nothing is opened, but for
//! the one reserved entry. Deliberately not here: which tasks are restored, and when they open.

use std::time::{Duration, Instant};

use super::changelog::{ChangelogError, Codec, SETTLED_THROUGH};
use super::log::{Fault, Fetched, Reader};
use super::store::{Entry, Store};

/// How long one step waits for records.
const STEP: Duration = Duration::from_millis(20);

/// How often its progress is told.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// A restore under way.
pub(super) struct Restore<R> {
    reader: R,
    codec: Codec,
    /// The changelog's high watermark when the restore began: all before it belongs to the state.
    high: i64,
    store: Store,
    batch: Vec<Fetched>,
    records: u64,
    began: Instant,
    told: Instant,
    /// Since when it waits for a transaction that hangs.
    hanging: Option<Instant>,
    /// Whether that was told.
    alarmed: bool,
}

/// What a step came to.
pub(super) enum Restored {
    /// There is more to read.
    Reading,
    /// Everything is read, but a transaction of an earlier owner has not ended for longer than it may take; told once.
    Hangs,
    /// The store is what is committed.
    Done(Store),
}

impl<R: Reader> Restore<R> {
    /// A restore of all before `high`, the high watermark that was asked for after the committed offsets were known.
    pub(super) fn new(reader: R, high: i64, codec: Codec) -> Self {
        Self {
            reader,
            codec,
            high,
            store: Store::default(),
            batch: Vec::new(),
            records: 0,
            began: Instant::now(),
            told: Instant::now(),
            hanging: None,
            alarmed: false,
        }
    }

    /// How many records were read, and for how long.
    pub(super) fn progress(&self) -> (u64, Duration) {
        (self.records, self.began.elapsed())
    }

    /// The memory that its profiles take so far, about.
    pub(super) fn bytes(&self) -> usize {
        self.store.bytes()
    }

    /// How many records were read of how many there may be, every few seconds.
    pub(super) fn worth_telling(&mut self) -> Option<(u64, i64)> {
        let due = self.told.elapsed() >= TOLD_EVERY;
        due.then(|| {
            self.told = Instant::now();
            (self.records, self.high)
        })
    }

    /// Reads on. `patience` is how long a transaction may take.
    ///
    /// # Errors
    /// The broker's, and [`ChangelogError`] as [`Fault::Fatal`]: the reserved entry does not open.
    pub(super) fn step(&mut self, patience: Duration) -> Result<Restored, Fault> {
        self.reader.poll(STEP, &mut self.batch)?;
        if !self.batch.is_empty() {
            self.records += self.batch.len() as u64;
            for fetched in std::mem::take(&mut self.batch) {
                self.take(fetched).map_err(|error| Fault::Fatal(error.to_string()))?;
            }
            return Ok(Restored::Reading);
        }
        let end = self.reader.caught_up()?.and_then(|ends| ends.first().copied());
        match end {
            None => Ok(Restored::Reading),
            Some(end) if end >= self.high => Ok(Restored::Done(std::mem::take(&mut self.store))),
            Some(_) => {
                let since = *self.hanging.get_or_insert_with(Instant::now);
                if self.alarmed || since.elapsed() <= patience {
                    return Ok(Restored::Reading);
                }
                self.alarmed = true;
                Ok(Restored::Hangs)
            }
        }
    }

    fn take(&mut self, fetched: Fetched) -> Result<(), ChangelogError> {
        let key = fetched.record.key.unwrap_or_default();
        match fetched.record.value {
            Some(sealed) if key == SETTLED_THROUGH => {
                self.store.through = match self.codec.open_through(&sealed) {
                    // its key was disabled since: everyone is looked at again, and nobody told of twice
                    Err(ChangelogError::KeyGone) => 0,
                    through => through?,
                }
            }
            Some(sealed) => {
                let entry = Entry { sealed: sealed.into(), settled: None };
                self.store.set(key.into(), Some(entry));
            }
            None => self.store.set(key.into(), None),
        }
        Ok(())
    }
}
