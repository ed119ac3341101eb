//! One `[[source]]`: what it names must be there, and what only sources of profiles have stands at these alone.

use toml::Spanned;

use super::build::{at, named, wrong};
use super::error::suggest;
use super::file::{self, File};
use super::layouts;
use super::number::topic;
use super::substitute::Problem;
use crate::privacy::gate::{Claims, Gate};
use crate::privacy::settings::{Fold, Layout, Source, SourceKind, Within};

pub(super) fn source(index: usize, written: &file::Source, file: &File, own: &[Layout]) -> Result<Source, Problem> {
    for (key, name) in
        [("topic", &written.topic), ("protected", &written.protected), ("dead-letters", &written.dead_letters)]
    {
        at(name, |name| topic(key, name))?;
    }
    Ok(Source {
        topic: written.topic.get_ref().clone(),
        kind: written.kind,
        layout: at(&written.layout, |name| layout(name, written.kind, own))?,
        workspace: written.workspace.as_ref().map(|name| named("workspace", name)).transpose()?,
        workspaces: written.workspaces.iter().map(|name| named("workspaces", name)).collect::<Result<_, _>>()?,
        protected: written.protected.get_ref().clone(),
        dead_letters: written.dead_letters.get_ref().clone(),
        sealed_input: written.sealed_input,
        ids: written.ids,
        case: written.case,
        detection: written.detection,
        within: Within { json: written.json_strings, queries: written.url_queries },
        derived_copies: written.derived_copies,
        state: state(written),
        events: match of_profiles("events", written, &written.events)? {
            Some(topic) => Some(events(written, file, &topic)?),
            // an event source that keeps profiles tells of them itself
            None => (written.kind == SourceKind::Event && written.state.is_some()).then_some(index),
        },
        partitioner: of_profiles("partitioner", written, &written.partitioner)?.unwrap_or_default(),
        gate: written.gate.as_ref().map(gate).transpose()?,
    })
}

fn gate(written: &file::Gate) -> Result<Gate, Problem> {
    let claims = written.claims.as_ref();
    if let (Some(claims), None) = (claims, &written.jwks) {
        return wrong(claims, "claims are those of JWTs; set jwks to the file of the issuer's public keys".to_owned());
    }
    if let Some(claims) = claims.filter(|claims| claims.get_ref().id.is_none() && claims.get_ref().uuid.is_none()) {
        return wrong(claims, "claims must name the claim of id, of uuid or of both".to_owned());
    }
    let named = claims.map(Spanned::get_ref).map(|claims| Claims { id: claims.id.clone(), uuid: claims.uuid.clone() });
    Ok(Gate {
        header: written.header.get_ref().clone(),
        accepted: written.accepted.iter().map(|value| value.get_ref().clone()).collect(),
        jwt: written.jwks.as_ref().map(|_| named.unwrap_or_default()),
    })
}

/// What is done with profiles: an event source keeps some where it says so, a profile source always does.
fn state(source: &file::Source) -> Option<Fold> {
    let written = source.state.as_ref().map(|state| *state.get_ref());
    written.or_else(|| (source.kind == SourceKind::Profile).then(Fold::default))
}

/// The value of a key that only a profile source has.
fn of_profiles<T: Clone>(key: &str, source: &file::Source, value: &Option<Spanned<T>>) -> Result<Option<T>, Problem> {
    match value {
        Some(value) if source.kind != SourceKind::Profile => {
            wrong(value, format!("{key} is for sources of kind \"profile\""))
        }
        value => Ok(value.as_ref().map(|value| value.get_ref().clone())),
    }
}

/// The index of the event source `topic`.
fn events(source: &file::Source, file: &File, topic: &str) -> Result<usize, Problem> {
    let known = |source: &&file::Source| source.kind == SourceKind::Event;
    let found = file.source.iter().position(|source| source.topic.get_ref() == topic && known(&source));
    found.ok_or_else(|| {
        let known: Vec<&str> = file.source.iter().filter(known).map(|source| source.topic.get_ref().as_str()).collect();
        let span = source.events.as_ref().map_or(0..0, Spanned::span);
        let hint = if known.is_empty() { "there is none".to_owned() } else { suggest(topic, &known) };
        (span, format!("events {topic:?} is no source of kind \"event\"; {hint}"))
    })
}

fn layout(name: &str, kind: SourceKind, own: &[Layout]) -> Result<Layout, String> {
    if let Some(layout) = layouts::built_in(name, kind) {
        return layout.map_err(|error| format!("layout {name:?}: {error}"));
    }
    own.iter().find(|layout| layout.name == name).cloned().ok_or_else(|| {
        let known: Vec<&str> =
            layouts::NAMES.into_iter().chain(own.iter().map(|layout| layout.name.as_str())).collect();
        format!("unknown layout {name:?}; {}", suggest(name, &known))
    })
}
