//! The only unsafe code of the adapter: what rdkafka's safe interface lacks, or does at a cost.
//!
//! Three things are read straight from librdkafka. *Events* ([`Polled::poll`], [`listen`]): rdkafka drops the partition and offset
//! of an error event, the text of a consumer's, and panics on a header name that is not UTF-8. *Membership* ([`seat`]): rdkafka
//! hides the group's generation and the member id. *Committed texts* ([`committed_texts`]): rdkafka panics where one is not UTF-8.
//! Copying a record out of a message is [`inlet`]'s, staging records and taking their reports [`Outlet`]'s, and [`memory`] has
//! the C library keep what all of that frees.
//!
//! Always holds: every event is destroyed once, after all that is borrowed from it was copied; nothing borrowed from
//! librdkafka leaves this file; a queue dies before its client. Deliberately not here: what an event means.

#![expect(unsafe_code, reason = "calls librdkafka directly")]

use std::ffi::{CStr, c_char, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as native;
use rdkafka::bindings::rd_kafka_resp_err_t as Code;
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::context::Context;
use crate::record::spare::Spare;
use crate::record::{Partition, Record};
use crate::stream::log::Fetched;

mod inlet;
pub(super) mod memory;
pub(super) mod names;
mod outlet;

pub(super) use outlet::{Outlet, Report};

/// What a poll of a consumer's queue gave. Everything is owned.
pub(super) enum Event {
    /// The time is up.
    Nothing,
    /// A log line or statistics: already dealt with.
    Served,
    /// A record.
    Record(Fetched),
    /// Everything of this partition up to this offset was given.
    End(Partition, i64),
    /// The group wants these partitions read (`assign`) or given back.
    Rebalance { assign: bool, partitions: Vec<Partition> },
    /// An error, with the partition it concerns.
    Failed { code: RDKafkaErrorCode, fatal: bool, text: String, partition: Option<Partition> },
}

/// A consumer whose queue is polled here.
pub(super) struct Polled {
    queue: NonNull<native::rd_kafka_queue_t>,
    client: BaseConsumer<Context>,
    topics: Vec<Arc<str>>,
    spare: Spare,
}

/// What is kept of records that are gone: as much as a consumer fetches ahead.
const SPARE_BYTES: usize = 16 << 20;

// SAFETY: librdkafka's handles may be used from any thread (its INTRODUCTION.md, "Threads and callbacks"); the queue is only
// touched through `&mut self`.
unsafe impl Send for Polled {}

impl Polled {
    /// Takes the queue of `client`; `None` where it has no group.
    pub(super) fn new(client: BaseConsumer<Context>) -> Option<Self> {
        // SAFETY: the pointer is that of a live client, borrowed for this call.
        let queue = unsafe { native::rd_kafka_queue_get_consumer(client.client().native_ptr()) };
        NonNull::new(queue).map(|queue| Self { queue, client, topics: Vec::new(), spare: Spare::new(SPARE_BYTES) })
    }

    /// The client itself, for all that is asked through rdkafka.
    pub(super) fn client(&self) -> &BaseConsumer<Context> {
        &self.client
    }

    /// Takes back a record that it gave, for its buffers.
    pub(super) fn reuse(&mut self, record: Record) {
        self.spare.keep(record);
    }

    /// Waits at most `wait` (whole milliseconds) for one event.
    pub(super) fn poll(&mut self, wait: Duration) -> Event {
        let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is live until `drop`.
        let event = unsafe { native::rd_kafka_queue_poll(self.queue.as_ptr(), wait_ms) };
        let Some(event) = NonNull::new(event).map(Held) else { return Event::Nothing };
        // SAFETY: the event is live until `event` is dropped at the end of this function.
        match unsafe { native::rd_kafka_event_type(event.0.as_ptr()) } {
            native::RD_KAFKA_EVENT_FETCH => self.fetched(&event),
            native::RD_KAFKA_EVENT_ERROR => self.failed(&event),
            native::RD_KAFKA_EVENT_REBALANCE => self.rebalance(&event),
            native::RD_KAFKA_EVENT_LOG => {
                line(&**self.client.context(), &event);
                Event::Served
            }
            _ => Event::Served,
        }
    }

    fn fetched(&mut self, event: &Held) -> Event {
        // SAFETY: a live event; the message is borrowed from it and copied before the event is destroyed.
        let message = unsafe { native::rd_kafka_event_message_next(event.0.as_ptr()).as_ref() };
        let Some(message) = message else { return Event::Served };
        // SAFETY: a message's topic, and so its name, is live as long as the message; every topic has a name.
        let topic = unsafe { CStr::from_ptr(native::rd_kafka_topic_name(message.rkt)) };
        let partition = self.partition(&topic.to_string_lossy(), message.partition);
        if message.err != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
            let code = RDKafkaErrorCode::from(message.err);
            return Event::Failed { code, fatal: false, text: code.to_string(), partition: Some(partition) };
        }
        // SAFETY: as above; key, payload and headers belong to the message.
        match unsafe { inlet::record(message, &mut self.spare) } {
            Some(record) => Event::Record(Fetched { partition, offset: message.offset, record }),
            None => Event::Failed {
                code: RDKafkaErrorCode::BadMessage,
                fatal: true,
                text: format!("the headers of {partition}@{} cannot be read", message.offset),
                partition: Some(partition),
            },
        }
    }

    fn failed(&mut self, event: &Held) -> Event {
        let (code, text) = complaint(event);
        let event = event.0.as_ptr();
        // SAFETY: a live error event.
        let fatal = unsafe { native::rd_kafka_event_error_is_fatal(event) != 0 };
        // SAFETY: gives a partition of its own, destroyed below, or null where the error concerns none.
        let concerned = unsafe { native::rd_kafka_event_topic_partition(event) };
        let Some(concerned) = NonNull::new(concerned) else {
            return self.told(Event::Failed { code, fatal, text, partition: None });
        };
        // SAFETY: live until destroyed on the last line, which happens once; the name is copied before.
        let (topic, number, offset) = unsafe {
            let element = concerned.as_ref();
            (self::text(element.topic), element.partition, element.offset)
        };
        // SAFETY: see above.
        unsafe { native::rd_kafka_topic_partition_destroy(concerned.as_ptr()) };
        let partition = self.partition(&topic, number);
        match code {
            RDKafkaErrorCode::PartitionEOF => Event::End(partition, offset),
            _ => self.told(Event::Failed { code, fatal, text, partition: Some(partition) }),
        }
    }

    /// The failure, logged and remembered.
    fn told(&self, failed: Event) -> Event {
        if let Event::Failed { code, text, .. } = &failed {
            self.client.context().error(KafkaError::Global(*code), text);
        }
        failed
    }

    fn rebalance(&mut self, event: &Held) -> Event {
        // SAFETY: a live rebalance event; the list belongs to it and is copied before it is destroyed.
        let (assign, list) = unsafe {
            let code = native::rd_kafka_event_error(event.0.as_ptr());
            let list = native::rd_kafka_event_topic_partition_list(event.0.as_ptr());
            (code == Code::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS, elements(list))
        };
        let partitions = list
            .iter()
            // SAFETY: the names in the list live as long as the event.
            .map(|element| (unsafe { text(element.topic) }, element.partition))
            .map(|(topic, number)| self.partition(&topic, number))
            .collect();
        Event::Rebalance { assign, partitions }
    }

    /// The partition, with its topic's one shared name.
    fn partition(&mut self, topic: &str, number: i32) -> Partition {
        if let Some(known) = self.topics.iter().find(|known| &***known == topic) {
            return Partition { topic: known.clone(), number };
        }
        let topic: Arc<str> = topic.into();
        self.topics.push(topic.clone());
        Partition { topic, number }
    }
}

