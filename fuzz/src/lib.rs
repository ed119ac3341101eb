//! What the fuzz targets share: how bytes become an input, and the predicates of the property tests.
//!
//! `cargo +nightly fuzz run scan` (without a nightly compiler: `RUSTC_BOOTSTRAP=1 cargo fuzz run scan`).

#[path = "../../tests/common/checks.rs"]
pub mod checks;
#[path = "../../tests/common/reference.rs"]
pub mod reference;

use sivcar::privacy::scan::Limits;

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
