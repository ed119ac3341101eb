//! Numbers, durations and names: the small grammars of the file, each with its range.

use std::ops::RangeInclusive;
use std::time::Duration;

/// `number` as a `T`, where it is in `range`.
pub(super) fn in_range<T: TryFrom<i64>>(key: &str, number: i64, range: RangeInclusive<i64>) -> Result<T, String> {
    let error = || format!("{key} must be {}–{}", range.start(), range.end());
    if !range.contains(&number) {
        return Err(error());
    }
    T::try_from(number).map_err(|_| error())
}

/// A duration: a whole number and its unit, `ms`, `s`, `m` or `h`, without space.
pub(crate) fn duration(key: &str, text: &str, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    let error = || format!("{key} must be a whole number and a unit (ms, s, m or h), as \"100ms\" or \"30s\"");
    let digits = text.len() - text.trim_start_matches(|char: char| char.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().map_err(|_| error())?;
    let unit = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(error()),
    };
    let duration = Duration::from_millis(number.saturating_mul(unit));
    if range.contains(&duration) {
        Ok(duration)
    } else {
        Err(format!("{key} must be {:?}–{:?}", range.start(), range.end()))
    }
}

/// Whether Kafka takes `name` for a topic.
pub(super) fn topic(key: &str, name: &str) -> Result<(), String> {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    if (1..=249).contains(&name.len()) && letters && name != "." && name != ".." {
        Ok(())
    } else {
        Err(format!("{key} must be a topic's name: 1–249 letters, digits, '.', '_' or '-'"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let all = Duration::ZERO..=Duration::MAX;
        for (text, millis) in [("0ms", 0), ("100ms", 100), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000)] {
            assert_eq!(duration("time", text, all.clone()), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "1", "s", "1 s", "-1s", "1.5s", "1d", "1S", "99999999999999999999ms", "²s", "１s"] {
            assert_eq!(
                duration("time", text, all.clone()),
                Err("time must be a whole number and a unit (ms, s, m or h), as \"100ms\" or \"30s\"".to_owned()),
                "{text}"
            );
        }
        let short = Duration::from_millis(1)..=Duration::from_millis(2_500);
        assert_eq!(duration("time", "1m", short), Err("time must be 1ms–2.5s".to_owned()));
    }

    #[test]
    fn topics() {
        for name in ["a", "A.b-c_9", &"x".repeat(249)] {
            assert_eq!(topic("topic", name), Ok(()), "{name}");
        }
        for name in ["", ".", "..", "a b", "ä", "a/b", &"x".repeat(250)] {
            assert!(topic("topic", name).is_err(), "{name}");
        }
    }
}
