//! Masks: one-way forms of a text for people.
//!
//! Always holds: every mask is total (no text passes because it holds only separators) and idempotent, and shows at most what its
//! rule names. Letters and digits are Unicode's General_Category L and N; a combining mark (M) belongs to the letter or digit it
//! follows. Deliberately not here: which mask applies, and the forms that are not made from a string's text
//! (`drop`, `empty`, `token`).

use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};
use serde::{Deserialize, Serialize};

/// How a hidden value shows to people. Ordered: the strictest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mask {
    /// The member is gone.
    Drop,
    /// `***`.
    Full,
    /// The empty value of its kind.
    Empty,
    /// A view token.
    Token,
    /// `***` and the last four letters or digits of nine or more.
    Last4,
    /// The first letter and the last label of an e-mail address.
    Email,
    /// The first letter of each word, the separators between words kept.
    Word,
}

impl Mask {
    /// Every mask, the strictest first.
    pub const ALL: [Mask; 7] = [Mask::Drop, Mask::Full, Mask::Empty, Mask::Token, Mask::Last4, Mask::Email, Mask::Word];
}

/// What stands for hidden text.
pub const STARS: &str = "***";

/// What divides words; nothing else does.
const SEPARATORS: [char; 12] = [' ', '.', '@', '-', '\'', '_', ',', '/', '+', ':', '(', ')'];

/// The fewest letters and digits of which [`Mask::Last4`] shows any.
const LAST4_FEWEST: usize = 9;

/// Appends `input`, masked, to `out`. [`Mask::Drop`], [`Mask::Empty`] and [`Mask::Token`] are not made from a text: the caller
/// handles them, and here they show as `***`.
pub fn text(mask: Mask, input: &str, out: &mut String) {
    match mask {
        Mask::Word => word(input, out),
        Mask::Last4 => last4(input, out),
        Mask::Email => email(input, out),
        Mask::Full | Mask::Drop | Mask::Empty | Mask::Token => out.push_str(STARS),
    }
}

fn word(input: &str, out: &mut String) {
    let start = out.len();
    let mut rest = input;
    while let Some(at) = rest.find(|c| SEPARATORS.contains(&c)) {
        run(&rest[..at], out);
        out.push_str(&rest[at..=at]); // separators are ASCII
        rest = &rest[at + 1..];
    }
    run(rest, out);
    if !input.is_empty() && !out[start..].contains(STARS) {
        out.truncate(start);
        out.push_str(STARS);
    }
}

/// What stands between two separators.
fn run(run: &str, out: &mut String) {
    if run.is_empty() {
        return;
    }
    let mut signs = signs(run);
    // the first sign must open the run: a run that begins with a symbol shows nothing
    if let Some(first) = signs.next().filter(|first| first.letter && run.starts_with(first.text))
        && (signs.next().is_some() || &run[first.text.len()..] == STARS)
    {
        out.push_str(first.text);
    }
    out.push_str(STARS);
}

fn last4(input: &str, out: &mut String) {
    let shown: Vec<Sign> = signs(input).collect();
    let masked = input
        .strip_prefix(STARS)
        .is_some_and(|rest| shown.len() == 4 && rest.len() == shown.iter().map(|sign| sign.text.len()).sum::<usize>());
    out.push_str(STARS);
    if masked || shown.len() >= LAST4_FEWEST {
        out.extend(shown[shown.len() - 4..].iter().map(|sign| sign.text));
    }
}

fn email(input: &str, out: &mut String) {
    let label = input.rsplit_once('@').and_then(|(_, domain)| domain.rsplit_once('.')).map(|(_, label)| label);
    let Some(label) = label.filter(|label| is_letters(label)) else {
        out.push_str(STARS);
        return;
    };
    if let Some(first) = signs(input).next().filter(|first| first.letter && input.starts_with(first.text)) {
        out.push_str(first.text);
    }
    out.push_str("***@***.");
    out.push_str(label);
}

fn is_letters(text: &str) -> bool {
    let mut letters = 0;
    let all = signs(text).all(|sign| {
        letters += sign.text.len();
        sign.letter
    });
    all && !text.is_empty() && letters == text.len()
}

/// A letter or digit with the combining marks that belong to it.
struct Sign<'a> {
    text: &'a str,
    letter: bool,
}

/// The letters and digits of `text`; everything else is passed over.
fn signs(text: &str) -> impl Iterator<Item = Sign<'_>> {
    let category = CodePointMapData::<GeneralCategory>::new();
    let is = move |group: GeneralCategoryGroup, c: char| match c {
        'a'..='z' | 'A'..='Z' => group == GeneralCategoryGroup::Letter,
        '0'..='9' => group == GeneralCategoryGroup::Number,
        '\0'..='\x7f' => false, // of these three groups
        c => group.contains(category.get(c)),
    };
    let mut rest = text.char_indices().peekable();
    std::iter::from_fn(move || {
        loop {
            let (start, first) = rest.next()?;
            let letter = is(GeneralCategoryGroup::Letter, first);
            if letter || is(GeneralCategoryGroup::Number, first) {
                while rest.next_if(|(_, c)| is(GeneralCategoryGroup::Mark, *c)).is_some() {}
                let end = rest.peek().map_or(text.len(), |(end, _)| *end);
                return Some(Sign { text: &text[start..end], letter });
            }
        }
    })
}

#[cfg(test)]
mod tests;
