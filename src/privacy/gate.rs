//! The identification gate: a record that tells whose it is must carry the header that says it was authenticated.
//!
//! Whoever writes raw topics on behalf of the public (a collector, say) writes that header: one of a few words, or the JWT that the
//! issuer signed. Always holds: where the header occurs several times, or in several spellings, each occurrence must be accepted; a null
//! value never is; where claims tell whose record it may be, they vouch for every identifier that it has; one record has one signature
//! verified, however many tokens it brings. The header never reaches an output. Deliberately not here: who may write the raw topic; but for a signature, the gate is as strong as that.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::jwt::Jwks;
use super::layout::Located;
use super::scan::{Document, Kind};
use super::settings::Layout;
use crate::record::{Header, Record};

/// What may stand before a JWT, as in HTTP's `Authorization` (RFC 6750).
const BEARER: &str = "bearer ";

/// What a source asks of a record that has an id or uuid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The name of the header, in any case of ASCII letters.
    pub header: String,
    /// The values that say it was authenticated, byte by byte.
    pub accepted: BTreeSet<String>,
    /// Whether a JWT that one of the source's issuers signed says so too, and what it must claim.
    pub jwt: Option<Claims>,
}

/// The names of the claims that tell whose record it may be. With neither the signature is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// Claims the id.
    pub id: Option<String>,
    /// Claims the uuid.
    pub uuid: Option<String>,
}

/// Whose a record is, as it tells itself.
#[derive(Clone, Default)]
pub struct Subject<'a> {
    id: Option<Cow<'a, [u8]>>,
    uuid: Option<Cow<'a, [u8]>>,
}

impl<'a> Subject<'a> {
    /// The identifiers of `document`.
    pub fn of(document: &Document<'a>, located: &Located) -> Self {
        let text = |node: usize| match document.node(node).kind {
            Kind::String => document.string(node),
            _ => Cow::Borrowed(document.raw(document.node(node).value).as_bytes()),
        };
        Self { id: located.id.map(text), uuid: located.uuid.map(text) }
    }
}

impl Gate {
    /// Whether this is the gate's header.
    pub fn is_named(&self, header: &Header) -> bool {
        header.name.eq_ignore_ascii_case(&self.header)
    }

    /// Whether `record`, which is of `subject`, says that it was authenticated. A subject without identifiers is one that the record key
    /// names, and no claim.
    pub fn admits(&self, record: &Record, subject: &Subject, issuers: Option<&Jwks>) -> bool {
        let mut said = record.headers.iter().filter(|header| self.is_named(header)).peekable();
        // the token that was verified; a second one is not looked at, so that no record costs more signatures than one
        let mut verified = None;
        said.peek().is_some()
            && said.all(|header| {
                let value = header.value.as_deref().and_then(|value| std::str::from_utf8(value).ok());
                value.is_some_and(|value| match verified {
                    _ if self.accepted.contains(value) => true,
                    Some(verified) => verified == token(value),
                    None => self.vouches(verified.insert(token(value)), record.timestamp, subject, issuers),
                })
            })
    }

    fn vouches(&self, token: &str, at: Option<i64>, subject: &Subject, issuers: Option<&Jwks>) -> bool {
        let (Some(names), Some(issuers)) = (&self.jwt, issuers) else { return false };
        issuers.claims(token, at).is_some_and(|claims| names.are_of(&claims, subject))
    }

    /// Refuses a gate that would admit nothing, or what nobody authenticated, in records of `layout`.
    pub(super) fn check(&self, layout: &Layout) -> Result<(), String> {
        if self.header.is_empty() {
            return Err("gate: header must be the name of a header".to_owned());
        }
        if self.accepted.contains("") {
            return Err("gate: accepted has an empty value, which says nothing; take it out".to_owned());
        }
        if self.accepted.is_empty() && self.jwt.is_none() {
            return Err(
                "gate: it has neither accepted values nor jwks, so that no record with an id would pass".to_owned()
            );
        }
        if layout.id.is_none() && layout.uuid.is_none() {
            return Err(format!("layout {:?} names no id or uuid, so that the gate would let all pass", layout.name));
        }
        self.jwt.as_ref().map_or(Ok(()), |claims| claims.check(layout))
    }
}

/// The token in a header's value.
fn token(value: &str) -> &str {
    let scheme = value.get(..BEARER.len()).filter(|scheme| scheme.eq_ignore_ascii_case(BEARER));
    value[scheme.map_or(0, str::len)..].trim_start_matches(' ')
}

impl Claims {
    /// Whether nobody is to be named.
    fn is_empty(&self) -> bool {
        self.id.is_none() && self.uuid.is_none()
    }

    /// Refuses claims that are not those of the layout's identifiers: a record with one that no claim may name would never pass.
    fn check(&self, layout: &Layout) -> Result<(), String> {
        let pairs = [("id", &self.id, &layout.id), ("uuid", &self.uuid, &layout.uuid)];
        let other = pairs.into_iter().find(|(_, claim, path)| claim.is_some() != path.is_some());
        match other {
            _ if self.is_empty() => Ok(()),
            None => Ok(()),
            Some((word, Some(_), _)) => {
                Err(format!("gate: claims names the claim of a {word}, and layout {:?} has none", layout.name))
            }
            Some((word, None, _)) => Err(format!(
                "gate: claims names no claim of the {word} that layout {:?} has, so that no JWT would do for a record with one",
                layout.name
            )),
        }
    }

