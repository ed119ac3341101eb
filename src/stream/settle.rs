//! What touches a profile's state, a live record or the walk: it is settled first, then changed, in one transaction.
//!
//! Settling answers every version since which a mark is newly effective and which the profile was not settled for: one synthetic
//! `profile.updated` each, if the document *before* the live record holds the attribute. Always holds: a state's settled version
//! rises only together with the events that it stands for; events come ahead of the live record's own outputs; nothing is put into
//! the overlay before all outputs are known to fit. Deliberately not here: how an event looks ([`crate::privacy::synthetic`]), and
//! when the walk goes on ([`super::walk`]).

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::changelog::{ChangelogError, Codec};
use super::log::{Fault, Fetched, Outgoing};
use super::pipeline::Pipeline;
use super::store::{Entry, Overlay, StateKey, Store};
use crate::privacy::error::Reason;
use crate::privacy::protect::{Outputs, Rejection};
use crate::privacy::retire::{Place, Stood};
use crate::privacy::synthetic::{Concerned, synthetic_header};
use crate::profile::{Profile, State};
use crate::record::{Partition, Record};

/// A task's profiles, as one transaction has them in hand.
pub(super) struct Hand<'a> {
    pub(super) store: &'a Store,
    pub(super) overlay: &'a mut Overlay,
}

/// What becomes of a profile once the record that touched it is staged: one entry, and a deletion where it stood under another key.
pub(super) type Change = Vec<(StateKey, Option<Entry>)>;

/// Why a record does not touch its profile.
pub(super) enum Untouched {
    /// It is rejected.
    Rejected(Rejection),
    /// The process or its transaction stops.
    Fault(Fault),
}

impl From<ChangelogError> for Untouched {
    fn from(error: ChangelogError) -> Self {
        match error {
            ChangelogError::Keyset | ChangelogError::KeyGone => Untouched::Rejected(Reason::KeysetMissing.into()),
            other => Untouched::Fault(Fault::Fatal(other.to_string())),
        }
    }
}

impl From<Reason> for Untouched {
    fn from(reason: Reason) -> Self {
        Untouched::Rejected(reason.into())
    }
}

impl Pipeline {
    /// Whether `input`, which was protected, touches a profile: of events that those which identify do, and a null value under a key.
    pub(super) fn touches(&self, source: usize, input: &Fetched) -> bool {
        let deletes = input.record.value.is_none() && input.record.key.is_some();
        self.routes[source].compacted || deletes || self.made.identity.is_some()
    }

    /// Appends what a profile's live record brings beside its own outputs: synthetic events before them, at `first`, and the
    /// changelog's record behind; gives how many events. The record was protected, and is of `source`.
    pub(super) fn touch(
        &mut self,
        source: usize,
        input: &Fetched,
        hand: &Hand,
        first: usize,
        outputs: &mut Vec<Outgoing>,
    ) -> Result<(Change, u64), Untouched> {
        let record_key = input.record.key.as_deref().ok_or(Reason::ProfileWithoutKey)?;
        let version = self.snapshot().version();
        let stood = self.find(source, record_key, hand)?;
        let held = match &stood {
            Some((key, entry)) => Some(self.codec(source)?.open(key, &entry.sealed)?),
            None => None,
        };
        if let Some(held) = &held {
            self.retire(source, &input.partition, record_key, held, input.record.value.is_none(), outputs);
        }
        // one that moves to another workspace waits for the walk: in views it has other keys there
        let moves =
            |held: &State| self.made.identity.as_ref().is_some_and(|new| new.workspace != held.profile.workspace);
        let held = held.filter(|held| !self.is_forgotten(held) || moves(held));
        let mut events = Vec::new();
        let count = match &held {
            Some(held) => self.settle(source, &input.partition, held, &mut events)?,
            None => None,
        };
        outputs.splice(first..first, events);
        let state = match (&input.record.value, self.made.identity.take()) {
            (Some(value), Some(identity)) => {
                let policy = self.snapshot().policy.clone();
                let settings = policy.settings();
                let held_profile = held.as_ref().map(|held| &held.profile);
                let fold = settings.sources[source].state.unwrap_or_default();
                let profile = Profile::fold(held_profile, fold, &identity, value, &settings.limits)?;
                // a patch may spell a word of the layout in a second way
                if self.protector.identity(source, &profile.document).map_err(Untouched::Rejected)?.as_ref()
                    != Some(&identity)
                {
                    return Err(Reason::ProfileKeyMismatch.into());
                }
                let settled = held.as_ref().map_or(version, |held| held.settled.max(version));
                let keyed = self.protector.seals_key(source, &profile.workspace, record_key);
                Some(State { offset: input.offset, settled, keyed, profile })
            }
            (None, _) => None,
            // to go on would forget a profile for a document that is there
            (Some(_), None) => {
                let text = "a protected profile tells no id; this is a bug, please report it";
                return Err(Untouched::Fault(Fault::Fatal(text.to_owned())));
            }
        };
        let stood = stood.as_ref().map(|(key, _)| key);
        let change = self.change(source, &input.partition, record_key, state, stood, outputs)?;
        Ok((change, count.unwrap_or(0)))
    }

