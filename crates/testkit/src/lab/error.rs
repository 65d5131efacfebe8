//! Why the lab could not do something.

use std::io;
use std::process::Output;

/// A lab that can't be had, or a thing that went wrong in it.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The lab needs root.
    #[error("the lab needs root: run it as root or through sudo")]
    NotRoot,
    /// A program isn't there.
    #[error("the lab needs {program}, which isn't installed: `cargo xtask test` installs what is missing")]
    Missing {
        /// Its name.
        program: String,
    },
    /// A program failed.
    #[error("{command}: {code}: {stderr}")]
    Failed {
        /// The command line.
        command: String,
        /// Its exit code, or the signal that ended it.
        code: String,
        /// What it printed on standard error.
        stderr: String,
    },
    /// A file or folder of the lab.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done, with the path.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A host didn't get as far as was waited for.
    #[error("{host}: {what} did not happen within {seconds} s; its console said:\n{console}")]
    Late {
        /// The host.
        host: String,
        /// What was waited for.
        what: String,
        /// For how long.
        seconds: u64,
        /// The end of the host's console.
        console: String,
    },
    /// A name that can't be a lab's or a host's, or isn't one.
    #[error("{name}: {reason}")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        reason: String,
    },
}

impl LabError {
    /// Says what was being done when an IO error came up.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// Tells of a program that ended badly.
    pub(crate) fn failed(command: String, output: &Output) -> Self {
        let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Self::Failed { command, code: output.status.to_string(), stderr }
    }
}
