//! The same again, and what may not be done at all.

use crate::everywhere;
use crate::job::{Files, Work, script, secs};
use crate::target::{Begun, Target, wait_until};
use crate::tree::{assert_same, look};
use snapback_agent::answer::Answer;

fn work(t: &Target) -> Work {
    Work::new().files(
        Files::new().file(t.dest("app/a"), "new", 0o644).handler(&format!("echo h >> {}", t.dest("log"))),
    )
}

#[test]
fn a_second_begin_of_the_same_job_changes_nothing() {
    everywhere(|t| {
        t.write("app/a", "old");
        let first = t.begin(&work(t));
        assert!(t.connect().confirm(&first).whole().is_confirmed());
        t.settle();
        let before = look(t, "app");
        let connection = t.connect();
        let (inspected, _) = connection.inspect(&work(t));
        assert!(inspected.inspection.is_unchanged());
        let second = connection.begin(&work(t), &inspected);
        assert!(second.answers.whole().is_ready(), "{:#?}", second.answers);
        assert!(t.connect().confirm(&second).whole().is_confirmed());
        assert_same(&before, &look(t, "app"));
        assert_eq!(t.read("log").unwrap(), "h\n", "what wasn't changed needs no handler");
    });
}

#[test]
fn the_second_comer_is_told_who_is_there_and_disturbs_nothing() {
    everywhere(|t| {
        t.write("app/a", "old");
        let first = t.begin(&work(t).window(20));
        let other = Work::new().files(Files::new().file(t.dest("app/b"), "b", 0o644));
        let second = t.begin(&other);
        assert_eq!(second.answers.whole().refused(), Some("locked"));
        let pending =
            second.answers.all.iter().find_map(|a| if let Answer::Pending(p) = a { Some(p) } else { None });
        let pending = pending.unwrap();
        assert_eq!((pending.tx.as_str(), pending.state.as_str()), (first.tx.as_str(), "ready"));
        assert_eq!(
            (pending.owner.as_str(), pending.comment.as_str()),
            ("somebody@controller", "a change with  two blanks")
        );
        assert!(pending.age < 20 && pending.left.is_some_and(|l| l > 5 && l <= 20), "{pending:?}");
        assert!(!t.tx(&second.tx, "").exists(), "the second leaves no record");
        assert_eq!(t.verb(&["forget"]).whole().refused(), Some("locked"));
        assert!(t.connect().confirm(&first).whole().is_confirmed());
        assert_eq!([t.read("app/a").as_deref(), t.read("app/b").as_deref()], [Some("new"), None]);
    });
}

#[test]
fn an_id_can_not_be_begun_twice() {
    everywhere(|t| {
        let connection = t.connect();
        let (inspected, _) = connection.inspect(&work(t));
        let first = connection.begin(&work(t), &inspected);
        let (_, payload) = Begun::plan(t, &work(t), &inspected);
        let again = connection.call(snapback_agent::call::Sent::Payload, &["begin", &first.tx], &payload);
        assert!(matches!(again.whole().all[0], Answer::Error(_)), "{again:#?}");
        assert!(t.connect().confirm(&first).whole().is_confirmed());
    });
}

#[test]
fn a_plan_that_is_no_longer_true_is_refused() {
    everywhere(|t| {
        t.write("app/a", "old");
        let connection = t.connect();
        let (inspected, _) = connection.inspect(&work(t));
        t.write("app/a", "somebody else was here");
        let begun = connection.begin(&work(t), &inspected);
        assert_eq!(begun.answers.whole().refused(), Some("stale_plan"));
        assert_eq!(t.read("app/a").unwrap(), "somebody else was here");
        assert!(!t.state().join("current").exists());
        let reads = t.verb(&["follow", &begun.tx, "0", "done"]);
        assert_eq!(reads.whole().journal(), [&snapback_agent::journal::Entry::Discarded]);
        t.settle();
    });
}

