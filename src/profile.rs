//! A profile's current document: what its records come to, one after the other.
//!
//! A record of a profile source is a patch of the profile or the whole of it, as the source says; [`Profile::fold`] makes the next
//! document of the one that is held and the one that came. [`State`] is how it is kept. Always holds: a document is one JSON object
//! within the limits it was folded under; members that a patch does not name keep their bytes (number text, escapes, white space,
//! order); a profile never changes its workspace or id. Deliberately not here: where states are kept, how they are sealed, and what
//! is told of them to others.

mod merge;
mod state;

use std::fmt;

pub use state::State;

use crate::privacy::error::Reason;
use crate::privacy::fields::OWN_MEMBER;
use crate::privacy::protect::Identity;
use crate::privacy::scan::{self, Document, Limits, Tape};
use crate::privacy::settings::Fold;
use crate::privacy::splice::{Choice, Editor, splice};

/// A profile as its records left it. Named by its record key, which stands outside.
#[derive(Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its workspace.
    pub workspace: String,
    /// Its id, as canonical JSON text.
    pub id: String,
    /// Its document: a JSON object.
    pub document: Vec<u8>,
}

impl Profile {
    /// The profile after the record `incoming`, of the profile that `identity` tells; `held` is what there was under the same record
    /// key.
    ///
    /// [`Fold::Replace`] takes the incoming document. [`Fold::Merge`] is RFC 7396 over the text: an object is merged into an object,
    /// null removes, anything else replaces; new members come last, in the patch's order. Names are equal where they are equal once
    /// unescaped. Of members with one name the last counts and the others go, in every object that is merged or newly taken. In both,
    /// sivcar's own member of the root is not kept.
    ///
    /// # Errors
    /// [`Reason::ProfileKeyMismatch`] where another profile is held; those of [`scan::scan`] where the incoming document or the
    /// result is none within `limits`.
    pub fn fold(
        held: Option<&Profile>,
        fold: Fold,
        identity: &Identity,
        incoming: &[u8],
        limits: &Limits,
    ) -> Result<Profile, Reason> {
        if held.is_some_and(|held| held.workspace != identity.workspace || held.id != identity.id) {
            return Err(Reason::ProfileKeyMismatch);
        }
        let (mut tape, mut held_tape) = (Tape::default(), Tape::default());
        let patch = Document::new(scan::scan(incoming, limits, &mut tape)?, &tape);
        let mut document = Vec::with_capacity(incoming.len() + held.map_or(0, |held| held.document.len()));
        match (fold, held) {
            (Fold::Replace, _) => splice(&patch, &mut WithoutOwn, (), &mut document)?,
            (Fold::Merge, None) => merge::merge(None, &patch, &mut document),
            (Fold::Merge, Some(held)) => {
                // it was within the limits of its time
                let text = scan::scan(&held.document, &Limits::NONE, &mut held_tape)?;
                merge::merge(Some(&Document::new(text, &held_tape)), &patch, &mut document);
            }
        }
        scan::scan(&document, limits, &mut held_tape)?;
        Ok(Profile { workspace: identity.workspace.clone(), id: identity.id.clone(), document })
    }
}

/// Removes sivcar's own member by its plain name; other spellings, which only a source that folds names takes for it, never pass
/// [`protect`](crate::privacy::protect).
struct WithoutOwn;

impl Editor for WithoutOwn {
    type Context = ();

    fn choose(&mut self, document: &Document, node: usize, (): ()) -> Choice<()> {
        if is_own(document, node) { Choice::Remove } else { Choice::Copy }
    }

    fn write(&mut self, _: &Document, _: usize, (): (), _: &mut Vec<u8>) -> Result<(), Reason> {
        Ok(())
    }

    fn tail(&mut self, _comma: bool, _out: &mut Vec<u8>) {}
}

fn is_own(document: &Document, member: usize) -> bool {
    document.key(member).is_some_and(|key| *key == *OWN_MEMBER.as_bytes())
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("workspace", &self.workspace)
            .field("document_bytes", &self.document.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
