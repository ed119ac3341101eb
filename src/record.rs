//! The words of the stream: a record, its headers, and where it stands.
//!
//! Always holds: nothing here prints a key, a value or a header's value; `Debug` shows lengths only, so that a record can stand
//! in an assertion or an error without leaking. Deliberately not here: what a record means (that is [`crate::privacy`]).

use std::fmt;
use std::sync::Arc;

pub mod spare;

/// One header of a record. A Kafka header may repeat a name and may have no value.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// The name, as Kafka holds it: any text.
    pub name: String,
    /// The value's bytes, or null.
    pub value: Option<Vec<u8>>,
}

/// One Kafka record: what is read from a source and what is written to an output.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The record key's bytes, or null.
    pub key: Option<Vec<u8>>,
    /// The value's bytes, or null (a deletion in a compacted topic).
    pub value: Option<Vec<u8>>,
    /// The headers in their order, duplicates included.
    pub headers: Vec<Header>,
    /// Milliseconds since the Unix epoch, or `None` where the topic gives none.
    pub timestamp: Option<i64>,
}

impl Record {
    /// The bytes that key, value and headers (names and values) take together: what the limit `record-bytes` is held against.
    pub fn bytes(&self) -> usize {
        let length = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
        let headers: usize = self.headers.iter().map(|header| header.name.len() + length(&header.value)).sum();
        length(&self.key) + length(&self.value) + headers
    }
}

/// One partition of one topic. Cheap to clone; ordered by topic, then number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub number: i32,
}

impl Partition {
    /// The partition `number` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, number: i32) -> Self {
        Self { topic: topic.into(), number }
    }
}

/// Where a record stands: names a record in a log line or an error without showing it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Coordinates {
    /// The partition that holds it.
    pub partition: Partition,
    /// Its offset there.
    pub offset: i64,
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({:?} bytes)", self.value.as_ref().map(Vec::len))
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("key_bytes", &self.key.as_ref().map(Vec::len))
            .field("value_bytes", &self.value.as_ref().map(Vec::len))
            .field("headers", &self.headers.len())
            .field("timestamp", &self.timestamp)
            .finish()
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.number)
    }
}

impl fmt::Display for Coordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.partition, self.offset)
    }
}
