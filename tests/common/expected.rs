//! What must come out of a record that was read, byte by byte: the oracle's half of marks, views and splicing.
//!
//! No automaton: each mark's path is held against each chain of keys. No cursor: each object is put together member by member.
//! The cipher, the canonical form, the masks' texts and the loose form are trusted here and tested by themselves.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use sivcar::privacy::canonical;
use sivcar::privacy::control::{Domain, Table};
use sivcar::privacy::fold;
use sivcar::privacy::mark::{MarkKey, On, Protect};
use sivcar::privacy::mask::{self, Mask};
use sivcar::privacy::path::Path;
use sivcar::privacy::scan::{Document, Limits, Tape, scan_value};
use sivcar::privacy::seal::{self, Associated, Sealer};
use sivcar::privacy::settings::{Ids, Settings, Source, Stage, Unlisted, View};

use super::reading::{Body, Member, Node, Reading, matches, name_of};

/// What holds for one value, all its marks weighed.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub level: u16,
    pub protect: Protect,
    pub mask: Mask,
    pub shape: bool,
    pub domain: String,
    pub name: String,
}

/// A record that was read, and what it is held against.
pub struct Expected<'a> {
    text: &'a [u8],
    reading: &'a Reading,
    table: &'a Table,
    source: &'a Source,
    /// By the start of the value.
    verdicts: BTreeMap<usize, Verdict>,
    /// Values that a view lists, by view and start.
    shown: BTreeSet<(usize, usize)>,
    /// Values whose keys are sivcar's own.
    own: BTreeSet<usize>,
}

/// What becomes of a member or element.
enum Edit<C> {
    Stays,
    Inside(C),
    Text(String),
    Gone,
}

impl<'a> Expected<'a> {
    pub fn new(
        settings: &Settings,
        table: &'a Table,
        source: &'a Source,
        text: &'a [u8],
        reading: &'a Reading,
    ) -> Self {
        let (verdicts, shown, own) = Default::default();
        let mut expected = Self { text, reading, table, source, verdicts, shown, own };
        expected.weigh(settings, &reading.root, &[(On::Field, Vec::new())]);
        expected
    }

