//! What a case is played on: a target whose content carries a version, and a change that can be held up anywhere.

use crate::disk::Disk;
use crate::job::{Files, Work, check, inline, script, secs};
use crate::target::{Begun, Connection, Target};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A change can be held up here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// By a check before anything is armed.
    Baseline,
    /// In the script, after the files.
    Apply,
    /// By a check after apply.
    Check,
    /// In the script's rollback.
    Rollback,
}

impl Hold {
    fn word(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Apply => "apply",
            Self::Check => "check",
            Self::Rollback => "rollback",
        }
    }
}

/// A target and its disk.
pub struct Stage {
    /// Goes before the target, whose folders it is mounted on.
    pub disk: Option<Disk>,
    pub target: Target,
    signs: tempfile::TempDir,
}

impl Stage {
    pub fn new(shell: &'static str, disk: bool, quota: bool) -> Self {
        let shm = Path::new("/dev/shm");
        let target = if shm.is_dir() { Target::below(shell, shm) } else { Target::new(shell) };
        let disk = if disk { Disk::mount(&target, quota) } else { None };
        let stage = Self { target, disk, signs: tempfile::tempdir().unwrap() };
        for name in ["app/first", "app/deep/second", "loaded", "by-script"] {
            stage.target.write(name, "v1\n");
        }
        stage
    }

    /// The change set that brings a version.
    pub fn work(&self, version: &str, hold: &[Hold]) -> Work {
        let t = &self.target;
        let text = format!("{version}\n");
        let files = Files::new()
            .file(t.dest("app/first"), &text, 0o644)
            .file(t.dest("app/deep/second"), &text, 0o600)
            .file(t.dest("app/new/third"), &text, 0o644)
            .handler(&format!("cat {} >{}", t.dest("app/first"), t.dest("loaded")));
        let held = |at: Hold| if hold.contains(&at) { self.holding(at) } else { String::new() };
        let goal = t.dest("by-script");
        let mut step = script(&format!("{}echo {version} >{goal}", held(Hold::Apply)));
        step.rollback = Some(inline(&format!("{}echo v1 >{goal}", held(Hold::Rollback))));
        let mut before = check("before", &format!("{}true", held(Hold::Baseline)));
        before.baseline = true;
        let mut after = check("after", &format!("{}true", held(Hold::Check)));
        for check in [&mut before, &mut after] {
            check.pace.timeout = secs(4);
            check.pace.healthy_deadline = secs(4);
        }
        let mut work = Work::new().files(files).script(step).check(after).apply_timeout(4).window(3);
        if hold.contains(&Hold::Baseline) {
            work = work.check(before);
        }
        work
    }

    /// Waits where it is told to, at most two seconds.
    fn holding(&self, at: Hold) -> String {
        let (here, go) = (self.sign(at, "here"), self.sign(at, "go"));
        format!(
            "echo >>{}; n=0; while ! [ -e {} ] && [ $n -lt 40 ]; do sleep 0.05; n=$((n + 1)); done\n",
            here.display(),
            go.display()
        )
    }

    fn sign(&self, at: Hold, what: &str) -> PathBuf {
        self.signs.path().join(format!("{}.{what}", at.word()))
    }

    /// Whether the change is held up there.
    pub fn is_held(&self, at: Hold) -> bool {
        self.sign(at, "here").exists()
    }

    /// Lets go on whatever is held up, now and later.
    pub fn let_go(&self) {
        for at in [Hold::Baseline, Hold::Apply, Hold::Check, Hold::Rollback] {
            fs::write(self.sign(at, "go"), "").unwrap();
        }
    }

    /// The versions that the target holds.
    pub fn versions(&self) -> BTreeSet<String> {
        let read =
            |name: &str| self.target.read(name).map_or_else(|| "absent".to_owned(), |t| t.trim().to_owned());
        let mut held: BTreeSet<String> =
            ["app/first", "app/deep/second", "loaded", "by-script"].map(read).into_iter().collect();
        // Before the change it isn't there, nor is its folder.
        let third = match (read("app/new/third").as_str(), Path::new(&self.target.dest("app/new")).exists()) {
            ("absent", false) => "v1".to_owned(),
            ("absent", true) => "an empty folder".to_owned(),
            (text, _) => text.to_owned(),
        };
        held.insert(third);
        held
    }

    pub fn is_locked(&self) -> bool {
        fs::symlink_metadata(self.target.state().join("current")).is_ok()
    }

    /// Begins on a connection, without waiting for an answer.
    pub fn begin<'a>(&'a self, connection: &Connection<'a>, work: &Work) -> (Begun, PathBuf) {
        self.target.begin_unheard(connection, work)
    }
}

/// Looks every few milliseconds; returns whether it came in time.
pub fn comes(within: Duration, done: impl Fn() -> bool) -> bool {
    let end = Instant::now() + within;
    while !done() {
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(4));
    }
    true
}
