//! What is given to a producer, and what it says of that: staging records and taking delivery reports.
//!
//! rdkafka's own way allocates the topic's and each header's name anew for every record, looks the topic up under a lock, and spins through
//! the last millisecond of every wait for reports: a core's time that the broker could use. Here a topic has a handle, names are passed
//! with their lengths, and a wait sleeps. Always holds: librdkafka copies key and value before a call returns, and owns the headers only
//! where it took the record; the handles die before their client. Deliberately not here: what a report means.

use std::ffi::CString;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as native;
use rdkafka::bindings::rd_kafka_resp_err_t as Code;
use rdkafka::bindings::rd_kafka_vtype_t::*;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::{Held, complaint, line, text};
use crate::record::Header;
use crate::stream::log::Outgoing;

/// A producer's queue of reports and its topics' handles. Made of a client that outlives it, and given the same one in each call.
pub(in crate::kafka) struct Outlet {
    queue: NonNull<native::rd_kafka_queue_t>,
    topics: Vec<(Arc<str>, NonNull<native::rd_kafka_topic_t>)>,
}

// SAFETY: librdkafka's handles may be used from any thread (its INTRODUCTION.md, "Threads and callbacks"); they are only touched through
// `&mut self`.
unsafe impl Send for Outlet {}

/// The partition of a record that librdkafka chooses one for.
const ANY: i32 = -1;

/// What became of a record: its error, where it has one, with the topic's name.
pub(in crate::kafka) type Report = Option<(String, RDKafkaErrorCode)>;

impl Outlet {
    /// That of `client`, a producer; `None` where it has no queue.
    pub(in crate::kafka) fn new<C: ClientContext>(client: &Client<C>) -> Option<Self> {
        // SAFETY: the pointer is that of a live client, borrowed for this call.
        let queue = unsafe { native::rd_kafka_queue_get_main(client.native_ptr()) };
        NonNull::new(queue).map(|queue| Self { queue, topics: Vec::new() })
    }

