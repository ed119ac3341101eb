//! What must hold for any input, as one predicate each: property tests and fuzz targets call the same.

use sivcar::privacy::control::{ControlKey, Domain, KeyRecord, Moment, Table};
use sivcar::privacy::jwt::Jwks;
use sivcar::privacy::keyset::Keyset;
use sivcar::privacy::mark::{self, Mark};
use sivcar::privacy::path::Path;
use sivcar::privacy::scan::{Document, Kind, Limits, Tape, scan, scan_value};
use sivcar::privacy::seal::{parse_token, token};
use sivcar::privacy::settings::Stage;

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

/// The issuer's one token is accepted, and none that differs from it in a single byte: `edit` replaces what stands at `at`.
pub fn jwt_is_the_issuers(at: usize, edit: &[u8]) {
    const SIGNED: &str = include_str!("../golden/rfc7515.jwt");
    let issuers = Jwks::parse(include_bytes!("../golden/rfc7515.jwks.json")).expect("a set");
    let mut token = SIGNED.as_bytes().to_vec();
    let at = at % token.len();
    let end = token.len().min(at + edit.len());
    token.splice(at..end, edit.iter().copied());
    for token in [token.as_slice(), edit] {
        let Ok(token) = std::str::from_utf8(token) else { continue };
        assert_eq!(issuers.claims(token, Some(0)).is_some(), token == SIGNED);
    }
}

/// A JWK set is refused, or holds keys that accept nothing but what they signed.
pub fn jwks_accept_nothing_else(data: &[u8]) {
    if let Ok(issuers) = Jwks::parse(data) {
        assert!(issuers.claims("eyJhbGciOiJSUzI1NiJ9.e30.AA", None).is_none());
    }
}

/// A text is refused as a token, or it is the one text of its bytes.
pub fn token_has_one_text(text: &str) {
    let Some(sealed) = parse_token(text) else { return };
    let mut again = Vec::new();
    token(&sealed, &mut again);
    assert_eq!(again, text.as_bytes());
}

/// Bytes that are sealed have a token that gives them back.
pub fn token_round_trips(sealed: &[u8]) {
    let mut text = Vec::new();
    token(sealed, &mut text);
    let text = String::from_utf8(text).expect("a token is ASCII");
    let parsed = parse_token(&text);
    assert!(parsed.as_deref() == Some(sealed) || (parsed.is_none() && (sealed.len() < 21 || sealed[0] != 1)));
}

/// Bytes are refused by an error that shows nothing of a key, or are a keyset that is written as it was read.
pub fn keyset_round_trips(bytes: &[u8]) {
    match Keyset::parse(bytes) {
        Ok(keyset) => {
            let json = keyset.to_json();
            let again = Keyset::parse(json.expose().as_bytes()).expect("what is written is read");
            let keys = |keyset: &Keyset| keyset.keys().iter().map(|key| (key.id(), key.status())).collect::<Vec<_>>();
            assert_eq!((again.primary(), keys(&again)), (keyset.primary(), keys(&keyset)));
            assert!(again.to_json().expose() == json.expose(), "a keyset changes as it is written");
            assert!(!shows(&format!("{keyset:?}"), bytes), "a keyset prints its keys");
        }
        Err(error) => assert!(!shows(&format!("{error} {error:?}"), bytes), "an error shows what may be a key"),
    }
}

/// Whether `text` holds a run of the alphabet of base64 that is long enough to be a key's, and stands in `bytes`.
fn shows(text: &str, bytes: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let mut runs = bytes.split(|byte| !is_base64(byte)).filter(|run| run.len() >= 16);
    runs.any(|run| text.as_bytes().windows(run.len()).any(|window| window == run))
}

/// A control record is refused and changes nothing, or it is taken: under the one text of its key; a mark or stage that cannot be
/// read as the strictest.
pub fn control_is_taken_or_refused(offset: i64, key: &[u8], value: &[u8]) {
    let mut table = Table::default();
    let taken = table.apply(offset, key, Some(value));
    let Some(key) = ControlKey::decode(key).inspect(|decoded| assert_eq!(decoded.encode(), key)) else {
        assert!(taken.is_err());
        return assert_eq!(table, Table::default());
    };
    let version = u64::try_from(offset).expect("an offset") + 1;
    match key {
        ControlKey::Mark(key) => {
            let read = readable::<Mark>(value).filter(|mark| mark::check(&key, mark).is_ok());
            let mut expected = read.unwrap_or_else(|| Mark::strictest(key.on));
            expected.since = expected.since.or(Some(version));
            assert_eq!(table.marks.get(&key), Some(&expected));
        }
        ControlKey::Domain { workspace, name } => match table.domains.get(&(workspace, name)) {
            Some(domain) => assert!(domain.since.is_some() && readable::<Domain>(value).is_some()),
            None => assert!(taken.is_err()),
        },
        ControlKey::Stage { workspace } => {
            let stage = table.stages.get(&workspace).map(|record| record.stage);
            assert!(stage == Some(Stage::Enforced) || String::from_utf8_lossy(value).contains("stage"));
        }
        ControlKey::Key { id } => {
            assert_eq!(table.keys.get(&id), readable::<KeyRecord>(value).as_ref());
            assert_eq!(table.keys.is_empty(), taken.is_err());
        }
        ControlKey::Primary { workspace } => assert_eq!(table.primaries.contains_key(&workspace), taken.is_ok()),
        ControlKey::Pinned(pin) => assert_eq!(table.pinned.contains_key(&pin), taken.is_ok()),
        ControlKey::Reseal { workspace } => {
            let since = readable::<Moment>(value).map(|moment| moment.since.unwrap_or(version));
            assert_eq!((table.reseals.get(&workspace).copied(), taken.is_err()), (since, since.is_none()));
        }
        ControlKey::Erased { workspace } => {
            let since = readable::<Moment>(value).map(|moment| moment.since.unwrap_or(version));
            assert_eq!((table.erased.get(&workspace).copied(), taken.is_err()), (since, since.is_none()));
        }
        ControlKey::TestProfile { workspace, id } => {
            assert_eq!(table.test_profiles.contains(&(workspace, id)), taken.is_ok());
        }
        ControlKey::Incarnation => assert_eq!(table.incarnation.is_none(), taken.is_err()),
    }
    assert_eq!(table.version, if taken.is_ok() { version } else { 0 });
}

/// A value as its own kind, if it is an object of known fields, each once.
fn readable<T: serde::de::DeserializeOwned>(value: &[u8]) -> Option<T> {
    let limits = Limits { depth: 100, ..Limits::default() };
    let Value::Object(members) = read_value(value, &limits).ok()?.value else { return None };
    let known: [&[u8]; 13] = [
        b"at", b"by", b"check", b"domain", b"level", b"mask", b"protect", b"shape", b"since", b"status", b"loose",
        b"pad", b"whole",
    ];
    let names: Vec<&Vec<u8>> = members.iter().map(|(name, _)| name).collect();
    let once = |name: &&Vec<u8>| names.iter().filter(|other| other == &name).count() == 1;
    if !names.iter().all(|name| known.contains(&name.as_slice()) && once(name)) {
        return None;
    }
    serde_json::from_slice(value).ok()
}
