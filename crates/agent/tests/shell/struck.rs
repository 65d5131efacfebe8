//! What the fault campaign has found, each as a small test of its own.

use crate::everywhere;
use crate::job::{Files, Work, check, inline, script, secs};
use crate::target::{Target, signal, wait_until};
use crate::tree::{assert_same, look};
use snapback_agent::call::Sent;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

fn files(t: &Target) -> Files {
    t.write("app/a", "old");
    Files::new().file(t.dest("app/a"), "new", 0o644)
}

/// The visit that discards what a dead session has left must not throw away what it has brought along itself.
#[test]
fn the_run_after_one_whose_session_died_before_arming_goes_through_at_once() {
    everywhere(|t| {
        let here = t.dest("here");
        let mut slow = check("slow", &format!("echo >{here}; sleep 30"));
        slow.baseline = true;
        slow.pace.timeout = secs(30);
        let connection = t.connect();
        let (begun, _) = t.begin_unheard(&connection, &Work::new().files(files(t)).check(slow));
        wait_until("the baseline check", || Path::new(&here).exists());
        signal(t.pid(&begun.tx, "holder").unwrap(), "KILL");
        sleep(Duration::from_millis(100));
        let next = t.begin(&Work::new().files(files(t)));
        assert!(next.answers.whole().is_ready(), "{:#?}", next.answers);
        assert!(t.connect().confirm(&next).whole().is_confirmed());
        t.settle();
    });
}

/// Busybox's cp keeps no ACLs, so a file's inode is kept by a link, which another file system has no room for.
#[test]
fn a_file_on_another_file_system_than_the_state_comes_back() {
    everywhere(|t| {
        let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
        let file = elsewhere.path().join("conf");
        fs::write(&file, "old").unwrap();
        let begun = t.begin(&Work::new().files(Files::new().file(file.display().to_string(), "new", 0o644)));
        assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        t.verb(&["rollback", "current"]).whole();
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        t.settle();
    });
}

#[test]
fn a_rollback_that_ended_while_its_undoer_was_stopped_did_end_in_time() {
    everywhere(|t| {
        let here = t.dest("here");
        let mut step = script("true");
        step.rollback = Some(inline(&format!("echo >{here}; sleep 0.3")));
        step.timeout = secs(2);
        let begun = t.begin(&Work::new().files(files(t)).script(step).window(60));
        let connection = t.connect();
        let job = connection.start(Sent::Plain, &["rollback", &begun.tx], b"", "n");
        wait_until("the rollback", || Path::new(&here).exists());
        let undoer = t.pid(&begun.tx, "carry.1").unwrap();
        signal(undoer, "STOP");
        sleep(Duration::from_millis(3500));
        signal(undoer, "CONT");
        crate::target::finish(&job);
        let end = begun.follow(t);
        assert!(end.whole().rolled_back().is_some(), "{end:#?}");
        t.settle();
    });
}

/// Does something to a file of the record.
type Forge<'a> = &'a dyn Fn(&Path);

#[test]
fn what_lies_in_place_of_a_mark_holds_up_no_undo_and_leads_nowhere() {
    everywhere(|t| {
        let work = Work::new().files(files(t)).window(60);
        let before = look(t, "app");
        let outside = t.path().join("outside");
        fs::write(&outside, "untouched").unwrap();
        let nowhere = Path::new("/nowhere/at/all");
        let forge: [(&str, Forge); 6] = [
            ("candidate.rollback", &|mark| fs::remove_file(mark).unwrap()),
            ("candidate.rollback", &|mark| {
                fs::remove_file(mark).unwrap();
                symlink(nowhere, mark).unwrap();
            }),
            ("done", &|mark| fs::create_dir_all(mark.join("x")).unwrap()),
            ("done", &|mark| symlink(&outside, mark).unwrap()),
            ("carry.1", &|mark| symlink(nowhere, mark).unwrap()),
            ("carry.1", &|mark| fs::create_dir(mark).unwrap()),
        ];
        for (name, forge) in forge {
            let begun = t.begin(&work);
            assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
            forge(&t.tx(&begun.tx, name));
            let end = t.verb(&["rollback", &begun.tx]);
            assert!(end.whole().rolled_back().is_some(), "{end:#?}");
            assert_same(&before, &look(t, "app"));
            assert_eq!(fs::read_to_string(&outside).unwrap(), "untouched");
            t.settle();
        }
    });
}

