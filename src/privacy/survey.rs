//! What the inventory counts of one record, after it was protected.
//!
//! Each value is looked at, marked or not and whatever the source's `detection` is; what outputs show is asked of the editors that write them.
//! Always holds: of the record nothing is kept but names that may be shown, types and counts. Deliberately not here: the count's form
//! ([`super::inventory`]), and what a running process tells of ([`super::sighting`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::around::is_own;
use super::clearance::{Sight, ViewEditor};
use super::detect::{Detected, Detector, Question};
use super::hook::Asked;
use super::inventory::{Covering, Fate, Found, Inventory, Row};
use super::layout;
use super::mark::{EVERYWHERE, Protect};
use super::mask::{Mask, STARS};
use super::matcher::{By, MatcherIndex, Matchers};
use super::page::views_of;
use super::place::{self, Part, Place, Steps};
use super::policy::Policy;
use super::protect::{Outputs, Protector, Scratch, document_workspace};
use super::protected::{LooseTokens, ProtectedEditor};
use super::rules::{Rules, Told, Verdict};
use super::scan::{Document, Kind};
use super::seal::TOKEN_PREFIX;
use super::settings::{Source, Stage};
use super::sighting::Parents;
use super::splice::{Choice, foresee};
use super::tally::Tally;
use super::value::ValueSealer;
use crate::record::Record;

/// Counts records in an inventory. Reused from record to record.
#[derive(Default)]
pub struct Surveyor {
    steps: Steps,
    parents: Parents,
    found: Vec<Detected>,
    /// What becomes of each node, per output: the protected topic, then the views.
    fates: Vec<Vec<Fate>>,
}

impl Protector {
    /// Counts what stands in `record`, the one that [`Protector::protect`] took last and made `outputs` of, of the source with index `source`.
    pub fn survey(
        &mut self,
        source: usize,
        record: &Record,
        outputs: &Outputs,
        surveyor: &mut Surveyor,
        inventory: &mut Inventory,
    ) {
        let policy = Arc::clone(&self.policy);
        let source = &policy.settings().sources[source];
        let Self { sealer, read, detector, .. } = self;
        let text = record.value.as_deref().and_then(|value| std::str::from_utf8(value).ok());
        let document = text.map(|text| read.document(text));
        let named = document.and_then(|document| document_workspace(&policy, source, &document, &read.located).ok());
        let workspace = named.as_deref().or(source.workspace.as_deref()).unwrap_or(EVERYWHERE);
        let rules = policy.rules(source, workspace);
        let word = |document: Document| read.located.event.map(|node| layout::word_text(&document, node).into_owned());
        let name = document.and_then(word);
        let event = name.as_deref().map(|name| place::event(&policy.settings().matchers, name)).unwrap_or_default();
        let told = document.map_or(Told::Nothing, |_| Told::Event(name.as_deref().and_then(|name| rules.event(name))));
        let survey = Survey { policy: &policy, source, rules, workspace, event: &event, read };
        if let Some(document) = document {
            survey.document(&document, sealer, detector, surveyor, inventory);
        }
        survey.around(record, outputs, told, detector, surveyor, inventory);
    }
}

/// Whose record it is, and what it is held against.
#[derive(Clone, Copy)]
struct Survey<'a> {
    policy: &'a Policy,
    source: &'a Source,
    rules: &'a Rules,
    workspace: &'a str,
    /// The event's name as it is shown.
    event: &'a str,
    read: &'a Scratch,
}

