//! Scenarios 3 and 13: a process that stands still past its timeouts with a batch in hand, or in a walk over profiles of whom no
//! record comes, and comes back when another has its partitions.

use std::collections::BTreeMap;

use sivcar::record::Partition;
use sivcar::stream::error::EXIT_FENCED;
use sivcar::stream::log::Fetched;

use crate::doomed::{self, ENDED, End, Step};
use crate::dump;
use crate::patience::eventually;
use crate::profiles::{self, PARTITIONS, key, mark, user};
use crate::sidecar::Sidecar;
use crate::site::Site;

const CONFIG: &str = r#"
[transaction]
records = 10
time = "500ms"
[[mark]]
workspace = "acme"
on = "attribute"
name = "name"
"#;

const CANARY: &str = "Kanarienvogel";

const PROFILES: u64 = 30;

/// Fewer than a transaction takes: whoever has read them waits for more.
const SOME: u64 = 6;

/// Everything that a transaction of profiles is written to, but for the status topic.
const OUTPUTS: [&str; 4] = ["protected.events", "protected.users", "dead", "g.users.changelog"];

/// One profile in so many has no address.
fn holds(number: &u64) -> bool {
    !number.is_multiple_of(10)
}

/// A record of each of the first `count` profiles; none changes who holds what.
fn feed(site: &Site, fed: &mut u64, count: u64) {
    let patch = |number| {
        let email = if holds(&number) { format!("\"email\":\"{number}@example.com\",") } else { String::new() };
        user(number, &format!("{{{email}\"name\":\"{CANARY}-{number}\",\"phone\":{number},\"n\":{fed}}}"))
    };
    site.feed("users", (0..count).map(patch).collect::<Vec<_>>());
    *fed += count;
}

fn is_synthetic(fetched: &Fetched) -> bool {
    fetched.record.headers.iter().any(|header| header.name == "sivcar-synthetic")
}

/// How many records and markers were written ever.
fn written(site: &Site) -> i64 {
    OUTPUTS.iter().map(|topic| dump::length(&site.broker.bootstrap, topic)).sum()
}

/// The outputs that `read_committed` clients see.
fn committed(site: &Site) -> usize {
    OUTPUTS.iter().map(|topic| dump::committed(&site.broker.bootstrap, topic).len()).sum()
}

/// What `read_uncommitted` clients alone see of the outputs, by its place.
fn uncommitted(site: &Site) -> BTreeMap<(Partition, i64), Fetched> {
    let of = |read: fn(&str, &str) -> Vec<Fetched>, topic| read(&site.broker.bootstrap, topic);
    let place = |fetched: &Fetched| (fetched.partition.clone(), fetched.offset);
    let mut all = BTreeMap::new();
    for topic in ["protected.events", "protected.users"] {
        all.extend(of(dump::uncommitted, topic).into_iter().map(|fetched| (place(&fetched), fetched)));
        of(dump::committed, topic).iter().for_each(|fetched| drop(all.remove(&place(fetched))));
    }
    all
}

/// Whether a transaction is open.
fn is_open(site: &Site) -> bool {
    OUTPUTS.iter().any(|topic| dump::unstable(&site.broker.bootstrap, topic) > 0)
}

/// Waits until the process has ended the walk over every partition, and all it has written is committed.
fn settled(site: &Site, process: &Sidecar) {
    for number in 0..PARTITIONS {
        process.logged("every profile is settled", |line| line["partition"] == format!("users[{number}]"));
    }
    await_marks(site);
}

/// Waits until no transaction is open: a commit is answered before it is marked in the outputs.
fn await_marks(site: &Site) {
    eventually("the end of every transaction", || (!is_open(site)).then_some(()));
}

