//! The places a host can be in.

use crate::outcome::HostResult;
use serde::{Deserialize, Serialize};

/// Where a host is, seen from the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its turn hasn't come.
    Pending,
    /// The first connection is being opened.
    Connecting,
    /// The target looks at itself.
    Inspecting,
    /// Its plan is known; nobody has said go.
    Planned,
    /// `begin` was sent: from here on the target may be armed.
    Beginning,
    /// The target says its guard is armed.
    Armed,
    /// The first change may have started.
    Applying,
    /// Apply ended; the target settles and checks, the controller checks too.
    Checking,
    /// The target is ready; local checks still run.
    TargetReady,
    /// Local checks passed; the target still checks.
    LocalPassed,
    /// Everything has passed; it waits until it may be confirmed.
    Passed,
    /// The fresh connection is being opened, or its answer awaited.
    Confirming,
    /// The host is being undone, on its own or the controller's word.
    RollingBack,
    /// The controller doesn't know, and asks.
    Asking,
    /// Final.
    Finished(HostResult),
}

/// Every state, finals last.
pub const ALL: [State; 23] = [
    State::Pending,
    State::Connecting,
    State::Inspecting,
    State::Planned,
    State::Beginning,
    State::Armed,
    State::Applying,
    State::Checking,
    State::TargetReady,
    State::LocalPassed,
    State::Passed,
    State::Confirming,
    State::RollingBack,
    State::Asking,
    State::Finished(HostResult::Confirmed),
    State::Finished(HostResult::Unchanged),
    State::Finished(HostResult::RolledBack),
    State::Finished(HostResult::RollbackFailed),
    State::Finished(HostResult::Unreachable),
    State::Finished(HostResult::Refused),
    State::Finished(HostResult::Skipped),
    State::Finished(HostResult::NotReached),
    State::Finished(HostResult::Unknown),
];

impl State {
    /// Returns whether nothing more can happen.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Finished(_))
    }

    /// Returns whether the target may be armed, so that only the target can say what became of it.
    #[must_use]
    pub fn may_be_armed(self) -> bool {
        !self.is_final()
            && !matches!(self, Self::Pending | Self::Connecting | Self::Inspecting | Self::Planned)
    }

    /// Returns whether the host goes on by itself, so that its journal is followed.
    #[must_use]
    pub fn is_followed(self) -> bool {
        matches!(
            self,
            Self::Beginning
                | Self::Armed
                | Self::Applying
                | Self::Checking
                | Self::TargetReady
                | Self::LocalPassed
        )
    }

    /// Returns the word used in documents and messages.
    #[must_use]
    pub fn word(self) -> String {
        match self {
            Self::Pending => "pending".to_owned(),
            Self::Connecting => "connecting".to_owned(),
            Self::Inspecting => "inspecting".to_owned(),
            Self::Planned => "planned".to_owned(),
            Self::Beginning => "beginning".to_owned(),
            Self::Armed => "armed".to_owned(),
            Self::Applying => "applying".to_owned(),
            Self::Checking => "checking".to_owned(),
            Self::TargetReady => "target_ready".to_owned(),
            Self::LocalPassed => "local_passed".to_owned(),
            Self::Passed => "passed".to_owned(),
            Self::Confirming => "confirming".to_owned(),
            Self::RollingBack => "rolling_back".to_owned(),
            Self::Asking => "asking".to_owned(),
            Self::Finished(result) => format!("**{}**", result.word()),
        }
    }
}
