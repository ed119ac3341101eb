//! The program against a real Kafka: a whole day of an operator, from the first check to the drain.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::Signal;

use crate::program::{Bench, eventually};

const SECTIONS: &str = r#"
[[source]]
topic = "raw"
kind = "event"
protected = "protected"
dead-letters = "dead"
[[view]]
name = "debug"
unlisted = "show"
topics = { raw = "debug" }
[[mark]]
workspace = "*"
on = "attribute"
name = "email"
"#;

fn event(n: u32) -> String {
    format!(
        r#"{{"workspace":"acme","action":"a","client":{{"email":"ann{n}@example.com"}},"params":{{"code":"c{n}"}}}}"#
    )
}

#[test]
fn a_day_of_an_operator() {
    let bench = Bench::new(2, SECTIONS);
    let (code, output, errors) = bench.run("check --config sivcar.toml --connect");
    assert_eq!((code, errors.as_str()), (0, ""));
    let last = "# the raw topics are there; a start will create g.control, protected, debug, dead";
    assert_eq!(output.lines().last(), Some(last));

    let mut sidecar = bench.start();
    bench.write([(0, event(1).as_str())]);
    let protected = bench.values("protected", 1);
    assert!(protected[0].contains("siv:") && protected[0].contains("\"code\":\"c1\""), "{}", protected[0]);
    assert!(!protected[0].contains("ann1") && !bench.values("debug", 1)[0].contains("ann1"));

    // a mark acts on the live stream
    let mark = "mark --config sivcar.toml --workspace acme --on parameter --name code --by ann";
    bench.expect(mark, 0, "1 marked, 0 held already; policy version 4\n", "");
    bench.expect(mark, 0, "0 marked, 1 held already; policy version 4\n", "");
    sidecar.logs("policy in force");
    eventually("the mark in force", || {
        bench.write([(0, event(2).as_str())]);
        bench.values("protected", 2).last().filter(|last| !last.contains("c2")).map(|_| ())
    });
    bench.expect(
        "marks --config sivcar.toml",
        0,
        "WORKSPACE  ON         NAME   EVENT  LEVEL  PROTECT  MASK  DOMAIN  SINCE  BY\n\
         *          attribute  email  -      9999   encrypt  -     -       2      -\n\
         acme       parameter  code   -      9999   encrypt  -     -       4      ann\n",
        "",
    );
    bench.expect(
        "unmark --config sivcar.toml --workspace acme --on parameter --name code",
        0,
        "1 withdrawn; policy version 6\n",
        "",
    );

    // what is rejected is listed, opened and replayed
    bench.write([(1, r#"{"workspace":"acme","email":"canary-4711""#)]);
    bench.values("dead", 1);
    let (code, list, _) = bench.run("dead-letters list --config sivcar.toml --topic raw");
    assert_eq!((code, list.starts_with("raw[1]@0  json_syntax  policy ")), (0, true), "{list}");
    let (code, opened, _) = bench.run("dead-letters open --config sivcar.toml --topic raw --partition 1 --offset 0");
    let opened: serde_json::Value = serde_json::from_str(&opened).expect("is JSON");
    assert_eq!((code, opened["value"].as_str()), (0, Some("{\"workspace\":\"acme\",\"email\":\"canary-4711\"")));
    bench.expect(
        "dead-letters replay --config sivcar.toml --topic raw --partition 1 --offset 0",
        0,
        "raw[1]@0 -> raw[1]\n1 replayed; each is read and protected anew\n",
        "",
    );
    bench.values("dead", 2);

    // keysets are loaded anew, and a bad one is refused
    bench.run("keys add keyset.json");
    sidecar.signal(Signal::HUP);
    assert_eq!(sidecar.logs("keysets loaded anew")["changed"], true);
    set_mode(&bench.folder.path().join("keyset.json"), 0o644);
    sidecar.signal(Signal::HUP);
    sidecar.logs("keyset not reloaded, the one before stays in use");
    set_mode(&bench.folder.path().join("keyset.json"), 0o600);

    let (code, output, errors) = bench.run("check --config sivcar.toml --connect");
    assert_eq!((code, errors.as_str()), (0, ""));
    let found =
        "# g.control is there, with 1 partition, compact\n# raw and its outputs are there, with 2 partitions each\n";
    assert!(output.ends_with(found), "{output}");
    sidecar.drain();
}

fn set_mode(file: &Path, mode: u32) {
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).expect("the file is there");
}
