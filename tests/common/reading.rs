//! What a record says, read naively: the oracle's half of scanning and of layouts.
//!
//! A tree with every key's plain name, the words and containers that a layout names, and the reason for which a record is
//! refused. Written to be obviously right: the contract's sentences one by one, over the reference reader's tree. It shares with
//! the pipeline the folding of names, which is tested by itself.

use sivcar::privacy::error::Reason;
use sivcar::privacy::fold;
use sivcar::privacy::keyset::Keyring;
use sivcar::privacy::mark::{On, Protect};
use sivcar::privacy::path::{Path, Step};
use sivcar::privacy::settings::{Case, Settings, Source, SourceKind, is_name};
use sivcar::record::Record;

use super::reference::{Item, Value, read};

/// A value, where it stands in the text, and what is in it. Its start names it: no two values begin at one byte.
#[derive(Clone, Debug)]
pub struct Node {
    pub start: usize,
    pub end: usize,
    pub body: Body,
}

#[derive(Clone, Debug)]
pub enum Body {
    Null,
    /// A number, true or false.
    Plain,
    /// Unescaped.
    String(Vec<u8>),
    Array(Vec<Node>),
    Object(Vec<Member>),
}

#[derive(Clone, Debug)]
pub struct Member {
    /// The end of the brace or comma before it.
    pub before: usize,
    /// The key, unescaped.
    pub key: String,
    /// The key as names are compared where case does not count.
    pub folded: String,
    pub node: Node,
}

impl Member {
    /// The key as a source compares it.
    pub fn name(&self, case: Case) -> &str {
        match case {
            Case::Fold => &self.folded,
            Case::Exact => &self.key,
        }
    }
}

/// A name of a path, a layout or an event, as a source compares it.
pub fn name_of(case: Case, text: &str) -> String {
    match case {
        Case::Fold => fold::name(text),
        Case::Exact => text.to_owned(),
    }
}

fn tree(text: &[u8], item: Item) -> Node {
    let Item { start, end, value } = item;
    let body = match value {
        Value::Null => Body::Null,
        Value::Bool(_) | Value::Number(_) => Body::Plain,
        Value::String(string) => Body::String(string),
        Value::Array(elements) => Body::Array(elements.into_iter().map(|element| tree(text, element)).collect()),
        Value::Object(members) => {
            let mut before = start + 1;
            let members = members.into_iter().map(|(key, item)| {
                let key = fold::lossy(&key).into_owned();
                let member = Member { before, folded: fold::name(&key), key, node: tree(text, item) };
                let rest = &text[member.node.end..];
                before = member.node.end + rest.iter().position(|byte| *byte == b',').map_or(0, |comma| comma + 1);
                member
            });
            Body::Object(members.collect())
        }
    };
    Node { start, end, body }
}

/// A record that is accepted, as far as it was read.
#[derive(Clone, Debug)]
pub struct Reading {
    pub root: Node,
    pub workspace: String,
    /// The event's name, as the source compares names.
    pub event: Option<String>,
    /// Workspace, event name and ids: never attributes or parameters.
    pub words: Vec<usize>,
    pub id: Option<usize>,
    pub uuid: Option<usize>,
    /// The objects whose members are attributes or parameters.
    pub containers: Vec<(usize, On)>,
}

/// Reads `record` as the contract says, up to what only the marks can tell (a number out of range).
pub fn reading(settings: &Settings, keyring: &Keyring, source: usize, record: &Record) -> Result<Reading, Reason> {
    let source = &settings.sources[source];
    if record.bytes() > settings.limits.record_bytes {
        return Err(Reason::TooLarge);
    }
    let text = record.value.as_deref().expect("a record with a value");
    let root = tree(text, read(text, &settings.limits)?);
    let layout = &source.layout;
    let word = |path: &Option<Path>| path.as_ref().map_or(Ok(None), |path| word(&root, source.case, path));

    let workspace = if source.workspace.is_some() { None } else { word(&layout.workspace)? };
    let mut event = None;
    for path in &layout.event {
        event = word(&Some(path.clone()))?.filter(|node| !matches!(node.body, Body::Null));
        if event.is_some() {
            break;
        }
    }
    if event.is_some_and(|node| !matches!(node.body, Body::String(_))) {
        return Err(Reason::LayoutMismatch);
    }
    let (id, uuid) = (present_id(text, word(&layout.id)?)?, present_id(text, word(&layout.uuid)?)?);
    let mut containers = Vec::new();
    let attributes = layout.attributes.iter().map(|path| (path, On::Attribute));
    for (path, on) in attributes.chain(layout.parameters.iter().map(|path| (path, On::Parameter))) {
        container(&root, source.case, path.steps(), on, &mut containers)?;
    }
    let name = document_workspace(settings, source, workspace, id)?;
    if source.kind == SourceKind::Profile && record.key.is_none() {
        return Err(Reason::ProfileWithoutKey);
    }
    keyring.of(&name).ok_or(Reason::KeysetMissing)?;
    let start = |node: Option<&Node>| node.map(|node| node.start);
    Ok(Reading {
        workspace: name,
        event: event.map(|node| name_of(source.case, &string(node).unwrap_or_default())),
        words: [workspace, event, id, uuid].into_iter().flatten().map(|node| node.start).collect(),
        id: start(id),
        uuid: start(uuid),
        containers,
        root,
    })
}

