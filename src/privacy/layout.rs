//! Finds in a scanned document where its words (workspace, event name, ids) and containers stand.
//!
//! The words decide which key and which marks apply, and parsers differ on duplicates: so words and their ancestors must occur
//! at most once. Containers may occur twice, for all of them are scanned. The layout's paths are one small tree, which is held
//! against the document's upper levels only. Always holds: an error is [`Reason::LayoutAmbiguous`] or
//! [`Reason::LayoutMismatch`], in the order workspace, event, ids, containers; what comes after (a missing id, an unknown
//! workspace) is [`super::protect`]'s.

use std::borrow::Cow;

use super::automaton::key_name;
use super::error::Reason;
use super::fold;
use super::path::{Path, Step};
use super::scan::{Document, Kind};
use super::settings::{Case, Layout, Source};

/// What a container holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Attributes of a profile.
    Attributes,
    /// Parameters of an event.
    Parameters,
}

/// Where the parts of one document stand, by index of node.
#[derive(Debug, Default)]
pub struct Located {
    /// The workspace, as the document names it.
    pub workspace: Option<usize>,
    /// The event's name.
    pub event: Option<usize>,
    /// The profile's id.
    pub id: Option<usize>,
    /// The profile's second identifier.
    pub uuid: Option<usize>,
    /// The objects that hold attributes or parameters, in document order.
    pub containers: Vec<(usize, Holds)>,
    /// Per place of the layout's tree, the nodes found there; kept only to reuse the memory.
    found: Vec<Vec<usize>>,
    /// The place of the layout's tree that the document does not fit, if it was refused.
    misfit: Option<usize>,
}

/// What a document has at a place that the layout does not take there.
struct Misfit {
    reason: Reason,
    place: usize,
}

impl Misfit {
    fn mismatch(place: usize) -> Self {
        Self { reason: Reason::LayoutMismatch, place }
    }
}

impl Located {
    /// Lets every node be the one that `moved` has in its place.
    pub(super) fn follow(&mut self, moved: &[u32]) {
        let words = [&mut self.workspace, &mut self.event, &mut self.id, &mut self.uuid];
        let containers = self.containers.iter_mut().map(|(node, _)| node);
        words.into_iter().flatten().chain(containers).for_each(|node| *node = moved[*node] as usize);
    }

    /// Whether the node is the workspace, the event's name or an id: never an attribute or parameter.
    pub fn is_word(&self, node: usize) -> bool {
        [self.workspace, self.event, self.id, self.uuid].contains(&Some(node))
    }
}

/// A [`Layout`] made ready for one source.
#[derive(Debug)]
pub struct CompiledLayout {
    case: Case,
    places: Vec<Place>,
    workspace: Option<usize>,
    event: Vec<usize>,
    id: Option<usize>,
    uuid: Option<usize>,
    containers: Vec<(usize, Holds)>,
}

/// A place in the layout's tree: the root, or a name below another place.
#[derive(Debug)]
struct Place {
    name: String,
    parent: usize,
    children: Vec<usize>,
}

impl CompiledLayout {
    /// Makes `source`'s layout ready. A workspace that the source fixes is not looked for.
    pub fn new(source: &Source) -> Self {
        let layout: &Layout = &source.layout;
        let root = Place { name: String::new(), parent: 0, children: Vec::new() };
        let mut compiled = Self {
            case: source.case,
            places: vec![root],
            workspace: None,
            event: Vec::new(),
            id: None,
            uuid: None,
            containers: Vec::new(),
        };
        if source.workspace.is_none() {
            compiled.workspace = layout.workspace.as_ref().map(|path| compiled.place(path));
        }
        compiled.event = layout.event.iter().map(|path| compiled.place(path)).collect();
        compiled.id = layout.id.as_ref().map(|path| compiled.place(path));
        compiled.uuid = layout.uuid.as_ref().map(|path| compiled.place(path));
        for path in &layout.attributes {
            let place = compiled.place(path);
            compiled.containers.push((place, Holds::Attributes));
        }
        for path in &layout.parameters {
            let place = compiled.place(path);
            compiled.containers.push((place, Holds::Parameters));
        }
        compiled
    }

    fn place(&mut self, path: &Path) -> usize {
        let mut at = 0;
        for step in path.steps() {
            // the settings were checked: a layout's path has plain steps only
            let Step::Name { text, .. } = step else { continue };
            let name = key_name(self.case, text);
            let known = self.places[at].children.iter().copied().find(|child| self.places[*child].name == name);
            at = known.unwrap_or_else(|| {
                self.places.push(Place { name, parent: at, children: Vec::new() });
                let child = self.places.len() - 1;
                self.places[at].children.push(child);
                child
            });
        }
        at
    }

    /// Finds the words and containers of `document` and writes them to `located`, whatever stood there before.
    ///
    /// # Errors
    /// [`Reason::LayoutAmbiguous`] or [`Reason::LayoutMismatch`].
    pub fn locate(&self, document: &Document, located: &mut Located) -> Result<(), Reason> {
        located.found.iter_mut().for_each(Vec::clear);
        located.found.resize_with(self.places.len(), Vec::new);
        located.containers.clear();
        (located.workspace, located.event, located.id, located.uuid) = (None, None, None, None);
        self.find(document, 0, 0, &mut located.found);
        let fit = self.fit(document, located);
        located.misfit = fit.as_ref().err().map(|misfit| misfit.place);
        fit.map_err(|misfit| misfit.reason)
    }