#[test]
fn what_somebody_else_wrote_after_apply_is_kept_aside() {
    everywhere(|t| {
        t.write("app/a", "old");
        let begun = t.begin(&work(t));
        t.write("app/a", "theirs");
        let end = t.verb(&["rollback", &begun.tx]);
        assert!(end.whole().rolled_back().is_some(), "{end:#?}");
        assert_eq!(t.read("app/a").unwrap(), "old");
        let kept = t.tx(&begun.tx, "theirs").join(t.dest("app/a").trim_start_matches('/'));
        assert_eq!(std::fs::read_to_string(kept).unwrap(), "theirs");
        let warned =
            end.journal().iter().any(|e| matches!(e, snapback_agent::journal::Entry::Warning { .. }));
        assert!(warned, "{end:#?}");
    });
}

#[test]
fn apply_stops_at_a_file_that_is_not_what_was_snapshotted() {
    everywhere(|t| {
        t.write("app/a", "old");
        // The first change edits what the second one is about to replace.
        let edit = script(&format!("echo edited > {}", t.dest("app/a")));
        let files = Files::new().file(t.dest("app/a"), "new", 0o644);
        let begun = t.begin(&Work::new().script(edit).files(files));
        let (cause, _) = begun.answers.whole().rolled_back().unwrap();
        assert!(cause.ends_with("was changed by somebody else since the snapshot"), "{cause}");
        t.settle();
    });
}

#[test]
fn status_tells_what_is_open_and_what_was_last() {
    everywhere(|t| {
        let mut slow = work(t).check(crate::job::check("patient", "true"));
        slow.job.checks[0].pace.min_healthy_time = secs(3);
        slow.job.checks[0].pace.healthy_deadline = secs(9);
        let connection = t.connect();
        let (begun, job) = t.begin_unheard(&connection, &slow);
        wait_until("applied", || t.tx(&begun.tx, "applied").exists());
        let state = || {
            let answers = t.verb(&["status"]);
            answers.whole();
            answers.all.into_iter().find_map(|a| match a {
                Answer::Pending(p) => Some(p.state),
                Answer::Last(l) => Some(format!("last {} {}", l.tx, l.result)),
                _ => None,
            })
        };
        assert_eq!(state().as_deref(), Some("applied"));
        assert!(t.verb(&["rollback", "current"]).whole().rolled_back().is_some());
        assert_eq!(state(), Some(format!("last {} rolled_back", begun.tx)));
        crate::target::finish(&job);
        let nothing = t.verb(&["rollback", "current"]);
        assert!(matches!(nothing.whole().all[0], Answer::Untouched(_)), "{nothing:#?}");
        t.settle();
    });
}

#[test]
fn the_moves_are_those_of_the_table() {
    everywhere(|t| {
        t.inspect(&Work::new());
        let line = snapback_agent::call::command_line(
            snapback_core::way::Become::None,
            "n",
            snapback_agent::call::Sent::Plain,
            &["moves"],
        );
        let connection = t.connect();
        let job = connection.start_line(&line, b"");
        crate::target::finish(&job);
        let printed = std::fs::read_to_string(job.join("out")).unwrap();
        let (_, table) = printed.split_once("inside how=none\n").unwrap();
        assert_eq!(table, snapback_core::target::table());
    });
}

#[test]
fn doctor_finds_no_fault_and_forget_leaves_no_trace() {
    everywhere(|t| {
        t.inspect(&Work::new());
        let found = t.verb(&["doctor"]);
        let bad: Vec<_> =
            found.whole().all.iter().filter(|a| matches!(a, Answer::Doctor { ok: false, .. })).collect();
        // Without systemd there is no boot hook, and that is all.
        assert!(matches!(bad.as_slice(), [Answer::Doctor { item, .. }] if item == "hook"), "{found:#?}");
        assert!(
            found.all.iter().any(|a| matches!(a, Answer::Doctor { item, ok: true, .. } if item == "state"))
        );
        assert!(t.verb(&["forget"]).whole().all.contains(&Answer::Forgotten));
        assert!(!t.state().exists());
    });
}
