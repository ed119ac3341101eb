//! The bounds of an inventory, and its order.

use super::*;

fn place(path: &str) -> Place {
    Place { part: Part::Parameter, path: path.to_owned() }
}

fn paths(inventory: &Inventory) -> Vec<(String, u64)> {
    inventory.entries().into_iter().map(|entry| (entry.place.path, entry.row.seen)).collect()
}

#[test]
fn an_object_of_many_names_folds_into_one_place() {
    let mut inventory = Inventory::new(100_000, true);
    for number in 0..1_000 {
        let letters = format!("{number}").replace(|digit: char| digit.is_ascii_digit(), "x");
        let name = format!("by.{letters}{}.count", "y".repeat(number));
        inventory.row("acme", "", &place(&name), false).expect("there is room").seen += 1;
    }
    let paths = paths(&inventory);
    assert_eq!(paths.len(), NAMES_MAX + 1);
    assert_eq!(paths[0], ("by.*.count".to_owned(), 1_000 - NAMES_MAX as u64));
    assert_eq!(inventory.unlisted, 0);
}

#[test]
fn names_that_a_matcher_finds_are_told_apart_beside_the_others() {
    let mut inventory = Inventory::new(100_000, true);
    let mut see = |name: &str, named| inventory.row("acme", "", &place(name), named).expect("there is room").seen += 1;
    for number in 0..2 * NAMES_MAX {
        see(&format!("by.{}", "x".repeat(number + 1)), false);
    }
    see("by.email", true);
    for number in 0..2 * NAMES_MAX {
        see(&format!("by.{}_phone", "y".repeat(number + 1)), true);
    }
    let paths = paths(&inventory);
    assert_eq!(paths.len(), 2 * NAMES_MAX + 1);
    assert!(paths.contains(&("by.email".to_owned(), 1)));
    assert!(paths.contains(&("by.*".to_owned(), 2 * NAMES_MAX as u64 + 1)));
}

#[test]
fn places_beyond_the_room_are_counted() {
    // workspace, event and part take three
    let mut inventory = Inventory::new(5, true);
    for path in ["a", "b", "c", "a", "c"] {
        if let Some(row) = inventory.row("acme", "e", &place(path), false) {
            row.seen += 1;
        }
    }
    assert_eq!(paths(&inventory), [("a".to_owned(), 2), ("b".to_owned(), 1)]);
    assert_eq!(inventory.unlisted, 2);
}

#[test]
fn what_needs_a_look_comes_first() {
    let mut inventory = Inventory::new(100, true);
    let mut row = |path: &str, found: Option<(bool, u64)>, marked: bool| {
        let row = inventory.row("acme", "", &place(path), false).expect("there is room");
        let named = |(yellow, count)| (Found { yellow, matcher: path.to_owned(), by: "name" }, count);
        row.found = found.map(named).into_iter().collect();
        row.mark = marked.then(|| Covering { name: path.to_owned(), level: 9, values: 1 });
        row.open = found.filter(|_| !marked).map(|(yellow, _)| !yellow);
    };
    row("a", None, false);
    row("b", None, true);
    row("c", Some((true, 1)), false);
    row("d", Some((true, 7)), false);
    row("e", Some((false, 1)), true);
    row("f", Some((false, 1)), false);
    let order: Vec<String> = paths(&inventory).into_iter().map(|(path, _)| path).collect();
    assert_eq!(order, ["f", "d", "c", "e", "b", "a"]);
}

#[test]
fn events_are_told_apart_where_that_is_asked_for() {
    for (apart, expected) in [(true, vec!["", "one", "two"]), (false, vec![""])] {
        let mut inventory = Inventory::new(100, apart);
        for event in ["two", "one", ""] {
            inventory.row("acme", event, &place("a"), false).expect("there is room").seen += 1;
        }
        let events: Vec<&str> = inventory.entries().iter().map(|entry| entry.event).collect();
        assert_eq!(events, expected);
    }
}
