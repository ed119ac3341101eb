//! When marks became newly effective: the versions that every profile must answer, each once.
//!
//! A mark on an attribute is newly effective at the version that made it, or that brought its workspace into `enforced`, whichever is
//! later; and again when the settings of its domain change, or the workspace is to be sealed anew. Always holds: outside `enforced` there are none, and none lies beyond the
//! policy's version. Marks for one event concern no profile. Deliberately not here: which profiles hold the attribute.

use super::control::Table;
use super::mark::{EVERYWHERE, On, Protect};
use super::policy::{Applying, domain_settings};
use super::settings::Stage;

/// A moment at which one mark became newly effective.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The policy version since which.
    pub since: u64,
    /// The mark's index in the workspace's rules.
    pub mark: u32,
    /// The mark's path as written.
    pub name: String,
    /// When that was, as the maker of the mark or of the stage wrote it.
    pub at: Option<String>,
}

/// The moments of all `marks`, which hold in `workspace`, by `since`.
pub(super) fn effective(workspace: &str, stage: Stage, marks: &[Applying], table: &Table) -> Vec<Effective> {
    let mut moments = Vec::new();
    if stage != Stage::Enforced {
        return moments;
    }
    let entered = table.stages.get(workspace).map(|stage| (stage.since.unwrap_or_default(), &stage.at));
    for (index, (key, mark, path)) in (0u32..).zip(marks) {
        if key.on != On::Attribute || key.event.is_some() {
            continue;
        }
        let made = (mark.since.unwrap_or_default(), &mark.at);
        let (base, at) = entered.filter(|entered| entered.0 > made.0).unwrap_or(made);
        let moment = |since, at| Effective { since, mark: index, name: key.name.clone(), at };
        moments.push(moment(base, at.clone()));
        let domain = mark.domain.clone().unwrap_or_else(|| path.keys());
        let changed = domain_settings(workspace, &domain, table).and_then(|domain| domain.since);
        let later = changed.into_iter().chain(resealed(workspace, table)).filter(|since| *since > base);
        moments.extend(later.map(|since| moment(since, None)));
    }
    moments.retain(|moment| moment.since <= table.version);
    moments.sort_by_key(|moment| moment.since); // stable: the most specific first
    moments
}

/// Since when record keys are protected, by whichever mark came first, and the last moment at which headers came to be; 0: never.
pub(super) fn around(workspace: &str, stage: Stage, marks: &[Applying], table: &Table) -> (u64, u64) {
    let entered = table.stages.get(workspace).and_then(|stage| stage.since).unwrap_or_default();
    let since = |place: On| {
        let those = marks.iter().filter(move |(key, mark, _)| key.on == place && mark.protect != Protect::None);
        let moments = those.map(move |(_, mark, _)| entered.max(mark.since.unwrap_or_default()));
        moments.filter(|since| stage == Stage::Enforced && *since <= table.version)
    };
    (since(On::Key).min().unwrap_or_default(), since(On::Header).max().unwrap_or_default())
}

/// Since when all that `workspace` sealed is to be sealed anew, where it was asked for it or for every workspace.
pub(super) fn resealed(workspace: &str, table: &Table) -> Option<u64> {
    let asked = [workspace, EVERYWHERE].map(|name| table.reseals.get(name).copied());
    asked.into_iter().flatten().filter(|since| *since <= table.version).max()
}

#[cfg(test)]
mod tests;
