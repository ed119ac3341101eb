//! How a world comes to rest, and what must hold of it then.

use std::collections::BTreeMap;
use std::sync::Arc;

use sivcar::memory::MemoryLog;
use sivcar::record::{Partition, Record};
use sivcar::stream::log::Fetched;

use crate::canary::Canaries;
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
                self.work(process);
                self.arrive_all();
            }
            quiet = if self.progress() == before { quiet + 1 } else { 0 };
            if quiet == QUIET {
                return;
            }
        }
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
    /// Every record of every topic, with those that compaction removed.
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
        let (settings, keyring) = (self.0.settings.clone(), ground::keyring());
        let checker = Checker { settings, keyring, unread: BTreeMap::new(), canaries: vec![VAULT.to_owned()] };
        let report = checker.check(&dump, &[])?;
        told::check(&checker, &dump, &report)?;
        sealed(&dump)
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
