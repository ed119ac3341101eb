use proptest::prelude::*;

use super::*;

fn masked(mask: Mask, input: &str) -> String {
    let mut out = String::from("<");
    text(mask, input, &mut out);
    assert!(out.starts_with('<'), "what stood there before is kept");
    out.split_off(1)
}

fn check(mask: Mask, cases: &[(&str, &str)]) {
    for (input, expected) in cases {
        assert_eq!(masked(mask, input), *expected, "{mask:?} of {input:?}");
    }
}

#[test]
fn word_keeps_the_first_letter_of_each_word() {
    check(
        Mask::Word,
        &[
            ("Bob the Builder", "B*** t*** B***"),
            ("on.the@inter.net", "o***.t***@i***.n***"),
            ("(Ann) Example/2", "(A***) E***/***"),
            ("1ann", "***"),
            ("-ann", "-a***"),
            ("!ann", "***"),
            ("ann!", "a***"),
            ("a1", "a***"),
            ("a!", "***"),
            ("B***", "B***"),
            ("B****", "***"),
            ("B***x", "B***"),
            ("1***", "***"),
            ("****", "***"),
            ("Ann\tLee", "A***"),
            ("Ann\u{a0}Lee", "A***"),
            (" ", "***"),
            ("", ""),
        ],
    );
}

#[test]
fn a_combining_mark_belongs_to_its_letter() {
    check(
        Mask::Word,
        &[("e\u{301}lan", "e\u{301}***"), ("e\u{301}", "***"), ("\u{301}ab", "***"), ("e\u{301}***", "e\u{301}***")],
    );
    check(
        Mask::Last4,
        &[
            ("12345abce\u{301}", "***abce\u{301}"),
            ("***abce\u{301}", "***abce\u{301}"),
            ("12345678e\u{301}", "***678e\u{301}"),
        ],
    );
    check(Mask::Email, &[("e\u{301}m@x.co\u{301}m", "e\u{301}***@***.co\u{301}m"), ("\u{301}m@x.\u{301}com", "***")]);
}

#[test]
fn last4_shows_four_of_nine_or_more() {
    check(
        Mask::Last4,
        &[
            ("4111 1111 1111 1234", "***1234"),
            ("123-45-6789", "***6789"),
            ("PL61 1090 12-3-4", "***1234"),
            ("12345678", "***"),
            ("1234567-8-", "***"),
            ("123456789", "***6789"),
            ("***6789", "***6789"),
            ("***678", "***"),
            ("***67 89", "***"),
            ("****6789", "***"),
            ("***67890", "***"),
            ("-----------", "***"),
            ("", "***"),
        ],
    );
}

#[test]
fn email_shows_the_first_letter_and_the_last_label() {
    check(
        Mask::Email,
        &[
            ("ann@example.com", "a***@***.com"),
            ("a@b.c", "a***@***.c"),
            ("1ann@example.com", "***@***.com"),
            ("\"ann\"@example.com", "***@***.com"),
            ("@example.com", "***@***.com"),
            ("ann@x@example.com", "a***@***.com"),
            ("ann@example.co.uk", "a***@***.uk"),
            ("ann@localhost", "***"),
            ("ann.lee@localhost", "***"),
            ("ann@example.com1", "***"),
            ("ann@example.", "***"),
            ("ann@10.0.0.1", "***"),
            ("ann@example.com ", "***"),
            ("a***@***.com", "a***@***.com"),
            ("ann", "***"),
            ("", "***"),
        ],
    );
}

#[test]
fn names_and_order_are_those_of_the_rule() {
    let names = r#"["drop","full","empty","token","last4","email","word"]"#;
    assert_eq!(serde_json::to_string(&Mask::ALL).expect("names"), names);
    assert!(Mask::ALL.is_sorted());
    for mask in [Mask::Drop, Mask::Full, Mask::Empty, Mask::Token] {
        check(mask, &[("", "***"), ("ann", "***")]);
    }
}

/// Texts rich in what the rules look at.
fn input() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        "[a-zA-Z0-9]{1,6}",
        "[ .@'_,/+:()-]",
        Just("***".to_owned()),
        "[éż王א١²Ⅷ😀!*#]",
        "[\u{301}\u{903}\u{20dd}\u{fe0f}]{1,2}",
    ];
    prop_oneof![any::<String>(), prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())]
}

proptest! {
    #[test]
    fn masks_are_total_and_idempotent(input in input()) {
        for mask in Mask::ALL {
            let once = masked(mask, &input);
            prop_assert!(once.contains(STARS) || (mask == Mask::Word && input.is_empty()), "{:?} {:?}", mask, once);
            prop_assert_eq!(masked(mask, &once), once, "{:?}", mask);
        }
    }

    #[test]
    fn word_shows_no_more_than_a_letter_per_run(input in input()) {
        let runs = |text: &str| text.split(SEPARATORS).filter(|run| !run.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        let output = masked(Mask::Word, &input);
        let (before, after) = (runs(&input), runs(&output));
        prop_assert!(after.len() == before.len() || (before.is_empty() && output == STARS));
        for (before, after) in before.iter().zip(&after) {
            let shown = after.strip_suffix(STARS).expect("each run ends in stars");
            prop_assert!(before.starts_with(shown));
            prop_assert!(signs(shown).count() <= 1);
            prop_assert!(shown.is_empty() || *before == *after || signs(before).count() >= 2);
        }
    }

    #[test]
    fn last4_shows_four_or_none(input in input()) {
        let output = masked(Mask::Last4, &input);
        let shown = output.strip_prefix(STARS).expect("begins with stars");
        prop_assert!(matches!(signs(shown).count(), 0 | 4));
        prop_assert!(shown.is_empty() || output == input || signs(&input).count() >= 9);
        prop_assert_eq!(signs(shown).map(|sign| sign.text.len()).sum::<usize>(), shown.len());
    }

    #[test]
    fn email_shows_a_letter_and_a_label(input in input()) {
        let output = masked(Mask::Email, &input);
        if output != STARS {
            let (first, label) = output.split_once("***@***.").expect("the shape");
            prop_assert!(signs(first).count() <= 1 && input.starts_with(first));
            prop_assert!(is_letters(label));
            let suffix = format!(".{label}");
            prop_assert!(input.ends_with(&suffix));
        }
    }
}
