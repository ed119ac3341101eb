//! The query and the fragment of a URL, as names and values.
//!
//! Always holds: percent escapes are resolved once, a plus is a space (the URL Standard's `application/x-www-form-urlencoded`); what is no
//! query gives nothing.

use std::borrow::Cow;

use memchr::memchr2;

/// The pairs of `text`, if it has a query or a fragment with such.
pub(super) fn pairs(text: &[u8]) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    let start = memchr2(b'?', b'#', text).map_or(text.len(), |at| at + 1);
    let parts = text[start..].split(|byte| matches!(byte, b'&' | b';' | b'?' | b'#'));
    parts.filter_map(|part| {
        let equals = part.iter().position(|byte| *byte == b'=')?;
        Some((resolved(&part[..equals]), resolved(&part[equals + 1..])))
    })
}

/// `text` without its percent escapes, and with spaces for plus signs.
pub(in crate::privacy) fn resolved(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr2(b'%', b'+', text).is_none() {
        return Cow::Borrowed(text);
    }
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
    while let Some(byte) = text.get(at) {
        let escape = digit(at + 1).zip(digit(at + 2)).filter(|_| *byte == b'%');
        let (resolved, taken) = match (escape, byte) {
            (Some((high, low)), _) => ((high * 16 + low) as u8, 3),
            (None, b'+') => (b' ', 1),
            (None, byte) => (*byte, 1),
        };
        out.push(resolved);
        at += taken;
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_names_and_values() {
        let read = |text: &str| -> Vec<(String, String)> {
            let text_of = |bytes: Cow<[u8]>| String::from_utf8_lossy(&bytes).into_owned();
            pairs(text.as_bytes()).map(|(name, value)| (text_of(name), text_of(value))).collect()
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read("https://x.example/a?e=a%40b&q=c+d%2"), [pair("e", "a@b"), pair("q", "c d%2")]);
        assert_eq!(read("/cb#access_token=x&state"), [pair("access_token", "x")]);
        assert_eq!(read("?a=1?b=2;c=3"), [pair("a", "1"), pair("b", "2"), pair("c", "3")]);
        assert_eq!(read("a=b"), []);
        assert_eq!(read("why? because"), []);
    }
}
