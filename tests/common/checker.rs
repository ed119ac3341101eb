//! What must hold of a dump of all topics, whatever happened before it was taken.
//!
//! One output per input, protected and for each view, in input order per partition; each equal to
//! `protect(input, policy of its header)`, where the policy is folded anew from the control topic up to that version; each
//! rejected record has one dead letter with its coordinates, the right reason, and what opens to the record; versions never fall
//! in a partition; a changelog holds what the records of its profiles come to; no canary stands in any topic but raw ones, as `read_uncommitted` clients see them, nor in what a process
//! said. Deliberately not here: how a dump is taken. An error names coordinates and holds no value.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::Value;
use sivcar::privacy::control::Table;
use sivcar::privacy::dead_letter::{self, DeadLetterError, Envelope};
use sivcar::privacy::keyset::Keyring;
use sivcar::privacy::policy::Policy;
use sivcar::privacy::protect::{Identity, Known, Outputs, POLICY_HEADER, Protector, SYNTHETIC_HEADER};
use sivcar::privacy::seal::Sealer;
use sivcar::privacy::settings::{Settings, Source, SourceKind};
use sivcar::record::{Coordinates, Partition, Record};
use sivcar::stream::changelog::changelog_topic;
use sivcar::stream::log::Fetched;

use super::canary::Canaries;

#[path = "states.rs"]
pub mod states;

use states::{Held, States};

/// The records of each topic; those of one partition in the order of their offsets.
pub type Topics = BTreeMap<String, Vec<Fetched>>;

/// All topics, as the two kinds of clients see them.
#[derive(Clone, Default)]
pub struct Dump {
    /// As `read_committed` clients do.
    pub committed: Topics,
    /// As `read_uncommitted` clients do: those of aborted transactions too.
    pub uncommitted: Topics,
}

/// What is checked against.
pub struct Checker {
    /// What the processes ran with.
    pub settings: Settings,
    /// Their keysets.
    pub keyring: Arc<Keyring>,
    /// Where a source stopped before its end: from this offset on there must be no output.
    pub unread: BTreeMap<Partition, i64>,
    /// Values that must stand nowhere but in raw topics.
    pub canaries: Vec<String>,
}

/// What was found, all of it right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Raw records that were read.
    pub inputs: u64,
    /// Outputs in protected topics.
    pub protected: u64,
    /// Outputs in debug topics.
    pub views: u64,
    /// Synthetic events: by the version since which a mark is effective, the record keys.
    pub told: BTreeMap<u64, BTreeSet<Vec<u8>>>,
    /// Profiles' documents that were written anew.
    pub rewritten: u64,
    /// Profiles that changelogs hold.
    pub profiles: u64,
    /// Dead letters by reason.
    pub rejected: BTreeMap<String, u64>,
    /// The policy versions that outputs and dead letters were made under.
    pub versions: BTreeSet<u64>,
    /// The version that each input's outputs or dead letter were made under.
    pub made_under: BTreeMap<Coordinates, u64>,
    /// Records of outputs and dead letters that were aborted: only `read_uncommitted` clients see them.
    pub aborted: u64,
}

/// A dead letter and what stands in clear on it.
type Letters<'a> = BTreeMap<Coordinates, (Envelope, &'a Record)>;

/// The outputs of one partition that no input was matched with yet.
type Pending<'a> = BTreeMap<&'a str, VecDeque<&'a Fetched>>;

impl Checker {
    /// Checks `dump`, and what each process said: its log and metrics by name.
    ///
    /// # Errors
    /// The first thing that is wrong, by its coordinates.
    pub fn check(&self, dump: &Dump, said: &[(String, Vec<u8>)]) -> Result<Report, String> {
        let mut run = Run::new(self, dump);
        let mut letters = run.letters()?;
        for (index, source) in self.settings.sources.iter().enumerate() {
            run.source(index, source, &mut letters)?;
        }
        if let Some(at) = letters.keys().next() {
            return Err(format!("{at}: a dead letter of no input"));
        }
        run.count_aborted();
        let report = run.report;
        self.search(dump, said)?;
        Ok(report)
    }

    /// The topics that processes write, the control topic apart.
    fn outputs(&self) -> BTreeSet<&str> {
        let sources = self.settings.sources.iter();
        sources.flat_map(|source| self.outputs_of(source).into_iter().chain([source.dead_letters.as_str()])).collect()
    }

    /// The protected topic of `source`, then its debug topics.
    fn outputs_of<'a>(&'a self, source: &'a Source) -> Vec<&'a str> {
        let views = self.settings.views.iter().filter_map(|view| view.topics.get(&source.topic));
        std::iter::once(&source.protected).chain(views).map(String::as_str).collect()
    }

