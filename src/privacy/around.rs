//! What stands around a document: the record key and the headers, as protected topics and views get them.
//!
//! Headers named like sivcar's own never come in from outside, and the gate's never go out. Marked ones are sealed under the key that is pinned for the protected topic,
//! so that rotation of the primary breaks neither compaction nor deletion, or masked, or gone. Always holds: null stays null; partition
//! and timestamp are nobody's business here; a view's record key is a view token whatever the marks say. A profile's record key is
//! never masked or gone, but sealed instead: without it nothing could be compacted or deleted. What no mark speaks of and detection finds is dealt
//! with alike. Deliberately not here: the value.

mod detection;

use super::automaton::key_name;
use super::error::Reason;
use super::hook::Asked;
use super::mark::{On, Protect};
use super::mask::{self, Mask, STARS};
use super::policy::Policy;
use super::protect::{OWN_HEADERS, POLICY_HEADER, STAGE_HEADER};
use super::rules::{Rules, Told, Verdict};
use super::settings::{Source, SourceKind, Stage, View};
use super::tally::{Actions, Tally};
use super::value::{TokenRefused, WorkspaceSealer};
use crate::record::spare::Spare;
use crate::record::{Header, Record};

pub(super) use detection::Detection;

/// One record's surroundings, with what they are held against.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) policy: &'a Policy,
    /// The source whose outputs take it.
    pub(super) source: &'a Source,
    pub(super) workspace: &'a str,
    pub(super) rules: &'a Rules,
    pub(super) told: Told,
    /// Who raises levels.
    pub(super) asked: &'a Asked<'a>,
    /// Whether it was read from the source, and tokens may pass.
    pub(super) sealed_input: bool,
    /// Key, headers and timestamp.
    pub(super) record: &'a Record,
    /// What detection found.
    pub(super) detected: &'a Detection,
}

/// Something around a document that a rule touches.
pub(super) struct Held<'a> {
    pub(super) on: On,
    /// A header's name.
    pub(super) name: &'a str,
    pub(super) value: &'a [u8],
    pub(super) verdict: Verdict,
}

