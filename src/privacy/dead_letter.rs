//! Dead letters: rejected records, sealed whole, with what names them in clear.
//!
//! The value is sealed bytes (SEALING.md §1) over `{"headers":[[name,base64]],"key":base64,"value":base64}`, null staying null,
//! under `dead:{group}/{topic}/{partition}/{offset}`; the headers `sivcar-reason`, `-topic`, `-partition`, `-offset` and `-policy`
//! are in clear. The record key is null and the timestamp the broker's: the record's own may be why it was refused.
//!
//! A short letter, for what is itself too large, keeps of the sealed bytes only version, key id and SIV. That is a hash of the
//! record, and a keyed one: the SIV is S2V (RFC 5297 §2.4), a pseudorandom function of coordinates and payload, so whoever has the
//! keyset and the raw record can prove that they belong together ([`is_of`]), and whoever has no keyset cannot test a guess, as a
//! plain SHA-256 would let him. Deliberately not here: which keyset a record's is, and reading or writing topics.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::error::Reason;
use super::seal::{Associated, OVERHEAD_BYTES, OpenError, Sealer};
use crate::record::{Coordinates, Header, Partition, Record};

/// The header that holds [`Reason::code`].
pub const REASON: &str = "sivcar-reason";
/// The header that holds the raw topic.
pub const TOPIC: &str = "sivcar-topic";
/// The header that holds the partition's number.
pub const PARTITION: &str = "sivcar-partition";
/// The header that holds the offset.
pub const OFFSET: &str = "sivcar-offset";
/// The header that holds the policy version the record was rejected under.
pub const POLICY: &str = "sivcar-policy";

/// How much of the record a letter keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Key, value and headers: the letter opens again.
    Whole,
    /// A keyed hash of them.
    Short,
}

/// What stands in clear on a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Where the record stands in its raw topic.
    pub at: Coordinates,
    /// The reason's code, as written.
    pub reason: String,
    /// The policy version.
    pub policy: u64,
}

/// Why a dead letter gives no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeadLetterError {
    /// A header is missing or unreadable.
    #[error("not a dead letter of sivcar")]
    Envelope,
    /// It keeps no payload.
    #[error("the dead letter is a short one: read the record at its coordinates in the raw topic")]
    Short,
    /// Sealed under another keyset, or altered.
    #[error(transparent)]
    Sealed(#[from] OpenError),
    /// It opens, and what is in it is no record.
    #[error("the dead letter's payload cannot be read")]
    Payload,
}

/// The payload: the fields in the order of their names, as canonical JSON wants.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    headers: Vec<(String, Option<String>)>,
    key: Option<String>,
    value: Option<String>,
}

impl Payload {
    fn of(record: &Record) -> Payload {
        let text = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| STANDARD.encode(bytes));
        let headers = record.headers.iter().map(|header| (header.name.clone(), text(&header.value)));
        Payload { headers: headers.collect(), key: text(&record.key), value: text(&record.value) }
    }

    fn into_record(self) -> Result<Record, DeadLetterError> {
        let bytes = |text: Option<String>| match text.map(|text| STANDARD.decode(text)) {
            None => Ok(None),
            Some(Ok(bytes)) => Ok(Some(bytes)),
            Some(Err(_)) => Err(DeadLetterError::Payload),
        };
        let headers = self.headers.into_iter().map(|(name, value)| Ok(Header { name, value: bytes(value)? }));
        let headers = headers.collect::<Result<_, DeadLetterError>>()?;
        Ok(Record { headers, key: bytes(self.key)?, value: bytes(self.value)?, timestamp: None })
    }
}

/// The dead letter of `record`, which stands `at` its raw topic. Without a `sealer` (the record's workspace has no keyset, and
/// another's is never taken) it keeps coordinates and reason alone.
pub fn build(sealer: Option<&mut Sealer>, group: &str, envelope: &Envelope, record: &Record, extent: Extent) -> Record {
    let value = sealer.map(|sealer| {
        let mut sealed = Vec::new();
        sealer.seal(&associated(group, &envelope.at), &payload(record), &mut sealed);
        if extent == Extent::Short {
            sealed.truncate(OVERHEAD_BYTES);
        }
        sealed
    });
    Record { key: None, value, headers: envelope.headers(), timestamp: None }
}

