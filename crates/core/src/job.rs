//! A host's job: everything that one run wants of one host, as plain data.

use crate::change::{Change, ChangeKind, RevertChange};
use crate::check::Check;
use crate::deadline::ConfirmPolicy;
use crate::host::HostName;
use crate::lease::Origin;
use crate::local_change::LocalChange;
use crate::proof::Proof;
use crate::undo::LastResort;
use crate::way::{Become, Way, WayKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What one run wants of one host. It says nothing of who carries it out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostJob {
    /// The host.
    pub host: HostName,
    /// How it is reached: the final way, then `was` if there is one. Never empty.
    pub ways: Vec<Way>,
    /// How the agent becomes root.
    pub r#become: Become,
    /// What is changed on the controller before the host is begun, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub local: Vec<LocalChange>,
    /// The change set, in order.
    pub changes: Vec<Change>,
    /// What must hold afterwards.
    pub checks: Vec<Check>,
    /// The time limits.
    pub confirm: ConfirmPolicy,
    /// What is left when an undo has failed.
    pub last_resort: LastResort,
    /// What must be shown before it is confirmed.
    pub proof: Proof,
    /// Handed to the user's commands as `$VAR_NAME`.
    pub vars: BTreeMap<String, String>,
    /// How many confirmed runs of this fleet the host keeps, to go back to; at least one.
    pub keep: u32,
    /// It is looked at and never changed.
    #[serde(default)]
    pub protected: bool,
}

/// The longest that putting the paths back, or one handler, may take when going back, if apply may take so long.
const GOING_BACK: Duration = Duration::from_secs(60);

impl HostJob {
    /// Returns the job that takes this host back to before a run; `alone`: refused where a later run would be undone
    /// as well. Its checks stay; what is changed on the controller takes no part in it.
    #[must_use]
    pub fn going_back(&self, to: &str, alone: bool) -> Self {
        let timeout = GOING_BACK.min(self.confirm.apply_timeout);
        let revert = RevertChange { to: to.to_owned(), alone, timeout };
        let change = Change { name: "going back".to_owned(), kind: ChangeKind::Revert(revert) };
        Self { changes: vec![change], local: Vec::new(), ..self.clone() }
    }

    /// Returns the way that alone may confirm.
    #[must_use]
    pub fn final_way(&self) -> Option<&Way> {
        self.ways.iter().find(|w| w.kind == WayKind::Final)
    }
}

/// Who runs, and how: the same for all hosts of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSpec {
    /// A ULID.
    pub run: String,
    /// The fleet's name: key of records and locks.
    pub fleet: String,
    /// `user@controller`, told to whoever finds the host locked.
    pub owner: String,
    /// Where it was started, told as well.
    #[serde(default)]
    pub origin: Origin,
    /// What the run is for, one line; may be empty.
    pub comment: String,
    /// How many hosts are worked on at once.
    pub parallel: usize,
    /// How many connections are opened at once.
    pub connect_parallel: usize,
    /// Go on where no boot hook can be installed or the state would not survive a reboot.
    pub volatile_guard: bool,
}
