//! The control topic's records come back as written, the last one holds, and one that cannot be read makes nothing weaker.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use sivcar::privacy::control::{
    ControlKey, ControlValue, Domain, Incarnation, KeyRecord, Moment, Nothing, PAD_MAX, Pin, Pinned, Pinning, Primary,
    StageRecord, Table,
};
use sivcar::privacy::keyset::Status;
use sivcar::privacy::mark::{self, Mark, MarkKey, On, Protect};
use sivcar::privacy::mask::Mask;
use sivcar::privacy::settings::Stage;

use crate::common::checks::control_is_taken_or_refused;

fn workspace() -> impl Strategy<Value = String> {
    prop_oneof![2 => Just("*".to_owned()), 8 => "[a-b]", 1 => "[A-Za-z0-9._-]{1,64}"]
}

fn key() -> impl Strategy<Value = ControlKey> {
    let mark = (
        workspace(),
        select(vec![On::Attribute, On::Parameter, On::Field, On::Header, On::Key]),
        "[ab]|a\\.\\*\\*|'[^']{1,8}'",
        option::of("[ab]|\\PC{0,4}"),
    )
        .prop_map(|(workspace, on, name, event)| ControlKey::Mark(MarkKey { workspace, on, name, event }));
    prop_oneof![
        4 => mark,
        2 => (workspace(), "[ab]|\\PC{1,8}").prop_map(|(workspace, name)| ControlKey::Domain { workspace, name }),
        1 => workspace().prop_map(|workspace| ControlKey::Stage { workspace }),
        1 => prop_oneof![0u32..3, any::<u32>()].prop_map(|id| ControlKey::Key { id }),
        1 => workspace().prop_map(|workspace| ControlKey::Primary { workspace }),
        1 => ("[ab]|\\PC{1,8}", option::of(workspace()))
            .prop_map(|(topic, workspace)| ControlKey::Pinned(Pin { topic, workspace })),
        1 => workspace().prop_map(|workspace| ControlKey::Reseal { workspace }),
        1 => workspace().prop_map(|workspace| ControlKey::Erased { workspace }),
        1 => (workspace(), "[ab]|\\PC{1,8}").prop_map(|(workspace, id)| ControlKey::TestProfile { workspace, id }),
        1 => Just(ControlKey::Incarnation),
    ]
}

fn since() -> impl Strategy<Value = Option<u64>> {
    option::of(prop_oneof![0u64..9, any::<u64>()])
}

fn a_mark() -> impl Strategy<Value = Mark> {
    let protect = select(vec![Protect::Drop, Protect::Mask, Protect::Encrypt, Protect::None]);
    let who = (option::of("\\PC{0,6}"), option::of("(?s:.{0,6})"));
    (
        0u16..=9999,
        protect,
        option::of(select(Mask::ALL.to_vec())),
        option::of("[a-z/]{1,6}"),
        any::<bool>(),
        since(),
        who,
    )
        .prop_map(|(level, protect, mask, domain, shape, since, (at, by))| Mark {
            level,
            protect,
            mask,
            domain,
            shape,
            since,
            at,
            by,
        })
}

/// A key with a value of its kind, or a withdrawal.
fn record() -> impl Strategy<Value = (ControlKey, Option<ControlValue>)> {
    key().prop_flat_map(|key| {
        let value = match &key {
            ControlKey::Mark(_) => a_mark().prop_map(ControlValue::Mark).boxed(),
            ControlKey::Domain { .. } => (0..=PAD_MAX, any::<bool>(), any::<bool>(), since())
                .prop_map(|(pad, loose, whole, since)| ControlValue::Domain(Domain { pad, loose, whole, since }))
                .boxed(),
            ControlKey::Stage { .. } => {
                (select(vec![Stage::Off, Stage::Configured, Stage::Enforced]), since(), option::of("\\PC{0,6}"))
                    .prop_map(|(stage, since, at)| ControlValue::Stage(StageRecord { stage, since, at }))
                    .boxed()
            }
            ControlKey::Key { .. } => ("\\PC{0,6}", select(vec![Status::Enabled, Status::Disabled]))
                .prop_map(|(check, status)| ControlValue::Key(KeyRecord { check, status }))
                .boxed(),
            ControlKey::Primary { .. } => {
                any::<u32>().prop_map(|id| ControlValue::Primary(Primary { id: id.to_string(), since: None })).boxed()
            }
            ControlKey::Reseal { .. } | ControlKey::Erased { .. } => {
                since().prop_map(|since| ControlValue::Moment(Moment { since })).boxed()
            }
            ControlKey::Pinned(_) => (any::<u32>(), vec(any::<u32>(), 0..3))
                .prop_map(|(id, was)| {
                    let was = was.iter().map(u32::to_string).collect();
                    ControlValue::Pinned(Pinned { id: id.to_string(), was })
                })
                .boxed(),
            ControlKey::TestProfile { .. } => Just(ControlValue::TestProfile(Nothing {})).boxed(),
            ControlKey::Incarnation => {
                "[a-z0-9]{1,8}".prop_map(|nonce| ControlValue::Incarnation(Incarnation { nonce })).boxed()
            }
        };
        (Just(key), option::weighted(0.8, value))
    })
}

