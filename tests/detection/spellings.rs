//! Realistic spellings, written in every style and put into documents.

use std::fmt::Write;

use serde::Deserialize;
use sivcar::privacy::detect::{Detector, Question};
use sivcar::privacy::layout::Located;
use sivcar::privacy::matcher::Matchers;
use sivcar::privacy::scan::{Document, Limits, Tape, scan};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    matcher: Vec<Spellings>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spellings {
    name: String,
    found: Vec<String>,
    not: Vec<String>,
}

/// A style of writing names: what it is called, and what it makes of words.
type Style = (&'static str, fn(&[&str]) -> String);

/// The styles by which each is made from its words.
const STYLES: [Style; 7] = [
    ("snake", |words| words.join("_")),
    ("camel", |words| {
        let first = words.iter().take(1).map(|word| (*word).to_owned());
        first.chain(words.iter().skip(1).map(|word| capital(word))).collect()
    }),
    ("Pascal", |words| words.iter().map(|word| capital(word)).collect()),
    ("kebab", |words| words.join("-")),
    ("SCREAMING", |words| words.join("_").to_uppercase()),
    ("spaced", |words| words.join(" ")),
    ("Title", |words| words.iter().map(|word| capital(word)).collect::<Vec<_>>().join(" ")),
];

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Where a member may stand.
const FRAMES: [&str; 4] = [
    r#"{"traits":{MEMBER}}"#,
    r#"{"data":{"customer":{MEMBER,"age":7}}}"#,
    r#"{"patients":[{"x":[1]},{MEMBER}]}"#,
    "{MEMBER}",
];

/// The matcher that finds the value of the key `name`, whose value looks like nothing.
fn finds(matchers: &Matchers, detector: &mut Detector, frame: &str, name: &str) -> Option<String> {
    let text = frame.replace("MEMBER", &format!("{name:?}:\"lorem\""));
    let (mut tape, located, mut detected) = (Tape::default(), Located::default(), Vec::new());
    let text = scan(text.as_bytes(), &Limits::default(), &mut tape).expect("a document");
    let document = Document::new(text, &tape);
    let question = Question { document: &document, matchers, located: &located, marked: &[], own: &[], unread: &[] };
    detector.find(&question, &mut detected);
    let of = |node: usize| document.raw(document.node(node).value) == "\"lorem\"";
    let found = detected.iter().find(|detected| of(detected.node))?;
    Some(matchers.get(found.found.matcher).name.clone())
}

#[test]
fn realistic_spellings_are_found_and_what_resembles_them_is_not() {
    let table: Table = toml::from_str(include_str!("spellings.toml")).expect("the table");
    assert_eq!(table.matcher.len(), 36);
    let (matchers, mut detector) = (Matchers::default(), Detector::default());
    let (mut wrong, mut asked) = (String::new(), 0);
    for Spellings { name, found, not } in &table.matcher {
        for spelling in found.iter().chain(not) {
            let words: Vec<&str> = spelling.split(' ').collect();
            let expected = found.contains(spelling).then_some(name);
            for (style, write) in STYLES {
                for frame in FRAMES {
                    asked += 1;
                    let finds = finds(&matchers, &mut detector, frame, &write(&words));
                    if finds.as_ref() != expected {
                        let _ = writeln!(wrong, "{style} {}: {finds:?}, not {expected:?}", write(&words));
                    }
                }
            }
        }
    }
    println!("{asked} documents");
    assert!(wrong.is_empty(), "\n{wrong}");
}
