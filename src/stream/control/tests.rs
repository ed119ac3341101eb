//! The control topic over the embedded log: who writes, what is carried, what stops the process.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use super::follow::look_anew;
use super::*;
use crate::memory::MemoryLog;
use crate::privacy::keyset::{Entry, Keyring, Keyset, Status};
use crate::privacy::mark::{Mark, MarkKey, On};
use crate::record::Partition;
use crate::stream::context::Context;
use crate::stream::fixture::{keyring, plan};
use crate::stream::happening::Nobody;
use crate::stream::scripted::{Call, Scripted, Twist};
use crate::stream::supervisor;

fn mark(name: &str, level: u16) -> ControlRecord {
    let key = MarkKey { workspace: "acme".into(), on: On::Parameter, name: name.into(), event: None };
    let value = ControlValue::Mark(Mark { level, ..Mark::default() });
    ControlRecord { key: ControlKey::Mark(key), value: Some(value) }
}

pub(super) fn log() -> MemoryLog {
    let log = MemoryLog::new("g");
    log.create_topic("raw", 1, &[]).unwrap();
    crate::stream::topics::ensure_control(&log, "g", &[], true).unwrap();
    log
}

fn levels(table: &Table) -> Vec<(String, u16, Option<u64>)> {
    table.marks.iter().map(|(key, mark)| (key.name.clone(), mark.level, mark.since)).collect()
}

fn append(log: &MemoryLog, key: &[u8], value: Option<&[u8]>) {
    let record = Record { key: Some(key.to_vec()), value: value.map(<[u8]>::to_vec), ..Record::default() };
    log.append(&Partition::new("g.control", 0), record).unwrap();
}

#[test]
fn a_first_start_writes_the_incarnation_and_the_marks_and_a_second_nothing() {
    let log = log();
    let wished = [mark("email", 100)];
    let first = publish(&log, "g", &wished).unwrap();
    assert_eq!((first.table().version, levels(first.table())), (2, vec![("email".into(), 100, Some(2))]));
    let nonce = first.table().incarnation.clone().unwrap();
    assert_eq!(nonce.len(), 16);
    let second = publish(&log, "g", &wished).unwrap();
    assert_eq!((second.table().incarnation.as_ref(), log.records("g.control").len()), (Some(&nonce), 2));
}

#[test]
fn a_changed_mark_carries_its_since() {
    let log = log();
    publish(&log, "g", &[mark("email", 100)]).unwrap();
    let table = publish(&log, "g", &[mark("email", 200)]).unwrap();
    assert_eq!(levels(table.table()), [("email".into(), 200, Some(2))]);
    assert_eq!(table.table().version, 4, "the first transaction's marker took offset 2");
}

#[test]
fn two_starters_write_one_incarnation() {
    for _ in 0..20 {
        let log = log();
        let starts: Vec<_> = (0..4)
            .map(|number| {
                let log = log.clone();
                thread::spawn(move || {
                    let table = publish(&log, "g", &[mark(&format!("m{number}"), 1)]).unwrap();
                    table.table().incarnation.clone().unwrap()
                })
            })
            .collect();
        let mut nonces: Vec<String> = starts.into_iter().map(|start| start.join().unwrap()).collect();
        nonces.dedup();
        assert_eq!(nonces.len(), 1);
        let incarnations = log
            .records("g.control")
            .into_iter()
            .filter(|fetched| fetched.record.key == Some(ControlKey::Incarnation.encode()));
        assert_eq!(incarnations.count(), 1);
        assert_eq!(publish(&log, "g", &[]).unwrap().table().marks.len(), 4);
    }
}

#[test]
fn a_fenced_or_unknown_publication_is_tried_again_and_written_once() {
    for (call, twist) in [
        (Call::Commit, Twist::After(Fault::Unknown("scripted".into()))),
        (Call::Commit, Twist::Instead(Fault::Unknown("scripted".into()))),
        (Call::Commit, Twist::Instead(Fault::Fenced("scripted".into()))),
        (Call::Drain, Twist::Instead(Fault::Abort("scripted".into()))),
        (
            Call::Begin,
            Twist::Before(Box::new(|log: &MemoryLog| {
                publish(log, "g", &[mark("other", 1)]).unwrap();
            })),
        ),
    ] {
        let log = Scripted::new(log());
        log.next(call, twist);
        let table = publish(&log, "g", &[mark("email", 100)]).unwrap();
        assert_eq!(log.occurred(call), 1, "{call:?}");
        assert!(table.table().marks.keys().any(|key| key.name == "email"));
        let records = log.log.records("g.control");
        let keys: std::collections::BTreeSet<_> = records.iter().map(|fetched| fetched.record.key.clone()).collect();
        assert_eq!(keys.len(), records.len(), "each thing is written once: {call:?}");
    }
}

