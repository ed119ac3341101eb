//! What names of keys say, kept: a document's keys are few, and the same from record to record.
//!
//! A table of fixed size, in which a new name takes the place of another: hostile names cost time, never room, and the answer is the
//! same whatever the table holds. Always holds: of at most [`NAMES`] names of at most [`KEPT_BYTES_MAX`] bytes; they are parts of records,
//! so nothing shows them.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

use crate::privacy::fold;
use crate::privacy::matcher::{Matchers, Name};

/// Names that are kept; a power of two.
const NAMES: usize = 2048;

/// The longest name that is kept, in bytes.
const KEPT_BYTES_MAX: usize = 64;

/// What names say.
#[derive(Default)]
pub(super) struct Names(Vec<Option<Known>>);

struct Known {
    name: Box<[u8]>,
    says: Name,
}

impl Names {
    /// What the key `name`, unescaped, says.
    pub(super) fn says(&mut self, matchers: &Matchers, name: &[u8]) -> Name {
        if name.len() > KEPT_BYTES_MAX {
            return matchers.name(&fold::lossy(name));
        }
        if self.0.is_empty() {
            self.0.resize_with(NAMES, || None);
        }
        // whoever makes names collide only makes them be looked at again
        let mut hasher = FixedState::with_seed(0).build_hasher();
        hasher.write(name);
        let place = hasher.finish() as usize & (NAMES - 1);
        match &self.0[place] {
            Some(known) if *known.name == *name => known.says,
            _ => {
                let says = matchers.name(&fold::lossy(name));
                self.0[place] = Some(Known { name: name.into(), says });
                says
            }
        }
    }
}
