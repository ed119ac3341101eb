//! Figures: ratios of what one run measured, printed as rows of a table that `./dev bench` collects.

use std::time::Duration;

/// A number from the environment.
pub fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(default, |text| text.replace('_', "").parse().expect("a number"))
}

/// Whether this is a run by `cargo bench`; `cargo test --benches` has nothing to do here.
pub fn is_wanted() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// The value in the middle.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value below which this part of all lie.
pub fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1).expect("something was measured");
    sorted[(last as f64 * part).round() as usize]
}

/// Prints a figure: the median of the rounds' ratios and their range.
pub fn row(figure: &str, ratios: &[f64], against: &str) {
    let (least, most) = (quantile(ratios, 0.0), quantile(ratios, 1.0));
    let range = if ratios.len() > 1 { format!(" ({least:.2} – {most:.2})") } else { String::new() };
    println!("| {figure} | {:.2}{range} | {against} |", median(ratios));
}

/// The resident memory of a process, in bytes.
pub fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let from_kernel = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    let kilobytes = match from_kernel {
        Some(kilobytes) => kilobytes.to_owned(),
        // no /proc: macOS
        None => {
            let output = std::process::Command::new("ps").args(["-o", "rss=", "-p", &pid.to_string()]).output();
            String::from_utf8(output.expect("ps runs").stdout).expect("is text")
        }
    };
    kilobytes.trim().parse::<f64>().expect("a number of kilobytes") * 1024.0
}

/// The processor time that a process has taken so far, of all its threads; `None` where the system does not tell (`proc(5)`).
pub fn processor(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // after the name in parentheses come fields 3 and on; 14 and 15 are user and system time in hundredths
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis(10 * (ticks()? + ticks()?)))
}
