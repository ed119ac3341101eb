//! What a start would find of topics: a line for each, whatever is wrong with the others.
//!
//! Always holds: nothing is created, and it is the start's own look.

use std::fmt::Write as _;

use crate::cli::exit::Failure;
use crate::config::Config;
use crate::privacy::settings::{Detection, Source};
use crate::stream::changelog::changelog_topic;
use crate::stream::log::Log;
use crate::stream::topics::{Finding, alerts_topic, control_topic};

/// Tells of each finding, and of the topic that takes alerts where there may be some: a start does not need it.
pub fn tell<L: Log>(log: &L, config: &Config, findings: &[Finding]) -> Result<String, Failure> {
    let (group, mut text) = (&config.settings.group, String::new());
    let changelog = |source: &Source| source.state.map(|_| changelog_topic(group, &source.topic));
    let changelogs = config.settings.sources.iter().filter_map(changelog);
    let lasting: Vec<String> = changelogs.chain([control_topic(group)]).collect();
    for finding in findings {
        // a String takes all that is written
        let _ = match finding {
            Finding::There { topic, partitions, replicas } => {
                let alone = *replicas == Some(1) && lasting.iter().any(|lasting| **lasting == **topic);
                let warning = if alone { "; WARNING: in one copy, and nothing makes its loss good" } else { "" };
                writeln!(text, "{topic}: there, with {}{warning}", count(*partitions))
            }
            Finding::Absent(absent) => {
                writeln!(text, "{}: not there; a start will create it with {}", absent.topic, count(absent.partitions))
            }
            Finding::Wrong(error) => writeln!(text, "WRONG: {error}"),
        };
    }
    let looks = |source: &Source| source.detection != Detection::Off;
    if config.settings.sources.iter().any(looks) {
        let topic = alerts_topic(group);
        let what = match log.partitions(&topic)? {
            Some(partitions) => format!("there, with {}", count(partitions)),
            None if config.topics.create => "not there; the first alert will create it with 1 partition".to_owned(),
            None => "not there; create it with 1 partition, compacted, or no alert is told".to_owned(),
        };
        let _ = writeln!(text, "{topic}: {what}");
    }
    Ok(text)
}

fn count(partitions: i32) -> String {
    if partitions == 1 { "1 partition".to_owned() } else { format!("{partitions} partitions") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Surroundings;
    use crate::memory::MemoryLog;
    use crate::stream::topics::{Route, survey};

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

    fn told(log: &MemoryLog, create: bool) -> String {
        let around = Surroundings { name: "f", folder: "/".as_ref(), environment: &|_| None, host: "h" };
        let mut config = Config::parse(CONFIG, &around).expect("is right");
        config.topics.create = create;
        let findings = survey(log, "g", &Route::all(&config.settings), create).expect("the log answers");
        tell(log, &config, &findings).expect("the log answers")
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
                    protected.more: not there; a start will create it with 1 partition\n\
                    g.alerts: not there; the first alert will create it with 1 partition\n";
        let log = log(&[("raw", 2), ("protected", 2), ("dead", 3), ("more", 1)]);
        assert_eq!(told(&log, true), text);
        assert_eq!(log.topics().len(), 4, "nothing is created");
    }

    #[test]
    fn a_control_topic_without_copies_is_warned_of() {
        let told = told(&log(&[("g.control", 1)]), true);
        let warned = "g.control: there, with 1 partition; WARNING: in one copy, and nothing makes its loss good\n";
        assert!(told.starts_with(warned), "{told}");
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let text = "WRONG: control topic g.control has 2 partitions; it must have 1, for its offsets order all changes\n\
                    WRONG: topic g.status does not exist; create it with 1 partition or set create = true under [topics]\n\
                    raw: there, with 2 partitions\n\
                    WRONG: source raw has 2 partitions, its output protected has 1; they must be equal, for a record keeps its partition\n\
                    WRONG: topic debug does not exist; create it with 2 partitions or set create = true under [topics]\n\
                    dead: there, with 1 partition\n\
                    WRONG: source more does not exist; create it, for sivcar never creates raw topics\n\
                    g.alerts: not there; create it with 1 partition, compacted, or no alert is told\n";
        let log = log(&[("g.control", 2), ("raw", 2), ("protected", 1), ("dead", 1)]);
        assert_eq!(told(&log, false), text);
    }
}
