//! Scenario 22: a changelog is compacted, deletions of profiles and all; a fresh process knows what the one before it knew.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::Duration;

use sivcar::record::Record;
use sivcar::stream::log::Fetched;

use crate::admin;
use crate::dump;
use crate::patience::eventually;
use crate::profiles::{self, BACKFILLED, PARTITIONS, gone, key, mark, synthetic, told, unmark, user};
use crate::site::Site;

const CHANGELOG: &str = "g.users.changelog";

/// Compacts whatever is not in the newest segment, begins a new segment with nearly every batch, and forgets deletions soon.
const EAGER: [(&str, &str); 5] = [
    ("cleanup.policy", "compact"),
    ("min.cleanable.dirty.ratio", "0.001"),
    ("max.compaction.lag.ms", "100"),
    ("segment.ms", "100"),
    ("delete.retention.ms", "100"),
];

const PROFILES: u64 = 40;

/// How long the log cleaner is left alone between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What becomes of a profile, record by record; the last of its life is a deletion for some.
fn history(number: u64) -> Vec<(i32, Record)> {
    let mut history = vec![user(number, &format!("{{\"email\":\"{number}@example.com\",\"phone\":{number}}}"))];
    if number.is_multiple_of(2) {
        history.push(user(number, "{\"email\":null}"));
    }
    if number.is_multiple_of(5) {
        history.push(gone(number));
    }
    if number.is_multiple_of(10) {
        history.push(user(number, "{\"phone\":0}"));
    }
    history
}

fn is_gone(number: u64) -> bool {
    number.is_multiple_of(5) && !number.is_multiple_of(10)
}

fn all(who: impl Fn(u64) -> bool) -> BTreeSet<Vec<u8>> {
    (0..PROFILES).filter(|number| who(*number)).map(key).collect()
}

/// The last entry under each key.
fn folded(entries: &[Fetched]) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
    let pair = |entry: &Fetched| (entry.record.key.clone().expect("a key"), entry.record.value.clone());
    entries.iter().map(pair).collect()
}

/// Begins new segments until the log cleaner has left one entry under each of `keys` that lives, and nothing of the others; gives
/// what is left of them.
fn compacted(site: &Site, keys: &BTreeSet<Vec<u8>>) -> Vec<Fetched> {
    eventually("compaction", || {
        site.feed("users", (0..PARTITIONS).map(|tick| user(PROFILES + tick, "{}")));
        sleep(LOOK_EVERY);
        let mut left = dump::uncommitted(&site.broker.bootstrap, CHANGELOG);
        left.retain(|entry| keys.contains(entry.record.key.as_deref().unwrap_or_default()));
        let once = folded(&left).len() == left.len();
        (once && left.iter().all(|entry| entry.record.value.is_some())).then_some(left)
    })
}

/// The documents that the walk of this version wrote anew, by record key.
fn walked(site: &Site, version: u64) -> BTreeMap<Option<Vec<u8>>, Option<Vec<u8>>> {
    let walked = synthetic(site, "protected.users").into_iter().filter(|(number, _)| *number == version);
    walked.map(|(_, fetched)| (fetched.record.key, fetched.record.value)).collect()
}

#[test]
fn a_compacted_changelog_restores_what_was_there() {
    let site = profiles::site("workers = 1", "");
    site.configure("any");
    let first = site.start("a").ready();
    let histories: Vec<Vec<(i32, Record)>> = (0..PROFILES).map(history).collect();
    for turn in 0..4 {
        site.feed("users", histories.iter().filter_map(|history| history.get(turn).cloned()));
        site.catch_up();
    }
    let since = mark(&site, "phone", BACKFILLED);
    let is_open = |topic| dump::unstable(&site.broker.bootstrap, topic) > 0;
    eventually("every commit is marked", || (!is_open(CHANGELOG) && !is_open("protected.users")).then_some(()));
    let known = walked(&site, since);
    assert_eq!(known.len(), all(|number| !is_gone(number)).len());
    unmark(&site, "phone");

    let before = dump::committed(&site.broker.bootstrap, CHANGELOG);
    let last = folded(&before);
    let keys: BTreeSet<Vec<u8>> = last.keys().filter(|key| *key != b"settled-through").cloned().collect();
    assert_eq!(keys.len() as u64, PROFILES);
    admin::set(&site.broker.bootstrap, CHANGELOG, &EAGER);
    let left = compacted(&site, &keys);
    assert_eq!(left.len(), known.len(), "of {} entries", before.len());
    assert!(
        left.iter().all(|entry| last.get(entry.record.key.as_deref().unwrap_or_default()) == Some(&entry.record.value))
    );
    // behind what is compacted stand deletions that are not
    let ticks = PROFILES..PROFILES + PARTITIONS;
    site.feed("users", ticks.flat_map(|tick| [user(tick, "{\"phone\":2}"), gone(tick)]));
    site.catch_up();
    first.kill();

    let fresh = site.start("b").ready();
    let restored = fresh.lines().into_iter().filter(|line| line["message"] == "profiles restored");
    let restored: u64 = restored.map(|line| line["profiles"].as_u64().expect("a number")).sum();
    assert_eq!(restored, left.len() as u64);
    let again = mark(&site, "phone", BACKFILLED);
    assert!(walked(&site, again) == known, "the restored documents are others");
    // who was deleted and comes back has nothing of its old life
    site.feed("users", (0..PROFILES).filter(|number| is_gone(*number)).map(|number| user(number, "{\"phone\":1}")));
    site.catch_up();
    let last = mark(&site, "email", BACKFILLED);
    let alive = all(|number| !is_gone(number));
    let holders = all(|number| !number.is_multiple_of(2) && !is_gone(number));
    assert_eq!(told(&site), BTreeMap::from([(since, alive.clone()), (again, alive), (last, holders)]));
    fresh.drain();

    let report = site.check(&site.checker(&[]));
    assert_eq!((report.profiles, report.protected), (PROFILES, report.inputs));
}
