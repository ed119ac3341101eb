//! Generators of policies and of records for them: hostile spellings of names, overlapping marks, every layout.
//!
//! A record is a draft (a tree of names and kinds of leaves) written out by a string of small choices, so that shrinking makes
//! both smaller: choices that ran out mean "plainly". Each key carries the name that its spelling stands for, and each leaf of
//! interest holds a value that occurs nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use sivcar::privacy::control::{Domain, StageRecord, Table};
use sivcar::privacy::mark::{self, Mark, MarkKey, On, Protect};
use sivcar::privacy::mask::Mask;
use sivcar::privacy::path::{Path, Step};
use sivcar::privacy::scan::Limits;
use sivcar::privacy::settings::{
    Case, Detection, Fold, Ids, Layout, Partitioner, Settings, Source, SourceKind, Stage, Unlisted, View, Within,
};
use sivcar::record::{Header, Record};

use super::fixed::{LAYOUTS, layout};

/// Settings, marks and keys.
#[derive(Clone, Debug)]
pub struct World {
    pub settings: Settings,
    pub table: Table,
}

/// A record, and what its generator knows of it.
#[derive(Clone)]
pub struct Sample {
    pub record: Record,
    /// The name that each key stands for, in document order; folded, and unescaped only.
    pub names: Vec<(String, String)>,
    /// The values that occur once.
    pub canaries: Vec<String>,
}

impl std::fmt::Debug for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.record.value.as_deref().map(String::from_utf8_lossy);
        f.debug_struct("Sample").field("value", &text).finish_non_exhaustive()
    }
}

pub const KEY_CANARY: &str = "RecordKey-990000001";

/// Names of keys; those that layouts use stand in `worlds` beside them.
const NAMES: [&str; 14] =
    ["email", "name", "address", "street", "a", "b", "c", "phone", "address.street", "a.b", "b.c", "x.y", "_pii", ""];

/// Those that most marks speak of.
const COMMON: [&str; 4] = ["email", "a", "b", "address"];

const LAYOUT_NAMES: [&str; 13] = [
    "id",
    "uuid",
    "client",
    "params",
    "attributes",
    "workspace",
    "action",
    "type",
    "event",
    "traits",
    "context",
    "properties",
    "customer",
];

const PATHS: [&str; 44] = [
    "email",
    "Email",
    "'email'",
    "email[]",
    "name",
    "address",
    "address.street",
    "address[].street",
    "'address.street'",
    "'address'.street",
    "address.*",
    "*.street",
    "*",
    "**",
    "**.email",
    "*.*",
    "a",
    "a.b",
    "a.b.c",
    "a.**",
    "a.**.c",
    "a.*.c",
    "**.b",
    "**.a.b",
    "b.c",
    "'a.b'",
    "phone",
    "street",
    "id",
    "uuid",
    "client",
    "client.id",
    "client.email",
    "client.**",
    "params",
    "params.attributes",
    "attributes",
    "attributes.email",
    "workspace",
    "action",
    "traits.email",
    "context",
    "_pii",
    "''",
];

/// Paths that match much.
const WIDE: [&str; 8] = ["email", "a", "b", "address", "**", "*", "a.*", "**.b"];

/// Paths one within another.
const NESTED: [&str; 7] = ["a", "a.b", "a.b.c", "a.*", "**.b", "email", "a.email"];

fn mark_key() -> impl Strategy<Value = MarkKey> {
    let name = prop_oneof![2 => select(PATHS.to_vec()), 1 => select(WIDE.to_vec())];
    let event = option::weighted(0.2, select(vec!["Form.Submit", "form.submit", "login", "ＬＯＧＩＮ"]));
    let on = select(vec![On::Attribute, On::Attribute, On::Parameter, On::Field]);
    (select(vec!["acme", "acme", "acme", "*", "gamma"]), on, name, event).prop_map(|(workspace, on, name, event)| {
        MarkKey { workspace: workspace.to_owned(), on, name: name.to_owned(), event: event.map(str::to_owned) }
    })
}