/// Opens a letter that `sealer`'s keyset sealed for `group`. The record has no timestamp.
///
/// # Errors
/// [`DeadLetterError`]; with several keysets try each: only its own opens a letter.
pub fn open(sealer: &mut Sealer, group: &str, letter: &Record) -> Result<Record, DeadLetterError> {
    let envelope = Envelope::read(letter)?;
    let sealed = letter.value.as_ref().filter(|value| value.len() > OVERHEAD_BYTES).ok_or(DeadLetterError::Short)?;
    let payload = sealer.open(&associated(group, &envelope.at), sealed)?;
    serde_json::from_slice::<Payload>(&payload).map_err(|_| DeadLetterError::Payload)?.into_record()
}

/// Whether `letter`, short or whole, was made of `record`: the record is sealed again and the SIVs are compared.
pub fn is_of(sealer: &mut Sealer, group: &str, letter: &Record, record: &Record) -> bool {
    let Ok(envelope) = Envelope::read(letter) else { return false };
    let Some([_, a, b, c, d, ..]) = letter.value.as_deref() else { return false };
    let key_id = u32::from_be_bytes([*a, *b, *c, *d]);
    let mut sealed = Vec::new();
    let done = sealer.seal_under(key_id, &associated(group, &envelope.at), &payload(record), &mut sealed);
    let head = letter.value.as_deref().and_then(|value| value.get(..OVERHEAD_BYTES));
    done.is_ok() && sealed.get(..OVERHEAD_BYTES) == head
}

fn payload(record: &Record) -> Vec<u8> {
    serde_json::to_vec(&Payload::of(record)).expect("texts and nulls alone, which always serialise")
}

fn associated(group: &str, at: &Coordinates) -> Vec<u8> {
    let mut out = Vec::new();
    let (topic, partition) = (&at.partition.topic, at.partition.number);
    Associated::Dead { group, topic, partition, offset: at.offset }.write(&mut out);
    out
}

impl Envelope {
    /// The envelope of a record that is rejected for `reason` under the policy of version `policy`.
    pub fn new(at: Coordinates, reason: Reason, policy: u64) -> Self {
        Self { at, reason: reason.code().to_owned(), policy }
    }

    fn headers(&self) -> Vec<Header> {
        let header = |name: &str, value: String| Header { name: name.to_owned(), value: Some(value.into_bytes()) };
        vec![
            header(REASON, self.reason.clone()),
            header(TOPIC, self.at.partition.topic.to_string()),
            header(PARTITION, self.at.partition.number.to_string()),
            header(OFFSET, self.at.offset.to_string()),
            header(POLICY, self.policy.to_string()),
        ]
    }

    /// Reads what stands in clear on `letter`.
    ///
    /// # Errors
    /// [`DeadLetterError::Envelope`].
    pub fn read(letter: &Record) -> Result<Envelope, DeadLetterError> {
        let text = |name: &str| {
            let header = letter.headers.iter().find(|header| header.name == name)?;
            std::str::from_utf8(header.value.as_deref()?).ok()
        };
        let read = || {
            let partition = Partition::new(text(TOPIC)?, text(PARTITION)?.parse().ok()?);
            let at = Coordinates { partition, offset: text(OFFSET)?.parse().ok()? };
            Some(Envelope { at, reason: text(REASON)?.to_owned(), policy: text(POLICY)?.parse().ok()? })
        };
        read().ok_or(DeadLetterError::Envelope)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::keyset::Keyset;
    use super::*;

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(&Keyset::generate(&[byte; 64], 7))
    }

    fn envelope() -> Envelope {
        let at = Coordinates { partition: Partition::new("raw", 3), offset: 42 };
        Envelope::new(at, Reason::JsonSyntax, 9)
    }