    /// Walks down with every chain of keys that a path could match, by where it begins.
    fn weigh<'t>(&mut self, settings: &Settings, node: &'t Node, chains: &[(On, Vec<&'t str>)]) {
        let mut chains = chains.to_vec();
        match &node.body {
            Body::Array(elements) => elements.iter().for_each(|element| self.weigh(settings, element, &chains)),
            Body::Object(members) => {
                let begin = self.reading.containers.iter().filter(|(start, _)| *start == node.start);
                chains.extend(begin.map(|(_, on)| (*on, Vec::new())));
                for member in members {
                    if node.start == self.reading.root.start && member.name(self.source.case) == "_pii" {
                        self.own.insert(member.node.start);
                        continue;
                    }
                    let mut below = chains.clone();
                    below.iter_mut().for_each(|(_, keys)| keys.push(member.name(self.source.case)));
                    self.judge(settings, &member.node, &below);
                    self.weigh(settings, &member.node, &below);
                }
            }
            _ => {}
        }
    }

    fn judge(&mut self, settings: &Settings, node: &Node, chains: &[(On, Vec<&str>)]) {
        let case = self.source.case;
        let found = |on: On, path: &Path| {
            chains.iter().any(|(begun, keys)| *begun == on && !keys.is_empty() && matches(case, path.steps(), keys))
        };
        let word = self.reading.words.contains(&node.start);
        let mut marks: Vec<_> = self
            .table
            .marks
            .iter()
            .map(|(key, mark)| (key, mark, Path::parse(&key.name).expect("a mark's name is a path")))
            .filter(|(key, _, _)| key.workspace == "*" || key.workspace == self.reading.workspace)
            .filter(|(key, _, _)| self.is_event(key) && (!word || key.on == On::Field))
            .filter(|(key, _, path)| found(key.on, path))
            .collect();
        marks.sort_by_key(|(key, mark, path)| {
            let general = (key.workspace == "*", key.event.is_none());
            (general, path.wildcards(), Reverse(path.steps().len()), mark.since, key.name.clone(), (*key).clone())
        });
        let mut verdict = marks.first().map(|(key, mark, path)| Verdict {
            level: marks.iter().map(|(_, mark, _)| mark.level).max().unwrap_or_default(),
            protect: marks.iter().map(|(_, mark, _)| mark.protect).min().unwrap_or_default(),
            mask: marks.iter().map(|(_, mark, _)| mark.mask.unwrap_or(Mask::Full)).min().unwrap_or(Mask::Full),
            shape: marks.iter().all(|(_, mark, _)| mark.shape),
            domain: mark.domain.clone().unwrap_or_else(|| path.keys()),
            name: key.name.clone(),
        });
        for (start, name) in [(self.reading.id, "id"), (self.reading.uuid, "uuid")] {
            if start == Some(node.start) {
                let sealed = if self.source.ids == Ids::Seal { Protect::Encrypt } else { Protect::None };
                let marked = verdict.take();
                let (domain, name) = marked.as_ref().map_or((name.to_owned(), name.to_owned()), |verdict| {
                    (verdict.domain.clone(), verdict.name.clone())
                });
                let protect = marked.as_ref().map_or(sealed, |verdict| verdict.protect.min(sealed));
                let mask = marked.map_or(Mask::Full, |verdict| verdict.mask.min(Mask::Full));
                verdict = Some(Verdict { level: 9999, protect, mask, shape: false, domain, name });
            }
        }
        if let Some(verdict) = verdict {
            self.verdicts.insert(node.start, verdict);
        }
        for (index, view) in settings.views.iter().enumerate() {
            if view.show.iter().any(|path| found(On::Field, path)) {
                self.shown.insert((index, node.start));
            }
        }
    }

    fn is_event(&self, key: &MarkKey) -> bool {
        match &key.event {
            Some(event) => self.reading.event.as_ref() == Some(&name_of(self.source.case, event)),
            None => true,
        }
    }

    /// What is marked, by the start of each value.
    pub fn verdicts(&self) -> &BTreeMap<usize, Verdict> {
        &self.verdicts
    }

    pub fn is_own(&self, start: usize) -> bool {
        self.own.contains(&start)
    }

    pub fn is_shown(&self, view: usize, start: usize) -> bool {
        self.shown.contains(&(view, start))
    }

    /// Whether a mark covers a number that has no canonical form.
    pub fn number_out_of_range(&self) -> bool {
        let mut covered = Vec::new();
        self.covered(&self.reading.root, &mut covered);
        covered.iter().any(|node| canonical_plaintext(&self.text[node.start..node.end]).is_none())
    }

    fn covered<'t>(&self, node: &'t Node, covered: &mut Vec<&'t Node>) {
        each_child(node, |child| {
            if self.verdicts.contains_key(&child.start) {
                covered.push(child);
            }
            if !self.is_own(child.start) {
                self.covered(child, covered);
            }
        });
    }

    pub fn stage(&self) -> Stage {
        self.table.stages.get(&self.reading.workspace).map(|record| record.stage).unwrap_or_default()
    }

    fn domain(&self, name: &str) -> Domain {
        let held = |workspace: &str| self.table.domains.get(&(workspace.to_owned(), name.to_owned())).cloned();
        held(&self.reading.workspace).or_else(|| held("*")).unwrap_or_default()
    }

