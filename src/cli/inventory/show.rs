//! An inventory as text: a table for people, CSV (RFC 4180) and JSON for programs, and the marks that it suggests.
//!
//! Always holds: whatever stands here is a count, a word of sivcar's, or a name that may be shown.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::privacy::inventory::{Covering, Entry, Fate, Inventory};
use crate::privacy::mask::Mask;
use crate::privacy::matcher::{By, Matchers};
use crate::privacy::place::{Part, Place};
use crate::privacy::sighting::STRANGE;

/// How an inventory is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// Columns for people.
    #[default]
    Table,
    /// A line per place.
    Csv,
    /// One object.
    Json,
    /// [[mark]] sections for what was found and is not marked.
    Marks,
}

/// An inventory with what stands around it.
pub struct Shown<'a> {
    /// How many records were counted.
    pub records: u64,
    /// How many were rejected, by reason.
    pub rejected: &'a BTreeMap<&'static str, u64>,
    /// The names of the source's views.
    pub views: Vec<&'a str>,
    /// What was looked for.
    pub matchers: &'a Matchers,
    /// What was counted.
    pub inventory: &'a Inventory,
}

impl Shown<'_> {
    /// The inventory in this form.
    pub fn text(&self, output: Output) -> String {
        match output {
            Output::Table => self.table(),
            Output::Csv => self.csv(),
            Output::Json => format!("{:#}\n", self.json()),
            Output::Marks => self.marks(),
        }
    }

    /// What is told beside it: what was rejected, what there was no room for, and what no mark is suggested for.
    pub fn remarks(&self, output: Output) -> String {
        let mut text = String::new();
        for (reason, count) in self.rejected {
            // a String takes all that is written
            let _ = writeln!(text, "rejected: {count} of {} records, {reason}", self.records);
        }
        if self.inventory.unlisted > 0 {
            let count = self.inventory.unlisted;
            let _ = writeln!(text, "not listed: {count} values at further places; --places takes more");
        }
        let entries = if output == Output::Marks { self.inventory.entries() } else { Vec::new() };
        for Entry { workspace, event: name, place: Place { part, path }, .. } in
            entries.iter().filter(|entry| entry.row.is_open())
        {
            let event = if name.is_empty() { String::new() } else { format!(" of event {name}") };
            let Err(why) = suggested(*part, path, name) else { continue };
            let _ = writeln!(text, "not suggested: {} {path}{event} in workspace {workspace}: {why}", part.word());
        }
        text
    }

    fn head(&self, lower: bool) -> Vec<String> {
        let words = ["workspace", "event", "on", "path", "seen", "types", "found", "mark", "level", "protected"];
        let words = words.into_iter().map(|word| if lower { word.to_owned() } else { word.to_uppercase() });
        words.chain(self.views.iter().map(|view| format!("view {view}"))).collect()
    }

    fn cells(&self, Entry { workspace, event, place, row }: &Entry) -> Vec<String> {
        let types = row.types.keys().copied().collect::<Vec<_>>().join(" ");
        let found = row.found.iter().map(|(found, count)| {
            let risk = if found.yellow { "" } else { "red " };
            format!("{risk}{} by {} {count}", found.matcher, found.by)
        });
        let mark = row.mark.as_ref();
        let nothing = BTreeMap::new();
        let views = (0..self.views.len()).map(|index| fates(row.views.get(index).unwrap_or(&nothing)));
        let first = [
            (*workspace).to_owned(),
            (*event).to_owned(),
            place.part.word().to_owned(),
            place.path.clone(),
            row.seen.to_string(),
            types,
            found.collect::<Vec<_>>().join(", "),
            mark.map(|mark| covering(mark, row.seen)).unwrap_or_default(),
            mark.map(|mark| mark.level.to_string()).unwrap_or_default(),
            fates(&row.protected),
        ];
        first.into_iter().chain(views).collect()
    }

    fn table(&self) -> String {
        let entries = self.inventory.entries();
        let dash = |cell: String| if cell.is_empty() { "-".to_owned() } else { cell };
        let rows = entries.iter().map(|entry| self.cells(entry).into_iter().map(dash).collect());
        let rows: Vec<Vec<String>> = std::iter::once(self.head(false)).chain(rows).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        rows.iter().map(line).collect()
    }

    fn csv(&self) -> String {
        let entries = self.inventory.entries();
        let rows = std::iter::once(self.head(true)).chain(entries.iter().map(|entry| self.cells(entry)));
        rows.map(|row| row.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",") + "\r\n").collect()
    }

    fn json(&self) -> Value {
        let places = self.inventory.entries().into_iter().map(|Entry { workspace, event, place, row }| {
            let found = row.found.iter().map(|(found, count)| {
                let risk = if found.yellow { "yellow" } else { "red" };
                json!({ "matcher": found.matcher, "risk": risk, "by": found.by, "count": count })
            });
            let mark =
                row.mark.as_ref().map(|mark| json!({ "name": mark.name, "level": mark.level, "values": mark.values }));
            let views = self.views.iter().zip(&row.views).map(|(view, fates)| ((*view).to_owned(), counts(fates)));
            json!({
                "workspace": workspace,
                "event": Some(event).filter(|event| !event.is_empty()),
                "on": place.part,
                "path": place.path,
                "seen": row.seen,
                "types": row.types,
                "found": found.collect::<Vec<_>>(),
                "mark": mark,
                "protected": counts(&row.protected),
                "views": views.collect::<Map<_, _>>(),
            })
        });
        json!({
            "records": self.records,
            "rejected": self.rejected,
            "unlisted": self.inventory.unlisted,
            "places": places.collect::<Vec<_>>(),
        })
    }

    /// A mark for each place where something was found that no mark covers, and that a mark can name.
    fn marks(&self) -> String {
        let mut text = String::new();
        for Entry { workspace, event, place, row } in
            self.inventory.entries().iter().filter(|entry| entry.row.is_open())
        {
            let Ok(on) = suggested(place.part, &place.path, event) else { continue };
            let most = row.found.iter().max_by_key(|(found, count)| (!found.yellow, **count));
            let Some((found, count)) = most else { continue };
            let around = matches!(on, Part::Header | Part::Key);
            let mask = self.matchers.all().iter().find(|matcher| matcher.name == found.matcher);
            // found in a part of a text, the rest of which would show
            let whole = found.by != By::Part.word();
            let mask = mask.filter(|matcher| matcher.mask == Mask::Word && found.yellow && whole && !around);
            let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
            // a String takes all that is written
            let _ = writeln!(text, "[[mark]] # {} by {}, {count} of {} values", found.matcher, found.by, row.seen);
            let _ = writeln!(text, "workspace = {}\non = \"{}\"", quoted(workspace), on.word());
            let _ = writeln!(text, "name = {}", quoted(&place.path));
            if !event.is_empty() {
                let _ = writeln!(text, "event = {}", quoted(event));
            }
            if mask.is_some() {
                let _ = writeln!(text, "mask = \"word\"");
            }
            if !around {
                let _ = writeln!(text, "domain = {}", quoted(&found.matcher));
            }
            text.push('\n');
        }
        text
    }
}

