//! The pipeline: one record in, its protected record and every view's out, from one scan.
//!
//! ```text
//! record ─ size ─ scan ─ layout ─ workspace ─ keyset ─ fields ─┬─ splice ─► protected record
//!                                                              └─ splice ─► each view's record
//! ```
//!
//! Always holds: a record that cannot be read or protected gives a [`Rejection`] and no output; partition, order and timestamp are
//! kept; what leaves says under which policy version it was made. Values in, values out: the same record, policy and keyring give
//! the same bytes. A profile's record tells whose it is ([`Identity`]) from the same scan. Deliberately not here: where outputs go, and
//! what becomes of a rejected record.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use super::around::{Around, Detection};
use super::automaton::is_named;
use super::canonical;
use super::derived;
use super::detect::Detector;
use super::error::Reason;
use super::fields::{Fields, Search};
use super::fold;
use super::gate::Subject;
use super::hook::Answers;
use super::keyset::Keyring;
use super::layout::{self, Located};
use super::mark::EVERYWHERE;
use super::page::{Page, traces, views_of};
use super::policy::Policy;
use super::rules::Told;
use super::scan::{self, Document, Kind, Tape};
use super::settings::{Detection as How, IDENTIFY, Source, SourceKind, is_name};
use super::sighting;
use super::tally::Tally;
use super::value::ValueSealer;
use super::within::{Reading, Which};
use crate::record::Record;
use crate::record::spare::Spare;

pub use super::page::{OWN_HEADERS, POLICY_HEADER, STAGE_HEADER, SYNTHETIC_HEADER};

/// Protects records under one policy and keyring. Owned by one worker, and reused from record to record.
pub struct Protector {
    pub(super) policy: Arc<Policy>,
    pub(super) sealer: ValueSealer,
    keyring: Arc<Keyring>,
    /// Of the record, or of the profile that a synthetic event tells of.
    pub(super) read: Scratch,
    /// Of the synthetic event.
    pub(super) made: Scratch,
    pub(super) detector: Detector,
    /// What hooks answered before.
    pub(super) answers: RefCell<Answers>,
}

/// What reading one document leaves, kept to reuse the memory.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) tape: Tape,
    pub(super) located: Located,
    pub(super) within: Reading,
    pub(super) fields: Fields,
    pub(super) around: Detection,
}

impl Scratch {
    /// The document that was read last, whose text is `text`.
    pub(super) fn document<'a>(&'a self, text: &'a str) -> Document<'a> {
        self.within.document_of(text, &self.tape)
    }
}

/// Whose record it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The workspace.
    pub workspace: String,
    /// The profile's id, as canonical JSON text.
    pub id: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("workspace", &self.workspace).finish_non_exhaustive()
    }
}

/// What the state of a profile tells of a record, beside what the record tells itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// The workspace of the profile that a null value deletes: in views its key is sealed for that workspace, so that the deletion
    /// finds what it deletes there too.
    pub workspace: Option<&'a str>,
    /// Whether the record is not read but made of the state: what stands there passed the gate when it came.
    pub admitted: bool,
}

/// Everything that one record gives.
#[derive(Debug, Default)]
pub struct Outputs {
    /// The record for the source's protected topic.
    pub protected: Record,
    /// The records for the views that the source has, by index of view.
    pub views: Vec<(usize, Record)>,
    /// Whose profile it is, or is a patch of: of profile sources, and of events that identify where their source keeps profiles.
    pub identity: Option<Identity>,
    /// What chooses the partition of a synthetic event: its record key, before a mark on record keys changed it.
    pub partitioned_by: Option<Vec<u8>>,
    /// What was done.
    pub tally: Tally,
}