    /// Looks for the canaries everywhere but in raw topics.
    fn search(&self, dump: &Dump, said: &[(String, Vec<u8>)]) -> Result<(), String> {
        let search = Canaries::new(&self.canaries);
        let raw: BTreeSet<&str> = self.settings.sources.iter().map(|source| source.topic.as_str()).collect();
        // what is committed stands among what is not, unless nobody asked for that
        let is_new = |(topic, records): &(&String, &Vec<Fetched>)| {
            dump.uncommitted.get(*topic).is_none_or(|all| all.len() < records.len())
        };
        let topics = dump.uncommitted.iter().chain(dump.committed.iter().filter(is_new));
        for (_, records) in topics.filter(|(topic, _)| !raw.contains(topic.as_str())) {
            for some in records.chunks(CHUNK_RECORDS) {
                // together, since each search costs as much as a record
                let all: Vec<u8> = some.iter().flat_map(|fetched| bytes(&fetched.record)).collect();
                if search.find(&all).is_empty() {
                    continue;
                }
                for fetched in some {
                    if let Some(found) = search.find(&bytes(&fetched.record)).first() {
                        return Err(format!("{}@{}: {found:?} in clear", fetched.partition, fetched.offset));
                    }
                }
                return Err(format!("{}: a value across records", some[0].partition));
            }
        }
        for (name, bytes) in said {
            if let Some(found) = search.find(bytes).first() {
                return Err(format!("{name}: {found:?} in clear"));
            }
        }
        Ok(())
    }
}

/// How many records are searched at once.
const CHUNK_RECORDS: usize = 200;

/// All bytes of a record but its time, its parts kept apart by what no form of a value holds.
fn bytes(record: &Record) -> Vec<u8> {
    let headers = record.headers.iter().flat_map(|header| [Some(header.name.as_bytes()), header.value.as_deref()]);
    let parts = [record.key.as_deref(), record.value.as_deref()].into_iter().chain(headers).flatten();
    parts.flat_map(|part| part.iter().copied().chain([0; 4])).collect()
}

/// One check.
pub struct Run<'a> {
    checker: &'a Checker,
    dump: &'a Dump,
    protectors: BTreeMap<u64, Protector>,
    /// Synthetic events: the version and whose.
    events: BTreeSet<(u64, Vec<u8>)>,
    report: Report,
}

impl<'a> Run<'a> {
    /// A check of `dump` that has seen nothing yet.
    pub fn new(checker: &'a Checker, dump: &'a Dump) -> Self {
        Self { checker, dump, protectors: BTreeMap::new(), events: BTreeSet::new(), report: Report::default() }
    }

