//! Which topics are followed, and for how long.

use std::io;

use super::*;
use crate::memory::MemoryLog;
use crate::privacy::settings::tests::settings;
use crate::record::{Partition, Record};

/// Gives up like a pager that was closed.
struct Closed;

impl io::Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn args(text: &str) -> Args {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }
    let line = ["tail", "--config", "f"].into_iter().chain(text.split_whitespace());
    <Line as clap::Parser>::try_parse_from(line).expect("a command line").args
}

#[test]
fn it_ends_after_so_many_that_were_shown_or_when_nobody_looks() {
    let log = MemoryLog::new("g");
    log.create_topic("view", 1, &[]).expect("made");
    for n in 0..5 {
        let value = format!("{{\"workspace\":\"w{}\",\"n\":{n}}}", n % 2).into_bytes();
        let record = Record { value: Some(value), ..Record::default() };
        log.append(&Partition::new("view", 0), record).expect("there");
    }
    let settings = settings();
    let source = &settings.sources[0];
    let followed = || {
        let reader = log.reader("view", None).expect("there");
        vec![Followed { source, layout: CompiledLayout::new(source), reader }]
    };
    let only = Only { workspace: Some("w0".to_owned()), ..Only::default() };
    let mut screen = Screen::new(64, only, true);
    let mut output = Vec::new();
    assert_eq!(watch(&mut followed(), &mut screen, Some(2), &mut output), Ok(Outcome::Done));
    let text = String::from_utf8(output).expect("text");
    let offsets: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["offset"].clone())
        .collect();
    assert_eq!(offsets, [0, 2]);
    let gone = watch(&mut followed(), &mut screen, None, &mut Closed);
    assert_eq!(gone, Err(Failure::writing(&io::ErrorKind::BrokenPipe.into())));
}

#[test]
fn the_topics_are_those_of_the_view() {
    let settings = settings();
    let found = |text: &str| {
        topics(&settings, &args(text)).map(|(_, found)| found.iter().map(|(_, topic)| topic.to_string()).collect())
    };
    assert_eq!(found("--view debug"), Ok(vec!["view".to_owned()]));
    assert_eq!(found("--view debug --source raw"), Ok(vec!["view".to_owned()]));
    let none: Result<Vec<String>, Failure> = found("--view debgu");
    assert_eq!(none, Err(Failure::usage("--view debgu: no such view in the configuration; it has debug")));
    assert!(found("--view debug --source other").is_err());
}
