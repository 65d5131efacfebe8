//! The kind `script`: values, undo, watched trees, handlers, daemons.

use crate::everywhere;
use crate::job::{Files, Work, inline, script, secs};
use crate::target::{is_alive, signal, wait_until};
use crate::tree::{assert_same, look};
use snapback_agent::answer::Answer;
use std::fs;

const NASTY: &str = "two\nlines, 'single' \"double\" $HOME `id` \\n \\\\ tail \\";

#[test]
fn values_arrive_as_they_were_written() {
    everywhere(|t| {
        let show = |name: &str| format!("printf %s \"${name}\" > {}", t.dest(name));
        let lines =
            ["VAR_NASTY", "VAR_LAST_NEWLINE", "FACT_DEV", "DEPLOY_HOST", "DEPLOY_ADDRESS", "DEPLOY_RUN"];
        let mut s = script(&format!(
            "{}\npwd > {}\nsed -n 's/^SigIgn:[[:space:]]*//p' /proc/self/status > {}",
            lines.map(show).join("\n"),
            t.dest("pwd"),
            t.dest("ignored")
        ));
        s.facts = Some(inline("echo 'dev=a b=c \"q\"'"));
        let work = Work::new().var("nasty", NASTY).var("last_newline", "x\n\n").script(s);
        let begun = t.begin(&work);
        assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
        let read = |name: &str| t.read(name).unwrap();
        assert_eq!(read("VAR_NASTY"), NASTY);
        assert_eq!(read("VAR_LAST_NEWLINE"), "x\n\n");
        assert_eq!(read("FACT_DEV"), "a b=c \"q\"");
        assert_eq!(read("DEPLOY_HOST"), "target.example.org");
        assert_eq!(read("DEPLOY_ADDRESS"), "192.0.2.1");
        assert_eq!(read("DEPLOY_RUN"), "01RUN");
        assert_eq!(read("pwd"), "/\n");
        // Neither HUP nor PIPE nor USR1: a daemon that the script starts may want them.
        let ignored = u64::from_str_radix(read("ignored").trim(), 16).unwrap();
        assert_eq!(ignored & (1 << 0 | 1 << 12 | 1 << 9), 0, "{ignored:x}");
        t.verb(&["rollback", "current"]).whole();
        t.settle();
    });
}

#[test]
fn an_output_reaches_later_steps_and_its_own_rollback() {
    everywhere(|t| {
        let mut first = script("echo address=192.0.2.7 > \"$DEPLOY_OUTPUT\"");
        first.facts = Some(inline("echo was=before"));
        first.rollback =
            Some(inline(&format!("echo \"undo $OUTPUT_ADDRESS $FACT_WAS\" >> {}", t.dest("log"))));
        let mut second = script(&format!("echo \"got $OUTPUT_ADDRESS\" >> {}; false", t.dest("log")));
        second.rollback = Some(inline(&format!("echo \"undo second\" >> {}", t.dest("log"))));
        let begun = t.begin(&Work::new().script(first).script(second));
        assert!(begun.answers.whole().rolled_back().is_some(), "{:#?}", begun.answers);
        assert_eq!(t.read("log").unwrap(), "got 192.0.2.7\nundo second\nundo 192.0.2.7 before\n");
        t.settle();
    });
}

#[test]
fn a_command_file_runs_with_its_own_shebang() {
    everywhere(|t| {
        let mut work = Work::new();
        let text = format!("#!/usr/bin/env -S sed -n 1p\nsays sed\n# {}\n", t.dest(""));
        let apply = work.command_file(&text);
        let mut s = script("");
        s.apply = apply;
        let begun = t.begin(&work.script(s));
        let said = begun.answers.whole().journal().iter().any(
            |e| matches!(e, snapback_agent::journal::Entry::Output { line, .. } if line.starts_with("#!/usr/bin/env")),
        );
        assert!(said, "{:#?}", begun.answers);
        t.verb(&["rollback", "current"]).whole();
        t.settle();
    });
}

#[test]
fn a_watched_tree_is_put_back() {
    everywhere(|t| {
        for name in ["w/changed", "w/deleted", "w/sub/deleted too", "w/kind", "w/in place"] {
            t.write(name, format!("old {name}"));
        }
        std::os::unix::fs::symlink("changed", t.dest("w/link")).unwrap();
        fs::create_dir(t.dest("w/empty")).unwrap();
        let apply = format!(
            "cd {0}; echo new > changed.new; mv changed.new changed; rm -r deleted sub empty link; \
             mkdir -p fresh/er/est; echo x > fresh/er/est/file; chmod 700 fresh; rm kind; mkdir kind; echo y > kind/y; \
             echo more >> 'in place'; echo odd > 'new\nline'; mkdir 'odd\ndir'; echo z > 'odd\ndir/z'",
            t.dest("w")
        );
        let mut s = script(&apply);
        s.watch = vec![t.dest("w"), t.dest("absent")];
        let before = look(t, "w");
        let begun = t.begin(&Work::new().script(s));
        assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
        fs::write(t.dest("absent"), "now here").unwrap();
        let end = t.verb(&["rollback", &begun.tx]);
        assert!(end.whole().rolled_back().is_some(), "{end:#?}");
        // A watched file that was replaced is a copy: on busybox without the fractions of its time.
        if t.shell != "busybox sh" {
            assert_same(&before, &look(t, "w"));
        }
        assert_eq!(t.read("w/kind").unwrap(), "old w/kind");
        assert_eq!(t.read("absent"), None);
        t.settle();
    });
}

