//! Whatever goes wrong, the tree is as it was, and the journal says why.

use crate::everywhere;
use crate::job::{Files, Work, check, script, secs};
use crate::target::{Answers, Begun, Target};
use crate::tree::{assert_same, look};
use snapback_agent::call::Sent;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::Command;

/// A tree with everything that an undo may lose.
fn grow(t: &Target) {
    for name in
        ["app/plain", "app/two names", "app/attributes", "app/purged/a/b", "app/purged/c", "app/-dash"]
    {
        t.write(name, format!("old {name}\n"));
    }
    fs::hard_link(t.dest("app/two names"), t.dest("app/second name")).unwrap();
    symlink("plain", t.dest("app/link")).unwrap();
    symlink("nowhere", t.dest("app/purged/dangling")).unwrap();
    fs::set_permissions(t.dest("app/plain"), fs::Permissions::from_mode(0o4711)).unwrap();
    fs::create_dir(t.dest("app/sgid")).unwrap();
    fs::set_permissions(t.dest("app/sgid"), fs::Permissions::from_mode(0o2750)).unwrap();
    // Not root, or no such tool or file system: then there is less to lose.
    let _ = chown(t.dest("app/attributes"), Some(1234), Some(4321));
    for (tool, flags) in
        [("setfattr", ["-n", "user.note", "-v", "kept"].as_slice()), ("setfacl", &["-m", "u:1234:rw"])]
    {
        let _ = Command::new(tool).args(flags).arg(t.dest("app/attributes")).output();
    }
    let old = std::time::UNIX_EPOCH + std::time::Duration::new(1_500_000_000, 123_456_789);
    for name in ["app/plain", "app/purged/c", "app/two names", "app/purged/a", "app/purged", "app"] {
        fs::File::open(t.dest(name)).unwrap().set_modified(old).unwrap();
    }
}

fn files(t: &Target) -> Files {
    Files::new()
        .file(t.dest("app/-dash"), "new", 0o600)
        .file(t.dest("app/attributes"), "new", 0o644)
        .file(t.dest("app/brand/new/file"), "new", 0o644)
        .link(t.dest("app/link"), "elsewhere")
        .file(t.dest("app/plain"), "new", 0o644)
        .dir(t.dest("app/sgid"), 0o755)
        .file(t.dest("app/two names"), "new", 0o644)
        .purge(t.dest("app/purged"))
}

/// Begins, expects an undo by itself, and compares the trees.
fn undone(t: &Target, work: &Work) -> (Answers, String) {
    let before = look(t, "app");
    let begun = t.begin(work);
    let end = if begun.answers.is_ready() { begun.follow(t) } else { begun.answers };
    end.whole();
    let (cause, late) = end.rolled_back().unwrap_or_else(|| panic!("not rolled back: {end:#?}"));
    assert!(late <= 1000, "{late} ms late");
    // mksh itself says on the step's output that it was ended.
    let cause = cause.trim_end_matches(": Terminated ").to_owned();
    assert_same(&before, &look(t, "app"));
    t.settle();
    assert!(!t.state().join("current").exists());
    (end, cause)
}

#[test]
fn a_window_that_ends_undoes() {
    everywhere(|t| {
        grow(t);
        let (_, cause) = undone(t, &Work::new().files(files(t)).window(2));
        assert_eq!(cause, "not confirmed within 2 s after apply");
    });
}

#[test]
fn a_person_undoes() {
    everywhere(|t| {
        grow(t);
        let before = look(t, "");
        let begun = t.begin(&Work::new().files(files(t)));
        assert!(begun.answers.is_ready(), "{:#?}", begun.answers);
        assert_eq!(t.read("app/plain").unwrap(), "new");
        // A sentence travels on stdin: words alone go on a command line.
        let end = t.connect().call(Sent::Plain, &["rollback", &begun.tx, "0"], b"the canary sang\n");
        assert_eq!(end.whole().rolled_back(), Some(("the canary sang", 0)));
        assert_same(&before, &look(t, ""));
        assert_eq!(
            t.verb(&["rollback", &begun.tx]).whole().rolled_back(),
            Some(("the canary sang", 0)),
            "twice"
        );
        assert_eq!(t.connect().confirm(&begun).whole().denied(), Some("too_late"));
        t.settle();
    });
}

