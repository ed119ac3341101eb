//! What must hold of a dump of all topics, whatever happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use sivcar::memory::MemoryLog;
use sivcar::privacy::dead_letter::{self, Envelope};
use sivcar::privacy::policy::Policy;
use sivcar::privacy::protect::{Outputs, Protector};
use sivcar::privacy::seal::Sealer;
use sivcar::record::{Partition, Record};
use sivcar::stream::log::Fetched;

use super::world::{PARTITIONS, World, keyring, settings, table};

/// One output per input, in order, equal to `protect(input, policy of its header)`; versions never fall; the view likewise;
/// nothing marked in clear in any topic, as `read_uncommitted` clients see them.
pub fn check(world: &World) {
    let log = &world.log.log;
    let mut letters = letters(log, world.seed);
    let mut protectors = BTreeMap::new();
    for number in 0..PARTITIONS {
        let of = |topic: &str| -> Vec<Fetched> {
            let partition = Partition::new(topic, number);
            log.records(topic).into_iter().filter(|fetched| fetched.partition == partition).collect()
        };
        let (mut protected, mut debug) = (of("protected").into_iter(), of("debug").into_iter());
        let mut version = 0;
        for input in of("raw") {
            let what = format!("seed {}: raw[{number}]@{}", world.seed, input.offset);
            if let Some((letter_version, record)) = letters.remove(&(number, input.offset)) {
                let sent = Record { timestamp: None, ..input.record };
                assert!(record.is_none_or(|record| record == sent), "{what}: its dead letter is of another record");
                assert!(letter_version >= version, "{what}: versions fall");
                version = letter_version;
                continue;
            }
            let output = protected.next().unwrap_or_else(|| panic!("{what}: no output")).record;
            let view = debug.next().unwrap_or_else(|| panic!("{what}: no view")).record;
            let its = policy_of(&output);
            assert!(its >= version, "{what}: versions fall");
            version = its;
            let protector = protectors.entry(its).or_insert_with(|| {
                let policy = Policy::compile(&settings(), &table(log, its)).expect("a policy");
                Protector::new(Arc::new(policy), keyring())
            });
            let mut expected = Outputs::default();
            protector.protect(0, &input.record, &mut expected).unwrap_or_else(|_| panic!("{what}: was not rejected"));
            assert!(output == expected.protected, "{what}: its output is not what its policy makes of it");
            assert!(expected.views.len() == 1 && view == expected.views[0].1, "{what}: its view is another");
        }
        assert_eq!((protected.count(), debug.count()), (0, 0), "seed {}: more outputs than inputs", world.seed);
    }
    assert!(letters.is_empty(), "seed {}: a dead letter of no input, or two of one", world.seed);
}

type Letters = BTreeMap<(i32, i64), (u64, Option<Record>)>;

/// The dead letters by partition and offset of their inputs: policy version, and the record where it is kept.
fn letters(log: &MemoryLog, seed: u64) -> Letters {
    let mut sealer = Sealer::new(keyring().default_keyset().expect("a keyset"));
    let mut letters = Letters::new();
    for fetched in log.records("dead") {
        let envelope = Envelope::read(&fetched.record).expect("an envelope");
        let record = match dead_letter::open(&mut sealer, "g", &fetched.record) {
            Err(dead_letter::DeadLetterError::Short) => None,
            opened => Some(opened.expect("it opens")),
        };
        let at = (envelope.at.partition.number, envelope.at.offset);
        let twice = letters.insert(at, (envelope.policy, record));
        assert!(twice.is_none(), "seed {seed}: raw[{}]@{} has two dead letters", at.0, at.1);
    }
    letters
}

fn policy_of(record: &Record) -> u64 {
    let header = record.headers.iter().find(|header| header.name == "sivcar-policy").expect("a version");
    String::from_utf8_lossy(header.value.as_ref().expect("a version")).parse().expect("a number")
}
