//! Scenarios 10 and 11 with members that come and go under names of their own: a group grows from one process to three, each is
//! restarted in turn, and it shrinks to one again, all under load. In both of Kafka's group protocols.
//!
//! A task that stays with its process is neither closed nor restored: [`kept_tasks`] reads that from what each process told.

use std::sync::Arc;

use sivcar::config::Config;
use sivcar::record::Partition;

use crate::load::{Load, PROFILES};
use crate::patience::eventually;
use crate::process::{Process, Stage, Told};

/// Partitions of the source of profiles; that of events has one.
const PARTITIONS: u64 = 6;

fn users(group: &str) -> String {
    format!(
        r#"
        [[source]]
        topic = "{group}.users"
        kind = "profile"
        workspace = "acme"
        protected = "{group}.protected.users"
        dead-letters = "{group}.dead"
        events = "{group}.raw"
        "#
    )
}

/// The stage's group, and what its members told, also those that are gone.
struct Group<'a> {
    stage: &'a Stage,
    config: &'a dyn Fn() -> Config,
    told: Vec<Arc<Told>>,
}

impl Group<'_> {
    /// Starts a member of this name and waits until it has its tasks.
    fn join(&mut self, name: &str) -> Process {
        let mut config = (self.config)();
        config.instance = name.into();
        assert!(!config.instance_is_named, "it would be static");
        let process = Process::ready(&config);
        self.told.push(process.told.clone());
        process
    }

    fn all(&self) -> Vec<Partition> {
        let users = (0..PARTITIONS as i32).map(|number| Partition::new(self.stage.topic("users"), number));
        users.chain([Partition::new(self.stage.topic("raw"), 0)]).collect()
    }

    /// The tasks that are open in a process.
    fn open(&self, told: &Told) -> usize {
        let is_open = |task: &&Partition| count(told, "Opened", task) > count(told, "Closed", task);
        self.all().iter().filter(is_open).count()
    }

    /// Waits until these members share all tasks evenly.
    #[track_caller]
    fn balances(&self, members: &[&Process]) {
        eventually("the tasks are shared out", || {
            let open: Vec<usize> = members.iter().map(|member| self.open(&member.told)).collect();
            let (all, least) = (self.all().len(), self.all().len() / members.len());
            (open.iter().sum::<usize>() == all && open.iter().all(|open| *open >= least)).then_some(())
        });
    }

    /// The tasks of profiles that a process never let go; each was restored once. Any other was restored as often as it came, at most.
    fn kept_tasks(&self, told: &Told) -> usize {
        let users = self.all().into_iter().filter(|task| task.topic.ends_with("users"));
        let kept = users.filter(|task| {
            let [opened, closed, restored] = ["Opened", "Closed", "Restored"].map(|what| count(told, what, task));
            assert!(restored <= opened, "{task} was restored {restored} times, and came {opened} times");
            assert!(opened != 1 || restored == 1, "{task} was not restored");
            (opened, closed) == (1, 0)
        });
        kept.count()
    }
}

/// How often a process told this of a task.
fn count(told: &Told, what: &str, task: &Partition) -> usize {
    told.count(&format!("{what} {{ partition: {task:?},"))
}

fn grows_restarts_and_shrinks(group: &str, kafka: &str) {
    let stage = Stage::new(group, 1);
    stage.create("users", PARTITIONS as i32, &[]);
    let config = || stage.config(kafka, &users(group));
    let mut group = Group { stage: &stage, config: &config, told: vec![] };
    let load = Load::start(&stage.bootstrap, ["users", "raw"].map(|name| stage.topic(name)), PARTITIONS);

    let first = group.join("a");
    group.balances(&[&first]);
    let second = group.join("b");
    group.balances(&[&first, &second]);
    let third = group.join("c");
    group.balances(&[&first, &second, &third]);
    assert!(group.kept_tasks(&first.told) > 0, "all tasks of the first one moved");
    for told in &group.told {
        assert_eq!(told.count("lost: true"), 0, "nobody was thrown out");
    }

    // one after the other is restarted, under its own name
    let mut others = [second, third].map(Some);
    for (place, name) in ["b", "c"].into_iter().enumerate() {
        assert_eq!(others[place].take().expect("it runs").stop(), Ok(()));
        others[place] = Some(group.join(name));
        let members: Vec<&Process> = others.iter().flatten().chain([&first]).collect();
        group.balances(&members);
    }

    for other in others.into_iter().flatten() {
        assert_eq!(other.stop(), Ok(()));
    }
    group.balances(&[&first]);
    let written = load.stop() as usize;
    stage.await_count("protected", written);
    stage.await_count("protected.users", written);
    assert_eq!(first.stop(), Ok(()));
    for told in &group.told {
        group.kept_tasks(told);
        assert_eq!(told.count("lost: true"), 0, "nobody was thrown out");
    }
    let told: Vec<&Told> = group.told.iter().map(|told| &**told).collect();
    let report = stage.check(&config(), &told);
    assert_eq!((report.inputs, report.protected), (2 * written as u64, 2 * written as u64));
    assert_eq!(report.profiles, PROFILES.min(written as u64));
}

#[test]
fn members_come_and_go() {
    grows_restarts_and_shrinks("scaling", "");
}

#[test]
fn members_come_and_go_in_the_new_protocol() {
    grows_restarts_and_shrinks("scaling-new", "consumer = { \"group.protocol\" = \"consumer\" }");
}
