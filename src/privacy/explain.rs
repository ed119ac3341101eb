//! Which rule fired where in the record that was protected last, for people who try a policy.
//!
//! Always holds: of the document only paths are told, and those to whoever has the document. Deliberately not here: what the outputs are
//! ([`Protector::protect`]).

use super::fold;
use super::layout::Located;
use super::mark::Protect;
use super::mask::Mask;
use super::matcher::{By, Found, Matchers};
use super::protect::{Protector, document_workspace};
use super::scan::Document;
use super::settings::Detection;

/// A rule that fired.
#[derive(Clone, PartialEq, Eq)]
pub struct Fired {
    /// Where, from the root; elements as `[]`.
    pub path: String,
    /// Which: `mark email`, `matcher phone by value`, `id`.
    pub rule: String,
    /// A view shows the value where its clearance is at least this.
    pub level: u16,
    /// What protected topics do, in the stage `enforced`.
    pub protect: Protect,
    /// What views without clearance show.
    pub mask: Mask,
    /// The domain, where the value is sealed.
    pub domain: Option<String>,
}

impl Protector {
    /// What fired in `value`, the document that [`Protector::protect`] took last and without error, of the source with index `source`.
    pub fn fired(&self, source: usize, value: &str) -> Vec<Fired> {
        let settings = self.policy.settings();
        let configured = &settings.sources[source];
        let document = self.read.document(value);
        let (located, fields) = (&self.read.located, &self.read.fields);
        let Ok(workspace) = document_workspace(&self.policy, configured, &document, located) else { return Vec::new() };
        let rules = self.policy.rules(configured, &workspace);
        let fired = fields.all().iter().map(|field| {
            let detected = fields.detected().binary_search_by_key(&field.node, |detected| detected.node);
            let detected =
                detected.ok().map(|index| fields.detected()[index]).filter(|_| configured.detection != Detection::Off);
            let rule = match detected {
                Some(detected) => matcher(&settings.matchers, detected.found),
                None => identifier(located, field.node)
                    .map_or_else(|| format!("mark {}", rules.mark_name(&field.verdict)), str::to_owned),
            };
            let verdict = &field.verdict;
            Fired {
                path: path(&document, field.node),
                rule,
                level: verdict.level,
                protect: verdict.protect,
                mask: verdict.mask,
                domain: (verdict.protect == Protect::Encrypt).then(|| rules.domain(verdict).name.clone()),
            }
        });
        fired.collect()
    }
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

/// A key as a step of a path, in quotes where it needs them; what a terminal would take for a command is escaped.
fn step(key: &str) -> String {
    let bare = !key.is_empty() && !key.contains(['.', '\'', '*', '[', ']']);
    let shown = key.replace('\'', "''");
    let shown: String =
        shown.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect();
    if bare { shown } else { format!("'{shown}'") }
}
