//! What a failure also undoes of what the run has confirmed.

use super::{Budget, Ending};
use serde::{Deserialize, Serialize};

/// `rollback_scope`: what a failure that stops the run undoes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollbackScope {
    /// The failed host alone.
    #[default]
    Host,
    /// Also what the run has confirmed in the batch of the failed host.
    Batch,
    /// Also all that the run has confirmed.
    Run,
}

impl RollbackScope {
    /// Returns whether a host of one batch is undone for a failure in another one; batches are told by their numbers.
    #[must_use]
    pub fn covers(self, failed_in: usize, batch: usize) -> bool {
        match self {
            Self::Host => false,
            Self::Batch => failed_in == batch,
            Self::Run => true,
        }
    }
}

/// Returns whether a run that ended so was stopped by failures: only that undoes what it has confirmed. A person's
/// abort, an interrupt or a gate that nobody came to says nothing against the change.
#[must_use]
pub fn is_stopped_by_failures(ending: Ending, budget: Budget, failures: usize) -> bool {
    match ending {
        Ending::OverBudget | Ending::OverBudgetBeforeStart | Ending::NoProgress => {
            budget.is_exceeded(failures)
        }
        Ending::Complete
        | Ending::AsAsked
        | Ending::Aborted
        | Ending::GateTimedOut
        | Ending::Interrupted
        | Ending::Held
        | Ending::PreDeployFailed => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_covers_its_own_hosts() {
        let covered = |scope: RollbackScope| [1, 2, 3].map(|batch| scope.covers(2, batch));
        assert_eq!(covered(RollbackScope::Host), [false, false, false]);
        assert_eq!(covered(RollbackScope::Batch), [false, true, false]);
        assert_eq!(covered(RollbackScope::Run), [true, true, true]);
    }

    #[test]
    fn only_failures_beyond_the_budget_undo() {
        let stopped = |ending, failures| is_stopped_by_failures(ending, Budget::AtMost(1), failures);
        assert!(stopped(Ending::OverBudget, 2));
        assert!(stopped(Ending::NoProgress, 2));
        assert!(!stopped(Ending::NoProgress, 1), "hosts that were only slow say nothing against the change");
        for ending in [Ending::Aborted, Ending::Interrupted, Ending::GateTimedOut, Ending::AsAsked] {
            assert!(!stopped(ending, 2), "{ending:?}");
        }
    }
}
