//! The rules of one workspace: its marks as one automaton, and the one place that weighs them.
//!
//! Always holds: where several marks meet one value the strictest wins in level, protection, mask and shape, and the domain comes from
//! the most specific. Deliberately not here: which marks hold in a workspace ([`super::policy`]).

mod verdict;

use std::collections::HashMap;

use super::automaton::{Automaton, key_name};
use super::control::{Domain, Table};
use super::detect::Detected;
use super::hook::{Asked, Variable};
use super::mark::{Mark, MarkKey, On, Protect};
use super::mask::Mask;
use super::matcher::MatcherIndex;
use super::path::Path;
use super::policy::{Applying, domain_settings};
use super::settings::{Case, Detection, Ids, LEVEL_MAX, Settings};
pub use verdict::{Reach, Verdict};

/// What a path of the automaton stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The mark with this index.
    Mark(u32),
    /// The view with this index shows what stands here.
    Show(usize),
}

/// The marks of one workspace and the automaton that finds them. Both ways of comparing names give a mark and a domain the same
/// index, so that a verdict of one may be read by the other.
#[derive(Debug)]
pub struct Rules {
    case: Case,
    automaton: Automaton<Rule>,
    /// Where paths from the root begin.
    pub root: u32,
    /// Where paths in containers of attributes begin.
    pub attributes: u32,
    /// Where paths in containers of parameters begin.
    pub parameters: u32,
    /// Where marks on headers begin; `None`: there are none.
    headers: Option<u32>,
    /// What holds for the record key.
    key: Option<Verdict>,
    /// The most specific first; then what holds for findings, and for ids.
    marks: Vec<CompiledMark>,
    events: HashMap<String, u32>,
    domains: Vec<NamedDomain>,
    /// Index of what holds for the first matcher's findings; the others' stand behind it.
    detected: u32,
}

/// A domain with its settings, as it holds in one workspace.
#[derive(Debug, PartialEq, Eq)]
pub struct NamedDomain {
    /// The domain's name.
    pub name: String,
    /// Its settings.
    pub settings: Domain,
}

#[derive(Debug)]
struct CompiledMark {
    on: On,
    event: Option<u32>,
    level: u16,
    protect: Protect,
    mask: Mask,
    shape: bool,
    domain: u32,
    name: String,
    /// The event's name, as written.
    event_name: Option<String>,
}

/// What a record tells of its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The number of the event's name; `None`: it has no name, or no mark speaks of it.
    Event(Option<u32>),
    /// Nothing, for it has no document: marks for any event may be meant.
    Nothing,
}

/// Which identifier of a profile a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identifier {
    /// The id.
    Id,
    /// The second identifier.
    Uuid,
}

impl Rules {
    pub(super) fn compile(workspace: &str, case: Case, settings: &Settings, table: &Table, marks: &[Applying]) -> Self {
        let mut automaton = Automaton::new(case);
        let (root, attributes, parameters) = (automaton.start(), automaton.start(), automaton.start());
        let mut rules = Self {
            case,
            automaton,
            root,
            attributes,
            parameters,
            headers: None,
            key: None,
            marks: Vec::new(),
            events: HashMap::new(),
            domains: Vec::new(),
            detected: 0,
        };
        for (key, mark, path) in marks {
            rules.add(workspace, key, mark, path, table);
        }
        for (index, view) in settings.views.iter().enumerate() {
            for path in &view.show {
                rules.automaton.insert(rules.root, path, Rule::Show(index));
            }
        }
        rules.detected = index(rules.marks.len());
        if settings.sources.iter().any(|source| source.detection != Detection::Off) {
            for matcher in settings.matchers.all() {
                let domain = rules.domain_index(workspace, &matcher.name, table);
                rules.marks.push(CompiledMark {
                    level: matcher.level,
                    mask: matcher.mask,
                    ..unnamed(&matcher.name, domain)
                });
            }
        }
        for name in ["id", "uuid"] {
            let domain = rules.domain_index(workspace, name, table);
            rules.marks.push(unnamed(name, domain));
        }
        rules
    }

