//! Whatever is killed, somebody is left who knows what to do.

use crate::everywhere;
use crate::job::{Files, Work, check, inline, script, secs};
use crate::target::{Begun, Target, is_alive, signal, wait_until};
use crate::tree::{assert_same, look};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn files(t: &Target) -> Files {
    t.write("app/a", "old");
    t.write("app/b", "old b");
    Files::new().file(t.dest("app/a"), "new", 0o644).file(t.dest("app/c"), "new", 0o644)
}

/// A step that holds apply up until a file appears.
fn wait_for(t: &Target, name: &str) -> snapback_core::change::ScriptChange {
    let mut step = script(&format!("touch {0}.here; while ! [ -e {0} ]; do sleep 0.05; done", t.dest(name)));
    step.timeout = secs(30);
    step
}

fn state(t: &Target) -> String {
    let answers = t.verb(&["status"]);
    answers.whole();
    let pending = answers.all.into_iter().find_map(|a| match a {
        snapback_agent::answer::Answer::Pending(p) => Some(p.state),
        _ => None,
    });
    pending.unwrap_or_default()
}

fn last(t: &Target) -> String {
    let answers = t.verb(&["status"]);
    let last = answers.all.into_iter().find_map(|a| match a {
        snapback_agent::answer::Answer::Last(l) => Some(l.result),
        _ => None,
    });
    last.unwrap_or_default()
}

fn kill(t: &Target, tx: &str, who: &str) {
    let pid = t.pid(tx, who).unwrap_or_else(|| panic!("nobody is {who}"));
    signal(pid, "KILL");
    wait_until("dead", || !is_alive(pid));
}

#[test]
fn a_session_killed_before_arming_leaves_nothing() {
    everywhere(|t| {
        let mut baseline = check("slow", &format!("touch {0}.here; sleep 30", t.dest("x")));
        baseline.baseline = true;
        baseline.pace.timeout = secs(30);
        let before = files(t);
        let connection = t.connect();
        let (begun, _) = t.begin_unheard(&connection, &Work::new().files(before).check(baseline));
        wait_until("the baseline check", || Path::new(&t.dest("x.here")).exists());
        assert!(!t.tx(&begun.tx, "armed").exists());
        kill(t, &begun.tx, "holder");
        assert_eq!(state(t), "");
        assert_eq!(last(t), "discarded");
        assert_eq!([t.read("app/a").as_deref(), t.read("app/c").as_deref()], [Some("old"), None]);
        assert!(!t.state().join("current").exists());
        t.settle();
    });
}

#[test]
fn a_rollback_before_arming_ends_the_session_and_discards() {
    everywhere(|t| {
        let mut baseline = check("slow", &format!("touch {0}.here; sleep 30", t.dest("x")));
        baseline.baseline = true;
        baseline.pace.timeout = secs(30);
        let work = Work::new().files(files(t)).check(baseline);
        let connection = t.connect();
        let (begun, _) = t.begin_unheard(&connection, &work);
        wait_until("the baseline check", || Path::new(&t.dest("x.here")).exists());
        let end = t.verb(&["rollback", &begun.tx]);
        assert_eq!(end.whole().journal(), [&snapback_agent::journal::Entry::Discarded]);
        assert!(!t.state().join("current").exists());
        assert_eq!(t.read("app/a").unwrap(), "old");
        t.settle();
    });
}

#[test]
fn a_session_killed_between_arming_and_apply_is_undone() {
    everywhere(|t| {
        let connection = t.connect();
        let (begun, _) = t.begin_unheard(&connection, &Work::new().files(files(t)));
        // Stopped as soon as it has armed, so that it can't go on to apply.
        wait_until("armed", || t.tx(&begun.tx, "armed").exists());
        let holder = t.pid(&begun.tx, "holder").unwrap();
        signal(holder, "STOP");
        if t.tx(&begun.tx, "go").exists() {
            // Too late to be killed in between: that case is the next test's.
            signal(holder, "CONT");
        } else {
            kill(t, &begun.tx, "holder");
            let end = begun.follow(t);
            let cause = end.whole().rolled_back().unwrap().0;
            assert!(cause.contains("before apply began") || cause.contains("supervisor gone"), "{cause}");
        }
        t.verb(&["rollback", "current"]).whole();
        assert_eq!([t.read("app/a").as_deref(), t.read("app/c").as_deref()], [Some("old"), None]);
        t.settle();
    });
}

