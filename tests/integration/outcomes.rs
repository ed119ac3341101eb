//! Scenarios 4, 5 and 33: the end of a transaction, a commit or an abort, is lost, its answer is lost, or it comes late, when the next
//! transaction is open.
//!
//! Each worker has a partition, and a fault of its own. Where the end comes late, the offsets of the next transaction are kept from
//! it until then: committed now, its outputs would be there twice in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;
use sivcar::record::{Partition, Record};

use crate::dump;
use crate::patience::eventually;
use crate::proxy::{ADD_OFFSETS, ADD_PARTITIONS, END_TXN, Fate, Proxy, Request};
use crate::sidecar::Sidecar;
use crate::site::Site;

/// Requests time out long before transactions.
const CONFIG: &str = r#"
[kafka.producer]
"transaction.timeout.ms" = "10000"
"socket.timeout.ms" = "2000"
[transaction]
records = 10
[[source]]
topic = "raw"
kind = "event"
protected = "protected"
dead-letters = "dead"
[[mark]]
workspace = "acme"
on = "parameter"
name = "email"
"#;

/// The message that tells how.
const RESOLVED: &str = "the outcome of a transaction was unknown and is resolved";

const CANARY: &str = "Kanarienvogel";

/// How many records each partition gets at once: several transactions' worth.
const SLICE: u64 = 30;

/// What happens to the first end of a transaction once faults begin, and how it ended; a worker for each.
const FAULTS: [(Fault, &str); 6] = [
    (Fault::Unanswered, "committed"),
    (Fault::Lost, "aborted"),
    (Fault::LateWithoutAnother, "aborted"),
    (Fault::LateBehindAnother, "committed"),
    (Fault::LateBehindABreak, "committed"),
    (Fault::LateAbort, "aborted"),
];

/// What the broker says to a producer that another one with the same id has replaced.
const FENCED: [i16; 2] = [47, 90];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It arrives, however often it is sent, and no answer comes back.
    Unanswered,
    /// It never arrives.
    Lost,
    /// It comes late, and what is sent again never.
    LateWithoutAnother,
    /// It comes late; when it timed out it was sent again, and that one arrived.
    LateBehindAnother,
    /// The same, but for the connection, which broke at once.
    LateBehindABreak,
    /// An abort comes late, of a transaction whose connection broke; when it timed out it was sent again, and that one arrived.
    LateAbort,
}

impl Fault {
    /// What happens to the first one, and to those that are sent again.
    fn fates(self) -> [Fate; 2] {
        match self {
            Fault::Unanswered => [Fate::Unanswered, Fate::Unanswered],
            Fault::Lost => [Fate::Lost, Fate::Lost],
            Fault::LateWithoutAnother => [Fate::Late, Fate::Lost],
            Fault::LateBehindAnother | Fault::LateAbort => [Fate::Late, Fate::Passes],
            Fault::LateBehindABreak => [Fate::LateAndCut, Fate::Passes],
        }
    }

    fn is_late(self) -> bool {
        matches!(self.fates()[0], Fate::Late | Fate::LateAndCut)
    }
}

/// What one worker's transactions meet.
#[derive(Default)]
struct Course {
    /// The partition of the outputs.
    partition: Option<i32>,
    /// The connection broke over which its partitions were to be added, so that it is aborted.
    broken: bool,
    /// The producer whose transaction met the fault.
    epoch: Option<i16>,
    /// The offsets of its next transaction are kept from it.
    waits: bool,
    /// The late one has arrived.
    over: bool,
}

#[derive(Default)]
struct Plan {
    begun: bool,
    courses: BTreeMap<usize, Course>,
}

fn id(worker: usize) -> String {
    format!("g.a.{worker}")
}

impl Plan {
    fn fate(&mut self, request: &Request) -> Fate {
        let Some(worker) = (0..FAULTS.len()).find(|worker| id(*worker) == request.id) else { return Fate::Passes };
        let (fault, course) = (FAULTS[worker].0, self.courses.entry(worker).or_default());
        match (request.key, course.epoch) {
            (ADD_PARTITIONS, None) if self.begun && fault == Fault::LateAbort && !course.broken => {
                course.broken = true;
                Fate::Cut
            }
            (ADD_PARTITIONS, _) => {
                course.partition = request.partitions("protected").first().copied().or(course.partition);
                Fate::Passes
            }
            // of a transaction that had its partitions before its connection could break
            (END_TXN, None) if fault == Fault::LateAbort && !course.broken => Fate::Passes,
            (END_TXN, None) if self.begun => {
                assert_eq!(request.commits(), fault != Fault::LateAbort);
                course.epoch = Some(request.epoch);
                fault.fates()[0]
            }
            (END_TXN, Some(epoch)) if epoch == request.epoch && !course.waits => fault.fates()[1],
            (ADD_OFFSETS, Some(_)) if fault.is_late() && !course.over => {
                course.waits = true;
                Fate::Lost
            }
            _ => Fate::Passes,
        }
    }
}

