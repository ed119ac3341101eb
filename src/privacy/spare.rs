//! Buffers of records that have gone out, for those that come next: in steady state a record allocates nothing.
//!
//! Always holds: what is given is empty; what is kept is bounded in number and size. Deliberately not wiped: what stood in a buffer left
//! for an output, or stands in the raw topic.

use crate::record::{Header, Record};

/// The most buffers of each kind that are kept: those of a record with some headers and a few views.
const KEPT: usize = 64;
/// The largest buffer that is kept, in bytes: rare records of a megabyte are not to be held as often.
const BUFFER_BYTES: usize = 65_536;

/// Buffers that are in nobody's use.
#[derive(Default)]
pub struct Spare {
    /// Apart, for they are large: what serves as a key need not grow to a document.
    values: Vec<Vec<u8>>,
    bytes: Vec<Vec<u8>>,
    texts: Vec<String>,
    headers: Vec<Vec<Header>>,
}

impl Spare {
    /// An empty buffer, for a record's value.
    pub fn value(&mut self) -> Vec<u8> {
        self.values.pop().unwrap_or_default()
    }

    /// An empty buffer, for anything else.
    pub fn bytes(&mut self) -> Vec<u8> {
        self.bytes.pop().unwrap_or_default()
    }

    /// A buffer that holds a copy of `bytes`.
    pub fn copy(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut copy = self.bytes();
        copy.extend_from_slice(bytes);
        copy
    }

    /// An empty list of headers.
    pub fn headers(&mut self) -> Vec<Header> {
        self.headers.pop().unwrap_or_default()
    }

    /// A header of this name and value.
    pub fn header(&mut self, name: &str, value: Option<&[u8]>) -> Header {
        let mut text = self.texts.pop().unwrap_or_default();
        text.push_str(name);
        Header { name: text, value: value.map(|value| self.copy(value)) }
    }

    /// Keeps the buffers of `record`, and nothing of what is in them. One without room is none: it would take the place of one that has.
    pub fn keep(&mut self, record: Record) {
        let Record { key, value, mut headers, timestamp: _ } = record;
        for Header { mut name, value } in headers.drain(..) {
            keep(&mut self.bytes, value);
            if self.texts.len() < KEPT && (1..=BUFFER_BYTES).contains(&name.capacity()) {
                name.clear();
                self.texts.push(name);
            }
        }
        if self.headers.len() < KEPT && (1..=KEPT).contains(&headers.capacity()) {
            self.headers.push(headers);
        }
        keep(&mut self.bytes, key);
        keep(&mut self.values, value);
    }
}

fn keep(spare: &mut Vec<Vec<u8>>, bytes: Option<Vec<u8>>) {
    let Some(mut bytes) = bytes else { return };
    if spare.len() < KEPT && (1..=BUFFER_BYTES).contains(&bytes.capacity()) {
        bytes.clear();
        spare.push(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_empty_and_what_is_kept_is_bounded() {
        let header = || Header { name: "name".to_owned(), value: Some(b"value".to_vec()) };
        let mut spare = Spare::default();
        for number in 0..2 * KEPT - 2 {
            let record = Record {
                key: Some(b"key".to_vec()),
                value: Some(vec![7; if number % 2 == 0 { 9 } else { BUFFER_BYTES + 1 }]),
                headers: vec![header(), Header { value: None, ..header() }],
                timestamp: Some(1),
            };
            spare.keep(record);
        }
        assert_eq!(spare.values.len(), KEPT - 1, "every other one is too large");
        assert_eq!([spare.bytes.len(), spare.texts.len(), spare.headers.len()], [KEPT; 3]);
        let mut buffers = spare.values.iter().chain(&spare.bytes);
        assert!(buffers.all(|bytes| bytes.is_empty() && bytes.capacity() <= BUFFER_BYTES));
        assert!(spare.texts.iter().all(String::is_empty) && spare.headers.iter().all(Vec::is_empty));
        assert_eq!(spare.header("name", Some(b"value")), header());
    }
}
