use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

const ONE: &str = include_str!("../../../tests/golden/keyset.json");

fn refusal(edit: impl Fn(String) -> String) -> KeysetError {
    let json = edit(ONE.to_owned());
    assert_ne!(json, ONE, "the edit must change something");
    Keyset::parse(json.as_bytes()).expect_err("refused")
}

fn with_message(message: &[u8]) -> KeysetError {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(message);
    let start = ONE.find("\"value\": \"").expect("a value") + 10;
    let end = start + ONE[start..].find('"').expect("its end");
    refusal(|json| format!("{}{text}{}", &json[..start], &json[end..]))
}

#[test]
fn a_keyset_of_tink_is_read_and_written_as_it_was() {
    let keyset = Keyset::parse(ONE.as_bytes()).expect("accepted");
    assert_eq!(keyset.primary(), 1919301694);
    assert_eq!(keyset.keys().len(), 1);
    assert_eq!(keyset.keys()[0].status(), Status::Enabled);
    assert_eq!(keyset.to_json().expose(), ONE);
}

#[test]
fn what_is_not_accepted_is_refused_by_its_reason() {
    let id = 1919301694;
    let edit = |from: &'static str, to: &'static str| refusal(move |json| json.replace(from, to));
    assert_eq!(edit("\"key\"", "key"), KeysetError::Json { line: 3, column: 3 });
    assert!(matches!(refusal(|json| json + "x"), KeysetError::Json { .. }));
    assert!(matches!(refusal(|json| json[..100].to_owned()), KeysetError::Json { .. }));
    assert!(matches!(edit("\"status\"", "\"extra\": 1,\n\"status\""), KeysetError::Form { line: 10, .. }));
    assert!(matches!(edit("\"status\"", "\"status\": \"ENABLED\", \"status\""), KeysetError::Form { .. }));
    assert!(matches!(edit("\"keyId\": 1919301694,", ""), KeysetError::Form { .. }));
    assert!(matches!(edit("\"keyId\": 1919301694", "\"keyId\": -1"), KeysetError::Form { .. }));
    assert!(matches!(edit("\"keyId\": 1919301694", "\"keyId\": \"1919301694\""), KeysetError::Form { .. }));
    assert!(matches!(edit("\"keyId\": 1919301694", "\"keyId\": 4294967296"), KeysetError::Form { .. }));
    assert!(matches!(edit("\"ENABLED\"", "1"), KeysetError::Form { .. }));
    assert!(matches!(edit("\"keyId\"", "\"key_id\""), KeysetError::Form { .. }));
    assert_eq!(edit("\"ENABLED\"", "\"DISABLED\""), KeysetError::PrimaryDisabled { id });
    assert_eq!(edit("\"ENABLED\"", "\"DESTROYED\""), KeysetError::Status { id, found: "DESTROYED" });
    assert_eq!(edit("\"ENABLED\"", "\"x\""), KeysetError::Status { id, found: "of an unknown status" });
    assert_eq!(edit("\"TINK\"", "\"RAW\""), KeysetError::Prefix { id, found: "RAW" });
    assert_eq!(edit("AesSivKey", "AesGcmKey"), KeysetError::Type { id });
    assert_eq!(edit("SYMMETRIC", "REMOTE"), KeysetError::Material { id });
    assert_eq!(edit("\"EkA", "\"E-A"), KeysetError::Base64 { id });
    assert_eq!(edit("nGLK\"", "nGLK=\""), KeysetError::Base64 { id });
    assert_eq!(edit("\"keyId\": 1919301694", "\"keyId\": 7"), KeysetError::PrimaryMissing { id });
    let twice = refusal(|json| {
        let start = json.find("    {").expect("a key");
        let end = json.find("\n  ]").expect("the end of the keys");
        format!("{},\n{}{}", &json[..end], &json[start..end], &json[end..])
    });
    assert_eq!(twice, KeysetError::DuplicateId { id });
    assert_eq!(Keyset::parse(b"{\"primaryKeyId\":1}").err(), Some(KeysetError::NoKeys));
    assert_eq!(Keyset::parse(b"{\"primaryKeyId\":1,\"key\":[]}").err(), Some(KeysetError::NoKeys));
    let encrypted = br#"{"encryptedKeyset":"AAAA","keysetInfo":{"primaryKeyId":1}}"#;
    assert_eq!(Keyset::parse(encrypted).err(), Some(KeysetError::Encrypted));
}

#[test]
fn only_the_one_message_of_64_bytes_and_version_0_is_a_key() {
    let id = 1919301694;
    let message = |head: &[u8], bytes: usize| [head, &vec![7; bytes]].concat();
    assert_eq!(with_message(&[]), KeysetError::Size { id });
    assert_eq!(with_message(&message(&[0x12, 32], 32)), KeysetError::Size { id });
    assert_eq!(with_message(&message(&[0x12, 0x80, 1], 128)), KeysetError::Size { id });
    assert_eq!(with_message(&message(&[0x08, 1, 0x12, 64], 64)), KeysetError::Version { id });
    assert_eq!(with_message(&message(&[0x12, 64], 63)), KeysetError::Message { id });
    assert_eq!(with_message(&message(&[0x12, 64], 65)), KeysetError::Message { id });
    assert_eq!(with_message(&message(&[0x1a, 64], 64)), KeysetError::Message { id });
    let explicit = message(&[0x08, 0, 0x12, 64], 64);
    assert_eq!(wire::aes_siv_key(&explicit, id).expect("version 0 may be written"), &[7; 64]);
}