    /// The topic's committed records.
    pub fn topic(&self, topic: &str) -> &'a [Fetched] {
        self.dump.committed.get(topic).map_or(&[], Vec::as_slice)
    }

    /// The dead letters by what they are of.
    fn letters(&mut self) -> Result<Letters<'a>, String> {
        let topics: BTreeSet<&str> =
            self.checker.settings.sources.iter().map(|source| source.dead_letters.as_str()).collect();
        let mut letters = Letters::new();
        for fetched in topics.into_iter().flat_map(|topic| self.topic(topic)) {
            let envelope = Envelope::read(&fetched.record)
                .map_err(|error| format!("{}@{}: {error}", fetched.partition, fetched.offset))?;
            match letters.entry(envelope.at.clone()) {
                Entry::Vacant(place) => drop(place.insert((envelope, &fetched.record))),
                Entry::Occupied(_) => return Err(format!("{}: two dead letters", envelope.at)),
            }
        }
        Ok(letters)
    }

    fn source(&mut self, index: usize, source: &'a Source, letters: &mut Letters<'a>) -> Result<(), String> {
        let outputs = self.checker.outputs_of(source);
        let mut pending: BTreeMap<i32, Pending<'a>> = BTreeMap::new();
        for topic in &outputs {
            for fetched in self.topic(topic) {
                if let Some(version) = number_of(&fetched.record, SYNTHETIC_HEADER) {
                    self.synthetic(source, topic, version, fetched)?;
                    continue;
                }
                pending.entry(fetched.partition.number).or_default().entry(topic).or_default().push_back(fetched);
            }
        }
        let (mut versions, mut states) = (BTreeMap::<i32, u64>::new(), States::default());
        for input in self.topic(&source.topic) {
            let at = Coordinates { partition: input.partition.clone(), offset: input.offset };
            if self.checker.unread.get(&at.partition).is_some_and(|unread| *unread <= at.offset) {
                continue;
            }
            self.report.inputs += 1;
            let version = match letters.remove(&at) {
                Some((envelope, letter)) => self.rejected(index, input, &states, &envelope, letter)?,
                None => {
                    let pending = pending.entry(at.partition.number).or_default();
                    // what deletes a profile does not tell its workspace
                    let whose = states.held(input).filter(|_| input.record.value.is_none());
                    let version = self.protected((index, input, &at), whose, &outputs, pending)?;
                    self.fold(index, version, input, &mut states)?;
                    version
                }
            };
            let before = versions.insert(at.partition.number, version).unwrap_or(0);
            if version < before {
                return Err(format!("{at}: its policy is {version}, and {before} before it"));
            }
            self.report.made_under.insert(at, version);
            self.report.versions.insert(version);
        }
        if let Some(more) = pending.values().flat_map(|pending| pending.values().flatten()).next() {
            return Err(format!("{}@{}: an output of no input", more.partition, more.offset));
        }
        let Settings { group, .. } = &self.checker.settings;
        if source.state.is_some() {
            let control = self.topic(&format!("{group}.control"));
            let last = control.last().map_or(0, |fetched| fetched.offset.cast_unsigned() + 1);
            states.forget(self.protector(last)?.policy());
        }
        let changelog = self.topic(&changelog_topic(group, &source.topic));
        self.report.profiles += states.len() as u64;
        states.compare(changelog, (group, &source.topic), &self.checker.keyring)
    }

    /// Takes in what a record, which was protected under `version`, makes of the profile that it touches.
    fn fold(&mut self, index: usize, version: u64, input: &Fetched, states: &mut States) -> Result<(), String> {
        let identity = self.identity(index, version, input)?;
        let source = &self.checker.settings.sources[index];
        if !States::touches(source, input, identity.as_ref()) {
            return Ok(());
        }
        let after = states.after(input, identity.as_ref(), source, self.protector(version)?.policy());
        let wrong = |reason| format!("{}@{}: should be refused for {reason}", input.partition, input.offset);
        states.set(input, version, after.map_err(wrong)?);
        Ok(())
    }

    /// The profile that a record tells of; one that deletes tells none.
    fn identity(&mut self, index: usize, version: u64, input: &Fetched) -> Result<Option<Identity>, String> {
        Ok(match &input.record.value {
            Some(value) => self.protector(version)?.identity(index, value).unwrap_or_default(),
            None => None,
        })
    }

    /// Takes in a record without an input: one event for each profile and version, or a profile's document anew.
    fn synthetic(&mut self, source: &Source, topic: &str, version: u64, fetched: &Fetched) -> Result<(), String> {
        if topic != source.protected {
            return Ok(());
        }
        if source.kind == SourceKind::Profile {
            self.report.rewritten += 1;
            return Ok(());
        }
        let key = fetched.record.key.clone().unwrap_or_default();
        // record keys may be masked, and all the same then; the salt is of one profile and version
        let event: Value =
            serde_json::from_slice(fetched.record.value.as_deref().unwrap_or_default()).unwrap_or_default();
        let whose = event["eventSalt"].as_str().map_or_else(|| key.clone(), |salt| salt.as_bytes().to_vec());
        self.report.told.entry(version).or_default().insert(key);
        let first = self.events.insert((version, whose));
        let at = (&fetched.partition, fetched.offset);
        if first { Ok(()) } else { Err(format!("{}@{}: a second event of one profile since {version}", at.0, at.1)) }
    }

    /// Holds the next outputs against what the policy of their header makes of `input`; gives its version. `whose` is the profile that
    /// it deletes.
    fn protected(
        &mut self,
        (index, input, at): (usize, &Fetched, &Coordinates),
        whose: Option<&Held>,
        topics: &[&'a str],
        pending: &mut Pending<'a>,
    ) -> Result<u64, String> {
        let mut next = Vec::with_capacity(topics.len());
        for topic in topics {
            let output = pending.get_mut(topic).and_then(VecDeque::pop_front);
            next.push(output.ok_or_else(|| format!("{at}: no output in {topic}"))?);
        }
        let version = version_of(&next[0].record).ok_or_else(|| format!("{at}: its output names no policy"))?;
        let protector = self.protector(version)?;
        // the walk may have forgotten it already
        let gone = whose.is_some_and(|held| held.is_forgotten(protector.policy()));
        let whose = whose.map(|held| held.profile.workspace.as_str());
        let mut differs = None;
        for workspace in [Some(whose), gone.then_some(None)].into_iter().flatten() {
            let (mut made, known) = (Outputs::default(), Known { workspace, admitted: false });
            let done = protector.protect_known(index, &input.record, known, &mut made);
            done.map_err(|rejection| format!("{at}: has an output and not a dead letter for {}", rejection.reason))?;
            let expected = std::iter::once(&made.protected).chain(made.views.iter().map(|(_, record)| record));
            if expected.clone().count() != next.len() {
                return Err(format!("{at}: has {} outputs", next.len()));
            }
            differs =
                expected.zip(&next).find(|(expected, output)| **expected != output.record).map(|(_, output)| *output);
            if differs.is_none() {
                break;
            }
        }
        if let Some(Fetched { partition, offset, .. }) = differs {
            return Err(format!("{at}: {partition}@{offset} is not what policy {version} makes of it"));
        }
        self.report.protected += 1;
        self.report.views += next.len() as u64 - 1;
        Ok(version)
    }

    /// Holds a dead letter against its input; gives its policy version.
    fn rejected(
        &mut self,
        index: usize,
        input: &Fetched,
        states: &States,
        envelope: &Envelope,
        letter: &Record,
    ) -> Result<u64, String> {
        let at = &envelope.at;
        let identity = self.identity(index, envelope.policy, input)?;
        let Checker { settings, keyring, .. } = self.checker;
        let source = &settings.sources[index];
        let protector = self.protector(envelope.policy)?;
        let known = protector.workspace(index, &input.record);
        let rejection = protector.protect(index, &input.record, &mut Outputs::default()).err();
        // what is only known when an output is to be written
        let late = ["output_too_large", "broker_refused"].contains(&envelope.reason.as_str());
        let refused = match &rejection {
            Some(rejection) => Some(rejection.reason),
            None if !States::touches(source, input, identity.as_ref()) => None,
            None => states.after(input, identity.as_ref(), source, protector.policy()).err(),
        };
        match refused {
            Some(reason) if reason.code() == envelope.reason => {}
            None if late => {}
            _ => return Err(format!("{at}: was refused for {}", envelope.reason)),
        }
        let workspace = rejection.and_then(|rejection| rejection.workspace).or(known);
        let keyset = workspace.map_or_else(|| keyring.default_keyset(), |workspace| keyring.of(&workspace));
        let group = &settings.group;
        match (keyset, &letter.value) {
            (None, None) => {}
            (Some(keyset), Some(_)) => {
                let mut sealer = Sealer::new(keyset);
                let sent = Record { timestamp: None, ..input.record.clone() };
                let right = match dead_letter::open(&mut sealer, group, letter) {
                    Ok(record) => record == sent,
                    Err(DeadLetterError::Short) => dead_letter::is_of(&mut sealer, group, letter, &sent),
                    Err(_) => false,
                };
                if !right {
                    return Err(format!("{at}: its dead letter does not open to it"));
                }
            }
            _ => return Err(format!("{at}: its dead letter keeps what it must not, or nothing")),
        }
        *self.report.rejected.entry(envelope.reason.clone()).or_default() += 1;
        Ok(envelope.policy)
    }

    /// Protects under the policy of `version`, folded from the control topic.
    pub fn protector(&mut self, version: u64) -> Result<&mut Protector, String> {
        let checker = self.checker;
        let control = self.topic(&format!("{}.control", checker.settings.group));
        Ok(match self.protectors.entry(version) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let table = table_of(control, version)?;
                let policy = Policy::compile(&checker.settings, &table).map_err(|error| error.to_string())?;
                let keyring = checker.keyring.promoted(&table.primaries).map_err(|(_, error)| error.to_string())?;
                place.insert(Protector::new(Arc::new(policy), Arc::new(keyring)))
            }
        })
    }

    fn count_aborted(&mut self) {
        let count = |topics: &Topics, topic: &str| topics.get(topic).map_or(0, Vec::len) as u64;
        for topic in self.checker.outputs() {
            self.report.aborted += count(&self.dump.uncommitted, topic) - count(&self.dump.committed, topic);
        }
    }
}

/// The control topic's records, folded up to `version`.
pub fn table_of(control: &[Fetched], version: u64) -> Result<Table, String> {
    let mut table = Table::default();
    for fetched in control.iter().filter(|fetched| fetched.offset.cast_unsigned() < version) {
        let key = fetched.record.key.as_deref().unwrap_or_default();
        let applied = table.apply(fetched.offset, key, fetched.record.value.as_deref());
        applied.map_err(|error| error.to_string())?;
    }
    if table.incarnation.is_none() {
        return Err(format!("policy {version} is older than the control topic"));
    }
    table.version = version;
    Ok(table)
}

fn version_of(record: &Record) -> Option<u64> {
    number_of(record, POLICY_HEADER)
}

fn number_of(record: &Record, name: &str) -> Option<u64> {
    let header = record.headers.iter().find(|header| header.name == name)?;
    std::str::from_utf8(header.value.as_deref()?).ok()?.parse().ok()
}
