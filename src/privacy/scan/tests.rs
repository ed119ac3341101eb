use super::*;

fn reason(text: &[u8], limits: &Limits) -> Option<Reason> {
    let mut tape = Tape::default();
    let outcome = scan(text, limits, &mut tape);
    assert_eq!(tape.nodes().is_empty(), outcome.is_err(), "a failed scan leaves nothing behind");
    outcome.err()
}

#[test]
fn every_node_tells_where_it_stands() {
    let text = "\t{ \"a\" : [1 , {}] ,\"\\u0062\":\"x\\n\"\n}\n";
    let mut tape = Tape::default();
    let document = Document::new(scan(text.as_bytes(), &Limits::default(), &mut tape).expect("valid"), &tape);
    let shown: Vec<_> = tape
        .nodes()
        .iter()
        .map(|node| {
            (node.kind, node.key.map(|key| document.raw(key)), document.raw(node.value), node.before, node.next)
        })
        .collect();
    assert_eq!(
        shown,
        [
            (Kind::Object, None, text.trim(), 0, 5),
            (Kind::Array, Some("a"), "[1 , {}]", 2, 4),
            (Kind::Number, None, "1", 10, 3),
            (Kind::Object, None, "{}", 13, 4),
            (Kind::String, Some("\\u0062"), "\"x\\n\"", 19, 5),
        ]
    );
    assert_eq!(document.children(0).collect::<Vec<_>>(), [1, 4]);
    assert_eq!(document.children(1).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(document.children(2).count() + document.children(3).count() + document.children(4).count(), 0);
    assert_eq!(document.key(4).as_deref(), Some(&b"b"[..]));
    assert_eq!(&*document.string(4), b"x\n");
    assert_eq!((tape.nodes()[4].key_escaped, tape.nodes()[4].escaped), (true, true));
    assert_eq!((tape.nodes()[1].key_escaped, tape.nodes()[2].escaped), (false, false));
}

#[test]
fn the_grammar_is_strict() {
    let valid = [
        "{}",
        " { } ",
        "{\"\":\"\"}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":-0}",
        "{\"a\":0.0e-0}",
        "{\"a\":1E+99999999999999999999}",
        "{\"a\":[[],{},null,true,false]}",
        "{\"\\ud800\":\"\\udc00\\uD834\"}",
        "{\"a\":\"\u{7f}\u{2028}\\/\\u0000\"}",
    ];
    for text in valid {
        assert_eq!(reason(text.as_bytes(), &Limits::default()), None, "{text}");
    }
    let invalid = [
        "",
        " ",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,}",
        "{\"a\" 1}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":[1,]}",
        "{\"a\":[,1]}",
        "{\"a\":[1 2]}",
        "{\"a\":[1}",
        "{\"a\":1]",
        "{\"a\":01}",
        "{\"a\":-}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":1e}",
        "{\"a\":1e+}",
        "{\"a\":0x1}",
        "{\"a\":NaN}",
        "{\"a\":tru}",
        "{\"a\":True}",
        "{\"a\":nul",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\\",
        "{\"a\":\"x",
        "{\"a\":\"\\u00",
        "{\"a\":1}/**/",
        "\u{a0}{}",
        "{\u{feff}}",
        "//x\n{}",
        "{\"a\":\u{c}1}",
        "{1:1}",
        "{\"a\":1 \"b\":2}",
    ];
    for text in invalid {
        let expected = if text == "{\"a\":1}/**/" { Reason::TrailingBytes } else { Reason::JsonSyntax };
        assert_eq!(reason(text.as_bytes(), &Limits::default()), Some(expected), "{text}");
    }
}

#[test]
fn of_several_reasons_the_first_counts() {
    let limits = Limits { depth: 2, record_bytes: 20, string_bytes: 3 };
    let cases: &[(&[u8], Reason)] = &[
        (b"\xef\xbb\xbf{\xff                  ", Reason::TooLarge),
        (b"\xef\xbb\xbf{\xff", Reason::NotUtf8),
        (b"\xef\xbb\xbf{", Reason::ByteOrderMark),
        (b"{\"a\":[[x", Reason::TooDeep),
        (b"{\"a\":x[[", Reason::JsonSyntax),
        (b"[\"abcd\"[[[", Reason::StringTooLong),
        (b"[[[\"abcd", Reason::TooDeep),
        (b"{\"abcd\":1}", Reason::StringTooLong),
        (b"{\"a\":[]}}", Reason::TrailingBytes),
        (b"[] x", Reason::TrailingBytes),
        (b"1 2", Reason::TrailingBytes),
        (b"01", Reason::TrailingBytes),
        (b"truex", Reason::TrailingBytes),
        (b"{} {", Reason::TrailingBytes),
        (b" [1] ", Reason::RootNotObject),
        (b"null", Reason::RootNotObject),
        (b"\"abc\"", Reason::RootNotObject),
    ];
    for (text, expected) in cases {
        assert_eq!(reason(text, &limits), Some(*expected), "{}", text.escape_ascii());
    }
}

