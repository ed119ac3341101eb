//! In steady state the core allocates nothing for an event: buffers go from record to record, and come back from outputs.

#![expect(unsafe_code, reason = "an allocator is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use sivcar::config::{Config, Surroundings};
use sivcar::privacy::control::Table;
use sivcar::privacy::keyset::{Keyring, Keyset};
use sivcar::privacy::mark::{Mark, MarkKey, On};
use sivcar::privacy::policy::Policy;
use sivcar::privacy::protect::{Outputs, Protector};
use sivcar::record::{Header, Record};

#[path = "../../benches/parts/orders.rs"]
mod orders;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, with a count of what each thread asks of it.
struct Counting;

fn count() {
    // a thread that ends has no count any more
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: does what the system's allocator does, with its arguments as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(start, layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.realloc(start, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn protector() -> Protector {
    let surroundings = Surroundings { name: "here", folder: Path::new(""), environment: &|_| None, host: "here" };
    let text = format!(
        "group = \"g\"\n[kafka]\n\"bootstrap.servers\" = \"none:1\"\n[keys]\nfile = \"none\"\n[http]\nlisten = \"127.0.0.1:0\"\n{}",
        orders::SOURCES
    );
    let config = Config::parse(&text, &surroundings).expect("the configuration is sound");
    let mark = |name: &str| {
        let key = MarkKey { workspace: "acme".to_owned(), on: On::Attribute, name: name.to_owned(), event: None };
        (key, Mark::default())
    };
    let table = Table { marks: orders::MARKED.map(mark).into(), version: 1, ..Table::default() };
    let policy = Policy::compile(&config.settings, &table).expect("the policy compiles");
    let keyring = Keyring::new(Some(Arc::new(Keyset::generate(&[7; 64], 1))), BTreeMap::new());
    Protector::new(Arc::new(policy), Arc::new(keyring))
}

fn record(number: u64) -> Record {
    let header = Header { name: "trace".to_owned(), value: Some(number.to_be_bytes().to_vec()) };
    let key = Some(number.to_string().into_bytes());
    Record { key, value: Some(orders::order(number)), headers: vec![header], timestamp: Some(1) }
}

#[test]
fn an_event_allocates_nothing_once_the_buffers_are_there() {
    let (mut protector, mut outputs) = (protector(), Outputs::default());
    // of one length: a longer one than ever may take a larger buffer
    let mut events = (1_000..1_200).map(record).collect::<Vec<_>>();
    let mut sent = Vec::with_capacity(2);
    let mut protect = |events: &[Record]| {
        let before = ALLOCATIONS.get();
        for event in events {
            protector.protect(0, event, &mut outputs).expect("a good record");
            // as the pipeline has it: records go out and their buffers come back
            sent.push(std::mem::take(&mut outputs.protected));
            sent.extend(outputs.views.drain(..).map(|(_, record)| record));
            assert_eq!(sent.len(), 2);
            sent.drain(..).for_each(|record| protector.reuse(record));
        }
        ALLOCATIONS.get() - before
    };
    let rest = events.split_off(50);
    assert!(protect(&events) > 0, "the first take theirs, and are counted");
    assert_eq!(protect(&rest), 0, "allocations for {} events", rest.len());
}