/// Takes all log lines and errors off the main queue of a client that reads no records and has staged none: whatever else stood
/// there is lost.
pub(super) fn listen<C: ClientContext>(client: &Client<C>) {
    // SAFETY: the pointer is that of a live client, borrowed for this call.
    let queue = unsafe { native::rd_kafka_queue_get_main(client.native_ptr()) };
    // SAFETY: the queue is live until the end of this function.
    while let Some(event) = NonNull::new(unsafe { native::rd_kafka_queue_poll(queue, 0) }).map(Held) {
        // SAFETY: the event is live until `event` is dropped.
        match unsafe { native::rd_kafka_event_type(event.0.as_ptr()) } {
            native::RD_KAFKA_EVENT_ERROR => {
                let (code, text) = complaint(&event);
                client.context().error(KafkaError::Global(code), &text);
            }
            native::RD_KAFKA_EVENT_LOG => line(&**client.context(), &event),
            _ => {}
        }
    }
    // SAFETY: given by `rd_kafka_queue_get_main`, destroyed once, before the client.
    unsafe { native::rd_kafka_queue_destroy(queue) }
}

/// What an error event says.
fn complaint(event: &Held) -> (RDKafkaErrorCode, String) {
    let event = event.0.as_ptr();
    // SAFETY: a live error event; its text is copied at once.
    unsafe { (native::rd_kafka_event_error(event).into(), text(native::rd_kafka_event_error_string(event))) }
}

