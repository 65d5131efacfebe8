//! A host whose content carries a version, and a change that can be held up anywhere.

use snapback_testkit::lab::{HostKind, LabHost};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The confirm window and apply's limit, in seconds.
pub(crate) const WINDOW: u64 = 6;
pub(crate) const APPLY: u64 = 6;

/// Where a change can be held up: by checks, or in a script.
pub(crate) const HOLDS: [&str; 4] = ["baseline", "apply", "check", "rollback"];

/// A host in a case.
pub(crate) struct Stricken<'a> {
    pub(crate) host: &'a LabHost,
    /// The transactions of earlier cases.
    before: BTreeSet<PathBuf>,
    pub(crate) root: PathBuf,
}

impl<'a> Stricken<'a> {
    pub(crate) fn new(host: &'a LabHost) -> Self {
        let root = host.root();
        Self { host, before: transactions(&root), root }
    }

    pub(crate) fn is_systemd(&self) -> bool {
        self.host.kind() == HostKind::Systemd
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("var/lib/snapback")
    }

    /// Whether what bounds the disk for its state is a quota.
    pub(crate) fn has_quota(&self) -> bool {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let state = self.state().display().to_string();
        mounts.lines().any(|line| line.contains(&format!(" {state} btrfs ")))
    }

    /// Puts the first version in place.
    pub(crate) fn prepare(&self) {
        let script = "rm -rf /srv/app /srv/signs; mkdir -p /srv/app/deep /srv/signs; \
                      for f in app/first app/deep/second loaded by-script; do echo v1 >/srv/$f; done";
        self.host.exec_sh(script).unwrap();
    }

    /// The fleet file that brings a version; held up where it is told.
    pub(crate) fn fleet(&self, version: &str, hold: &[&str], address: &str) -> String {
        let held = |at: &str| {
            if !hold.contains(&at) {
                return String::new();
            }
            format!(
                "echo >/srv/signs/{at}.here; n=0; while ! test -e /srv/signs/{at}.go && test $n -lt 50; do sleep 0.05; n=$((n+1)); done; "
            )
        };
        let fail = if hold.contains(&"rollback") { "; false" } else { "" };
        let file = |dest: &str| {
            format!("[[changes.files]]\ncontent = \"{version}\\n\"\ndest = \"/srv/app/{dest}\"\n")
        };
        let check = |at: &str, more: &str| {
            format!(
                "[[checks]]\nname = \"{at}\"\nwhere = \"remote\"\nrun = '''{}true'''\ntimeout = \"4s\"\nhealthy_deadline = \"4s\"\n{more}",
                held(at)
            )
        };
        let baseline =
            if hold.contains(&"baseline") { check("baseline", "baseline = true\n") } else { String::new() };
        format!(
            "[hosts.{name}]\nconnect_timeout = \"3s\"\n{address}\
             [confirm]\ntimeout = \"{WINDOW}s\"\napply_timeout = \"{APPLY}s\"\nsettle = \"0s\"\n\
             [[changes]]\nkind = \"files\"\ntimeout = \"3s\"\nhandlers = [\"cat /srv/app/first >/srv/loaded\"]\n{}{}{}\
             [[changes]]\nkind = \"script\"\ntimeout = \"4s\"\napply = '''{}echo {version} >/srv/by-script{fail}'''\nrollback = '''{}echo v1 >/srv/by-script'''\n\
             {}{baseline}",
            file("first"),
            file("deep/second"),
            file("new/third"),
            held("apply"),
            held("rollback"),
            check("check", ""),
            name = self.host.name(),
        )
    }

    pub(crate) fn is_held(&self, at: &str) -> bool {
        self.root.join(format!("srv/signs/{at}.here")).exists()
    }

    /// Lets go on whatever is held up, now and later.
    pub(crate) fn let_go(&self) {
        for at in HOLDS {
            fs::write(self.root.join(format!("srv/signs/{at}.go")), "").unwrap();
        }
    }

    /// The newest transaction of this case.
    pub(crate) fn tx(&self) -> Option<PathBuf> {
        transactions(&self.root).difference(&self.before).last().cloned()
    }

    pub(crate) fn read_tx(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.tx()?.join(name)).ok()
    }

    /// The process that an identity file of the record names, by its number in the host.
    pub(crate) fn pid(&self, name: &str) -> Option<String> {
        self.read_tx(name)?.split_whitespace().next().map(str::to_owned)
    }

    /// How the newest transaction ended, if it has.
    pub(crate) fn done(&self) -> String {
        let text = self.read_tx("done").unwrap_or_default();
        if text.ends_with("\nend\n") {
            text.lines().next().unwrap_or_default().to_owned()
        } else {
            String::new()
        }
    }

    pub(crate) fn is_locked(&self) -> bool {
        fs::symlink_metadata(self.state().join("current")).is_ok()
    }

    pub(crate) fn is_stuck(&self) -> bool {
        // By a mark that is whole.
        self.read_tx("undo_failed").is_some_and(|mark| mark.ends_with("end\n"))
    }

    /// The versions that the host holds.
    pub(crate) fn versions(&self) -> BTreeSet<String> {
        let srv = self.root.join("srv");
        let read = |name: &str| {
            fs::read_to_string(srv.join(name))
                .map_or_else(|_| format!("no {name}"), |text| text.trim().to_owned())
        };
        let mut held: BTreeSet<String> =
            ["app/first", "app/deep/second", "loaded", "by-script"].map(read).into_iter().collect();
        held.insert(if srv.join("app/new").exists() { read("app/new/third") } else { "v1".to_owned() });
        held
    }

    /// Runs a script in the host, if it is on; whether it succeeds is the case's business.
    pub(crate) fn sh(&self, script: &str) {
        if self.host.is_on().unwrap_or(false) {
            let _ = self.host.exec(&["sh", "-c", script]);
        }
    }
}

fn transactions(root: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(root.join("var/lib/snapback/tx")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Looks every few milliseconds; returns whether it came in time.
pub(crate) fn comes(within: Duration, done: impl Fn() -> bool) -> bool {
    let end = Instant::now() + within;
    while !done() {
        if Instant::now() >= end {
            return false;
        }
        sleep(Duration::from_millis(5));
    }
    true
}