impl Survey<'_> {
    fn document(
        &self,
        document: &Document,
        sealer: &mut ValueSealer,
        detector: &mut Detector,
        surveyor: &mut Surveyor,
        inventory: &mut Inventory,
    ) {
        let &Self { policy, source, rules, workspace, event, read: Scratch { located, fields, .. } } = self;
        let Surveyor { steps, parents, found, fates } = surveyor;
        self.foresee(document, sealer, fates);
        let matchers = &*policy.settings().matchers;
        let question = Question { document, matchers, located, marked: &[], own: fields.own(), unread: &[] };
        detector.find(&question, found);
        parents.note(document);
        let (mut at, mut next) = (1, 0);
        while let Some(node) = document.nodes().get(at) {
            let this = at;
            at += 1;
            if fields.is_own(this) {
                at = node.next as usize;
                continue;
            }
            let here = found.get(next).filter(|found| found.node == this);
            next += usize::from(here.is_some());
            let identifier = [located.id, located.uuid].contains(&Some(this));
            let here = match here {
                Some(found) => Some(of_node(matchers, found, node.kind)),
                None if identifier => looks(matchers, &document.string(this)),
                None => None,
            };
            let inner = node.next as usize > this + 1 && here.is_none();
            if inner || (located.is_word(this) && !identifier) {
                continue;
            }
            let chain = parents.chain(this);
            let whole = |node| fields.verdict(node).is_some();
            let place = steps.place(matchers, source.case, document, located, &chain, whole);
            let Some(row) = inventory.row(workspace, event, &place, is_named(here.as_ref())) else { continue };
            let verdicts = chain.iter().filter_map(|node| fields.verdict(*node));
            row.count(node.kind.word(), here, rules, verdicts);
            if node.kind != Kind::Null {
                row.show(fates.iter().map(|fates| fates[this]));
            }
        }
    }

    /// Asks what every output makes of each node.
    fn foresee(&self, document: &Document, sealer: &mut ValueSealer, fates: &mut Vec<Vec<Fate>>) {
        let &Self { policy, source, rules, workspace, read: Scratch { fields, .. }, .. } = self;
        fates.clear();
        // it was protected, so there is one
        let Ok(mut sealer) = sealer.of(workspace) else { return };
        let (mut tally, mut all) = (Tally::default(), vec![Fate::Clear; document.nodes().len()]);
        let mut editor = ProtectedEditor {
            rules,
            fields,
            enforced: policy.stage(workspace) == Stage::Enforced,
            sealed_input: source.sealed_input,
            sealer: &mut sealer,
            loose: LooseTokens::new(),
            tally: &mut tally,
            handled: 0,
        };
        foresee(document, &mut editor, None, &mut |node, choice| {
            all[node] = match choice {
                Choice::Copy | Choice::Enter(_) => Fate::Clear,
                Choice::Remove => Fate::Gone,
                Choice::Replace(Some(verdict)) if verdict.protect == Protect::Encrypt => Fate::Token,
                Choice::Replace(Some(verdict)) if verdict.mask == Mask::Empty => Fate::Masked(Mask::Empty),
                Choice::Replace(_) => Fate::Masked(Mask::Full),
            };
        });
        fates.push(all);
        for (index, view, _) in views_of(policy, source) {
            let mut all = vec![Fate::Clear; document.nodes().len()];
            let (sealer, actions) = (&mut sealer, &mut tally.views);
            let mut editor = ViewEditor { view, index, rules, fields, test: false, sealer, actions };
            foresee(document, &mut editor, Sight::Unlisted, &mut |node, choice| {
                all[node] = match choice {
                    Choice::Copy | Choice::Enter(_) => Fate::Clear,
                    Choice::Remove => Fate::Gone,
                    Choice::Replace(Sight::Hidden(mask)) => Fate::Masked(mask),
                    Choice::Replace(_) => Fate::Masked(Mask::Full),
                };
            });
            fates.push(all);
        }
    }

    /// Counts record key and headers.
    fn around(
        &self,
        record: &Record,
        outputs: &Outputs,
        told: Told,
        detector: &mut Detector,
        surveyor: &mut Surveyor,
        inventory: &mut Inventory,
    ) {
        let &Self { policy, source, rules, workspace, event, .. } = self;
        let matchers = &*policy.settings().matchers;
        let all = || std::iter::once(&outputs.protected).chain(outputs.views.iter().map(|(_, record)| record));
        if let Some(key) = record.key.as_deref().filter(|key| !key.is_empty()) {
            let place = Place { part: Part::Key, path: Part::Key.word().to_owned() };
            if let Some(row) = inventory.row(workspace, event, &place, false) {
                let found = detector.record_key(matchers, key);
                let found = found.map(|found| Found::new(matchers, found.matcher, found.by.word()));
                row.count(BYTES, found, rules, rules.key().into_iter());
                row.show(all().map(|output| fate(key, output.key.as_deref())));
            }
        }
        for header in record.headers.iter().filter(|header| !is_own(header)) {
            let Some(value) = header.value.as_deref() else { continue };
            let path = surveyor.steps.step(matchers, source.case, header.name.as_bytes()).to_owned();
            let found = detector.header(matchers, &header.name, Some(value));
            let found = found.map(|found| of_node(matchers, &found, Kind::String));
            let place = Place { part: Part::Header, path };
            let Some(row) = inventory.row(workspace, event, &place, is_named(found.as_ref())) else { continue };
            row.count(BYTES, found, rules, rules.header(&header.name, told, &Asked::Nobody).into_iter());
            row.show(all().map(|output| {
                let shown = output.headers.iter().find(|other| other.name == header.name);
                fate(value, shown.and_then(|shown| shown.value.as_deref()))
            }));
        }
    }
}

