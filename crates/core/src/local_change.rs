//! Changes on the controller for a host: balancers, DNS, whatever must be turned before the host is touched.

use crate::change::Command;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One `[[changes]]` entry with `where = "local"`, as one host gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalChange {
    /// The name in the fleet file, or a made-up one (`script-1`).
    pub name: String,
    /// Run first; prints `key=value` lines, which become `$FACT_KEY` and are kept for the undo.
    pub facts: Option<Command>,
    /// Exit 0: already as wanted; nothing is run, and nothing undone.
    pub unless: Option<Command>,
    /// The change.
    pub apply: Command,
    /// Run when the host didn't take its change; also for the step that failed.
    pub rollback: Option<Command>,
    /// Run once the host is confirmed, or is as before.
    pub after: Option<Command>,
    /// The user said that it can't be undone.
    pub irreversible: bool,
    /// The longest that each of its commands may take.
    pub timeout: Duration,
}

/// What is done for a local change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocalDeed {
    /// `apply`.
    Apply,
    /// `rollback`.
    Rollback,
    /// `after`.
    After,
}

impl LocalDeed {
    /// Returns the word of the fleet file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Rollback => "rollback",
            Self::After => "after",
        }
    }
}
