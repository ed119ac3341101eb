//! Strings that are entered, under marks on the whole and on what stands within: whoever may not see a value sees no more of it than its own
//! mask shows, whatever masks hold around it; and where copies are looked for, no more than where they are not.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sivcar::privacy::mark::{Mark, MarkKey, On};
use sivcar::privacy::mask::{self, Mask};
use sivcar::privacy::settings::{Unlisted, View, Within};
use sivcar::record::Record;

use crate::common::fixed::{self, keyring};
use crate::common::pipeline::{Pipeline, text};

const CLEARANCES: [u16; 4] = [0, 100, 200, 9999];

/// What may be marked, from the outermost in.
const PLACES: [&str; 5] = ["o", "o.u", "o.u.a", "o.u.b", "o.u.c"];

/// What is marked around the string's values.
const AROUND: usize = 2;

/// Marks on some of [`PLACES`], and the texts of three values, `x` for each letter.
#[derive(Clone, Debug)]
struct Drawn {
    marks: [Option<Mark>; PLACES.len()],
    forms: [&'static str; 3],
    shell: &'static str,
    unlisted: Unlisted,
    /// A mark on what holds the first value too.
    search: Mark,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let mark = (select(vec![100, 200, 9999]), select(Mask::ALL.to_vec()), prop::bool::weighted(0.8));
    let mark = mark.prop_map(|(level, mask, shape)| Mark { level, mask: Some(mask), shape, ..Mark::default() });
    let marks = prop::array::uniform5(prop::option::weighted(0.6, mark.clone()));
    let forms = prop::array::uniform3(select(vec!["xxx xxxx xxxx", "xxxx", "xxxxxxxxxxx", "xxx@xxxx.xx", "xx-x.xxxx"]));
    let shell = select(vec![
        "/p?a={a}&b={b}#c={c}",
        r#"{\"a\":\"{a}\",\"b\":\"{b}\",\"c\":\"{c}\"}"#,
        r#"[{\"a\":\"{a}\"},{\"b\":[\"{b}\"],\"c\":\"{c}\"}]"#,
    ]);
    let unlisted = select(vec![Unlisted::Show, Unlisted::Mask]);
    (marks, forms, shell, unlisted, mark).prop_map(|(marks, forms, shell, unlisted, search)| Drawn {
        marks,
        forms,
        shell,
        unlisted,
        search,
    })
}

impl Drawn {
    /// The values, of which no letter stands in another.
    fn values(&self) -> [String; 3] {
        let mut letters = '가'..;
        self.forms.map(|form| form.chars().map(|c| if c == 'x' { letters.next().unwrap_or(c) } else { c }).collect())
    }

