//! One record in, all its outputs out: protected record and views, or a dead letter.
//!
//! Always holds: all outputs of a record are built and measured against what their topics take before any is staged; a record
//! gives either all its outputs or exactly one dead letter; nothing passes that the core does not vouch for.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::changelog::Codec;
use super::current::Snapshot;
use super::log::{Fault, Fetched, Outgoing};
use super::settle::{Change, Hand, Untouched};
use super::topics::{Facts, Route, wire_bytes};
use super::transaction::BatchTally;
use crate::privacy::dead_letter::{self, Envelope, Extent};
use crate::privacy::error::Reason;
use crate::privacy::protect::{Known, Outputs, Protector, Rejection};
use crate::privacy::seal::Sealers;
use crate::record::Coordinates;

/// How a record is to be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// As the policy says.
    Protect,
    /// To the dead letters, for the broker refused its outputs.
    Reject,
    /// The same, for the broker refused its dead letter too: a short one.
    RejectShort,
}

/// Where a record comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was read from its raw topic.
    Topic,
    /// It was made of a profile's state.
    State,
}

/// Makes the outputs of records under one snapshot.
pub(super) struct Pipeline {
    snapshot: Arc<Snapshot>,
    pub(super) group: Arc<str>,
    pub(super) routes: Arc<[Route]>,
    /// What the outputs take, and how many partitions they have.
    facts: Arc<Facts>,
    pub(super) protector: Protector,
    pub(super) made: Outputs,
    /// For dead letters.
    sealers: Sealers,
    /// Of the sources of profiles.
    pub(super) codecs: BTreeMap<usize, Codec>,
}

impl Pipeline {
    pub(super) fn new(snapshot: Arc<Snapshot>, group: &str, routes: Arc<[Route]>, facts: Arc<Facts>) -> Self {
        let protector = Protector::new(snapshot.policy.clone(), snapshot.keyring.clone());
        let (made, sealers, codecs) = Default::default();
        Self { snapshot, group: group.into(), routes, facts, protector, made, sealers, codecs }
    }

    /// Measures against `facts` from the next record on.
    pub(super) fn measure_by(&mut self, facts: Arc<Facts>) {
        self.facts = facts;
    }

    /// How many partitions a source's outputs have, whether it goes on or not.
    pub(super) fn partitions(&self, source: usize) -> i32 {
        self.facts.partitions[source]
    }

    /// What it works under.
    pub(super) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Works under `snapshot` from the next record on; ciphers are kept where the keys are the same.
    pub(super) fn renew(self, snapshot: Arc<Snapshot>) -> Self {
        if !Arc::ptr_eq(&self.snapshot.keyring, &snapshot.keyring) {
            return Self::new(snapshot, &self.group, self.routes, self.facts);
        }
        let mut renewed = self;
        renewed.codecs.clear(); // another key may be pinned
        renewed.protector.set_policy(snapshot.policy.clone());
        renewed.snapshot = snapshot;
        renewed
    }

    /// Appends the outputs of `input`, or its dead letter where it is rejected, and counts which. A profile's record has its task's
    /// profiles in `hand`.
    pub(super) fn process(
        &mut self,
        source: usize,
        input: &Fetched,
        treatment: Treatment,
        hand: Option<&mut Hand>,
        outputs: &mut Vec<Outgoing>,
        tally: &mut BatchTally,
    ) -> Result<(), Fault> {
        let known = outputs.len();
        let counts = tally.sources.entry(source).or_default();
        let touched = match self.protect(source, input, Origin::Topic, hand.as_deref(), outputs) {
            Ok(_) if treatment != Treatment::Protect => Err(Reason::BrokerRefused.into()),
            Ok(_) if !self.fit(&outputs[known..]) => Err(Reason::OutputTooLarge.into()),
            Ok(touched) => Ok(touched),
            Err(Untouched::Rejected(rejection)) => Err(rejection),
            Err(Untouched::Fault(fault)) => return Err(fault),
        };
        match touched {
            Ok(touched) => {
                counts.protected += 1;
                counts.done += &self.made.tally;
                if let (Some(hand), Some((change, events))) = (hand, touched) {
                    hand.overlay.apply(change);
                    counts.synthetic += events;
                }
            }
            Err(rejection) => {
                outputs.truncate(known);
                *counts.rejected.entry(rejection.reason).or_default() += 1;
                let extent = if treatment == Treatment::RejectShort { Extent::Short } else { Extent::Whole };
                outputs.push(self.fitting_letter(source, input, &rejection, extent));
            }
        }
        Ok(())
    }

