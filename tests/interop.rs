//! The programs of docs/formats.md, taken from the page and run with Tink in Python, Java and Go against our vectors.
//!
//! Each language gets its Tink from its own package manager, once, under `target/interop`. What cannot be had is said and skipped;
//! with `CI=true` it fails.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sivcar::privacy::keyset::Keyset;
use sivcar::privacy::seal::{Associated, Sealer, pad};

const PAGE: &str = include_str!("../docs/formats.md");

/// What a program is asked, and the one line that it must answer.
type Question = (Value, String);

/// The fenced program of `language` on the page.
fn program(language: &str) -> &'static str {
    let fence = format!("\n```{language}\n");
    let (_, rest) = PAGE.split_once(&fence).expect("the page has a program");
    let (program, after) = rest.split_once("\n```\n").expect("which ends");
    assert!(!after.contains(&fence), "the page has one program in {language}");
    program
}

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/tokens_golden.json")).expect("the vectors are in form")
}

fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().expect("a text")
}

/// All golden tokens, exact and loose: each opened, and each computed from its value.
fn golden_questions(golden: &Value) -> Vec<Question> {
    let mut questions = Vec::new();
    for case in golden["tokens"].as_array().expect("cases") {
        let (token, canonical, associated) =
            (text(case, "token"), text(case, "canonical"), text(case, "associated_data"));
        questions.push((json!({"open": token, "associated": associated}), canonical.to_owned()));
        // what has no UTF-8 is asked for in its canonical form, as are numbers
        let form = if text(case, "plaintext_hex").starts_with("ff") {
            json!({"json": canonical, "associated": associated, "pad": case["pad"]})
        } else {
            let value: String = serde_json::from_str(text(case, "json")).expect("a string");
            json!({"string": value, "associated": associated, "pad": case["pad"]})
        };
        questions.push((form, token.to_owned()));
    }
    for case in golden["loose"].as_array().expect("cases") {
        let (token, loose, associated) = (text(case, "token"), text(case, "loose"), text(case, "associated_data"));
        questions.push((json!({"string": loose, "associated": associated, "pad": 0}), token.to_owned()));
        let quoted = serde_json::to_string(loose).expect("a text");
        questions.push((json!({"open": token, "associated": associated}), quoted));
    }
    assert_eq!(questions.len(), 2 * (124 + 15));
    questions
}

/// A keyset as we write it, in the midst of a rotation: an older enabled key, a disabled one, and the primary last.
fn rotated() -> Keyset {
    let mut keyset = Keyset::generate(&[1; 64], 5);
    keyset.add(&[2; 64], 0xffff_fff0).expect("new id");
    keyset.add(&[3; 64], 0x8000_0001).expect("new id");
    keyset.promote(0x8000_0001).expect("enabled");
    keyset.disable(0xffff_fff0).expect("not the primary");
    keyset
}

/// Searches under both enabled keys, and what the older one sealed.
fn rotated_questions() -> Vec<Question> {
    let mut sealer = Sealer::new(&rotated());
    let mut associated = Vec::new();
    Associated::Exact { workspace: "acme", domain: "na/me ż" }.write(&mut associated);
    let name = String::from_utf8(associated.clone()).expect("a text");
    let mut questions = Vec::new();
    for (bucket, form, value, plaintext) in [
        (0, "string", "ann@example.com", b"ann@example.com".to_vec()),
        (32, "string", "ann@example.com", b"ann@example.com".to_vec()),
        (32, "string", "", Vec::new()),
        (0, "json", "42", b"\xff42             ".to_vec()),
        (32, "json", "42", b"\xff42             ".to_vec()),
    ] {
        let mut plaintext = plaintext;
        pad(&mut plaintext, bucket);
        let tokens = sealer.tokens(&associated, &plaintext);
        assert_eq!(tokens.len(), 2);
        questions.push((json!({form: value, "associated": name, "pad": bucket}), tokens.join(" ")));
        let canonical = if form == "json" { value.to_owned() } else { format!("\"{value}\"") };
        for token in tokens {
            questions.push((json!({"open": token, "associated": name}), canonical.clone()));
        }
    }
    questions
}

/// A language's folder under `target/interop`, held by one test process at a time, with what its package manager brought.
struct Workshop {
    folder: PathBuf,
    _held: File,
}

