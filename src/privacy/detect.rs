//! Detection: the values of one document that no mark speaks of, and that a matcher takes for personal data.
//!
//! One pass over the tape, apart from that of the marks, and only where a source asks for it. What the name of a key says is found once
//! and kept ([`names::Names`]). Found are single values; arrays and objects are entered. Only where the *name* of a key looks like personal
//! data is it the object around, or the member goes. Always holds: a value under a mark, and all inside it, is not looked at (its key is), nor are
//! the words of the layout. Deliberately not here: what becomes of what was found.

mod around;
mod names;
pub(super) mod query;

use super::fields::Field;
use super::layout::Located;
use super::matcher::{By, Found, Leaf, Matchers, NAME_BYTES_MAX, Name, Scope};
use super::rules::Reach;
use super::scan::{Document, Inside, Kind};
use super::sighting::Watch;
use around::{Around, container, within};
use names::Names;

/// A value that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detected {
    /// Its node: a member or an element.
    pub node: usize,
    /// By what.
    pub found: Found,
    /// Whether nothing helps but to remove it, for its own key tells what nobody may see.
    pub goes: bool,
}

/// What is asked about one document.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The document.
    pub document: &'a Document<'a>,
    /// What is looked for.
    pub matchers: &'a Matchers,
    /// Where its parts stand.
    pub located: &'a Located,
    /// What marks speak of, in document order.
    pub marked: &'a [Field],
    /// Members that go anyway, in document order.
    pub own: &'a [usize],
    /// Of what marks speak of: strings that are looked at all the same, for nobody could read what the marks mean, in document order.
    pub unread: &'a [usize],
}

/// Finds. Owned by one worker, and reused from record to record.
#[derive(Default)]
pub struct Detector {
    names: Names,
    open: Vec<Around>,
    /// Tells where it found something.
    pub(super) watch: Watch,
}

impl Detector {
    /// Finds what a document holds and writes it to `detected`, in document order, each node once.
    pub fn find(&mut self, question: &Question, detected: &mut Vec<Detected>) {
        detected.clear();
        self.open.clear();
        let nodes = question.document.nodes();
        let scope = container(question.located, 0).unwrap_or_default();
        let root = Around {
            node: 0,
            end: nodes.len(),
            scope,
            found: None,
            says: None,
            member: None,
            version: false,
            red: false,
        };
        let (mut around, mut at) = (root, 1);
        let mut marked = question.marked.iter().map(|field| field.node);
        let mut own = question.own.iter().copied();
        let (mut next_marked, mut next_own) = (0, 0);
        while at < nodes.len() {
            while around.end <= at {
                around = self.open.pop().unwrap_or(root);
            }
            while next_marked < at {
                next_marked = marked.next().unwrap_or(nodes.len());
            }
            while next_own < at {
                next_own = own.next().unwrap_or(nodes.len());
            }
            let node = &nodes[at];
            if next_own == at {
                at = node.next as usize;
                continue;
            }
            let says =
                if node.key.is_some() { self.key(question, at, &around) } else { around.says.unwrap_or_default() };
            if let Some(looks) = says.looks.filter(|_| node.key.is_some()) {
                detected.push(by_key(question, at, &around, looks));
            }
            // a mark speaks of the value, not of its key
            if next_marked == at && question.unread.binary_search(&at).is_err() {
                at = node.next as usize;
                continue;
            }
            let inside = question.document.inside(at);
            match (inside, node.kind) {
                (Some(Inside::Object | Inside::Array), _) | (None, Kind::Object | Kind::Array) => {
                    self.open.push(around);
                    around = within(question, at, &around, &says);
                }
                (None, Kind::Null) => {}
                (None, _) if question.located.is_word(at) => {}
                (None, kind) => {
                    let found = self.value(question, at, kind, &around, &says);
                    detected.extend(found.map(|found| Detected { node: at, found, goes: false }));
                }
                (Some(inside), _) => {
                    let found = self.entered(question, at, inside, &around, &says);
                    detected.extend(found.map(|found| Detected { node: at, found, goes: false }));
                    if inside == Inside::Query {
                        self.open.push(around);
                        let scope = Scope::Thing;
                        around = Around { found: None, scope, ..within(question, at, &around, &says) };
                    } else {
                        at = node.next as usize;
                        continue;
                    }
                }
            }
            at += 1;
        }
        settle(question.matchers, detected);
    }

    /// What finds a header: its name, or its value. One whose name is itself a value goes.
    pub fn header(&mut self, matchers: &Matchers, name: &str, value: Option<&[u8]>) -> Option<Detected> {
        let says = self.names.says(matchers, name.as_bytes());
        let found = value.and_then(|value| {
            let named = says.matched(matchers, Scope::Open, Leaf::Text);
            let found = matchers.join(named, matchers.value(value, says.version));
            matchers.join(found, self.query(matchers, value))
        });
        let looks = says.looks.map(|looks| Found { by: By::Value, ..looks });
        let found = matchers.join(looks, found)?;
        Some(Detected { node: 0, found, goes: looks.is_some() })
    }

