//! Matchers of a configuration's own.
//!
//! Always holds: a pattern was compiled when the configuration was read, with a bounded size, and runs in time linear in the text.

use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder, bytes};

use super::{By, Matcher, is_same};
use crate::privacy::fold;

/// What a custom matcher looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    /// The names of keys.
    #[default]
    Key,
    /// Values.
    Value,
}

/// How it looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Looking {
    /// The same text; names are compared as a source of `case = "fold"` compares them.
    #[default]
    Exact,
    /// A regular expression that matches all or a part.
    Regex,
    /// More than 0.7 by Dice's coefficient, over the sets of pairs of letters, in lower case and without signs.
    Similar,
}

/// A matcher of the configuration's own.
#[derive(Clone, Debug)]
pub struct Custom {
    /// What becomes of what it finds.
    pub matcher: Matcher,
    on: On,
    tests: Vec<Test>,
}

#[derive(Clone, Debug)]
enum Test {
    Exact(String),
    Name(Regex),
    Value(bytes::Regex),
    Similar(BTreeSet<[char; 2]>),
}

/// The most that one compiled pattern may take, in bytes.
const PATTERN_BYTES: usize = 1 << 20;

/// Names and values that are more alike than this are similar.
const DICE_LEAST: f64 = 0.7;

/// The longest text that can be similar to something, in bytes: pairs are counted, not matched.
const SIMILAR_BYTES_MAX: usize = 256;

impl Custom {
    /// A matcher that finds each of `texts`, which are names, values or patterns.
    ///
    /// # Errors
    /// Which text is wrong, and what is wrong with it.
    pub fn new(matcher: Matcher, on: On, looking: Looking, texts: &[String]) -> Result<Self, (usize, String)> {
        let test = |(index, text): (usize, &String)| Test::new(text, on, looking).map_err(|what| (index, what));
        Ok(Self { matcher, on, tests: texts.iter().enumerate().map(test).collect::<Result<_, _>>()? })
    }

    /// Whether it finds the key `name`.
    pub(super) fn names(&self, name: &str) -> bool {
        self.on == On::Key
            && self.tests.iter().any(|test| match test {
                Test::Exact(text) => is_same(name, text),
                Test::Name(regex) => regex.is_match(name),
                Test::Value(_) => false,
                Test::Similar(pairs) => is_similar(pairs, name),
            })
    }

    /// Whether it finds the string or the number text `value`, all of it or a part.
    pub(super) fn values(&self, value: &[u8]) -> Option<By> {
        if self.on == On::Key {
            return None;
        }
        let whole = self.tests.iter().filter_map(|test| match test {
            Test::Exact(text) => (value == text.as_bytes()).then_some(true),
            Test::Value(regex) => regex.find(value).map(|found| found.len() == value.len()),
            Test::Name(_) => None,
            Test::Similar(pairs) => is_similar(pairs, &fold::lossy(value)).then_some(true),
        });
        whole.max().map(|whole| if whole { By::Value } else { By::Part })
    }
}

impl Test {
    fn new(text: &str, on: On, looking: Looking) -> Result<Self, String> {
        let wrong = |_| "is no regular expression, or too large a one".to_owned();
        match (looking, on) {
            _ if text.is_empty() => Err("is empty".to_owned()),
            (Looking::Exact, _) => Ok(Test::Exact(text.to_owned())),
            (Looking::Regex, On::Key) => {
                RegexBuilder::new(text).size_limit(PATTERN_BYTES).build().map(Test::Name).map_err(wrong)
            }
            (Looking::Regex, On::Value) => {
                bytes::RegexBuilder::new(text).size_limit(PATTERN_BYTES).build().map(Test::Value).map_err(wrong)
            }
            (Looking::Similar, _) => {
                let pairs = pairs(text);
                if pairs.is_empty() { Err("has no two letters or digits".to_owned()) } else { Ok(Test::Similar(pairs)) }
            }
        }
    }
}

/// The pairs of neighbours among the letters and digits of `text`, folded.
fn pairs(text: &str) -> BTreeSet<[char; 2]> {
    let letters: Vec<char> = fold::name(text).chars().filter(|c| c.is_alphanumeric()).collect();
    letters.windows(2).map(|pair| [pair[0], pair[1]]).collect()
}

fn is_similar(wanted: &BTreeSet<[char; 2]>, text: &str) -> bool {
    if text.len() > SIMILAR_BYTES_MAX {
        return false;
    }
    let found = pairs(text);
    let shared = wanted.intersection(&found).count();
    2.0 * shared as f64 > DICE_LEAST * (wanted.len() + found.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_is_more_than_seven_tenths_of_the_pairs() {
        let similar = |one: &str, other: &str| is_similar(&pairs(one), other);
        // night: ni ig gh ht; nacht: na ac ch ht: 2·1/8
        assert!(!similar("night", "nacht"));
        assert!(similar("loyaltyCard", "loyalty_card"), "signs and case do not count");
        assert!(similar("loyaltyCard", "loyaltyCards"));
        assert!(similar("loyaltyCard", "loyaltyCardNo"));
        assert!(similar("loyaltyCard", "loyalty"), "2·6/(10+6)");
        assert!(!similar("loyaltyCard", "card"), "2·3/(10+3)");
        assert!(!similar("ab", ""));
    }
}
