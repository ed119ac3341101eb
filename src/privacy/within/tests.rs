use proptest::prelude::*;

use super::*;
use crate::privacy::error::Reason;
use crate::privacy::layout::Holds;
use crate::privacy::scan::scan;
use crate::privacy::splice::{Choice, Editor, splice};

const BOTH: Within = Within { json: true, queries: true };

/// Does to what `names` name what it is told, and copies the rest.
struct By<'a>(&'a dyn Fn(&[u8]) -> Choice<()>);

impl Editor for By<'_> {
    type Context = ();

    fn choose(&mut self, document: &Document, node: usize, (): ()) -> Choice<()> {
        match (self.0)(&document.key(node).unwrap_or_default()) {
            Choice::Copy => Choice::Enter(()),
            choice => choice,
        }
    }

    fn write(&mut self, document: &Document, node: usize, (): (), out: &mut Vec<u8>) -> Result<(), Reason> {
        canonical::quote(format!("<{}>", String::from_utf8_lossy(&document.string(node))).as_bytes(), out);
        Ok(())
    }

    fn tail(&mut self, _comma: bool, _out: &mut Vec<u8>) {}
}

/// `text` with what stands within its strings, each member dealt with by its name.
fn edited(text: &str, choose: &dyn Fn(&[u8]) -> Choice<()>) -> String {
    let (mut tape, mut located, mut reading) = (Tape::default(), Located::default(), Reading::default());
    let text = scan(text.as_bytes(), &Limits::default(), &mut tape).expect("a document");
    let document = Document::new(text, &tape);
    let document = reading.read(document, BOTH, Which::All, &Limits::default(), &mut located);
    let mut out = Vec::new();
    splice(&document, &mut By(choose), (), &mut out).expect("nothing is refused");
    String::from_utf8(out).expect("UTF-8")
}

fn replaced(text: &str) -> String {
    edited(text, &|key| if key == b"e" { Choice::Replace(()) } else { Choice::Copy })
}

fn removed(text: &str) -> String {
    edited(text, &|key| if key.starts_with(b"e") { Choice::Remove } else { Choice::Copy })
}

