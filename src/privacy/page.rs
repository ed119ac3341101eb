//! From one document that was read to its records: the protected one, and one per view.
//!
//! Always holds: all of them are spliced from the same spans and fields, and each says under which policy version it was made.
//! Deliberately not here: reading, what a rule touches, and what stands around the document.

use super::around::Around;
use super::clearance::{Sight, ViewEditor};
use super::error::Reason;
use super::fields::Fields;
use super::policy::Policy;
use super::protect::Outputs;
use super::protected::{LooseTokens, ProtectedEditor};
use super::scan::Document;
use super::settings::{Source, Stage, View};
use super::splice::splice;
use super::value::WorkspaceSealer;

/// The header that tells the policy version, decimal.
pub const POLICY_HEADER: &str = "sivcar-policy";
/// The header that tells a stage in which nothing is enforced yet.
pub const STAGE_HEADER: &str = "sivcar-stage";
/// The header of a synthetic event: the version that it answers, decimal.
pub const SYNTHETIC_HEADER: &str = "sivcar-synthetic";
/// What names of sivcar's own headers begin with.
pub const OWN_HEADERS: &str = "sivcar-";

/// A document that was read, with all that its outputs are written from.
pub(super) struct Page<'a> {
    /// Record key and headers, and what all is held against.
    pub(super) around: Around<'a>,
    pub(super) document: &'a Document<'a>,
    pub(super) fields: &'a Fields,
    /// Whether tokens in the document may pass.
    pub(super) sealed_input: bool,
    /// Whether it is a test profile's, which views show in clear.
    pub(super) test: bool,
}

impl Page<'_> {
    /// Writes the protected record and every view's.
    pub(super) fn write(&self, sealer: &mut WorkspaceSealer, outputs: &mut Outputs) -> Result<(), Reason> {
        let &Page { around, document, fields, sealed_input, test } = self;
        let Around { policy, source, workspace, rules, .. } = around;
        let length = document.text().len();
        let mut bytes = sealer.spare.value();
        bytes.reserve(length * 2);
        let mut editor = ProtectedEditor {
            rules,
            fields,
            enforced: policy.stage(workspace) == Stage::Enforced,
            sealed_input,
            sealer,
            loose: LooseTokens::new(),
            tally: &mut outputs.tally,
            handled: 0,
        };
        splice(document, &mut editor, None, &mut bytes)?;
        if editor.enforced && editor.handled != fields.all().len() {
            return Err(Reason::ClearUnderMark);
        }
        outputs.protected = around.protected(Some(bytes), sealer, &mut outputs.tally)?;
        for (index, view, topic) in views_of(policy, source) {
            let mut bytes = sealer.spare.value();
            bytes.reserve(length);
            let actions = &mut outputs.tally.views;
            let mut editor = ViewEditor { view, index, rules, fields, test, sealer, actions };
            splice(document, &mut editor, Sight::Unlisted, &mut bytes)?;
            let shown = around.shown(view, topic, Some(bytes), sealer, &mut outputs.tally.views)?;
            outputs.views.push((index, shown));
        }
        Ok(())
    }
}

/// Whether a view of `source` tells which rules touch a document.
pub(super) fn traces(policy: &Policy, source: &Source) -> bool {
    views_of(policy, source).any(|(_, view, _)| view.trace)
}

/// The views that have a topic for `source`, each with its index and that topic.
pub(super) fn views_of<'a>(policy: &'a Policy, source: &'a Source) -> impl Iterator<Item = (usize, &'a View, &'a str)> {
    let views = policy.settings().views.iter().enumerate();
    views.filter_map(|(index, view)| view.topics.get(&source.topic).map(|topic| (index, view, topic.as_str())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use crate::privacy::control::{Pin, Table};
    use crate::privacy::keyset::{Keyring, Keyset};
    use crate::privacy::policy::Policy;
    use crate::privacy::protect::{Outputs, Protector};
    use crate::privacy::seal::parse_token;
    use crate::privacy::settings::{Unlisted, View};
    use crate::record::Record;

    /// Under which key the view's record key is sealed, the keyset's primary being 2.
    fn sealed_under(pinned: &[(Option<&str>, u32)], value: Option<&str>) -> Result<u32, super::Reason> {
        let mut settings = crate::privacy::settings::tests::settings();
        let topics = settings.sources.iter().map(|source| (source.topic.clone(), "debug.topic".to_owned())).take(1);
        let view = View {
            name: "debug".into(),
            clearance: 0,
            unlisted: Unlisted::Mask,
            show: Vec::new(),
            headers: [].into(),
            trace: false,
            topics: topics.collect(),
        };
        settings.sources[0].workspace = Some("acme".into());
        settings.views = vec![view];
        let pin = |(workspace, id): &(Option<&str>, u32)| {
            (Pin { topic: "debug.topic".into(), workspace: workspace.map(str::to_owned) }, (*id).into())
        };
        let table = Table { version: 1, pinned: pinned.iter().map(pin).collect(), ..Table::default() };
        let mut keyset = Keyset::generate(&[7; 64], 1);
        keyset.add(&[8; 64], 2).unwrap();
        keyset = keyset.promoted(2).unwrap();
        let keyring = Arc::new(Keyring::new(Some(Arc::new(keyset)), BTreeMap::new()));
        let policy = Arc::new(Policy::compile(&settings, &table).unwrap());
        let record = Record { key: Some(b"7".to_vec()), value: value.map(Into::into), ..Record::default() };
        let mut outputs = Outputs::default();
        Protector::new(policy, keyring).protect(0, &record, &mut outputs).map_err(|rejection| rejection.reason)?;
        let token = String::from_utf8(outputs.views[0].1.key.clone().unwrap()).unwrap();
        Ok(u32::from_be_bytes(parse_token(&token).unwrap()[1..5].try_into().unwrap()))
    }

    #[test]
    fn a_views_record_key_is_sealed_under_the_pinned_key_whatever_the_primary() {
        for value in [Some("{}"), None] {
            assert_eq!(sealed_under(&[], value), Ok(2), "no control topic pins one");
            assert_eq!(sealed_under(&[(None, 1)], value), Ok(1));
            assert_eq!(sealed_under(&[(None, 2), (Some("acme"), 1)], value), Ok(1), "its own keyset's");
            assert_eq!(sealed_under(&[(None, 1), (Some("beta"), 2)], value), Ok(1));
            assert_eq!(sealed_under(&[(None, 9)], value), Err(super::Reason::KeysetMissing));
        }
    }
}
