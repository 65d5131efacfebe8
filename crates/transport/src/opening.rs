//! Waiting for a connection to open, and judging whether it is the one that was wanted.

use crate::explain::Cause;
use crate::feed::BadSource;
use crate::pins::{PinFile, Pins};
use crate::run_dir::RunDir;
use crate::seam::ConnectErrorKind;
use crate::ssh_log::{SshLog, Stage};
use snapback_core::way::Way;
use std::io;
use std::path::Path;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Why an attempt brought nothing.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The connection wasn't opened, or not the right one; or it broke.
    Failed(Cause),
    /// ssh ended before commands could run; its words say why.
    NotOpened,
    /// A file that was to be sent isn't what it was.
    Source(BadSource),
    /// ssh could not be handled.
    Io(io::Error),
}

/// A connection that is being opened.
#[derive(Debug)]
pub(crate) struct Opening<'a> {
    pub(crate) way: &'a Way,
    pub(crate) pins: &'a Pins,
    pub(crate) dir: &'a RunDir,
    pub(crate) deadline: Instant,
}

impl Opening<'_> {
    /// Returns when commands can run over it. When ssh ends before that, it never returns: watch the process too.
    ///
    /// Nothing has been sent to a command before this: neither to a host with the wrong key nor to one that was
    /// entered by the wrong key does anything go that is worth keeping.
    pub(crate) async fn finished(&self, log: &mut watch::Receiver<SshLog>) -> Result<(), Cause> {
        let in_time = timeout_at(self.deadline, self.followed(log)).await;
        in_time.unwrap_or(Err(Cause::Kind(ConnectErrorKind::Timeout)))
    }

    async fn followed(&self, log: &mut watch::Receiver<SshLog>) -> Result<(), Cause> {
        let key = reached(log, Stage::KeyShown).await.host_key;
        // An announced key is ssh's to verify, and the run's first one says nothing against it.
        let announced = self.way.host_key.is_some();
        if !announced
            && let (Some(key), Some(pin)) = (&key, self.pins.get(&self.way.host))
            && *key != pin.fingerprint
        {
            return Err(Cause::UnpinnedKey);
        }
        let log = reached(log, Stage::Open).await;
        if !entered_by_its_own_key(self.way, &log) {
            return Err(Cause::OtherUserKey);
        }
        // ssh has verified the key by now. One that it doesn't name can't be compared, so it can't be trusted.
        let known =
            announced || log.host_key.is_some_and(|key| self.pins.accept(self.dir, &self.way.host, &key));
        if known { Ok(()) } else { Err(Cause::UnpinnedKey) }
    }
}

async fn reached(log: &mut watch::Receiver<SshLog>, stage: Stage) -> SshLog {
    if let Ok(log) = log.wait_for(|log| log.stage >= stage).await {
        return log.clone();
    }
    // ssh has ended; whoever watches the process takes over.
    std::future::pending().await
}

/// Whether the host took the key that the way names.
///
/// ssh also offers every `IdentityFile` of the user's configuration, and it can't be told not to. A new key that
/// doesn't work would so be confirmed by the old one, and the host be lost when that one goes.
fn entered_by_its_own_key(way: &Way, log: &SshLog) -> bool {
    let Some(identity) = &way.identity_file else { return true };
    let ours = |path: &str| match identity.strip_prefix("~") {
        Ok(below_home) => Path::new(path).ends_with(below_home),
        Err(_) => Path::new(path) == identity,
    };
    // A key may have been taken through its certificate or the agent: the fingerprint is the same.
    let is_ours = |fingerprint: &str| {
        log.attempted.iter().chain(&log.accepted).any(|key| key.fingerprint == fingerprint && ours(&key.path))
    };
    log.accepted.is_empty() || log.accepted.iter().any(|key| is_ours(&key.fingerprint))
}

/// Returns what a failure means for a host whose key is pinned: ssh, told of that key alone, calls any other one
/// unknown or changed as it happens to be of another type or not.
pub(crate) fn with_pin(kind: ConnectErrorKind, pin: Option<&PinFile>) -> Cause {
    match kind {
        ConnectErrorKind::UnknownHostKey | ConnectErrorKind::ChangedHostKey if pin.is_some() => {
            Cause::UnpinnedKey
        }
        kind => Cause::Kind(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use snapback_core::host::HostName;
    use snapback_core::way::{KnownHosts, WayKind};
    use std::time::Duration;

    fn entered(identity: Option<&str>, lines: &[&str]) -> bool {
        let way = Way {
            kind: WayKind::Final,
            host: HostName::parse("h").unwrap(),
            address: None,
            port: None,
            user: None,
            identity_file: identity.map(Into::into),
            proxy_jump: None,
            ssh_config: None,
            known_hosts: KnownHosts::Strict,
            connect_timeout: Duration::from_secs(1),
            host_key: None,
            family: None,
        };
        let mut log = SshLog::default();
        lines.iter().for_each(|line| log.hear(line));
        entered_by_its_own_key(&way, &log)
    }

    #[test]
    fn a_way_that_names_a_key_is_not_gone_by_another() {
        let new = "debug1: Will attempt key: /root/.ssh/new ED25519 SHA256:new explicit";
        let old_taken = "debug1: Server accepts key: /root/.ssh/old ED25519 SHA256:old explicit";
        let new_taken = "debug1: Server accepts key: /root/.ssh/new ED25519 SHA256:new explicit agent";
        let by_certificate =
            "debug1: Server accepts key: /root/.ssh/new-cert.pub ED25519-CERT SHA256:new explicit";
        for identity in ["/root/.ssh/new", "~/.ssh/new"] {
            assert!(entered(Some(identity), &[new, new_taken]));
            assert!(entered(Some(identity), &[new, by_certificate]));
            assert!(!entered(Some(identity), &[new, old_taken]));
            assert!(!entered(Some(identity), &[old_taken]));
        }
        assert!(entered(None, &[new, old_taken]));
    }
}
