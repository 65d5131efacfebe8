//! `promote` and `abort`: a word to a run from another terminal or job, through the state directory.

use super::Halt;
use serde::{Deserialize, Serialize};
use snapback_core::rollout::Ending;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What a run can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Go on behind the gate.
    Promote,
    /// Start no more hosts.
    Abort,
}

impl Signal {
    /// Returns its word, as typed.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Abort => "abort",
        }
    }
}

/// The signals of one run: files beside its record.
#[derive(Clone, Debug)]
pub struct Signals {
    folder: PathBuf,
    run: String,
}

impl Signals {
    /// Returns the signals of a run whose record is in this folder.
    #[must_use]
    pub(crate) fn beside(folder: &Path, run: &str) -> Self {
        Self { folder: folder.to_owned(), run: run.to_owned() }
    }

    fn path(&self, signal: Signal) -> PathBuf {
        self.folder.join(format!("{}.{}", self.run, signal.word()))
    }

    /// Tells the run, durably; `who` is kept beside it. Telling it twice changes nothing.
    ///
    /// # Errors
    /// What the file system says.
    pub fn send(&self, signal: Signal, who: &str) -> io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(self.path(signal))?;
        writeln!(file, "{who}")?;
        file.sync_all()
    }

    /// Returns whether the run was told so.
    #[must_use]
    pub fn is_sent(&self, signal: Signal) -> bool {
        self.path(signal).exists()
    }

    /// Stops the run if somebody has aborted it.
    pub(super) fn pull(&self, halt: &Halt) {
        if self.is_sent(Signal::Abort) {
            halt.because(Ending::Aborted);
        }
    }
}
