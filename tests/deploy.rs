//! What stands in deploy/ is what it says: checked by the tools that will read it, and Prometheus by a sivcar that runs.
//!
//! No engine runs containers here: the compose file is held against its schema and against what it mounts, never started.

#[path = "deploy/alerts.rs"]
mod alerts;
#[path = "deploy/files.rs"]
mod files;
#[path = "common/metric_names.rs"]
mod metric_names;
#[path = "common/patience.rs"]
mod patience;
#[path = "deploy/scrape.rs"]
mod scrape;
#[path = "deploy/tools.rs"]
mod tools;
#[path = "interop/workshop.rs"]
#[allow(dead_code)] // its other half compares tokens
mod workshop;
