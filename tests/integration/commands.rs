//! The program against a real Kafka: a whole day of an operator, from the first check to the drain.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::Signal;
use sivcar::record::Record;
use sivcar::stream::log::Fetched;

use crate::dump;
use crate::error_table::row;
use crate::patience::eventually;
use crate::sidecar::Sidecar;
use crate::site::Site;

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

fn write(site: &Site, partition: i32, value: &str) {
    let record = Record { key: Some(b"k".to_vec()), value: Some(value.into()), ..Record::default() };
    site.feed("raw", [(partition, record)]);
}

/// The values of a topic, once there are so many.
fn values(site: &Site, topic: &str, count: usize) -> Vec<String> {
    let text = |fetched: Fetched| String::from_utf8_lossy(&fetched.record.value.unwrap_or_default()).into_owned();
    eventually(topic, || {
        let records = dump::committed(&site.broker.bootstrap, topic);
        (records.len() >= count).then(|| records.into_iter().map(text).collect())
    })
}

#[track_caller]
fn expect(site: &Site, arguments: &str, output: &str) {
    assert_eq!(site.run(arguments), (0, output.to_owned(), String::new()), "sivcar {arguments}");
}

/// Asserts that a check finds the topics so.
#[track_caller]
fn checked(site: &Site, found: &str) {
    let (code, output, errors) = site.run("check --config i.toml --connect");
    assert_eq!((code, errors.as_str()), (0, found));
    assert!(output.parse::<toml::Table>().is_ok(), "{output}");
}

/// Others may read the keyset for a moment.
fn refuse_a_reload(site: &Site, sidecar: &Sidecar) {
    let row = row("a keyset is changed for a bad one");
    let before = sidecar.metric(&row.then, "");
    set_mode(&site.path("keyset.json"), 0o644);
    sidecar.signal(Signal::HUP);
    sidecar.logs(&row.lines[0]);
    eventually("it is counted", || (sidecar.metric(&row.then, "") > before).then_some(()));
    set_mode(&site.path("keyset.json"), 0o600);
}

/// A key that was added becomes the one that seals, everywhere and in the file; the views' keys stay.
fn promote(site: &Site, sidecar: &Sidecar, id: &str) {
    let (code, said, errors) = site.run(&format!("keys promote --config i.toml --id {id} --wait applied"));
    assert_eq!((code, errors.as_str()), (0, ""), "{said}");
    assert!(said.starts_with(&format!("key {id} is the primary; policy version ")), "{said}");
    let (_, shown, _) = site.run("keys inspect keyset.json");
    assert!(shown.lines().any(|line| line.starts_with(id) && line.ends_with("enabled, primary")), "{shown}");
    write(site, 0, &event(3));
    eventually("it seals", || (sidecar.metric("sivcar_seals_total", &format!("key_id=\"{id}\"")) > 0.0).then_some(()));
    let keys = || {
        let shown = dump::committed(&site.broker.bootstrap, "debug");
        shown.into_iter().map(|fetched| fetched.record.key).collect::<BTreeSet<_>>()
    };
    assert_eq!(keys().len(), 1, "what has one key has one in the view, before and after");

    let (code, said, errors) = site.run(&format!("keys pin --config i.toml --topic protected --id {id}"));
    let none = "sivcar: topic protected: no key is pinned for it; see sivcar status --json\n";
    assert_eq!((code, said.as_str(), errors.as_str()), (2, "", none));
    let (code, said, _) = site.run(&format!("keys pin --config i.toml --topic debug --id {id} --wait applied"));
    assert!(code == 0 && said.starts_with(&format!("key {id} is pinned for debug; policy version ")), "{said}");
    write(site, 0, &event(3));
    eventually("another view key", || (keys().len() == 2).then_some(()));
}

/// What stands in the view, as a person and a program see it.
fn look(site: &Site) {
    let tail = "tail --config i.toml --view debug --event a --limit 1";
    let (code, shown, errors) = site.run(&format!("{tail} --from-beginning"));
    assert_eq!((code, errors.as_str()), (0, ""), "{shown}");
    assert!(shown.contains("  debug[0]@0  acme  a  siv:") && shown.contains("  client.email  \"***\"\n"), "{shown}");
    let (code, shown, _) = site.run(&format!("{tail} --since 1h --json"));
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("is JSON");
    assert_eq!((code, shown["value"]["client"]["email"].as_str()), (0, Some("***")));
    // from now on: others follow until one is seen
    let following = site.begin("tail", &format!("{tail} --json"));
    let came = eventually("a record that came later", || {
        write(site, 0, &event(1));
        following.lines().into_iter().next()
    });
    assert_eq!((came["value"]["params"]["code"].as_str(), came["offset"].as_i64() > Some(0)), (Some("c1"), true));
}

/// What a check finds of topics once they were created; on one broker none has copies.
fn all_is_there(site: &Site) {
    let found = "g.control: there, with 1 partition; WARNING: in one copy, and nothing makes its loss good\n\
                 g.status: there, with 1 partition\n\
                 raw: there, with 2 partitions\n\
                 protected: there, with 2 partitions\n\
                 debug: there, with 2 partitions\n\
                 dead: there, with 2 partitions\n\
                 g.alerts: not there; the first alert will create it with 1 partition\n";
    checked(site, found);
}

