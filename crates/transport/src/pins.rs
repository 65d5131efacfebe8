//! The host keys of the run: what a host showed first, it must show to the end.

use crate::run_dir::RunDir;
use crate::wrapper::Wrappers;
use snapback_core::host::HostName;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A host's key, as its first connection verified it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    pub(crate) fingerprint: String,
    /// Where ssh finds it, if we have the key itself.
    pub(crate) file: Option<PinFile>,
}

/// A known-hosts file that holds one key under a made-up name (`HostKeyAlias`), so that it counts for every
/// address and port of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PinFile {
    pub(crate) path: PathBuf,
    pub(crate) alias: String,
}

/// The pins of all hosts.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    by_host: Mutex<BTreeMap<HostName, Pin>>,
    announced: Mutex<BTreeMap<String, PinFile>>,
}

impl Pins {
    pub(crate) fn get(&self, host: &HostName) -> Option<Pin> {
        self.lock().get(host).cloned()
    }

    /// Returns whether a connection that has verified this key may be used, and pins the key if it is the first.
    pub(crate) fn accept(&self, dir: &RunDir, host: &HostName, fingerprint: &str) -> bool {
        let mut by_host = self.lock();
        if let Some(pin) = by_host.get(host) {
            return pin.fingerprint == fingerprint;
        }
        let pin = Pin { fingerprint: fingerprint.to_owned(), file: pin_file(dir, fingerprint) };
        by_host.insert(host.clone(), pin);
        true
    }

    /// Returns the file that holds an announced key and nothing else: ssh itself then refuses every other one.
    pub(crate) fn announced(&self, dir: &RunDir, key: &str) -> io::Result<PinFile> {
        let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = announced.get(key) {
            return Ok(file.clone());
        }
        let path = dir.fresh("pin");
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("announced");
        let alias = format!("snapback-{stem}");
        dir.write(&path, &format!("{alias} {key}\n"))?;
        let file = PinFile { path, alias };
        announced.insert(key.to_owned(), file.clone());
        Ok(file)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<HostName, Pin>> {
        self.by_host.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the key that has this fingerprint. There is none if ssh is too old to tell, if the user has a
/// `KnownHostsCommand`, and for certificates, which aren't keys: then the fingerprint in ssh's log is compared.
fn pin_file(dir: &RunDir, fingerprint: &str) -> Option<PinFile> {
    let seen = std::fs::read_to_string(Wrappers::keys(dir)).ok()?;
    let key = seen.lines().find_map(|line| line.strip_prefix(fingerprint)?.strip_prefix(' '))?;
    if key.split(' ').next()?.contains("-cert-") {
        return None;
    }
    let path = dir.fresh("pin");
    let alias = format!("snapback-{}", path.file_stem()?.to_str()?);
    match dir.write(&path, &format!("{alias} {key}\n")) {
        Ok(()) => Some(PinFile { path, alias }),
        Err(error) => {
            tracing::debug!(%error, "a host key is pinned by its fingerprint alone");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_stays_the_only_one() {
        let dir = RunDir::make(None).unwrap();
        std::fs::write(
            Wrappers::keys(&dir),
            "SHA256:jump ssh-ed25519 AAAAjump\nSHA256:first ssh-ed25519 AAAAfirst\n",
        )
        .unwrap();
        let pins = Pins::default();
        let host = HostName::parse("app01").unwrap();
        assert!(pins.accept(&dir, &host, "SHA256:first"));
        assert!(pins.accept(&dir, &host, "SHA256:first"));
        assert!(!pins.accept(&dir, &host, "SHA256:other"));
        let file = pins.get(&host).unwrap().file.unwrap();
        let text = std::fs::read_to_string(file.path).unwrap();
        assert_eq!(text, format!("{} ssh-ed25519 AAAAfirst\n", file.alias));
    }

    #[test]
    fn a_certificate_is_pinned_by_its_fingerprint_alone() {
        let dir = RunDir::make(None).unwrap();
        std::fs::write(Wrappers::keys(&dir), "SHA256:c ssh-ed25519-cert-v01@openssh.com AAAA\n").unwrap();
        let pins = Pins::default();
        let host = HostName::parse("app01").unwrap();
        assert!(pins.accept(&dir, &host, "SHA256:c"));
        assert_eq!(pins.get(&host).unwrap().file, None);
        assert!(!pins.accept(&dir, &host, "SHA256:other"));
    }
}
