//! What detection finds around a document: headers, by name and by value, and the record key.
//!
//! Always holds: sivcar's own headers are not looked at. Deliberately not here: what becomes of what was found.

use std::borrow::Cow;

use super::is_own;
use crate::privacy::detect::{Detected, Detector};
use crate::privacy::hook::Asked;
use crate::privacy::place::Part;
use crate::privacy::rules::{Rules, Told, Verdict};
use crate::privacy::settings::{Detection as How, Source};
use crate::privacy::sighting::{self, Keys, Sightings};
use crate::record::{Header, Record};

/// What holds around a document because detection found it.
#[derive(Debug, Default)]
pub(in crate::privacy) struct Detection {
    /// For each header, by index; empty where nobody looked.
    pub(super) headers: Vec<Option<Detected>>,
    /// For the record key.
    pub(super) key: Option<Verdict>,
}

impl Detection {
    /// Looks at the headers of `record`, by name and by value, and at its record key unless a mark speaks of it; what is found is counted
    /// among `sightings`.
    pub(in crate::privacy) fn find(
        &mut self,
        found: &sighting::Found,
        (source, rules): (&Source, &Rules),
        record: &Record,
        detector: &mut Detector,
        sightings: &mut Sightings,
    ) {
        self.headers.clear();
        self.key = None;
        if source.detection == How::Off {
            return;
        }
        let matchers = found.matchers;
        // a mark for another event is as good a word for it, and the gate's never goes out
        let untold = |header: &Header| {
            rules.header(&header.name, Told::Nothing, &Asked::Nobody).is_none()
                && !source.gate.as_ref().is_some_and(|gate| gate.is_named(header))
        };
        for header in &record.headers {
            let looked = (!is_own(header)).then(|| detector.header(matchers, &header.name, header.value.as_deref()));
            let what = looked.flatten();
            self.headers.push(what);
            if let Some(what) = what.filter(|what| what.goes || untold(header)) {
                let keys = Keys::from_iter([Cow::Borrowed(header.name.as_bytes())]);
                detector.watch.see(found, Part::Header, &keys, what.found.matcher, sightings);
            }
        }
        let key = record.key.as_deref().filter(|_| rules.key().is_none());
        if let Some(what) = key.and_then(|key| detector.record_key(matchers, key)) {
            self.key = Some(rules.detected(&Detected { node: 0, found: what, goes: false }, source.detection));
            detector.watch.see(found, Part::Key, &Keys::new(), what.matcher, sightings);
        }
    }
}
