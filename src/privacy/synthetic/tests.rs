//! The event byte by byte. `«email|"ann"»` in an expectation is the token of that value in that domain, made by the cipher alone.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::privacy::control::{Domain, StageRecord, Table};
use crate::privacy::keyset::{Keyring, Keyset};
use crate::privacy::mark::{Mark, MarkKey, On};
use crate::privacy::mask::Mask;
use crate::privacy::path::Path;
use crate::privacy::seal::{self, Associated, Sealer};
use crate::privacy::settings::{
    Case, Detection, Fold, Ids, Layout, Partitioner, Settings, SourceKind, Stage, Unlisted, View, Within,
};

mod copies;
mod layouts;
mod within;

fn keyset() -> Keyset {
    Keyset::parse(include_bytes!("../../../tests/golden/keyset.json")).expect("the test keyset")
}

fn sealed(associated: &str, plaintext: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Sealer::new(&keyset()).seal(associated.as_bytes(), plaintext, &mut out);
    out
}

/// Puts tokens in the place of `«domain|json»`, and salts in that of `«salt|id|since»`.
fn expected(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('«') {
        let (inside, after) = after.split_once('»').expect("closed");
        let (domain, json) = inside.split_once('|').expect("a domain and a value");
        out.push_str(before);
        if domain == "salt" {
            let (id, since) = json.split_once('|').expect("an id and a version");
            let since: u64 = since.parse().expect("a version");
            let salt = &sealed("salt:acme", &[id.as_bytes(), &since.to_be_bytes()].concat())[5..21];
            out.push_str(&URL_SAFE_NO_PAD.encode(salt));
        } else {
            let mut plaintext = match json.strip_prefix('"') {
                Some(string) => string.trim_end_matches('"').as_bytes().to_vec(),
                None => [b"\xff", json.as_bytes()].concat(),
            };
            if plaintext.first() == Some(&0xff) {
                plaintext.resize(plaintext.len().max(16), b' ');
            }
            let mut data = Vec::new();
            match domain.split_once(':') {
                Some(("view", view)) => Associated::View { workspace: "acme", view }.write(&mut data),
                Some((_, domain)) => Associated::Loose { workspace: "acme", domain }.write(&mut data),
                None => Associated::Exact { workspace: "acme", domain }.write(&mut data),
            }
            let mut token = Vec::new();
            seal::token(&sealed(&String::from_utf8(data).expect("text"), &plaintext), &mut token);
            out.push_str(&String::from_utf8(token).expect("ASCII"));
        }
        rest = after;
    }
    out + rest
}

fn paths(texts: &str) -> Vec<Path> {
    texts.split_whitespace().map(|text| Path::parse(text).expect("a path")).collect()
}

fn layout(name: &str, [workspace, event, id, uuid, attributes, parameters]: [&str; 6]) -> Layout {
    let one = |text: &str| paths(text).pop();
    Layout {
        name: name.to_owned(),
        workspace: one(workspace),
        event: paths(event),
        id: one(id),
        uuid: one(uuid),
        attributes: paths(attributes),
        parameters: paths(parameters),
    }
}

const EVENT_PLACES: [&str; 6] =
    ["workspace", "action", "client.id", "client.uuid", "client params.attributes", "params"];

fn source(topic: &str, kind: SourceKind, layout: Layout) -> Source {
    Source {
        topic: topic.to_owned(),
        kind,
        layout,
        workspace: None,
        workspaces: BTreeSet::new(),
        protected: format!("protected.{topic}"),
        dead_letters: "dead".to_owned(),
        sealed_input: false,
        ids: Ids::Clear,
        case: Case::Fold,
        detection: Detection::Off,
        within: Within::default(),
        derived_copies: false,
        state: (kind == SourceKind::Profile).then_some(Fold::Merge),
        events: None,
        partitioner: Partitioner::Murmur2,
        gate: None,
    }
}

/// Events and profiles in the default layout; no view.
fn settings() -> Settings {
    let events = source("events", SourceKind::Event, layout("default", EVENT_PLACES));
    let places = ["workspace", "", "id", "uuid", "attributes", ""];
    let profiles = source("profiles", SourceKind::Profile, layout("default", places));
    Settings {
        group: "sivcar".to_owned(),
        limits: Limits::default(),
        workspaces: BTreeSet::new(),
        sources: vec![events, Source { events: Some(0), ..profiles }],
        views: Vec::new(),
        matchers: Arc::default(),
        hooks: Arc::default(),
    }
}

fn view(clearance: u16) -> View {
    View {
        name: "debug".to_owned(),
        clearance,
        unlisted: Unlisted::Show,
        show: Vec::new(),
        headers: BTreeSet::new(),
        trace: false,
        topics: BTreeMap::from([("events".to_owned(), "debug.events".to_owned())]),
    }
}