#[test]
fn a_session_that_dies_after_apply_began_changes_nothing() {
    everywhere(|t| {
        let connection = t.connect();
        let work = Work::new().files(files(t)).script(wait_for(t, "go"));
        let (begun, _) = t.begin_unheard(&connection, &work);
        wait_until("the step", || Path::new(&t.dest("go.here")).exists());
        kill(t, &begun.tx, "holder");
        t.write("go", "");
        let ready = t.verb(&["follow", &begun.tx, "0", "ready"]);
        assert!(ready.whole().is_ready(), "{ready:#?}");
        assert!(t.connect().confirm(&begun).whole().is_confirmed());
        assert_eq!(t.read("app/a").unwrap(), "new");
        t.settle();
    });
}

#[test]
fn a_runner_killed_while_it_applies_is_noticed_at_once() {
    everywhere(|t| {
        let connection = t.connect();
        let work = Work::new().files(files(t)).script(wait_for(t, "go"));
        let before = look(t, "app");
        let (begun, job) = t.begin_unheard(&connection, &work);
        wait_until("the step", || Path::new(&t.dest("go.here")).exists());
        kill(t, &begun.tx, "runner");
        let start = Instant::now();
        crate::target::finish(&job);
        assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
        assert_eq!(
            begun.follow(t).whole().rolled_back().unwrap().0,
            "the runner ended before its work was done"
        );
        assert_same(&before, &look(t, "app"));
        t.settle();
    });
}

#[test]
fn a_supervisor_that_was_killed_is_replaced_by_the_backup() {
    everywhere(|t| {
        let begun = t.begin(&Work::new().files(files(t)).window(60));
        assert!(begun.answers.is_ready(), "{:#?}", begun.answers);
        kill(t, &begun.tx, "supervisor");
        let start = Instant::now();
        wait_until("undone", || !t.state().join("current").exists());
        assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
        let cause = begun.follow(t).whole().rolled_back().unwrap().0.to_owned();
        assert_eq!(cause, "the guard found the change unconfirmed and its supervisor gone (backup)");
        assert_eq!(t.read("app/a").unwrap(), "old");
        t.settle();
        assert!(!t.tx(&begun.tx, "job/c").exists(), "whoever ends it cleans up");
    });
}

#[test]
fn without_any_guard_the_next_contact_resolves() {
    everywhere(|t| {
        let before_files = files(t);
        let before = look(t, "app");
        let begun = t.begin(&Work::new().files(before_files).window(60));
        kill(t, &begun.tx, "backup");
        kill(t, &begun.tx, "supervisor");
        // Resolved by a process of its own: it may be over before the answer is.
        let told = state(t);
        assert!(["rolling_back", ""].contains(&told.as_str()), "{told}");
        wait_until("undone", || !t.state().join("current").exists());
        let cause = begun.follow(t).whole().rolled_back().unwrap().0.to_owned();
        assert_eq!(cause, "the guard found the change unconfirmed and its supervisor gone (contact)");
        assert_same(&before, &look(t, "app"));
        t.settle();
    });
}

/// Ten real seconds past the deadline, so under one shell only.
#[test]
fn a_stuck_supervisor_whose_backup_is_dead_is_overruled_by_the_next_contact() {
    let t = &Target::new("dash");
    let before_files = files(t);
    let before = look(t, "app");
    let begun = t.begin(&Work::new().files(before_files).window(10));
    let supervisor = t.pid(&begun.tx, "supervisor").unwrap();
    signal(supervisor, "STOP");
    kill(t, &begun.tx, "backup");
    std::thread::sleep(Duration::from_secs(11));
    assert_eq!(state(t), "ready", "past its deadline it may still be slow");
    std::thread::sleep(Duration::from_secs(10));
    state(t);
    wait_until("undone", || !t.state().join("current").exists());
    assert_eq!(
        begun.follow(t).whole().rolled_back().unwrap().0,
        "the supervisor was stuck past the deadline"
    );
    assert!(!is_alive(supervisor));
    assert_same(&before, &look(t, "app"));
    t.settle();
}

