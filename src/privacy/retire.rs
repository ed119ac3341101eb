//! Deletions of what stands under a record key that a profile has no more.
//!
//! A profile's record key changes downstream where another key is pinned, where a mark on record keys becomes effective, and where it
//! goes again. What stands there under the old one would never be compacted nor found by the profile's own deletion. Always holds: each
//! is deleted once, by whatever touches the profile first. A record key that stood there in clear is deleted by its clear name, for
//! nothing else reaches it; from then on it leaves sealed alone. Deliberately not here: the record that stands under the new key.

use std::sync::Arc;

use super::around::policy_header;
use super::page::views_of;
use super::policy::Policy;
use super::protect::Protector;
use super::settings::{SourceKind, Stage};
use crate::record::Record;

/// An output topic of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The protected topic.
    Protected,
    /// That of the view with this index.
    View(usize),
}

/// How a profile stood before it is touched.
#[derive(Clone, Copy, Debug)]
pub struct Stood {
    /// The policy version up to which its marks were answered.
    pub settled: u64,
    /// Whether it stood under a protected record key: marks on record keys may come, go and come back without its being written.
    pub keyed: bool,
    /// Whether the profile itself goes.
    pub deleted: bool,
}

impl Protector {
    /// Whether protected topics have a sealed record key for the profile that `key` names.
    pub fn seals_key(&mut self, source: usize, workspace: &str, key: &[u8]) -> bool {
        let policy = Arc::clone(&self.policy);
        policy.keyed(workspace).is_some() || self.finds_key(&policy, source, workspace, key)
    }

    /// Whether detection finds a profile's record key, and hides it.
    fn finds_key(&mut self, policy: &Policy, source: usize, workspace: &str, key: &[u8]) -> bool {
        let source = &policy.settings().sources[source];
        source.detection.hides()
            && source.kind == SourceKind::Profile
            && policy.stage(workspace) == Stage::Enforced
            && policy.rules(source, workspace).key().is_none()
            && self.detector.record_key(&policy.settings().matchers, key).is_some()
    }

    /// The deletions of what stands in the outputs of `source` under earlier record keys of the profile that `key` names. A key that the
    /// keyset has no more deletes nothing.
    pub fn retire(&mut self, source: usize, workspace: &str, key: &[u8], stood: Stood) -> Vec<(Place, Record)> {
        let Stood { settled, keyed, deleted } = stood;
        let policy = Arc::clone(&self.policy);
        let detected = policy.keyed(workspace).is_none() && self.finds_key(&policy, source, workspace, key);
        let source = &policy.settings().sources[source];
        let Ok(mut sealer) = self.sealer.of(workspace) else { return Vec::new() };
        let mut retired = Vec::new();
        let header = policy_header(&policy, sealer.spare);
        let mut retire = |place, key| {
            let record = Record { key: Some(key), headers: vec![header.clone()], ..Record::default() };
            retired.push((place, record));
        };
        let pinning = policy.pinned(&source.protected, Some(workspace));
        // nothing tells since when detection was asked for, but where the profile stands in clear it was not
        if !keyed && (detected || policy.keyed(workspace).is_some_and(|since| since > settled)) {
            retire(Place::Protected, key.to_vec());
        }
        // what is found is sealed from the first record on
        let is_sealed = policy.keyed(workspace).is_some() || detected;
        let under: Vec<u32> = match pinning {
            Some(pinning) if is_sealed && pinning.since > settled => pinning.was.clone(),
            // a mark that was withdrawn left what nobody wrote anew, and what is marked later would stand there in clear for ever
            Some(pinning) if !is_sealed && (keyed || deleted) => {
                pinning.was.iter().chain([&pinning.id]).copied().collect()
            }
            _ => Vec::new(),
        };
        let sealed = under.into_iter().filter_map(|id| sealer.around(key, &source.protected, Some(id)).ok());
        sealed.for_each(|key| retire(Place::Protected, key));
        for (index, view, topic) in views_of(&policy, source) {
            let pinning = policy.pinned(topic, Some(workspace)).filter(|pinning| pinning.since > settled);
            let was = pinning.into_iter().flat_map(|pinning| &pinning.was);
            let sealed = was.filter_map(|id| sealer.view_key(key, &view.name, Some(*id)).ok());
            sealed.for_each(|key| retire(Place::View(index), key));
        }
        retired
    }
}
