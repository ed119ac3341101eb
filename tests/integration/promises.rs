//! A real Kafka keeps every promise of the seam, through the adapter; the same scenarios as over the embedded log.
//!
//! All of them at once, on one broker behind a proxy that can hold the end of a transaction on its way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Instant;

use rdkafka::Offset;
use sivcar::kafka::{Kafka, Producer, Settings, Wish};
use sivcar::record::{Partition, Record};
use sivcar::stream::log::{Fault, Fetched, Outgoing, Producer as _};

use crate::broker::Broker;
use crate::patience::eventually;
use crate::proxy::{END_TXN, Fate, Proxy, Request};
use crate::seam::{self, Again, Rig, Stranger};
use crate::{admin, dump, site, stranger};

/// Rebalances and new topics are noticed at once, transactions take their time.
const CLASSIC: [(&str, &str); 4] = [
    ("topic.metadata.refresh.interval.ms", "300"),
    ("transaction.timeout.ms", "20000"),
    ("session.timeout.ms", "10000"),
    ("heartbeat.interval.ms", "300"),
];

/// The protocol in which the broker says how often members are heard of.
const NEW: [(&str, &str); 1] = [("group.protocol", "consumer")];

/// What makes clients hasty: the shortest timeout there may be, and requests that are sent again long before.
const HASTY: [(&str, &str); 2] = [("transaction.timeout.ms", "5000"), ("socket.timeout.ms", "2000")];

/// What the broker says to a producer that another one with the same id has replaced.
const FENCED: [i16; 2] = [47, 90];

/// What becomes of the end of a transaction.
struct Course {
    again: Again,
    /// The producer whose it is, once it came.
    epoch: Option<i16>,
    landed: bool,
}

/// The courses of the ends that are held, by their transactional ids.
type Plan = Arc<Mutex<BTreeMap<String, Course>>>;

fn lock(plan: &Plan) -> MutexGuard<'_, BTreeMap<String, Course>> {
    plan.lock().expect("nobody panics with it")
}

fn fate(plan: &Plan, request: &Request) -> Fate {
    let mut plan = lock(plan);
    let Some(course) = plan.get_mut(&request.id).filter(|_| request.key == END_TXN) else { return Fate::Passes };
    match course.epoch {
        None => {
            course.epoch = Some(request.epoch);
            Fate::Late
        }
        Some(epoch) if epoch == request.epoch && course.again == Again::IsLost && !course.landed => Fate::Lost,
        Some(_) => Fate::Passes,
    }
}

/// Where all scenarios are.
struct Ground {
    broker: Broker,
    proxy: Proxy,
    plan: Plan,
}

/// A real Kafka for one scenario.
struct Real {
    ground: Arc<Ground>,
    scenario: String,
    log: Kafka,
    hasty: Kafka,
}

impl Real {
    fn new(ground: &Arc<Ground>, scenario: &str, properties: &[(&str, &str)]) -> Self {
        let log = |more: &[(&str, &str)]| {
            let mut wish = Wish { group: scenario.into(), replication_factor: -1, ..Wish::default() };
            wish.common.insert("bootstrap.servers".into(), ground.proxy.address.clone());
            wish.common.extend(properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            wish.producer.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            Kafka::new(Settings::new(wish).expect("the settings are sound")).expect("clients can be made")
        };
        Self { ground: ground.clone(), scenario: scenario.to_owned(), log: log(&[]), hasty: log(&HASTY) }
    }

    fn bootstrap(&self) -> &str {
        &self.ground.broker.bootstrap
    }
}

impl Rig for Real {
    type Log = Kafka;

    fn scenario(&self) -> &str {
        &self.scenario
    }

    fn part(&self, name: &str) -> Self {
        Self::new(&self.ground, &format!("{}.{name}", self.scenario), &CLASSIC)
    }

    fn log(&self) -> &Kafka {
        &self.log
    }

    fn hasty(&self) -> &Kafka {
        &self.hasty
    }

    fn append(&self, partition: &Partition, records: &[Record]) {
        site::feed(self.bootstrap(), &partition.topic, records.iter().map(|record| (partition.number, record.clone())));
    }

    fn everything(&self, topic: &str) -> Vec<Fetched> {
        dump::uncommitted(self.bootstrap(), topic)
    }

    fn trim(&self, partition: &Partition, offset: i64) {
        admin::truncate(self.bootstrap(), &partition.topic, Offset::Offset(offset));
    }

    fn add_partition(&self, topic: &str) {
        admin::grow(self.bootstrap(), topic, 2);
    }

    fn expel(&self) {
        admin::expel(self.bootstrap(), &self.scenario);
    }

    /// It passes.
    fn let_time_pass(&self, _: &str) {}

    fn commit_as(&self, who: Stranger, record: &Outgoing, offsets: &[(Partition, i64, String)]) -> Result<(), Fault> {
        let raw = format!("{}.raw", self.scenario);
        stranger::commit(self.bootstrap(), &self.scenario, record, offsets, |config| match who {
            Stranger::Nobody => stranger::nobody(config),
            Stranger::Left => stranger::one_who_left(config, &raw),
        })
    }

    fn end_late(
        &self,
        id: &str,
        producer: &mut Producer,
        commits: bool,
        again: Again,
        meanwhile: impl FnOnce() + Send,
    ) -> Result<(), Fault> {
        lock(&self.ground.plan).insert(id.to_owned(), Course { again, epoch: None, landed: false });
        let is_held = || lock(&self.ground.plan).get(id).and_then(|course| course.epoch);
        thread::scope(|scope| {
            let meanwhile = scope.spawn(|| {
                eventually("the end is held", is_held);
                meanwhile();
            });
            let told = if commits { producer.commit() } else { producer.abort() };
            meanwhile.join().expect("all is as it should be meanwhile");
            told
        })
    }

    fn land(&self, id: &str) -> bool {
        let answer = self.ground.proxy.release(id);
        lock(&self.ground.plan).get_mut(id).expect("it is held").landed = true;
        assert!(answer == 0 || FENCED.contains(&answer), "the broker answers {answer}");
        answer == 0
    }
}

#[test]
fn kafka_keeps_every_promise_of_the_seam() {
    let plan = Plan::default();
    let asked = plan.clone();
    let (broker, proxy) = Proxy::start(move |request| fate(&asked, request));
    let ground = Arc::new(Ground { broker, proxy, plan });
    let failed: Vec<&str> = thread::scope(|scope| {
        let begin = |name, scenario: fn(&Real), properties| {
            let ground = &ground;
            let work = move || {
                let start = Instant::now();
                scenario(&Real::new(ground, name, properties));
                eprintln!("{name}: {:?}", start.elapsed());
            };
            (name, thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, work).expect("a thread"))
        };
        let mut begun = Vec::new();
        for (name, scenario) in seam::all() {
            begun.push(begin(name, scenario, &CLASSIC[..]));
            if name == "partitions_come_and_go_with_members" {
                begun.push(begin("partitions_come_and_go_in_the_new_protocol", scenario, &NEW[..]));
            }
        }
        begun.into_iter().filter_map(|(name, thread)| thread.join().err().map(|_| name)).collect()
    });
    assert!(failed.is_empty(), "{failed:?}");
}
