//! Derived copies: the value of a marked parameter that stands elsewhere in the same document.
//!
//! A search term is a parameter, and part of the page's address too; a phone number stands in a free text, with spaces. Where a source asks for
//! it, what holds for the parameter holds for whatever value holds its text, case and spaces ignored, or its digits, whatever stands between
//! them. Always holds: a copy is hidden at least as its origin; the cost is linear in the document. Deliberately not here: copies of
//! values of fewer than [`FEWEST`] letters or digits, which stand everywhere; ids, workspace and event name, which are what they are; keys,
//! where a word may be any name; other documents.

use std::cmp::Reverse;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use memchr::memchr;
use memchr::memmem::Finder;

use super::canonical;
use super::detect::query;
use super::error::Reason;
use super::fields::{Field, Fields};
use super::fold;
use super::layout::{Holds, Located};
use super::rules::{Reach, Rules, Verdict};
use super::scan::{Document, Inside, Kind};

/// The fewest letters and digits of a value whose copies are looked for.
const FEWEST: usize = 6;

/// How much of a value is looked for, in characters of its form: of a longer one its beginning. A table of long values would take hundreds of
/// bytes of memory for each of theirs.
const MOST: usize = 256;

/// How many values are looked for one after the other. For more an automaton is built, which costs more than to look for a few in all texts of
/// most documents.
const FEW: usize = 16;

/// How many origins of one copy are told apart; one that has more is held to all there are.
const ORIGINS: usize = 64;

/// Marked values, in one of two forms.
#[derive(Default)]
struct Needles {
    texts: Vec<String>,
    /// Of the same length: where each stands, and what holds for it.
    origins: Vec<Field>,
    /// What holds for all of them together.
    all: Option<Verdict>,
    /// The length of the shortest, in bytes.
    shortest: usize,
}

impl Needles {
    fn add(&mut self, text: String, origin: Field) {
        self.all = Some(self.all.map_or(origin.verdict, |held| held.with(&origin.verdict)));
        self.shortest = if self.texts.is_empty() { text.len() } else { self.shortest.min(text.len()) };
        self.texts.push(text);
        self.origins.push(origin);
    }

    fn search(&self) -> Result<Search<'_>, Reason> {
        if self.texts.len() <= FEW {
            return Ok(Search::Few(self.texts.iter().map(Finder::new).collect()));
        }
        // a document has 30 bits of bytes at most, fewer than an automaton's states
        automaton(&self.texts).map(Search::Many).ok_or(Reason::TooLarge)
    }

    /// What holds for a value that reads as `text` in this form, of the origins that are not its own; these are added to `held`.
    fn weigh(&self, search: &Search, text: &str, own: &[usize], held: &mut Held) {
        match search {
            Search::Few(finders) => {
                for origin in in_order(finders, text).into_iter().map(|index| &self.origins[index]) {
                    if !own.contains(&origin.node) {
                        held.add(origin.node, Some(origin.verdict));
                    }
                }
            }
            Search::Many(automaton) => {
                for (index, found) in automaton.find_overlapping_iter(text).enumerate() {
                    let origin = &self.origins[found.pattern().as_usize()];
                    if index == ORIGINS {
                        return held.add(origin.node, self.all);
                    }
                    if !own.contains(&origin.node) {
                        held.add(origin.node, Some(origin.verdict));
                    }
                }
            }
        }
    }
}

/// How values are looked for.
enum Search<'n> {
    /// One after the other.
    Few(Vec<Finder<'n>>),
    /// All at once.
    Many(AhoCorasick),
}

fn automaton(texts: &[String]) -> Option<AhoCorasick> {
    // no table of all states and bytes: a few long values would make it hundreds of megabytes
    let kind = Some(AhoCorasickKind::ContiguousNFA);
    AhoCorasick::builder().match_kind(MatchKind::Standard).kind(kind).build(texts).ok()
}

/// Which of the values `text` holds, by index, in the order in which an automaton finds them: that of their ends, longer ones first. The
/// first decides the domain.
fn in_order(finders: &[Finder], text: &str) -> Vec<usize> {
    let place = |(index, finder): (usize, &Finder)| {
        let length = finder.needle().len();
        finder.find(text.as_bytes()).map(|start| (start + length, Reverse(length), index))
    };
    let mut found: Vec<_> = finders.iter().enumerate().filter_map(place).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, _, index)| index).collect()
}

