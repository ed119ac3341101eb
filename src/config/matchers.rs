//! The `[[matcher]]` sections, beside the default matchers.
//!
//! Always holds: patterns are compiled here, once, and refused where they are wrong or too large. Deliberately not here: what they find.

use super::build::{RECORD_BYTES_MAX, at, number, wrong};
use super::file::{self, File};
use super::substitute::Problem;
use crate::privacy::mask::Mask;
use crate::privacy::matcher::{Custom, Matcher, Matchers, Risk};
use crate::privacy::settings::{LEVEL_MAX, is_domain};

/// A finding names its matcher by a number of 16 bits.
const MATCHERS_MAX: usize = 1_000;

/// The default matchers and those of the file.
pub(super) fn matchers(file: &File) -> Result<Matchers, Problem> {
    let mut custom: Vec<Custom> = Vec::new();
    for written in &file.matcher {
        let matcher = matcher(written)?;
        if custom.iter().any(|other| other.matcher.name == matcher.name) {
            return wrong(&written.name, format!("matcher {:?} is configured twice", matcher.name));
        }
        if custom.len() == MATCHERS_MAX {
            return wrong(&written.name, format!("there are more than {MATCHERS_MAX} matchers"));
        }
        if written.texts.is_empty() {
            return wrong(&written.name, "texts is empty; list at least one".to_owned());
        }
        let texts: Vec<String> = written.texts.iter().map(|text| text.get_ref().clone()).collect();
        let built = Custom::new(matcher, written.on, written.looking, &texts);
        let problem =
            |(index, what): (usize, String)| (written.texts[index].span(), format!("text {:?} {what}", texts[index]));
        custom.push(built.map_err(problem)?);
    }
    Ok(Matchers::new(custom, number("detection-bytes", &file.limits.detection_bytes, 1..=RECORD_BYTES_MAX)?))
}

fn matcher(written: &file::Matcher) -> Result<Matcher, Problem> {
    let name = at(&written.name, |name| match is_domain(name) {
        true => Ok(name.clone()),
        false => Err("name must be 1–256 bytes without control characters".to_owned()),
    })?;
    let mask = written.mask.as_ref().map_or(Mask::Full, |mask| *mask.get_ref());
    match &written.mask {
        Some(asked) if written.risk == Risk::Red && mask > Mask::Full => {
            wrong(asked, "a red matcher's mask is \"full\" or \"drop\"".to_owned())
        }
        _ => Ok(Matcher {
            name,
            risk: written.risk,
            mask,
            level: number("level", &written.level, 0..=LEVEL_MAX.into())?,
        }),
    }
}
