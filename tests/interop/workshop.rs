//! Tink in other languages, each in a folder of its own under `target/interop`, with what its package manager brought, once. What
//! cannot be had is said and skipped; with `CI=true` it fails.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A language's folder under `target/interop`, held by one test process at a time, with what its package manager brought.
pub struct Workshop {
    pub folder: PathBuf,
    _held: File,
}

impl Workshop {
    /// The folder of `language`, prepared by `prepare` unless it was for the same `pins` before; `None` if that cannot be done here.
    pub fn open(language: &str, pins: &str, prepare: impl Fn(&Path) -> Result<(), String>) -> Option<Self> {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in target");
        let folder = target.join("interop").join(language);
        fs::create_dir_all(&folder).expect("target is ours");
        let held = File::create(folder.join("lock")).expect("target is ours");
        held.lock().expect("a local file system");
        let ready = folder.join("ready");
        if fs::read_to_string(&ready).is_ok_and(|before| before == pins) {
            return Some(Self { folder, _held: held });
        }
        match prepare(&folder) {
            Ok(()) => {
                fs::write(ready, pins).expect("target is ours");
                Some(Self { folder, _held: held })
            }
            Err(why) => {
                assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{language}: {why}");
                // past the test harness, which keeps what passing tests print
                let _shown = writeln!(std::io::stderr(), "SKIPPED: {language} with Tink: {why}");
                None
            }
        }
    }
}

/// The lines that `command` answers to `lines`.
pub fn ask(mut command: Command, lines: &[String]) -> Vec<String> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("prepared");
    let mut input = child.stdin.take().expect("piped");
    let text = lines.join("\n") + "\n";
    // while its answers are read, or both would wait once the pipes are full
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {}", output.status);
    writer.join().expect("no panic").expect("all was read");
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

/// Runs a step of preparation; the error says which and why.
pub fn step(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?} does not run: {error}"))?;
    let said = || String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned();
    if output.status.success() { Ok(()) } else { Err(format!("{command:?} failed: {}", said())) }
}

pub fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(path)
}

/// Python with Tink, in an environment of its own.
pub fn python() -> Option<Workshop> {
    Workshop::open("python", include_str!("requirements.txt"), |folder| {
        step(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder.join("venv")))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
        step(Command::new(folder.join("venv/bin/python")).args(pip).arg(manifest("requirements.txt")))
    })
}

impl Workshop {
    /// The helper that answers in bulk, under the keyset in this file: `open` or `seal`.
    pub fn helper(&self, keyset: &Path, mode: &str) -> Command {
        let mut command = Command::new(self.folder.join("venv/bin/python"));
        command.arg(manifest("open_tokens.py")).arg(keyset).arg(mode);
        command
    }
}
