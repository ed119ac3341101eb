//! The event in other layouts, and what its key and views show.

use super::*;

#[test]
fn other_layouts_have_their_own_places() {
    let segment = ["", "event type", "userId", "anonymousId", "traits context.traits", "properties"];
    let shop = ["tenant", "name type", "customer.no", "customer.uuid", "customer payload.customer", "payload"];
    let profile = r#"{"workspace":"acme","id":"42","uuid":"u","attributes":{"email":"a"}}"#;
    for (name, places, event) in [
        (
            "synerise",
            ["", "action", "client.id", "client.uuid", "client params.attributes", "params"],
            r#"{"action":"profile.updated","label":"Profile updated","eventSalt":"«salt|"42"|7»","client":{"id":"42","uuid":"u"},"params":{"source":"sivcar","reason":"attribute-marked","attributes":{"email":"«email|"a"»"}}}"#,
        ),
        (
            "segment",
            segment,
            r#"{"event":"profile.updated","type":"track","label":"Profile updated","eventSalt":"«salt|"42"|7»","userId":"42","anonymousId":"u","properties":{"source":"sivcar","reason":"attribute-marked"},"context":{"traits":{"email":"«email|"a"»"}}}"#,
        ),
        (
            "shop",
            shop,
            r#"{"name":"profile.updated","label":"Profile updated","tenant":"acme","eventSalt":"«salt|"42"|7»","customer":{"no":"42","uuid":"u"},"payload":{"source":"sivcar","reason":"attribute-marked","customer":{"email":"«email|"a"»"}}}"#,
        ),
        (
            "root",
            ["", "label", "time.id", "", "$", ""],
            r#"{"label":"profile.updated","eventSalt":"«salt|"42"|7»","time":{"id":"42"},"email":"«email|"a"»"}"#,
        ),
    ] {
        let mut settings = settings();
        settings.sources[0].layout = layout(name, places);
        if places[0].is_empty() {
            settings.sources.iter_mut().for_each(|source| source.workspace = Some("acme".to_owned()));
        }
        let made = made(&settings, &table([attribute("email")]), profile, 7).expect("made").expect("holds");
        assert_eq!(text(&made.protected), expected(event), "{name}");
    }
}

#[test]
fn a_key_shows_no_id_that_the_document_hides() {
    let document = r#"{"workspace":"acme","id":42,"attributes":{"email":"a"}}"#;
    let made = |ids: [Ids; 2], marks: &[(MarkKey, Mark)]| {
        let mut settings = Settings { views: vec![view(0)], ..settings() };
        (settings.sources[0].ids, settings.sources[1].ids) = (ids[0], ids[1]);
        let table = table(marks.iter().cloned().chain([attribute("email")]));
        let outputs = made(&settings, &table, document, 7).expect("made").expect("holds");
        assert_eq!(outputs.views[0].1.key, Some(expected(r#"«view:debug|"42"»"#).into_bytes()));
        let text = text(&outputs.protected);
        let client = text.split_once("\"client\":").expect("a client").1.split_once(",\"params").expect("parameters").0;
        (outputs.protected.key.map(|key| String::from_utf8(key).expect("text")), client.to_owned())
    };
    let token = |domain: &str| {
        let token = expected(&format!("«{domain}|42»"));
        (Some(token.clone()), format!(r#"{{"id":"{token}"}}"#))
    };
    let field = |name: &str, protect| mark(On::Field, name, Mark { protect, ..Mark::default() });
    assert_eq!(made([Ids::Clear; 2], &[]), (Some("42".to_owned()), r#"{"id":42}"#.to_owned()));
    assert_eq!(made([Ids::Seal, Ids::Clear], &[]), token("id"));
    assert_eq!(made([Ids::Clear, Ids::Seal], &[]), token("id"), "the profile hides it");
    assert_eq!(made([Ids::Clear; 2], &[field("id", Protect::Encrypt)]), token("id"));
    assert_eq!(made([Ids::Clear; 2], &[field("client.id", Protect::Mask)]), (None, r#"{"id":"***"}"#.to_owned()));
    let whole = expected(r#""«client|{"id":42}»""#);
    assert_eq!(made([Ids::Clear; 2], &[field("client", Protect::Encrypt)]), (None, whole));
}

#[test]
fn views_hide_what_they_hide_in_the_profile() {
    let with = |name: &str, wish: Mark| mark(On::Attribute, name, wish);
    let shown = |clearance: u16, marks: &[(MarkKey, Mark)], attributes: &str| {
        let settings = Settings { views: vec![view(clearance)], ..settings() };
        let document = format!(r#"{{"workspace":"acme","id":42,"attributes":{attributes}}}"#);
        let outputs = made(&settings, &table(marks.iter().cloned()), &document, 7).expect("made").expect("holds");
        let text = text(&outputs.views[0].1);
        text.split_once(r#""attributes":"#).expect("attributes").1.strip_suffix("}}").expect("closed").to_owned()
    };
    let level = |level, mask| Mark { level, mask: Some(mask), ..Mark::default() };
    let marked = [with("*.zip", level(100, Mask::Word))];
    assert_eq!(shown(100, &marked, r#"{"a":{"zip":"Ann"}}"#), r#"{"*.zip":"Ann"}"#);
    assert_eq!(shown(99, &marked, r#"{"a":{"zip":"Ann"}}"#), r#"{"*.zip":"A***"}"#);
    assert_eq!(shown(99, &marked, r#"{"a":[{"zip":"Ann"},{"zip":"Bob"}]}"#), r#"{"*.zip":["A***","B***"]}"#);
    // nothing that is to be dropped stays because it became an element
    let dropped = [with("zip", level(100, Mask::Drop))];
    assert_eq!(shown(99, &dropped, r#"{"zip":"Ann"}"#), "{}");
    assert_eq!(shown(99, &dropped, r#"{"zip":"Ann","ZIP":"Bob"}"#), r#"{"zip":[]}"#);
    // what stands around a value in the profile hides it in the event
    let outer = with("a", Mark { since: Some(3), protect: Protect::None, ..level(200, Mask::Full) });
    let both = [marked[0].clone(), outer];
    assert_eq!(shown(150, &both, r#"{"a":{"zip":"Ann"}}"#), r#"{"*.zip":"***"}"#);
    assert_eq!(shown(200, &both, r#"{"a":{"zip":"Ann"}}"#), r#"{"*.zip":"Ann"}"#);
    // and what stands inside it still holds where the value is clear
    let inner = [with("*.o", level(0, Mask::Word)), with("a.o.i", Mark { since: Some(3), ..level(100, Mask::Word) })];
    assert_eq!(shown(99, &inner, r#"{"a":{"o":{ "i" : "Ann" , "j":1.0}}}"#), r#"{"*.o":{"i":"A***","j":1.0}}"#);
}
