//! Profiles over the embedded log: a worker is stepped by hand, marks come, and the set of (profile, since) is exact. Each test of a
//! fault asserts that it occurred.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::memory::MemoryLog;
use crate::privacy::control::{Pin, Table};
use crate::privacy::keyset::Keyring;
use crate::privacy::mark::{Mark, MarkKey, On, Protect};
use crate::privacy::path::Path;
use crate::privacy::policy::Policy;
use crate::privacy::seal::{Associated, Sealer, parse_token};
use crate::privacy::settings::{Fold, Layout, Settings, Source, SourceKind, Unlisted, View};
use crate::record::{Partition, Record};
use crate::stream::changelog::changelog_topic;
use crate::stream::context::{Context, Plan};
use crate::stream::current::Snapshot;
use crate::stream::fixture::{keyring, keyset, plan, settings};
use crate::stream::happening::{Nobody, Observer};
use crate::stream::log::{Fault, Log, Outgoing, Producer};
use crate::stream::scripted::{Call, Scripted, Twist};
use crate::stream::store::Store;
use crate::stream::topics::{Facts, Route};
use crate::stream::transaction::TransactionLimits;
use crate::stream::worker::Worker;
use crate::telemetry::Metrics;

mod changes;
mod early;
mod identify;
mod keyed;
mod refusals;
mod whole;

const NO_CANARY: &str = "@canary.example";

fn with_profiles() -> Settings {
    let path = |text: &str| Path::parse(text).unwrap();
    let mut settings = settings();
    settings.sources[0].layout.event = vec![path("action")];
    settings.sources[0].layout.id = Some(path("client.id"));
    settings.sources[0].layout.attributes = vec![path("client"), path("params.attributes")];
    let layout = Layout {
        name: "default".into(),
        workspace: Some(path("workspace")),
        id: Some(path("id")),
        attributes: vec![path("attributes")],
        ..Layout::default()
    };
    let users = Source {
        topic: "users".into(),
        kind: SourceKind::Profile,
        layout,
        protected: "people".into(),
        state: Some(Fold::Merge),
        events: Some(0),
        ..settings.sources[0].clone()
    };
    settings.sources.push(users);
    settings.views.push(View {
        name: "debug".into(),
        clearance: 0,
        unlisted: Unlisted::Mask,
        show: Vec::new(),
        headers: [].into(),
        trace: false,
        topics: [("users".to_owned(), "shown".to_owned())].into(),
    });
    settings
}

/// A log and the policy of the moment; processes come and go.
struct World {
    log: Scripted,
    plan: Plan,
    table: Table,
}

impl World {
    fn new() -> World {
        Self::of(TransactionLimits { records: 20, time: Duration::ZERO, ..TransactionLimits::default() })
    }

    fn of(limits: TransactionLimits) -> World {
        let memory = MemoryLog::new("g").with_patience(Duration::ZERO);
        memory.create_topic("raw", 3, &[]).unwrap();
        memory.create_topic("users", 1, &[]).unwrap();
        let settings = with_profiles();
        let plan = Plan { routes: Route::all(&settings), settings: Arc::new(settings), limits, ..plan() };
        let pin = Pin { topic: changelog_topic("g", "users"), workspace: None };
        let pinned = [(pin, 1.into())].into();
        World { log: Scripted::new(memory), plan, table: Table { version: 1, pinned, ..Table::default() } }
    }

    /// A process under the policy of the moment.
    fn process(&self) -> Arc<Context<Scripted>> {
        self.observed(Arc::new(Nobody))
    }

    /// The same, seen by `observer`.
    fn observed(&self, observer: Arc<dyn Observer>) -> Arc<Context<Scripted>> {
        let facts = Facts::at_start(&self.log, "g", &self.plan.routes, true).unwrap();
        let context = Arc::new(Context::new(self.log.clone(), self.plan.clone(), keyring(), facts, observer));
        self.publish(&context);
        context
    }

    /// The same, and its worker, which has read all there is.
    fn settled(&self) -> (Arc<Context<Scripted>>, Worker<Scripted>) {
        let context = self.process();
        let mut worker = worker(&context);
        settle(&mut worker);
        (context, worker)
    }

