//! JSON Web Tokens (RFC 7519) that an issuer signed with RSA: whether they are its own, and what they claim.
//!
//! A token is a JWS in compact form (RFC 7515 §3.1) with algorithm RS256 or RS512 (RFC 7518 §3.3); keys come from a JWK set (RFC 7517).
//! Always holds: the algorithm is taken from the key's kind and the token's header may only agree; a header that asks for anything that
//! is not understood (`crit`) is refused; nothing of a token or key stands in an error. The signature is OpenSSL's, which librdkafka
//! links anyway: the JWT crates for Rust bring a cryptography of their own, or a provider for the whole process, and look at the machine's
//! clock. Deliberately not here: a clock (the caller says as of when), issuers and audiences, and encrypted tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::BigNum;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Public};
use openssl::rsa::Rsa;
use openssl::sign::Verifier;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// The least bits of a modulus (RFC 7518 §3.3).
const MODULUS_BITS_MIN: i32 = 2048;
/// The most bits: a longer modulus only costs time.
const MODULUS_BITS_MAX: i32 = 16_384;
/// The most keys that one set may have: a token that names none is tried under all.
const KEYS_MAX: usize = 32;
/// How far the clocks of issuer and producer may be apart, in milliseconds.
const LEEWAY_MS: f64 = 60_000.0;

/// The public keys of an issuer.
pub struct Jwks {
    keys: Vec<IssuerKey>,
}

struct IssuerKey {
    id: Option<String>,
    /// The one algorithm that it is for, if it says so.
    algorithm: Option<Algorithm>,
    key: PKey<Public>,
}

/// Why a JWK set is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // each message is the documentation
pub enum JwksError {
    #[error("it is no JWK set, {{\"keys\":[…]}} (line {line}, column {column})")]
    Form { line: usize, column: usize },
    #[error("it holds a private key; keep that with the issuer, and write only n and e here")]
    Private,
    #[error("it has no RSA key for RS256 or RS512")]
    NoKey,
    #[error("it has more than {KEYS_MAX} keys")]
    TooManyKeys,
    #[error("its RSA key {0} cannot be read: n and e must be unsigned numbers in base64url without padding")]
    Key(usize),
    #[error("its RSA key {0} has a modulus of {1} bits; it must have {MODULUS_BITS_MIN} to {MODULUS_BITS_MAX}")]
    Modulus(usize, i32),
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
enum Algorithm {
    RS256,
    RS512,
}

/// A JWK set. Members that are not known are ignored, as RFC 7517 §5 says.
#[derive(Deserialize)]
struct WireSet {
    keys: Vec<WireKey>,
}

#[derive(Deserialize)]
struct WireKey {
    kty: String,
    r#use: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<IgnoredAny>,
}

/// A token's header.
#[derive(Deserialize)]
struct WireHeader {
    alg: Algorithm,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

impl Jwks {
    /// Reads a JWK set. Keys that are not for verifying RS256 or RS512 are passed over.
    ///
    /// # Errors
    /// [`JwksError`]; keys are counted from 1.
    pub fn parse(text: &[u8]) -> Result<Jwks, JwksError> {
        let set: WireSet = serde_json::from_slice(text)
            .map_err(|error| JwksError::Form { line: error.line(), column: error.column() })?;
        let mut keys = Vec::new();
        for (number, key) in (1..).zip(&set.keys) {
            keys.extend(key.read(number)?);
        }
        match keys.len() {
            0 => Err(JwksError::NoKey),
            1..=KEYS_MAX => Ok(Jwks { keys }),
            _ => Err(JwksError::TooManyKeys),
        }
    }

    /// What `token` claims, if a key of this set signed it and it is valid at `at`, in milliseconds since the Unix epoch. Where the time
    /// is not known, a token that is bound to one is not valid.
    pub fn claims(&self, token: &str, at: Option<i64>) -> Option<Map<String, Value>> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let header: WireHeader = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        let (payload, signature) = (URL_SAFE_NO_PAD.decode(payload).ok()?, URL_SAFE_NO_PAD.decode(signature).ok()?);
        let fits = |key: &&IssuerKey| {
            (header.kid.is_none() || header.kid == key.id) && key.algorithm.is_none_or(|own| own == header.alg)
        };
        let signs = |key: &IssuerKey| key.has_signed(header.alg, signed.as_bytes(), &signature).unwrap_or(false);
        if header.crit.is_some() || !self.keys.iter().filter(fits).any(signs) {
            return None;
        }
        let claims: Map<String, Value> = serde_json::from_slice(&payload).ok()?;
        is_valid_at(&claims, at).then_some(claims)
    }
}

impl WireKey {
    /// The key, if it is one for verifying RS256 or RS512.
    fn read(&self, number: usize) -> Result<Option<IssuerKey>, JwksError> {
        if self.d.is_some() {
            return Err(JwksError::Private);
        }
        let algorithm = match self.alg.as_deref() {
            None => None,
            Some("RS256") => Some(Algorithm::RS256),
            Some("RS512") => Some(Algorithm::RS512),
            Some(_) => return Ok(None),
        };
        if self.kty != "RSA" || self.r#use.as_deref().is_some_and(|r#use| r#use != "sig") {
            return Ok(None);
        }
        let number_of = |text: &Option<String>| {
            let bytes = URL_SAFE_NO_PAD.decode(text.as_ref()?).ok()?;
            BigNum::from_slice(&bytes).ok()
        };
        let bad = JwksError::Key(number);
        let (Some(n), Some(e)) = (number_of(&self.n), number_of(&self.e)) else { return Err(bad) };
        let bits = n.num_bits();
        if !(MODULUS_BITS_MIN..=MODULUS_BITS_MAX).contains(&bits) {
            return Err(JwksError::Modulus(number, bits));
        }
        // 1 and even exponents make no key
        if e.num_bits() < 2 || !e.is_bit_set(0) {
            return Err(bad);
        }
        let key = Rsa::from_public_components(n, e).and_then(PKey::from_rsa).map_err(|_| bad)?;
        Ok(Some(IssuerKey { id: self.kid.clone(), algorithm, key }))
    }
}

impl IssuerKey {
    fn has_signed(&self, algorithm: Algorithm, text: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
        let digest = match algorithm {
            Algorithm::RS256 => MessageDigest::sha256(),
            Algorithm::RS512 => MessageDigest::sha512(),
        };
        Verifier::new(digest, &self.key)?.verify_oneshot(signature, text)
    }
}

/// Whether `exp` and `nbf`, where they stand, hold at `at`.
fn is_valid_at(claims: &Map<String, Value>, at: Option<i64>) -> bool {
    let holds = |name: &str, holds: fn(f64, f64) -> bool| match (claims.get(name), at) {
        (None, _) => true,
        (Some(seconds), Some(at)) => seconds.as_f64().is_some_and(|seconds| holds(at as f64, seconds * 1000.0)),
        (Some(_), None) => false,
    };
    holds("exp", |at, expires| at < expires + LEEWAY_MS) && holds("nbf", |at, begins| begins - LEEWAY_MS <= at)
}

#[cfg(test)]
mod tests;