#[test]
fn a_daemon_survives_a_confirmation_and_no_rollback() {
    everywhere(|t| {
        for confirm in [true, false] {
            let pid_file = t.dest("pid");
            let _ = fs::remove_file(&pid_file);
            let daemon = format!("setsid sleep 300 & echo $! > {pid_file}");
            let begun = t.begin(&Work::new().script(script(&daemon)));
            assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
            let pid = fs::read_to_string(&pid_file).unwrap().trim().parse().unwrap();
            assert!(is_alive(pid));
            if confirm {
                assert!(t.connect().confirm(&begun).whole().is_confirmed());
                wait_until("cleaned up", || t.tx(&begun.tx, "kept").exists());
                assert!(is_alive(pid));
                signal(pid, "KILL");
            } else {
                assert!(t.verb(&["rollback", &begun.tx]).whole().rolled_back().is_some());
                assert!(!is_alive(pid));
            }
            t.settle();
        }
    });
}

#[test]
fn handlers_run_once_before_what_is_not_files_and_again_on_undo() {
    everywhere(|t| {
        let log = t.dest("log");
        let say = |word: &str| format!("echo {word} >> {log}");
        let files = |name: &str| Files::new().file(t.dest(name), "new", 0o644);
        let mut step = script(&say("step"));
        step.rollback = Some(inline(&say("unstep")));
        let work = Work::new()
            .files(files("a").handler(&say("reload")).handler(&say("first")))
            .files(files("b").handler(&say("reload")))
            .script(step)
            .files(files("c").handler(&say("reload")));
        let begun = t.begin(&work);
        assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
        assert_eq!(t.read("log").unwrap(), "reload\nfirst\nstep\nreload\n");
        fs::remove_file(&log).unwrap();
        assert!(t.verb(&["rollback", &begun.tx]).whole().rolled_back().is_some());
        assert_eq!(t.read("log").unwrap(), "reload\nunstep\nfirst\n", "each that worked, once");
        t.settle();
    });
}

#[test]
fn an_undo_that_restores_nothing_restarts_nothing() {
    everywhere(|t| {
        // apply itself fails before it has put anything in place: the parent is a file.
        t.write("parent", "a file");
        let files = Files::new()
            .file(t.dest("parent/a"), "x", 0o644)
            .handler(&format!("echo h >> {}", t.dest("log")));
        let begun = t.begin(&Work::new().files(files));
        assert!(begun.answers.whole().rolled_back().is_some(), "{:#?}", begun.answers);
        assert_eq!(t.read("log"), None);
        assert_eq!(t.read("parent").unwrap(), "a file");
        t.settle();
    });
}

#[test]
fn a_rollback_that_fails_stays_open_until_it_is_mended() {
    everywhere(|t| {
        let log = t.dest("log");
        t.write("a", "old");
        let mut good = script("true");
        good.rollback = Some(inline(&format!("echo good >> {log}")));
        let mut bad = script("true");
        bad.rollback =
            Some(inline(&format!("echo bad >> {log}; echo it is stuck; test -e {}", t.dest("mended"))));
        let work = Work::new().files(Files::new().file(t.dest("a"), "new", 0o644)).script(good).script(bad);
        let begun = t.begin(&work);
        assert!(begun.answers.is_ready());
        let end = t.verb(&["rollback", &begun.tx]);
        assert!(end.whole().rollback_failed(), "{end:#?}");
        let broken = end.journal().into_iter().any(|e| {
            matches!(e, snapback_agent::journal::Entry::UndoItem { ok: false, text }
                if text == "script 2: rollback: exit status 1: it is stuck")
        });
        assert!(broken, "{end:#?}");
        assert_eq!(t.read("a").unwrap(), "old", "the rest is put back");
        t.settle();

        let second = t.begin(&work);
        assert_eq!(second.answers.whole().refused(), Some("locked"));
        assert!(
            second
                .answers
                .all
                .iter()
                .any(|a| matches!(a, Answer::Pending(p) if p.state == "rollback_failed"))
        );
        assert!(begun.follow(t).whole().rollback_failed(), "whoever asks hears it again");
        assert_eq!(t.connect().confirm(&begun).whole().denied(), Some("too_late"));

        fs::remove_file(&log).unwrap();
        t.write("mended", "");
        let end = t.verb(&["rollback", &begun.tx]);
        assert!(end.whole().rolled_back().is_some(), "{end:#?}");
        assert_eq!(t.read("log").unwrap(), "bad\n", "only the broken item is done again");
        t.settle();
        assert!(!t.state().join("current").exists());
    });
}

#[test]
fn a_person_may_accept_a_host_that_could_not_be_rolled_back() {
    everywhere(|t| {
        let mut bad = script("true");
        bad.rollback = Some(inline("false"));
        bad.timeout = secs(2);
        let begun = t.begin(&Work::new().script(bad));
        assert_eq!(t.verb(&["accept"]).whole().denied(), Some("not_failed"));
        assert!(t.verb(&["rollback", &begun.tx]).whole().rollback_failed());
        t.settle();
        assert!(t.verb(&["accept"]).whole().all.contains(&Answer::Accepted));
        assert!(!t.state().join("current").exists());
        let last = t.verb(&["status"]);
        assert!(last.all.iter().any(|a| matches!(a, Answer::Last(l) if l.result == "accepted")), "{last:#?}");
        assert!(last.all.iter().any(|a| matches!(a, Answer::LastItem(_))), "{last:#?}");
        assert!(matches!(t.verb(&["accept"]).whole().all[0], Answer::Untouched(_)));
    });
}