/// Scenario 13: it has records in hand, which no transaction holds yet. Gives whoever works on.
fn stands_with_a_batch(site: &Site, fed: &mut u64, test: &str) -> Sidecar {
    let zombie = doomed::start(site, "a", Step::Polled, End::StandsStill, test);
    settled(site, &zombie);
    let before = written(site);
    feed(site, fed, SOME);
    zombie.stopped();
    assert_eq!(written(site), before, "it has written already");
    let heir = site.start("b").ready();
    site.catch_up();
    assert_eq!(heir.metric("sivcar_records_total", "source=\"users\""), *fed as f64, "the heir has done it alone");
    await_marks(site);
    let before = written(site);
    zombie.resume();
    zombie.lost();
    assert_eq!(written(site), before, "the zombie has written");
    // it is a member again, and together they do each record once
    feed(site, fed, PROFILES);
    site.catch_up();
    zombie.kill();
    feed(site, fed, PROFILES);
    site.catch_up();
    heir
}

/// Scenario 3, all timeouts being over: in the middle of a transaction that holds nothing but what the walk has written.
fn stands_in_a_walk(site: &Site, test: &str) -> (Sidecar, u64) {
    let (before, aborted) = (committed(site), uncommitted(site));
    let since = mark(site, "email", "");
    let zombie = doomed::start(site, "c", Step::Drained, End::StandsStill, test);
    zombie.stopped();
    assert!(is_open(site), "it stands in no transaction");
    let mut open = uncommitted(site);
    open.retain(|place, _| !aborted.contains_key(place));
    assert!(!open.is_empty() && open.values().all(is_synthetic), "its transaction holds more than a walk's");
    let walked = committed(site);
    assert!(walked > before, "the first transactions of the walk are committed");

    let heir = site.start("d").ready();
    settled(site, &heir);
    let before = committed(site);
    assert!(before > walked, "the walk was over before");
    zombie.resume();
    let (status, log) = zombie.end();
    assert!(status.success(), "{log}");
    let code = format!("\"code\":{EXIT_FENCED}");
    assert!(log.lines().any(|line| line.contains(ENDED) && line.contains(&code)), "{log}");
    assert_eq!(committed(site), before, "the zombie has told somebody twice");
    (heir, since)
}

/// Scenario 3 where no transaction's timeout helps: nothing is written yet, so the broker knows of no transaction, and the heir has
/// none to wait for.
fn stands_before_it_writes(site: &Site, test: &str) -> (Sidecar, u64) {
    let since = mark(site, "phone", "");
    let zombie = doomed::start(site, "e", Step::Begun, End::StandsStill, test);
    zombie.stopped();
    let walked = committed(site);
    let heir = site.start("f").ready();
    settled(site, &heir);
    let (before, bytes) = (committed(site), written(site));
    assert!(before > walked, "the walk was over before");
    zombie.resume();
    zombie.lost();
    await_marks(site);
    assert!(written(site) > bytes, "the zombie has written nothing that could be committed");
    assert_eq!(committed(site), before, "the zombie has told somebody twice");
    zombie.logged("transaction aborted, its batch is repeated", |line| line["reason"] == "lost");
    zombie.kill();
    (heir, since)
}

#[test]
fn one_that_comes_back_has_no_second_word() {
    if doomed::runs() {
        return;
    }
    const NAME: &str = "zombies::one_that_comes_back_has_no_second_word";
    let site = profiles::site("workers = 1", CONFIG);
    let mut fed = 0;
    stands_with_a_batch(&site, &mut fed, NAME).drain();
    let (heir, email) = stands_in_a_walk(&site, NAME);
    heir.drain();
    let (heir, phone) = stands_before_it_writes(&site, NAME);
    heir.drain();

    let report = site.check(&site.checker(&[CANARY]));
    assert_eq!((report.inputs, report.protected, report.profiles), (fed, fed, PROFILES));
    let all = |who: fn(&u64) -> bool| (0..PROFILES).filter(who).map(key).collect();
    assert_eq!(report.told, BTreeMap::from([(email, all(holds)), (phone, all(|_| true))]));
    assert!(report.aborted > 0);
}
