//! 1,062 real events of many shapes through `sivcar protect`, judged by readers that are not the library's.
//!
//! What is asked: none is lost; what is refused is refused rightly; putting the original values back gives the original bytes; no
//! value at a marked path is in clear; where the same text stands elsewhere in the same document is listed by path. serde_json
//! tells what stands where, and a lexer of forty lines tells which bytes were replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::Value;

#[path = "cli/bench.rs"]
#[allow(dead_code)] // the bench serves the tests of the command line too
mod bench;
#[path = "segment/judge.rs"]
#[allow(dead_code)] // the judge serves the scenario on a broker too
mod judge;
#[path = "segment/lexer.rs"]
mod lexer;

use bench::Bench;
use judge::{
    EVENTS, REFUSED, events, leaves, marked, nothing_marked_is_in_clear, objects, originals_come_back, pairs, parse,
    sections,
};
use lexer::put_back;

/// Texts shorter than this stand elsewhere by chance.
const TEXT_CHARS_MIN: usize = 4;

fn bench() -> Bench {
    let bench = Bench::new();
    let views = "[[view]]\nname = \"open\"\nunlisted = \"show\"\ntopics = { \"raw\" = \"debug.open\" }\n\
        [[view]]\nname = \"closed\"\ntopics = { \"raw\" = \"debug.closed\" }\n";
    bench.write("sivcar.toml", &format!("[keys]\nfile = \"keyset.json\"\n{}{views}", sections()));
    bench
}

/// What the program makes of the events; asserts that there is one line for each and that exactly [`REFUSED`] are refused.
fn filtered(bench: &Bench, arguments: &str, events: &[String]) -> Vec<String> {
    let (code, output, errors) = bench.run(arguments, events.join("\n") + "\n");
    let refusals: String = REFUSED.iter().map(|line| format!("line {line}: layout_mismatch\n")).collect();
    assert_eq!((code, errors), (1, refusals), "sivcar {arguments}");
    let lines: Vec<String> = output.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), EVENTS);
    let empty: Vec<usize> = (1..).zip(&lines).filter(|(_, line)| line.is_empty()).map(|(number, _)| number).collect();
    assert_eq!(empty, REFUSED);
    lines
}