    /// The path of what `located` was refused for, as the layout names it, for a message.
    pub fn misfit(&self, located: &Located) -> Option<String> {
        let mut names = Vec::new();
        let mut at = located.misfit?;
        while at != 0 {
            names.push(self.places[at].name.as_str());
            at = self.places[at].parent;
        }
        names.reverse();
        Some(if names.is_empty() { "$".to_owned() } else { names.join(".") })
    }

    fn fit(&self, document: &Document, located: &mut Located) -> Result<(), Misfit> {
        let word = |place: Option<usize>| match place {
            Some(place) => self.only(document, place, &located.found),
            None => Ok(None),
        };
        let present = |node: usize| document.node(node).kind != Kind::Null;
        located.workspace = word(self.workspace)?;
        for place in &self.event {
            if let Some(node) = word(Some(*place))?.filter(|node| present(*node)) {
                if document.node(node).kind != Kind::String {
                    return Err(Misfit::mismatch(*place));
                }
                located.event = Some(node);
                break;
            }
        }
        let id = |place: Option<usize>| match word(place)?.filter(|node| present(*node)) {
            Some(node) if !is_id(document, node) => Err(Misfit::mismatch(place.unwrap_or(0))),
            node => Ok(node),
        };
        let (id, uuid) = (id(self.id)?, id(self.uuid)?);
        (located.id, located.uuid) = (id, uuid);
        for (place, holds) in &self.containers {
            self.container(document, *place, *holds, located)?;
        }
        located.containers.sort_unstable_by_key(|(node, _)| *node);
        Ok(())
    }

    /// Notes every node that stands at a place of the tree, through arrays at any depth.
    fn find(&self, document: &Document, node: usize, place: usize, found: &mut [Vec<usize>]) {
        found[place].push(node);
        self.find_below(document, node, place, found);
    }

    fn find_below(&self, document: &Document, node: usize, place: usize, found: &mut [Vec<usize>]) {
        if self.places[place].children.is_empty() {
            return;
        }
        for child in document.children(node) {
            match document.name(child) {
                None => self.find_below(document, child, place, found),
                Some(name) => {
                    let name = self.folded(name);
                    for below in &self.places[place].children {
                        if self.is_called(*below, &name) {
                            self.find(document, child, *below, found);
                        }
                    }
                }
            }
        }
    }

    /// A key as the names of places are written, but for upper case where it is ASCII.
    fn folded<'a>(&self, key: Cow<'a, str>) -> Cow<'a, str> {
        if self.case == Case::Exact || key.is_ascii() { key } else { Cow::Owned(fold::name(&key)) }
    }

    fn is_called(&self, place: usize, folded: &str) -> bool {
        let name = &self.places[place].name;
        match self.case {
            Case::Exact => name == folded,
            Case::Fold => name.eq_ignore_ascii_case(folded),
        }
    }

    /// The one node at `place`, whose ancestors are single objects; `None` where it or one of them is absent, or one is null.
    fn only(&self, document: &Document, place: usize, found: &[Vec<usize>]) -> Result<Option<usize>, Misfit> {
        if place == 0 {
            return Ok(Some(0));
        }
        let parent = self.places[place].parent;
        let Some(above) = self.only(document, parent, found)? else { return Ok(None) };
        match document.node(above).kind {
            Kind::Object => {}
            Kind::Null => return Ok(None),
            _ => return Err(Misfit::mismatch(parent)),
        }
        match found[place].as_slice() {
            [] => Ok(None),
            [node] => Ok(Some(*node)),
            _ => Err(Misfit { reason: Reason::LayoutAmbiguous, place }),
        }
    }

    /// Checks the container at `place` and its ancestors, and notes its objects.
    fn container(&self, document: &Document, place: usize, holds: Holds, located: &mut Located) -> Result<(), Misfit> {
        let mut at = place;
        while at != 0 {
            at = self.places[at].parent;
            if !located.found[at].iter().all(|node| is_container(document, *node)) {
                return Err(Misfit::mismatch(at));
            }
        }
        let Located { found, containers, .. } = located;
        for node in &found[place] {
            objects(document, *node, &mut |object| containers.push((object, holds)))
                .map_err(|()| Misfit::mismatch(place))?;
        }
        Ok(())
    }
}

/// An id is a string or an integer written without fraction and exponent.
fn is_id(document: &Document, node: usize) -> bool {
    let node = document.node(node);
    match node.kind {
        Kind::String => true,
        Kind::Number => !document.raw(node.value).contains(['.', 'e', 'E']),
        _ => false,
    }
}

/// Whether the node is an object, null, or an array of these at any depth.
fn is_container(document: &Document, node: usize) -> bool {
    objects(document, node, &mut |_| {}).is_ok()
}

/// Gives every object of a container: itself, or those of an array at any depth.
fn objects(document: &Document, node: usize, give: &mut impl FnMut(usize)) -> Result<(), ()> {
    match document.node(node).kind {
        Kind::Object => give(node),
        Kind::Null => {}
        Kind::Array => {
            for element in document.children(node) {
                objects(document, element, give)?;
            }
        }
        _ => return Err(()),
    }
    Ok(())
}

/// The text of a word: a string's unescaped, a number as it stands. Lone surrogates become U+FFFD.
pub fn word_text<'a>(document: &Document<'a>, node: usize) -> Cow<'a, str> {
    match document.node(node).kind {
        Kind::String => match document.string(node) {
            Cow::Borrowed(bytes) => fold::lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(fold::lossy(&bytes).into_owned()),
        },
        _ => Cow::Borrowed(document.raw(document.node(node).value)),
    }
}
