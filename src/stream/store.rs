//! The profiles of one task: committed state, and the overlay of the transaction in hand.
//!
//! A store holds what its changelog partition holds, byte by byte: under each profile's sealed key the sealed state, opened only
//! when it is touched. A transaction reads through its [`Overlay`] and writes into it; commit merges it, abort drops it, so that a
//! store is never ahead of what is committed. A worker has the stores of its own tasks in hand; those of tasks that went lie in
//! [`Parked`], where another worker of the process finds them: one is as good as a restore if the group still holds what was
//! committed with it last. Deliberately not here: what a state means ([`super::settle`]), and how it is sealed
//! ([`super::changelog`]).

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dashmap::DashMap;

use super::log::Committed;
use crate::privacy::keyset::Keyring;
use crate::record::Partition;

/// A profile's sealed record key: the changelog's record key.
pub type StateKey = Box<[u8]>;

/// What an entry takes beside key and value, about: two pointers with lengths, the settled version, and its share of the table.
const ENTRY_BYTES: usize = 80;

/// How long a store that no worker took is kept: a rebalance that moves a task within the process is over by then.
const PARKED_FOR: Duration = Duration::from_secs(60);

/// By sealed keys. Nobody without the keyset can choose where these fall, so the hasher needs no secret; without one a walk takes the
/// profiles in the same order wherever the same was done before.
type ByKey<V> = HashMap<StateKey, V, BuildHasherDefault<DefaultHasher>>;

/// One profile's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The changelog's value as it is.
    pub sealed: Box<[u8]>,
    /// The policy version up to which all marks are answered for it; `None` where only the sealed state tells.
    pub settled: Option<u64>,
}

/// The committed state of one task.
#[derive(Debug, Default)]
pub struct Store {
    entries: ByKey<Entry>,
    bytes: usize,
    /// The policy version up to which all marks are answered for every profile.
    pub through: u64,
    /// Under which keysets profiles were passed by since, for the key of their states is not there.
    passed: Option<Arc<Keyring>>,
}

/// What a transaction makes of a store.
#[derive(Debug, Default)]
pub struct Overlay {
    /// New states; `None` deletes.
    entries: ByKey<Option<Entry>>,
    /// Profiles that a version concerned in nothing: no write, but no second look either.
    looked_at: Vec<(StateKey, u64)>,
    /// A walk ended: all is settled up to there.
    pub through: Option<u64>,
    passed: Option<Arc<Keyring>>,
}

fn size(key: &[u8], entry: &Entry) -> usize {
    key.len() + entry.sealed.len() + ENTRY_BYTES
}

impl Store {
    /// How many profiles it holds.
    pub fn profiles(&self) -> usize {
        self.entries.len()
    }

    /// How many it holds once `overlay` is merged.
    pub fn profiles_with(&self, overlay: &Overlay) -> usize {
        let changed = |is_there: bool| {
            let those = overlay.entries.iter().filter(move |(_, entry)| entry.is_some() == is_there);
            those.filter(|(key, _)| self.entries.contains_key(*key) != is_there).count()
        };
        self.entries.len() + changed(true) - changed(false)
    }

    /// The memory it takes, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The profile under `key` as the transaction sees it.
    pub fn get<'a>(&'a self, overlay: &'a Overlay, key: &[u8]) -> Option<&'a Entry> {
        match overlay.entries.get(key) {
            Some(changed) => changed.as_ref(),
            None => self.entries.get(key),
        }
    }

    /// Puts or deletes outside of any transaction: a restore.
    pub fn set(&mut self, key: StateKey, entry: Option<Entry>) {
        let more = entry.as_ref().map_or(0, |entry| size(&key, entry));
        let before = match entry {
            Some(entry) => {
                let length = key.len();
                self.entries.insert(key, entry).map_or(0, |held| length + held.sealed.len() + ENTRY_BYTES)
            }
            None => self.entries.remove(&key).map_or(0, |held| size(&key, &held)),
        };
        self.bytes = self.bytes + more - before;
    }

    /// Takes in what was committed.
    pub fn merge(&mut self, overlay: Overlay) {
        for (key, entry) in overlay.entries {
            self.set(key, entry);
        }
        for (key, version) in overlay.looked_at {
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.settled = entry.settled.max(Some(version));
            }
        }
        self.through = self.through.max(overlay.through.unwrap_or(0));
        self.passed = overlay.passed.or(self.passed.take());
    }

    /// Whether profiles were passed by that no walk has looked at since.
    pub fn has_passed(&self, overlay: &Overlay) -> bool {
        self.passed.is_some() || overlay.passed.is_some()
    }

    /// Lets the next walk look once more at who was passed by under other keysets than `keyring`; says whether there is somebody.
    pub fn look_again(&mut self, keyring: &Arc<Keyring>) -> bool {
        let again = self.passed.take_if(|passed| !Arc::ptr_eq(passed, keyring)).is_some();
        if again {
            self.through = 0;
        }
        again
    }

    /// The profiles that may not be settled up to `version`.
    pub fn unsettled(&self, version: u64) -> Vec<StateKey> {
        let old = self.entries.iter().filter(|(_, entry)| entry.settled.is_none_or(|settled| settled < version));
        old.map(|(key, _)| key.clone()).collect()
    }

    /// Every profile's sealed key and sealed state.
    pub fn entries(&self) -> impl Iterator<Item = (&StateKey, &Entry)> {
        self.entries.iter()
    }
}

