//! What decided over the record that was protected last, and which rule fired where, for people who try a policy.
//!
//! Always holds: of the record only paths and headers' names are told, and those to whoever has the record. Deliberately not here: what the outputs are
//! ([`Protector::protect`]).

use std::sync::Arc;

use super::around::{Around, Held};
use super::detect::Detector;
use super::error::Reason;
use super::fields::{Field, Fields};
use super::fold;
use super::layout::{self, Located};
use super::mark::{On, Protect};
use super::mask::Mask;
use super::matcher::{By, Found, Matchers};
use super::protect::{Protector, Scratch, document_workspace};
use super::rules::{Rules, Told, Verdict};
use super::scan::{Document, Kind};
use super::settings::{Detection, Settings, Stage};
use crate::record::Record;

/// A rule that fired.
#[derive(Clone, PartialEq, Eq)]
pub struct Fired {
    /// Whether in the document (`field`), a `header` or the record `key`.
    pub on: On,
    /// Where: in the document from the root, elements as `[]`; a header's name; of the record key nothing.
    pub path: String,
    /// Which: `mark email`, `matcher phone by value`, `id`, `copy of mark email`.
    pub rule: String,
    /// A view shows the value where its clearance is at least this.
    pub level: u16,
    /// What protected topics do, in the stage `enforced`.
    pub protect: Protect,
    /// What views without clearance show.
    pub mask: Mask,
    /// The domain, where the value is sealed in one.
    pub domain: Option<String>,
    /// Whether the value is true or false and gets a token: two tokens are all there are, and each is soon guessed.
    pub guessable: bool,
}

/// What decided over a record.
#[derive(Clone, PartialEq, Eq)]
pub struct Explained {
    /// Its workspace.
    pub workspace: String,
    /// What is enforced in that workspace's protected topics.
    pub stage: Stage,
    /// Whether it is a test profile's, which views show in clear.
    pub test: bool,
    /// What fired: in the document, in its order, then on the record key and on headers.
    pub fired: Vec<Fired>,
}

impl Protector {
    /// What decided over `record`, the one that [`Protector::protect`] took last and without error, of the source with index `source`; `None`
    /// where it has no document.
    pub fn explain(&mut self, source: usize, record: &Record) -> Option<Explained> {
        let policy = Arc::clone(&self.policy);
        let settings = policy.settings();
        let source = &settings.sources[source];
        let Self { read: Scratch { located, fields, within, tape, around: detected }, detector, answers, .. } = self;
        let text = std::str::from_utf8(record.value.as_deref()?).ok()?;
        let document = within.document_of(text, tape);
        let workspace = &*document_workspace(&policy, source, &document, located).ok()?;
        let rules = policy.rules(source, workspace);
        let looks = source.detection != Detection::Off;
        let mut fired: Vec<Fired> = fields
            .all()
            .iter()
            .map(|field| of_field(settings, rules, &document, located, fields, field, looks))
            .collect();
        let name = located.event.map(|node| layout::word_text(&document, node));
        let told = Told::Event(name.as_deref().and_then(|name| rules.event(name)));
        let event = settings.hooks.event(source.case, name.as_deref());
        let asked = &settings.hooks.asked(answers, workspace, &source.topic, &event);
        let around = Around {
            policy: &policy,
            source,
            workspace,
            rules,
            told,
            asked,
            sealed_input: source.sealed_input,
            record,
            detected,
        };
        fired.extend(around.held().map(|held| of_held(&settings.matchers, rules, detector, &held)));
        let test = policy.is_test(workspace, &document, located);
        Some(Explained { stage: policy.stage(workspace), workspace: workspace.to_owned(), test, fired })
    }

    /// Where the document that was just rejected for `reason` is not as the layout of the source with index `source` says: a path of the layout.
    pub fn misfit(&self, source: usize, reason: Reason) -> Option<String> {
        let layout = &self.policy.settings().sources[source].layout;
        match reason {
            Reason::LayoutAmbiguous | Reason::LayoutMismatch => self.policy.layout(source).misfit(&self.read.located),
            Reason::IdMissing => layout.id.as_ref().map(ToString::to_string),
            Reason::WorkspaceInvalid | Reason::WorkspaceUnknown => layout.workspace.as_ref().map(ToString::to_string),
            _ => None,
        }
    }
}