    /// The profile that a record key names, and the key under which it stands: the pinned one, or one that was.
    fn find<'a>(
        &mut self,
        source: usize,
        record_key: &[u8],
        hand: &'a Hand,
    ) -> Result<Option<(StateKey, &'a Entry)>, ChangelogError> {
        let codec = self.codec(source)?;
        let key = codec.key(record_key)?;
        if let Some(entry) = hand.store.get(hand.overlay, &key) {
            return Ok(Some((key, entry)));
        }
        let earlier = codec.earlier_keys(record_key).into_iter();
        Ok(earlier.filter_map(|key| hand.store.get(hand.overlay, &key).map(|entry| (key, entry))).next())
    }

    /// Appends the deletions, in the protected topic and the views, of what stands there under record keys that the profile has no more.
    pub(super) fn retire(
        &mut self,
        source: usize,
        partition: &Partition,
        record_key: &[u8],
        held: &State,
        deleted: bool,
        outputs: &mut Vec<Outgoing>,
    ) {
        if !self.routes[source].compacted {
            return; // events stay as they were written
        }
        let stood = Stood { settled: held.settled, keyed: held.keyed, deleted };
        for (place, mut record) in self.protector.retire(source, &held.profile.workspace, record_key, stood) {
            record.headers.push(synthetic_header(self.snapshot().version()));
            let route = &self.routes[source];
            let topic = match place {
                Place::Protected => Some(route.protected.clone()),
                Place::View(view) => route.views.get(&view).cloned(),
            };
            outputs.extend(topic.map(|topic| Outgoing { topic, partition: Some(partition.number), record }));
        }
    }

    /// Whether its workspace is to be forgotten, and `state` is from before that.
    pub(super) fn is_forgotten(&self, state: &State) -> bool {
        state.settled < self.snapshot().policy.erased(&state.profile.workspace)
    }

    /// The workspace of the profile that `record` deletes, where there is one.
    pub(super) fn workspace_of(
        &mut self,
        source: usize,
        record: &Record,
        hand: &Hand,
    ) -> Result<Option<String>, Untouched> {
        let Some(record_key) = record.key.as_deref() else { return Ok(None) };
        let Some((key, entry)) = self.find(source, record_key, hand)? else { return Ok(None) };
        Ok(Some(self.codec(source)?.open(&key, &entry.sealed)?.profile.workspace))
    }

    /// Appends the changelog's record of `state`, and the deletion of the key under which it `stood` if that is another; none where nothing
    /// was there and nothing is.
    pub(super) fn change(
        &mut self,
        source: usize,
        partition: &Partition,
        record_key: &[u8],
        state: Option<State>,
        stood: Option<&StateKey>,
        outputs: &mut Vec<Outgoing>,
    ) -> Result<Change, Untouched> {
        let key = self.codec(source)?.key(record_key)?;
        let entry = match &state {
            Some(state) => {
                let sealed = self.codec(source)?.seal(&key, state)?;
                Some(Entry { sealed, settled: Some(state.settled) })
            }
            None => None,
        };
        let moved = stood.filter(|stood| **stood != key).cloned();
        let mut change = Vec::new();
        if entry.is_some() || (stood.is_some() && moved.is_none()) {
            change.push((key, entry));
        }
        change.extend(moved.map(|stood| (stood, None)));
        for (key, entry) in &change {
            let value = entry.as_ref().map(|entry| entry.sealed.to_vec());
            outputs.push(self.changelog_record(source, partition, key.to_vec(), value));
        }
        Ok(change)
    }

    /// A record of the source's changelog.
    pub(super) fn changelog_record(
        &self,
        source: usize,
        partition: &Partition,
        key: Vec<u8>,
        value: Option<Vec<u8>>,
    ) -> Outgoing {
        let topic = self.routes[source].changelog.clone().unwrap_or_else(|| Arc::from(""));
        let record = Record { key: Some(key), value, headers: Vec::new(), timestamp: None };
        Outgoing { topic, partition: Some(partition.number), record }
    }

    /// Appends the synthetic events of `held`, one for each version that it is not settled for and since which a value of it is newly
    /// protected; gives how many, or `None` where nothing of it is.
    pub(super) fn settle(
        &mut self,
        source: usize,
        partition: &Partition,
        held: &State,
        events: &mut Vec<Outgoing>,
    ) -> Result<Option<u64>, Untouched> {
        let policy = self.snapshot().policy.clone();
        if held.settled > policy.version() {
            return Err(Untouched::Fault(Fault::Early(held.settled, partition.clone())));
        }
        let mut made = Outputs::default();
        let mut count = None;
        for since in policy.sinces(&held.profile.workspace, held.settled) {
            let document = &held.profile.document;
            let concerned = self.protector.synthesize(source, document, since, now_ms(), &mut made);
            match concerned.map_err(Untouched::Rejected)? {
                Concerned::Nothing => {}
                Concerned::Hidden => count = count.or(Some(0)),
                Concerned::Shown => {
                    count = Some(count.unwrap_or(0) + 1);
                    let Some(events_source) = self.routes[source].events else { continue };
                    let partition = self.partition_of(events_source, made.partitioned_by.as_deref());
                    self.send(events_source, partition, &mut made, events).map_err(Untouched::Fault)?;
                }
            }
        }
        Ok(count)
    }

    /// The partition of a synthetic event: that of its key, as Java's default partitioner has it (murmur2).
    fn partition_of(&self, source: usize, key: Option<&[u8]>) -> i32 {
        let hash = murmur2::murmur2(key.unwrap_or_default(), murmur2::KAFKA_SEED);
        (hash & 0x7fff_ffff) as i32 % self.partitions(source)
    }

    /// The codec of the source's changelog.
    pub(super) fn codec(&mut self, source: usize) -> Result<&mut Codec, ChangelogError> {
        if !self.codecs.contains_key(&source) {
            let route = &self.routes[source];
            let changelog = route.changelog.as_deref().unwrap_or_default();
            let pinned = self.snapshot().policy.pinned(changelog, None).ok_or(ChangelogError::NoDefault)?.clone();
            let codec = Codec::new(&self.group, &route.source, &self.snapshot().keyring, pinned);
            self.codecs.insert(source, codec);
        }
        self.codecs.get_mut(&source).ok_or(ChangelogError::NoDefault)
    }
}

/// Milliseconds since the epoch: the time at which a synthetic record is made.
pub(super) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}
