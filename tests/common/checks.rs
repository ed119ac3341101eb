//! What must hold for any input, as one predicate each: property tests and fuzz targets call the same.

use sivcar::privacy::path::Path;
use sivcar::privacy::scan::{Document, Kind, Limits, Tape, scan, scan_value};

use super::reference::{Item, Value, read, read_value};

/// The scanner and the reference agree on `bytes` under `limits`: on the reason, or on every value and its place.
pub fn scan_agrees(bytes: &[u8], limits: &Limits) {
    let mut tape = Tape::default();
    match (scan(bytes, limits, &mut tape), read(bytes, limits)) {
        (Ok(text), Ok(root)) => same(&Document::new(text, &tape), 0, None, &root),
        (scanned, expected) => assert_eq!(scanned.err(), expected.err()),
    }
    match (scan_value(bytes, limits, &mut tape), read_value(bytes, limits)) {
        (Ok(text), Ok(root)) => same(&Document::new(text, &tape), 0, None, &root),
        (scanned, expected) => assert_eq!(scanned.err(), expected.err()),
    }
}

/// Node `i` is the reference's item, and so is all inside it.
fn same(doc: &Document, i: usize, key: Option<&[u8]>, item: &Item) {
    let node = doc.node(i);
    assert_eq!((node.value.start as usize, node.value.end as usize), (item.start, item.end));
    assert_eq!(doc.key(i).as_deref(), key);
    assert_eq!(node.key_escaped, node.key.is_some_and(|key| doc.raw(key).contains('\\')));
    assert_eq!(node.escaped, node.kind == Kind::String && doc.raw(node.value).contains('\\'));
    let children: Vec<usize> = doc.children(i).collect();
    match (node.kind, &item.value) {
        (Kind::Null, Value::Null) | (Kind::True, Value::Bool(true)) | (Kind::False, Value::Bool(false)) => {}
        (Kind::Number, Value::Number(text)) => assert_eq!(doc.raw(node.value), text),
        (Kind::String, Value::String(string)) => assert_eq!(&*doc.string(i), &string[..]),
        (Kind::Array, Value::Array(elements)) => {
            assert_eq!(children.len(), elements.len());
            children.iter().zip(elements).for_each(|(child, element)| same(doc, *child, None, element));
        }
        (Kind::Object, Value::Object(members)) => {
            assert_eq!(children.len(), members.len());
            children.iter().zip(members).for_each(|(child, (key, member))| same(doc, *child, Some(key), member));
        }
        (kind, value) => panic!("the scanner sees {kind:?}, the reference {value:?}"),
    }
}

/// A text is refused, or a path whose normal form has the same steps and is its own normal form.
pub fn path_round_trips(text: &str) {
    let Ok(path) = Path::parse(text) else { return };
    assert_eq!(path.text(), text);
    let normal = path.to_string();
    let again = Path::parse(&normal).expect("a normal form is a path");
    assert_eq!((again.steps(), again.rooted()), (path.steps(), path.rooted()));
    assert_eq!(again.to_string(), normal);
}
