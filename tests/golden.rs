//! The rules as cases a privacy reviewer can read: `tests/golden/cases/*.toml`.
//!
//! A case says what it is about, a fragment of a configuration file, and records: their input and what each output holds, or the
//! reason for which it is refused. In outputs `«email|"ann"»` is the token of that JSON value in that domain of the record's
//! workspace, made here by the cipher alone: `«loose:email|"ann"»` its loose token, `«view:debug|"ann"»` its view token,
//! `«key:protected|"ann"»` that of a record key or header in that topic, `«email+32|"ann"»` padded to 32 bytes, `«beta/email|"ann"»` in
//! another workspace than `acme`, `«s|="\ud800"»` a string that is sealed as JSON. In headers `«jwt|{"sub":"42"}»` is a JWT with these
//! claims by the issuer of `jwks.json`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use serde::Deserialize;
use sivcar::config::{Config, Surroundings};
use sivcar::privacy::control::Table;
use sivcar::privacy::jwt::Jwks;
use sivcar::privacy::keyset::{Entry, Keyring, Keyset};
use sivcar::privacy::policy::Policy;
use sivcar::privacy::protect::{Outputs, Protector};
use sivcar::privacy::seal::{self, Associated, Sealer};
use sivcar::record::{Header, Record};

/// What stands before every case's fragment.
const BASE: &str = "[keys]\nfile = 'keyset.json'\n[kafka]\n'bootstrap.servers' = '127.0.0.1:1'\n";
/// The source of cases that have none of their own.
const SOURCE: &str = "[[source]]\ntopic = 'raw'\nkind = 'event'\nprotected = 'protected'\ndead-letters = 'dead'\n";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Case {
    /// The rule, in a sentence.
    about: String,
    #[serde(default)]
    config: String,
    /// A workspace whose own keyset is missing.
    missing_keyset: Option<String>,
    record: Vec<Wanted>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Wanted {
    /// The source's topic.
    #[serde(default = "raw")]
    source: String,
    /// The record's value; none: null.
    input: Option<String>,
    /// The record's value, where it is no text.
    input_hex: Option<String>,
    key: Option<String>,
    /// Name and value; the name alone: its value is null.
    #[serde(default)]
    headers: Vec<Vec<String>>,
    /// Milliseconds since the Unix epoch.
    timestamp: Option<i64>,
    /// What the protected topic gets.
    protected: Option<String>,
    /// Its record key, where that is another; `null`: it has none.
    protected_key: Option<String>,
    protected_headers: Option<Vec<Vec<String>>>,
    /// What each view gets.
    #[serde(default)]
    views: BTreeMap<String, String>,
    view_key: Option<String>,
    view_headers: Option<Vec<Vec<String>>>,
    /// The reason for which it is refused.
    rejected: Option<String>,
}

fn raw() -> String {
    "raw".to_owned()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn keyset() -> Keyset {
    let json = std::fs::read(folder().join("keyset.json")).expect("the test keyset");
    Keyset::parse(&json).expect("a keyset")
}

/// Puts tokens in the place of their placeholders, the innermost first.
fn written(text: &str) -> String {
    let mut sealer = Sealer::new(&keyset());
    let mut text = text.to_owned();
    while let Some(end) = text.find('»') {
        let start = text[..end].rfind('«').expect("a placeholder begins with «");
        let inside = &text[start + '«'.len_utf8()..end];
        let (place, json) = inside.split_once('|').expect("a placeholder has a domain and a value");
        let token = placed(&mut sealer, place, json);
        text.replace_range(start..end + '»'.len_utf8(), &token);
    }
    assert!(!text.contains('«'), "a placeholder ends with »");
    text
}

/// A JWT with these claims, by the issuer of the golden cases.
fn jwt(claims: &str) -> String {
    let pem = std::fs::read(folder().join("issuer.pem")).expect("the test issuer");
    let key = PKey::private_key_from_pem(&pem).expect("a key");
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", part(r#"{"alg":"RS256","kid":"golden","typ":"JWT"}"#), part(claims));
    let mut signer = Signer::new(MessageDigest::sha256(), &key).expect("a signer");
    let signature = signer.sign_oneshot_to_vec(signed.as_bytes()).expect("a signature");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn placed(sealer: &mut Sealer, place: &str, json: &str) -> String {
    if place == "jwt" {
        return jwt(json);
    }
    let mut plaintext = match json.strip_prefix('=').unwrap_or(json) {
        string if json.starts_with('"') => serde_json::from_str::<String>(string).expect("a JSON string").into_bytes(),
        json => [b"\xff", format!("{json:15}").as_bytes()].concat(),
    };
    let (place, bucket) = place.split_once('+').unwrap_or((place, "0"));
    let bucket: usize = bucket.parse().expect("a bucket's size");
    if bucket > 0 {
        plaintext.resize(plaintext.len().max(1).div_ceil(bucket) * bucket, 0xfe);
    }
    let (kind, name) = place.split_once(':').unwrap_or(("exact", place));
    let (workspace, name) = name.split_once('/').unwrap_or(("acme", name));
    let associated = match kind {
        "exact" => Associated::Exact { workspace, domain: name },
        "loose" => Associated::Loose { workspace, domain: name },
        "view" => Associated::View { workspace, view: name },
        "key" => Associated::Key { workspace, topic: name },
        other => panic!("{other} is no kind of token"),
    };
    let (mut data, mut sealed, mut token) = (Vec::new(), Vec::new(), Vec::new());
    associated.write(&mut data);
    sealer.seal(&data, &plaintext, &mut sealed);
    seal::token(&sealed, &mut token);
    String::from_utf8(token).expect("a token is ASCII")
}

fn config(fragment: &str) -> Config {
    let source = if fragment.contains("[[source]]") { "" } else { SOURCE };
    let text = format!("{BASE}{fragment}\n{source}");
    let surroundings = Surroundings { name: "case", folder: &folder(), environment: &|_| None, host: "host" };
    Config::parse(&text, &surroundings).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn protector(case: &Case, config: &Config) -> Protector {
    let mut table = Table::default();
    for (offset, record) in config.wished.iter().enumerate() {
        let value = record.value.as_ref().map(|value| value.encode());
        table.apply(offset as i64, &record.key.encode(), value.as_deref()).expect("a control record");
    }
    let policy = Policy::compile(&config.settings, &table).expect("a policy");
    let missing = case.missing_keyset.iter().map(|workspace| (workspace.clone(), Entry::Missing));
    let keyring = Keyring::new(Some(Arc::new(keyset())), missing.collect());
    let jwks =
        |file: &PathBuf| Arc::new(Jwks::parse(&std::fs::read(file).expect("the test issuer's keys")).expect("a set"));
    let issuers = config.issuers.iter().map(|(source, file)| (source.clone(), jwks(file)));
    Protector::new(Arc::new(policy), Arc::new(keyring.with_issuers(issuers.collect())))
}

fn record(wanted: &Wanted) -> Record {
    let hex = |hex: &String| {
        let digits = hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("two hexadecimal digits"));
        digits.collect::<Vec<u8>>()
    };
    let text = wanted.input.as_ref().map(|input| written(input).into_bytes());
    let headers = wanted.headers.iter();
    Record {
        key: wanted.key.as_ref().map(|key| written(key).into_bytes()),
        value: text.or(wanted.input_hex.as_ref().map(hex)),
        headers: headers
            .map(|header| Header {
                name: header[0].clone(),
                value: header.get(1).map(|value| written(value).into_bytes()),
            })
            .collect(),
        timestamp: wanted.timestamp,
    }
}

/// Notes a difference, if there is one.
fn compare(what: &str, expected: &str, found: &str, failures: &mut String) {
    if expected != found {
        let _ = writeln!(failures, "  {what}\n    expected {expected}\n    found    {found}");
    }
}

fn shown(bytes: Option<&[u8]>) -> String {
    bytes.map_or("null".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn headers(record: &Record) -> String {
    let pairs = record.headers.iter().map(|header| format!("{}={}", header.name, shown(header.value.as_deref())));
    pairs.collect::<Vec<_>>().join(" ")
}

fn pairs(headers: &[Vec<String>]) -> String {
    let value = |header: &Vec<String>| header.get(1).map_or("null".to_owned(), |value| written(value));
    headers.iter().map(|header| format!("{}={}", header[0], value(header))).collect::<Vec<_>>().join(" ")
}

fn run(config: &Config, protector: &mut Protector, wanted: &Wanted) -> String {
    let mut failures = String::new();
    let named = |source: &sivcar::privacy::settings::Source| source.topic == wanted.source;
    let source = config.settings.sources.iter().position(named).expect("a source of the case");
    let mut outputs = Outputs::default();
    let outcome = protector.protect(source, &record(wanted), &mut outputs);
    let reason = outcome.err().map_or("accepted", |rejection| rejection.reason.code());
    compare("outcome", wanted.rejected.as_deref().unwrap_or("accepted"), reason, &mut failures);
    if reason != "accepted" {
        return failures;
    }
    if let Some(protected) = wanted.protected.as_deref().or(wanted.input.is_none().then_some("null")) {
        compare("protected", &written(protected), &shown(outputs.protected.value.as_deref()), &mut failures);
    }
    let key = wanted.protected_key.as_ref().or(wanted.key.as_ref()).map_or("null".to_owned(), |key| written(key));
    compare("key", &key, &shown(outputs.protected.key.as_deref()), &mut failures);
    if let Some(expected) = &wanted.protected_headers {
        compare("protected headers", &pairs(expected), &headers(&outputs.protected), &mut failures);
    }
    for (index, output) in &outputs.views {
        let view = &config.settings.views[*index].name;
        let expected = wanted.views.get(view).map(|expected| written(expected));
        let expected = expected.or(wanted.input.is_none().then(|| "null".to_owned()));
        let found = shown(output.value.as_deref());
        compare(view, expected.as_deref().unwrap_or("(the case does not tell)"), &found, &mut failures);
        if let Some(expected) = &wanted.view_key {
            compare("view's key", &written(expected), &shown(output.key.as_deref()), &mut failures);
        }
        if let Some(expected) = &wanted.view_headers {
            compare("view's headers", &pairs(expected), &headers(output), &mut failures);
        }
    }
    failures
}

/// The files of all cases.
fn cases() -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder().join("cases")).expect("the folder of cases");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    files
}

#[test]
fn every_case_has_a_number_of_its_own() {
    let mut numbered: BTreeMap<u32, PathBuf> = BTreeMap::new();
    for file in cases() {
        let name = file.file_name().and_then(|name| name.to_str()).expect("text");
        let number = name.split_once('-').and_then(|(number, _)| number.parse().ok()).expect("a number and a name");
        if let Some(other) = numbered.insert(number, file.clone()) {
            panic!("{} and {} have one number", other.display(), file.display());
        }
    }
}

#[test]
fn every_case_holds() {
    let files = cases();
    let (mut records, mut failures) = (0, String::new());
    for file in &files {
        let text = std::fs::read_to_string(file).expect("a case");
        let case: Case = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let config = config(&case.config);
        let mut protector = protector(&case, &config);
        for (index, wanted) in case.record.iter().enumerate() {
            let failed = run(&config, &mut protector, wanted);
            if !failed.is_empty() {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                let _ = writeln!(failures, "{name}, record {}: {}\n{failed}", index + 1, case.about);
            }
        }
        records += case.record.len();
    }
    println!("{} cases, {records} records", files.len());
    assert!(failures.is_empty(), "\n{failures}");
    assert!(files.len() >= 130, "a case went missing: {} are left", files.len());
}
