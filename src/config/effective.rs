//! What holds, as TOML: the file's form with its defaults, without its secrets.
//!
//! Always holds: a text that came from the environment, wholly or in part, is `***`, and so is every librdkafka property whose
//! name says that it holds a secret, whatever its letters' case.

use toml::{Table, Value};

use super::file::File;

/// What stands for a secret.
const HIDDEN: &str = "***";

/// Parts of the names of librdkafka properties whose values are secrets.
const SECRET: [&str; 8] =
    ["password", "passphrase", "secret", "key.pem", "sasl.jaas", "token", "credential", "sasl.oauthbearer.config"];

/// `file` as TOML, with the texts at `places` hidden.
pub(super) fn render(file: &File, places: &[Vec<String>]) -> Result<String, String> {
    let error = |_| "the effective configuration cannot be written".to_owned();
    let mut root = Table::try_from(file).map_err(error)?;
    if let Some(kafka) = root.get_mut("kafka") {
        hide_properties(kafka);
    }
    root.iter_mut().for_each(|(_, value)| escape(value));
    for place in places {
        if let Some((first, rest)) = place.split_first()
            && let Some(value) = root.get_mut(first)
        {
            hide(value, rest);
        }
    }
    toml::to_string(&root).map_err(error)
}

/// Doubles each `$` in front of `{`, so that what is read back is no variable.
fn escape(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("${") => {
            let mut out = String::with_capacity(text.len() + 1);
            let mut dollars = 0;
            for char in text.chars() {
                out.extend(std::iter::repeat_n('$', if char == '{' { dollars } else { 0 }));
                dollars = if char == '$' { dollars + 1 } else { 0 };
                out.push(char);
            }
            *text = out;
        }
        Value::Array(array) => array.iter_mut().for_each(escape),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| escape(value)),
        _ => {}
    }
}

fn hide(value: &mut Value, place: &[String]) {
    let inner = match (place.split_first(), &mut *value) {
        (None, _) => {
            *value = Value::String(HIDDEN.to_owned());
            return;
        }
        (Some((key, rest)), Value::Table(table)) => table.get_mut(key).map(|inner| (inner, rest)),
        (Some((index, rest)), Value::Array(array)) => {
            index.parse().ok().and_then(|index: usize| array.get_mut(index)).map(|inner| (inner, rest))
        }
        _ => None,
    };
    if let Some((inner, rest)) = inner {
        hide(inner, rest);
    }
}

fn hide_properties(kafka: &mut Value) {
    let Value::Table(kafka) = kafka else { return };
    for (name, value) in kafka.iter_mut() {
        let name = name.to_ascii_lowercase();
        if value.is_table() {
            hide_properties(value);
        } else if SECRET.iter().any(|part| name.contains(part)) {
            *value = Value::String(HIDDEN.to_owned());
        }
    }
}
