//! `sivcar inventory` over standard input, in all its forms.

use crate::bench::Bench;

const INVENTORY: &str = "inventory --config sivcar.toml --source raw.events";

/// Four documents: one is rejected.
const INPUT: &str = concat!(
    r#"{"workspace":"acme","action":"a","client":{"id":42,"email":"ann@example.com"},"params":{"cv":"call +48 600 700 800","by":{"bob@example.com":1}}}"#,
    "\n",
    r#"{"workspace":"acme","action":"a","client":{"id":"eve@example.com"},"params":{"cv":"x","Card Number":"4111111111111111","n":1.5}}"#,
    "\n",
    r#"{"workspace":"acme","action":"b","client":{"id":43},"params":{"ssn":"1","cv":"ann@example.com"}}"#,
    "\nnone\n"
);

const REJECTED: &str = "rejected: 1 of 4 records, json_syntax\n";

/// Detection switched on, for what views show.
fn bench() -> Bench {
    let bench = Bench::new();
    let detected = "dead-letters = \"dead\"\ndetection = \"encrypt\"\n";
    bench.write("sivcar.toml", &crate::bench::CONFIG.replacen("dead-letters = \"dead\"\n", detected, 1));
    bench
}

#[test]
fn a_table_begins_with_what_needs_a_look() {
    let (code, output, errors) = bench().run(INVENTORY, INPUT);
    assert_eq!((code, errors.as_str()), (1, REJECTED));
    let words = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    assert_eq!(
        words(&output),
        [
            "WORKSPACE EVENT ON PATH SEEN TYPES FOUND MARK LEVEL PROTECTED view debug",
            "acme - parameter card number 1 string red credit card by name 1 - - token full",
            "acme - parameter ssn 1 string red social security number by name 1 - - token full",
            "acme - parameter cv 3 string email by value 1, phone by part 1 - - token 2, clear 1 clear 1, full 1, word 1",
            "acme - id client.id 3 number string email by value 1 - - clear full",
            "acme - parameter by 1 object email by key 1 - - token word",
            "acme - attribute email 1 string email by name 1 email 9999 token full",
            "acme - parameter by.* 1 number - - - token word",
            "acme - parameter n 1 number - - - clear clear",
        ]
    );
    for value in ["ann@", "bob", "eve", "600", "4111", "1.5"] {
        assert!(!output.contains(value), "{value}");
    }
}

#[test]
fn programs_get_csv_or_json() {
    let bench = bench();
    let (_, output, _) = bench.run(&format!("{INVENTORY} --output csv --by-event"), INPUT);
    let lines: Vec<&str> = output.split("\r\n").collect();
    assert_eq!(lines[0], "workspace,event,on,path,seen,types,found,mark,level,protected,view debug");
    assert_eq!(lines[1], "acme,a,parameter,card number,1,string,red credit card by name 1,,,token,full");
    assert_eq!(lines[2], "acme,b,parameter,ssn,1,string,red social security number by name 1,,,token,full");
    assert!(lines.contains(&"acme,a,parameter,cv,2,string,phone by part 1,,,\"clear 1, token 1\",\"clear 1, full 1\""));

    let (_, output, _) = bench.run(&format!("{INVENTORY} --output json"), INPUT);
    let shown: serde_json::Value = serde_json::from_str(&output).expect("is JSON");
    assert_eq!((shown["records"].as_u64(), &shown["rejected"]), (Some(4), &serde_json::json!({"json_syntax": 1})));
    let email = shown["places"].as_array().expect("places").iter().find(|place| place["path"] == "email");
    assert_eq!(
        email.expect("it is there"),
        &serde_json::json!({
            "workspace": "acme", "event": null, "on": "attribute", "path": "email", "seen": 1, "types": {"string": 1},
            "found": [{"matcher": "email", "risk": "yellow", "by": "name", "count": 1}],
            "mark": {"name": "email", "level": 9999, "values": 1},
            "protected": {"token": 1}, "views": {"debug": {"full": 1}},
        })
    );
}

