//! Marks that go on into strings of a profile.

use super::*;

/// What the event holds behind `"attributes":`, protected and in a view of clearance 0, of a profile whose strings are entered.
fn told(marks: &[(MarkKey, Mark)], attributes: &str) -> Option<[String; 2]> {
    let mut settings = Settings { views: vec![view(0)], ..settings() };
    settings.sources[1].within = Within { json: true, queries: true };
    let document = format!(r#"{{"workspace":"acme","id":42,"attributes":{attributes}}}"#);
    let outputs = made(&settings, &table(marks.iter().cloned()), &document, 7).expect("made")?;
    let behind = |record: &Record| {
        let text = text(record);
        let (_, rest) = text.split_once(r#""attributes":"#).expect("attributes");
        rest.strip_suffix("}}").unwrap_or(rest).to_owned()
    };
    Some([behind(&outputs.protected), behind(&outputs.views[0].1)])
}

#[test]
fn a_mark_within_a_string_is_told_of() {
    let open = |name: &str| mark(On::Attribute, name, Mark { level: 0, ..Mark::default() });
    let older = |name: &str| mark(On::Attribute, name, Mark { since: Some(3), ..Mark::default() });
    for (marks, held, shown) in [
        (
            vec![attribute("p.email")],
            r#"{"p":"{\"email\":\"ann\",\"n\":1}"}"#,
            Some([r#"{"p.email":"«p.email|"ann"»"}"#, r#"{"p.email":"***"}"#]),
        ),
        (vec![attribute("p.email")], r#"{"p":"{\"n\":1}"}"#, None),
        (
            vec![attribute("u.email")],
            r#"{"u":"/?email=a%20b"}"#,
            Some([r#"{"u.email":"«u.email|"a b"»"}"#, r#"{"u.email":"***"}"#]),
        ),
        // nobody knows what is in it
        (
            vec![attribute("p.email")],
            r#"{"p":"{x"}"#,
            Some([r#"{"p.email":"«p.email|"{x"»"}"#, r#"{"p.email":"***"}"#]),
        ),
        // what holds within holds in the event
        (
            vec![open("p"), older("p.email"), open("q")],
            r#"{"x":"{\"a\":[1,2]}","p":"{\"n\":[1], \"email\":\"ann\"}","q":["{\"a\":1}",{"b":2}]}"#,
            Some([
                r#"{"p":"«p|"{"n":[1], "email":"ann"}"»","q":["«q|"{"a":1}"»","«q|{"b":2}»"]}"#,
                r#"{"p":"{\"n\":[1], \"email\":\"***\"}","q":["{\"a\":1}",{"b":2}]}"#,
            ]),
        ),
        // what stands deeper is a string there, as it was in the profile
        (
            vec![open("p.deep"), older("p.deep.email")],
            r#"{"p":"{\"deep\":\"{\\\"email\\\":1}\"}"}"#,
            Some([r#"{"p.deep":"«p.deep.email|"{"email":1}"»"}"#, r#"{"p.deep":"***"}"#]),
        ),
    ] {
        assert_eq!(told(&marks, held), shown.map(|shown| shown.map(expected)), "{held}");
    }
}
