//! Seals single values of a document: plaintext, padding, associated data and token in one place, with reused buffers.
//!
//! A worker holds one [`ValueSealer`]; it builds a cipher per keyset when a workspace is first touched and keeps it. Always holds:
//! what is written is a token or nothing. Deliberately not here: which values are sealed.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::canonical;
use super::error::Reason;
use super::fold;
use super::keyset::Keyring;
use super::rules::NamedDomain;
use super::scan::{Document, Kind};
use super::seal::{self, Associated, Sealer, Sealers};
use crate::record::spare::Spare;

/// What is kept of records that are gone: a few outputs, so that rare ones of a megabyte are not held.
const SPARE_BYTES: usize = 1 << 20;

/// The sealers of one worker, by keyset, the buffers of one value, and those of records that are gone.
pub struct ValueSealer {
    keyring: Arc<Keyring>,
    sealers: Sealers,
    plaintext: Vec<u8>,
    associated: Vec<u8>,
    sealed: Vec<u8>,
    pub(super) spare: Spare,
}

/// Why a token on the way in was not passed but sealed like any other value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRefused {
    /// It is not the one canonical text of a token.
    NotCanonical,
    /// It does not open under the domain of the mark at its path.
    DoesNotOpen,
}

/// The keyset of one workspace, ready for sealing.
pub struct WorkspaceSealer<'a> {
    workspace: &'a str,
    sealer: &'a mut Sealer,
    plaintext: &'a mut Vec<u8>,
    associated: &'a mut Vec<u8>,
    sealed: &'a mut Vec<u8>,
    /// Where the outputs' buffers come from.
    pub(super) spare: &'a mut Spare,
}

impl ValueSealer {
    /// A sealer over `keyring`; ciphers are built when they are first needed.
    pub fn new(keyring: Arc<Keyring>) -> Self {
        let (sealers, plaintext, associated, sealed) = Default::default();
        let spare = Spare::new(SPARE_BYTES);
        Self { keyring, sealers, plaintext, associated, sealed, spare }
    }

    /// The sealer of `workspace`'s keyset.
    ///
    /// # Errors
    /// [`Reason::KeysetMissing`]; another workspace's keyset is never taken instead.
    pub fn of<'a>(&'a mut self, workspace: &'a str) -> Result<WorkspaceSealer<'a>, Reason> {
        let Self { keyring, sealers, plaintext, associated, sealed, spare } = self;
        let sealer = sealers.of(keyring.of(workspace).ok_or(Reason::KeysetMissing)?);
        Ok(WorkspaceSealer { workspace, sealer, plaintext, associated, sealed, spare })
    }

    /// The ciphers of `workspace`'s keyset.
    ///
    /// # Errors
    /// [`Reason::KeysetMissing`].
    pub fn keyset(&mut self, workspace: &str) -> Result<&mut Sealer, Reason> {
        Ok(self.sealers.of(self.keyring.of(workspace).ok_or(Reason::KeysetMissing)?))
    }
}