    /// What finds a record key: its bytes, which have no name.
    pub fn record_key(&mut self, matchers: &Matchers, key: &[u8]) -> Option<Found> {
        matchers.join(matchers.value(key, false), self.query(matchers, key))
    }

    /// What the key of the member `at` says; where it may go on with the key around, what both say.
    fn key(&mut self, question: &Question, at: usize, around: &Around) -> Name {
        let Question { document, matchers, .. } = question;
        let key = document.key(at).unwrap_or_default();
        let says = self.names.says(matchers, &key);
        match around.member.filter(|_| says.joins).and_then(|member| document.key(member)) {
            Some(outer) if outer.len() + key.len() < NAME_BYTES_MAX => {
                let both = self.names.says(matchers, &[&outer, b" ".as_slice(), &key].concat());
                says.joined(matchers, &both)
            }
            _ => says,
        }
    }

    /// What finds the string, number or boolean `at`.
    fn value(&mut self, question: &Question, at: usize, kind: Kind, around: &Around, says: &Name) -> Option<Found> {
        let Question { document, matchers, .. } = question;
        let leaf = match kind {
            Kind::String => Leaf::Text,
            Kind::Number => Leaf::Number,
            Kind::True | Kind::False => Leaf::Truth,
            Kind::Null | Kind::Array | Kind::Object => return None,
        };
        let outer = around.found.filter(|_| around.red || (!says.aside && leaf != Leaf::Truth));
        let named = matchers.within(says.matched(matchers, around.scope, leaf), outer);
        if leaf == Leaf::Truth {
            return named;
        }
        // a query that was read is looked at parameter by parameter
        let query = document.inner(at).filter(|inner| inner.inside == Inside::Query);
        let text = query.map_or_else(|| document.string(at), |query| document.before_query(query).as_bytes().into());
        let found = matchers.join(named, matchers.value(&text, says.version || around.version));
        if leaf == Leaf::Number || query.is_some() { found } else { matchers.join(found, self.query(matchers, &text)) }
    }

    /// What finds the string `at`, in which stands something that is looked at as a whole, or was not read.
    fn entered(
        &mut self,
        question: &Question,
        at: usize,
        inside: Inside,
        around: &Around,
        says: &Name,
    ) -> Option<Found> {
        let matchers = question.matchers;
        let found = self.value(question, at, Kind::String, around, says);
        match inside {
            Inside::UnreadDocument => matchers.join(found, Some(matchers.unread())),
            Inside::Query => matchers.join(found, across(question, at, says.version || around.version)),
            _ => found,
        }
    }

    /// What finds a part of the query or the fragment of a URL.
    fn query(&mut self, matchers: &Matchers, text: &[u8]) -> Option<Found> {
        let mut found = None;
        for (name, value) in query::pairs(text) {
            let named = self.names.says(matchers, &name).matched(matchers, Scope::Thing, Leaf::Text);
            let named = named.filter(|_| !value.is_empty());
            let one = matchers.join(named, matchers.value(&value, false));
            found = matchers.join(found, one.map(Found::part));
        }
        found
    }
}

/// What finds the text `at`, whose query was read, beside the parameters whose values by themselves are found: what is looked for may
/// hold what divides parameters, a plus sign, or a name.
fn across(question: &Question, at: usize, version: bool) -> Option<Found> {
    let Question { document, matchers, .. } = question;
    matchers.value(&document.string(at), version)?;
    let rest = document.beside(at, |part| matchers.value(&document.string(part), version).is_some());
    matchers.value(rest.as_bytes(), version)
}

/// What is found where the key of the member `at` looks like personal data: the object around, so that the key goes with it; where
/// that is the root, or holds what the layout reads, the member alone.
fn by_key(question: &Question, at: usize, around: &Around, looks: Found) -> Detected {
    let located = question.located;
    let words = [located.workspace, located.event, located.id, located.uuid].into_iter().flatten();
    let first = located.containers.partition_point(|(node, _)| *node < around.node);
    let container = located.containers.get(first).map(|(node, _)| *node);
    let holds = words.chain(container).any(|node| around.node <= node && node < around.end);
    let goes = around.node == 0 || holds;
    // of a string that was entered the rest shows too, if it is masked by word
    let whole = goes || question.document.inside(around.node).is_none();
    let found = if whole { Found { by: By::Value, ..looks } } else { looks.part() };
    Detected { node: if goes { at } else { around.node }, found, goes }
}

/// Puts what was found in document order, and of each node what all of it comes to.
fn settle(matchers: &Matchers, detected: &mut Vec<Detected>) {
    detected.sort_by_key(|detected| detected.node); // stable, and mostly in order already
    detected.dedup_by(|later, first| {
        let same = later.node == first.node;
        if same {
            first.goes |= later.goes;
            first.found = matchers.join(Some(first.found), Some(later.found)).unwrap_or(first.found);
        }
        same
    });
}

impl Detected {
    /// Of how much of the value this speaks: of an object or array, and where the member goes, of a key alone.
    pub fn reach(&self, document: &Document) -> Reach {
        let key = self.goes || matches!(document.node(self.node).kind, Kind::Object | Kind::Array);
        if key || self.found.by == By::Part { Reach::Part } else { Reach::Whole }
    }
}

#[cfg(test)]
mod tests;