fn mark(on: On, name: &str, mark: Mark) -> (MarkKey, Mark) {
    let key = MarkKey { workspace: "acme".to_owned(), on, name: name.to_owned(), event: None };
    (key, Mark { since: mark.since.or(Some(7)), ..mark })
}

fn attribute(name: &str) -> (MarkKey, Mark) {
    mark(On::Attribute, name, Mark::default())
}

fn table(marks: impl IntoIterator<Item = (MarkKey, Mark)>) -> Table {
    Table { marks: marks.into_iter().collect(), version: 9, ..Table::default() }
}

fn made(settings: &Settings, table: &Table, document: &str, since: u64) -> Result<Option<Outputs>, Rejection> {
    settings.check().expect("settings");
    let policy = Policy::compile(settings, table).expect("the policy compiles");
    let keyring = Keyring::new(Some(Arc::new(keyset())), BTreeMap::new());
    let mut outputs = Outputs::default();
    let mut protector = Protector::new(Arc::new(policy), Arc::new(keyring));
    let made = protector.synthesize(1, document.as_bytes(), since, 5, &mut outputs)?;
    Ok((made == Concerned::Shown).then_some(outputs))
}

fn text(record: &Record) -> String {
    String::from_utf8(record.value.clone().expect("a value")).expect("UTF-8")
}

