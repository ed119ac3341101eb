//! What comes in: refused records, tokens on the way in, profiles and their deletions.

use super::*;

#[test]
fn every_rejection_has_its_reason_and_their_order_holds() {
    let big = format!(r#"{{"workspace":"acme","client":{{"v":1e{}}}}}"#, 1_000_000_001_u64);
    let profile = Source { kind: SourceKind::Profile, state: Some(Fold::Merge), ..source() };
    let listed = Source { workspaces: BTreeSet::from(["acme".to_owned()]), ..source() };
    for (source, input, reason) in [
        (source(), r#"{"workspace":"acme","Workspace":"acme"}"#, Reason::LayoutAmbiguous),
        (source(), r#"{"workspace":"a","w\u006frkspace":"b"}"#, Reason::LayoutAmbiguous),
        (source(), r#"{"workspace":"acme","client":[]}"#, Reason::LayoutMismatch),
        (source(), r#"{"workspace":"acme","client":{},"client":{}}"#, Reason::LayoutAmbiguous),
        (source(), r#"{"workspace":"acme","client":{"id":1.5}}"#, Reason::LayoutMismatch),
        (source(), r#"{"workspace":"acme","client":{"id":true}}"#, Reason::LayoutMismatch),
        (source(), r#"{"workspace":"acme","action":3}"#, Reason::LayoutMismatch),
        (source(), r#"{"workspace":"acme","params":"x"}"#, Reason::LayoutMismatch),
        (source(), r#"{"workspace":"acme","params":[{},3]}"#, Reason::LayoutMismatch),
        (source(), r#"{"workspace":"acme","params":{"attributes":7}}"#, Reason::LayoutMismatch),
        (source(), "{}", Reason::WorkspaceInvalid),
        (source(), r#"{"workspace":null}"#, Reason::WorkspaceInvalid),
        (source(), r#"{"workspace":3}"#, Reason::WorkspaceInvalid),
        (source(), r#"{"workspace":"a/b"}"#, Reason::WorkspaceInvalid),
        (listed, r#"{"workspace":"beta"}"#, Reason::WorkspaceUnknown),
        (profile.clone(), r#"{"client":{"id":null}}"#, Reason::IdMissing),
        (profile, r#"{"client":[]}"#, Reason::LayoutMismatch),
        (source(), big.as_str(), Reason::NumberOutOfRange),
    ] {
        let outcome = protect_with(&settings(source, Vec::new()), &table(&[attribute("v")]), &record(input));
        assert_eq!(outcome.expect_err(input).reason, reason, "{input}");
    }
    let outcome = protect_with(&settings(source(), Vec::new()), &table(&[]), &record(&big)).expect("not marked");
    assert_eq!(text(&outcome.protected), big, "a number that no mark covers is copied");
}

#[test]
fn tokens_pass_only_from_sealed_input_and_only_under_their_own_domain() {
    let trusted = Source { sealed_input: true, ..source() };
    let token = expected(r#"«email|"ann"»"#);
    let other = expected(r#"«phone|"ann"»"#);
    let at = |value: &str| format!(r#"{{"workspace":"acme","client":{{"email":"{value}"}}}}"#);
    let run = |input: &str| {
        protect_with(&settings(trusted.clone(), Vec::new()), &table(&[attribute("email")]), &record(input))
    };
    let outputs = run(&at(&token)).expect("protected");
    assert_eq!((text(&outputs.protected), outputs.tally.tokens_passed), (at(&token), 1));
    let outputs = run(&at(&other)).expect("protected");
    assert_eq!(
        (text(&outputs.protected), outputs.tally.tokens_unopened),
        (at(&expected(&format!(r#"«email|"{other}"»"#))), 1)
    );
    let outputs = run(&at("siv:x")).expect("protected");
    assert_eq!(
        (text(&outputs.protected), outputs.tally.tokens_not_canonical),
        (at(&expected(r#"«email|"siv:x"»"#)), 1)
    );
    assert_eq!(protected(&[attribute("email")], &at(&token)), at(&expected(&format!(r#"«email|"{token}"»"#))));
}

fn profiles() -> Source {
    let layout = Layout { id: Path::parse("id").ok(), attributes: paths(&["attributes"]), ..layout() };
    Source { kind: SourceKind::Profile, state: Some(Fold::Merge), layout, ..source() }
}

#[test]
fn a_profile_s_document_tells_whose_it_is() {
    let identity = |source: Source, input: &str| {
        let record = Record { key: Some(b"k".to_vec()), ..record(input) };
        let outputs = protect_with(&settings(source, Vec::new()), &table(&[]), &record).expect("protected");
        outputs.identity.map(|identity| (identity.workspace, identity.id))
    };
    let whose = |id: &str| Some(("acme".to_owned(), id.to_owned()));
    for (id, canonical) in [("42", "42"), ("-0", "0"), (r#""42""#, r#""42""#), (r#""\u0061\u0001""#, r#""a\u0001""#)] {
        let input = format!(r#"{{"workspace":"acme","id":{id}}}"#);
        assert_eq!(identity(profiles(), &input), whose(canonical), "{id}");
        let policy = Policy::compile(&settings(profiles(), Vec::new()), &table(&[])).expect("the policy compiles");
        let keyring = Keyring::new(Some(Arc::new(keyset())), BTreeMap::new());
        let told = Protector::new(Arc::new(policy), Arc::new(keyring)).identity(0, input.as_bytes());
        assert_eq!(told.expect("told").map(|identity| identity.id), Some(canonical.to_owned()));
    }
    assert_eq!(identity(source(), r#"{"workspace":"acme","client":{"id":42}}"#), None);
    let shown = format!("{:?}", Identity { workspace: "acme".to_owned(), id: "\"ann\"".to_owned() });
    assert_eq!(shown, "Identity { workspace: \"acme\", .. }");
}

#[test]
fn a_deletion_is_of_the_workspace_that_its_state_tells() {
    let views = vec![view("debug", 0, Unlisted::Show)];
    let policy = Policy::compile(&settings(profiles(), views), &table(&[])).expect("the policy compiles");
    let keyring = Keyring::new(Some(Arc::new(keyset())), BTreeMap::new());
    let mut protector = Protector::new(Arc::new(policy), Arc::new(keyring));
    let mut outputs = Outputs::default();
    let deletion = Record { key: Some(b"k".to_vec()), ..Record::default() };
    let known = Known { workspace: Some("acme"), admitted: false };
    protector.protect_known(0, &deletion, known, &mut outputs).expect("passes");
    assert_eq!((&outputs.protected.key, &outputs.protected.value), (&deletion.key, &None));
    let of_acme = outputs.views[0].1.key.clone();
    assert_eq!(of_acme, Some(expected(r#"«view:debug|"k"»"#).into_bytes()));
    protector.protect(0, &deletion, &mut outputs).expect("passes");
    assert_ne!(outputs.views[0].1.key, of_acme, "a workspace that nothing tells is none");
    let live = Record { value: Some(br#"{"workspace":"acme","id":1}"#.to_vec()), ..deletion };
    protector.protect(0, &live, &mut outputs).expect("protected");
    assert_eq!(outputs.views[0].1.key, of_acme);
    let keyless = protector.protect_known(0, &Record::default(), known, &mut outputs);
    let workspace = Some("acme".to_owned());
    assert_eq!(keyless, Err(Rejection { reason: Reason::ProfileWithoutKey, workspace }));
}

#[test]
fn what_is_made_of_the_state_passed_the_gate_when_it_came() {
    let gate = Gate { header: "auth".to_owned(), accepted: ["jwt".to_owned()].into(), jwt: None };
    let gated = Source { gate: Some(gate), ..profiles() };
    let policy = Policy::compile(&settings(gated, Vec::new()), &table(&[])).expect("the policy compiles");
    let keyring = Keyring::new(Some(Arc::new(keyset())), BTreeMap::new());
    let mut protector = Protector::new(Arc::new(policy), Arc::new(keyring));
    let mut outputs = Outputs::default();
    for value in [None, Some(br#"{"workspace":"acme","id":1}"#.to_vec())] {
        let record = Record { key: Some(b"k".to_vec()), value, ..Record::default() };
        let read = protector.protect(0, &record, &mut outputs).expect_err("no header");
        assert_eq!(read.reason, Reason::Identification);
        let known = Known { workspace: Some("acme"), admitted: true };
        assert_eq!(protector.protect_known(0, &record, known, &mut outputs), Ok(()));
    }
}

#[test]
fn whoever_deletes_what_an_event_source_keeps_must_pass_its_gate() {
    let gate = Gate { header: "auth".to_owned(), accepted: ["jwt".to_owned()].into(), jwt: None };
    let gated = Source { gate: Some(gate), ..source() };
    let keeps = Source { state: Some(Fold::Merge), ..gated.clone() };
    let asked = |source: Source, key: Option<&str>| {
        let policy = Policy::compile(&settings(source, Vec::new()), &table(&[])).expect("the policy compiles");
        let keyring = Keyring::new(Some(Arc::new(keyset())), BTreeMap::new());
        let deletion = Record { key: key.map(Into::into), ..Record::default() };
        let mut protector = Protector::new(Arc::new(policy), Arc::new(keyring));
        protector.protect(0, &deletion, &mut Outputs::default()).map_err(|rejection| rejection.reason)
    };
    assert_eq!(asked(keeps.clone(), Some("42")), Err(Reason::Identification));
    assert_eq!(asked(keeps, None), Ok(()), "it deletes nothing");
    assert_eq!(asked(gated, Some("42")), Ok(()), "nothing is kept");
}

#[test]
fn an_event_that_identifies_needs_a_record_key_before_anything_else() {
    let mut layout = layout();
    layout.event = vec![Path::parse("action").expect("a path")];
    layout.id = Some(Path::parse("id").expect("a path"));
    let gate = Gate { header: "auth".to_owned(), accepted: ["jwt".to_owned()].into(), jwt: None };
    let keeps = Source { state: Some(Fold::Merge), gate: Some(gate), layout, ..source() };
    let policy = Policy::compile(&settings(keeps, Vec::new()), &table(&[])).expect("the policy compiles");
    let keyring = Keyring::new(Some(Arc::new(keyset())), BTreeMap::new());
    let value = Some(br#"{"workspace":"acme","action":"identify","id":1}"#.to_vec());
    let mut protector = Protector::new(Arc::new(policy), Arc::new(keyring));
    let mut reason = |key: Option<&str>| {
        let record = Record { key: key.map(Into::into), value: value.clone(), ..Record::default() };
        protector.protect(0, &record, &mut Outputs::default()).expect_err("no header").reason
    };
    assert_eq!((reason(None), reason(Some("1"))), (Reason::ProfileWithoutKey, Reason::Identification));
}
