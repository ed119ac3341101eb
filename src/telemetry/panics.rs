//! Panics without their payload, which may quote a value.

use std::panic::{self, PanicHookInfo};

/// From now on a panic of any thread logs where it happened, and never what it said.
pub fn hide_panics() {
    panic::set_hook(Box::new(report));
}

fn report(info: &PanicHookInfo<'_>) {
    let location = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    if tracing::dispatcher::has_been_set() {
        tracing::error!(location, thread, "panicked; this is a bug");
    } else {
        // before the log is started there is only standard error
        eprintln!("panicked at {location} (thread {thread}); this is a bug");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::LogFormat;
    use crate::telemetry::logs::tests::logged;

    #[test]
    fn a_panic_tells_its_place_only() {
        // the hook is the whole process's: the tests' own comes back at once
        let before = panic::take_hook();
        hide_panics();
        let text = logged(LogFormat::Json, "error", || {
            let caught = panic::catch_unwind(|| panic!("{}", "canary-4711"));
            assert!(caught.is_err());
        });
        panic::set_hook(before);
        assert!(text.contains("panics.rs:") && text.contains("panicked"), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
}
