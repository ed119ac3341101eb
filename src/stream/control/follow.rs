//! The thread that keeps the table of a running process: what is new goes into force, what went backwards stops the process.
//!
//! Always holds: the topic's end is confirmed only when all before it was read; topic facts, and the control topic from its
//! beginning, are looked at anew no later than `max_staleness`. Deliberately not here: writing (`control`), and which keys there must be
//! (`keys`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{ControlTable, WAIT, keys, went_backwards};
use crate::privacy::control::Table;
use crate::privacy::keyset::Keyring;
use crate::privacy::policy::Policy;
use crate::stream::context::Context;
use crate::stream::current::Snapshot;
use crate::stream::error::Error;
use crate::stream::happening::Happening;
use crate::stream::log::Log;

/// How often the broker is asked for the topic's end, unless `max_staleness` asks for more.
const CONFIRM_EVERY: Duration = Duration::from_secs(1);

/// How often topic facts are asked anew, unless `max_staleness` asks for more.
const FACTS_EVERY: Duration = Duration::from_secs(30);

/// How long a look at the control topic from its beginning may take: meanwhile its end is not confirmed.
const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// Publishes, then follows the control topic until the process is to stop.
pub(in crate::stream) fn follow<L: Log>(context: &Context<L>) -> Result<(), Error> {
    let plan = &context.plan;
    let mut keyring = context.keyring.load_full();
    let mut control = keys::publish_with(context, &keyring)?;
    let confirm_every = CONFIRM_EVERY.min(plan.max_staleness / 4);
    let facts_every = FACTS_EVERY.min(plan.max_staleness);
    let (mut confirmed, mut facts): (Option<Instant>, Instant) = (None, Instant::now());
    let (mut came, mut in_force) = (true, InForce::default());
    while !context.stop.is_set() {
        take_keyring(context, &mut keyring)?;
        if came || confirmed.is_none_or(|at| at.elapsed() >= confirm_every) {
            let asked = Instant::now();
            confirmed = Some(asked);
            if let Some(end) = control.caught_up()? {
                reach_wanted(context, &mut control.table, end);
                if put_in_force(context, &keyring, &control.table, &mut in_force)? {
                    context.current.confirm(asked, end);
                }
            }
        }
        if facts.elapsed() >= facts_every {
            facts = Instant::now();
            refresh_facts(context)?;
            look_anew(context, &control)?;
        }
        came = control.poll(WAIT.min(confirm_every))?;
    }
    Ok(())
}

/// Takes a keyring that was loaded anew, once the control topic knows its keys. One whose keys it knows as others is refused, and the
/// one in force stays.
fn take_keyring<L: Log>(context: &Context<L>, held: &mut Arc<Keyring>) -> Result<(), Error> {
    let loaded = context.keyring.load_full();
    if Arc::ptr_eq(held, &loaded) {
        return Ok(());
    }
    match keys::publish_with(context, &loaded) {
        Ok(_) => *held = loaded,
        Err(Error::Keys(detail)) => {
            context.tell(&Happening::KeysetRefused { detail: &detail });
            context.keyring.compare_and_swap(&loaded, held.clone());
        }
        Err(Error::Broker(detail)) => tracing::warn!(detail, "keysets loaded anew wait for the control topic"),
        Err(error) => return Err(error),
    }
    Ok(())
}

/// A task may have been written under a version whose record is gone since: a withdrawal that compaction removed. Everything up
/// to the end was read, so the table is that version's too.
fn reach_wanted<L: Log>(context: &Context<L>, table: &mut Table, end: i64) {
    let wanted = context.current.wanted();
    if table.version < wanted && wanted <= u64::try_from(end).unwrap_or(0) {
        table.version = wanted;
    }
}

/// Of what the snapshot in force was made.
#[derive(Default)]
struct InForce {
    version: u64,
    loaded: Option<Arc<Keyring>>,
    primaries: BTreeMap<String, u32>,
    /// The version of a table that lacks a key here, once that was told.
    lacking: u64,
}

/// Compiles and publishes the policy of `table`, with the primaries that it promotes, unless that is in force. Says whether it is.
///
/// A key may have been promoted before this process loaded it: then what is in force stays, is not confirmed, and ends with
/// `max_staleness`, unless the keysets are loaded anew with it.
fn put_in_force<L: Log>(
    context: &Context<L>,
    loaded: &Arc<Keyring>,
    table: &Table,
    made: &mut InForce,
) -> Result<bool, Error> {
    let same_keys =
        made.loaded.as_ref().is_some_and(|held| Arc::ptr_eq(held, loaded)) && made.primaries == table.primaries;
    if same_keys && made.version == table.version {
        return Ok(true);
    }
    let held = context.current.snapshot();
    let keyring = match &held {
        Some(held) if same_keys => held.keyring.clone(),
        _ => match keys::promoted(table, loaded) {
            Ok(keyring) => keyring,
            Err(Error::Keys(detail)) if held.is_some() => {
                if made.lacking != table.version {
                    made.lacking = table.version;
                    context.tell(&Happening::KeysetRefused { detail: &detail });
                }
                return Ok(false);
            }
            Err(error) => return Err(error),
        },
    };
    let policy = match held.filter(|held| held.version() == table.version) {
        Some(held) => held.policy.clone(),
        None => {
            let compiled = Policy::compile(&context.plan.settings, table);
            Arc::new(compiled.map_err(|error| Error::Policy(error.to_string()))?)
        }
    };
    let control = table.incarnation.clone();
    let control =
        control.ok_or_else(|| Error::PolicyWentBackwards("the control topic lost its incarnation".to_owned()))?;
    context.current.publish(Snapshot { policy, keyring, control });
    context.tell(&Happening::Policy { version: table.version });
    (made.version, made.loaded, made.primaries) = (table.version, Some(loaded.clone()), table.primaries.clone());
    Ok(true)
}

/// Asks for the topics' facts; a source that no longer fits is stopped. A broker that does not answer is asked later.
fn refresh_facts<L: Log>(context: &Context<L>) -> Result<(), Error> {
    let before = context.facts.load_full();
    match before.refresh(&context.log, &context.plan.settings.group, &context.plan.routes) {
        Ok(facts) => {
            context.facts.rcu(|held| facts.clone().keep_stopped(held));
            context.tell_partitions();
            Ok(())
        }
        Err(Error::Broker(detail)) => {
            tracing::warn!(detail, "the topics' facts cannot be read");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Reads the topic from its beginning: one that was re-created and has grown as long as the old one gives away nothing by its
/// end. A broker that does not answer is asked later.
pub(super) fn look_anew<L: Log>(context: &Context<L>, known: &ControlTable<L>) -> Result<(), Error> {
    let reader = match context.log.reader(&known.topic, None) {
        Ok(reader) => reader,
        Err(fault) => {
            tracing::warn!(%fault, "the control topic cannot be read anew");
            return Ok(());
        }
    };
    let mut anew = ControlTable::<L>::new(known.topic.clone(), reader);
    match anew.read_to_end_within(LOOK_LIMIT) {
        Ok(_) if anew.table.incarnation == known.table.incarnation => Ok(()),
        Ok(_) => Err(went_backwards(&known.topic, "it has another incarnation than before")),
        Err(Error::Broker(detail)) => {
            tracing::warn!(detail, "the control topic cannot be read anew");
            Ok(())
        }
        Err(error) => Err(error),
    }
}