#[test]
fn an_array_in_place_of_an_object_is_refused() {
    let fields = r#"["type.googleapis.com/google.crypto.tink.AesSivKey","EkA=","SYMMETRIC"]"#;
    let key = format!(r#"{{"keyData":{fields},"status":"ENABLED","keyId":7,"outputPrefixType":"TINK"}}"#);
    for (json, column) in [
        (format!(r#"[7,[{key}],null,null]"#), 1),
        (format!(r#"{{"primaryKeyId":7,"key":[{key}]}}"#), 37),
        (r#"{"primaryKeyId":7,"key":[[{},"ENABLED",7,"TINK"]]}"#.to_owned(), 28),
    ] {
        let refused = Keyset::parse(json.as_bytes()).err();
        assert_eq!(refused, Some(KeysetError::Form { line: 1, column }), "{json}");
    }
}

#[test]
fn neither_errors_nor_debug_show_any_of_the_keyset() {
    let keyset = Keyset::parse(ONE.as_bytes()).expect("accepted");
    let shown = format!("{keyset:?}");
    assert_eq!(shown, "Keyset { primary: 1919301694, keys: [Key { id: 1919301694, status: Enabled, material: *** }] }");
    let canary = "q7Zc0nArY";
    for json in [
        ONE.replace("1919301694,\n      \"out", &format!("\"{canary}\",\n      \"out")),
        ONE.replace("\"EkA", &format!("\"{canary}")),
        ONE.replace("\"ENABLED\"", &format!("\"{canary}\"")),
        ONE.replace("\"TINK\"", &format!("\"{canary}\"")),
        ONE.replace("\"status\"", &format!("\"{canary}\"")),
        ONE.replace("SYMMETRIC", canary),
    ] {
        assert!(json.contains(canary));
        let error = Keyset::parse(json.as_bytes()).expect_err("refused");
        assert!(!format!("{error} {error:?}").contains(canary));
    }
}

#[test]
fn keys_are_added_promoted_and_disabled() {
    let mut keyset = Keyset::generate(&[1; 64], 10);
    assert_eq!(keyset.add(&[2; 64], 10), Err(KeysetError::DuplicateId { id: 10 }));
    assert_eq!(keyset.add(&[2; 64], 20), Ok(()));
    assert_eq!(keyset.primary(), 10);
    assert_eq!(keyset.disable(10), Err(KeysetError::PrimaryDisabled { id: 10 }));
    assert_eq!(keyset.disable(30), Err(KeysetError::UnknownId { id: 30 }));
    assert_eq!(keyset.promoted(30).err(), Some(KeysetError::PrimaryMissing { id: 30 }));
    keyset = keyset.promoted(20).expect("enabled");
    assert_eq!(keyset.disable(10), Ok(()));
    assert_eq!(keyset.promoted(10).err(), Some(KeysetError::PrimaryDisabled { id: 10 }));
    assert_eq!((keyset.primary(), keyset.key(10).map(Key::status)), (20, Some(Status::Disabled)));
    for id in 100..100 + (KEYS_MAX as u32 - 2) {
        keyset.add(&[3; 64], id).expect("room");
    }
    assert_eq!(keyset.add(&[3; 64], 5), Err(KeysetError::TooManyKeys));
}

#[test]
fn a_missing_keyset_is_never_replaced_by_anothers() {
    let default = Arc::new(Keyset::generate(&[1; 64], 1));
    let acme = Arc::new(Keyset::generate(&[2; 64], 2));
    let own = BTreeMap::from([("acme".into(), Entry::Present(acme)), ("gone".into(), Entry::Missing)]);
    let primary = |ring: &Keyring, workspace: &str| ring.of(workspace).map(|keyset| keyset.primary());
    let ring = Keyring::new(Some(default), own.clone());
    assert_eq!(primary(&ring, "acme"), Some(2));
    assert_eq!(primary(&ring, "gone"), None);
    assert_eq!(primary(&ring, "other"), Some(1));
    let ring = Keyring::new(None, own);
    assert_eq!(primary(&ring, "acme"), Some(2));
    assert_eq!(primary(&ring, "other"), None);
    assert!(ring.default_keyset().is_none());
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        keys in prop::collection::btree_map(any::<u32>(), prop::array::uniform32(any::<(u8, u8)>()), 1..6),
        promoted in any::<prop::sample::Index>(),
        disabled in any::<prop::sample::Index>(),
    ) {
        let keys: Vec<(u32, [u8; 64])> = keys
            .into_iter()
            .map(|(id, halves)| (id, std::array::from_fn(|i| if i < 32 { halves[i].0 } else { halves[i - 32].1 })))
            .collect();
        let mut keyset = Keyset::generate(&keys[0].1, keys[0].0);
        for (id, material) in &keys[1..] {
            keyset.add(material, *id).expect("ids differ");
        }
        keyset = keyset.promoted(promoted.get(&keys).0).expect("enabled");
        let _primary_stays = keyset.disable(disabled.get(&keys).0);
        let json = keyset.to_json();
        let again = Keyset::parse(json.expose().as_bytes()).expect("our own form");
        let rewritten = again.to_json();
        prop_assert_eq!(rewritten.expose(), json.expose());
        prop_assert_eq!(again.primary(), keyset.primary());
        for (ours, theirs) in keyset.keys().iter().zip(again.keys()) {
            prop_assert_eq!((ours.id(), ours.status()), (theirs.id(), theirs.status()));
            prop_assert!(ours.material() == theirs.material());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _refused = Keyset::parse(&bytes);
    }
}
