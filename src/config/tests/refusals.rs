//! What is refused: where it stands, and what is wrong with it.

use super::*;

#[test]
fn every_refusal_says_where_and_what() {
    let names = "must be 1–64 letters, digits, '.', '_' or '-'";
    for (text, error) in [
        ("workers = 0\n", "f:1:11: workers must be 1–256".to_owned()),
        ("workers = 1.5\n", "f:1:11: the value must be an integer, not a float".to_owned()),
        ("group = \"a b\"\n", format!("f:1:9: group {names}")),
        ("instance = \"\"\n", format!("f:1:12: instance {names}")),
        (
            "topics = { replication-factor = 0 }\n",
            "f:1:33: replication-factor must be -1 (the broker's) or 1 and more".to_owned(),
        ),
        ("topics = { create = 1 }\n", "f:1:21: the value must be a boolean, not an integer".to_owned()),
        ("limits = { depth = 1001 }\n", "f:1:20: depth must be 1–1000".to_owned()),
        ("limits = { string-bytes = -1 }\n", "f:1:27: string-bytes must be 1–1073741824".to_owned()),
        (
            "policy = { max-staleness = \"30\" }\n",
            "f:1:28: max-staleness must be a whole number and a unit (ms, s, m or h), as \"100ms\" or \"30s\""
                .to_owned(),
        ),
        ("policy = { max-staleness = \"2h\" }\n", "f:1:28: max-staleness must be 1s–3600s".to_owned()),
        ("transaction = { time = \"3s\" }\n", "f:1:24: time must be 1ms–2.5s".to_owned()),
        ("state = { task-bytes = 1000 }\n", "f:1:24: task-bytes must be 1048576–1099511627776".to_owned()),
        ("state = { store = \"tape\" }\n", "f:1:19: unknown value \"tape\"; known here: \"memory\"".to_owned()),
        ("transaction = { records = 0 }\n", "f:1:27: records must be 1–100000".to_owned()),
        (
            "http = { listen = \"9464\" }\n",
            "f:1:19: listen must be an address and a port, as \"127.0.0.1:9464\"".to_owned(),
        ),
        (
            "kafka = { bootstrap.servers = \"b:9\" }\n",
            "f:1:11: a property's name holds dots and is quoted, as \"bootstrap.servers\"".to_owned(),
        ),
        (
            "kafka = { \"linger.ms\" = 1.5 }\n",
            "f:1:25: the value must be a string, an integer or a boolean, not a float".to_owned(),
        ),
    ] {
        refused(&format!("{text}{LEAST}"), &error);
    }
}