#[test]
fn apply_that_fails_undoes_all_that_was_begun() {
    everywhere(|t| {
        grow(t);
        let mut broken = script(&format!("echo half > {0}; echo it broke; exit 3", t.dest("half")));
        broken.rollback = Some(crate::job::inline(&format!("rm -f {}", t.dest("half"))));
        let never = script(&format!("touch {}", t.dest("never")));
        let (_, cause) = undone(t, &Work::new().files(files(t)).script(broken).script(never));
        assert_eq!(cause, "change 'script 1': exit status 3: it broke");
        assert_eq!([t.read("half"), t.read("never")], [None, None]);
    });
}

#[test]
fn apply_that_never_ends_is_ended() {
    everywhere(|t| {
        grow(t);
        let mut endless = script(&format!("while :; do date >> {}; sleep 0.01; done", t.dest("app/spam")));
        endless.watch = vec![t.dest("app/spam")];
        endless.timeout = secs(60);
        let work = Work::new().files(files(t)).script(endless).apply_timeout(2);
        assert_eq!(undone(t, &work).1, "apply did not end within 2 s");
    });
}

#[test]
fn a_step_that_takes_too_long_is_ended() {
    everywhere(|t| {
        grow(t);
        let mut slow = script("trap '' TERM; sleep 50 & sleep 50");
        slow.timeout = secs(1);
        let (_, cause) = undone(t, &Work::new().files(files(t)).script(slow));
        assert_eq!(cause, "change 'script 1': did not end within 1 s");
    });
}

#[test]
fn validation_that_fails_undoes_before_anything_is_reloaded() {
    everywhere(|t| {
        grow(t);
        let log = t.dest("log");
        let files =
            files(t).validate("echo syntax error in line 3 >&2; false").handler(&format!("echo x >> {log}"));
        let before = look(t, "app");
        let begun = t.begin(&Work::new().files(files));
        let end = begun.answers.whole();
        assert_eq!(
            end.rolled_back().unwrap().0,
            "change 'files 0': validate: exit status 1: syntax error in line 3"
        );
        assert_same(&before, &look(t, "app"));
        assert_eq!(t.read("log"), None, "nothing new was ever loaded");
        t.settle();
    });
}

#[test]
fn a_handler_that_fails_undoes() {
    everywhere(|t| {
        grow(t);
        let handler = format!("grep -q old {}", t.dest("app/plain"));
        let (_, cause) = undone(t, &Work::new().files(files(t).handler(&handler)));
        assert_eq!(cause, format!("handler '{handler}': exit status 1"));
    });
}

#[test]
fn a_red_check_undoes_and_says_why() {
    everywhere(|t| {
        grow(t);
        let red = check("shop answers", "echo 503; exit 1");
        let optional = snapback_core::check::Check { required: false, ..check("nice to have", "false") };
        let (end, cause) = undone(t, &Work::new().files(files(t)).check(optional).check(red));
        assert_eq!(cause, "check 'shop answers' failed: exit status 1: 503");
        drop(end);
    });
}

#[test]
fn a_check_that_hangs_is_an_error() {
    everywhere(|t| {
        grow(t);
        let (_, cause) = undone(t, &Work::new().files(files(t)).check(check("hangs", "sleep 100")));
        assert_eq!(cause, "check 'hangs' error: did not end within 1 s");
    });
}

#[test]
fn a_check_that_floods_is_bounded() {
    everywhere(|t| {
        let begun = t.begin(&Work::new().files(files(t)).check(check("floods", "yes flood")).window(9));
        let (cause, _) = begun.answers.whole().rolled_back().unwrap();
        // The last line is cut wherever the flood was, and mksh adds that it was ended.
        let said = cause.strip_prefix("check 'floods' error: did not end within 1 s: ").unwrap();
        assert!("flood".starts_with(said) || said.starts_with("Terminated"), "{said}");
        t.settle();
    });
}

#[test]
fn a_check_whose_child_holds_the_pipe_is_not_waited_for() {
    everywhere(|t| {
        for holds in ["sleep 60 & exit 0", "setsid sleep 60 & exit 0"] {
            let begun: Begun = t.begin(&Work::new().script(script("true")).check(check("holds", holds)));
            assert!(begun.answers.is_ready(), "{:#?}", begun.answers);
            t.verb(&["rollback", &begun.tx]).whole();
            t.settle();
        }
    });
}
