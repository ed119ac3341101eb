//! Environment variables inside string values: `${NAME}`.
//!
//! It acts on the parsed document, so a variable's value is text and nothing else: it cannot close a string, add a key or
//! name another variable. Only values are looked at, never keys. A `$` that no `{` follows is an ordinary character (`$` is a
//! path). In front of `{`, `$$` stands for one `$`. Always holds: what was put in is remembered, by place and by value, so that
//! it can be kept out of errors and of the effective configuration.

use std::ffi::OsString;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::secret::Secret;

/// Where and what was put in.
#[derive(Clone, Debug, Default)]
pub(super) struct Substituted {
    /// The places whose text came, wholly or in part, from the environment: keys and indices from the root.
    pub places: Vec<Vec<String>>,
    /// Name and value of each variable taken.
    taken: Vec<(String, Secret<String>)>,
}

/// What is wrong, and where.
pub(super) type Problem = (Range<usize>, String);

/// Puts environment variables into every string value of `root`.
pub(super) fn substitute(
    root: &mut DeTable,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Substituted, Problem> {
    let mut walk = Walk { environment, place: Vec::new(), done: Substituted::default() };
    walk.table(root)?;
    // the longest first: a value that holds another is hidden whole
    walk.done.taken.sort_by_key(|(_, value)| std::cmp::Reverse(value.expose().len()));
    Ok(walk.done)
}

impl Substituted {
    /// `text` with every value that was taken replaced by its variable's name, as it stands and as a quoted text shows it; and what
    /// it quotes of such a value.
    pub fn hide(&self, text: String) -> String {
        let taken = || self.taken.iter().filter(|(_, value)| !value.expose().is_empty());
        let whole = taken().fold(text, |text, (name, value)| {
            let shown = format!("${{{name}}}");
            let quoted = format!("{:?}", value.expose());
            text.replace(value.expose().as_str(), &shown).replace(&quoted[1..quoted.len() - 1], &shown)
        });
        let part = |(index, part): (usize, &str)| {
            let of = taken().find(|(_, value)| index % 2 == 1 && !part.is_empty() && value.expose().contains(part));
            of.map_or_else(|| part.to_owned(), |(name, _)| format!("${{{name}}}"))
        };
        whole.split('"').enumerate().map(part).collect::<Vec<_>>().join("\"")
    }
}

struct Walk<'a> {
    environment: &'a dyn Fn(&str) -> Option<OsString>,
    place: Vec<String>,
    done: Substituted,
}

impl Walk<'_> {
    fn table(&mut self, table: &mut DeTable) -> Result<(), Problem> {
        for (key, value) in table.iter_mut() {
            self.place.push(key.get_ref().to_string());
            let span = value.span();
            self.value(value.get_mut(), span)?;
            self.place.pop();
        }
        Ok(())
    }

    /// Recursion is bounded: the parser refuses deep nesting.
    fn value(&mut self, value: &mut DeValue, span: Range<usize>) -> Result<(), Problem> {
        match value {
            DeValue::String(text) if text.contains("${") => {
                let before = self.done.taken.len();
                *text = self.text(text).map_err(|what| (span, what))?.into();
                if self.done.taken.len() > before {
                    self.done.places.push(self.place.clone());
                }
            }
            DeValue::Array(array) => {
                for (index, element) in array.iter_mut().enumerate() {
                    self.place.push(index.to_string());
                    let span = element.span();
                    self.value(element.get_mut(), span)?;
                    self.place.pop();
                }
            }
            DeValue::Table(table) => self.table(table)?,
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(brace) = rest.find("${") {
            let dollars = rest[..=brace].bytes().rev().take_while(|byte| *byte == b'$').count();
            out.push_str(&rest[..brace + 1 - dollars]);
            out.extend(std::iter::repeat_n('$', dollars / 2));
            rest = &rest[brace + 2..];
            if dollars % 2 == 0 {
                out.push('{');
                continue;
            }
            let name = rest.find('}').map(|end| &rest[..end]).filter(|name| is_variable(name));
            let name =
                name.ok_or("\"${\" begins a variable, as ${NAME}; write \"$${\" for the characters themselves")?;
            out.push_str(&self.variable(name)?);
            rest = &rest[name.len() + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    fn variable(&mut self, name: &str) -> Result<String, String> {
        let value = (self.environment)(name).ok_or_else(|| format!("environment variable {name} is not set"))?;
        let value = value.into_string().map_err(|_| format!("environment variable {name} is not UTF-8"))?;
        self.done.taken.push((name.to_owned(), Secret::new(value.clone())));
        Ok(value)
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<String, String> {
        let environment = |name: &str| match name {
            "A" => Some("alpha".into()),
            "TRICK" => Some("\"\ngroup = \"${A}".into()),
            _ => None,
        };
        Walk { environment: &environment, place: Vec::new(), done: Substituted::default() }.text(text)
    }

    #[test]
    fn variables_and_dollars() {
        for (text, becomes) in [
            ("$", "$"),
            ("$.a", "$.a"),
            ("$$", "$$"),
            ("a$b{c}", "a$b{c}"),
            ("${A}", "alpha"),
            ("<${A}${A}>", "<alphaalpha>"),
            ("$${A}", "${A}"),
            ("$$${A}", "$alpha"),
            ("$$$${A}", "$${A}"),
            ("$ ${A}$", "$ alpha$"),
            ("${TRICK}", "\"\ngroup = \"${A}"),
        ] {
            assert_eq!(one(text).as_deref(), Ok(becomes), "{text}");
        }
    }

    #[test]
    fn what_is_no_variable_is_refused() {
        let begins = "\"${\" begins a variable, as ${NAME}; write \"$${\" for the characters themselves";
        for (text, error) in [
            ("${", begins),
            ("${A", begins),
            ("${}", begins),
            ("${1A}", begins),
            ("${A-B}", begins),
            ("${B}", "environment variable B is not set"),
        ] {
            assert_eq!(one(text).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn values_are_hidden_as_they_stand_and_quoted() {
        let hidden = Substituted {
            places: Vec::new(),
            taken: vec![("A".to_owned(), Secret::new("x\"y".to_owned())), ("E".to_owned(), Secret::new(String::new()))],
        };
        assert_eq!(hidden.hide(format!("raw x\"y, quoted {:?}", "x\"y")), "raw ${A}, quoted \"${A}\"");
        assert_eq!(
            hidden.hide("a part \"y\", \"\" is none of it, nor is y".to_owned()),
            "a part \"${A}\", \"\" is none of it, nor is y"
        );
    }
}