/// Follows the control topic in a thread, lets `act` work on it, and gives how it ended.
pub(super) fn following(act: impl FnOnce(&MemoryLog, &Context<MemoryLog>)) -> Result<(), Error> {
    let log = log();
    let context = supervisor::prepare(log.clone(), plan(), keyring(), Arc::new(Nobody)).unwrap();
    thread::scope(|scope| {
        let follower = scope.spawn(|| follow(&context));
        until(|| context.current.snapshot().is_some() || follower.is_finished());
        let acted = catch_unwind(AssertUnwindSafe(|| act(&log, &context)));
        thread::sleep(Duration::from_millis(50));
        context.stop.set(); // also where the test fails: the scope waits for the follower
        let followed = follower.join().unwrap();
        acted.map_or_else(|panic| resume_unwind(panic), |()| followed)
    })
}

pub(super) fn until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "it never held");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_new_mark_is_in_force_soon() {
    let done = following(|log, context| {
        assert_eq!(context.current.snapshot().unwrap().version(), 3);
        let ControlRecord { key, value } = mark("email", 1);
        append(log, &key.encode(), value.map(|value| value.encode()).as_deref());
        until(|| context.current.snapshot().unwrap().version() == 5);
    });
    assert_eq!(done, Ok(()));
}

#[test]
fn a_wanted_version_whose_record_is_gone_is_reached_at_the_end() {
    let done = following(|log, context| {
        // as after compaction: a withdrawal of something that is not there leaves no trace but its offset
        append(log, br#"{"kind":"stage","workspace":"x"}"#, None);
        until(|| context.current.snapshot().unwrap().version() == 5);
        context.current.want(3);
        context.current.want(9);
        thread::sleep(Duration::from_millis(20));
        assert_eq!(context.current.snapshot().unwrap().version(), 5, "9 is beyond the end");
    });
    assert_eq!(done, Ok(()));
}

#[test]
fn an_unknown_kind_and_an_unreadable_value_stop_the_process_with_the_offset() {
    for (key, value) in [
        (&br#"{"kind":"later","workspace":"acme"}"#[..], &b"{}"[..]),
        (br#"{"kind":"domain","name":"email","workspace":"acme"}"#, b"{\"pad\":-1}"),
    ] {
        let error = following(|log, _| append(log, key, Some(value))).unwrap_err();
        assert!(matches!(&error, Error::Policy(text) if text.contains("offset 4")), "{error}");
    }
}

#[test]
fn a_mark_that_cannot_be_read_counts_as_the_strictest() {
    let done = following(|log, context| {
        let ControlRecord { key, .. } = mark("email", 1);
        append(log, &key.encode(), Some(b"{\"level\":1,\"later\":true}"));
        until(|| context.current.snapshot().unwrap().version() == 5);
    });
    assert_eq!(done, Ok(()));
}

#[test]
fn a_control_topic_re_created_under_a_running_process_stops_it() {
    let error = following(|log, context| {
        append(log, br#"{"kind":"stage","workspace":"x"}"#, None);
        until(|| context.current.snapshot().unwrap().version() == 5);
        log.delete_topic("g.control");
        log.create_topic("g.control", 1, &[("cleanup.policy", "compact")]).unwrap();
        let started = Instant::now();
        while !context.stop.is_set() && started.elapsed() < Duration::from_millis(1500) {
            thread::sleep(Duration::from_millis(10));
        }
    });
    assert!(matches!(error, Err(Error::PolicyWentBackwards(_))), "{error:?}");
}

#[test]
fn a_re_created_control_topic_that_is_as_long_is_found_out() {
    let log = log();
    let context = supervisor::prepare(log.clone(), plan(), keyring(), Arc::new(Nobody)).unwrap();
    let known = publish(&log, "g", &[mark("email", 1)]).unwrap();
    assert_eq!(look_anew(&context, &known), Ok(()));
    log.delete_topic("g.control");
    assert_eq!(look_anew(&context, &known), Ok(()), "what cannot be read tells nothing");
    supervisor::prepare(log.clone(), plan(), keyring(), Arc::new(Nobody)).unwrap();
    let other = publish(&log, "g", &[mark("email", 1)]).unwrap();
    assert_eq!(other.table().version, known.table().version);
    let error = look_anew(&context, &known).unwrap_err();
    assert!(matches!(&error, Error::PolicyWentBackwards(text) if text.contains("incarnation")), "{error}");
}

fn keyring_of(materials: [u8; 2]) -> Keyring {
    let keyset = |material: u8, id| Arc::new(Keyset::generate(&[material; 64], id));
    let own = Entry::Present(keyset(materials[1], 2));
    Keyring::new(Some(keyset(materials[0], 1)), [("acme".to_owned(), own)].into())
}

#[test]
fn keys_are_known_by_their_check_values_and_never_taken_for_others() {
    let log = log();
    let known = publish(&log, "g", &ControlRecord::of_keys(&keyring_of([7, 8]))).unwrap();
    let found = |id: u32| known.table().keys.get(&id).map(|key| (key.check.len(), key.status));
    // "siv:" and 1 + 4 + 16 + 5 bytes in base64url
    assert_eq!((found(1), found(2), found(3)), (Some((39, Status::Enabled)), Some((39, Status::Enabled)), None));
    assert_eq!(log.records("g.control").len(), 3);
    publish(&log, "g", &ControlRecord::of_keys(&keyring_of([7, 8]))).unwrap();
    assert_eq!(log.records("g.control").len(), 3, "what is known is not written again");

    for (materials, id) in [([9, 8], 1), ([7, 9], 2)] {
        let error = publish(&log, "g", &ControlRecord::of_keys(&keyring_of(materials))).err().unwrap();
        assert!(matches!(&error, Error::Keys(text) if text.starts_with(&format!("key {id} is"))), "{error}");
        assert_eq!(error.exit_code(), 2);
    }
    assert_eq!(log.records("g.control").len(), 3, "nothing of a refused keyset is written");
    let twins = Keyring::new(
        Some(Arc::new(Keyset::generate(&[1; 64], 5))),
        [("acme".to_owned(), Entry::Present(Arc::new(Keyset::generate(&[2; 64], 5))))].into(),
    );
    assert!(matches!(publish(&log, "g", &ControlRecord::of_keys(&twins)), Err(Error::Keys(_))));

    let mut disabled = Keyset::generate(&[7; 64], 1);
    disabled.add(&[8; 64], 2).unwrap();
    disabled = disabled.promoted(2).unwrap();
    disabled.disable(1).unwrap();
    let shared = [("acme".to_owned(), Entry::Present(Arc::new(disabled)))].into();
    let shared = Keyring::new(Some(Arc::new(Keyset::generate(&[7; 64], 1))), shared);
    publish(&log, "g", &ControlRecord::of_keys(&shared)).unwrap();
    assert_eq!(log.records("g.control").len(), 3, "a key of two keysets is enabled where one of them says so");

    let mut rotated = Keyset::generate(&[7; 64], 1);
    rotated.add(&[3; 64], 3).unwrap();
    rotated = rotated.promoted(3).unwrap();
    rotated.disable(1).unwrap();
    let rotated = Keyring::new(Some(Arc::new(rotated)), [].into());
    let known = publish(&log, "g", &ControlRecord::of_keys(&rotated)).unwrap();
    let statuses: Vec<_> = known.table().keys.iter().map(|(id, key)| (*id, key.status)).collect();
    assert_eq!(statuses, [(1, Status::Disabled), (2, Status::Enabled), (3, Status::Enabled)]);
}

#[test]
fn a_reloaded_keyring_is_taken_once_its_keys_are_known_and_a_contradicting_one_never() {
    let done = following(|log, context| {
        let first = context.current.snapshot().unwrap().keyring.clone();
        let wrong = Arc::new(Keyring::new(Some(Arc::new(Keyset::generate(&[9; 64], 1))), [].into()));
        context.keyring.store(wrong);
        until(|| Arc::ptr_eq(&context.keyring.load_full(), &first));
        assert!(Arc::ptr_eq(&context.current.snapshot().unwrap().keyring, &first));
        assert_eq!(log.records("g.control").len(), 3);

        let mut more = Keyset::generate(&[7; 64], 1);
        more.add(&[8; 64], 2).unwrap();
        let more = Arc::new(Keyring::new(Some(Arc::new(more)), [].into()));
        context.keyring.store(more.clone());
        until(|| Arc::ptr_eq(&context.current.snapshot().unwrap().keyring, &more));
        assert_eq!(log.records("g.control").len(), 4);
    });
    assert_eq!(done, Ok(()));
}
