//! The programs that the demo needs.

use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

/// Where they are, whole paths: sshd starts by no other.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) sshd: PathBuf,
    pub(crate) keygen: PathBuf,
    pub(crate) ssh: PathBuf,
}

impl Programs {
    /// Finds them all, or says at once which are missing and how to install them.
    pub(crate) fn find() -> Result<Self> {
        let names = ["sshd", "ssh-keygen", "ssh"];
        let missing: Vec<_> = names.into_iter().filter(|name| look_for(name).is_none()).collect();
        match names.map(look_for) {
            [Some(sshd), Some(keygen), Some(ssh)] => Ok(Self { sshd, keygen, ssh }),
            _ => bail!(
                "the demo starts sshd of its own, and this machine has no {}.\n  \
                 Debian, Ubuntu:  apt install openssh-server openssh-client\n  \
                 Fedora, RHEL:    dnf install openssh-server openssh-clients\n  \
                 Alpine:          apk add openssh\n\
                 A service need not be started for it.",
                missing.join(" and no ")
            ),
        }
    }
}

/// sshd is seldom on a user's `$PATH`.
fn look_for(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(usual)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|candidate| Path::is_file(candidate))
}
