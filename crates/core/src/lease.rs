//! Who keeps a host from others: by a lease before it is begun, by its open transaction after.

use crate::inspection::{Inspection, Pending};
use serde::{Deserialize, Serialize};

/// Where a run was started from, told to whoever finds a host held by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The git branch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub branch: Option<String>,
    /// The page of the CI job.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub url: Option<String>,
}

impl Origin {
    /// Returns what is known, for people; empty when nothing is.
    #[must_use]
    pub fn told(&self) -> String {
        let branch = self.branch.as_ref().map(|branch| format!("branch {branch}"));
        branch.into_iter().chain(self.url.clone()).collect::<Vec<_>>().join(", ")
    }
}

/// A run is about to change the host, and keeps others waiting until then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The run.
    pub run: String,
    /// `user@controller`.
    pub owner: String,
    /// Where it was started.
    #[serde(flatten)]
    pub origin: Origin,
    /// What it is for; may be empty.
    pub comment: String,
    /// Seconds since it was taken.
    pub age: u64,
    /// Seconds until it ends, unless it is renewed.
    pub left: u64,
}

/// Whoever keeps a host from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// By an open transaction.
    Open(Pending),
    /// By a lease.
    Lease(Lease),
}

impl Holder {
    /// Returns who holds an inspected host. A rollback that failed waits for a person: nobody is at work.
    #[must_use]
    pub fn of(found: &Inspection) -> Option<Self> {
        Self::among(found.pending.as_ref(), found.lease.as_ref())
    }

    /// Returns who holds a host by what it said of its open transaction and its lease.
    #[must_use]
    pub fn among(pending: Option<&Pending>, lease: Option<&Lease>) -> Option<Self> {
        match (pending, lease) {
            (Some(pending), _) if pending.state != "rollback_failed" => Some(Self::Open(pending.clone())),
            (_, lease) => lease.cloned().map(Self::Lease),
        }
    }

    /// Returns the run that holds it.
    #[must_use]
    pub fn run(&self) -> &str {
        match self {
            Self::Open(pending) => &pending.tx,
            Self::Lease(lease) => &lease.run,
        }
    }

    /// Returns `user@controller` of that run.
    #[must_use]
    pub fn owner(&self) -> &str {
        match self {
            Self::Open(pending) => &pending.owner,
            Self::Lease(lease) => &lease.owner,
        }
    }

    /// Returns the seconds until it lets go by itself, where that is known.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        match self {
            Self::Open(pending) => pending.left,
            Self::Lease(lease) => Some(lease.left),
        }
    }

    /// Returns whether `run` goes before this one, which has only just begun to collect its hosts: of two runs that
    /// do so at once the older goes on, and the other gives back what it has. Ids of runs sort by their age.
    #[must_use]
    pub fn yields_to(&self, run: &str, collecting_secs: u64) -> bool {
        match self {
            Self::Open(_) => false,
            Self::Lease(lease) => lease.age < collecting_secs && run < lease.run.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_runs_that_collect_at_once_the_older_goes_on() {
        let lease = |run: &str, age| Holder::Lease(Lease { run: run.to_owned(), age, ..Lease::default() });
        assert!(lease("01B", 3).yields_to("01A", 10));
        assert!(!lease("01A", 3).yields_to("01B", 10), "and the younger doesn't wait");
        assert!(!lease("01B", 30).yields_to("01A", 10), "who has collected long ago is at work");
        let open = Holder::Open(Pending { tx: "01B".to_owned(), ..Pending::default() });
        assert!(!open.yields_to("01A", 10));
    }

    #[test]
    fn a_failed_rollback_holds_nobody_up_but_is_no_reason_to_overlook_a_lease() {
        let failed = Pending { state: "rollback_failed".to_owned(), ..Pending::default() };
        assert_eq!(Holder::among(Some(&failed), None), None);
        let lease = Lease::default();
        assert_eq!(Holder::among(Some(&failed), Some(&lease)), Some(Holder::Lease(lease)));
    }
}
