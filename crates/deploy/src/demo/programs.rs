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
        Self::find_in(&usual_folders())
    }

    fn find_in(folders: &[PathBuf]) -> Result<Self> {
        let names = ["sshd", "ssh-keygen", "ssh"];
        let look_for = |name: &str| {
            folders.iter().map(|folder| folder.join(name)).find(|candidate| Path::is_file(candidate))
        };
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
fn usual_folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).filter(|folder| folder.is_absolute()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_way_to_install_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ssh"), "").unwrap();
        let why = Programs::find_in(&[folder.path().to_path_buf()]).unwrap_err().to_string();
        assert!(why.contains("no sshd and no ssh-keygen."), "{why}");
        assert!(why.contains("apt install openssh-server"), "{why}");
    }
}