/// What the event's attributes are, of a profile of the default layout; `None`: no event.
fn attributes_under(table: &Table, attributes: &str) -> Option<String> {
    let document = format!(r#"{{"workspace":"acme","id":42,"attributes":{attributes}}}"#);
    let outputs = made(&settings(), table, &document, 7).expect("made")?;
    let text = text(&outputs.protected);
    let (before, rest) = text.split_once(r#""attributes":"#).expect("attributes");
    let salt = expected(r#""eventSalt":"«salt|42|7»","client":{"id":42},"#);
    assert!(before.ends_with(&(salt + r#""params":{"source":"sivcar","reason":"attribute-marked","#)), "{before}");
    Some(rest.strip_suffix("}}").map_or_else(|| rest.to_owned(), str::to_owned))
}

fn attributes(marks: &[(MarkKey, Mark)], attributes: &str) -> Option<String> {
    attributes_under(&table(marks.iter().cloned()), attributes)
}

#[test]
fn the_event_is_as_the_contract_says() {
    let at = Mark { at: Some("2026-01-02T03:04:05Z".to_owned()), ..Mark::default() };
    let settings = Settings { views: vec![view(0)], ..settings() };
    let document = r#"{"workspace":"acme","id":42,"uuid":"u-1","attributes":{ "email":"ann", "x":"clear"}}"#;
    let outputs =
        made(&settings, &table([mark(On::Attribute, "email", at)]), document, 7).expect("made").expect("holds");
    let event = r#"{"action":"profile.updated","label":"Profile updated","workspace":"acme","time":"2026-01-02T03:04:05Z","eventSalt":"«salt|42|7»","client":{"id":42,"uuid":"u-1"},"params":{"source":"sivcar","reason":"attribute-marked","attributes":{"email":"«email|"ann"»"}}}"#;
    assert_eq!(text(&outputs.protected), expected(event));
    assert_eq!((outputs.protected.key.as_deref(), outputs.protected.timestamp), (Some(b"42".as_slice()), Some(5)));
    let shown = event.replace("«email|\"ann\"»", "***").replace("42,\"", "\"***\",\"").replace("u-1", "***");
    let (index, record) = &outputs.views[0];
    assert_eq!((*index, text(record)), (0, expected(&shown)));
    assert_eq!(record.key, Some(expected(r#"«view:debug|"42"»"#).into_bytes()));
    for record in [record, &outputs.protected] {
        let headers: Vec<_> = record.headers.iter().map(|header| (&*header.name, header.value.as_deref())).collect();
        assert_eq!(headers, [("sivcar-policy", Some(b"9".as_slice())), ("sivcar-synthetic", Some(b"7"))]);
    }
    assert_eq!((outputs.tally.fields.sealed, outputs.identity), (1, None));
}

#[test]
fn values_are_those_that_the_mark_seals() {
    for (marks, held, shown) in [
        (vec![attribute("email")], r#"{"email":"ann","phone":"1"}"#, Some(r#"{"email":"«email|"ann"»"}"#)),
        (vec![attribute("email")], r#"{"phone":"1"}"#, None),
        (vec![attribute("email")], r#"{"email":null}"#, None),
        (vec![attribute("email")], r#"{"email":""}"#, Some(r#"{"email":"«email|""»"}"#)),
        (vec![attribute("email")], r#"{"email":[]}"#, None),
        (vec![attribute("email")], r#"{"email":[ null ,[]]}"#, None),
        (vec![attribute("email")], r#"{"email":[ null , 1.0 ]}"#, Some(r#"{"email":[null,"«email|1»"]}"#)),
        (vec![attribute("email")], r#"{"email":{ "b" : 1 }}"#, Some(r#"{"email":"«email|{"b":1}»"}"#)),
        (vec![attribute("Email")], r#"{"e\u006dail":"a"}"#, Some(r#"{"Email":"«Email|"a"»"}"#)),
        (vec![attribute("email")], r#"{"email":"a","EMAIL":"b"}"#, Some(r#"{"email":["«email|"a"»","«email|"b"»"]}"#)),
        (vec![attribute("a.b")], r#"{"a":{"b":1}}"#, Some(r#"{"a.b":"«a.b|1»"}"#)),
        (vec![attribute("a.b")], r#"{"a.b":1}"#, Some(r#"{"a.b":"«a.b|1»"}"#)),
        (vec![attribute("a.*")], r#"{"a":{"b":1,"c":[2]}}"#, Some(r#"{"a.*":["«a|1»","«a|2»"]}"#)),
        (vec![attribute("**.b")], r#"{"b":1}"#, Some(r#"{"**.b":"«b|1»"}"#)),
        (
            vec![attribute("zips.zip")],
            r#"{"zips":[{"zip":1},{},{"zip":null},[{"zip":["2",null,[3]]}]]}"#,
            Some(r#"{"zips.zip":["«zips.zip|1»","«zips.zip|"2"»",null,"«zips.zip|3»"]}"#),
        ),
        (vec![attribute("zips[].zip")], r#"{"zips":[{"zip":1}]}"#, Some(r#"{"zips[].zip":["«zips.zip|1»"]}"#)),
        (vec![attribute("z"), attribute("a")], r#"{"z":1,"a":2}"#, Some(r#"{"a":"«a|2»","z":"«z|1»"}"#)),
    ] {
        assert_eq!(attributes(&marks, held), shown.map(expected), "{held}");
    }
}

#[test]
fn only_marks_of_this_version_tell_and_only_what_shows() {
    let with = |name: &str, wish: Mark| mark(On::Attribute, name, wish);
    let older = |name: &str| with(name, Mark { since: Some(3), ..Mark::default() });
    let protect = |name: &str, protect| with(name, Mark { protect, ..Mark::default() });
    let masked = |mask| with("e", Mark { protect: Protect::Mask, mask, ..Mark::default() });
    let event = |mut one: (MarkKey, Mark), event: &str| {
        one.0.event = Some(event.to_owned());
        one
    };
    for (marks, held, shown) in [
        (vec![attribute("e"), older("p")], r#"{"e":1,"p":2}"#, Some(r#"{"e":"«e|1»"}"#)),
        (vec![older("e")], r#"{"e":1}"#, None),
        (vec![protect("e", Protect::Drop)], r#"{"e":1}"#, None),
        (vec![protect("e", Protect::None)], r#"{"e":1}"#, None),
        (vec![masked(None)], r#"{"e":[]}"#, Some(r#"{"e":"***"}"#)),
        (vec![masked(Some(Mask::Empty))], r#"{"e":"x"}"#, Some(r#"{"e":""}"#)),
        (vec![masked(Some(Mask::Drop))], r#"{"e":1}"#, None),
        (vec![attribute("a.b"), older("a")], r#"{"a":{"b":1}}"#, None),
        (vec![attribute("a.b"), protect("a", Protect::None)], r#"{"a":{"b":1}}"#, Some(r#"{"a.b":"«a.b|1»"}"#)),
        (vec![attribute("a"), older("a.b")], r#"{"a":{"b":1}}"#, Some(r#"{"a":"«a|{"b":1}»"}"#)),
        // the strictest decides, the most specific names the domain
        (
            vec![
                attribute("e"),
                mark(On::Field, "**.e", Mark { since: Some(3), protect: Protect::Mask, ..Mark::default() }),
            ],
            r#"{"e":1}"#,
            Some(r#"{"e":"***"}"#),
        ),
        // marks for one event, and marks of parameters, concern no profile
        (vec![event(attribute("e"), "profile.updated")], r#"{"e":1}"#, None),
        (vec![mark(On::Parameter, "e", Mark::default())], r#"{"e":1}"#, None),
        // but what holds for the event holds in it
        (vec![attribute("e"), event(protect("e", Protect::Drop), "profile.updated")], r#"{"e":1}"#, Some("{}")),
        (
            vec![attribute("e"), mark(On::Parameter, "attributes", Mark::default())],
            r#"{"e":1}"#,
            Some(r#""«attributes|{"e":1}»""#),
        ),
    ] {
        assert_eq!(attributes(&marks, held), shown.map(expected), "{held} {marks:?}");
    }
}

#[test]
fn each_element_keeps_its_own_verdict() {
    let any = || mark(On::Attribute, "*", Mark { domain: Some("any".to_owned()), ..Mark::default() });
    let older = |wish: Mark| mark(On::Attribute, "e", Mark { since: Some(3), ..wish });
    let sealed = attributes(&[any(), older(Mark::default())], r#"{"e":1,"f":2}"#);
    assert_eq!(sealed, Some(expected(r#"{"*":["«e|1»","«any|2»"]}"#)));
    let masked = attributes(&[any(), older(Mark { protect: Protect::Mask, ..Mark::default() })], r#"{"e":1,"f":2}"#);
    assert_eq!(masked, Some(expected(r#"{"*":["***","«any|2»"]}"#)));
    let dropped = attributes(&[any(), older(Mark { protect: Protect::Drop, ..Mark::default() })], r#"{"e":1,"f":[2]}"#);
    assert_eq!(dropped, Some(expected(r#"{"*":["«any|2»"]}"#)));
}

#[test]
fn domains_and_stages_are_answered_as_marks_are() {
    let domain = |settings: Domain| {
        let key = ("acme".to_owned(), "email".to_owned());
        let older = mark(On::Attribute, "email", Mark { since: Some(3), ..Mark::default() });
        Table { domains: BTreeMap::from([(key, Domain { since: Some(7), ..settings })]), ..table([older]) }
    };
    let whole = domain(Domain { whole: true, ..Domain::default() });
    assert_eq!(attributes_under(&whole, r#"{"email":[]}"#), Some(expected(r#"{"email":"«email|[]»"}"#)));
    assert_eq!(attributes_under(&whole, r#"{"email":[ 1 ]}"#), Some(expected(r#"{"email":"«email|[1]»"}"#)));
    let loose = domain(Domain { loose: true, ..Domain::default() });
    let shown = r#"{"email":"«email|"A n"»"}},"_pii":{"loose":{"email":["«loose:email|"an"»"]}"#;
    assert_eq!(attributes_under(&loose, r#"{"email":"A n"}"#), Some(expected(shown)));
    let stage = |stage| StageRecord { stage, since: Some(7), at: Some("then".to_owned()) };
    let staged = |record: StageRecord| {
        let older = mark(On::Attribute, "email", Mark { since: Some(3), ..Mark::default() });
        let everywhere = (MarkKey { workspace: "*".to_owned(), ..older.0.clone() }, older.1.clone());
        Table { stages: BTreeMap::from([("acme".to_owned(), record)]), ..table([older, everywhere]) }
    };
    let document = r#"{"workspace":"acme","id":42,"attributes":{"email":"a"}}"#;
    let entered = made(&settings(), &staged(stage(Stage::Enforced)), document, 7).expect("made").expect("holds");
    let shown = text(&entered.protected);
    assert!(
        shown.contains(r#""time":"then""#) && shown.ends_with(&expected(r#"{"email":"«email|"a"»"}}}"#)),
        "{shown}"
    );
    assert!(made(&settings(), &staged(stage(Stage::Configured)), document, 7).expect("asked").is_none());
    assert!(made(&settings(), &staged(stage(Stage::Enforced)), document, 3).expect("asked").is_none());
}

#[test]
fn what_cannot_be_told_is_rejected() {
    let rejected = |settings: &Settings, name: &str, document: &str| {
        let rejection = made(settings, &table([attribute(name)]), document, 7).map(|_| ()).expect_err("rejected");
        assert!(matches!(rejection.workspace.as_deref(), None | Some("acme")));
        rejection.reason
    };
    let number = r#"{"workspace":"acme","id":42,"attributes":{"n":1e1000000001}}"#;
    assert_eq!(rejected(&settings(), "n", number), Reason::NumberOutOfRange);
    assert_eq!(rejected(&settings(), "n", r#"{"workspace":"acme"}"#), Reason::IdMissing);
    assert_eq!(rejected(&settings(), "n", "[]"), Reason::RootNotObject);
    let mut collides = settings();
    collides.sources[0].layout.attributes = paths("client");
    let named = r#"{"workspace":"acme","id":42,"attributes":{"id":1,"client":2}}"#;
    assert_eq!(rejected(&collides, "id", named), Reason::LayoutAmbiguous);
    let mut nobody = settings();
    nobody.sources[1].events = None;
    let held = r#"{"workspace":"acme","id":42,"attributes":{"n":1}}"#;
    assert!(made(&nobody, &table([attribute("n")]), held, 7).expect("asked").is_none());
}
