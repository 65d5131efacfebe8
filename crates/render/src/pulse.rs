//! When it is told how a run stands although nothing has happened: at intervals that grow.

/// The first interval between two lines of counts, and the longest: no CI job is thought dead after a minute.
const FIRST_MS: u64 = 10_000;
const LONGEST_MS: u64 = 60_000;

/// When the next line of counts is due.
#[derive(Debug, Default)]
pub(crate) enum Pulse {
    /// The run has not begun.
    #[default]
    Silent,
    /// Few hosts: when nothing was written for long.
    AfterSilence { since_ms: u64 },
    /// Many hosts: at intervals that grow.
    Growing { since_ms: u64, interval_ms: u64 },
}

impl Pulse {
    pub(crate) fn begin(&mut self, now_ms: u64, many: bool) {
        *self = if many {
            Self::Growing { since_ms: now_ms, interval_ms: FIRST_MS }
        } else {
            Self::AfterSilence { since_ms: now_ms }
        };
    }

    /// Returns whether the run has begun.
    pub(crate) fn beats(&self) -> bool {
        !matches!(self, Self::Silent)
    }

    /// Hears that something was written.
    pub(crate) fn wrote(&mut self, now_ms: u64) {
        if let Self::AfterSilence { since_ms } = self {
            *since_ms = now_ms;
        }
    }

    /// Returns whether a line of counts is due; then it is taken to be written.
    pub(crate) fn is_due(&mut self, now_ms: u64) -> bool {
        match self {
            Self::Silent => false,
            Self::AfterSilence { since_ms } => now_ms.saturating_sub(*since_ms) >= LONGEST_MS,
            Self::Growing { since_ms, interval_ms } => {
                let due = now_ms.saturating_sub(*since_ms) >= *interval_ms;
                if due {
                    *since_ms = now_ms;
                    *interval_ms = (*interval_ms * 2).min(LONGEST_MS);
                }
                due
            }
        }
    }
}
