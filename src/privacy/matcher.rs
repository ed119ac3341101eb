//! Matchers: what personal data is called, and what it looks like.
//!
//! 36 default matchers tell by a key's name and, where a pattern or a checksum exists, by a value; [`Custom`] ones by either. A red
//! matcher's values are worse to lose than a yellow one's, and a red matcher goes before a yellow one, a custom one before a default.
//! Always holds: of several that find one value the first names it, and the highest level and the strictest mask of all hold
//! ([`Matchers::join`]); an answer depends on the arguments alone, and takes time linear in them. Deliberately not here: documents
//! ([`super::detect`]), and what becomes of what was found.

mod custom;
mod defaults;
mod found;
mod name;
mod scope;
mod values;
mod words;

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

pub use custom::{Custom, Looking, On};
pub use found::{By, Found};
pub(super) use name::NAME_BYTES_MAX;
pub use name::{Leaf, Name};
pub use scope::Scope;

use super::fold;
use super::mask::Mask;
use super::settings::LEVEL_MAX;
use defaults::{
    ASIDES, DEFAULTS, FLAGS, JOINING, MEASURES, OF_PERSONS, PREFIXES, STRICT_TAILS, TAILS, VERSIONS, WITH_STRICT_TAILS,
};
use name::Matched;
use scope::singulars;
use words::{Words, lookalike};

/// How bad it is if values that a matcher finds get out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Views without clearance show nothing of them, whatever else is asked.
    Red,
    /// Personal data.
    #[default]
    Yellow,
}

/// A matcher, as far as what becomes of its values goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    /// Its name: also the domain of what it seals.
    pub name: String,
    /// How bad it is.
    pub risk: Risk,
    /// What views without clearance show.
    pub mask: Mask,
    /// A view shows the value where its clearance is at least this.
    pub level: u16,
}

/// The place of a matcher in [`Matchers::all`].
pub type MatcherIndex = u16;

/// How a default matcher tells by names.
struct Rule {
    name: &'static str,
    risk: Risk,
    mask: Mask,
    /// Found at the head of a name, whatever stands before.
    terms: &'static str,
    /// Found where nothing but persons stands before, and where the values around belong to no thing.
    bare: &'static str,
    /// Found within an address alone, where nothing stands before.
    in_address: &'static str,
    /// Not found after these words.
    not_after: &'static str,
    /// Whether `true` and `false` tell as much as a text.
    tells_by_truth: bool,
    /// Whether a number under such a name is a count.
    never_a_number: bool,
}

/// Where a term counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    Bare,
    InAddress,
}

/// The terms of the default matchers, without their spaces; a term has one matcher for each [`When`].
static TERMS: LazyLock<HashMap<String, Vec<(When, usize)>>> = LazyLock::new(|| {
    let mut terms: HashMap<String, Vec<(When, usize)>> = HashMap::new();
    for (index, default) in DEFAULTS.iter().enumerate() {
        let lists = [(When::Always, default.terms), (When::Bare, default.bare), (When::InAddress, default.in_address)];
        for (when, list) in lists {
            for term in list.split(',').filter(|term| !term.is_empty()) {
                terms.entry(term.replace(' ', "")).or_default().push((when, index));
            }
        }
    }
    terms
});

/// The most words of a term.
const TERM_WORDS_MAX: usize = 6;

/// All matchers of a process, ready for use.
#[derive(Debug)]
pub struct Matchers {
    all: Vec<Matcher>,
    custom: Vec<Custom>,
    /// Longer strings are not looked at, and count as found.
    pub string_bytes: usize,
}

impl Default for Matchers {
    fn default() -> Self {
        Self::new(Vec::new(), STRING_BYTES)
    }
}

impl Matchers {
    /// The default matchers and `custom` ones, which go before them. Strings longer than `string_bytes` are not looked at.
    pub fn new(custom: Vec<Custom>, string_bytes: usize) -> Self {
        let defaults = DEFAULTS.iter().map(|default| Matcher {
            name: default.name.to_owned(),
            risk: default.risk,
            mask: default.mask,
            level: LEVEL_MAX,
        });
        let unread = Matcher { name: UNREAD.to_owned(), risk: Risk::Yellow, mask: Mask::Full, level: LEVEL_MAX };
        let all = defaults.chain([unread]).chain(custom.iter().map(|custom| custom.matcher.clone())).collect();
        Self { all, custom, string_bytes }
    }

