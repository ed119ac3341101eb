//! `keys`: makes, changes and compares keysets, and never shows one.

use std::os::unix::fs::PermissionsExt;

use crate::bench::{Bench, CONFIG, KEYSET};

/// The base64 of both keys' material, which nothing may print.
fn secrets() -> Vec<&'static str> {
    KEYSET.split('"').filter(|text| text.starts_with("EkA") || text.starts_with("EkD")).collect()
}

#[test]
fn inspect_and_check_tell_keys_apart_without_showing_them() {
    let bench = Bench::new();
    assert_eq!(secrets().len(), 2);
    bench.expect("keys inspect keyset.json", "", 0, "1919301694  enabled\n1794347027  enabled, primary\n", "");
    let (code, checks, errors) = bench.run("keys check keyset.json", "");
    assert_eq!((code, errors.as_str()), (0, ""));
    let lengths: Vec<_> = checks.lines().map(|line| line.split_whitespace().last().map(str::len)).collect();
    assert_eq!(lengths, [Some(16), Some(16)], "{checks}");
    assert!(secrets().iter().all(|secret| !checks.contains(&secret[..8])));
    // the same key shows the same wherever it stands
    bench.keyset("golden.json", include_str!("../golden/keyset.json"));
    let (_, golden, _) = bench.run("keys check golden.json", "");
    assert_eq!(golden.split_whitespace().last(), checks.lines().next().and_then(|line| line.split_whitespace().last()));
}

#[test]
fn inspect_and_check_take_all_keysets_of_a_configuration() {
    let bench = Bench::new();
    let own = "[[workspace]]\nid = \"acme\"\nkeys = { file = \"acme.json\" }\n[[workspace]]\nid = \"beta\"\nkeys = { file = \"keyset.json\" }\n";
    bench.write("own.toml", &(CONFIG.to_owned() + own));
    let keys = "1919301694  enabled\n1794347027  enabled, primary\n";
    let missing = "missing: records of this workspace are rejected\n";
    let output = format!("[keys]\n{keys}workspace acme\n{missing}workspace beta\n{keys}");
    bench.expect("keys inspect --config own.toml", "", 0, &output, "");
}

#[test]
fn generate_makes_a_closed_file_and_never_overwrites() {
    let bench = Bench::new();
    let (code, output, errors) = bench.run("keys generate new.json", "");
    assert_eq!((code, errors.as_str()), (0, ""));
    let id = output.trim().strip_prefix("wrote new.json with key ").expect("it tells the id").to_owned();
    let mode = std::fs::metadata(bench.path("new.json")).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    bench.expect("keys inspect new.json", "", 0, &format!("{id:<10}  enabled, primary\n"), "");
    bench.refused(
        "keys generate new.json",
        "keyset in file new.json: it exists already; choose another path, since overwriting a keyset loses its keys for good",
    );
    let bytes = std::fs::read(bench.path("new.json")).expect("it is there");
    let keyset: serde_json::Value = serde_json::from_slice(&bytes).expect("is JSON");
    assert_eq!(keyset["key"][0]["keyData"]["typeUrl"], "type.googleapis.com/google.crypto.tink.AesSivKey");
    assert_eq!(keyset["key"].as_array().map(Vec::len), Some(1));
}

#[test]
fn add_does_not_promote_and_disable_spares_the_primary() {
    let bench = Bench::new();
    let (code, output, errors) = bench.run("keys add keyset.json", "");
    assert_eq!((code, errors.as_str()), (0, ""));
    let id =
        output.strip_prefix("added key ").and_then(|rest| rest.split(' ').next()).expect("it tells the id").to_owned();
    assert_eq!(output, format!("added key {id} to keyset.json; 1794347027 stays the primary\n"));
    let before = "1919301694  enabled\n1794347027  enabled, primary\n";
    bench.expect("keys inspect keyset.json", "", 0, &format!("{before}{id:<10}  enabled\n"), "");
    bench.expect(
        &format!("keys disable keyset.json --id {id}"),
        "",
        0,
        &format!("disabled key {id} in keyset.json\n"),
        "",
    );
    bench.expect("keys inspect keyset.json", "", 0, &format!("{before}{id:<10}  disabled\n"), "");
    bench.refused(
        "keys disable keyset.json --id 1794347027",
        "keyset.json: key 1794347027 is the primary and cannot be disabled",
    );
    bench.refused("keys disable keyset.json --id 1", "keyset.json: there is no key 1 in the keyset");
}

#[test]
fn a_refused_keyset_is_told_by_reason_and_without_its_bytes() {
    let bench = Bench::new();
    bench.keyset("raw.json", &KEYSET.replace("TINK", "RAW"));
    bench.refused(
        "keys check raw.json",
        "keyset in file raw.json: key 1919301694 has the output prefix RAW, but only TINK is accepted, since a token must name its key",
    );
    bench.keyset("cut.json", &KEYSET[..KEYSET.len() / 2]);
    let (code, output, errors) = bench.run("keys inspect cut.json", "");
    assert_eq!((code, output.as_str()), (2, ""));
    assert!(errors.starts_with("sivcar: keyset in file cut.json: the keyset is not JSON: line 2, column "), "{errors}");
    assert!(secrets().iter().all(|secret| !errors.contains(&secret[..8])));
}
