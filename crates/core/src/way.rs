//! The ways in: how a host is reached.

use crate::host::HostName;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Whether an unknown host key may be learnt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KnownHosts {
    /// The key must already be known (`StrictHostKeyChecking=yes`).
    #[default]
    Strict,
    /// A key never seen is learnt, a changed one refused (`StrictHostKeyChecking=accept-new`).
    AcceptNew,
}

/// Which of a host's ways in this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayKind {
    /// How the host is reached once all is done. Only this one confirms.
    Final,
    /// How the host may still be reached (`was`). It never confirms.
    Was,
}

/// One way in to a host. What is `None` is left to the user's own ssh configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// Final, or the one of old.
    pub kind: WayKind,
    /// What is typed after `ssh`: `Host` blocks of the ssh configuration match this.
    pub host: HostName,
    /// `ssh -o HostName=`.
    pub address: Option<String>,
    /// `ssh -o Port=`.
    pub port: Option<u16>,
    /// `ssh -o User=`.
    pub user: Option<String>,
    /// `ssh -o IdentityFile=`.
    pub identity_file: Option<PathBuf>,
    /// `ssh -o ProxyJump=`.
    pub proxy_jump: Option<String>,
    /// A configuration file used instead of the user's own.
    pub ssh_config: Option<PathBuf>,
    /// What to do with a host key that isn't known.
    pub known_hosts: KnownHosts,
    /// How long one attempt to connect may take.
    pub connect_timeout: Duration,
    /// The host key that must be shown here, whatever known-hosts files say: `TYPE BASE64`.
    #[serde(default)]
    pub host_key: Option<String>,
    /// Only by this version of the internet protocol.
    #[serde(default)]
    pub family: Option<Family>,
}

impl Way {
    /// Returns whether the host is found at another place by this way than by another one: a change that moves it there
    /// cuts the lines of the other.
    #[must_use]
    pub fn leads_elsewhere_than(&self, other: &Self) -> bool {
        (&self.address, self.port) != (&other.address, other.port)
    }

    /// Returns this way as it is gone from another vantage point.
    #[must_use]
    pub fn seen_from(&self, vantage: &Vantage) -> Self {
        Self {
            proxy_jump: vantage.jump.clone().or_else(|| self.proxy_jump.clone()),
            family: vantage.family.or(self.family),
            ..self.clone()
        }
    }
}

/// A version of the internet protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// A point that a host must be reachable from before it is confirmed (`[confirm] via`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vantage {
    /// The jump host, as after `ssh -J`; `None`: the way as it stands.
    pub jump: Option<String>,
    /// Only by this version of the internet protocol.
    pub family: Option<Family>,
}

impl std::fmt::Display for Vantage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.jump.as_deref().unwrap_or("direct"))?;
        match self.family {
            Some(Family::V4) => f.write_str(" (IPv4)"),
            Some(Family::V6) => f.write_str(" (IPv6)"),
            None => Ok(()),
        }
    }
}

/// How the agent becomes root on the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Become {
    /// uid 0: nothing; else `sudo -n`, then `doas -n`.
    #[default]
    Auto,
    /// Stay who we are.
    None,
    /// `sudo -n`.
    Sudo,
    /// `doas -n`.
    Doas,
    /// `run0 --no-ask-password` (systemd 256 and newer).
    Run0,
}

/// The environment variable that may hold the password for `sudo`. No program that we start gets it.
pub const PASSWORD_VARIABLE: &str = "DEPLOY_BECOME_PASSWORD";

impl Become {
    /// Returns the word that the fleet file and the agent use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::None => "none",
            Self::Sudo => "sudo",
            Self::Doas => "doas",
            Self::Run0 => "run0",
        }
    }
}