impl Outputs {
    /// Forgets everything; the records' buffers are kept in `spare`.
    pub(super) fn clear(&mut self, spare: &mut Spare) {
        self.tally.clear();
        spare.keep(std::mem::take(&mut self.protected));
        self.views.drain(..).for_each(|(_, record)| spare.keep(record));
        (self.identity, self.partitioned_by) = (None, None);
    }
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
        let sealer = ValueSealer::new(keyring.clone());
        Self {
            policy,
            sealer,
            keyring,
            read: Scratch::default(),
            made: Scratch::default(),
            detector: Detector::default(),
            answers: RefCell::default(),
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

    /// Takes back the buffers of a record that it made.
    pub fn reuse(&mut self, record: Record) {
        self.sealer.spare.keep(record);
    }

    /// Protects `record`, read from the source with index `source`, and writes what it gives to `outputs`.
    ///
    /// # Errors
    /// [`Rejection`]; `outputs` is of no use then.
    pub fn protect(&mut self, source: usize, record: &Record, outputs: &mut Outputs) -> Result<(), Rejection> {
        self.protect_known(source, record, Known::default(), outputs)
    }

    /// Like [`Protector::protect`], of a record of which the profile's state tells more than itself.
    ///
    /// # Errors
    /// [`Rejection`]; `outputs` is of no use then.
    pub fn protect_known(
        &mut self,
        source: usize,
        record: &Record,
        known: Known,
        outputs: &mut Outputs,
    ) -> Result<(), Rejection> {
        let policy = Arc::clone(&self.policy);
        outputs.clear(&mut self.sealer.spare);
        if record.bytes() > policy.settings().limits.record_bytes {
            return Err(Reason::TooLarge.into());
        }
        match &record.value {
            None => self.tombstone(&policy, source, record, known, outputs),
            Some(value) => self.document(&policy, source, record, value, known, outputs),
        }
    }

    /// Whose document or patch `value` is, read from the source with index `source`; `None` where it has no id, or is an event like others.
    ///
    /// # Errors
    /// [`Rejection`], for what a record with this value would be rejected before any mark is looked at.
    pub fn identity(&mut self, source: usize, value: &[u8]) -> Result<Option<Identity>, Rejection> {
        let settings = self.policy.settings();
        let text = scan::scan(value, &settings.limits, &mut self.read.tape)?;
        let document = Document::new(text, &self.read.tape);
        let located = &mut self.read.located;
        self.policy.layout(source).locate(&document, located)?;
        let source = &settings.sources[source];
        let workspace = document_workspace(&self.policy, source, &document, located)?;
        Ok(identity(source, &document, located, &workspace)?)
    }

    /// The workspace of `record`, where it is known and one of ours: whose keyset seals the dead letter of a record that was
    /// protected but could not be written.
    pub fn workspace(&mut self, source: usize, record: &Record) -> Option<String> {
        let settings = self.policy.settings();
        let configured = &settings.sources[source];
        if let Some(fixed) = &configured.workspace {
            return Some(fixed.clone());
        }
        let text = scan::scan(record.value.as_ref()?, &settings.limits, &mut self.read.tape).ok()?;
        let document = Document::new(text, &self.read.tape);
        self.policy.layout(source).locate(&document, &mut self.read.located).ok()?;
        document_workspace(&self.policy, configured, &document, &self.read.located).ok().map(Cow::into_owned)
    }

    /// A null value passes as null. Where neither source nor state tells the workspace, a view's key is sealed for none, and so are key and
    /// headers that are marked in any workspace.
    fn tombstone(
        &mut self,
        policy: &Policy,
        source_index: usize,
        record: &Record,
        known: Known,
        outputs: &mut Outputs,
    ) -> Result<(), Rejection> {
        let source = &policy.settings().sources[source_index];
        let sealed_input = source.sealed_input;
        let whose = source.workspace.as_deref().or(known.workspace);
        let rejected = |reason| Rejection { reason, workspace: whose.map(str::to_owned) };
        if source.kind == SourceKind::Profile {
            check_key(record).map_err(rejected)?;
        }
        let workspace = whose.unwrap_or(EVERYWHERE);
        let mut sealer = self.sealer.of(workspace).map_err(rejected)?;
        // a deletion names the profile by its record key
        if source.state.is_some() && record.key.is_some() && !known.admitted {
            check_gate(source, record, &self.keyring, Subject::default()).map_err(rejected)?;
        }
        let rules = whose.map_or_else(|| policy.rules_untold(source), |whose| policy.rules(source, whose));
        let detected = &mut self.read.around;
        let found = sighting::Found { matchers: &policy.settings().matchers, workspace, event: None };
        detected.find(&found, (source, rules), record, &mut self.detector, &mut outputs.tally.sightings);
        let asked = &policy.settings().hooks.untold();
        let told = Told::Nothing;
        let around = Around { policy, source, workspace, rules, told, asked, sealed_input, record, detected };
        outputs.protected = around.protected(None, &mut sealer, &mut outputs.tally).map_err(rejected)?;
        for (index, view, topic) in views_of(policy, source) {
            let shown = around.shown(view, topic, None, &mut sealer, &mut outputs.tally.views);
            outputs.views.push((index, shown.map_err(rejected)?));
        }
        Ok(())
    }

    fn document(
        &mut self,
        policy: &Policy,
        source_index: usize,
        record: &Record,
        value: &[u8],
        known: Known,
        outputs: &mut Outputs,
    ) -> Result<(), Rejection> {
        let Self {
            sealer,
            keyring,
            read: Scratch { tape, located, within, fields, around: detected },
            detector,
            answers,
            ..
        } = self;
        let settings = policy.settings();
        let source = &settings.sources[source_index];
        let text = scan::scan(value, &settings.limits, tape)?;
        let document = Document::new(text, tape);
        policy.layout(source_index).locate(&document, located)?;
        let document = within.read(document, source.within, Which::All, &settings.limits, located);
        let workspace = document_workspace(policy, source, &document, located)?;
        let rejected = |reason| Rejection { reason, workspace: Some(workspace.clone().into_owned()) };
        outputs.identity = identity(source, &document, located, &workspace).map_err(rejected)?;
        if source.kind == SourceKind::Profile || outputs.identity.is_some() {
            check_key(record).map_err(rejected)?;
        }
        let mut sealer = sealer.of(&workspace).map_err(rejected)?;
        if !known.admitted && located.id.or(located.uuid).is_some() {
            check_gate(source, record, keyring, Subject::of(&document, located)).map_err(rejected)?;
        }
        let rules = policy.rules(source, &workspace);
        let name = located.event.map(|node| layout::word_text(&document, node));
        let event = name.as_deref().and_then(|name| rules.event(name));
        let folded = settings.hooks.event(source.case, name.as_deref());
        let asked = &settings.hooks.asked(answers, &workspace, &source.topic, &folded);
        let trace = traces(policy, source);
        let search = Search { rules, located, event, ids: source.ids, case: source.case, noted: &[], trace, asked };
        fields.find(&document, &search).map_err(rejected)?;
        fields.detect(&document, &search, detector, source.detection, &settings.matchers);
        let found = sighting::Found { matchers: &settings.matchers, workspace: &workspace, event: name.as_deref() };
        let sightings = &mut outputs.tally.sightings;
        if source.detection != How::Off {
            sighting::document(&mut detector.watch, &found, &document, fields, located, sightings);
        }
        detected.find(&found, (source, rules), record, detector, sightings);
        outputs.tally.own_removed = fields.own().len() as u64;
        if source.derived_copies {
            let copies = derived::find(&document, located, rules, fields).map_err(rejected)?;
            outputs.tally.derived_copies = copies.len() as u64;
            fields.add_copies(&document, &copies);
        }
        let sealed_input = source.sealed_input;
        let (workspace, document, detected) = (&*workspace, &document, &*detected);
        let (test, told) = (policy.is_test(workspace, document, located), Told::Event(event));
        let around = Around { policy, source, workspace, rules, told, asked, sealed_input, record, detected };
        let page = Page { around, document, fields, sealed_input, test };
        page.write(&mut sealer, outputs).map_err(rejected)
    }
}

/// A profile is named by its record key.
fn check_key(record: &Record) -> Result<(), Reason> {
    if record.key.is_none() { Err(Reason::ProfileWithoutKey) } else { Ok(()) }
}

/// A record that tells whose it is must say that it was authenticated, where the source asks for it.
fn check_gate(source: &Source, record: &Record, keyring: &Keyring, subject: Subject) -> Result<(), Reason> {
    match &source.gate {
        Some(gate) if !gate.admits(record, &subject, keyring.issuers(&source.topic)) => Err(Reason::Identification),
        _ => Ok(()),
    }
}

/// Whose document of a source that keeps profiles is, or is a patch of: a profile source's always, of events those that identify.
fn identity(
    source: &Source,
    document: &Document,
    located: &Located,
    workspace: &str,
) -> Result<Option<Identity>, Reason> {
    let identifies = |node| is_named(source.case, &layout::word_text(document, node), IDENTIFY);
    let tells = || source.kind == SourceKind::Profile || located.event.is_some_and(identifies);
    let Some(node) = located.id.filter(|_| source.state.is_some() && tells()) else { return Ok(None) };
    Ok(Some(Identity { workspace: workspace.to_owned(), id: id_text(document, node)? }))
}

/// The canonical JSON text of the id `node`.
pub(super) fn id_text(document: &Document, node: usize) -> Result<String, Reason> {
    let mut id = Vec::new();
    canonical::text(document, node, &mut id)?;
    Ok(fold::lossy(&id).into_owned()) // it is UTF-8
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

#[cfg(test)]
mod tests;
