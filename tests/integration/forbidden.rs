//! A broker refuses a password or a right: the program says which and ends. With the rights that the page on operations lists, and no
//! other, everything works. Where the right to write is taken from a running sidecar and given back, nothing is missing.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use sivcar::stream::error::Error;

use crate::admin::{self, Resource};
use crate::broker::Broker;
use crate::error_table::row;
use crate::errors::Desk;
use crate::patience::eventually;
use crate::process::{Process, Stage, event};

const PRINCIPAL: &str = "User:sivcar";
const PAGE: &str = include_str!("../../docs/operations.md");

/// A port that nobody listens on, below those that systems give to clients.
fn free_port() -> u16 {
    eventually("a free port", || (32_000..32_700).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()))
}

/// A broker that asks clients for a password, at a port of its own, and lets them do what was granted; others may everything.
fn guarded() -> (Arc<Broker>, u16) {
    let port = free_port();
    let broker = Broker::start_with(&format!(
        "listeners=PLAINTEXT://127.0.0.1:@broker@,CLIENT://127.0.0.1:{port},CONTROLLER://127.0.0.1:@controller@\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CLIENT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=PLAINTEXT\n\
         listener.name.client.sasl.enabled.mechanisms=PLAIN\n\
         listener.name.client.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
         user_sivcar=\"secret-4711\" user_steward=\"secret-4713\";\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:ANONYMOUS\n"
    ));
    (Arc::new(broker), port)
}

/// The properties of a client with this name and password.
fn client(port: u16, name: &str, password: &str) -> String {
    format!(
        "\"bootstrap.servers\" = \"127.0.0.1:{port}\"\n\"security.protocol\" = \"sasl_plaintext\"\n\
         \"sasl.mechanism\" = \"PLAIN\"\n\"sasl.username\" = \"{name}\"\n\"sasl.password\" = \"{password}\""
    )
}

/// Grants on the stage's topics what the page's lines say, word by word.
fn grant_as_the_page_says(stage: &Stage) {
    let lines: Vec<&str> = PAGE.lines().filter_map(|line| line.strip_prefix("    $acl ")).collect();
    assert_eq!(lines.len(), 9, "{lines:#?}");
    for line in lines {
        let mut words = line.split(' ');
        let principal = words.next().expect("whom");
        let (mut operations, mut resources, mut prefixed) = (Vec::new(), Vec::new(), "");
        while let (Some(option), Some(value)) = (words.next(), words.next()) {
            match option {
                "--operation" => operations.push(value),
                "--resource-pattern-type" => prefixed = "*",
                "--topic" => resources.push((Resource::Topic, value)),
                "--group" => resources.push((Resource::Group, value)),
                "--transactional-id" => resources.push((Resource::TransactionalId, value)),
                _ => panic!("an option of the tool: {option}"),
            }
        }
        let named = |name: &str| name.replace("GROUP", &stage.group).replace("RAW", &stage.topic("raw")) + prefixed;
        for (resource, name) in resources {
            let names = match name {
                "OUTPUT" => ["protected", "debug", "dead"].map(|output| stage.topic(output)).to_vec(),
                name => vec![named(name)],
            };
            for (name, operation) in names.iter().flat_map(|name| operations.iter().map(move |each| (name, each))) {
                admin::allow(&stage.bootstrap, resource, name, principal, operation);
            }
        }
    }
}

#[test]
fn what_the_broker_forbids_ends_a_start_and_a_run() {
    let (broker, port) = guarded();
    std::thread::scope(|scope| {
        let credentials = scope.spawn(|| wrong_credentials_are_told_of(&broker, port));
        let stage = Stage::on(broker.clone(), "start", 1);
        grant_as_the_page_says(&stage);
        for (resource, name, operation, when, names) in [
            (Resource::Topic, "start.raw", "All", "a right to a topic is missing", &[("topic", "start.raw")][..]),
            (
                Resource::Topic,
                "start.debug",
                "DescribeConfigs",
                "the right to a topic's settings is missing",
                &[("topic", "start.debug")],
            ),
            (Resource::Group, "start", "All", "a right to the group is missing", &[]),
            (Resource::TransactionalId, "start.a.0", "All", "a right to a transactional id is missing", &[]),
        ] {
            admin::forbid(&stage.bootstrap, resource, name, PRINCIPAL, operation);
            let config = stage.text(&client(port, "sivcar", "secret-4711"), "");
            let (code, errors) = Desk::new(&format!("instance = \"a\"\n{config}")).run();
            row(when).ended(code, &errors, names);
            admin::forbid_no_more(&stage.bootstrap, resource, name, PRINCIPAL, operation);
        }
        a_right_is_lost_and_given_back(&broker, port);
        credentials.join().expect("no panic");
    });
}

