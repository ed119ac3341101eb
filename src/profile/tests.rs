//! RFC 7396's own table, what stays as it was written, and the merge against one over trees.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn identity() -> Identity {
    Identity { workspace: "acme".to_owned(), id: "42".to_owned() }
}

fn folded(held: Option<&str>, fold: Fold, incoming: &str) -> Result<String, Reason> {
    let limits = Limits::default();
    let held = held.map(|document| Profile {
        workspace: "acme".to_owned(),
        id: "42".to_owned(),
        document: document.as_bytes().to_vec(),
    });
    let profile = Profile::fold(held.as_ref(), fold, &identity(), incoming.as_bytes(), &limits)?;
    assert_eq!((profile.workspace.as_str(), profile.id.as_str()), ("acme", "42"));
    Ok(String::from_utf8(profile.document).expect("UTF-8"))
}

fn merged(held: &str, patch: &str) -> String {
    folded(Some(held), Fold::Merge, patch).expect("merged")
}

/// RFC 7396, appendix A, but for the rows whose original, patch or result is no object.
#[test]
fn the_table_of_the_rfc() {
    for (original, patch, result) in [
        (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"a":null}"#, r#"{}"#),
        (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
        (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
        (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
        (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
        (r#"{}"#, r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
    ] {
        assert_eq!(merged(original, patch), result, "{original} {patch}");
    }
    // the rows whose root is no object, one level down
    for (original, patch, result) in [
        (r#"["a","b"]"#, r#"["c","d"]"#, Some(r#"["c","d"]"#)),
        (r#"{"a":"b"}"#, r#"["c"]"#, Some(r#"["c"]"#)),
        (r#"{"a":"foo"}"#, "null", None),
        (r#"{"a":"foo"}"#, r#""bar""#, Some(r#""bar""#)),
        (r#"[1,2]"#, r#"{"a":"b","c":null}"#, Some(r#"{"a":"b"}"#)),
    ] {
        let at = |value: &str| format!(r#"{{"r":{value}}}"#);
        assert_eq!(merged(&at(original), &at(patch)), result.map_or("{}".to_owned(), at), "{original} {patch}");
    }
}

#[test]
fn what_is_not_named_keeps_its_bytes() {
    for (held, patch, result) in [
        (
            r#" { "n" : 1.0e0 , "\u0061" : "\ud800" , "z":[ 1 , 2 ] } "#,
            r#"{"x": 2 }"#,
            r#" { "n" : 1.0e0 , "\u0061" : "\ud800" , "z":[ 1 , 2 ] ,"x": 2 } "#,
        ),
        (r#"{ "a" : 1 , "b" : 2 }"#, r#"{"\u0061":  3}"#, r#"{ "a" : 3 , "b" : 2 }"#),
        (r#"{ "a" : 1 , "b" : 2 }"#, r#"{"b":null}"#, r#"{ "a" : 1 }"#),
        (r#"{ "a" : 1 , "b" : 2 }"#, r#"{"a":null}"#, r#"{ "b" : 2 }"#),
        (r#"{ "a" : 1 }"#, r#"{"a":null}"#, "{}"),
        (r#"{"o":{ "a" : 1 },"p":{ }}"#, r#"{"o":{"b" : 2},"q":{ }}"#, r#"{"o":{ "a" : 1 ,"b" : 2},"p":{ },"q":{ }}"#),
        (r#"{"o":1}"#, r#"{"o":{ "a" : null, "b" : 2 }}"#, r#"{"o":{ "b" : 2 }}"#),
        (r#"{"Email":1}"#, r#"{"email":2}"#, r#"{"Email":1,"email":2}"#),
        (r#"{"\ud800":1,"\ud801":2}"#, r#"{"\uD800":3}"#, r#"{"\ud800":3,"\ud801":2}"#),
        (r#"{}"#, r#"{"d":1,"c":2}"#, r#"{"d":1,"c":2}"#),
    ] {
        assert_eq!(merged(held, patch), result, "{held} {patch}");
    }
}

#[test]
fn of_one_name_the_last_counts() {
    for (held, patch, result) in [
        (r#"{"a":1,"b":2,"\u0061":3}"#, r#"{}"#, r#"{"b":2,"\u0061":3}"#),
        (r#"{"a":1,"a":{"x":1}}"#, r#"{"a":{"y":2}}"#, r#"{"a":{"x":1,"y":2}}"#),
        (r#"{"a":1}"#, r#"{"a":2,"a":null}"#, r#"{}"#),
        (r#"{"a":1}"#, r#"{"a":null,"a":2}"#, r#"{"a":2}"#),
        (r#"{}"#, r#"{"x":{"a":1,"a":2},"x":{"b":1,"b":2}}"#, r#"{"x":{"b":2}}"#),
        (r#"{"k":{"a":1,"a":2}}"#, r#"{"x":[{"a":1,"a":2}]}"#, r#"{"k":{"a":1,"a":2},"x":[{"a":1,"a":2}]}"#),
    ] {
        assert_eq!(merged(held, patch), result, "{held} {patch}");
    }
}

#[test]
fn the_first_document_is_what_it_says() {
    let text = r#" { "a" : { "b" : [ ] } , "c" : "\u0041" } "#;
    assert_eq!(folded(None, Fold::Merge, text).as_deref(), Ok(text));
    assert_eq!(folded(None, Fold::Replace, text).as_deref(), Ok(text));
    assert_eq!(folded(None, Fold::Merge, r#"{"a":null,"b":{"c":null}}"#).as_deref(), Ok(r#"{"b":{}}"#));
    assert_eq!(folded(Some(r#"{"z":1}"#), Fold::Replace, r#"{"a":null}"#).as_deref(), Ok(r#"{"a":null}"#));
}

#[test]
fn our_own_member_is_not_kept() {
    let incoming = r#"{"_pii":{"loose":1},"a":{"_pii":1}, "_p\u0069i":2}"#;
    assert_eq!(folded(None, Fold::Replace, incoming).as_deref(), Ok(r#"{"a":{"_pii":1}}"#));
    assert_eq!(folded(None, Fold::Merge, incoming).as_deref(), Ok(r#"{"a":{"_pii":1}}"#));
    assert_eq!(folded(Some("{}"), Fold::Merge, r#"{"_pii":1,"b":2}"#).as_deref(), Ok(r#"{"b":2}"#));
}

#[test]
fn another_profile_under_one_key_is_refused() {
    let held = |workspace: &str, id: &str| Profile {
        workspace: workspace.to_owned(),
        id: id.to_owned(),
        document: b"{}".to_vec(),
    };
    let fold = |held: &Profile| Profile::fold(Some(held), Fold::Replace, &identity(), b"{}", &Limits::default());
    assert!(fold(&held("acme", "42")).is_ok());
    assert_eq!(fold(&held("beta", "42")), Err(Reason::ProfileKeyMismatch));
    assert_eq!(fold(&held("acme", "\"42\"")), Err(Reason::ProfileKeyMismatch));
}

#[test]
fn a_result_beyond_a_limit_is_refused() {
    let limits = Limits { record_bytes: 16, depth: 2, string_bytes: 8 };
    let fold = |held: &str, patch: &str| {
        let held = Profile { document: held.as_bytes().to_vec(), workspace: "acme".to_owned(), id: "42".to_owned() };
        Profile::fold(Some(&held), Fold::Merge, &identity(), patch.as_bytes(), &limits)
            .map(|profile| String::from_utf8(profile.document).expect("UTF-8"))
    };
    assert_eq!(fold(r#"{"a":1234}"#, r#"{"b":6}"#).as_deref(), Ok(r#"{"a":1234,"b":6}"#));
    assert_eq!(fold(r#"{"a":12345}"#, r#"{"b":6}"#), Err(Reason::TooLarge));
    assert_eq!(fold(r#"{"a":{"a":{}}}"#, "{}"), Err(Reason::TooDeep));
    assert_eq!(fold(r#"{"a":{"a":{}}}"#, r#"{"a":1}"#).as_deref(), Ok(r#"{"a":1}"#), "held from before the limit");
    assert_eq!(fold("{}", r#"{"a":{"b":{}}}"#), Err(Reason::TooDeep));
    assert_eq!(fold("{}", "[]"), Err(Reason::RootNotObject));
}

/// A test's thread has the stack of a worker's; the configuration allows no more than 1,000.
#[test]
fn the_deepest_patch_fits_the_stack_of_a_worker() {
    let limits = Limits { depth: 1_000, ..Limits::default() };
    let nested = |leaf: &str| format!("{}{leaf}{}", r#"{"c":"#.repeat(999), "}".repeat(999));
    let fold = |held: Option<&Profile>, leaf: &str| {
        Profile::fold(held, Fold::Merge, &identity(), nested(leaf).as_bytes(), &limits).expect("folded")
    };
    let first = fold(None, "1");
    assert_eq!(fold(Some(&first), "2").document, nested("2").into_bytes());
}

#[test]
fn nothing_of_a_profile_is_printed() {
    let profile = Profile { workspace: "acme".to_owned(), id: "\"ann\"".to_owned(), document: b"{\"e\":1}".to_vec() };
    assert_eq!(format!("{profile:?}"), "Profile { workspace: \"acme\", document_bytes: 7, .. }");
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        2 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        2 => any::<i32>().prop_map(Value::from),
        1 => "[a-c\"\\\\é\u{1F600}]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            1 => vec(inner.clone(), 0..3).prop_map(Value::from),
            3 => object(inner),
        ]
    })
}

fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    vec(("[a-d\"é]{1}", value), 0..5).prop_map(|members| Value::Object(members.into_iter().collect()))
}

/// RFC 7396 as it stands there.
fn naive(target: Value, patch: Value) -> Value {
    let Value::Object(patch) = patch else { return patch };
    let Value::Object(mut target) = target else {
        return naive(Value::Object(Default::default()), Value::Object(patch));
    };
    for (name, value) in patch {
        let held = target.remove(&name);
        if !value.is_null() {
            target.insert(name, naive(held.unwrap_or_default(), value));
        }
    }
    Value::Object(target)
}

proptest! {
    #[test]
    fn merging_is_what_the_rfc_does_to_trees(held in object(value()), patch in object(value()), pretty in any::<bool>()) {
        let write = |value: &Value| if pretty { format!("{value:#}") } else { value.to_string() };
        let result: Value = serde_json::from_str(&merged(&write(&held), &write(&patch))).expect("JSON");
        prop_assert_eq!(result, naive(held.clone(), patch));
        let cleaned: Value = serde_json::from_str(&folded(None, Fold::Merge, &write(&held)).expect("folded")).expect("JSON");
        prop_assert_eq!(cleaned, naive(Value::Null, held));
    }

    #[test]
    fn a_patch_of_nothing_changes_nothing(held in object(value()), pretty in any::<bool>()) {
        let held = if pretty { format!("{held:#}") } else { held.to_string() };
        prop_assert_eq!(merged(&held, "{}"), held);
    }

    #[test]
    fn a_state_comes_back_and_no_part_of_it_does(
        offset in any::<i64>(), settled in any::<u64>(), keyed in any::<bool>(), workspace in "[a-z]{1,9}", id in ".{0,9}",
        document in object(value()), tail in vec(any::<u8>(), 1..4),
    ) {
        let profile = Profile { workspace, id, document: document.to_string().into_bytes() };
        let state = State { offset, settled, keyed, profile };
        let bytes = state.encode();
        let bytes = bytes.expose();
        prop_assert_eq!(State::decode(bytes), Some(state));
        for length in 0..bytes.len() {
            prop_assert_eq!(State::decode(&bytes[..length]), None);
        }
        let white = tail.iter().all(u8::is_ascii_whitespace);
        prop_assert!(white || State::decode(&[&bytes[..], &tail[..]].concat()).is_none());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..80)) {
        if let Some(state) = State::decode(&bytes) {
            let encoded = state.encode();
            prop_assert_eq!(encoded.expose(), &bytes);
        }
    }
}

#[test]
fn a_states_bytes_are_as_documented() {
    let profile = Profile { workspace: "acme".to_owned(), id: "42".to_owned(), document: b"{}".to_vec() };
    let state = State { offset: 258, settled: 3, keyed: false, profile };
    let bytes = *b"\0\0\0\0\0\0\x01\x02\0\0\0\0\0\0\0\x03\0\x04acme\0\0\0\x0242{}";
    assert_eq!(state.encode().expose(), &bytes);
    let mut keyed = bytes;
    keyed[16] = 0x80;
    assert_eq!(State { keyed: true, ..state }.encode().expose(), &keyed);
}
