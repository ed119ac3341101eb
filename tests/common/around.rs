//! What must stand around a protected document, byte by byte: the oracle's half of marks on record keys and headers.
//!
//! No automaton: each mark's path is held against each header's name. The cipher and the masks' texts are trusted here and tested by
//! themselves.

use sivcar::privacy::control::Table;
use sivcar::privacy::mark::{Mark, MarkKey, On, Protect};
use sivcar::privacy::mask::{self, Mask};
use sivcar::privacy::path::Path;
use sivcar::privacy::seal::{Associated, Sealer};
use sivcar::privacy::settings::{Source, SourceKind, Stage, View};
use sivcar::record::{Header, Record};

use super::expected::token;
use super::reading::{Reading, matches, name_of};

/// A record's key and headers, and what they are held against.
pub struct Around<'a> {
    pub table: &'a Table,
    pub source: &'a Source,
    pub reading: &'a Reading,
    pub record: &'a Record,
}

/// What holds for the record key or a header, all marks weighed.
struct Verdict {
    level: u16,
    protect: Protect,
    mask: Mask,
}

impl Around<'_> {
    fn verdict(&self, holds: impl Fn(&MarkKey) -> bool) -> Option<Verdict> {
        let own = |key: &MarkKey| key.workspace == "*" || key.workspace == self.reading.workspace;
        let marks: Vec<&Mark> =
            self.table.marks.iter().filter(|(key, _)| own(key) && holds(key)).map(|(_, mark)| mark).collect();
        Some(Verdict {
            level: marks.iter().map(|mark| mark.level).max()?,
            protect: marks.iter().map(|mark| mark.protect).min()?,
            mask: marks.iter().map(|mark| mark.mask.unwrap_or(Mask::Full)).min()?,
        })
    }

    fn of_header(&self, header: &Header) -> Option<Verdict> {
        let case = self.source.case;
        let name = name_of(case, &header.name);
        self.verdict(|key| {
            let event = key.event.as_ref().map(|event| name_of(case, event));
            let path = || Path::parse(&key.name).expect("a mark's name is a path");
            key.on == On::Header
                && (event.is_none() || event == self.reading.event)
                && matches(case, path().steps(), &[&name])
        })
    }

    fn is_enforced(&self) -> bool {
        self.stage() == Stage::Enforced
    }

    fn stage(&self) -> Stage {
        self.table.stages.get(&self.reading.workspace).map(|record| record.stage).unwrap_or_default()
    }

    fn sealed(&self, sealer: &mut Sealer, bytes: &[u8]) -> Vec<u8> {
        let associated = Associated::Key { workspace: &self.reading.workspace, topic: &self.source.protected };
        token(sealer, &associated, bytes.to_vec(), 0).into_bytes()
    }

    /// Whether protected topics are to do something with the record key.
    pub fn key_is_protected(&self) -> bool {
        let verdict = self.verdict(|key| key.on == On::Key);
        self.is_enforced() && verdict.is_some_and(|verdict| verdict.protect != Protect::None)
    }

    /// The record key in the protected topic.
    pub fn key(&self, sealer: &mut Sealer) -> Option<Vec<u8>> {
        let key = self.record.key.as_ref()?;
        let verdict = self.verdict(|key| key.on == On::Key).filter(|_| self.key_is_protected());
        match verdict {
            None => Some(key.clone()),
            Some(_) if self.source.kind == SourceKind::Profile => Some(self.sealed(sealer, key)),
            Some(Verdict { protect: Protect::Encrypt, .. }) => Some(self.sealed(sealer, key)),
            Some(Verdict { protect: Protect::Mask, mask: Mask::Empty, .. }) => Some(Vec::new()),
            Some(Verdict { protect: Protect::Drop, .. } | Verdict { mask: Mask::Drop, .. }) => None,
            Some(_) => Some(b"***".to_vec()),
        }
    }

    /// The headers in the protected topic.
    pub fn headers(&self, sealer: &mut Sealer) -> Vec<Header> {
        let mut headers = Vec::new();
        for header in self.record.headers.iter().filter(|header| !is_own(header)) {
            let verdict = self.of_header(header).filter(|_| self.is_enforced());
            let value = match (verdict, &header.value) {
                (None | Some(Verdict { protect: Protect::None, .. }), value) => value.clone(),
                (Some(Verdict { protect: Protect::Drop, .. }), _)
                | (Some(Verdict { protect: Protect::Mask, mask: Mask::Drop, .. }), _) => continue,
                (_, None) => None,
                (Some(Verdict { protect: Protect::Encrypt, .. }), Some(value)) => Some(self.sealed(sealer, value)),
                (Some(Verdict { mask: Mask::Empty, .. }), Some(_)) => Some(Vec::new()),
                (Some(_), Some(_)) => Some(b"***".to_vec()),
            };
            headers.push(Header { name: header.name.clone(), value });
        }
        if self.stage() == Stage::Configured {
            headers.push(Header { name: "sivcar-stage".to_owned(), value: Some(b"configured".to_vec()) });
        }
        headers.push(self.policy());
        headers
    }

    /// The headers in the topic of `view`.
    pub fn shown(&self, view: &View, sealer: &mut Sealer) -> Vec<Header> {
        let mut headers = Vec::new();
        for header in self.record.headers.iter().filter(|header| !is_own(header) && view.headers.contains(&header.name))
        {
            let hides = self.of_header(header).filter(|verdict| view.clearance < verdict.level);
            let value = match (hides, &header.value) {
                (None, value) => value.clone(),
                (Some(Verdict { mask: Mask::Drop, .. }), _) => continue,
                (Some(_), None) => None,
                (Some(verdict), Some(value)) => Some(self.masked(verdict.mask, value, view, sealer)),
            };
            headers.push(Header { name: header.name.clone(), value });
        }
        headers.push(self.policy());
        headers
    }

    fn masked(&self, mask: Mask, value: &[u8], view: &View, sealer: &mut Sealer) -> Vec<u8> {
        match (mask, std::str::from_utf8(value)) {
            (Mask::Empty, _) => Vec::new(),
            (Mask::Token, _) => {
                let associated = Associated::View { workspace: &self.reading.workspace, view: &view.name };
                token(sealer, &associated, value.to_vec(), 0).into_bytes()
            }
            (Mask::Word | Mask::Last4 | Mask::Email, Ok(text)) => {
                let mut masked = String::new();
                mask::text(mask, text, &mut masked);
                masked.into_bytes()
            }
            _ => b"***".to_vec(),
        }
    }

    fn policy(&self) -> Header {
        Header { name: "sivcar-policy".to_owned(), value: Some(self.table.version.to_string().into_bytes()) }
    }
}

fn is_own(header: &Header) -> bool {
    header.name.to_ascii_lowercase().starts_with("sivcar-")
}