fn wrong_credentials_are_told_of(broker: &Arc<Broker>, port: u16) {
    let stage = Stage::on(broker.clone(), "wrong", 1);
    let (code, errors) = Desk::new(&stage.text(&client(port, "sivcar", "secret-4712"), "")).run();
    let brokers = format!("127.0.0.1:{port}");
    row("the credentials are wrong").ended(code, &errors, &[("group", "wrong"), ("brokers", &brokers)]);
    assert!(!errors.contains("secret-471"), "{errors}");
    assert!(broker.log().contains("Failed authentication"), "the broker refused them");
}

/// Who marks and waits, with the rights for that and without one of them.
fn the_steward_waits_for_what_may_be_seen(stage: &Stage, port: u16) {
    let steward = Desk::new(&stage.text(&client(port, "steward", "secret-4713"), ""));
    let mark = "--config sivcar.toml --workspace acme --on parameter --name name --wait applied";
    let blind = |change: fn(&str, Resource, &str, &str, &str)| {
        change(&stage.bootstrap, Resource::Topic, "rights.status", "User:steward", "All");
    };
    blind(admin::forbid);
    let (code, said, errors) = steward.asked(&format!("mark {mark}"));
    row("a right to a topic is missing").ended(code, &errors, &[("topic", "rights.status")]);
    assert_eq!(said, "", "who cannot wait writes nothing");
    blind(admin::forbid_no_more);
    let (code, said, errors) = steward.asked(&format!("mark {mark}"));
    assert!(code == 0 && said.starts_with("1 marked, 0 held already; "), "{said}{errors}");
    let (code, said, errors) = steward.asked("status --config sivcar.toml");
    assert!(code == 0 && said.contains("in force on 1 of 1 tasks"), "{said}{errors}");
}

fn a_right_is_lost_and_given_back(broker: &Arc<Broker>, port: u16) {
    let stage = Stage::on(broker.clone(), "rights", 1);
    grant_as_the_page_says(&stage);
    let config = stage.config(&client(port, "sivcar", "secret-4711"), "");
    let process = Process::ready(&config);
    stage.write("raw", 0, [event("a"), event("b")]);
    stage.await_count("protected", 2);

    the_steward_waits_for_what_may_be_seen(&stage, port);

    admin::forbid(&stage.bootstrap, Resource::Topic, "rights.protected", PRINCIPAL, "Write");
    let mut number = 0;
    eventually("it stops", || {
        number += 1;
        stage.write("raw", 0, [event(&format!("n{number}"))]);
        std::thread::sleep(Duration::from_millis(50));
        (!process.runs()).then_some(())
    });
    let first = process.told.clone();
    told_of(process.end());
    // as long as it is so, a new start ends the same way
    let process = Process::start(&config).expect("what it asks at start is allowed");
    let second = process.told.clone();
    told_of(process.end());
    let held = stage.read("protected").len();
    assert!(held < 2 + number, "something waits: {held}");

    admin::forbid_no_more(&stage.bootstrap, Resource::Topic, "rights.protected", PRINCIPAL, "Write");
    let process = Process::ready(&config);
    stage.await_count("protected", 2 + number);
    let report = stage.check(&config, &[&first, &second, &process.told]);
    assert_eq!((report.inputs, report.protected), (2 + number as u64, 2 + number as u64));
    assert!(report.rejected.is_empty(), "{:?}", report.rejected);
    assert_eq!(process.stop(), Ok(()));
}

#[track_caller]
fn told_of(result: Result<(), Error>) {
    let error = result.expect_err("it stops");
    let names = [("topic", "rights.protected")];
    row("the right to write is taken away").ended(error.exit_code().into(), &format!("sivcar: {error}"), &names);
    assert!(!error.to_string().contains("secret-4711"));
}