#[test]
fn a_string_is_too_long_at_the_byte_after_the_limit_and_wrong_before_it() {
    let limits = Limits { string_bytes: 4, ..Limits::default() };
    let cases = [
        (r#"{"abcd":"abcd"}"#, None),
        (r#"{"a":"\"\""}"#, None),
        (r#"{"a":"abcde"}"#, Some(Reason::StringTooLong)),
        (r#"{"a":"abc\"}"#, Some(Reason::StringTooLong)),
        (r#"{"a":"abc\"#, Some(Reason::JsonSyntax)),
        (r#"{"a":"abc\x"}"#, Some(Reason::StringTooLong)),
        (r#"{"a":"ab\x"}"#, Some(Reason::JsonSyntax)),
        (r#"{"a":"\u00e9"}"#, Some(Reason::StringTooLong)),
        (r#"{"a":"\u12"}"#, Some(Reason::StringTooLong)),
        (r#"{"a":"\u1""}"#, Some(Reason::JsonSyntax)),
        (r#"{"a":"\u12"#, Some(Reason::JsonSyntax)),
        ("{\"a\":\"abcd\n", Some(Reason::StringTooLong)),
        ("{\"a\":\"abc\n\"", Some(Reason::JsonSyntax)),
        ("{\"a\":\"żż\"}", None),
        ("{\"a\":\"żżż\"}", Some(Reason::StringTooLong)),
        ("{\"a\":\"abcd", Some(Reason::JsonSyntax)),
        ("{\"a\":\"abcde", Some(Reason::StringTooLong)),
        ("{\"a\":\"abcd\\", Some(Reason::StringTooLong)),
    ];
    for (text, expected) in cases {
        assert_eq!(reason(text.as_bytes(), &limits), expected, "{text}");
    }
    let none = Limits { string_bytes: 0, ..Limits::default() };
    assert_eq!(reason(b"{\"\":\"\"}", &none), None);
    assert_eq!(reason(b"{\"\":\"a\"}", &none), Some(Reason::StringTooLong));
    let all = Limits { depth: usize::MAX, record_bytes: usize::MAX, string_bytes: usize::MAX };
    assert_eq!(reason(b"{\"a\":\"\\n\"}", &all), None);
}

#[test]
fn depth_counts_the_root_as_one() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert_eq!(reason(nested(64).as_bytes(), &Limits::default()), None);
    assert_eq!(reason(nested(65).as_bytes(), &Limits::default()), Some(Reason::TooDeep));
    let all = Limits { depth: usize::MAX, ..Limits::default() };
    assert_eq!(reason(nested(400_000).as_bytes(), &all), None, "no recursion, so no limit of its own");
    let wide = format!("{{\"a\":[{}[]]}}", "[],".repeat(100));
    assert_eq!(reason(wide.as_bytes(), &Limits { depth: 3, ..Limits::default() }), None);
}

#[test]
fn record_bytes_is_the_last_length_that_passes() {
    let limits = Limits { record_bytes: 2, ..Limits::default() };
    assert_eq!(reason(b"{}", &limits), None);
    assert_eq!(reason(b"{} ", &limits), Some(Reason::TooLarge));
}

#[test]
fn any_root_passes_where_one_is_asked_for() {
    let mut tape = Tape::default();
    for (text, kind) in [("1", Kind::Number), (" \"a\" ", Kind::String), ("[]", Kind::Array), ("null", Kind::Null)] {
        assert_eq!(scan_value(text.as_bytes(), &Limits::default(), &mut tape), Ok(text));
        assert_eq!(tape.nodes()[0].kind, kind);
    }
}

#[test]
fn escapes_resolve_to_wtf8() {
    let cases: &[(&str, &[u8])] = &[
        (r#""\"\\\/\b\f\n\r\t""#, b"\"\\/\x08\x0c\n\r\t"),
        (r#""\u0041\u00e9\u20AC""#, "Aé€".as_bytes()),
        (r#""\ud83d\ude00""#, "\u{1f600}".as_bytes()),
        (r#""x\ud83dy""#, b"x\xed\xa0\xbdy"),
        (r#""\ude00\ud83d""#, b"\xed\xb8\x80\xed\xa0\xbd"),
        (r#""\ud83d\ud83d\ude00""#, b"\xed\xa0\xbd\xf0\x9f\x98\x80"),
        (r#""\ud83d\\ude00""#, b"\xed\xa0\xbd\\ude00"),
        (r#""\ud83d\n""#, b"\xed\xa0\xbd\n"),
        (r#""\udbff\udfff\u0000""#, b"\xf4\x8f\xbf\xbf\0"),
    ];
    let mut tape = Tape::default();
    for (text, expected) in cases {
        let text = scan_value(text.as_bytes(), &Limits::default(), &mut tape).expect("valid");
        assert_eq!(&*Document::new(text, &tape).string(0), *expected, "{text}");
    }
}

#[test]
fn a_tape_is_reused_without_growing() {
    let mut tape = Tape::default();
    let text = br#"{"a":[1,2,{"b":[]}],"c":null}"#;
    scan(text, &Limits::default(), &mut tape).expect("valid");
    let (nodes, open) = (tape.nodes.as_ptr(), tape.open.as_ptr());
    for _ in 0..3 {
        scan(text, &Limits::default(), &mut tape).expect("valid");
        assert_eq!((tape.nodes.as_ptr(), tape.open.as_ptr()), (nodes, open));
        assert_eq!((tape.nodes().len(), tape.open.len()), (7, 0));
    }
}
