//! The demo checks itself: every topic is read again from its beginning, and everything that was promised is counted.
//!
//! Always holds: what is counted comes from the topics, as a reader of committed records sees them, never from what the demo
//! remembers having done; only the customers themselves are known from outside.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::customers::Customers;
use crate::privacy::keyset::Keyset;
use crate::privacy::protect::{POLICY_HEADER, SYNTHETIC_HEADER};
use crate::privacy::reveal;
use crate::privacy::seal::Sealer;
use crate::record::Record;
use crate::stream::log::{Fault, Fetched, Log, Reader};

/// One promise and how it was found kept.
pub struct Finding {
    /// What was promised.
    pub promise: &'static str,
    /// What was counted.
    pub counted: String,
    /// Whether it holds.
    pub holds: bool,
}

/// The demo's topics, whole.
pub struct Topics {
    raw: Vec<Fetched>,
    protected: Vec<Fetched>,
    debug: Vec<Fetched>,
    dead: Vec<Fetched>,
    profiles: [Vec<Fetched>; 3],
    /// What the live mark brought: events, the same masked, profiles written anew, the same masked.
    synthetic: [Vec<Fetched>; 4],
}

/// Reads `topic` from its beginning to its end.
pub fn read_all<L: Log>(log: &L, topic: &str) -> Result<Vec<Fetched>, Fault> {
    let mut reader = log.reader(topic, None)?;
    let mut records = Vec::new();
    while reader.caught_up()?.is_none() {
        reader.poll(Duration::from_millis(50), &mut records)?;
    }
    records.sort_by_key(|fetched| (fetched.partition.number, fetched.offset));
    Ok(records)
}

impl Topics {
    /// Reads all topics of the demo's group.
    pub fn read<L: Log>(log: &L, group: &str) -> Result<Self, Fault> {
        let read = |name: &str| read_all(log, &format!("{group}.{name}"));
        let apart = |name: &str| {
            let (synthetic, of_inputs) = read(name)?.into_iter().partition(|fetched| is_synthetic(&fetched.record));
            Ok::<(Vec<Fetched>, Vec<Fetched>), Fault>((synthetic, of_inputs))
        };
        let ((told, protected), (told_masked, debug)) = (apart("protected.events")?, apart("debug.events")?);
        let ((anew, profiles), (anew_masked, seen)) = (apart("protected.profiles")?, apart("debug.profiles")?);
        Ok(Self {
            raw: read("raw.events")?,
            protected,
            debug,
            dead: read("dead-letters")?,
            profiles: [read("raw.profiles")?, profiles, seen],
            synthetic: [told, told_masked, anew, anew_masked],
        })
    }

    /// Counts every promise. `phone_since` is the policy version at which the telephone number was marked, `broken` how many
    /// records no reader could make sense of.
    pub fn findings(&self, customers: &Customers, keyset: &Keyset, phone_since: u64, broken: usize) -> Vec<Finding> {
        vec![
            self.none_lost(broken),
            self.in_order(),
            self.nothing_in_clear(customers, phone_since),
            self.ids_masked(),
            self.equal_tokens(customers, keyset),
            self.marked_live(phone_since),
            self.told_of_everyone(customers, keyset, phone_since),
        ]
    }

    fn none_lost(&self, broken: usize) -> Finding {
        let [raw, protected, debug] = self.profiles.each_ref().map(Vec::len);
        let (events, out, seen, dead) = (self.raw.len(), self.protected.len(), self.debug.len(), self.dead.len());
        Finding {
            promise: "one output per input, and one dead letter per broken record",
            counted: format!(
                "{events} events → {out} protected, {seen} masked, {dead} dead; {raw} profiles → {protected}, {debug}"
            ),
            holds: dead == broken && out + dead == events && seen == out && [protected, debug] == [raw, raw],
        }
    }

    fn in_order(&self) -> Finding {
        let numbers = |records: &[Fetched]| -> BTreeMap<i32, Vec<u64>> {
            let mut numbers: BTreeMap<i32, Vec<u64>> = BTreeMap::new();
            for fetched in records {
                if let Some(number) = document(&fetched.record)["no"].as_u64() {
                    numbers.entry(fetched.partition.number).or_default().push(number);
                }
            }
            numbers
        };
        let raw = numbers(&self.raw);
        Finding {
            promise: "the same order in the same partitions",
            counted: format!("{} partitions compared", raw.len()),
            holds: !raw.is_empty() && raw == numbers(&self.protected) && raw == numbers(&self.debug),
        }
    }

