//! From the file's form to the [`Config`]: every value is checked here, and shown where it stands if it is wrong.
//!
//! Always holds: what is found contradictory is refused, never repaired. The domain's own checks ([`Settings::check`],
//! [`mark::check_wish`](crate::privacy::mark::check_wish)) have the last word; here they are only given a place in the file.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};
use std::path::{Path as Folder, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

use super::error::{NO_WORD, list, place, rephrase, unknown};
use super::file::{self, File, Number, Text, nowhere};
use super::number::{duration, in_range, topic};
use super::substitute::{Problem, Substituted, substitute};
use super::wish::{Workspaces, wished};
use super::{Config, ConfigError, KafkaProperties, Surroundings, Topics};
use super::{effective, layouts, matchers, properties, source};
use crate::keys::KeySource;
use crate::privacy::hook::Hooks;
use crate::privacy::path::Path;
use crate::privacy::scan::Limits;
use crate::privacy::settings::{
    Fold, LEVEL_MAX, Layout, Partitioner, Settings, SettingsError, SourceKind, View, is_name,
};
use crate::stream::transaction::TransactionLimits;

/// The depth of a document is an index into fixed tables further on.
const DEPTH_MAX: i64 = 1_000;
/// Offsets within a record are kept in 32 bits.
pub(super) const RECORD_BYTES_MAX: i64 = 1 << 30;
/// A producer's queue holds 64 MiB; a transaction must fit.
const OUTPUT_BYTES_MAX: i64 = 64 << 20;
/// A quarter of the shortest transaction timeout.
const TRANSACTION_TIME_MAX: Duration = Duration::from_millis(2_500);
/// From what one profile at the limits takes to what one machine has.
const STATE_BYTES: RangeInclusive<i64> = 1 << 20..=1 << 40;
const NAME_RULE: &str = "must be 1–64 letters, digits, '.', '_' or '-'";

/// Reads, fills in, checks and builds.
pub(super) fn config(text: &str, around: &Surroundings) -> Result<Config, ConfigError> {
    let mut hidden = Substituted::default();
    read(text, around, &mut hidden).map_err(|(span, what)| ConfigError::new(around.name, text, span, hidden.hide(what)))
}

fn read(text: &str, around: &Surroundings, hidden: &mut Substituted) -> Result<Config, Problem> {
    let problem = |error: toml::de::Error| (error.span().unwrap_or(0..0), rephrase(error.message()));
    let mut root = DeTable::parse(text).map_err(problem)?;
    *hidden = substitute(root.get_mut(), around.environment)?;
    let mut file = File::deserialize(Deserializer::from(root)).map_err(|error| match error.span() {
        Some(span) if error.message() == NO_WORD => (span.clone(), wanted(text, span, around)),
        _ => problem(error),
    })?;
    let instance_is_named = file.instance.is_some();
    let instance = named("instance", file.instance.get_or_insert_with(|| nowhere(around.host.to_owned())))?;
    let mut config = Config { instance, instance_is_named, ..build(&file, around.folder)? };
    resolve(&mut file, around.folder);
    fill(&mut file);
    config.file = around.name.to_owned();
    let properties = [&file.kafka.producer, &file.kafka.consumer, &file.kafka.common];
    let places = properties.into_iter().flatten().map(|(name, value)| (name.clone(), place(text, value.span().start)));
    config.properties = places.collect();
    config.effective = effective::render(&file, &hidden.places).map_err(|what| (0..0, what))?;
    config.hidden = hidden.clone();
    Ok(config)
}

/// Which words are wanted at `span`: those that the same file with an empty one there is refused for.
fn wanted(text: &str, span: Range<usize>, around: &Surroundings) -> String {
    let with_word = || {
        let text = format!("{}\"\"{}", text.get(..span.start)?, text.get(span.end..)?);
        let mut root = DeTable::parse(&text).ok()?;
        substitute(root.get_mut(), around.environment).ok()?;
        let error = File::deserialize(Deserializer::from(root)).err()?;
        unknown(error.message(), "unknown variant `").map(|(_, known)| format!(", one of {}", list(&known)))
    };
    format!("the value must be a string{}", with_word().unwrap_or_default())
}

/// Files as the effective configuration shows them.
fn resolve(file: &mut File, folder: &Folder) {
    let own = file.workspace.iter_mut().filter_map(|workspace| workspace.keys.as_mut());
    for keys in file.keys.iter_mut().chain(own) {
        if let Some(path) = &mut keys.get_mut().file {
            *path = folder.join(&*path).display().to_string();
        }
    }
    for path in file.source.iter_mut().filter_map(|source| source.gate.as_mut()?.jwks.as_mut()) {
        *path.get_mut() = folder.join(path.get_ref()).display().to_string();
    }
}

/// What a profile source has without saying so, as the effective configuration shows it.
fn fill(file: &mut File) {
    for source in file.source.iter_mut().filter(|source| source.kind == SourceKind::Profile) {
        source.state.get_or_insert_with(|| nowhere(Fold::default()));
        source.partitioner.get_or_insert_with(|| nowhere(Partitioner::default()));
    }
}

/// All but what depends on the host.
fn build(file: &File, folder: &Folder) -> Result<Config, Problem> {
    let settings = settings(file)?;
    settings.check().map_err(|error| located(file, error))?;
    let known = Workspaces::of(file);
    for name in file.source.iter().flat_map(|source| source.workspace.iter().chain(&source.workspaces)) {
        known.check(name)?;
    }
    let none = || (0..0, "no keyset is configured; add [keys] with file, env or command".to_owned());
    let transaction = &file.transaction;
    let seconds = |range: RangeInclusive<u64>| Duration::from_secs(*range.start())..=Duration::from_secs(*range.end());
    Ok(Config {
        settings,
        wished: wished(file, &known)?,
        instance: String::new(),
        instance_is_named: false,
        workers: number("workers", &file.workers, 1..=256)?,
        kafka: kafka(&file.kafka),
        topics: topics(&file.topics)?,
        transaction: TransactionLimits {
            records: number("records", &transaction.records, 1..=100_000)?,
            output_bytes: number("output-bytes", &transaction.output_bytes, 1..=OUTPUT_BYTES_MAX)?,
            time: at(&transaction.time, |text| {
                duration("time", text, Duration::from_millis(1)..=TRANSACTION_TIME_MAX)
            })?,
        },
        state_bytes: number("task-bytes", &file.state.task_bytes, STATE_BYTES)?,
        max_staleness: at(&file.policy.max_staleness, |text| duration("max-staleness", text, seconds(1..=3_600)))?,
        listen: at(&file.http.listen, |text| {
            text.parse().map_err(|_| "listen must be an address and a port, as \"127.0.0.1:9464\"".to_owned())
        })?,
        keys: at(file.keys.as_ref().ok_or_else(none)?, |keys| key_source(keys, folder))?,
        workspace_keys: workspace_keys(file, folder)?,
        issuers: issuers(file, folder),
        effective: String::new(),
        file: String::new(),
        properties: BTreeMap::new(),
        hidden: Substituted::default(),
    })
}

fn settings(file: &File) -> Result<Settings, Problem> {
    let limits = &file.limits;
    named("group", &file.group)?;
    let own = own_layouts(file)?;
    let mut workspaces = BTreeSet::new();
    for workspace in &file.workspace {
        named("id", &workspace.id)?;
        if !workspaces.insert(workspace.id.get_ref().clone()) {
            return wrong(&workspace.id, format!("workspace {:?} is configured twice", workspace.id.get_ref()));
        }
    }
    Ok(Settings {
        group: file.group.get_ref().clone(),
        limits: Limits {
            depth: number("depth", &limits.depth, 1..=DEPTH_MAX)?,
            record_bytes: number("record-bytes", &limits.record_bytes, 1..=RECORD_BYTES_MAX)?,
            string_bytes: number("string-bytes", &limits.string_bytes, 1..=RECORD_BYTES_MAX)?,
        },
        workspaces,
        sources: (file.source.iter().enumerate())
            .map(|(index, written)| source::source(index, written, file, &own))
            .collect::<Result<_, _>>()?,
        views: file.view.iter().map(view).collect::<Result<_, _>>()?,
        matchers: Arc::new(matchers::matchers(file)?),
        hooks: Arc::new(hooks(file)?),
    })
}

fn hooks(file: &File) -> Result<Hooks, Problem> {
    let mut hooks = Hooks::default();
    for (index, written) in file.hook.iter().enumerate() {
        let name = named("name", &written.name)?;
        if file.hook[..index].iter().any(|other| *other.name.get_ref() == name) {
            return wrong(&written.name, format!("hook {name:?} is configured twice"));
        }
        at(&written.level, |text| hooks.add(&name, text).map_err(|what| format!("hook {name:?}: {what}")))?;
    }
    Ok(hooks)
}

fn own_layouts(file: &File) -> Result<Vec<Layout>, Problem> {
    let mut layouts: Vec<Layout> = Vec::new();
    for written in &file.layout {
        let name = named("name", &written.name)?;
        if layouts::NAMES.contains(&name.as_str()) {
            return wrong(&written.name, format!("layout {name:?} is built in; choose another name"));
        }
        if layouts.iter().any(|layout| layout.name == name) {
            return wrong(&written.name, format!("layout {name:?} is configured twice"));
        }
        let optional = |text: &Option<Text>| text.as_ref().map(path).transpose();
        layouts.push(Layout {
            workspace: optional(&written.workspace)?,
            event: paths(&written.event)?,
            id: optional(&written.id)?,
            uuid: optional(&written.uuid)?,
            attributes: paths(&written.attributes)?,
            parameters: paths(&written.parameters)?,
            name,
        });
    }
    Ok(layouts)
}

fn view(written: &file::View) -> Result<View, Problem> {
    for name in written.topics.values() {
        at(name, |name| topic("a view's topic", name))?;
    }
    Ok(View {
        name: named("name", &written.name)?,
        clearance: number("clearance", &written.clearance, 0..=LEVEL_MAX.into())?,
        unlisted: written.unlisted,
        show: paths(&written.show)?,
        headers: written.headers.iter().map(|name| name.get_ref().clone()).collect(),
        trace: written.trace,
        topics: written.topics.iter().map(|(raw, debug)| (raw.clone(), debug.get_ref().clone())).collect(),
    })
}

fn topics(written: &file::Topics) -> Result<Topics, Problem> {
    let factor: i16 = number("replication-factor", &written.replication_factor, -1..=i16::MAX.into())?;
    if factor == 0 {
        return wrong(&written.replication_factor, "replication-factor must be -1 (the broker's) or 1 and more".into());
    }
    Ok(Topics { create: written.create, replication_factor: factor })
}

fn kafka(written: &properties::Kafka) -> KafkaProperties {
    let plain = |properties: &properties::Properties| {
        properties.iter().map(|(name, value)| (name.clone(), value.get_ref().0.clone())).collect()
    };
    KafkaProperties {
        common: plain(&written.common),
        consumer: plain(&written.consumer),
        producer: plain(&written.producer),
    }
}

fn workspace_keys(file: &File, folder: &Folder) -> Result<BTreeMap<String, KeySource>, Problem> {
    let own = file.workspace.iter().filter_map(|workspace| Some((workspace.id.get_ref(), workspace.keys.as_ref()?)));
    own.map(|(id, keys)| Ok((id.clone(), at(keys, |keys| key_source(keys, folder))?))).collect()
}

/// By source, where the keys stand by which its gate checks signatures.
fn issuers(file: &File, folder: &Folder) -> BTreeMap<String, PathBuf> {
    let named = file.source.iter().filter_map(|source| Some((&source.topic, source.gate.as_ref()?.jwks.as_ref()?)));
    named.map(|(topic, path)| (topic.get_ref().clone(), folder.join(path.get_ref()))).collect()
}

fn key_source(keys: &file::Keys, folder: &Folder) -> Result<KeySource, String> {
    match (&keys.file, &keys.env, &keys.command) {
        (Some(file), None, None) if !file.is_empty() => Ok(KeySource::File(folder.join(file))),
        (None, Some(name), None) if !name.is_empty() => Ok(KeySource::Env(name.clone())),
        (None, None, Some(words)) if words.first().is_some_and(|program| !program.is_empty()) => {
            Ok(KeySource::Command(words.clone()))
        }
        _ => Err("keys must name exactly one of file, env and command".to_owned()),
    }
}

/// Gives the domain's own error a place: the last key that its text names.
fn located(file: &File, error: SettingsError) -> Problem {
    let sources = file.source.iter().flat_map(|source| {
        [("source", &source.topic), ("protected topic", &source.protected), ("dead-letter topic", &source.dead_letters)]
    });
    let views = file.view.iter().flat_map(|view| {
        std::iter::once(("view", &view.name)).chain(view.topics.values().map(|topic| ("view topic", topic)))
    });
    let span = sources
        .chain(views)
        .filter(|(role, name)| error.where_ == format!("{role} {:?}", name.get_ref()))
        .reduce(|_, last| last)
        .map_or(0..0, |(_, name)| name.span());
    (span, error.to_string())
}

pub(super) fn at<T, V>(value: &Spanned<T>, read: impl FnOnce(&T) -> Result<V, String>) -> Result<V, Problem> {
    read(value.get_ref()).map_err(|what| (value.span(), what))
}

pub(super) fn wrong<T, V>(value: &Spanned<T>, what: String) -> Result<V, Problem> {
    Err((value.span(), what))
}

pub(super) fn number<T: TryFrom<i64>>(key: &str, value: &Number, range: RangeInclusive<i64>) -> Result<T, Problem> {
    at(value, |number| in_range(key, *number, range))
}

pub(super) fn named(key: &str, name: &Text) -> Result<String, Problem> {
    if is_name(name.get_ref()) { Ok(name.get_ref().clone()) } else { wrong(name, format!("{key} {NAME_RULE}")) }
}

fn path(text: &Text) -> Result<Path, Problem> {
    at(text, |path| Path::parse(path).map_err(|error| format!("path {path:?}: {error}")))
}

fn paths(texts: &[Text]) -> Result<Vec<Path>, Problem> {
    texts.iter().map(path).collect()
}
