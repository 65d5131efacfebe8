//! Thousands of small files and a big one: what a target needs of memory is bounded, whatever a file weighs.

use crate::job::{Files, Work, secs};
use crate::target::{Begun, Connection, Target, finish_within};
use crate::{SHELLS, target};
use snapback_agent::call::{Sent, command_line};
use snapback_core::change::{ChangeKind, EntryKind, FileEntry, RevertChange};
use snapback_core::content::{Content, Sha256Hex};
use snapback_core::way::Become;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Small files, and megabytes of the big one: `SNAPBACK_SCALE=10000` is 10,000 files and 1,000 MB.
fn sizes() -> (usize, usize) {
    let asked = std::env::var("SNAPBACK_SCALE").ok().and_then(|n| n.parse().ok());
    asked.map_or((200, 24), |files: usize| (files, files / 10))
}

/// What one process of the agent may take, in KiB of address space: less than the big file, and the lists come on top.
fn limit(files: usize) -> usize {
    16 * 1024 + 6 * files
}

/// What no run here takes half as long as.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Text that is no hole on a disk, and not the same for each seed.
fn big(megabytes: usize, seed: u8) -> Vec<u8> {
    let line: Vec<u8> = (0..=255_u8).map(|n| n.wrapping_mul(31) ^ seed).collect();
    line.repeat(megabytes << 12)
}

/// One target, and what its processes were seen to take.
struct Load<'a> {
    t: &'a Target,
    limit: usize,
    /// KiB that the largest process was seen with.
    peak: &'a AtomicU64,
}

impl Load<'_> {
    /// One call, each of whose processes may take so much and no more.
    fn call(&self, connection: &Connection<'_>, sent: Sent, verb: &[&str], stdin: &[u8]) -> target::Answers {
        let nonce = format!("n{}", target::next());
        let line = format!("ulimit -v {}; {}", self.limit, command_line(Become::None, &nonce, sent, verb));
        let (before, seen) = (Instant::now(), self.peak.swap(0, Ordering::Relaxed));
        let job = connection.start_line(&line, stdin);
        finish_within(&job, PATIENCE);
        let peak = self.peak.load(Ordering::Relaxed);
        eprintln!("{}: {}: {} ms, {peak} KiB", self.t.shell, verb[0], before.elapsed().as_millis());
        self.peak.fetch_max(seen, Ordering::Relaxed);
        target::Answers::read(&job, &nonce)
    }

    /// Inspects unhindered, then begins and hears it become ready.
    fn begin(&self, work: &Work) -> Begun {
        let connection = self.t.connect();
        let (inspected, _) = connection.inspect(work);
        let (mut begun, payload) = Begun::plan(self.t, work, &inspected);
        begun.answers = self.call(&connection, Sent::Payload, &["begin", &begun.tx], &payload);
        assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
        begun
    }
}

/// Looks at the agent's processes until it is told to stop.
fn watch(t: &Target, peak: &AtomicU64, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        for (pid, _) in t.processes() {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
            let kib = line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0);
            peak.fetch_max(kib, Ordering::Relaxed);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn work(t: &Target, (files, megabytes): (usize, usize)) -> Work {
    let mut all = Files::new();
    for i in 0..files {
        let name = format!("app/part{:02}/file{i:05}", i / 100);
        t.write(&name, format!("old {i}\n"));
        all = all.file(t.dest(&name), format!("new {i}\n"), 0o644);
    }
    t.write("app/big", big(megabytes, 1));
    let new = big(megabytes, 2);
    // By a tool: without optimisation ours takes minutes for a gigabyte.
    fs::write(t.path().join("new"), &new).unwrap();
    let told = Command::new("sha256sum").arg(t.path().join("new")).output().unwrap().stdout;
    let content = Sha256Hex(String::from_utf8_lossy(&told[..64]).into_owned());
    let size = new.len() as u64;
    all.contents.insert(content.clone(), Content::Bytes(new.into()));
    let what = EntryKind::File { content, size, source: "x".into(), secret: false };
    all.change.entries.push(FileEntry {
        dest: t.dest("app/big"),
        what,
        mode: 0o644,
        owner: None,
        group: None,
    });
    all.change.timeout = secs(900);
    Work::new().files(all.handler(":")).window(900).apply_timeout(900).hard_cap(1800)
}

/// The first and last of the small files, and how long the big one is and how it ends.
fn held(t: &Target, files: usize) -> (Option<String>, Option<String>, u64, [u8; 1]) {
    let big = File::open(t.dest("app/big")).unwrap();
    let (size, mut end) = (big.metadata().unwrap().len(), [0]);
    big.read_exact_at(&mut end, size - 1).unwrap();
    let small = |i: usize| t.read(&format!("app/part{:02}/file{i:05}", i / 100));
    (small(0), small(files - 1), size, end)
}

#[test]
fn thousands_of_files_and_a_big_one_fit_into_a_few_megabytes() {
    let size @ (files, megabytes) = sizes();
    assert!(limit(files) / 1024 < megabytes, "a process that holds the big file must be caught");
    // At full size all of them, one after another.
    for shell in if files < 1000 { &SHELLS[..1] } else { &SHELLS[..] } {
        let t = &Target::new(shell);
        let (peak, over) = (AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| watch(t, &peak, &over));
            let load = Load { t, limit: limit(files), peak: &peak };
            go_through(&load, size);
            over.store(true, Ordering::Relaxed);
        });
        eprintln!("{shell}: at most {} of {} KiB", peak.into_inner(), limit(files));
    }
}

/// Rolled back, then confirmed, then back to before that.
fn go_through(load: &Load<'_>, size: (usize, usize)) {
    let (t, files) = (load.t, size.0);
    let work = work(t, size);
    let old = held(t, files);
    let begun = load.begin(&work);
    let new = held(t, files);
    assert_ne!(old.3, new.3);
    let end = load.call(&t.connect(), Sent::Plain, &["rollback", &begun.tx], b"by hand\n");
    assert!(end.whole().rolled_back().is_some(), "{end:#?}");
    assert_eq!(held(t, files), old);
    t.settle();
    let begun = load.begin(&work);
    let confirm = ["confirm", begun.tx.as_str(), begun.digest.as_str()];
    let end = load.call(&t.connect(), Sent::Plain, &confirm, format!("{}\n", begun.token).as_bytes());
    assert!(end.whole().is_confirmed(), "{end:#?}");
    assert_eq!(held(t, files), new);
    t.settle();
    let revert = RevertChange { to: begun.tx.clone(), alone: false, timeout: secs(900) };
    let back =
        Work::new().change("back", ChangeKind::Revert(revert)).window(900).apply_timeout(900).hard_cap(1800);
    let begun = load.begin(&back);
    assert_eq!(held(t, files), old);
    let end = load.call(&t.connect(), Sent::Plain, &["rollback", &begun.tx], b"by hand\n");
    assert!(end.whole().rolled_back().is_some(), "{end:#?}");
    assert_eq!(held(t, files), new);
    t.settle();
}
