//! What the world can tell about a host.

use serde::{Deserialize, Serialize};

/// What was heard. Named for what happened, not for what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// The host's turn came.
    Start,
    /// The run starts no more hosts (Ctrl-C, a threshold, an answer of no).
    Halt,
    /// A person or a selector left the host out.
    LeaveOut,
    /// A connection is open.
    Connected,
    /// Every way in failed.
    ConnectFailed,
    /// The target would change something.
    InspectedDiffers,
    /// The target has everything already.
    InspectedSame,
    /// Go: `begin` is being sent.
    Go,
    /// The target said no, and that nothing is armed.
    TargetRefused,
    /// The target says its guard is armed and read back.
    TargetArmed,
    /// The target says its first change has started.
    TargetApplying,
    /// The target says apply has ended.
    TargetApplied,
    /// The target says apply, settling and remote checks have passed, or that those that are red wait for a person.
    TargetReady,
    /// The target says it is undoing.
    TargetRollingBack,
    /// The target says the change stays and that this is carried out.
    TargetConfirmed,
    /// The target says the old state is back and verified.
    TargetRolledBack,
    /// The target says its undo left something broken.
    TargetRollbackFailed,
    /// The target says it knows of no such transaction, or dropped it before arming.
    TargetUntouched,
    /// Every required local check passed.
    LocalChecksPassed,
    /// A required local check failed.
    LocalChecksFailed,
    /// Nothing more is waited for: it may be confirmed.
    Cleared,
    /// It isn't to be confirmed, though nothing is wrong with it: another host of its batch has failed.
    CalledOff,
    /// The confirmation came back as done, over a fresh connection.
    ConfirmedFresh,
    /// The confirmation could not be delivered, or was refused, or its answer was lost.
    ConfirmFailed,
    /// The line was lost.
    Lost,
    /// By the controller's clock the guard must have fired.
    DeadlinePassed,
    /// Asking was given up after the guard's undo must have been over.
    GaveUp,
}

/// Every input.
pub const ALL: [Input; 27] = [
    Input::Start,
    Input::Halt,
    Input::LeaveOut,
    Input::Connected,
    Input::ConnectFailed,
    Input::InspectedDiffers,
    Input::InspectedSame,
    Input::Go,
    Input::TargetRefused,
    Input::TargetArmed,
    Input::TargetApplying,
    Input::TargetApplied,
    Input::TargetReady,
    Input::TargetRollingBack,
    Input::TargetConfirmed,
    Input::TargetRolledBack,
    Input::TargetRollbackFailed,
    Input::TargetUntouched,
    Input::LocalChecksPassed,
    Input::LocalChecksFailed,
    Input::Cleared,
    Input::CalledOff,
    Input::ConfirmedFresh,
    Input::ConfirmFailed,
    Input::Lost,
    Input::DeadlinePassed,
    Input::GaveUp,
];

impl Input {
    /// Returns the name used in documents and messages.
    #[must_use]
    pub fn word(self) -> String {
        format!("{self:?}")
    }
}
