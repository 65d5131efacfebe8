//! The ssh program on the controller: which version it is decides which options it knows.

use crate::options::SetupError;
use std::path::Path;
use std::process::Command;

/// A version of OpenSSH's client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    /// Asks the program.
    pub(crate) fn ask(program: &Path) -> Result<Self, SetupError> {
        let output = Command::new(program)
            .arg("-V")
            .output()
            .map_err(|source| SetupError::NoSsh { program: program.to_owned(), source })?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Self::parse(&said).ok_or(SetupError::NotOpenSsh { program: program.to_owned(), said })
    }

    fn parse(said: &str) -> Option<Self> {
        let (_, rest) = said.split_once("OpenSSH_")?;
        let (major, rest) = rest.split_once('.')?;
        let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
        // Windows' build says OpenSSH_for_Windows_9.5p1.
        let major = major.rsplit('_').next()?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }

    fn at_least(self, major: u32, minor: u32) -> bool {
        self >= Self { major, minor }
    }

    /// Returns whether `KnownHostsCommand` exists.
    pub(crate) fn has_known_hosts_command(self) -> bool {
        self.at_least(8, 5)
    }

    /// Returns whether `SessionType`, `StdinNull` and `ForkAfterAuthentication` exist.
    pub(crate) fn has_session_type(self) -> bool {
        self.at_least(8, 7)
    }

    /// Returns whether the default key exchange is dear, so that putting curve25519 first gains anything.
    ///
    /// From 10.0 on it is ML-KEM, which costs about as little and is safe for decades.
    pub(crate) fn has_dear_kex(self) -> bool {
        !self.at_least(10, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_ssh_says() {
        let old = Version::parse("OpenSSH_8.4p1 Debian-5+deb11u3, OpenSSL 1.1.1w  11 Sep 2023").unwrap();
        assert_eq!(old, Version { major: 8, minor: 4 });
        assert!(!old.has_known_hosts_command() && !old.has_session_type() && old.has_dear_kex());
        let new = Version::parse("OpenSSH_10.2p1, OpenSSL 3.5.4").unwrap();
        assert!(new.has_known_hosts_command() && new.has_session_type() && !new.has_dear_kex());
        assert_eq!(Version::parse("Dropbear v2022.83"), None);
    }
}
