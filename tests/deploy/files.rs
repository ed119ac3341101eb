//! The files that no engine reads here: compose, the image, the unit of systemd.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;

use crate::tools::{content, found, package, text};
use crate::workshop;

const COMPOSE: &str = "deploy/docker-compose.yml";

/// Reads YAML and writes JSON.
const TO_JSON: &str =
    "import json, sys\nfrom ruamel.yaml import YAML\njson.dump(YAML(typ='safe').load(open(sys.argv[1])), sys.stdout)";

#[test]
fn the_compose_file_fits_its_schema_and_what_it_mounts() {
    let Some(workshop) = workshop::python() else { return };
    let tool = |name: &str| Command::new(workshop.folder.join("venv/bin").join(name));
    content(tool("check-jsonschema").args(["--builtin-schema", "vendor.compose-spec"]).arg(package(COMPOSE)));
    let file = content(tool("python").args(["-c", TO_JSON]).arg(package(COMPOSE)));
    let file: Value = serde_json::from_str(&file).expect("it is JSON");
    let services = file["services"].as_object().expect("services");
    let names: Vec<&str> = services.keys().map(String::as_str).collect();
    assert_eq!(names, ["kafka", "topics", "keyset", "sivcar", "prometheus", "grafana"]);
    for (name, service) in services {
        let image = service["image"].as_str().expect("an image");
        let first = image.split('/').next().expect("a part");
        assert!(!first.contains('.') && !first.contains("localhost"), "{name}: {image} names a registry");
        for volume in service["volumes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let source = volume.split(':').next().expect("a source");
            match source.strip_prefix("./") {
                Some(file) => assert!(package("deploy").join(file).is_file(), "{name}: {volume} is not there"),
                None => assert!(file["volumes"].get(source).is_some(), "{name}: {volume} is not declared"),
            }
        }
        for port in service["ports"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port} is open to others");
        }
    }
    for name in ["sivcar", "keyset"] {
        let service = &services[name];
        assert_eq!(
            (&service["read_only"], &service["cap_drop"][0]),
            (&Value::Bool(true), &Value::from("ALL")),
            "{name}"
        );
        assert_eq!(service["build"]["dockerfile"], "deploy/Dockerfile");
        assert_eq!(service["pull_policy"], "build", "{name}: an image of this name must not be fetched");
    }
    // what is tested is what is shown
    let kafka = services["kafka"]["image"].as_str().and_then(|image| image.strip_prefix("apache/kafka:"));
    let pom = fs::read_to_string(package("tests/kafka/pom.xml")).expect("it is there");
    assert!(pom.contains(&format!("<version>{}</version>", kafka.expect("Apache's own image"))), "{kafka:?}");
}

#[test]
fn the_containers_configuration_is_sound() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let keyset = folder.path().join("keyset.json");
    fs::copy(package("tests/golden/keyset.json"), &keyset).expect("it is there");
    fs::set_permissions(&keyset, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let config = text("sivcar.toml").replace("/var/lib/sivcar/keyset.json", "keyset.json");
    assert!(config.contains("kafka:19092") && text("docker-compose.yml").contains("INSIDE://kafka:19092"));
    fs::write(folder.path().join("sivcar.toml"), &config).expect("the folder can be written");
    let mut check = Command::new(env!("CARGO_BIN_EXE_sivcar"));
    content(check.current_dir(folder.path()).args(["check", "--config", "sivcar.toml"]));
    for line in config.lines().filter_map(|line| line.strip_prefix("topic = ")) {
        let topic = line.trim_matches('"');
        assert!(text("docker-compose.yml").contains(&format!(" {topic}")), "nobody creates {topic}");
    }
}

#[test]
fn what_the_image_is_built_from_is_a_whole_package() {
    let dockerfile = text("Dockerfile");
    let let_in: Vec<String> =
        text("Dockerfile.dockerignore").lines().filter_map(|line| line.strip_prefix('!')).map(str::to_owned).collect();
    let folder = tempfile::tempdir().expect("a folder can be made");
    for line in
        dockerfile.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--from"))
    {
        let (sources, _) = line.rsplit_once(' ').expect("from and to");
        for source in sources.split(' ') {
            assert!(let_in.iter().any(|name| name == source), "{source} is kept from the engine");
            content(Command::new("cp").arg("-r").arg(package(source)).arg(folder.path()));
        }
    }
    let mut cargo = Command::new(env!("CARGO"));
    let metadata = content(cargo.current_dir(folder.path()).args([
        "metadata",
        "--no-deps",
        "--offline",
        "--locked",
        "--format-version=1",
    ]));
    assert!(metadata.contains("\"name\":\"sivcar\""), "{metadata}");
    let last = dockerfile.rsplit("\nFROM ").next().expect("a stage");
    assert!(
        last.contains("\nUSER 10001:10001\n") && dockerfile.matches("\nFROM ").count() == 2,
        "two stages, nobody's rights"
    );
}

#[test]
fn the_unit_is_in_form_and_lets_the_service_do_little() {
    let unit = text("sivcar.service");
    for line in
        ["RestartPreventExitStatus=2 4 5", "DynamicUser=yes", "LoadCredential=keyset.json:/etc/sivcar/keyset.json"]
    {
        assert!(unit.lines().any(|held| held == line), "{line}");
    }
    let Some(mut verify) = found("systemd-analyze".into(), "--version") else { return };
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("sivcar.service");
    fs::write(&file, unit.replace("/usr/local/bin/sivcar", env!("CARGO_BIN_EXE_sivcar")))
        .expect("the folder can be written");
    assert_eq!(content(verify.arg("verify").arg(&file)), "");
    // of ten; what listens and talks to brokers cannot have none
    let mut security = Command::new("systemd-analyze");
    content(security.args(["security", "--offline=true", "--threshold=20"]).arg(&file));
}
