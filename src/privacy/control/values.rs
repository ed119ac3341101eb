//! What control records say, but for marks: the values' fields as they stand on the wire.
//!
//! Always holds: a field that is not known is refused, so that no wish is read in part. Deliberately not here: which value stands under
//! which key ([`super::records`]).

use serde::{Deserialize, Serialize};

use crate::privacy::keyset::Status;
use crate::privacy::settings::Stage;

/// The settings of a domain: shared by all marks that name it, so that two marks cannot disagree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// Bytes of the bucket that plaintexts are filled to; 0: none.
    #[serde(default)]
    pub pad: u32,
    /// Whether a second token ignores case and spaces.
    #[serde(default)]
    pub loose: bool,
    /// Whether an array is one token.
    #[serde(default)]
    pub whole: bool,
    /// The policy version since which these settings hold; `None`: that of its own record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
}

/// The largest bucket: one string at the default limit.
pub const PAD_MAX: u32 = 65_536;

/// The stage of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StageRecord {
    /// What is enforced.
    pub stage: Stage,
    /// The policy version since which it holds; `None`: that of its own record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// When it was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// What is known of a key without having it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecord {
    /// Its [check value](crate::privacy::seal::check_value), as a token.
    pub check: String,
    /// Whether the keyset that told of it last lets it seal and open.
    pub status: Status,
}

/// Which key is pinned.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// The key's id, decimal.
    pub id: String,
    /// The ids of those that were pinned before it: what still stands under them is to be moved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub was: Vec<String>,
}

/// Which key is pinned, as a table holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pinning {
    /// The key.
    pub id: u32,
    /// Those that were pinned before it.
    pub was: Vec<u32>,
    /// The policy version since which all that stands under those is to be moved; 0: there is none.
    pub since: u64,
}

impl From<u32> for Pinning {
    fn from(id: u32) -> Self {
        Self { id, ..Self::default() }
    }
}

impl Pinned {
    /// The ids as numbers, of a record at `version`; `None` where one is none.
    pub(super) fn pinning(&self, version: u64) -> Option<Pinning> {
        let was: Vec<u32> = self.was.iter().map(|id| id.parse().ok()).collect::<Option<_>>()?;
        let since = if was.is_empty() { 0 } else { version };
        Some(Pinning { id: self.id.parse().ok()?, was, since })
    }
}

/// The control topic's identity: a re-created topic has another.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Incarnation {
    /// A text nobody chose twice: letters and digits.
    pub nonce: String,
}

/// Which key is the primary.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Primary {
    /// The key's id, decimal.
    pub id: String,
    /// The policy version since which; `None`: that of its own record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
}

/// What says all by its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// When something was asked for that is done once for every profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    /// The policy version since which; `None`: that of its own record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
}
