//! Scenarios 1 and 2: a process that is killed, or stands still and comes back, between two steps of a transaction.

use sivcar::record::Record;
use sivcar::stream::error::EXIT_FENCED;

use crate::doomed::{self, ENDED, End, Step};
use crate::dump;
use crate::patience::eventually;
use crate::site::Site;

const CONFIG: &str = r#"
[transaction]
records = 10
[[source]]
topic = "raw"
kind = "event"
protected = "protected"
dead-letters = "dead"
[[view]]
name = "debug"
unlisted = "show"
topics = { raw = "debug" }
[[mark]]
workspace = "acme"
on = "parameter"
name = "email"
"#;

const CANARY: &str = "Kanarienvogel";

/// How many records are written at once: several transactions' worth.
const SLICE: u64 = 60;

const PARTITIONS: u64 = 3;

fn site(transaction_timeout_ms: u32) -> Site {
    let producer = format!("[kafka.producer]\n\"transaction.timeout.ms\" = \"{transaction_timeout_ms}\"\n");
    let site = Site::new("workers = 1", &(producer + CONFIG));
    site.create("raw", PARTITIONS as i32);
    site
}

/// Writes the next records, one in ten of them no JSON.
fn feed(site: &Site, fed: &mut u64) {
    let record = |number: u64| {
        let end = if number.is_multiple_of(10) { "" } else { "}" };
        let value = format!(
            r#"{{"workspace":"acme","action":"buy","params":{{"email":"{CANARY}-{number}@example.com","n":{number}}}{end}"#
        );
        let record =
            Record { value: Some(value.into_bytes()), timestamp: Some(1_700_000_000_000), ..Record::default() };
        ((number % PARTITIONS) as i32, record)
    };
    site.feed("raw", (*fed..*fed + SLICE).map(record));
    *fed += SLICE;
}

/// What outputs go to: a transaction may hold nothing but dead letters.
const OUTPUTS: [&str; 2] = ["protected", "dead"];

/// Outputs that are not committed: their transaction is open, or was aborted.
fn uncommitted(site: &Site) -> usize {
    let of = |topic| {
        let all = dump::uncommitted(&site.broker.bootstrap, topic).len();
        all - dump::committed(&site.broker.bootstrap, topic).len()
    };
    OUTPUTS.map(of).iter().sum()
}

/// Whether a transaction is open.
fn is_open(site: &Site) -> bool {
    OUTPUTS.into_iter().any(|topic| dump::unstable(&site.broker.bootstrap, topic) > 0)
}

fn committed(site: &Site) -> usize {
    dump::committed(&site.broker.bootstrap, "protected").len()
}

fn check(site: &Site, fed: u64) -> crate::checker::Report {
    let report = site.check(&site.checker(&[CANARY]));
    eprintln!("{report:?}");
    assert_eq!((report.inputs, report.protected, report.views), (fed, fed / 10 * 9, fed / 10 * 9));
    assert_eq!(report.rejected.values().sum::<u64>(), fed / 10);
    report
}

#[test]
fn killed_between_produce_offsets_and_commit() {
    if doomed::runs() {
        return;
    }
    // a transaction that is left open stays open until it is fenced
    const NAME: &str = "between_steps::killed_between_produce_offsets_and_commit";
    let site = site(60_000);
    let mut fed = 0;
    for step in [Step::Drained, Step::OffsetsSent, Step::Committed] {
        let before = if fed == 0 { 0 } else { committed(&site) };
        feed(&site, &mut fed);
        doomed::start(&site, "a", step, End::Killed, NAME).killed();
        // the fault did occur: its transaction hangs, with or without offsets; or it is committed, and nobody was told
        let survived = match step {
            Step::Drained | Step::OffsetsSent => {
                assert!(is_open(&site), "{step:?}: no transaction is open");
                let pending = dump::pending(&site.broker.bootstrap, "g", "raw");
                assert_eq!(pending, step == Step::OffsetsSent, "{step:?}");
                2
            }
            Step::Committed => 3,
            Step::Polled | Step::Begun => unreachable!("nothing would be written"),
        };
        let transactions = |rejected: usize| survived * 10 - rejected;
        let made = eventually("what it committed", || {
            let made = committed(&site) - before;
            (made >= transactions(3 * survived)).then_some(made)
        });
        assert!(made <= transactions(0), "{step:?}: {made} outputs of {survived} transactions");
        let heir = site.start("a").ready();
        site.catch_up();
        heir.drain();
    }
    assert!(check(&site, fed).aborted > 0);
}

#[test]
fn a_zombie_that_comes_back_commits_nothing() {
    if doomed::runs() {
        return;
    }
    const NAME: &str = "between_steps::a_zombie_that_comes_back_commits_nothing";
    let site = site(5_000);
    let mut fed = 0;
    for (step, instances) in [(Step::Drained, ["a", "b"]), (Step::OffsetsSent, ["c", "d"])] {
        // a commit is answered before it is marked in the outputs
        eventually("every commit is marked", || (!is_open(&site)).then_some(()));
        let before = if fed == 0 { 0 } else { uncommitted(&site) };
        feed(&site, &mut fed);
        let zombie = doomed::start(&site, instances[0], step, End::StandsStill, NAME);
        zombie.stopped();
        let after = uncommitted(&site);
        assert!(
            after > before,
            "{step:?}: it stands in no transaction, {after} records are uncommitted, {before} were"
        );
        // beyond the session's timeout another has its partitions, beyond the transaction's the broker has aborted it
        let heir = site.start(instances[1]).ready();
        site.catch_up();
        eventually("the transaction times out", || (!is_open(&site)).then_some(()));
        let before = committed(&site);
        zombie.resume();
        let (status, log) = zombie.end();
        assert!(status.success(), "{log}");
        let code = format!("\"code\":{EXIT_FENCED}");
        assert!(log.lines().any(|line| line.contains(ENDED) && line.contains(&code)), "{step:?}: {log}");
        assert_eq!(committed(&site), before, "{step:?}: a zombie has written");
        feed(&site, &mut fed);
        site.catch_up();
        heir.drain();
    }
    assert!(check(&site, fed).aborted > 0);
}

#[test]
fn one_that_stood_still_between_transactions_comes_back() {
    let site = site(5_000);
    let mut fed = 0;
    feed(&site, &mut fed);
    let sleeper = site.start("a").ready();
    site.catch_up();
    sleeper.pause();
    let heir = site.start("b").ready();
    feed(&site, &mut fed);
    site.catch_up();
    assert_eq!(heir.metric("sivcar_records_total", ""), SLICE as f64, "the heir has done it alone");
    sleeper.resume();
    sleeper.lost();
    feed(&site, &mut fed);
    site.catch_up();
    // whoever is left does the work alone
    heir.drain();
    feed(&site, &mut fed);
    site.catch_up();
    sleeper.drain();
    check(&site, fed);
}
