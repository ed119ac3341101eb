//! Tokens and keysets print back what they were read from; nothing that is refused shows a key.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::common::checks::{keyset_round_trips, token_has_one_text, token_round_trips};

/// Tink's form, with one place changed, cut out or doubled.
fn damaged_keyset() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<&[u8]> = vec![
        b"ENABLED",
        b"DISABLED",
        b"DESTROYED",
        b"TINK",
        b"RAW",
        b"0",
        b"-1",
        b"4294967296",
        b"1919301694",
        b"null",
        b"\"",
        b",",
        b"}",
        b"\"encryptedKeyset\":\"AAAA\",",
        b"EkAl9HCMmKTN1p3V186uhZpJQ+tivyc4IKyE",
        b"==",
        b"\xff",
        b"SYMMETRIC",
        b"key",
    ];
    let damage = (
        any::<Index>(),
        0usize..12,
        prop_oneof![3 => select(words).prop_map(<[u8]>::to_vec), 1 => vec(any::<u8>(), 0..3)],
    );
    vec(damage, 0..3).prop_map(|damages| {
        let mut json = include_bytes!("../golden/keyset.json").to_vec();
        for (at, length, word) in damages {
            let at = at.index(json.len());
            let end = json.len().min(at + length);
            json.splice(at..end, word);
        }
        json
    })
}

proptest! {
    #[test]
    fn a_token_has_one_text(text in "siv:[A-Za-z0-9_-]{26,60}|siv:[A-Za-z0-9_=+/ -]{0,60}|[sS][iI][vV]:A[Q-T][A-Za-z]{30}") {
        token_has_one_text(&text);
    }

    #[test]
    fn sealed_bytes_come_back(sealed in vec(any::<u8>(), 0..80), version in 0u8..3) {
        token_round_trips(&sealed);
        token_round_trips(&[&[version], &sealed[..]].concat());
    }

    #[test]
    fn keysets_are_read_as_written_and_refused_without_a_word_of_them(json in damaged_keyset()) {
        keyset_round_trips(&json);
    }
}
