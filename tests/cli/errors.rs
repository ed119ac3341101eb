//! Common errors: one line each that says what, where, and what to do.

use crate::bench::{Bench, KEYSET};

#[test]
fn a_wrong_command_line_ends_with_2_and_one_line() {
    let bench = Bench::new();
    bench.refused(
        "protekt",
        "unrecognized subcommand 'protekt'; tip: a similar subcommand exists: 'protect'; see --help",
    );
    bench.refused("protect --config", "a value is required for '--config <FILE>' but none was supplied; see --help");
    bench.refused(
        "token --config sivcar.toml --workspace acme",
        "the following required arguments were not provided: <--domain <NAME>|--topic <TOPIC>>; see --help",
    );
    bench.refused(
        "reveal --config sivcar.toml",
        "the following required arguments were not provided: <--source <TOPIC>|--domain <NAME>|--topic <TOPIC>>; see --help",
    );
    bench.refused(
        "keys disable keyset.json --id x",
        "invalid value 'x' for '--id <ID>': must be a whole number; see --help",
    );
    bench.write("marks.toml", "[[mark]]\nworkspace = \"acme\"\non = \"key\"\nlevel = 70000\n");
    bench.refused("mark --config sivcar.toml --from marks.toml", "marks.toml:1: level must be 0–9999");
    bench.refused(
        "stage --config sivcar.toml --workspace acme off --wait applied --timeout 18446744073709551615",
        "invalid value '18446744073709551615' for '--timeout <SECONDS>': 18446744073709551615 is not in 0..=31536000; see --help",
    );
    let (code, output, errors) = bench.run("", "");
    assert_eq!((code, output.as_str(), errors.contains("Usage: sivcar <COMMAND>")), (2, "", true), "{errors}");
}

#[test]
fn help_and_version_go_to_standard_output() {
    let bench = Bench::new();
    bench.expect("--version", "", 0, &format!("sivcar {}\n", env!("CARGO_PKG_VERSION")), "");
    for command in ["protect", "token", "reveal", "keys generate", "keys disable", "check"] {
        let (code, output, errors) = bench.run(&format!("{command} --help"), "");
        assert_eq!((code, output.contains("Example: "), errors.as_str()), (0, true, ""), "{command}");
    }
    let (code, output, _) = bench.run("--help", "");
    assert!(code == 0 && output.contains("Exit codes:"), "{output}");
}

#[test]
fn a_configuration_that_cannot_be_had() {
    let bench = Bench::new();
    bench.refused(
        "check --config .",
        ".: cannot be read: is a directory; name a file in --config that this user may read",
    );
}

#[test]
fn names_that_the_configuration_does_not_have() {
    let bench = Bench::new();
    bench.refused(
        "protect --config sivcar.toml --source raw",
        "--source raw: no such source in the configuration; it has raw.events, raw.users",
    );
    bench.refused(
        "protect --config sivcar.toml --source raw.events --view debgu",
        "--view debgu: no such view of source raw.events; it has debug",
    );
    bench.refused(
        "protect --config sivcar.toml --source raw.users --view debug",
        "--view debug: no such view of source raw.users; it has none",
    );
    bench.refused(
        "token --config sivcar.toml --workspace a/b --domain d",
        "--workspace \"a/b\": must be 1–64 letters, digits, '.', '_' or '-'",
    );
    bench.refused(
        "test-profiles add --config sivcar.toml --workspace * --id 7",
        "--workspace \"*\": must be 1–64 letters, digits, '.', '_' or '-'",
    );
    bench.write("two.toml", &(crate::bench::CONFIG.to_owned() + "[[workspace]]\nid = \"acme\"\n"));
    bench.refused(
        "token --config two.toml --workspace beta --domain d",
        "--workspace beta: no such workspace in the configuration; it has acme",
    );
}

