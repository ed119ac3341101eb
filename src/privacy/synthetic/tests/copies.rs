//! Copies of marked parameters in what a profile holds.

use super::*;

#[test]
fn a_copy_of_what_is_dropped_is_not_told_of_by_its_own_laxer_mark() {
    let places = ["workspace", "", "id", "uuid", "attributes", "params"];
    let document =
        r#"{"workspace":"acme","id":1,"attributes":{"note":"ann kowalska"},"params":{"search":"Ann Kowalska"}}"#;
    let search = mark(On::Parameter, "search", Mark { protect: Protect::Drop, since: Some(1), ..Mark::default() });
    let note = mark(On::Attribute, "note", Mark { level: 0, ..Mark::default() });
    for (derived_copies, told) in [(false, true), (true, false)] {
        let mut settings = settings();
        settings.sources[1].layout = layout("default", places);
        settings.sources[1].derived_copies = derived_copies;
        let event = made(&settings, &table([search.clone(), note.clone()]), document, 7).expect("can be made");
        assert_eq!(event.is_some(), told, "derived copies: {derived_copies}");
    }
}
