//! A host: an sshd behind a relay, with a state directory and a file system of its own.

use super::{Tree, await_that, tree};
use snapback_testkit::relay::Relay;
use snapback_testkit::sshd::{Settings, Sshd};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A host of the stage.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) relay: Relay,
    pub(crate) sshd: Sshd,
    /// What stands for `/` on it: `{{ root }}` in fleet files, `$VAR_ROOT` in commands.
    pub(crate) root: PathBuf,
    pub(crate) state: PathBuf,
    known: PathBuf,
}

impl Host {
    pub(super) fn start(name: &str, stage: &Path, set: &impl Fn(Settings) -> Settings) -> Self {
        let dir = stage.join(name);
        let (root, state) = (dir.join("root"), dir.join("state"));
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("etc/motd"), "old\n").unwrap();
        // The first line of this keyword is the only one that counts.
        let env = format!("SetEnv SNAPBACK_STATE={} SNAPBACK_GUARD=bare", state.display());
        let sshd = set(Settings::named(name).line(&env)).start();
        let relay = Relay::to(sshd.address());
        let host = Self { name: name.to_owned(), relay, sshd, root, state, known: dir.join("known_hosts") };
        host.learn_key();
        host
    }

    /// Writes down the host's key as the one that the controller knows.
    fn learn_key(&self) {
        let key = fs::read_to_string(self.sshd.path("host_key.pub")).unwrap();
        let line = |port| format!("[127.0.0.1]:{port} {key}");
        fs::write(&self.known, line(self.relay.port()) + &line(self.sshd.port())).unwrap();
    }

    /// Lets the controller know the host's present key beside those that it knows.
    pub(crate) fn learn_key_too(&self) {
        let known = fs::read_to_string(&self.known).unwrap();
        self.learn_key();
        let present = fs::read_to_string(&self.known).unwrap();
        fs::write(&self.known, known + &present).unwrap();
    }

    pub(super) fn client_config(&self) -> String {
        let known = self.known.display();
        let ours =
            format!("Host {}\n  Port {}\n  UserKnownHostsFile {known}\n", self.name, self.relay.port());
        ours + &self.sshd.client_config()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_else(|error| format!("({error})"))
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    pub(crate) fn tree(&self) -> Tree {
        tree(&self.root)
    }

    /// Returns whether a transaction is open.
    pub(crate) fn is_open(&self) -> bool {
        self.state.join("current").exists()
    }

    /// Waits until the lock is free: at the latest a moment after the end was told.
    pub(crate) fn await_over(&self) {
        await_that("the transaction ends", Duration::from_secs(30), || !self.is_open());
    }

    /// Returns where the host keeps its state.
    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// Returns the journals of all transactions, oldest first.
    pub(crate) fn journals(&self) -> String {
        let mut transactions: Vec<_> =
            fs::read_dir(self.state.join("tx")).into_iter().flatten().flatten().map(|e| e.path()).collect();
        transactions.sort();
        let read = |dir: &PathBuf| fs::read_to_string(dir.join("journal")).unwrap_or_default();
        transactions.iter().map(|dir| format!("{}\n{}", dir.display(), read(dir))).collect()
    }

    /// Returns how late the last undo began, in milliseconds, by the host's own measure.
    pub(crate) fn late_ms(&self) -> u64 {
        let journals = self.journals();
        let line =
            journals.lines().rfind(|line| line.starts_with("rolled_back")).expect("it was rolled back");
        let late = line.split("late_ms=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
        late.parse().unwrap()
    }
}
