//! What is a token of an issuer, and what is not.

use std::sync::OnceLock;

use openssl::pkey::Private;
use openssl::sign::Signer;
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// The key and token of RFC 7515, appendix A.2.
const RFC_JWKS: &[u8] = include_bytes!("../../../tests/golden/rfc7515.jwks.json");
const RFC_TOKEN: &str = include_str!("../../../tests/golden/rfc7515.jwt");
const RFC_EXPIRES_MS: i64 = 1_300_819_380_000;

fn key(number: usize) -> &'static PKey<Private> {
    static KEYS: [OnceLock<PKey<Private>>; 2] = [OnceLock::new(), OnceLock::new()];
    KEYS[number].get_or_init(|| PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key"))
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The JWK of a key, with more members.
fn jwk(number: usize, more: Value) -> Value {
    let rsa = key(number).rsa().expect("an RSA key");
    let mut jwk = json!({ "kty": "RSA", "n": base64(&rsa.n().to_vec()), "e": base64(&rsa.e().to_vec()) });
    let members = jwk.as_object_mut().expect("an object");
    members.extend(more.as_object().expect("an object").clone());
    jwk
}

fn set(keys: &[Value]) -> Result<Jwks, JwksError> {
    Jwks::parse(json!({ "keys": keys }).to_string().as_bytes())
}

fn signed(number: usize, digest: MessageDigest, header: &Value, claims: &str) -> String {
    let text = format!("{}.{}", base64(header.to_string().as_bytes()), base64(claims.as_bytes()));
    let mut signer = Signer::new(digest, key(number)).expect("a signer");
    let signature = signer.sign_oneshot_to_vec(text.as_bytes()).expect("a signature");
    format!("{text}.{}", base64(&signature))
}

fn rs256(claims: &Value) -> String {
    signed(0, MessageDigest::sha256(), &json!({ "alg": "RS256" }), &claims.to_string())
}

#[test]
fn the_example_of_rfc_7515_verifies_until_it_expires() {
    let jwks = Jwks::parse(RFC_JWKS).expect("a set");
    let claims = jwks.claims(RFC_TOKEN, Some(RFC_EXPIRES_MS)).expect("signed");
    assert_eq!(claims["iss"], "joe");
    assert!(jwks.claims(RFC_TOKEN, Some(RFC_EXPIRES_MS + 59_999)).is_some());
    assert!(jwks.claims(RFC_TOKEN, Some(RFC_EXPIRES_MS + 60_000)).is_none());
    assert!(jwks.claims(RFC_TOKEN, None).is_none());
    for (place, _) in RFC_TOKEN.char_indices() {
        let mut other = RFC_TOKEN.to_owned().into_bytes();
        other[place] = if other[place] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).expect("ASCII");
        assert!(jwks.claims(&other, Some(0)).is_none(), "byte {place}");
    }
}

