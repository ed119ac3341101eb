//! One record in, all its outputs out: protected record and views, or a dead letter.
//!
//! Always holds: all outputs of a record are built and measured against what their topics take before any is staged; a record
//! gives either all its outputs or exactly one dead letter; nothing passes that the core does not vouch for.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::current::Snapshot;
use super::log::{Fault, Fetched, Outgoing};
use super::topics::{Route, wire_bytes};
use super::transaction::BatchTally;
use crate::privacy::dead_letter::{self, Envelope, Extent};
use crate::privacy::error::Reason;
use crate::privacy::keyset::Keyset;
use crate::privacy::protect::{Outputs, Protector, Rejection};
use crate::privacy::seal::Sealer;
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

/// Makes the outputs of records under one snapshot.
pub(super) struct Pipeline {
    snapshot: Arc<Snapshot>,
    group: Arc<str>,
    routes: Arc<[Route]>,
    protector: Protector,
    made: Outputs,
    /// For dead letters: one per keyset, built when first needed.
    sealers: Vec<(Arc<Keyset>, Sealer)>,
}

impl Pipeline {
    pub(super) fn new(snapshot: Arc<Snapshot>, group: &str, routes: Arc<[Route]>) -> Self {
        let protector = Protector::new(snapshot.policy.clone(), snapshot.keyring.clone());
        Self { snapshot, group: group.into(), routes, protector, made: Outputs::default(), sealers: Vec::new() }
    }

    /// What it works under.
    pub(super) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Works under `snapshot` from the next record on; ciphers are kept where the keys are the same.
    pub(super) fn renew(self, snapshot: Arc<Snapshot>) -> Self {
        if !Arc::ptr_eq(&self.snapshot.keyring, &snapshot.keyring) {
            return Self::new(snapshot, &self.group, self.routes);
        }
        let mut renewed = self;
        renewed.protector.set_policy(snapshot.policy.clone());
        renewed.snapshot = snapshot;
        renewed
    }

    /// Appends the outputs of `input`, or its dead letter where it is rejected, and counts which. `limits` are the largest
    /// records that the outputs take, as [`wire_bytes`] measures.
    ///
    /// # Errors
    /// [`Fault::Fatal`] where the core would let a marked value pass in clear: a bug, and nothing of the batch may leave.
    pub(super) fn process(
        &mut self,
        source: usize,
        input: &Fetched,
        treatment: Treatment,
        limits: &BTreeMap<Arc<str>, usize>,
        outputs: &mut Vec<Outgoing>,
        tally: &mut BatchTally,
    ) -> Result<(), Fault> {
        let known = outputs.len();
        let counts = tally.sources.entry(source).or_default();
        let rejection = match self.protect(source, input, outputs)? {
            Some(rejection) => rejection,
            None if treatment != Treatment::Protect => Reason::BrokerRefused.into(),
            None if !outputs[known..].iter().all(|output| fits(output, limits)) => Reason::OutputTooLarge.into(),
            None => {
                counts.protected += 1;
                counts.done += &self.made.tally;
                return Ok(());
            }
        };
        outputs.truncate(known);
        *counts.rejected.entry(rejection.reason).or_default() += 1;
        let extent = if treatment == Treatment::RejectShort { Extent::Short } else { Extent::Whole };
        let mut letter = self.dead_letter(source, input, &rejection, extent);
        if !fits(&letter, limits) {
            letter = self.dead_letter(source, input, &rejection, Extent::Short);
        }
        outputs.push(letter);
        Ok(())
    }

    /// Appends what the policy makes of `input`, or tells why it is rejected.
    fn protect(
        &mut self,
        source: usize,
        input: &Fetched,
        outputs: &mut Vec<Outgoing>,
    ) -> Result<Option<Rejection>, Fault> {
        if let Err(rejection) = self.protector.protect(source, &input.record, &mut self.made) {
            return Ok(Some(rejection));
        }
        if self.made.tally.clear_under_mark > 0 {
            let at = Coordinates { partition: input.partition.clone(), offset: input.offset };
            return Err(Fault::Fatal(format!(
                "{at}: a marked value would leave in clear; this is a bug, please report it"
            )));
        }
        let route = &self.routes[source];
        let partition = Some(input.partition.number);
        let record = std::mem::take(&mut self.made.protected);
        outputs.push(Outgoing { topic: route.protected.clone(), partition, record });
        for (view, record) in self.made.views.drain(..) {
            let Some(topic) = route.views.get(&view).cloned() else {
                return Err(Fault::Fatal(format!("view {view} of source {} has no topic", route.source)));
            };
            outputs.push(Outgoing { topic, partition, record });
        }
        Ok(None)
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
        let sealer = keyset.map(|keyset| {
            let index = self.sealers.iter().position(|(known, _)| Arc::ptr_eq(known, keyset)).unwrap_or_else(|| {
                self.sealers.push((keyset.clone(), Sealer::new(keyset)));
                self.sealers.len() - 1
            });
            &mut self.sealers[index].1
        });
        let at = Coordinates { partition: input.partition.clone(), offset: input.offset };
        let envelope = Envelope::new(at, rejection.reason, self.snapshot.version());
        let record = dead_letter::build(sealer, &self.group, &envelope, &input.record, extent);
        Outgoing { topic: self.routes[source].dead_letters.clone(), partition: None, record }
    }
}

/// Whether the output's topic takes it.
fn fits(output: &Outgoing, limits: &BTreeMap<Arc<str>, usize>) -> bool {
    limits.get(&output.topic).is_none_or(|limit| wire_bytes(&output.record) <= *limit)
}

#[cfg(test)]
mod tests;