impl WorkspaceSealer<'_> {
    /// The id of the key that seals.
    pub fn primary(&self) -> u32 {
        // a keyset has an enabled primary, so there is a first
        self.sealer.key_ids().next().unwrap_or_default()
    }

    /// Appends the token of the value `node` in `domain`, without quotes.
    ///
    /// # Errors
    /// [`Reason::NumberOutOfRange`].
    pub fn exact(
        &mut self,
        document: &Document,
        node: usize,
        domain: &NamedDomain,
        out: &mut Vec<u8>,
    ) -> Result<(), Reason> {
        self.plaintext.clear();
        canonical::plaintext(document, node, self.plaintext)?;
        seal::pad(self.plaintext, domain.settings.pad as usize);
        let workspace = self.workspace;
        self.token(Associated::Exact { workspace, domain: &domain.name }, out);
        Ok(())
    }

    /// The second token of the value `node`, that ignores case and spaces; `None` for an object, an array or null.
    pub fn loose(&mut self, document: &Document, node: usize, domain: &NamedDomain) -> Option<String> {
        if matches!(document.node(node).kind, Kind::Null | Kind::Array | Kind::Object) {
            return None;
        }
        self.plaintext.clear();
        canonical::plaintext(document, node, self.plaintext).ok()?;
        let loose = loose_form(self.plaintext)?;
        Some(self.loose_token(&loose, domain))
    }

    fn loose_token(&mut self, loose: &str, domain: &NamedDomain) -> String {
        self.plaintext.clear();
        self.plaintext.extend_from_slice(loose.as_bytes());
        seal::pad(self.plaintext, domain.settings.pad as usize);
        let (workspace, mut token) = (self.workspace, Vec::new());
        self.token(Associated::Loose { workspace, domain: &domain.name }, &mut token);
        String::from_utf8_lossy(&token).into_owned()
    }

    /// Appends a view token of the value `node`: equal values show equal within one view, and nowhere else.
    ///
    /// # Errors
    /// [`Reason::NumberOutOfRange`].
    pub fn for_view(&mut self, document: &Document, node: usize, view: &str, out: &mut Vec<u8>) -> Result<(), Reason> {
        self.plaintext.clear();
        canonical::plaintext(document, node, self.plaintext)?;
        let workspace = self.workspace;
        self.token(Associated::View { workspace, view }, out);
        Ok(())
    }

    /// The view token of a record key's bytes, under the key that is `pinned` for the view's topic; where no control topic
    /// pins one, under the primary.
    ///
    /// # Errors
    /// [`Reason::KeysetMissing`]: the keyset does not have the pinned key.
    pub fn view_key(&mut self, key: &[u8], view: &str, pinned: Option<u32>) -> Result<Vec<u8>, Reason> {
        let workspace = self.workspace;
        self.token_under(Associated::View { workspace, view }, key, pinned)
    }

    /// The token of the bytes of a marked record key or header that leaves for the protected topic `topic`, under the key that is
    /// `pinned` for it; where no control topic pins one, under the primary.
    ///
    /// # Errors
    /// [`Reason::KeysetMissing`]: the keyset does not have the pinned key.
    pub fn around(&mut self, bytes: &[u8], topic: &str, pinned: Option<u32>) -> Result<Vec<u8>, Reason> {
        let workspace = self.workspace;
        self.token_under(Associated::Key { workspace, topic }, bytes, pinned)
    }

    /// What a marked record key or header that came from `topic`, an output of ours, was before it was sealed.
    ///
    /// # Errors
    /// Why it is none of ours; `None` in it where it does not even look like a token.
    pub fn opened_around(&mut self, bytes: &[u8], topic: &str) -> Result<Vec<u8>, Option<TokenRefused>> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.starts_with(seal::TOKEN_PREFIX)).ok_or(None)?;
        let sealed = seal::parse_token(text).ok_or(Some(TokenRefused::NotCanonical))?;
        self.associated.clear();
        Associated::Key { workspace: self.workspace, topic }.write(self.associated);
        self.sealer.open(self.associated, &sealed).map_err(|_| Some(TokenRefused::DoesNotOpen))
    }

    fn token_under(&mut self, associated: Associated, bytes: &[u8], pinned: Option<u32>) -> Result<Vec<u8>, Reason> {
        self.associated.clear();
        associated.write(self.associated);
        self.sealed.clear();
        let id = pinned.unwrap_or_else(|| self.primary());
        let done = self.sealer.seal_under(id, self.associated, bytes, self.sealed);
        done.map_err(|_| Reason::KeysetMissing)?;
        let mut token = self.spare.bytes();
        seal::token(self.sealed, &mut token);
        Ok(token)
    }

    /// The salt of the synthetic event of one profile and version: the SIV over both, base64url. One profile and version always
    /// have the same, and without the key nobody can tell whose it is.
    pub fn salt(&mut self, id: &str, since: u64) -> String {
        self.plaintext.clear();
        self.plaintext.extend_from_slice(id.as_bytes());
        self.plaintext.extend_from_slice(&since.to_be_bytes());
        self.associated.clear();
        Associated::Salt { workspace: self.workspace }.write(self.associated);
        self.sealed.clear();
        self.sealer.seal(self.associated, self.plaintext, self.sealed);
        URL_SAFE_NO_PAD.encode(seal::siv(self.sealed))
    }

    /// Whether the string `node` is a token that may pass: canonical, and sealed under `domain`. Gives its loose token, where
    /// the domain has such.
    ///
    /// # Errors
    /// Why it may not pass; `None` in it where the string does not even look like a token.
    pub fn passes(
        &mut self,
        document: &Document,
        node: usize,
        domain: &NamedDomain,
    ) -> Result<Option<String>, Option<TokenRefused>> {
        let text = document.string(node);
        if document.node(node).kind != Kind::String || !text.starts_with(seal::TOKEN_PREFIX.as_bytes()) {
            return Err(None);
        }
        let raw = document.raw(document.node(node).value).trim_matches('"');
        let sealed = seal::parse_token(raw).ok_or(Some(TokenRefused::NotCanonical))?;
        self.associated.clear();
        Associated::Exact { workspace: self.workspace, domain: &domain.name }.write(self.associated);
        let opened = self.sealer.open(self.associated, &sealed).map_err(|_| Some(TokenRefused::DoesNotOpen))?;
        let plaintext = seal::unpad(&opened);
        canonical::reveal(plaintext).map_err(|_| Some(TokenRefused::DoesNotOpen))?;
        let loose = if domain.settings.loose { loose_form(plaintext) } else { None };
        Ok(loose.map(|loose| self.loose_token(&loose, domain)))
    }

    /// Appends the token of the plaintext that was just prepared.
    fn token(&mut self, associated: Associated, out: &mut Vec<u8>) {
        self.associated.clear();
        associated.write(self.associated);
        self.sealed.clear();
        self.sealer.seal(self.associated, self.plaintext, self.sealed);
        seal::token(self.sealed, out);
    }
}

/// The loose form of an unpadded plaintext: of a string its own, of a number or boolean its canonical text, of anything else none.
/// A string with a lone surrogate counts by its canonical text, for it has no UTF-8 of its own.
pub fn loose_form(plaintext: &[u8]) -> Option<String> {
    match std::str::from_utf8(plaintext) {
        Ok(text) => Some(fold::loose(text)),
        Err(_) => {
            let text = canonical::reveal(plaintext).ok()?;
            let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(&text);
            (!text.starts_with(['{', '['])).then(|| fold::loose(inside))
        }
    }
}
