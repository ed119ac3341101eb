//! What settings are refused for, beside what the configuration's own tests say.

use super::*;

/// One event source with a view.
pub(crate) fn settings() -> Settings {
    let path = |text| Path::parse(text).ok();
    let layout = Layout { name: "plain".to_owned(), workspace: path("workspace"), ..Layout::default() };
    let source = Source {
        topic: "raw".to_owned(),
        kind: SourceKind::Event,
        layout,
        workspace: None,
        workspaces: BTreeSet::new(),
        protected: "protected".to_owned(),
        dead_letters: "dead".to_owned(),
        sealed_input: false,
        ids: Ids::Clear,
        case: Case::Fold,
        detection: Detection::Off,
        within: Within::default(),
        derived_copies: false,
        state: None,
        events: None,
        partitioner: Partitioner::Murmur2,
        gate: None,
    };
    let view = View {
        name: "debug".to_owned(),
        clearance: 0,
        unlisted: Unlisted::Mask,
        show: Vec::new(),
        headers: BTreeSet::new(),
        trace: false,
        topics: BTreeMap::from([("raw".to_owned(), "view".to_owned())]),
    };
    Settings {
        group: "group".to_owned(),
        limits: Limits::default(),
        workspaces: BTreeSet::new(),
        sources: vec![source],
        views: vec![view],
        matchers: Arc::default(),
        hooks: Arc::default(),
    }
}

#[test]
fn no_source_or_output_is_a_topic_of_sivcars_own() {
    assert_eq!(settings().check(), Ok(()));
    for name in ["group.control", "group.status", "group.alerts", "group.raw.users.changelog"] {
        let edits: [fn(&mut Settings, String); 4] = [
            |settings, name| settings.sources[0].protected = name,
            |settings, name| settings.sources[0].dead_letters = name,
            |settings, name| drop(settings.views[0].topics.insert("raw".to_owned(), name)),
            |settings, name| {
                settings.views.clear();
                settings.sources[0].topic = name;
            },
        ];
        for edit in edits {
            let mut settings = settings();
            edit(&mut settings, name.to_owned());
            let refused = settings.check().expect_err(name);
            assert_eq!(refused.what, "is kept by sivcar for itself; choose another name");
        }
    }
}

#[test]
fn a_view_does_not_list_the_root() {
    let mut settings = settings();
    settings.views[0].show = vec![Path::parse("$").expect("a path")];
    let refused = settings.check().expect_err("refused");
    assert_eq!(refused.what, "show names \"$\", which is everything; set unlisted = \"show\" instead");
}

/// A profile source whose synthetic events go to the first source.
fn with_profiles(edit: impl FnOnce(&mut Settings)) -> Result<(), String> {
    let mut settings = settings();
    let path = |text| Path::parse(text).expect("a path");
    settings.sources[0].layout.id = Some(path("id"));
    settings.sources[0].layout.attributes = vec![path("attributes")];
    let profiles = Source {
        topic: "profiles".to_owned(),
        kind: SourceKind::Profile,
        state: Some(Fold::Merge),
        protected: "protected.profiles".to_owned(),
        events: Some(0),
        ..settings.sources[0].clone()
    };
    settings.sources.push(profiles);
    edit(&mut settings);
    settings.check().map_err(|error| error.to_string())
}

#[test]
fn synthetic_events_need_a_source_that_can_take_them() {
    let names = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(with_profiles(|_| {}), Ok(()));
    let refused = |edit: &dyn Fn(&mut Settings), what: &str| {
        assert_eq!(with_profiles(edit), Err(format!("source \"profiles\": events {what}")));
    };
    refused(&|settings| settings.sources[1].events = Some(1), "names no source of kind \"event\"");
    refused(&|settings| settings.sources[1].events = Some(2), "names no source of kind \"event\"");
    refused(&|settings| settings.sources[1].kind = SourceKind::Event, "is for sources of kind \"profile\"");
    let layout = "names \"raw\", whose layout \"plain\" has no id or no attributes";
    refused(&|settings| settings.sources[0].layout.id = None, layout);
    refused(&|settings| settings.sources[0].layout.attributes.clear(), layout);
    let carry = |events: (Option<&str>, &[&str]), profiles: (Option<&str>, &[&str])| {
        with_profiles(|settings| {
            for (source, (fixed, listed)) in settings.sources.iter_mut().zip([events, profiles]) {
                (source.workspace, source.workspaces) = (fixed.map(str::to_owned), names(listed));
            }
        })
        .is_ok()
    };
    assert!(carry((Some("a"), &[]), (Some("a"), &[])));
    assert!(carry((Some("a"), &[]), (None, &["a"])));
    assert!(carry((None, &[]), (Some("a"), &[])));
    assert!(carry((None, &["a", "b"]), (Some("a"), &[])));
    assert!(carry((None, &["a", "b"]), (None, &["b"])));
    assert!(!carry((Some("a"), &[]), (Some("b"), &[])));
    assert!(!carry((Some("a"), &[]), (None, &[])));
    assert!(!carry((Some("a"), &[]), (None, &["a", "b"])));
    assert!(!carry((None, &["a"]), (Some("b"), &[])));
    assert!(!carry((None, &["a"]), (None, &[])));
    assert!(!carry((None, &["a"]), (None, &["a", "b"])));
}