    fn nothing_in_clear(&self, customers: &Customers, phone_since: u64) -> Finding {
        let written = self
            .protected
            .iter()
            .chain(&self.debug)
            .chain(&self.dead)
            .chain(&self.profiles[1])
            .chain(&self.profiles[2])
            .chain(self.synthetic.iter().flatten());
        let (mut looked, mut found) = (0_u64, 0_u64);
        let people = customers.people();
        for fetched in written {
            let text = String::from_utf8_lossy(fetched.record.value.as_deref().unwrap_or_default());
            let phones = policy(&fetched.record) >= phone_since;
            for person in people {
                looked += 1;
                let clear =
                    [&person.email, &person.street, &person.name].iter().any(|value| text.contains(value.as_str()))
                        || (phones && text.contains(&person.phone));
                found += u64::from(clear);
            }
        }
        Finding {
            promise: "no marked value in clear in any output",
            counted: format!("{looked} places looked at, {found} found"),
            holds: looked > 0 && found == 0,
        }
    }

    fn ids_masked(&self) -> Finding {
        let masked = self.debug.iter().filter(|fetched| document(&fetched.record)["client"]["id"] == "***").count();
        let raw_keys =
            self.debug.iter().filter(|fetched| !fetched.record.key.as_deref().unwrap_or_default().starts_with(b"siv:"));
        let raw_keys = raw_keys.count();
        Finding {
            promise: "people see no ids and no raw keys",
            counted: format!("{masked} of {} ids masked, {raw_keys} raw keys", self.debug.len()),
            holds: masked == self.debug.len() && raw_keys == 0 && masked > 0,
        }
    }

    fn equal_tokens(&self, customers: &Customers, keyset: &Keyset) -> Finding {
        let mut sealer = Sealer::new(keyset);
        let mut tokens: HashMap<u64, String> = HashMap::new();
        let mut wrong = 0;
        for fetched in &self.protected {
            let client = &document(&fetched.record)["client"];
            let (Some(id), Some(token)) = (client["id"].as_u64(), client["email"].as_str()) else {
                wrong += 1;
                continue;
            };
            let first = tokens.entry(id).or_insert_with(|| token.to_owned());
            let person = customers.people().iter().find(|person| person.id == id);
            let opened = reveal::value(&mut sealer, "acme", "email", token).ok();
            let expected = person.map(|person| serde_json::json!(person.email).to_string());
            wrong += usize::from(*first != token || opened.is_none() || opened != expected);
        }
        Finding {
            promise: "equal values have equal tokens, and each opens to its own",
            counted: format!("{} tokens of {} people, {wrong} wrong", self.protected.len(), tokens.len()),
            holds: wrong == 0 && !tokens.is_empty(),
        }
    }

    fn told_of_everyone(&self, customers: &Customers, keyset: &Keyset, phone_since: u64) -> Finding {
        let mut sealer = Sealer::new(keyset);
        let [told, told_masked, anew, anew_masked] = &self.synthetic;
        let opens = |fetched: &&Fetched| {
            let event = document(&fetched.record);
            let person = customers.people().iter().find(|person| Some(person.id) == event["client"]["id"].as_u64());
            let token = event["params"]["attributes"]["phone"].as_str().unwrap_or_default();
            let opened = reveal::value(&mut sealer, "acme", "phone", token).ok();
            opened.is_some() && opened == person.map(|person| serde_json::json!(person.phone).to_string())
        };
        let (people, right) = (customers.people().len(), told.iter().filter(opens).count());
        let of_now = told.iter().chain(anew).all(|fetched| policy(&fetched.record) >= phone_since);
        Finding {
            promise: "everyone who has a telephone number is told of once, and written anew",
            counted: format!("{} profile.updated for {people} profiles, {right} open to their own", told.len()),
            holds: of_now && [told.len(), told_masked.len(), anew.len(), anew_masked.len(), right] == [people; 5],
        }
    }

    fn marked_live(&self, phone_since: u64) -> Finding {
        let sealed = |fetched: &&Fetched| {
            document(&fetched.record)["client"]["phone"].as_str().is_some_and(|phone| phone.starts_with("siv:"))
        };
        let (after, before): (Vec<_>, Vec<_>) =
            self.protected.iter().partition(|fetched| policy(&fetched.record) >= phone_since);
        let (after_sealed, before_sealed) =
            (after.iter().copied().filter(sealed).count(), before.iter().copied().filter(sealed).count());
        Finding {
            promise: "a mark made live holds from its policy version on",
            counted: format!(
                "{before_sealed} of {} sealed before, {after_sealed} of {} after",
                before.len(),
                after.len()
            ),
            holds: before_sealed == 0 && !before.is_empty() && after_sealed == after.len() && !after.is_empty(),
        }
    }
}

/// Whether a record has no input of its own.
pub fn is_synthetic(record: &Record) -> bool {
    record.headers.iter().any(|header| header.name == SYNTHETIC_HEADER)
}

/// The policy version that a record's header tells; 0 where there is none.
fn policy(record: &Record) -> u64 {
    let header = record.headers.iter().find(|header| header.name == POLICY_HEADER);
    let text = header.and_then(|header| header.value.as_deref()).and_then(|value| std::str::from_utf8(value).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The record's document; null where it is none.
pub fn document(record: &Record) -> serde_json::Value {
    serde_json::from_slice(record.value.as_deref().unwrap_or_default()).unwrap_or_default()
}
