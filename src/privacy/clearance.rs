//! What a view gets of a document: what its clearance allows, the rest masked.
//!
//! A field is clear where the view's clearance is at least its level; else it shows as its mark's mask. What no rule touches is
//! masked too, unless the view shows it, and so is all of a value of which a rule touches a part. Views mask in every stage. Always holds: more clearance never shows less; null stays null,
//! so null and not-null can be told apart; masked text is canonical JSON.

use std::collections::{BTreeMap, BTreeSet};

use super::canonical;
use super::error::Reason;
use super::fields::{Field, Fields};
use super::fold;
use super::mask::{self, Mask};
use super::protected::{empty_of, stars};
use super::rules::{Reach, Rules};
use super::scan::{Document, Kind};
use super::settings::{Unlisted, View};
use super::splice::{Choice, Editor};
use super::tally::Actions;
use super::value::WorkspaceSealer;

/// Edits a document for one view.
pub struct ViewEditor<'a, 's> {
    /// The view.
    pub view: &'a View,
    /// Its index in the settings.
    pub index: usize,
    /// The rules of the record's workspace.
    pub rules: &'a Rules,
    /// What a rule touches in the document.
    pub fields: &'a Fields,
    /// Whether it is a test profile's: all of it is shown.
    pub test: bool,
    /// Seals for the record's workspace.
    pub sealer: &'a mut WorkspaceSealer<'s>,
    /// What was done.
    pub actions: &'a mut Actions,
}

/// How the values around let a value be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// No rule above touches it.
    Unlisted,
    /// A rule above that is cleared, or the view's list, shows it.
    Clear,
    /// A hidden mark above keeps the shape and masks the leaves.
    Hidden(Mask),
}

impl Editor for ViewEditor<'_, '_> {
    type Context = Sight;

    fn choose(&mut self, document: &Document, node: usize, above: Sight) -> Choice<Sight> {
        if self.fields.is_own(node) {
            return Choice::Remove;
        }
        if self.test {
            return Choice::Copy;
        }
        let (verdict, below) = self.fields.at(document, node);
        let hides = verdict.map(|verdict| (verdict, self.view.clearance < verdict.level));
        let listed = verdict.is_some_and(|verdict| verdict.reach > Reach::Part);
        let masks = above == Sight::Unlisted && !listed && self.masks(node);
        match (hides, above) {
            (Some((verdict, true)), above) => {
                let outer = match above {
                    Sight::Hidden(outer) => outer,
                    Sight::Unlisted if masks => Mask::Full,
                    Sight::Unlisted | Sight::Clear => verdict.mask,
                };
                self.hide(document, node, verdict.mask.min(outer), verdict.shape)
            }
            (_, Sight::Hidden(mask)) => self.hide(document, node, mask, true),
            _ if masks => self.mask_unlisted(document, node),
            _ => {
                self.actions.kept += u64::from(verdict.is_some());
                show(below)
            }
        }
    }

    fn write(&mut self, document: &Document, node: usize, sight: Sight, out: &mut Vec<u8>) -> Result<(), Reason> {
        let mask = match sight {
            Sight::Hidden(mask) => mask,
            Sight::Unlisted | Sight::Clear => Mask::Full,
        };
        let kind = document.node(node).kind;
        match (mask, kind) {
            (Mask::Empty, kind) => out.extend_from_slice(empty_of(kind)),
            (Mask::Token, _) => {
                let start = out.len();
                out.push(b'"');
                match self.sealer.for_view(document, node, &self.view.name, out) {
                    Ok(()) => out.push(b'"'),
                    // a number without a canonical form that no mark covers, or the record were rejected: a view decides over none
                    Err(_) => {
                        out.truncate(start);
                        out.extend_from_slice(stars());
                    }
                }
            }
            (Mask::Word | Mask::Last4 | Mask::Email, Kind::String) => {
                let mut masked = String::new();
                mask::text(mask, &fold::lossy(&document.string(node)), &mut masked);
                canonical::quote(masked.as_bytes(), out);
            }
            _ => out.extend_from_slice(stars()),
        }
        Ok(())
    }

    fn tail(&mut self, comma: bool, out: &mut Vec<u8>) {
        if self.view.trace {
            self.trace(comma, out);
        }
    }
}

impl ViewEditor<'_, '_> {
    /// Which rules touched the document, in the policy's own words: paths as the marks write them, never a key of the document.
    fn trace(&self, comma: bool, out: &mut Vec<u8>) {
        let mut paths: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (path, rule) in self.fields.fired().iter().map(|mark| self.rules.told(*mark)) {
            paths.entry(path).or_default().insert(rule);
        }
        if paths.is_empty() {
            return;
        }
        out.extend_from_slice(if comma { br#","_pii":{"fields":{"# } else { br#""_pii":{"fields":{"# });
        for (index, (path, rules)) in paths.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            canonical::quote(path.as_bytes(), out);
            out.extend_from_slice(b":[");
            for (index, rule) in rules.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                canonical::quote(rule.as_bytes(), out);
            }
            out.push(b']');
        }
        out.extend_from_slice(b"}}");
    }

    /// Whether the view masks what no rule speaks of here.
    fn masks(&self, node: usize) -> bool {
        self.view.unlisted == Unlisted::Mask && !self.fields.is_shown(node, self.index)
    }

    fn mask_unlisted(&mut self, document: &Document, node: usize) -> Choice<Sight> {
        match document.shape(node) {
            Kind::Null => Choice::Copy,
            Kind::Object | Kind::Array => Choice::Enter(Sight::Unlisted),
            _ => {
                self.actions.masked += 1;
                Choice::Replace(Sight::Unlisted)
            }
        }
    }

    fn hide(&mut self, document: &Document, node: usize, mask: Mask, shape: bool) -> Choice<Sight> {
        let kind = document.shape(node);
        match (mask, kind) {
            (Mask::Drop, _) => {
                self.actions.dropped += 1;
                Choice::Remove
            }
            (_, Kind::Null) => Choice::Copy,
            (_, Kind::Object | Kind::Array) if shape => Choice::Enter(Sight::Hidden(mask)),
            _ => {
                self.actions.masked += 1;
                Choice::Replace(Sight::Hidden(self.with_inner(document, node, mask)))
            }
        }
    }

    /// How a whole shows in which something is hidden by itself: in what a text mask leaves of it the inside would be seen, by whatever mask it is
    /// hidden, and in a view token its equality, even where an inner mark is stricter than that.
    fn with_inner(&self, document: &Document, node: usize, mask: Mask) -> Mask {
        let least = match mask {
            Mask::Drop | Mask::Full | Mask::Empty => return mask,
            Mask::Token => Mask::Empty,
            Mask::Last4 | Mask::Email | Mask::Word => Mask::Word,
        };
        let hidden = |field: &Field| self.view.clearance < field.verdict.level && field.verdict.mask <= least;
        if self.fields.below(document, node).iter().any(hidden) { Mask::Full } else { mask }
    }
}

/// What becomes of something clear with so many fields below it: inner marks still hold.
fn show(below: usize) -> Choice<Sight> {
    if below == 0 { Choice::Copy } else { Choice::Enter(Sight::Clear) }
}
