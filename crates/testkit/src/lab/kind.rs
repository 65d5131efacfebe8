//! The sorts of host.

use std::fmt;
use std::str::FromStr;

/// What runs as PID 1 in a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKind {
    /// Busybox, `/etc/rc.local` and sshd: no init system to speak of.
    Plain,
    /// A booted systemd.
    Systemd,
}

impl fmt::Display for HostKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Systemd => "systemd",
        })
    }
}

impl FromStr for HostKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "plain" => Ok(Self::Plain),
            "systemd" => Ok(Self::Systemd),
            other => Err(format!("`{other}` is not a kind of host")),
        }
    }
}
