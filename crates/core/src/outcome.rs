//! The words in which results are told, and the exit code that follows from them.

use serde::{Deserialize, Serialize};

/// How a host ended. Everywhere the same words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostResult {
    /// The change is there and a fresh connection confirmed it.
    Confirmed,
    /// Everything was as wanted; nothing was armed or touched.
    Unchanged,
    /// The old state is back, verified by the target.
    RolledBack,
    /// The undo left something broken: a person is needed.
    RollbackFailed,
    /// Arming was never sent.
    Unreachable,
    /// The host said no before the guard was armed; nothing was changed.
    Refused,
    /// Not wanted in this run.
    Skipped,
    /// The run stopped before its turn.
    NotReached,
    /// The line was lost; the guard is armed and decides by itself.
    Unknown,
}

impl HostResult {
    /// Returns the word used in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Unchanged => "unchanged",
            Self::RolledBack => "rolled_back",
            Self::RollbackFailed => "rollback_failed",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Skipped => "skipped",
            Self::NotReached => "not_reached",
            Self::Unknown => "unknown",
        }
    }

    /// Returns whether the host is as the user wanted it.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Self::Confirmed | Self::Unchanged | Self::Skipped)
    }
}

/// What the checks said after an undo. The word `rolled_back` stays what it is: the old state is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// All that were asked hold.
    Healthy,
    /// One could not be asked to its end.
    Unknown,
    /// One that held before the change, or wasn't asked then, doesn't hold.
    Failing,
}

impl Health {
    /// Returns the health that a word of the target means; none where nothing was asked.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            "yes" => Some(Self::Healthy),
            "no" => Some(Self::Failing),
            "unknown" => Some(Self::Unknown),
            _ => None,
        }
    }
}

/// How the whole run ended; the number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum ExitCode {
    /// All confirmed or unchanged.
    Good = 0,
    /// Some host failed and every one is safe.
    Failed = 1,
    /// Usage, or the fleet file.
    Usage = 2,
    /// A person is needed: `rollback_failed` or `unknown`.
    PersonNeeded = 3,
    /// Only unreachable hosts.
    Unreachable = 4,
    /// A lock is held by somebody else.
    Locked = 5,
    /// Stopped with hosts not reached.
    Stopped = 6,
    /// Interrupted.
    Interrupted = 130,
}

/// One line of the exit code table.
pub const EXIT_CODES: [(ExitCode, &str); 8] = [
    (ExitCode::Good, "every host is confirmed or unchanged"),
    (ExitCode::Failed, "some host failed, and every one is safe: rolled back and verified, or never touched"),
    (ExitCode::Usage, "the command line or the fleet file is wrong; no host was contacted"),
    (
        ExitCode::PersonNeeded,
        "a host is rollback_failed or unknown, a batch is split, or a local change is not closed: a person is needed",
    ),
    (ExitCode::Unreachable, "the only failures are hosts that could not be reached; they were not touched"),
    (ExitCode::Locked, "a host is held by another run; nothing was changed in its batch"),
    (ExitCode::Stopped, "stopped by a threshold or an abort, with hosts not reached"),
    (ExitCode::Interrupted, "interrupted; armed hosts decide by themselves"),
];

/// What the exit code follows from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunFacts {
    /// The user interrupted the run.
    pub interrupted: bool,
    /// A host was refused because somebody else holds its lock.
    pub locked: bool,
    /// A host was refused because an earlier rollback failed there and is still open.
    pub stuck: bool,
    /// Hosts that were to be confirmed together were confirmed in part.
    pub split: bool,
    /// Hosts that were not reached say nothing: the run was to stop there, or was stopped before it changed anything.
    pub rest_is_left: bool,
}

/// Returns the exit code, by the precedence 130 > 3 > 5 > 6 > 1 > 4 > 0 (2 is decided before any host).
#[must_use]
pub fn exit_code(results: &[HostResult], facts: RunFacts) -> ExitCode {
    let any = |wanted: &[HostResult]| results.iter().any(|r| wanted.contains(r));
    if facts.interrupted {
        ExitCode::Interrupted
    } else if facts.stuck || facts.split || any(&[HostResult::RollbackFailed, HostResult::Unknown]) {
        ExitCode::PersonNeeded
    } else if facts.locked {
        ExitCode::Locked
    } else if !facts.rest_is_left && any(&[HostResult::NotReached]) {
        ExitCode::Stopped
    } else if any(&[HostResult::RolledBack, HostResult::Refused]) {
        ExitCode::Failed
    } else if any(&[HostResult::Unreachable]) {
        ExitCode::Unreachable
    } else {
        ExitCode::Good
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use HostResult::*;

    #[test]
    fn the_worst_word_decides() {
        let no = RunFacts::default();
        assert_eq!(exit_code(&[Confirmed, Unchanged, Skipped], no), ExitCode::Good);
        assert_eq!(exit_code(&[Confirmed, Unreachable], no), ExitCode::Unreachable);
        assert_eq!(exit_code(&[RolledBack, Unreachable], no), ExitCode::Failed);
        assert_eq!(exit_code(&[RolledBack, NotReached], no), ExitCode::Stopped);
        assert_eq!(exit_code(&[RollbackFailed, NotReached, RolledBack], no), ExitCode::PersonNeeded);
        assert_eq!(exit_code(&[Unknown, Confirmed], no), ExitCode::PersonNeeded);
        assert_eq!(exit_code(&[Refused], RunFacts { locked: true, ..no }), ExitCode::Locked);
        let left = RunFacts { rest_is_left: true, ..no };
        assert_eq!(exit_code(&[Confirmed, NotReached], left), ExitCode::Good);
        assert_eq!(exit_code(&[Unreachable, NotReached], left), ExitCode::Unreachable);
        assert_eq!(exit_code(&[Refused], RunFacts { stuck: true, ..no }), ExitCode::PersonNeeded);
        let split = RunFacts { split: true, ..no };
        assert_eq!(exit_code(&[Confirmed, RolledBack], split), ExitCode::PersonNeeded);
        assert_eq!(
            exit_code(&[Unknown], RunFacts { interrupted: true, locked: true, ..no }),
            ExitCode::Interrupted
        );
    }
}