#[test]
fn keysets_that_cannot_be_had() {
    let bench = Bench::new();
    let protect = "protect --config sivcar.toml --source raw.events";
    bench.keyset("keyset.json", "{}");
    bench.refused(protect, "keyset in file keyset.json: the keyset has no keys");
    std::fs::remove_file(bench.path("keyset.json")).expect("it is there");
    std::fs::create_dir(bench.path("keyset.json")).expect("a folder can be made");
    bench.refused(protect, "keyset in file keyset.json: it is not a regular file; name a file, or use a command");
}

#[test]
fn a_workspaces_own_keyset_that_is_missing_is_never_replaced_by_another() {
    let bench = Bench::new();
    let own = "[[workspace]]\nid = \"acme\"\nkeys = { file = \"acme.json\" }\n[[workspace]]\nid = \"beta\"\n";
    bench.write("own.toml", &(crate::bench::CONFIG.to_owned() + own));
    let input = "{\"workspace\":\"acme\"}\n{\"workspace\":\"beta\"}\n{\"workspace\":\"gamma\"}\n";
    bench.expect(
        "protect --config own.toml --source raw.events",
        input,
        1,
        "\n{\"workspace\":\"beta\"}\n\n",
        "line 1: keyset_missing\nline 3: workspace_unknown\n",
    );
    bench.refused(
        "token --config own.toml --workspace acme --domain d",
        "--workspace acme: its keyset is missing; put it where [workspace.keys] says",
    );
    bench.keyset("acme.json", KEYSET);
    assert_eq!(bench.run("token --config own.toml --workspace acme --domain d", "1").0, 0);
}

#[test]
fn a_keyset_may_come_from_a_variable_or_a_command() {
    let bench = Bench::new();
    let token = |source: &str| {
        bench.write("other.toml", &crate::bench::CONFIG.replace("file = \"keyset.json\"", source));
        let mut command = bench.command("token --config other.toml --workspace acme --domain email");
        command.env("PATH", "/bin:/usr/bin").env("SIVCAR_KEYSET", KEYSET).write_stdin("\"ann@example.com\"");
        command
    };
    for source in ["env = \"SIVCAR_KEYSET\"", "command = [\"cat\", \"keyset.json\"]"] {
        let output = token(source).output().expect("the program runs");
        assert!(output.stdout.starts_with(format!("[\"{}\",", crate::bench::ANN).as_bytes()), "{source}");
    }
    token("env = \"NOT_SET\"")
        .assert()
        .code(2)
        .stdout("")
        .stderr("sivcar: keyset in environment variable NOT_SET: the variable is not set; set it, or use a file\n");
}

#[test]
fn marks_are_refused_before_a_broker_is_asked() {
    let bench = Bench::new();
    let which = "--config sivcar.toml --workspace * --on attribute --name email";
    let stands = "mark \"email\" on attribute in workspace * stands in sivcar.toml, and the next start would publish it; edit it there first";
    bench.refused(&format!("unmark {which}"), stands);
    bench.refused(&format!("mark {which} --level 7"), stands);
    bench.refused(
        "mark --config sivcar.toml --workspace acme --on atribute --name email",
        "invalid value 'atribute' for '--on <WORD>': did you mean \"attribute\"? known here: \"attribute\", \"parameter\", \"field\", \"header\", \"key\"; see --help",
    );
    bench.refused(
        "mark --config sivcar.toml --workspace acme --on attribute --name email --level 10000",
        "invalid value '10000' for '--level <0-9999>': 10000 is not in 0..=9999; see --help",
    );
    bench.write("marks.toml", "[[mark]]\nworkspace = \"acme\"\non = \"attribute\"\n");
    bench.refused("mark --config sivcar.toml --from marks.toml", "marks.toml:1: key \"name\" is missing");
    bench.refused("mark --config sivcar.toml --from none.toml", "none.toml: it does not exist; correct --from");
    for (line, error) in [
        (
            "on = \"params\"",
            "unknown value \"params\"; did you mean \"parameter\"? known here: \"attribute\", \"parameter\", \"field\", \"header\", \"key\"",
        ),
        ("on = \"field\"\nlevle = 7", "unknown key \"levle\"; did you mean \"level\"?"),
        ("on = \"field\"\nlevel = \"high\"", "the value must be an integer, not a string"),
    ] {
        bench.write("marks.toml", &format!("[[mark]]\nworkspace = \"acme\"\nname = \"a\"\n{line}\n"));
        let number = 3 + line.lines().count();
        bench.refused("mark --config sivcar.toml --from marks.toml", &format!("marks.toml:{number}: {error}"));
    }
    bench.refused(
        "stage --config sivcar.toml --workspace acme enforce",
        "invalid value 'enforce' for '<STAGE>': did you mean \"enforced\"? known here: \"off\", \"configured\", \"enforced\"; see --help",
    );
    bench.refused(
        "keys generate none/keyset.json",
        "keyset in file none/keyset.json: its folder does not exist; make it, or correct the path",
    );
    bench.refused(
        "marks --config sivcar.toml",
        "sivcar.toml: [kafka]: bootstrap.servers is missing: name at least one broker as host:port",
    );
}