    fn record() -> Record {
        Record {
            key: Some(b"k".to_vec()),
            value: None,
            headers: vec![
                Header { name: "a".into(), value: Some(b"v".to_vec()) },
                Header { name: "a".into(), value: None },
            ],
            timestamp: Some(5),
        }
    }

    #[test]
    fn the_payload_is_as_the_contract_says() {
        let text = String::from_utf8(payload(&record())).unwrap();
        assert_eq!(text, r#"{"headers":[["a","dg=="],["a",null]],"key":"aw==","value":null}"#);
        let mut sealer = sealer(1);
        let letter = build(Some(&mut sealer), "g", &envelope(), &record(), Extent::Whole);
        let opened = sealer.open(b"dead:g/raw/3/42", letter.value.as_ref().unwrap()).unwrap();
        assert_eq!(opened, text.as_bytes());
    }

    #[test]
    fn in_clear_are_reason_coordinates_and_policy_alone() {
        let letter = build(Some(&mut sealer(1)), "g", &envelope(), &record(), Extent::Whole);
        let headers = letter
            .headers
            .iter()
            .map(|header| (header.name.as_str(), String::from_utf8(header.value.clone().unwrap()).unwrap()));
        let headers: Vec<_> = headers.collect();
        let expected = [
            ("sivcar-reason", "json_syntax"),
            ("sivcar-topic", "raw"),
            ("sivcar-partition", "3"),
            ("sivcar-offset", "42"),
            ("sivcar-policy", "9"),
        ];
        assert_eq!(headers, expected.map(|(name, value)| (name, value.to_owned())));
        assert_eq!((letter.key, letter.timestamp), (None, None));
    }

    #[test]
    fn a_letter_opens_for_its_group_and_keyset_alone() {
        let letter = build(Some(&mut sealer(1)), "g", &envelope(), &record(), Extent::Whole);
        let unauthentic = Err(DeadLetterError::Sealed(OpenError::Unauthentic));
        assert_eq!(open(&mut sealer(1), "other", &letter), unauthentic);
        assert_eq!(open(&mut sealer(2), "g", &letter), unauthentic);
        let mut moved = letter.clone();
        moved.headers[3].value = Some(b"43".to_vec());
        assert_eq!(open(&mut sealer(1), "g", &moved), unauthentic);
        assert_eq!(open(&mut sealer(1), "g", &Record::default()), Err(DeadLetterError::Envelope));
    }

    #[test]
    fn a_short_letter_is_21_bytes_that_prove_the_record() {
        let mut sealer = sealer(1);
        let letter = build(Some(&mut sealer), "g", &envelope(), &record(), Extent::Short);
        assert_eq!(letter.value.as_ref().map(Vec::len), Some(21));
        assert_eq!(open(&mut sealer, "g", &letter), Err(DeadLetterError::Short));
        assert!(is_of(&mut sealer, "g", &letter, &record()));
        assert!(!is_of(&mut sealer, "g", &letter, &Record::default()));
        assert!(!is_of(&mut self::sealer(2), "g", &letter, &record()));
    }

    #[test]
    fn without_a_keyset_nothing_of_the_record_is_kept() {
        let letter = build(None, "g", &envelope(), &record(), Extent::Whole);
        assert_eq!(letter.value, None);
        assert_eq!(Envelope::read(&letter), Ok(envelope()));
        assert_eq!(open(&mut sealer(1), "g", &letter), Err(DeadLetterError::Short));
    }

    fn bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40))
    }

    proptest! {
        #[test]
        fn whatever_is_rejected_comes_back(
            key in bytes(),
            value in bytes(),
            headers in proptest::collection::vec((".*", bytes()), 0..4),
        ) {
            let headers = headers.into_iter().map(|(name, value)| Header { name, value }).collect();
            let record = Record { key, value, headers, timestamp: None };
            let mut sealer = sealer(1);
            let letter = build(Some(&mut sealer), "g", &envelope(), &record, Extent::Whole);
            prop_assert!(is_of(&mut sealer, "g", &letter, &record));
            prop_assert_eq!(open(&mut sealer, "g", &letter), Ok(record));
        }
    }
}