impl Overlay {
    /// Puts or deletes a profile.
    pub fn set(&mut self, key: StateKey, entry: Option<Entry>) {
        self.entries.insert(key, entry);
    }

    /// Puts or deletes several.
    pub fn apply(&mut self, change: Vec<(StateKey, Option<Entry>)>) {
        self.entries.extend(change);
    }

    /// Notes that nothing up to `version` concerns the profile.
    pub fn look_at(&mut self, key: StateKey, version: u64) {
        self.looked_at.push((key, version));
    }

    /// Notes that the key of a profile's state is not in `keyring`: it is to be looked at again under another.
    pub fn pass_by(&mut self, keyring: &Arc<Keyring>) {
        self.passed = Some(keyring.clone());
    }
}

/// Stores of tasks that no worker of this process has in hand, with what was committed last when they were put here.
#[derive(Debug, Default)]
pub struct Parked(DashMap<Partition, (Store, Option<Committed>, Instant)>);

impl Parked {
    /// Keeps `store`, whose task last committed `committed`.
    pub fn put(&self, partition: Partition, store: Store, committed: Option<Committed>) {
        self.0.insert(partition, (store, committed, Instant::now()));
    }

    /// Lets go of those that nobody came for.
    pub fn expire(&self) {
        if !self.0.is_empty() {
            self.0.retain(|_, (_, _, since)| since.elapsed() < PARKED_FOR);
        }
    }

    /// The task's store, if nobody committed anything for it since it was parked. It is gone from here either way.
    pub fn take(&self, partition: &Partition, committed: Option<&Committed>) -> Option<Store> {
        let (_, (store, last, _)) = self.0.remove(partition)?;
        (last.is_some() && last.as_ref() == committed).then_some(store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str, settled: u64) -> Option<Entry> {
        Some(Entry { sealed: text.as_bytes().into(), settled: Some(settled) })
    }

    fn key(text: &str) -> StateKey {
        text.as_bytes().into()
    }

    #[test]
    fn a_transaction_sees_its_own_changes_and_only_commit_makes_them_last() {
        let mut store = Store::default();
        store.set(key("a"), entry("1", 1));
        store.set(key("b"), entry("2", 1));
        let mut overlay = Overlay::default();
        overlay.set(key("a"), entry("long", 2));
        overlay.set(key("b"), None);
        overlay.set(key("c"), entry("3", 2));
        let sees = |store: &Store, overlay: &Overlay| {
            ["a", "b", "c"].map(|name| store.get(overlay, name.as_bytes()).map(|entry| entry.sealed.len()))
        };
        assert_eq!(sees(&store, &overlay), [Some(4), None, Some(1)]);
        assert_eq!(sees(&store, &Overlay::default()), [Some(1), Some(1), None], "an abort drops the overlay alone");
        assert_eq!((store.profiles(), store.profiles_with(&overlay)), (2, 2));
        overlay.set(key("a"), None);
        overlay.set(key("nobody"), None);
        assert_eq!(store.profiles_with(&overlay), 1);
        overlay.set(key("a"), entry("long", 2));
        store.merge(overlay);
        assert_eq!(sees(&store, &Overlay::default()), [Some(4), None, Some(1)]);
        assert_eq!((store.profiles(), store.bytes()), (2, 1 + 4 + 1 + 1 + 2 * ENTRY_BYTES));
    }

    #[test]
    fn what_nobody_comes_for_is_let_go() {
        let parked = Parked::default();
        let [old, new] = [0, 1].map(|number| Partition::new("users", number));
        let last = Some(Committed { offset: 1, metadata: String::new() });
        parked.0.insert(old.clone(), (Store::default(), last.clone(), Instant::now() - PARKED_FOR));
        parked.put(new.clone(), Store::default(), last.clone());
        parked.expire();
        assert!(parked.take(&old, last.as_ref()).is_none());
        assert!(parked.take(&new, last.as_ref()).is_some());
    }

    #[test]
    fn a_walk_looks_at_nobody_twice() {
        let mut store = Store::default();
        store.set(key("a"), entry("1", 1));
        store.set(key("b"), Some(Entry { sealed: b"2".as_slice().into(), settled: None }));
        store.set(key("c"), entry("3", 7));
        let mut unsettled = store.unsettled(7);
        unsettled.sort();
        assert_eq!(unsettled, [key("a"), key("b")]);
        let mut overlay = Overlay { through: Some(7), ..Overlay::default() };
        overlay.look_at(key("a"), 7);
        overlay.look_at(key("gone"), 7);
        store.merge(overlay);
        assert_eq!((store.unsettled(7), store.through), (vec![key("b")], 7));
    }

    #[test]
    fn a_parked_store_is_taken_only_if_nobody_committed_since() {
        let committed = |metadata: &str| Some(Committed { offset: 4, metadata: metadata.into() });
        let raw = Partition::new("raw", 0);
        let parked = Parked::default();
        for (last, found, taken) in [
            (committed("x"), committed("x"), true),
            (committed("x"), committed("y"), false),
            (committed("x"), None, false),
            (None, None, false),
        ] {
            parked.put(raw.clone(), Store::default(), last.clone());
            assert_eq!(parked.take(&raw, found.as_ref()).is_some(), taken, "{last:?} {found:?}");
            assert!(parked.take(&raw, found.as_ref()).is_none(), "it is gone");
        }
    }
}
