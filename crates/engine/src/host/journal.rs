//! What the journal of a host says, and what each entry means here.

use super::telling::status_of;
use super::{Errand, HostTask};
use crate::verdict::Verdict;
use snapback_agent::answer::Answer;
use snapback_agent::journal::Entry;
use snapback_core::change::ChangeKind;
use snapback_core::check::{Check, Where};
use snapback_core::lease::Holder;
use snapback_core::lifecycle::{Input, State};
use std::time::Duration;

/// How the guard begins to say that the window ended (`agent-scripts/verb/supervise.sh`).
const UNCONFIRMED: &str = "not confirmed within ";

impl HostTask {
    pub(super) fn take_answer(&mut self, answer: Answer) {
        match answer {
            // Two lines may be heard for a moment, and each tells it.
            Answer::Journal(line, entry) if line <= self.heard && !entry.is_last() => {
                tracing::debug!(host = %self.job.host, line, ?entry, "told again");
            }
            Answer::Journal(line, entry) => {
                self.heard = self.heard.max(line);
                self.take_entry(entry);
            }
            Answer::Pending(pending) => self.blocked_by = Some(pending),
            Answer::Lease(lease) => self.holder = Some(Holder::Lease(lease)),
            Answer::Refused { reason, text } => {
                self.verdict = match self.holder.take().filter(|_| reason == "leased") {
                    Some(holder) => Verdict::held(&holder),
                    None => Verdict::refused(&reason, &text, self.blocked_by.as_ref()),
                };
                self.hear(Input::TargetRefused);
            }
            Answer::Error(text) => {
                self.verdict = Verdict::agent_error(&text);
                self.hear(Input::Lost);
            }
            Answer::Untouched(text) => self.take_untouched(&text),
            _ => {}
        }
    }

    /// A bake must not undo for what was red before.
    fn note_red_before(&mut self, n: usize, detail: String) {
        if let Some(name) = self.remote_check(n).map(|check| check.name.clone()) {
            self.red_before.insert(name, detail);
        }
    }

    fn note_irreversible(&mut self, n: usize) {
        let job = self.job.clone();
        if let Some(change) = job.changes.get(n)
            && let ChangeKind::Script(script) = &change.kind
            && script.rollback.is_none()
            && script.watch.is_empty()
        {
            self.verdict.stays(&change.name);
        }
    }

    /// A host that said `armed` and now knows of nothing has lost its record, and what was changed may still be there.
    pub(super) fn take_untouched(&mut self, text: &str) {
        self.verdict.because(text);
        match (self.deadline, self.state) {
            (None, _) => self.hear(Input::TargetUntouched),
            (Some(_), State::Asking | State::RollingBack) => {
                self.verdict.lost_record();
                self.hear(Input::GaveUp);
            }
            (Some(_), _) => self.hear(Input::DeadlinePassed),
        }
    }

    fn take_entry(&mut self, entry: Entry) {
        self.tell_entry(&entry);
        match entry {
            Entry::Armed { apply_timeout, undo, .. } => {
                self.undo_told = Duration::from_secs(undo);
                self.undoes_in(apply_timeout);
                self.unleased();
                self.hear(Input::TargetArmed);
            }
            Entry::Applying => self.hear(Input::TargetApplying),
            Entry::Applied { left } => {
                self.undoes_in(left);
                self.hear(Input::TargetApplied);
            }
            Entry::Extended { left, .. } => self.undoes_in(left),
            Entry::ChangeStarted { n } => self.note_irreversible(n),
            Entry::Check { n, status, detail } if status == "red_before" => self.note_red_before(n, detail),
            Entry::Check { n, status, detail } if self.errand == Errand::GoBack => {
                let (name, _) = self.remote_check_named(n);
                self.take_check_back(&name, status_of(&status), &detail);
            }
            Entry::Check { n, status, detail } if status != "passed" && self.red_waits() => {
                let (check, required) = self.remote_check_named(n);
                if required {
                    self.red_there(check, status_of(&status), &detail);
                }
            }
            Entry::Ready { .. } => self.hear(Input::TargetReady),
            Entry::RollingBack { cause } => {
                // The host's clock may be a moment ahead of ours; what it can't know is what we waited for.
                if cause.starts_with(UNCONFIRMED) {
                    self.because_too_late();
                }
                self.verdict.because(&cause);
                self.hear(Input::TargetRollingBack);
            }
            Entry::Recheck { n, status, detail } => self.take_recheck(n, &status, &detail),
            Entry::RolledBack { late_ms, health, cause } => {
                self.verdict.rolled_back(late_ms, &cause);
                self.verdict.health(health);
                self.hear(Input::TargetRolledBack);
            }
            Entry::RollbackFailed { cause } => {
                self.verdict.because(&cause);
                self.hear(Input::TargetRollbackFailed);
            }
            Entry::Despite { text } => self.confirmed_despite(&text),
            Entry::Confirmed => self.hear(Input::TargetConfirmed),
            Entry::Discarded => self.take_untouched("it was dropped before anything was armed"),
            Entry::UndoAgain { .. } => self.verdict.tried_again(),
            Entry::UndoItem { ok: false, text } => self.verdict.broken(&text),
            _ => {}
        }
    }

    /// The remote checks of the job, in the order in which the target numbers them.
    pub(super) fn remote_check(&self, n: usize) -> Option<&Check> {
        self.job.checks.iter().filter(|c| c.runs == Where::Remote).nth(n)
    }
}
