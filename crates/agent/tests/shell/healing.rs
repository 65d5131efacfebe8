//! After an undo the checks are asked again: the word stays `rolled_back`, and it is said whether the host is well.

use crate::everywhere;
use crate::job::{Files, Work, check, secs};
use crate::target::{Answers, Target};
use snapback_agent::journal::Entry;
use snapback_core::check::Check;
use snapback_core::outcome::Health;
use std::time::{Duration, Instant};

fn work(t: &Target) -> Work {
    t.write("a", "old");
    Work::new().files(Files::new().file(t.dest("a"), "new", 0o644))
}

fn holds_with_the_old(t: &Target) -> Check {
    check("old", &format!("grep -q old {}", t.dest("a")))
}

/// Begins, expects an undo by itself, and returns the answers and what was said of the host's health.
fn undone(t: &Target, work: &Work) -> (Answers, Option<Health>) {
    let begun = t.begin(work);
    let end = if begun.answers.is_ready() { begun.follow(t) } else { begun.answers };
    let health = end.whole().journal().into_iter().find_map(|e| match e {
        Entry::RolledBack { health, .. } => Some(*health),
        _ => None,
    });
    assert_eq!(t.read("a").unwrap(), "old");
    assert!(!t.state().join("current").exists());
    t.settle();
    (end, health.unwrap())
}

fn again(end: &Answers) -> Vec<(usize, &str, &str)> {
    let entries = end.journal().into_iter();
    let mut again: Vec<_> = entries
        .filter_map(|e| match e {
            Entry::Recheck { n, status, detail } => Some((*n, status.as_str(), detail.as_str())),
            _ => None,
        })
        .collect();
    again.sort_unstable();
    again
}

#[test]
fn a_host_whose_checks_pass_with_the_old_state_is_called_healthy() {
    everywhere(|t| {
        // The lock is free by then: this one fails as long as it is held.
        let free = check("free", &format!("! test -e {}/current", t.state().display()));
        let (end, health) = undone(t, &work(t).check(holds_with_the_old(t)).check(free));
        assert_eq!(health, Some(Health::Healthy));
        assert_eq!(again(&end), [(0, "passed", ""), (1, "passed", "")]);
    });
}

#[test]
fn a_check_that_fails_with_the_old_state_too_is_named_and_changes_no_word() {
    everywhere(|t| {
        let optional = Check { required: false, ..check("nice", "false") };
        let work = work(t)
            .check(holds_with_the_old(t))
            .check(check("dead", "echo still dead; exit 1"))
            .check(optional);
        let (end, health) = undone(t, &work);
        assert_eq!(health, Some(Health::Failing));
        let said = again(&end);
        assert_eq!(said[..2], [(0, "passed", ""), (1, "failed", "exit status 1: still dead")]);
    });
}

#[test]
fn what_was_red_before_or_is_only_reported_counts_for_nothing() {
    everywhere(|t| {
        let red = Check { baseline: true, ..check("red", "false") };
        let optional = Check { required: false, ..check("nice", "false") };
        let (_, health) =
            undone(t, &work(t).check(holds_with_the_old(t)).check(red.clone()).check(optional.clone()));
        assert_eq!(health, Some(Health::Healthy));
        // Nothing that counts is left to ask.
        let (_, health) = undone(t, &work(t).check(red).check(optional).window(1));
        assert_eq!(health, None);
        let (_, health) = undone(t, &work(t).window(1));
        assert_eq!(health, None);
    });
}

#[test]
fn a_check_that_hangs_after_the_undo_is_ended_and_holds_nothing_up() {
    everywhere(|t| {
        let lock = t.state().join("current");
        let hangs = check("hangs", &format!("test -e {} || sleep 60", lock.display()));
        let (begun, start) = (t.begin(&work(t).check(hangs)), Instant::now());
        let connection = t.connect();
        let job =
            connection.start(snapback_agent::call::Sent::Plain, &["rollback", &begun.tx, "0"], b"", "n");
        crate::target::wait_until("the lock is free", || !lock.exists());
        // The next run isn't refused because the last one is still asked about.
        assert!(is_undone(t, &begun.tx));
        crate::target::finish(&job);
        assert!(start.elapsed() < secs(20) + Duration::from_secs(5), "{:?}", start.elapsed());
        let end = Answers::read(&job, "n");
        let health = end.whole().journal().into_iter().find_map(|e| match e {
            Entry::RolledBack { health, .. } => *health,
            _ => None,
        });
        assert_eq!(health, Some(Health::Failing));
        assert_eq!(again(&end)[0].1, "error");
        t.settle();
        assert!(!t.tx(&begun.tx, "job/c").exists(), "somebody cleans up");
    });
}

fn is_undone(t: &Target, tx: &str) -> bool {
    t.read("a").as_deref() == Some("old") && t.tx(tx, "done").exists()
}

#[test]
fn a_check_that_comes_to_no_verdict_leaves_it_unknown() {
    everywhere(|t| {
        let lock = t.state().join("current");
        // Its parent is the one that watches it.
        let kills = check("kills", &format!("test -e {} || kill -KILL $PPID", lock.display()));
        let (_, health) = undone(t, &work(t).check(kills).check(holds_with_the_old(t)));
        assert_eq!(health, Some(Health::Unknown));
    });
}
