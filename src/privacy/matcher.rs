//! Matchers: what personal data is called, and what it looks like.
//!
//! 36 default matchers tell by a key's name and, where a pattern or a checksum exists, by a value; [`Custom`] ones by either. A red
//! matcher's values are worse to lose than a yellow one's, and a red matcher goes before a yellow one, a custom one before a default.
//! Always holds: an answer depends on the arguments alone, and takes time linear in them. Deliberately not here: documents
//! ([`super::detect`]), and what becomes of what was found.

mod custom;
mod defaults;
mod name;
mod scope;
mod values;
mod words;

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

pub use custom::{Custom, Looking, On};
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

/// What was found about one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// By which matcher.
    pub matcher: MatcherIndex,
    /// What it went by.
    pub by: By,
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
            let matched = Matched::anywhere(index_of(DEFAULTS.len()), By::Length);
            let looks = self.value(name.as_bytes(), false).map(|found| found.matcher);
            return Name { matched: Some(matched), looks, ..Name::default() };
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
        if let Some(index) = self.custom_of(|custom| custom.names(name)) {
            let index = index_of(DEFAULTS.len() + 1 + index);
            if found.matched.is_none_or(|matched| self.goes_before(index, matched.matcher)) {
                found.matched = Some(Matched::anywhere(index, By::Name));
            }
        }
        found.looks = self.value(name.as_bytes(), found.version).map(|found| found.matcher);
        found
    }

    /// What the string or the number text `value` looks like; `version`: under such a name.
    pub fn value(&self, value: &[u8], version: bool) -> Option<Found> {
        if value.len() > self.string_bytes {
            return Some(Found { matcher: index_of(DEFAULTS.len()), by: By::Length });
        }
        let looks = values::looks(value, version).map(|looks| {
            let matcher = DEFAULTS.iter().position(|default| default.name == looks.like).unwrap_or_default();
            Found { matcher: index_of(matcher), by: if looks.whole { By::Value } else { By::Part } }
        });
        if self.custom.is_empty() {
            return looks;
        }
        let custom = self.custom_of(|custom| custom.values(value));
        let custom = custom.map(|index| Found { matcher: index_of(DEFAULTS.len() + 1 + index), by: By::Value });
        self.first(custom, looks)
    }

    /// What an id looks like that is a person's address or phone, which identifiers ought not to be.
    pub fn identifier(&self, id: &[u8]) -> Option<MatcherIndex> {
        let found = self.value(id, false).map(|found| found.matcher);
        found.filter(|matcher| matches!(self.get(*matcher).name.as_str(), "email" | "phone"))
    }

    /// What counts as found because nobody can read it.
    pub fn unread(&self) -> Found {
        Found { matcher: index_of(DEFAULTS.len()), by: By::Length }
    }

    /// The one of two findings that counts: a red matcher's, else the first.
    pub fn first(&self, one: Option<Found>, other: Option<Found>) -> Option<Found> {
        match (one, other) {
            (Some(one), Some(other)) => Some(if self.goes_before(one.matcher, other.matcher) { one } else { other }),
            (one, other) => one.or(other),
        }
    }

    /// Whether the matcher is a red one.
    pub fn is_red(&self, index: MatcherIndex) -> bool {
        self.get(index).risk == Risk::Red
    }

    /// Whether the matcher `one` counts, where `other` would too.
    fn goes_before(&self, one: MatcherIndex, other: MatcherIndex) -> bool {
        self.get(one).risk <= self.get(other).risk
    }

    /// The first red one that `finds`, else the first.
    fn custom_of(&self, finds: impl Fn(&Custom) -> bool) -> Option<usize> {
        let of = |risk: Risk| self.custom.iter().position(|custom| custom.matcher.risk == risk && finds(custom));
        if self.custom.is_empty() { None } else { of(Risk::Red).or_else(|| of(Risk::Yellow)) }
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
        looks: None,
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
