use aes_siv::siv::Aes256Siv;
use proptest::prelude::*;

use super::*;

fn keyset(fill: u8, id: u32) -> Keyset {
    Keyset::generate(&[fill; 64], id)
}

fn sealed(sealer: &mut Sealer, associated: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    sealer.seal(associated, plaintext, &mut out);
    out
}

fn text(associated: Associated<'_>) -> String {
    let mut out = Vec::new();
    associated.write(&mut out);
    String::from_utf8(out).expect("texts in, text out")
}

fn token_of(sealed: &[u8]) -> String {
    let mut out = Vec::new();
    token(sealed, &mut out);
    String::from_utf8(out).expect("ASCII")
}

#[test]
fn the_example_of_tink_gives_its_bytes() {
    let keyset = Keyset::parse(include_bytes!("../../../tests/golden/keyset.json")).expect("accepted");
    let out = sealed(&mut Sealer::new(&keyset), b"associated data", b"message");
    let hex: String = out.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "017266383e9662925463d3247fd6e5e79d388fc0fa8420997cf4ee70");
}

#[test]
fn each_purpose_has_its_own_text() {
    assert_eq!(text(Associated::Exact { workspace: "acme", domain: "na/me ż" }), "exact:acme/na/me ż");
    assert_eq!(text(Associated::Loose { workspace: "acme", domain: "email" }), "loose:acme/email");
    assert_eq!(text(Associated::Key { workspace: "acme", topic: "raw.users" }), "key:acme/raw.users");
    assert_eq!(text(Associated::View { workspace: "acme", view: "debug" }), "view:acme/debug");
    let dead = Associated::Dead { group: "sivcar", topic: "raw.events", partition: 3, offset: i64::MAX };
    assert_eq!(text(dead), "dead:sivcar/raw.events/3/9223372036854775807");
    assert_eq!(text(Associated::StateKey { group: "g", topic: "raw.users" }), "state-key:g/raw.users");
    assert_eq!(text(Associated::State { group: "g", topic: "t", key: "siv:AQ" }), "state:g/t/siv:AQ");
    assert_eq!(text(Associated::Salt { workspace: "acme" }), "salt:acme");
    assert_eq!(text(Associated::Check { key_id: u32::MAX }), "check:4294967295");
}

#[test]
fn the_primary_seals_every_enabled_key_opens_and_a_disabled_one_does_neither() {
    let mut keyset = keyset(1, 10);
    keyset.add(&[2; 64], 20).expect("new id");
    keyset.add(&[3; 64], 30).expect("new id");
    let old = sealed(&mut Sealer::new(&keyset), b"a", b"x");
    keyset = keyset.promoted(30).expect("enabled");
    let mut sealer = Sealer::new(&keyset);
    assert_eq!(sealer.key_ids().collect::<Vec<_>>(), [30, 10, 20]);
    assert_eq!(sealed(&mut sealer, b"a", b"x")[..5], [1, 0, 0, 0, 30]);
    assert_eq!(sealer.open(b"a", &old).as_deref(), Ok(b"x".as_slice()));
    let mut under = b"kept".to_vec();
    assert_eq!(sealer.seal_under(10, b"a", b"x", &mut under), Ok(()));
    assert_eq!(under, [b"kept".as_slice(), &old].concat());
    assert_eq!(sealer.tokens(b"a", b"x").len(), 3);
    assert_eq!(sealer.tokens(b"a", b"x")[1], token_of(&old));

    keyset.disable(10).expect("not primary");
    let mut sealer = Sealer::new(&keyset);
    assert_eq!(sealer.key_ids().collect::<Vec<_>>(), [30, 20]);
    assert_eq!(sealer.open(b"a", &old), Err(OpenError::UnknownKey(10)));
    assert_eq!(sealer.seal_under(10, b"a", b"x", &mut under), Err(UnknownKey(10)));
}

#[test]
fn a_check_value_tells_other_material_of_the_same_id() {
    let (one, other) = (keyset(1, 7), keyset(2, 7));
    let check = check_value(&one.keys()[0]);
    assert_eq!(check.len(), OVERHEAD_BYTES + 5);
    assert_eq!(Sealer::new(&one).open(b"check:7", &check).as_deref(), Ok(b"check".as_slice()));
    assert!(check_holds(&one.keys()[0], &check));
    assert!(!check_holds(&other.keys()[0], &check));
    assert!(!check_holds(&one.keys()[0], &check[1..]));
    assert!(!check_holds(&one.keys()[0], b""));
}

#[test]
fn only_one_text_is_a_token() {
    let token = token_of(&[&[1, 0, 0, 0, 7][..], &[0xff; 16], b"x"].concat());
    assert_eq!(token, "siv:AQAAAAf_____________________eA");
    assert!(parse_token(&token).is_some());
    for other in [
        token.replace("siv:", "SIV:"),
        token.replace("siv:", "siv: "),
        token.replace("siv:", ""),
        token.replace('_', "/"),
        token.replace("eA", "eB"),
        format!("{token}=="),
        format!("{token} "),
        format!("{token}\n"),
        format!(" {token}"),
        token[..token.len() - 1].to_owned(),
        token.replace("AQ", "AA"),
        "siv:".to_owned(),
        "siv:AQAAAAc".to_owned(),
        String::new(),
    ] {
        assert_eq!(parse_token(&other), None, "{other:?}");
    }
}