/// What a value holds.
#[derive(Default)]
struct Held {
    /// Where its origins stand.
    origins: Vec<usize>,
    /// What holds for all of them.
    verdict: Option<Verdict>,
}

impl Held {
    fn add(&mut self, origin: usize, verdict: Option<Verdict>) {
        self.origins.push(origin);
        self.verdict = match (self.verdict, verdict) {
            (Some(held), Some(found)) => Some(held.with(&found)),
            (held, found) => held.or(found),
        };
    }
}

/// The marked values of a document, to be looked for.
struct Origins<'n> {
    texts: &'n Needles,
    digits: &'n Needles,
    text: Search<'n>,
    number: Search<'n>,
    /// The form of what is looked at.
    read: String,
}

impl Origins<'_> {
    /// What `string` holds, but for its own origins.
    fn held(&mut self, string: &[u8], own: &[usize]) -> Held {
        let mut held = Held::default();
        let escaped = memchr(b'%', string).is_some();
        // folding ASCII makes it no longer, and neither form is longer than the text; digits are a part of it
        let shortest = if self.digits.texts.is_empty() { self.texts.shortest } else { FEWEST };
        if string.len() < shortest && !escaped && string.is_ascii() {
            return held;
        }
        self.look(&fold::lossy(string), own, &mut held);
        // an address holds it with percent escapes, and with a plus for a space
        if escaped || memchr(b'+', string).is_some() {
            self.look(&fold::lossy(&query::resolved(string)), own, &mut held);
        }
        held
    }

    fn look(&mut self, text: &str, own: &[usize], held: &mut Held) {
        let Self { texts, digits, text: search, number, read } = self;
        fold::loose_into(text, read);
        texts.weigh(search, read, own, held);
        let count = || read.bytes().filter(u8::is_ascii_digit).count();
        if !digits.texts.is_empty() && count() >= digits.shortest {
            digits.weigh(number, &only_digits(read), own, held);
        }
    }

    /// What the string or number `node` holds. What was read within a string is looked at by itself; of a query, for the whole counts what
    /// stands in none of its parameters alone, and what stands beside those that hold something.
    fn at(&mut self, document: &Document, node: usize) -> Option<Verdict> {
        match document.inside(node) {
            Some(Inside::Object | Inside::Array) => None,
            Some(Inside::Query) => {
                let mut own = vec![node];
                let rest = document.beside(node, |part| {
                    let origins = self.held(&document.string(part), &[]).origins;
                    own.push(part);
                    own.extend(&origins);
                    !origins.is_empty()
                });
                let across = self.held(&document.string(node), &own).verdict;
                let beside = self.held(rest.as_bytes(), &[node]).verdict;
                across.map_or(beside, |across| Some(beside.map_or(across, |beside| across.with(&beside))))
            }
            _ => self.held(&document.string(node), &[node]).verdict,
        }
    }
}

/// A copy of a marked value.
pub(super) struct Copied {
    /// Where it stands, and what holds for it.
    pub(super) field: Field,
    /// The mark of the value, by index.
    pub(super) of: u32,
}

/// The copies in `document` of what `fields` found in its parameters, each with what holds for it; those that are hidden alike already
/// are none.
///
/// # Errors
/// [`Reason::NumberOutOfRange`], as wherever a mark covers such a number.
pub(super) fn find(
    document: &Document,
    located: &Located,
    rules: &Rules,
    fields: &Fields,
) -> Result<Vec<Copied>, Reason> {
    let (mut texts, mut digits) = (Needles::default(), Needles::default());
    for origin in origins(document, located, rules, fields) {
        collect(document, located, &origin, &mut texts, &mut digits);
    }
    let mut copies = Vec::new();
    // what has digits has a text too
    if texts.texts.is_empty() {
        return Ok(copies);
    }
    let (text, number) = (texts.search()?, digits.search()?);
    let mut origins = Origins { texts: &texts, digits: &digits, text, number, read: String::new() };
    let mut behind = 0;
    for node in 0..document.nodes().len() {
        // sivcar's own member goes
        if fields.is_own(node) {
            behind = document.node(node).next as usize;
        }
        let leaf = matches!(document.node(node).kind, Kind::String | Kind::Number);
        if node < behind || !leaf || located.is_word(node) {
            continue;
        }
        let Some(found) = origins.at(document, node) else { continue };
        let own = fields.verdict(node);
        let verdict = own.map_or(found, |own| own.with(&found));
        if own != Some(verdict) {
            canonical::check_numbers(document, node)?;
            copies.push(Copied { field: Field { node, verdict }, of: found.mark });
        }
    }
    Ok(copies)
}

