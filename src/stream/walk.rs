//! The walk: every profile of a task is looked at once when marks became newly effective, a few per transaction.
//!
//! One walk serves all marks of a jump of the policy. It needs no cursor: a profile's own settled version says whether it was
//! answered, so a task that moves, or is restored, half-way goes on; a walk that ended is written down in the changelog, so that
//! a restart need not look at everyone again. A profile that holds a newly marked attribute gets its events, and its whole document
//! is written anew to the protected topic and the views, so that compaction removes the clear one. Always holds: the walk takes
//! its share of a transaction behind the live records; the share ends before live ones would wait for it longer than they do for each
//! other, and falls when committing gets slow. Deliberately not here: what settling is ([`super::settle`]).

use super::changelog::{ChangelogError, SETTLED_THROUGH};
use super::log::{Fault, Fetched, Outgoing};
use super::pipeline::{Origin, Pipeline, Treatment};
use super::settle::{Change, Hand, Untouched, now_ms};
use super::store::StateKey;
use super::transaction::BatchTally;
use crate::privacy::dead_letter::Extent;
use crate::privacy::error::Reason;
use crate::privacy::protect::Rejection;
use crate::privacy::synthetic::synthetic_header;
use crate::profile::State;
use crate::record::{Partition, Record};

mod plan;

pub(super) use plan::Walk;

/// What the walk makes of one profile.
pub(super) enum Walked {
    /// No version concerns it: nothing is written.
    Nothing,
    /// Its state is sealed under a key that is not here, or its workspace's keyset is missing: nobody can say what concerns it.
    PassedBy,
    /// It is settled by these.
    Settled {
        /// Its events, its document anew, its changelog record.
        outputs: Vec<Outgoing>,
        /// How many of them are events.
        events: u64,
        /// Its new state.
        change: Change,
        /// Its state before.
        state: State,
    },
    /// Its workspace is to be forgotten, and it is with it.
    Forgotten(Vec<Outgoing>, Change),
    /// Its document cannot be protected as the policy is now.
    Rejected(Rejection, State),
}

impl Pipeline {
    /// Appends to the overlay what the walk makes of the profile under `key`, and gives what is to be written.
    pub(super) fn walk_one(
        &mut self,
        source: usize,
        partition: &Partition,
        key: &StateKey,
        hand: &mut Hand,
        treatment: Treatment,
        tally: &mut BatchTally,
    ) -> Result<Vec<Outgoing>, Fault> {
        let (rejection, state) = match self.walk(source, partition, key, hand)? {
            Walked::Nothing => {
                hand.overlay.look_at(key.clone(), self.snapshot().version());
                return Ok(Vec::new());
            }
            Walked::PassedBy => {
                hand.overlay.pass_by(&self.snapshot().keyring);
                return Ok(Vec::new());
            }
            Walked::Forgotten(outputs, change) => {
                hand.overlay.apply(change);
                tally.sources.entry(source).or_default().forgotten += 1;
                return Ok(outputs);
            }
            Walked::Rejected(rejection, state) => (rejection, state),
            Walked::Settled { state, .. } if treatment != Treatment::Protect => (Reason::BrokerRefused.into(), state),
            Walked::Settled { state, outputs, .. } if !self.fit(&outputs) => (Reason::OutputTooLarge.into(), state),
            Walked::Settled { outputs, events, change, .. } => {
                hand.overlay.apply(change);
                let counts = tally.sources.entry(source).or_default();
                counts.synthetic += events;
                counts.rewritten += 1;
                return Ok(outputs);
            }
        };
        let (outputs, change) = self.abandon(source, partition, key, &state, &rejection)?;
        hand.overlay.apply(change);
        tally.sources.entry(source).or_default().abandoned += 1;
        Ok(outputs)
    }