#[test]
fn padding_fills_whole_buckets_and_at_least_one() {
    let padded = |plaintext: &[u8], bucket| {
        let mut plaintext = plaintext.to_vec();
        pad(&mut plaintext, bucket);
        plaintext
    };
    assert_eq!(padded(b"", 0), b"");
    assert_eq!(padded(b"abc", 0), b"abc");
    assert_eq!(padded(b"", 4), [0xfe; 4]);
    assert_eq!(padded(b"abc", 4), *b"abc\xfe");
    assert_eq!(padded(b"abcd", 4), *b"abcd");
    assert_eq!(padded(b"abcde", 4), *b"abcde\xfe\xfe\xfe");
    assert_eq!(unpad(&[0xfe; 4]), b"");
}

fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..max)
}

proptest! {
    #[test]
    fn sealing_gives_what_the_library_gives(
        key in prop::array::uniform32(any::<u8>()), associated in bytes(70), plaintext in bytes(70),
    ) {
        let material: [u8; 64] = std::array::from_fn(|at| key[at % 32] ^ at as u8);
        let mut sealer = Sealer::new(&Keyset::generate(&material, 7));
        let expected = Aes256Siv::new(&material.into()).encrypt([&associated], &plaintext).expect("one component");
        // nothing of one value is left for the next
        for _ in 0..2 {
            prop_assert_eq!(&sealed(&mut sealer, &associated, &plaintext)[PREFIX_BYTES..], &expected);
        }
    }

    #[test]
    fn open_gives_back_what_seal_took(associated in bytes(40), plaintext in bytes(200)) {
        let mut sealer = Sealer::new(&keyset(1, 7));
        let out = sealed(&mut sealer, &associated, &plaintext);
        prop_assert_eq!(out.len(), OVERHEAD_BYTES + plaintext.len());
        prop_assert_eq!(&out, &sealed(&mut sealer, &associated, &plaintext));
        prop_assert_eq!(sealer.open(&associated, &out), Ok(plaintext));
    }

    #[test]
    fn it_opens_for_nothing_else(
        associated in bytes(40), other in bytes(40), plaintext in bytes(60),
        flip in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>(),
    ) {
        let mut sealer = Sealer::new(&keyset(1, 7));
        let mut out = sealed(&mut sealer, &associated, &plaintext);
        if other != associated {
            prop_assert_eq!(sealer.open(&other, &out), Err(OpenError::Unauthentic));
        }
        prop_assert_eq!(Sealer::new(&keyset(2, 7)).open(&associated, &out), Err(OpenError::Unauthentic));
        prop_assert_eq!(Sealer::new(&keyset(1, 8)).open(&associated, &out), Err(OpenError::UnknownKey(7)));
        prop_assert!(sealer.open(&associated, &out[..cut.index(out.len())]).is_err());
        let bit = flip.index(out.len() * 8);
        out[bit / 8] ^= 1 << (bit % 8);
        let expected = match bit / 8 {
            0 => OpenError::Malformed,
            1..5 => OpenError::UnknownKey(u32::from_be_bytes([out[1], out[2], out[3], out[4]])),
            _ => OpenError::Unauthentic,
        };
        prop_assert_eq!(sealer.open(&associated, &out), Err(expected));
    }

    #[test]
    fn a_token_is_the_only_text_of_its_bytes(plaintext in bytes(60), at in any::<prop::sample::Index>(), by in any::<char>()) {
        let out = sealed(&mut Sealer::new(&keyset(1, 7)), b"", &plaintext);
        let text = token_of(&out);
        let parsed = parse_token(&text);
        prop_assert_eq!(parsed.as_ref(), Some(&out));
        let mut other: Vec<char> = text.chars().collect();
        let at = at.index(other.len());
        other[at] = by;
        let other: String = other.into_iter().collect();
        if let Some(bytes) = parse_token(&other) {
            prop_assert_eq!(token_of(&bytes), other);
        }
    }

    #[test]
    fn whatever_parses_is_written_the_same(text in "siv:[A-Za-z0-9_-]{26,40}") {
        if let Some(sealed) = parse_token(&text) {
            prop_assert_eq!(token_of(&sealed), text);
        }
    }

    #[test]
    fn unpad_undoes_pad(value in any::<String>(), other in any::<bool>(), bucket in 0usize..100) {
        let mut plaintext = if other { vec![0xff] } else { Vec::new() };
        plaintext.extend_from_slice(value.as_bytes());
        let before = plaintext.clone();
        pad(&mut plaintext, bucket);
        prop_assert_eq!(unpad(&plaintext), &before);
        if bucket > 0 {
            prop_assert_eq!(plaintext.len() % bucket, 0);
            prop_assert!(!plaintext.is_empty() && plaintext.len() < before.len().max(1) + bucket);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), sealed in bytes(60)) {
        let _refused = parse_token(&text);
        let _refused = Sealer::new(&keyset(1, 7)).open(b"", &sealed);
    }
}
