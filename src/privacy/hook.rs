//! Hooks: expressions in CEL that raise the level of a marked or detected value, and never lower it.
//!
//! A hook is asked once per distinct variable (workspace, source, event, place, path, matcher), never per value, and its answer is
//! remembered in a table of bounded size. It gives an integer from 0 to 9999; whatever else comes of it (another kind of value, an error)
//! means 9999, and one that asks for no variable and gives none is refused. Always holds: an expression is small, its comprehensions are not nested and it calls only functions that are known here, so that
//! it ends soon whatever an event is called, and gives the same answer each time. Deliberately not here: values; a hook sees none.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::fmt::Write;
use std::sync::Arc;

use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use cel::parser::PrattParser;
use cel::{Context, Env, Value};

use super::automaton::key_name;
use super::settings::{Case, LEVEL_MAX};
use super::sighting::{Keys, STRANGE};

/// The variables of an expression.
const VARIABLES: [&str; 6] = ["workspace", "source", "event", "on", "path", "matcher"];
/// The functions that it may call; operators are CEL's own.
const FUNCTIONS: [&str; 12] =
    ["size", "contains", "startsWith", "endsWith", "matches", "string", "int", "uint", "bool", "double", "dyn", "type"];
/// The most bytes of an expression.
const TEXT_BYTES_MAX: usize = 1_000;
/// The most nodes of its syntax tree, and how deep it may be: evaluation is recursive and takes some 40 KiB of stack per level.
const NODES_MAX: usize = 200;
const DEPTH_MAX: usize = 20;
/// The longest variable that is shown to a hook, and the most of all together with their lengths, in bytes. For more the answer is 9999:
/// it could not be remembered, and would be asked for value by value.
const VARIABLE_BYTES_MAX: usize = 1_024;
/// The longest key that is shown to a hook as it is, in bytes.
const KEY_BYTES_MAX: usize = 64;
/// How many answers each of the two generations holds.
const ANSWERS_MAX: usize = 4_096;
/// About how many findings of one record hooks are asked. Of more the answer is 9999: where they stand is made up by whoever writes records, so
/// that each could be another question.
const FINDINGS_MAX: u32 = 1_000;

/// All hooks of a process.
pub struct Hooks {
    hooks: Vec<Hook>,
    environment: Arc<Env>,
}

struct Hook {
    name: String,
    expression: IdedExpr,
}

/// What a hook is asked about: something that has a level, wherever its values stand.
#[derive(Clone, Copy, Debug)]
pub struct Variable<'a> {
    /// `attribute`, `parameter`, `field`, `header` or `key`.
    pub on: &'a str,
    /// The mark's path as written, or where detection found something.
    pub path: &'a str,
    /// The matcher that found it; empty for a mark.
    pub matcher: &'a str,
}

/// What was answered. Two generations: what is asked for stays, what nobody asks for goes, however many names are made up.
#[derive(Default)]
pub struct Answers {
    young: HashMap<Box<str>, u16>,
    old: HashMap<Box<str>, u16>,
    key: String,
}

/// Whoever asks on behalf of one record.
pub enum Asked<'a> {
    /// There are no hooks.
    Nobody,
    /// The record has no document that could name its event: the answer is 9999.
    Untold,
    /// The hooks, about this record.
    Hooks {
        /// The hooks.
        hooks: &'a Hooks,
        /// What they answered before.
        answers: &'a RefCell<Answers>,
        /// The record's workspace.
        workspace: &'a str,
        /// Its source's topic.
        source: &'a str,
        /// Its event's name as names are compared; empty where it has none.
        event: &'a str,
        /// How many findings of the record may yet be asked about.
        left: Cell<u32>,
    },
}

impl Default for Hooks {
    fn default() -> Self {
        Self { hooks: Vec::new(), environment: Arc::new(Env::stdlib()) }
    }
}

