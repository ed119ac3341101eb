//! The rules of protecting, one table each. `«email|"ann"»` in an expectation is the token of that value in that domain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::privacy::control::{Domain, Table};
use crate::privacy::gate::Gate;
use crate::privacy::keyset::Keyset;
use crate::privacy::mark::{Mark, MarkKey, On, Protect};
use crate::privacy::mask::Mask;
use crate::privacy::path::Path;
use crate::privacy::seal::{self, Associated, Sealer};
use crate::privacy::settings::{
    Case, Detection, Fold, Ids, Layout, Partitioner, Settings, Stage, Unlisted, View, Within,
};
use crate::record::Header;

mod input;
mod views;

fn keyset() -> Keyset {
    Keyset::parse(include_bytes!("../../../tests/golden/keyset.json")).expect("the test keyset")
}

fn paths(texts: &[&str]) -> Vec<Path> {
    texts.iter().map(|text| Path::parse(text).expect("a path")).collect()
}

fn layout() -> Layout {
    let path = |text| Path::parse(text).ok();
    Layout {
        name: "default".to_owned(),
        workspace: path("workspace"),
        event: paths(&["action", "type"]),
        id: path("client.id"),
        uuid: path("client.uuid"),
        attributes: paths(&["client", "params.attributes"]),
        parameters: paths(&["params"]),
    }
}

fn view(name: &str, clearance: u16, unlisted: Unlisted) -> View {
    View {
        name: name.to_owned(),
        clearance,
        unlisted,
        show: Vec::new(),
        headers: BTreeSet::from(["trace".to_owned()]),
        trace: false,
        topics: BTreeMap::from([("raw".to_owned(), format!("view.{name}"))]),
    }
}

fn source() -> Source {
    Source {
        topic: "raw".to_owned(),
        kind: SourceKind::Event,
        layout: layout(),
        workspace: None,
        workspaces: BTreeSet::new(),
        protected: "protected".to_owned(),
        dead_letters: "dead".to_owned(),
        sealed_input: false,
        ids: Ids::Clear,
        case: Case::Fold,
        detection: Detection::Off,
        within: Within::default(),
        derived_copies: false,
        state: None,
        events: None,
        partitioner: Partitioner::Murmur2,
        gate: None,
    }
}

fn settings(source: Source, views: Vec<View>) -> Settings {
    Settings {
        group: "sivcar".to_owned(),
        limits: crate::privacy::scan::Limits::default(),
        workspaces: BTreeSet::new(),
        sources: vec![source],
        views,
        matchers: Arc::default(),
        hooks: Arc::default(),
    }
}

fn mark(on: On, name: &str) -> (MarkKey, Mark) {
    (MarkKey { workspace: "acme".to_owned(), on, name: name.to_owned(), event: None }, Mark::default())
}

fn attribute(name: &str) -> (MarkKey, Mark) {
    mark(On::Attribute, name)
}

fn table(marks: &[(MarkKey, Mark)]) -> Table {
    Table { marks: marks.iter().cloned().collect(), version: 7, ..Table::default() }
}

fn protect_with(settings: &Settings, table: &Table, record: &Record) -> Result<Outputs, Rejection> {
    let policy = Policy::compile(settings, table).expect("the policy compiles");
    let keyring = Keyring::new(Some(Arc::new(keyset())), BTreeMap::new());
    let mut outputs = Outputs::default();
    Protector::new(Arc::new(policy), Arc::new(keyring)).protect(0, record, &mut outputs)?;
    Ok(outputs)
}

fn record(value: &str) -> Record {
    Record { value: Some(value.as_bytes().to_vec()), ..Record::default() }
}

fn text(record: &Record) -> String {
    String::from_utf8(record.value.clone().expect("a value")).expect("UTF-8")
}

/// Puts tokens in the place of `«domain|json»`, computed without the pipeline.
fn expected(text: &str) -> String {
    let mut sealer = Sealer::new(&keyset());
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('«') {
        let (inside, after) = after.split_once('»').expect("closed");
        let (domain, json) = inside.split_once('|').expect("a domain and a value");
        let mut plaintext = match json.strip_prefix('"') {
            Some(string) => string.trim_end_matches('"').as_bytes().to_vec(),
            None => [b"\xff", json.as_bytes()].concat(),
        };
        if plaintext.first() == Some(&0xff) {
            plaintext.resize(plaintext.len().max(16), b' ');
        }
        let associated = match domain.split_once(':') {
            Some(("view", view)) => Associated::View { workspace: "acme", view },
            Some((_, domain)) => Associated::Loose { workspace: "acme", domain },
            None => Associated::Exact { workspace: "acme", domain },
        };
        let (mut data, mut sealed, mut token) = (Vec::new(), Vec::new(), Vec::new());
        associated.write(&mut data);
        sealer.seal(&data, &plaintext, &mut sealed);
        seal::token(&sealed, &mut token);
        out.push_str(before);
        out.push_str(&String::from_utf8(token).expect("ASCII"));
        rest = after;
    }
    out + rest
}

