//! What must hold for any record under any policy, as one predicate each: property tests and the fuzz target call the same.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use sivcar::privacy::control::Table;
use sivcar::privacy::error::Reason;
use sivcar::privacy::keyset::Keyring;
use sivcar::privacy::policy::Policy;
use sivcar::privacy::protect::{Outputs, Protector};
use sivcar::privacy::reveal;
use sivcar::privacy::seal::{Associated, Sealer};
use sivcar::privacy::settings::{Ids, Settings, Stage, Unlisted, View};
use sivcar::privacy::value::ValueSealer;
use sivcar::record::Record;

use super::around::Around;
use super::canary::{Canaries, FEWEST_BYTES};
use super::expected::{Expected, canonical_plaintext, each_child, token};
use super::reading::{Body, Node, Reading, protects, reading};

/// A policy that was compiled, and what it was compiled from.
pub struct Pipeline {
    pub settings: Settings,
    pub table: Table,
    pub keyring: Arc<Keyring>,
    policy: Arc<Policy>,
    /// The same with every mark in a domain that nothing was sealed in, made when it is first asked for.
    elsewhere: OnceCell<Box<Pipeline>>,
}

impl Pipeline {
    pub fn new(settings: Settings, table: Table, keyring: Arc<Keyring>) -> Self {
        let policy = Arc::new(Policy::compile(&settings, &table).expect("a policy"));
        Self { settings, table, keyring, policy, elsewhere: OnceCell::new() }
    }

    pub fn protector(&self) -> Protector {
        Protector::new(Arc::clone(&self.policy), Arc::clone(&self.keyring))
    }

    /// Runs one record through a new protector.
    pub fn protect(&self, record: &Record) -> Result<Outputs, Reason> {
        let mut outputs = Outputs::default();
        self.protector().protect(0, record, &mut outputs).map_err(|rejection| rejection.reason)?;
        Ok(outputs)
    }

    pub fn reading(&self, record: &Record) -> Result<Reading, Reason> {
        reading(&self.settings, &self.keyring, 0, record)
    }

