//! What the name of a key says of the values under it.
//!
//! Always holds: it depends on the name alone; what it means where the key stands is asked with the [`Scope`]. Deliberately not here: how
//! a name is read.

use super::{By, Found, MatcherIndex, Matchers, Scope};

/// The longest name that is split into words, in bytes. What stands under a longer one counts as detected, as what is too long to look at does:
/// words are weighed against each other, which a name of any length could make last.
pub(in crate::privacy) const NAME_BYTES_MAX: usize = 256;

/// What the name of a key says, whatever its value is. Depends on the name alone, so that it can be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// A default matcher, if it counts where the key stands.
    pub(in crate::privacy) matched: Option<Matched>,
    /// What counts wherever it stands, and whatever its value is: matchers of one's own.
    pub(in crate::privacy) own: Option<Found>,
    /// What the values below belong to.
    pub scope: Option<Scope>,
    /// Whether it may go on with what the key around it says.
    pub joins: bool,
    /// Whether it says something about what stands beside it, and is no part of that.
    pub aside: bool,
    /// Whether numbers with dots between are a version under it.
    pub version: bool,
    /// To which matchers the name itself looks like a value.
    pub looks: Option<Found>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::privacy) struct Matched {
    pub(super) matcher: MatcherIndex,
    pub(super) by: By,
    pub(super) bare: bool,
    pub(super) in_address: bool,
    /// What a dotted name itself says of what stands around its last part.
    pub(super) within: Option<Scope>,
    pub(super) truth: bool,
    pub(super) number: bool,
}

/// The kinds of values that names speak of differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// A string.
    Text,
    /// A number.
    Number,
    /// True or false.
    Truth,
}

impl Name {
    /// What counts for a `leaf` where values belong to `scope`.
    pub fn matched(&self, matchers: &Matchers, scope: Scope, leaf: Leaf) -> Option<Found> {
        let Some(matched) = self.matched.filter(|matched| matched.counts(scope, leaf)) else { return self.own };
        matchers.join(self.own, Some(matchers.found(matched.matcher, matched.by)))
    }

    /// The same name where the one around it goes on with it, and `both` say something together.
    pub(in crate::privacy) fn joined(self, matchers: &Matchers, both: &Name) -> Self {
        Self { matched: both.matched.or(self.matched), own: matchers.join(both.own, self.own), ..self }
    }
}

impl Matched {
    /// Whether it counts for a `leaf` where values belong to `scope`.
    fn counts(&self, scope: Scope, leaf: Leaf) -> bool {
        let place = match self.within.unwrap_or(scope) {
            Scope::Thing | Scope::Place if self.bare => false,
            scope => !self.in_address || scope == Scope::Address,
        };
        let kind = match leaf {
            Leaf::Text => true,
            Leaf::Number => self.number,
            Leaf::Truth => self.truth,
        };
        place && kind
    }
}