#[test]
fn a_supervisor_told_to_end_leaves_its_work_to_the_backup() {
    everywhere(|t| {
        let begun = t.begin(&Work::new().files(files(t)).window(60));
        let pid = t.pid(&begun.tx, "supervisor").unwrap();
        signal(pid, "TERM");
        wait_until("undone", || !t.state().join("current").exists());
        assert_eq!(t.read("app/a").unwrap(), "old");
        t.settle();
    });
}

#[test]
fn nobody_waits_for_a_record_that_is_gone() {
    everywhere(|t| {
        let begun = t.begin(&Work::new().files(files(t)).window(60));
        let connection = t.connect();
        let job = connection.start(
            snapback_agent::call::Sent::Plain,
            &["follow", &begun.tx, "0", "done"],
            b"",
            "n",
        );
        wait_until("somebody follows", || {
            let record = fs::read_dir(t.tx(&begun.tx, "")).unwrap();
            record.flatten().filter(|e| e.file_name().to_string_lossy().starts_with("follower.")).count() > 1
        });
        fs::remove_dir_all(t.state()).unwrap();
        crate::target::finish(&job);
        t.settle();
    });
}

/// Ten real seconds past the deadline, so under one shell only.
#[test]
fn a_stuck_supervisor_is_overruled_and_the_runner_writes_no_more() {
    let t = &Target::new("dash");
    let spam = t.dest("spam");
    let mut endless = script(&format!("trap '' TERM; while :; do echo x >> {spam}; sleep 0.02; done"));
    endless.timeout = secs(60);
    endless.watch = vec![spam.clone()];
    let work = Work::new().files(files(t)).script(endless).apply_timeout(3).window(1);
    let connection = t.connect();
    let (begun, job) = t.begin_unheard(&connection, &work);
    wait_until("spam", || t.read("spam").is_some());
    let supervisor = t.pid(&begun.tx, "supervisor").unwrap();
    signal(supervisor, "STOP");
    let start = Instant::now();
    crate::target::finish(&job);
    let took = start.elapsed();
    assert!(took > Duration::from_secs(9) && took < Duration::from_secs(20), "{took:?}");
    let end = begun.follow(t);
    let (cause, late) = end.whole().rolled_back().unwrap();
    assert_eq!(cause, "the supervisor was stuck past the deadline");
    assert!((10_000..16_000).contains(&late), "{late}");
    assert!(!is_alive(supervisor));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!([t.read("spam").as_deref(), t.read("app/a").as_deref()], [None, Some("old")]);
    t.settle();
}

/// Kills everything that runs for a target, as a power cut would: first all is stopped, so that nobody lives to see
/// another's end.
fn cut_power(t: &Target) {
    for name in ["STOP", "STOP", "KILL"] {
        for (pid, _) in t.processes() {
            signal(pid, name);
        }
    }
    t.settle();
}

