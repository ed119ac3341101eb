//! The right to write is taken from a running sidecar: it stops and says why; once the right is back nothing is missing.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use sivcar::stream::error::{EXIT_BROKER, Error};

use crate::admin;
use crate::broker::Broker;
use crate::process::{Process, Stage, event, eventually};

/// A port that nobody listens on, below those that systems give to clients.
fn free_port() -> u16 {
    eventually("a free port", || (32_000..32_700).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()))
}

#[test]
fn a_right_is_lost_and_given_back() {
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
    let stage = Stage::on(Arc::new(broker), "rights", 1);
    stage.create("protected", 1, &[]);
    admin::allow_all(&stage.bootstrap, "rights.protected", "User:sidecar");
    let config = stage.config(
        &format!(
            "\"bootstrap.servers\" = \"127.0.0.1:{port}\"\n\"security.protocol\" = \"sasl_plaintext\"\n\
             \"sasl.mechanism\" = \"PLAIN\"\n\"sasl.username\" = \"sidecar\"\n\"sasl.password\" = \"secret-4711\""
        ),
        "",
    );
    let process = Process::ready(&config);
    stage.write("raw", 0, [event("a"), event("b")]);
    stage.await_count("protected", 2);

    admin::forbid_writing(&stage.bootstrap, "rights.protected", "User:sidecar");
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

    admin::allow_writing(&stage.bootstrap, "rights.protected", "User:sidecar");
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
    assert_eq!(error.exit_code(), EXIT_BROKER);
    let text = error.to_string();
    assert!(text.contains("a record to rights.protected: ") && text.contains("lacks the permission"), "{text}");
    assert!(!text.contains("secret-4711"));
}
