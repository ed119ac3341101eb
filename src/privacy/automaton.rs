//! All paths of one policy as one automaton: a document's names are looked up once, not once per mark.
//!
//! A non-deterministic automaton over names. Each distinct name of any path has a number; a document's key is folded, looked up
//! and, if no path speaks of it, only wildcards can go on. An unquoted run of names `a.b` has, beside its steps, an edge for the
//! dotted key `"a.b"`, so that every way of writing it matches. Always holds: a path never matches its start (the container or
//! the root), since acceptance is only looked at after a key was taken. Arrays are not seen here: whoever walks a document gives
//! an element the states of its array. Deliberately not here: what a match means.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::fold;
use super::path::{Path, Step};
use super::settings::Case;

/// The states that are active at one place of a document, in ascending order.
pub type Active = SmallVec<[u32; 8]>;

/// Paths that are matched together; `T` is what a path stands for.
#[derive(Debug)]
pub struct Automaton<T> {
    case: Case,
    /// Looked up for every key of a document. The names are those of marks, so nobody who writes records chooses where they collide.
    names: HashMap<Box<str>, u32, foldhash::fast::RandomState>,
    /// The state after one step by name, so that paths that begin alike share it. A quoted step has its own: only an unquoted
    /// one may be reached by a dotted key too.
    shared: HashMap<(u32, u32, bool), u32>,
    states: Vec<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    /// By the number of a name; a name may lead to several states.
    edges: Vec<(u32, u32)>,
    /// Where `*` leads.
    any: Option<u32>,
    /// Where `**` leads without taking a step; that state takes any number of them.
    deep: Option<u32>,
    /// Whether this state, once active, stays so below: it stands for a `**`.
    stays: bool,
    /// The paths that end here.
    ends: Vec<T>,
}

impl<T> State<T> {
    fn new(stays: bool) -> Self {
        Self { edges: Vec::new(), any: None, deep: None, stays, ends: Vec::new() }
    }

    /// Whether no path goes on from here.
    fn is_dead(&self) -> bool {
        self.edges.is_empty() && self.any.is_none() && self.deep.is_none() && !self.stays
    }
}

/// How a key is compared: [`fold::name`], or as it is.
pub fn key_name(case: Case, key: &str) -> String {
    match case {
        Case::Fold => fold::name(key),
        Case::Exact => key.to_owned(),
    }
}

/// Whether `key` is compared as `name`, which is ASCII and lower case.
pub fn is_named(case: Case, key: &str, name: &str) -> bool {
    match case {
        Case::Exact => key == name,
        Case::Fold if key.is_ascii() => key.eq_ignore_ascii_case(name),
        Case::Fold => fold::name(key) == name,
    }
}

impl<T: Copy + PartialEq> Automaton<T> {
    /// An automaton without paths, that compares names by `case`.
    pub fn new(case: Case) -> Self {
        Self { case, names: HashMap::default(), shared: HashMap::new(), states: Vec::new() }
    }

    /// A state from which paths can start.
    pub fn start(&mut self) -> u32 {
        self.add(State::new(false))
    }

    /// Lets `path` begin at the state `start` and stand for `what`.
    pub fn insert(&mut self, start: u32, path: &Path, what: T) {
        let steps = path.steps();
        let mut at = Vec::with_capacity(steps.len() + 1);
        at.push(start);
        for step in steps {
            let from = at[at.len() - 1];
            at.push(match step {
                Step::Name { text, quoted } => self.named(from, text, *quoted),
                Step::Any => self.any(from),
                Step::Deep => self.deep(from),
            });
        }
        self.join_runs(steps, &at);
        let end = self.state_mut(at[at.len() - 1]);
        if !end.ends.contains(&what) {
            end.ends.push(what);
        }
    }

    /// The states that are active where paths start; none where no path does, so that keys need not be looked up there.
    pub fn begin(&self, starts: &[u32]) -> Active {
        let mut active = Active::new();
        for start in starts.iter().filter(|start| !self.states[**start as usize].is_dead()) {
            self.activate(*start, &mut active);
        }
        active
    }

    /// The states that are active below the key `key` (unescaped), from those active at its object.
    pub fn step(&self, from: &[u32], key: &str) -> Active {
        let mut active = Active::new();
        if from.is_empty() {
            return active;
        }
        let name = self.name(key);
        for state in from {
            let state = &self.states[*state as usize];
            if let Some(name) = name {
                let first = state.edges.partition_point(|(other, _)| *other < name);
                for (_, to) in state.edges[first..].iter().take_while(|(other, _)| *other == name) {
                    self.activate(*to, &mut active);
                }
            }
            if let Some(to) = state.any {
                self.activate(to, &mut active);
            }
        }
        for state in from.iter().filter(|state| self.states[**state as usize].stays) {
            self.activate(*state, &mut active);
        }
        active
    }

    /// The states that may become active below, whatever the keys there are, and these.
    pub fn reach(&self, from: &[u32]) -> Active {
        let mut reached = Active::from_slice(from);
        let mut open = reached.clone();
        while let Some(state) = open.pop() {
            let state = &self.states[state as usize];
            let next = state.edges.iter().map(|(_, to)| *to).chain(state.any).chain(state.deep);
            for to in next {
                if let Err(place) = reached.binary_search(&to) {
                    reached.insert(place, to);
                    open.push(to);
                }
            }
        }
        reached
    }

    /// What the paths stand for that end at the active states; one may be given several times.
    pub fn ends<'a>(&'a self, active: &'a [u32]) -> impl Iterator<Item = T> + 'a {
        active.iter().flat_map(|state| self.states[*state as usize].ends.iter().copied())
    }

