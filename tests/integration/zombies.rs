//! Scenarios 3 and 13: a process that stands still past its timeouts with a batch in hand, or in a walk over profiles of whom no
//! record comes, and comes back when another has its partitions.

use std::collections::BTreeSet;

use sivcar::record::Record;
use sivcar::stream::error::EXIT_FENCED;
use sivcar::stream::log::Fetched;

use crate::doomed::{self, ENDED, End, Step};
use crate::dump;
use crate::sidecar::{Sidecar, eventually};
use crate::site::Site;

const CONFIG: &str = r#"
[transaction]
records = 10
time = "500ms"
[[source]]
topic = "events"
kind = "event"
protected = "protected.events"
dead-letters = "dead"
[[source]]
topic = "users"
kind = "profile"
workspace = "acme"
protected = "protected.users"
dead-letters = "dead"
events = "events"
[[mark]]
workspace = "acme"
on = "attribute"
name = "name"
"#;

const CANARY: &str = "Kanarienvogel";

const PARTITIONS: u64 = 2;

const PROFILES: u64 = 30;

/// Fewer than a transaction takes: whoever has read them waits for more.
const SOME: u64 = 6;

/// Everything that a transaction of profiles is written to, but for the status topic.
const OUTPUTS: [&str; 4] = ["protected.events", "protected.users", "dead", "g.users.changelog"];

/// One profile in so many has no address.
fn holds(number: u64) -> bool {
    !number.is_multiple_of(10)
}

/// A record of each of the first `count` profiles; none changes who holds what.
fn feed(site: &Site, fed: &mut u64, count: u64) {
    let user = |number: u64| {
        let email = if holds(number) { format!("\"email\":\"{number}@example.com\",") } else { String::new() };
        let name = format!("\"name\":\"{CANARY}-{number}\"");
        let value = format!("{{\"id\":{number},\"attributes\":{{{email}{name},\"phone\":{number},\"n\":{fed}}}}}");
        let key = Some(number.to_string().into_bytes());
        ((number % PARTITIONS) as i32, Record { key, value: Some(value.into()), ..Record::default() })
    };
    site.feed("users", (0..count).map(user).collect::<Vec<_>>());
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

/// What only `read_uncommitted` clients see of an output.
fn uncommitted(site: &Site, topic: &str) -> Vec<Fetched> {
    let place = |fetched: &Fetched| (fetched.partition.number, fetched.offset);
    let seen: BTreeSet<_> = dump::committed(&site.broker.bootstrap, topic).iter().map(place).collect();
    let mut all = dump::uncommitted(&site.broker.bootstrap, topic);
    all.retain(|fetched| !seen.contains(&place(fetched)));
    all
}

/// Whether a transaction is open.
fn is_open(site: &Site) -> bool {
    OUTPUTS.iter().any(|topic| dump::unstable(&site.broker.bootstrap, topic) > 0)
}

fn mark(site: &Site, name: &str) {
    site.configure("any");
    let (code, output, errors) =
        site.run(&format!("mark --config any.toml --workspace acme --on attribute --name {name}"));
    assert_eq!((code, errors.as_str()), (0, ""), "{output}");
}

/// Waits until the process has ended the walk over every partition, and all it has written is committed.
fn settled(site: &Site, process: &Sidecar) {
    for number in 0..PARTITIONS {
        process.logged("every profile is settled", |line| line["partition"] == format!("users[{number}]"));
    }
    eventually("every commit is marked", || (!is_open(site)).then_some(()));
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
fn stands_in_a_walk(site: &Site, test: &str) -> Sidecar {
    let before = committed(site);
    mark(site, "email");
    let zombie = doomed::start(site, "c", Step::Drained, End::StandsStill, test);
    zombie.stopped();
    assert!(is_open(site), "it stands in no transaction");
    let open: Vec<Fetched> = OUTPUTS[..2].iter().flat_map(|topic| uncommitted(site, topic)).collect();
    assert!(!open.is_empty() && open.iter().all(is_synthetic), "its transaction holds more than a walk's");
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
    heir
}

/// Scenario 3 where no transaction's timeout helps: nothing is written yet, so the broker knows of no transaction, and the heir has
/// none to wait for.
fn stands_before_it_walks(site: &Site, test: &str) -> Sidecar {
    mark(site, "phone");
    let zombie = doomed::start(site, "e", Step::Begun, End::StandsStill, test);
    zombie.stopped();
    let walked = committed(site);
    let heir = site.start("f").ready();
    settled(site, &heir);
    let (before, bytes) = (committed(site), written(site));
    assert!(before > walked, "the walk was over before");
    zombie.resume();
    zombie.logged("transaction aborted, its batch is repeated", |line| line["reason"] == "lost");
    zombie.lost();
    eventually("its transaction ends", || (!is_open(site)).then_some(()));
    assert!(written(site) > bytes, "the zombie has written nothing that could be committed");
    assert_eq!(committed(site), before, "the zombie has told somebody twice");
    zombie.kill();
    heir
}

#[test]
fn one_that_comes_back_has_no_second_word() {
    if doomed::runs() {
        return;
    }
    const NAME: &str = "zombies::one_that_comes_back_has_no_second_word";
    let site = Site::new("workers = 1", CONFIG);
    for topic in ["events", "users"] {
        site.create(topic, PARTITIONS as i32);
    }
    let mut fed = 0;
    stands_with_a_batch(&site, &mut fed, NAME).drain();
    stands_in_a_walk(&site, NAME).drain();
    stands_before_it_walks(&site, NAME).drain();

    let report = site.check(&site.checker(&[CANARY]));
    assert_eq!((report.inputs, report.protected, report.profiles), (fed, fed, PROFILES));
    let told: Vec<&BTreeSet<Vec<u8>>> = report.told.values().collect();
    let all = |who: fn(u64) -> bool| -> BTreeSet<Vec<u8>> {
        (0..PROFILES).filter(|number| who(*number)).map(|number| number.to_string().into_bytes()).collect()
    };
    assert_eq!(told, [&all(holds), &all(|_| true)], "addresses, then telephones");
    assert!(report.aborted > 0);
}
