//! Values that cannot be printed.
//!
//! A [`Secret`] is zeroised on drop, has no `Display`, and its `Debug` shows three stars, so that a struct which holds one can
//! derive `Debug` without thought. Deliberately not here: `PartialEq` (compare in constant time where it matters).

use std::fmt;

use zeroize::Zeroize;

/// A value that is wiped when dropped and never shown.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes `value` into keeping.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself; the caller must not let it out of the scope it is needed in.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