impl Around<'_> {
    /// The record for the protected topic, with `value`.
    pub(super) fn protected(
        &self,
        value: Option<Vec<u8>>,
        sealer: &mut WorkspaceSealer,
        tally: &mut Tally,
    ) -> Result<Record, Reason> {
        let &Self { policy, workspace, record, .. } = self;
        let key = match &record.key {
            Some(key) => self.key(key, sealer, tally)?,
            None => None,
        };
        let mut headers = sealer.spare.headers();
        for (index, header) in record.headers.iter().enumerate().filter(|(_, header)| self.may_pass(header)) {
            headers.extend(self.header(index, header, sealer, tally)?);
        }
        if policy.stage(workspace) == Stage::Configured {
            headers.push(sealer.spare.header(STAGE_HEADER, Some(b"configured")));
        }
        headers.push(policy_header(policy, sealer.spare));
        Ok(Record { key, value, headers, timestamp: record.timestamp })
    }

    /// The record for `view`, whose topic for the source is `topic`, with `value`.
    pub(super) fn shown(
        &self,
        view: &View,
        topic: &str,
        value: Option<Vec<u8>>,
        sealer: &mut WorkspaceSealer,
        actions: &mut Actions,
    ) -> Result<Record, Reason> {
        let &Self { policy, workspace, record, .. } = self;
        let listed = |(_, header): &(usize, &Header)| self.may_pass(header) && view.headers.contains(&header.name);
        let mut headers = sealer.spare.headers();
        for (index, header) in record.headers.iter().enumerate().filter(listed) {
            headers.extend(self.shown_header(view, index, header, sealer, actions)?);
        }
        headers.push(policy_header(policy, sealer.spare));
        let pinned = policy.pinned(topic, Some(workspace)).map(|pinning| pinning.id);
        let key = record.key.as_ref().map(|key| sealer.view_key(key, &view.name, pinned)).transpose()?;
        Ok(Record { key, value, headers, timestamp: record.timestamp })
    }

    /// Whether a header of the record may stand on an output.
    fn may_pass(&self, header: &Header) -> bool {
        !is_own(header) && !self.source.gate.as_ref().is_some_and(|gate| gate.is_named(header))
    }

    /// What holds for a header: what marks say, else what detection found; of a name that is itself a value no mark speaks.
    fn verdict(&self, index: usize, header: &Header) -> Option<Verdict> {
        let &Self { rules, source, asked, .. } = self;
        let marked = rules.header(&header.name, self.told, asked);
        let found = self.detected.headers.get(index).copied().flatten().filter(|found| found.goes || marked.is_none());
        let name = || key_name(source.case, &header.name);
        let detected = found.map(|found| rules.raised(&found, source.detection, asked, On::Header, name));
        match (marked, detected) {
            (Some(marked), Some(detected)) => Some(marked.with(&detected)),
            (marked, detected) => marked.or(detected),
        }
    }

    /// What a mark has the protected topic do.
    fn enforced(&self, verdict: Option<Verdict>) -> Option<Verdict> {
        let protects = |verdict: &Verdict| verdict.protect != Protect::None;
        verdict.filter(protects).filter(|_| self.policy.stage(self.workspace) == Stage::Enforced)
    }

    /// What holds for the record key. A profile's is sealed, whatever else is asked for.
    fn verdict_of_key(&self) -> Option<Verdict> {
        let mut verdict = self.rules.key().or(self.detected.key)?;
        if self.source.kind == SourceKind::Profile && verdict.protect != Protect::None {
            verdict.protect = Protect::Encrypt;
        }
        Some(verdict)
    }

    /// What holds for the record key, and for each header that may pass.
    pub(super) fn held(&self) -> impl Iterator<Item = Held<'_>> {
        let key = self.record.key.as_deref().zip(self.verdict_of_key());
        let key = key.map(|(value, verdict)| Held { on: On::Key, name: "", value, verdict });
        let headers = self.record.headers.iter().enumerate().filter(|(_, header)| self.may_pass(header));
        key.into_iter().chain(headers.filter_map(|(index, header)| {
            let verdict = self.verdict(index, header)?;
            let value = header.value.as_deref().unwrap_or_default();
            Some(Held { on: On::Header, name: &header.name, value, verdict })
        }))
    }

    fn key(&self, key: &[u8], sealer: &mut WorkspaceSealer, tally: &mut Tally) -> Result<Option<Vec<u8>>, Reason> {
        let Some(verdict) = self.enforced(self.verdict_of_key()) else {
            return Ok(Some(sealer.spare.copy(key)));
        };
        match verdict.protect {
            Protect::Drop => Ok(None),
            Protect::Mask => Ok(masked(verdict.mask)),
            Protect::Encrypt | Protect::None => self.seal(key, sealer, tally).map(Some),
        }
    }

    fn header(
        &self,
        index: usize,
        header: &Header,
        sealer: &mut WorkspaceSealer,
        tally: &mut Tally,
    ) -> Result<Option<Header>, Reason> {
        let Some(verdict) = self.enforced(self.verdict(index, header)) else {
            return Ok(Some(again(header, sealer.spare)));
        };
        let value = match (verdict.protect, &header.value) {
            (Protect::Drop, _) => None,
            (Protect::Mask, _) if verdict.mask == Mask::Drop => None,
            (_, None) => return Ok(Some(again(header, sealer.spare))),
            (Protect::Mask, Some(_)) => {
                tally.fields.masked += 1;
                masked(verdict.mask)
            }
            (Protect::Encrypt | Protect::None, Some(value)) => {
                let token = self.seal(value, sealer, tally)?;
                tally.fields.sealed += 1;
                Some(token)
            }
        };
        tally.fields.dropped += u64::from(value.is_none());
        Ok(value.map(|value| Header { name: header.name.clone(), value: Some(value) }))
    }

    /// The token of `bytes` under the key that is pinned for the protected topic. Where our own tokens may come in, what they stand for is
    /// sealed, for a token is of one topic.
    fn seal(&self, bytes: &[u8], sealer: &mut WorkspaceSealer, tally: &mut Tally) -> Result<Vec<u8>, Reason> {
        let &Self { policy, source, workspace, .. } = self;
        let mut opened = None;
        if self.sealed_input {
            match sealer.opened_around(bytes, &source.topic) {
                Ok(bytes) => {
                    tally.tokens_passed += 1;
                    opened = Some(bytes);
                }
                Err(Some(TokenRefused::NotCanonical)) => tally.tokens_not_canonical += 1,
                Err(Some(TokenRefused::DoesNotOpen)) => tally.tokens_unopened += 1,
                Err(None) => {}
            }
        }
        let pinned = policy.pinned(&source.protected, Some(workspace)).map(|pinning| pinning.id);
        let token = sealer.around(opened.as_deref().unwrap_or(bytes), &source.protected, pinned)?;
        tally.seal(pinned.unwrap_or_else(|| sealer.primary()));
        Ok(token)
    }

    fn shown_header(
        &self,
        view: &View,
        index: usize,
        header: &Header,
        sealer: &mut WorkspaceSealer,
        actions: &mut Actions,
    ) -> Result<Option<Header>, Reason> {
        let hides = |verdict: &Verdict| view.clearance < verdict.level;
        let verdict = self.verdict(index, header);
        let (Some(verdict), Some(value)) = (verdict.filter(hides), &header.value) else {
            actions.kept += u64::from(verdict.is_some());
            let goes = verdict.filter(hides).is_some_and(|verdict| verdict.mask == Mask::Drop);
            return Ok((!goes).then(|| again(header, sealer.spare)));
        };
        let value = match (verdict.mask, std::str::from_utf8(value)) {
            (Mask::Drop, _) => {
                actions.dropped += 1;
                return Ok(None);
            }
            (Mask::Token, _) => sealer.view_key(value, &view.name, None)?,
            (Mask::Word | Mask::Last4 | Mask::Email, Ok(text)) => {
                let mut masked = String::new();
                mask::text(verdict.mask, text, &mut masked);
                masked.into_bytes()
            }
            (Mask::Empty, _) => Vec::new(),
            _ => STARS.into(),
        };
        actions.masked += 1;
        Ok(Some(Header { name: header.name.clone(), value: Some(value) }))
    }
}

/// What protected topics show under a mask.
fn masked(mask: Mask) -> Option<Vec<u8>> {
    match mask {
        Mask::Drop => None,
        Mask::Empty => Some(Vec::new()),
        _ => Some(STARS.into()),
    }
}

pub(super) fn policy_header(policy: &Policy, spare: &mut Spare) -> Header {
    spare.header(POLICY_HEADER, Some(policy.version_text().as_bytes()))
}

fn again(header: &Header, spare: &mut Spare) -> Header {
    spare.header(&header.name, header.value.as_deref())
}

/// Whether a header is named like sivcar's own, in any case of letters: such do not come in from outside.
pub(super) fn is_own(header: &Header) -> bool {
    header.name.get(..OWN_HEADERS.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(OWN_HEADERS))
}
