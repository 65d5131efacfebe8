//! An undo that fails or hangs: each item has its limit, is tried twice, and then comes the last resort.

use crate::everywhere;
use crate::job::{Files, Work, inline, script, secs};
use crate::target::{Answers, Begun, Target, is_alive, signal, wait_until};
use snapback_agent::answer::Answer;
use snapback_agent::journal::Entry;
use snapback_core::change::ScriptChange;
use snapback_core::undo::undo_limit;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

fn undone_by(rollback: &str) -> ScriptChange {
    let mut step = script("true");
    step.rollback = Some(inline(rollback));
    step.timeout = secs(1);
    step
}

fn file(t: &Target, name: &str) -> Files {
    t.write(name, "old");
    let mut files = Files::new().file(t.dest(name), "new", 0o644);
    files.change.timeout = secs(1);
    files
}

/// What is told broken once all has been tried.
fn broken(end: &Answers) -> Vec<&str> {
    let mut items = Vec::new();
    for entry in end.journal() {
        match entry {
            Entry::UndoAgain { .. } => items.clear(),
            Entry::UndoItem { ok: false, text } => items.push(text.as_str()),
            _ => {}
        }
    }
    items
}

fn told_limit(begun: &Begun) -> Duration {
    let told = begun.answers.journal().into_iter().find_map(|e| match e {
        Entry::Armed { undo, .. } => Some(*undo),
        _ => None,
    });
    Duration::from_secs(told.unwrap())
}

fn lines(t: &Target, name: &str) -> usize {
    t.read(name).unwrap_or_default().lines().count()
}

#[test]
fn what_hangs_is_ended_and_the_rest_is_undone_within_the_limit_that_was_told() {
    everywhere(|t| {
        // Hanging from the moment that the undo begins.
        let hang = format!(
            "echo x >> {0}.log; [ ! -e {0} ] || {{ trap '' TERM; sleep 50 & sleep 50; }}",
            t.dest("hang")
        );
        let work = Work::new()
            .files(file(t, "first").handler(&hang))
            .script(undone_by(&format!("trap '' TERM; echo y >> {}; sleep 50", t.dest("tries"))))
            .files(file(t, "last"));
        let begun = t.begin(&work);
        assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
        t.write("hang", "");
        let start = Instant::now();
        let end = t.verb(&["rollback", &begun.tx]);
        let took = start.elapsed();
        assert!(end.whole().rollback_failed(), "{end:#?}");
        assert!(took < told_limit(&begun), "{took:?}, and {:?} were told", told_limit(&begun));
        assert_eq!(["first", "last"].map(|n| t.read(n).unwrap()), ["old", "old"]);
        let said = broken(&end);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].starts_with("script 1: rollback: did not end within 1 s"), "{said:?}");
        assert!(
            said[1].starts_with("handler 'echo x") && said[1].contains("did not end within 1 s"),
            "{said:?}"
        );
        assert_eq!(lines(t, "tries"), 2, "a failing item is tried once more");
        assert_eq!(lines(t, "hang.log"), 3, "once on the way there, twice on the way back");
        t.settle();
        // A person mends what hung: only that is done again.
        fs::remove_file(t.dest("hang")).unwrap();
        assert!(t.verb(&["rollback", &begun.tx]).whole().rollback_failed());
        assert_eq!(lines(t, "hang.log"), 4);
        t.settle();
    });
}

#[test]
fn an_item_that_works_the_second_time_is_rolled_back() {
    everywhere(|t| {
        let step =
            undone_by(&format!("[ -e {0} ] || {{ touch {0}; echo not yet; exit 1; }}", t.dest("tried")));
        let begun = t.begin(&Work::new().files(file(t, "a")).script(step));
        let end = t.verb(&["rollback", &begun.tx]);
        assert!(end.whole().rolled_back().is_some(), "{end:#?}");
        assert_eq!(broken(&end), Vec::<&str>::new());
        t.settle();
        assert!(!t.state().join("current").exists());
        assert!(t.verb(&["status"]).all.iter().all(|a| !matches!(a, Answer::LastItem(_))));
    });
}

/// Has the guard and whoever comes run an agent in which a function is another one. Whoever comes may carry the undo out
/// as well, where the guard isn't back yet.
fn replace_function(t: &Target, begun: &Begun, text: &str) {
    let kept = t.state().join("agent").join(&snapback_agent::bundle::agent().hash).join("agent.sh");
    for agent in [t.tx(&begun.tx, "agent.sh"), kept] {
        let old = fs::read_to_string(&agent).unwrap();
        let new = old.replace("\nmain \"$@\"\n", &format!("\n{text}\nmain \"$@\"\n"));
        assert_ne!(old, new);
        fs::write(&agent, new).unwrap();
    }
    for who in ["backup", "supervisor"] {
        let pid = t.pid(&begun.tx, who).unwrap();
        signal(pid, "KILL");
        wait_until("dead", || !is_alive(pid));
    }
}

