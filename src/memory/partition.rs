//! One partition of the embedded log: records, markers, and what a `read_committed` reader may see of them.
//!
//! Always holds: offsets are dense and never reused; a marker takes an offset, as in Kafka; the last stable offset is the first
//! record of the earliest open transaction. Which transactions are open is known per partition, since in a real log markers
//! arrive at each partition in their own time. Deliberately not here: when that is, and when a partition is compacted or trimmed.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::record::Record;

/// The number of a transaction, unique in a broker.
pub(super) type TransactionNumber = u64;

/// What stands at an offset.
enum Entry {
    Data {
        transaction: Option<TransactionNumber>,
        record: Record,
    },
    Marker,
    /// What compaction removed.
    Gone,
}

/// A partition's log.
#[derive(Default)]
pub(super) struct Partition {
    /// What stands from `low` on.
    entries: VecDeque<Entry>,
    low: i64,
    open: BTreeMap<TransactionNumber, i64>,
    aborted: BTreeSet<TransactionNumber>,
}

impl Partition {
    /// Appends a record and gives its offset.
    pub(super) fn append(&mut self, transaction: Option<TransactionNumber>, record: Record) -> i64 {
        let offset = self.high();
        if let Some(number) = transaction {
            self.open.entry(number).or_insert(offset);
        }
        self.entries.push_back(Entry::Data { transaction, record });
        offset
    }

    /// Writes the marker that ends a transaction here.
    pub(super) fn end(&mut self, number: TransactionNumber, committed: bool) {
        if self.open.remove(&number).is_some() {
            self.entries.push_back(Entry::Marker);
            if !committed {
                self.aborted.insert(number);
            }
        }
    }

    /// Whether the transaction has records here and no marker yet.
    pub(super) fn is_open(&self, number: TransactionNumber) -> bool {
        self.open.contains_key(&number)
    }

    pub(super) fn low(&self) -> i64 {
        self.low
    }

    pub(super) fn high(&self) -> i64 {
        self.low + self.entries.len() as i64
    }

    /// The last stable offset.
    pub(super) fn stable(&self) -> i64 {
        self.open.values().min().copied().unwrap_or(self.high())
    }

    /// Drops everything before `offset`, as retention does, and gives what was committed of it.
    pub(super) fn trim(&mut self, offset: i64) -> Vec<(i64, Record)> {
        let low = offset.clamp(self.low, self.high());
        let mut dropped = Vec::new();
        for offset in self.low..low {
            dropped.extend(self.committed(offset).map(|record| (offset, record.clone())));
        }
        self.entries.drain(..(low - self.low) as usize);
        self.low = low;
        dropped
    }

    /// Removes each committed record before the last stable offset that a later one of its key has replaced, as compaction does, and
    /// gives what it removed. Deletions stay, but for those before `read`.
    pub(super) fn compact(&mut self, read: i64) -> Vec<(i64, Record)> {
        let stable = self.stable();
        let mut last: HashMap<&[u8], i64> = HashMap::new();
        for offset in self.low..stable {
            let key = self.committed(offset).and_then(|record| record.key.as_deref());
            last.extend(key.map(|key| (key, offset)));
        }
        let is_replaced = |offset: &i64| {
            let Some(record) = self.committed(*offset) else { return false };
            let is_over = record.value.is_none() && *offset < read;
            record.key.as_deref().is_some_and(|key| is_over || last.get(key) != Some(offset))
        };
        let replaced: Vec<i64> = (self.low..stable).filter(is_replaced).collect();
        let mut removed = Vec::with_capacity(replaced.len());
        for offset in replaced {
            let entry = usize::try_from(offset - self.low).ok().and_then(|index| self.entries.get_mut(index));
            if let Some(Entry::Data { record, .. }) = entry.map(|entry| std::mem::replace(entry, Entry::Gone)) {
                removed.push((offset, record));
            }
        }
        removed
    }

    /// Reads up to `max` committed records from `from` on, and gives the offset to continue at: past markers and aborted
    /// records too.
    pub(super) fn read(&self, from: i64, max: usize, mut each: impl FnMut(i64, &Record)) -> i64 {
        let mut next = from.max(self.low());
        let mut taken = 0;
        while next < self.stable() && taken < max {
            if let Some(record) = self.committed(next) {
                each(next, record);
                taken += 1;
            }
            next += 1;
        }
        next
    }

