//! What is told of a host: its state now, and what to do next.

use super::Verdict;
use snapback_core::host::HostName;
use snapback_core::job::RunSpec;
use snapback_core::outcome::{Health, HostResult};

/// The three things that a failure must say.
pub(crate) struct Told {
    pub(crate) cause: String,
    pub(crate) state: String,
    pub(crate) next: String,
    pub(crate) health: Option<Health>,
    pub(crate) failing: Vec<String>,
}

impl Verdict {
    pub(crate) fn tell(&self, result: HostResult, host: &HostName, spec: &RunSpec) -> Told {
        let (state, next) = match result {
            _ if self.after.is_some() => self.after.clone().unwrap_or_default(),
            HostResult::Confirmed => (self.confirmed_state(), String::new()),
            HostResult::Unchanged => (String::from("as wanted already; untouched"), String::new()),
            HostResult::Skipped if self.left_out => (
                format!("untouched: it was left out, since it could not be reached: {}", self.cause),
                String::new(),
            ),
            HostResult::Skipped => (String::from("untouched"), String::new()),
            HostResult::NotReached => (String::from("untouched"), self.hint.clone()),
            HostResult::RolledBack => (self.rolled_back_state(), self.after_rollback(host)),
            HostResult::RollbackFailed => (
                format!("NOT as before: {}", self.broken_items()),
                format!("look at {host}, mend it, then: deploy rollback --limit {host}"),
            ),
            HostResult::Unreachable => (String::from("untouched: nothing was sent to it"), self.hint.clone()),
            HostResult::Refused => (String::from("untouched: nothing was armed"), self.hint.clone()),
            HostResult::Unknown => (
                format!(
                    "not read back. If it still runs, its guard has undone run {} by now or will at its next boot; if the confirmation arrived, the change stays",
                    spec.run
                ),
                format!("deploy status --limit {host}"),
            ),
        };
        let (state, next) = self.with_left_here(state, next, spec);
        let good = result.is_good();
        let undone = result == HostResult::RolledBack;
        Told {
            cause: if good { String::new() } else { self.cause.clone() },
            state,
            next,
            health: self.health.filter(|_| undone),
            failing: if undone { self.failing.clone() } else { Vec::new() },
        }
    }

    fn confirmed_state(&self) -> String {
        let state = String::from("the change is in place and confirmed");
        if self.despite.is_empty() { state } else { format!("{state} despite {}", self.despite.join("; ")) }
    }

    fn with_left_here(&self, state: String, next: String, spec: &RunSpec) -> (String, String) {
        if self.left_here.is_empty() {
            return (state, next);
        }
        let then = format!("deploy abort {}", spec.run);
        let next = if next.is_empty() { then } else { format!("{next}; then: {then}") };
        (format!("{state}\non the controller: {}", self.left_here.join("; ")), next)
    }

    fn rolled_back_state(&self) -> String {
        let mut text = String::from("the old state is back, verified on the host");
        if self.late_ms > 0 {
            text.push_str(&format!(" (the guard fired {} ms after its deadline)", self.late_ms));
        }
        if !self.stays.is_empty() {
            text.push_str(&format!("; what {} did can't be undone and stays", self.stays.join(", ")));
        }
        if !self.stays_here.is_empty() {
            text.push_str(&format!(
                "; made on the controller, and not undone: {}",
                self.stays_here.join(", ")
            ));
        }
        match self.health {
            Some(Health::Healthy) => text.push_str("; its checks pass"),
            Some(Health::Failing) => {
                text.push_str(&format!("\nSTILL FAILING with the old state: {}", self.failing.join("; ")));
            }
            Some(Health::Unknown) => text.push_str("; whether its checks pass is not known"),
            None => {}
        }
        text
    }

    fn after_rollback(&self, host: &HostName) -> String {
        if self.hint.is_empty() && self.left_here.is_empty() {
            format!("deploy logs {host}\nmend the cause, then: deploy retry")
        } else {
            self.hint.clone()
        }
    }

    fn broken_items(&self) -> String {
        if self.broken.is_empty() { "see `deploy status`".to_owned() } else { self.broken.join("; ") }
    }
}
