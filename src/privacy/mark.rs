//! Marks: "this attribute or parameter is personal data", as a person or the configuration wishes it.
//!
//! A mark is named by its [`MarkKey`] (workspace, place, path, event) and says in [`Mark`] how strictly it is to be taken. The
//! orders of [`Protect`] and of [`Mask`] are from the strictest down, so that where several marks
//! apply the least of them is the answer. How marks meet a document is [`super::policy`]'s.

use serde::{Deserialize, Serialize};

use super::mask::Mask;
use super::path::Path;
use super::settings::{LEVEL_MAX, is_domain, is_name};

/// The workspace of marks that hold everywhere.
pub const EVERYWHERE: &str = "*";

/// The name of a mark on record keys, where none is given.
pub const KEY: &str = "key";

/// Where a mark's path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    /// In every container of attributes.
    Attribute,
    /// In every container of parameters.
    Parameter,
    /// At the root of the document.
    Field,
    /// A header: its name is the one key that the path may take.
    Header,
    /// The record key. There is but one, so no name narrows it.
    Key,
}

impl On {
    /// The place as it is written.
    pub fn word(self) -> &'static str {
        match self {
            On::Attribute => "attribute",
            On::Parameter => "parameter",
            On::Field => "field",
            On::Header => "header",
            On::Key => "key",
        }
    }

    /// Whether this stands around a document instead of in it: sealed under a pinned key, and in no domain.
    pub fn is_around(self) -> bool {
        matches!(self, On::Header | On::Key)
    }
}

/// What protected topics do with a marked value, the strictest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protect {
    /// The member is gone.
    Drop,
    /// The value is masked; it cannot be got back.
    Mask,
    /// The value is sealed; equality search works.
    #[default]
    Encrypt,
    /// The value stays; views still mask it.
    None,
}

/// What names a mark.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MarkKey {
    /// A workspace, or [`EVERYWHERE`].
    pub workspace: String,
    /// Where the path begins.
    pub on: On,
    /// The path, as written.
    pub name: String,
    /// The event it holds for; `None`: every event.
    pub event: Option<String>,
}

/// What a mark says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// 0–9999; a view shows the value where its clearance is at least this.
    #[serde(default = "strictest_level")]
    pub level: u16,
    /// What protected topics do.
    #[serde(default)]
    pub protect: Protect,
    /// What views without clearance show; `None`: full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<Mask>,
    /// The domain, if it is not the path's keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Whether views keep keys and lengths under the marked value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shape: bool,
    /// The policy version since which the mark is effective; `None`: that of its own record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// When it was made, as the maker writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

fn strictest_level() -> u16 {
    LEVEL_MAX
}

impl Default for Mark {
    fn default() -> Self {
        Self {
            level: LEVEL_MAX,
            protect: Protect::Encrypt,
            mask: None,
            domain: None,
            shape: false,
            since: None,
            at: None,
            by: None,
        }
    }
}

impl Mark {
    /// What a mark on `on` counts as whose record cannot be read: nothing is stricter.
    pub fn strictest(on: On) -> Self {
        // nothing is sealed under the domain, but a path without keys needs one
        let domain = (!on.is_around()).then(|| "unreadable".to_owned());
        Self { protect: Protect::Drop, mask: Some(Mask::Drop), domain, ..Self::default() }
    }

    /// Whether `other` asks for the same; when each began, and who made it, does not count.
    pub fn asks_the_same(&self, other: &Mark) -> bool {
        let wish = |mark: &Mark| Mark { since: None, at: None, by: None, ..mark.clone() };
        wish(self) == wish(other)
    }
}

/// Checks a mark that somebody asks for, and gives its path: it is what [`check`] takes, and one on record keys has no name of its own. Under
/// any other such a mark would hold all the same, and does where the control topic has one.
///
/// # Errors
/// A text that says which part is wrong and what to do.
pub fn check_wish(key: &MarkKey, mark: &Mark) -> Result<Path, String> {
    let path = check(key, mark)?;
    if key.on == On::Key && key.name != KEY {
        return Err("a mark on record keys has no other name, for a record has one key; leave out name".to_owned());
    }
    Ok(path)
}

/// Checks a mark that stands in the control topic or is to, and gives its path.
///
/// # Errors
/// A text that says which part is wrong and what to do.
pub fn check(key: &MarkKey, mark: &Mark) -> Result<Path, String> {
    if key.workspace != EVERYWHERE && !is_name(&key.workspace) {
        return Err(format!("workspace {:?} must be \"*\" or 1–64 letters, digits, '.', '_' or '-'", key.workspace));
    }
    if mark.level > LEVEL_MAX {
        return Err(format!("level must be 0–{LEVEL_MAX}"));
    }
    if key.on.is_around() && (mark.domain.is_some() || mark.shape) {
        return Err(
            "headers and record keys are bytes, compared within one topic: they take no domain and no shape".to_owned()
        );
    }
    let path = Path::parse(&key.name).map_err(|error| format!("name {:?}: {error}", key.name))?;
    if key.on == On::Key {
        return match key.event {
            Some(_) => Err(
                "a mark on record keys holds for every event, or a deletion would not find its record; leave out event"
                    .to_owned(),
            ),
            None => Ok(path),
        };
    }
    if path.is_root() {
        return Err("name \"$\" is the root, which no mark matches".to_owned());
    }
    if path.rooted() && key.on != On::Field {
        return Err(format!("name {:?} begins at the root; use on = \"field\" or leave out '$.'", key.name));
    }
    match &mark.domain {
        Some(domain) if !is_domain(domain) => Err("domain must be 1–256 bytes without control characters".to_owned()),
        None if !key.on.is_around() && !is_domain(&path.keys()) => {
            Err(format!("name {:?} gives no domain (1–256 bytes, no control characters); set domain = \"…\"", key.name))
        }
        _ => Ok(path),
    }
}