fn lock(plan: &Mutex<Plan>) -> MutexGuard<'_, Plan> {
    plan.lock().expect("the proxy does not panic")
}

fn feed(site: &Site, fed: &mut u64) {
    let (partitions, from) = (FAULTS.len() as u64, *fed);
    *fed += SLICE * partitions;
    let record = |number: u64| {
        let params = format!(r#"{{"email":"{CANARY}-{number}@example.com","n":{number}}}"#);
        let value = format!(r#"{{"workspace":"acme","action":"buy","params":{params}}}"#);
        ((number % partitions) as i32, Record { value: Some(value.into()), ..Record::default() })
    };
    site.feed("raw", (from..*fed).map(record));
}

/// Feeds until each worker has a partition.
fn share_out(site: &Site, plan: &Mutex<Plan>, fed: &mut u64) {
    eventually("each worker has a partition", || {
        lock(plan).courses.clear();
        feed(site, fed);
        site.catch_up();
        let partitions: BTreeSet<_> = lock(plan).courses.values().filter_map(|course| course.partition).collect();
        (partitions.len() == FAULTS.len()).then_some(())
    });
}

/// How the first transaction of each worker ended of which that was not known, behind the first `known` lines of the log.
fn resolved(sidecar: &Sidecar, known: usize) -> BTreeMap<usize, String> {
    let lines = sidecar.lines();
    let resolved = lines[known..].iter().rev().filter(|line| line["message"] == RESOLVED);
    let text = |line: &Value| line["outcome"].as_str().expect("a word").to_owned();
    resolved.map(|line| (line["worker"].as_u64().expect("a number") as usize, text(line))).collect()
}

/// Lets the next end that is late arrive, once the transaction after it is open.
fn arrives_late(site: &Site, proxy: &Proxy, plan: &Mutex<Plan>) {
    let (worker, number) = eventually("the next transaction is to be ended", || {
        let waiting = |course: &&Course| course.waits && !course.over;
        let plan = lock(plan);
        let (worker, course) = plan.courses.iter().find(|(_, course)| waiting(course))?;
        Some((*worker, course.partition?))
    });
    let (fault, partition) = (FAULTS[worker].0, Partition::new("protected", number));
    let is_open = || dump::unstable_of(&site.broker.bootstrap, |other| *other == partition) > 0;
    assert!(is_open(), "{fault:?}: the next transaction is over");
    let answer = proxy.release(&id(worker));
    assert!(FENCED.contains(&answer), "{fault:?}: the broker answers {answer}");
    assert!(is_open(), "{fault:?}: the next transaction was ended");
    lock(plan).courses.entry(worker).or_default().over = true;
}

#[test]
fn the_end_of_a_transaction_ends_no_other() {
    let plan = Arc::<Mutex<Plan>>::default();
    let asked = plan.clone();
    let (broker, proxy) = Proxy::start(move |request| lock(&asked).fate(request));
    let site = Site::behind(broker, &proxy.address, &format!("workers = {}", FAULTS.len()), CONFIG);
    site.create("raw", FAULTS.len() as i32);
    let sidecar = site.start("a").ready();
    let mut fed = 0;
    share_out(&site, &plan, &mut fed);
    let known = sidecar.lines().len();
    lock(&plan).begun = true;
    feed(&site, &mut fed);

    for _ in FAULTS.iter().filter(|(fault, _)| fault.is_late()) {
        arrives_late(&site, &proxy, &plan);
    }
    site.catch_up();
    let outcomes: BTreeMap<usize, String> =
        FAULTS.into_iter().map(|(_, outcome)| outcome.to_owned()).enumerate().collect();
    assert_eq!(resolved(&sidecar, known), outcomes);
    sidecar.drain();
    let report = site.check(&site.checker(&[CANARY]));
    assert_eq!((report.inputs, report.protected, report.rejected.len()), (fed, fed, 0));
    assert!(report.aborted > 0);
}
