//! What the fuzz targets share: how bytes become an input, and the predicates of the property tests.
//!
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none scan`: any compiler does, and no sanitizer, under which librdkafka does not link.

#[path = "../../tests/common/around.rs"]
pub mod around;
#[path = "../../tests/common/canary.rs"]
pub mod canary;
#[path = "../../tests/common/checks.rs"]
pub mod checks;
#[path = "../../tests/common/expected.rs"]
pub mod expected;
#[path = "../../tests/common/fixed.rs"]
pub mod fixed;
#[path = "../../tests/common/pipeline.rs"]
pub mod pipeline;
#[path = "../../tests/common/reading.rs"]
pub mod reading;
#[path = "../../tests/common/reference.rs"]
pub mod reference;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use sivcar::privacy::scan::Limits;
use sivcar::record::Record;

/// The scanner against the reference, under the default limits and under ones so small that each is met.
pub fn scan(data: &[u8]) {
    checks::scan_agrees(data, &Limits::default());
    if let [depth, string, text @ ..] = data {
        let limits =
            Limits { depth: usize::from(depth % 8), record_bytes: 200, string_bytes: usize::from(string % 16) };
        checks::scan_agrees(text, &limits);
    }
}

/// The path grammar against itself.
pub fn path(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        checks::path_round_trips(text);
    }
}

/// A document through the pipeline, under one of the fixed policies: accepted where the oracle accepts it, every byte as the rules
/// say, and no marked value under any reading.
pub fn protect(data: &[u8]) {
    thread_local! {
        static PIPELINES: RefCell<HashMap<u8, Rc<pipeline::Pipeline>>> = RefCell::default();
    }
    let [world, value @ ..] = data else { return };
    let world = world % fixed::WORLDS;
    let pipeline = PIPELINES.with_borrow_mut(|pipelines| {
        Rc::clone(pipelines.entry(world).or_insert_with(|| {
            let (settings, table) = fixed::world(world.into());
            Rc::new(pipeline::Pipeline::new(settings, table, fixed::keyring()))
        }))
    });
    let record = Record { key: Some(Vec::new()), value: Some(value.to_vec()), ..Record::default() };
    pipeline.writes_what_the_rules_say(&record);
    pipeline.leaks_nothing(&record);
    pipeline.reveals(&record);
}

/// A keyset's text.
pub fn keyset(data: &[u8]) {
    checks::keyset_round_trips(data);
}

/// A token's text, and bytes that become one.
pub fn token(data: &[u8]) {
    checks::token_round_trips(data);
    if let Ok(text) = std::str::from_utf8(data) {
        checks::token_has_one_text(text);
        checks::token_has_one_text(&format!("siv:{text}"));
    }
}

/// A signed token with some of its bytes replaced, a text that may be one, and a set of keys.
pub fn jwt(data: &[u8]) {
    if let [high, low, edit @ ..] = data {
        checks::jwt_is_the_issuers(u16::from_be_bytes([*high, *low]).into(), edit);
    }
    checks::jwks_accept_nothing_else(data);
}

/// A control record: a line with its key, or the number of a usual one, then its value.
pub fn control(data: &[u8]) {
    const KEYS: [&str; 4] = [
        r#"{"kind":"mark","name":"email","on":"attribute","workspace":"acme"}"#,
        r#"{"kind":"domain","name":"email","workspace":"acme"}"#,
        r#"{"kind":"stage","workspace":"acme"}"#,
        r#"{"kind":"incarnation"}"#,
    ];
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return };
    let (key, value) = (&data[..end], &data[end + 1..]);
    let key = match key {
        [digit @ b'0'..=b'3'] => KEYS[usize::from(digit - b'0')].as_bytes(),
        key => key,
    };
    checks::control_is_taken_or_refused(7, key, value);
}
