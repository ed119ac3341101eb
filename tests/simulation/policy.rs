//! What changes the policy of a world: written to the control topic in one transaction each, as the commands do.

use sivcar::privacy::control::{
    ControlKey, ControlRecord, ControlValue, Domain, Moment, Pin, Primary, StageRecord, Table,
};
use sivcar::privacy::mark::{Mark, MarkKey, On};
use sivcar::record::Record;
use sivcar::stream::control::ControlTable;
use sivcar::stream::log::{Fault, Log, Outgoing, Producer};

use crate::schedule::{Control, HEADER, KEY};
use crate::world::CONTROL;

/// The workspace whose marks and stage change.
pub const CHANGING: &str = "acme";

/// The largest batch of control records.
const BATCH_BYTES: usize = 65_536;

/// When something was done, as who did it says: now forth, now back.
fn at(number: usize) -> Option<String> {
    Some(format!("20{:02}-01-01T00:00:00Z", number * 37 % 100))
}

/// One transaction: `changes` is given the table as of its beginning.
pub fn amend<L: Log>(log: &L, changes: impl FnOnce(&Table) -> Vec<ControlRecord>) {
    let mut producer = log.producer(CONTROL, BATCH_BYTES).expect("a producer");
    let ready = std::iter::repeat_with(|| producer.init()).find(|done| !matches!(done, Err(Fault::Retry(_))));
    assert_eq!(ready, Some(Ok(())), "nobody else has its id");
    producer.begin().expect("nobody else has its id");
    let mut control = ControlTable::open(log, "g").expect("the control topic is there");
    control.read_to_end().expect("the control topic only grows");
    for ControlRecord { key, value } in changes(control.table()) {
        let value = value.map(|value| value.encode());
        let record = Record { key: Some(key.encode()), value, ..Record::default() };
        let outgoing = Outgoing { topic: CONTROL.into(), partition: Some(0), record };
        producer.produce(&outgoing).expect("nobody else has its id");
    }
    producer.drain().and_then(|()| producer.commit()).expect("nobody else has its id");
}

/// What `control`, which is the step with this number, makes of `table`: what is to be written, and what that is counted as.
pub fn records(table: &Table, number: usize, control: Control) -> (Vec<ControlRecord>, &'static str) {
    match control {
        Control::Mark(name, protect, level) => {
            let wish = Mark { protect, level, at: at(number), ..Mark::default() };
            let keys = marks(name);
            let stands = keys.iter().any(|key| table.marks.contains_key(key));
            let revised = |key: MarkKey| table.revise(&key, &wish).map(|mark| (key, mark));
            let revised = keys.into_iter().filter_map(revised);
            let records = revised.map(|(key, mark)| set(ControlKey::Mark(key), ControlValue::Mark(mark)));
            (records.collect(), if stands { "mark edited" } else { "mark made" })
        }
        Control::Unmark(name) => {
            let held = marks(name).into_iter().filter(|key| table.marks.contains_key(key));
            (held.map(|key| ControlRecord { key: ControlKey::Mark(key), value: None }).collect(), "mark withdrawn")
        }
        Control::Stage(stage) => {
            let value = ControlValue::Stage(StageRecord { stage, since: None, at: at(number) });
            (vec![set(ControlKey::Stage { workspace: CHANGING.into() }, value)], "stage changed")
        }
        Control::Pad(name, pad) => {
            let key = ControlKey::Domain { workspace: CHANGING.into(), name: name.into() };
            (vec![set(key, ControlValue::Domain(Domain { pad, ..Domain::default() }))], "padding changed")
        }
        Control::Promote(id) => {
            let value = ControlValue::Primary(Primary { id: id.to_string(), since: None });
            (vec![set(ControlKey::Primary { workspace: "*".into() }, value)], "key promoted")
        }
        Control::Pin(topic, id) => {
            let pin = Pin { topic: topic.into(), workspace: None };
            let held = table.pinned.get(&pin).filter(|held| held.id != id);
            let pinned = held.map(|held| {
                let was = held.was.iter().copied().chain([held.id]).filter(|earlier| *earlier != id);
                ControlRecord::pin(pin, id, &was.collect::<Vec<u32>>())
            });
            (pinned.into_iter().collect(), "key pinned anew")
        }
        Control::Reseal => {
            let value = ControlValue::Moment(Moment::default());
            (vec![set(ControlKey::Reseal { workspace: CHANGING.into() }, value)], "reseal")
        }
        Control::Erase => {
            let value = ControlValue::Moment(Moment::default());
            (vec![set(ControlKey::Erased { workspace: CHANGING.into() }, value)], "workspace erased")
        }
    }
}

fn set(key: ControlKey, value: ControlValue) -> ControlRecord {
    ControlRecord { key, value: Some(value) }
}

/// The marks of one name: where it is no header's and not that of record keys, on an attribute and on a parameter.
fn marks(name: &str) -> Vec<MarkKey> {
    let places: &[On] = match name {
        HEADER => &[On::Header],
        KEY => &[On::Key],
        _ => &[On::Attribute, On::Parameter],
    };
    let mark = |on: &On| MarkKey { workspace: CHANGING.to_owned(), on: *on, name: name.into(), event: None };
    places.iter().map(mark).collect()
}
