//! `sivcar tail`: what a view shows, as it comes, for people in a terminal.
//!
//! Always holds: it reads the view's debug topics and nothing else, committed records alone, joins no group and needs no keyset; what
//! could steer a terminal is escaped. Deliberately not here: masking; what stands in a debug topic was masked when it was written,
//! and the filters look at that.

mod show;
mod vain;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) use self::show::moment;
use self::show::{Only, Screen};
use super::cluster::{ask, retry};
use super::exit::{Failure, Outcome};
use super::{cluster, offline};
use crate::config;
use crate::kafka::Start;
use crate::privacy::layout::CompiledLayout;
use crate::privacy::settings::{Settings, Source, View};
use crate::stream::log::{Log as _, Reader};

/// How long one topic is waited for before the next one is looked at.
const WAIT: Duration = Duration::from_millis(100);

/// The furthest that `--since` looks back: ten years.
const SINCE_MAX: Duration = Duration::from_secs(10 * 366 * 86_400);

/// Shows what a view gets: its debug topics, record by record, from now on until it is stopped.
///
/// Records are shown as they were masked, the values that are masked or sealed in colour where the terminal has it. Filters look at what is
/// shown: where the view masks the event's name, no event is named. Each partition keeps its own order.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: sivcar tail --config sivcar.toml --view debug --event form.submit\n\
                  Example: sivcar tail --config sivcar.toml --view debug --since 10m --json | jq .value")]
pub struct Args {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The view, as in the configuration
    #[arg(long, value_name = "NAME")]
    view: String,
    /// Only what was read from this raw topic
    #[arg(long, value_name = "TOPIC")]
    source: Option<String>,
    /// Begin with the oldest record there is
    #[arg(long, conflicts_with = "since")]
    from_beginning: bool,
    /// Begin so far back, as 30s, 10m or 2h
    #[arg(long, value_name = "DURATION", value_parser = since)]
    since: Option<Duration>,
    /// End once so many were shown
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    #[command(flatten)]
    only: Only,
    /// One JSON object per line, for programs
    #[arg(long)]
    json: bool,
}

fn since(text: &str) -> Result<Duration, String> {
    config::duration("DURATION", text, Duration::ZERO..=SINCE_MAX)
}

/// A debug topic that is followed.
struct Followed<'a, R> {
    source: &'a Source,
    layout: CompiledLayout,
    reader: R,
}

/// Runs the command.
pub fn run(args: &Args, output: &mut dyn Write, errors: &mut dyn Write) -> Result<Outcome, Failure> {
    let config = offline::config(&args.config)?;
    let (view, topics) = topics(&config.settings, args)?;
    let sources: Vec<&Source> = topics.iter().map(|(source, _)| *source).collect();
    for why in vain::filters(&config.settings, view, &sources, &args.only)? {
        // where standard error is gone, nobody is left to tell
        let _ = writeln!(errors, "warning: {why}");
    }
    let log = cluster::connect(&config)?;
    let start = match args.since {
        _ if args.from_beginning => Start::Beginning,
        Some(since) => Start::At(SystemTime::now().checked_sub(since).unwrap_or(UNIX_EPOCH)),
        None => Start::End,
    };
    let follow = |(source, topic): (_, &str)| {
        if ask(|| log.partitions(topic))?.is_none() {
            return Err(Failure::usage(format!("debug topic {topic} does not exist; sivcar run creates it")));
        }
        let reader = ask(|| log.reader_from(topic, start))?;
        Ok(Followed { source, layout: CompiledLayout::new(source), reader })
    };
    let mut followed = topics.into_iter().map(follow).collect::<Result<Vec<_>, Failure>>()?;
    let mut screen = Screen::new(config.settings.limits.depth, args.only.clone(), args.json);
    watch(&mut followed, &mut screen, args.limit, output)
}

/// Shows what comes, until `limit` records were shown or nobody looks any more.
fn watch<R: Reader>(
    followed: &mut [Followed<R>],
    screen: &mut Screen,
    limit: Option<u64>,
    output: &mut dyn Write,
) -> Result<Outcome, Failure> {
    let mut left = limit.unwrap_or(u64::MAX);
    let mut batch = Vec::new();
    loop {
        for Followed { source, layout, reader } in &mut *followed {
            retry(|| reader.poll(WAIT, &mut batch))?;
            for fetched in batch.drain(..) {
                let Some(text) = screen.shown(source, layout, &fetched) else { continue };
                output.write_all(text.as_bytes()).map_err(|error| Failure::writing(&error))?;
                left -= 1;
                if left == 0 {
                    return Ok(Outcome::Done);
                }
            }
        }
        output.flush().map_err(|error| Failure::writing(&error))?;
    }
}

/// Sources, each with its debug topic.
type Topics<'a> = Vec<(&'a Source, &'a str)>;

/// The view, and the sources that it looks at, each with its debug topic.
fn topics<'a>(settings: &'a Settings, args: &Args) -> Result<(&'a View, Topics<'a>), Failure> {
    let Some(view) = settings.views.iter().find(|view| view.name == args.view) else {
        let known = offline::list(settings.views.iter().map(|view| view.name.as_str()));
        return Err(Failure::usage(format!("--view {}: no such view in the configuration; it has {known}", args.view)));
    };
    if let Some(topic) = &args.source {
        offline::view(settings, offline::source(settings, topic)?, &args.view)?;
    }
    let wanted = |source: &&Source| args.source.as_ref().is_none_or(|topic| *topic == source.topic);
    let sources = settings.sources.iter().filter(wanted);
    Ok((view, sources.filter_map(|source| Some((source, view.topics.get(&source.topic)?.as_str()))).collect()))
}

#[cfg(test)]
mod tests;
