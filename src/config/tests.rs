//! The file as a person writes it: what is accepted, and the whole text of each refusal.

mod page;
mod refusals;

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
        second.properties.clone_from(&first.properties);
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