fn document_workspace(
    settings: &Settings,
    source: &Source,
    workspace: Option<&Node>,
    id: Option<&Node>,
) -> Result<String, Reason> {
    if source.kind == SourceKind::Profile && id.is_none() {
        return Err(Reason::IdMissing);
    }
    if let Some(fixed) = &source.workspace {
        return Ok(fixed.clone());
    }
    let name = workspace.and_then(string).filter(|name| is_name(name)).ok_or(Reason::WorkspaceInvalid)?;
    let strange = !settings.workspaces.is_empty() && !settings.workspaces.contains(&name);
    let refused = !source.workspaces.is_empty() && !source.workspaces.contains(&name);
    if strange || refused { Err(Reason::WorkspaceUnknown) } else { Ok(name) }
}

fn string(node: &Node) -> Option<String> {
    match &node.body {
        Body::String(bytes) => Some(fold::lossy(bytes).into_owned()),
        _ => None,
    }
}

/// The one value at `path`: it and its ancestors at most once, its ancestors objects; null above counts as absent.
fn word<'t>(root: &'t Node, case: Case, path: &Path) -> Result<Option<&'t Node>, Reason> {
    let mut at = root;
    for step in path.steps() {
        let members = match &at.body {
            Body::Object(members) => members,
            Body::Null => return Ok(None),
            _ => return Err(Reason::LayoutMismatch),
        };
        let named: Vec<&Member> = members.iter().filter(|member| is_step(case, step, member)).collect();
        at = match named[..] {
            [] => return Ok(None),
            [member] => &member.node,
            _ => return Err(Reason::LayoutAmbiguous),
        };
    }
    Ok(Some(at))
}

fn is_step(case: Case, step: &Step, member: &Member) -> bool {
    matches!(step, Step::Name { text, .. } if name_of(case, text) == member.name(case))
}

/// An id is a string, or an integer without fraction and exponent; null counts as absent.
fn present_id<'t>(text: &[u8], node: Option<&'t Node>) -> Result<Option<&'t Node>, Reason> {
    let Some(node) = node else { return Ok(None) };
    match &node.body {
        Body::Null => Ok(None),
        Body::String(_) => Ok(Some(node)),
        Body::Plain if text[node.start..node.end].iter().all(|byte| b"-0123456789".contains(byte)) => Ok(Some(node)),
        _ => Err(Reason::LayoutMismatch),
    }
}

/// The container at `steps` below `node`: it and its ancestors are objects, null, or arrays of such at any depth.
fn container(node: &Node, case: Case, steps: &[Step], on: On, containers: &mut Vec<(usize, On)>) -> Result<(), Reason> {
    match (&node.body, steps.split_first()) {
        (Body::Null, _) => Ok(()),
        (Body::Array(elements), _) => {
            elements.iter().try_for_each(|element| container(element, case, steps, on, containers))
        }
        (Body::Object(_), None) => {
            containers.push((node.start, on));
            Ok(())
        }
        (Body::Object(members), Some((step, rest))) => members
            .iter()
            .filter(|member| is_step(case, step, member))
            .try_for_each(|member| container(&member.node, case, rest, on, containers)),
        _ => Err(Reason::LayoutMismatch),
    }
}

/// Whether the steps match the chain of keys, every key taken. A run of bare names may be one dotted key.
pub fn matches(case: Case, steps: &[Step], keys: &[&str]) -> bool {
    match (steps.split_first(), keys.split_first()) {
        (None, _) => keys.is_empty(),
        (Some((Step::Deep, rest)), _) => (0..=keys.len()).any(|skipped| matches(case, rest, &keys[skipped..])),
        (Some(_), None) => false,
        (Some((Step::Any, rest)), Some((_, below))) => matches(case, rest, below),
        (Some((Step::Name { text, quoted: true }, rest)), Some((key, below))) => {
            name_of(case, text) == **key && matches(case, rest, below)
        }
        (Some(_), Some((key, below))) => {
            let bare = |step: &Step| match step {
                Step::Name { text, quoted: false } => Some(text.clone()),
                _ => None,
            };
            let run: Vec<String> = steps.iter().map_while(bare).collect();
            (1..=run.len())
                .any(|taken| name_of(case, &run[..taken].join(".")) == **key && matches(case, &steps[taken..], below))
        }
    }
}

/// What a value's mark is to a protected topic: whether it may not be there in clear.
pub fn protects(protect: Protect) -> bool {
    protect != Protect::None
}

impl Reading {
    /// Every key in document order: as names are compared, and unescaped only.
    pub fn names(&self) -> Vec<(String, String)> {
        fn collect(node: &Node, names: &mut Vec<(String, String)>) {
            match &node.body {
                Body::Array(elements) => elements.iter().for_each(|element| collect(element, names)),
                Body::Object(members) => members.iter().for_each(|member| {
                    names.push((member.folded.clone(), member.key.clone()));
                    collect(&member.node, names);
                }),
                _ => {}
            }
        }
        let mut names = Vec::new();
        collect(&self.root, &mut names);
        names
    }
}
