//! The configuration that ssh is started with (`-F`): ours around the user's.
//!
//! ssh takes the first value it finds, so what must win stands before the user's file and what may lose after
//! the system's. Jump hosts are dialled by an inner ssh that gets this file and nothing of our command line:
//! what must hold for them stands here, and what is for the target alone (address, port, key) never does.

use crate::options::Keepalive;
use crate::program::Version;
use crate::quote::{BadValue, quoted_include};
use crate::run_dir::RunDir;
use snapback_core::way::KnownHosts;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What a wrapper depends on.
#[derive(Debug)]
pub(crate) struct Terms<'a> {
    /// The user's configuration, or the one that the way names.
    pub(crate) config: &'a Path,
    pub(crate) known_hosts: KnownHosts,
    pub(crate) connect_timeout: Duration,
    /// curve25519 goes first.
    pub(crate) cheap_kex: bool,
}

/// Before the user's file: these win. Everything that would turn our connection into another kind of one, share
/// it, ask somebody, or change the user's files.
const WINNING: &str = "\
BatchMode yes
ControlMaster no
ControlPath none
ControlPersist no
RemoteCommand none
RequestTTY no
ClearAllForwardings yes
PermitLocalCommand no
ForwardX11 no
Tunnel no
UpdateHostKeys no
LogLevel INFO
";

/// Options that came later; an older ssh stops at an option it doesn't know.
const WINNING_SINCE_8_7: &str = "\
SessionType default
StdinNull no
ForkAfterAuthentication no
";

/// Tells us the host key that ssh has before it, through a file; knows no keys itself.
const RECORD_KEYS: &str = r#"# ssh runs this as KnownHostsCommand: reason, key type, fingerprint, key.
[ "$1" = HOSTNAME ] && printf '%s %s %s\n' "$3" "$2" "$4" >>"${0%/*}/keys"
exit 0
"#;

/// The wrappers of a run, each written once.
#[derive(Debug)]
pub(crate) struct Wrappers {
    keepalive: Keepalive,
    version: Version,
    written: Mutex<BTreeMap<String, PathBuf>>,
    recorder: PathBuf,
}

impl Wrappers {
    /// Sets up, in the run's directory.
    pub(crate) fn new(dir: &RunDir, keepalive: Keepalive, version: Version) -> io::Result<Self> {
        let recorder = dir.path().join("record-key.sh");
        dir.write(&recorder, RECORD_KEYS)?;
        Ok(Self { keepalive, version, written: Mutex::default(), recorder })
    }

    /// Returns the file in which ssh leaves the host keys that it sees.
    pub(crate) fn keys(dir: &RunDir) -> PathBuf {
        dir.path().join("keys")
    }

    /// Returns the wrapper for these terms.
    pub(crate) fn get(&self, dir: &RunDir, terms: &Terms<'_>) -> Result<PathBuf, WrapperError> {
        let text = self.text(terms)?;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = written.get(&text) {
            return Ok(path.clone());
        }
        let path = dir.fresh("conf");
        dir.write(&path, &text)?;
        written.insert(text, path.clone());
        Ok(path)
    }

    fn text(&self, terms: &Terms<'_>) -> Result<String, BadValue> {
        let check = match terms.known_hosts {
            KnownHosts::Strict => "yes",
            KnownHosts::AcceptNew => "accept-new",
        };
        let mut text = WINNING.to_owned();
        if self.version.has_session_type() {
            text.push_str(WINNING_SINCE_8_7);
        }
        text.push_str(&format!(
            "StrictHostKeyChecking {check}\nConnectTimeout {timeout}\nInclude {config}\n\
             Include /etc/ssh/ssh_config\nHost *\nServerAliveInterval {interval}\nServerAliveCountMax {count}\n",
            timeout = whole_seconds(terms.connect_timeout),
            config = quoted_include(&terms.config.to_string_lossy())?,
            interval = whole_seconds(self.keepalive.interval),
            count = self.keepalive.count,
        ));
        if self.version.has_known_hosts_command() {
            // A user's own command wins; the key is then known by its fingerprint alone.
            text.push_str(&format!("KnownHostsCommand /bin/sh {} %I %t %f %K\n", self.recorder.display()));
        }
        if terms.cheap_kex && self.version.has_dear_kex() {
            text.push_str("KexAlgorithms ^curve25519-sha256\n");
        }
        Ok(text)
    }
}

/// Why there is no wrapper.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WrapperError {
    #[error(transparent)]
    Value(#[from] BadValue),
    #[error("the ssh configuration of the run can't be written")]
    Write(#[from] io::Error),
}

/// ssh knows whole seconds, and 0 means never.
fn whole_seconds(duration: Duration) -> u64 {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(config: &Path) -> Terms<'_> {
        Terms {
            config,
            known_hosts: KnownHosts::Strict,
            connect_timeout: Duration::from_millis(1500),
            cheap_kex: true,
        }
    }

    fn wrappers(dir: &RunDir) -> Wrappers {
        let keepalive = Keepalive { interval: Duration::from_secs(5), count: 3 };
        Wrappers::new(dir, keepalive, Version::ask(Path::new("ssh")).unwrap()).unwrap()
    }

    #[test]
    fn what_must_win_stands_before_the_users_file_and_what_may_lose_after_the_systems() {
        let dir = RunDir::make(None).unwrap();
        let path = wrappers(&dir).get(&dir, &terms(Path::new("/home/a b/config"))).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let at = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle} is missing:\n{text}"));
        let user = at("Include \"/home/a b/config\"\n");
        assert!(
            at("BatchMode yes") < user && at("ConnectTimeout 2\n") < user && at("ControlPath none") < user
        );
        assert!(user < at("Include /etc/ssh/ssh_config\nHost *\n"));
        assert!(at("Host *\n") < at("ServerAliveInterval 5\n"));
    }

    #[test]
    fn equal_terms_share_a_file_that_only_we_can_read() {
        use std::os::unix::fs::MetadataExt;
        let dir = RunDir::make(None).unwrap();
        let wrappers = wrappers(&dir);
        let first = wrappers.get(&dir, &terms(Path::new("/x"))).unwrap();
        assert_eq!(first, wrappers.get(&dir, &terms(Path::new("/x"))).unwrap());
        assert_ne!(first, wrappers.get(&dir, &terms(Path::new("/y"))).unwrap());
        assert_eq!(std::fs::metadata(first).unwrap().mode() & 0o777, 0o600);
        assert!(matches!(wrappers.get(&dir, &terms(Path::new("/x\nHost *"))), Err(WrapperError::Value(_))));
    }
}
