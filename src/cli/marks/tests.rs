use super::*;
use crate::memory::MemoryLog;
use crate::stream::topics::ensure_control;

fn log() -> MemoryLog {
    let log = MemoryLog::new("g");
    ensure_control(&log, "g", &[], true).expect("a control topic can be made");
    log
}

fn key(name: &str) -> MarkKey {
    MarkKey { workspace: "acme".into(), on: On::Attribute, name: name.into(), event: None }
}

fn wish(name: &str, level: u16) -> (MarkKey, Mark) {
    (key(name), Mark { level, at: Some(now()), by: Some("ann".into()), ..Mark::default() })
}

#[test]
fn marks_are_written_once_and_revised_where_they_ask_for_something_else() {
    let log = log();
    let (written, version) =
        write(&log, "g", &["protected"], &[wish("email", 9999), wish("phone", 9999)]).expect("is written");
    assert_eq!(written, 2);
    assert_eq!(write(&log, "g", &["protected"], &[wish("email", 9999)]).expect("is read"), (0, version));
    let since = read(&log, "g").expect("is read").table().marks[&key("email")].since;
    let (written, later) =
        write(&log, "g", &["protected"], &[wish("email", 100), wish("phone", 9999)]).expect("is written");
    assert_eq!((written, later > version), (1, true));
    let control = read(&log, "g").expect("is read");
    let email = &control.table().marks[&key("email")];
    assert_eq!((email.level, email.since), (100, since), "an alteration carries `since` forward");
}

#[test]
fn only_marks_that_hold_are_withdrawn_and_all_or_none() {
    let log = log();
    write(&log, "g", &["protected"], &[wish("email", 9999)]).expect("is written");
    let error = withdraw(&log, "g", &[key("email"), key("phone")]).expect_err("phone does not hold");
    let line = "no such mark: mark \"phone\" on attribute in workspace acme; see sivcar marks";
    assert_eq!(error, Failure::usage(line));
    assert_eq!(read(&log, "g").expect("is read").table().marks.len(), 1);
    withdraw(&log, "g", &[key("email")]).expect("holds");
    assert_eq!(read(&log, "g").expect("is read").table().marks.len(), 0);
}

#[test]
fn a_control_topic_that_is_not_there_is_told() {
    let error = read(&MemoryLog::new("g"), "g").map(|_| ()).expect_err("it was not created");
    assert_eq!(error, Failure::usage("control topic g.control does not exist; it comes with the first start or mark"));
}

#[test]
fn marks_are_shown_as_a_table_and_as_json() {
    let (email, made) = (key("email"), Mark { since: Some(3), at: None, mask: Some(Mask::Word), ..wish("", 7).1 });
    let event = MarkKey { event: Some("form.submit".into()), on: On::Parameter, ..key("e") };
    let other = Mark { since: Some(4), ..Mark::default() };
    let shown = [(&email, &made), (&event, &other)];
    assert_eq!(
        as_table(&shown),
        "WORKSPACE  ON         NAME   EVENT        LEVEL  PROTECT  MASK  DOMAIN  SINCE  BY\n\
         acme       attribute  email  -            7      encrypt  word  email   3      ann\n\
         acme       parameter  e      form.submit  9999   encrypt  -     e       4      -\n"
    );
    let json: Value = serde_json::from_str(&as_json(&shown)).expect("is JSON");
    assert_eq!(json[0]["name"], "email");
    assert_eq!(json[0]["mask"], "word");
    assert_eq!(json[0]["event"], Value::Null);
    assert_eq!(json[1]["since"], 4);
}

#[test]
fn marks_written_as_toml_are_read_as_the_same() {
    let made = Mark { mask: Some(Mask::Word), domain: Some("mail \"a\"".into()), at: None, ..wish("", 7).1 };
    let event = MarkKey { event: Some("form.submit".into()), on: On::Parameter, ..key("e.'x.y'") };
    let around = MarkKey { on: On::Key, ..key(mark::KEY) };
    let dropped = Mark { protect: Protect::Drop, shape: true, ..Mark::default() };
    let marks = [(key("email"), made), (event, dropped), (around, Mark::default())];
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("marks.toml");
    let shown: Vec<_> = marks.iter().map(|(key, mark)| (key, mark)).collect();
    std::fs::write(&file, as_toml(&shown).expect("is TOML")).expect("can be written");
    assert_eq!(from_file(&file).expect("is well formed"), marks);
    std::fs::write(&file, as_toml(&[]).expect("is TOML")).expect("can be written");
    assert_eq!(from_file(&file).expect("is well formed"), []);
}

#[test]
fn the_time_is_rfc_3339_in_utc() {
    let now = now();
    assert_eq!(now.len(), "2026-01-01T00:00:00.000000Z".len(), "{now}");
    assert!(now.starts_with("20") && now.ends_with('Z'), "{now}");
}

#[test]
fn a_file_of_marks_is_read_whole_or_refused_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("marks.toml");
    let read = |text: &str| {
        std::fs::write(&file, text).expect("can be written");
        from_file(&file)
    };
    let two = "[[mark]]\nworkspace = \"*\"\non = \"field\"\nname = \"context.ip\"\nprotect = \"drop\"\n\
               [[mark]]\nworkspace = \"acme\"\non = \"attribute\"\nname = \"email\"\nlevel = 5\nby = \"ann\"\n";
    let wishes = read(two).expect("is well formed");
    assert_eq!(wishes.len(), 2);
    assert_eq!((wishes[0].1.protect, wishes[0].1.level), (Protect::Drop, 9999));
    assert_eq!((wishes[1].1.level, wishes[1].1.by.as_deref()), (5, Some("ann")));
    let error = read(&two.replace("by =", "who =")).expect_err("there is no such key");
    assert!(format!("{error:?}").contains(r#"marks.toml:11: unknown key \"who\""#), "{error:?}");
}