    fn add(&mut self, workspace: &str, key: &MarkKey, mark: &Mark, path: &Path, table: &Table) {
        let start = match key.on {
            On::Attribute => Some(self.attributes),
            On::Parameter => Some(self.parameters),
            On::Field => Some(self.root),
            On::Header => Some(*self.headers.get_or_insert_with(|| self.automaton.start())),
            On::Key => None,
        };
        let event = key.event.as_ref().map(|event| {
            let next = index(self.events.len());
            *self.events.entry(key_name(self.case, event)).or_insert(next)
        });
        let domain = mark.domain.clone().unwrap_or_else(|| path.keys());
        let domain = self.domain_index(workspace, &domain, table);
        let number = index(self.marks.len());
        let compiled = CompiledMark {
            on: key.on,
            event,
            level: mark.level,
            protect: mark.protect,
            mask: mark.mask.unwrap_or(Mask::Full),
            shape: mark.shape,
            domain,
            name: key.name.clone(),
            event_name: key.event.clone(),
        };
        match start {
            Some(start) => self.automaton.insert(start, path, Rule::Mark(number)),
            None => self.key = Some(compiled.weigh(number, mark.protect, &Asked::Nobody, self.key)),
        }
        self.marks.push(compiled);
    }

    /// The index of a domain with its settings.
    fn domain_index(&mut self, workspace: &str, name: &str, table: &Table) -> u32 {
        if let Some(known) = self.domains.iter().position(|domain| domain.name == name) {
            return index(known);
        }
        let settings = domain_settings(workspace, name, table).cloned().unwrap_or_default();
        self.domains.push(NamedDomain { name: name.to_owned(), settings });
        index(self.domains.len() - 1)
    }

    /// The automaton that finds the rules.
    pub fn automaton(&self) -> &Automaton<Rule> {
        &self.automaton
    }

    /// The number of an event's name, if a mark speaks of it.
    pub fn event(&self, name: &str) -> Option<u32> {
        if self.events.is_empty() {
            return None;
        }
        self.events.get(&key_name(self.case, name)).copied()
    }

    /// Weighs the marks with the given indices for one value of a record whose event has the number `event`.
    ///
    /// `word` says that the value is a workspace, an event name or an id, which only a mark from the root may name; `identifier`
    /// that it is an id, which is personal data without any mark. `None`: no rule touches the value.
    pub fn verdict(
        &self,
        marks: impl Iterator<Item = u32>,
        event: Option<u32>,
        word: bool,
        identifier: Option<(Identifier, Ids)>,
        asked: &Asked,
    ) -> Option<Verdict> {
        let verdict = self.weighed(marks.filter(|index| self.holds(*index, event, word)), asked, |_| true);
        let Some((identifier, ids)) = identifier else { return verdict };
        let own = self.identifier(identifier);
        let protect = if ids == Ids::Seal { Protect::Encrypt } else { Protect::None };
        Some(self.marks[own as usize].weigh(own, protect, asked, verdict))
    }

    /// What holds for the record key, if a mark touches it.
    pub fn key(&self) -> Option<Verdict> {
        self.key
    }

    /// What holds for the header `name` of a record that tells `event`, if a mark touches it.
    pub fn header(&self, name: &str, event: Told, asked: &Asked) -> Option<Verdict> {
        let below = self.automaton.step(&self.automaton.begin(&[self.headers?]), name);
        let marks = self.automaton.ends(&below).filter_map(|rule| match rule {
            Rule::Mark(index) => Some(index),
            Rule::Show(_) => None,
        });
        let holds = |mark: &CompiledMark| match event {
            Told::Event(number) => mark.event.is_none() || mark.event == number,
            Told::Nothing => true,
        };
        self.weighed(marks, asked, holds)
    }

    /// Weighs those of the marks with the given indices for which `holds`.
    fn weighed(
        &self,
        marks: impl Iterator<Item = u32>,
        asked: &Asked,
        holds: impl Fn(&CompiledMark) -> bool,
    ) -> Option<Verdict> {
        marks.fold(None, |verdict, index| {
            let mark = &self.marks[index as usize];
            if holds(mark) { Some(mark.weigh(index, mark.protect, asked, verdict)) } else { verdict }
        })
    }

