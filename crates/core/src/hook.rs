//! Hooks: commands of the user's that run on the controller at the turns of a run.

use crate::change::Command;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest that a hook may take, if nothing else is said.
pub const HOOK_TIMEOUT: Duration = Duration::from_secs(60);

/// A turn of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// Before the first host is changed: the one hook whose failure counts.
    PreDeploy,
    /// The run has ended well.
    PostDeploy,
    /// The run has ended otherwise.
    OnFailure,
    /// A batch has ended in which hosts were rolled back.
    OnRollback,
}

impl Hook {
    /// Every hook.
    pub const ALL: [Self; 4] = [Self::PreDeploy, Self::PostDeploy, Self::OnFailure, Self::OnRollback];

    /// Returns the word of the fleet file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::PreDeploy => "pre_deploy",
            Self::PostDeploy => "post_deploy",
            Self::OnFailure => "on_failure",
            Self::OnRollback => "on_rollback",
        }
    }
}

/// The hooks of a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hooks {
    /// What runs when.
    pub commands: BTreeMap<Hook, Command>,
    /// The longest that each may take.
    pub timeout: Duration,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { commands: BTreeMap::new(), timeout: HOOK_TIMEOUT }
    }
}
