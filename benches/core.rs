//! The core on one event of about 1 KB with three marks, beside two peers in the same run: reading the same bytes into a tree with
//! serde_json, and reading and writing it again. Ratios between the lines are what counts; absolute times are the machine's.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sivcar::privacy::control::Table;
use sivcar::privacy::keyset::{Keyring, Keyset};
use sivcar::privacy::mark::{Mark, MarkKey, On};
use sivcar::privacy::path::Path;
use sivcar::privacy::policy::Policy;
use sivcar::privacy::protect::{Outputs, Protector};
use sivcar::privacy::scan::{Limits, Tape, scan};
use sivcar::privacy::settings::{Case, Fold, Ids, Layout, Partitioner, Settings, Source, SourceKind, Unlisted, View};
use sivcar::record::Record;

fn event() -> Vec<u8> {
    let items: Vec<_> =
        (0..8).map(|n| serde_json::json!({"sku": 1000 + n, "qty": n, "title": "A thing of some kind"})).collect();
    let document = serde_json::json!({
        "workspace": "acme", "action": "order.paid", "time": "2026-01-01T00:00:00Z",
        "client": {"id": 42, "email": "ann.example@example.com", "phone": "+48 600 100 200", "name": "Ann Example"},
        "params": {"total": 199.9, "currency": "EUR", "items": items, "note": "left at the door, ring twice"},
        "context": {"ip": "192.0.2.7", "agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"},
    });
    document.to_string().into_bytes()
}

fn policy() -> Policy {
    let path = |text: &str| Path::parse(text).expect("a path");
    let layout = Layout {
        name: "default".to_owned(),
        workspace: Some(path("workspace")),
        event: vec![path("action")],
        id: Some(path("client.id")),
        uuid: Some(path("client.uuid")),
        attributes: vec![path("client"), path("params.attributes")],
        parameters: vec![path("params")],
    };
    let source = Source {
        topic: "raw".to_owned(),
        kind: SourceKind::Event,
        layout,
        workspace: None,
        workspaces: BTreeSet::new(),
        protected: "protected".to_owned(),
        dead_letters: "dead".to_owned(),
        sealed_input: false,
        ids: Ids::Clear,
        case: Case::Fold,
        state: Fold::Merge,
        events: None,
        partitioner: Partitioner::Murmur2,
    };
    let view = View {
        name: "debug".to_owned(),
        clearance: 0,
        unlisted: Unlisted::Show,
        show: Vec::new(),
        headers: BTreeSet::new(),
        topics: BTreeMap::from([("raw".to_owned(), "debug".to_owned())]),
    };
    let settings = Settings {
        group: "bench".to_owned(),
        limits: Limits::default(),
        workspaces: BTreeSet::new(),
        sources: vec![source],
        views: vec![view],
    };
    let mark = |name: &str| {
        let key = MarkKey { workspace: "acme".to_owned(), on: On::Attribute, name: name.to_owned(), event: None };
        (key, Mark::default())
    };
    let marks = ["email", "phone", "name"].map(mark).into_iter().collect();
    Policy::compile(&settings, &Table { marks, version: 1, ..Table::default() }).expect("the policy compiles")
}

fn core(criterion: &mut Criterion) {
    let bytes = event();
    let keyset = Keyset::parse(include_bytes!("../tests/golden/keyset.json")).expect("the test keyset");
    let keyring = Keyring::new(Some(Arc::new(keyset)), BTreeMap::new());
    let mut protector = Protector::new(Arc::new(policy()), Arc::new(keyring));
    let record = Record { key: Some(b"42".to_vec()), value: Some(bytes.clone()), ..Record::default() };
    let mut outputs = Outputs::default();
    let (mut tape, limits) = (Tape::default(), Limits::default());

    let mut group = criterion.benchmark_group("1 KB event");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("scan", |bencher| bencher.iter(|| scan(black_box(&bytes), &limits, &mut tape).is_ok()));
    group.bench_function("scan, protect and one view", |bencher| {
        bencher.iter(|| protector.protect(0, black_box(&record), &mut outputs).is_ok());
    });
    group.bench_function("peer: serde_json reads a tree", |bencher| {
        bencher.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(&bytes)).is_ok());
    });
    group.bench_function("peer: serde_json reads and writes twice", |bencher| {
        bencher.iter(|| {
            let tree: serde_json::Value = serde_json::from_slice(black_box(&bytes)).expect("a document");
            (serde_json::to_vec(&tree).expect("written"), serde_json::to_vec(&tree).expect("written"))
        });
    });
    group.finish();
}

criterion_group!(benches, core);
criterion_main!(benches);
