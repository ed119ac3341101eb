//! The pipeline: one record in, its protected record and every view's out, from one scan.
//!
//! ```text
//! record ─ size ─ scan ─ layout ─ workspace ─ keyset ─ fields ─┬─ splice ─► protected record
//!                                                              └─ splice ─► each view's record
//! ```
//!
//! Always holds: a record that cannot be read or protected gives a [`Rejection`] and no output; partition, order and timestamp are
//! kept; what leaves says under which policy version it was made. Values in, values out: the same record, policy and keyring give
//! the same bytes. Deliberately not here: where outputs go, and what becomes of a rejected record.

use std::borrow::Cow;
use std::sync::Arc;

use super::clearance::{Sight, ViewEditor};
use super::error::Reason;
use super::fields::{Fields, Search};
use super::keyset::Keyring;
use super::layout::{self, Located};
use super::mark::EVERYWHERE;
use super::policy::Policy;
use super::protected::{LooseTokens, ProtectedEditor};
use super::scan::{self, Document, Kind, Tape};
use super::settings::{Source, SourceKind, Stage, View, is_name};
use super::splice::splice;
use super::tally::Tally;
use super::value::{ValueSealer, WorkspaceSealer};
use crate::record::{Header, Record};

/// The header that tells the policy version, decimal.
pub const POLICY_HEADER: &str = "sivcar-policy";
/// The header that tells a stage in which nothing is enforced yet.
pub const STAGE_HEADER: &str = "sivcar-stage";
/// What names of sivcar's own headers begin with.
pub const OWN_HEADERS: &str = "sivcar-";

/// Protects records under one policy and keyring. Owned by one worker, and reused from record to record.
pub struct Protector {
    policy: Arc<Policy>,
    sealer: ValueSealer,
    tape: Tape,
    located: Located,
    fields: Fields,
}

/// Everything that one record gives.
#[derive(Debug, Default)]
pub struct Outputs {
    /// The record for the source's protected topic.
    pub protected: Record,
    /// The records for the views that the source has, by index of view.
    pub views: Vec<(usize, Record)>,
    /// What was done.
    pub tally: Tally,
}

/// Why a record gives no output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The reason.
    pub reason: Reason,
    /// The record's workspace, where it is known and one of ours: its keyset seals the dead letter.
    pub workspace: Option<String>,
}

impl From<Reason> for Rejection {
    fn from(reason: Reason) -> Self {
        Self { reason, workspace: None }
    }
}

impl Protector {
    /// A protector under `policy` and `keyring`.
    pub fn new(policy: Arc<Policy>, keyring: Arc<Keyring>) -> Self {
        Self {
            policy,
            sealer: ValueSealer::new(keyring),
            tape: Tape::default(),
            located: Located::default(),
            fields: Fields::default(),
        }
    }

    /// The policy it protects under.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Takes another policy from the next record on; ciphers are kept.
    pub fn set_policy(&mut self, policy: Arc<Policy>) {
        self.policy = policy;
    }

    /// Protects `record`, read from the source with index `source`, and writes what it gives to `outputs`.
    ///
    /// # Errors
    /// [`Rejection`]; `outputs` is of no use then.
    pub fn protect(&mut self, source: usize, record: &Record, outputs: &mut Outputs) -> Result<(), Rejection> {
        let policy = Arc::clone(&self.policy);
        let settings = policy.settings();
        outputs.tally.clear();
        outputs.views.clear();
        if record.bytes() > settings.limits.record_bytes {
            return Err(Reason::TooLarge.into());
        }
        match &record.value {
            None => self.tombstone(&policy, source, record, outputs),
            Some(value) => self.document(&policy, source, record, value, outputs),
        }
    }

    /// The workspace of `record`, where it is known and one of ours: whose keyset seals the dead letter of a record that was
    /// protected but could not be written.
    pub fn workspace(&mut self, source: usize, record: &Record) -> Option<String> {
        let settings = self.policy.settings();
        let configured = &settings.sources[source];
        if let Some(fixed) = &configured.workspace {
            return Some(fixed.clone());
        }
        let text = scan::scan(record.value.as_ref()?, &settings.limits, &mut self.tape).ok()?;
        let document = Document::new(text, &self.tape);
        self.policy.layout(source).locate(&document, &mut self.located).ok()?;
        document_workspace(&self.policy, configured, &document, &self.located).ok().map(Cow::into_owned)
    }

    /// A null value passes as null. Where neither source nor state tells the workspace, a view's key is sealed for none.
    fn tombstone(
        &mut self,
        policy: &Policy,
        source_index: usize,
        record: &Record,
        outputs: &mut Outputs,
    ) -> Result<(), Rejection> {
        let source = &policy.settings().sources[source_index];
        let workspace = source.workspace.as_deref().unwrap_or(EVERYWHERE);
        let mut sealer = self.sealer.of(workspace)?;
        outputs.protected = protected_record(policy, workspace, record, None);
        for (index, view) in views_of(policy, source) {
            outputs.views.push((index, view_record(policy, view, &mut sealer, record, None)));
        }
        Ok(())
    }

