//! 1,062 real events of many shapes through the sidecar, with the judge that `tests/segment.rs` asks of the filter; and 2,000 documents with values
//! that nobody may see.

use std::collections::{BTreeMap, BTreeSet};

use sivcar::privacy::dead_letter::Envelope;
use sivcar::record::Record;
use sivcar::stream::log::Fetched;

use crate::canary::{Canaries, FEWEST_BYTES};
use crate::hidden::{self, Hidden};
use crate::hidden_places;
use crate::judge::{
    EVENTS, REFUSED, events, leaves, marked, nothing_marked_is_in_clear, originals_come_back, parse, sections,
    without_marked,
};
use crate::site::Site;

const PARTITIONS: usize = 3;

const VIEWS: &str = "[[view]]\nname = \"open\"\nunlisted = \"show\"\ntopics = { raw = \"debug.open\" }\n\
    [[view]]\nname = \"closed\"\ntopics = { raw = \"debug.closed\" }\n";

/// The values in the order of the events, which went to the partitions in turn; an empty one for each that was refused.
fn in_order(records: &[Fetched]) -> Vec<String> {
    let mut partitions: [Vec<&Fetched>; PARTITIONS] = Default::default();
    for fetched in records {
        partitions[fetched.partition.number as usize].push(fetched);
    }
    let mut next = partitions.map(|records| records.into_iter());
    let mut value = |line: usize| -> String {
        if REFUSED.contains(&line) {
            return String::new();
        }
        let fetched = next[(line - 1) % PARTITIONS].next().expect("none is lost");
        String::from_utf8(fetched.record.value.clone().expect("a value")).expect("is text")
    };
    (1..=EVENTS).map(&mut value).collect()
}

/// The texts under marks that stand nowhere else in any event that passes, in any form: they must be nowhere in clear.
fn canaries(events: &[String]) -> Vec<String> {
    let mut texts = BTreeSet::new();
    for event in events {
        let event = parse(event);
        for (path, value) in marked(&event) {
            leaves(value, path, &mut |_, leaf| texts.extend(leaf.as_str().map(str::to_owned)));
        }
    }
    texts.retain(|text| text.len() >= FEWEST_BYTES);
    let texts: Vec<String> = texts.into_iter().collect();
    let elsewhere: Vec<String> = events.iter().map(|event| without_marked(event)).collect();
    let found: BTreeSet<usize> =
        Canaries::new(&texts).find(elsewhere.join("\0\0\0\0").as_bytes()).iter().map(|found| found.value).collect();
    texts.into_iter().enumerate().filter(|(index, _)| !found.contains(index)).map(|(_, text)| text).collect()
}

#[test]
fn real_events_pass_a_real_broker() {
    let Some(events) = events() else { return };
    let hidden = hidden_places::sections(&hidden::SHOWS, &[]);
    let site = Site::new("workers = 2", &(sections() + VIEWS + &hidden));
    site.create("raw", PARTITIONS as i32);
    let record = |event: &String| Record { value: Some(event.clone().into_bytes()), ..Record::default() };
    site.feed("raw", events.iter().enumerate().map(|(index, event)| ((index % PARTITIONS) as i32, record(event))));
    let hidden = Hidden::fed(&site, PARTITIONS as i32);
    let sidecar = site.start("a").ready();
    site.catch_up();
    hidden.told(&site, &sidecar);
    sidecar.drain();

    let canaries = canaries(&events);
    assert_eq!(canaries.len(), 129);
    let canaries: Vec<&str> = canaries.iter().map(String::as_str).chain(hidden.canaries()).collect();
    let (dump, report) = site.dump(&site.checker(&canaries));
    let passed = (EVENTS - REFUSED.len() + hidden::DOCUMENTS) as u64 - hidden::BROKEN;
    let inputs = (EVENTS + hidden::DOCUMENTS) as u64;
    assert_eq!((report.inputs, report.protected, report.views), (inputs, passed, 2 * passed));
    let mismatches = ("layout_mismatch".to_owned(), REFUSED.len() as u64);
    assert_eq!(report.rejected, BTreeMap::from([mismatches, ("json_syntax".to_owned(), hidden::BROKEN)]));
    hidden.check(&dump);
    let refused = dump.committed["dead"].iter().map(|letter| {
        let at = Envelope::read(&letter.record).expect("an envelope").at;
        at.offset as usize * PARTITIONS + at.partition.number as usize + 1
    });
    let mut refused: Vec<usize> = refused.collect();
    refused.sort_unstable();
    assert_eq!(refused, REFUSED);

    let protected = in_order(&dump.committed["protected"]);
    originals_come_back(&events, &protected);
    nothing_marked_is_in_clear(&events, &protected, "siv:");
    for view in ["debug.open", "debug.closed"] {
        nothing_marked_is_in_clear(&events, &in_order(&dump.committed[view]), "***");
    }
}