#[test]
fn dead_letters_are_named_before_a_broker_is_asked() {
    let bench = Bench::new();
    bench.refused(
        "dead-letters list --config sivcar.toml --topic raw",
        "--topic raw: no such source in the configuration; name a raw topic",
    );
    bench.refused(
        "dead-letters open --config sivcar.toml --topic raw.events",
        "dead-letters open: name one record by --partition and --offset",
    );
    bench.refused(
        "dead-letters replay --config sivcar.toml --topic raw.events",
        "dead-letters replay: name one record by --partition and --offset, or give --limit (at most 5000)",
    );
    bench.refused(
        "dead-letters list --config sivcar.toml --topic raw.events --after 0:-1",
        "invalid value '0:-1' for '--after <PARTITION:OFFSET>': must be a partition and an offset, as 0:17; see --help",
    );
}

#[test]
fn tail_names_what_it_looks_for_before_a_broker_is_asked() {
    let bench = Bench::new();
    let tail = "tail --config sivcar.toml --view debug";
    bench.refused(
        "tail --config sivcar.toml --view debgu",
        "--view debgu: no such view in the configuration; it has debug",
    );
    bench.refused(&format!("{tail} --source raw.users"), "--view debug: no such view of source raw.users; it has none");
    bench.refused(
        &format!("{tail} --since 10"),
        "invalid value '10' for '--since <DURATION>': DURATION must be a whole number and a unit (ms, s, m or h), as \"100ms\" or \"30s\"; see --help",
    );
    bench.refused(
        &format!("{tail} --key 42"),
        "--key: this is no token; a view shows no other record keys: take one from its output, or compute it as docs/formats.md says",
    );
    bench.refused(tail, "sivcar.toml: [kafka]: bootstrap.servers is missing: name at least one broker as host:port");
}

#[test]
fn run_tells_what_it_cannot_start_without() {
    let bench = Bench::new();
    let (code, output, errors) = bench.run("run --config sivcar.toml", "");
    let line = "sivcar: sivcar.toml: [kafka]: bootstrap.servers is missing: name at least one broker as host:port\n";
    assert_eq!((code, output.as_str(), errors.as_str()), (2, "", line));
}

#[test]
fn readers_give_up_once_one_question_has_waited_for_a_broker() {
    let bench = Bench::new();
    let head = "[kafka]\n\"bootstrap.servers\" = \"127.0.0.1:9\"\n";
    bench.write("away.toml", &(head.to_owned() + crate::bench::CONFIG));
    let began = std::time::Instant::now();
    std::thread::scope(|scope| {
        for command in [
            "tail --config away.toml --view debug",
            "dead-letters list --config away.toml --topic raw.events",
            "status --config away.toml",
            "inventory --config away.toml --source raw.events --topic",
        ] {
            let bench = &bench;
            scope.spawn(move || {
                let (code, _, errors) = bench.run(command, "");
                assert_eq!((code, errors.contains("no Kafka broker answers at 127.0.0.1:9")), (1, true), "{errors}");
            });
        }
    });
    // what thirty seconds of patience with questions of ten took
    assert!(began.elapsed() < std::time::Duration::from_secs(29), "{:?}", began.elapsed());
}
