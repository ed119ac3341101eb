//! How a profile is kept: the plaintext of a changelog's value.
//!
//! ```text
//! offset (8) ‖ settled (8) ‖ workspace's length (2) ‖ workspace ‖ id's length (4) ‖ id ‖ document
//! ```
//!
//! Numbers are big-endian. Offset and settled come first, so that equal documents differ; the highest bit of the workspace's length, which
//! needs seven, is [`State::keyed`]. Always holds: what is decoded encodes to the same bytes, and a document is one JSON object. Deliberately not here: sealing, and the record key, which names the state.

use super::Profile;
use crate::privacy::scan::{self, Limits, Tape};
use crate::secret::Secret;

/// A profile with what a task must know to go on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Offset of the last source record that went into the profile.
    pub offset: i64,
    /// The policy version up to which all marks are answered for it.
    pub settled: u64,
    /// Whether what was written of it last stands under a protected record key, and so nothing is to be deleted by its clear one.
    pub keyed: bool,
    /// The profile.
    pub profile: Profile,
}

/// The bit of the workspace's length that stands for [`State::keyed`].
const KEYED: u16 = 1 << 15;

impl State {
    /// The state's bytes, all of them personal data.
    pub fn encode(&self) -> Secret<Vec<u8>> {
        let State { offset, settled, keyed, profile: Profile { workspace, id, document } } = self;
        // a workspace's name has 64 bytes at most and an id is part of a record; what is longer would be refused when it is read
        let workspace_bytes = u16::try_from(workspace.len()).unwrap_or(u16::MAX) & !KEYED;
        let workspace_bytes = if *keyed { workspace_bytes | KEYED } else { workspace_bytes };
        let id_bytes = u32::try_from(id.len()).unwrap_or(u32::MAX);
        // all room at once: what grows leaves copies behind
        let mut bytes = Vec::with_capacity(8 + 8 + 2 + workspace.len() + 4 + id.len() + document.len());
        bytes.extend_from_slice(&offset.to_be_bytes());
        bytes.extend_from_slice(&settled.to_be_bytes());
        bytes.extend_from_slice(&workspace_bytes.to_be_bytes());
        bytes.extend_from_slice(workspace.as_bytes());
        bytes.extend_from_slice(&id_bytes.to_be_bytes());
        bytes.extend_from_slice(id.as_bytes());
        bytes.extend_from_slice(document);
        Secret::new(bytes)
    }

    /// Reads what [`State::encode`] wrote; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<State> {
        let (offset, rest) = bytes.split_first_chunk()?;
        let (settled, rest) = rest.split_first_chunk()?;
        let (workspace_bytes, rest) = rest.split_first_chunk()?;
        let workspace_bytes = u16::from_be_bytes(*workspace_bytes);
        let (workspace, rest) = rest.split_at_checked((workspace_bytes & !KEYED).into())?;
        let (id_bytes, rest) = rest.split_first_chunk()?;
        let (id, document) = rest.split_at_checked(u32::from_be_bytes(*id_bytes).try_into().ok()?)?;
        scan::scan(document, &Limits::NONE, &mut Tape::default()).ok()?;
        Some(State {
            offset: i64::from_be_bytes(*offset),
            settled: u64::from_be_bytes(*settled),
            keyed: workspace_bytes & KEYED != 0,
            profile: Profile {
                workspace: std::str::from_utf8(workspace).ok()?.to_owned(),
                id: std::str::from_utf8(id).ok()?.to_owned(),
                document: document.to_vec(),
            },
        })
    }
}