impl Hooks {
    /// Adds the hook `name`, whose level is what the expression gives.
    ///
    /// # Errors
    /// A text that says what is wrong with the expression.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), String> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("the expression has more than {TEXT_BYTES_MAX} bytes"));
        }
        let parser = PrattParser::new().max_recursion_depth(24).max_expression_node_count(NODES_MAX);
        let expression = parser.parse(text).map_err(|errors| {
            let first = errors.errors.first().map_or_else(String::new, |error| error.msg.clone());
            format!("the expression cannot be read: {first}")
        })?;
        check(&expression, &VARIABLES, DEPTH_MAX)?;
        let spoken = expression.references();
        let constant = !VARIABLES.iter().any(|name| spoken.has_variable(name));
        if constant && level(&expression, &Context::with_env(self.environment.clone())).is_none() {
            return Err(format!(
                "the expression gives no level, an integer from 0 to {LEVEL_MAX}, whatever it is asked about"
            ));
        }
        self.hooks.push(Hook { name: name.to_owned(), expression });
        Ok(())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.hooks.is_empty()
    }

    /// For a record of this event; see [`Hooks::event`].
    pub fn asked<'a>(
        &'a self,
        answers: &'a RefCell<Answers>,
        workspace: &'a str,
        source: &'a str,
        event: &'a str,
    ) -> Asked<'a> {
        if self.is_empty() {
            return Asked::Nobody;
        }
        Asked::Hooks { hooks: self, answers, workspace, source, event, left: Cell::new(FINDINGS_MAX) }
    }

    /// For a record without a document.
    pub fn untold(&self) -> Asked<'static> {
        if self.is_empty() { Asked::Nobody } else { Asked::Untold }
    }

    /// An event's name as hooks are shown it: as names are compared. Without hooks nobody looks.
    pub fn event(&self, case: Case, name: Option<&str>) -> String {
        if self.is_empty() { String::new() } else { name.map_or_else(String::new, |name| key_name(case, name)) }
    }

    /// The highest level that a hook gives.
    fn ask(&self, workspace: &str, source: &str, event: &str, variable: &Variable) -> u16 {
        let Variable { on, path, matcher } = *variable;
        let values = [workspace, source, event, on, path, matcher];
        if values.iter().any(|value| value.len() > VARIABLE_BYTES_MAX) {
            return LEVEL_MAX;
        }
        let mut context = Context::with_env(self.environment.clone());
        for (name, value) in VARIABLES.into_iter().zip(values) {
            context.add_variable_from_value(name, value);
        }
        let levels = self.hooks.iter().map(|hook| level(&hook.expression, &context).unwrap_or(LEVEL_MAX));
        levels.max().unwrap_or(0)
    }
}

impl Asked<'_> {
    /// `level` of a finding of `matcher` at `path`, or what the hooks raise it to; its path is made only if they are asked.
    pub fn raised_finding(&self, level: u16, on: &str, path: impl FnOnce() -> String, matcher: &str) -> u16 {
        match self {
            _ if level == LEVEL_MAX => level,
            Asked::Nobody => level,
            Asked::Untold => LEVEL_MAX,
            Asked::Hooks { left, .. } if left.get() == 0 => LEVEL_MAX,
            Asked::Hooks { left, .. } => {
                left.set(left.get() - 1);
                self.raised(level, &Variable { on, path: &path(), matcher })
            }
        }
    }

    /// `level`, or what the hooks raise it to.
    pub fn raised(&self, level: u16, variable: &Variable) -> u16 {
        match self {
            _ if level == LEVEL_MAX => level,
            Asked::Nobody => level,
            Asked::Untold => LEVEL_MAX,
            Asked::Hooks { hooks, answers, workspace, source, event, left: _ } => {
                let ask = || hooks.ask(workspace, source, event, variable);
                level.max(answers.borrow_mut().get(&[workspace, source, event], variable, ask))
            }
        }
    }
}

