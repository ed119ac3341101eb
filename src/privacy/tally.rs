//! What was done to one record, as plain numbers: staged with a batch and counted when it is committed.

use std::ops::AddAssign;

use super::sighting::Sightings;

/// Numbers of things done. Never holds a value, nor of paths and names more than [`Sightings`] may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// What happened to fields in the protected topic.
    pub fields: Actions,
    /// What happened to fields in all views together.
    pub views: Actions,
    /// Members of the root that were named as sivcar's own, and removed.
    pub own_removed: u64,
    /// Values that were treated as the marked parameter that they hold a copy of.
    pub derived_copies: u64,
    /// Tokens that passed from a source of sealed input.
    pub tokens_passed: u64,
    /// Strings from such a source that began like a token but were not one.
    pub tokens_not_canonical: u64,
    /// Tokens from such a source that did not open under the domain of their mark.
    pub tokens_unopened: u64,
    /// Values sealed, by key id.
    pub seals: Vec<(u32, u64)>,
    /// What detection found, and where.
    pub sightings: Sightings,
}

/// Numbers of fields by what was done with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actions {
    /// Sealed.
    pub sealed: u64,
    /// Masked.
    pub masked: u64,
    /// Removed.
    pub dropped: u64,
    /// Kept, as the mark or the clearance says.
    pub kept: u64,
}

impl Tally {
    /// Counts one value sealed under the key `id`.
    pub fn seal(&mut self, id: u32) {
        self.seals_under(id, 1);
    }

    fn seals_under(&mut self, id: u32, count: u64) {
        match self.seals.iter_mut().find(|(other, _)| *other == id) {
            Some((_, seals)) => *seals += count,
            None => self.seals.push((id, count)),
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        let Self { mut seals, mut sightings, .. } = std::mem::take(self);
        seals.clear();
        sightings.clear();
        *self = Self { seals, sightings, ..Self::default() };
    }
}

impl AddAssign<&Tally> for Tally {
    fn add_assign(&mut self, other: &Tally) {
        let Tally {
            fields,
            views,
            own_removed,
            derived_copies,
            tokens_passed,
            tokens_not_canonical,
            tokens_unopened,
            seals,
            sightings,
        } = other;
        self.fields += *fields;
        self.views += *views;
        self.own_removed += own_removed;
        self.derived_copies += derived_copies;
        self.tokens_passed += tokens_passed;
        self.tokens_not_canonical += tokens_not_canonical;
        self.tokens_unopened += tokens_unopened;
        for (id, count) in seals {
            self.seals_under(*id, *count);
        }
        self.sightings += sightings;
    }
}

impl AddAssign for Actions {
    fn add_assign(&mut self, other: Actions) {
        self.sealed += other.sealed;
        self.masked += other.masked;
        self.dropped += other.dropped;
        self.kept += other.kept;
    }
}
