//! What was found about one value: by which matcher, and how strictly it is to be taken.
//!
//! Always holds: level and mask are the strictest of all that found it, whichever of them names it. Deliberately not here: how findings
//! are weighed against each other ([`super::Matchers::join`]).

use super::{MatcherIndex, Risk};
use crate::privacy::mask::Mask;

/// What was found about one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// By which matcher; of several the one that goes before the others.
    pub matcher: MatcherIndex,
    /// The one among them whose level is the highest.
    pub highest: MatcherIndex,
    /// What the first went by.
    pub by: By,
    /// What views without clearance show: the strictest of their masks, those of red ones being full at least.
    pub mask: Mask,
    /// Whether a red one is among them.
    pub risk: Risk,
}

impl Found {
    /// The same of a text of which it is only a part. Nobody knows what the rest is, unless something else finds all of it: then what masks any
    /// text word by word masks the part too, and nothing else does.
    pub fn part(self) -> Self {
        let mask = if self.mask == Mask::Word { self.mask } else { self.mask.min(Mask::Full) };
        Self { by: By::Part, mask, ..self }
    }

    /// The mask of a value that was found so.
    pub fn shows(&self) -> Mask {
        match self.by {
            By::Part | By::Length => self.mask.min(Mask::Full),
            By::Name | By::Lookalike | By::Value => self.mask,
        }
    }
}

/// What a matcher went by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The name of the key, or of one around it.
    Name,
    /// The name of the key, read with letters that only look like those of its own alphabet.
    Lookalike,
    /// All of the value.
    Value,
    /// A part of the value.
    Part,
    /// The value's length: nobody looked at it.
    Length,
}

impl By {
    /// It as a word.
    pub fn word(self) -> &'static str {
        match self {
            By::Name => "name",
            By::Lookalike => "lookalike",
            By::Value => "value",
            By::Part => "part",
            By::Length => "length",
        }
    }
}
