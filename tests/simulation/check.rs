//! How a world comes to rest, and what must hold of it then.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use sivcar::memory::MemoryLog;
use sivcar::record::{Partition, Record};
use sivcar::stream::log::{Committed, Fetched};
use sivcar::stream::store::Store;

use crate::bugs::Bug;
use crate::canary::Canaries;
use crate::checker::states::SETTLED_THROUGH;
use crate::checker::{Checker, Dump, Topics};
use crate::ground::{self, ACME, RAW, SEALED, VAULT};
use crate::schedule::PROCESSES;
use crate::told;
use crate::world::{Shared, World};

/// After so many rounds of all in which nothing was written, and nobody had to be started, nothing more will be.
const QUIET: usize = 8;
/// More rounds than any world takes.
const ROUNDS: usize = 1000;

impl Shared {
    pub fn arrive_all(&self) {
        while self.log.markers() > 0 {
            self.log.arrive(0);
        }
    }

    /// No more faults: what is under way arrives, everybody is up and does all there is to do.
    pub fn settle(self: &Arc<Self>) {
        self.close(true);
        let (late, dead) = {
            let mut inner = self.lock();
            inner.processes.iter_mut().for_each(|process| process.twists.clear());
            (std::mem::take(&mut inner.late), std::mem::take(&mut inner.graveyard))
        };
        late.into_iter().for_each(|late| self.land(late));
        drop(dead);
        let mut quiet = 0;
        for round in 0.. {
            if round == ROUNDS || self.lock().failure.is_some() {
                self.lock().failure.get_or_insert_with(|| "the world does not settle".to_owned());
                return;
            }
            let before = self.progress();
            for process in 0..PROCESSES {
                self.start(process);
                self.read(process);
            }
            for who in self.everyone() {
                self.work(who);
                self.arrive_all();
            }
            quiet = if self.progress() == before { quiet + 1 } else { 0 };
            if quiet < QUIET {
                continue;
            }
            if !self.give_up_what_is_lost() {
                return;
            }
            quiet = 0;
        }
    }

    /// What an operator does where retention took unread records and their task stopped: while nobody runs, the offset is set to what
    /// there is. Says whether there was such a task.
    fn give_up_what_is_lost(&self) -> bool {
        let lost = ground::tasks().filter_map(|partition| {
            let (committed, low) = (self.log.committed(&partition)?.offset, self.log.bounds(&partition)?.low);
            (committed < low).then_some((partition, committed..low))
        });
        let lost: Vec<_> = lost.collect();
        if !lost.is_empty() {
            (0..PROCESSES).for_each(|process| self.stop(process));
            self.arrive_all();
        }
        for (partition, lost) in &lost {
            self.log.set_committed(partition, Some(Committed { offset: lost.end, metadata: String::new() }));
            self.tally.count("offsets reset by an operator");
            let is_lost = |fetched: &Fetched| fetched.partition == *partition && lost.contains(&fetched.offset);
            self.removed.lock().expect("no panic holds it").retain(|fetched| !is_lost(fetched));
        }
        !lost.is_empty()
    }

    /// How long all topics are together, and how often a process was started.
    fn progress(&self) -> (i64, u64) {
        let length = |topic: Arc<str>| -> i64 {
            let ends = (0..).map_while(|number| self.log.bounds(&Partition::new(topic.clone(), number)));
            ends.map(|bounds| bounds.high).sum()
        };
        (self.log.topics().into_iter().map(length).sum(), self.lock().starts)
    }
}

impl World {
    /// Every record of every topic, with those that compaction removed and those that retention took and were read before.
    pub fn dump(&self) -> Dump {
        let removed = self.0.removed.lock().expect("no panic holds it");
        let topics = |read: fn(&MemoryLog, &str) -> Vec<Fetched>| -> Topics {
            let all = self.0.log.topics().into_iter().map(|topic| {
                let mut records = read(&self.0.log, &topic);
                records.extend(removed.iter().filter(|fetched| fetched.partition.topic == topic).cloned());
                records.sort_by_key(|fetched| (fetched.partition.number, fetched.offset));
                (topic.to_string(), records)
            });
            all.collect()
        };
        Dump { committed: topics(MemoryLog::records), uncommitted: topics(MemoryLog::uncommitted) }
    }

    /// What stands in which place, but for the status topic and for times, which the time of day decides.
    pub fn written(&self) -> Vec<(Partition, i64, Record)> {
        let topics = self.dump().uncommitted.into_iter().filter(|(topic, _)| topic != "g.status");
        let timeless = |fetched: Fetched| {
            let record = Record { timestamp: None, ..fetched.record };
            (fetched.partition, fetched.offset, record)
        };
        topics.flat_map(|(_, records)| records).map(timeless).collect()
    }

