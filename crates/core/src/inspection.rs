//! What the target said of itself before anything was changed.

use crate::content::Sha256Hex;
use crate::lease::{Lease, Origin};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The target's answer to `inspect`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// How the guard would be armed there.
    pub guard: GuardFacts,
    /// One for each change of the job, in order.
    pub changes: Vec<ChangeInspection>,
    /// A transaction that is open on the host, whoever owns it.
    pub pending: Option<Pending>,
    /// Another run that is about to change the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// What the snapshot would take there, where anything would change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<SnapshotSpace>,
    /// SHA-256 over the inspected state; `begin` refuses when it is no longer the same.
    pub state_digest: String,
}

impl Inspection {
    /// Returns whether nothing would be changed.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.changes.iter().all(|c| !c.would_change())
    }
}

/// What a snapshot would take on the file system of the state directory, and how many files more that may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotSpace {
    /// Bytes of the copies.
    pub copies_bytes: u64,
    /// How many copies there would be.
    pub copies: u64,
    /// Files that may still be made; nothing where the file system doesn't count them.
    pub free_inodes: Option<u64>,
}

/// How a guard can be armed on a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardFacts {
    /// `systemd` or `bare`.
    pub backend: String,
    /// `systemd`, or `none` when a reboot would not undo.
    pub boot_hook: String,
    /// The state directory.
    pub state_dir: String,
    /// The state directory does not survive a reboot.
    pub volatile_state: bool,
    /// Bytes free on the file system of the state directory.
    pub free_bytes: u64,
    /// The shell that runs the agent, as far as it is known.
    pub shell: String,
    /// The numeric user id the agent runs as.
    pub uid: u32,
    /// Things the guard would not cover or keep, one sentence each.
    pub limits: Vec<String>,
}

/// What a change would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeInspection {
    /// A `files` change: the paths that differ, and those a purge would delete.
    Files {
        /// Paths that aren't as wanted, in manifest order.
        differ: Vec<PathDiffers>,
        /// Paths that would be deleted.
        delete: Vec<String>,
    },
    /// A `script` change.
    Script {
        /// `unless` said that all is as wanted. Without `unless` this is never true.
        as_wanted: bool,
    },
    /// The way back to before a run.
    Revert(RevertFound),
}

/// What going back to before a run would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevertFound {
    /// Paths that would be put back or removed.
    pub paths: Vec<RevertPath>,
    /// Scripts whose rollback would be run, newest first.
    pub scripts: Vec<String>,
    /// Scripts that can't be undone: what they did stays.
    pub stuck: Vec<String>,
    /// Handlers that would be run.
    pub handlers: Vec<String>,
}

/// A path that going back would change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevertPath {
    /// The path.
    pub path: String,
    /// It wasn't there, and would be removed.
    pub remove: bool,
    /// Somebody else has changed it since.
    pub conflict: bool,
}

impl Inspection {
    /// Forgets the texts: nobody asks for them once the plan has been agreed to.
    pub fn forget_texts(&mut self) {
        for change in &mut self.changes {
            if let ChangeInspection::Files { differ, .. } = change {
                differ.iter_mut().for_each(|found| found.text = None);
            }
        }
    }
}

impl ChangeInspection {
    /// Returns whether applying would do anything.
    #[must_use]
    pub fn would_change(&self) -> bool {
        match self {
            Self::Files { differ, delete } => !differ.is_empty() || !delete.is_empty(),
            Self::Script { as_wanted } => !as_wanted,
            Self::Revert(found) => !found.paths.is_empty() || !found.scripts.is_empty(),
        }
    }
}

/// A path that isn't as wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathDiffers {
    /// Index into the change's `entries`.
    pub entry: usize,
    /// What is there now.
    pub now: PathState,
    /// The text that is there now, when it is a regular file that is small and looks like text.
    pub text: Option<Arc<str>>,
}

/// What is at a path of the target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathState {
    /// The file type.
    pub kind: PathKind,
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// The hash of a regular file.
    pub sha256: Option<Sha256Hex>,
    /// Where a symlink points.
    pub target: Option<String>,
}

/// The type of what is at a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathKind {
    /// Nothing is there.
    #[default]
    Absent,
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A device, fifo or socket.
    Other,
}

/// A transaction that is open on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Its id.
    pub tx: String,
    /// `user@controller` of whoever began it.
    pub owner: String,
    /// Where it was started.
    #[serde(flatten)]
    pub origin: Origin,
    /// What it was for.
    pub comment: String,
    /// Its state on the target, one of [`crate::target::TargetState`]'s words.
    pub state: String,
    /// Seconds since it began.
    pub age: u64,
    /// Seconds until the guard undoes it, when it is armed and undecided.
    pub left: Option<u64>,
    /// Seconds until it may be taken over, when nothing is armed and its session does nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_in: Option<u64>,
}