/// Marks on what stands around a document.
fn around_key() -> impl Strategy<Value = MarkKey> {
    let name = select(vec!["trace", "other", "*", "*", "**", "'who'", "TRACE", "x.mail", "who.*"]);
    let event = option::weighted(0.3, select(vec!["form.submit", "login"]));
    let header = (name, event).prop_map(|(name, event)| (On::Header, name, event));
    let key = Just((On::Key, "key", None));
    (select(vec!["acme", "*", "gamma"]), prop_oneof![3 => header, 1 => key]).prop_map(
        |(workspace, (on, name, event))| MarkKey {
            workspace: workspace.to_owned(),
            on,
            name: name.to_owned(),
            event: event.map(str::to_owned),
        },
    )
}

fn nested_key() -> impl Strategy<Value = MarkKey> {
    (select(vec![On::Attribute, On::Parameter]), select(NESTED.to_vec())).prop_map(|(on, name)| MarkKey {
        workspace: "*".to_owned(),
        on,
        name: name.to_owned(),
        event: None,
    })
}

fn mark(shape: f64) -> impl Strategy<Value = Mark> {
    let protect =
        vec![Protect::Encrypt, Protect::Encrypt, Protect::Encrypt, Protect::Mask, Protect::Drop, Protect::None];
    (
        select(vec![9999u16, 0, 100, 101, 200]),
        select(protect),
        option::of(select(Mask::ALL.to_vec())),
        option::weighted(0.3, select(vec!["email", "name", "any/thing"])),
        prop::bool::weighted(shape),
        0u64..4,
    )
        .prop_map(|(level, protect, mask, domain, shape, since)| Mark {
            level,
            protect,
            mask,
            domain: domain.map(str::to_owned),
            shape,
            since: Some(since),
            ..Mark::default()
        })
}

fn marks() -> impl Strategy<Value = BTreeMap<MarkKey, Mark>> {
    let inside = prop_oneof![2 => vec((mark_key(), mark(0.5)), 0..9), 1 => vec((nested_key(), mark(0.9)), 1..6)];
    let around = prop_oneof![1 => Just(vec![]), 2 => vec((around_key(), mark(0.0)), 1..4)];
    (inside, around).prop_map(|(inside, around)| {
        let marks = inside.into_iter().chain(around);
        let usable = marks.map(|(key, mark)| match mark::check(&key, &mark) {
            Ok(_) => (key, mark),
            // bytes are in no domain
            Err(_) if key.on.is_around() => (key, Mark { domain: None, ..mark }),
            Err(_) => (key, Mark { domain: Some("any/thing".to_owned()), ..mark }),
        });
        usable.collect()
    })
}

fn domains() -> impl Strategy<Value = BTreeMap<(String, String), Domain>> {
    let domain = (select(vec!["acme", "*"]), select(vec!["email", "name", "any/thing", "address", "id"]));
    let wish = (select(vec![0u32, 0, 16, 32]), any::<bool>(), any::<bool>());
    vec((domain, wish), 0..4).prop_map(|domains| {
        let named = domains.into_iter().map(|((workspace, name), (pad, loose, whole))| {
            ((workspace.to_owned(), name.to_owned()), Domain { pad, loose, whole, since: Some(1) })
        });
        named.collect()
    })
}

fn view() -> impl Strategy<Value = View> {
    let show = vec(select(PATHS.to_vec()), 0..3);
    (select(vec![0u16, 100, 150, 9999]), any::<bool>(), show).prop_map(|(clearance, masks, show)| View {
        name: String::new(),
        clearance,
        unlisted: if masks { Unlisted::Mask } else { Unlisted::Show },
        show: show.into_iter().map(|text| Path::parse(text).expect("a path")).collect(),
        headers: BTreeSet::from(["trace", "TRACE", "who", "x.mail"].map(str::to_owned)),
        trace: false,
        topics: BTreeMap::new(),
    })
}

fn source() -> impl Strategy<Value = Source> {
    let lists = (
        prop_oneof![8 => Just("acme"), 1 => Just("gamma"), 1 => Just("beta")],
        any::<bool>(),
        prop_oneof![3 => Just(vec![]), 1 => subsequence(vec!["acme", "beta", "gamma"], 1..3)],
    );
    (select(LAYOUTS.to_vec()), lists, any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.25)).prop_map(
        |((kind, row), (fixed, fixes, list), sealed_input, exact, seals)| {
            let layout = layout(row);
            let fixed = (fixes || layout.workspace.is_none()).then(|| fixed.to_owned());
            let list = if fixed.is_some() { Vec::new() } else { list };
            Source {
                topic: "raw".to_owned(),
                kind,
                layout,
                workspace: fixed,
                workspaces: list.into_iter().map(str::to_owned).collect(),
                protected: "protected".to_owned(),
                dead_letters: "dead".to_owned(),
                sealed_input,
                ids: if seals { Ids::Seal } else { Ids::Clear },
                case: if exact { Case::Exact } else { Case::Fold },
                detection: Detection::Off,
                within: Within::default(),
                derived_copies: false,
                state: (kind == SourceKind::Profile).then_some(Fold::Merge),
                events: None,
                partitioner: Partitioner::Murmur2,
                gate: None,
            }
        },
    )
}

