//! What a reviewer would else have to say each time: sizes, unfinished places, words that do not belong.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::code;

/// A source file, with the tests that stand in it.
const LINES: usize = 400;
/// A file of tests beside the code.
const TEST_LINES: usize = 600;

/// Marks of unfinished work, tests that do not run, paths of one machine.
const WORDS: &[&str] = &["TODO", "FIXME", "HACK", "#[ignore", "/root/", "/home/"];

/// Names that say nothing.
const NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc", "manager", "types"];

/// Macros that end the process or stand for what is not there.
const PANICS: &[&str] = &["panic!", "todo!", "unimplemented!"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` whose name ends so.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut folders = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("a folder of the package can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                files.push(path);
            }
        }
    }
    files
}

fn text(file: &Path) -> String {
    fs::read_to_string(file).expect("a file of the package can be read")
}

#[test]
fn files_fit_in_a_head() {
    let long: Vec<(usize, PathBuf)> = files("src", ".rs")
        .into_iter()
        .map(|file| (text(&file).lines().count(), file))
        .filter(|(lines, file)| *lines > if file.ends_with("tests.rs") { TEST_LINES } else { LINES })
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn nothing_is_left_unfinished() {
    let places: Vec<(PathBuf, usize, &str)> = ["src", "tests", "benches", "docs", "fuzz/fuzz_targets", "examples"]
        .iter()
        .flat_map(|folder| files(folder, ".rs").into_iter().chain(files(folder, ".md")))
        .chain([root().join("dev"), root().join(".ci/run")])
        .filter(|file| !file.ends_with(file!()))
        .flat_map(|file| {
            let lines: Vec<_> = text(&file)
                .lines()
                .enumerate()
                .filter_map(|(line, text)| {
                    WORDS.iter().find(|word| text.contains(**word)).map(|word| (line + 1, *word))
                })
                .collect();
            lines.into_iter().map(move |(line, word)| (file.clone(), line, word))
        })
        .collect();
    assert!(places.is_empty(), "{places:#?}");
}

#[test]
fn every_file_is_named_for_what_it_holds() {
    let vague: Vec<PathBuf> = files("src", ".rs")
        .into_iter()
        .filter(|file| file.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| NAMES.contains(&stem)))
        .collect();
    assert!(vague.is_empty(), "{vague:#?}");
}

#[test]
fn the_product_does_not_panic_on_purpose() {
    let places: Vec<(String, usize)> = code::read(&root().join("src"))
        .into_iter()
        .flat_map(|source| {
            let file = source.file;
            source
                .names
                .into_iter()
                .filter(|named| PANICS.contains(&named.path.as_str()))
                .map(move |named| (file.clone(), named.line))
        })
        .collect();
    assert!(places.is_empty(), "{places:#?}");
}

#[test]
fn the_fuzz_targets_lock_what_the_package_asks_for() {
    let read = |file: &str| -> toml::Table { text(&root().join(file)).parse().expect("it is TOML") };
    let (manifest, lock) = (read("Cargo.toml"), read("fuzz/Cargo.lock"));
    let locked = lock["package"].as_array().expect("packages").iter();
    let ours = locked.filter(|package| package["name"].as_str() == Some("sivcar"));
    let named: BTreeSet<&str> = ours
        .flat_map(|package| package["dependencies"].as_array().expect("some"))
        .filter_map(|name| name.as_str())
        .collect();
    // one of several versions is named with it
    let named: BTreeSet<&str> = named.into_iter().filter_map(|name| name.split(' ').next()).collect();
    let asked: BTreeSet<&str> =
        manifest["dependencies"].as_table().expect("a table").keys().map(String::as_str).collect();
    assert_eq!(named, asked, "run cargo update --workspace in fuzz/");
}
