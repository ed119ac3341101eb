//! The file as a person writes it: what is accepted, and the whole text of each refusal.

mod page;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::privacy::control::{ControlKey, ControlValue};
use crate::privacy::settings::{Case, Fold, Ids, Partitioner, Stage, Unlisted};

const EXAMPLE: &str = include_str!("../../examples/sivcar.toml");

/// The least that is accepted.
const LEAST: &str = r#"
[keys]
file = "k.json"
[[source]]
topic = "raw"
kind = "event"
protected = "out"
dead-letters = "dead"
"#;

fn environment(name: &str) -> Option<OsString> {
    let value = match name {
        "PASSWORD" => "hunter2\"\ngroup = \"evil",
        "TOPIC" => "s3cret-topic",
        "WORDS" => "not-a-word",
        "EMPTY" => "",
        _ => return None,
    };
    Some(value.into())
}

fn parse(text: &str) -> Result<Config, String> {
    let around = Surroundings { name: "f", folder: Path::new("/etc/sivcar"), environment: &environment, host: "box" };
    Config::parse(text, &around).map_err(|error| error.to_string())
}

fn accepted(text: &str) -> Config {
    parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A configuration is refused with exactly this text.
#[track_caller]
fn refused(text: &str, error: &str) {
    assert_eq!(parse(text).map(|_| ()).expect_err("is accepted"), error, "{text}");
}

#[test]
fn the_least_has_the_documented_defaults() {
    let config = accepted(LEAST);
    assert_eq!(config.settings.group, "sivcar");
    assert_eq!((config.instance.as_str(), config.instance_is_named), ("box", false));
    assert_eq!(config.workers, 1);
    assert_eq!(config.kafka, KafkaProperties::default());
    assert_eq!(config.topics, Topics { create: true, replication_factor: -1 });
    assert_eq!(
        config.transaction,
        TransactionLimits { records: 5_000, output_bytes: 8_388_608, time: Duration::from_millis(100) }
    );
    assert_eq!(config.state_bytes, 1 << 30);
    assert_eq!(config.max_staleness, Duration::from_secs(30));
    assert_eq!(config.listen.to_string(), "127.0.0.1:9464");
    assert_eq!(config.keys, KeySource::File(PathBuf::from("/etc/sivcar/k.json")));
    assert!(config.wished.is_empty() && config.settings.views.is_empty() && config.settings.workspaces.is_empty());
    let limits = &config.settings.limits;
    assert_eq!((limits.depth, limits.record_bytes, limits.string_bytes), (64, 1_000_000, 262_144));
    let source = &config.settings.sources[0];
    assert_eq!((source.ids, source.case, source.sealed_input), (Ids::Clear, Case::Fold, false));
    assert_eq!(source.layout.name, "default");
}

#[test]
fn the_example_says_what_its_comments_say() {
    let config = accepted(EXAMPLE);
    let settings = &config.settings;
    assert_eq!((settings.group.as_str(), config.instance.as_str(), config.workers), ("shop", "shop-0", 2));
    assert_eq!(config.kafka.common["bootstrap.servers"], "127.0.0.1:9092");
    assert_eq!(config.kafka.consumer["fetch.wait.max.ms"], "100");
    assert_eq!(config.kafka.producer["linger.ms"], "3");
    assert_eq!(config.topics, Topics { create: true, replication_factor: 3 });
    assert_eq!(config.state_bytes, 2_000_000_000);
    assert_eq!(config.max_staleness, Duration::from_secs(60));
    assert_eq!(settings.workspaces, BTreeSet::from(["north", "partner", "south"].map(str::to_owned)));
    assert_eq!(config.workspace_keys["south"], KeySource::Env("SOUTH_KEYSET".to_owned()));
    assert!(matches!(&config.workspace_keys["partner"], KeySource::Command(words) if words.len() == 5));
    let gate = settings.sources[0].gate.as_ref().expect("the first source has one");
    assert_eq!((gate.header.as_str(), gate.accepted.len()), ("x-authenticated", 2));
    assert_eq!(config.issuers["raw.web"], Path::new("/etc/sivcar/issuer.jwks.json"));
    let claims = gate.jwt.as_ref().map(|claims| (claims.id.as_deref(), claims.uuid.as_deref()));
    assert_eq!(claims, Some((Some("sub"), Some("account"))));
    let till = &settings.sources[1];
    assert_eq!((till.ids, till.case), (Ids::Seal, Case::Exact));
    assert_eq!(till.layout.event.iter().map(|path| path.text()).collect::<Vec<_>>(), ["what", "legacy.what"]);
    let customers = &settings.sources[2];
    assert_eq!((customers.state, customers.events), (Some(Fold::Replace), Some(0)));
    assert_eq!(settings.sources[3].workspace.as_deref(), Some("partner"));
    assert!(settings.sources[3].sealed_input);
    assert_eq!((settings.views[0].unlisted, settings.views[1].unlisted), (Unlisted::Mask, Unlisted::Show));
    assert_eq!(settings.views[1].clearance, 200);
    assert_eq!(settings.views[0].topics["raw.till"], "debug.till");
}

#[test]
fn stages_then_domains_then_marks_are_wished() {
    let wished = accepted(EXAMPLE).wished;
    let kinds: String = wished
        .iter()
        .map(|record| match &record.key {
            ControlKey::Stage { .. } => 's',
            ControlKey::Domain { .. } => 'd',
            ControlKey::Mark(_) => 'm',
            ControlKey::TestProfile { .. } => 't',
            _ => '?',
        })
        .collect();
    assert_eq!(kinds, "ssdmmmmmmt", "partner's stage is not written down, so it is not wished");
    assert!(matches!(&wished[1].value, Some(ControlValue::Stage(stage)) if stage.stage == Stage::Configured));
    let Some(ControlValue::Mark(mark)) = &wished[4].value else { panic!("a mark") };
    assert_eq!((mark.level, mark.domain.as_deref(), mark.shape), (150, Some("email"), false));
    let Some(ControlValue::Mark(mark)) = &wished[3].value else { panic!("a mark") };
    assert_eq!((mark.level, mark.domain.as_deref()), (9999, None));
}

#[test]
fn effective_reads_back_as_the_same() {
    let dollars = format!("[kafka]\n\"client.id\" = \"$a $${{b}} $$$${{c}} $\"\n{LEAST}");
    assert_eq!(accepted(&dollars).kafka.common["client.id"], "$a ${b} $${c} $");
    for text in [LEAST, EXAMPLE, &dollars] {
        let first = accepted(text);
        let mut second = accepted(first.effective());
        second.instance_is_named = first.instance_is_named;
        assert_eq!(first.kafka, second.kafka);
        assert_eq!(format!("{first:?}"), format!("{second:?}"));
    }
}

#[test]
fn effective_shows_defaults_and_hides_secrets() {
    let text = format!(
        "group = \"g-${{TOPIC}}\"\n[kafka]\n\"sasl.username\" = \"${{WORDS}}\"\n\"sasl.password\" = \"plain-1\"\n\
         \"SSL.Key.PEM\" = \"plain-2\"\n\"client.id\" = \"seen\"\n\
         producer = {{ \"sasl.oauthbearer.client.secret\" = \"plain-3\", \"acks\" = \"all\" }}\n{LEAST}\
         [[view]]\nname = \"v\"\nheaders = [\"a\", \"${{WORDS}}\"]\ntopics = {{ \"raw\" = \"${{TOPIC}}\" }}\n"
    );
    let config = accepted(&text);
    let effective = config.effective();
    for secret in ["s3cret", "not-a-word", "plain-1", "plain-2", "plain-3"] {
        assert!(!effective.contains(secret), "{secret} in\n{effective}");
    }
    let table: toml::Table = effective.parse().expect("is TOML");
    assert_eq!(table["group"].as_str(), Some("***"));
    assert_eq!(table["kafka"]["sasl.username"].as_str(), Some("***"));
    assert_eq!(table["kafka"]["client.id"].as_str(), Some("seen"));
    assert_eq!(table["kafka"]["producer"]["acks"].as_str(), Some("all"));
    assert_eq!(table["kafka"]["producer"]["sasl.oauthbearer.client.secret"].as_str(), Some("***"));
    assert_eq!(table["view"][0]["headers"][0].as_str(), Some("a"));
    assert_eq!(table["view"][0]["headers"][1].as_str(), Some("***"));
    assert_eq!(table["view"][0]["topics"]["raw"].as_str(), Some("***"));
    assert_eq!(table["transaction"]["time"].as_str(), Some("100ms"));
    assert!(!format!("{config:?}").contains("plain-"), "properties' values are not in Debug");
}

#[test]
fn a_variable_is_text_and_nothing_else() {
    let config = accepted(&format!("[kafka]\n\"sasl.password\" = \"<${{PASSWORD}}>\"\n{LEAST}"));
    assert_eq!(config.kafka.common["sasl.password"], "<hunter2\"\ngroup = \"evil>");
    assert_eq!(config.settings.group, "sivcar");
}

#[test]
fn what_came_from_the_environment_is_in_no_error() {
    let source = LEAST.replace("\"out\"", "\"${TOPIC}\"");
    let twice = format!(
        "{source}[[source]]\ntopic = \"${{TOPIC}}\"\nkind = \"event\"\nprotected = \"p\"\ndead-letters = \"dead\"\n"
    );
    refused(&twice, "f:7:13: protected topic \"${TOPIC}\": is also a source; sivcar would read what it writes");
    refused(
        &LEAST.replace("\"event\"", "\"${WORDS}\""),
        "f:6:8: unknown value \"${WORDS}\"; known here: \"event\", \"profile\"",
    );
    refused(&format!("workers = \"${{WORDS}}\"\n{LEAST}"), "f:1:11: the value must be an integer, not a string");
    refused(
        &LEAST.replace("topic = \"raw\"", "topic = \"raw\"\nworkspace = \"${PASSWORD}\""),
        "f:6:13: workspace must be 1–64 letters, digits, '.', '_' or '-'",
    );
    refused(&format!("group = \"${{NOWHERE}}\"\n{LEAST}"), "f:1:9: environment variable NOWHERE is not set");
}

#[test]
fn unknown_keys_are_refused_with_their_place_and_the_nearest_name() {
    refused(&format!("grup = \"g\"\n{LEAST}"), "f:1:1: unknown key \"grup\"; did you mean \"group\"?");
    refused(
        &format!("[limits]\n  recordbytes = 1\n{LEAST}"),
        "f:2:3: unknown key \"recordbytes\"; did you mean \"record-bytes\"?",
    );
    refused(
        &format!("{LEAST}dead_letters = \"d\"\n"),
        "f:9:1: unknown key \"dead_letters\"; did you mean \"dead-letters\"?",
    );
    refused(
        &format!("{LEAST}[[view]]\nname = \"ä\"\ntopics = {{}}\ntraces = true\n"),
        "f:12:1: unknown key \"traces\"; did you mean \"trace\"?",
    );
    refused(
        &format!("http = {{ listen = \"127.0.0.1:1\", \"ä\" = 1 }}\n{LEAST}"),
        "f:1:34: unknown key \"ä\"; known here: \"listen\"",
    );
    let later = "[[later]]\nworkspace = \"acme\"\nid = \"42\"\n";
    let error = parse(&format!("{later}{LEAST}")).expect_err("of a later version");
    assert!(error.starts_with("f:1:") && error.contains("unknown key"), "{error}");
}

#[test]
fn an_event_source_keeps_profiles_where_it_says_so() {
    let least = accepted(LEAST);
    assert_eq!((least.settings.sources[0].state, least.settings.sources[0].events), (None, None));
    let keeps = accepted(&format!("{LEAST}state = \"merge\"\n"));
    assert_eq!((keeps.settings.sources[0].state, keeps.settings.sources[0].events), (Some(Fold::Merge), Some(0)));
    let no_id = "[[layout]]\nname = \"bare\"\nworkspace = \"w\"\nattributes = [\"$\"]\n";
    refused(
        &format!("{LEAST}state = \"merge\"\nlayout = \"bare\"\n{no_id}"),
        "f:5:9: source \"raw\": keeps profiles (state), and its layout \"bare\" has no event, no id or no attributes",
    );
}

#[test]
fn what_profiles_have_is_for_profiles_alone() {
    refused(&format!("{LEAST}events = \"raw\"\n"), "f:9:10: events is for sources of kind \"profile\"");
    refused(&format!("{LEAST}partitioner = \"murmur2\"\n"), "f:9:15: partitioner is for sources of kind \"profile\"");
    let profiles = format!(
        "{LEAST}[[source]]\ntopic = \"users\"\nkind = \"profile\"\nprotected = \"p\"\ndead-letters = \"dead\"\n"
    );
    let defaults = accepted(&profiles);
    let source = &defaults.settings.sources[1];
    assert_eq!((source.state, source.events, source.partitioner), (Some(Fold::Merge), None, Partitioner::Murmur2));
    let table: toml::Table = defaults.effective().parse().expect("is TOML");
    assert_eq!(table["source"][1]["state"].as_str(), Some("merge"));
    assert_eq!(table["source"][1]["partitioner"].as_str(), Some("murmur2"));
    assert!(table["source"][0].get("state").is_none());
    let told = accepted(&format!("{profiles}state = \"replace\"\nevents = \"raw\"\npartitioner = \"murmur2\"\n"));
    assert_eq!((told.settings.sources[1].state, told.settings.sources[1].events), (Some(Fold::Replace), Some(0)));
    refused(
        &format!("{profiles}events = \"rwa\"\n"),
        "f:14:10: events \"rwa\" is no source of kind \"event\"; did you mean \"raw\"?",
    );
    refused(
        &format!("{profiles}events = \"users\"\n"),
        "f:14:10: events \"users\" is no source of kind \"event\"; known here: \"raw\"",
    );
    refused(
        &format!("{profiles}workspace = \"b\"\nevents = \"raw\"\n")
            .replace("topic = \"raw\"\n", "topic = \"raw\"\nworkspace = \"a\"\n"),
        "f:11:9: source \"users\": events names \"raw\", which does not carry every workspace that this source does",
    );
    refused(
        &format!("{profiles}state = \"patch\"\n"),
        "f:14:9: unknown value \"patch\"; known here: \"merge\", \"replace\"",
    );
}

#[test]
fn every_refusal_says_where_and_what() {
    let names = "must be 1–64 letters, digits, '.', '_' or '-'";
    for (text, error) in [
        ("workers = 0\n", "f:1:11: workers must be 1–256".to_owned()),
        ("workers = 1.5\n", "f:1:11: the value must be an integer, not a float".to_owned()),
        ("group = \"a b\"\n", format!("f:1:9: group {names}")),
        ("instance = \"\"\n", format!("f:1:12: instance {names}")),
        (
            "topics = { replication-factor = 0 }\n",
            "f:1:33: replication-factor must be -1 (the broker's) or 1 and more".to_owned(),
        ),
        ("topics = { create = 1 }\n", "f:1:21: the value must be a boolean, not an integer".to_owned()),
        ("limits = { depth = 1001 }\n", "f:1:20: depth must be 1–1000".to_owned()),
        ("limits = { string-bytes = -1 }\n", "f:1:27: string-bytes must be 1–1073741824".to_owned()),
        (
            "policy = { max-staleness = \"30\" }\n",
            "f:1:28: max-staleness must be a whole number and a unit (ms, s, m or h), as \"100ms\" or \"30s\""
                .to_owned(),
        ),
        ("policy = { max-staleness = \"2h\" }\n", "f:1:28: max-staleness must be 1s–3600s".to_owned()),
        ("transaction = { time = \"3s\" }\n", "f:1:24: time must be 1ms–2.5s".to_owned()),
        ("state = { task-bytes = 1000 }\n", "f:1:24: task-bytes must be 1048576–1099511627776".to_owned()),
        ("state = { store = \"tape\" }\n", "f:1:19: unknown value \"tape\"; known here: \"memory\"".to_owned()),
        ("transaction = { records = 0 }\n", "f:1:27: records must be 1–100000".to_owned()),
        (
            "http = { listen = \"9464\" }\n",
            "f:1:19: listen must be an address and a port, as \"127.0.0.1:9464\"".to_owned(),
        ),
        (
            "kafka = { bootstrap.servers = \"b:9\" }\n",
            "f:1:11: a property's name holds dots and is quoted, as \"bootstrap.servers\"".to_owned(),
        ),
        (
            "kafka = { \"linger.ms\" = 1.5 }\n",
            "f:1:25: the value must be a string, an integer or a boolean, not a float".to_owned(),
        ),
    ] {
        refused(&format!("{text}{LEAST}"), &error);
    }
}

#[test]
fn every_refusal_in_a_section_says_where_and_what() {
    let mark = "[[mark]]\nworkspace = \"*\"\non = \"attribute\"\n";
    for (text, error) in [
        ("layout = \"segmnt\"\n", "f:9:10: unknown layout \"segmnt\"; did you mean \"segment\"?"),
        (
            "layout = \"segment\"\n",
            "f:5:9: source \"raw\": names no workspace, nor does its layout; set workspace = \"…\"",
        ),
        ("case = \"fuzzy\"\n", "f:9:8: unknown value \"fuzzy\"; known here: \"fold\", \"exact\""),
        ("[[layout]]\nname = \"segment\"\n", "f:10:8: layout \"segment\" is built in; choose another name"),
        ("[[layout]]\nname = \"l\"\n[[layout]]\nname = \"l\"\n", "f:12:8: layout \"l\" is configured twice"),
        ("[[workspace]]\nid = \"a\"\n[[workspace]]\nid = \"a\"\n", "f:12:6: workspace \"a\" is configured twice"),
        ("[[workspace]]\nid = \"a\"\nkeys = {}\n", "f:11:8: keys must name exactly one of file, env and command"),
        (
            "workspace = \"acmee\"\n[[workspace]]\nid = \"acme\"\n",
            "f:9:13: unknown workspace \"acmee\"; did you mean \"acme\"?",
        ),
        (
            "[[view]]\nname = \"v\"\ntopics = {}\n",
            "f:10:8: view \"v\": has no topics; set topics = { \"raw topic\" = \"debug topic\" }",
        ),
        ("[[view]]\nname = \"v\"\nclearance = 10000\ntopics = { raw = \"d\" }\n", "f:11:13: clearance must be 0–9999"),
        (
            "[[view]]\nname = \"v\"\ntopics = { raw = \"d/\" }\n",
            "f:11:18: a view's topic must be a topic's name: 1–249 letters, digits, '.', '_' or '-'",
        ),
        (
            "[[view]]\nname = \"v\"\ntopics = { raw = \"out\" }\n",
            "f:11:18: view topic \"out\": is written by two; give each its own topic",
        ),
        ("[[view]]\nname = \"v\"\n", "f:9:1: key \"topics\" is missing"),
        ("[[domain]]\nworkspace = \"*\"\nname = \"d\"\npad = 70000\n", "f:12:7: pad must be 0–65536"),
        ("[[domain]]\nworkspace = \"*\"\nname = \"\"\n", "f:11:8: name must be 1–256 bytes without control characters"),
        (
            "[[domain]]\nworkspace = \"?\"\nname = \"d\"\n",
            "f:10:13: workspace \"?\" must be \"*\" or 1–64 letters, digits, '.', '_' or '-'",
        ),
    ] {
        refused(&format!("{LEAST}{text}"), error);
    }
    for (text, error) in [
        ("name = \"$\"\n", "f:12:8: name \"$\" is the root, which no mark matches"),
        ("name = \"a\"\nlevel = -1\n", "f:13:9: level must be 0–9999"),
        (
            "name = \"*\"\n",
            "f:12:8: name \"*\" gives no domain (1–256 bytes, no control characters); set domain = \"…\"",
        ),
        (
            "name = \"a\"\nprotect = \"hide\"\n",
            "f:13:11: unknown value \"hide\"; known here: \"encrypt\", \"mask\", \"drop\", \"none\"",
        ),
    ] {
        let text = format!("{LEAST}{mark}{text}");
        let found = parse(&text).map(|_| ()).expect_err("is accepted");
        // the order in which an enum's names stand is its own
        assert_eq!(sorted(&found), sorted(error), "{text}");
    }
    refused(&format!("{LEAST}{mark}name = \"a\"\n{mark}name = \"a\"\n"), "f:16:8: \"a\" is configured twice");
    refused("[[source]]\ntopic = \"raw\"\n", "f:1:1: key \"kind\" is missing");
    refused("[keys]\nfile = \"k\"\n", "f: source: none is configured; add a [[source]] section");
    let keyless = LEAST.replace("[keys]\nfile = \"k.json\"\n", "");
    refused(&keyless, "f: no keyset is configured; add [keys] with file, env or command");
    refused("group = \n", "f:1:9: string values must be quoted, expected literal string");
    refused("group = \"a\"\ngroup = \"b\"\n", "f:2:1: duplicate key");
}

#[test]
fn marks_on_headers_and_keys_ask_for_what_bytes_can_have() {
    refused(
        &format!("{LEAST}[[mark]]\nworkspace = \"*\"\non = \"attribute\"\n"),
        "f:10:13: key \"name\" is missing; only a mark on record keys needs none",
    );
    let bytes = "headers and record keys are bytes, compared within one topic: they take no domain and no shape";
    let every = "a mark on record keys holds for every event, or a deletion would not find its record; leave out event";
    for (text, error) in [
        ("on = \"header\"\n", "f:10:13: key \"name\" is missing; only a mark on record keys needs none".to_owned()),
        ("on = \"header\"\nname = \"a\"\ndomain = \"d\"\n", format!("f:12:8: {bytes}")),
        ("on = \"key\"\nshape = true\n", format!("f:10:13: {bytes}")),
        ("on = \"key\"\nevent = \"e\"\n", format!("f:10:13: {every}")),
        (
            "on = \"header\"\nname = \"$.a\"\n",
            "f:12:8: name \"$.a\" begins at the root; use on = \"field\" or leave out '$.'".to_owned(),
        ),
    ] {
        refused(&format!("{LEAST}[[mark]]\nworkspace = \"*\"\n{text}"), &error);
    }
    accepted(&format!("{LEAST}[[mark]]\nworkspace = \"*\"\non = \"key\"\n"));
}

#[test]
fn a_hook_that_is_none_is_shown_where_it_stands() {
    let hook = |name: &str, level: &str| format!("[[hook]]\nname = \"{name}\"\nlevel = '{level}'\n");
    for (text, error) in [
        (
            hook("h", "level"),
            "f:11:9: hook \"h\": \"level\" is no variable; known are workspace, source, event, on, path, matcher",
        ),
        (hook("a b", "1"), "f:10:8: name must be 1–64 letters, digits, '.', '_' or '-'"),
        (hook("h", "1") + &hook("h", "2"), "f:13:8: hook \"h\" is configured twice"),
        ("[[hook]]\nname = \"h\"\nlevel = 7\n".to_owned(), "f:11:9: the value must be a string, not an integer"),
    ] {
        refused(&format!("{LEAST}{text}"), error);
    }
    let unread = parse(&format!("{LEAST}{}", hook("h", "1 +"))).map(|_| ()).expect_err("refused");
    assert!(
        unread.starts_with("f:11:9: hook \"h\": the expression cannot be read: ") && !unread.contains('\n'),
        "{unread}"
    );
}

#[test]
fn a_gate_that_lets_nothing_or_everything_pass_is_refused() {
    for (text, error) in [
        ("gate = {}\n", "f:9:8: key \"header\" is missing"),
        (
            "gate = { header = \"h\" }\n",
            "f:5:9: source \"raw\": gate: it has neither accepted values nor jwks, so that no record with an id would pass",
        ),
        (
            "gate = { header = \"h\", claims = { id = \"sub\" } }\n",
            "f:9:33: claims are those of JWTs; set jwks to the file of the issuer's public keys",
        ),
        (
            "gate = { header = \"h\", jwks = \"j\", claims = {} }\n",
            "f:9:45: claims must name the claim of id, of uuid or of both",
        ),
        (
            "layout = \"l\"\ngate = { header = \"h\", accepted = [\"a\"] }\n[[layout]]\nname = \"l\"\nworkspace = \"w\"\n",
            "f:5:9: source \"raw\": layout \"l\" names no id or uuid, so that the gate would let all pass",
        ),
    ] {
        refused(&format!("{LEAST}{text}"), error);
    }
}

fn sorted(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = text.split([' ', ',']).collect();
    words.sort_unstable();
    words
}

#[test]
fn a_bad_path_is_shown_where_it_stands() {
    let layout = |key: &str| format!("{LEAST}[[layout]]\nname = \"l\"\n{key} = \"a..b\"\n");
    for key in ["workspace", "id", "uuid"] {
        let error = parse(&layout(key)).expect_err("a..b is no path");
        assert!(error.starts_with(&format!("f:11:{}: path \"a..b\": ", key.len() + 4)), "{error}");
    }
    let show = format!("{LEAST}[[view]]\nname = \"v\"\nshow = [\"a\", \"'\"]\ntopics = {{ raw = \"d\" }}\n");
    assert!(parse(&show).expect_err("no path").starts_with("f:11:14: path \"'\": "));
}

#[test]
fn an_unreadable_file_is_named() {
    let error = Config::load(Path::new("/nowhere/sivcar.toml")).expect_err("there is none");
    assert_eq!(
        error.to_string(),
        "/nowhere/sivcar.toml: it does not exist; correct --config, or write it as docs/configuration.md says"
    );
}
