//! The status topic: what every task of the group has reached, so that any instance, and anyone who may read it, can tell the whole
//! cluster's state.
//!
//! A compacted topic, `{group}.status`, one record per task, written in the task's own transactions: what stands there is committed
//! together with what it tells. Always holds: no key, value or id in it. Deliberately not here: who waits for what (`cli`).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::log::{Fault, Log, Reader};
use super::transaction::{PATIENCE, retry};
use crate::record::{Partition, Record};

/// How long one poll of the topic waits.
const WAIT: Duration = Duration::from_millis(50);

/// The name of a group's status topic.
pub fn status_topic(group: &str) -> String {
    format!("{group}.status")
}

/// What a task has reached, as committed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Status {
    /// The process that has it.
    pub instance: String,
    /// When that was, milliseconds since the epoch.
    pub at: i64,
    /// The policy version in force for it.
    pub policy: u64,
    /// Of a source of profiles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profiles: Option<Profiles>,
}

/// What a task of profiles has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Profiles {
    /// How many there are.
    pub count: usize,
    /// The policy version up to which all of them are settled.
    pub settled: u64,
    /// The walk under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub walk: Option<Progress>,
}

/// How far a walk has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Progress {
    /// The policy version that everybody is being settled for.
    pub target: u64,
    /// How many it had to look at.
    pub total: usize,
    /// How many of them are left.
    pub remaining: usize,
    /// How long it has been going on here, milliseconds.
    pub took: u64,
}

/// The record key of a task.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Key {
    partition: i32,
    topic: String,
}

impl Status {
    /// The record that tells it of `task`.
    pub fn record(&self, task: &Partition) -> Record {
        let key = Key { partition: task.number, topic: task.topic.to_string() };
        // plain structs of texts and numbers
        let text = |bytes: Result<Vec<u8>, serde_json::Error>| Some(bytes.unwrap_or_default());
        Record { key: text(serde_json::to_vec(&key)), value: text(serde_json::to_vec(self)), ..Record::default() }
    }

    /// Reads what [`Status::record`] writes; `None` for anything else.
    pub fn read(record: &Record) -> Option<(Partition, Status)> {
        let key: Key = serde_json::from_slice(record.key.as_deref()?).ok()?;
        let status = serde_json::from_slice(record.value.as_deref()?).ok()?;
        Some((Partition::new(key.topic.as_str(), key.partition), status))
    }
}

/// Follows the status topic.
pub struct Tasks<L: Log> {
    reader: L::Reader,
    /// The newest status of each task.
    pub tasks: BTreeMap<Partition, Status>,
}

impl<L: Log> Tasks<L> {
    /// Begins to read the status topic of `group`, which must exist.
    pub fn open(log: &L, group: &str) -> Result<Self, Fault> {
        let reader = retry(PATIENCE, || log.reader(&status_topic(group), None))?;
        Ok(Self { reader, tasks: BTreeMap::new() })
    }

    /// Reads to the present end.
    pub fn refresh(&mut self) -> Result<(), Fault> {
        let mut batch = Vec::new();
        while retry(PATIENCE, || self.reader.caught_up())?.is_none() {
            retry(PATIENCE, || self.reader.poll(WAIT, &mut batch))?;
            self.tasks.extend(batch.drain(..).filter_map(|fetched| Status::read(&fetched.record)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_as_written() {
        let walk = Some(Progress { target: 9, total: 100, remaining: 40, took: 1_500 });
        for profiles in [None, Some(Profiles { count: 100, settled: 4, walk })] {
            let status = Status { instance: "a".into(), at: 5, policy: 9, profiles };
            let task = Partition::new("raw", 3);
            let record = status.record(&task);
            assert_eq!(record.key.as_deref(), Some(br#"{"partition":3,"topic":"raw"}"#.as_slice()));
            assert_eq!(Status::read(&record), Some((task, status)));
        }
        assert_eq!(Status::read(&Record::default()), None);
    }
}