/// What is marked in containers of parameters, or such a container in what is marked.
fn origins(document: &Document, located: &Located, rules: &Rules, fields: &Fields) -> Vec<Field> {
    let parameters = located.containers.iter().filter(|(_, holds)| *holds == Holds::Parameters);
    let parameters: Vec<usize> = parameters.map(|(container, _)| *container).collect();
    let marked = |field: &&Field| rules.is_mark(&field.verdict);
    let mut origins = Vec::new();
    for container in &parameters {
        origins.extend(fields.below(document, *container).iter().filter(marked).copied());
    }
    for Field { node, verdict } in fields.all().iter().filter(marked).copied() {
        let inside = &parameters[parameters.partition_point(|container| *container < node)..];
        let end = document.node(node).next as usize;
        origins.extend(inside.iter().take_while(|at| **at < end).map(|at| Field { node: *at, verdict }));
    }
    origins
}

/// Adds the leaves of a marked value that are long enough: as they stand, and without percent escapes.
fn collect(document: &Document, located: &Located, field: &Field, texts: &mut Needles, digits: &mut Needles) {
    // of the value that holds a copy nothing else is known
    let verdict = field.verdict.reaching(Reach::Part);
    for node in field.node..document.node(field.node).next as usize {
        if !matches!(document.node(node).kind, Kind::String | Kind::Number) || located.is_word(node) {
            continue;
        }
        let (string, origin) = (document.string(node), Field { node, verdict });
        let resolved = query::resolved(&string);
        add(&string, origin, texts, digits);
        if resolved != string {
            add(&resolved, origin, texts, digits);
        }
    }
}

/// Adds one form of a marked value, if it is long enough.
fn add(string: &[u8], origin: Field, texts: &mut Needles, digits: &mut Needles) {
    let text = fold::loose(&fold::lossy(string));
    if text.chars().filter(|char| char.is_alphanumeric()).count() < FEWEST {
        return;
    }
    let number = only_digits(&text);
    if !number.contains(APART) && number.len() >= FEWEST {
        digits.add(beginning(number), origin);
    }
    texts.add(beginning(text), origin);
}

fn beginning(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MOST) {
        text.truncate(end);
    }
    text
}

/// What keeps digits apart that are none of one number.
const APART: char = 'x';

/// The digits of a text, letters among them marked, all else left out.
fn only_digits(text: &str) -> String {
    let sign = |char: char| match char {
        '0'..='9' => Some(char),
        _ if char.is_alphanumeric() => Some(APART),
        _ => None,
    };
    text.chars().filter_map(sign).collect()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn few_are_found_as_many_are(values in vec("[abż]{1,4}", 0..6), text in "[abż]{0,12}") {
            let finders: Vec<Finder> = values.iter().map(Finder::new).collect();
            let automaton = automaton(&values).expect("a small one");
            let mut expected = Vec::new();
            for found in automaton.find_overlapping_iter(&text).map(|found| found.pattern().as_usize()) {
                if !expected.contains(&found) {
                    expected.push(found);
                }
            }
            prop_assert_eq!(in_order(&finders, &text), expected);
        }
    }

    #[test]
    fn digits_are_of_one_number_whatever_stands_between_but_letters() {
        assert_eq!(only_digits("+48 (555) 123-456"), "48555123456");
        assert_eq!(only_digits("a1b22é3"), "x1x22x3");
        assert_eq!(only_digits("-1.5e3"), "15x3");
    }
}
