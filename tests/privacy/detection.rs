//! Values in hidden places: whatever a source does with what is detected, no output holds them, and a view that may see all shows all.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sivcar::config::{Config, Surroundings};
use sivcar::privacy::control::Table;
use sivcar::privacy::keyset::{Keyring, Keyset};
use sivcar::privacy::policy::Policy;
use sivcar::privacy::protect::{Outputs, Protector};
use sivcar::record::{Header, Record};

use crate::common::canary::Canaries;

/// Where a value hides: the text of members, in which `@` stands for a secret of no form and `%` for an e-mail address, written as it is;
/// `&` for the latter with every letter escaped, and `~` for it as a URL's query has it.
const PLACES: [&str; 16] = [
    r#""password":"@""#,
    r#""e\u006dail":"@""#,
    r#""EMail":["@",["@"]]"#,
    r#""note":"%""#,
    r#""note":"&""#,
    r#""note":"write to % soon""#,
    r#""customer.last_name":"@""#,
    r#""ssn":"@","ssn":"@""#,
    r#""url":"https://x.example/?u=1;to=~""#,
    r#""url":"/x#access_token=@""#,
    r#""deep":{"a":[{"b":[{"Phone-Number":"@"}]}]}"#,
    r#""p\u0430ssport":{"number":"@","issued":"@"}"#,
    r#""by":{"%":1,"x":2}"#,
    r#""%":{"x":2}"#,
    r#""inner":"{\"mail\":\"%\"}""#,
    r#""address":{"line1":"@","geo":{"street":"@"}}"#,
];

/// The same where strings are entered.
const ENTERED: [&str; 7] = [
    r#""inner":"{\"password\":\"@\",\"deep\":[{\"p\\u0068one\":\"@\"}]}""#,
    r#""inner":" [\u007b\u0022EMAIL\u0022:\"@\",\"note\":\"to %\"}]""#,
    r#""cut":"{\"password\":\"@\"""#,
    r#""deep":"{\"a\":\"{\\\"password\\\":\\\"@\\\"}\"}""#,
    r#""keys":"{\"x\":{\"%\":1}}""#,
    r#""u":"https:\/\/x.example\/?a=1;email=@;to=~;n#access_token=@""#,
    r#""u":"/?p\u0061ssword=@;x=%zz""#,
];

/// Where members stand.
const FRAMES: [&str; 3] = [
    r#"{"workspace":"acme","params":{MEMBERS}}"#,
    r#"{"workspace":"acme","client":{"id":7,MEMBERS},"x":[1.50]}"#,
    r#"{"workspace":"acme","context":{"a":[[{MEMBERS}]]}}"#,
];

fn protector(detection: &str, entered: bool) -> Protector {
    let text = format!(
        "[keys]\nfile = 'k'\n[kafka]\n'bootstrap.servers' = 'none:1'\n\
        [[source]]\ntopic = 'raw'\nkind = 'event'\nprotected = 'p'\ndead-letters = 'd'\ndetection = '{detection}'\n\
        json-strings = {entered}\nurl-queries = {entered}\n\
        [[view]]\nname = 'none'\nunlisted = 'show'\nheaders = ['x-note', 'authorization']\ntopics = {{ raw = 'none' }}\n\
        [[view]]\nname = 'masks'\nshow = ['params.**', 'context.**']\ntopics = {{ raw = 'masks' }}\n\
        [[view]]\nname = 'all'\nclearance = 9999\nunlisted = 'show'\nheaders = ['x-note']\ntopics = {{ raw = 'all' }}\n"
    );
    let around = Surroundings { name: "test", folder: Path::new(""), environment: &|_| None, host: "host" };
    let settings = Config::parse(&text, &around).expect("the configuration is sound").settings;
    let policy = Policy::compile(&settings, &Table::default()).expect("a policy");
    let keyring = Keyring::new(Some(Arc::new(Keyset::generate(&[7; 64], 1))), BTreeMap::new());
    Protector::new(Arc::new(policy), Arc::new(keyring))
}

/// A text that occurs once, without digits: those of two could be one.
fn secret(animal: &str, number: usize) -> String {
    let letter = |place: u32| char::from(b'a' + u8::try_from(number / 26_usize.pow(place) % 26).unwrap_or_default());
    format!("{animal}{}{}zephyr", letter(1), letter(0))
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("\\u{byte:04x}")).collect()
}

/// The document with the values that it hides, and the headers.
fn record(frame: &str, places: &[&str]) -> (Record, Vec<String>) {
    let mut hidden = Vec::new();
    let mut next = |form: char| {
        let number = hidden.len();
        let domain = secret("wombat", number);
        let (secret, address) = (secret("quokka", number), format!("{}@{domain}.example", secret("quokka", number)));
        let (hides, written) = match form {
            '@' => (secret.clone(), secret),
            '%' => (address.clone(), address),
            '&' => (address.clone(), escaped(&address)),
            _ => (address.clone(), address.replace('@', "%40")),
        };
        hidden.push(hides);
        written
    };
    let mut write = |text: &str| -> String {
        text.chars().map(|c| if "@%&~".contains(c) { next(c) } else { c.to_string() }).collect()
    };
    let members: Vec<String> = places.iter().map(|place| write(place)).collect();
    let header = |name: &str, value: String| Header { name: name.to_owned(), value: Some(value.into_bytes()) };
    let headers = vec![header("x-note", write("%")), header("authorization", write("@"))];
    let value = frame.replace("MEMBERS", &members.join(",")).into_bytes();
    (Record { key: Some(b"7".to_vec()), value: Some(value), headers, timestamp: None }, hidden)
}

/// All bytes that leave with a record.
fn bytes(record: &Record) -> Vec<u8> {
    let headers = record.headers.iter().filter_map(|header| header.value.as_ref());
    record.key.iter().chain(&record.value).chain(headers).flat_map(|bytes| [bytes.as_slice(), b"\n"].concat()).collect()
}

proptest! {
    #[test]
    fn nothing_detected_leaves_in_clear(
        frame in select(&FRAMES[..]),
        places in vec(select(&PLACES[..]), 1..6),
        within in vec(select(&ENTERED[..]), 0..4),
        detection in select(vec!["report", "encrypt", "mask", "drop"]),
    ) {
        let (record, hidden) = record(frame, &[places, within.clone()].concat());
        let canaries = Canaries::new(&hidden);
        let (mut protector, mut outputs) = (protector(detection, !within.is_empty()), Outputs::default());
        protector.protect(0, &record, &mut outputs).expect("a good record");
        let shown = |view: usize| bytes(&outputs.views[view].1);
        for (what, bytes) in [("protected", bytes(&outputs.protected)), ("none", shown(0)), ("masks", shown(1))] {
            let found = canaries.find(&bytes);
            prop_assert!(found.is_empty() || (what == "protected" && detection == "report"), "{} {:?}", what, found);
        }
        prop_assert_eq!(&outputs.views[2].1.value, &record.value);
        if detection == "report" {
            prop_assert_eq!(&outputs.protected.value, &record.value);
        }
    }
}