/// One document through one set of marks; gives what the protected topic holds.
fn protected(marks: &[(MarkKey, Mark)], input: &str) -> String {
    let outputs = protect_with(&settings(source(), Vec::new()), &table(marks), &record(input)).expect("protected");
    text(&outputs.protected)
}

#[test]
fn marked_values_are_sealed_and_all_other_bytes_stay() {
    let email = [attribute("email")];
    let at = |inner: &str| format!(r#"{{"workspace":"acme","client":{inner}}}"#);
    for (input, output) in [
        (r#"{ "email" : "ann" , "n":1.0e0}"#, r#"{ "email" : "«email|"ann"»" , "n":1.0e0}"#),
        (r#"{"e\u006dail":"\u0061nn"}"#, r#"{"e\u006dail":"«email|"ann"»"}"#),
        (r#"{"EMAIL":"ann","email":"bob"}"#, r#"{"EMAIL":"«email|"ann"»","email":"«email|"bob"»"}"#),
        (r#"{"email":null}"#, r#"{"email":null}"#),
        (r#"{"email":""}"#, r#"{"email":"«email|""»"}"#),
        (r#"{"email":[]}"#, r#"{"email":[]}"#),
        (r#"{"email":[ "a", null ,["b"]]}"#, r#"{"email":[ "«email|"a"»", null ,["«email|"b"»"]]}"#),
        (r#"{"email":1.50}"#, r#"{"email":"«email|1.5»"}"#),
        (r#"{"email":true}"#, r#"{"email":"«email|true»"}"#),
        (r#"{"email":{"b":1,"a":[ ]}}"#, r#"{"email":"«email|{"a":[],"b":1}»"}"#),
        (r#"{"email":[{"b":1}]}"#, r#"{"email":["«email|{"b":1}»"]}"#),
        (r#"{"other":{"email":"ann"}}"#, r#"{"other":{"email":"ann"}}"#),
        (r#"{"email":"siv:AA"}"#, r#"{"email":"«email|"siv:AA"»"}"#),
    ] {
        assert_eq!(protected(&email, &at(input)), expected(&at(output)), "{input}");
    }
}

#[test]
fn marks_hold_in_every_place_where_attributes_stand() {
    let email = [attribute("email")];
    let input =
        r#"{"workspace":"acme","client":{"email":"a"},"params":{"email":"b","attributes":{"email":"c"}},"email":"d"}"#;
    let output = r#"{"workspace":"acme","client":{"email":"«email|"a"»"},"params":{"email":"b","attributes":{"email":"«email|"c"»"}},"email":"d"}"#;
    assert_eq!(protected(&email, input), expected(output));
    let both = [attribute("email"), mark(On::Parameter, "email")];
    assert_eq!(protected(&both, input), expected(&output.replace(r#""b""#, r#""«email|"b"»""#)));
}

#[test]
fn paths_reach_through_arrays_and_dotted_keys() {
    for (name, input, output) in [
        (
            "items.email",
            r#"{"items":[{"email":"a"},[{"email":"b"}],3]}"#,
            r#"{"items":[{"email":"«items.email|"a"»"},[{"email":"«items.email|"b"»"}],3]}"#,
        ),
        ("address.street", r#"{"address.street":"a"}"#, r#"{"address.street":"«address.street|"a"»"}"#),
        ("'address.street'", r#"{"address":{"street":"a"}}"#, r#"{"address":{"street":"a"}}"#),
        (
            "address.*",
            r#"{"address":{"street":"a","zip":2}}"#,
            r#"{"address":{"street":"«address|"a"»","zip":"«address|2»"}}"#,
        ),
        (
            "**.email",
            r#"{"a":{"b":{"email":"x"}},"email":"y"}"#,
            r#"{"a":{"b":{"email":"«email|"x"»"}},"email":"«email|"y"»"}"#,
        ),
    ] {
        let at = |inner: &str| format!(r#"{{"workspace":"acme","client":{inner}}}"#);
        assert_eq!(protected(&[attribute(name)], &at(input)), expected(&at(output)), "{name} {input}");
    }
}

#[test]
fn containers_may_be_arrays_and_may_occur_twice() {
    let input = r#"{"workspace":"acme","params":[{"email":"a"},null,[{"email":"b"}]],"params":{"email":"c"}}"#;
    let output = r#"{"workspace":"acme","params":[{"email":"«email|"a"»"},null,[{"email":"«email|"b"»"}]],"params":{"email":"«email|"c"»"}}"#;
    assert_eq!(protected(&[mark(On::Parameter, "email")], input), expected(output));
}

#[test]
fn removed_members_leave_the_document_whole() {
    let drop = |name| {
        let (key, mark) = attribute(name);
        (key, Mark { protect: Protect::Drop, ..mark })
    };
    let marks = [drop("x"), drop("y"), attribute("s")];
    let at = |inner: &str| format!(r#"{{"workspace":"acme","client":{inner}}}"#);
    for (input, output) in [
        (r#"{ "x":1, "b":2 }"#, r#"{ "b":2 }"#),
        (r#"{"a":1, "x":2 , "c":3}"#, r#"{"a":1, "c":3}"#),
        (r#"{"a":1 , "x":2 }"#, r#"{"a":1  }"#),
        (r#"{ "x":2 }"#, "{ }"),
        (r#"{ "x":2, "y":[1] }"#, "{ }"),
        (r#"{"a":1,"x":2,"y":3,"b":4}"#, r#"{"a":1,"b":4}"#),
        (r#"{"a":1,"x":2,"y":3}"#, r#"{"a":1}"#),
        (r#"{"x":2,"s":"v","y":3}"#, r#"{"s":"«s|"v"»"}"#),
        (r#"{"x":null}"#, "{}"),
    ] {
        assert_eq!(protected(&marks, &at(input)), expected(&at(output)), "{input}");
    }
}

#[test]
fn masks_in_protected_topics_are_full_empty_or_drop() {
    let at = |inner: &str| format!(r#"{{"workspace":"acme","client":{{"v":{inner}}}}}"#);
    for (mask, input, output) in [
        (Some(Mask::Word), r#""ann""#, r#""***""#),
        (None, "[1,2]", r#""***""#),
        (Some(Mask::Full), "null", "null"),
        (Some(Mask::Empty), "[1]", "[]"),
        (Some(Mask::Empty), r#"{"a":1}"#, "{}"),
        (Some(Mask::Empty), "7", "null"),
        (Some(Mask::Empty), r#""x""#, r#""""#),
    ] {
        let (key, mark) = attribute("v");
        let mark = Mark { protect: Protect::Mask, mask, shape: true, ..mark };
        assert_eq!(protected(&[(key, mark)], &at(input)), at(output), "{mask:?} {input}");
    }
    let (key, mark) = attribute("v");
    let gone = Mark { protect: Protect::Mask, mask: Some(Mask::Drop), ..mark };
    assert_eq!(protected(&[(key, gone)], &at("1")), r#"{"workspace":"acme","client":{}}"#);
}

#[test]
fn the_strictest_mark_wins_and_the_most_specific_names_the_domain() {
    let (key, base) = attribute("email");
    let general =
        (MarkKey { workspace: "*".to_owned(), ..key.clone() }, Mark { domain: Some("all".to_owned()), ..base.clone() });
    let own = (key.clone(), Mark { domain: Some("own".to_owned()), ..base.clone() });
    let event = (
        MarkKey { event: Some("Login".to_owned()), ..key.clone() },
        Mark { domain: Some("login".to_owned()), ..base.clone() },
    );
    let none = (
        MarkKey { name: "*".to_owned(), ..key },
        Mark { protect: Protect::None, domain: Some("any".to_owned()), ..base },
    );
    let input = r#"{"workspace":"acme","action":"login","client":{"email":"a"}}"#;
    for (marks, domain) in [
        (vec![general.clone()], "all"),
        (vec![general.clone(), own.clone()], "own"),
        (vec![general.clone(), own.clone(), event.clone()], "login"),
        (vec![none.clone(), general], "any"),
        (vec![none, own], "own"),
    ] {
        let output = input.replace(r#""a""#, &format!(r#""«{domain}|"a"»""#));
        assert_eq!(protected(&marks, input), expected(&output), "{domain}");
    }
    let other = r#"{"workspace":"acme","action":"logout","client":{"email":"a"}}"#;
    assert_eq!(protected(&[event], other), other, "a mark for one event holds in no other");
}

#[test]
fn words_are_no_attributes_but_fields_may_name_them() {
    let input = r#"{"workspace":"acme","client":{"id":42,"uuid":"u","email":"a"}}"#;
    let output = r#"{"workspace":"acme","client":{"id":42,"uuid":"u","email":"«own|"a"»"}}"#;
    let (key, base) = attribute("**");
    let all = (key, Mark { domain: Some("own".to_owned()), ..base });
    assert_eq!(protected(&[all], input), expected(output));
    let field = [mark(On::Field, "client.id")];
    assert_eq!(protected(&field, input), expected(&input.replace("42", r#""«client.id|42»""#)));
    let sealed = Source { ids: Ids::Seal, ..source() };
    let outputs = protect_with(&settings(sealed, Vec::new()), &table(&[]), &record(input)).expect("protected");
    let output = input.replace("42", r#""«id|42»""#).replace(r#""u""#, r#""«uuid|"u"»""#);
    assert_eq!(text(&outputs.protected), expected(&output));
}

#[test]
fn domains_pad_join_arrays_and_add_loose_tokens() {
    let domain = |domain: Domain| {
        let key = ("acme".to_owned(), "email".to_owned());
        Table { domains: BTreeMap::from([(key, domain)]), ..table(&[attribute("email")]) }
    };
    let run = |table: &Table, input: &str| {
        text(&protect_with(&settings(source(), Vec::new()), table, &record(input)).expect("protected").protected)
    };
    let whole = domain(Domain { whole: true, ..Domain::default() });
    let input = r#"{"workspace":"acme","client":{"email":[ 1, "a"]}}"#;
    assert_eq!(run(&whole, input), expected(r#"{"workspace":"acme","client":{"email":"«email|[1,"a"]»"}}"#));
    let loose = domain(Domain { loose: true, ..Domain::default() });
    let input = r#"{"workspace":"acme","client":{"email":["An N",7,{"a":1}]} , "_pii":{"x":1} }"#;
    let output = r#"{"workspace":"acme","client":{"email":["«email|"An N"»","«email|7»","«email|{"a":1}»"]},"_pii":{"loose":{"email":[TOKENS]}}  }"#;
    let mut tokens = [r#""«loose:email|"ann"»""#, r#""«loose:email|"7"»""#].map(expected);
    tokens.sort();
    assert_eq!(run(&loose, input), expected(output).replace("TOKENS", &tokens.join(",")));
    let padded = domain(Domain { pad: 32, ..Domain::default() });
    let output = run(&padded, r#"{"workspace":"acme","client":{"email":"ann"}}"#);
    let token = output.split('"').find(|part| part.starts_with("siv:")).expect("a token");
    assert_eq!(seal::parse_token(token).expect("a token").len(), 5 + 16 + 32);
}

#[test]
fn our_own_member_and_headers_do_not_come_in_from_outside() {
    let input = r#"{"workspace":"acme","_PII":{"a":1},"x":{"_pii":1},"_p\u0069i":2}"#;
    assert_eq!(protected(&[], input), r#"{"workspace":"acme","x":{"_pii":1}}"#);
    let header = |name: &str| Header { name: name.to_owned(), value: Some(b"v".to_vec()) };
    let headers = vec![header("trace"), header("Sivcar-Policy"), header("other"), header("sivcar-x")];
    let input = Record { key: Some(b"k".to_vec()), timestamp: Some(5), headers, ..record(r#"{"workspace":"acme"}"#) };
    let views = vec![view("debug", 0, Unlisted::Show)];
    let outputs = protect_with(&settings(source(), views), &table(&[]), &input).expect("protected");
    let names = |record: &Record| record.headers.iter().map(|header| header.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&outputs.protected), ["trace", "other", "sivcar-policy"]);
    assert_eq!(outputs.protected.headers[2].value.as_deref(), Some(b"7".as_slice()));
    assert_eq!((outputs.protected.key.as_deref(), outputs.protected.timestamp), (Some(b"k".as_slice()), Some(5)));
    assert_eq!(names(&outputs.views[0].1), ["trace", "sivcar-policy"]);
    let key = outputs.views[0].1.key.clone().expect("a key");
    assert_eq!(String::from_utf8(key).expect("ASCII"), expected(r#"«view:debug|"k"»"#));
}

#[test]
fn a_null_value_passes_as_null() {
    let input = Record { key: Some(b"k".to_vec()), ..Record::default() };
    let views = vec![view("debug", 0, Unlisted::Mask)];
    let fixed = Source { workspace: Some("acme".to_owned()), ..source() };
    let outputs = protect_with(&settings(fixed, views), &table(&[]), &input).expect("protected");
    assert_eq!((outputs.protected.key.as_deref(), &outputs.protected.value), (Some(b"k".as_slice()), &None));
    let (_, view) = &outputs.views[0];
    assert_eq!(view.value, None);
    assert_eq!(view.key.as_deref(), Some(expected(r#"«view:debug|"k"»"#).as_bytes()));
}