#[test]
fn a_copy_that_hangs_holds_up_no_other_change() {
    everywhere(|t| {
        let mut work = Work::new();
        for name in ["one", "two", "three"] {
            work = work.files(file(t, name));
        }
        let begun = t.begin(&work.window(60));
        assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
        replace_function(
            t,
            &begun,
            "restore_limit() { RESTORE_LIMIT=1; }\n\
             sync_chunk() { case $2 in */c/1/*) sleep 60 ;; esac; shift; durable \"$@\"; }",
        );
        let start = Instant::now();
        let end = t.verb(&["rollback", &begun.tx]);
        assert!(end.whole().rollback_failed(), "{end:#?}");
        assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
        assert_eq!(["one", "two", "three"].map(|n| t.read(n).unwrap()), ["old", "new", "old"]);
        assert_eq!(broken(&end), ["files 1: putting its paths back did not end within 1 s"]);
        // The copy that hung isn't left behind.
        t.settle();
    });
}

#[test]
fn a_fifo_in_the_way_or_among_what_is_watched_hangs_nothing() {
    everywhere(|t| {
        let fifo = |name: &str| {
            assert!(std::process::Command::new("mkfifo").arg(t.dest(name)).status().unwrap().success());
        };
        fs::create_dir_all(t.dest("w")).unwrap();
        fifo("w/kept");
        fifo("w/gone");
        t.write("w/file", "old");
        let mut step = script(&format!("cd {}; rm gone file; mkfifo file new", t.dest("w")));
        step.watch = vec![t.dest("w")];
        let begun = t.begin(&Work::new().files(file(t, "a")).script(step));
        assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
        fs::remove_file(t.dest("a")).unwrap();
        fifo("a");
        let start = Instant::now();
        let end = t.verb(&["rollback", &begun.tx]);
        assert!(end.whole().rolled_back().is_some(), "{end:#?}");
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        assert_eq!(["a", "w/file"].map(|n| t.read(n).unwrap()), ["old", "old"]);
        assert!(Path::new(&t.dest("w/gone")).exists() && !Path::new(&t.dest("w/new")).exists());
        t.settle();
    });
}

/// A rollback that fails until a file says that it was mended.
fn needs(t: &Target, what: &str) -> ScriptChange {
    undone_by(&format!("echo try >> {}; echo it lacks {what}; test -e {}", t.dest("tries"), t.dest(what)))
}

fn with_failsafe(work: Work, text: &str) -> Work {
    let mut work = work;
    work.job.last_resort.failsafe = Some(inline(text));
    work
}

#[test]
fn the_failsafe_mends_and_is_believed_only_once_all_is_verified() {
    everywhere(|t| {
        let mend = format!(
            "cat \"$DEPLOY_BROKEN\" > {0}; echo \"$DEPLOY_HOST\" >> {0}; echo mending; touch {1}",
            t.dest("seen"),
            t.dest("mended")
        );
        let work = with_failsafe(Work::new().files(file(t, "a")).script(needs(t, "mended")), &mend);
        let begun = t.begin(&work);
        let end = t.verb(&["rollback", &begun.tx]);
        assert!(end.whole().rolled_back().is_some(), "{end:#?}");
        let seen = "script 1: rollback: exit status 1: it lacks mended\ntarget.example.org\n";
        assert_eq!(t.read("seen").unwrap(), seen);
        assert_eq!(lines(t, "tries"), 3);
        assert!(
            end.journal().iter().any(
                |e| matches!(e, Entry::Output { step, line } if step == "failsafe" && line == "mending")
            )
        );
        t.settle();
        assert!(!t.tx(&begun.tx, "job/failsafe.sh").exists());
    });
}

