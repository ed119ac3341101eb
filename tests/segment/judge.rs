//! What must hold of whatever became of the events, asked of readers that are not the library's.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::Value;

use crate::lexer::put_back;

/// How many events the file holds.
pub const EVENTS: usize = 1_062;

/// The lines that are no Segment events, found by [`mismatches`] too.
pub const REFUSED: [usize; 5] = [115, 142, 392, 481, 891];

/// What is marked, each as attribute and as parameter.
pub const MARKED: [&str; 3] = ["email", "phone", "address"];

/// The events, or nothing where they are not to be had, which no CI may accept.
pub fn events() -> Option<Vec<String>> {
    let Some(folder) = std::env::var_os("SIVCAR_DATA") else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "SIVCAR_DATA is not set; CI must not skip this");
        eprintln!("skipped: SIVCAR_DATA is not set; it names the folder that holds segment-events.ndjson");
        return None;
    };
    let file = PathBuf::from(folder).join("segment-events.ndjson");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    Some(text.lines().map(str::to_owned).collect())
}

/// Layout, protected topic and dead letters of the source `raw`, and every mark; nothing but marks hides anything.
pub fn sections() -> String {
    let mut sections = "[[source]]\ntopic = \"raw\"\nkind = \"event\"\nlayout = \"segment\"\nworkspace = \"acme\"\n\
        protected = \"protected\"\ndead-letters = \"dead\"\ndetection = \"off\"\n"
        .to_owned();
    for name in MARKED {
        for on in ["attribute", "parameter"] {
            let _ = write!(sections, "[[mark]]\nworkspace = \"acme\"\non = \"{on}\"\nname = \"{name}\"\n");
        }
    }
    sections
}

/// The pairs of event and output that were not refused, with their line numbers.
pub fn pairs<'a>(events: &'a [String], outputs: &'a [String]) -> impl Iterator<Item = (usize, &'a str, &'a str)> {
    let each =
        (1..).zip(events).zip(outputs).map(|((number, event), output)| (number, event.as_str(), output.as_str()));
    each.filter(|(number, ..)| !REFUSED.contains(number))
}

pub fn parse(json: &str) -> Value {
    serde_json::from_str(json).expect("is JSON")
}

/// The objects that `value` holds: itself, or those of an array at any depth.
pub fn objects(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(_) => vec![value],
        Value::Array(elements) => elements.iter().flat_map(objects).collect(),
        _ => Vec::new(),
    }
}

fn is_marked(key: &str) -> bool {
    MARKED.iter().any(|name| key.eq_ignore_ascii_case(name))
}

/// The event without the values under marks.
pub fn without_marked(event: &str) -> String {
    fn strip(container: &mut Value) {
        match container {
            Value::Object(members) => members.retain(|key, _| !is_marked(key)),
            Value::Array(elements) => elements.iter_mut().for_each(strip),
            _ => {}
        }
    }
    fn context(value: &mut Value) {
        match value {
            Value::Object(members) => members.get_mut("traits").into_iter().for_each(strip),
            Value::Array(elements) => elements.iter_mut().for_each(context),
            _ => {}
        }
    }
    let mut document = parse(event);
    for (key, value) in document.as_object_mut().into_iter().flatten() {
        match key.as_str() {
            "traits" | "properties" => strip(value),
            "context" => context(value),
            _ => {}
        }
    }
    document.to_string()
}

/// The values under marks, with their paths.
pub fn marked(document: &Value) -> Vec<(String, &Value)> {
    let contexts = objects(&document["context"]).into_iter().map(|context| ("context.traits", &context["traits"]));
    let containers = [("traits", &document["traits"]), ("properties", &document["properties"])];
    let members = containers.into_iter().chain(contexts).flat_map(|(path, container)| {
        let maps = objects(container).into_iter().filter_map(Value::as_object);
        maps.flatten().map(move |(key, value)| (format!("{path}.{key}"), key, value))
    });
    members.filter(|(_, key, _)| is_marked(key)).map(|(path, _, value)| (path, value)).collect()
}

/// The leaves below `value` with their paths, arrays as `[]`.
pub fn leaves<'a>(value: &'a Value, path: String, give: &mut impl FnMut(&str, &'a Value)) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let dot = if path.is_empty() { "" } else { "." };
                leaves(member, format!("{path}{dot}{key}"), give);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| leaves(element, path.clone() + "[]", give)),
        leaf => give(&path, leaf),
    }
}

/// How many tokens a marked value becomes: none for null, one for each element of an array, else one.
pub fn tokens(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Array(elements) => elements.iter().map(tokens).sum(),
        _ => 1,
    }
}

/// Putting the original values back gives the original bytes, and every token stands for one value.
pub fn originals_come_back(events: &[String], outputs: &[String]) {
    let (mut sealed, mut touched) = (0, 0);
    for (number, event, output) in pairs(events, outputs) {
        let (bytes, replaced) = put_back(event, output, |token| token.starts_with("\"siv:"));
        assert_eq!(bytes, event, "line {number}");
        let expected: usize = marked(&parse(event)).iter().map(|(_, value)| tokens(value)).sum();
        assert_eq!(replaced, expected, "line {number}");
        sealed += replaced;
        touched += usize::from(replaced > 0);
    }
    assert_eq!((sealed, touched), (589, 422));
}

/// Every leaf under a mark is null or begins with `hidden`.
pub fn nothing_marked_is_in_clear(events: &[String], outputs: &[String], hidden: &str) {
    let mut values = 0;
    for (number, event, output) in pairs(events, outputs) {
        let (event, output) = (parse(event), parse(output));
        assert_eq!(marked(&event).len(), marked(&output).len(), "line {number}");
        for (path, value) in marked(&output) {
            values += 1;
            leaves(value, path, &mut |path, leaf| {
                let is_hidden = leaf.is_null() || leaf.as_str().is_some_and(|text| text.starts_with(hidden));
                assert!(is_hidden, "line {number}: {path}");
            });
        }
    }
    assert_eq!(values, 586);
}
