//! What holds for one value, and how what several rules say of it is weighed.
//!
//! Always holds: of two verdicts the stricter counts in each respect. Deliberately not here: which rules speak of a value.

use crate::privacy::mark::Protect;
use crate::privacy::mask::Mask;

/// Of how much of a value a rule speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Something in it, which was found, or copied. Who may see that may not see the rest for it.
    Part,
    /// All of it.
    Whole,
    /// All of it, and a mark on the value itself seals, masks or drops it, whatever lies inside.
    Marked,
}

/// What holds for one value, all marks weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// A view shows the value where its clearance is at least this.
    pub level: u16,
    /// What protected topics do.
    pub protect: Protect,
    /// What views without clearance show.
    pub mask: Mask,
    /// Whether such views keep keys and lengths below.
    pub shape: bool,
    /// Of how much of the value it speaks.
    pub reach: Reach,
    /// Index for [`super::Rules::domain`].
    pub(super) domain: u32,
    /// Index of the mark that decided the domain.
    pub(in crate::privacy) mark: u32,
}

impl Verdict {
    /// Both weighed, the more specific deciding the domain.
    pub(in crate::privacy) fn beside(&self, other: &Verdict) -> Verdict {
        if other.mark < self.mark { other.with(self) } else { self.with(other) }
    }

    /// The same of so much of the value.
    pub(in crate::privacy) fn reaching(self, reach: Reach) -> Verdict {
        Verdict { reach, ..self }
    }

    /// The stricter of both in each respect, in the domain of this one.
    pub fn with(&self, other: &Verdict) -> Verdict {
        Verdict {
            level: self.level.max(other.level),
            protect: self.protect.min(other.protect),
            mask: self.mask.min(other.mask),
            shape: self.shape && other.shape,
            reach: self.reach.max(other.reach),
            ..*self
        }
    }
}
