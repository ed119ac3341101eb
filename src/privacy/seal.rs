//! Sealing and opening: AES-SIV-CMAC (RFC 5297) in the form of Tink's Deterministic AEAD.
//!
//! Sealed bytes are `0x01 ‖ key id (4, big-endian) ‖ SIV (16) ‖ ciphertext`, byte for byte what Tink writes, always with exactly
//! one component of associated data, even if it is empty. Always holds: equal plaintext under equal associated data and key gives
//! equal bytes (that is what makes search work), and nothing opens under another. All associated data in use is written by
//! [`Associated`], the one registry, so that no two purposes can meet. Deliberately not here: what the plaintext of a value is
//! ([`super::canonical`]), and which keyset serves whom ([`super::keyset::Keyring`]).

use std::sync::Arc;

use aes::Aes256Enc;
use aes_siv::siv::{CmacSiv, IV_SIZE};
use aes_siv::{KeyInit, Tag};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cmac::{Cmac, Mac};
use ctr::CtrCore;
use ctr::cipher::{InnerIvInit, StreamCipherCore};
use ctr::flavors::Ctr128BE;
use dbl::Dbl;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::keyset::{Key, Keyset, Status};

/// Tink's version byte of a ciphertext that names its key.
const TINK: u8 = 0x01;
/// The version byte and the key id.
const PREFIX_BYTES: usize = 5;

/// The bytes that sealing adds to a plaintext.
pub const OVERHEAD_BYTES: usize = PREFIX_BYTES + IV_SIZE;

/// What every token's text begins with.
pub const TOKEN_PREFIX: &str = "siv:";

/// The filler of padded plaintexts: a byte that UTF-8 never holds.
const PAD: u8 = 0xfe;

/// What check values seal.
const CHECK: &[u8] = b"check";

/// The enabled keys of one keyset, built once into ciphers. One per worker: a cipher is neither shareable nor cheap to make.
pub struct Sealer {
    /// The primary first, then the others in the keyset's order.
    ciphers: Vec<Cipher>,
}

/// The sealers of one worker: one per keyset, built when it is first asked for. Keysets are few, and told apart by where they stand
/// in memory, for two of them may share a key id.
#[derive(Default)]
pub struct Sealers(Vec<(Arc<Keyset>, Sealer)>);

impl Sealers {
    /// The sealer of `keyset`.
    pub fn of(&mut self, keyset: &Arc<Keyset>) -> &mut Sealer {
        let index = self.0.iter().position(|(other, _)| Arc::ptr_eq(other, keyset)).unwrap_or_else(|| {
            self.0.push((Arc::clone(keyset), Sealer::new(keyset)));
            self.0.len() - 1
        });
        &mut self.0[index].1
    }
}

/// Why sealed bytes do not open. Says nothing about what is in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short, or not of the form that names its key.
    #[error("not sealed bytes")]
    Malformed,
    /// Sealed under a key that the keyset does not have, or has disabled.
    #[error("sealed under key {0}, which is not an enabled key of this keyset")]
    UnknownKey(u32),
    /// Altered, sealed under other associated data, or under another key of the same id.
    #[error("does not open: altered, or sealed for something else")]
    Unauthentic,
}

/// A key that was asked for by id is not an enabled key of the keyset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key {0} is not an enabled key of this keyset")]
pub struct UnknownKey(pub u32);

impl Sealer {
    /// Builds the ciphers of the enabled keys of `keyset`.
    pub fn new(keyset: &Keyset) -> Self {
        let enabled = keyset.keys().iter().filter(|key| key.status() == Status::Enabled);
        let mut ciphers: Vec<Cipher> = enabled.map(|key| Cipher::new(key)).collect();
        ciphers.sort_by_key(|cipher| cipher.id != keyset.primary()); // stable: the others keep their order
        Self { ciphers }
    }

    /// The ids of the enabled keys, primary first.
    pub fn key_ids(&self) -> impl Iterator<Item = u32> {
        self.ciphers.iter().map(|cipher| cipher.id)
    }

    /// Appends `plaintext`, sealed under the primary, to `out`.
    pub fn seal(&mut self, associated: &[u8], plaintext: &[u8], out: &mut Vec<u8>) {
        self.ciphers[0].seal(associated, plaintext, out); // a keyset's primary is enabled, so there is a first
    }

    /// Appends `plaintext`, sealed under the enabled key `key_id`, to `out`; on error `out` is left as it was.
    pub fn seal_under(
        &mut self,
        key_id: u32,
        associated: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), UnknownKey> {
        self.cipher(key_id).ok_or(UnknownKey(key_id))?.seal(associated, plaintext, out);
        Ok(())
    }

