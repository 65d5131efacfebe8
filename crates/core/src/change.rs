//! What is to be done to a host: changes, in file order, undone in reverse.

use crate::content::Sha256Hex;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// A command of the user's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Inline shell, run by `/bin/sh -e`.
    Inline(String),
    /// A file: uploaded, run with its own shebang.
    File {
        /// The path on the controller, for messages and for local use.
        path: PathBuf,
        /// Its bytes, by hash.
        content: Sha256Hex,
    },
}

impl Command {
    /// Returns one line that stands for the command in messages.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Inline(text) => text.lines().find(|l| !l.trim().is_empty()).unwrap_or("").trim().to_owned(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }
}

/// One `[[changes]]` entry as one host gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The name in the fleet file, or a made-up one (`files-1`).
    pub name: String,
    /// What it does.
    pub kind: ChangeKind,
}

/// The kinds of change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Puts files in place.
    Files(FilesChange),
    /// Runs the user's own commands.
    Script(Box<ScriptChange>),
    /// Goes back to before a run that was confirmed. No fleet file can ask for it.
    Revert(RevertChange),
}

impl ChangeKind {
    /// Returns the word of the fleet file.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Files(_) => "files",
            Self::Script(_) => "script",
            Self::Revert(_) => "revert",
        }
    }
}

/// The state before a run, worked out on the target from what it has kept: nothing of it travels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevertChange {
    /// The run: it and all of the fleet's since are undone.
    pub to: String,
    /// Refused where a later run would be undone as well.
    pub alone: bool,
    /// The longest that putting the paths back, or one handler, may take.
    pub timeout: Duration,
}

/// Files, directories and symlinks that shall be as stated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesChange {
    /// What shall be there, sorted by destination, parents first.
    pub entries: Vec<FileEntry>,
    /// Directories (absolute) in which everything that no entry names is deleted.
    pub purge: Vec<String>,
    /// Run with the files in place and nothing reloaded yet.
    pub validate: Option<Command>,
    /// Run once, deduplicated by text, when files changed; again after an undo.
    pub handlers: Vec<Command>,
    /// The longest that `validate` or one handler may take.
    pub timeout: Duration,
}

/// One path that a `files` change states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Absolute path on the target, no trailing slash, no `.` or `..`.
    pub dest: String,
    /// What it shall be.
    pub what: EntryKind,
    /// Permission bits, e.g. `0o644`. Ignored for symlinks.
    pub mode: u32,
    /// Name or number; `None` keeps the owner of what is there, else the become user.
    pub owner: Option<String>,
    /// Name or number; `None` keeps the group of what is there, else the become user's.
    pub group: Option<String>,
}

/// What a path shall be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A regular file.
    File {
        /// The hash of its bytes.
        content: Sha256Hex,
        /// Its length in bytes.
        size: u64,
        /// The source, for messages.
        source: PathBuf,
        /// It holds a secret: its text never appears in a diff.
        secret: bool,
    },
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink {
        /// What it points to, as it stands in the link.
        target: String,
    },
}

/// A change made by the user's own commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptChange {
    /// Run before anything changes; prints `key=value` lines, which become `$FACT_KEY` and are kept for the undo.
    pub facts: Option<Command>,
    /// Exit 0: already as wanted.
    pub unless: Option<Command>,
    /// The change.
    pub apply: Command,
    /// Its undo; also run for the step that failed.
    pub rollback: Option<Command>,
    /// Absolute paths that the guard puts back.
    pub watch: Vec<String>,
    /// The user said that it can't be undone.
    pub irreversible: bool,
    /// The longest that `apply` (and, on its own, `rollback`) may take.
    pub timeout: Duration,
}
