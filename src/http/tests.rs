//! The routes over real connections.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::AtomicU32;

use super::*;

const LOOPBACK: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

fn server(ready: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Server {
    Server::start(LOOPBACK.into(), Health::new(ready, Arc::new(Metrics::new("shop", ["raw"])))).expect("a port is free")
}

/// Status, head and body of one request.
fn ask(server: &Server, method: &str, route: &str) -> (u16, String, String) {
    let mut connection = TcpStream::connect(server.address()).expect("it listens");
    write!(connection, "{method} {route} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, head.to_lowercase(), body.to_owned())
}

fn get(server: &Server, route: &str) -> (u16, String) {
    let (status, _, body) = ask(server, "GET", route);
    (status, body)
}

#[test]
fn the_root_lists_the_routes_and_each_answers() {
    let server = server(|| Ok(()));
    assert_ne!(server.address().port(), 0);
    let (status, list) = get(&server, "/");
    assert_eq!(status, 200);
    assert_eq!(list.lines().count(), ROUTES.len());
    for line in list.lines() {
        let route = line.split(' ').next().expect("a word");
        assert_eq!(get(&server, route).0, 200, "{route}");
    }
    assert_eq!(get(&server, "/live"), (200, "live\n".to_owned()));
    assert_eq!(get(&server, "/nowhere").0, 404);
    assert_eq!(ask(&server, "POST", "/live").0, 405);
}

#[test]
fn ready_tells_the_reason_and_stays_once_it_was_reached() {
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    let server = server(move || match count.fetch_add(1, Ordering::SeqCst) {
        0 => Err("the control topic is being read".to_owned()),
        1 => Ok(()),
        _ => Err("a task closed".to_owned()),
    });
    assert_eq!(get(&server, "/ready"), (503, "not ready: the control topic is being read\n".to_owned()));
    for _ in 0..3 {
        assert_eq!(get(&server, "/ready"), (200, "ready\n".to_owned()));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2, "once ready, nobody is asked again");
}

#[test]
fn metrics_are_in_prometheus_text_format() {
    let server = server(|| Ok(()));
    let (status, head, body) = ask(&server, "GET", "/metrics");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(body.contains("\nsivcar_clear_fields_under_mark_total{source=\"raw\"} 0\n"), "{body}");
}

#[test]
fn a_taken_address_is_an_error_that_names_it() {
    let first = server(|| Ok(()));
    let address = first.address();
    let second = Server::start(address, Health::new(|| Ok(()), Arc::new(Metrics::new("shop", ["raw"]))));
    assert_eq!(
        second.map(|_| ()).expect_err("is taken").to_string(),
        format!("http cannot listen on {address}: address in use; set [http] listen to another address")
    );
}

#[test]
fn stopping_frees_the_port_though_a_connection_is_open() {
    let server = server(|| Ok(()));
    let address = server.address();
    // opened, never asked anything
    let idle = TcpStream::connect(address).expect("it listens");
    let begun = std::time::Instant::now();
    server.stop();
    assert!(begun.elapsed() < DRAIN * 3, "{:?}", begun.elapsed());
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
    drop(idle);
}