    fn expected<'a>(&'a self, text: &'a [u8], reading: &'a Reading) -> Expected<'a> {
        Expected::new(&self.settings, &self.table, &self.settings.sources[0], text, reading)
    }

    fn around<'a>(&'a self, reading: &'a Reading, record: &'a Record) -> Around<'a> {
        Around { table: &self.table, source: &self.settings.sources[0], reading, record }
    }

    fn sealer(&self, reading: &Reading) -> Sealer {
        Sealer::new(self.keyring.of(&reading.workspace).expect("a keyset, else it was rejected"))
    }

    /// The outputs of a record that both the pipeline and the oracle accept; both must agree on the reason of any other.
    pub fn agree(&self, record: &Record) -> Option<(Reading, Outputs)> {
        let outputs = self.protect(record);
        let reading = self.reading(record).and_then(|reading| {
            let range = self.expected(text(record), &reading).number_out_of_range();
            if range { Err(Reason::NumberOutOfRange) } else { Ok(reading) }
        });
        assert_eq!(outputs.as_ref().err(), reading.as_ref().err());
        Some((reading.ok()?, outputs.ok()?))
    }

    /// Every byte of every output is the one that the rules give.
    pub fn writes_what_the_rules_say(&self, record: &Record) {
        let Some((reading, outputs)) = self.agree(record) else { return };
        let (expected, mut sealer) = (self.expected(text(record), &reading), self.sealer(&reading));
        // tokens that pass are a matter of their own, told by `again_is_the_same`
        if !self.settings.sources[0].sealed_input {
            same(text(&outputs.protected), &expected.protected(&mut sealer));
        }
        let around = self.around(&reading, record);
        assert_eq!(outputs.protected.key, around.key(&mut sealer));
        assert_eq!(outputs.protected.headers, around.headers(&mut sealer));
        let views = self.settings.views.iter().enumerate();
        assert_eq!(outputs.views.len(), self.settings.views.len());
        for ((index, view), (which, output)) in views.zip(&outputs.views) {
            assert_eq!(index, *which);
            same(text(output), &expected.view(index, view, &mut sealer));
            let associated = Associated::View { workspace: &reading.workspace, view: &view.name };
            let key = record.key.clone().map(|key| token(&mut sealer, &associated, key, 0).into_bytes());
            assert_eq!(output.key, key);
            assert_eq!(output.headers, around.shown(view, &mut sealer));
        }
    }

    /// None of `canaries` stands, in any form, where a mark or a view's clearance hides it; nor does the record's key in a view.
    pub fn hides(&self, record: &Record, canaries: &[String], key: &str) {
        let Some((reading, outputs)) = self.agree(record) else { return };
        let expected = self.expected(text(record), &reading);
        let search = Canaries::new(canaries.iter().map(String::as_str).chain([key]));
        let secret = |hidden: &dyn Fn(&[&Node]) -> bool| {
            let mut found = BTreeSet::new();
            visit(&reading.root, &mut Vec::new(), &mut |chain| {
                if let Some(canary) = canary(text(record), chain, canaries).filter(|_| hidden(chain)) {
                    found.insert(canary);
                }
            });
            found
        };
        let verdict = |node: &Node| expected.verdicts().get(&node.start);
        let own = |chain: &[&Node]| chain.iter().any(|node| expected.is_own(node.start));
        if expected.stage() == Stage::Enforced {
            let mut hidden = secret(&|chain: &[&Node]| {
                own(chain) || chain.iter().any(|node| verdict(node).is_some_and(|verdict| protects(verdict.protect)))
            });
            let key = self.around(&reading, record).key_is_protected();
            hidden.extend(key.then_some(canaries.len()));
            absent(&search, &outputs.protected, &hidden, key);
        }
        for (index, output) in &outputs.views {
            let view = &self.settings.views[*index];
            let mut hidden = secret(&|chain: &[&Node]| {
                let hides =
                    chain.iter().any(|node| verdict(node).is_some_and(|verdict| view.clearance < verdict.level));
                let listed = |node: &&Node| verdict(node).is_some() || expected.is_shown(*index, node.start);
                let shown = view.unlisted == Unlisted::Show || chain.iter().any(listed);
                own(chain) || hides || !shown
            });
            hidden.insert(canaries.len());
            absent(&search, output, &hidden, true);
        }
    }

    /// No text that stands under a protecting mark, and nowhere else in the document, stands in the protected record.
    pub fn leaks_nothing(&self, record: &Record) {
        let Some((reading, outputs)) = self.agree(record) else { return };
        let expected = self.expected(text(record), &reading);
        if expected.stage() != Stage::Enforced {
            return;
        }
        let (mut marked, mut elsewhere) = (Vec::new(), text(record).to_vec());
        visit(&reading.root, &mut Vec::new(), &mut |chain| {
            let hides = |node: &&Node| expected.verdicts().get(&node.start).is_some_and(|mark| protects(mark.protect));
            let Some(node) = chain.iter().find(|node| hides(node) || expected.is_own(node.start)) else { return };
            elsewhere[node.start..node.end].fill(b'|');
            let node = chain[chain.len() - 1];
            marked.extend(match &node.body {
                Body::String(bytes) => String::from_utf8(bytes.clone()).ok(),
                Body::Plain => String::from_utf8(text(record)[node.start..node.end].to_vec()).ok(),
                _ => None,
            });
        });
        for key in self.table.marks.keys() {
            elsewhere.extend_from_slice(format!("\"_pii\":{{\"loose\":{{\"{}\":[\"***\"", key.name).as_bytes());
        }
        marked.retain(|value| value.len() >= FEWEST_BYTES);
        if marked.is_empty() {
            return;
        }
        let search = Canaries::new(&marked);
        let excused = search.find(&elsewhere);
        let found = search.find(&without_tokens(text(&outputs.protected)));
        let leaked: Vec<_> = found.into_iter().filter(|finding| !excused.contains(finding)).collect();
        assert!(leaked.is_empty(), "{leaked:?}");
    }

    /// What was sealed opens to its canonical text, all else is as it was; and nothing opens in another domain.
    pub fn reveals(&self, record: &Record) {
        let Some((reading, outputs)) = self.agree(record) else { return };
        let expected = self.expected(text(record), &reading);
        if expected.stage() != Stage::Enforced || self.settings.sources[0].sealed_input {
            return;
        }
        let mut sealer = ValueSealer::new(Arc::clone(&self.keyring));
        let protected = text(&outputs.protected);
        let revealed = reveal::document(&self.policy, &mut sealer, 0, protected);
        match self.reading(&outputs.protected) {
            // a mark hid what tells how to read the document
            Err(reason) => assert_eq!(revealed, Err(reason)),
            Ok(again) if again.event != reading.event || again.workspace != reading.workspace => {}
            Ok(again) => {
                same(&revealed.expect("what is read is revealed"), &expected.revealed());
                // ids keep their own domains
                if self.settings.sources[0].ids == Ids::Clear {
                    let other = self.elsewhere.get_or_init(|| Box::new(self.in_another_domain()));
                    let kept = reveal::document(&other.policy, &mut sealer, 0, protected).expect("read as before");
                    same(&kept, &other.expected(protected, &again).without_own());
                }
            }
        }
    }

    fn in_another_domain(&self) -> Pipeline {
        let mut table = self.table.clone();
        let inside = table.marks.iter_mut().filter(|(key, _)| !key.on.is_around());
        inside.for_each(|(_, mark)| mark.domain = Some("elsewhere".to_owned()));
        Pipeline::new(self.settings.clone(), table, Arc::clone(&self.keyring))
    }

    /// What a clearance shows, every higher one shows too.
    pub fn shows_more_to_more_clearance(&self, record: &Record, canaries: &[String], view: &View) {
        let mut settings = self.settings.clone();
        settings.views = [0u16, 99, 100, 101, 150, 200, 9998, 9999]
            .into_iter()
            .map(|clearance| View { name: format!("view{clearance}"), clearance, ..view.clone() })
            .collect();
        for view in &mut settings.views {
            view.topics = [("raw".to_owned(), view.name.clone())].into();
        }
        let Ok(outputs) = Pipeline::new(settings, self.table.clone(), Arc::clone(&self.keyring)).protect(record) else {
            return;
        };
        let search = Canaries::new(canaries);
        let mut below = BTreeSet::new();
        for (_, output) in &outputs.views {
            let seen: BTreeSet<usize> = search.find(text(output)).into_iter().map(|found| found.value).collect();
            assert!(below.is_subset(&seen), "{below:?} is no part of {seen:?}");
            below = seen;
        }
    }

    /// Records before it change nothing of what a record gives.
    pub fn forgets(&self, records: &[Record]) {
        let (mut used, mut outputs) = (self.protector(), Outputs::default());
        for record in records {
            let again = used.protect(0, record, &mut outputs).map_err(|rejection| rejection.reason);
            match self.protect(record) {
                Err(reason) => assert_eq!(again, Err(reason)),
                Ok(fresh) => {
                    assert_eq!(again, Ok(()));
                    same(text(&fresh.protected), text(&outputs.protected));
                    assert!(fresh.protected == outputs.protected && fresh.views == outputs.views);
                    assert_eq!(fresh.tally, outputs.tally);
                }
            }
        }
    }

    /// sivcar's own member comes from sivcar alone; and what it wrote, read again as sealed input, gives the same.
    pub fn again_is_the_same(&self, record: &Record) {
        let mut first = Pipeline::new(self.settings.clone(), self.table.clone(), Arc::clone(&self.keyring));
        first.settings.sources[0].sealed_input = false;
        first = Pipeline::new(first.settings, first.table, first.keyring);
        let Some((reading, outputs)) = first.agree(record) else { return };
        let own = |root: &Node| match &root.body {
            Body::Object(members) => members
                .iter()
                .filter(|member| member.name(self.settings.sources[0].case) == "_pii")
                .map(|member| {
                    String::from_utf8_lossy(&text(&outputs.protected)[member.node.start..member.node.end]).into_owned()
                })
                .collect(),
            _ => Vec::new(),
        };
        let Ok(again) = first.reading(&outputs.protected) else { return };
        let own = own(&again.root);
        assert!(own.len() <= 1 && own.iter().all(|own| own.starts_with("{\"loose\":{")), "{own:?}");
        if again.event != reading.event || again.workspace != reading.workspace {
            return;
        }
        let mut settings = first.settings.clone();
        settings.sources[0].sealed_input = true;
        let second = Pipeline::new(settings, first.table.clone(), Arc::clone(&first.keyring));
        let outputs = (outputs.protected.clone(), second.protect(&outputs.protected).expect("read as before"));
        same(text(&outputs.1.protected), text(&outputs.0));
    }
}

