//! The layouts that are built in: where the parts of a document stand.
//!
//! The table below is the whole of it; `default` has a form for events and one for profiles.

use crate::privacy::path::{Path, PathError};
use crate::privacy::settings::{Layout, SourceKind};

/// The names of the built-in layouts.
pub(super) const NAMES: [&str; 3] = ["default", "synerise", "segment"];

/// One row: paths as they are written in a file.
struct Row {
    workspace: Option<&'static str>,
    event: &'static [&'static str],
    id: &'static str,
    uuid: &'static str,
    attributes: &'static [&'static str],
    parameters: &'static [&'static str],
}

const DEFAULT_EVENT: Row = Row {
    workspace: Some("workspace"),
    event: &["action"],
    id: "client.id",
    uuid: "client.uuid",
    attributes: &["client", "params.attributes"],
    parameters: &["params"],
};

const DEFAULT_PROFILE: Row = Row {
    workspace: Some("workspace"),
    event: &[],
    id: "id",
    uuid: "uuid",
    attributes: &["attributes"],
    parameters: &[],
};

const SYNERISE: Row = Row { workspace: None, ..DEFAULT_EVENT };

const SEGMENT: Row = Row {
    workspace: None,
    event: &["event", "type"],
    id: "userId",
    uuid: "anonymousId",
    attributes: &["traits", "context.traits"],
    parameters: &["properties"],
};

/// The built-in layout `name` for records of this kind; `None` where no built-in one has the name.
pub(super) fn built_in(name: &str, kind: SourceKind) -> Option<Result<Layout, PathError>> {
    let row = match (name, kind) {
        ("default", SourceKind::Event) => &DEFAULT_EVENT,
        ("default", SourceKind::Profile) => &DEFAULT_PROFILE,
        ("synerise", _) => &SYNERISE,
        ("segment", _) => &SEGMENT,
        _ => return None,
    };
    Some(row.layout(name))
}

impl Row {
    fn layout(&self, name: &str) -> Result<Layout, PathError> {
        let all = |paths: &[&str]| paths.iter().map(|path| Path::parse(path)).collect::<Result<Vec<_>, _>>();
        Ok(Layout {
            name: name.to_owned(),
            workspace: self.workspace.map(Path::parse).transpose()?,
            event: all(self.event)?,
            id: Some(Path::parse(self.id)?),
            uuid: Some(Path::parse(self.uuid)?),
            attributes: all(self.attributes)?,
            parameters: all(self.parameters)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_layout_parses() {
        for name in NAMES {
            for kind in [SourceKind::Event, SourceKind::Profile] {
                let layout = built_in(name, kind).expect("a name of the list").expect("paths of the table parse");
                assert_eq!(layout.name, name);
            }
        }
        assert!(built_in("other", SourceKind::Event).is_none());
    }

    #[test]
    fn default_has_two_forms() {
        let paths = |kind| {
            let layout = built_in("default", kind).expect("built in").expect("parses");
            let texts = |paths: &[Path]| paths.iter().map(|path| path.text().to_owned()).collect::<Vec<_>>().join(" ");
            format!(
                "{} | {} | {} | {}",
                layout.id.as_ref().map_or("", |path| path.text()),
                texts(&layout.event),
                texts(&layout.attributes),
                texts(&layout.parameters)
            )
        };
        assert_eq!(paths(SourceKind::Event), "client.id | action | client params.attributes | params");
        assert_eq!(paths(SourceKind::Profile), "id |  | attributes | ");
    }
}