/// Writes a log event's line.
fn line(context: &impl ClientContext, event: &Held) {
    let (mut facility, mut line, mut level) = (ptr::null(), ptr::null(), 0);
    // SAFETY: a live log event; both texts belong to it and are copied at once.
    let known = unsafe { native::rd_kafka_event_log(event.0.as_ptr(), &mut facility, &mut line, &mut level) == 0 };
    if known {
        // SAFETY: see above.
        let (facility, line) = unsafe { (text(facility), text(line)) };
        let level = match level {
            ..=3 => RDKafkaLogLevel::Error,
            4 => RDKafkaLogLevel::Warning,
            5 | 6 => RDKafkaLogLevel::Info,
            _ => RDKafkaLogLevel::Debug,
        };
        context.log(level, &facility, &line);
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        // SAFETY: given by `rd_kafka_queue_get_consumer`, destroyed once, before the client (a field, dropped after this).
        unsafe { native::rd_kafka_queue_destroy(self.queue.as_ptr()) }
    }
}

/// An event that is destroyed when dropped.
struct Held(NonNull<native::rd_kafka_event_t>);

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: given by `rd_kafka_queue_poll`, owned by this value alone.
        unsafe { native::rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}

/// A member's place in its group.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seat {
    /// The group's generation; below zero before the first join.
    pub(super) generation: i32,
    /// The member id; empty before the first join.
    pub(super) member: String,
}

/// The place `client` has in its group, or `None` where it has no group.
pub(super) fn seat<C: ClientContext>(client: &Client<C>) -> Option<Seat> {
    // SAFETY: the pointer is that of a live client; the result is null or owned by us.
    let metadata = NonNull::new(unsafe { native::rd_kafka_consumer_group_metadata(client.native_ptr()) })?;
    // SAFETY: live until destroyed below; the member id is copied before.
    let seat = unsafe {
        Seat {
            generation: native::rd_kafka_consumer_group_metadata_generation_id(metadata.as_ptr()),
            member: text(native::rd_kafka_consumer_group_metadata_member_id(metadata.as_ptr())),
        }
    };
    // SAFETY: owned by us, destroyed once.
    unsafe { native::rd_kafka_consumer_group_metadata_destroy(metadata.as_ptr()) };
    Some(seat)
}

/// The text committed with each element of `list`, in its order; what is not UTF-8 is replaced, as nobody can compare it.
pub(super) fn committed_texts(list: &TopicPartitionList) -> Vec<String> {
    // SAFETY: the list is borrowed, so it is live and nobody changes it; librdkafka gives the length of each text.
    unsafe {
        elements(list.ptr())
            .iter()
            .map(|element| {
                String::from_utf8_lossy(bytes(element.metadata, element.metadata_size).unwrap_or(&[])).into()
            })
            .collect()
    }
}

/// The elements of a list; none where it is null.
///
/// # Safety
/// `list` is null or a live list that nobody changes while the elements are used.
unsafe fn elements<'a>(
    list: *const native::rd_kafka_topic_partition_list_t,
) -> &'a [native::rd_kafka_topic_partition_t] {
    // SAFETY: the caller's promise.
    let Some(list) = (unsafe { list.as_ref() }) else { return &[] };
    match (list.elems.is_null(), usize::try_from(list.cnt)) {
        // SAFETY: librdkafka keeps `cnt` elements there.
        (false, Ok(count)) => unsafe { std::slice::from_raw_parts(list.elems, count) },
        _ => &[],
    }
}

/// `size` bytes at `start`, or `None` where that is null.
///
/// # Safety
/// `start` is null or `size` bytes live there for as long as the result is used.
unsafe fn bytes<'a>(start: *const c_void, size: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast(), size) })
}

/// The text at `start`, copied; what is not UTF-8 is replaced, null is empty.
///
/// # Safety
/// `start` is null or a live text that ends with NUL.
unsafe fn text(start: *const c_char) -> String {
    if start.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(start) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_committed_text_that_is_no_text_is_read() {
        let mut list = TopicPartitionList::new();
        list.add_partition("t", 0);
        list.add_partition("t", 1).set_metadata("ż");
        // SAFETY: the list is ours; the byte is overwritten within the text's length.
        unsafe { *(*(*list.ptr()).elems.add(1)).metadata.cast::<u8>() = 0xff };
        assert_eq!(committed_texts(&list), ["", "\u{fffd}\u{fffd}"]);
    }
}