/// The lock is a link to a file of the record: what empties or tears the one does the same to the other.
#[test]
fn a_lock_that_can_not_be_read_is_held_by_whoever_is_open() {
    everywhere(|t| {
        for torn in ["", "01TE"] {
            let work = Work::new().files(files(t)).window(60);
            let begun = t.begin(&work);
            assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
            fs::write(t.tx(&begun.tx, "lock"), torn).unwrap();
            let told = format!("{:?}", t.verb(&["status"]).all);
            assert!(told.contains(&begun.tx), "{torn:?}: {told}");
            let other = Files::new().file(t.dest("app/b"), "b", 0o644);
            let second = t.begin(&Work::new().files(other));
            assert_eq!(second.answers.whole().refused(), Some("locked"), "{:#?}", second.answers);
            assert!(t.connect().confirm(&begun).whole().is_confirmed());
            t.settle();
            assert!(!t.state().join("current").exists(), "{torn:?}: nothing is open any more");
            assert_eq!(t.read("app/a").as_deref(), Some("new"));
        }
    });
}

/// What follows the arming says that it was: nobody takes what is applied for what was never begun.
#[test]
fn an_armed_host_whose_mark_is_gone_is_undone_and_not_discarded() {
    everywhere(|t| {
        let work = Work::new().files(files(t)).window(60);
        let before = look(t, "app");
        let begun = t.begin(&work);
        assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
        fs::remove_file(t.tx(&begun.tx, "armed")).unwrap();
        t.verb(&["status"]).whole();
        let end = t.verb(&["rollback", &begun.tx]);
        assert!(end.whole().rolled_back().is_some(), "{end:#?}");
        assert_same(&before, &look(t, "app"));
        t.settle();
    });
}

/// An undo goes by what was written when the guard was armed. Where that is no longer so it may miss something, and must
/// not take that for done.
#[test]
fn a_record_that_is_not_what_was_armed_is_undone_as_far_as_it_goes_and_never_called_whole() {
    everywhere(|t| {
        let mut step = script("true");
        step.rollback = Some(inline("true"));
        let work = Work::new().files(files(t)).script(step).window(60);
        let before = look(t, "app");
        let remove: Forge = &|file| fs::remove_file(file).unwrap();
        let empty: Forge = &|file| fs::write(file, "").unwrap();
        let link: Forge = &|file| {
            fs::remove_file(file).unwrap();
            symlink("/nowhere/at/all", file).unwrap();
        };
        for (name, forge, is_mended) in [
            ("started.0", remove, true),
            ("started.0", link, true),
            ("seal", remove, false),
            ("job/spec", empty, false),
            ("job/c/0/before", empty, false),
            ("job/c/0/paths", empty, false),
            ("job/c/1/cmd.rollback.sh", empty, false),
        ] {
            // The sums are not the shell's.
            if t.shell != "dash" && name.starts_with("job/c") {
                continue;
            }
            let begun = t.begin(&work);
            assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
            forge(&t.tx(&begun.tx, name));
            let end = t.verb(&["rollback", &begun.tx]);
            if is_mended {
                assert!(end.whole().rolled_back().is_some(), "{name}: {end:#?}");
                assert_same(&before, &look(t, "app"));
            } else {
                assert!(end.whole().rollback_failed(), "{name}: {end:#?}");
                let told = format!("{:?}", t.verb(&["status"]).all);
                assert!(told.contains("the record: "), "{name}: {told}");
                t.verb(&["accept"]);
                t.write("app/a", "old");
            }
            t.settle();
        }
    });
}

/// A first try that found no room ran its handlers on the new files, and they worked: that doesn't count.
#[test]
fn a_handler_that_ran_before_the_files_came_back_runs_once_more() {
    everywhere(|t| {
        t.write("loaded", "old");
        let load = format!("cat {} >{}", t.dest("app/a"), t.dest("loaded"));
        let begun = t.begin(&Work::new().files(files(t).handler(&load)).window(60));
        assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
        let (snap, away) = (t.tx(&begun.tx, "job/c/0/snap"), t.tx(&begun.tx, "job/c/0/away"));
        fs::rename(&snap, &away).unwrap();
        let links = t.tx(&begun.tx, "job/c/0/link");
        let kept = links.exists().then(|| fs::rename(&links, links.with_extension("away")));
        assert!(t.verb(&["rollback", &begun.tx]).whole().rollback_failed());
        assert_eq!(t.read("loaded").as_deref(), Some("new"));
        let _ = fs::remove_dir_all(&snap);
        fs::rename(&away, &snap).unwrap();
        if kept.is_some() {
            fs::rename(links.with_extension("away"), &links).unwrap();
        }
        let end = t.verb(&["rollback", &begun.tx]);
        assert!(end.whole().rolled_back().is_some(), "{end:#?}");
        assert_eq!([t.read("app/a"), t.read("loaded")].map(Option::unwrap), ["old", "old"]);
        t.settle();
    });
}
