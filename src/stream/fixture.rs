//! One small configuration for the stream's tests: source `raw`, workspace `acme`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::context::Plan;
use super::current::Snapshot;
use super::topics::Route;
use super::transaction::TransactionLimits;
use crate::privacy::control::Table;
use crate::privacy::keyset::{Keyring, Keyset};
use crate::privacy::path::Path;
use crate::privacy::policy::Policy;
use crate::privacy::scan::Limits;
use crate::privacy::settings::{Case, Detection, Ids, Layout, Partitioner, Settings, Source, SourceKind, Within};
use crate::record::Record;

pub fn settings() -> Settings {
    let path = |text: &str| Path::parse(text).unwrap();
    let layout = Layout {
        name: "default".into(),
        workspace: Some(path("workspace")),
        parameters: vec![path("params")],
        ..Layout::default()
    };
    Settings {
        group: "g".into(),
        limits: Limits::default(),
        workspaces: BTreeSet::new(),
        sources: vec![Source {
            topic: "raw".into(),
            kind: SourceKind::Event,
            layout,
            workspace: None,
            workspaces: BTreeSet::new(),
            protected: "protected".into(),
            dead_letters: "dead".into(),
            sealed_input: false,
            ids: Ids::Clear,
            case: Case::Fold,
            detection: Detection::Off,
            within: Within::default(),
            derived_copies: false,
            state: None,
            events: None,
            partitioner: Partitioner::Murmur2,
            gate: None,
        }],
        views: Vec::new(),
        matchers: Arc::default(),
        hooks: Arc::default(),
    }
}

pub fn keyset() -> Arc<Keyset> {
    Arc::new(Keyset::generate(&[7; 64], 1))
}

pub fn keyring() -> Arc<Keyring> {
    Arc::new(Keyring::new(Some(keyset()), BTreeMap::new()))
}

pub fn plan() -> Plan {
    let settings = settings();
    Plan {
        routes: Route::all(&settings),
        settings: Arc::new(settings),
        wished: Vec::new(),
        instance: "i".into(),
        workers: 1,
        limits: TransactionLimits { records: 100, time: Duration::ZERO, ..TransactionLimits::default() },
        create: true,
        max_staleness: Duration::from_secs(3600),
        state_bytes: 1 << 30,
    }
}

pub fn snapshot(version: u64) -> Snapshot {
    let table = Table { version, ..Table::default() };
    let policy = Policy::compile(&settings(), &table).unwrap();
    Snapshot { policy: Arc::new(policy), keyring: keyring(), control: "nonce".into() }
}

pub fn document(text: &str) -> Record {
    let value = format!("{{\"workspace\":\"acme\",\"n\":\"{text}\"}}");
    Record { value: Some(value.into_bytes()), ..Record::default() }
}
