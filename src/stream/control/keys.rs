//! What the control topic says of keys: their checks, the primaries, and those under which record keys are sealed.
//!
//! Always holds: a process whose keysets lack a key that is in use does not begin, and one that runs does not go on for long. Deliberately
//! not here: values; each token names the key that sealed it.

use std::sync::Arc;

use super::{ControlTable, publish, refuse_contradicted};
use crate::privacy::control::{ControlKey, ControlRecord, Pin, Pinning, Table};
use crate::privacy::keyset::{Entry, Keyring, Keyset, Status};
use crate::privacy::mark::EVERYWHERE;
use crate::stream::context::{Context, Plan};
use crate::stream::error::Error;
use crate::stream::log::Log;

/// Publishes what the configuration wishes and what there is to know of `keyring`; gives the table then. A keyring that is refused leaves no
/// trace.
///
/// # Errors
/// [`Error::Keys`], and those of [`publish`].
pub(super) fn publish_with<L: Log>(context: &Context<L>, keyring: &Arc<Keyring>) -> Result<ControlTable<L>, Error> {
    let (plan, group) = (&context.plan, &context.plan.settings.group);
    let mut known = ControlTable::open(&context.log, group)?;
    known.read_to_end()?;
    vet(plan, known.table(), keyring)?;
    let control = publish(&context.log, group, &wished(plan, known.table(), keyring))?;
    check(plan, control.table(), keyring)?; // another process may have come first
    warn_of_other_primaries(control.table(), keyring);
    Ok(control)
}

/// Refuses a keyring that a start under `table` would refuse: with another key under a known id, or without one that is in use.
///
/// # Errors
/// [`Error::Keys`].
pub fn vet(plan: &Plan, table: &Table, keyring: &Arc<Keyring>) -> Result<(), Error> {
    refuse_contradicted(table, &wished(plan, table, keyring))?;
    check(plan, table, keyring)
}

/// What the control topic must hold: what the configuration says, the keys, and what is pinned.
fn wished(plan: &Plan, table: &Table, keyring: &Keyring) -> Vec<ControlRecord> {
    let around = |record: &ControlRecord| matches!(&record.key, ControlKey::Mark(key) if key.on.is_around());
    let around = table.marks_around() || plan.wished.iter().any(around);
    let primaries = keysets(keyring).into_iter().map(|(workspace, keyset)| {
        ControlRecord::promote(workspace.as_deref().unwrap_or(EVERYWHERE), keyset.primary())
    });
    let pins =
        pins(plan, keyring, around).into_iter().map(|(pin, keyset)| ControlRecord::pin(pin, keyset.primary(), &[]));
    plan.wished.iter().cloned().chain(ControlRecord::of_keys(keyring)).chain(primaries).chain(pins).collect()
}

/// Refuses a keyring without a key that is in use: one that `table` pins for this process's topics, or promoted.
///
/// # Errors
/// [`Error::Keys`].
fn check(plan: &Plan, table: &Table, keyring: &Arc<Keyring>) -> Result<(), Error> {
    let changelog = plan.routes.iter().find_map(|route| route.changelog.as_deref());
    if let (Some(topic), None) = (changelog, keyring.default_keyset()) {
        let text = format!("profiles need a keyset under [keys]: the keys of {topic} are sealed under it");
        return Err(Error::Keys(text));
    }
    for (pin, keyset) in pins(plan, keyring, table.marks_around()) {
        // what is not pinned yet will be, under a key that is here
        let Some(Pinning { id, .. }) = table.pinned.get(&pin) else { continue };
        if keyset.key(*id).is_none_or(|key| key.status() != Status::Enabled) {
            return Err(Error::Keys(format!(
                "key {id}, under which the record keys of {} are sealed, is not an enabled key of the keyset {}; bring it back, and \
                 before it goes move them by sivcar keys pin{}",
                pin.topic,
                place(pin.workspace.as_deref()),
                pin.workspace.map_or("", |_| "; where the workspace was erased, that alone does"),
            )));
        }
    }
    promoted(table, keyring).map(drop)
}