    /// The tokens of `plaintext` under every enabled key, primary first: what a searcher puts into `IN (…)`.
    pub fn tokens(&mut self, associated: &[u8], plaintext: &[u8]) -> Vec<String> {
        let mut sealed = Vec::with_capacity(OVERHEAD_BYTES + plaintext.len());
        let each = self.ciphers.iter_mut().map(|cipher| {
            sealed.clear();
            cipher.seal(associated, plaintext, &mut sealed);
            let mut text = Vec::new();
            token(&sealed, &mut text);
            String::from_utf8(text).expect("a token is ASCII")
        });
        each.collect()
    }

    /// The plaintext of `sealed`, under the key that it names.
    pub fn open(&mut self, associated: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (key_id, rest) = split(sealed).ok_or(OpenError::Malformed)?;
        let cipher = self.cipher(key_id).ok_or(OpenError::UnknownKey(key_id))?;
        cipher.siv.decrypt([associated], rest).map_err(|_| OpenError::Unauthentic)
    }

    fn cipher(&mut self, id: u32) -> Option<&mut Cipher> {
        self.ciphers.iter_mut().find(|cipher| cipher.id == id)
    }
}

/// One key, ready for use. SIV only ever encrypts blocks: no round keys for decrypting them are made.
struct Cipher {
    id: u32,
    /// Opens, and is what sealing is held against by tests.
    siv: CmacSiv<Aes256Enc>,
    /// Of the first half of the key.
    mac: Cmac<Aes256Enc>,
    /// What S2V begins with, doubled once for the only component of associated data.
    first: Zeroizing<Tag>,
    /// Of the second half of the key, for the counter mode.
    counter: Aes256Enc,
}

impl Cipher {
    fn new(key: &Key) -> Self {
        let siv = CmacSiv::new_from_slice(key.material()).expect("a key of a keyset has 64 bytes");
        let (authenticates, encrypts) = key.material().split_at(key.material().len() / 2);
        let mut mac = Cmac::new_from_slice(authenticates).expect("half a key of a keyset has 32 bytes");
        let counter = Aes256Enc::new_from_slice(encrypts).expect("half a key of a keyset has 32 bytes");
        let first = Zeroizing::new(once(&mut mac, &Tag::default()).dbl());
        Self { id: key.id(), siv, mac, first, counter }
    }

    fn seal(&mut self, associated: &[u8], plaintext: &[u8], out: &mut Vec<u8>) {
        out.reserve(OVERHEAD_BYTES + plaintext.len());
        out.push(TINK);
        out.extend_from_slice(&self.id.to_be_bytes());
        let tag = self.tag(associated, plaintext);
        out.extend_from_slice(&tag);
        let text_at = out.len();
        out.extend_from_slice(plaintext);
        let mut counter = tag;
        // the first bit of each of the last two words is zero, so that counting never carries out of one
        (counter[8], counter[12]) = (counter[8] & 0x7f, counter[12] & 0x7f);
        let stream: CtrCore<_, Ctr128BE> = CtrCore::inner_iv_init(&self.counter, &counter);
        stream.apply_keystream_partial((&mut out[text_at..]).into());
    }

    /// S2V of one component of associated data and the plaintext (RFC 5297 §2.4).
    fn tag(&mut self, associated: &[u8], plaintext: &[u8]) -> Tag {
        let mut state = *self.first;
        xor(&mut state, &once(&mut self.mac, associated));
        match plaintext.len().checked_sub(IV_SIZE) {
            Some(rest) => {
                self.mac.update(&plaintext[..rest]);
                xor(&mut state, &plaintext[rest..]);
            }
            None => {
                state = state.dbl();
                xor(&mut state, plaintext);
                state[plaintext.len()] ^= 0x80;
            }
        }
        once(&mut self.mac, &state)
    }
}

/// The authentication code of what `mac` was given already, and of `text` behind it.
fn once(mac: &mut Cmac<Aes256Enc>, text: &[u8]) -> Tag {
    mac.update(text);
    mac.finalize_reset().into_bytes()
}

fn xor(state: &mut Tag, other: &[u8]) {
    state.iter_mut().zip(other).for_each(|(byte, other)| *byte ^= other);
}

/// The key id of sealed bytes, and SIV ‖ ciphertext.
fn split(sealed: &[u8]) -> Option<(u32, &[u8])> {
    match sealed {
        [TINK, a, b, c, d, rest @ ..] if rest.len() >= IV_SIZE => Some((u32::from_be_bytes([*a, *b, *c, *d]), rest)),
        _ => None,
    }
}

/// The SIV of sealed bytes, which [`Sealer::seal`] wrote.
pub fn siv(sealed: &[u8]) -> &[u8] {
    sealed.get(PREFIX_BYTES..OVERHEAD_BYTES).unwrap_or_default()
}

