//! Splits a key's name into words: at `_`, `-`, `.`, white space and other signs, and where camelCase begins a word.
//!
//! Always holds: words are folded as names are ([`fold::name`]), without signs and digits, which number things and tell nothing. A letter that only looks like an ASCII one can be read as that one ([`lookalike`]). Deliberately not here: what
//! words mean.

use std::sync::LazyLock;

use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;
use smallvec::SmallVec;
use unicode_security::skeleton;

use crate::privacy::fold;

/// The words of one name, as places in [`Words::text`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    text: String,
    /// Where each word ends; it begins where the one before ends.
    ends: SmallVec<[u32; 8]>,
}

impl Words {
    /// The words of `name`, as it stands in a document, unescaped.
    pub(super) fn of(name: &str) -> Self {
        let mut words = Self::default();
        if name.is_ascii() {
            words.split(name);
        } else {
            // what a fold makes of it has no case any more: split first, fold each part
            let mut parts = Self::default();
            parts.split(name);
            for index in 0..parts.len() {
                words.push(&fold::name(parts.joined(index, index + 1)));
            }
        }
        words
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The words from `first` until before `end`, without anything between them.
    pub(super) fn joined(&self, first: usize, end: usize) -> &str {
        let start = |word: usize| if word == 0 { 0 } else { self.ends[word - 1] as usize };
        &self.text[start(first)..start(end)]
    }

    pub(super) fn word(&self, index: usize) -> &str {
        self.joined(index, index + 1)
    }

    fn push(&mut self, word: &str) {
        if !word.is_empty() {
            self.text.push_str(word);
            self.end();
        }
    }

    fn end(&mut self) {
        // a name is as long as a document at most, whose places have 32 bits
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        if self.ends.last().copied().unwrap_or_default() < end {
            self.ends.push(end);
        }
    }

    fn split(&mut self, name: &str) {
        let mut before = Sort::Sign;
        let mut rest = name.chars().peekable();
        while let Some(c) = rest.next() {
            let sort = Sort::of(c);
            let next = rest.peek().map_or(Sort::Sign, |next| Sort::of(*next));
            let begins = match (before, sort) {
                (_, Sort::Sign) | (Sort::Lower, Sort::Upper) => true,
                // the last capital of several begins the next word: `userIPAddress`
                (Sort::Upper, Sort::Upper) => next == Sort::Lower,
                _ => false,
            };
            if begins {
                self.end();
            }
            if sort != Sort::Sign {
                self.text.extend(c.to_lowercase());
            }
            before = sort;
        }
        self.end();
    }
}

/// What a character is, as far as words go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Lower,
    Upper,
    /// No letter.
    Sign,
}

impl Sort {
    fn of(c: char) -> Self {
        match c {
            _ if c.is_uppercase() => Self::Upper,
            _ if c.is_alphabetic() || !c.is_ascii() => Self::Lower,
            _ => Self::Sign,
        }
    }
}

/// The ASCII letters that stand for themselves alone: the skeleton of each (UTS 39 §4), by which others are told to look like it.
static SKELETONS: LazyLock<Vec<(String, char)>> = LazyLock::new(|| {
    let letters = ('a'..='z').chain('A'..='Z');
    letters.map(|letter| (skeleton(letter.encode_utf8(&mut [0; 4])).collect(), letter)).collect()
});

/// `name` with every letter that looks like an ASCII letter as that one, and without what nobody sees; `None` where there is neither. A
/// name of one script alone, as a Russian word, gives nothing that means anything.
pub(super) fn lookalike(name: &str) -> Option<String> {
    if name.is_ascii() {
        return None;
    }
    let mut changed = false;
    let read = name.chars().filter_map(|c| {
        if c.is_ascii() {
            return Some(c);
        }
        if CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c) {
            changed = true;
            return None;
        }
        let own: String = skeleton(c.encode_utf8(&mut [0; 4])).collect();
        let found = SKELETONS.iter().find(|(skeleton, _)| *skeleton == own).map(|(_, letter)| *letter);
        changed |= found.is_some();
        Some(found.unwrap_or(c))
    });
    let read: String = read.collect();
    changed.then_some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_at_signs_and_where_case_changes() {
        for (name, expected) in [
            ("userEmail", "user email"),
            ("user_email", "user email"),
            ("user-email", "user email"),
            ("user.email", "user email"),
            ("User Email", "user email"),
            ("USER_EMAIL", "user email"),
            ("useremail", "useremail"),
            ("UserIPAddress", "user ip address"),
            ("requestIP", "request ip"),
            ("address1", "address"),
            ("ipv4Address", "ipv address"),
            ("Email__c", "email c"),
            ("$email", "email"),
            ("trace", "trace"),
            ("Straße", "strasse"),
            ("\u{ff25}mail", "email"),
            ("e\u{200b}mail", "email"),
            ("", ""),
            ("--", ""),
            ("5", ""),
        ] {
            let words = Words::of(name);
            let found: Vec<&str> = (0..words.len()).map(|index| words.word(index)).collect();
            assert_eq!(found.join(" "), expected, "{name}");
        }
    }

    #[test]
    fn letters_that_look_alike_are_read_as_those_they_look_like() {
        assert_eq!(lookalike("\u{435}m\u{430}il").as_deref(), Some("email"), "Cyrillic");
        assert_eq!(lookalike("\u{440}hone").as_deref(), Some("phone"));
        assert_eq!(lookalike("\u{202e}ema\u{200b}il\u{fe0f}").as_deref(), Some("email"), "invisible");
        assert_eq!(lookalike("email"), None);
        assert_eq!(lookalike("\u{4f60}"), None);
    }
}