/// A configuration and its marks.
pub fn world() -> impl Strategy<Value = World> {
    let stage = select(vec![None, None, None, Some(Stage::Enforced), Some(Stage::Configured), Some(Stage::Off)]);
    let configured = prop_oneof![2 => Just(vec![]), 2 => Just(vec!["acme", "gamma", "beta"]), 1 => Just(vec!["acme"])];
    (source(), vec(view(), 0..3), marks(), domains(), stage, configured).prop_map(
        |(source, views, marks, domains, stage, configured)| {
            let views = views.into_iter().enumerate().map(|(index, view)| View {
                name: format!("view{index}"),
                topics: BTreeMap::from([("raw".to_owned(), format!("view{index}"))]),
                ..view
            });
            let stage = stage.map(|stage| ("acme".to_owned(), StageRecord { stage, since: Some(2), at: None }));
            World {
                settings: Settings {
                    group: "sivcar".to_owned(),
                    limits: Limits::default(),
                    workspaces: configured.into_iter().map(str::to_owned).collect(),
                    sources: vec![source],
                    views: views.collect(),
                    matchers: Arc::default(),
                    hooks: Arc::default(),
                },
                table: Table { marks, domains, stages: stage.into_iter().collect(), version: 7, ..Table::default() },
            }
        },
    )
}

/// A value before it is written.
#[derive(Clone, Debug)]
pub enum Draft {
    /// A string that occurs once.
    Canary,
    /// An e-mail address that occurs once.
    Address,
    /// A number that occurs once.
    Number,
    /// JSON text.
    Text(&'static str),
    Array(Vec<Draft>),
    Object(Vec<(&'static str, Draft)>),
}

const TEXTS: [&str; 16] = [
    "null",
    "null",
    "true",
    "false",
    "\"\"",
    "[]",
    "{}",
    "0",
    "-0.0",
    "\"***\"",
    "\"\\ud800\"",
    "\"x\\\"\\ude00\\\"\"",
    "1e1000000001",
    "\"siv:AQAAAAA\"",
    "\"siv:AXJmODNoAAAAAAAAAAAAAAAAAAAAAAA\"",
    "\" \\u00a0\"",
];

fn key() -> impl Strategy<Value = &'static str> {
    prop_oneof![20 => select(COMMON.to_vec()), 20 => select(NAMES.to_vec()), 1 => select(LAYOUT_NAMES.to_vec())]
}

fn draft() -> impl Strategy<Value = Draft> {
    let leaf = prop_oneof![
        4 => Just(Draft::Canary),
        1 => Just(Draft::Address),
        2 => Just(Draft::Number),
        3 => select(TEXTS.to_vec()).prop_map(Draft::Text),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            1 => vec(inner.clone(), 0..4).prop_map(Draft::Array),
            2 => vec((key(), inner), 0..4).prop_map(Draft::Object),
        ]
    })
}

fn container() -> impl Strategy<Value = Draft> {
    let object = || vec((key(), draft()), 0..6).prop_map(Draft::Object);
    let array = vec(prop_oneof![3 => object(), 1 => Just(Draft::Text("null"))], 0..3).prop_map(Draft::Array);
    prop_oneof![40 => object(), 4 => array, 2 => Just(Draft::Text("null")), 1 => draft()]
}