/// A file's primary that is not the one that seals is told of: its editor may have wished to promote it.
fn warn_of_other_primaries(table: &Table, keyring: &Keyring) {
    for (workspace, keyset) in keysets(keyring) {
        let held = primary_of(table, workspace.as_deref());
        if let Some(held) = held.filter(|held| *held != keyset.primary()) {
            tracing::warn!(
                "the keyset {}: its own primary is {}, but {held} seals; sivcar keys promote changes that",
                place(workspace.as_deref()),
                keyset.primary()
            );
        }
    }
}

/// `keyring` with the primaries that `table` says; itself where they are its own.
///
/// # Errors
/// [`Error::Keys`] where a keyset does not have its primary.
pub(super) fn promoted(table: &Table, keyring: &Arc<Keyring>) -> Result<Arc<Keyring>, Error> {
    if keysets(keyring).iter().all(|(whose, keyset)| primary_of(table, whose.as_deref()) == Some(keyset.primary())) {
        return Ok(keyring.clone());
    }
    let promoted = keyring.promoted(&table.primaries).map_err(|(workspace, error)| {
        let place = place(Some(workspace.as_str()).filter(|workspace| *workspace != EVERYWHERE));
        Error::Keys(format!(
            "the keyset {place}: {error}, but was promoted with sivcar keys promote; bring it here, or promote another"
        ))
    })?;
    Ok(Arc::new(promoted))
}

/// Every keyset that is here, and whose it is where that is one workspace's.
fn keysets(keyring: &Keyring) -> Vec<(Option<String>, &Arc<Keyset>)> {
    let default = keyring.default_keyset().map(|keyset| (None, keyset));
    let own = keyring.own().filter_map(|(workspace, entry)| match entry {
        Entry::Present(keyset) => Some((Some(workspace.to_owned()), keyset)),
        Entry::Missing => None,
    });
    default.into_iter().chain(own).collect()
}

/// The primary that `table` says for a workspace with a keyset of its own, or for all others.
fn primary_of(table: &Table, whose: Option<&str>) -> Option<u32> {
    table.primaries.get(whose.unwrap_or(EVERYWHERE)).copied()
}

/// Which keys are pinned, and the keyset that each is of: changelogs' of `[keys]`, and views' of every keyset; those of protected topics
/// too, where something `around` their documents is marked.
fn pins<'a>(plan: &Plan, keyring: &'a Keyring, around: bool) -> Vec<(Pin, &'a Arc<Keyset>)> {
    let mut pins = Vec::new();
    for route in plan.routes.iter() {
        let pin = |topic: &Arc<str>, workspace| Pin { topic: topic.to_string(), workspace };
        let changelog = route.changelog.iter().zip(keyring.default_keyset());
        pins.extend(changelog.map(|(topic, keyset)| (pin(topic, None), keyset)));
        for topic in route.views.values().chain([&route.protected].into_iter().filter(|_| around)) {
            pins.extend(keysets(keyring).into_iter().map(|(workspace, keyset)| (pin(topic, workspace), keyset)));
        }
    }
    pins
}

