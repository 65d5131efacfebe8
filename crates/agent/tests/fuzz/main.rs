//! A hostile target: whatever its agent says is read without a panic, bounded, and can't drive a terminal.
//!
//! Inputs are made from pieces of real answers and raw bytes, by a seed: `cargo xtask fuzz --count N --seed S`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that can't go on shall stop, and tells what it did"
)]

use snapback_agent::answer::{Answer, parse};
use snapback_agent::inspect::Inspected;
use snapback_agent::journal::{self, Entry};
use snapback_core::change::{Change, ChangeKind, EntryKind, FileEntry, FilesChange};
use snapback_core::deadline::ConfirmPolicy;
use snapback_core::host::HostName;
use snapback_core::job::HostJob;
use snapback_core::undo::LastResort;
use snapback_core::way::Become;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The words that lines begin with.
const WORDS: &[&str] = &[
    "hello ",
    "limit ",
    "path ",
    "delete ",
    "script ",
    "texts n=0",
    "state_digest ",
    "pending ",
    "last ",
    "refused ",
    "denied ",
    "confirmed",
    "untouched",
    "doctor ",
    "error",
    "end",
    "no_become ",
    "unpack_failed",
    "| ",
    "last_item ",
    "pending_item ",
    "j 7 armed ",
    "j 7 output step=",
    "j 7 check ",
    "j 7 rolling_back",
    "j 7 undo_item ",
    "j 7 rolled_back ",
    "j 7 warning",
    "j 7 rollback_failed",
    "j 7 ready ",
    "j 18446744073709551616 ready",
    "j 7 change_started ",
];

/// Pieces of which the rest is made.
const PIECES: &[&str] = &[
    "@snapback:",
    "n",
    "@snapback:n ",
    " -- ",
    " --",
    "| ",
    " ",
    "=",
    "j ",
    "j 7 ",
    "18446744073709551616",
    "-1",
    "0",
    "1",
    "hello",
    "limit",
    "path",
    "delete",
    "script",
    "texts",
    "state_digest",
    "pending",
    "last",
    "refused",
    "denied",
    "confirmed",
    "confirming",
    "untouched",
    "accepted",
    "forgotten",
    "doctor",
    "error",
    "end",
    "need_agent",
    "no_become",
    "unpack_failed",
    "armed",
    "applying",
    "change_started",
    "change_finished",
    "output",
    "applied",
    "check",
    "ready",
    "rolling_back",
    "undo_item",
    "rolled_back",
    "rollback_failed",
    "discarded",
    "warning",
    "last_item",
    "pending_item",
    "tx=",
    "state=",
    "age=",
    "left=",
    "owner=",
    "reason=",
    "uid=",
    "gid=",
    "size=",
    "sum=",
    "raw=",
    "n=",
    "e=",
    "ok=1",
    "ms=",
    "status=passed",
    "step=",
    "late_ms=",
    "backend=",
    "hook=",
    "window=",
    "wanted=1",
    "free_kib=",
    "volatile=1",
    "81a4",
    "a1ff",
    "41ed",
    "/etc/a:",
    "/etc/a:b:",
    "/etc/a",
    "\x1b[2J",
    "\x1b]0;t\x07",
    "\u{9b}",
    "\u{202e}",
    "\u{2066}",
    "\r",
    "\0",
    "\u{fffd}",
    "ü",
    "\t",
];