    /// Whether `claims` name every identifier of `subject`, where any is to be claimed.
    fn are_of(&self, claims: &Map<String, Value>, subject: &Subject) -> bool {
        let claimed = |name: &Option<String>, own: &[u8]| {
            let claim = name.as_ref().and_then(|name| claims.get(name)).and_then(text);
            claim.is_some_and(|claim| claim.as_bytes() == own)
        };
        let named = |name: &Option<String>, own: &Option<Cow<[u8]>>| own.as_ref().is_none_or(|own| claimed(name, own));
        let identified = subject.id.is_some() || subject.uuid.is_some();
        self.is_empty() || identified && named(&self.id, &subject.id) && named(&self.uuid, &subject.uuid)
    }
}

/// The text of a claim that may name somebody: `"42"` and 42 name the same, for a subject is a string by RFC 7519 and an id may be a number.
fn text(claim: &Value) -> Option<Cow<'_, str>> {
    match claim {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => {
            let text = number.to_string();
            (!text.contains(['.', 'e', 'E'])).then_some(Cow::Owned(text))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use openssl::hash::MessageDigest;
    use openssl::pkey::PKey;
    use openssl::sign::Signer;

    use super::*;

    fn admits(headers: &[(&str, Option<&str>)]) -> bool {
        let accepted = ["jwt".into(), "client-key".into()].into();
        let gate = Gate { header: "X-Auth".into(), accepted, jwt: None };
        let header =
            |(name, value): &(&str, Option<&str>)| Header { name: (*name).into(), value: value.map(Into::into) };
        let record = Record { headers: headers.iter().map(header).collect(), ..Record::default() };
        gate.admits(&record, &Subject::default(), None)
    }

    /// A JWT with these claims, by the issuer of the golden cases.
    fn signed(claims: &str) -> String {
        let key = PKey::private_key_from_pem(include_bytes!("../../tests/golden/issuer.pem")).expect("a key");
        let text = ["{\"alg\":\"RS256\"}", claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let mut signer = Signer::new(MessageDigest::sha256(), &key).expect("a signer");
        let signature = signer.sign_oneshot_to_vec(text.as_bytes()).expect("a signature");
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    #[test]
    fn a_second_token_is_not_verified() {
        let gate = Gate { header: "auth".into(), accepted: ["key".into()].into(), jwt: Some(Claims::default()) };
        let issuers = Jwks::parse(include_bytes!("../../tests/golden/jwks.json")).expect("a set");
        let admits = |values: &[&str]| {
            let header = |value: &&str| Header { name: "auth".into(), value: Some(value.as_bytes().into()) };
            let record = Record { headers: values.iter().map(header).collect(), ..Record::default() };
            gate.admits(&record, &Subject::default(), Some(&issuers))
        };
        let [one, other] = ["{}", "{\"sub\":\"42\"}"].map(signed);
        let bearer = format!("Bearer {one}");
        assert!(admits(&[&one]) && admits(&[&other]), "both are the issuer's");
        assert!(admits(&[&one, &one, "key", &bearer, &one]));
        assert!(!admits(&[&one, &other]));
        assert!(!admits(&[&one, "none"]) && !admits(&["none", &one]));
    }

    #[test]
    fn every_occurrence_of_the_header_must_be_accepted() {
        assert!(admits(&[("X-Auth", Some("jwt"))]));
        assert!(admits(&[("other", None), ("x-auth", Some("jwt")), ("X-AUTH", Some("client-key"))]));
        for refused in [
            &[][..],
            &[("other", Some("jwt"))],
            &[("X-Auth", None)],
            &[("X-Auth", Some(""))],
            &[("X-Auth", Some("JWT"))],
            &[("X-Auth", Some("jwt "))],
            &[("X-Auth", Some("jwt")), ("x-auth", Some("none"))],
            &[("X-Auth", Some("jwt")), ("X-Auth", None)],
        ] {
            assert!(!admits(refused), "{refused:?}");
        }
    }

    fn subject<'a>(id: Option<&'a str>, uuid: Option<&'a str>) -> Subject<'a> {
        let bytes = |text: &'a str| Cow::Borrowed(text.as_bytes());
        Subject { id: id.map(bytes), uuid: uuid.map(bytes) }
    }

    #[test]
    fn claims_vouch_for_every_identifier_or_for_none() {
        let names =
            |id: Option<&str>, uuid: Option<&str>| Claims { id: id.map(Into::into), uuid: uuid.map(Into::into) };
        let claims = serde_json::json!({ "sub": "42", "uid": "u-1", "n": 42, "f": 42.0, "l": ["42"], "z": null });
        let claims = claims.as_object().unwrap();
        for (names, subject, are) in [
            (names(None, None), subject(Some("7"), Some("8")), true),
            (names(None, None), subject(None, None), true),
            (names(Some("sub"), None), subject(Some("42"), None), true),
            (names(Some("n"), None), subject(Some("42"), None), true),
            (names(Some("sub"), Some("uid")), subject(Some("42"), Some("u-1")), true),
            (names(Some("sub"), Some("uid")), subject(None, Some("u-1")), true),
            (names(Some("sub"), None), subject(Some("43"), None), false),
            (names(Some("sub"), None), subject(Some("42 "), None), false),
            (names(Some("sub"), None), subject(Some("42"), Some("u-1")), false),
            (names(Some("sub"), Some("uid")), subject(Some("42"), Some("u-2")), false),
            (names(Some("sub"), Some("absent")), subject(Some("42"), Some("u-1")), false),
            (names(Some("f"), None), subject(Some("42.0"), None), false),
            (names(Some("l"), None), subject(Some("42"), None), false),
            (names(Some("z"), None), subject(Some("null"), None), false),
            (names(Some("sub"), None), subject(None, None), false),
        ] {
            assert_eq!(names.are_of(claims, &subject), are, "{names:?}");
        }
    }
}
