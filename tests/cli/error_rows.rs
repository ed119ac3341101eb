//! The rows of the table of errors that need no broker, a test for each: the line that the page shows, and the exit code.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use crate::bench::{Bench, CONFIG, program};
use crate::error_table::row;

/// Asserts that `sivcar check` of this configuration ends as the row says, which names the file and these others.
#[track_caller]
fn refused(when: &str, config: &str, names: &[(&str, &str)]) {
    let bench = Bench::new();
    bench.write("bad.toml", config);
    let (code, output, errors) = bench.run("check --config bad.toml", "");
    assert_eq!(output, "");
    row(when).ended(code, &errors, &[&[("file", "bad.toml")], names].concat());
}

#[test]
fn a_missing_configuration() {
    let (code, _, errors) = Bench::new().run("check --config nowhere.toml", "");
    row("the configuration file is missing").ended(code, &errors, &[("file", "nowhere.toml")]);
}

#[test]
fn an_unknown_key() {
    let names = [("line", "2"), ("column", "1"), ("key", "grup"), ("known", "group")];
    refused("a key of the configuration is unknown", "\ngrup = \"a\"\n", &names);
}

/// What is wrong with a property stands in the third line.
#[track_caller]
fn property_refused(when: &str, line: &str, column: &str, names: &[(&str, &str)]) {
    let kafka = format!("[kafka]\n\"bootstrap.servers\" = \"127.0.0.1:9\"\n{line}\n");
    refused(when, &(kafka + CONFIG), &[&[("line", "3"), ("column", column)], names].concat());
}

#[test]
fn properties_that_cannot_be() {
    let guarded = "consumer = { \"isolation.level\" = \"read_uncommitted\" }";
    property_refused("a Kafka property would break a guarantee", guarded, "34", &[("property", "isolation.level")]);
    let unknown = "\"securty.protocol\" = \"ssl\"";
    let names = [("property", "securty.protocol"), ("known", "security.protocol")];
    property_refused("a Kafka property is unknown", unknown, "22", &names);
    let file = "\"ssl.ca.location\" = \"/nowhere/ca.pem\"";
    let names = [("property", "ssl.ca.location"), ("path", "/nowhere/ca.pem")];
    property_refused("a file of the connection is missing", file, "21", &names);
}

#[test]
fn a_certificate_that_is_none() {
    let bench = Bench::new();
    bench.write("ca.pem", "no certificate");
    let location = bench.path("ca.pem").display().to_string();
    let kafka = format!(
        "[kafka]\n\"bootstrap.servers\" = \"127.0.0.1:9\"\n\"security.protocol\" = \"ssl\"\n\"ssl.ca.location\" = \"{location}\"\n"
    );
    bench.write("bad.toml", &(kafka + CONFIG));
    let (code, _, errors) = bench.run("check --config bad.toml --connect", "");
    let names = [("file", "bad.toml"), ("line", "4"), ("column", "21"), ("property", "ssl.ca.location")];
    row("a certificate is none").ended(code, &errors, &names);
}

#[test]
fn a_mark_with_a_level_that_is_none() {
    let line = CONFIG.lines().count() + 1;
    let names = [("line", &*line.to_string()), ("column", "9")];
    refused("a mark of the configuration is bad", &(CONFIG.to_owned() + "level = 12345\n"), &names);
}

#[test]
fn a_path_with_an_empty_step() {
    let layout = CONFIG.to_owned() + "[[layout]]\nname = \"shop\"\nid = \"customer..no\"\n";
    let line = CONFIG.lines().count() + 3;
    let names = [("line", &*line.to_string()), ("column", "6"), ("path", "customer..no"), ("byte", "9")];
    refused("a path is none", &layout, &names);
}

#[test]
fn a_mark_on_the_command_line() {
    let mark = "mark --config sivcar.toml --workspace acme --on attribute --name $.email";
    let (code, _, errors) = Bench::new().run(mark, "");
    let names = [("name", "$.email"), ("workspace", "acme")];
    row("a mark on the command line is bad").ended(code, &errors, &names);
}

/// Asserts that no keyset can be had of `keyset.json`, once `spoil` was done to it.
#[track_caller]
fn no_keyset(when: &str, spoil: impl Fn(&Bench), names: &[(&str, &str)]) {
    let bench = Bench::new();
    spoil(&bench);
    let (code, _, errors) = bench.run("check --config sivcar.toml", "");
    row(when).ended(code, &errors, &[&[("file", "keyset.json")], names].concat());
}

#[test]
fn a_missing_keyset() {
    no_keyset("the keyset is missing", |bench| fs::remove_file(bench.path("keyset.json")).expect("it is there"), &[]);
}

#[test]
fn a_keyset_that_others_may_read() {
    no_keyset("others may read the keyset", |bench| bench.mode("keyset.json", 0o644), &[("mode", "0644")]);
}

#[test]
fn a_file_that_is_no_keyset() {
    let names = [("line", "1"), ("column", "10")];
    no_keyset("the keyset is no keyset", |bench| bench.keyset("keyset.json", "{\"primary\":null}"), &names);
}

#[test]
fn a_keyset_that_may_not_be_read() {
    let bench = Bench::new();
    bench.mode("keyset.json", 0);
    let mut command = match fs::read(bench.path("keyset.json")) {
        Err(_) => Command::new(program()),
        // root may read what nobody may, unless that is taken from it
        Ok(_) => {
            let mut command = Command::new("setpriv");
            let without = "-dac_override,-dac_read_search";
            command.args(["--inh-caps", without, "--bounding-set", without, "--"]).arg(program());
            command
        }
    };
    command.current_dir(bench.path("")).args(["check", "--config", "sivcar.toml"]);
    let output = command.output().expect("the program runs");
    let code = output.status.code().expect("was not killed");
    let errors = String::from_utf8(output.stderr).expect("text");
    row("the keyset may not be read").ended(code, &errors, &[("file", "keyset.json")]);
}

/// Asserts that a gate cannot check signatures by `jwks.json`, once it was written with this text and mode.
#[track_caller]
fn no_issuer(when: &str, text: Option<(&str, u32)>, names: &[(&str, &str)]) {
    let bench = Bench::new();
    let gate = "dead-letters = \"dead\"\ngate = { header = \"auth\", jwks = \"jwks.json\" }\n";
    bench.write("gated.toml", &CONFIG.replacen("dead-letters = \"dead\"\n", gate, 1));
    if let Some((text, mode)) = text {
        bench.write("jwks.json", text);
        bench.mode("jwks.json", mode);
    }
    let (code, output, errors) = bench.run("check --config gated.toml", "");
    assert_eq!(output, "");
    row(when).ended(code, &errors, &[&[("file", "jwks.json")], names].concat());
}

#[test]
fn issuers_that_cannot_be_had() {
    no_issuer("an issuer's keys are missing", None, &[]);
    no_issuer("others may write an issuer's keys", Some(("{}", 0o664)), &[("mode", "0664")]);
    no_issuer("an issuer's keys are none", Some(("{}", 0o644)), &[("line", "1"), ("column", "2")]);
}

#[test]
fn a_port_that_is_taken() {
    let bench = Bench::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("is bound").to_string();
    let head = format!("[kafka]\n\"bootstrap.servers\" = \"127.0.0.1:9\"\n[http]\nlisten = \"{address}\"\n");
    bench.write("taken.toml", &(head + CONFIG));
    let (code, _, errors) = bench.run("run --config taken.toml", "");
    row("the port is taken").ended(code, &errors, &[("address", &address)]);
}