    /// Checks the world at rest.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), String> {
        for (topic, _) in RAW {
            let committed =
                |partition: &Partition| self.0.log.committed(partition).map_or(0, |committed| committed.offset);
            let mut records = self.0.log.records(topic).into_iter();
            if let Some(unread) = records.find(|fetched| fetched.offset >= committed(&fetched.partition)) {
                return Err(format!("{}@{}: is not read", unread.partition, unread.offset));
            }
        }
        let dump = self.dump();
        let canaries = VAULT.map(str::to_owned).to_vec();
        let (settings, keyring) = (self.0.settings.clone(), self.0.keyring.clone());
        let checker = Checker { settings, keyring, unread: BTreeMap::new(), canaries };
        let report = checker.check(&dump, &self.0.witness.said())?;
        told::check(&checker, &dump, &report)?;
        sealed(&dump)?;
        self.0.tally.add("more shown to the more trusted", shown(&dump)?);
        // these do not know what is committed: what comes of that is to be found, not this
        if matches!(self.0.bug, Bug::NoOffsets | Bug::OlderPolicy) { Ok(()) } else { self.0.is_restored(&dump) }
    }
}

impl Shared {
    /// What a process holds of the profiles of a partition is what a restore would give: byte by byte what stands in the changelog.
    fn is_restored(&self, dump: &Dump) -> Result<(), String> {
        self.everyone().for_each(|who| _ = self.put_out(who));
        // each finds out that it lost all it had, and leaves its profiles to the others of its process
        self.everyone().for_each(|who| self.work(who));
        let inner = self.lock();
        for partition in ground::tasks().filter(|task| &*task.topic == RAW[1].0) {
            let mut changelog = BTreeMap::new();
            for fetched in dump.committed["g.users.changelog"]
                .iter()
                .filter(|fetched| fetched.partition.number == partition.number)
            {
                changelog.insert(fetched.record.key.as_deref(), fetched.record.value.as_deref());
            }
            changelog.retain(|key, value| *key != Some(SETTLED_THROUGH) && value.is_some());
            let committed = self.log.committed(&partition);
            let contexts = inner.processes.iter().filter_map(|process| process.context.as_ref());
            let stores: Vec<_> =
                contexts.filter_map(|context| context.parked.take(&partition, committed.as_ref())).collect();
            let entries = |store: &Store| -> bool {
                let held: BTreeMap<_, _> =
                    store.entries().map(|(key, entry)| (Some(&**key), Some(&*entry.sealed))).collect();
                held == changelog
            };
            if stores.is_empty() || !stores.iter().all(entries) {
                return Err(format!("{partition}: {} stores, of which one is not the changelog", stores.len()));
            }
        }
        Ok(())
    }
}

/// Whoever may see more is shown no less; gives how many values he is shown that others are not.
fn shown(dump: &Dump) -> Result<u64, String> {
    let mut more = 0;
    // each document is written to both; a record key that moves is deleted in one alone
    let documents = |topic| dump.committed[topic].iter().filter(|fetched| fetched.record.value.is_some());
    for (some, all) in documents("debug.users").zip(documents("trusted.users")) {
        let read = |fetched: &Fetched| -> Value {
            serde_json::from_slice(fetched.record.value.as_deref().unwrap_or_default()).unwrap_or_default()
        };
        let at = &some.partition;
        more += shows(&read(some), &read(all))
            .ok_or_else(|| format!("{at}@{}: shows more than trusted.users", some.offset))?;
    }
    Ok(more)
}

/// How many values `all` shows that `some` masks; `None` where it shows less.
fn shows(some: &Value, all: &Value) -> Option<u64> {
    match (some, all) {
        (Value::Object(some), Value::Object(all)) if some.keys().all(|name| all.contains_key(name)) => {
            some.iter().map(|(name, value)| shows(value, &all[name])).sum()
        }
        (Value::String(mask), all) if mask == "***" => Some(u64::from(all != mask)),
        (some, all) => (some == all).then_some(0),
    }
}

/// Nothing of `acme` either stands where all is sealed, whatever its marks and its stage were.
fn sealed(dump: &Dump) -> Result<(), String> {
    let search = Canaries::new([ACME]);
    for topic in SEALED {
        let records = dump.uncommitted[topic].iter().map(|fetched| &fetched.record);
        let parts = records.flat_map(|Record { key, value, .. }| [key, value]).flatten();
        let all: Vec<u8> = parts.flat_map(|bytes| bytes.iter().copied().chain([0; 4])).collect();
        if !search.find(&all).is_empty() {
            return Err(format!("{topic}: a value in clear"));
        }
    }
    Ok(())
}
