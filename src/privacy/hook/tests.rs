//! What an expression may be, what it gives, and that it is asked once.

use proptest::prelude::*;

use super::*;

fn hooks(texts: &[&str]) -> Hooks {
    let mut hooks = Hooks::default();
    for text in texts {
        hooks.add("h", text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    hooks
}

fn variable<'a>(path: &'a str, matcher: &'a str) -> Variable<'a> {
    Variable { on: "attribute", path, matcher }
}

fn level(text: &str) -> u16 {
    hooks(&[text]).ask("acme", "raw", "form.submit", &variable("email", "phone"))
}

#[test]
fn an_expression_gives_a_level_and_whatever_else_it_gives_means_the_highest() {
    for (text, expected) in [
        ("0", 0),
        ("250", 250),
        ("9999", 9999),
        ("7u", 7),
        ("event == 'form.submit' ? 500 : 0", 500),
        ("event.startsWith('form.') && on == 'attribute' && source == 'raw' ? 500 : 0", 500),
        ("path.matches('^e.*l$') ? 3 : 0", 3),
        ("matcher in ['phone', 'email'] ? 4 : 0", 4),
        ("['acme', 'beta'].exists(w, w == workspace) ? 5 : 0", 5),
        ("size(path) * 100", 500),
        ("matcher == '' ? 1 : 2", 2),
        // none of these is a level
        ("on == 'attribute' ? -1 : 0", 9999),
        ("10000 + size(path)", 9999),
        ("path == ''", 9999),
        ("event", 9999),
        ("double(size(path))", 9999),
        ("event == '' ? 0 : null", 9999),
        ("[size(path)]", 9999),
        // none of these gives anything
        ("1 / (size(path) - 5)", 9999),
        ("event[0]", 9999),
        ("path.nothing", 9999),
        ("int(event)", 9999),
        ("event.matches('(') ? 1 : 0", 9999),
    ] {
        assert_eq!(level(text), expected, "{text}");
    }
    let all = hooks(&["1", "event == 'x' ? 9 : 3", "2"]);
    assert_eq!(all.ask("acme", "raw", "", &variable("email", "")), 3, "the highest");
    assert_eq!(
        hooks(&["0"]).ask("acme", "raw", &"e".repeat(1_025), &variable("email", "")),
        9999,
        "too long to look at"
    );
    assert_eq!(format!("{all:?}"), r#"["h", "h", "h"]"#);
}

#[test]
fn what_could_take_long_or_tell_of_nothing_is_refused() {
    let refused = |text: &str| Hooks::default().add("h", text).expect_err(text);
    assert!(refused("1 +").starts_with("the expression cannot be read: "));
    assert!(refused("").starts_with("the expression cannot be read: "));
    assert_eq!(
        refused("level > 3 ? 1 : 0"),
        "\"level\" is no variable; known are workspace, source, event, on, path, matcher"
    );
    let known = FUNCTIONS.join(", ");
    assert_eq!(refused("now()"), format!("\"now\" is no function; known are {known}"));
    assert_eq!(
        refused("event.replace('a', 'b') == '' ? 1 : 0"),
        format!("\"replace\" is no function; known are {known}")
    );
    assert_eq!(
        refused("[1].exists(x, [1].exists(y, x == y)) ? 1 : 0"),
        "the expression has a comprehension within another"
    );
    assert_eq!(refused("'x'.matches(event) ? 1 : 0"), "the pattern of \"matches\" is no literal");
    assert_eq!(refused("matches('x', 'a' + event) ? 1 : 0"), "the pattern of \"matches\" is no literal");
    assert_eq!(refused(&format!("'{}'", "x".repeat(1_000))), "the expression has more than 1000 bytes");
    assert_eq!(refused(&format!("{}1", "1+".repeat(30))), "the expression is nested deeper than 20");
    for deep in [format!("{}1{}", "[".repeat(60), "]".repeat(60)), format!("event{}", "[0]".repeat(60))] {
        let _what = refused(&deep);
    }
}

#[test]
fn what_never_gives_a_level_is_refused() {
    for text in ["-1", "10000", "9999999999999", "true", "'5'", "5.0", "null", "[5]", "1 / 0", "[1].exists(x, x == 1)"]
    {
        assert_eq!(
            Hooks::default().add("h", text),
            Err("the expression gives no level, an integer from 0 to 9999, whatever it is asked about".to_owned()),
            "{text}"
        );
    }
}

#[test]
fn what_is_allowed_to_be_deep_is_asked_without_an_overflow() {
    assert_eq!(level(&format!("{}1", "1+".repeat(18))), 19);
    let nested = format!("{}1{}", "size([".repeat(9), "])".repeat(9));
    assert_eq!(level(&nested), 1);
}

#[test]
fn a_variable_is_asked_about_once_and_made_up_names_displace_none_that_is_used() {
    let mut answers = Answers::default();
    let asked = Cell::new(0);
    let mut get = |event: &str| {
        answers.get(&["acme", "raw", event], &variable("email", ""), || {
            asked.set(asked.get() + 1);
            7
        })
    };
    for _ in 0..3 {
        assert_eq!(get("form.submit"), 7);
    }
    assert_eq!(asked.get(), 1);
    for n in 0..10_000 {
        let _made_up = (get(&format!("event-{n}")), get("form.submit"));
    }
    assert_eq!(asked.get(), 10_001, "each name once, the one in use never again");
    assert!(answers.young.len() + answers.old.len() <= 2 * ANSWERS_MAX + 1);
    let long = "e".repeat(VARIABLE_BYTES_MAX);
    let known = answers.young.len();
    assert_eq!(answers.get(&["acme", "raw", &long], &variable("email", ""), || 1), 9999, "nobody is asked");
    assert_eq!(answers.young.len(), known, "it is not kept");
}

#[test]
fn two_variables_never_share_an_answer() {
    let mut answers = Answers::default();
    let mut get = |record: [&str; 3], path, matcher, level| answers.get(&record, &variable(path, matcher), || level);
    assert_eq!(get(["a", "b", "c"], "d", "e", 1), 1);
    for (index, (record, path, matcher)) in [
        (["a", "b", "c"], "de", ""),
        (["a", "bc", ""], "d", "e"),
        (["a", "b", "c1:d"], "", "e"),
        (["ab", "", "c"], "d", "e"),
    ]
    .into_iter()
    .enumerate()
    {
        let level = index as u16 + 2;
        assert_eq!(get(record, path, matcher, level), level);
    }
}

#[test]
fn a_level_is_raised_and_never_lowered() {
    let (hooks, answers) = (hooks(&["path == 'email' ? 300 : 0"]), RefCell::default());
    let asked = hooks.asked(&answers, "acme", "raw", "");
    for (level, path, raised) in
        [(0, "email", 300), (299, "email", 300), (400, "email", 400), (5, "phone", 5), (9999, "x", 9999)]
    {
        assert_eq!(asked.raised(level, &variable(path, "")), raised);
    }
    assert_eq!(Asked::Nobody.raised(5, &variable("email", "")), 5);
    assert_eq!(Asked::Untold.raised(5, &variable("email", "")), 9999);
}

#[test]
fn a_record_of_more_findings_than_are_asked_about_hides_the_rest() {
    let (hooks, answers) = (hooks(&["0"]), RefCell::default());
    for _ in 0..2 {
        let asked = hooks.asked(&answers, "acme", "raw", "");
        let level = |number: u32| asked.raised_finding(5, "field", || format!("params.n{number}"), "email");
        assert!((0..FINDINGS_MAX).all(|number| level(number) == 5), "each is another question");
        assert_eq!(
            (level(0), level(FINDINGS_MAX)),
            (9999, 9999),
            "known or not, so that answers do not depend on records before"
        );
        assert_eq!(asked.raised_finding(9999, "field", || unreachable!("nobody asks"), "email"), 9999);
        assert_eq!(asked.raised(5, &variable("email", "")), 5, "marks are the policy's own and few");
    }
}

proptest! {
    #[test]
    fn whatever_is_accepted_gives_a_level(text in ".{0,60}", event in ".{0,20}") {
        let mut hooks = Hooks::default();
        if hooks.add("h", &text).is_ok() {
            prop_assert!(hooks.ask("acme", "raw", &event, &variable("email", "")) <= LEVEL_MAX);
        }
    }

    #[test]
    fn whatever_looks_like_cel_gives_a_level_or_a_refusal(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "event", "path", "'x'", "1", "-", "!", "(", ")", "[", "]", "?", ":", "&&", "||", "==", "+", ".", "size", ",",
                "{", "}", "in", "matches", "exists", "x", "0.5", "null", "true", "/", "%", "<",
            ]),
            0..24,
        ),
    ) {
        let mut hooks = Hooks::default();
        if hooks.add("h", &parts.join(" ")).is_ok() {
            prop_assert!(hooks.ask("acme", "raw", "e", &variable("email", "")) <= LEVEL_MAX);
        }
    }
}
