//! A session that is stopped before it has armed holds the lock for a bounded time, and arms nothing after that.

use crate::everywhere;
use crate::job::{Files, Work, check, secs};
use crate::target::{Answers, Begun, Connection, Target, finish, signal, wait_until};
use snapback_agent::answer::Answer;
use std::fs;
use std::path::{Path, PathBuf};

/// A change before which a check takes its time.
fn work(t: &Target) -> Work {
    let mut baseline = check("slow", &format!("touch {0}.here; test -e {0}.go || sleep 30", t.dest("x")));
    baseline.baseline = true;
    baseline.pace.timeout = secs(30);
    Work::new().files(Files::new().file(t.dest("a"), "new", 0o644)).check(baseline)
}

fn other(t: &Target) -> Work {
    Work::new().files(Files::new().file(t.dest("b"), "b", 0o644))
}

/// A session that was stopped while it looked around, and where its answer will be.
fn stopped<'a>(t: &'a Target, connection: &Connection<'a>) -> (Begun, PathBuf, Vec<u32>) {
    t.write("a", "old");
    let (begun, job) = t.begin_unheard(connection, &work(t));
    wait_until("the baseline check", || Path::new(&t.dest("x.here")).exists());
    assert!(!t.tx(&begun.tx, "armed").exists());
    // With all that it has started: what ticks shows that somebody is at work.
    let all: Vec<u32> = t.processes().into_iter().map(|(pid, _)| pid).collect();
    all.iter().for_each(|pid| signal(*pid, "STOP"));
    (begun, job, all)
}

/// Lets time pass since somebody first saw that it does nothing, in the record of that.
fn later(t: &Target, begun: &Begun, seconds: i64) {
    let path = t.tx(&begun.tx, "pulse");
    let text = fs::read_to_string(&path).unwrap();
    let (pulse, since) = text.trim_end().rsplit_once(' ').unwrap();
    let since: i64 = since.parse().unwrap();
    fs::write(path, format!("{pulse} {}\n", since - seconds * 100)).unwrap();
}

fn over_in(answers: &Answers) -> Option<u64> {
    let pending = answers.all.iter().find_map(|a| if let Answer::Pending(p) = a { Some(p) } else { None });
    pending.unwrap_or_else(|| panic!("nothing is pending: {answers:#?}")).over_in
}

/// The check of a stopped session ends, and is green from now on.
fn end_check(t: &Target) {
    t.write("x.go", "");
    for (pid, line) in t.processes() {
        if line.starts_with("sleep 30") {
            signal(pid, "KILL");
        }
    }
}

/// Lets a stopped session go on, and returns what it says.
fn goes_on(all: &[u32], job: &Path) -> Answers {
    all.iter().for_each(|pid| signal(*pid, "CONT"));
    finish(job);
    Answers::read(job, "n")
}

#[test]
fn a_session_stopped_before_arming_is_taken_over_after_its_bound_and_changes_nothing_when_it_goes_on() {
    everywhere(|t| {
        let connection = t.connect();
        let (begun, job, all) = stopped(t, &connection);
        let refused = t.begin(&other(t)).answers;
        assert_eq!(refused.whole().refused(), Some("locked"));
        assert!(over_in(&refused).is_some_and(|left| (100..=120).contains(&left)), "{refused:#?}");
        later(t, &begun, 100);
        let refused = t.begin(&other(t)).answers;
        assert!(over_in(&refused).is_some_and(|left| (1..=20).contains(&left)), "{refused:#?}");
        later(t, &begun, 30);
        let second = t.begin(&other(t));
        assert!(second.answers.whole().is_ready(), "{:#?}", second.answers);
        let current = || fs::read_to_string(t.state().join("current")).unwrap();
        assert_eq!(current(), format!("{}\n", second.tx));
        let said = goes_on(&all, &job);
        assert_eq!(said.refused(), Some("taken_over"), "{said:#?}");
        assert_eq!(current(), format!("{}\n", second.tx), "the second one's lock is its own");
        assert!(!t.tx(&begun.tx, "armed").exists() && !t.tx(&begun.tx, "go").exists());
        assert!(t.connect().confirm(&second).whole().is_confirmed());
        t.settle();
        assert_eq!([t.read("a").as_deref(), t.read("b").as_deref()], [Some("old"), Some("b")]);
    });
}

#[test]
fn a_session_that_does_something_is_never_taken_over() {
    everywhere(|t| {
        let connection = t.connect();
        let (begun, job, all) = stopped(t, &connection);
        assert_eq!(t.begin(&other(t)).answers.whole().refused(), Some("locked"));
        end_check(t);
        later(t, &begun, 500);
        let said = goes_on(&all, &job);
        assert!(said.whole().is_ready(), "{said:#?}");
        assert_eq!(t.begin(&other(t)).answers.whole().refused(), Some("locked"));
        assert!(t.connect().confirm(&begun).whole().is_confirmed());
        t.settle();
        assert_eq!(t.read("a").as_deref(), Some("new"));
    });
}

#[test]
fn of_who_arms_and_who_discards_one_draws_the_lot() {
    everywhere(|t| {
        // It has gone to somebody who discards, and the record is all there still.
        let connection = t.connect();
        let (begun, job, all) = stopped(t, &connection);
        fs::write(t.tx(&begun.tx, "lot"), "discard\n").unwrap();
        end_check(t);
        let said = goes_on(&all, &job);
        assert_eq!(said.refused(), Some("lot"), "{said:#?}");
        assert!(!t.tx(&begun.tx, "armed").exists());
        assert!(!t.state().join("current").exists());
        assert_eq!(t.read("a").as_deref(), Some("old"));
        t.settle();
        // It has gone to the session itself, which was stopped just then: it ends before anybody discards.
        fs::remove_file(t.dest("x.here")).unwrap();
        fs::remove_file(t.dest("x.go")).unwrap();
        let connection = t.connect();
        let (begun, _, all) = stopped(t, &connection);
        fs::write(t.tx(&begun.tx, "lot"), "arm\n").unwrap();
        t.verb(&["status"]);
        later(t, &begun, 130);
        let second = t.begin(&other(t));
        assert!(second.answers.whole().is_ready(), "{:#?}", second.answers);
        assert!(!crate::target::is_alive(t.pid(&begun.tx, "holder").unwrap()));
        all.iter().for_each(|pid| signal(*pid, "CONT"));
        assert!(t.connect().confirm(&second).whole().is_confirmed());
        t.settle();
        assert_eq!(t.read("a").as_deref(), Some("old"));
    });
}