    /// What the walk makes of the profile under `key`.
    pub(super) fn walk(
        &mut self,
        source: usize,
        partition: &Partition,
        key: &StateKey,
        hand: &Hand,
    ) -> Result<Walked, Fault> {
        let version = self.snapshot().version();
        let Some(entry) = hand.store.get(hand.overlay, key) else { return Ok(Walked::Nothing) };
        if entry.settled.is_some_and(|settled| settled >= version) {
            return Ok(Walked::Nothing);
        }
        let state = match self.codec(source).and_then(|codec| codec.open(key, &entry.sealed)) {
            Ok(state) => state,
            // whoever destroyed the key wished that nobody reads it; whoever has yet to bring it will
            Err(ChangelogError::Keyset | ChangelogError::KeyGone) => return Ok(Walked::PassedBy),
            Err(error) => return Err(Fault::Fatal(format!("a profile of {partition}: {error}"))),
        };
        if self.snapshot().keyring.of(&state.profile.workspace).is_none() {
            return Ok(Walked::PassedBy);
        }
        if self.is_forgotten(&state) {
            return self.forget(source, partition, key, &state, hand);
        }
        match self.rewrite(source, partition, key, &state) {
            Ok(None) => Ok(Walked::Nothing),
            Ok(Some((outputs, events, change))) => Ok(Walked::Settled { outputs, events, change, state }),
            Err(Untouched::Rejected(rejection)) => Ok(Walked::Rejected(rejection, state)),
            Err(Untouched::Fault(fault)) => Err(fault),
        }
    }

    /// Deletes `state`, whose workspace is to be forgotten, as a null value that is read would: in the protected topic, the views and the
    /// changelog; in the changelog alone what an event source keeps.
    fn forget(
        &mut self,
        source: usize,
        partition: &Partition,
        key: &StateKey,
        state: &State,
        hand: &Hand,
    ) -> Result<Walked, Fault> {
        let record_key = self.codec(source).and_then(|codec| codec.record_key(key));
        let record_key = record_key.map_err(|error| Fault::Fatal(format!("a profile of {partition}: {error}")))?;
        let mut outputs = Vec::new();
        if !self.routes[source].compacted {
            return match self.change(source, partition, &record_key, None, Some(key), &mut outputs) {
                Ok(change) => Ok(Walked::Forgotten(outputs, change)),
                Err(Untouched::Rejected(rejection)) => Ok(Walked::Rejected(rejection, state.clone())),
                Err(Untouched::Fault(fault)) => Err(fault),
            };
        }
        let deleted = as_read(partition, record_key, state, None);
        match self.protect(source, &deleted, Origin::State, Some(hand), &mut outputs) {
            Ok(Some((change, _))) => {
                self.mark_synthetic(source, &mut outputs);
                Ok(Walked::Forgotten(outputs, change))
            }
            Ok(None) => Ok(Walked::Nothing),
            Err(Untouched::Rejected(rejection)) => Ok(Walked::Rejected(rejection, state.clone())),
            Err(Untouched::Fault(fault)) => Err(fault),
        }
    }

    /// Says on `outputs`, but for the changelog's, that nobody wrote their like to the raw topic.
    fn mark_synthetic(&self, source: usize, outputs: &mut [Outgoing]) {
        let header = synthetic_header(self.snapshot().version());
        let changelog = &self.routes[source].changelog;
        for output in outputs.iter_mut().filter(|output| changelog.as_ref() != Some(&output.topic)) {
            if !output.record.headers.contains(&header) {
                output.record.headers.push(header.clone());
            }
        }
    }

