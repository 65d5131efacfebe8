//! What is told of a host at its end: why, what state it is in now, and what to do next.

mod told;
mod why;

use snapback_core::event::CheckStatus;
use snapback_core::outcome::Health;

/// What is known of why a host ends as it does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    cause: String,
    hint: String,
    blocked: Blocked,
    late_ms: u64,
    broken: Vec<String>,
    /// Changes that nothing can undo.
    stays: Vec<String>,
    /// Changes on the controller that going back leaves as they are.
    stays_here: Vec<String>,
    /// What the checks said after the undo, the worst of it, and those that failed.
    health: Option<Health>,
    failing: Vec<String>,
    /// Required checks that it was confirmed despite, and why they were red.
    despite: Vec<String>,
    /// It could not be reached, and such hosts are left out.
    left_out: bool,
    /// Another host of its batch has failed, and nothing was wrong with it.
    called_off: bool,
    /// What is neither undone nor finished on the controller.
    left_here: Vec<String>,
    /// Its state and what to do next, where a confirmed host wasn't undone and the usual words don't fit.
    after: Option<(String, String)>,
}

/// Whether another transaction is in the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Blocked {
    /// No.
    #[default]
    No,
    /// Somebody's transaction is under way.
    ByLock,
    /// A rollback failed there, and nobody has looked at it yet.
    ByFailedRollback,
}

impl Verdict {
    pub(crate) fn is_called_off(&self) -> bool {
        self.called_off
    }

    pub(crate) fn is_stuck(&self) -> bool {
        self.blocked == Blocked::ByFailedRollback || !self.left_here.is_empty()
    }

    /// A local change is neither undone nor finished.
    pub(crate) fn left_here(&mut self, text: &str) {
        self.left_here.push(text.to_owned());
    }

    pub(crate) fn is_lock(&self) -> bool {
        self.blocked == Blocked::ByLock
    }

    pub(crate) fn hint(&self) -> &str {
        &self.hint
    }

    pub(crate) fn cause(&self) -> &str {
        &self.cause
    }

    /// Keeps the first cause: what came later followed from it.
    pub(crate) fn because(&mut self, cause: &str) {
        if self.cause.is_empty() {
            cause.clone_into(&mut self.cause);
        }
    }

    /// Why it could not be confirmed: the first reason says most, the guard's own words later say less.
    pub(crate) fn unconfirmed(&mut self, reason: &str) {
        if self.cause.is_empty() {
            self.cause = format!("no fresh connection could confirm it: {reason}");
        }
    }

    /// A line got in, and what the change has taken away keeps the host from being confirmed.
    pub(crate) fn lacks(&mut self, text: &str) {
        self.because(&format!("the host denied the confirmation: {text}"));
        "leave it there, or bring another one in the same change, then: deploy retry"
            .clone_into(&mut self.hint);
    }

    pub(crate) fn rolled_back(&mut self, late_ms: u64, cause: &str) {
        self.late_ms = late_ms;
        self.because(cause);
    }

    /// Takes what some of the checks said after the undo; the worst counts.
    pub(crate) fn health(&mut self, health: Option<Health>) {
        self.health = self.health.max(health);
    }

    /// A check fails with the old state as well.
    pub(crate) fn failing(&mut self, check: &str, status: CheckStatus, detail: &str) {
        self.failing.push(format!("check '{check}' {}: {detail}", status.word()));
    }

    /// A change that can't be undone has begun.
    pub(crate) fn stays(&mut self, change: &str) {
        self.stays.push(format!("'{change}'"));
    }

    /// The same, with changes on the controller that going back has left as they are.
    pub(crate) fn leaving_here(self, changes: Vec<String>) -> Self {
        Self { stays_here: changes, ..self }
    }

    /// A person has confirmed it despite a check.
    pub(crate) fn despite(&mut self, told: &str) {
        self.despite.push(told.to_owned());
    }

    pub(crate) fn broken(&mut self, item: &str) {
        self.broken.push(item.to_owned());
    }

    /// What was broken may have been mended since.
    pub(crate) fn tried_again(&mut self) {
        self.broken.clear();
    }

    /// The host said that it was armed, and has forgotten it.
    pub(crate) fn lost_record(&mut self) {
        self.cause =
            format!("the host has lost its record of the run, so nothing undid it there ({})", self.cause);
    }

    pub(crate) fn unread(&mut self) {
        self.because("the line was lost and the host could not be asked again");
    }

    /// It could not be reached, and such hosts are left out.
    pub(crate) fn left_out(&mut self) {
        self.left_out = true;
    }

    /// The same, with its state and what to do next in words of their own.
    pub(crate) fn with(self, state: String, next: String) -> Self {
        Self { after: Some((state, next)), ..self }
    }

    /// The same, for this cause.
    pub(crate) fn for_cause(self, cause: &str) -> Self {
        Self { cause: cause.to_owned(), ..self }
    }
}
