//! Reveal: opens what was sealed, for someone who holds the keyset.
//!
//! A document is opened by the marks' paths: a string at a marked path that opens under the mark's domain is replaced by the
//! canonical text of its value; nothing is ever opened because it looks like a token. Deliberately not here: who is entitled.

use super::canonical;
use super::detect::Detector;
use super::error::Reason;
use super::fields::{Fields, Search};
use super::fold;
use super::hook::Asked;
use super::layout::{self, Located};
use super::mark::Protect;
use super::policy::Policy;
use super::protect::document_workspace;
use super::rules::{Rules, Verdict};
use super::scan::{self, Document, Kind, Tape};
use super::seal::{self, Associated, OpenError, Sealer};
use super::settings::{Detection, Stage};
use super::splice::{Choice, Editor, splice};
use super::value::ValueSealer;
use super::within::{Reading, Which};

/// Why a token does not give its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevealError {
    /// The text is not the one canonical text of a token.
    #[error("not a token")]
    NotAToken,
    /// It does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It opens to something that sivcar never seals.
    #[error("opens, but not to a value")]
    NotAValue,
}

/// The canonical JSON text of the value that `token` seals in `domain` of `workspace`.
///
/// # Errors
/// [`RevealError`].
pub fn value(sealer: &mut Sealer, workspace: &str, domain: &str, token: &str) -> Result<String, RevealError> {
    let sealed = seal::parse_token(token).ok_or(RevealError::NotAToken)?;
    let mut associated = Vec::new();
    Associated::Exact { workspace, domain }.write(&mut associated);
    let plaintext = sealer.open(&associated, &sealed)?;
    canonical::reveal(seal::unpad(&plaintext)).map_err(|_| RevealError::NotAValue)
}

/// What the record key or header was, as a JSON string, that `token` seals for the protected topic `topic` in `workspace`.
///
/// # Errors
/// [`RevealError`]; [`RevealError::NotAValue`] where it was no text.
pub fn around(sealer: &mut Sealer, workspace: &str, topic: &str, token: &str) -> Result<String, RevealError> {
    let sealed = seal::parse_token(token).ok_or(RevealError::NotAToken)?;
    let mut associated = Vec::new();
    Associated::Key { workspace, topic }.write(&mut associated);
    let plaintext = sealer.open(&associated, &sealed)?;
    let text = String::from_utf8(plaintext).map_err(|_| RevealError::NotAValue)?;
    let mut quoted = Vec::new();
    canonical::quote(text.as_bytes(), &mut quoted);
    Ok(fold::lossy(&quoted).into_owned()) // it is UTF-8
}

/// Opens the marked values of `value`, a document of the protected topic of the source with index `source`, and gives the document
/// with each of them in canonical form; sivcar's own member is removed. Values that do not open stay as they are. In a stage in which
/// nothing is enforced nothing was sealed, so nothing is opened: a token that stands there came from outside.
///
/// # Errors
/// The [`Reason`] for which a record with this value would be rejected.
pub fn document(policy: &Policy, sealer: &mut ValueSealer, source: usize, value: &[u8]) -> Result<Vec<u8>, Reason> {
    let settings = policy.settings();
    let (mut tape, mut located, mut fields) = (Tape::default(), Located::default(), Fields::default());
    let text = scan::scan(value, &settings.limits, &mut tape)?;
    let document = Document::new(text, &tape);
    let source_settings = &settings.sources[source];
    policy.layout(source).locate(&document, &mut located)?;
    let workspace = document_workspace(policy, source_settings, &document, &located)?;
    let mut reading = Reading::default();
    let document = reading.read(document, source_settings.within, Which::All, &settings.limits, &mut located);
    let rules = policy.rules(source_settings, &workspace);
    let event = located.event.and_then(|node| rules.event(&layout::word_text(&document, node)));
    let search = Search {
        rules,
        located: &located,
        event,
        ids: source_settings.ids,
        case: source_settings.case,
        noted: &[],
        trace: false,
        asked: &Asked::Nobody,
    };
    fields.find(&document, &search)?;
    if source_settings.detection == Detection::Encrypt {
        // what was found by name is found again; what was found by its look looks like a token now
        fields.detect(&document, &search, &mut Detector::default(), Detection::Encrypt, &settings.matchers);
    }
    let keyset = sealer.keyset(&workspace)?;
    if policy.stage(&workspace) != Stage::Enforced {
        return Ok(value.to_vec());
    }
    let mut editor =
        RevealEditor { rules, fields: &fields, workspace: &workspace, sealer: keyset, opened: String::new() };
    let mut out = Vec::with_capacity(value.len());
    splice(&document, &mut editor, None, &mut out)?;
    Ok(out)
}

struct RevealEditor<'a> {
    rules: &'a Rules,
    fields: &'a Fields,
    workspace: &'a str,
    sealer: &'a mut Sealer,
    /// What the value just chosen opens to.
    opened: String,
}

impl Editor for RevealEditor<'_> {
    /// The verdict of the array that was sealed element by element, if we are in one.
    type Context = Option<Verdict>;

    fn choose(&mut self, document: &Document, node: usize, context: Self::Context) -> Choice<Self::Context> {
        if self.fields.is_own(node) {
            return Choice::Remove;
        }
        let verdict = context.or_else(|| self.fields.verdict(node));
        match (verdict.filter(|verdict| verdict.protect == Protect::Encrypt), document.node(node).kind) {
            (Some(verdict), Kind::String) => {
                let token = document.raw(document.node(node).value).trim_matches('"');
                let domain = &self.rules.domain(&verdict).name;
                match value(self.sealer, self.workspace, domain, token) {
                    Ok(opened) => {
                        self.opened = opened;
                        Choice::Replace(None)
                    }
                    Err(_) => Choice::Copy,
                }
            }
            (Some(verdict), Kind::Array) => Choice::Enter(Some(verdict)),
            _ if self.fields.below(document, node).is_empty() => Choice::Copy,
            _ => Choice::Enter(None),
        }
    }

    fn write(&mut self, _: &Document, _: usize, _: Self::Context, out: &mut Vec<u8>) -> Result<(), Reason> {
        out.extend_from_slice(self.opened.as_bytes());
        Ok(())
    }

    fn tail(&mut self, _comma: bool, _out: &mut Vec<u8>) {}
}
