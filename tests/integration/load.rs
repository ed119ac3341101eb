//! Records that keep coming while something else happens: patches of a few profiles, and events.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sivcar::record::Record;

use crate::process::event;
use crate::site;

/// How many profiles there are; their records come again and again.
pub const PROFILES: u64 = 100;

/// How many records are written at once, and the pause between two times.
const SLICE: u64 = 10;
const PAUSE: Duration = Duration::from_millis(50);

fn user(number: u64, partitions: u64) -> (i32, Record) {
    let profile = number % PROFILES;
    let value = format!(r#"{{"id":{profile},"attributes":{{"email":"{number}@canary.example"}}}}"#);
    let record = Record { key: Some(profile.to_string().into()), value: Some(value.into()), ..Record::default() };
    ((profile % partitions) as i32, record)
}

/// Writes records until it is stopped.
pub struct Load {
    over: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Load {
    /// To a topic of profiles, which has `partitions`, and to one of events, which has one.
    pub fn start(bootstrap: &str, topics: [String; 2], partitions: u64) -> Load {
        let (over, written) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let bootstrap = bootstrap.to_owned();
        let (stop, count) = (over.clone(), written.clone());
        let thread = std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let from = count.fetch_add(SLICE, Ordering::Relaxed);
                site::feed(&bootstrap, &topics[0], (from..from + SLICE).map(|number| user(number, partitions)));
                site::feed(&bootstrap, &topics[1], (from..from + SLICE).map(|number| (0, event(&number.to_string()))));
                std::thread::sleep(PAUSE);
            }
        });
        Load { over, written, thread: Some(thread) }
    }

    /// Gives how many records of each source were written.
    pub fn stop(mut self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().expect("it is stopped once").join().expect("the broker takes them");
        self.written.load(Ordering::Relaxed)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}
