//! The examples on the pages are true: what README shows is what the program prints.

#[path = "common/error_table.rs"]
#[allow(dead_code)] // what holds the program against a row is for others
mod error_table;
#[path = "common/metric_names.rs"]
mod metric_names;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const README: &str = include_str!("../README.md");

/// The one fenced block whose info string is `info`.
fn block(info: &str) -> &'static str {
    let fence = format!("\n```{info}\n");
    let (_, rest) = README.split_once(&fence).unwrap_or_else(|| panic!("README has a block {info:?}"));
    let (text, after) = rest.split_once("```\n").expect("a block ends");
    assert!(!after.contains(&fence), "README has one block {info:?}");
    text
}

/// What the program prints for `arguments` and `input` in a folder with README's configuration.
fn printed(arguments: &[&str], input: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("sivcar.toml"), block("toml")).expect("written");
    let keyset = folder.path().join("keyset.json");
    fs::write(&keyset, include_str!("golden/keyset.json")).expect("written");
    fs::set_permissions(&keyset, fs::Permissions::from_mode(0o600)).expect("ours");
    let mut child = Command::new(env!("CARGO_BIN_EXE_sivcar"))
        .args(arguments)
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{arguments:?} fails");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn before_and_after_are_what_the_program_prints() {
    let protect = ["protect", "--config", "sivcar.toml", "--source", "raw.events"];
    assert_eq!(printed(&protect, block("json raw")), block("json protected"));
    let view = [&protect[..], &["--view", "debug"]].concat();
    assert_eq!(printed(&view, block("json raw")), block("json debug"));
}

#[test]
fn the_searched_token_is_the_one_in_the_protected_record() {
    let (_, rest) = README.split_once("echo '").expect("README searches");
    let (value, rest) = rest.split_once("' | sivcar ").expect("by a pipe");
    let (command, _) = rest.split_once('`').expect("in a code span");
    let tokens: Vec<String> =
        serde_json::from_str(&printed(&command.split(' ').collect::<Vec<_>>(), value)).expect("an array");
    assert!(block("json protected").contains(&tokens[0]), "the primary's token is not there");
}

/// README and the pages below docs, by their path.
fn pages() -> Vec<(PathBuf, String)> {
    let folders = ["docs", "docs/decisions"];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("readable"));
    let pages = files.map(|file| file.expect("readable").path()).filter(|path| path.extension() == Some("md".as_ref()));
    pages
        .chain([PathBuf::from("README.md")])
        .map(|path| (path.clone(), fs::read_to_string(path).expect("text")))
        .collect()
}

/// Whether `page` has a heading that GitHub gives the anchor `anchor`.
fn has_anchor(page: &str, anchor: &str) -> bool {
    let slug = |heading: &str| -> String {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-")
    };
    page.lines().any(|line| line.starts_with('#') && slug(line) == anchor)
}

#[test]
fn every_page_and_heading_that_is_linked_is_there() {
    for (path, page) in pages() {
        for (_, rest) in page.match_indices("](").map(|(at, _)| page.split_at(at + 2)) {
            let target = rest.split(')').next().expect("a link ends");
            // an address, or Go in a code block
            if target.starts_with("https://") || target.contains(' ') {
                continue;
            }
            let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
            let file = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            assert!(file.exists(), "{}: {target} is not there", path.display());
            if let Some(anchor) = anchor {
                let linked = fs::read_to_string(&file).expect("text");
                assert!(has_anchor(&linked, anchor), "{}: {target} has no such heading", path.display());
            }
        }
    }
}

#[test]
fn every_metric_is_documented() {
    let page = include_str!("../docs/operations.md");
    let documentation = sivcar::telemetry::Metrics::documentation();
    assert!(page.contains(&documentation), "docs/operations.md must hold this table:\n{documentation}");
}

#[test]
fn every_metric_that_a_page_names_is_there() {
    for (path, page) in pages() {
        let unknown = metric_names::unknown(&page);
        assert!(unknown.is_empty(), "{}: {unknown:?}", path.display());
    }
}

