//! What changes the policy of a world: written to the control topic in one transaction each, as the commands do.

use sivcar::memory::MemoryLog;
use sivcar::privacy::control::{
    ControlKey, ControlRecord, ControlValue, Domain, Moment, Pin, Primary, StageRecord, Table,
};
use sivcar::privacy::mark::{Mark, MarkKey, On};
use sivcar::record::Record;
use sivcar::stream::log::{Log, Outgoing, Producer};

use crate::schedule::Control;
use crate::world::Shared;

/// The workspace whose marks and stage change.
pub const CHANGING: &str = "acme";

/// The control topic's committed records, folded.
fn table(log: &MemoryLog) -> Table {
    let mut table = Table::default();
    for fetched in log.records("g.control") {
        let key = fetched.record.key.unwrap_or_default();
        table.apply(fetched.offset, &key, fetched.record.value.as_deref()).expect("a control record");
    }
    table
}

/// When something was done, as who did it says: now forth, now back.
fn at(number: usize) -> Option<String> {
    Some(format!("20{:02}-01-01T00:00:00Z", number * 37 % 100))
}

impl Shared {
    pub fn write_control(&self, records: &[ControlRecord]) {
        self.amend(|_| records.to_vec());
    }

    /// One transaction: `changes` is given the table as of its beginning.
    fn amend(&self, changes: impl FnOnce(&Table) -> Vec<ControlRecord>) {
        let mut producer = self.log.producer("g.control", usize::MAX).expect("a producer");
        producer.init().and_then(|()| producer.begin()).expect("nobody else has its id");
        for ControlRecord { key, value } in changes(&table(&self.log)) {
            let value = value.map(|value| value.encode());
            let record = Record { key: Some(key.encode()), value, ..Record::default() };
            let outgoing = Outgoing { topic: "g.control".into(), partition: Some(0), record };
            producer.produce(&outgoing).expect("nobody else has its id");
        }
        producer.commit().expect("nobody else has its id");
    }

    pub fn control(&self, number: usize, control: Control) {
        let count = |name| self.tally.count(name);
        self.amend(|table| match control {
            Control::Mark(name, protect, level) => {
                let at = at(number);
                let wish = Mark { protect, level, at, ..Mark::default() };
                let keys = marks(name);
                let held = keys.iter().filter(|key| table.marks.contains_key(key)).count();
                count(if held > 0 { "mark edited" } else { "mark made" });
                let revised = |key: MarkKey| table.revise(&key, &wish).map(|mark| (key, mark));
                let revised = keys.into_iter().filter_map(revised);
                revised.map(|(key, mark)| set(ControlKey::Mark(key), ControlValue::Mark(mark))).collect()
            }
            Control::Unmark(name) => {
                let held: Vec<MarkKey> = marks(name).into_iter().filter(|key| table.marks.contains_key(key)).collect();
                self.tally.add("mark withdrawn", held.len() as u64);
                held.into_iter().map(|key| ControlRecord { key: ControlKey::Mark(key), value: None }).collect()
            }
            Control::Stage(stage) => {
                count("stage changed");
                let value = ControlValue::Stage(StageRecord { stage, since: None, at: at(number) });
                vec![set(ControlKey::Stage { workspace: CHANGING.into() }, value)]
            }
            Control::Pad(name, pad) => {
                count("padding changed");
                let key = ControlKey::Domain { workspace: CHANGING.into(), name: name.into() };
                vec![set(key, ControlValue::Domain(Domain { pad, ..Domain::default() }))]
            }
            Control::Promote(id) => {
                count("key promoted");
                let value = ControlValue::Primary(Primary { id: id.to_string(), since: None });
                vec![set(ControlKey::Primary { workspace: "*".into() }, value)]
            }
            Control::Pin(topic, id) => {
                let pin = Pin { topic: topic.into(), workspace: None };
                let Some(held) = table.pinned.get(&pin).filter(|held| held.id != id) else { return Vec::new() };
                count("key pinned anew");
                let was: Vec<u32> =
                    held.was.iter().copied().chain([held.id]).filter(|earlier| *earlier != id).collect();
                vec![ControlRecord::pin(pin, id, &was)]
            }
            Control::Reseal => {
                count("reseal");
                let value = ControlValue::Moment(Moment::default());
                vec![set(ControlKey::Reseal { workspace: CHANGING.into() }, value)]
            }
        });
    }
}

fn set(key: ControlKey, value: ControlValue) -> ControlRecord {
    ControlRecord { key, value: Some(value) }
}

/// The marks of one name: on an attribute and on a parameter.
fn marks(name: &str) -> [MarkKey; 2] {
    let workspace = CHANGING.to_owned();
    [On::Attribute, On::Parameter].map(|on| MarkKey {
        workspace: workspace.clone(),
        on,
        name: name.into(),
        event: None,
    })
}