/// The text of a string or number.
fn text(leaf: &Value) -> Option<String> {
    match leaf {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Why an event is none in Segment's layout, read anew from the contract: a container that is neither object, null nor an array
/// of these, a name that is no text, an id that is neither text nor integer.
fn mismatches(document: &Value) -> bool {
    fn container(value: &Value) -> bool {
        match value {
            Value::Array(elements) => elements.iter().all(container),
            other => other.is_object() || other.is_null(),
        }
    }
    let name = |value: &Value| value.is_string() || value.is_null();
    let id = |value: &Value| name(value) || value.is_i64() || value.is_u64();
    let containers = ["traits", "properties", "context"].iter().all(|key| container(&document[key]));
    let traits = objects(&document["context"]).into_iter().all(|context| container(&context["traits"]));
    let event = name(&document["event"]) && (document["event"].is_string() || name(&document["type"]));
    !(containers && traits && event && id(&document["userId"]) && id(&document["anonymousId"]))
}

#[test]
fn none_is_lost_and_exactly_what_is_no_event_is_refused() {
    let Some(events) = events() else { return };
    assert_eq!(events.len(), EVENTS);
    let none: Vec<usize> =
        (1..).zip(&events).filter(|(_, event)| mismatches(&parse(event))).map(|(number, _)| number).collect();
    assert_eq!(none, REFUSED);
    filtered(&bench(), "protect --config sivcar.toml --source raw", &events);
}

#[test]
fn putting_the_original_values_back_gives_the_original_bytes() {
    let Some(events) = events() else { return };
    let outputs = filtered(&bench(), "protect --config sivcar.toml --source raw", &events);
    originals_come_back(&events, &outputs);
}

#[test]
fn no_value_at_a_marked_path_is_in_clear() {
    let Some(events) = events() else { return };
    let (bench, protect) = (bench(), "protect --config sivcar.toml --source raw");
    for (arguments, hidden) in [("", "siv:"), (" --view open", "***"), (" --view closed", "***")] {
        let outputs = filtered(&bench, &format!("{protect}{arguments}"), &events);
        nothing_marked_is_in_clear(&events, &outputs, hidden);
    }
}

#[test]
fn views_change_marked_values_and_ids_and_nothing_else_or_every_leaf() {
    let Some(events) = events() else { return };
    let bench = bench();
    let open = filtered(&bench, "protect --config sivcar.toml --source raw --view open", &events);
    for (number, event, output) in pairs(&events, &open) {
        let (bytes, replaced) = put_back(event, output, |token| token == "\"***\"");
        assert_eq!(bytes, event, "line {number}");
        let event = parse(event);
        let values = marked(&event).into_iter().filter(|(_, value)| !value.is_null()).count();
        let ids = ["userId", "anonymousId"].iter().filter(|id| !event[**id].is_null()).count();
        assert_eq!(replaced, values + ids, "line {number}");
    }
    let closed = filtered(&bench, "protect --config sivcar.toml --source raw --view closed", &events);
    for (number, event, output) in pairs(&events, &closed) {
        assert_eq!(put_back(event, output, |token| token == "\"***\"").0, event, "line {number}");
        leaves(&parse(output), String::new(), &mut |path, leaf| {
            assert!(leaf.is_null() || leaf == "***", "line {number}: {path}");
        });
    }
}

#[test]
fn what_was_protected_is_revealed() {
    let Some(events) = events() else { return };
    let bench = bench();
    let outputs = filtered(&bench, "protect --config sivcar.toml --source raw", &events);
    let protected: String = pairs(&events, &outputs).map(|(.., output)| output.to_owned() + "\n").collect();
    let (code, revealed, errors) = bench.run("reveal --config sivcar.toml --source raw", protected);
    assert_eq!((code, errors.as_str()), (0, ""));
    let revealed: Vec<&str> = revealed.lines().collect();
    assert_eq!(revealed.len(), EVENTS - REFUSED.len());
    for ((number, event, _), revealed) in pairs(&events, &outputs).zip(revealed) {
        assert_eq!(parse(event), parse(revealed), "line {number}");
    }
}

#[test]
fn the_same_text_elsewhere_in_the_document_is_listed_by_path() {
    let Some(events) = events() else { return };
    let outputs = filtered(&bench(), "protect --config sivcar.toml --source raw", &events);
    let (mut list, mut by_path) = (String::from("line\tpath\n"), BTreeMap::new());
    for (number, event, output) in pairs(&events, &outputs) {
        let (event, output) = (parse(event), parse(output));
        let mut texts = BTreeSet::new();
        for (path, value) in marked(&event) {
            leaves(value, path, &mut |_, leaf| texts.extend(text(leaf).map(|text| text.to_lowercase())));
        }
        texts.retain(|text| text.chars().count() >= TEXT_CHARS_MIN);
        leaves(&output, String::new(), &mut |path, leaf| {
            let stands = text(leaf).map(|text| text.to_lowercase()).unwrap_or_default();
            if texts.iter().any(|text| stands.contains(text)) || texts.contains(path) {
                let _ = writeln!(list, "{number}\t{path}");
                *by_path.entry(path.to_owned()).or_insert(0) += 1;
            }
        });
    }
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("segment-elsewhere.tsv");
    std::fs::write(&file, list).expect("target/ can be written");
    // docs/runs explains each
    let expected = BTreeMap::from([("context.timezone".to_owned(), 6), ("properties.emails".to_owned(), 1)]);
    assert_eq!(by_path, expected, "listed in {}", file.display());
}