/// The sources of all tests.
fn sources(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").path());
    let texts = entries.flat_map(|path| match path.is_dir() {
        true => sources(&path.to_string_lossy()),
        false if path.extension() == Some("rs".as_ref()) => vec![fs::read_to_string(&path).expect("text")],
        false => Vec::new(),
    });
    texts.collect()
}

#[test]
fn every_error_on_the_page_has_its_test() {
    let rows: Vec<String> = error_table::rows().into_iter().map(|row| row.when).collect();
    let named: BTreeSet<&String> = rows.iter().collect();
    assert_eq!(named.len(), rows.len(), "two rows have one name");
    let sources = sources("tests");
    let untested: Vec<&&String> =
        named.iter().filter(|when| !sources.iter().any(|source| source.contains(&format!("\"{when}\"")))).collect();
    assert!(untested.is_empty(), "no test names {untested:#?}");
}

/// Whether a link of the page of rules leads to a proof: a golden case by its number, or a test by its name.
fn proves(text: &str, target: &str) -> bool {
    let Some(path) = target.strip_prefix("../") else { return false };
    match (fs::read_to_string(path), text.strip_prefix('`').and_then(|text| text.strip_suffix('`'))) {
        (Ok(source), Some(test)) => path.ends_with(".rs") && source.contains(&format!("fn {test}(")),
        (Ok(_), None) => {
            path.strip_prefix("tests/golden/cases/").is_some_and(|case| case.starts_with(&format!("{text}-")))
        }
        (Err(_), _) => false,
    }
}

/// The links of a cell that holds nothing else: text and target of each.
fn links(cell: &str) -> BTreeSet<(&str, &str)> {
    let links = cell.split(") ").filter(|link| !link.is_empty());
    links
        .map(|link| link.trim_end_matches(')').trim_start_matches('[').split_once("](").expect("links alone"))
        .collect()
}

/// Every rule and every departure names at least two golden cases or tests, and these are there.
#[test]
fn every_rule_is_proved_by_what_exists() {
    let page = include_str!("../docs/rules.md");
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| rule") && !line.starts_with("| theirs"));
    let mut proved = 0;
    for row in rows {
        let links = links(row.trim_end_matches(" |").rsplit(" | ").next().expect("a cell"));
        assert!(links.len() >= 2, "proved by fewer than two: {row}");
        let absent: Vec<_> = links.iter().filter(|(text, target)| !proves(text, target)).collect();
        assert!(absent.is_empty(), "{absent:?} of {row}");
        proved += 1;
    }
    assert!(proved >= 50, "{proved}");
}

/// Whether a link of the page of scenarios leads to the test that it names by module and function.
fn is_test(text: &str, target: &str) -> bool {
    let name = text.strip_prefix('`').and_then(|text| text.strip_suffix('`'));
    let (Some((module, function)), Some(path)) =
        (name.and_then(|name| name.split_once("::")), target.strip_prefix("../"))
    else {
        return false;
    };
    let source = fs::read_to_string(path).unwrap_or_default();
    let scenario = path.starts_with("tests/seam/") && source.contains(&format!("\npub fn {function}<R: Rig>("));
    [".rs", "/tests.rs"].iter().any(|ending| path.ends_with(&format!("/{module}{ending}")))
        && (scenario || source.contains(&format!("#[test]\nfn {function}(")))
}

/// Each has its number and a test on a real Kafka, and all tests are there.
#[test]
fn every_scenario_has_its_tests() {
    let page = include_str!("../docs/scenarios.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| |")).collect();
    for (number, row) in (1..).zip(&rows) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let ["", named, _, real, others, ""] = cells[..] else { panic!("not four cells: {row}") };
        assert_eq!(named, number.to_string(), "{row}");
        let (real, mut others) = (links(real), links(others));
        assert!(!real.is_empty(), "no test on a real Kafka: {row}");
        others.remove(&("worlds", "simulation.md"));
        let is_there = |(text, target): &&(&str, &str)| is_test(text, target);
        let absent: Vec<_> = real
            .iter()
            .filter(|link| !link.1.starts_with("../tests/integration/") || !is_there(link))
            .chain(others.iter().filter(|link| !is_there(link)))
            .collect();
        assert!(absent.is_empty(), "{absent:?} of {row}");
    }
    assert!(rows.len() >= 31, "{}", rows.len());
}
