//! Folded texts: how names are compared, and the form that loose tokens ignore case and spaces by.
//!
//! One round is NFKC, full untailored case folding, NFKC again; rounds repeat until nothing changes. For values, whose loose form
//! other programs compute too, what does not count is removed once, after the last round, as the format says. For names, which are
//! compared here alone, removal stands inside the round, since it brings together what must then compose: `e`, a zero-width space
//! and a combining acute are `é`, as without the space; so no invisible character splits a match.
//!
//! Always holds: folding is total, depends on nothing but its input and [`UNICODE_VERSION`], and pure ASCII never reaches the
//! tables. Deliberately not here: confusable letters; they are not equal, and detection's to report.

use std::borrow::Cow;

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::CodePointSetData;
use icu_properties::props::WhiteSpace;

/// The Unicode version whose tables fold names and loose values. A token outlives the build that made it: when the tables
/// change, a test fails, and the change must be announced to operators.
pub const UNICODE_VERSION: &str = "18.0.0";

/// The loose form of a value: ignoring case, compatibility variants, white space and invisible characters.
pub fn loose(text: &str) -> String {
    let mut folded = String::new();
    loose_into(text, &mut folded);
    folded
}

/// Like [`loose`], in the place of what `folded` held.
pub fn loose_into(text: &str, folded: &mut String) {
    folded.clear();
    if text.is_ascii() {
        folded.push_str(text);
        folded.make_ascii_lowercase();
        folded.retain(|c| !is_ascii_space(c));
        return;
    }
    let white_space = CodePointSetData::new::<WhiteSpace>();
    *folded = stable(text, |_| false);
    folded.retain(|c| !is_invisible(c) && !white_space.contains(c));
}

/// The form in which names are compared: like [`loose`], but White_Space stays.
pub fn name(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { stable(text, is_invisible) }
}

/// A WTF-8 text as UTF-8, each lone surrogate as one U+FFFD; other bytes that are no UTF-8 become U+FFFD as well.
pub fn lossy(wtf8: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(wtf8) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(wtf8.len());
    let mut rest = wtf8;
    while let Some(chunk) = rest.utf8_chunks().next() {
        out.push_str(chunk.valid());
        rest = &rest[chunk.valid().len()..];
        let skipped = match rest {
            [] => continue,
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => 3,
            _ => chunk.invalid().len(),
        };
        out.push(char::REPLACEMENT_CHARACTER);
        rest = &rest[skipped..];
    }
    Cow::Owned(out)
}

/// Repeats rounds until the text stays as it is, without the characters that `removed` names.
fn stable(text: &str, removed: impl Fn(char) -> bool) -> String {
    let nfkc = ComposingNormalizerBorrowed::new_nfkc();
    let mut current = text.to_owned();
    loop {
        let folded = CaseMapper::new().fold_string(&nfkc.normalize(&current)).into_owned();
        let mut next = nfkc.normalize(&folded).into_owned();
        next.retain(|c| !removed(c));
        if next == current {
            return current;
        }
        current = next;
    }
}

/// White_Space within ASCII; U+001C–001F are none.
fn is_ascii_space(c: char) -> bool {
    matches!(c, ' ' | '\u{9}'..='\u{d}')
}

/// The characters that show nothing and are removed besides White_Space.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{ad}')
}

#[cfg(test)]
mod tests;