#[test]
fn every_refusal_in_a_section_says_where_and_what() {
    let mark = "[[mark]]\nworkspace = \"*\"\non = \"attribute\"\n";
    for (text, error) in [
        ("layout = \"segmnt\"\n", "f:9:10: unknown layout \"segmnt\"; did you mean \"segment\"?"),
        (
            "layout = \"segment\"\n",
            "f:5:9: source \"raw\": names no workspace, nor does its layout; set workspace = \"…\"",
        ),
        ("case = true\n", "f:9:8: the value must be a string, one of \"fold\", \"exact\""),
        (
            "detection = [\"encrypt\"]\n",
            "f:9:13: the value must be a string, one of \"off\", \"report\", \"encrypt\", \"mask\", \"drop\"",
        ),
        ("case = \"exat\"\n", "f:9:8: unknown value \"exat\"; did you mean \"exact\"? known here: \"fold\", \"exact\""),
        ("case = \"fuzzy\"\n", "f:9:8: unknown value \"fuzzy\"; known here: \"fold\", \"exact\""),
        ("[[layout]]\nname = \"segment\"\n", "f:10:8: layout \"segment\" is built in; choose another name"),
        ("[[layout]]\nname = \"l\"\n[[layout]]\nname = \"l\"\n", "f:12:8: layout \"l\" is configured twice"),
        ("[[workspace]]\nid = \"a\"\n[[workspace]]\nid = \"a\"\n", "f:12:6: workspace \"a\" is configured twice"),
        ("[[workspace]]\nid = \"a\"\nkeys = {}\n", "f:11:8: keys must name exactly one of file, env and command"),
        (
            "workspace = \"acmee\"\n[[workspace]]\nid = \"acme\"\n",
            "f:9:13: unknown workspace \"acmee\"; did you mean \"acme\"?",
        ),
        (
            "[[view]]\nname = \"v\"\ntopics = {}\n",
            "f:10:8: view \"v\": has no topics; set topics = { \"raw topic\" = \"debug topic\" }",
        ),
        ("[[view]]\nname = \"v\"\nclearance = 10000\ntopics = { raw = \"d\" }\n", "f:11:13: clearance must be 0–9999"),
        (
            "[[view]]\nname = \"v\"\ntopics = { raw = \"d/\" }\n",
            "f:11:18: a view's topic must be a topic's name: 1–249 letters, digits, '.', '_' or '-'",
        ),
        (
            "[[view]]\nname = \"v\"\ntopics = { raw = \"out\" }\n",
            "f:11:18: view topic \"out\": is written by two; give each its own topic",
        ),
        ("[[view]]\nname = \"v\"\n", "f:9:1: key \"topics\" is missing"),
        ("[[domain]]\nworkspace = \"*\"\nname = \"d\"\npad = 70000\n", "f:12:7: pad must be 0–65536"),
        ("[[domain]]\nworkspace = \"*\"\nname = \"\"\n", "f:11:8: name must be 1–256 bytes without control characters"),
        (
            "[[domain]]\nworkspace = \"?\"\nname = \"d\"\n",
            "f:10:13: workspace \"?\" must be \"*\" or 1–64 letters, digits, '.', '_' or '-'",
        ),
    ] {
        refused(&format!("{LEAST}{text}"), error);
    }
    for (text, error) in [
        ("name = \"$\"\n", "f:12:8: name \"$\" is the root, which no mark matches"),
        ("name = \"a\"\nlevel = -1\n", "f:13:9: level must be 0–9999"),
        (
            "name = \"*\"\n",
            "f:12:8: name \"*\" gives no domain (1–256 bytes, no control characters); set domain = \"…\"",
        ),
        (
            "name = \"a\"\nprotect = \"hide\"\n",
            "f:13:11: unknown value \"hide\"; known here: \"encrypt\", \"mask\", \"drop\", \"none\"",
        ),
    ] {
        let text = format!("{LEAST}{mark}{text}");
        let found = parse(&text).map(|_| ()).expect_err("is accepted");
        // the order in which an enum's names stand is its own
        assert_eq!(sorted(&found), sorted(error), "{text}");
    }
    refused(&format!("{LEAST}{mark}name = \"a\"\n{mark}name = \"a\"\n"), "f:16:8: \"a\" is configured twice");
    refused("[[source]]\ntopic = \"raw\"\n", "f:1:1: key \"kind\" is missing");
    refused("[keys]\nfile = \"k\"\n", "f: source: none is configured; add a [[source]] section");
    let keyless = LEAST.replace("[keys]\nfile = \"k.json\"\n", "");
    refused(&keyless, "f: no keyset is configured; add [keys] with file, env or command");
    refused("group = \n", "f:1:9: string values must be quoted, expected literal string");
    refused("group = \"a\"\ngroup = \"b\"\n", "f:2:1: duplicate key");
}

#[test]
fn marks_on_headers_and_keys_ask_for_what_bytes_can_have() {
    refused(
        &format!("{LEAST}[[mark]]\nworkspace = \"*\"\non = \"attribute\"\n"),
        "f:10:13: key \"name\" is missing; only a mark on record keys needs none",
    );
    let bytes = "headers and record keys are bytes, compared within one topic: they take no domain and no shape";
    let every = "a mark on record keys holds for every event, or a deletion would not find its record; leave out event";
    for (text, error) in [
        ("on = \"header\"\n", "f:10:13: key \"name\" is missing; only a mark on record keys needs none".to_owned()),
        ("on = \"header\"\nname = \"a\"\ndomain = \"d\"\n", format!("f:12:8: {bytes}")),
        ("on = \"key\"\nshape = true\n", format!("f:10:13: {bytes}")),
        ("on = \"key\"\nevent = \"e\"\n", format!("f:10:13: {every}")),
        (
            "on = \"key\"\nname = \"id\"\n",
            "f:12:8: a mark on record keys has no other name, for a record has one key; leave out name".to_owned(),
        ),
        (
            "on = \"header\"\nname = \"$.a\"\n",
            "f:12:8: name \"$.a\" begins at the root; use on = \"field\" or leave out '$.'".to_owned(),
        ),
    ] {
        refused(&format!("{LEAST}[[mark]]\nworkspace = \"*\"\n{text}"), &error);
    }
    accepted(&format!("{LEAST}[[mark]]\nworkspace = \"*\"\non = \"key\"\n"));
}

