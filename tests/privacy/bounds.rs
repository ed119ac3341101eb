//! What one hostile record may cost: work grows with its size, whatever it asks of detection, hooks, copies, headers and the gate.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sivcar::config::{Config, Surroundings};
use sivcar::privacy::control::Table;
use sivcar::privacy::error::Reason;
use sivcar::privacy::jwt::Jwks;
use sivcar::privacy::keyset::{Keyring, Keyset};
use sivcar::privacy::policy::Policy;
use sivcar::privacy::protect::{Outputs, Protector};
use sivcar::record::{Header, Record};

/// Everything that is asked for at once.
const CONFIG: &str = "
[keys]
file = 'k'
[kafka]
'bootstrap.servers' = 'none:1'
[[source]]
topic = 'raw'
kind = 'event'
protected = 'protected'
dead-letters = 'dead'
workspace = 'acme'
detection = 'encrypt'
derived-copies = true
[source.gate]
header = 'auth'
accepted = ['key']
jwks = 'j'
[[matcher]]
name = 'badge'
match = 'regex'
texts = ['^badge']
level = 50
[[matcher]]
name = 'marked'
on = 'value'
match = 'regex'
texts = ['B-[0-9]+']
level = 50
[[hook]]
name = 'deep'
level = 'path.matches(\"^(a|b)*c$\") || event.matches(\"x.*y.*z\") ? 500 : 0'
[[hook]]
name = 'listed'
level = '[\"a\", \"b\", \"c\", \"d\", \"e\"].exists(word, path.contains(word)) ? 60 : 0'
[[mark]]
workspace = '*'
on = 'parameter'
name = 'term'
level = 10
[[mark]]
workspace = '*'
on = 'header'
name = '*'
event = 'login'
level = 10
[[view]]
name = 'debug'
clearance = 100
headers = ['auth', 'badge']
topics = { raw = 'debug' }
";

fn protector() -> Protector {
    let around = Surroundings { name: "test", folder: Path::new(""), environment: &|_| None, host: "host" };
    let config = Config::parse(CONFIG, &around).expect("the configuration is sound");
    let mut table = Table::default();
    for (offset, record) in (0..).zip(&config.wished) {
        let value = record.value.as_ref().map(|value| value.encode());
        table.apply(offset, &record.key.encode(), value.as_deref()).expect("a control record");
    }
    let policy = Policy::compile(&config.settings, &table).expect("a policy");
    let keyring = Keyring::new(Some(Arc::new(Keyset::generate(&[7; 64], 1))), BTreeMap::new());
    let issuers = Arc::new(Jwks::parse(include_bytes!("../golden/rfc7515.jwks.json")).expect("a set"));
    Protector::new(Arc::new(policy), Arc::new(keyring.with_issuers([("raw".to_owned(), issuers)].into())))
}

/// What becomes of a record, which takes no more than its size; unoptimised, and beside other tests.
fn soon(what: &str, value: String, headers: Vec<Header>) -> Result<Outputs, Reason> {
    let record = Record { value: Some(value.into_bytes()), headers, timestamp: Some(0), ..Record::default() };
    let (mut protector, mut outputs) = (protector(), Outputs::default());
    let began = Instant::now();
    let done = protector.protect(0, &record, &mut outputs).map_err(|rejection| rejection.reason);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(20), "{what}: {took:?}");
    done.map(|()| outputs)
}

fn header(name: impl Into<String>, value: &str) -> Header {
    Header { name: name.into(), value: Some(value.as_bytes().to_vec()) }
}

fn members(count: usize, member: impl Fn(usize) -> String) -> String {
    (0..count).map(member).collect::<Vec<_>>().join(",")
}

#[test]
fn findings_at_made_up_places_cost_hooks_no_more_than_a_thousand_questions() {
    // two and a half thousand places of a hundred names, which are read once each
    let inner = |outer| members(50, |n| format!("\"y{n}\":\"B-{outer}{n}\""));
    let flat = format!("{{\"params\":{{{}}}}}", members(50, |n| format!("\"x{n}\":{{{}}}", inner(n))));
    let outputs = soon("findings", flat, Vec::new()).expect("accepted");
    let shown = String::from_utf8(outputs.views[0].1.value.clone().expect("a document")).expect("text");
    assert_eq!(shown.matches("***").count(), 1_500, "the rest is hidden from whom their level would let see it");
    let named = format!("{{\"params\":{{{}}}}}", members(500, |n| format!("\"badge{n}\":{n}")));
    assert!(soon("made-up names", named, Vec::new()).is_ok());
    let nested = format!("{{\"params\":{}{}}}", "{\"a\":".repeat(60), "\"B-1\"".to_owned() + &"}".repeat(60));
    assert!(soon("nested", nested, Vec::new()).is_ok());
    let long = format!("{{\"action\":\"{}\",\"params\":{{\"badge\":1}}}}", "xyz".repeat(80_000));
    assert!(soon("a long event", long, Vec::new()).is_ok());
}

#[test]
fn headers_cost_what_they_are() {
    for event in ["login", "view"] {
        let value = || format!("{{\"action\":\"{event}\"}}");
        let many = (0..10_000).map(|_| header("badge", "B-1")).collect();
        let outputs = soon("many headers", value(), many).expect("accepted");
        assert_eq!(outputs.protected.headers.len(), 10_001);
        let named = (0..500).map(|n| header(format!("badge{n}"), "B-1")).collect();
        assert!(soon("headers with made-up names", value(), named).is_ok());
    }
    let nameless = (0..100_000).map(|_| Header { name: String::new(), value: None }).collect();
    assert!(soon("headers without names", "{}".to_owned(), nameless).is_ok());
    let dotted = vec![header("badge.".repeat(30_000), "B-1")];
    assert!(soon("a dotted header", r#"{"action":"login"}"#.to_owned(), dotted).is_ok());
}

#[test]
fn a_record_has_one_signature_verified() {
    let token = include_str!("../golden/rfc7515.jwt");
    let tokens = |count: usize, other: &str| {
        let mut headers: Vec<Header> = (0..count).map(|_| header("Auth", token)).collect();
        headers.push(header("auth", other));
        headers
    };
    let known = || r#"{"client":{"id":1}}"#.to_owned();
    assert!(soon("tokens", known(), tokens(1_900, &format!("Bearer {token}"))).is_ok());
    assert_eq!(soon("tokens", known(), tokens(1_900, "none")).err(), Some(Reason::Identification));
}

#[test]
fn copies_of_many_values_cost_no_product() {
    let terms = members(5_000, |n| format!("\"term{n:06}\""));
    let copies = members(5_000, |n| format!("\"see term{n:06}\""));
    let value = format!("{{\"params\":{{\"term\":[{terms}],\"x\":[{copies}]}}}}");
    let outputs = soon("copies", value, Vec::new()).expect("accepted");
    assert_eq!(outputs.tally.derived_copies, 5_000);
}