    /// The protected document.
    pub fn protected(&self, sealer: &mut Sealer) -> Vec<u8> {
        let mut loose: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let enforced = self.stage() == Stage::Enforced;
        let mut decide = |node: &Node, within: Option<&'_ Verdict>| {
            let verdict = within.or_else(|| self.verdicts.get(&node.start).filter(|_| enforced)).cloned();
            self.protect(node, verdict, &mut |verdict| {
                let token = self.loose_token(node, &verdict.domain, sealer);
                if let Some(token) = token {
                    loose.entry(verdict.name.clone()).or_default().insert(token);
                }
                self.token(node, &verdict.domain, sealer)
            })
        };
        let mut out = Vec::new();
        let end = self
            .rebuild(&self.reading.root, &mut out, None::<Verdict>, &mut |node, within| decide(node, within.as_ref()));
        if !loose.is_empty() {
            let lists = loose.iter().map(|(name, tokens)| {
                let tokens: Vec<String> = tokens.iter().map(|token| format!("\"{token}\"")).collect();
                format!("{}:[{}]", quoted(name.as_bytes()), tokens.join(","))
            });
            let comma = if out[end - 1] == b'{' { "" } else { "," };
            let own = format!("{comma}\"_pii\":{{\"loose\":{{{}}}}}", lists.collect::<Vec<_>>().join(","));
            out.splice(end..end, own.into_bytes());
        }
        out
    }

    /// The document as it is once its protected form is revealed.
    pub fn revealed(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.rebuild(&self.reading.root, &mut out, None::<Verdict>, &mut |node, within| {
            let verdict = within.clone().or_else(|| self.verdicts.get(&node.start).cloned());
            self.protect(node, verdict, &mut |_| {
                let plaintext = canonical_plaintext(&self.text[node.start..node.end]).expect("in range");
                canonical::reveal(&plaintext).expect("canonical")
            })
        });
        out
    }

    /// The document without what is sivcar's own, and else as it stands.
    pub fn without_own(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.rebuild(&self.reading.root, &mut out, (), &mut |node, ()| match self.is_own(node.start) {
            true => Edit::Gone,
            false => Edit::Inside(()),
        });
        out
    }

    fn protect(
        &self,
        node: &Node,
        verdict: Option<Verdict>,
        seal: &mut dyn FnMut(&Verdict) -> String,
    ) -> Edit<Option<Verdict>> {
        let Some(verdict) = verdict else {
            return if self.is_own(node.start) { Edit::Gone } else { Edit::Inside(None) };
        };
        match (verdict.protect, verdict.mask, &node.body) {
            (Protect::None, ..) => Edit::Inside(None),
            (Protect::Drop, ..) | (Protect::Mask, Mask::Drop, _) => Edit::Gone,
            (_, _, Body::Null) => Edit::Stays,
            (Protect::Mask, Mask::Empty, body) => Edit::Text(empty(body).to_owned()),
            (Protect::Mask, ..) => Edit::Text("\"***\"".to_owned()),
            (Protect::Encrypt, _, Body::Array(_)) if !self.domain(&verdict.domain).whole => Edit::Inside(Some(verdict)),
            (Protect::Encrypt, ..) => Edit::Text(seal(&verdict)),
        }
    }

    fn token(&self, node: &Node, domain: &str, sealer: &mut Sealer) -> String {
        let plaintext = canonical_plaintext(&self.text[node.start..node.end]).expect("numbers are in range");
        let associated = Associated::Exact { workspace: &self.reading.workspace, domain };
        format!("\"{}\"", token(sealer, &associated, plaintext, self.domain(domain).pad))
    }

    fn loose_token(&self, node: &Node, domain: &str, sealer: &mut Sealer) -> Option<String> {
        let Domain { loose: true, pad, .. } = self.domain(domain) else { return None };
        let text = match &node.body {
            Body::Object(_) | Body::Array(_) | Body::Null => return None,
            Body::String(bytes) if std::str::from_utf8(bytes).is_ok() => String::from_utf8(bytes.clone()).ok()?,
            _ => {
                let canonical = canonical_plaintext(&self.text[node.start..node.end]).expect("numbers are in range");
                let text = canonical::reveal(&canonical).expect("canonical");
                text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(&text).to_owned()
            }
        };
        let associated = Associated::Loose { workspace: &self.reading.workspace, domain };
        Some(token(sealer, &associated, fold::loose(&text).into_bytes(), pad))
    }

    /// A view's document.
    pub fn view(&self, index: usize, view: &View, sealer: &mut Sealer) -> Vec<u8> {
        let mut out = Vec::new();
        self.rebuild(&self.reading.root, &mut out, Sight::Unlisted, &mut |node, sight| {
            if self.is_own(node.start) {
                return Edit::Gone;
            }
            let verdict = self.verdicts.get(&node.start);
            let hides = verdict.filter(|verdict| view.clearance < verdict.level);
            match (hides, sight) {
                (Some(verdict), Sight::Hidden(outer)) => {
                    self.mask(node, verdict.mask.min(*outer), verdict.shape, view, sealer)
                }
                (Some(verdict), _) => self.mask(node, verdict.mask, verdict.shape, view, sealer),
                (None, Sight::Hidden(mask)) => self.mask(node, *mask, true, view, sealer),
                (None, Sight::Clear) => Edit::Inside(Sight::Clear),
                (None, Sight::Unlisted) => {
                    let listed = view.unlisted == Unlisted::Show || self.is_shown(index, node.start);
                    match &node.body {
                        _ if listed || verdict.is_some() => Edit::Inside(Sight::Clear),
                        Body::Object(_) | Body::Array(_) => Edit::Inside(Sight::Unlisted),
                        _ => self.mask(node, Mask::Full, false, view, sealer),
                    }
                }
            }
        });
        out
    }

    fn mask(&self, node: &Node, mask: Mask, shape: bool, view: &View, sealer: &mut Sealer) -> Edit<Sight> {
        let text = match (mask, &node.body) {
            (Mask::Drop, _) => return Edit::Gone,
            (_, Body::Null) => return Edit::Stays,
            (_, Body::Object(_) | Body::Array(_)) if shape => return Edit::Inside(Sight::Hidden(mask)),
            (Mask::Empty, body) => empty(body).to_owned(),
            (Mask::Token, _) if self.hides_stricter(node, view) => "\"***\"".to_owned(),
            (Mask::Token, _) => {
                let plaintext = canonical_plaintext(&self.text[node.start..node.end]).expect("numbers are in range");
                let associated = Associated::View { workspace: &self.reading.workspace, view: &view.name };
                format!("\"{}\"", token(sealer, &associated, plaintext, 0))
            }
            (Mask::Word | Mask::Last4 | Mask::Email, Body::String(bytes)) => {
                let mut masked = String::new();
                mask::text(mask, &fold::lossy(bytes), &mut masked);
                quoted(masked.as_bytes())
            }
            _ => "\"***\"".to_owned(),
        };
        Edit::Text(text)
    }

    /// Whether a mark inside also hides and is stricter than a view token over the whole.
    fn hides_stricter(&self, node: &Node, view: &View) -> bool {
        let mut found = false;
        each_child(node, |child| {
            let verdict = self.verdicts.get(&child.start);
            found |= verdict.is_some_and(|verdict| view.clearance < verdict.level && verdict.mask < Mask::Token);
            found |= self.hides_stricter(child, view);
        });
        found
    }

    /// Puts the document together; gives where the last remaining value of the root ends in `out`, or its brace.
    fn rebuild<C>(
        &self,
        root: &Node,
        out: &mut Vec<u8>,
        context: C,
        decide: &mut dyn FnMut(&Node, &C) -> Edit<C>,
    ) -> usize {
        out.extend_from_slice(&self.text[..root.start]);
        let end = self.value(root, out, &context, decide);
        out.extend_from_slice(&self.text[root.end..]);
        end
    }

    fn value<C>(
        &self,
        node: &Node,
        out: &mut Vec<u8>,
        context: &C,
        decide: &mut dyn FnMut(&Node, &C) -> Edit<C>,
    ) -> usize {
        match &node.body {
            Body::Object(members) => return self.object(node, members, out, context, decide),
            Body::Array(elements) => {
                let mut at = node.start;
                for element in elements {
                    out.extend_from_slice(&self.text[at..element.start]);
                    let edit = decide(element, context);
                    self.edited(element, edit, out, decide);
                    at = element.end;
                }
                out.extend_from_slice(&self.text[at..node.end]);
            }
            _ => out.extend_from_slice(&self.text[node.start..node.end]),
        }
        out.len()
    }

    fn edited<C>(&self, node: &Node, edit: Edit<C>, out: &mut Vec<u8>, decide: &mut dyn FnMut(&Node, &C) -> Edit<C>) {
        match edit {
            Edit::Stays => out.extend_from_slice(&self.text[node.start..node.end]),
            Edit::Inside(context) => drop(self.value(node, out, &context, decide)),
            Edit::Text(text) => out.extend_from_slice(text.as_bytes()),
            Edit::Gone => unreachable!("an element never goes, and a member that goes is not written"),
        }
    }

    /// A member owns the bytes from the brace or comma before it to the end of its own comma, or to the closing brace.
    fn object<C>(
        &self,
        node: &Node,
        members: &[Member],
        out: &mut Vec<u8>,
        context: &C,
        decide: &mut dyn FnMut(&Node, &C) -> Edit<C>,
    ) -> usize {
        let edits: Vec<Edit<C>> = members.iter().map(|member| decide(&member.node, context)).collect();
        let last = edits.iter().rposition(|edit| !matches!(edit, Edit::Gone));
        out.push(b'{');
        let mut end = out.len();
        for (index, (member, edit)) in members.iter().zip(edits).enumerate() {
            let next = members.get(index + 1).map_or(node.end - 1, |next| next.before);
            let trailing = last.is_none_or(|last| index > last);
            if !matches!(edit, Edit::Gone) {
                out.extend_from_slice(&self.text[member.before..member.node.start]);
                self.edited(&member.node, edit, out, decide);
                end = out.len();
            } else if !trailing {
                continue;
            }
            if !trailing || index + 1 == members.len() {
                // a kept member before trailing removed ones loses its comma
                let comma = usize::from(last == Some(index) && index + 1 < members.len());
                out.extend_from_slice(&self.text[member.node.end..next - comma]);
            }
        }
        if members.is_empty() {
            out.extend_from_slice(&self.text[node.start + 1..node.end - 1]);
        }
        out.push(b'}');
        end
    }
}