/// What a mark would name, or why none is suggested.
fn suggested(part: Part, path: &str, event: &str) -> Result<Part, &'static str> {
    match part {
        Part::Id | Part::Uuid => Err("identifiers have a rule of their own; views mask them without a mark"),
        _ if event == STRANGE => Err("the event's name may be a value; take the inventory without --by-event"),
        _ if path.split('.').any(|step| step == STRANGE) => {
            Err("a name there may be a value; mark what stands around it")
        }
        part => Ok(part),
    }
}

/// A mark's name, and how many of so many values it covers if not all.
fn covering(mark: &Covering, seen: u64) -> String {
    if mark.values == seen { mark.name.clone() } else { format!("{} {} of {seen}", mark.name, mark.values) }
}

/// The most frequent first, with counts where there are several.
fn fates(fates: &BTreeMap<Fate, u64>) -> String {
    let mut all: Vec<_> = fates.iter().collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    match all.as_slice() {
        [(fate, _)] => fate.word().to_owned(),
        all => all.iter().map(|(fate, count)| format!("{} {count}", fate.word())).collect::<Vec<_>>().join(", "),
    }
}

fn counts(fates: &BTreeMap<Fate, u64>) -> Value {
    fates.iter().map(|(fate, count)| (fate.word().to_owned(), json!(count))).collect()
}

/// A field of CSV.
fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}
