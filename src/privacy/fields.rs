//! The fields of one document that a rule touches, found in one walk; what detection finds comes from a pass of its own.
//!
//! The walk carries the automaton's active states down the document; a subtree in which no path can go on is not looked at.
//! Always holds: fields stand in document order; an element of an array has the states of its array; a number that no sealing
//! could bring into canonical form is refused wherever a mark covers it. Deliberately not here: what is done with a field.

use super::automaton::{Active, is_named};
use super::canonical;
use super::derived::Copied;
use super::detect::{Detected, Detector, Question};
use super::error::Reason;
use super::hook::{self, Asked};
use super::layout::{Holds, Located};
use super::mark::On;
use super::mask::Mask;
use super::matcher::Matchers;
use super::rules::{Identifier, Reach, Rule, Rules, Verdict};
use super::scan::{Document, Inside, Kind};
use super::settings::{Case, Detection, Ids, LEVEL_MAX};
use super::sighting::Parents;

/// The member of the root that is sivcar's own.
pub const OWN_MEMBER: &str = "_pii";

/// A value that a mark, or its being an id, touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The node of the member.
    pub node: usize,
    /// What holds for it.
    pub verdict: Verdict,
}

/// What one walk found. Reused from record to record.
#[derive(Debug, Default)]
pub struct Fields {
    /// In document order.
    fields: Vec<Field>,
    /// Nodes that a view shows although it masks what is unlisted: node and view, in document order.
    shown: Vec<(usize, usize)>,
    /// Members of the root that are named as sivcar's own.
    own: Vec<usize>,
    /// Nodes that a mark of [`Search::noted`] matches, with the mark, in document order.
    noted: Vec<(usize, u32)>,
    /// Strings that nobody could read and that only marks of what may stand within speak of, in document order.
    unread: Vec<usize>,
    /// Copies of marked values, each with the value's mark, in document order; each is a field too.
    copied: Vec<(usize, u32)>,
    /// What detection found, in document order; each is a field too.
    detected: Vec<Detected>,
    /// Where nodes stand; noted only where something was detected.
    parents: Parents,
    /// The rules that touch the document, where [`Search::trace`] asks for them: in order, each once.
    fired: Vec<u32>,
    /// Nodes that the walk must reach even where no path can go on: containers and ids, in document order.
    points: Vec<usize>,
}

/// What the walk holds the document against.
pub struct Search<'a> {
    /// The rules of the record's workspace.
    pub rules: &'a Rules,
    /// Where its parts stand.
    pub located: &'a Located,
    /// The number of its event's name.
    pub event: Option<u32>,
    /// What protected topics show of ids.
    pub ids: Ids,
    /// How names are compared.
    pub case: Case,
    /// Marks whose matches are noted; they hold for every event.
    pub noted: &'a [u32],
    /// Whether the rules that touch something are noted.
    pub trace: bool,
    /// Who raises levels.
    pub asked: &'a Asked<'a>,
}

impl Fields {
    /// Finds the fields of `document`, forgetting what was found before.
    ///
    /// # Errors
    /// [`Reason::NumberOutOfRange`].
    pub fn find(&mut self, document: &Document, search: &Search) -> Result<(), Reason> {
        self.fields.clear();
        self.shown.clear();
        self.own.clear();
        self.noted.clear();
        self.unread.clear();
        self.copied.clear();
        self.detected.clear();
        self.fired.clear();
        self.points.clear();
        let located = search.located;
        self.points.extend(located.containers.iter().map(|(node, _)| *node).chain(located.id).chain(located.uuid));
        self.points.sort_unstable();
        let active = search.rules.automaton().begin(&[search.rules.root]);
        self.walk(document, search, 0, active)
    }

    /// Adds what `detector` finds where none of the fields found so far is, to be dealt with as `detection` says.
    pub fn detect(
        &mut self,
        document: &Document,
        search: &Search,
        detector: &mut Detector,
        detection: Detection,
        matchers: &Matchers,
    ) {
        if detection == Detection::Off {
            return;
        }
        let Self { fields, own, unread, detected, parents, fired, .. } = self;
        let question = Question { document, matchers, located: search.located, marked: fields, own, unread };
        detector.find(&question, detected);
        if detected.is_empty() {
            return;
        }
        parents.note(document);
        let known = fields.len();
        fields.extend(detected.iter().map(|found| {
            let path = || hook::path(&parents.keys(document, found.node), search.case);
            let verdict = search.rules.raised(found, detection, search.asked, On::Field, path);
            Field { node: found.node, verdict: verdict.reaching(found.reach(document)) }
        }));
        if search.trace {
            fields[known..].iter().for_each(|found| fire(fired, found.verdict.mark));
        }
        settle(fields, |found, added| found.with(added));
    }

