//! The scanner accepts what a strict reader accepts, refuses the rest for the same reason, and tells truly where things stand.

use proptest::prelude::*;
use serde::de::IgnoredAny;
use sivcar::privacy::scan::{Document, Kind, Limits, Tape, scan, scan_value};

use crate::common::checks::scan_agrees;
use crate::common::documents::{damaged, document};

const UNLIMITED: Limits = Limits { depth: usize::MAX, record_bytes: usize::MAX, string_bytes: usize::MAX };

/// The document rebuilt from its nodes: brackets, keys and scalars from their spans, and what lies between as it stands.
fn reassembled(doc: &Document, i: usize) -> String {
    let node = doc.node(i);
    let (start, end) = (node.value.start as usize, node.value.end as usize);
    if !matches!(node.kind, Kind::Array | Kind::Object) {
        return doc.raw(node.value).to_owned();
    }
    let mut out = doc.text()[start..start + 1].to_owned();
    let mut at = start + 1;
    for (index, child) in doc.children(i).enumerate() {
        let node = doc.node(child);
        let before = node.before as usize;
        let gap = &doc.text()[at..before];
        assert_eq!(gap.trim_matches([' ', '\t', '\n', '\r']), if index == 0 { "" } else { "," });
        assert!(index == 0 || gap.ends_with(','), "`before` is the end of the comma");
        out += gap;
        at = before;
        if let Some(key) = node.key {
            out += &doc.text()[at..key.start as usize];
            assert!(out.ends_with('"'));
            out += doc.raw(key);
            at = key.end as usize;
        }
        let colon = &doc.text()[at..node.value.start as usize];
        let bare: String = colon.split([' ', '\t', '\n', '\r']).collect();
        assert_eq!(bare, if node.key.is_some() { "\":" } else { "" });
        out += colon;
        out += &reassembled(doc, child);
        at = node.value.end as usize;
    }
    let gap = &doc.text()[at..end - 1];
    assert_eq!(gap.trim_matches([' ', '\t', '\n', '\r']), "");
    out + gap + &doc.text()[end - 1..end]
}

/// The root without the members that `removed` names, by the rule that `before` is there for.
fn without(doc: &Document, removed: &[bool]) -> String {
    let members: Vec<usize> = doc.children(0).collect();
    let gone = |index: usize| removed.get(index).copied().unwrap_or_default();
    let (mut out, mut at) = (String::new(), 0);
    let trailing = members.len() - (0..members.len()).rev().take_while(|index| gone(*index)).count();
    for index in (0..trailing).filter(|index| gone(*index)) {
        out += &doc.text()[at..doc.node(members[index]).before as usize];
        at = doc.node(members[index + 1]).before as usize;
    }
    if let (Some(first), Some(last)) = (members.get(trailing), members.last()) {
        let comma = usize::from(trailing > 0);
        out += &doc.text()[at..doc.node(*first).before as usize - comma];
        at = doc.node(*last).value.end as usize;
    }
    out + &doc.text()[at..]
}

proptest! {
    #[test]
    fn the_scanner_agrees_with_the_reference(
        bytes in damaged(), depth in 0usize..10, record_bytes in 0usize..400, string_bytes in 0usize..12,
    ) {
        scan_agrees(&bytes, &Limits::default());
        // Every small limit, so that each document meets those that cut it at its odd places.
        for limit in 0..=12 {
            scan_agrees(&bytes, &Limits { depth: limit, ..Limits::default() });
            scan_agrees(&bytes, &Limits { string_bytes: limit, ..Limits::default() });
        }
        scan_agrees(&bytes, &Limits { depth, record_bytes, string_bytes });
    }

    /// `IgnoredAny` reads the grammar alone: no range of numbers, no pairing of surrogates, no depth.
    #[test]
    fn the_scanner_accepts_the_grammar_and_nothing_else(bytes in damaged()) {
        let expected = std::str::from_utf8(&bytes).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        prop_assert_eq!(scan_value(&bytes, &UNLIMITED, &mut Tape::default()).is_ok(), expected);
    }

    #[test]
    fn spans_reassemble_the_text(text in document()) {
        let mut tape = Tape::default();
        let doc = Document::new(scan(text.as_bytes(), &UNLIMITED, &mut tape).expect("valid"), &tape);
        let root = doc.node(0).value;
        let around = (&text[..root.start as usize], &text[root.end as usize..]);
        prop_assert_eq!(format!("{}{}{}", around.0, reassembled(&doc, 0), around.1), text);
    }

    #[test]
    fn removal_by_spans_leaves_a_document_of_the_rest(
        text in document(), removed in prop::collection::vec(any::<bool>(), 0..6),
    ) {
        let (mut tape, mut rest_tape) = (Tape::default(), Tape::default());
        let doc = Document::new(scan(text.as_bytes(), &UNLIMITED, &mut tape).expect("valid"), &tape);
        let rest = without(&doc, &removed);
        let rest = Document::new(scan(rest.as_bytes(), &UNLIMITED, &mut rest_tape).expect("still valid"), &rest_tape);
        let show = |doc: &Document, i: usize| (doc.node(i).key.map(|key| doc.raw(key).to_owned()), doc.raw(doc.node(i).value).to_owned());
        let kept: Vec<_> = doc.children(0).enumerate()
            .filter(|(index, _)| !removed.get(*index).copied().unwrap_or_default())
            .map(|(_, child)| show(&doc, child)).collect();
        prop_assert_eq!(rest.children(0).map(|child| show(&rest, child)).collect::<Vec<_>>(), kept);
    }

    #[test]
    fn a_tape_that_was_used_scans_like_a_fresh_one(first in damaged(), second in damaged()) {
        let (mut used, mut fresh) = (Tape::default(), Tape::default());
        let _ = scan(&first, &UNLIMITED, &mut used);
        prop_assert_eq!(scan(&second, &UNLIMITED, &mut used), scan(&second, &UNLIMITED, &mut fresh));
        prop_assert_eq!(used.nodes(), fresh.nodes());
    }
}
