//! `check`, and what must not happen without being asked for: a connection.

use std::net::TcpListener;

use crate::bench::{Bench, CONFIG};

#[test]
fn check_prints_what_holds_without_secrets() {
    let bench = Bench::new();
    bench.write(
        "kafka.toml",
        &format!("group = \"${{GROUP}}\"\ninstance = \"i\"\n[kafka]\n\"bootstrap.servers\" = \"127.0.0.1:9\"\n\"sasl.password\" = \"hunter2\"\n{CONFIG}"),
    );
    let output = bench.command("check --config kafka.toml").env("GROUP", "s3cret").output().expect("it runs");
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((output.status.code(), errors.as_ref()), (Some(0), ""));
    assert!(!text.contains("hunter2") && !text.contains("s3cret"), "{text}");
    let effective: toml::Table = text.parse().expect("is TOML");
    assert_eq!(effective["group"].as_str(), Some("***"));
    assert_eq!(effective["kafka"]["sasl.password"].as_str(), Some("***"));
    assert_eq!(effective["limits"]["depth"].as_integer(), Some(64));
}

#[test]
fn check_refuses_what_would_break_a_guarantee() {
    let bench = Bench::new();
    let kafka = "[kafka]\n\"bootstrap.servers\" = \"127.0.0.1:9\"\nproducer = { acks = \"1\" }\n";
    bench.write("acks.toml", &format!("{kafka}{CONFIG}"));
    bench.refused(
        "check --config acks.toml",
        "acks.toml:3:21: [kafka]: acks cannot be set: an output counts only once all in-sync replicas have it",
    );
    let mistyped = "[kafka]\n\"bootstrap.server\" = \"127.0.0.1:9\"\n";
    bench.write("mistyped.toml", &format!("{mistyped}{CONFIG}"));
    for (file, connect) in [("sivcar.toml", ""), ("mistyped.toml", ""), ("sivcar.toml", " --connect")] {
        bench.refused(
            &format!("check --config {file}{connect}"),
            &format!("{file}: [kafka]: bootstrap.servers is missing: name at least one broker as host:port"),
        );
    }
}

#[test]
fn no_error_shows_what_came_from_the_environment() {
    let bench = Bench::new();
    let kafka = "[kafka]\n\"bootstrap.servers\" = \"127.0.0.1:9\"\n";
    let hook = "\n[[hook]]\nname = \"h\"\nlevel = \"${SECRET}\"\n";
    bench.write("hook.toml", &format!("{kafka}{CONFIG}{hook}"));
    for property in ["security.protocol", "debug", "compression.type", "ssl.ca.location"] {
        bench.write(&format!("{property}.toml"), &format!("{kafka}\"{property}\" = \"${{SECRET}}\"\n{CONFIG}"));
        for secret in ["hun ter2", "hun\nter2"] {
            let output = bench.command(&format!("check --config {property}.toml")).env("SECRET", secret).output();
            let output = output.expect("it runs");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!((output.status.code(), errors.lines().count()), (Some(2), 1), "{errors}");
            assert!(errors.contains(property) && !errors.contains("ter2"), "{errors}");
        }
    }
    let output =
        bench.command("check --config hook.toml").env("SECRET", "hunter2 == source").output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("\"${SECRET}\" is no variable") && !errors.contains("hunter2"), "{errors}");
}

#[test]
fn nothing_but_connect_touches_a_broker() {
    let bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("is supported");
    let port = listener.local_addr().expect("is bound").port();
    bench.write("kafka.toml", &format!("[kafka]\n\"bootstrap.servers\" = \"127.0.0.1:{port}\"\n{CONFIG}"));
    for arguments in [
        "check --config kafka.toml",
        "protect --config kafka.toml --source raw.events",
        "inventory --config kafka.toml --source raw.events",
        "token --config kafka.toml --workspace acme --domain email",
        "reveal --config kafka.toml --workspace acme --domain email",
        "reveal --config kafka.toml --source raw.events",
        "keys check --config kafka.toml",
        "keys inspect --config kafka.toml",
    ] {
        bench.command(arguments).write_stdin("").assert().code(0);
    }
    // a client would have connected before its process ended
    let error = listener.accept().expect_err("somebody connected");
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
}