/// What fired for a value of the document.
fn of_field(
    settings: &Settings,
    rules: &Rules,
    document: &Document,
    located: &Located,
    fields: &Fields,
    field: &Field,
    looks: bool,
) -> Fired {
    let Field { node, verdict } = field;
    let detected = fields.detected().binary_search_by_key(node, |detected| detected.node).ok().filter(|_| looks);
    let mark = |index: u32| format!("mark {}", rules.told(index).0);
    let own = match (detected, identifier(located, *node)) {
        (Some(index), _) => Some(matcher(&settings.matchers, fields.detected()[index].found)),
        (None, Some(identifier)) => Some(identifier.to_owned()),
        (None, None) => None,
    };
    let copied = fields.copy_of(*node);
    // without a rule of its own it has that of what it is a copy of
    let own = own.or_else(|| (copied != Some(verdict.mark)).then(|| mark(verdict.mark)));
    let copied = copied.map(|of| format!("copy of {}", mark(of)));
    Fired {
        on: On::Field,
        path: path(document, *node),
        rule: own.into_iter().chain(copied).collect::<Vec<_>>().join(", "),
        level: verdict.level,
        protect: verdict.protect,
        mask: verdict.mask,
        domain: (verdict.protect == Protect::Encrypt).then(|| rules.domain(verdict).name.clone()),
        guessable: matches!(document.node(*node).kind, Kind::True | Kind::False)
            && (verdict.protect == Protect::Encrypt || verdict.mask == Mask::Token),
    }
}

/// What fired for the record key or a header.
fn of_held(matchers: &Matchers, rules: &Rules, detector: &mut Detector, held: &Held) -> Fired {
    let &Held { on, name, value, verdict } = held;
    let Verdict { level, protect, mask, .. } = verdict;
    let found = match on {
        _ if rules.is_mark(&verdict) => None,
        On::Header => detector.header(matchers, name, Some(value)).map(|detected| detected.found),
        _ => detector.record_key(matchers, value),
    };
    let rule = found.map_or_else(|| format!("mark {}", rules.mark_name(&verdict)), |found| matcher(matchers, found));
    Fired { on, path: name.to_owned(), rule, level, protect, mask, domain: None, guessable: false }
}

fn matcher(matchers: &Matchers, found: Found) -> String {
    let by = match found.by {
        By::Name => "by name",
        By::Lookalike => "by a name of letters that look alike",
        By::Value => "by value",
        By::Part => "by a part of the value",
        By::Length => "by length",
    };
    format!("matcher {} {by}", matchers.get(found.matcher).name)
}

fn identifier(located: &Located, node: usize) -> Option<&'static str> {
    match node {
        _ if located.id == Some(node) => Some("id"),
        _ if located.uuid == Some(node) => Some("uuid"),
        _ => None,
    }
}

/// The path of a node, as a mark would name it.
fn path(document: &Document, node: usize) -> String {
    let (mut at, mut path) = (0, String::new());
    while at != node {
        let inner = document.children(at).find(|child| *child <= node && node < document.node(*child).next as usize);
        let Some(inner) = inner else { break };
        at = inner;
        match document.key(at) {
            Some(key) => {
                let dot = if path.is_empty() { "" } else { "." };
                path = format!("{path}{dot}{}", step(&fold::lossy(&key)));
            }
            None => path.push_str("[]"),
        }
    }
    path
}

/// A key as a step of a path, in quotes where it needs them.
fn step(key: &str) -> String {
    // a `$` that stands first would be the root
    let bare = !key.is_empty() && key != "$" && !key.contains(['.', '\'', '*', '[', ']']);
    let shown = key.replace('\'', "''");
    if bare { shown } else { format!("'{shown}'") }
}