/// A record's value.
pub fn text(record: &Record) -> &[u8] {
    record.value.as_deref().expect("a value")
}

/// The text with `|` for each token: tokens begin alike, and so may a value.
fn without_tokens(text: &[u8]) -> Vec<u8> {
    let mut parts = String::from_utf8_lossy(text).split("\"siv:").map(str::to_owned).collect::<Vec<_>>();
    for part in parts.iter_mut().skip(1) {
        let end = part.find('"').unwrap_or(part.len());
        part.replace_range(..end, "");
    }
    parts.join("\"|").into_bytes()
}

fn same(left: &[u8], right: &[u8]) {
    assert_eq!(String::from_utf8_lossy(left), String::from_utf8_lossy(right));
}

/// Gives every value with all that it stands in, the root first.
fn visit<'t>(node: &'t Node, chain: &mut Vec<&'t Node>, give: &mut dyn FnMut(&[&Node])) {
    chain.push(node);
    give(chain);
    let mut children = Vec::new();
    each_child(node, |child| children.push(child));
    children.into_iter().for_each(|child| visit(child, chain, give));
    chain.pop();
}

/// Which of the canaries the last of the chain is.
fn canary(text: &[u8], chain: &[&Node], canaries: &[String]) -> Option<usize> {
    let node = chain.last()?;
    let value = match &node.body {
        Body::String(bytes) => String::from_utf8(bytes.clone()).ok()?,
        Body::Plain => {
            let plaintext = canonical_plaintext(&text[node.start..node.end])?;
            String::from_utf8(plaintext[1..].to_vec()).ok()?.trim().to_owned()
        }
        _ => return None,
    };
    canaries.iter().position(|canary| *canary == value)
}

fn absent(search: &Canaries, record: &Record, hidden: &BTreeSet<usize>, with_key: bool) {
    let key = record.key.as_deref().filter(|_| with_key).unwrap_or_default();
    let headers = record.headers.iter().flat_map(|header| header.value.as_deref().unwrap_or_default()).copied();
    let bytes: Vec<u8> = [text(record), b"\n", key, b"\n"].concat().into_iter().chain(headers).collect();
    let found: Vec<_> = search.find(&bytes).into_iter().filter(|finding| hidden.contains(&finding.value)).collect();
    assert!(found.is_empty(), "{found:?}");
}
