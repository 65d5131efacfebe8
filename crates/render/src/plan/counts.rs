//! How much a plan would do, in numbers.

use super::deed::{Deed, deeds};
use super::script::is_irreversible;
use super::{HostPlan, PlanView};
use crate::quantity::{count, grouped};
use snapback_core::change::{Change, ChangeKind};
use snapback_core::inspection::ChangeInspection;
use std::fmt;

/// What a plan would do, counted over all hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanCounts {
    /// Hosts that would change.
    pub changing: usize,
    /// Hosts that are as wanted.
    pub unchanged: usize,
    /// Hosts that could not be looked at.
    pub unread: usize,
    /// Hosts that an open transaction holds; they are also among the others.
    pub locked: usize,
    /// Hosts that differ and are protected, so that nothing will be changed on them.
    pub protected: usize,
    /// Paths that would be created.
    pub create: usize,
    /// Paths whose content, target, mode or owner would change.
    pub change: usize,
    /// Paths whose type would change; what is there goes away.
    pub replace: usize,
    /// Paths that would be deleted.
    pub delete: usize,
    /// Scripts that would run.
    pub scripts: usize,
    /// Of these, the ones that can't be undone in full.
    pub irreversible: usize,
    /// Handlers that would run.
    pub handlers: usize,
}

impl PlanView<'_> {
    /// Counts what the plan would do.
    #[must_use]
    pub fn counts(&self) -> PlanCounts {
        let mut counts = PlanCounts::default();
        for plan in &self.hosts {
            counts.add_host(plan);
        }
        counts
    }
}

impl PlanCounts {
    fn add_host(&mut self, plan: &HostPlan<'_>) {
        self.locked += usize::from(plan.locked().is_some());
        match plan.found {
            Err(_) => self.unread += 1,
            Ok(inspection) if inspection.is_unchanged() => self.unchanged += 1,
            Ok(_) if plan.is_protected() => self.protected += 1,
            Ok(inspection) => {
                self.changing += 1;
                self.scripts += plan.job.local.len();
                self.irreversible += plan.job.local.iter().filter(|c| c.rollback.is_none()).count();
                for (change, found) in plan.job.changes.iter().zip(&inspection.changes) {
                    self.add_change(change, found);
                }
            }
        }
    }

    fn add_change(&mut self, change: &Change, found: &ChangeInspection) {
        if !found.would_change() {
            return;
        }
        match &change.kind {
            ChangeKind::Files(files) => {
                self.handlers += files.handlers.len();
                for deed in deeds(files, found) {
                    *self.number_of(deed) += 1;
                }
            }
            ChangeKind::Revert(_) => {
                let ChangeInspection::Revert(found) = found else { return };
                let removed = found.paths.iter().filter(|path| path.remove).count();
                self.delete += removed;
                self.change += found.paths.len() - removed;
                self.scripts += found.scripts.len();
                self.handlers += found.handlers.len();
            }
            ChangeKind::Script(script) => {
                self.scripts += 1;
                self.irreversible += usize::from(script.irreversible || is_irreversible(script));
            }
        }
    }

    fn number_of(&mut self, deed: Deed<'_>) -> &mut usize {
        match deed {
            Deed::Create(_) => &mut self.create,
            Deed::Change(..) | Deed::Stray(_) => &mut self.change,
            Deed::Replace(..) => &mut self.replace,
            Deed::Delete(_) => &mut self.delete,
        }
    }
}

impl fmt::Display for PlanCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.changing == 0 {
            f.write_str("no changes")?;
        } else {
            let verb = if self.changing == 1 { "changes" } else { "change" };
            write!(f, "{} {verb}", count(self.changing, "host"))?;
        }
        let hosts = [
            (self.unchanged, "unchanged"),
            (self.protected, "PROTECTED"),
            (self.locked, "LOCKED"),
            (self.unread, "could not be looked at"),
        ];
        for (number, word) in hosts.into_iter().filter(|(n, _)| *n > 0) {
            write!(f, ", {} {word}", grouped(number))?;
        }
        let deeds = [
            (self.create, "to create"),
            (self.change, "to change"),
            (self.replace, "to REPLACE"),
            (self.delete, "to DELETE"),
        ];
        let mut parts: Vec<_> = deeds
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, word)| format!("{} {word}", count(*n, "path")))
            .collect();
        parts.extend((self.scripts > 0).then(|| count(self.scripts, "script")));
        parts.extend((self.irreversible > 0).then(|| format!("{} IRREVERSIBLE", grouped(self.irreversible))));
        parts.extend((self.handlers > 0).then(|| format!("{} to RUN", count(self.handlers, "handler"))));
        if parts.is_empty() { Ok(()) } else { write!(f, "; over all hosts {}", parts.join(", ")) }
    }
}
