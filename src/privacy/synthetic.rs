//! Synthetic events: `profile.updated`, by which everything downstream learns what a newly effective mark seals in one profile.
//!
//! ```text
//! profile ─ fields ─ those that a mark of this version matches ─ draft of the raw event ─ fields, forced ─ splice ─► records
//! ```
//!
//! The event is drafted in clear as its layout says, read like any other, and given to the one mechanism that writes records; only
//! that each value keeps the verdict that it has in the profile, whatever marks speak of its place in the event. Always holds: what a
//! protected profile or its views hide, the event hides too; one profile and version always give the same event. Deliberately not
//! here: which versions are open, and where the records go.

mod draft;
mod held;

use std::cell::RefCell;
use std::sync::Arc;

use super::around::Around;
use super::derived;
use super::detect::Detector;
use super::error::Reason;
use super::fields::{Field, Fields, Search};
use super::hook::Answers;
use super::layout::{self, Located};
use super::mark::Protect;
use super::page::{Page, traces};
use super::policy::Policy;
use super::protect::{Outputs, Protector, Rejection, SYNTHETIC_HEADER, Scratch, document_workspace, id_text};
use super::rules::{Rules, Told};
use super::scan::{self, Document, Kind, Limits};
use super::settings::{Source, Within};
use super::sighting::{self, Sightings};
use super::since::Effective;
use super::value::WorkspaceSealer;
use super::within::Which;
use crate::record::{Header, Record};

/// The name of the event.
pub const EVENT: &str = "profile.updated";

/// What a version means for a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concerned {
    /// The profile holds nothing that is newly protected.
    Nothing,
    /// It does, and there is nothing to tell: protected topics hide it, or the source names no event source.
    Hidden,
    /// It does, and this is its event.
    Shown,
}

/// The header that tells a record without an input of its own: `version` is since when a mark is effective, or, on a profile's
/// document, the policy that it was written anew under.
pub fn synthetic_header(version: u64) -> Header {
    Header { name: SYNTHETIC_HEADER.to_owned(), value: Some(version.to_string().into_bytes()) }
}

/// A profile that was read.
#[derive(Clone, Copy)]
struct Profile<'a> {
    document: &'a Document<'a>,
    located: &'a Located,
    fields: &'a Fields,
    rules: &'a Rules,
    workspace: &'a str,
}

impl Protector {
    /// Makes the protected record and the view records of the one event that the profile `document` owes for the version `since`, and
    /// writes them to `outputs`; for the event source that the profile source with index `profiles` names. The key is the id's text
    /// (the id's token where the event seals it, null where the event hides it otherwise; else what a mark on record keys makes of it), the timestamp `timestamp`.
    /// Unless it is [`Concerned::Shown`], `outputs` is of no use.
    ///
    /// # Errors
    /// [`Rejection`], as for the profile's own records; and `layout_ambiguous` or `layout_mismatch` where a mark's name, put among the
    /// attributes of the event, takes the place of something that the layout reads. `outputs` is of no use then.
    pub fn synthesize(
        &mut self,
        profiles: usize,
        document: &[u8],
        since: u64,
        timestamp: i64,
        outputs: &mut Outputs,
    ) -> Result<Concerned, Rejection> {
        outputs.clear(&mut self.sealer.spare);
        let policy = Arc::clone(&self.policy);
        let settings = policy.settings();
        let source = &settings.sources[profiles];
        let Self { sealer, read: Scratch { tape, located, within, fields, .. }, made, detector, answers, .. } = self;
        let text = scan::scan(document, &Limits::NONE, tape)?;
        let document = Document::new(text, tape);
        policy.layout(profiles).locate(&document, located)?;
        let document = within.read(document, source.within, Which::All, &settings.limits, located);
        let workspace = &*document_workspace(&policy, source, &document, located)?;
        let moments: Vec<&Effective> =
            policy.effective(workspace).iter().filter(|moment| moment.since == since).collect();
        if moments.is_empty() {
            return Ok(Concerned::Nothing);
        }
        let rejected = |reason| Rejection { reason, workspace: Some(workspace.to_owned()) };
        let rules = policy.rules(source, workspace);
        let noted: Vec<u32> = moments.iter().map(|moment| moment.mark).collect();
        let name = located.event.map(|node| layout::word_text(&document, node));
        let event = name.as_deref().and_then(|name| rules.event(name));
        let folded = settings.hooks.event(source.case, name.as_deref());
        let asked = &settings.hooks.asked(answers, workspace, &source.topic, &folded);
        let search =
            Search { rules, located, event, ids: source.ids, case: source.case, noted: &noted, trace: false, asked };
        fields.find(&document, &search).map_err(rejected)?;
        if source.derived_copies {
            let copies = derived::find(&document, located, rules, fields).map_err(rejected)?;
            fields.add_copies(&document, &copies);
        }
        let profile = Profile { document: &document, located, fields, rules, workspace };
        let attributes = held::attributes(&profile, &moments);
        let events = match source.events.filter(|_| !attributes.is_empty()) {
            Some(events) => events,
            None if fields.noted().iter().any(|(node, _)| document.node(*node).kind != Kind::Null) => {
                return Ok(Concerned::Hidden);
            }
            None => return Ok(Concerned::Nothing),
        };
        let mut sealer = sealer.of(workspace).map_err(rejected)?;
        let time = moments.iter().find_map(|moment| moment.at.as_deref());
        let made = Making {
            policy: &policy,
            events,
            sealed_input: source.sealed_input,
            entered: source.within,
            since,
            timestamp,
            scratch: made,
            detector,
            answers,
        };
        made.write(&profile, &attributes, time, &mut sealer, outputs).map_err(rejected)?;
        Ok(Concerned::Shown)
    }
}