    fn name(&self, key: &str) -> Option<u32> {
        match self.case {
            // most keys are lower-case ASCII already and fold to themselves
            Case::Fold if !key.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) => {
                self.names.get(fold::name(key).as_str()).copied()
            }
            _ => self.names.get(key).copied(),
        }
    }

    fn activate(&self, state: u32, active: &mut Active) {
        if let Err(place) = active.binary_search(&state) {
            active.insert(place, state);
            if let Some(deep) = self.states[state as usize].deep {
                self.activate(deep, active);
            }
        }
    }

    fn add(&mut self, state: State<T>) -> u32 {
        self.states.push(state);
        // a policy's paths are bounded in number and length, far below this
        u32::try_from(self.states.len() - 1).unwrap_or(u32::MAX)
    }

    fn state_mut(&mut self, state: u32) -> &mut State<T> {
        &mut self.states[state as usize]
    }

    fn named(&mut self, from: u32, text: &str, quoted: bool) -> u32 {
        let name = self.number(text);
        if let Some(to) = self.shared.get(&(from, name, quoted)) {
            return *to;
        }
        let to = self.add(State::new(false));
        self.shared.insert((from, name, quoted), to);
        self.edge(from, name, to);
        to
    }

    /// The number of a name, folded as the documents' keys will be.
    fn number(&mut self, text: &str) -> u32 {
        let folded = key_name(self.case, text);
        let next = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        *self.names.entry(folded.into_boxed_str()).or_insert(next)
    }

    fn edge(&mut self, from: u32, name: u32, to: u32) {
        let edges = &mut self.state_mut(from).edges;
        if let Err(place) = edges.binary_search(&(name, to)) {
            edges.insert(place, (name, to));
        }
    }

    fn any(&mut self, from: u32) -> u32 {
        if let Some(to) = self.states[from as usize].any {
            return to;
        }
        let to = self.add(State::new(false));
        self.state_mut(from).any = Some(to);
        to
    }

    fn deep(&mut self, from: u32) -> u32 {
        if let Some(to) = self.states[from as usize].deep {
            return to;
        }
        let to = self.add(State::new(true));
        self.state_mut(from).deep = Some(to);
        to
    }

    /// Adds an edge for the dotted key of each run of consecutive unquoted names.
    fn join_runs(&mut self, steps: &[Step], at: &[u32]) {
        for first in 0..steps.len() {
            let mut joined = String::new();
            for (index, step) in steps.iter().enumerate().skip(first) {
                let Step::Name { text, quoted: false } = step else { break };
                if index > first {
                    joined.push('.');
                }
                joined.push_str(text);
                if index > first {
                    let name = self.number(&joined);
                    self.edge(at[first], name, at[index + 1]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `path`, begun at the root, matches the chain of keys.
    fn matches(case: Case, path: &str, keys: &[&str]) -> bool {
        let mut automaton = Automaton::new(case);
        let start = automaton.start();
        // a second path that shares beginnings must not change the answer
        automaton.insert(start, &Path::parse("'a'.b.other").expect("a path"), 2);
        automaton.insert(start, &Path::parse(path).expect("a path"), 1);
        let mut active = automaton.begin(&[start]);
        for key in keys {
            active = automaton.step(&active, key);
        }
        // a path ends where a key was taken, never where it starts: who walks a document asks only then
        !keys.is_empty() && automaton.ends(&active).any(|what| what == 1)
    }

    #[test]
    fn paths_match_what_the_grammar_says() {
        for (path, keys, expected) in [
            ("email", &["email"] as &[&str], true),
            ("email", &["Email"], true),
            ("email", &["e\u{ff4d}ail"], true),
            ("email", &["mail"], false),
            ("email", &["x", "email"], false),
            ("email", &[], false),
            ("address.street", &["address", "street"], true),
            ("address.street", &["address.street"], true),
            ("address.street", &["Address.Street"], true),
            ("a.b.c", &["a.b", "c"], true),
            ("a.b.c", &["a", "b.c"], true),
            ("a.b.c", &["a.b.c"], true),
            ("a.b.c", &["a.b"], false),
            ("'a'.b", &["a.b"], false),
            ("'a'.b", &["a", "b"], true),
            ("a.b", &["a.b"], true),
            ("'a.b'", &["a.b"], true),
            ("'a.b'", &["a", "b"], false),
            ("a.*.c", &["a", "x", "c"], true),
            ("a.*.c", &["a", "c"], false),
            ("a.*.c", &["a.x", "c"], false),
            ("**", &["a"], true),
            ("**", &["a", "b", "c"], true),
            ("**", &[], false),
            ("**.email", &["email"], true),
            ("**.email", &["a", "b", "email"], true),
            ("**.a.b", &["x", "a.b"], true),
            ("a.**", &["a"], true),
            ("a.**", &["a", "b", "c"], true),
            ("a.**.b", &["a", "b"], true),
            ("a.**.b", &["a", "x", "y", "b"], true),
            ("a.**.b", &["a", "x"], false),
            ("a.**.**.b", &["a", "b"], true),
            ("*.*", &["a"], false),
            ("*.*", &["a", "b"], true),
        ] {
            assert_eq!(matches(Case::Fold, path, keys), expected, "{path} {keys:?}");
        }
    }

    #[test]
    fn exact_case_folds_nothing() {
        assert!(matches(Case::Exact, "Email", &["Email"]));
        assert!(!matches(Case::Exact, "Email", &["email"]));
        assert!(!matches(Case::Exact, "email", &["Email"]));
    }
}
