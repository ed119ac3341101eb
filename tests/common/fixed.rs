//! Keys, layouts and policies that are always the same: what generators draw from, and what fuzz targets run under.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sivcar::privacy::control::{Domain, Table};
use sivcar::privacy::keyset::{Entry, Keyring, Keyset};
use sivcar::privacy::mark::{Mark, MarkKey, On, Protect};
use sivcar::privacy::mask::Mask;
use sivcar::privacy::path::Path;
use sivcar::privacy::scan::Limits;
use sivcar::privacy::settings::{
    Case, Detection, Fold, Ids, Layout, Partitioner, Settings, Source, SourceKind, Unlisted, View, Within,
};

/// The keys of all worlds: `beta`'s own are missing, `gamma` has its own.
pub fn keyring() -> Arc<Keyring> {
    let default = Keyset::parse(include_bytes!("../golden/keyset.json")).expect("the test keyset");
    let own = Keyset::generate(&[7; 64], 77);
    let own = [("beta", Entry::Missing), ("gamma", Entry::Present(Arc::new(own)))];
    let own = own.map(|(name, entry)| (name.to_owned(), entry));
    Arc::new(Keyring::new(Some(Arc::new(default)), BTreeMap::from(own)))
}

/// Workspace, event names, id, uuid, attributes, parameters.
pub type Row = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

/// One layout of each kind: the built-in ones, one with attributes at the root, and two that are not like them.
pub const LAYOUTS: [(SourceKind, Row); 7] = [
    (SourceKind::Event, ("workspace", "action", "client.id", "client.uuid", "client params.attributes", "params")),
    (SourceKind::Profile, ("workspace", "", "id", "uuid", "attributes", "")),
    (SourceKind::Event, ("", "action", "client.id", "client.uuid", "client params.attributes", "params")),
    (SourceKind::Event, ("", "event type", "userId", "anonymousId", "traits context.traits", "properties")),
    (SourceKind::Profile, ("", "", "id", "", "$", "")),
    (
        SourceKind::Event,
        ("tenant", "name type", "customer.no", "customer.uuid", "customer payload.customer", "payload"),
    ),
    (SourceKind::Event, ("a.b.workspace", "a.event", "a.b.id", "", "a.b $", "a b 'x.y'.email")),
];

/// The layout of a row.
pub fn layout((workspace, event, id, uuid, attributes, parameters): Row) -> Layout {
    let all = |texts: &str| texts.split_whitespace().map(|text| Path::parse(text).expect("a path")).collect::<Vec<_>>();
    let one = |text: &str| all(text).pop();
    Layout {
        name: "drawn".to_owned(),
        workspace: one(workspace),
        event: all(event),
        id: one(id),
        uuid: one(uuid),
        attributes: all(attributes),
        parameters: all(parameters),
    }
}

/// How many fixed worlds there are: each layout with clear and with sealed ids.
pub const WORLDS: u8 = 2 * LAYOUTS.len() as u8;

/// The policy of a fixed world: every kind of mark, and two views.
pub fn world(index: usize) -> (Settings, Table) {
    let (kind, row) = LAYOUTS[index % LAYOUTS.len()];
    let layout = layout(row);
    let view = |name: &str, clearance, unlisted, show: &[&str]| View {
        name: name.to_owned(),
        clearance,
        unlisted,
        show: show.iter().map(|text| Path::parse(text).expect("a path")).collect(),
        headers: BTreeSet::new(),
        trace: false,
        topics: BTreeMap::from([("raw".to_owned(), name.to_owned())]),
    };
    let source = Source {
        topic: "raw".to_owned(),
        kind,
        workspace: layout.workspace.is_none().then(|| "acme".to_owned()),
        layout,
        workspaces: BTreeSet::new(),
        protected: "protected".to_owned(),
        dead_letters: "dead".to_owned(),
        sealed_input: false,
        ids: if index >= LAYOUTS.len() { Ids::Seal } else { Ids::Clear },
        case: Case::Fold,
        detection: Detection::Off,
        within: Within::default(),
        derived_copies: false,
        state: (kind == SourceKind::Profile).then_some(Fold::Merge),
        events: None,
        partitioner: Partitioner::Murmur2,
        gate: None,
    };
    let settings = Settings {
        group: "sivcar".to_owned(),
        limits: Limits::default(),
        workspaces: BTreeSet::new(),
        sources: vec![source],
        views: vec![
            view("masks", 100, Unlisted::Mask, &["a.b", "client.name"]),
            view("shows", 200, Unlisted::Show, &[]),
        ],
        matchers: Arc::default(),
        hooks: Arc::default(),
    };
    (settings, Table { marks: marks(), domains: domains(), version: 7, ..Table::default() })
}

fn marks() -> BTreeMap<MarkKey, Mark> {
    let mark = |on, name: &str, event: Option<&str>, mark: Mark| {
        let key = MarkKey { workspace: "*".to_owned(), on, name: name.to_owned(), event: event.map(str::to_owned) };
        (key, Mark { since: Some(1), ..mark })
    };
    let plain = Mark::default;
    BTreeMap::from([
        mark(On::Attribute, "email", None, plain()),
        mark(On::Parameter, "email", None, Mark { level: 100, mask: Some(Mask::Email), ..plain() }),
        mark(On::Attribute, "a.b", None, Mark { level: 150, mask: Some(Mask::Word), shape: true, ..plain() }),
        mark(On::Attribute, "a.b.c", None, Mark { protect: Protect::Drop, mask: Some(Mask::Token), ..plain() }),
        mark(On::Parameter, "**.b", Some("login"), plain()),
        mark(On::Attribute, "x", None, Mark { protect: Protect::Drop, ..plain() }),
        mark(On::Parameter, "'a.b'", None, Mark { protect: Protect::Mask, mask: Some(Mask::Empty), ..plain() }),
        mark(On::Field, "c.*", None, Mark { protect: Protect::None, mask: Some(Mask::Last4), ..plain() }),
        mark(On::Field, "**.phone", None, Mark { mask: Some(Mask::Token), ..plain() }),
        mark(On::Key, "key", None, plain()),
    ])
}

fn domains() -> BTreeMap<(String, String), Domain> {
    let domain = |name: &str, pad, loose, whole| {
        (("*".to_owned(), name.to_owned()), Domain { pad, loose, whole, since: Some(1) })
    };
    BTreeMap::from([domain("email", 0, true, false), domain("phone", 16, false, false), domain("b", 0, false, true)])
}