    /// Every record, as a `read_uncommitted` client sees it.
    pub(super) fn all(&self) -> impl Iterator<Item = (i64, &Record)> {
        (self.low..).zip(&self.entries).filter_map(|(offset, entry)| match entry {
            Entry::Data { record, .. } => Some((offset, record)),
            Entry::Marker | Entry::Gone => None,
        })
    }

    fn committed(&self, offset: i64) -> Option<&Record> {
        match self.entries.get(usize::try_from(offset - self.low).ok()?)? {
            Entry::Data { transaction: Some(number), .. } if self.aborted.contains(number) => None,
            Entry::Data { record, .. } => Some(record),
            Entry::Marker | Entry::Gone => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(partition: &Partition, from: i64) -> (Vec<i64>, i64) {
        let mut offsets = Vec::new();
        let next = partition.read(from, usize::MAX, |offset, _| offsets.push(offset));
        (offsets, next)
    }

    #[test]
    fn an_open_transaction_holds_back_what_follows_it() {
        let mut partition = Partition::default();
        partition.append(None, Record::default());
        partition.append(Some(7), Record::default());
        partition.append(None, Record::default());
        assert_eq!((partition.stable(), partition.high()), (1, 3));
        assert_eq!(read(&partition, 0), (vec![0], 1));
        partition.end(7, true);
        assert_eq!((partition.stable(), partition.high()), (4, 4));
        assert_eq!(read(&partition, 1), (vec![1, 2], 4));
    }

    #[test]
    fn an_aborted_record_is_never_read() {
        let mut partition = Partition::default();
        partition.append(Some(1), Record::default());
        partition.append(Some(2), Record::default());
        partition.end(1, false);
        assert_eq!(partition.stable(), 1);
        partition.end(2, true);
        assert_eq!(read(&partition, 0), (vec![1], 4));
        assert_eq!(partition.all().count(), 2);
    }

    #[test]
    fn compaction_keeps_the_last_of_each_key_and_what_is_not_stable() {
        let record = |key: &str, value: Option<&str>| {
            let bytes = |text: &str| text.as_bytes().to_vec();
            Record { key: Some(bytes(key)), value: value.map(bytes), ..Record::default() }
        };
        let mut partition = Partition::default();
        for (transaction, key, value) in [
            (None, "a", Some("1")),
            (None, "b", Some("1")),
            (Some(1), "a", Some("2")),
            (None, "b", None),
            (Some(2), "a", Some("3")),
            (None, "b", Some("2")),
        ] {
            partition.append(transaction, record(key, value));
        }
        partition.end(1, false);
        let removed: Vec<i64> = partition.compact(0).into_iter().map(|(offset, _)| offset).collect();
        assert_eq!((removed, partition.stable()), (vec![1], 4), "what was aborted replaces nothing");
        partition.end(2, true);
        assert_eq!(partition.compact(0).len(), 2);
        assert_eq!(read(&partition, 0), (vec![4, 5], 8));
        assert_eq!(partition.all().count(), 3);
        partition.append(None, record("b", None));
        let removed = |partition: &mut Partition, read| -> Vec<i64> {
            partition.compact(read).into_iter().map(|(offset, _)| offset).collect()
        };
        assert_eq!(removed(&mut partition, 8), [5], "a deletion stays until whoever reads has read it");
        assert_eq!(removed(&mut partition, 9), [8]);
    }

    #[test]
    fn a_trimmed_record_is_gone_and_offsets_stay() {
        let mut partition = Partition::default();
        for _ in 0..3 {
            partition.append(None, Record::default());
        }
        assert_eq!(partition.trim(2), [(0, Record::default()), (1, Record::default())]);
        assert_eq!((partition.low(), partition.high()), (2, 3));
        assert_eq!(read(&partition, 2), (vec![2], 3));
        partition.append(None, Record::default());
        partition.trim(i64::MAX);
        assert_eq!((partition.low(), partition.high(), partition.all().count()), (4, 4, 0));
        partition.trim(0);
        assert_eq!((partition.low(), partition.append(None, Record::default())), (4, 4));
    }
}