impl Workshop {
    /// The folder of `language`, prepared by `prepare` unless it was for the same `pins` before; `None` if that cannot be done here.
    fn open(language: &str, pins: &str, prepare: impl Fn(&Path) -> Result<(), String>) -> Option<Self> {
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

    /// Runs the command that `program` makes, for each keyset, and holds its answers against the questions' lines.
    fn check(&self, command: impl Fn(&Path) -> Command) {
        let golden = golden();
        let keysets = [
            ("golden.json", golden["keyset"].to_string(), golden_questions(&golden)),
            ("rotated.json", rotated().to_json().expose().clone(), rotated_questions()),
        ];
        for (name, keyset, questions) in keysets {
            let path = self.folder.join(name);
            fs::write(&path, keyset).expect("target is ours");
            let lines: Vec<String> = questions.iter().map(|(ask, _)| ask.to_string()).collect();
            let answers = ask(command(&path), &lines);
            assert_eq!(answers.len(), questions.len(), "{name}");
            for (answer, (question, expected)) in answers.iter().zip(&questions) {
                assert_eq!(answer, expected, "{name}: {question}");
            }
        }
    }
}

/// The lines that `command` answers to `lines`.
fn ask(mut command: Command, lines: &[String]) -> Vec<String> {
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
fn step(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?} does not run: {error}"))?;
    let said = || String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned();
    if output.status.success() { Ok(()) } else { Err(format!("{command:?} failed: {}", said())) }
}

fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(path)
}

/// Python with Tink, in an environment of its own.
fn python() -> Option<Workshop> {
    Workshop::open("python", include_str!("interop/requirements.txt"), |folder| {
        step(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder.join("venv")))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
        step(Command::new(folder.join("venv/bin/python")).args(pip).arg(manifest("requirements.txt")))
    })
}

#[test]
fn python_opens_and_searches_our_tokens() {
    let Some(workshop) = python() else { return };
    let source = workshop.folder.join("tokens.py");
    fs::write(&source, program("python")).expect("target is ours");
    workshop.check(|keyset| {
        let mut command = Command::new(workshop.folder.join("venv/bin/python"));
        command.arg(&source).arg(keyset);
        command
    });
}

#[test]
fn java_opens_and_searches_our_tokens() {
    let workshop = Workshop::open("java", include_str!("interop/pom.xml"), |folder| {
        step(Command::new("java").arg("-version"))?;
        let goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
        let jars = format!("-DoutputDirectory={}", folder.join("jars").display());
        step(Command::new("mvn").args(["-q", "-B", "-f"]).arg(manifest("pom.xml")).args([goal, &jars]))
    });
    let Some(workshop) = workshop else { return };
    let source = workshop.folder.join("Tokens.java");
    fs::write(&source, program("java")).expect("target is ours");
    workshop.check(|keyset| {
        let mut command = Command::new("java");
        command.arg("-cp").arg(workshop.folder.join("jars/*")).arg(&source).arg(keyset);
        command
    });
}

#[test]
fn go_opens_and_searches_our_tokens() {
    // the module's files are pins too: go.sum holds the hash of all that is downloaded
    let pins = concat!(include_str!("interop/go.mod"), include_str!("interop/go.sum"));
    let workshop = Workshop::open("go", pins, |folder| {
        fs::write(folder.join("go.mod"), include_str!("interop/go.mod")).map_err(|error| error.to_string())?;
        fs::write(folder.join("go.sum"), include_str!("interop/go.sum")).map_err(|error| error.to_string())?;
        step(Command::new("go").args(["mod", "download"]).current_dir(folder))
    });
    let Some(workshop) = workshop else { return };
    fs::write(workshop.folder.join("main.go"), program("go")).expect("target is ours");
    let built = step(Command::new("go").args(["build", "-o", "tokens", "."]).current_dir(&workshop.folder));
    assert_eq!(built, Ok(()));
    workshop.check(|keyset| {
        let mut command = Command::new(workshop.folder.join("tokens"));
        command.arg(keyset);
        command
    });
}

/// The helper that compares in bulk, held against the vectors from the document's text on.
#[test]
fn the_helper_reads_every_golden_value_as_we_do() {
    let Some(workshop) = python() else { return };
    let golden = golden();
    let cases = golden["tokens"].as_array().expect("cases");
    let keyset = workshop.folder.join("helper.json");
    fs::write(&keyset, golden["keyset"].to_string()).expect("target is ours");
    let helper = |mode: &str| {
        let mut command = Command::new(workshop.folder.join("venv/bin/python"));
        command.arg(manifest("open_tokens.py")).arg(&keyset).arg(mode);
        command
    };
    let place = |case: &Value| {
        format!("\"workspace\":{},\"domain\":{},\"pad\":{}", case["workspace"], case["domain"], case["pad"])
    };
    let sealed: Vec<String> =
        cases.iter().map(|case| format!("{{\"value\":{},{}}}", text(case, "json"), place(case))).collect();
    let tokens: Vec<String> = cases.iter().map(|case| json!([case["token"]]).to_string()).collect();
    assert_eq!(ask(helper("seal"), &sealed), tokens);
    let opened: Vec<String> =
        cases.iter().map(|case| format!("{{\"token\":{},{}}}", case["token"], place(case))).collect();
    let canonical: Vec<&str> = cases.iter().map(|case| text(case, "canonical")).collect();
    assert_eq!(ask(helper("open"), &opened), canonical);
}
