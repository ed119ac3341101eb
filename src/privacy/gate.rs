//! The identification gate: a record that tells whose it is must carry the header that says it was authenticated.
//!
//! Whoever writes raw topics on behalf of the public (a collector, say) writes that header. Always holds: where the header occurs
//! several times, or in several spellings, each occurrence must be accepted; a null value never is. The header never reaches an
//! output. Deliberately not here: who may write the raw topic; the gate is as strong as that.

use std::collections::BTreeSet;

use crate::record::{Header, Record};

/// What a source asks of a record that has an id or uuid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The name of the header, in any case of ASCII letters.
    pub header: String,
    /// The values that say it was authenticated, byte by byte.
    pub accepted: BTreeSet<String>,
}

impl Gate {
    /// Whether this is the gate's header.
    pub fn is_named(&self, header: &Header) -> bool {
        header.name.eq_ignore_ascii_case(&self.header)
    }

    /// Whether `record` says that it was authenticated.
    pub fn admits(&self, record: &Record) -> bool {
        let mut said = record.headers.iter().filter(|header| self.is_named(header)).peekable();
        said.peek().is_some() && said.all(|header| header.value.as_deref().is_some_and(|value| self.accepts(value)))
    }

    fn accepts(&self, value: &[u8]) -> bool {
        std::str::from_utf8(value).is_ok_and(|value| self.accepted.contains(value))
    }

    /// Refuses a gate that would admit nothing, or whose header is gone before it is looked at.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.header.is_empty() {
            return Err("gate: header must be the name of a header".to_owned());
        }
        if self.accepted.is_empty() {
            return Err("gate: accepted lists no value, so that no record with an id would pass".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(headers: &[(&str, Option<&str>)]) -> bool {
        let gate = Gate { header: "X-Auth".into(), accepted: ["jwt".into(), "client-key".into()].into() };
        let header =
            |(name, value): &(&str, Option<&str>)| Header { name: (*name).into(), value: value.map(Into::into) };
        gate.admits(&Record { headers: headers.iter().map(header).collect(), ..Record::default() })
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
}