/// Appends the token of sealed bytes to `out`: `siv:` and base64url without padding; no quotes.
pub fn token(sealed: &[u8], out: &mut Vec<u8>) {
    let start = out.len() + TOKEN_PREFIX.len();
    out.extend_from_slice(TOKEN_PREFIX.as_bytes());
    out.resize(start + (sealed.len() * 4).div_ceil(3), 0);
    let written = URL_SAFE_NO_PAD.encode_slice(sealed, &mut out[start..]).expect("four letters for three bytes fit");
    debug_assert_eq!(written, out.len() - start);
}

/// The sealed bytes of a token, if `text` is the one text of them: lower-case `siv:`, no white space or padding, unused bits
/// zero, and bytes that name a key. Whether they open is not known yet.
pub fn parse_token(text: &str) -> Option<Vec<u8>> {
    let sealed = URL_SAFE_NO_PAD.decode(text.strip_prefix(TOKEN_PREFIX)?).ok()?;
    split(&sealed).is_some().then_some(sealed)
}

/// Fills the whole of `plaintext` with `FE` bytes up to a multiple of `bucket` bytes, at least one bucket; a bucket of 0 pads
/// nothing. Only for values, whose plaintext never ends with that byte by itself.
pub fn pad(plaintext: &mut Vec<u8>, bucket: usize) {
    if bucket > 0 {
        plaintext.resize(plaintext.len().max(1).next_multiple_of(bucket), PAD);
    }
}

/// A value's plaintext without its padding, whatever the bucket was.
pub fn unpad(plaintext: &[u8]) -> &[u8] {
    let end = plaintext.iter().rposition(|byte| *byte != PAD).map_or(0, |last| last + 1);
    &plaintext[..end]
}

/// The check value of a key, enabled or not: what tells two materials of one id apart without showing either.
pub fn check_value(key: &Key) -> Vec<u8> {
    let (mut associated, mut out) = (Vec::new(), Vec::new());
    Associated::Check { key_id: key.id() }.write(&mut associated);
    Cipher::new(key).seal(&associated, CHECK, &mut out);
    out
}

/// Whether `check` is the check value of `key`; takes the same time for every wrong one of the right length.
pub fn check_holds(key: &Key, check: &[u8]) -> bool {
    check_value(key).ct_eq(check).into()
}

/// What something is sealed for: the one registry of associated data. Each text has one reading, since workspace, group, view and
/// topic names hold no `/` and a domain, which may, stands last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are the names in the text
pub enum Associated<'a> {
    /// `exact:{workspace}/{domain}`: values.
    Exact { workspace: &'a str, domain: &'a str },
    /// `loose:{workspace}/{domain}`: second tokens, ignoring case and spaces.
    Loose { workspace: &'a str, domain: &'a str },
    /// `key:{workspace}/{topic}`: record keys and headers.
    Key { workspace: &'a str, topic: &'a str },
    /// `view:{workspace}/{view}`: record keys and `token` masks in views.
    View { workspace: &'a str, view: &'a str },
    /// `state-key:{group}/{topic}`: the changelog's keys.
    StateKey { group: &'a str, topic: &'a str },
    /// `state:{group}/{topic}/{state key token}`: the changelog's values, each for its own key.
    State { group: &'a str, topic: &'a str, key: &'a str },
    /// `salt:{workspace}`: the `eventSalt` of synthetic events.
    Salt { workspace: &'a str },
    /// `dead:{group}/{topic}/{partition}/{offset}`: dead letters.
    Dead { group: &'a str, topic: &'a str, partition: i32, offset: i64 },
    /// `check:{key id}`: key checks.
    Check { key_id: u32 },
}

impl Associated<'_> {
    /// Appends the text to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut join = |purpose: &str, parts: &[&str]| {
            out.extend_from_slice(purpose.as_bytes());
            for (i, part) in parts.iter().enumerate() {
                out.push(if i == 0 { b':' } else { b'/' });
                out.extend_from_slice(part.as_bytes());
            }
        };
        match self {
            Associated::Exact { workspace, domain } => join("exact", &[workspace, domain]),
            Associated::Loose { workspace, domain } => join("loose", &[workspace, domain]),
            Associated::Key { workspace, topic } => join("key", &[workspace, topic]),
            Associated::View { workspace, view } => join("view", &[workspace, view]),
            Associated::StateKey { group, topic } => join("state-key", &[group, topic]),
            Associated::State { group, topic, key } => join("state", &[group, topic, key]),
            Associated::Salt { workspace } => join("salt", &[workspace]),
            Associated::Dead { group, topic, partition, offset } => {
                join("dead", &[group, topic, &partition.to_string(), &offset.to_string()]);
            }
            Associated::Check { key_id } => join("check", &[&key_id.to_string()]),
        }
    }
}

#[cfg(test)]
mod tests;
