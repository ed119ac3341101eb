//! A broker refuses a password or a right: the program says which and ends. Where the right to write is taken from a running sidecar
//! and given back, nothing is missing.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use sivcar::stream::error::Error;

use crate::admin::{self, Resource};
use crate::broker::Broker;
use crate::error_table::row;
use crate::errors::Desk;
use crate::process::{Process, Stage, event, eventually};

const PRINCIPAL: &str = "User:sidecar";

/// A port that nobody listens on, below those that systems give to clients.
fn free_port() -> u16 {
    eventually("a free port", || (32_000..32_700).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()))
}

/// A broker that asks clients for a password, at a port of its own; beside them everybody may everything.
fn guarded() -> (Arc<Broker>, u16) {
    let port = free_port();
    let broker = Broker::start_with(&format!(
        "listeners=PLAINTEXT://127.0.0.1:@broker@,CLIENT://127.0.0.1:{port},CONTROLLER://127.0.0.1:@controller@\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CLIENT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=PLAINTEXT\n\
         listener.name.client.sasl.enabled.mechanisms=PLAIN\n\
         listener.name.client.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
         user_sidecar=\"secret-4711\";\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:ANONYMOUS\n\
         allow.everyone.if.no.acl.found=true\n"
    ));
    (Arc::new(broker), port)
}

/// The properties of a client with this password.
fn client(port: u16, password: &str) -> String {
    format!(
        "\"bootstrap.servers\" = \"127.0.0.1:{port}\"\n\"security.protocol\" = \"sasl_plaintext\"\n\
         \"sasl.mechanism\" = \"PLAIN\"\n\"sasl.username\" = \"sidecar\"\n\"sasl.password\" = \"{password}\""
    )
}

#[test]
fn what_the_broker_forbids_ends_a_start_and_a_run() {
    let (broker, port) = guarded();
    std::thread::scope(|scope| {
        let credentials = scope.spawn(|| wrong_credentials_are_told_of(&broker, port));
        for (resource, name, when, names) in [
            (Resource::Topic, "start.raw", "a right to a topic is missing", &[("topic", "start.raw")][..]),
            (Resource::Group, "start", "a right to the group is missing", &[]),
            (Resource::TransactionalId, "start.a.0", "a right to a transactional id is missing", &[]),
        ] {
            let stage = Stage::on(broker.clone(), "start", 1);
            admin::forbid_all(&stage.bootstrap, resource, name, PRINCIPAL);
            let config = stage.text(&client(port, "secret-4711"), "");
            let (code, errors) = Desk::new(&format!("instance = \"a\"\n{config}")).run();
            row(when).ended(code, &errors, names);
            admin::allow_again(&stage.bootstrap, resource, name, PRINCIPAL);
        }
        a_right_is_lost_and_given_back(&broker, port);
        credentials.join().expect("no panic");
    });
}

fn wrong_credentials_are_told_of(broker: &Arc<Broker>, port: u16) {
    let stage = Stage::on(broker.clone(), "wrong", 1);
    let (code, errors) = Desk::new(&stage.text(&client(port, "secret-4712"), "")).run();
    let brokers = format!("127.0.0.1:{port}");
    row("the credentials are wrong").ended(code, &errors, &[("group", "wrong"), ("brokers", &brokers)]);
    assert!(!errors.contains("secret-471"), "{errors}");
    assert!(broker.log().contains("Failed authentication"), "the broker refused them");
}

fn a_right_is_lost_and_given_back(broker: &Arc<Broker>, port: u16) {
    let stage = Stage::on(broker.clone(), "rights", 1);
    stage.create("protected", 1, &[]);
    admin::allow_all(&stage.bootstrap, "rights.protected", PRINCIPAL);
    let config = stage.config(&client(port, "secret-4711"), "");
    let process = Process::ready(&config);
    stage.write("raw", 0, [event("a"), event("b")]);
    stage.await_count("protected", 2);

    admin::forbid_writing(&stage.bootstrap, "rights.protected", PRINCIPAL);
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

    admin::allow_writing(&stage.bootstrap, "rights.protected", PRINCIPAL);
    std::thread::sleep(Duration::from_millis(200));
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