/// Decodes a line: each number is a piece or a raw byte.
fn line(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut line = Vec::new();
    if random.u8(..) < 200 {
        line.extend_from_slice(b"@snapback:n ");
    }
    if random.u8(..) < 220 {
        line.extend_from_slice(random.choice(WORDS.iter()).unwrap().as_bytes());
    }
    for _ in 0..random.usize(..24) {
        if random.u8(..) < 200 {
            line.extend_from_slice(random.choice(PIECES.iter()).unwrap().as_bytes());
        } else {
            line.push(random.u8(..));
        }
    }
    line
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// Every text of an answer, as it goes on to events and summaries. A file's own text and its place are made visible by
/// whoever shows the plan.
fn texts(answer: &Answer) -> Vec<&str> {
    match answer {
        Answer::UnpackFailed(a)
        | Answer::LastItem(a)
        | Answer::PendingItem(a)
        | Answer::Untouched(a)
        | Answer::Error(a) => {
            vec![a]
        }
        Answer::Refused { reason, text } | Answer::Denied { reason, text } => vec![reason, text],
        Answer::Doctor { item, text, .. } => vec![item, text],
        Answer::Pending(p) => vec![&p.tx, &p.owner, &p.comment, &p.state],
        Answer::Last(l) => vec![&l.tx, &l.result, &l.owner],
        Answer::Journal(_, entry) => of_entry(entry),
        _ => Vec::new(),
    }
}

fn of_entry(entry: &Entry) -> Vec<&str> {
    match entry {
        Entry::Armed { backend, hook, .. } => vec![backend, hook],
        Entry::Output { step, line } => vec![step, line],
        Entry::Check { status, detail, .. } => vec![status, detail],
        Entry::RollingBack { cause } | Entry::RolledBack { cause, .. } | Entry::RollbackFailed { cause } => {
            vec![cause]
        }
        Entry::UndoItem { text, .. } | Entry::Warning { text } => vec![text],
        _ => Vec::new(),
    }
}

fn is_harmless(text: &str) -> bool {
    text.chars().all(|c| {
        !c.is_control()
            && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

/// A job with one change of each kind, for the inspection to fill.
fn job() -> HostJob {
    let entry = |dest: &str| FileEntry {
        dest: dest.to_owned(),
        what: EntryKind::Dir,
        mode: 0o755,
        owner: None,
        group: None,
    };
    let files = FilesChange { entries: vec![entry("/etc/a"), entry("/etc/a:b")], ..FilesChange::default() };
    let policy = ConfirmPolicy {
        window: Duration::ZERO,
        apply_timeout: Duration::ZERO,
        hard_cap: Duration::ZERO,
        settle: Duration::ZERO,
        reorder_kex: true,
    };
    HostJob {
        local: Vec::new(),
        host: HostName::parse("a").unwrap(),
        ways: Vec::new(),
        r#become: Become::None,
        changes: vec![Change { name: "f".to_owned(), kind: ChangeKind::Files(files) }],
        checks: Vec::new(),
        confirm: policy,
        last_resort: LastResort::default(),
        proof: Default::default(),
        vars: BTreeMap::new(),
        keep: 5,
        protected: false,
    }
}

#[test]
fn whatever_a_target_says_is_read_without_a_panic_and_harmless() {
    let (count, seed) = (number("SNAPBACK_FUZZ", 100_000), number("SNAPBACK_FUZZ_SEED", 1));
    let mut random = fastrand::Rng::with_seed(seed);
    let job = job();
    let mut inspected = Inspected::new(&job);
    let (mut known, mut bytes) = (0_u64, 0);
    let begun = Instant::now();
    for n in 0..count {
        let line = line(&mut random);
        bytes += line.len();
        match parse("n", &line) {
            Some(Answer::Inspect(line)) => inspected.hear(&line),
            Some(answer) => {
                known += 1;
                for text in texts(&answer) {
                    assert!(is_harmless(text), "seed {seed}, input {n}: {line:?} gave {text:?}");
                }
            }
            None => {}
        }
        let _ = journal::parse(&String::from_utf8_lossy(&line));
        if n % 256 == 0 {
            let _ = (inspected.is_whole(), inspected.differing_entries(0).count());
            inspected = Inspected::new(&job);
        }
    }
    assert!(known > count / 20, "hardly any input is an answer: {known} of {count}");
    let took = begun.elapsed().as_secs_f64();
    eprintln!(
        "fuzz: agent: {count} inputs, {bytes} bytes, {known} answers, {took:.1} s, seed {seed}, no panic"
    );
}
