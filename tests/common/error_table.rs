//! The table of errors in docs/operations.md, which tests hold the program against: page and program say the same.
//!
//! A test names its row by a literal, `row("…")`; `tests/docs.rs` looks for these, so that no row is without a test.

const PAGE: &str = include_str!("../../docs/operations.md");

/// The table's head.
const HEAD: &str = "| when | line | then |\n|---|---|---|\n";

/// One row.
#[derive(Debug)]
pub struct Row {
    pub when: String,
    /// What is said: the line, or a log line's message and its detail.
    pub lines: Vec<String>,
    /// How the process exits, or the metric that counts it.
    pub then: String,
}

/// The row of this name.
#[track_caller]
pub fn row(when: &str) -> Row {
    rows().into_iter().find(|row| row.when == when).unwrap_or_else(|| panic!("the page has no row {when:?}"))
}

/// The whole table.
pub fn rows() -> Vec<Row> {
    let (_, rest) = PAGE.split_once(HEAD).expect("the page has the table");
    let table = rest.split("\n\n").next().expect("which ends");
    let rows = table.lines().map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [when, line, then] = cells[..] else { panic!("three cells: {line}") };
        Row { when: when.to_owned(), lines: spans(line), then: spans(then).pop().unwrap_or_else(|| then.to_owned()) }
    });
    rows.collect()
}

/// The code spans of a cell; one that holds a backtick stands between two.
fn spans(cell: &str) -> Vec<String> {
    let mut spans = Vec::new();
    let mut rest = cell;
    while let Some(at) = rest.find('`') {
        let fence = if rest[at..].starts_with("``") { "``" } else { "`" };
        let (span, after) = rest[at + fence.len()..].split_once(fence).expect("a code span ends");
        spans.push(span.to_owned());
        rest = after;
    }
    spans
}

impl Row {
    /// Asserts that a process ended so: its exit code, and its one line for people, the last on standard error. `names` stand in the
    /// places that the page leaves open.
    #[track_caller]
    pub fn ended(&self, code: i32, errors: &str, names: &[(&str, &str)]) {
        assert_eq!(self.then, format!("exit {code}"), "{}: {errors}", self.when);
        let said = errors.lines().last().and_then(|line| line.strip_prefix("sivcar: ")).unwrap_or_default();
        self.says(0, said, names);
    }

    /// Asserts that the text in the row's place `number` is this one.
    #[track_caller]
    pub fn says(&self, number: usize, said: &str, names: &[(&str, &str)]) {
        assert!(self.is_said(number, said, names), "{}:\n  page: {}\n  told: {said}", self.when, self.lines[number]);
    }

    /// Whether it is.
    pub fn is_said(&self, number: usize, said: &str, names: &[(&str, &str)]) -> bool {
        let mut wanted = self.lines[number].clone();
        for (name, value) in names {
            wanted = wanted.replace(&format!("<{name}>"), value);
        }
        matches(&wanted, said)
    }
}

/// Whether `said` is `wanted`, where `…` stands for any text.
fn matches(wanted: &str, said: &str) -> bool {
    let Some((head, mut wanted)) = wanted.split_once('…') else { return wanted == said };
    let Some(mut said) = said.strip_prefix(head) else { return false };
    while let Some((part, rest)) = wanted.split_once('…') {
        let Some(at) = said.find(part) else { return false };
        (said, wanted) = (&said[at + part.len()..], rest);
    }
    said.ends_with(wanted)
}

#[test]
fn a_line_is_matched_from_end_to_end() {
    for (wanted, said, is) in [
        ("a b", "a b", true),
        ("a b", "a b ", false),
        ("a …", "a b", true),
        ("a … c", "a b c", true),
        ("a … c", "a b c d", false),
        ("… b … d", "a b c d", true),
        ("… b … d", "a c d", false),
        ("a … b", "x a b", false),
    ] {
        assert_eq!(matches(wanted, said), is, "{wanted:?} {said:?}");
    }
    assert_eq!(spans("`a`: ``b `c` d``, e"), ["a", "b `c` d"]);
}
