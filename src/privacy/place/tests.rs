//! What is shown of names, and where values are said to stand.

use super::*;
use crate::privacy::layout::CompiledLayout;
use crate::privacy::scan::{self, Limits, Tape};
use crate::privacy::settings::Layout;
use crate::privacy::sighting::Parents;

fn step(name: &str) -> String {
    Steps::default().step(&Matchers::default(), Case::Fold, name.as_bytes()).to_owned()
}

#[test]
fn names_are_shown_as_they_are_compared() {
    for (name, expected) in [
        ("email", "email"),
        ("E-Mail", "e-mail"),
        ("First Name", "first name"),
        ("address.street", "address.street"),
        ("line_2", "line_2"),
        ("$lib", "$lib"),
        ("nazwisko_panieńskie", "nazwisko_panieńskie"),
        ("sha256", "sha256"),
    ] {
        assert_eq!(step(name), expected, "{name}");
    }
}

#[test]
fn a_name_that_may_be_a_value_is_not_shown() {
    for name in [
        "",
        ".",
        "a..b",
        "$",
        "$.email",
        "ann@example.com",
        "ann%40example.com",
        "Ann Smith",
        "u-600700800",
        "600700800",
        "2026",
        "6f1d0c9e-7f4b-4b1a-9d53-0a8f0d4c1e11",
        "ghp_abcdefghijklmnopqrstuvwxyzabcdefghij",
        "a\u{1b}[31m",
        "a\"b",
        "a'b",
        "a*b",
        "a[b]",
        "=cmd|x",
        "\u{202e}evil",
        "anameofmorethanfortyeightbyteswhichnobodywouldgiveakey",
    ] {
        assert_eq!(step(name), STRANGE, "{name:?}");
    }
}

#[test]
fn names_of_events_may_hold_what_joins_words() {
    let shown = |name: &str| event(&Matchers::default(), name);
    for name in ["form.submit", "Order Completed", "app:open/v2", "profile.updated", "step-2"] {
        assert_eq!(shown(name), name);
    }
    let address = "Ann Smith 42 Elm Street";
    for name in ["signed up: ann@example.com", "call 600700800", address, "step 2", "a\nb", &"x".repeat(49)] {
        assert_eq!(shown(name), STRANGE, "{name:?}");
    }
}

/// The place of each leaf of `text`, in an event of the default layout.
fn places(text: &str) -> Vec<String> {
    let mut settings = crate::privacy::settings::tests::settings();
    let path = |text| crate::privacy::path::Path::parse(text).expect("a path");
    settings.sources[0].layout = Layout {
        event: vec![path("action")],
        id: Some(path("client.id")),
        attributes: vec![path("client"), path("params.attributes")],
        parameters: vec![path("params")],
        ..Layout::default()
    };
    let mut tape = Tape::default();
    let text = scan::scan(text.as_bytes(), &Limits::NONE, &mut tape).expect("a document");
    let document = Document::new(text, &tape);
    let mut located = Located::default();
    CompiledLayout::new(&settings.sources[0]).locate(&document, &mut located).expect("it fits");
    let (mut steps, mut parents, matchers) = (Steps::default(), Parents::default(), Matchers::default());
    parents.note(&document);
    let leaves = (0..document.nodes().len()).filter(|node| document.node(*node).next as usize == node + 1);
    let place = |node| {
        let chain = parents.chain(node);
        let Place { part, path } = steps.place(&matchers, Case::Fold, &document, &located, &chain, |_| false);
        format!("{} {path}", part.word())
    };
    leaves.map(place).collect()
}

#[test]
fn a_path_begins_in_the_container_around_it() {
    assert_eq!(
        places(
            r#"{"action":"a","client":{"id":7,"Email":"x","tags":["a",{"b":1}]},"params":{"x.y":1,"by":{"ann@example.com":[{"n":2}]},
            "attributes":{"phone":1}},"context":{"ip":1},"z":[[1,[2]],3]}"#
        ),
        [
            "field action",
            "id client.id",
            "attribute email",
            "attribute tags",
            "attribute tags.b",
            "parameter x.y",
            "parameter by.*.n",
            "attribute phone",
            "field context.ip",
            "field z",
            "field z",
            "field z",
        ]
    );
    assert_eq!(places("{}"), ["field $"]);
}
