//! Buffers of records that are gone, for those that come next: in steady state a record allocates nothing.
//!
//! Always holds: what is given is empty; all that is kept takes no more than a set number of bytes. Deliberately not wiped: what stood in
//! a buffer left for a topic or came from one, and the allocator would not wipe it either.

use super::{Header, Record};

/// Buffers that are in nobody's use.
pub struct Spare {
    /// How many more bytes may be kept.
    room: usize,
    /// Apart, for they are large: what serves as a key need not grow to a document.
    values: Vec<Vec<u8>>,
    bytes: Vec<Vec<u8>>,
    headers: Vec<Vec<Header>>,
}

impl Spare {
    /// Keeps buffers of so many bytes together.
    pub fn new(room: usize) -> Self {
        Self { room, values: Vec::new(), bytes: Vec::new(), headers: Vec::new() }
    }

    /// An empty buffer, for a record's value.
    pub fn value(&mut self) -> Vec<u8> {
        take(&mut self.room, &mut self.values)
    }

    /// An empty buffer, for anything else.
    pub fn bytes(&mut self) -> Vec<u8> {
        take(&mut self.room, &mut self.bytes)
    }

    /// A buffer that holds a copy of `bytes`.
    pub fn copy(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut copy = self.bytes();
        copy.extend_from_slice(bytes);
        copy
    }

    /// An empty list of headers.
    pub fn headers(&mut self) -> Vec<Header> {
        take(&mut self.room, &mut self.headers)
    }

    /// A header of this name and value.
    pub fn header(&mut self, name: &str, value: Option<&[u8]>) -> Header {
        let mut text = String::from_utf8(self.bytes()).unwrap_or_default(); // it is empty
        text.push_str(name);
        Header { name: text, value: value.map(|value| self.copy(value)) }
    }

    /// Keeps the buffers of `record`, and nothing of what is in them.
    pub fn keep(&mut self, record: Record) {
        let Record { key, value, mut headers, timestamp: _ } = record;
        for Header { name, value } in headers.drain(..) {
            keep(&mut self.room, &mut self.bytes, name.into_bytes());
            keep(&mut self.room, &mut self.bytes, value.unwrap_or_default());
        }
        keep(&mut self.room, &mut self.headers, headers);
        keep(&mut self.room, &mut self.bytes, key.unwrap_or_default());
        keep(&mut self.room, &mut self.values, value.unwrap_or_default());
    }
}

/// What a buffer takes, its place in a list included.
fn size<T>(buffer: &Vec<T>) -> usize {
    buffer.capacity() * size_of::<T>() + size_of_val(buffer)
}

fn take<T>(room: &mut usize, kept: &mut Vec<Vec<T>>) -> Vec<T> {
    let buffer = kept.pop().unwrap_or_default();
    if buffer.capacity() > 0 {
        *room += size(&buffer);
    }
    buffer
}

/// One that never held anything would only stand in the way of one that did.
fn keep<T>(room: &mut usize, kept: &mut Vec<Vec<T>>, mut buffer: Vec<T>) {
    if buffer.capacity() > 0 && size(&buffer) <= *room {
        *room -= size(&buffer);
        buffer.clear();
        kept.push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let header = Header { name: "name".to_owned(), value: Some(vec![7; 5]) };
        let headers = vec![header.clone(), Header { value: None, ..header }];
        Record { key: Some(vec![7; 3]), value: Some(vec![7; 9]), headers, timestamp: Some(1) }
    }

    #[test]
    fn what_is_given_is_empty_and_what_is_kept_is_bounded() {
        const ROOM: usize = 10_000;
        let mut spare = Spare::new(ROOM);
        (0..1_000).for_each(|_| spare.keep(record()));
        let mut buffers = spare.values.iter().chain(&spare.bytes);
        assert!(buffers.all(Vec::is_empty) && spare.headers.iter().all(Vec::is_empty));
        let bytes: usize = spare.values.iter().chain(&spare.bytes).map(size).sum();
        let taken = bytes + spare.headers.iter().map(size).sum::<usize>();
        assert!(taken + spare.room == ROOM && spare.room < 100, "{taken} of {ROOM}, {} left", spare.room);
        // what is given makes room for as much
        let (value, header) = (spare.value(), spare.header("name", Some(b"value")));
        assert_eq!((value.is_empty(), value.capacity()), (true, 9));
        assert_eq!(header, Header { name: "name".to_owned(), value: Some(b"value".to_vec()) });
        assert!(spare.room > 33);
    }

    #[test]
    fn a_buffer_that_never_held_anything_or_is_too_large_is_not_kept() {
        let mut spare = Spare::new(1_000);
        spare.keep(Record { key: Some(Vec::new()), value: Some(vec![7; 1_000]), ..Record::default() });
        assert_eq!((spare.values.len(), spare.bytes.len(), spare.headers.len(), spare.room), (0, 0, 0, 1_000));
    }
}