    fn walk(&mut self, document: &Document, search: &Search, node: usize, mut active: Active) -> Result<(), Reason> {
        match (document.inside(node), document.node(node).kind) {
            (Some(Inside::Object | Inside::Query), _) | (None, Kind::Object) => {
                enter_containers(search, node, &mut active);
                for member in document.children(node) {
                    self.member(document, search, node == 0, member, &active)?;
                }
            }
            (Some(Inside::Array), _) | (None, Kind::Array) => {
                for element in document.children(node) {
                    self.walk(document, search, element, active.clone())?;
                }
            }
            (Some(Inside::UnreadDocument | Inside::UnreadQuery), _) => {
                self.unread(document, search, node, &active)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn member(
        &mut self,
        document: &Document,
        search: &Search,
        at_root: bool,
        member: usize,
        active: &Active,
    ) -> Result<(), Reason> {
        let key = document.name(member).unwrap_or_default();
        if at_root && is_named(search.case, &key, OWN_MEMBER) {
            self.own.push(member);
            return Ok(());
        }
        let below = search.rules.automaton().step(active, &key);
        let identifier = match member {
            _ if search.located.id == Some(member) => Some((Identifier::Id, search.ids)),
            _ if search.located.uuid == Some(member) => Some((Identifier::Uuid, search.ids)),
            _ => None,
        };
        if !below.is_empty() || identifier.is_some() {
            self.judge(document, search, member, &below, identifier)?;
        }
        if below.is_empty() && !self.has_point(document, member) {
            return Ok(());
        }
        self.walk(document, search, member, below)
    }

    /// Nobody knows what stands in the string `node`: whatever would hold there holds for all of it, but that it may be seen. What else stands
    /// there would not be what the mark speaks of.
    fn unread(&mut self, document: &Document, search: &Search, node: usize, active: &Active) -> Result<(), Reason> {
        let (shown, own) = (self.shown.len(), self.verdict_of_last(node));
        self.judge(document, search, node, &search.rules.automaton().reach(active), None)?;
        self.shown.truncate(shown);
        if self.verdict_of_last(node) != own
            && let Some(last) = self.fields.last_mut()
        {
            last.verdict.mask = last.verdict.mask.min(Mask::Full);
            last.verdict.level = LEVEL_MAX;
            if own.is_none() {
                last.verdict.reach = Reach::Part;
                self.unread.push(node);
            }
        }
        Ok(())
    }

    fn verdict_of_last(&self, node: usize) -> Option<Verdict> {
        self.fields.last().filter(|last| last.node == node).map(|last| last.verdict)
    }

    fn judge(
        &mut self,
        document: &Document,
        search: &Search,
        member: usize,
        below: &Active,
        identifier: Option<(Identifier, Ids)>,
    ) -> Result<(), Reason> {
        let automaton = search.rules.automaton();
        let marks = automaton.ends(below).filter_map(|rule| match rule {
            Rule::Mark(index) => Some(index),
            Rule::Show(_) => None,
        });
        let word = search.located.is_word(member);
        if let Some(verdict) = search.rules.verdict(marks, search.event, word, identifier, search.asked) {
            canonical::check_numbers(document, member)?;
            match self.fields.last_mut().filter(|last| last.node == member) {
                Some(last) => last.verdict = last.verdict.beside(&verdict),
                None => self.fields.push(Field { node: member, verdict }),
            }
        }
        if search.trace {
            let holding = automaton.ends(below).filter_map(|rule| match rule {
                Rule::Mark(index) => search.rules.holds(index, search.event, word).then_some(index),
                Rule::Show(_) => None,
            });
            let own = identifier.map(|(identifier, _)| search.rules.identifier(identifier));
            holding.chain(own).for_each(|rule| fire(&mut self.fired, rule));
        }
        if !word && !search.noted.is_empty() {
            self.note(member, search.noted, automaton.ends(below));
        }
        self.shown.extend(automaton.ends(below).filter_map(|rule| match rule {
            Rule::Show(view) => Some((member, view)),
            Rule::Mark(_) => None,
        }));
        Ok(())
    }

    fn note(&mut self, member: usize, noted: &[u32], rules: impl Iterator<Item = Rule>) {
        for rule in rules {
            let Rule::Mark(mark) = rule else { continue };
            // one mark may end at several states
            let known =
                self.noted.iter().rev().take_while(|(node, _)| *node == member).any(|(_, other)| *other == mark);
            if noted.contains(&mark) && !known {
                self.noted.push((member, mark));
            }
        }
    }

    /// Notes the rules of `fields`, which are to be added, as ones that touch the document.
    pub fn trace(&mut self, fields: &[Field]) {
        fields.iter().for_each(|field| fire(&mut self.fired, field.verdict.mark));
    }

    /// The rules that touch the document, by index, where the search asked for them.
    pub fn fired(&self) -> &[u32] {
        &self.fired
    }

    /// What was found for one of `arrays`, in document order, holds for each of its elements from now on, and not for it.
    pub fn spread(&mut self, document: &Document, arrays: &[usize]) {
        let (whole, mut rest): (Vec<Field>, Vec<Field>) =
            self.fields.drain(..).partition(|field| arrays.binary_search(&field.node).is_ok());
        for Field { node, verdict } in whole {
            rest.extend(document.children(node).map(|node| Field { node, verdict }));
        }
        rest.sort_by_key(|field| field.node);
        self.fields = rest;
    }

    /// Adds fields to those that were found, but for those in a member that goes anyway. Where one was found already, the stricter of
    /// both holds, in the domain of the one that is added.
    pub fn force(&mut self, document: &Document, forced: impl Iterator<Item = Field>) {
        let Self { fields, own, .. } = self;
        let goes = |node: usize| {
            let behind = own.partition_point(|own| *own <= node);
            own[..behind].last().is_some_and(|own| node < document.node(*own).next as usize)
        };
        fields.extend(forced.filter(|field| !goes(field.node)));
        settle(fields, |found, added| added.with(found));
    }

    /// Adds copies of marked values, in document order, as [`Fields::force`] does.
    pub(super) fn add_copies(&mut self, document: &Document, copies: &[Copied]) {
        self.copied.extend(copies.iter().map(|copy| (copy.field.node, copy.of)));
        self.force(document, copies.iter().map(|copy| copy.field));
    }

    /// The mark of the value that `node` is a copy of, by index.
    pub fn copy_of(&self, node: usize) -> Option<u32> {
        let found = self.copied.binary_search_by_key(&node, |(copy, _)| *copy);
        found.ok().map(|index| self.copied[index].1)
    }

    /// Whether a container or an id stands at or below `node`.
    fn has_point(&self, document: &Document, node: usize) -> bool {
        let first = self.points.partition_point(|point| *point < node);
        self.points.get(first).is_some_and(|point| *point < document.node(node).next as usize)
    }

    /// What holds for the member `node`, if a rule touches it, and how many fields stand below it.
    pub fn at(&self, document: &Document, node: usize) -> (Option<Verdict>, usize) {
        let rest = &self.fields[self.fields.partition_point(|field| field.node < node)..];
        let verdict = rest.first().filter(|field| field.node == node).map(|field| field.verdict);
        let rest = &rest[usize::from(verdict.is_some())..];
        let end = document.node(node).next as usize;
        let below = rest.first().filter(|field| field.node < end); // mostly none
        (verdict, below.map_or(0, |_| rest.partition_point(|field| field.node < end)))
    }

    /// What holds for the member `node`, if a rule touches it.
    pub fn verdict(&self, node: usize) -> Option<Verdict> {
        let found = self.fields.binary_search_by_key(&node, |field| field.node);
        found.ok().map(|index| self.fields[index].verdict)
    }

    /// The fields that stand below `node`, not `node` itself.
    pub fn below(&self, document: &Document, node: usize) -> &[Field] {
        let end = document.node(node).next as usize;
        let rest = &self.fields[self.fields.partition_point(|field| field.node <= node)..];
        &rest[..rest.partition_point(|field| field.node < end)]
    }

    /// Every field, in document order.
    pub fn all(&self) -> &[Field] {
        &self.fields
    }

    /// Whether `view` lists `node` among what it shows.
    pub fn is_shown(&self, node: usize, view: usize) -> bool {
        let first = self.shown.partition_point(|(shown, _)| *shown < node);
        self.shown[first..].iter().take_while(|(shown, _)| *shown == node).any(|(_, shows)| *shows == view)
    }

    /// The nodes that marks of [`Search::noted`] match, in document order; words are none.
    pub fn noted(&self) -> &[(usize, u32)] {
        &self.noted
    }

    /// What detection found, in document order.
    pub fn detected(&self) -> &[Detected] {
        &self.detected
    }

    /// Where nodes stand, if something was detected.
    pub(super) fn parents(&self) -> &Parents {
        &self.parents
    }

    /// Members of the root that are named as sivcar's own, and go.
    pub fn own(&self) -> &[usize] {
        &self.own
    }

    /// Whether `node` is one of [`Fields::own`].
    pub fn is_own(&self, node: usize) -> bool {
        self.own.binary_search(&node).is_ok()
    }
}

/// Notes a rule, once.
fn fire(fired: &mut Vec<u32>, rule: u32) {
    if let Err(place) = fired.binary_search(&rule) {
        fired.insert(place, rule);
    }
}

/// Puts fields in order, some of which were added behind the others; where one was found already, `weigh` says what holds of both.
fn settle(fields: &mut Vec<Field>, weigh: fn(&Verdict, &Verdict) -> Verdict) {
    fields.sort_by_key(|field| field.node); // stable: what was found stands before what is added
    fields.dedup_by(|added, found| {
        let same = added.node == found.node;
        if same {
            found.verdict = weigh(&found.verdict, &added.verdict);
        }
        same
    });
}

/// In the object of a container the paths of its kind begin.
fn enter_containers(search: &Search, node: usize, active: &mut Active) {
    let containers = &search.located.containers;
    let first = containers.partition_point(|(object, _)| *object < node);
    for (_, holds) in containers[first..].iter().take_while(|(object, _)| *object == node) {
        let start = match holds {
            Holds::Attributes => search.rules.attributes,
            Holds::Parameters => search.rules.parameters,
        };
        for state in search.rules.automaton().begin(&[start]) {
            if let Err(place) = active.binary_search(&state) {
                active.insert(place, state);
            }
        }
    }
}
