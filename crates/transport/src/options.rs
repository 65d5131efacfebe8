//! What a connector is told at the start, and why it may not start.

use std::path::PathBuf;
use std::time::Duration;

/// How a connector behaves. The defaults are right for all but tests.
#[derive(Clone, Debug)]
pub struct SshOptions {
    /// Where the private directory of the run is made; `None`: `$XDG_RUNTIME_DIR`, else `/tmp`.
    pub run_base: Option<PathBuf>,
    /// The ssh program, as a path or a name on `$PATH`.
    pub program: PathBuf,
    /// The configuration of ways that name none; `None`: `~/.ssh/config` of the account, as ssh itself finds it.
    pub user_config: Option<PathBuf>,
    /// How often a connection that broke while being opened is tried again.
    pub retries: usize,
    /// When a silent connection is given up, unless the user's configuration says otherwise.
    pub keepalive: Keepalive,
    /// Keeps ssh's debug lines in transcripts.
    pub verbose: bool,
}

/// When a silent connection is given up: after `interval` times `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// `ServerAliveInterval`; whole seconds.
    pub interval: Duration,
    /// `ServerAliveCountMax`.
    pub count: u32,
}

impl Default for SshOptions {
    fn default() -> Self {
        Self {
            run_base: None,
            program: PathBuf::from("ssh"),
            user_config: None,
            retries: 3,
            keepalive: Keepalive { interval: Duration::from_secs(5), count: 3 },
            verbose: false,
        }
    }
}

/// Why a connector could not be made: nothing was contacted.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The ssh program can't be run.
    #[error("{program} can't be run; install the OpenSSH client", program = program.display())]
    NoSsh {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The ssh program is something else.
    #[error("{program} isn't OpenSSH, it says {said:?}; put OpenSSH's ssh first on $PATH", program = program.display())]
    NotOpenSsh {
        /// The program.
        program: PathBuf,
        /// What it said to `-V`.
        said: String,
    },
    /// The private directory of the run can't be made.
    #[error("no private directory for ssh's sockets can be made in {base}", base = base.display())]
    RunDir {
        /// Where.
        base: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The private directory's path can't be handed to ssh.
    #[error(
        "{base} can't hold ssh's sockets: its path must be absolute, at most {longest} characters long and made of \
         letters, digits and ._/-; set XDG_RUNTIME_DIR to another directory",
        base = base.display()
    )]
    BadRunDir {
        /// Where.
        base: PathBuf,
        /// The longest that fits.
        longest: usize,
    },
    /// The thread that starts ssh can't be started.
    #[error("the thread that starts ssh can't be started")]
    Thread(#[source] std::io::Error),
}