impl Answers {
    /// What was answered before, or is now.
    fn get(&mut self, record: &[&str; 3], variable: &Variable, ask: impl FnOnce() -> u16) -> u16 {
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        for part in record.iter().chain(&[variable.on, variable.path, variable.matcher]) {
            // each with its length, so that two variables never have one key
            let _ = write!(key, "{}:{part}", part.len());
        }
        if key.len() > VARIABLE_BYTES_MAX {
            self.key = key;
            return LEVEL_MAX;
        }
        let known = self.young.get(key.as_str()).copied();
        let answer = known.unwrap_or_else(|| {
            let answer = self.old.get(key.as_str()).copied().unwrap_or_else(ask);
            if self.young.len() >= ANSWERS_MAX {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(key.as_str().into(), answer);
            answer
        });
        self.key = key;
        answer
    }
}

/// Where something stands, for a hook: the keys from the root as names are compared, joined by dots, without arrays. A key that is no plain
/// name is [`STRANGE`].
pub fn path(keys: &Keys, case: Case) -> String {
    let mut path = String::new();
    for key in keys {
        let plain = key.len() <= KEY_BYTES_MAX && !key.iter().any(|byte| byte.is_ascii_control() || *byte == b'.');
        let key = std::str::from_utf8(key).ok().filter(|_| plain).map(|key| key_name(case, key));
        let dot = if path.is_empty() { "" } else { "." };
        path.extend([dot, key.as_deref().unwrap_or(STRANGE)]);
    }
    path
}

/// The level that an expression gives, if it gives one.
fn level(expression: &IdedExpr, context: &Context) -> Option<u16> {
    let level = match Value::resolve(expression, context) {
        Ok(Value::Int(level)) => u16::try_from(level).ok(),
        Ok(Value::UInt(level)) => u16::try_from(level).ok(),
        _ => None,
    };
    level.filter(|level| *level <= LEVEL_MAX)
}

/// Refuses what is too deep, what loops within loops, and names that are not known.
fn check(expression: &IdedExpr, known: &[&str], depth: usize) -> Result<(), String> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(format!("the expression is nested deeper than {DEPTH_MAX}"));
    };
    let all = |mut parts: &mut dyn Iterator<Item = &IdedExpr>| {
        Iterator::try_for_each(&mut parts, |part| check(part, known, depth))
    };
    match &expression.expr {
        Expr::Unspecified | Expr::Literal(_) => Ok(()),
        Expr::Ident(name) if known.contains(&name.as_str()) => Ok(()),
        Expr::Ident(name) => Err(format!("{name:?} is no variable; known are {}", VARIABLES.join(", "))),
        Expr::Call(call) => {
            let name = call.func_name.as_str();
            let operator = name.contains(['_', '@', '!']);
            if !operator && !FUNCTIONS.contains(&name) {
                return Err(format!("{name:?} is no function; known are {}", FUNCTIONS.join(", ")));
            }
            // a pattern of whoever names events could be a large one
            if name == "matches" && !matches!(call.args.last().map(|pattern| &pattern.expr), Some(Expr::Literal(_))) {
                return Err("the pattern of \"matches\" is no literal".to_owned());
            }
            all(&mut call.target.as_deref().into_iter().chain(&call.args))
        }
        Expr::List(list) => all(&mut list.elements.iter()),
        Expr::Select(select) => check(&select.operand, known, depth),
        Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => all(&mut [&entry.key, &entry.value].into_iter()),
            EntryExpr::StructField(field) => check(&field.value, known, depth),
        }),
        Expr::Struct(_) => Err("the expression makes a message, which there is none of".to_owned()),
        Expr::Comprehension(_) if known.len() > VARIABLES.len() => {
            Err("the expression has a comprehension within another".to_owned())
        }
        Expr::Comprehension(inner) => {
            let own =
                [inner.iter_var.as_str(), inner.accu_var.as_str(), inner.iter_var2.as_deref().unwrap_or_default()];
            let known: Vec<&str> = known.iter().copied().chain(own).collect();
            let parts = [&inner.iter_range, &inner.accu_init, &inner.loop_cond, &inner.loop_step, &inner.result];
            parts.into_iter().try_for_each(|part| check(part, &known, depth))
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.hooks.iter().map(|hook| &hook.name)).finish()
    }
}

#[cfg(test)]
mod tests;
