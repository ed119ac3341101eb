//! What views show, and what they hide.

use super::*;

/// One document through one view over all that `marks` say.
fn viewed(view: View, marks: &[(MarkKey, Mark)], input: &str) -> String {
    let outputs = protect_with(&settings(source(), vec![view]), &table(marks), &record(input)).expect("protected");
    text(&outputs.views[0].1)
}

#[test]
fn a_view_shows_what_its_clearance_allows() {
    let with = |name: &str, level, mask, shape| {
        let (key, mark) = attribute(name);
        (key, Mark { level, mask, shape, ..mark })
    };
    let at = |inner: &str| format!(r#"{{"workspace":"acme","client":{inner}}}"#);
    for (marks, input, output) in [
        (vec![with("v", 100, None, false)], r#"{"v":"Ann Lee","w":1}"#, r#"{"v":"Ann Lee","w":1}"#),
        (vec![with("v", 101, None, false)], r#"{"v":"Ann Lee","w":1}"#, r#"{"v":"***","w":1}"#),
        (vec![with("v", 101, Some(Mask::Word), false)], r#"{"v":"Ann Lee"}"#, r#"{"v":"A*** L***"}"#),
        (vec![with("v", 101, Some(Mask::Word), false)], r#"{"v":["Ann"]}"#, r#"{"v":"***"}"#),
        (
            vec![with("v", 101, Some(Mask::Word), true)],
            r#"{"v":["Ann",3,null,{"k":"Lee"}]}"#,
            r#"{"v":["A***","***",null,{"k":"L***"}]}"#,
        ),
        (vec![with("v", 101, Some(Mask::Empty), false)], r#"{"v":{"a":1}}"#, r#"{"v":{}}"#),
        (vec![with("v", 101, Some(Mask::Token), false)], r#"{"v":"Ann"}"#, r#"{"v":"«view:debug|"Ann"»"}"#),
        (vec![with("v", 101, Some(Mask::Drop), false)], r#"{"v":"Ann"}"#, "{}"),
        (vec![with("v", 101, None, false)], r#"{"v":null}"#, r#"{"v":null}"#),
        // what hides inside still hides when the outer is cleared
        (
            vec![with("v", 50, None, false), with("v.in", 200, None, false)],
            r#"{"v":{"in":"x","out":"y"}}"#,
            r#"{"v":{"in":"***","out":"y"}}"#,
        ),
        // an outer hidden mark holds for all inside, even what its own mark would clear
        (
            vec![with("v", 200, Some(Mask::Word), true), with("v.in", 50, None, false)],
            r#"{"v":{"in":"Ann"}}"#,
            r#"{"v":{"in":"A***"}}"#,
        ),
        // where both hide, the stricter
        (
            vec![with("v", 200, Some(Mask::Word), true), with("v.in", 200, None, false)],
            r#"{"v":{"in":"Ann","b":"Lee"}}"#,
            r#"{"v":{"in":"***","b":"L***"}}"#,
        ),
        (
            vec![with("v", 200, Some(Mask::Token), false), with("v.in", 200, None, false)],
            r#"{"v":{"in":"Ann"}}"#,
            r#"{"v":"***"}"#,
        ),
    ] {
        let marks: Vec<_> = marks;
        let output = expected(&at(output));
        assert_eq!(viewed(view("debug", 100, Unlisted::Show), &marks, &at(input)), output, "{input} {marks:?}");
    }
}

#[test]
fn what_no_rule_touches_is_masked_unless_it_is_shown() {
    let input = r#"{"workspace":"acme","client":{"id":42,"email":"a","n":[1,null,{"k":""}]},"time":"t"}"#;
    let (key, mark) = attribute("email");
    let marks = [(key, Mark { level: 5, ..mark })];
    let masked = view("debug", 5, Unlisted::Mask);
    assert_eq!(
        viewed(masked.clone(), &marks, input),
        r#"{"workspace":"***","client":{"id":"***","email":"a","n":["***",null,{"k":"***"}]},"time":"***"}"#
    );
    let showing = View { show: paths(&["time", "client.n"]), ..masked };
    assert_eq!(
        viewed(showing, &marks, input),
        r#"{"workspace":"***","client":{"id":"***","email":"a","n":[1,null,{"k":""}]},"time":"t"}"#
    );
    let shown = view("debug", 0, Unlisted::Show);
    assert_eq!(viewed(shown, &[], input), input.replace("42", r#""***""#), "ids are masked in views");
}

#[test]
fn views_mask_in_every_stage() {
    use crate::privacy::control::StageRecord;
    let input = r#"{"workspace":"acme","client":{"email":"a"}}"#;
    for (stage, clear, staged) in
        [(Stage::Off, true, false), (Stage::Configured, true, true), (Stage::Enforced, false, false)]
    {
        let mut table = table(&[attribute("email")]);
        table.stages.insert("acme".to_owned(), StageRecord { stage, since: None, at: None });
        let views = vec![view("debug", 0, Unlisted::Show)];
        let outputs = protect_with(&settings(source(), views), &table, &record(input)).expect("protected");
        assert_eq!(text(&outputs.protected) == input, clear, "{stage:?}");
        assert_eq!(outputs.protected.headers.iter().any(|header| header.name == STAGE_HEADER), staged, "{stage:?}");
        assert_eq!(text(&outputs.views[0].1), input.replace(r#""a""#, r#""***""#), "{stage:?}");
    }
}