/// Where the configuration names a keyset.
fn place(workspace: Option<&str>) -> String {
    workspace.map_or("under [keys]".to_owned(), |workspace| format!("of workspace {workspace}"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{following, log, until};
    use super::*;
    use crate::privacy::control::ControlValue;
    use crate::privacy::keyset::KEY_BYTES;
    use crate::privacy::settings::{Settings, Unlisted, View};
    use crate::stream::control::amend;
    use crate::stream::fixture;
    use crate::stream::happening::Nobody;
    use crate::stream::supervisor;
    use crate::stream::topics::Route;

    /// The fixture's key, and one more.
    fn with_another() -> Arc<Keyring> {
        let mut keyset = Keyset::generate(&[7; KEY_BYTES], 1);
        keyset.add(&[8; KEY_BYTES], 2).unwrap();
        Arc::new(Keyring::new(Some(Arc::new(keyset)), [].into()))
    }

    fn primary(keyring: &Keyring) -> u32 {
        keyring.default_keyset().unwrap().primary()
    }

    #[test]
    fn a_promoted_key_is_waited_for_and_nothing_is_confirmed_meanwhile() {
        let done = following(|log, context| {
            until(|| context.current.confirmed().is_some());
            let before = context.current.snapshot().unwrap().version();
            let to_two =
                |table: &Table| (table.primaries[EVERYWHERE] != 2).then(|| ControlRecord::promote(EVERYWHERE, 2));
            let promoted = amend(log, "g", |table| Ok(to_two(table).into_iter().collect())).unwrap().table().version;
            assert!(promoted > before);
            let confirmed = context.current.confirmed().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(300));
            assert_eq!(
                context.current.snapshot().unwrap().version(),
                before,
                "without the key nobody may seal as it says"
            );
            assert!(context.current.confirmed().unwrap().end <= confirmed.end);

            context.keyring.store(with_another());
            until(|| context.current.snapshot().unwrap().version() > before);
            assert_eq!(primary(&context.current.snapshot().unwrap().keyring), 2);
            until(|| context.current.confirmed().unwrap().end > confirmed.end);
        });
        assert_eq!(done, Ok(()));
    }

    #[test]
    fn a_process_without_the_promoted_key_does_not_begin() {
        let log = log();
        let promoted = publish(&log, "g", &[ControlRecord::promote(EVERYWHERE, 2)]).unwrap();
        let error = check(&fixture::plan(), promoted.table(), &fixture::keyring()).unwrap_err();
        let text = "the keyset under [keys]: the primary key 2 is not in the keyset, but was promoted with sivcar keys promote; bring it here, or promote another";
        assert_eq!(error, Error::Keys(text.to_owned()));
        assert_eq!(check(&fixture::plan(), promoted.table(), &with_another()), Ok(()));
        assert_eq!(primary(&super::promoted(promoted.table(), &with_another()).unwrap()), 2);

        let before = log.records("g.control").len();
        let context = supervisor::prepare(log.clone(), fixture::plan(), fixture::keyring(), Arc::new(Nobody)).unwrap();
        assert_eq!(crate::stream::control::follow(&context), Err(Error::Keys(text.to_owned())));
        assert_eq!(log.records("g.control").len(), before, "it leaves no trace");
    }

    #[test]
    fn a_views_topic_has_a_pin_for_every_keyset() {
        let view = View {
            name: "debug".into(),
            clearance: 0,
            unlisted: Unlisted::Mask,
            show: Vec::new(),
            headers: [].into(),
            trace: false,
            topics: [("raw".to_owned(), "debug.raw".to_owned())].into(),
        };
        let settings = Settings { views: vec![view], ..fixture::settings() };
        let plan = Plan { routes: Route::all(&settings), settings: Arc::new(settings), ..fixture::plan() };
        let own = Entry::Present(Arc::new(Keyset::generate(&[8; KEY_BYTES], 2)));
        let own = [("acme".to_owned(), own), ("beta".to_owned(), Entry::Missing)].into();
        let keyring = Arc::new(Keyring::new(Some(fixture::keyset()), own));
        let wished = wished(&plan, &Table::default(), &keyring);
        let pinned: Vec<(&ControlKey, &Option<ControlValue>)> = wished
            .iter()
            .filter(|record| matches!(record.key, ControlKey::Pinned(_)))
            .map(|record| (&record.key, &record.value))
            .collect();
        let pin = |workspace: Option<&str>| Pin { topic: "debug.raw".into(), workspace: workspace.map(str::to_owned) };
        let expected = [ControlRecord::pin(pin(None), 1, &[]), ControlRecord::pin(pin(Some("acme")), 2, &[])];
        assert_eq!(pinned, expected.iter().map(|record| (&record.key, &record.value)).collect::<Vec<_>>());

        let table = publish(&log(), "g", &wished).unwrap();
        let without = Arc::new(Keyring::new(Some(Arc::new(Keyset::generate(&[9; KEY_BYTES], 9))), [].into()));
        let error = check(&plan, table.table(), &without).unwrap_err();
        assert!(
            matches!(&error, Error::Keys(text) if text.starts_with("key 1, under which the record keys of debug.raw"))
        );
    }
}