#[test]
fn both_algorithms_and_no_other() {
    let jwks = set(&[jwk(0, json!({}))]).expect("a set");
    let claims = json!({ "sub": "42" }).to_string();
    for (alg, digest, taken) in [
        ("RS256", MessageDigest::sha256(), true),
        ("RS512", MessageDigest::sha512(), true),
        ("RS512", MessageDigest::sha256(), false),
        ("RS384", MessageDigest::sha384(), false),
        ("rs256", MessageDigest::sha256(), false),
        ("none", MessageDigest::sha256(), false),
        ("HS256", MessageDigest::sha256(), false),
    ] {
        let token = signed(0, digest, &json!({ "alg": alg }), &claims);
        assert_eq!(jwks.claims(&token, None).is_some(), taken, "{alg}");
    }
    let unsigned = format!("{}.{}.", base64(br#"{"alg":"none"}"#), base64(claims.as_bytes()));
    assert!(jwks.claims(&unsigned, None).is_none());
}

#[test]
fn a_token_is_tried_under_the_keys_that_it_may_mean() {
    let named = |number, id: &str| jwk(number, json!({ "kid": id }));
    let jwks = set(&[named(1, "old"), named(0, "new"), jwk(0, json!({ "kid": "only-512", "alg": "RS512" }))]).unwrap();
    let taken = |header: Value| {
        let token = signed(0, MessageDigest::sha256(), &header, "{}");
        jwks.claims(&token, None).is_some()
    };
    assert!(taken(json!({ "alg": "RS256" })), "it names none");
    assert!(taken(json!({ "alg": "RS256", "kid": "new", "typ": "JWT" })));
    for refused in [
        json!({ "alg": "RS256", "kid": "old" }),
        json!({ "alg": "RS256", "kid": "unknown" }),
        json!({ "alg": "RS256", "kid": "only-512" }),
        json!({ "alg": "RS256", "kid": 7 }),
        json!({ "alg": "RS256", "crit": ["exp"] }),
        json!({ "kid": "new" }),
        json!([]),
    ] {
        assert!(!taken(refused.clone()), "{refused}");
    }
    let twice = format!("{}.{}", base64(br#"{"alg":"RS256","alg":"RS256"}"#), base64(b"{}"));
    assert!(jwks.claims(&format!("{twice}.AA"), None).is_none());
}

#[test]
fn times_are_held_against_the_one_that_is_given() {
    let jwks = set(&[jwk(0, json!({}))]).expect("a set");
    for (claims, at, valid) in [
        (json!({}), None, true),
        (json!({ "exp": 100 }), Some(159_999), true),
        (json!({ "exp": 100 }), Some(160_000), false),
        (json!({ "exp": 99.5 }), Some(159_499), true),
        (json!({ "exp": "100" }), Some(0), false),
        (json!({ "exp": null }), Some(0), false),
        (json!({ "nbf": 100 }), Some(40_000), true),
        (json!({ "nbf": 100 }), Some(39_999), false),
        (json!({ "nbf": 100 }), None, false),
        (json!({ "nbf": 1, "exp": 2 }), Some(1_500), true),
        (json!([]), None, false),
    ] {
        assert_eq!(jwks.claims(&rs256(&claims), at).is_some(), valid, "{claims} {at:?}");
    }
    assert!(jwks.claims(&signed(0, MessageDigest::sha256(), &json!({ "alg": "RS256" }), "no JSON"), None).is_none());
}

#[test]
fn sets_that_cannot_be_used_are_refused_by_reason() {
    let error = |keys: &[Value]| set(keys).err();
    assert_eq!(Jwks::parse(b"{}").err(), Some(JwksError::Form { line: 1, column: 2 }));
    let passed_over = [
        json!({ "kty": "EC", "crv": "P-256" }),
        json!({ "kty": "oct", "k": "AAAA" }),
        jwk(0, json!({ "use": "enc" })),
        jwk(0, json!({ "alg": "PS256" })),
    ];
    assert_eq!(error(&passed_over), Some(JwksError::NoKey));
    assert_eq!(error(&[]), Some(JwksError::NoKey));
    assert_eq!(error(&[jwk(0, json!({ "d": "AAAA" }))]), Some(JwksError::Private));
    assert_eq!(error(&[jwk(0, json!({})), jwk(0, json!({ "n": "A=" }))]), Some(JwksError::Key(2)));
    assert_eq!(error(&[jwk(0, json!({ "e": "AQ" }))]), Some(JwksError::Key(1)));
    assert_eq!(error(&[jwk(0, json!({ "e": null }))]), Some(JwksError::Key(1)));
    assert_eq!(error(&[jwk(0, json!({ "n": "_w" }))]), Some(JwksError::Modulus(1, 8)));
    assert_eq!(error(&vec![jwk(0, json!({})); 33]), Some(JwksError::TooManyKeys));
    assert!(set(&[json!({ "kty": "EC" }), jwk(0, json!({ "use": "sig", "alg": "RS512", "x5t": "x" }))]).is_ok());
}

proptest! {
    #[test]
    fn no_other_text_is_a_token(text in ".*", parts in proptest::collection::vec("[A-Za-z0-9_-]{0,12}", 0..5)) {
        let jwks = set(&[jwk(0, json!({}))]).expect("a set");
        prop_assert!(jwks.claims(&text, Some(0)).is_none());
        prop_assert!(jwks.claims(&parts.join("."), Some(0)).is_none());
    }
}