    /// What holds the string.
    fn parameter(&self) -> String {
        let [a, b, c] = self.values();
        let string = self.shell.replace("{a}", &a).replace("{b}", &b).replace("{c}", &c);
        format!(r#""o":{{"u":"{string}"}}"#)
    }

    fn record(&self) -> Record {
        Self::of(&self.parameter())
    }

    /// The same, the first value standing beside it too, alone and in a text.
    fn record_with_copies(&self) -> Record {
        let [a, ..] = self.values();
        Self::of(&format!(r#""q":"{a}","note":"{a}, 힣힣힣",{}"#, self.parameter()))
    }

    fn of(parameters: &str) -> Record {
        let value = format!(r#"{{"workspace":"acme","params":{{{parameters}}}}}"#);
        Record { value: Some(value.into_bytes()), ..Record::default() }
    }

    fn pipeline(&self, copies: bool) -> Pipeline {
        let (mut settings, mut table) = fixed::world(0);
        settings.sources[0].derived_copies = copies;
        settings.sources[0].within = Within { json: true, queries: true };
        let view = View { unlisted: self.unlisted, show: Vec::new(), ..settings.views[0].clone() };
        let named = |clearance: u16| {
            let name = format!("view{clearance}");
            View { topics: [("raw".to_owned(), name.clone())].into(), name, clearance, ..view.clone() }
        };
        settings.views = CLEARANCES.map(named).into();
        let marks = PLACES.iter().zip(&self.marks);
        table.marks = marks.filter_map(|(name, mark)| Some((key(name), mark.clone()?))).collect();
        table.marks.insert(key("q"), self.search.clone());
        Pipeline::new(settings, table, keyring())
    }

    /// The strictest mask that hides the value with this index, where its own mark hides it.
    fn hidden(&self, value: usize, clearance: u16) -> Option<Mask> {
        let hides = |mark: &Option<Mark>| mark.as_ref().filter(|mark| clearance < mark.level)?.mask;
        let own = hides(&self.marks[AROUND + value])?;
        Some(self.marks[..AROUND].iter().filter_map(hides).fold(own, Mask::min))
    }
}

fn key(name: &str) -> MarkKey {
    MarkKey { workspace: "acme".to_owned(), on: On::Parameter, name: name.to_owned(), event: None }
}

/// The letters of values that stand in `text`, percent escapes resolved.
fn letters(text: &str) -> BTreeSet<char> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, behind)) = rest.split_first() {
        let escape = rest.get(1..3).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        let escape = escape.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escape.unwrap_or(*first));
        rest = if escape.is_some() { &rest[3..] } else { behind };
    }
    String::from_utf8_lossy(&bytes).chars().filter(|c| ('가'..='힣').contains(c)).collect()
}

fn masked(mask: Mask, value: &str) -> BTreeSet<char> {
    let mut shown = String::new();
    mask::text(mask, value, &mut shown);
    letters(&shown)
}

proptest! {
    #[test]
    fn of_what_a_mark_hides_shows_what_the_strictest_mask_shows(drawn in drawn()) {
        let outputs = drawn.pipeline(false).protect(&drawn.record()).expect("accepted");
        for ((_, output), clearance) in outputs.views.iter().zip(CLEARANCES) {
            let shown = letters(std::str::from_utf8(text(output)).expect("text"));
            for (index, value) in drawn.values().iter().enumerate() {
                let Some(mask) = drawn.hidden(index, clearance) else { continue };
                let seen: BTreeSet<char> = shown.intersection(&letters(value)).copied().collect();
                prop_assert!(seen.is_subset(&masked(mask, value)), "{} of {} at {}", seen.len(), value, clearance);
            }
        }
    }

    #[test]
    fn more_clearance_never_shows_less_of_a_string_that_is_entered(drawn in drawn()) {
        for copies in [false, true] {
            let pipeline = drawn.pipeline(copies);
            let record = if copies { drawn.record_with_copies() } else { drawn.record() };
            pipeline.shows_more_to_more_clearance(&record, &drawn.values(), &pipeline.settings.views[0]);
        }
    }

    #[test]
    fn where_copies_are_looked_for_a_view_that_masks_shows_no_more(drawn in drawn()) {
        let drawn = Drawn { marks: Default::default(), unlisted: Unlisted::Mask, ..drawn };
        let record = drawn.record_with_copies();
        let [without, with] = [false, true].map(|copies| drawn.pipeline(copies).protect(&record).expect("accepted"));
        for ((_, without), (_, with)) in without.views.iter().zip(&with.views) {
            let [without, with] = [without, with].map(|view| letters(&String::from_utf8_lossy(text(view))));
            prop_assert!(with.is_subset(&without), "{} letters, without copies {}", with.len(), without.len());
        }
    }
}

#[test]
fn outer_text_masks_meet_hidden_values() {
    let mut runner = TestRunner::deterministic();
    let text = |mask: &Mask| matches!(mask, Mask::Word | Mask::Last4 | Mask::Email);
    let met = (0..500).filter(|_| {
        let drawn = drawn().new_tree(&mut runner).expect("a value").current();
        let around = drawn.marks[..AROUND].iter().flatten().filter_map(|mark| mark.mask).min();
        around.is_some_and(|mask| text(&mask)) && (0..3).any(|value| drawn.hidden(value, 0).is_some())
    });
    let met = met.count();
    assert!(met > 50, "{met}");
}
