use super::*;
use proptest::prelude::*;

fn bare(text: &str) -> Step {
    Step::Name { text: text.to_owned(), quoted: false }
}

fn quoted(text: &str) -> Step {
    Step::Name { text: text.to_owned(), quoted: true }
}

#[test]
fn paths_are_read_step_by_step() {
    let cases: &[(&str, bool, Vec<Step>, &str)] = &[
        ("email", false, vec![bare("email")], "email"),
        ("client.id", false, vec![bare("client"), bare("id")], "client.id"),
        ("$", true, vec![], ""),
        ("$.context.ip", true, vec![bare("context"), bare("ip")], "context.ip"),
        ("$.$", true, vec![bare("$")], "$"),
        ("a.$", false, vec![bare("a"), bare("$")], "a.$"),
        ("$price", false, vec![bare("$price")], "$price"),
        ("'$'", false, vec![quoted("$")], "$"),
        ("items[].email", false, vec![bare("items"), bare("email")], "items.email"),
        ("*[].'a.b'[].**[]", false, vec![Step::Any, quoted("a.b"), Step::Deep], "a.b"),
        ("*", false, vec![Step::Any], ""),
        ("**.**", false, vec![Step::Deep, Step::Deep], ""),
        ("''", false, vec![quoted("")], ""),
        ("''''", false, vec![quoted("'")], "'"),
        ("'it''s'.x", false, vec![quoted("it's"), bare("x")], "it's.x"),
        ("' [*].'", false, vec![quoted(" [*].")], " [*]."),
        (" a b ", false, vec![bare(" a b ")], " a b "),
        ("płeć.\u{1f600}", false, vec![bare("płeć"), bare("\u{1f600}")], "płeć.\u{1f600}"),
    ];
    for (text, rooted, steps, keys) in cases {
        let path = Path::parse(text).expect(text);
        assert_eq!(path.steps(), steps, "{text}");
        assert_eq!((path.rooted(), path.is_root(), path.text()), (*rooted, steps.is_empty(), *text));
        assert_eq!(path.keys(), *keys);
        assert_eq!(path.wildcards(), steps.iter().filter(|step| matches!(step, Step::Any | Step::Deep)).count());
    }
}

#[test]
fn what_is_no_path_is_refused_with_its_byte() {
    let cases = [
        ("", PathError::EmptyStep { at: 0 }),
        (".", PathError::EmptyStep { at: 0 }),
        (".a", PathError::EmptyStep { at: 0 }),
        ("a.", PathError::EmptyStep { at: 2 }),
        ("a..b", PathError::EmptyStep { at: 2 }),
        ("$.", PathError::EmptyStep { at: 2 }),
        ("$..a", PathError::EmptyStep { at: 2 }),
        ("$[]", PathError::RootBracket { at: 1 }),
        ("$[].a", PathError::RootBracket { at: 1 }),
        ("[]", PathError::Bracket { at: 0 }),
        ("a.[]", PathError::Bracket { at: 2 }),
        ("a]", PathError::Bracket { at: 1 }),
        ("a[0]", PathError::Bracket { at: 1 }),
        ("a[", PathError::Bracket { at: 1 }),
        ("a[][]", PathError::Bracket { at: 3 }),
        ("a[]b", PathError::Unexpected { at: 3 }),
        ("***", PathError::Unexpected { at: 2 }),
        ("*a", PathError::Unexpected { at: 1 }),
        ("a*", PathError::Unexpected { at: 1 }),
        ("a'b'", PathError::Unexpected { at: 1 }),
        ("'a'b", PathError::Unexpected { at: 3 }),
        ("ż'b", PathError::Unexpected { at: 2 }),
        ("'", PathError::OpenQuote { at: 0 }),
        ("a.'b''", PathError::OpenQuote { at: 2 }),
        ("'''", PathError::OpenQuote { at: 0 }),
    ];
    for (text, error) in cases {
        assert_eq!(Path::parse(text), Err(error), "{text}");
    }
}

#[test]
fn limits_hold_exactly() {
    let names = |count: usize| vec!["a"; count].join(".");
    assert_eq!(Path::parse(&names(32)).map(|path| path.steps().len()), Ok(32));
    assert_eq!(Path::parse(&format!("$.{}", names(32))).map(|path| path.steps().len()), Ok(32));
    assert_eq!(Path::parse(&names(33)), Err(PathError::TooManySteps { at: 64 }));
    assert!(Path::parse(&"a".repeat(1024)).is_ok());
    assert_eq!(Path::parse(&"a".repeat(1025)), Err(PathError::TooLong { bytes: 1025 }));
}

#[test]
fn errors_are_readable_and_hold_no_text_of_the_path() {
    let shown = Path::parse("secret.'x").expect_err("an open quote").to_string();
    assert_eq!(shown, "path has a quote without its end at byte 7");
}

#[test]
fn the_normal_form_has_no_brackets() {
    for (text, normal) in [("a[].b[]", "a.b"), ("$.x[].**", "$.x.**"), ("$", "$"), ("'a''b'[].*[]", "'a''b'.*")] {
        assert_eq!(Path::parse(text).expect(text).to_string(), normal);
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Any),
        Just(Step::Deep),
        "[^.'*\\[\\]]{1,8}".prop_map(|text| Step::Name { text, quoted: false }),
        "(?s:.{0,6})".prop_map(|text| Step::Name { text, quoted: true }),
        "[.'*\\[\\]$]{0,6}".prop_map(|text| Step::Name { text, quoted: true }),
    ]
}

proptest! {
    #[test]
    fn steps_round_trip_whatever_brackets_stand(
        steps in prop::collection::vec((any_step(), any::<bool>()), 1..12),
        rooted: bool,
    ) {
        // A bare `$` in front is the root, not a name; a rooted path is how to write that name first.
        let rooted = rooted || matches!(&steps[0].0, Step::Name { text, quoted: false } if text == "$");
        let written = steps.iter().map(|(step, array)| format!("{step}{}", if *array { "[]" } else { "" }));
        let text = format!("{}{}", if rooted { "$." } else { "" }, written.collect::<Vec<_>>().join("."));
        let path = Path::parse(&text).expect("built by the grammar");
        let expected: Vec<Step> = steps.into_iter().map(|(step, _)| step).collect();
        prop_assert_eq!(path.steps(), &expected[..]);
        let again = Path::parse(&path.to_string()).expect("its normal form");
        prop_assert_eq!((again.steps(), again.rooted()), (path.steps(), path.rooted()));
        prop_assert_eq!(again.to_string(), path.to_string());
    }

    #[test]
    fn any_text_is_a_path_that_round_trips_or_an_error_within_it(text in "[a$.'*\\[\\]ż]{0,24}|(?s:.{0,24})") {
        match Path::parse(&text) {
            Ok(path) => {
                let again = Path::parse(&path.to_string()).expect("its normal form");
                prop_assert_eq!((again.steps(), again.rooted()), (path.steps(), path.rooted()));
            }
            Err(
                PathError::EmptyStep { at } | PathError::Unexpected { at } | PathError::OpenQuote { at }
                | PathError::Bracket { at } | PathError::RootBracket { at } | PathError::TooManySteps { at },
            ) => prop_assert!(text.is_char_boundary(at), "{} in {:?}", at, text),
            Err(PathError::TooLong { .. }) => prop_assert!(false, "short texts are never too long"),
        }
    }
}
