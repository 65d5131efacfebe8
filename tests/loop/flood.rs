//! A host that says more than any memory holds.

use crate::stage::{MOTD, Stage};
use snapback_testkit::program::Ended;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Kilobytes. A run of one host that floods nobody takes some twenty megabytes.
const MOST_MEMORY: u64 = 200_000;

/// The most memory that a process ever had, in kilobytes.
fn peak(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Runs against a host whose login says this instead of doing anything, and returns what was told.
fn flooded(says: &str) -> Ended {
    let stage = Stage::with(&["web.test"], |settings| settings.line("ForceCommand {dir}/flood"));
    let flood = stage.host().sshd.path("flood");
    fs::write(&flood, format!("#!/bin/sh\n{says}\n")).unwrap();
    fs::set_permissions(&flood, PermissionsExt::from_mode(0o755)).unwrap();
    let before = stage.host().tree();
    stage.fleet(MOTD);
    let running = stage.change().limit(Duration::from_secs(240)).start();
    let pid = running.pid();
    let over = AtomicBool::new(false);
    let (ended, most) = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                most = most.max(peak(pid).unwrap_or_default());
                thread::sleep(Duration::from_millis(5));
            }
            most
        });
        let ended = running.end();
        over.store(true, Ordering::Relaxed);
        (ended, watching.join().unwrap())
    });
    assert!(most > 1_000, "its memory was never read");
    assert!(most < MOST_MEMORY, "{most} kB; {ended}");
    assert_eq!(stage.host().tree(), before);
    ended.must_exit(4).must_say("web.test: unreachable")
}

#[test]
fn lines_without_end_are_cut_and_the_host_is_reported() {
    flooded("exec yes Welcome")
        .must_say(" lines, 70 kB, that are none of the agent's")
        .must_say("ssh HOST true");
}

#[test]
fn a_line_without_end_is_cut_and_the_host_is_reported() {
    flooded("exec tr '\\0' x </dev/zero").must_say(" 1114 kB, that are none of the agent's");
}

#[test]
fn complaints_without_end_are_cut_and_the_host_is_reported() {
    flooded("exec yes Welcome >&2").must_say(" lines, 70 kB, that are none of the agent's");
}

#[test]
fn answers_without_end_are_cut_and_the_host_is_reported() {
    let nonce = "n=$(printf %s \"$SSH_ORIGINAL_COMMAND\" | sed -n \"s/.*' none \\([0-9a-f]*\\) .*/\\1/p\")";
    let line = "x=$(printf '%01000d' 0)\nexec yes \"@snapback:$n limit kind=x -- $x\"";
    // By its length, or by the time that an answer may take: a slow machine gets there first.
    let _ = flooded(&format!("{nonce}\n{line}"));
}
