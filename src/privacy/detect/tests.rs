use super::*;
use crate::privacy::scan::{Limits, Tape, scan};

/// What is found in `text`, as `path matcher`.
fn found(text: &str) -> Vec<String> {
    let matchers = Matchers::new(Vec::new(), 100);
    let mut tape = Tape::default();
    let text = scan(text.as_bytes(), &Limits::default(), &mut tape).expect("a document");
    let document = Document::new(text, &tape);
    let located = Located::default();
    let question =
        Question { document: &document, matchers: &matchers, located: &located, marked: &[], own: &[], unread: &[] };
    let (mut detector, mut detected) = (Detector::default(), Vec::new());
    detector.find(&question, &mut detected);
    let name = |detected: &Detected| {
        let raw = document.raw(document.node(detected.node).value);
        let goes = if detected.goes { " goes" } else { "" };
        format!("{raw} {}{goes}", matchers.get(detected.found.matcher).name)
    };
    detected.iter().map(name).collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(found(text), expected, "{text}");
}

#[test]
fn values_are_found_by_name_and_by_look() {
    check(
        r#"{"email":1,"user":{"Email":"x","age":5,"note":"a@b.co"},"n":4111111111111111,"zip":12345,"e\u006dail":"y"}"#,
        &[r#""x" email"#, r#""a@b.co" email"#, "4111111111111111 credit card", "12345 zipcode", r#""y" email"#],
    );
}

#[test]
fn what_stands_around_counts() {
    check(
        r#"{"app":{"name":"a"},"customer":{"name":"b","state":"c","address":{"state":"d","type":"e"}},"products":[{"name":"f"}]}"#,
        &[r#""b" name"#, r#""d" address"#],
    );
    check(r#"{"passport":{"number":"a","issued":"b","type":"c"}}"#, &[r#""a" passport"#, r#""b" passport"#]);
    check(
        r#"{"card":{"number":"1"},"phones":["2",{"home":"3"}]}"#,
        &[r#""1" credit card"#, r#""2" phone"#, r#""3" phone"#],
    );
}

#[test]
fn a_dotted_name_is_a_path() {
    check(
        r#"{"customer.name":"a","app.name":"b","x.name":"c","address.state":"d","passport.number":"e"}"#,
        &[r#""a" name"#, r#""c" name"#, r#""d" address"#, r#""e" passport"#],
    );
    check(
        r#"{"context":{"address":{"latitude":"37.7"},"location":{"latitude":"a","state":"b"}}}"#,
        &[r#""37.7" address"#, r#""b" address"#],
    );
}

#[test]
fn a_key_that_tells_takes_the_object_around_with_it() {
    check(r#"{"by":{"a@b.co":1,"x":2}}"#, &[r#"{"a@b.co":1,"x":2} email"#]);
    check(r#"{"a@b.co":1}"#, &["1 email goes"]);
}

#[test]
fn queries_are_looked_at() {
    check(
        r#"{"url":"https://x.co/?a=1&email=ann","u":"/x?q=1","r":"/cb#access_token=1"}"#,
        &[r#""https://x.co/?a=1&email=ann" email"#, r#""/cb#access_token=1" token"#],
    );
}

#[test]
fn what_is_too_long_to_be_looked_at_is_found() {
    let long = "x".repeat(101);
    check(&format!(r#"{{"a":"{long}"}}"#), &[&format!("\"{long}\" unread")]);
}

#[test]
fn red_goes_before_yellow() {
    check(r#"{"name":"078-05-1120"}"#, &[r#""078-05-1120" social security number"#]);
}
