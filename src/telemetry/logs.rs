//! The log: lines for people or JSON for machines, on standard error.
//!
//! What is shown is decided by a filter in the manner of `RUST_LOG`. Deliberately not here: files, rotation, shipping; whoever
//! runs the process has its standard error.

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged where nobody says otherwise.
const DEFAULT_FILTER: &str = "info";

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object per line.
    Json,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LogError {
    /// The filter is not of `RUST_LOG`'s grammar.
    #[error("log filter cannot be read: {0}; write it as \"info\" or \"warn,sivcar=debug\"")]
    Filter(String),
    /// A log was started before.
    #[error("the log was started twice")]
    Twice,
}

/// Starts the process's log. `filter` is of `RUST_LOG`'s grammar; where it is `None`, the variable `RUST_LOG` decides, and
/// `info` where that is not set either.
///
/// # Errors
/// [`LogError`] for a filter that cannot be read, and for a second start.
pub fn start_logs(format: LogFormat, filter: Option<&str>) -> Result<(), LogError> {
    let variable = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let filter = filter.or(variable.as_deref()).unwrap_or(DEFAULT_FILTER);
    subscriber(format, filter, std::io::stderr)?.try_init().map_err(|_| LogError::Twice)
}

fn subscriber<W>(format: LogFormat, filter: &str, writer: W) -> Result<Box<dyn Subscriber + Send + Sync>, LogError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter).map_err(|error| LogError::Filter(error.to_string()))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    Ok(match format {
        LogFormat::Text => Box::new(lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).finish()),
        LogFormat::Json => Box::new(lines.json().flatten_event(true).with_current_span(false).finish()),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What was logged.
    #[derive(Clone, Default)]
    pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no test panics while it writes").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The log of what `act` does.
    pub(crate) fn logged(format: LogFormat, filter: &str, act: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(format, filter, move || writer.clone()).expect("the filter is well formed");
        tracing::subscriber::with_default(subscriber, act);
        let bytes = lines.0.lock().expect("no test panics while it writes").clone();
        String::from_utf8(bytes).expect("logs are text")
    }

    #[test]
    fn json_is_one_object_per_line() {
        let text = logged(LogFormat::Json, "info", || {
            tracing::info!(version = 7, "policy in force");
            tracing::debug!("not shown");
            tracing::warn!(reason = "two\nlines", "aborted");
        });
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0]["level"].as_str(), lines[0]["version"].as_u64()), (Some("INFO"), Some(7)));
        assert_eq!(lines[0]["message"].as_str(), Some("policy in force"));
        assert_eq!(lines[1]["reason"].as_str(), Some("two\nlines"));
        assert!(lines[0]["timestamp"].is_string());
    }

    #[test]
    fn text_follows_the_filter() {
        let text = logged(LogFormat::Text, "warn,sivcar::telemetry=debug", || {
            tracing::debug!(count = 3, "shown");
            tracing::info!(target: "elsewhere", "hidden");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("shown") && text.contains("count=3"), "{text}");
    }

    #[test]
    fn a_bad_filter_is_refused() {
        let error = subscriber(LogFormat::Text, "sivcar=loud", std::io::stderr).map(|_| ()).expect_err("no such level");
        assert!(error.to_string().starts_with("log filter cannot be read: "), "{error}");
    }
}