#[test]
fn a_day_of_an_operator() {
    let site = Site::new("workers = 2", SECTIONS);
    site.create("raw", 2);
    site.configure("i");
    let found = "g.control: not there; a start will create it with 1 partition\n\
                 g.status: not there; a start will create it with 1 partition\n\
                 raw: there, with 2 partitions\n\
                 protected: not there; a start will create it with 2 partitions\n\
                 debug: not there; a start will create it with 2 partitions\n\
                 dead: not there; a start will create it with 2 partitions\n\
                 g.alerts: not there; the first alert will create it with 1 partition\n";
    checked(&site, found);

    let sidecar = site.start("i").ready();
    let started = sidecar.logs("sivcar runs");
    assert_eq!((started["group"].as_str(), started["instance"].as_str()), (Some("g"), Some("i")));
    assert!(sidecar.metrics().contains("sivcar_"), "metrics are served");
    write(&site, 0, &event(1));
    let protected = values(&site, "protected", 1);
    assert!(protected[0].contains("siv:") && protected[0].contains("\"code\":\"c1\""), "{}", protected[0]);
    assert!(!protected[0].contains("ann1") && !values(&site, "debug", 1)[0].contains("ann1"));

    look(&site);

    // a mark acts on the live stream
    let mark = "mark --config i.toml --workspace acme --on parameter --name code --by ann";
    let warning = "warning: nothing else names workspace acme: no source, domain, stage or mark; is it mistyped?\n";
    for output in ["1 marked, 0 held already; policy version 7\n", "0 marked, 1 held already; policy version 7\n"] {
        assert_eq!(site.run(mark), (0, output.to_owned(), warning.to_owned()));
    }
    sidecar.logged("policy in force", |line| line["version"] == 7);
    eventually("the mark in force", || {
        write(&site, 0, &event(2));
        values(&site, "protected", 2).last().filter(|last| !last.contains("c2")).map(|_| ())
    });
    expect(
        &site,
        "marks --config i.toml",
        "WORKSPACE  ON         NAME   EVENT  LEVEL  PROTECT  MASK  DOMAIN  SINCE  BY\n\
         *          attribute  email  -      9999   encrypt  -     email   2      -\n\
         acme       parameter  code   -      9999   encrypt  -     code    7      ann\n",
    );
    expect(
        &site,
        "unmark --config i.toml --workspace acme --on parameter --name code",
        "1 withdrawn; policy version 9\n",
    );

    mistype(&site, warning);

    // what is rejected is listed, opened and replayed
    write(&site, 1, r#"{"workspace":"acme","email":"canary-4711""#);
    values(&site, "dead", 1);
    let (code, list, _) = site.run("dead-letters list --config i.toml --topic raw");
    assert_eq!((code, list.starts_with("raw[1]@0  json_syntax  policy ")), (0, true), "{list}");
    let (code, opened, _) = site.run("dead-letters open --config i.toml --topic raw --partition 1 --offset 0");
    let opened: serde_json::Value = serde_json::from_str(&opened).expect("is JSON");
    assert_eq!((code, opened["value"].as_str()), (0, Some("{\"workspace\":\"acme\",\"email\":\"canary-4711\"")));
    expect(
        &site,
        "dead-letters replay --config i.toml --topic raw --partition 1 --offset 0",
        "raw[1]@0 -> raw[1]\n1 replayed; each is read and protected anew\n",
    );
    values(&site, "dead", 2);

    // keysets are loaded anew, and a bad one is refused
    let (_, added, _) = site.run("keys add keyset.json");
    sidecar.signal(Signal::HUP);
    assert_eq!(sidecar.logs("keyset files read again")["changed"], true);
    refuse_a_reload(&site, &sidecar);
    promote(&site, &sidecar, added.split(' ').nth(2).expect("added key ID to …"));

    all_is_there(&site);
    sidecar.drain();
    let report = site.check(&site.checker(&["@example.com", "canary-4711"]));
    assert_eq!(report.rejected.get("json_syntax"), Some(&2));
}

/// What a mistyped workspace or id comes to is told.
fn mistype(site: &Site, warning: &str) {
    for (command, held) in [
        ("stage --config i.toml --workspace acme enforced", "held already; policy version 9\n"),
        ("domain --config i.toml --workspace acme --name email", "held already; policy version 9\n"),
    ] {
        assert_eq!(site.run(command), (0, held.to_owned(), warning.to_owned()), "{command}");
    }
    let removed = site.run("test-profiles remove --config i.toml --workspace acme --id 7");
    let none = "sivcar: no such test profile: \"7\" in workspace acme; see sivcar test-profiles list\n";
    assert_eq!(removed, (2, String::new(), none.to_owned()));
}

fn set_mode(file: &Path, mode: u32) {
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).expect("the file is there");
}