    /// Every matcher: the defaults, then the one for what nobody read, then the custom ones.
    pub fn all(&self) -> &[Matcher] {
        &self.all
    }

    /// The names of the default matchers, and of the one for what nobody read.
    pub fn default_names() -> impl Iterator<Item = &'static str> {
        DEFAULTS.iter().map(|default| default.name).chain([UNREAD])
    }

    /// The matcher with this index.
    pub fn get(&self, index: MatcherIndex) -> &Matcher {
        &self.all[usize::from(index)]
    }

    /// What the key `name`, unescaped, says.
    pub fn name(&self, name: &str) -> Name {
        if name.len() > NAME_BYTES_MAX {
            let own = Some(self.unread());
            return Name { own, looks: self.value(name.as_bytes(), false), ..Name::default() };
        }
        let mut found = of_words(&Words::of(name));
        if let Some((around, last)) = name.rsplit_once('.').filter(|_| found.matched.is_none()) {
            let within = of_words(&Words::of(around)).scope;
            found.matched = of_words(&Words::of(last)).matched.map(|matched| Matched { within, ..matched });
        }
        if let Some(read) = lookalike(name).filter(|_| found.matched.is_none()) {
            let other = of_words(&Words::of(&read));
            found.matched = other.matched.map(|matched| Matched { by: By::Lookalike, ..matched });
            found.scope = found.scope.or(other.scope);
        }
        found.own = self.custom_of(|custom| custom.names(name).then_some(By::Name));
        found.looks = self.value(name.as_bytes(), found.version);
        found
    }

    /// What the string or the number text `value` looks like; `version`: under such a name.
    pub fn value(&self, value: &[u8], version: bool) -> Option<Found> {
        if value.len() > self.string_bytes {
            return Some(self.unread());
        }
        let looks = values::looks(value, version).map(|looks| {
            let matcher = DEFAULTS.iter().position(|default| default.name == looks.like).unwrap_or_default();
            self.found(index_of(matcher), if looks.whole { By::Value } else { By::Part })
        });
        self.join(self.custom_of(|custom| custom.values(value)), looks)
    }

    /// What an id looks like that is a person's address or phone, which identifiers ought not to be.
    pub fn identifier(&self, id: &[u8]) -> Option<MatcherIndex> {
        let found = self.value(id, false).map(|found| found.matcher);
        found.filter(|matcher| matches!(self.get(*matcher).name.as_str(), "email" | "phone"))
    }

    /// What counts as found because nobody can read it.
    pub fn unread(&self) -> Found {
        self.found(index_of(DEFAULTS.len()), By::Length)
    }

    /// What both come to of what was found about one value: a red matcher's finding goes before a yellow one's, else the first.
    pub fn join(&self, one: Option<Found>, other: Option<Found>) -> Option<Found> {
        match (one, other) {
            (Some(one), Some(other)) if self.is_red(other.matcher) && !self.is_red(one.matcher) => {
                Some(self.with(other, one))
            }
            (Some(one), Some(other)) => Some(self.with(one, other)),
            (one, other) => one.or(other),
        }
    }

    /// What holds within something that was found for what is found there by a name of its own, or is not: that name counts, and the
    /// strictest of both.
    pub fn within(&self, own: Option<Found>, around: Option<Found>) -> Option<Found> {
        match (own, around) {
            (Some(own), Some(around)) => Some(self.with(own, around)),
            (own, around) => own.or(around),
        }
    }

    /// `first`, with the level and the mask of the stricter of both.
    fn with(&self, first: Found, other: Found) -> Found {
        let raises = self.get(other.highest).level > self.get(first.highest).level;
        Found {
            highest: if raises { other.highest } else { first.highest },
            mask: first.mask.min(other.mask),
            risk: first.risk.min(other.risk),
            ..first
        }
    }

    /// What this matcher alone finds.
    fn found(&self, matcher: MatcherIndex, by: By) -> Found {
        let Matcher { risk, mask, .. } = *self.get(matcher);
        let mask = if risk == Risk::Red { mask.min(Mask::Full) } else { mask };
        let found = Found { matcher, highest: matcher, by, mask, risk };
        if by == By::Part { found.part() } else { found }
    }

    /// Whether the matcher is a red one.
    pub fn is_red(&self, index: MatcherIndex) -> bool {
        self.get(index).risk == Risk::Red
    }

    /// What custom matchers find, each by what `finds` says.
    fn custom_of(&self, finds: impl Fn(&Custom) -> Option<By>) -> Option<Found> {
        self.custom.iter().enumerate().fold(None, |found, (index, custom)| match finds(custom) {
            Some(by) => self.join(found, Some(self.found(index_of(DEFAULTS.len() + 1 + index), by))),
            None => found,
        })
    }
}