/// How the values around let a value be seen.
enum Sight {
    Unlisted,
    Clear,
    Hidden(Mask),
}

/// Gives each member's value or element.
pub fn each_child<'t>(node: &'t Node, mut give: impl FnMut(&'t Node)) {
    match &node.body {
        Body::Array(elements) => elements.iter().for_each(give),
        Body::Object(members) => members.iter().for_each(|member| give(&member.node)),
        _ => {}
    }
}

fn empty(body: &Body) -> &'static str {
    match body {
        Body::String(_) => "\"\"",
        Body::Array(_) => "[]",
        Body::Object(_) => "{}",
        Body::Null | Body::Plain => "null",
    }
}

fn quoted(text: &[u8]) -> String {
    let mut out = Vec::new();
    canonical::quote(text, &mut out);
    String::from_utf8(out).expect("canonical text is UTF-8")
}

/// The plaintext of a value's text; `None` where a number is out of range.
pub fn canonical_plaintext(json: &[u8]) -> Option<Vec<u8>> {
    let limits = Limits { depth: usize::MAX, record_bytes: usize::MAX, string_bytes: usize::MAX };
    let (mut tape, mut out) = (Tape::default(), Vec::new());
    let text = scan_value(json, &limits, &mut tape).expect("a value of a document that was read");
    canonical::plaintext(&Document::new(text, &tape), 0, &mut out).ok()?;
    // a string's plaintext needs no number
    Some(out)
}

/// The token of a plaintext.
pub fn token(sealer: &mut Sealer, associated: &Associated, mut plaintext: Vec<u8>, pad: u32) -> String {
    let (mut data, mut sealed, mut token) = (Vec::new(), Vec::new(), Vec::new());
    associated.write(&mut data);
    seal::pad(&mut plaintext, pad as usize);
    sealer.seal(&data, &plaintext, &mut sealed);
    seal::token(&sealed, &mut token);
    String::from_utf8(token).expect("a token is ASCII")
}
