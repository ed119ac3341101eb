use super::*;

fn with<T>(json: &str, then: impl FnOnce(&Document) -> T) -> T {
    let mut tape = Tape::default();
    let json = scan_value(json.as_bytes(), &Limits::default(), &mut tape).expect(json);
    then(&Document::new(json, &tape))
}

fn canonical(json: &str) -> Result<String, Reason> {
    let mut out = Vec::new();
    with(json, |doc| text(doc, 0, &mut out))?;
    Ok(String::from_utf8(out).expect("canonical text is UTF-8"))
}

fn plain(json: &str) -> Vec<u8> {
    let mut out = Vec::new();
    with(json, |doc| plaintext(doc, 0, &mut out)).expect(json);
    out
}

/// Values, texts and plaintexts made by another implementation from the same rules.
#[test]
fn the_golden_forms_are_met() {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/golden/tokens_golden.json")).expect("valid JSON");
    let field = |case: &serde_json::Value, name: &str| case[name].as_str().expect(name).to_owned();
    let cases = golden["tokens"].as_array().expect("a list");
    assert_eq!(cases.len(), 124);
    for case in cases {
        let (json, expected) = (field(case, "json"), field(case, "canonical"));
        assert_eq!(canonical(&json).as_deref(), Ok(expected.as_str()), "{json}");
        let mut bytes = plain(&json);
        assert_eq!(reveal(&bytes).as_deref(), Ok(expected.as_str()), "{json}");
        let bucket = case["pad"].as_u64().expect("a number") as usize;
        if bucket > 0 {
            bytes.resize(bytes.len().div_ceil(bucket).max(1) * bucket, 0xfe);
        }
        let shown: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(shown, field(case, "plaintext_hex"), "{json}");
    }
    let rejected = golden["rejected_where_marked"].as_array().expect("a list");
    assert_eq!(rejected.len(), 3);
    for json in rejected {
        let json = json.as_str().expect("a string");
        assert_eq!(canonical(json), Err(Reason::NumberOutOfRange), "{json}");
    }
}

#[test]
fn numbers_have_one_text() {
    let zeros = "0".repeat(62);
    let cases = [
        ("0", "0"),
        ("-0", "0"),
        ("-0.000e-99999999999999999999999", "0"),
        ("1", "1"),
        ("1.0", "1"),
        ("10e-1", "1"),
        ("0.1e1", "1"),
        ("0.0010e3", "1"),
        ("-1.50", "-1.5"),
        ("120e-1", "12"),
        ("0.05", "0.05"),
        ("100.001", "100.001"),
        ("100.0010e2", "10000.1"),
        ("0.00120e5", "120"),
        ("9007199254740993", "9007199254740993"),
        ("12e63", &format!("120{zeros}")),
        ("1.2e65", &format!("120{zeros}0")),
        ("1.2e66", "12e65"),
        ("-1.2e-64", "-12e-65"),
        ("-12e-64", &format!("-0.{zeros}12")),
        ("1e1000000000", "1e1000000000"),
        ("1E-1000000000", "1e-1000000000"),
        ("0.1e1000000001", "1e1000000000"),
        ("10e999999999", "1e1000000000"),
        ("10e-1000000001", "1e-1000000000"),
        ("1e+00000000000000000000000000007", "10000000"),
    ];
    for (json, expected) in cases {
        assert_eq!(canonical(json).as_deref(), Ok(expected), "{json}");
    }
}

#[test]
fn exponents_out_of_range_are_refused_wherever_they_stand() {
    let huge = "9".repeat(400);
    for json in [
        "1e1000000001",
        "10e1000000000",
        "-1e-1000000001",
        "0.1e-1000000000",
        "1e9223372036854775807",
        "1e-9223372036854775808",
        "1.5e-99999999999999999999",
        "[[{\"a\":12e99999999999999999999}]]",
        &format!("1e{huge}"),
        &format!("-1e-{huge}"),
    ] {
        assert_eq!(canonical(json), Err(Reason::NumberOutOfRange), "{json}");
        assert_eq!(with(json, |doc| check_numbers(doc, 0)), Err(Reason::NumberOutOfRange), "{json}");
    }
    let json = "{\"a\":[1,1e2000000000],\"b\":[0e2000000000,\"1e2000000000\"]}";
    with(json, |doc| {
        let checks: Vec<_> = doc.children(0).map(|child| check_numbers(doc, child)).collect();
        assert_eq!(checks, [Err(Reason::NumberOutOfRange), Ok(())]);
    });
}

#[test]
fn keys_are_sorted_by_unescaped_bytes_and_duplicates_keep_their_order() {
    let json = r#" { "b" : 1 , "\u0061" : [ ] , "b" : 0 , "" : { } , "\ud800" : null , "￿" : true , "B" : "x" } "#;
    assert_eq!(canonical(json).as_deref(), Ok(r#"{"":{},"B":"x","a":[],"b":1,"b":0,"\ud800":null,"￿":true}"#));
}

#[test]
fn strings_escape_the_least() {
    let json =
        r#""\u0022\u005c\u002f\u0008\u0009\u000a\u000c\u000d\u0000\u001F\u007f\uD83D\uDE00\uDFFF\u00e9\u2028\ud7ff""#;
    assert_eq!(
        canonical(json).as_deref(),
        Ok("\"\\\"\\\\/\\b\\t\\n\\f\\r\\u0000\\u001f\u{7f}\u{1f600}\\udfffé\u{2028}\u{d7ff}\"")
    );
}

#[test]
fn plaintexts_of_other_kinds_are_told_from_strings() {
    assert_eq!(plain("\"true\""), b"true");
    assert_eq!(plain("true"), b"\xfftrue           ");
    assert_eq!(plain("[true,false,1]"), b"\xff[true,false,1] ");
    assert_eq!(plain("[1,2,3,4,5,6,7]"), b"\xff[1,2,3,4,5,6,7]");
    assert_eq!(plain("\"\\ud800\""), b"\xff\"\\ud800\"       ");
    let mut out = b"before".to_vec();
    with("12", |doc| plaintext(doc, 0, &mut out)).expect("in range");
    assert_eq!(out, b"before\xff12             ");
}

#[test]
fn what_no_sealer_writes_is_malformed() {
    for bytes in [
        &b"\xff"[..],
        b"\xff               ",
        b"\xfftru",
        b"\xff1 2",
        b"\xff{\"a\":1",
        b"\xff\xff",
        b"\xff1e1000000001  ",
        b"\xfe",
        b"a\xfe",
        b"\xed\xa0\x80",
    ] {
        assert_eq!(reveal(bytes), Err(Malformed), "{}", bytes.escape_ascii());
    }
    assert_eq!(reveal(b"").as_deref(), Ok("\"\""));
    assert_eq!(reveal(b"\xff[ 1.0 ]").as_deref(), Ok("[1]"));
}

#[test]
fn depth_does_not_matter() {
    let json = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let sealed = [&[NOT_A_STRING], json.as_bytes()].concat();
    assert_eq!(reveal(&sealed).as_deref(), Ok(json.as_str()));
}