    /// What holds for a value that detection found; `detection` is not off.
    pub fn detected(&self, detected: &Detected, detection: Detection) -> Verdict {
        let Detected { found, goes, .. } = detected;
        let mark = self.detected + u32::from(found.matcher);
        let (domain, level) = (self.marks[mark as usize].domain, self.matcher(found.highest).level);
        let protect = match detection {
            Detection::Off | Detection::Report => Protect::None,
            _ if *goes => Protect::Drop,
            Detection::Encrypt => Protect::Encrypt,
            Detection::Mask => Protect::Mask,
            Detection::Drop => Protect::Drop,
        };
        let mask = if *goes { Mask::Drop } else { found.shows() };
        Verdict { level, protect, mask, shape: false, reach: Reach::Whole, domain, mark }
    }

    /// Whether the mark `index` holds for a value, as [`Rules::verdict`] asks it.
    pub fn holds(&self, index: u32, event: Option<u32>, word: bool) -> bool {
        let mark = &self.marks[index as usize];
        (!word || mark.on == On::Field) && (mark.event.is_none() || mark.event == event)
    }

    /// Whether a mark decided, and not that the value is an id or was detected.
    pub fn is_mark(&self, verdict: &Verdict) -> bool {
        verdict.mark < self.detected
    }

    /// The index of what holds for an identifier.
    pub fn identifier(&self, identifier: Identifier) -> u32 {
        index(self.marks.len() - if identifier == Identifier::Id { 2 } else { 1 })
    }

    /// The rule with this index in the policy's words: its path as written, and what it is.
    pub fn told(&self, index: u32) -> (&str, String) {
        let mark = &self.marks[index as usize];
        let rule = match (mark.on, &mark.event_name) {
            _ if index >= self.identifier(Identifier::Id) => "identifier".to_owned(),
            _ if index >= self.detected => "detected".to_owned(),
            (on, None) => on.word().to_owned(),
            (on, Some(event)) => format!("{} of {event}", on.word()),
        };
        (&mark.name, rule)
    }

    /// What holds for a value that detection found, raised by hooks: `on` says where it stands, `path` gives its path, if anyone asks. Of
    /// several matchers they are asked about the first, and about the one that decides the level.
    pub fn raised(
        &self,
        detected: &Detected,
        detection: Detection,
        asked: &Asked,
        on: On,
        path: impl Fn() -> String,
    ) -> Verdict {
        let (verdict, found) = (self.detected(detected, detection), detected.found);
        let highest = (found.highest != found.matcher).then_some(found.highest);
        let level = [found.matcher].into_iter().chain(highest).fold(verdict.level, |level, matcher| {
            asked.raised_finding(level, on.word(), &path, &self.matcher(matcher).name)
        });
        Verdict { level, ..verdict }
    }

    /// What holds for what a matcher finds.
    fn matcher(&self, matcher: MatcherIndex) -> &CompiledMark {
        &self.marks[self.detected as usize + usize::from(matcher)]
    }

    /// The domain under which a value is sealed.
    pub fn domain(&self, verdict: &Verdict) -> &NamedDomain {
        &self.domains[verdict.domain as usize]
    }

    /// The name, as written, of the mark that decided the domain.
    pub fn mark_name(&self, verdict: &Verdict) -> &str {
        &self.marks[verdict.mark as usize].name
    }
}

/// What holds without any mark: for ids, and for what detection finds.
fn unnamed(name: &str, domain: u32) -> CompiledMark {
    CompiledMark {
        on: On::Field,
        event: None,
        level: LEVEL_MAX,
        protect: Protect::None,
        mask: Mask::Full,
        shape: false,
        domain,
        name: name.to_owned(),
        event_name: None,
    }
}

impl CompiledMark {
    /// This mark beside those weighed already: a lower index is more specific and decides the domain.
    fn weigh(&self, index: u32, protect: Protect, asked: &Asked, others: Option<Verdict>) -> Verdict {
        let own = Verdict {
            level: asked.raised(self.level, &Variable { on: self.on.word(), path: &self.name, matcher: "" }),
            protect,
            mask: self.mask,
            shape: self.shape,
            reach: if protect == Protect::None { Reach::Whole } else { Reach::Marked },
            domain: self.domain,
            mark: index,
        };
        others.map_or(own, |others| others.beside(&own))
    }
}

/// Indices of marks, events and domains: bounded by the control topic's size, far below the limit.
fn index(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
