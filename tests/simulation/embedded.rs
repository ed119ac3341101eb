//! The embedded log keeps every promise of the seam that a real Kafka keeps.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sivcar::memory::{LateEnd, MemoryLog, MemoryMembership, MemoryProducer};
use sivcar::record::{Partition, Record};
use sivcar::stream::log::{Consumer as _, Fault, Fetched, Log, Outgoing, Producer as _};

use crate::seam::{self, Again, Rig, Stranger};

/// An embedded log for one scenario.
struct Embedded {
    scenario: String,
    log: MemoryLog,
    /// Ends that are held, by their transactional id.
    held: Mutex<BTreeMap<String, LateEnd>>,
}

impl Embedded {
    fn new(scenario: &str) -> Self {
        let log = MemoryLog::new(scenario).with_patience(Duration::ZERO);
        Self { scenario: scenario.to_owned(), log, held: Mutex::default() }
    }
}

impl Rig for Embedded {
    type Log = MemoryLog;

    fn scenario(&self) -> &str {
        &self.scenario
    }

    fn part(&self, name: &str) -> Self {
        Self::new(&format!("{}.{name}", self.scenario))
    }

    fn log(&self) -> &MemoryLog {
        &self.log
    }

    fn hasty(&self) -> &MemoryLog {
        &self.log
    }

    fn append(&self, partition: &Partition, records: &[Record]) {
        for record in records {
            self.log.append(partition, record.clone()).expect("there is such a partition");
        }
    }

    fn everything(&self, topic: &str) -> Vec<Fetched> {
        self.log.uncommitted(topic)
    }

    fn trim(&self, partition: &Partition, offset: i64) {
        self.log.trim(partition, offset);
    }

    fn add_partition(&self, topic: &str) {
        self.log.add_partitions(topic, 1);
    }

    fn expel(&self) {
        assert!(self.log.members().into_iter().all(|member| self.log.expel(member)));
    }

    fn let_time_pass(&self, id: &str) {
        assert!(self.log.expire(id), "no transaction is open");
    }

    fn commit_as(&self, who: Stranger, record: &Outgoing, offsets: &[(Partition, i64, String)]) -> Result<(), Fault> {
        let membership = match who {
            Stranger::Nobody => MemoryMembership::of_nobody(&self.scenario),
            Stranger::Left => {
                let mut member = self.log.consumer(0, &[])?;
                member.poll(1, Duration::ZERO, &mut Vec::new())?;
                member.membership()?
            }
        };
        let mut producer = self.log.producer("stranger", usize::MAX)?;
        producer.init()?;
        producer.begin()?;
        producer.produce(record)?;
        producer.send_offsets(offsets, &membership)?;
        producer.commit()
    }

    fn end_late(
        &self,
        id: &str,
        producer: &mut MemoryProducer,
        commits: bool,
        again: Again,
        meanwhile: impl FnOnce() + Send,
    ) -> Result<(), Fault> {
        let late = producer.end_late(commits);
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), late);
        meanwhile();
        let landed = !self.held.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id);
        if again == Again::Arrives || landed {
            if commits { producer.commit() } else { producer.abort() }?;
        }
        Err(Fault::Unknown("the answer is lost".to_owned()))
    }

    fn land(&self, id: &str) -> bool {
        let late = self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.log.land(late.expect("it is held"))
    }
}

#[test]
fn the_embedded_log_keeps_every_promise_of_the_seam() {
    for (name, scenario) in seam::all() {
        eprintln!("{name}");
        scenario(&Embedded::new(name));
    }
}