/// The type of what is no JSON.
const BYTES: &str = "bytes";

/// What was found at a node of this kind: an object or array was for a name in it.
fn of_node(matchers: &Matchers, detected: &Detected, kind: Kind) -> Found {
    let by = match (detected.found.by, kind) {
        (By::Value, _) if detected.goes => "key",
        (By::Value, Kind::Object | Kind::Array) => "key",
        (by, _) => by.word(),
    };
    Found::new(matchers, detected.found.matcher, by)
}

/// Whether something was found by its name, or that of what stands around it.
fn is_named(found: Option<&Found>) -> bool {
    found.is_some_and(|found| [By::Name, By::Lookalike].map(By::word).contains(&found.by))
}

/// What an id is found to be: it may be all but somebody's address or phone.
fn looks(matchers: &Matchers, id: &[u8]) -> Option<Found> {
    matchers.identifier(id).map(|matcher| Found::new(matchers, matcher, By::Value.word()))
}

/// What an output shows of a record key or a header.
fn fate(before: &[u8], after: Option<&[u8]>) -> Fate {
    match after {
        None => Fate::Gone,
        Some(after) if after == before => Fate::Clear,
        Some(after) if after.starts_with(TOKEN_PREFIX.as_bytes()) => Fate::Token,
        Some(after) if after == STARS.as_bytes() => Fate::Masked(Mask::Full),
        Some([]) => Fate::Masked(Mask::Empty),
        Some(_) => Fate::Masked(Mask::Word),
    }
}

impl Found {
    fn new(matchers: &Matchers, matcher: MatcherIndex, by: &'static str) -> Self {
        Self { yellow: !matchers.is_red(matcher), matcher: matchers.get(matcher).name.clone(), by }
    }
}

impl Row {
    /// One more value of this type, what was found in it, and what holds for it. Of several marks the outermost is named, and the highest
    /// level counts.
    fn count(
        &mut self,
        kind: &'static str,
        found: Option<Found>,
        rules: &Rules,
        verdicts: impl Iterator<Item = Verdict>,
    ) {
        self.seen += 1;
        *self.types.entry(kind).or_default() += 1;
        let mut covered = false;
        for verdict in verdicts.filter(|verdict| rules.is_mark(verdict)) {
            let covering = || Covering { name: rules.mark_name(&verdict).to_owned(), level: verdict.level, values: 0 };
            let mark = self.mark.get_or_insert_with(covering);
            mark.level = mark.level.max(verdict.level);
            mark.values += u64::from(!covered);
            covered = true;
        }
        if let Some(found) = found {
            if !covered {
                self.open = self.open.max(Some(!found.yellow));
            }
            *self.found.entry(found).or_default() += 1;
        }
    }

    fn show(&mut self, mut fates: impl Iterator<Item = Fate>) {
        if let Some(fate) = fates.next() {
            *self.protected.entry(fate).or_default() += 1;
        }
        for (index, fate) in fates.enumerate() {
            if self.views.len() <= index {
                self.views.push(BTreeMap::new());
            }
            *self.views[index].entry(fate).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests;