/// What stands at the layout's places, in the order of [`skeleton`].
#[derive(Clone, Debug)]
struct Places {
    workspace: Option<Draft>,
    event: Option<Draft>,
    ids: Vec<Option<Draft>>,
    containers: Vec<Option<Draft>>,
    others: Vec<(&'static str, Draft)>,
}

fn places() -> impl Strategy<Value = Places> {
    let text = |texts: Vec<&'static str>| select(texts).prop_map(Draft::Text);
    let usual = select(vec!["\"acme\"", "\"acme\"", "\"\\u0061cme\"", "\"gamma\""]).prop_map(Draft::Text);
    let workspace = prop_oneof![
        30 => usual,
        2 => text(vec!["\"beta\"", "\"delta\""]),
        1 => text(vec!["null", "3", "\"a/b\"", "\"\"", "[]"]),
    ];
    let event = prop_oneof![
        30 => text(vec!["\"login\"", "\"form.submit\"", "\"Form.Submit\"", "\"log\\u0069n\"", "\"ｌogin\"", "\"other\""]),
        3 => Just(Draft::Text("null")),
        1 => text(vec!["7", "{}", "\"\\ud800\""]),
    ];
    let id = prop_oneof![
        30 => Just(Draft::Canary),
        12 => text(vec!["42", "-7"]),
        2 => Just(Draft::Text("null")),
        1 => text(vec!["1.0", "true", "[]", "1e3"]),
    ];
    (
        option::weighted(0.98, workspace),
        option::weighted(0.8, event),
        vec(option::weighted(0.9, id), 2),
        vec(option::weighted(0.9, container()), 4),
        vec((key(), draft()), 0..3),
    )
        .prop_map(|(workspace, event, ids, containers, others)| Places {
            workspace,
            event,
            ids,
            containers,
            others,
        })
}

/// A document with everything that the layout names, where it names it.
fn skeleton(layout: &Layout, places: Places) -> Draft {
    let mut root = places.others;
    let mut containers = places.containers.into_iter();
    for path in layout.attributes.iter().chain(&layout.parameters) {
        if let Some(Some(draft)) = containers.next() {
            put(&mut root, path.steps(), draft);
        }
    }
    for (path, draft) in
        [(&layout.id, &places.ids[0]), (&layout.uuid, &places.ids[1]), (&layout.workspace, &places.workspace)]
    {
        if let (Some(path), Some(draft)) = (path, draft) {
            put(&mut root, path.steps(), draft.clone());
        }
    }
    if let (Some(path), Some(draft)) = (layout.event.first(), places.event) {
        put(&mut root, path.steps(), draft);
    }
    Draft::Object(root)
}

fn put(members: &mut Vec<(&'static str, Draft)>, steps: &[Step], draft: Draft) {
    let Some((Step::Name { text, .. }, rest)) = steps.split_first() else {
        if let Draft::Object(inner) = draft {
            members.extend(inner);
        }
        return;
    };
    let known = ["userId", "anonymousId", "tenant", "payload", "no", "context", "x.y"];
    let name = NAMES.iter().chain(&LAYOUT_NAMES).chain(&known).find(|name| *name == text).expect("a name of a layout");
    match members.iter().position(|(key, _)| key == name) {
        // where an array or null stands, nothing is put into it
        Some(at) if !rest.is_empty() => {
            if let Draft::Object(inner) = &mut members[at].1 {
                put(inner, rest, draft);
            }
        }
        _ if rest.is_empty() => members.push((name, draft)),
        _ => {
            let mut inner = Vec::new();
            put(&mut inner, rest, draft);
            members.push((name, Draft::Object(inner)));
        }
    }
}

/// A record for a source of this layout.
pub fn sample(layout: Layout) -> impl Strategy<Value = Sample> {
    let names = vec!["trace", "trace", "TRACE", "other", "who", "ＷＨＯ", "x.mail", "", "sivcar-policy", "Sivcar-X"];
    let values: Vec<&[u8]> = vec![b"v", b"", b"Ann Lee, 12", b"ann.lee@example.com", b"\xff\x00", b"123456789"];
    let header = (select(names), option::weighted(0.9, select(values)))
        .prop_map(|(name, value)| Header { name: name.to_owned(), value: value.map(<[u8]>::to_vec) });
    (places(), vec(any::<u8>(), 0..60), prop::bool::weighted(0.9), vec(header, 0..4)).prop_map(
        move |(places, choices, key, headers)| {
            let mut writer = Writer { choices, ..Writer::default() };
            let space = writer.space();
            writer.out.push_str(space);
            writer.value(&skeleton(&layout, places));
            let Writer { out, names, canaries, .. } = writer;
            let record = Record {
                key: key.then(|| KEY_CANARY.as_bytes().to_vec()),
                value: Some(out.into_bytes()),
                headers,
                timestamp: Some(5),
            };
            Sample { record, names, canaries }
        },
    )
}

/// Policies, and records for them.
pub fn world_and_samples(count: usize) -> impl Strategy<Value = (World, Vec<Sample>)> {
    world().prop_flat_map(move |world| {
        let layout = world.settings.sources[0].layout.clone();
        (Just(world), vec(sample(layout), count))
    })
}

#[derive(Default)]
struct Writer {
    choices: Vec<u8>,
    taken: usize,
    out: String,
    names: Vec<(String, String)>,
    canaries: Vec<String>,
}

impl Writer {
    /// The next choice of `count`; 0, the plain one, once there are none left.
    fn choice(&mut self, count: usize) -> usize {
        let choice = self.choices.get(self.taken).copied().unwrap_or_default();
        self.taken += 1;
        usize::from(choice) % count
    }

    fn space(&mut self) -> &'static str {
        ["", "", "", "", " ", "\n", "\t\r "][self.choice(7)]
    }

    fn spaced(&mut self, sign: char) {
        let (before, after) = (self.space(), self.space());
        self.out.extend([before, sign.to_string().as_str(), after]);
    }

    fn value(&mut self, draft: &Draft) {
        match draft {
            Draft::Text(text) => self.out.push_str(text),
            Draft::Canary => {
                let number = self.number();
                let canary = format!("{}Ünique/{number}q", char::from(b'a' + (number % 26) as u8));
                self.string(&canary);
                self.canaries.push(canary);
            }
            Draft::Address => {
                let canary = format!("u{}@Mail.example", self.number());
                self.string(&canary);
                self.canaries.push(canary);
            }
            Draft::Number => {
                let number = self.number();
                let text = match self.choice(4) {
                    0 => format!("{number}"),
                    1 => format!("{number}.00"),
                    2 => format!("{number}0e-1"),
                    _ => format!("{}.{:08}E+8", number / 100_000_000, number % 100_000_000),
                };
                self.out.push_str(&text);
                self.canaries.push(number.to_string());
            }
            Draft::Array(elements) => {
                self.out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        self.spaced(',');
                    }
                    self.value(element);
                }
                let space = self.space();
                self.out.extend([space, "]"]);
            }
            Draft::Object(members) => {
                self.out.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        self.spaced(',');
                    }
                    self.key(name);
                    self.spaced(':');
                    self.value(value);
                }
                let space = self.space();
                self.out.extend([space, "}"]);
            }
        }
    }

    /// Nine digits that no other value has.
    fn number(&self) -> usize {
        500_000_000 + self.canaries.len() * 7_919
    }

    /// A string of these characters, some of them escaped.
    fn string(&mut self, text: &str) {
        let escaped = self.choice(4);
        self.out.push('"');
        for (index, c) in text.chars().enumerate() {
            match (c, escaped) {
                ('/', 1) => self.out.push_str("\\/"),
                ('"' | '\\', _) => self.out.extend(['\\', c]),
                (_, 2) if index % 3 == 0 => self.escape(c, index % 2 == 0),
                (_, 3) => self.escape(c, index % 2 == 0),
                _ => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    fn escape(&mut self, c: char, upper: bool) {
        for unit in c.encode_utf16(&mut [0; 2]) {
            self.out.push_str(&if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") });
        }
    }

    /// A key that stands for `name`, in some spelling.
    fn key(&mut self, name: &str) {
        let wide = |c: char| if c.is_ascii_alphanumeric() { char::from_u32(c as u32 + 0xfee0).unwrap_or(c) } else { c };
        let spelled: String = match self.choice(10) {
            1 => name.to_uppercase(),
            2 => name.chars().map(wide).collect(),
            3 => name
                .chars()
                .enumerate()
                .map(|(index, c)| if index == 1 { wide(c).to_ascii_uppercase() } else { c })
                .collect(),
            4 => name.chars().flat_map(|c| [c, '\u{200b}']).collect(),
            5 => name
                .chars()
                .enumerate()
                .flat_map(|(index, c)| [(index == 1).then_some('\u{ad}'), Some(c)])
                .flatten()
                .collect(),
            6 => name.chars().flat_map(|c| ['\u{feff}', c]).map(wide).collect(),
            _ => name.to_owned(),
        };
        self.names.push((name.to_lowercase(), spelled.clone()));
        self.string(&spelled);
    }
}
