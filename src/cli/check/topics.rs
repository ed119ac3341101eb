//! What a start would find of topics: a line for each, whatever is wrong with the others.
//!
//! Always holds: nothing is created; where each topic alone is right, a start's own check has the last word.

use std::collections::BTreeSet;
use std::fmt::Display;

use crate::cli::exit::Failure;
use crate::stream::error::Error;
use crate::stream::log::Log;
use crate::stream::status::status_topic;
use crate::stream::topics::{self, Facts, Route};

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// A line for each topic.
    pub text: String,
    /// How many are not as they must be.
    pub wrong: usize,
    /// Whether there are some that a start creates.
    absent: bool,
}

/// Asks for the control topic of `group` and for every topic of `routes`; a start will `create` what is absent, or may not.
pub fn find<L: Log>(log: &L, group: &str, routes: &[Route], create: bool) -> Result<Found, Failure> {
    let mut found = Found::default();
    let control = topics::control_topic(group);
    if log.topic(&control)?.is_none() {
        found.absent(&control, 1, create);
    } else if found.holds(topics::ensure_control(log, group, false))?.is_some() {
        found.tell(&format!("{control}: there, with 1 partition, compact"));
    }
    let status = status_topic(group);
    match log.topic(&status)? {
        None => found.absent(&status, 1, create),
        Some(facts) => found.tell(&format!("{status}: there, with {}", partitions(facts.partitions))),
    }
    let mut seen = BTreeSet::new();
    for route in routes {
        let Some(count) = log.partitions(&route.source)? else {
            found.wrong(format!(
                "source {} does not exist; create it, for sivcar never creates raw topics",
                route.source
            ));
            continue;
        };
        found.tell(&format!("{}: there, with {}", route.source, partitions(count)));
        for topic in route.outputs().chain([&route.dead_letters]).filter(|topic| seen.insert((*topic).clone())) {
            match log.topic(topic)? {
                None => found.absent(topic, count, create),
                Some(facts) if facts.partitions != count && *topic != route.dead_letters => found.wrong(format!(
                    "{topic} has {}, its source {} has {count}; they must be equal, for a record keeps its partition",
                    partitions(facts.partitions),
                    route.source
                )),
                Some(facts) => found.tell(&format!("{topic}: there, with {}", partitions(facts.partitions))),
            }
        }
    }
    if found.wrong == 0 && !found.absent {
        found.holds(Facts::at_start(log, routes, false))?;
    }
    Ok(found)
}

impl Found {
    fn tell(&mut self, line: &str) {
        self.text += line;
        self.text.push('\n');
    }

    fn wrong(&mut self, what: impl Display) {
        self.wrong += 1;
        self.tell(&format!("WRONG: {what}"));
    }

    fn absent(&mut self, topic: &str, count: i32, create: bool) {
        let count = partitions(count);
        if create {
            self.absent = true;
            self.tell(&format!("{topic}: not there; a start will create it with {count}"));
        } else {
            self.wrong(format!("{topic} does not exist; create it with {count} or set create = true under [topics]"));
        }
    }

    /// Takes in what is wrong with topics; whatever else fails ends the command.
    fn holds<T>(&mut self, result: Result<T, Error>) -> Result<Option<T>, Failure> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Error::Topics(what)) => {
                self.wrong(what);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn partitions(count: i32) -> String {
    if count == 1 { "1 partition".to_owned() } else { format!("{count} partitions") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Surroundings};
    use crate::memory::MemoryLog;

    const CONFIG: &str = r#"
group = "g"
[keys]
file = "k"
[[source]]
topic = "raw"
kind = "event"
protected = "protected"
dead-letters = "dead"
[[source]]
topic = "more"
kind = "event"
protected = "protected.more"
dead-letters = "dead"
[[view]]
name = "v"
topics = { raw = "debug" }
"#;

    fn found(log: &MemoryLog, create: bool) -> (String, usize) {
        let around = Surroundings { name: "f", folder: "/".as_ref(), environment: &|_| None, host: "h" };
        let config = Config::parse(CONFIG, &around).expect("is right");
        let found = find(log, "g", &Route::all(&config.settings), create).expect("the log answers");
        (found.text, found.wrong)
    }

    fn log(topics: &[(&str, i32)]) -> MemoryLog {
        let log = MemoryLog::new("g");
        for (topic, partitions) in topics {
            log.create_topic(topic, *partitions, &[("cleanup.policy", "compact")]).expect("can be made");
        }
        log
    }

    #[test]
    fn a_line_tells_of_each_topic() {
        let text = "g.control: not there; a start will create it with 1 partition\n\
                    g.status: not there; a start will create it with 1 partition\n\
                    raw: there, with 2 partitions\n\
                    protected: there, with 2 partitions\n\
                    debug: not there; a start will create it with 2 partitions\n\
                    dead: there, with 3 partitions\n\
                    more: there, with 1 partition\n\
                    protected.more: not there; a start will create it with 1 partition\n";
        let log = log(&[("raw", 2), ("protected", 2), ("dead", 3), ("more", 1)]);
        assert_eq!(found(&log, true), (text.to_owned(), 0));
        assert_eq!(log.topics().len(), 4, "nothing is created");
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let text = "WRONG: control topic g.control has 2 partitions; it must have 1, for its offsets order all changes\n\
                    WRONG: g.status does not exist; create it with 1 partition or set create = true under [topics]\n\
                    raw: there, with 2 partitions\n\
                    WRONG: protected has 1 partition, its source raw has 2; they must be equal, for a record keeps its partition\n\
                    WRONG: debug does not exist; create it with 2 partitions or set create = true under [topics]\n\
                    dead: there, with 1 partition\n\
                    WRONG: source more does not exist; create it, for sivcar never creates raw topics\n";
        let log = log(&[("g.control", 2), ("raw", 2), ("protected", 1), ("dead", 1)]);
        assert_eq!(found(&log, false), (text.to_owned(), 5));
    }
}