    fn document(
        &mut self,
        policy: &Policy,
        source_index: usize,
        record: &Record,
        value: &[u8],
        outputs: &mut Outputs,
    ) -> Result<(), Rejection> {
        let Self { sealer, tape, located, fields, .. } = self;
        let settings = policy.settings();
        let source = &settings.sources[source_index];
        let text = scan::scan(value, &settings.limits, tape)?;
        let document = Document::new(text, tape);
        policy.layout(source_index).locate(&document, located)?;
        let workspace = document_workspace(policy, source, &document, located)?;
        let rejected = |reason| Rejection { reason, workspace: Some(workspace.clone().into_owned()) };
        let mut sealer = sealer.of(&workspace).map_err(rejected)?;
        let rules = policy.rules(source, &workspace);
        let event = located.event.and_then(|node| rules.event(&layout::word_text(&document, node)));
        let search = Search { rules, located, event, ids: source.ids, case: source.case };
        fields.find(&document, &search).map_err(rejected)?;
        outputs.tally.own_removed = fields.own().len() as u64;

        let mut bytes = Vec::with_capacity(value.len() * 2);
        let mut editor = ProtectedEditor {
            rules,
            fields,
            enforced: policy.stage(&workspace) == Stage::Enforced,
            sealed_input: source.sealed_input,
            sealer: &mut sealer,
            loose: LooseTokens::new(),
            tally: &mut outputs.tally,
            handled: 0,
        };
        splice(&document, &mut editor, None, &mut bytes).map_err(rejected)?;
        if editor.enforced {
            editor.tally.clear_under_mark = fields.all().len().abs_diff(editor.handled) as u64;
        }
        outputs.protected = protected_record(policy, &workspace, record, Some(bytes));
        for (index, view) in views_of(policy, source) {
            let mut bytes = Vec::with_capacity(value.len());
            let actions = &mut outputs.tally.views;
            let mut editor = ViewEditor { view, index, fields, sealer: &mut sealer, actions };
            splice(&document, &mut editor, Sight::Unlisted, &mut bytes).map_err(rejected)?;
            outputs.views.push((index, view_record(policy, view, &mut sealer, record, Some(bytes))));
        }
        Ok(())
    }
}

/// The record's workspace: the source's, or the one that the document names.
pub(super) fn document_workspace<'a>(
    policy: &'a Policy,
    source: &'a Source,
    document: &Document<'a>,
    located: &Located,
) -> Result<Cow<'a, str>, Reason> {
    if source.kind == SourceKind::Profile && located.id.is_none() {
        return Err(Reason::IdMissing);
    }
    if let Some(fixed) = &source.workspace {
        return Ok(Cow::Borrowed(fixed));
    }
    let node = located.workspace.filter(|node| document.node(*node).kind == Kind::String);
    let name = layout::word_text(document, node.ok_or(Reason::WorkspaceInvalid)?);
    if !is_name(&name) {
        return Err(Reason::WorkspaceInvalid);
    }
    let configured = &policy.settings().workspaces;
    let unknown = !configured.is_empty() && !configured.contains(name.as_ref());
    let unlisted = !source.workspaces.is_empty() && !source.workspaces.contains(name.as_ref());
    if unknown || unlisted { Err(Reason::WorkspaceUnknown) } else { Ok(name) }
}

/// The views that have a topic for `source`, with their indices.
fn views_of<'a>(policy: &'a Policy, source: &'a Source) -> impl Iterator<Item = (usize, &'a View)> {
    policy.settings().views.iter().enumerate().filter(|(_, view)| view.topics.contains_key(&source.topic))
}

fn protected_record(policy: &Policy, workspace: &str, record: &Record, value: Option<Vec<u8>>) -> Record {
    let mut headers: Vec<Header> = record.headers.iter().filter(|header| !is_own(header)).cloned().collect();
    if policy.stage(workspace) == Stage::Configured {
        headers.push(Header { name: STAGE_HEADER.to_owned(), value: Some(b"configured".to_vec()) });
    }
    headers.push(policy_header(policy));
    Record { key: record.key.clone(), value, headers, timestamp: record.timestamp }
}

fn view_record(
    policy: &Policy,
    view: &View,
    sealer: &mut WorkspaceSealer,
    record: &Record,
    value: Option<Vec<u8>>,
) -> Record {
    let listed = |header: &&Header| !is_own(header) && view.headers.contains(&header.name);
    let mut headers: Vec<Header> = record.headers.iter().filter(listed).cloned().collect();
    headers.push(policy_header(policy));
    let key = record.key.as_ref().map(|key| sealer.view_key(key, &view.name));
    Record { key, value, headers, timestamp: record.timestamp }
}

fn policy_header(policy: &Policy) -> Header {
    Header { name: POLICY_HEADER.to_owned(), value: Some(policy.version().to_string().into_bytes()) }
}

/// Whether a header is named like sivcar's own, in any case of letters: such do not come in from outside.
fn is_own(header: &Header) -> bool {
    header.name.get(..OWN_HEADERS.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(OWN_HEADERS))
}

#[cfg(test)]
mod tests;
