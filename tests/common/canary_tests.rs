//! The canary search finds every form, and nothing else.

use std::time::{Duration, Instant};

use base64::Engine as _;

use super::canary::{Canaries, Finding, Form, hex};

/// A value with what makes forms differ: both cases, a quote, a slash, a letter beyond ASCII and one beyond 16 bits, digits.
const VALUE: &str = "Zoë \"Q\"/😀 601-234-567";

fn forms(value: &str, text: &[u8]) -> Vec<Form> {
    let search = Canaries::new(["a value that is not there", value]);
    let found = search.find(&[b"{\"k\":\"x", text, b"x\",\"n\":17}"].concat());
    assert!(found.iter().all(|finding| finding.value == 1), "{found:?}");
    found.into_iter().map(|finding| finding.form).collect()
}

#[test]
fn the_literal_is_found_in_any_case() {
    for text in [VALUE.to_owned(), VALUE.to_uppercase(), VALUE.to_lowercase()] {
        assert_eq!(forms(VALUE, text.as_bytes()), [Form::Text, Form::Digits], "{text}");
    }
}

#[test]
fn every_mixture_of_json_escapes_is_found() {
    let every: String = VALUE.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    let upper: String = VALUE.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
    for text in [every, upper, "Zo\\u00eB \\\"Q\\u0022\\/\\ud83D\\uDe00 \\u00360\\u0031-234-567".to_owned()] {
        assert!(forms(VALUE, text.as_bytes()).contains(&Form::Text), "{text}");
    }
}

#[test]
fn percent_encoding_is_found_whole_in_part_and_escaped() {
    let every: String = VALUE.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let some = "Zo%c3%AB%20%22Q%22%2f😀%20601-234-567";
    let escaped = "Zo\\u0025c3%ab \\\"Q%22\\/😀 601-234-567";
    for text in [every.as_str(), some, escaped] {
        assert!(forms(VALUE, text.as_bytes()).contains(&Form::Text), "{text}");
    }
}

#[test]
fn hexadecimal_is_found_in_any_case() {
    let lower = hex(VALUE.as_bytes());
    assert!(forms(VALUE, &lower).contains(&Form::Hex));
    assert!(forms(VALUE, &lower.to_ascii_uppercase()).contains(&Form::Hex));
}

#[test]
fn base64_is_found_in_both_alphabets_and_at_every_place() {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
    let value = "~~~???>>> ann";
    for before in ["", "a", "ab", "abc", "abcd"] {
        for after in ["", "z", "zz"] {
            let text = format!("{before}{value}{after}");
            for encoded in [STANDARD.encode(&text), URL_SAFE.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                assert_eq!(forms(value, encoded.as_bytes()), [Form::Base64], "{text}");
                let escaped = encoded.replace('/', "\\/").replace('+', "\\u002b");
                assert_eq!(forms(value, escaped.as_bytes()), [Form::Base64], "{text}");
            }
        }
    }
}

#[test]
fn digits_are_found_with_and_without_punctuation() {
    for text in ["601234567", "+48 601 234 567", "601-234-567", "(601) 234.567", "60\\u00312345\\u00367"] {
        assert_eq!(forms("(60)1234-567", text.as_bytes()), [Form::Digits], "{text}");
    }
    assert_eq!(forms("(60)1234-567", b"601, then 234567"), [], "words divide");
    assert_eq!(forms("ann 123456", b"123456"), [], "too few to tell");
}

#[test]
fn what_is_not_there_is_not_found() {
    let controls =
        ["Zoë \"Q\"/😀 601-234-568", "Zoe \"Q\"/😀", "siv:AXJlZmV0b2tlbnRva2Vu", "\\u00", "%", "%4", "\\", "***"];
    for control in controls {
        assert_eq!(forms(VALUE, control.as_bytes()), [], "{control}");
    }
    assert_eq!(forms(VALUE, b"\xff\xfe\xed\xa0\x80\0"), [], "bytes that are no text");
}

#[test]
fn every_value_of_many_is_told() {
    let values: Vec<String> = (0..500).map(|index| format!("value-{index:05}-")).collect();
    let search = Canaries::new(&values);
    let found = search.find(b"..VALUE-00007-..value-00499-value-00007-");
    assert_eq!(found, [7, 499].map(|value| Finding { value, form: Form::Text }));
}

#[test]
fn megabytes_take_no_time_worth_telling() {
    let values: Vec<String> = (0..2_000).map(|index| format!("person-{index:05}@example.com")).collect();
    let search = Canaries::new(&values);
    let record = br#"{"client":{"email":"siv:AXJmMjY2MzgzZTllOTI2NjI5","phone":"***"},"n":123456,"t":"2024\u002d01"}"#;
    let started = Instant::now();
    assert_eq!(search.find(&record.repeat(20_000)), []);
    assert!(started.elapsed() < Duration::from_secs(60), "2 MB, unoptimised: {:?}", started.elapsed());
}
