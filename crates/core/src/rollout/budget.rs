//! How many hosts may fail before a run stops.

use crate::outcome::HostResult;
use serde::{Deserialize, Serialize};

/// `max_failures`, as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// So many hosts.
    Hosts(usize),
    /// So many percent of all hosts of the run, rounded down.
    Percent(u8),
}

/// How many hosts of a run may fail: it stops when there are more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// As many as will: a run that isn't staged goes over all its hosts.
    Unlimited,
    /// So many hosts.
    AtMost(usize),
}

impl Threshold {
    /// Returns the budget that it comes to in a run on `all` hosts.
    #[must_use]
    pub fn of(self, all: usize) -> Budget {
        Budget::AtMost(match self {
            Self::Hosts(hosts) => hosts,
            Self::Percent(percent) => all * usize::from(percent) / 100,
        })
    }
}

impl Budget {
    /// Returns whether so many failures are more than may be.
    #[must_use]
    pub fn is_exceeded(self, failures: usize) -> bool {
        match self {
            Self::Unlimited => false,
            Self::AtMost(most) => failures > most,
        }
    }

    /// Returns whether a host that ended so counts against a budget: failed, and unreachable.
    #[must_use]
    pub fn counts(result: HostResult) -> bool {
        match result {
            HostResult::RolledBack
            | HostResult::RollbackFailed
            | HostResult::Unreachable
            | HostResult::Refused
            | HostResult::Unknown => true,
            HostResult::Confirmed | HostResult::Unchanged | HostResult::Skipped | HostResult::NotReached => {
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_stops_when_there_are_more_failures_than_may_be() {
        assert_eq!(Threshold::Percent(5).of(30), Budget::AtMost(1), "rounded down");
        assert_eq!(Threshold::Percent(5).of(19), Budget::AtMost(0));
        assert_eq!(Threshold::Percent(100).of(7), Budget::AtMost(7));
        let two = Threshold::Hosts(2).of(30);
        assert_eq!([1, 2, 3].map(|failures| two.is_exceeded(failures)), [false, false, true]);
        assert!(Threshold::Hosts(0).of(30).is_exceeded(1));
        assert!(!Budget::Unlimited.is_exceeded(usize::MAX));
    }
}