    /// Appends what the policy makes of `input` and, for a profile's record, what it does to its state.
    pub(super) fn protect(
        &mut self,
        source: usize,
        input: &Fetched,
        origin: Origin,
        hand: Option<&Hand>,
        outputs: &mut Vec<Outgoing>,
    ) -> Result<Option<(Change, u64)>, Untouched> {
        let first = outputs.len();
        let whose = match (&input.record.value, hand) {
            (None, Some(hand)) => self.workspace_of(source, &input.record, hand)?,
            _ => None,
        };
        let known = Known { workspace: whose.as_deref(), admitted: origin == Origin::State };
        let protected = self.protector.protect_known(source, &input.record, known, &mut self.made);
        protected.map_err(Untouched::Rejected)?;
        let mut made = std::mem::take(&mut self.made);
        let sent = self.send(source, input.partition.number, &mut made, outputs);
        self.made = made;
        sent.map_err(|fault| {
            let at = Coordinates { partition: input.partition.clone(), offset: input.offset };
            Untouched::Fault(Fault::Fatal(format!("{at}: {fault}")))
        })?;
        match hand.filter(|_| self.touches(source, input)) {
            Some(hand) => self.touch(source, input, hand, first, outputs).map(Some),
            None => Ok(None),
        }
    }

    /// Appends what was made as the outputs of `source`.
    pub(super) fn send(
        &self,
        source: usize,
        partition: i32,
        made: &mut Outputs,
        outputs: &mut Vec<Outgoing>,
    ) -> Result<(), Fault> {
        let route = &self.routes[source];
        let partition = Some(partition);
        let record = std::mem::take(&mut made.protected);
        outputs.push(Outgoing { topic: route.protected.clone(), partition, record });
        for (view, record) in made.views.drain(..) {
            let Some(topic) = route.views.get(&view).cloned() else {
                return Err(Fault::Fatal(format!("view {view} of source {} has no topic", route.source)));
            };
            outputs.push(Outgoing { topic, partition, record });
        }
        Ok(())
    }

    /// Whether the outputs' topics take them.
    pub(super) fn fit(&self, outputs: &[Outgoing]) -> bool {
        outputs
            .iter()
            .all(|output| self.facts.limits.get(&output.topic).is_none_or(|limit| wire_bytes(&output.record) <= *limit))
    }

    /// The dead letter of `input`, a short one where its topic takes no other.
    pub(super) fn fitting_letter(
        &mut self,
        source: usize,
        input: &Fetched,
        rejection: &Rejection,
        extent: Extent,
    ) -> Outgoing {
        let letter = self.dead_letter(source, input, rejection, extent);
        if self.fit(std::slice::from_ref(&letter)) {
            letter
        } else {
            self.dead_letter(source, input, rejection, Extent::Short)
        }
    }

    /// The dead letter of `input`, sealed under its workspace's keyset, or the default one where the workspace is not known.
    /// A workspace whose keyset is missing has none: another's is never taken.
    fn dead_letter(&mut self, source: usize, input: &Fetched, rejection: &Rejection, extent: Extent) -> Outgoing {
        let keyring = &self.snapshot.keyring;
        let workspace = rejection.workspace.clone().or_else(|| self.protector.workspace(source, &input.record));
        let keyset = match &workspace {
            Some(workspace) => keyring.of(workspace),
            None => keyring.default_keyset(),
        };
        let sealer = keyset.map(|keyset| self.sealers.of(keyset));
        let at = Coordinates { partition: input.partition.clone(), offset: input.offset };
        let envelope = Envelope::new(at, rejection.reason, self.snapshot.version());
        let record = dead_letter::build(sealer, &self.group, &envelope, &input.record, extent);
        Outgoing { topic: self.routes[source].dead_letters.clone(), partition: None, record }
    }
}

#[cfg(test)]
mod tests;