    fn publish(&self, context: &Context<Scripted>) {
        let policy = Arc::new(Policy::compile(&self.plan.settings, &self.table).unwrap());
        context.current.publish(Snapshot { policy, keyring: keyring(), control: "nonce".into() });
        context.current.confirm(Instant::now(), i64::try_from(self.table.version).unwrap());
    }

    /// A control record later: attribute `name` is marked, or its mark is another.
    fn mark(&mut self, name: &str, mark: Mark) -> u64 {
        self.table.version += 1;
        let version = self.table.version;
        let key = MarkKey { workspace: "acme".into(), on: On::Attribute, name: name.into(), event: None };
        self.table.marks.insert(key, Mark { since: mark.since.or(Some(version)), ..mark });
        version
    }

    /// Writes profiles, or patches of some; the text of a canary value comes from the id.
    fn feed(&self, ids: impl IntoIterator<Item = u32>, attributes: &str) {
        for id in ids {
            let attributes = attributes.replace('#', &format!("{id}{NO_CANARY}"));
            let value = format!("{{\"workspace\":\"acme\",\"id\":{id},\"attributes\":{attributes}}}");
            self.append(&id.to_string(), Some(value));
        }
    }

    fn append(&self, key: &str, value: Option<String>) {
        let (key, value) = (Some(key.as_bytes().to_vec()), value.map(String::into_bytes));
        self.log.log.append(&Partition::new("users", 0), Record { key, value, ..Record::default() }).unwrap();
    }

    /// How many events there are for each profile and version; each must open to the profile's value.
    fn events(&self) -> BTreeMap<(String, u64), usize> {
        let mut events = BTreeMap::new();
        for fetched in self.log.log.records("protected") {
            let header =
                fetched.record.headers.iter().find(|header| header.name == "sivcar-synthetic").expect("no input");
            let since = std::str::from_utf8(header.value.as_ref().unwrap()).unwrap().parse().unwrap();
            let id = String::from_utf8(fetched.record.key.unwrap()).unwrap();
            let event: serde_json::Value = serde_json::from_slice(&fetched.record.value.unwrap()).unwrap();
            let email = event["params"]["attributes"]["email"].as_str().expect("an address");
            assert_eq!(opened(email, "email"), format!("{id}{NO_CANARY}"));
            *events.entry((id, since)).or_default() += 1;
        }
        events
    }

    /// The newest document of each profile in the protected topic, as compaction leaves it.
    fn people(&self) -> BTreeMap<String, String> {
        let mut people = BTreeMap::new();
        for fetched in self.log.log.records("people") {
            let id = String::from_utf8(fetched.record.key.unwrap()).unwrap();
            match fetched.record.value {
                Some(value) => drop(people.insert(id, String::from_utf8(value).unwrap())),
                None => drop(people.remove(&id)),
            }
        }
        people
    }
}

fn opened(token: &str, domain: &str) -> String {
    let mut associated = Vec::new();
    Associated::Exact { workspace: "acme", domain }.write(&mut associated);
    let sealed = parse_token(token).expect("a token");
    let keyring = whole::rotated(1);
    let keyset = keyring.default_keyset().unwrap();
    String::from_utf8(Sealer::new(keyset).open(&associated, &sealed).unwrap()).unwrap()
}

fn worker(context: &Arc<Context<Scripted>>) -> Worker<Scripted> {
    Worker::start(context.clone(), 0).unwrap()
}

/// Steps until nothing more happens.
fn settle(worker: &mut Worker<Scripted>) {
    let mut idle = 0;
    while idle < 4 {
        let walking = worker.is_walking() || !worker.restores.is_empty();
        idle = if worker.step().unwrap() == 0 && !walking { idle + 1 } else { 0 };
    }
}

fn once(ids: impl IntoIterator<Item = u32>, since: u64) -> BTreeMap<(String, u64), usize> {
    ids.into_iter().map(|id| ((id.to_string(), since), 1)).collect()
}

