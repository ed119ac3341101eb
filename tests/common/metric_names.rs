//! The metrics that a text names.

use std::collections::BTreeSet;

use sivcar::telemetry::METRICS;

/// Those in `text` that are none of sivcar's.
pub fn unknown(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| word.starts_with("sivcar_"));
    let names = words.map(|word| {
        // the series of a histogram
        let stem = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| word.strip_suffix(suffix));
        stem.filter(|stem| METRICS.iter().any(|row| row.kind == "histogram" && row.name == *stem)).unwrap_or(word)
    });
    names.filter(|name| !METRICS.iter().any(|row| row.name == *name)).collect()
}

#[test]
fn a_name_is_known_by_the_table() {
    let text = "rate(sivcar_commit_seconds_bucket[5m]) sivcar_records_total{a=\"b\"} sivcar_records_total_sum sivcar_x";
    assert_eq!(unknown(text), BTreeSet::from(["sivcar_records_total_sum", "sivcar_x"]));
}