/// One event that is being made.
struct Making<'a> {
    policy: &'a Policy,
    /// Index of the event source.
    events: usize,
    sealed_input: bool,
    /// Which strings of the profile were entered.
    entered: Within,
    since: u64,
    timestamp: i64,
    scratch: &'a mut Scratch,
    detector: &'a mut Detector,
    answers: &'a RefCell<Answers>,
}

impl Making<'_> {
    fn write(
        self,
        profile: &Profile,
        attributes: &[held::Attribute],
        time: Option<&str>,
        sealer: &mut WorkspaceSealer,
        outputs: &mut Outputs,
    ) -> Result<(), Reason> {
        let Making { policy, events, sealed_input, entered, since, timestamp, scratch, detector, answers } = self;
        let Profile { located: whose, workspace, .. } = *profile;
        let Scratch { tape, located, within, fields, around: detected } = scratch;
        let source: &Source = &policy.settings().sources[events];
        let id = whose.id.ok_or(Reason::IdMissing)?;
        let salt = sealer.salt(&id_text(profile.document, id)?, since);
        let draft = draft::draft(source, profile, attributes, time, &salt)?;
        let text = scan::scan(draft.text.as_bytes(), &Limits::NONE, tape)?;
        let document = Document::new(text, tape);
        policy.layout(events).locate(&document, located)?;
        // those of the profile are entered here too, so that what holds in them still does
        let document = within.read(document, entered, Which::Those(&draft.strings), &Limits::NONE, located);
        let rules = policy.rules(source, workspace);
        let event = rules.event(EVENT);
        let asked = &policy.settings().hooks.asked(answers, workspace, &source.topic, EVENT);
        let trace = traces(policy, source);
        let search = Search { rules, located, event, ids: source.ids, case: source.case, noted: &[], trace, asked };
        fields.find(&document, &search)?;
        fields.spread(&document, &draft.arrays);
        if trace {
            fields.trace(&draft.forced);
        }
        // the event may tell fewer ids than the profile
        let test = policy.is_test(workspace, profile.document, whose) && policy.is_test(workspace, &document, located);
        fields.force(&document, draft.forced.into_iter());
        fields.detect(&document, &search, detector, source.detection, &policy.settings().matchers);
        let key = layout::word_text(profile.document, id).into_owned().into_bytes();
        let record = Record { key: Some(key), timestamp: Some(timestamp), ..Record::default() };
        let told = Told::Event(event);
        // whoever has the profile was told already
        let found = sighting::Found { matchers: &policy.settings().matchers, workspace, event: Some(EVENT) };
        detected.find(&found, (source, rules), &record, detector, &mut Sightings::default());
        // the record key is made here, so no token of ours came in as it
        let around =
            Around { policy, source, workspace, rules, told, asked, sealed_input: false, record: &record, detected };
        let page = Page { around, document: &document, fields, sealed_input, test };
        page.write(sealer, outputs)?;
        let marked = outputs.protected.key != record.key;
        match shown(&document, located, fields) {
            Some(Protect::None) => {}
            Some(Protect::Encrypt) if marked => {}
            Some(Protect::Encrypt) => {
                outputs.protected.key = Some(id_token(&document, located, fields, rules, sealer)?);
            }
            _ => outputs.protected.key = None,
        }
        // live records keep the partition that their key chose before it was sealed
        outputs.partitioned_by = if marked { record.key } else { outputs.protected.key.clone() };
        let header = synthetic_header(since);
        let views = outputs.views.iter_mut().map(|(_, record)| record);
        views.chain([&mut outputs.protected]).for_each(|record| record.headers.push(header.clone()));
        Ok(())
    }
}

/// What the protected event does with its id, or with something that the id stands in; `None`: it has none.
fn shown(document: &Document, located: &Located, fields: &Fields) -> Option<Protect> {
    let id = located.id?;
    let around = |field: &&Field| field.node < id && id < document.node(field.node).next as usize;
    let hidden = fields.all().iter().filter(around).any(|field| field.verdict.protect != Protect::None);
    if hidden { Some(Protect::Drop) } else { Some(fields.verdict(id).map_or(Protect::None, |own| own.protect)) }
}

/// The token of the event's id, as it stands in the protected event.
fn id_token(
    document: &Document,
    located: &Located,
    fields: &Fields,
    rules: &Rules,
    sealer: &mut WorkspaceSealer,
) -> Result<Vec<u8>, Reason> {
    let mut token = Vec::new();
    if let Some((id, verdict)) = located.id.and_then(|id| Some((id, fields.verdict(id)?))) {
        sealer.exact(document, id, rules.domain(&verdict), &mut token)?;
    }
    Ok(token)
}

#[cfg(test)]
mod tests;
