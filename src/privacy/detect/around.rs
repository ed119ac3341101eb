//! What holds around a value, by the keys and the containers that it stands in.
//!
//! Always holds: what was found further out and what is found further in come to the stricter of both, named by the inner one.

use super::Question;
use crate::privacy::layout::{Holds, Located};
use crate::privacy::matcher::{By, Found, Leaf, Name, Risk, Scope};
use crate::privacy::scan::{Inside, Kind};

/// What holds around a value.
#[derive(Clone, Copy)]
pub(super) struct Around {
    /// The object or array.
    pub(super) node: usize,
    /// The first node behind it.
    pub(super) end: usize,
    /// What its values belong to.
    pub(super) scope: Scope,
    /// What was found by the key around, or keys further out.
    pub(super) found: Option<Found>,
    /// Of an array: what its key says, which holds for its elements.
    pub(super) says: Option<Name>,
    /// The nearest member: the object or array itself, or what it is an element of. The root has none.
    pub(super) member: Option<usize>,
    /// Whether numbers with dots between are a version here.
    pub(super) version: bool,
    /// Whether this is a text that was entered under a red matcher's name: nothing of it may show, truth values and what tells nothing
    /// elsewhere included.
    pub(super) red: bool,
}

/// What holds inside the object or array `at`.
pub(super) fn within(question: &Question, at: usize, around: &Around, says: &Name) -> Around {
    let node = question.document.node(at);
    let matchers = question.matchers;
    let named = says.matched(matchers, around.scope, Leaf::Text).map(|found| Found { by: By::Name, ..found });
    let found = matchers.within(named, around.found.filter(|_| around.red || !says.aside));
    let scope = container(question.located, at).or(says.scope).unwrap_or(around.scope);
    let array = question.document.shape(at) == Kind::Array;
    let text = matches!(question.document.inside(at), Some(Inside::Object | Inside::Array));
    let red = found.is_some_and(|found| found.risk == Risk::Red);
    Around {
        node: at,
        end: node.next as usize,
        scope: if array { around.scope } else { scope },
        found,
        says: array.then_some(*says),
        member: if node.key.is_some() { Some(at) } else { around.member },
        version: says.version || around.version,
        red: around.red || (text && red),
    }
}

/// What the values of a container of the layout belong to.
pub(super) fn container(located: &Located, node: usize) -> Option<Scope> {
    let first = located.containers.partition_point(|(object, _)| *object < node);
    let (_, holds) = located.containers.get(first).filter(|(object, _)| *object == node)?;
    Some(match holds {
        Holds::Attributes => Scope::Person,
        Holds::Parameters => Scope::Open,
    })
}