/// What a table holds, as the records that would write it.
fn held(table: &Table) -> BTreeMap<Vec<u8>, ControlValue> {
    let marks = table.marks.iter().map(|(key, mark)| (ControlKey::Mark(key.clone()), ControlValue::Mark(mark.clone())));
    let domains = table.domains.iter().map(|((workspace, name), domain)| {
        (ControlKey::Domain { workspace: workspace.clone(), name: name.clone() }, ControlValue::Domain(domain.clone()))
    });
    let stages = table.stages.iter().map(|(workspace, stage)| {
        (ControlKey::Stage { workspace: workspace.clone() }, ControlValue::Stage(stage.clone()))
    });
    let keys = table.keys.iter().map(|(id, key)| (ControlKey::Key { id: *id }, ControlValue::Key(key.clone())));
    let primaries = table.primaries.iter().map(|(workspace, id)| {
        let value = Primary { id: id.to_string(), since: None };
        (ControlKey::Primary { workspace: workspace.clone() }, ControlValue::Primary(value))
    });
    let pinned = table.pinned.iter().map(|(pin, Pinning { id, was, .. })| {
        let was = was.iter().map(u32::to_string).collect();
        (ControlKey::Pinned(pin.clone()), ControlValue::Pinned(Pinned { id: id.to_string(), was }))
    });
    let moment = |since: &u64| ControlValue::Moment(Moment { since: Some(*since) });
    let reseals = table
        .reseals
        .iter()
        .map(|(workspace, since)| (ControlKey::Reseal { workspace: workspace.clone() }, moment(since)));
    let erased = table
        .erased
        .iter()
        .map(|(workspace, since)| (ControlKey::Erased { workspace: workspace.clone() }, moment(since)));
    let tests = table.test_profiles.iter().map(|(workspace, id)| {
        let key = ControlKey::TestProfile { workspace: workspace.clone(), id: id.clone() };
        (key, ControlValue::TestProfile(Nothing {}))
    });
    let nonce = table
        .incarnation
        .iter()
        .map(|nonce| (ControlKey::Incarnation, ControlValue::Incarnation(Incarnation { nonce: nonce.clone() })));
    marks
        .chain(domains)
        .chain(stages)
        .chain(keys)
        .chain(primaries)
        .chain(pinned)
        .chain(tests)
        .chain(reseals)
        .chain(erased)
        .chain(nonce)
        .map(|(key, value)| (key.encode(), value))
        .collect()
}

/// The value as the table holds it: effective since its own record, if it does not say otherwise.
fn taken(key: &ControlKey, value: ControlValue, version: u64) -> ControlValue {
    match value {
        ControlValue::Mark(mark) => {
            let ControlKey::Mark(key) = key else { unreachable!("values are of their key's kind") };
            let mark = if mark::check(key, &mark).is_ok() { mark } else { Mark::strictest(key.on) };
            ControlValue::Mark(Mark { since: mark.since.or(Some(version)), ..mark })
        }
        ControlValue::Domain(domain) => {
            ControlValue::Domain(Domain { since: domain.since.or(Some(version)), ..domain })
        }
        ControlValue::Stage(stage) => {
            ControlValue::Stage(StageRecord { since: stage.since.or(Some(version)), ..stage })
        }
        ControlValue::Moment(moment) => ControlValue::Moment(Moment { since: moment.since.or(Some(version)) }),
        as_written => as_written,
    }
}

proptest! {
    #[test]
    fn the_last_record_of_each_key_holds(records in vec(record(), 0..20), first in 0i64..100) {
        let (mut table, mut expected) = (Table::default(), BTreeMap::new());
        for (offset, (key, value)) in (first..).zip(&records) {
            let bytes = value.as_ref().map(ControlValue::encode);
            table.apply(offset, &key.encode(), bytes.as_deref()).expect("what is written is read");
            let version = offset as u64 + 1;
            match value {
                Some(value) => drop(expected.insert(key.encode(), taken(key, value.clone(), version))),
                None => drop(expected.remove(&key.encode())),
            }
            prop_assert_eq!(table.version, version);
        }
        prop_assert_eq!(held(&table), expected);
    }

    #[test]
    fn a_key_has_one_text(key in key(), at in any::<Index>(), byte in any::<u8>()) {
        let mut bytes = key.encode();
        prop_assert_eq!(ControlKey::decode(&bytes), Some(key));
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Some(other) = ControlKey::decode(&bytes) {
            prop_assert_eq!(other.encode(), bytes);
        }
    }

    #[test]
    fn damaged_values_are_taken_as_the_strictest_or_refused(
        (key, value) in record(), offset in 0i64..9,
        damages in vec((any::<Index>(), 0usize..9, select(vec!["", "\"", ",", "}", "{", "0", "-1", "99999", "null", "true", "\"x\":1,",
            "\"level\":1,", "\"protect\":\"none\",", "none", "\"none\"", "\\u0000", "\\ud800"])), 0..3),
    ) {
        let mut bytes = value.map(|value| value.encode()).unwrap_or_default();
        for (at, length, word) in damages {
            let at = at.index(bytes.len() + 1);
            let end = bytes.len().min(at + length);
            bytes.splice(at..end, word.bytes());
        }
        control_is_taken_or_refused(offset, &key.encode(), &bytes);
    }
}