#[test]
fn a_hook_that_is_none_is_shown_where_it_stands() {
    let hook = |name: &str, level: &str| format!("[[hook]]\nname = \"{name}\"\nlevel = '{level}'\n");
    for (text, error) in [
        (
            hook("h", "level"),
            "f:11:9: hook \"h\": \"level\" is no variable; known are workspace, source, event, on, path, matcher",
        ),
        (hook("a b", "1"), "f:10:8: name must be 1–64 letters, digits, '.', '_' or '-'"),
        (hook("h", "1") + &hook("h", "2"), "f:13:8: hook \"h\" is configured twice"),
        ("[[hook]]\nname = \"h\"\nlevel = 7\n".to_owned(), "f:11:9: the value must be a string, not an integer"),
    ] {
        refused(&format!("{LEAST}{text}"), error);
    }
    let unread = parse(&format!("{LEAST}{}", hook("h", "1 +"))).map(|_| ()).expect_err("refused");
    assert!(
        unread.starts_with("f:11:9: hook \"h\": the expression cannot be read: ") && !unread.contains('\n'),
        "{unread}"
    );
}

#[test]
fn a_gate_that_lets_nothing_or_everything_pass_is_refused() {
    for (text, error) in [
        ("gate = {}\n", "f:9:8: key \"header\" is missing"),
        (
            "gate = { header = \"h\" }\n",
            "f:5:9: source \"raw\": gate: it has neither accepted values nor jwks, so that no record with an id would pass",
        ),
        (
            "gate = { header = \"h\", claims = { id = \"sub\" } }\n",
            "f:9:33: claims are those of JWTs; set jwks to the file of the issuer's public keys",
        ),
        (
            "gate = { header = \"h\", jwks = \"j\", claims = {} }\n",
            "f:9:45: claims must name the claim of id, of uuid or of both",
        ),
        (
            "layout = \"l\"\ngate = { header = \"h\", accepted = [\"a\"] }\n[[layout]]\nname = \"l\"\nworkspace = \"w\"\n",
            "f:5:9: source \"raw\": layout \"l\" names no id or uuid, so that the gate would let all pass",
        ),
        (
            "gate = { header = \"h\", accepted = [\"a\", \"\"] }\n",
            "f:5:9: source \"raw\": gate: accepted has an empty value, which says nothing; take it out",
        ),
        (
            "gate = { header = \"h\", jwks = \"j\", claims = { id = \"sub\" } }\n",
            "f:5:9: source \"raw\": gate: claims names no claim of the uuid that layout \"default\" has, so that no JWT would do for a record with one",
        ),
        (
            "layout = \"l\"\ngate = { header = \"h\", jwks = \"j\", claims = { id = \"sub\", uuid = \"u\" } }\n[[layout]]\nname = \"l\"\nworkspace = \"w\"\nid = \"id\"\n",
            "f:5:9: source \"raw\": gate: claims names the claim of a uuid, and layout \"l\" has none",
        ),
    ] {
        refused(&format!("{LEAST}{text}"), error);
    }
}

#[test]
fn copies_of_parameters_that_no_document_has_are_not_looked_for() {
    refused(
        &format!("{LEAST}derived-copies = true\n[[layout]]\nname = \"l\"\nworkspace = \"w\"\n")
            .replace("topic = \"raw\"", "topic = \"raw\"\nlayout = \"l\""),
        "f:5:9: source \"raw\": derived-copies looks for copies of marked parameters, and layout \"l\" has no parameters",
    );
}
