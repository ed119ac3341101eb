//! Documents with values in marked, detected and hidden places, each told with who may see it: what the canary search is to find, and where.
//!
//! A place is a row of [`ROWS`]. Deliberately not here: what looks for them ([`super::canary`]), and what makes outputs of them.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use sivcar::record::{Header, Record};

/// Where the members of a row stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Client,
    Parameters,
    Root,
    /// A header: name, then value.
    Header,
    /// The record key.
    Key,
    /// The id.
    Id,
}

/// Who may see the values of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Views from this clearance on.
    pub from: u16,
    /// Readers of the protected topic.
    pub protected: bool,
    /// Views that mask what is unlisted, with that clearance.
    pub listed: bool,
}

/// Nobody.
const NEVER: Seen = Seen { from: u16::MAX, protected: false, listed: true };
/// Views of the highest clearance: what is detected.
const DETECTED: Seen = sealed(9999);
/// Everybody but views that mask what is unlisted.
const PLAIN: Seen = Seen { from: 0, protected: true, listed: false };

/// Views that mask what is unlisted mask the text around it too.
const fn in_text(from: u16) -> Seen {
    Seen { from, protected: false, listed: false }
}

const fn sealed(from: u16) -> Seen {
    Seen { from, protected: false, listed: true }
}

/// The text of members, in which `@` stands for a secret of no form and `%` for an e-mail address, written as it is; `&` for the
/// latter with every letter escaped, and `~` for it as a URL's query has it.
const ROWS: &[(At, &str, Seen)] = &[
    // marked
    (At::Client, r#""email":"@""#, sealed(100)),
    (At::Client, r#""e\u006dail":"@""#, sealed(100)),
    (At::Client, r#""EMail":["@",["@",{"deep":"@"}]]"#, sealed(100)),
    (At::Client, r#""ｅｍａｉｌ":"@""#, sealed(100)),
    (At::Client, r#""email":"@","email":{"@":"@"}"#, sealed(100)),
    (At::Client, r#""home.road":"@""#, sealed(200)),
    (At::Client, r#""HOME":{"r\u006fad":["@"]}"#, sealed(200)),
    (At::Client, r#""home":[{"x":null},{"road":{"y":"@"}}]"#, sealed(200)),
    (At::Parameters, r#""attributes":{"email":"@"}"#, sealed(100)),
    (At::Parameters, r#""inner":{"a":"@","b":["@"]}"#, sealed(9999)),
    (At::Parameters, r#""cloaked":"@ @""#, sealed(200)),
    (At::Parameters, r#""gone":["@"]"#, sealed(9999)),
    (At::Parameters, r#""lax":"@""#, Seen { from: 200, protected: true, listed: true }),
    (At::Root, r#""context":{"site":"@"}"#, sealed(100)),
    (At::Parameters, r#""box":"{\"lid\":[\"@\",{\"x\":\"@\"}],\"n\":1}""#, sealed(200)),
    (At::Parameters, r#""b\u006fx":{"l\u0069d":"@"}"#, sealed(200)),
    (At::Parameters, r#""link":"https://x.example/p?n=1;who=@""#, in_text(100)),
    (At::Parameters, r#""link":"/p#wh\u00256f=@;m=2""#, in_text(100)),
    (At::Header, "x-person=@", sealed(100)),
    (At::Key, "@", NEVER),
    // an identifier
    (At::Id, "@", Seen { from: 9999, protected: true, listed: true }),
    // sivcar's own
    (At::Root, r#""_pii":{"x":"@","email":"%"}"#, NEVER),
    (At::Root, r#""_P\u0049I":["@"]"#, NEVER),
    (At::Header, "sivcar-note=@", NEVER),
    // detected
    (At::Parameters, r#""password":"@""#, DETECTED),
    (At::Parameters, r#""note":"%""#, DETECTED),
    (At::Parameters, r#""note":"&""#, DETECTED),
    (At::Parameters, r#""note":["write to % soon"]"#, in_text(9999)),
    (At::Parameters, r#""customer.last_name":"@""#, DETECTED),
    (At::Parameters, r#""ssn":"@","ssn":"@""#, DETECTED),
    (At::Parameters, r#""url":"https://x.example/?u=1;to=~""#, in_text(9999)),
    (At::Parameters, r#""url":"/x#access_token=@""#, in_text(9999)),
    (At::Parameters, r#""deep":{"a":[{"b":[{"Phone-Number":"@"}]}]}"#, DETECTED),
    (At::Parameters, r#""p\u0430ssport":{"number":"@","issued":"@"}"#, DETECTED),
    (At::Parameters, r#""by":{"%":1,"x":2}"#, DETECTED),
    (At::Parameters, r#""%":{"x":2}"#, DETECTED),
    (At::Parameters, r#""said":"{\"mail\":\"%\"}""#, DETECTED),
    (At::Parameters, r#""said":"[{\"p\\u0061ssword\":\"@\"}]""#, DETECTED),
    (At::Parameters, r#""said":"{\"cut\":\"@\"""#, DETECTED),
    (At::Client, r#""address":{"line1":"@","geo":{"street":"@"}}"#, DETECTED),
    (At::Header, "x-mail=%", DETECTED),
    // nobody's
    (At::Parameters, r#""color":"@""#, PLAIN),
    (At::Root, r#""rest":[{"a":["@"]}]"#, PLAIN),
];

/// A value and who may see it.
#[derive(Clone, Debug)]
pub struct Value {
    pub text: String,
    pub seen: Seen,
    /// The row that it was made for.
    pub row: &'static str,
}

/// A record, its values, and whether it is one that cannot be read.
pub struct Sample {
    pub record: Record,
    pub values: Vec<Value>,
    pub broken: bool,
}

/// One of so many documents is broken off.
const BROKEN: usize = 50;

/// The sections of a configuration for the source `hidden`, which has a view for each clearance: `show{clearance}`, and `mask{clearance}` for what is
/// unlisted.
pub fn sections(shows: &[u16], masks: &[u16]) -> String {
    let view = |kind: &str, clearance: &u16| {
        format!(
            "[[view]]\nname = \"{kind}{clearance}\"\nclearance = {clearance}\nunlisted = \"{kind}\"\n\
             headers = [\"x-person\", \"x-mail\"]\ntopics = {{ hidden = \"hidden.{kind}{clearance}\" }}\n"
        )
    };
    let shows: String = shows.iter().map(|clearance| view("show", clearance)).collect();
    let masks: String = masks.iter().map(|clearance| view("mask", clearance)).collect();
    let mark = |on: &str, name: &str, more: &str| {
        format!("[[mark]]\nworkspace = \"hidden\"\non = \"{on}\"\nname = \"{name}\"\n{more}\n")
    };
    let marks = [
        mark("attribute", "email", "level = 100\nmask = \"email\""),
        mark("attribute", "home.road", "level = 200\nmask = \"word\""),
        mark("parameter", "inner", "mask = \"token\"\nshape = true"),
        mark("parameter", "cloaked", "level = 200\nprotect = \"mask\"\nmask = \"word\""),
        mark("parameter", "gone", "protect = \"drop\"\nmask = \"drop\""),
        mark("parameter", "box.lid", "level = 200\nmask = \"empty\""),
        mark("parameter", "link.who", "level = 100\nmask = \"word\""),
        mark("parameter", "lax", "level = 200\nprotect = \"none\""),
        mark("field", "context.site", "level = 100\nmask = \"last4\""),
        mark("header", "x-person", "level = 100"),
        mark("key", "key", ""),
    ];
    let source = "[[source]]\ntopic = \"hidden\"\nkind = \"event\"\nprotected = \"hidden.protected\"\n\
                  dead-letters = \"hidden.dead\"\ndetection = \"encrypt\"\njson-strings = true\nurl-queries = true\n";
    [source, &shows, &masks, &marks.concat()].concat()
}

/// The workspace of all documents.
pub const WORKSPACE: &str = "hidden";

/// As many documents; no value stands in two.
pub fn samples(count: usize) -> Vec<Sample> {
    let mut random = StdRng::seed_from_u64(7);
    let mut made = 0;
    (0..count).map(|number| sample(&mut random, &mut made, number % BROKEN == BROKEN - 1)).collect()
}

fn sample(random: &mut StdRng, made: &mut usize, broken: bool) -> Sample {
    let mut values = Vec::new();
    let (mut client, mut parameters, mut root) = (Vec::new(), Vec::new(), Vec::new());
    let (mut headers, mut key, mut id) = (Vec::new(), "7".to_owned(), "7".to_owned());
    for _ in 0..random.random_range(1..5) {
        let (at, row, seen) = ROWS.choose(random).expect("there are rows");
        let seen = if broken { NEVER } else { *seen };
        let written = written(row, made, |text| values.push(Value { text, seen, row }));
        match at {
            At::Client => client.push(written),
            At::Parameters => parameters.push(written),
            At::Root => root.push(written),
            At::Key if key == "7" => key = written,
            At::Id if id == "7" => id = written,
            // nothing of what was made stands anywhere
            At::Key | At::Id => {}
            At::Header => {
                let (name, value) = written.split_once('=').expect("a header has a name");
                headers.push(Header { name: name.to_owned(), value: Some(value.into()) });
            }
        }
    }
    client.insert(random.random_range(0..=client.len()), format!(r#""id":"{id}""#));
    root.insert(0, format!(r#""workspace":"{WORKSPACE}","action":"a","n":1.50"#));
    root.push(format!(r#""client":{{{}}}"#, client.join(",")));
    root.push(format!(r#""params":{{{}}}"#, parameters.join(", ")));
    let mut text = format!("{{{}}}", root.join(","));
    if broken {
        text.pop();
    }
    let record = Record { key: Some(key.into()), value: Some(text.into()), headers, timestamp: None };
    let there = |value: &Value| is_there(&record, &value.text);
    values.retain(there);
    Sample { record, values, broken }
}

/// Whether a value was put into the record, in one of the forms that rows write.
fn is_there(record: &Record, text: &str) -> bool {
    let all = [record.key.as_deref(), record.value.as_deref()].into_iter().flatten();
    let headers = record.headers.iter().filter_map(|header| header.value.as_deref());
    let all: Vec<String> = all.chain(headers).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
    [text.to_owned(), text.replace('@', "%40"), escaped(text)]
        .iter()
        .any(|form| all.iter().any(|all| all.contains(form)))
}

/// The row's text with new values in it, each of which is given.
fn written(text: &str, made: &mut usize, mut give: impl FnMut(String)) -> String {
    let mut write = |form: char| {
        *made += 1;
        let (secret, host) = (unique("quokka", *made), unique("wombat", *made));
        let address = format!("{secret}@{host}.example");
        let (value, written) = match form {
            '@' => (secret.clone(), secret),
            '%' => (address.clone(), address),
            '&' => (address.clone(), escaped(&address)),
            _ => (address.clone(), address.replace('@', "%40")),
        };
        give(value);
        written
    };
    text.chars().map(|char| if "@%&~".contains(char) { write(char) } else { char.to_string() }).collect()
}

/// A text that occurs once, without digits: those of two could be one.
fn unique(animal: &str, number: usize) -> String {
    let letter = |place: u32| char::from(b'a' + u8::try_from(number / 26_usize.pow(place) % 26).unwrap_or_default());
    format!("{animal}{}{}{}zephyr", letter(2), letter(1), letter(0))
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("\\u{byte:04x}")).collect()
}

/// Asserts that those of all values are found, by their index, that `sees` says, and no others; tells the rows of what is not so.
#[track_caller]
pub fn shows_exactly(samples: &[Sample], what: &str, found: &BTreeSet<usize>, sees: impl Fn(&Seen) -> bool) {
    let all = samples.iter().flat_map(|sample| &sample.values).enumerate();
    let wrong = all.filter(|(index, value)| sees(&value.seen) != found.contains(index));
    let rows: BTreeSet<(bool, &str)> = wrong.map(|(index, value)| (found.contains(&index), value.row)).collect();
    assert!(rows.is_empty(), "{what}, whether they are shown, and places: {rows:#?}");
}

/// All bytes that leave with a record, its parts and it kept apart.
pub fn bytes(record: &Record) -> Vec<u8> {
    let headers = record.headers.iter().flat_map(|header| [Some(header.name.as_bytes()), header.value.as_deref()]);
    let parts = [record.key.as_deref(), record.value.as_deref()].into_iter().chain(headers).flatten();
    parts.flat_map(|part| part.iter().copied().chain([0; 4])).collect()
}