/// Calls the agent as the boot hook does.
fn boot(t: &Target, begun: &Begun, stage: &str) {
    let agent = t.tx(&begun.tx, "agent.sh");
    if !agent.exists() {
        return;
    }
    let state = t.state();
    let mut words = t.shell.split(' ');
    let status = Command::new(words.next().unwrap())
        .args(words)
        .arg(agent)
        .args(["-", state.to_str().unwrap(), "plain", "-", "boot", &begun.tx, stage])
        .env_clear()
        .env("SNAPBACK_SH", t.shell)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_boot_undoes_files_early_and_the_rest_late() {
    everywhere(|t| {
        let log = t.dest("log");
        let mut step = script("true");
        step.rollback = Some(inline(&format!("echo rollback >> {log}")));
        let work =
            Work::new().files(files(t).handler(&format!("echo handler >> {log}"))).script(step).window(60);
        let before = look(t, "app");
        let begun = t.begin(&work);
        assert!(begun.answers.is_ready(), "{:#?}", begun.answers);
        cut_power(t);
        fs::remove_file(&log).unwrap();
        boot(t, &begun, "boot");
        assert_same(&before, &look(t, "app"));
        assert_eq!(t.read("log"), None, "nothing that could block runs early");
        assert!(t.state().join("current").exists());
        boot(t, &begun, "boot-mounted");
        boot(t, &begun, "boot-late");
        assert_eq!(t.read("log").unwrap(), "rollback\nhandler\n");
        let end = begun.follow(t);
        let cause = end.whole().rolled_back().unwrap().0;
        assert_eq!(cause, "the host was started again before the change was confirmed");
        assert!(!t.state().join("current").exists());
        t.settle();
    });
}

#[test]
fn a_boot_after_a_confirmation_changes_nothing() {
    everywhere(|t| {
        let begun = t.begin(&Work::new().files(files(t)).window(60));
        // The decision is taken and on disk, and nobody has carried it out yet.
        let supervisor = t.pid(&begun.tx, "supervisor").unwrap();
        signal(supervisor, "STOP");
        fs::write(t.tx(&begun.tx, "candidate.x"), "confirm 1:2\n").unwrap();
        fs::hard_link(t.tx(&begun.tx, "candidate.x"), t.tx(&begun.tx, "turn.1")).unwrap();
        cut_power(t);
        boot(t, &begun, "boot");
        boot(t, &begun, "boot-late");
        assert_eq!(t.read("app/a").unwrap(), "new");
        assert!(begun.follow(t).whole().journal().contains(&&snapback_agent::journal::Entry::Confirmed));
        assert!(!t.state().join("current").exists());
    });
}

#[test]
fn a_torn_decision_is_a_rollback() {
    everywhere(|t| {
        for torn in ["", "conf", "confirmed 1:2\n", "\n"] {
            let begun = t.begin(&Work::new().files(files(t)).window(60));
            signal(t.pid(&begun.tx, "supervisor").unwrap(), "STOP");
            fs::write(t.tx(&begun.tx, "turn.1"), torn).unwrap();
            cut_power(t);
            boot(t, &begun, "boot");
            boot(t, &begun, "boot-late");
            assert_eq!(t.read("app/a").unwrap(), "old", "{torn:?}");
        }
    });
}

#[test]
fn a_boot_hook_that_meets_a_living_supervisor_keeps_its_hands_off() {
    everywhere(|t| {
        let begun = t.begin(&Work::new().files(files(t)).window(60));
        assert!(begun.answers.is_ready(), "{:#?}", begun.answers);
        for stage in ["boot", "boot-mounted", "boot-late"] {
            boot(t, &begun, stage);
        }
        assert_eq!(t.read("app/a").unwrap(), "new");
        assert!(t.connect().confirm(&begun).whole().is_confirmed());
        t.settle();
    });
}

#[test]
fn an_undo_that_is_killed_goes_on_after_the_boot() {
    everywhere(|t| {
        let log = t.dest("log");
        let mut slow = script("true");
        slow.rollback =
            Some(inline(&format!("echo begun >> {log}; [ -e {0} ] || sleep 30", t.dest("second time"))));
        slow.timeout = secs(60);
        let work = Work::new().files(files(t)).script(slow).window(60);
        let before = look(t, "app");
        let begun = t.begin(&work);
        let connection = t.connect();
        connection.start(snapback_agent::call::Sent::Plain, &["rollback", &begun.tx], b"", "n");
        wait_until("the rollback", || t.read("log").is_some());
        assert_eq!(state(t), "rolling_back");
        cut_power(t);
        t.write("second time", "");
        boot(t, &begun, "boot");
        assert_same(&before, &look(t, "app"));
        boot(t, &begun, "boot-late");
        assert_eq!(t.read("log").unwrap(), "begun\nbegun\n");
        let end = begun.follow(t);
        assert!(end.whole().rolled_back().is_some(), "{end:#?}");
        assert!(!t.state().join("current").exists());
    });
}

#[test]
fn an_undo_that_is_killed_alone_is_taken_over() {
    everywhere(|t| {
        let log = t.dest("log");
        let mut slow = script("true");
        slow.rollback =
            Some(inline(&format!("echo begun >> {log}; [ -e {0} ] || sleep 30", t.dest("second time"))));
        slow.timeout = secs(60);
        let begun = t.begin(&Work::new().files(files(t)).script(slow).window(60));
        let connection = t.connect();
        let job = connection.start(snapback_agent::call::Sent::Plain, &["rollback", &begun.tx], b"", "n");
        wait_until("the rollback", || t.read("log").is_some());
        t.write("second time", "");
        kill(t, &begun.tx, "carry.1");
        crate::target::finish(&job);
        assert_eq!(t.read("log").unwrap(), "begun\nbegun\n");
        assert_eq!(t.read("app/a").unwrap(), "old");
        t.settle();
    });
}
