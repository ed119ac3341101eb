//! The programs of docs/formats.md, taken from the page and run with Tink in Python, Java and Go against our vectors.
//!
//! And in bulk: tink-py opens what `sivcar protect` wrote of random values, and makes the same tokens.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sivcar::privacy::keyset::Keyset;
use sivcar::privacy::seal::{Associated, Sealer, pad};

#[path = "cli/bench.rs"]
#[allow(dead_code)] // the bench serves the tests of the command line too
mod bench;
#[path = "interop/values.rs"]
mod values;
#[path = "interop/workshop.rs"]
mod workshop;

use workshop::{Workshop, ask, manifest, python, step};

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
    keyset = keyset.promoted(0x8000_0001).expect("enabled");
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

/// Runs the command that `program` makes, for each keyset, and holds its answers against the questions' lines.
fn check(workshop: &Workshop, command: impl Fn(&Path) -> Command) {
    let golden = golden();
    let keysets = [
        ("golden.json", golden["keyset"].to_string(), golden_questions(&golden)),
        ("rotated.json", rotated().to_json().expose().clone(), rotated_questions()),
    ];
    for (name, keyset, questions) in keysets {
        let path = workshop.folder.join(name);
        fs::write(&path, keyset).expect("target is ours");
        let lines: Vec<String> = questions.iter().map(|(ask, _)| ask.to_string()).collect();
        let answers = ask(command(&path), &lines);
        assert_eq!(answers.len(), questions.len(), "{name}");
        for (answer, (question, expected)) in answers.iter().zip(&questions) {
            assert_eq!(answer, expected, "{name}: {question}");
        }
    }
}

#[test]
fn python_opens_and_searches_our_tokens() {
    let Some(workshop) = python() else { return };
    let source = workshop.folder.join("tokens.py");
    fs::write(&source, program("python")).expect("target is ours");
    let command = |keyset: &Path| {
        let mut command = Command::new(workshop.folder.join("venv/bin/python"));
        command.arg(&source).arg(keyset);
        command
    };
    check(&workshop, command);
    // it alone folds: the others have no tables of their own
    let golden = golden();
    let cases = golden["loose"].as_array().expect("cases");
    let lines = cases
        .iter()
        .map(|case| json!({"loose": case["string"], "associated": case["associated_data"], "pad": 0}).to_string());
    let tokens: Vec<&str> = cases.iter().map(|case| text(case, "token")).collect();
    assert_eq!(ask(command(&workshop.folder.join("golden.json")), &lines.collect::<Vec<_>>()), tokens);
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
    check(&workshop, |keyset| {
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
    check(&workshop, |keyset| {
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
    let place = |case: &Value| {
        format!("\"workspace\":{},\"domain\":{},\"pad\":{}", case["workspace"], case["domain"], case["pad"])
    };
    let sealed: Vec<String> =
        cases.iter().map(|case| format!("{{\"value\":{},{}}}", text(case, "json"), place(case))).collect();
    let tokens: Vec<String> = cases.iter().map(|case| json!([case["token"]]).to_string()).collect();
    assert_eq!(ask(workshop.helper(&keyset, "seal"), &sealed), tokens);
    let opened: Vec<String> =
        cases.iter().map(|case| format!("{{\"token\":{},{}}}", case["token"], place(case))).collect();
    let canonical: Vec<&str> = cases.iter().map(|case| text(case, "canonical")).collect();
    assert_eq!(ask(workshop.helper(&keyset, "open"), &opened), canonical);
}

#[test]
fn tink_opens_what_protect_wrote_of_random_values_and_makes_the_same_tokens() {
    let Some(workshop) = python() else { return };
    let bench = bench::Bench::new();
    bench.write("sivcar.toml", &format!("[keys]\nfile = \"keyset.json\"\n{}", values::SECTIONS));
    let values = values::random(20_261_121, 1_000);
    let lines: Vec<String> = values.iter().map(values::Value::event).collect();
    let (code, output, errors) = bench.run("protect --config sivcar.toml --source raw", lines.join("\n") + "\n");
    assert_eq!((code, errors.as_str()), (0, ""));
    let documents: Vec<&str> = output.lines().collect();
    let tokens: Vec<String> = values::tokens(&values, &documents);
    values::tink_agrees(&workshop, &bench.path("keyset.json"), &values, &tokens);

    // and all tokens that a search asks for
    for (domain, pad) in [("plain", 0), ("padded", 32)] {
        let of: Vec<&values::Value> = values.iter().filter(|value| value.pad == pad).collect();
        let asked: String = of.iter().map(|value| value.json.clone() + "\n").collect();
        let token = format!("token --config sivcar.toml --workspace acme --domain {domain}");
        let (code, ours, errors) = bench.run(&token, asked);
        assert_eq!((code, errors.as_str()), (0, ""));
        let theirs: Vec<String> = of.iter().map(|value| value.question()).collect();
        let theirs = ask(workshop.helper(&bench.path("keyset.json"), "seal"), &theirs);
        assert_eq!(ours.lines().collect::<Vec<_>>(), theirs);
    }
}