    /// The events of `state`, its document anew, and its changelog record. One that holds nothing marked is written to the views alone
    /// where record keys move, and to the changelog alone where that one's do. Where its workspace is to be sealed anew, a document in
    /// which nothing is sealed stays as it is. What an event source keeps has no document of its own: its events and its state alone are
    /// written.
    fn rewrite(
        &mut self,
        source: usize,
        partition: &Partition,
        key: &StateKey,
        state: &State,
    ) -> Result<Option<(Vec<Outgoing>, u64, Change)>, Untouched> {
        let record_key = self.codec(source)?.record_key(key)?;
        let mut outputs = Vec::new();
        let events = self.settle(source, partition, state, &mut outputs)?;
        let first = outputs.len();
        self.retire(source, partition, &record_key, state, false, &mut outputs);
        let has_document = self.routes[source].compacted;
        let moves = outputs.len() > first;
        let policy = self.snapshot().policy.clone();
        let workspace = &state.profile.workspace;
        // what is kept has no headers, so those that stand in clear go with the old record
        let moves = moves || has_document && state.settled < policy.headed(workspace);
        let resealed = has_document && state.settled < policy.resealed(workspace);
        if events.is_none() && !moves && !resealed && self.codec(source)?.key(&record_key)? == *key {
            return Ok(None);
        }
        if has_document && (events.is_some() || moves || resealed) {
            let document = Some(state.profile.document.clone());
            let input = as_read(partition, record_key.clone(), state, document);
            self.protect(source, &input, Origin::State, None, &mut outputs)?;
            self.mark_synthetic(source, &mut outputs[first..]);
            if events.is_none() && !moves && self.made.tally.fields.sealed == 0 {
                outputs.truncate(first);
            }
        }
        let written = outputs.len() > first;
        let keyed = if written { self.protector.seals_key(source, workspace, &record_key) } else { state.keyed };
        let settled = State { keyed, ..self.settled(state) };
        let change = self.change(source, partition, &record_key, Some(settled), Some(key), &mut outputs)?;
        Ok(Some((outputs, events.unwrap_or(0), change)))
    }

    /// A profile that cannot be settled: its document goes to the dead letters, and it counts as settled.
    pub(super) fn abandon(
        &mut self,
        source: usize,
        partition: &Partition,
        key: &StateKey,
        state: &State,
        rejection: &Rejection,
    ) -> Result<(Vec<Outgoing>, Change), Fault> {
        let codec = self.codec(source).and_then(|codec| codec.record_key(key));
        let record_key = codec.map_err(|error| Fault::Fatal(format!("a profile of {partition}: {error}")))?;
        let input = as_read(partition, record_key.clone(), state, Some(state.profile.document.clone()));
        let mut outputs = vec![self.fitting_letter(source, &input, rejection, Extent::Whole)];
        let settled = self.settled(state);
        let change = self.change(source, partition, &record_key, Some(settled), Some(key), &mut outputs);
        match change {
            Ok(change) => Ok((outputs, change)),
            Err(Untouched::Fault(fault)) => Err(fault),
            Err(Untouched::Rejected(_)) => Err(Fault::Fatal(format!("a profile of {partition} cannot be sealed"))),
        }
    }

    /// `state`, settled up to the policy in force.
    fn settled(&self, state: &State) -> State {
        let settled = state.settled.max(self.snapshot().version());
        State { settled, ..state.clone() }
    }

    /// The changelog's record that all of a partition is settled up to `version`.
    pub(super) fn settled_through(
        &mut self,
        source: usize,
        partition: &Partition,
        version: u64,
    ) -> Result<Outgoing, Fault> {
        let sealed = self.codec(source).and_then(|codec| codec.seal_through(version));
        let value = sealed.map_err(|error| Fault::Fatal(error.to_string()))?;
        Ok(self.changelog_record(source, partition, SETTLED_THROUGH.to_vec(), Some(value)))
    }
}

/// `value` as a record of the profile `state`, read where its last one stood, at the present time.
fn as_read(partition: &Partition, record_key: Vec<u8>, state: &State, value: Option<Vec<u8>>) -> Fetched {
    let record = Record { key: Some(record_key), value, headers: Vec::new(), timestamp: Some(now_ms()) };
    Fetched { partition: partition.clone(), offset: state.offset, record }
}

#[cfg(test)]
mod tests;