#[test]
fn a_failsafe_that_mends_nothing_leaves_a_failed_rollback() {
    everywhere(|t| {
        // It ends well, it ends badly, it hangs: the word is the same.
        for (text, tries, why) in [
            ("true", 3, None),
            ("echo no idea; exit 4", 2, Some("failsafe: exit status 4: no idea")),
            ("trap '' TERM; sleep 60", 2, Some("failsafe: did not end within 3 s")),
        ] {
            t.write("tries", "");
            let work = Work::new().script(needs(t, "mended")).apply_timeout(3);
            let begun = t.begin(&with_failsafe(work, text));
            let start = Instant::now();
            let end = t.verb(&["rollback", &begun.tx]);
            assert!(end.whole().rollback_failed(), "{text}: {end:#?}");
            assert!(start.elapsed() < told_limit(&begun), "{text}: {:?}", start.elapsed());
            let said = broken(&end);
            assert_eq!(said[0], "script 0: rollback: exit status 1: it lacks mended", "{text}");
            assert_eq!(said.get(1).map(|s| s.trim_end_matches(": Terminated ")), why, "{text}");
            assert_eq!(lines(t, "tries"), tries, "{text}");
            t.settle();
            let open = t.verb(&["status"]);
            let stuck = open.all.iter().filter(|a| matches!(a, Answer::PendingItem(_))).count();
            assert_eq!(stuck, said.len(), "{open:#?}");
            t.verb(&["accept"]).whole();
        }
    });
}

#[test]
fn the_failsafe_stays_away_from_an_undo_that_works() {
    everywhere(|t| {
        let work = with_failsafe(Work::new().files(file(t, "a")), &format!("touch {}", t.dest("ran")));
        let begun = t.begin(&work);
        assert!(t.verb(&["rollback", &begun.tx]).whole().rolled_back().is_some());
        assert_eq!(t.read("ran"), None);
        t.settle();
    });
}

#[test]
fn a_reboot_that_nothing_would_follow_is_not_tried() {
    everywhere(|t| {
        let mut work = Work::new().script(needs(t, "mended"));
        work.job.last_resort.reboot = true;
        let begun = t.begin(&work);
        let end = t.verb(&["rollback", &begun.tx]);
        assert!(end.whole().rollback_failed(), "{end:#?}");
        let last = broken(&end).pop().unwrap();
        assert_eq!(last, "reboot: not tried, because nothing would go on with the undo after it");
        t.settle();
    });
}

#[test]
fn the_limit_that_the_target_tells_is_the_one_that_was_planned() {
    everywhere(|t| {
        let work = Work::new()
            .files(file(t, "a").handler("true").handler("echo x"))
            .script(undone_by("true"))
            .files(file(t, "b").handler("true"));
        for work in [work.clone(), with_failsafe(work, "true")] {
            let connection = t.connect();
            let (inspected, _) = connection.inspect(&work);
            let begun = connection.begin(&work, &inspected);
            assert_eq!(told_limit(&begun), undo_limit(&work.job, Some(&inspected.inspection)));
            t.verb(&["rollback", &begun.tx]).whole();
            t.settle();
        }
    });
}

#[test]
fn an_undo_after_which_nothing_differs_restarts_nothing() {
    everywhere(|t| {
        let log = format!("echo x >> {}", t.dest("log"));
        let files = file(t, "a").handler(&log);
        let kept = t.dest("a");
        assert!(
            std::process::Command::new("cp").args(["-a", &kept, &t.dest("kept")]).status().unwrap().success()
        );
        let begun = t.begin(&Work::new().files(files));
        assert_eq!(lines(t, "log"), 1);
        // Somebody has put it back by hand.
        fs::rename(t.dest("kept"), t.dest("a")).unwrap();
        assert!(t.verb(&["rollback", &begun.tx]).whole().rolled_back().is_some());
        assert_eq!(lines(t, "log"), 1);
        t.settle();
    });
}

/// Twenty real seconds, so under one shell only.
#[test]
fn who_undoes_and_is_stuck_is_replaced_once_the_limit_has_passed() {
    let t = &Target::new("dash");
    let slow = format!("echo x >> {0}.log; [ -e {0} ] || sleep 1", t.dest("again"));
    let begun = t.begin(&Work::new().files(Files::new()).script(undone_by(&slow)).window(60));
    let start = Instant::now();
    let connection = t.connect();
    let job = connection.start(snapback_agent::call::Sent::Plain, &["rollback", &begun.tx], b"", "n");
    wait_until("the rollback", || lines(t, "again.log") > 0);
    signal(t.pid(&begun.tx, "carry.1").unwrap(), "STOP");
    t.write("again", "");
    let limit = told_limit(&begun) + secs(10);
    crate::target::finish_within(&job, limit + secs(20));
    assert!(start.elapsed() > limit, "{:?}", start.elapsed());
    assert!(begun.follow(t).whole().rolled_back().is_some());
    t.settle();
}
