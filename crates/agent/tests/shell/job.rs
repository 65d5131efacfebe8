//! Jobs for tests, built up step by step.

use snapback_agent::sha256_hex;
use snapback_core::change::{Change, ChangeKind, Command, EntryKind, FileEntry, FilesChange, ScriptChange};
use snapback_core::check::{Check, Pace, Probe, Where};
use snapback_core::content::{Content, Contents, Sha256Hex};
use snapback_core::deadline::ConfirmPolicy;
use snapback_core::host::HostName;
use snapback_core::job::{HostJob, RunSpec};
use snapback_core::undo::LastResort;
use snapback_core::way::{Become, KnownHosts, Way, WayKind};
use std::collections::BTreeMap;
use std::time::Duration;

/// A job and what it needs.
#[derive(Clone)]
pub struct Work {
    pub run: RunSpec,
    pub job: HostJob,
    pub contents: Contents,
}

pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn inline(text: &str) -> Command {
    Command::Inline(text.to_owned())
}

impl Work {
    /// A job without changes: a window of ten seconds, five for apply, no settling.
    pub fn new() -> Self {
        let host = HostName::parse("target.example.org").unwrap();
        let way = Way {
            kind: WayKind::Final,
            host: host.clone(),
            address: Some("192.0.2.1".to_owned()),
            port: None,
            user: None,
            identity_file: None,
            proxy_jump: None,
            ssh_config: None,
            known_hosts: KnownHosts::Strict,
            connect_timeout: secs(5),
            host_key: None,
            family: None,
        };
        let confirm = ConfirmPolicy {
            window: secs(10),
            apply_timeout: secs(10),
            hard_cap: secs(60),
            settle: secs(0),
            reorder_kex: true,
        };
        let run = RunSpec {
            run: "01RUN".to_owned(),
            fleet: "shop".to_owned(),
            owner: "somebody@controller".to_owned(),
            origin: Default::default(),
            comment: "a change with  two blanks".to_owned(),
            parallel: 1,
            connect_parallel: 1,
            volatile_guard: true,
        };
        let job = HostJob {
            local: Vec::new(),
            host,
            ways: vec![way],
            r#become: Become::None,
            changes: Vec::new(),
            checks: Vec::new(),
            confirm,
            last_resort: LastResort::default(),
            proof: Default::default(),
            vars: BTreeMap::new(),
            keep: 5,
            protected: false,
        };
        Self { run, job, contents: Contents::new() }
    }

    pub fn window(mut self, seconds: u64) -> Self {
        self.job.confirm.window = secs(seconds);
        self
    }

    pub fn hard_cap(mut self, seconds: u64) -> Self {
        self.job.confirm.hard_cap = secs(seconds);
        self
    }

    pub fn apply_timeout(mut self, seconds: u64) -> Self {
        self.job.confirm.apply_timeout = secs(seconds);
        self
    }

    pub fn var(mut self, name: &str, value: &str) -> Self {
        self.job.vars.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn change(mut self, name: &str, kind: ChangeKind) -> Self {
        self.job.changes.push(Change { name: name.to_owned(), kind });
        self
    }

    pub fn files(mut self, files: Files) -> Self {
        self.contents.extend(files.contents);
        let name = format!("files {}", self.job.changes.len());
        self.change(&name, ChangeKind::Files(files.change))
    }

    pub fn script(self, script: ScriptChange) -> Self {
        let name = format!("script {}", self.job.changes.len());
        self.change(&name, ChangeKind::Script(Box::new(script)))
    }

    pub fn check(mut self, check: Check) -> Self {
        self.job.checks.push(check);
        self
    }

    /// A command that is a file of its own.
    pub fn command_file(&mut self, text: &str) -> Command {
        let content = Sha256Hex(sha256_hex(text.as_bytes()));
        self.contents.insert(content.clone(), Content::Bytes(text.as_bytes().into()));
        Command::File { path: "scripts/x".into(), content }
    }
}

/// A `files` change.
#[derive(Clone, Default)]
pub struct Files {
    pub change: FilesChange,
    pub contents: Contents,
}

impl Files {
    pub fn new() -> Self {
        let mut files = Self::default();
        files.change.timeout = secs(5);
        files
    }

    fn entry(mut self, dest: String, mode: u32, what: EntryKind) -> Self {
        self.change.entries.push(FileEntry { dest, what, mode, owner: None, group: None });
        self
    }

    pub fn file(mut self, dest: String, text: impl AsRef<[u8]>, mode: u32) -> Self {
        let content = Sha256Hex(sha256_hex(text.as_ref()));
        self.contents.insert(content.clone(), Content::Bytes(text.as_ref().into()));
        let size = text.as_ref().len() as u64;
        self.entry(dest, mode, EntryKind::File { content, size, source: "x".into(), secret: false })
    }

    pub fn dir(self, dest: String, mode: u32) -> Self {
        self.entry(dest, mode, EntryKind::Dir)
    }

    pub fn link(self, dest: String, target: &str) -> Self {
        self.entry(dest, 0o777, EntryKind::Symlink { target: target.to_owned() })
    }

    /// The owner of the entry named last.
    pub fn owned_by(mut self, owner: &str, group: &str) -> Self {
        let last = self.change.entries.last_mut().unwrap();
        last.owner = Some(owner.to_owned());
        last.group = Some(group.to_owned());
        self
    }

    pub fn purge(mut self, dir: String) -> Self {
        self.change.purge.push(dir);
        self
    }

    pub fn validate(mut self, text: &str) -> Self {
        self.change.validate = Some(inline(text));
        self
    }

    pub fn handler(mut self, text: &str) -> Self {
        self.change.handlers.push(inline(text));
        self
    }
}

pub fn script(apply: &str) -> ScriptChange {
    ScriptChange {
        facts: None,
        unless: None,
        apply: inline(apply),
        rollback: None,
        watch: Vec::new(),
        irreversible: false,
        timeout: secs(5),
    }
}

pub fn check(name: &str, text: &str) -> Check {
    Check {
        name: name.to_owned(),
        runs: Where::Remote,
        probe: Probe::Run(inline(text)),
        pace: Pace {
            interval: Duration::from_millis(300),
            timeout: secs(1),
            min_healthy_time: secs(0),
            healthy_deadline: secs(2),
            failure_limit: 0,
        },
        required: true,
        baseline: false,
    }
}