    /// Stages a copy of the record. One without time gets the time of its writing, and so would one of the very first millisecond of 1970,
    /// for which librdkafka has no word: it moves on by one.
    ///
    /// # Errors
    /// librdkafka's refusal; nothing is staged then.
    pub(in crate::kafka) fn stage<C: ClientContext>(
        &mut self,
        client: &Client<C>,
        outgoing: &Outgoing,
    ) -> Result<(), RDKafkaErrorCode> {
        let topic = self.topic(client, &outgoing.topic)?;
        let record = &outgoing.record;
        let (key, key_bytes) = start(record.key.as_deref());
        let (value, value_bytes) = start(record.value.as_deref());
        let timestamp = record.timestamp.map_or(0, |stamp| if stamp == 0 { 1 } else { stamp });
        let headers = headers(&record.headers);
        // SAFETY: client and topic are live; each tag is followed by what librdkafka's table of tags says, of that type; key and value are
        // copied before the call returns.
        let code = unsafe {
            native::rd_kafka_producev(
                client.native_ptr(),
                RD_KAFKA_VTYPE_RKT,
                topic.as_ptr(),
                RD_KAFKA_VTYPE_PARTITION,
                outgoing.partition.unwrap_or(ANY),
                RD_KAFKA_VTYPE_MSGFLAGS,
                native::RD_KAFKA_MSG_F_COPY,
                RD_KAFKA_VTYPE_VALUE,
                value,
                value_bytes,
                RD_KAFKA_VTYPE_KEY,
                key,
                key_bytes,
                RD_KAFKA_VTYPE_TIMESTAMP,
                timestamp,
                RD_KAFKA_VTYPE_HEADERS,
                headers,
                RD_KAFKA_VTYPE_END,
            )
        };
        if code == Code::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(());
        }
        if !headers.is_null() {
            // SAFETY: the record was not taken, so the headers are still ours; destroyed once.
            unsafe { native::rd_kafka_headers_destroy(headers) };
        }
        Err(code.into())
    }

    /// The topic's handle, made when it is first asked for.
    fn topic<C: ClientContext>(
        &mut self,
        client: &Client<C>,
        name: &Arc<str>,
    ) -> Result<NonNull<native::rd_kafka_topic_t>, RDKafkaErrorCode> {
        if let Some((_, topic)) = self.topics.iter().find(|(known, _)| known == name) {
            return Ok(*topic);
        }
        let text = CString::new(&**name).map_err(|_| RDKafkaErrorCode::InvalidTopic)?;
        // SAFETY: a live client; the name is copied; no configuration is given.
        let topic = unsafe { native::rd_kafka_topic_new(client.native_ptr(), text.as_ptr(), ptr::null_mut()) };
        let topic = NonNull::new(topic).ok_or(RDKafkaErrorCode::InvalidTopic)?;
        self.topics.push((name.clone(), topic));
        Ok(topic)
    }

    /// Waits at most `wait` (whole milliseconds) for one event, and gives the reports in it; log lines and errors are told.
    pub(in crate::kafka) fn reports<C: ClientContext>(
        &mut self,
        client: &Client<C>,
        wait: Duration,
        mut take: impl FnMut(Report),
    ) {
        let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is live until `drop`.
        let event = unsafe { native::rd_kafka_queue_poll(self.queue.as_ptr(), wait_ms) };
        let Some(event) = NonNull::new(event).map(Held) else { return };
        // SAFETY: the event is live until `event` is dropped at the end of this function.
        match unsafe { native::rd_kafka_event_type(event.0.as_ptr()) } {
            native::RD_KAFKA_EVENT_DR => {
                // SAFETY: a live event; each message is borrowed from it and read before the event is destroyed.
                while let Some(message) = unsafe { native::rd_kafka_event_message_next(event.0.as_ptr()).as_ref() } {
                    let failed = message.err != Code::RD_KAFKA_RESP_ERR_NO_ERROR;
                    // SAFETY: a message's topic, and so its name, is live as long as the message.
                    take(
                        failed.then(|| (unsafe { text(native::rd_kafka_topic_name(message.rkt)) }, message.err.into())),
                    );
                }
            }
            native::RD_KAFKA_EVENT_ERROR => {
                let (code, text) = complaint(&event);
                client.context().error(KafkaError::Global(code), text.trim());
            }
            native::RD_KAFKA_EVENT_LOG => line(&**client.context(), &event),
            _ => {}
        }
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        for (_, topic) in self.topics.drain(..) {
            // SAFETY: given by `rd_kafka_topic_new`, destroyed once, before the client, whose owner drops this first.
            unsafe { native::rd_kafka_topic_destroy(topic.as_ptr()) }
        }
        // SAFETY: given by `rd_kafka_queue_get_main`, destroyed once, before the client.
        unsafe { native::rd_kafka_queue_destroy(self.queue.as_ptr()) }
    }
}

/// Where bytes begin and how many they are; null for none. None at all and no bytes are told apart.
fn start(bytes: Option<&[u8]>) -> (*const u8, usize) {
    bytes.map_or((ptr::null(), 0), |bytes| (bytes.as_ptr(), bytes.len()))
}

/// A list of copies, which is the caller's; null for none.
fn headers(headers: &[Header]) -> *mut native::rd_kafka_headers_t {
    if headers.is_empty() {
        return ptr::null_mut();
    }
    // SAFETY: makes a list of our own.
    let list = unsafe { native::rd_kafka_headers_new(headers.len()) };
    for Header { name, value } in headers {
        let (value, value_bytes) = start(value.as_deref());
        let (name_bytes, value_bytes) = (name.len().cast_signed(), value_bytes.cast_signed()); // no slice is longer
        // SAFETY: a live list; name and value are copied.
        unsafe { native::rd_kafka_header_add(list, name.as_ptr().cast(), name_bytes, value.cast(), value_bytes) };
    }
    list
}