#[test]
fn each_holder_gets_one_event_and_its_document_anew() {
    let mut world = World::new();
    world.feed(1..=50, "{\"email\":\"#\",\"n\":1}");
    world.feed(51..=60, "{\"n\":1}");
    world.feed(61..=65, "{\"email\":null}");
    let (context, mut worker) = world.settled();
    assert!(world.people()["7"].contains("7@canary.example"), "not marked yet");
    assert_eq!(world.events(), BTreeMap::new());

    let since = world.mark("email", Mark::default());
    world.publish(&context);
    settle(&mut worker);
    assert_eq!(world.events(), once(1..=50, since));
    assert!(world.people().values().all(|document| !document.contains(NO_CANARY)), "compaction leaves none in clear");
    assert_eq!(world.people().len(), 65);
    assert_eq!(world.log.log.records("people").len(), 65 + 50, "who does not hold it is not written again");
    assert_eq!(worker.tasks[&Partition::new("users", 0)].store.as_ref().unwrap().through, since);

    // whoever comes after is settled from the start
    world.feed(100..=105, "{\"email\":\"#\"}");
    settle(&mut worker);
    assert_eq!(world.events(), once(1..=50, since));
}

#[test]
fn what_only_alters_a_mark_emits_nothing_and_what_renews_it_does() {
    let mut world = World::new();
    world.feed(1..=3, "{\"email\":\"#\"}");
    let (context, mut worker) = world.settled();
    let first = world.mark("email", Mark::default());
    world.publish(&context);
    settle(&mut worker);
    let level = Mark { level: 5, since: Some(first), ..Mark::default() };
    world.mark("email", level);
    world.publish(&context);
    settle(&mut worker);
    assert_eq!(world.events(), once(1..=3, first));

    // withdrawn, then marked again; and three at once
    world.table.marks.clear();
    world.table.version += 1;
    world.publish(&context);
    settle(&mut worker);
    world.feed(1..=3, "{\"a\":\"#\"}");
    settle(&mut worker);
    assert!(world.people()["2"].contains(NO_CANARY), "later records pass in clear");
    let again = world.mark("email", Mark::default());
    world.mark("nobody", Mark::default());
    world.mark("phone", Mark { protect: Protect::Drop, ..Mark::default() });
    world.publish(&context);
    settle(&mut worker);
    let mut expected = once(1..=3, first);
    expected.extend(once(1..=3, again));
    assert_eq!(world.events(), expected);
}

#[test]
fn a_live_record_settles_its_profile_first() {
    let mut world = World::of(TransactionLimits { records: 1, time: Duration::ZERO, ..TransactionLimits::default() });
    world.feed(1..=9, "{\"email\":\"#\"}");
    let (context, mut worker) = world.settled();
    let since = world.mark("email", Mark::default());
    // one changes its address, one goes, one loses it: each is told of the value it had
    world.append(
        "5",
        Some("{\"workspace\":\"acme\",\"id\":5,\"attributes\":{\"email\":\"new@canary.example\"}}".into()),
    );
    world.append("6", None);
    world.append("7", Some("{\"workspace\":\"acme\",\"id\":7,\"attributes\":{\"email\":null}}".into()));
    world.publish(&context);
    settle(&mut worker);
    assert_eq!(world.events(), once(1..=9, since));
    assert_eq!(world.people().len(), 8);
    assert!(!world.people()["5"].contains("new@"));
    let store = worker.tasks[&Partition::new("users", 0)].store.as_ref().unwrap();
    assert_eq!(store.profiles(), 8);
}

#[test]
fn a_restart_goes_on_where_the_walk_stood_and_tells_nobody_twice() {
    let mut world = World::of(TransactionLimits { records: 3, time: Duration::ZERO, ..TransactionLimits::default() });
    world.feed(1..=20, "{\"email\":\"#\"}");
    let mut contexts = vec![world.process()];
    settle(&mut worker(&contexts[0]));
    let since = world.mark("email", Mark::default());
    let mut restarts = 0;
    while world.events().len() < 20 {
        let context = world.process();
        let mut next = worker(&context);
        // the step that opens the task may be the one that tells of the last
        let before = world.events().len();
        while world.events().len() == before {
            next.step().unwrap();
        }
        contexts.push(context);
        restarts += 1;
    }
    assert!(restarts > 3, "{restarts}");
    assert_eq!(world.events(), once(1..=20, since));
    // the last restart finds that the walk had ended, and opens nobody
    let context = world.process();
    let mut last = worker(&context);
    settle(&mut last);
    let context = world.process();
    drop(last);
    let mut last = worker(&context);
    settle(&mut last);
    let store = last.tasks[&Partition::new("users", 0)].store.as_ref().unwrap();
    assert_eq!((store.through, store.profiles()), (since, 20));
    assert!(store.entries().all(|(_, entry)| entry.settled.is_none()), "nobody was opened");
    assert_eq!(world.events(), once(1..=20, since));
}

