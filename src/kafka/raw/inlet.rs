//! The record that a message of librdkafka's holds, copied into buffers of records that are gone.
//!
//! Always holds: nothing borrowed from the message leaves this file. Deliberately not here: where messages come from.

use std::ffi::CStr;
use std::ptr;

use rdkafka::bindings as native;
use rdkafka::bindings::rd_kafka_resp_err_t as Code;

use super::bytes;
use crate::record::spare::Spare;
use crate::record::{Header, Record};

/// The record that `message` holds, copied; `None` where its headers cannot be read.
///
/// # Safety
/// `message` is a live message without error.
pub(super) unsafe fn record(message: &native::rd_kafka_message_t, spare: &mut Spare) -> Option<Record> {
    // SAFETY: the caller's promise.
    let headers = unsafe { headers(message, spare) }?;
    // SAFETY: the caller's promise.
    let stamp = unsafe { native::rd_kafka_message_timestamp(message, ptr::null_mut()) };
    // SAFETY: pointer and length of key and payload belong together and to the message.
    let (key, value) = unsafe { (bytes(message.key, message.key_len), bytes(message.payload, message.len)) };
    let timestamp = (stamp != -1).then_some(stamp);
    let document = |bytes| {
        let mut value = spare.value();
        value.extend_from_slice(bytes);
        value
    };
    let value = value.map(document);
    Some(Record { key: key.map(|key| spare.copy(key)), value, headers, timestamp })
}

/// The headers of `message`. A name that is not UTF-8 is replaced as Java's client does; one with a NUL ends there.
///
/// # Safety
/// `message` is a live message without error.
unsafe fn headers(message: &native::rd_kafka_message_t, spare: &mut Spare) -> Option<Vec<Header>> {
    let mut list = ptr::null_mut();
    // SAFETY: the caller's promise; the list stays the message's.
    match unsafe { native::rd_kafka_message_headers(message, &mut list) } {
        Code::RD_KAFKA_RESP_ERR_NO_ERROR => {}
        Code::RD_KAFKA_RESP_ERR__NOENT => return Some(Vec::new()),
        _ => return None,
    }
    // SAFETY: the list is live as long as the message.
    unsafe { entries(list, spare) }
}

/// The headers in `list`, copied; see [`headers`].
///
/// # Safety
/// `list` is a live list that nobody changes meanwhile.
unsafe fn entries(list: *const native::rd_kafka_headers_t, spare: &mut Spare) -> Option<Vec<Header>> {
    // SAFETY: the caller's promise.
    let count = unsafe { native::rd_kafka_header_cnt(list) };
    let mut headers = spare.headers();
    for index in 0..count {
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the caller's promise; name and value are copied at once, and a header has a name.
        unsafe {
            match native::rd_kafka_header_get_all(list, index, &mut name, &mut value, &mut size) {
                Code::RD_KAFKA_RESP_ERR_NO_ERROR => {
                    headers.push(spare.header(&CStr::from_ptr(name).to_string_lossy(), bytes(value, size)));
                }
                _ => return None,
            }
        }
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_header_is_read_and_harms_nothing() {
        // SAFETY: the list is made, filled, read and destroyed here alone.
        let read = unsafe {
            let list = native::rd_kafka_headers_new(4);
            for (name, value) in [(&b"a\xffb"[..], Some(&b"1"[..])), (b"sivcar-policy\0x", None), (b"", Some(b""))] {
                let start = value.map_or(ptr::null(), |value| value.as_ptr().cast());
                let size = value.map_or(0, <[u8]>::len).cast_signed();
                native::rd_kafka_header_add(list, name.as_ptr().cast(), name.len().cast_signed(), start, size);
            }
            let read = entries(list, &mut Spare::new(0));
            native::rd_kafka_headers_destroy(list);
            read.expect("a list")
        };
        let wanted = [("a\u{fffd}b", Some(b"1".to_vec())), ("sivcar-policy", None), ("", Some(Vec::new()))];
        let read: Vec<_> = read.into_iter().map(|header| (header.name, header.value)).collect();
        assert_eq!(read, wanted.map(|(name, value)| (name.to_owned(), value)));
    }
}
