//! The programs that read what stands in deploy/. One that is not there is said and its test skipped; with `CI=true` it fails.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of the package.
pub fn package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// One of deploy/, as text.
pub fn text(name: &str) -> String {
    std::fs::read_to_string(package("deploy").join(name)).expect("it is there")
}

/// `prometheus` or `promtool`, from where `./dev` unpacks them or from the path.
pub fn prometheus(program: &str) -> Option<Command> {
    let unpacked = package("target/prometheus/usr/bin").join(program);
    found(if unpacked.exists() { unpacked } else { program.into() }, "--version")
}

/// A program that runs with this argument; else it is said that it does not.
pub fn found(program: PathBuf, argument: &str) -> Option<Command> {
    if Command::new(&program).arg(argument).output().is_ok_and(|output| output.status.success()) {
        return Some(Command::new(program));
    }
    let program = program.display();
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{program} does not run");
    // past the test harness, which keeps what passing tests print
    let _shown = writeln!(std::io::stderr(), "SKIPPED: {program} does not run");
    None
}

/// Runs it and asserts that it is content; gives what it said.
#[track_caller]
pub fn content(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}
