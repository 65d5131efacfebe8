//! Where a transaction stands on the target, in the target's own words.

use serde::{Deserialize, Serialize};

/// The state of a transaction, as its files on the target's disk say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetState {
    /// The host is locked; nothing is armed, nothing is changed.
    Locked,
    /// The guard is armed; nothing is changed yet.
    Armed,
    /// The first change may have started.
    Applying,
    /// Apply has ended; settling and remote checks run.
    Applied,
    /// The target's own word that a confirmation may come.
    Ready,
    /// Confirming was decided; what it has to do isn't finished.
    Confirming,
    /// Undoing was decided; it isn't finished.
    RollingBack,
    /// Ended: the change stays.
    Confirmed,
    /// Ended: the old state is back and verified.
    RolledBack,
    /// The undo ran and left something broken. Stays open.
    RollbackFailed,
    /// Ended before the guard was armed: nothing was changed.
    Discarded,
}

/// All states, in the order of the table.
pub const ALL: [TargetState; 11] = [
    TargetState::Locked,
    TargetState::Armed,
    TargetState::Applying,
    TargetState::Applied,
    TargetState::Ready,
    TargetState::Confirming,
    TargetState::RollingBack,
    TargetState::Confirmed,
    TargetState::RolledBack,
    TargetState::RollbackFailed,
    TargetState::Discarded,
];

impl TargetState {
    /// Returns the word used on the wire and in `status`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Locked => "locked",
            Self::Armed => "armed",
            Self::Applying => "applying",
            Self::Applied => "applied",
            Self::Ready => "ready",
            Self::Confirming => "confirming",
            Self::RollingBack => "rolling_back",
            Self::Confirmed => "confirmed",
            Self::RolledBack => "rolled_back",
            Self::RollbackFailed => "rollback_failed",
            Self::Discarded => "discarded",
        }
    }

    /// Returns the state of a word, if it is one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        ALL.into_iter().find(|s| s.word() == word)
    }

    /// Returns the states that may follow directly. The shell's `state_moves` prints the same table.
    #[must_use]
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::Locked => &[Self::Armed, Self::Discarded],
            Self::Armed => &[Self::Applying, Self::RollingBack],
            Self::Applying => &[Self::Applied, Self::RollingBack],
            Self::Applied => &[Self::Ready, Self::RollingBack],
            Self::Ready => &[Self::Confirming, Self::RollingBack],
            Self::Confirming => &[Self::Confirmed],
            Self::RollingBack => &[Self::RolledBack, Self::RollbackFailed],
            Self::RollbackFailed => &[Self::RollingBack],
            Self::Confirmed | Self::RolledBack | Self::Discarded => &[],
        }
    }

    /// Returns whether the transaction is over and its lock free.
    #[must_use]
    pub fn is_done(self) -> bool {
        self.next().is_empty()
    }
}

/// Returns the table as text: one line a state, `state: next next`.
#[must_use]
pub fn table() -> String {
    let mut text = String::new();
    for state in ALL {
        text.push_str(state.word());
        text.push(':');
        for next in state.next() {
            text.push(' ');
            text.push_str(next.word());
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_read_back() {
        for state in ALL {
            assert_eq!(TargetState::from_word(state.word()), Some(state));
        }
    }

    #[test]
    fn confirming_is_reached_from_ready_alone() {
        let doors: Vec<_> = ALL.into_iter().filter(|s| s.next().contains(&TargetState::Confirming)).collect();
        assert_eq!(doors, [TargetState::Ready]);
    }

    #[test]
    fn nothing_is_applied_before_it_is_armed() {
        let doors: Vec<_> = ALL.into_iter().filter(|s| s.next().contains(&TargetState::Applying)).collect();
        assert_eq!(doors, [TargetState::Armed]);
    }
}
