//! What is counted of records, and that no value is.

use std::path::Path;

use super::*;
use crate::config::{Config, Surroundings};
use crate::privacy::control::{ControlValue, Table};
use crate::privacy::keyset::{Keyring, Keyset};
use crate::record::Header;

const CONFIG: &str = "[keys]\nfile = 'k'\n[kafka]\n'bootstrap.servers' = 'none:1'\n\
    [[source]]\ntopic = 'raw'\nkind = 'event'\nprotected = 'p'\ndead-letters = 'd'\ndetection = 'report'\n\
    [[view]]\nname = 'open'\nunlisted = 'show'\nclearance = 100\nheaders = ['x-mail']\ntopics = { raw = 'v' }\n\
    [[view]]\nname = 'closed'\ntopics = { raw = 'w' }\n";

/// Each place of `records` under `more` configuration: where, how often, types, what was found, the mark, and what outputs show.
fn survey(more: &str, records: &[Record]) -> Vec<String> {
    let around = Surroundings { name: "test", folder: Path::new(""), environment: &|_| None, host: "host" };
    let config = Config::parse(&format!("{CONFIG}{more}"), &around).expect("the configuration is sound");
    let mut table = Table::default();
    for (offset, record) in (0..).zip(&config.wished) {
        let value = record.value.as_ref().map(ControlValue::encode);
        table.apply(offset, &record.key.encode(), value.as_deref()).expect("sound");
    }
    let policy = Policy::compile(&config.settings, &table).expect("a policy");
    let keyring = Keyring::new(Some(Arc::new(Keyset::generate(&[7; 64], 1))), BTreeMap::new());
    let mut protector = Protector::new(Arc::new(policy), Arc::new(keyring));
    let (mut surveyor, mut inventory, mut outputs) =
        (Surveyor::default(), Inventory::new(1_000, true), Outputs::default());
    for record in records {
        protector.protect(0, record, &mut outputs).expect("a good record");
        protector.survey(0, record, &outputs, &mut surveyor, &mut inventory);
    }
    assert_eq!(inventory.unlisted, 0);
    let entries = inventory.entries();
    let lines = entries.iter().map(|entry| {
        let row = entry.row;
        let fates = |fates: &BTreeMap<Fate, u64>| {
            fates.iter().map(|(fate, count)| format!("{}{count}", fate.word())).collect::<Vec<_>>().join("+")
        };
        let found = row.found.iter().map(|(found, count)| {
            format!("{}{}/{}{count}", if found.yellow { "" } else { "!" }, found.matcher, found.by)
        });
        let mark = row.mark.as_ref().map_or("-".to_owned(), |mark| format!("{}@{}", mark.name, mark.level));
        let shown: Vec<String> = [&row.protected].into_iter().chain(&row.views).map(fates).collect();
        let types: Vec<String> = row.types.iter().map(|(kind, count)| format!("{kind}{count}")).collect();
        let found: Vec<String> = found.collect();
        let words = [entry.place.part.word(), &entry.place.path, &types.join("+"), &found.join("+"), &mark];
        format!("{} {}: {}", entry.event, words.join(" "), shown.join(" "))
    });
    lines.collect()
}

fn document(text: &str) -> Record {
    Record { key: Some(Vec::new()), value: Some(text.into()), ..Record::default() }
}

#[test]
fn places_are_told_with_what_outputs_show() {
    let marks = "[[mark]]\nworkspace = '*'\non = 'attribute'\nname = 'email'\nlevel = 100\n\
                 [[mark]]\nworkspace = '*'\non = 'parameter'\nname = 'inner'\nmask = 'last4'\nprotect = 'mask'\n\
                 [[mark]]\nworkspace = '*'\non = 'parameter'\nname = 'gone'\nprotect = 'drop'\nmask = 'drop'\n";
    let records = [
        r#"{"workspace":"acme","action":"a","client":{"id":7,"E\u006dail":["x@y.example","z"],"n":null},
            "params":{"inner":{"deep":[1,2]},"gone":true,"note":"call +48 600 700 800","ssn":"078-05-1120"},"_pii":{"x":"y"}}"#,
        r#"{"workspace":"acme","action":"a","client":{"id":"ann@example.com","email":null},"params":{"note":"none","list":[]}}"#,
    ];
    assert_eq!(
        survey(marks, &records.map(document)),
        [
            "a parameter ssn string1 !social security number/name1 -: clear1 full1 full1",
            "a id client.id number1+string1 email/value1 -: clear2 full2 full2",
            "a parameter note string2 phone/part1 -: clear2 clear1+full1 full2",
            "a attribute email null1+string2 email/name2 email@100: token2 clear2 full2",
            "a parameter gone boolean1  gone@9999: drop1 drop1 drop1",
            "a parameter inner.* number2  inner@9999: full2 last42 last42",
            "a attribute n null1  -: ",
            "a parameter list array1  -: clear1 clear1 clear1",
        ]
    );
}

#[test]
fn keys_that_are_values_are_told_where_they_stand() {
    let record = document(r#"{"workspace":"acme","params":{"by":{"ann@example.com":1,"x":2},"ann@example.com":"v"}}"#);
    assert_eq!(
        survey("", &[record]),
        [
            " parameter * string1 email/key1 -: clear1 drop1 drop1",
            " parameter by object1 email/key1 -: clear1 word1 full1",
            " parameter by.* number2  -: clear2 word2 full2",
        ]
    );
}

#[test]
fn what_stands_around_is_told_too() {
    let header = |name: &str, value: &str| Header { name: name.to_owned(), value: Some(value.into()) };
    let headers = vec![
        header("x-mail", "ann@example.com"),
        header("ann@example.com", "1"),
        header("sivcar-policy", "1"),
        header("trace", "7"),
    ];
    let deletion = Record { key: Some(b"+48600700800".to_vec()), headers: Vec::new(), ..Record::default() };
    let record = Record { key: Some(b"ann@example.com".to_vec()), headers, ..document(r#"{"workspace":"acme"}"#) };
    let mark = "[[mark]]\nworkspace = '*'\non = 'header'\nname = 'trace'\n";
    assert_eq!(
        survey(mark, &[record, deletion]),
        [
            " key key bytes1 phone/value1 -: clear1 token1 token1",
            " header * bytes1 email/key1 -: clear1 drop1 drop1",
            " header x-mail bytes1 email/name1 -: clear1 word1 drop1",
            " key key bytes1 email/value1 -: clear1 token1 token1",
            " header trace bytes1  trace@9999: token1 drop1 drop1",
        ]
    );
}