#[test]
fn faults_repeat_and_the_set_stays_exact() {
    for (call, twist) in [
        (Call::Drain, Twist::Instead(Fault::Abort("scripted".into()))),
        (Call::Commit, Twist::Instead(Fault::Abort("scripted".into()))),
        (Call::Commit, Twist::Instead(Fault::Unknown("scripted".into()))),
        (Call::Commit, Twist::After(Fault::Unknown("scripted".into()))),
        (Call::SendOffsets, Twist::Instead(Fault::Lost("scripted".into()))),
    ] {
        let mut world =
            World::of(TransactionLimits { records: 4, time: Duration::ZERO, ..TransactionLimits::default() });
        world.feed(1..=10, "{\"email\":\"#\"}");
        let (context, mut worker) = world.settled();
        let since = world.mark("email", Mark::default());
        world.publish(&context);
        world.log.next(call, twist);
        settle(&mut worker);
        assert_eq!(world.log.occurred(call), 1, "{call:?}");
        assert_eq!(world.events(), once(1..=10, since), "{call:?}");
        assert_eq!(live_is_restored(&world, &worker), 10, "{call:?}");
    }
}

/// Compares a store with what a restore gives; gives how many profiles they hold.
fn live_is_restored(world: &World, worker: &Worker<Scripted>) -> usize {
    let live = worker.tasks[&Partition::new("users", 0)].store.as_ref().unwrap();
    let mut restored = BTreeMap::new();
    for fetched in world.log.log.records(&changelog_topic("g", "users")) {
        let key = fetched.record.key.unwrap();
        match fetched.record.value {
            Some(value) => drop(restored.insert(key, value)),
            None => drop(restored.remove(&key)),
        }
    }
    restored.remove(b"settled-through".as_slice());
    let live: BTreeMap<Vec<u8>, Vec<u8>> =
        live.entries().map(|(key, entry)| (key.to_vec(), entry.sealed.to_vec())).collect();
    assert_eq!(live, restored, "store = changelog");
    live.len()
}

#[test]
fn a_restore_waits_behind_a_transaction_that_hangs() {
    let world = World::new();
    world.feed([1], "{}");
    let context = world.process();
    settle(&mut worker(&context));
    let changelog = changelog_topic("g", "users");
    let mut hanging = world.log.log.producer("someone", usize::MAX).unwrap();
    hanging.init().unwrap();
    hanging.begin().unwrap();
    let record = Record { key: Some(b"k".to_vec()), value: Some(b"v".to_vec()), ..Record::default() };
    hanging.produce(&Outgoing { topic: changelog.as_str().into(), partition: Some(0), record }).unwrap();
    hanging.drain().unwrap();

    let metrics = Arc::new(Metrics::new("g", ["raw", "users"]));
    let is_open = |open: u8| {
        let line = format!("sivcar_task_open{{partition=\"0\",source=\"users\"}} {open}\n");
        metrics.text().unwrap().contains(&line)
    };
    let context = world.observed(metrics.clone());
    let mut heir = worker(&context);
    for _ in 0..20 {
        heir.step().unwrap();
    }
    let users = Partition::new("users", 0);
    assert!(heir.restores.contains_key(&users) && heir.tasks[&users].store.is_none(), "it waits");
    assert!(is_open(0), "and is told of as one that waits");
    hanging.abort().unwrap();
    settle(&mut heir);
    assert!(is_open(1));
    assert_eq!(heir.tasks[&users].store.as_ref().map(Store::profiles), Some(1));
}

#[test]
fn a_keyring_without_the_pinned_key_finds_no_profile() {
    let empty = Keyring::default();
    let mut codec = crate::stream::changelog::Codec::new("g", &"users".into(), &Arc::new(empty), 1.into());
    assert_eq!(codec.key(b"k"), Err(super::ChangelogError::NoDefault));
    let mut codec = crate::stream::changelog::Codec::new("g", &"users".into(), &keyring(), 2.into());
    assert_eq!(codec.key(b"k"), Err(super::ChangelogError::PinnedKey(2)));
}
