//! Why tasks stop until a person has looked, and what that leaves of them.
//!
//! Always holds: a task whose source has changed, or whose profiles take more than they may, commits nothing more. Deliberately not
//! here: faults of the log, which whoever met them passes on to [`Worker::stop_task`].

use super::happening::Happening;
use super::log::Log;
use super::restore::Restore;
use super::store::Store;
use super::task::TaskState;
use super::worker::Worker;
use crate::record::Partition;

impl<L: Log> Worker<L> {
    /// What is not any more with the source of `partition` as it was at the start.
    pub(super) fn changed(&self, partition: &Partition, source: usize) -> Option<String> {
        match self.context.facts.load().sources.get(source) {
            Some(Ok(count)) if partition.number < *count => None,
            Some(Ok(count)) => Some(format!("{partition} was added at run time, there were {count} partitions")),
            Some(Err(what)) => Some(what.clone()),
            None => Some("the source is not configured".to_owned()),
        }
    }

    pub(super) fn stop_changed_sources(&mut self) {
        let running = self.tasks.iter().filter(|(_, task)| !matches!(task.state, TaskState::Stopped(_)));
        let stopping: Vec<(Partition, String)> = running
            .filter_map(|(partition, task)| Some((partition.clone(), self.changed(partition, task.source)?)))
            .collect();
        for (partition, what) in stopping {
            if let Some(task) = self.tasks.get(&partition) {
                self.context.stop_source(task.source, &what);
            }
            self.stop_task(&partition, "source_changed", &what);
        }
    }

    /// Stops tasks whose profiles take more than they may, those of a restore under way too, and lets the profiles go: rather than die
    /// with all others.
    pub(super) fn stop_too_large(&mut self) {
        let most = self.context.plan.state_bytes;
        let held = self.tasks.iter().filter_map(|(partition, task)| {
            let restored = self.restores.get(partition).map(Restore::bytes);
            Some((partition.clone(), task.store.as_ref().map(Store::bytes).or(restored)?))
        });
        for (partition, bytes) in held.filter(|(_, bytes)| *bytes > most).collect::<Vec<_>>() {
            self.context.tell(&Happening::Held { partition: &partition, bytes, most });
            let detail = format!("its profiles take {bytes} bytes of memory, task-bytes under [state] allows {most}");
            self.stop_task(&partition, "state_over_budget", &detail);
            self.tasks.entry(partition).and_modify(|task| task.store = None);
        }
    }

    /// Stops one task until a person has looked; its records leave the batch.
    pub(super) fn stop_task(&mut self, partition: &Partition, reason: &'static str, detail: &str) {
        self.batch.retain(|fetched| fetched.partition != *partition);
        self.careful.remove(partition);
        self.restores.remove(partition);
        if let Some(task) = self.tasks.get_mut(partition) {
            task.state = TaskState::Stopped(reason);
            self.context.tell(&Happening::Stopped { partition, reason, detail });
        }
    }
}
