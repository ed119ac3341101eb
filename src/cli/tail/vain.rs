//! Filters that no record can meet: told at once instead of waited for.
//!
//! A view shows the words of the layout (workspace, event) where it shows what is unlisted, or lists them in `show`; where it masks them, a filter
//! on one meets documents of test profiles alone. Deliberately not here: what marks mask; they are the control topic's.

use super::show::Only;
use crate::cli::exit::Failure;
use crate::privacy::automaton::Automaton;
use crate::privacy::path::{Path, Step};
use crate::privacy::seal::parse_token;
use crate::privacy::settings::{Settings, Source, Unlisted, View};

/// A sentence for each filter that nothing in the debug topics of `sources` can meet, or next to nothing.
///
/// # Errors
/// A record key that no view has.
pub fn filters(settings: &Settings, view: &View, sources: &[&Source], only: &Only) -> Result<Vec<String>, Failure> {
    if only.key.as_deref().is_some_and(|key| parse_token(key).is_none()) {
        return Err(Failure::usage(
            "--key: this is no token; a view shows no other record keys: take one from its output, or compute it as docs/formats.md says",
        ));
    }
    let masks = |word: &str| format!("view {} masks {word}, but for test profiles; let it show that", view.name);
    let mut told = Vec::new();
    if let Some(event) = &only.event {
        let with: Vec<&&Source> = sources.iter().filter(|source| !source.layout.event.is_empty()).collect();
        let shown = |source: &&&Source| source.layout.event.iter().any(|path| shows(view, source, path));
        if with.is_empty() {
            told.push(format!("--event {event}: what is followed has no events"));
        } else if !with.iter().any(shown) {
            told.push(format!("--event {event}: {}", masks("the names of events")));
        }
    }
    if let Some(workspace) = &only.workspace {
        let listed = settings.workspaces.is_empty() || settings.workspaces.contains(workspace);
        let carries = |source: &&&Source| match &source.workspace {
            Some(fixed) => fixed == workspace,
            None => listed && (source.workspaces.is_empty() || source.workspaces.contains(workspace)),
        };
        let shown = |source: &&Source| {
            source.workspace.is_some() || source.layout.workspace.iter().any(|path| shows(view, source, path))
        };
        let mut carrying = sources.iter().filter(carries).peekable();
        if carrying.peek().is_none() {
            told.push(format!("--workspace {workspace}: nothing that is followed carries it"));
        } else if !carrying.any(shown) {
            told.push(format!("--workspace {workspace}: {}", masks("the workspace")));
        }
    }
    Ok(told)
}

/// Whether `view` shows what stands at `path`, or something around it, in documents of `source`.
fn shows(view: &View, source: &Source, path: &Path) -> bool {
    if view.unlisted == Unlisted::Show {
        return true;
    }
    let mut shown = Automaton::new(source.case);
    let start = shown.start();
    view.show.iter().for_each(|path| shown.insert(start, path, ()));
    let mut at = shown.begin(&[start]);
    path.steps().iter().any(|step| {
        // a layout's path has plain steps only
        let Step::Name { text, .. } = step else { return false };
        at = shown.step(&at, text);
        shown.ends(&at).next().is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::settings::tests::settings;

    #[test]
    fn what_can_match_nothing_is_told_at_once() {
        let masked = "view debug masks the names of events, but for test profiles; let it show that";
        let hidden = "view debug masks the workspace, but for test profiles; let it show that";
        let only = |workspace: &str, event: &str| Only {
            workspace: Some(workspace.to_owned()).filter(|name| !name.is_empty()),
            event: Some(event.to_owned()).filter(|name| !name.is_empty()),
            ..Only::default()
        };
        // what the view shows, the workspace that the source fixes, the filters, what is told of them
        for (unlisted, show, fixed, only, told) in [
            (Unlisted::Show, "", None, only("acme", "form.submit"), vec![]),
            (Unlisted::Mask, "", None, only("", "form.submit"), vec![format!("--event form.submit: {masked}")]),
            (Unlisted::Mask, "ACTION", None, only("", "form.submit"), vec![]),
            (Unlisted::Mask, "**", None, only("acme", "form.submit"), vec![]),
            (Unlisted::Mask, "params.action", None, only("", "x"), vec![format!("--event x: {masked}")]),
            (Unlisted::Mask, "", None, only("acme", ""), vec![format!("--workspace acme: {hidden}")]),
            (Unlisted::Mask, "workspace", None, only("acme", ""), vec![]),
            (Unlisted::Mask, "", Some("acme"), only("acme", ""), vec![]),
            (
                Unlisted::Show,
                "",
                Some("acme"),
                only("beta", ""),
                vec!["--workspace beta: nothing that is followed carries it".to_owned()],
            ),
        ] {
            let mut settings = settings();
            settings.sources[0].layout.event = Path::parse("action").into_iter().collect();
            settings.sources[0].workspace = fixed.map(str::to_owned);
            settings.views[0].unlisted = unlisted;
            settings.views[0].show = Path::parse(show).into_iter().collect();
            let found = filters(&settings, &settings.views[0], &[&settings.sources[0]], &only).expect("no error");
            assert_eq!(found, told, "{show:?} {fixed:?}");
        }
    }

    #[test]
    fn sources_without_events_and_workspaces_that_nobody_carries_are_told_of() {
        let mut settings = settings();
        settings.sources[0].workspaces.insert("acme".to_owned());
        let only = Only { event: Some("x".to_owned()), workspace: Some("beta".to_owned()), ..Only::default() };
        let told = filters(&settings, &settings.views[0], &[&settings.sources[0]], &only).expect("no error");
        let expected =
            ["--event x: what is followed has no events", "--workspace beta: nothing that is followed carries it"];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_key_is_a_token() {
        let settings = settings();
        for (key, right) in
            [("42", false), ("siv:", false), ("siv:AQAAAAHH2pfIJPyBqSG4E02JU0wH0OgG3ULiwMA48UN4Gixc", true)]
        {
            let only = Only { key: Some(key.to_owned()), ..Only::default() };
            let told = filters(&settings, &settings.views[0], &[&settings.sources[0]], &only);
            assert_eq!(told.is_ok(), right, "{key}");
        }
    }
}
