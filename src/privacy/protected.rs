//! What a protected topic gets of a document: marked values sealed, masked or removed.
//!
//! Always holds, in the stage `enforced`: no value under a mark that protects is copied; the number of fields that were dealt with
//! is counted against the number found, so that a slip rejects the record ([`Reason::ClearUnderMark`]). A string that looks like a token is
//! sealed like any other value unless the source's writers are as trusted as we.

use std::collections::{BTreeMap, BTreeSet};

use super::canonical;
use super::error::Reason;
use super::fields::Fields;
use super::mark::Protect;
use super::mask::{Mask, STARS};
use super::rules::{Reach, Rules, Verdict};
use super::scan::{Document, Kind};
use super::splice::{Choice, Editor};
use super::tally::Tally;
use super::value::{TokenRefused, WorkspaceSealer};

/// Loose tokens by the name of the mark that decided: what stands under `_pii.loose`.
pub type LooseTokens = BTreeMap<String, BTreeSet<String>>;

/// Edits a document for the protected topic.
pub struct ProtectedEditor<'a, 's> {
    /// The rules of the record's workspace.
    pub rules: &'a Rules,
    /// What a rule touches in it.
    pub fields: &'a Fields,
    /// Whether marks are enforced; else only sivcar's own member goes.
    pub enforced: bool,
    /// Whether tokens may pass.
    pub sealed_input: bool,
    /// Seals for the record's workspace.
    pub sealer: &'a mut WorkspaceSealer<'s>,
    /// The second tokens found on the way.
    pub loose: LooseTokens,
    /// What was done.
    pub tally: &'a mut Tally,
    /// Fields that were dealt with.
    pub handled: usize,
}

impl Editor for ProtectedEditor<'_, '_> {
    /// The verdict of the array that is sealed element by element, if we are in one.
    type Context = Option<Verdict>;

    fn choose(&mut self, document: &Document, node: usize, context: Self::Context) -> Choice<Self::Context> {
        if let Some(verdict) = context {
            return self.sealing(document, node, verdict);
        }
        if self.fields.is_own(node) {
            return Choice::Remove;
        }
        let (verdict, below) = self.fields.at(document, node);
        let Some(verdict) = verdict.filter(|_| self.enforced) else {
            return if below == 0 { Choice::Copy } else { Choice::Enter(None) };
        };
        self.handled += 1;
        if verdict.protect == Protect::None {
            self.tally.fields.kept += 1;
            return if below == 0 { Choice::Copy } else { Choice::Enter(None) };
        }
        self.handled += below;
        let verdict = self.with_inside(document, node, verdict);
        match verdict.protect {
            Protect::Drop => self.remove(),
            Protect::Mask if verdict.mask == Mask::Drop => self.remove(),
            Protect::Mask if document.node(node).kind == Kind::Null => Choice::Copy,
            Protect::Mask => {
                self.tally.fields.masked += 1;
                Choice::Replace(Some(verdict))
            }
            Protect::Encrypt | Protect::None => self.sealing(document, node, verdict),
        }
    }

    fn write(
        &mut self,
        document: &Document,
        node: usize,
        context: Self::Context,
        out: &mut Vec<u8>,
    ) -> Result<(), Reason> {
        match context {
            Some(verdict) if verdict.protect == Protect::Encrypt => self.seal(document, node, &verdict, out),
            // only a masked value is replaced otherwise
            verdict => {
                let kind = document.node(node).kind;
                let empty = verdict.is_some_and(|verdict| verdict.mask == Mask::Empty);
                out.extend_from_slice(if empty { empty_of(kind) } else { stars() });
                Ok(())
            }
        }
    }

    fn tail(&mut self, comma: bool, out: &mut Vec<u8>) {
        if self.loose.is_empty() {
            return;
        }
        if comma {
            out.push(b',');
        }
        out.extend_from_slice(br#""_pii":{"loose":{"#);
        for (index, (name, tokens)) in self.loose.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            canonical::quote(name.as_bytes(), out);
            out.extend_from_slice(b":[");
            for (index, token) in tokens.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                canonical::quote(token.as_bytes(), out);
            }
            out.push(b']');
        }
        out.extend_from_slice(b"}}");
    }
}

impl ProtectedEditor<'_, '_> {
    /// A mark speaks for all inside its value. What was found in a value, or copied to it, takes along what lies inside, and what is not to be got
    /// back is not then either.
    fn with_inside(&self, document: &Document, node: usize, mut verdict: Verdict) -> Verdict {
        if verdict.reach == Reach::Marked {
            return verdict;
        }
        let inside = self.fields.below(document, node).iter().map(|field| field.verdict);
        for Verdict { protect, mask, .. } in inside.filter(|inside| inside.protect < Protect::Encrypt) {
            verdict.protect = verdict.protect.min(protect);
            verdict.mask = verdict.mask.min(mask);
        }
        verdict
    }

    fn remove(&mut self) -> Choice<Option<Verdict>> {
        self.tally.fields.dropped += 1;
        Choice::Remove
    }

    /// Null stays null; an array is sealed element by element unless its domain says `whole`; all else is one token.
    fn sealing(&mut self, document: &Document, node: usize, verdict: Verdict) -> Choice<Option<Verdict>> {
        match document.node(node).kind {
            Kind::Null => Choice::Copy,
            Kind::Array if !self.rules.domain(&verdict).settings.whole => Choice::Enter(Some(verdict)),
            _ => Choice::Replace(Some(verdict)),
        }
    }

    fn seal(&mut self, document: &Document, node: usize, verdict: &Verdict, out: &mut Vec<u8>) -> Result<(), Reason> {
        let domain = self.rules.domain(verdict);
        if self.sealed_input {
            match self.sealer.passes(document, node, domain) {
                Ok(loose) => {
                    self.tally.tokens_passed += 1;
                    out.extend_from_slice(document.raw(document.node(node).value).as_bytes());
                    self.note_loose(verdict, loose);
                    return Ok(());
                }
                Err(Some(TokenRefused::NotCanonical)) => self.tally.tokens_not_canonical += 1,
                Err(Some(TokenRefused::DoesNotOpen)) => self.tally.tokens_unopened += 1,
                Err(None) => {}
            }
        }
        out.push(b'"');
        self.sealer.exact(document, node, domain, out)?;
        out.push(b'"');
        self.tally.seal(self.sealer.primary());
        self.tally.fields.sealed += 1;
        if domain.settings.loose {
            let loose = self.sealer.loose(document, node, domain);
            self.note_loose(verdict, loose);
        }
        Ok(())
    }

    fn note_loose(&mut self, verdict: &Verdict, token: Option<String>) {
        if let Some(token) = token {
            self.loose.entry(self.rules.mark_name(verdict).to_owned()).or_default().insert(token);
        }
    }
}

/// The empty value of a kind, layout the same; null for numbers and booleans.
pub fn empty_of(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::String => br#""""#,
        Kind::Array => b"[]",
        Kind::Object => b"{}",
        Kind::Null | Kind::True | Kind::False | Kind::Number => b"null",
    }
}

/// `"***"`, as JSON.
pub fn stars() -> &'static [u8] {
    const QUOTED: &str = r#""***""#;
    const _: () = assert!(QUOTED.len() == STARS.len() + 2);
    QUOTED.as_bytes()
}