#[test]
fn values_within_strings_are_replaced_in_place() {
    for (text, expected) in [
        (r#"{"p":"{\"e\":\"a\"}"}"#, r#"{"p":"{\"e\":\"<a>\"}"}"#),
        (r#"{"p":" {\"x\" : 1.0, \"e\":\"a\\\"b\\u00e9\" }\n"}"#, r#"{"p":" {\"x\" : 1.0, \"e\":\"<a\\\"bé>\" }\n"}"#),
        (
            r#"{"p":"{\u0022e\u0022:\u0022a\u0022,\"u\":\"\\\/\ud83d\ude00\",\"e\":2}"}"#,
            r#"{"p":"{\u0022e\u0022:\"<a>\",\"u\":\"\\\/\ud83d\ude00\",\"e\":\"<2>\"}"}"#,
        ),
        (r#"{"p":"[{\"e\":1},[2,{\"e\":3}]]","e":4}"#, r#"{"p":"[{\"e\":\"<1>\"},[2,{\"e\":\"<3>\"}]]","e":"<4>"}"#),
        (r#"{"p":"{\"e\":{\"x\":1}}","q":"{}"}"#, r#"{"p":"{\"e\":\"<{\\\"x\\\":1}>\"}","q":"{}"}"#),
        (
            r#"{"u":"https:\/\/x.co\/?a=1&e=b%20c+d&E=2#e=f"}"#,
            r#"{"u":"https:\/\/x.co\/?a=1&e=%3Cb%20c%20d%3E&E=2#e=%3Cf%3E"}"#,
        ),
        (r#"{"u":"?e\u003d1\u0026e=\u00e9;x"}"#, r#"{"u":"?e\u003d%3C1%3E\u0026e=%3C%C3%A9%3E;x"}"#),
        // one level, and only what can be read
        (r#"{"p":"{\"q\":\"{\\\"e\\\":1}\",\"u\":\"?e=1\"}"}"#, r#"{"p":"{\"q\":\"{\\\"e\\\":1}\",\"u\":\"?e=1\"}"}"#),
        (
            r#"{"p":"{\"e\":1","u":"?e=1&x=%zz","v":"?e=%ff","w":"why?"}"#,
            r#"{"p":"{\"e\":1","u":"?e=1&x=%zz","v":"?e=%ff","w":"why?"}"#,
        ),
    ] {
        assert_eq!(replaced(text), expected, "{text}");
    }
}

#[test]
fn members_and_parameters_go_with_what_divides_them() {
    for (text, expected) in [
        (r#"{"p":"{\"e\":1, \"x\":2}"}"#, r#"{"p":"{ \"x\":2}"}"#),
        (r#"{"p":"{\"x\":2, \"e\":1}"}"#, r#"{"p":"{\"x\":2}"}"#),
        (r#"{"u":"/?e=1&x=2&e=3&y=4#e=5"}"#, r#"{"u":"/?x=2&y=4#"}"#),
        (r#"{"u":"/?x=2&e=1&e2=3"}"#, r#"{"u":"/?x=2"}"#),
        (r#"{"u":"/?e=1&e2=3&x=2;e=4;z"}"#, r#"{"u":"/?x=2;z"}"#),
        (r#"{"u":"/?e=1"}"#, r#"{"u":"/?"}"#),
        (r#"{"u":"/?e=1\u0026x=2"}"#, r#"{"u":"/?x=2"}"#),
        (r#"{"u":"/?x=1&&e=2&"}"#, r#"{"u":"/?x=1&&"}"#),
    ] {
        assert_eq!(removed(text), expected, "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_noted() {
    let inside = |text: &str, depth: usize| -> Vec<(u32, Inside)> {
        let (mut tape, mut located, mut reading) = (Tape::default(), Located::default(), Reading::default());
        let text = scan(text.as_bytes(), &Limits::default(), &mut tape).expect("a document");
        let limits = Limits { depth, ..Limits::default() };
        let document = reading.read(Document::new(text, &tape), BOTH, Which::All, &limits, &mut located);
        (0..document.nodes().len()).filter_map(|node| Some((node as u32, document.inside(node)?))).collect()
    };
    use Inside::{Array, Object, Query, UnreadDocument, UnreadQuery};
    for (text, expected) in [
        (r#"{"a":"{\"b\":1}"}"#, vec![(1, Object)]),
        (r#"{"a":"[1]","b":"?c=1"}"#, vec![(1, Array), (3, Query)]),
        (
            r#"{"a":"{","b":"\ufeff{}","c":"[1","d":"[Beta] x","e":"{}"}"#,
            vec![(1, UnreadDocument), (2, UnreadDocument), (3, UnreadDocument)],
        ),
        (
            r#"{"a":"{\"b\":\"{\\\"c\\\":1}\",\"d\":\"?c=1\"}","e":1}"#,
            vec![(1, Object), (2, UnreadDocument), (3, UnreadQuery)],
        ),
        (r#"{"a":"?b=%7B%7D&c=%2","d":"?b=%7B%7D"}"#, vec![(1, UnreadQuery), (2, Query), (3, UnreadDocument)]),
        (r#"{"a":"\ud800{}","b":"{\"c\":\"\ud800\"}"}"#, vec![(2, UnreadDocument)]),
    ] {
        assert_eq!(inside(text, 64), expected, "{text}");
    }
    let deep = r#"{"x":["{\"a\":[1]}"]}"#;
    assert_eq!(inside(deep, 4), [(2, Object)], "depth counts on");
    assert_eq!(inside(deep, 3), [(2, UnreadDocument)]);
}

#[test]
fn words_of_the_layout_are_not_entered() {
    let (mut tape, mut reading) = (Tape::default(), Reading::default());
    let text =
        scan(br#"{"a":"{\"b\":1}","id":"{\"c\":1}","d":{}}"#, &Limits::default(), &mut tape).expect("a document");
    let mut located = Located::default();
    located.id = Some(2);
    located.containers = vec![(3, Holds::Attributes)];
    let document = reading.read(Document::new(text, &tape), BOTH, Which::All, &Limits::default(), &mut located);
    assert_eq!((located.id, located.containers[0].0), (Some(3), 4), "they follow");
    assert_eq!(document.inside(3), None);
    assert_eq!(document.node(1).next, 3);
}

proptest! {
    #[test]
    fn what_nobody_touches_keeps_its_bytes(inner in "[ -~é😀\\n]{0,20}", escaped in any::<u64>(), kind in 0..3) {
        let text = match kind {
            0 => format!("{{\"k\": \"{}\", \"l\":[1,\"x\"]}}", inner.replace(['"', '\\', '\n'], "")),
            1 => format!("[\"{}\",{{\"m\":null}}] ", inner.replace(['"', '\\', '\n'], "")),
            _ => format!("https://x.co/?a={inner}&b=%41#c=d"),
        };
        // each character of the string is escaped one way or another
        let raw: String = text.chars().enumerate().map(|(index, c)| {
            let plain = !matches!(c, '"' | '\\') && u32::from(c) >= 0x20;
            let unit = |unit: u16| format!("\\u{unit:04X}");
            match (escaped >> (index % 64)) & 1 {
                0 if plain => c.to_string(),
                _ => c.encode_utf16(&mut [0; 2]).iter().map(|half| unit(*half)).collect(),
            }
        }).collect();
        let document = format!("{{\"before\":1,\"s\":\"{raw}\",\"after\":[\"{raw}\"]}}");
        prop_assert_eq!(edited(&document, &|_| Choice::Copy), document);
    }

    #[test]
    fn what_is_written_is_a_document_again(value in "[ -~é😀]{0,12}", query in any::<bool>()) {
        let mut string = Vec::new();
        canonical::quote(value.as_bytes(), &mut string);
        let string = String::from_utf8(string).expect("UTF-8");
        let escape = |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02x}") };
        let within = match query {
            true => format!("/?x=1&e={}&y=2", value.bytes().map(escape).collect::<String>()),
            false => format!("{{\"x\":1,\"e\":{string},\"y\":2}}"),
        };
        let mut quoted = Vec::new();
        canonical::quote(within.as_bytes(), &mut quoted);
        let document = format!("{{\"s\":{}}}", String::from_utf8(quoted).expect("UTF-8"));
        let once = replaced(&document);
        // what was written reads as what it stands for
        let expected = format!("<<{value}>>");
        let twice = replaced(&once);
        let (mut tape, mut located, mut reading) = (Tape::default(), Located::default(), Reading::default());
        let text = scan(twice.as_bytes(), &Limits::default(), &mut tape).expect("a document");
        let read = reading.read(Document::new(text, &tape), BOTH, Which::All, &Limits::default(), &mut located);
        let found = (1..read.nodes().len()).find(|node| read.key(*node).as_deref() == Some(b"e")).expect("it stays");
        prop_assert_eq!(String::from_utf8_lossy(&read.string(found)).into_owned(), expected);
    }
}

#[test]
fn an_address_that_goes_on_behind_a_divider_is_not_divided() {
    for (text, divided) in [
        ("/?next=https://ann:se&cret@host.example/x", true),
        ("/?next=https://ann:se;cret@host.example/x", true),
        ("/?next=https://ann:s&e;cret@host", true),
        ("/?next=https://an&n@host.example", true),
        ("/?next=https%3A%2F%2Fann%3Ase&cret%40host", true),
        ("/?next=https://ann:se&cr=et@host.example/", true),
        ("/?a=https://x.example:80&email=ann@x.co", true),
        ("/#a=1&b=ftp://u:p&w@h", true),
        ("/?next=https://ann:s+e&cret@host", true),
        ("/?next=https://ann:s e;cret@host", true),
        ("/?next=https://ann:s%2Fe&cret@host", true),
        ("/?next=https%3A%2F%2Fann%3As+e&cret%40host%2Fx", true),
        ("/?next=https%3A%2F%2Fshop.example%2Fx&email=ann%40x.co", false),
        ("/?q=see+https://shop.example+now&email=ann@x.co", false),
        ("/?next=https://ann:secret@host.example/x&y=1", false),
        ("/?next=https://shop.example&email=ann@x.co", false),
        ("/?next=https://shop.example&email=ann@x.co&u:p@h", false),
        ("/?next=https://shop.example/a&n@x.co", false),
        ("/?next=https://ann:se?cret@host.example", false),
        ("https://ann:se&cret@host.example/?a=1", false),
        ("/?a=b&c=d@e", false),
        ("/?", false),
        ("", false),
    ] {
        assert_eq!(divides_an_address(text), divided, "{text}");
    }
}
