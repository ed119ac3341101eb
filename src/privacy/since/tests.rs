//! Which versions are open, one change of the control topic after the other.

use std::collections::BTreeMap;

use super::*;
use crate::privacy::control::{Domain, StageRecord};
use crate::privacy::mark::{Mark, MarkKey};
use crate::privacy::policy::Policy;
use crate::privacy::settings::tests::settings;

fn mark(workspace: &str, on: On, name: &str, event: Option<&str>, since: u64) -> (MarkKey, Mark) {
    let (workspace, name) = (workspace.to_owned(), name.to_owned());
    let at = Some(format!("mark {since}"));
    (
        MarkKey { workspace, on, name, event: event.map(str::to_owned) },
        Mark { since: Some(since), at, ..Mark::default() },
    )
}

fn table(marks: impl IntoIterator<Item = (MarkKey, Mark)>) -> Table {
    Table { marks: marks.into_iter().collect(), version: 20, ..Table::default() }
}

fn staged(table: Table, workspace: &str, stage: Stage, since: u64) -> Table {
    let record = StageRecord { stage, since: Some(since), at: Some(format!("stage {since}")) };
    Table { stages: BTreeMap::from([(workspace.to_owned(), record)]), ..table }
}

fn changed(mut table: Table, workspace: &str, domain: &str, since: u64) -> Table {
    let settings = Domain { loose: true, since: Some(since), ..Domain::default() };
    table.domains.insert((workspace.to_owned(), domain.to_owned()), settings);
    table
}

fn moments(table: &Table, workspace: &str) -> Vec<(u64, String, Option<String>)> {
    let policy = Policy::compile(&settings(), table).expect("a policy");
    let moments = policy.effective(workspace).to_vec();
    moments.into_iter().map(|moment| (moment.since, moment.name, moment.at)).collect()
}

fn sinces(table: &Table, workspace: &str, settled: u64) -> Vec<u64> {
    Policy::compile(&settings(), table).expect("a policy").sinces(workspace, settled).collect()
}

fn email() -> (MarkKey, Mark) {
    mark("acme", On::Attribute, "email", None, 5)
}

#[test]
fn a_mark_is_effective_since_it_was_made() {
    let at = Some("mark 5".to_owned());
    assert_eq!(moments(&table([email()]), "acme"), [(5, "email".to_owned(), at)]);
    assert_eq!(moments(&table([email()]), "other"), []);
    let everywhere = table([mark("*", On::Attribute, "email", None, 5)]);
    assert_eq!(sinces(&everywhere, "acme", 0), [5]);
    assert_eq!(sinces(&everywhere, "nobody-spoke-of-it", 0), [5]);
}

#[test]
fn only_attributes_of_every_event_concern_profiles() {
    let others = [
        mark("acme", On::Parameter, "email", None, 5),
        mark("acme", On::Field, "email", None, 6),
        mark("acme", On::Attribute, "email", Some("login"), 7),
    ];
    assert_eq!(sinces(&table(others), "acme", 0), [0; 0]);
}

#[test]
fn a_stage_that_was_entered_later_counts_and_others_enforce_nothing() {
    let both = || table([email(), mark("acme", On::Attribute, "name", None, 12)]);
    let stage = |stage, since| sinces(&staged(both(), "acme", stage, since), "acme", 0);
    assert_eq!(stage(Stage::Enforced, 3), [5, 12]);
    assert_eq!(stage(Stage::Enforced, 9), [9, 12]);
    assert_eq!(stage(Stage::Enforced, 14), [14]);
    assert_eq!(stage(Stage::Configured, 14), [0; 0]);
    assert_eq!(stage(Stage::Off, 14), [0; 0]);
    let entered = moments(&staged(both(), "acme", Stage::Enforced, 9), "acme");
    assert_eq!(entered[0].2.as_deref(), Some("stage 9"));
    assert_eq!(entered[1].2.as_deref(), Some("mark 12"));
    assert_eq!(sinces(&staged(both(), "other", Stage::Enforced, 14), "acme", 0), [5, 12]);
}

#[test]
fn changed_settings_of_a_domain_make_its_marks_effective_again() {
    assert_eq!(moments(&changed(table([email()]), "acme", "email", 8), "acme")[1], (8, "email".to_owned(), None));
    assert_eq!(sinces(&changed(table([email()]), "acme", "email", 3), "acme", 0), [5], "seeded before the mark");
    assert_eq!(sinces(&changed(table([email()]), "*", "email", 8), "acme", 0), [5, 8]);
    assert_eq!(sinces(&changed(table([email()]), "acme", "name", 8), "acme", 0), [5]);
    let own = changed(changed(table([email()]), "*", "email", 8), "acme", "email", 6);
    assert_eq!(sinces(&own, "acme", 0), [5, 6], "the own workspace's settings are the ones that hold");
    let stage = staged(changed(table([email()]), "acme", "email", 8), "acme", Stage::Enforced, 9);
    assert_eq!(sinces(&stage, "acme", 0), [9]);
}

#[test]
fn versions_are_distinct_ascending_and_open() {
    let marks = [email(), mark("*", On::Attribute, "name", None, 5), mark("acme", On::Attribute, "a", None, 9)];
    let table = table(marks.into_iter().chain([mark("acme", On::Attribute, "later", None, 21)]));
    assert_eq!(sinces(&table, "acme", 0), [5, 9]);
    assert_eq!(sinces(&table, "acme", 4), [5, 9]);
    assert_eq!(sinces(&table, "acme", 5), [9]);
    assert_eq!(sinces(&table, "acme", 9), [0; 0]);
}

#[test]
fn an_edit_carries_its_mark_s_version() {
    let mut table = table([]);
    let key = email().0;
    let wire = |mark: &Mark| serde_json::to_vec(mark).expect("JSON");
    let text = br#"{"kind":"mark","name":"email","on":"attribute","workspace":"acme"}"#;
    table.version = 0;
    table.apply(4, text, Some(&wire(&Mark::default()))).expect("taken");
    let edit = table.revise(&key, &Mark { level: 3, ..Mark::default() }).expect("an edit");
    table.apply(7, text, Some(&wire(&edit))).expect("taken");
    assert_eq!(sinces(&table, "acme", 0), [5]);
    table.apply(8, text, None).expect("taken");
    assert_eq!(sinces(&table, "acme", 0), [0; 0]);
    table.apply(9, text, Some(&wire(&Mark::default()))).expect("taken");
    assert_eq!(sinces(&table, "acme", 5), [10]);
}
