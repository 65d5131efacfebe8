//! What never came, or was lost on the way: nothing of it is taken for good.

use crate::everywhere;
use crate::job::{Files, Work, check, secs};
use crate::target::{Target, is_alive, signal, wait_until};
use std::fs;
use std::path::Path;
use std::time::Instant;

fn work(t: &Target) -> Work {
    t.write("a", "old");
    Work::new().files(Files::new().file(t.dest("a"), "new", 0o644))
}

#[test]
fn a_check_whose_watcher_is_killed_vetoes() {
    everywhere(|t| {
        let begun = t.begin(&work(t).check(check("killed", "kill -KILL $PPID")));
        let (cause, _) = begun.answers.whole().rolled_back().unwrap();
        assert_eq!(cause, "check 'killed' came to no verdict");
        assert_eq!(t.read("a").unwrap(), "old");
        t.settle();
    });
}

/// Ten real seconds, so under one shell only.
#[test]
fn a_runner_that_never_comes_up_is_noticed() {
    let t = &Target::new("dash");
    // Between the lock and the arming: the runner of this transaction will be no runner.
    let agent = format!("{}/tx/$SNAPBACK_TX/agent.sh", t.state().display());
    let mut spoil = check(
        "spoils",
        &format!(
            "[ -e {0}/current ] && ! [ -e {0}/tx/$SNAPBACK_TX/armed ] || exit 0\n\
                  cp \"{agent}\" \"{agent}.real\"; printf '%s\\n' 'case $5 in run) exit 0 ;; esac' >\"{agent}.new\"\n\
                  cat \"{agent}.real\" >>\"{agent}.new\"; mv \"{agent}.new\" \"{agent}\"",
            t.state().display()
        ),
    );
    spoil.baseline = true;
    let start = Instant::now();
    let begun = t.begin(&work(t).check(spoil).window(60).apply_timeout(60));
    let (cause, _) = begun.answers.whole().rolled_back().unwrap_or_else(|| panic!("{:#?}", begun.answers));
    assert_eq!(cause, "the runner ended before its work was done");
    assert!(start.elapsed() > secs(9) && start.elapsed() < secs(40), "{:?}", start.elapsed());
    assert_eq!(t.read("a").unwrap(), "old");
    t.settle();
}

#[test]
fn a_record_that_was_torn_before_the_arming_is_discarded_by_the_next_contact() {
    everywhere(|t| {
        let mut slow = check("slow", &format!("touch {0}.here; sleep 30", t.dest("x")));
        slow.baseline = true;
        slow.pace.timeout = secs(30);
        let connection = t.connect();
        let (begun, _) = t.begin_unheard(&connection, &work(t).check(slow));
        wait_until("the baseline check", || Path::new(&t.dest("x.here")).exists());
        let holder = t.pid(&begun.tx, "holder").unwrap();
        signal(holder, "KILL");
        wait_until("dead", || !is_alive(holder));
        // A power cut kept the folder and lost what was in its files.
        fs::remove_file(t.tx(&begun.tx, "job/spec")).unwrap();
        for (pid, _) in t.processes() {
            signal(pid, "KILL");
        }
        assert!(t.state().join("current").exists());
        t.verb(&["status"]).whole();
        assert!(!t.state().join("current").exists());
        let next = t.begin(&work(t));
        assert!(next.answers.whole().is_ready(), "{:#?}", next.answers);
        assert!(t.connect().confirm(&next).whole().is_confirmed());
        t.settle();
    });
}
