//! What people and programs see of a record.

use super::*;
use crate::privacy::settings::tests::settings;
use crate::record::{Header, Partition, Record};

fn fetched(value: Option<&str>) -> Fetched {
    let header = |name: &str, value: &str| Header { name: name.to_owned(), value: Some(value.as_bytes().to_vec()) };
    let record = Record {
        key: Some(b"siv:key".to_vec()),
        value: value.map(|value| value.as_bytes().to_vec()),
        headers: vec![header("trace", "7\u{7}"), header("sivcar-policy", "9")],
        timestamp: Some(1_795_338_534_123),
    };
    Fetched { partition: Partition::new("debug", 1), offset: 17, record }
}

fn shown(only: Only, json: bool, value: Option<&str>) -> Option<String> {
    let mut source = settings().sources.remove(0);
    source.layout.event = vec![crate::privacy::path::Path::parse("action").expect("a path")];
    Screen::new(64, only, json).shown(&source, &CompiledLayout::new(&source), &fetched(value))
}

const EVENT: &str = "{\"workspace\":\"acme\",\"action\":\"buy\",\"client\":{\"email\":\"a***@***.com\",\"id\":\"siv:A\"},\n\t\"n\":[1.0,{},{\"n\":1,\"n\":2}],\"\u{9b}2J\":\"\u{202e}\u{61c}x\"}";

#[test]
fn a_record_is_a_block_of_its_leaves() {
    let expected = "2026-11-22 09:08:54.123Z  debug[1]@17  acme  buy  siv:key\n\
                    \x20 (trace)       7\\u0007\n\
                    \x20 workspace     \"acme\"\n\
                    \x20 action        \"buy\"\n\
                    \x20 client.email  \"a***@***.com\"\n\
                    \x20 client.id     \"siv:A\"\n\
                    \x20 n[0]          1.0\n\
                    \x20 n[1]          {}\n\
                    \x20 n[2].n        1\n\
                    \x20 n[2].n        2\n\
                    \x20 \\u009b2J      \"\\u202e\\u061cx\"\n";
    assert_eq!(shown(Only::default(), false, Some(EVENT)).as_deref(), Some(expected));
    let deleted = "2026-11-22 09:08:54.123Z  debug[1]@17  siv:key\n  (trace)    7\\u0007\n  (deleted)\n";
    assert_eq!(shown(Only::default(), false, None).as_deref(), Some(deleted));
    assert_eq!(shown(Only::default(), false, Some("{}")).map(|text| text.lines().count()), Some(2));
    assert_eq!(shown(Only::default(), false, Some("no JSON")), None);
}

#[test]
fn a_record_is_a_line_of_json() {
    let text = shown(Only::default(), true, Some(EVENT)).expect("shown");
    assert_eq!(text.matches('\n').count(), 1);
    let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let original: serde_json::Value = serde_json::from_str(EVENT).expect("JSON");
    assert_eq!(read["value"], original);
    assert!(text.contains("\"n\":1,\"n\":2") && text.contains("[1.0,{}"), "as it stands: {text}");
    assert_eq!(
        (read["topic"].as_str(), read["partition"].as_i64(), read["offset"].as_i64()),
        (Some("debug"), Some(1), Some(17))
    );
    assert_eq!((read["key"].as_str(), read["headers"][0][1].as_str()), (Some("siv:key"), Some("7\u{7}")));
    let deleted: serde_json::Value =
        serde_json::from_str(&shown(Only::default(), true, None).expect("shown")).expect("JSON");
    assert_eq!(deleted["value"], serde_json::Value::Null);
}

#[test]
fn only_what_is_asked_for_is_shown() {
    let some = |text: &str| Some(text.to_owned());
    for (only, event, deletion) in [
        (Only::default(), true, true),
        (Only { workspace: some("acme"), ..Only::default() }, true, false),
        (Only { workspace: some("beta"), ..Only::default() }, false, false),
        (Only { event: some("buy"), ..Only::default() }, true, false),
        (Only { event: some("bu"), ..Only::default() }, false, false),
        (Only { key: some("siv:key"), ..Only::default() }, true, true),
        (Only { key: some("siv:other"), ..Only::default() }, false, false),
        (Only { contains: some("***.com"), ..Only::default() }, true, false),
        (Only { contains: some("ann@"), ..Only::default() }, false, false),
        (Only { event: some("buy"), key: some("siv:other"), ..Only::default() }, false, false),
    ] {
        assert_eq!(shown(only.clone(), false, Some(EVENT)).is_some(), event, "{only:?}");
        assert_eq!(shown(only.clone(), false, None).is_some(), deletion, "{only:?}");
    }
    // where the view masks the words, none is known
    let masked = Only { event: some("***"), ..Only::default() };
    assert!(shown(masked, false, Some("{\"action\":\"***\",\"workspace\":[]}")).is_some());
}

#[test]
fn moments_are_those_of_the_calendar() {
    for (ms, text) in [
        (0, "1970-01-01 00:00:00.000Z"),
        (-1, "1969-12-31 23:59:59.999Z"),
        (951_782_400_000, "2000-02-29 00:00:00.000Z"),
        (4_107_542_399_999, "2100-02-28 23:59:59.999Z"),
        (4_107_542_400_000, "2100-03-01 00:00:00.000Z"),
    ] {
        assert_eq!(moment(ms), text);
    }
    let _no_panic = (moment(i64::MIN), moment(i64::MAX));
}
