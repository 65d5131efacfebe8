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
    /// Debian with OpenRC, started by sysvinit's PID 1.
    OpenRc,
    /// Debian with sysvinit and its ordered init scripts.
    Sysvinit,
    /// Laid out like OpenWrt: nothing but busybox, `/etc/rc.common`, a volatile `/var`, and dropbear.
    OpenWrt,
}

impl HostKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Plain, Self::Systemd, Self::OpenRc, Self::Sysvinit, Self::OpenWrt];

    /// What is started as PID 1, where systemd-nspawn doesn't do it.
    pub(crate) fn init(self) -> &'static str {
        match self {
            Self::Plain => "busybox init",
            Self::Systemd | Self::OpenRc | Self::Sysvinit | Self::OpenWrt => "/sbin/init",
        }
    }
}

impl fmt::Display for HostKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Systemd => "systemd",
            Self::OpenRc => "openrc",
            Self::Sysvinit => "sysvinit",
            Self::OpenWrt => "openwrt",
        })
    }
}

impl FromStr for HostKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|kind| kind.to_string() == text);
        named.ok_or_else(|| format!("`{text}` is not a kind of host"))
    }
}
