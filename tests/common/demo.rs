//! The demo ends by itself and finds every promise kept.

use assert_cmd::Command;

/// What the demo must have counted, whatever log it ran over.
const PROMISES: [&str; 7] = [
    "one output per input, and one dead letter per broken record: \
     801 events → 800 protected, 800 masked, 1 dead; 40 profiles → 40, 40\n",
    "the same order in the same partitions: 4 partitions compared\n",
    "no marked value in clear in any output: 73640 places looked at, 0 found\n",
    "people see no ids and no raw keys: 800 of 800 ids masked, 0 raw keys\n",
    "equal values have equal tokens, and each opens to its own: 800 tokens of 40 people, 0 wrong\n",
    "everyone who has a telephone number is told of once, and written anew: \
     40 profile.updated for 40 profiles, 40 open to their own\n",
    "a mark made live holds from its policy version on: 0 of 400 sealed before, 400 of 400 after\n",
];

/// Runs the demo and holds what it prints against the promises.
pub fn keeps_its_promises(arguments: &[&str]) {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_sivcar"));
    let output = demo.arg("demo").args(arguments).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}\n{errors}");
    assert_eq!(text.matches("\n  ok  ").count(), PROMISES.len(), "{text}");
    for promise in PROMISES {
        assert!(text.contains(&format!("\n  ok  {promise}")), "{promise}\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "no colours where there is no terminal");
}
