//! What the demo promised, and what differed.

use snapback_core::outcome::HostResult;
use std::fmt::Debug;

/// Compares what is seen with what was promised; the demo only ends well when nothing differed.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    broken: Vec<String>,
}

impl Promises {
    /// Compares how a host ended.
    pub(crate) fn ended(&mut self, host: &str, wanted: HostResult, found: Option<HostResult>) {
        if found != Some(wanted) {
            let found = found.map_or("never told", HostResult::word);
            self.broken.push(format!("{host} should be {}, and is {found}", wanted.word()));
        }
    }

    /// Compares two things.
    pub(crate) fn same<T: PartialEq + Debug>(&mut self, what: &str, wanted: &T, found: &T) {
        if wanted != found {
            self.broken.push(format!("{what} should be {wanted:?}, and is {found:?}"));
        }
    }

    /// Looks whether something holds.
    pub(crate) fn holds(&mut self, what: &str, holds: bool) {
        if !holds {
            self.broken.push(format!("this should hold and doesn't: {what}"));
        }
    }

    /// Returns whether anything differed so far.
    pub(crate) fn are_broken(&self) -> bool {
        !self.broken.is_empty()
    }

    /// Returns what differed.
    pub(crate) fn broken(&self) -> &[String] {
        &self.broken
    }
}
