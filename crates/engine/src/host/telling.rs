//! Telling what was heard of a host, as events.

use super::{Errand, HostTask};
use snapback_agent::journal::Entry;
use snapback_core::event::{CheckStatus, EventKind};

impl HostTask {
    /// Tells the host's end, once.
    pub(crate) fn tell_end(&self) {
        if self.errand == Errand::GoBack {
            return;
        }
        if let Some(end) = self.end() {
            self.tell(end);
        }
    }

    /// Returns the host's end, if it has come.
    pub(crate) fn end(&self) -> Option<EventKind> {
        if !self.state.is_final() {
            return None;
        }
        let result = self.result();
        let told = self.verdict.tell(result, &self.job.host, &self.spec);
        Some(EventKind::HostFinished {
            result,
            cause: told.cause,
            state: told.state,
            next: told.next,
            health: told.health,
            failing: told.failing,
        })
    }

    /// Tells a line of the journal.
    pub(super) fn tell_entry(&self, entry: &Entry) {
        let kind = match entry.clone() {
            Entry::Armed { backend, hook, apply_timeout, window, .. } => {
                EventKind::GuardArmed { backend, boot_hook: hook, apply_timeout, window }
            }
            Entry::ChangeStarted { n } => EventKind::ChangeStarted { index: n, name: self.change_name(n) },
            Entry::ChangeFinished { n, ms } => {
                EventKind::ChangeFinished { index: n, name: self.change_name(n), ms }
            }
            Entry::Output { step, line } => EventKind::Output { step, line },
            Entry::Applied { left } => EventKind::Applied { left },
            Entry::Check { n, status, detail } => self.check_event(n, &status, detail),
            Entry::Recheck { n, status, detail } => self.recheck_event(n, &status, detail),
            Entry::Ready { left } => EventKind::Ready { left },
            Entry::Extended { by, left } => EventKind::Extended { by, left },
            Entry::RollingBack { cause } => EventKind::RollbackStarted { cause },
            Entry::UndoItem { ok, text } => undo_item(ok, &text),
            Entry::UndoAgain { text } | Entry::Warning { text } => EventKind::Warning { text },
            Entry::Applying
            | Entry::RolledBack { .. }
            | Entry::RollbackFailed { .. }
            | Entry::Despite { .. }
            | Entry::Confirmed
            | Entry::Discarded => return,
        };
        self.tell(kind);
    }

    fn change_name(&self, n: usize) -> String {
        self.job.changes.get(n).map_or_else(|| format!("change {n}"), |c| c.name.clone())
    }

    fn check_event(&self, n: usize, status: &str, detail: String) -> EventKind {
        let (check, required) = self.remote_check_named(n);
        let status = status_of(status);
        match self.errand {
            Errand::Change => EventKind::CheckFinished { check, status, detail, required },
            // There it vetoes nothing, and counts for the host's health.
            Errand::GoBack => EventKind::CheckedAgain { check, status, detail, required: true },
        }
    }

    fn recheck_event(&self, n: usize, status: &str, detail: String) -> EventKind {
        let (check, required) = self.remote_check_named(n);
        EventKind::CheckedAgain { check, status: status_of(status), detail, required }
    }

    /// The name of a remote check, and whether it could veto.
    pub(super) fn remote_check_named(&self, n: usize) -> (String, bool) {
        match self.remote_check(n) {
            Some(check) => (check.name.clone(), check.required),
            None => (format!("check {n}"), true),
        }
    }
}

pub(super) fn status_of(word: &str) -> CheckStatus {
    match word {
        "passed" => CheckStatus::Passed,
        "failed" => CheckStatus::Failed,
        "red_before" => CheckStatus::RedBefore,
        _ => CheckStatus::Error,
    }
}

/// An item's line is its name, and behind a colon what is wrong with it.
fn undo_item(ok: bool, text: &str) -> EventKind {
    let (item, detail) = text.split_once(": ").unwrap_or((text, ""));
    EventKind::UndoItem { item: item.to_owned(), ok, detail: detail.to_owned() }
}
