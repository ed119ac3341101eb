//! Tink's JSON form of a keyset: its twin on the wire.
//!
//! Every text that holds a key is wiped when dropped, and buffers are made large enough at once, since one left behind by growth
//! would not be. Deliberately not here: what holds between the keys of a keyset ([`super::Keyset`]).

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{KEY_BYTES, Key, KeysetError, Status};
use crate::privacy::scan::{self, Document, Kind, Limits, Tape};
use crate::secret::Secret;

const TYPE_URL: &str = "type.googleapis.com/google.crypto.tink.AesSivKey";

/// The primary's id and the keys of a Tink JSON keyset, each valid on its own.
pub(super) fn read(json: &[u8]) -> Result<(u32, Vec<Arc<Key>>), KeysetError> {
    let wire: WireKeyset = serde_json::from_slice(json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        // serde's own text quotes the input, so only the place is kept
        if error.is_data() { KeysetError::Form { line, column } } else { KeysetError::Json { line, column } }
    })?;
    if let Some((line, column)) = misplaced_array(json) {
        return Err(KeysetError::Form { line, column });
    }
    if wire.encrypted_keyset.is_some() || wire.keyset_info.is_some() {
        return Err(KeysetError::Encrypted);
    }
    let keys = wire.key.iter().map(|key| key.key().map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
    // Protobuf leaves a zero out
    Ok((wire.primary_key_id.unwrap_or_default(), keys))
}

/// Where an array stands instead of an object, as line and column: serde would take it for the fields in their order. The one
/// array of a keyset is the root's `key`, and its elements are objects.
fn misplaced_array(json: &[u8]) -> Option<(usize, usize)> {
    let mut tape = Tape::default();
    let text = scan::scan_value(json, &Limits::default(), &mut tape).ok()?;
    let document = Document::new(text, &tape);
    let keys = document.children(0).find(|member| document.key(*member).as_deref() == Some(b"key"));
    let root_is_object = document.node(0).kind == Kind::Object;
    let misplaced = |node: &usize| document.node(*node).kind == Kind::Array && !(root_is_object && Some(*node) == keys);
    let wrong = (0..document.nodes().len()).find(misplaced)?;
    let before = &text[..document.node(wrong).value.start as usize];
    let column = before.len() - before.rfind('\n').map_or(0, |end| end + 1) + 1;
    Some((before.matches('\n').count() + 1, column))
}

/// Tink's JSON of these keys, indented, with a line feed at its end.
pub(super) fn write(primary: u32, keys: &[Arc<Key>]) -> Secret<String> {
    let wire = WireKeyset {
        primary_key_id: Some(primary),
        key: keys.iter().map(|key| WireKey::of(key)).collect(),
        encrypted_keyset: None,
        keyset_info: None,
    };
    let mut json = Vec::with_capacity(256 + keys.len() * 512);
    serde_json::to_writer_pretty(&mut json, &wire).expect("texts and numbers always serialise");
    json.push(b'\n');
    Secret::new(String::from_utf8(json).expect("serde_json writes UTF-8"))
}

/// Tink's `Keyset` message as JSON. The ways of Protobuf to write the same otherwise (ids as text, enums as numbers, snake
/// case) are refused: nothing writes them, and one form is easier to trust than six.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireKeyset {
    primary_key_id: Option<u32>,
    #[serde(default)]
    key: Vec<WireKey>,
    /// Present in an encrypted keyset only: known so that it gets a reason of its own.
    #[serde(default, skip_serializing)]
    encrypted_keyset: Option<IgnoredAny>,
    #[serde(default, skip_serializing)]
    keyset_info: Option<IgnoredAny>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireKey {
    key_data: Option<WireKeyData>,
    status: String,
    key_id: u32,
    output_prefix_type: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireKeyData {
    type_url: String,
    value: Zeroizing<String>,
    key_material_type: String,
}

impl WireKey {
    fn of(key: &Key) -> Self {
        let mut message = Zeroizing::new(Vec::with_capacity(2 + KEY_BYTES));
        message.extend_from_slice(&[BYTES_FIELD, KEY_BYTES as u8]);
        message.extend_from_slice(key.material());
        let status = match key.status {
            Status::Enabled => "ENABLED",
            Status::Disabled => "DISABLED",
        };
        Self {
            key_data: Some(WireKeyData {
                type_url: TYPE_URL.to_owned(),
                value: Zeroizing::new(STANDARD.encode(message.as_slice())),
                key_material_type: "SYMMETRIC".to_owned(),
            }),
            status: status.to_owned(),
            key_id: key.id,
            output_prefix_type: "TINK".to_owned(),
        }
    }

    fn key(&self) -> Result<Key, KeysetError> {
        let id = self.key_id;
        let known = |text: &str, names: &[&'static str]| names.iter().copied().find(|name| *name == text);
        let status = match self.status.as_str() {
            "ENABLED" => Status::Enabled,
            "DISABLED" => Status::Disabled,
            other => {
                let found = known(other, &["DESTROYED", "UNKNOWN_STATUS"]).unwrap_or("of an unknown status");
                return Err(KeysetError::Status { id, found });
            }
        };
        if self.output_prefix_type != "TINK" {
            let names = ["RAW", "CRUNCHY", "LEGACY", "WITH_ID_REQUIREMENT", "UNKNOWN_PREFIX"];
            let found = known(&self.output_prefix_type, &names).unwrap_or("of an unknown name");
            return Err(KeysetError::Prefix { id, found });
        }
        let data = self.key_data.as_ref().ok_or(KeysetError::Message { id })?;
        if data.type_url != TYPE_URL {
            return Err(KeysetError::Type { id });
        }
        if data.key_material_type != "SYMMETRIC" {
            return Err(KeysetError::Material { id });
        }
        let message = Zeroizing::new(STANDARD.decode(data.value.as_str()).map_err(|_| KeysetError::Base64 { id })?);
        aes_siv_key(&message, id).map(|material| Key::new(id, status, material))
    }
}

const VERSION_FIELD: u8 = 1 << 3; // field 1, a varint
const BYTES_FIELD: u8 = 2 << 3 | 2; // field 2, length-delimited

/// Tink's `AesSivKey { uint32 version = 1; bytes key_value = 2; }`. A Protobuf library would accept unknown and repeated fields
/// and copy the key about; the one form that writers produce (version 0 left out or written) takes a few lines.
pub(super) fn aes_siv_key(message: &[u8], id: u32) -> Result<&[u8; KEY_BYTES], KeysetError> {
    let message = match message {
        [VERSION_FIELD, 0, rest @ ..] => rest,
        [VERSION_FIELD, ..] => return Err(KeysetError::Version { id }),
        whole => whole,
    };
    match message {
        [BYTES_FIELD, length, rest @ ..] if *length < 0x80 && rest.len() == usize::from(*length) => {
            rest.try_into().map_err(|_| KeysetError::Size { id })
        }
        // no key value at all, or one so long that its length takes more than a byte
        [] | [BYTES_FIELD, 0x80..=0xff, ..] => Err(KeysetError::Size { id }),
        _ => Err(KeysetError::Message { id }),
    }
}