/// The longest string that is looked at, in bytes, unless something else is asked for.
pub const STRING_BYTES: usize = 16_384;

/// The name of the matcher for strings that nobody read.
const UNREAD: &str = "unread";

/// There are 37 matchers and those of a configuration file, far below the limit.
fn index_of(index: usize) -> MatcherIndex {
    MatcherIndex::try_from(index).unwrap_or(MatcherIndex::MAX)
}

/// What the words of a name say by default.
fn of_words(words: &Words) -> Name {
    let all = 0..words.len();
    let Some(last) = all.clone().last() else { return Name::default() };
    let is = |list: &str, index: usize| is_among(list, words.word(index));
    let head = all.clone().rev().find(|index| !is_tail(words.word(*index))).unwrap_or(last);
    let scope = Scope::of(words.word(head)).or_else(|| Scope::of(words.joined(0, words.len())));
    Name {
        matched: term(words),
        scope,
        joins: last == 0 && is(JOINING, 0),
        aside: is(ASIDES, head) || is(ASIDES, last) || is(MEASURES, 0),
        version: all.clone().any(|index| is(VERSIONS, index)),
        ..Name::default()
    }
}

/// The longest term that is the head of a name.
fn term(words: &Words) -> Option<Matched> {
    let mut strict = false;
    for end in (1..=words.len()).rev() {
        for first in end.saturating_sub(TERM_WORDS_MAX)..end {
            let matched = term_at(words, first, end, strict);
            if matched.is_some() {
                return matched;
            }
        }
        let tail = words.word(end - 1);
        strict |= is_among(STRICT_TAILS, tail);
        if !is_tail(tail) {
            return None;
        }
    }
    None
}

/// Whether `word` is one of those in `list`, which spaces divide.
fn is_among(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|other| other == word)
}

fn is_tail(word: &str) -> bool {
    is_among(TAILS, word)
}

/// The matcher of the words from `first` until before `end`, those before them being what qualifies them.
fn term_at(words: &Words, first: usize, end: usize, strict: bool) -> Option<Matched> {
    let joined = words.joined(first, end);
    let (prefix, candidates) = match candidates(joined) {
        Some(candidates) => (None, candidates),
        None if first + 1 == end => {
            let split = |prefix: &'static str| Some((prefix, candidates(joined.strip_prefix(prefix)?)?));
            let (prefix, candidates) = PREFIXES.split_whitespace().find_map(split)?;
            (Some(prefix), candidates)
        }
        None => return None,
    };
    let before = || (0..first).map(|index| words.word(index)).chain(prefix);
    let counts = |(when, default): &&(When, usize)| {
        let rule = &DEFAULTS[*default];
        let is_measure = |word: &str| is_among(MEASURES, word) && !(rule.tells_by_truth && is_among(FLAGS, word));
        let person = |word: &str| is_among(OF_PERSONS, word) || Scope::of(word) == Some(Scope::Person);
        let apt = match when {
            When::Always => true,
            When::Bare => before().all(person),
            When::InAddress => before().next().is_none(),
        };
        apt && !before().any(|word| is_measure(word) || is_among(rule.not_after, word))
            && (!strict || is_among(WITH_STRICT_TAILS, rule.name))
    };
    let (when, default) = candidates.iter().find(counts)?;
    let rule = &DEFAULTS[*default];
    Some(Matched {
        matcher: index_of(*default),
        by: By::Name,
        // what a person's word qualifies is a person's, whatever stands around
        bare: *when == When::Bare && before().next().is_none(),
        in_address: *when == When::InAddress,
        within: None,
        truth: rule.tells_by_truth,
        number: !rule.never_a_number,
    })
}

/// The rules of a term, in the singular or the plural.
fn candidates(term: &str) -> Option<&'static Vec<(When, usize)>> {
    TERMS.get(term).or_else(|| singulars(term).find_map(|term| TERMS.get(term)))
}

/// Whether two names are one to a matcher that wants them exactly.
fn is_same(one: &str, other: &str) -> bool {
    one == other || fold::name(one) == fold::name(other)
}

#[cfg(test)]
mod tests;
