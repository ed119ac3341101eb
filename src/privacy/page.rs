//! From one document that was read to its records: the protected one, and one per view.
//!
//! Always holds: all of them are spliced from the same spans and fields; key, timestamp and the headers that may pass are the record's
//! own, and each says under which policy version it was made. Deliberately not here: reading, and what a rule touches.

use super::clearance::{Sight, ViewEditor};
use super::error::Reason;
use super::fields::Fields;
use super::policy::Policy;
use super::protect::Outputs;
use super::protected::{LooseTokens, ProtectedEditor};
use super::rules::Rules;
use super::scan::Document;
use super::settings::{Source, Stage, View};
use super::splice::splice;
use super::value::WorkspaceSealer;
use crate::record::{Header, Record};

/// The header that tells the policy version, decimal.
pub const POLICY_HEADER: &str = "sivcar-policy";
/// The header that tells a stage in which nothing is enforced yet.
pub const STAGE_HEADER: &str = "sivcar-stage";
/// The header of a synthetic event: the version that it answers, decimal.
pub const SYNTHETIC_HEADER: &str = "sivcar-synthetic";
/// What names of sivcar's own headers begin with.
pub const OWN_HEADERS: &str = "sivcar-";

/// A document that was read, with all that its outputs are written from.
pub(super) struct Page<'a> {
    pub(super) policy: &'a Policy,
    /// The source whose outputs take it.
    pub(super) source: &'a Source,
    pub(super) workspace: &'a str,
    pub(super) rules: &'a Rules,
    pub(super) document: &'a Document<'a>,
    pub(super) fields: &'a Fields,
    /// Whether tokens may pass.
    pub(super) sealed_input: bool,
    /// Key, headers and timestamp.
    pub(super) record: &'a Record,
}

impl Page<'_> {
    /// Writes the protected record and every view's.
    pub(super) fn write(&self, sealer: &mut WorkspaceSealer, outputs: &mut Outputs) -> Result<(), Reason> {
        let &Page { policy, source, workspace, rules, document, fields, sealed_input, record } = self;
        let length = document.text().len();
        let mut bytes = Vec::with_capacity(length * 2);
        let mut editor = ProtectedEditor {
            rules,
            fields,
            enforced: policy.stage(workspace) == Stage::Enforced,
            sealed_input,
            sealer,
            loose: LooseTokens::new(),
            tally: &mut outputs.tally,
            handled: 0,
        };
        splice(document, &mut editor, None, &mut bytes)?;
        if editor.enforced {
            editor.tally.clear_under_mark = fields.all().len().abs_diff(editor.handled) as u64;
        }
        outputs.protected = protected_record(policy, workspace, record, Some(bytes));
        for (index, view) in views_of(policy, source) {
            let mut bytes = Vec::with_capacity(length);
            let actions = &mut outputs.tally.views;
            let mut editor = ViewEditor { view, index, fields, sealer, actions };
            splice(document, &mut editor, Sight::Unlisted, &mut bytes)?;
            outputs.views.push((index, view_record(policy, view, sealer, record, Some(bytes))));
        }
        Ok(())
    }
}

/// The views that have a topic for `source`, with their indices.
pub(super) fn views_of<'a>(policy: &'a Policy, source: &'a Source) -> impl Iterator<Item = (usize, &'a View)> {
    policy.settings().views.iter().enumerate().filter(|(_, view)| view.topics.contains_key(&source.topic))
}

pub(super) fn protected_record(policy: &Policy, workspace: &str, record: &Record, value: Option<Vec<u8>>) -> Record {
    let mut headers: Vec<Header> = record.headers.iter().filter(|header| !is_own(header)).cloned().collect();
    if policy.stage(workspace) == Stage::Configured {
        headers.push(Header { name: STAGE_HEADER.to_owned(), value: Some(b"configured".to_vec()) });
    }
    headers.push(policy_header(policy));
    Record { key: record.key.clone(), value, headers, timestamp: record.timestamp }
}

pub(super) fn view_record(
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
