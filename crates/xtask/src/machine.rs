//! What this machine lets us do.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// How to become root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// We are.
    Already,
    /// By sudo, without a password.
    BySudo,
    /// Not at all.
    No,
}

impl Root {
    /// Finds out.
    pub(crate) fn find() -> Self {
        if nix::unistd::geteuid().is_root() {
            return Self::Already;
        }
        if succeeds(Command::new("sudo").args(["-n", "true"])) { Self::BySudo } else { Self::No }
    }

    /// Makes a command that runs as root.
    pub(crate) fn command(self, program: &str) -> Command {
        if self == Self::Already {
            return Command::new(program);
        }
        let mut command = Command::new("sudo");
        command.args(["-n", program]);
        command
    }
}

/// Tells whether a program can be found. Some distributions keep those for root out of the user's PATH.
pub(crate) fn has(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(sbin).any(|folder| folder.join(program).is_file())
}

/// Tells whether nothing may be left out: on the build machine.
pub(crate) fn is_ci() -> bool {
    env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false")
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn succeeds(command: &mut Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