#[test]
fn marks_are_suggested_for_what_is_not_marked() {
    let bench = bench();
    let (_, output, errors) = bench.run(&format!("{INVENTORY} --output marks"), INPUT);
    let left = "not suggested: id client.id in workspace acme: identifiers have a rule of their own; views mask them without a mark\n";
    assert_eq!(errors, format!("{REJECTED}{left}"));
    let card = "[[mark]] # credit card by name, 1 of 1 values\nworkspace = \"acme\"\non = \"parameter\"\nname = \"card number\"\n\
                domain = \"credit card\"\n\n";
    assert!(output.starts_with(card), "{output}");
    assert!(output.contains("\nname = \"cv\"\n") && !output.contains("attribute"), "{output}");
    // the configuration takes them, and nothing is left to look at
    bench.write("sivcar.toml", &format!("{}{output}", crate::bench::CONFIG));
    let (_, rest, _) = bench.run(&format!("{INVENTORY} --output marks"), INPUT);
    assert_eq!(rest, "");
}

#[test]
fn a_place_is_covered_where_every_finding_is() {
    let bench = bench();
    let config = std::fs::read_to_string(bench.path("sivcar.toml")).expect("it is there");
    let mark = "[[mark]]\nworkspace = \"acme\"\non = \"parameter\"\nname = \"cv\"\nevent = \"a\"\n";
    bench.write("sivcar.toml", &format!("{config}{mark}"));
    let (_, output, _) = bench.run(INVENTORY, INPUT);
    let row = output.lines().find(|line| line.contains(" cv ")).expect("it is there");
    assert!(row.contains("email by value 1, phone by part 1 ") && row.contains(" cv 2 of 3 "), "{row}");
    assert!(output.find(" cv ") < output.find(" attribute "), "{output}");
    let (_, output, _) = bench.run(&format!("{INVENTORY} --output marks"), INPUT);
    assert!(output.contains("\nname = \"cv\"\n"), "{output}");
    // one that stands in parts of texts alone is not suggested to be masked by word; nor is an event that is hidden named
    let hidden = r#"{"workspace":"acme","action":"ann@x.co 1","params":{"cv":"mail ann@x.co"}}"#;
    bench.write("sivcar.toml", &config);
    let (_, output, _) = bench.run(&format!("{INVENTORY} --output marks"), hidden);
    assert!(output.contains("domain = \"email\"") && !output.contains("mask"), "{output}");
    let (_, output, errors) = bench.run(&format!("{INVENTORY} --output marks --by-event"), hidden);
    let left = "not suggested: parameter cv of event * in workspace acme: the event's name may be a value; take the inventory without --by-event\n";
    assert_eq!((output.as_str(), errors.as_str()), ("", left));
    let strange = r#"{"workspace":"acme","params":{"q7-12345":"mail ann@x.co"}}"#;
    let (_, output, errors) = bench.run(&format!("{INVENTORY} --output marks"), strange);
    let left =
        "not suggested: parameter * in workspace acme: a name there may be a value; mark what stands around it\n";
    assert_eq!((output.as_str(), errors.as_str()), ("", left));
}

#[test]
fn what_there_is_no_room_for_is_told() {
    let (code, output, errors) = bench().run(&format!("{INVENTORY} --places 5"), INPUT.replace("none\n", ""));
    assert_eq!((code, output.lines().count()), (0, 2), "{output}");
    assert_eq!(errors, "not listed: 9 values at further places; --places takes more\n");
}

#[test]
fn no_keyset_is_asked_for() {
    let bench = bench();
    std::fs::remove_file(bench.path("keyset.json")).expect("it is there");
    assert_eq!(bench.run(INVENTORY, INPUT).0, 1);
    bench.refused(
        "inventory --config sivcar.toml --source raw.none",
        "--source raw.none: no such source in the configuration; it has raw.events, raw.users",
    );
}
