//! Looking at a host changes nothing and says what is.

use crate::everywhere;
use crate::job::{Files, Work, check, inline, script};
use crate::target::{Answers, Target, bytes};
use crate::tree::{assert_same, look};
use snapback_agent::answer::Answer;
use snapback_agent::call::{Sent, command_line};
use snapback_agent::payload::for_inspect;
use snapback_core::check::Answer as Verdict;
use snapback_core::inspection::{ChangeInspection, Inspection, PathDiffers, PathKind};
use snapback_core::way::Become;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

fn differ(inspection: &Inspection) -> Vec<&PathDiffers> {
    match &inspection.changes[0] {
        ChangeInspection::Files { differ, .. } => differ.iter().collect(),
        ChangeInspection::Script { .. } | ChangeInspection::Revert(_) => panic!("not a files change"),
    }
}

fn chmod(path: &str, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_is_as_wanted_is_not_named_and_what_differs_is_described() {
    everywhere(|t| {
        t.write("same", "same\n");
        t.write("content", "old\n");
        t.write("mode", "x");
        for name in ["same", "content"] {
            chmod(&t.dest(name), 0o644);
        }
        chmod(&t.dest("mode"), 0o600);
        symlink("there", t.dest("same link")).unwrap();
        symlink("elsewhere", t.dest("link")).unwrap();
        for name in ["same dir", "dir"] {
            fs::create_dir(t.dest(name)).unwrap();
            chmod(&t.dest(name), 0o755);
        }
        t.write("kind", "a file where a link shall be");
        symlink("same dir", t.dest("dir link")).unwrap();
        let wanted = Files::new()
            .file(t.dest("absent"), "x", 0o644)
            .file(t.dest("content"), "new\n", 0o644)
            .dir(t.dest("dir"), 0o2755)
            .dir(t.dest("dir link"), 0o700)
            .link(t.dest("kind"), "same")
            .link(t.dest("link"), "there")
            .file(t.dest("mode"), "x", 0o644)
            .file(t.dest("same"), "same\n", 0o644)
            .dir(t.dest("same dir"), 0o755)
            .link(t.dest("same link"), "there");
        let before = look(t, "");
        let (inspected, answers) = t.inspect(&Work::new().files(wanted));
        answers.whole();
        assert!(inspected.is_whole());
        let found: Vec<_> = differ(&inspected.inspection)
            .iter()
            .map(|d| (d.entry, d.now.kind, d.now.mode, d.now.target.as_deref()))
            .collect();
        let link = Some("elsewhere");
        let file = PathKind::File;
        let expected = [
            (0, PathKind::Absent, 0, None),
            (1, file, 0o644, None),
            (2, PathKind::Dir, 0o755, None),
            (4, file, 0o644, None),
            (5, PathKind::Symlink, 0o777, link),
            (6, file, 0o600, None),
        ];
        assert_eq!(found, expected);
        assert_same(&before, &look(t, ""));
        let facts = &inspected.inspection.guard;
        assert_eq!((facts.backend.as_str(), facts.boot_hook.as_str()), ("bare", "none"));
        assert!(facts.free_bytes > 0);
    });
}

#[test]
fn owners_are_compared_by_number_and_an_unknown_one_is_refused() {
    everywhere(|t| {
        t.write("kept", "x");
        chmod(&t.dest("kept"), 0o644);
        if std::os::unix::fs::chown(t.dest("kept"), Some(1234), Some(4321)).is_err() {
            // Without root there is only one owner to compare.
            return;
        }
        let files = |owner: &str| {
            let kept = Files::new().file(t.dest("kept"), "x", 0o644);
            Work::new().files(if owner.is_empty() { kept } else { kept.owned_by(owner, "4321") })
        };
        assert!(t.inspect(&files("")).0.inspection.is_unchanged());
        assert!(t.inspect(&files("1234")).0.inspection.is_unchanged());
        assert!(!t.inspect(&files("daemon")).0.inspection.is_unchanged());
        let (inspected, answers) = t.inspect(&files("no such user"));
        assert_eq!(answers.whole().refused(), Some("inspect"));
        assert!(!inspected.is_whole());
    });
}

#[test]
fn texts_for_the_diff_come_back_exactly() {
    let names =
        ["a: b", "-dash", "it's \"quoted\" $HOME `id`", "back\\slash", "blank ", "star*[x]?", "ümlaut"];
    everywhere(|t| {
        let texts =
            ["", "no newline", "two\nlines\n", "\n", "a:b:c\n d \n", "\ttab\r\nend", "@snapback:x end\n"];
        let mut files = Files::new();
        for (name, text) in names.iter().zip(texts) {
            t.write(name, text);
            files = files.file(t.dest(name), "new", 0o644);
        }
        t.write("binary", b"\x00\xff\xfe");
        t.write("latin", b"caf\xe9\n");
        t.write("big", "x".repeat(70_000));
        for name in ["binary", "latin", "big"] {
            files = files.file(t.dest(name), "new", 0o644);
        }
        let (inspected, answers) = t.inspect(&Work::new().files(files));
        answers.whole();
        let found: Vec<_> = differ(&inspected.inspection).into_iter().map(|d| d.text.as_deref()).collect();
        let expected: Vec<_> = texts.into_iter().map(Some).chain([None, None, None]).collect();
        assert_eq!(found, expected);
    });
}

#[test]
fn a_purge_names_what_it_deletes_and_nothing_that_is_needed() {
    everywhere(|t| {
        for name in ["p[ab]/keep/deep/file", "p[ab]/gone", "p[ab]/old/x", "p[ab]/old/it's", "pa/other"] {
            t.write(name, "x");
        }
        let files = Files::new().file(t.dest("p[ab]/keep/deep/file"), "x", 0o600).purge(t.dest("p[ab]"));
        let (inspected, _) = t.inspect(&Work::new().files(files));
        let ChangeInspection::Files { delete, .. } = &inspected.inspection.changes[0] else { panic!() };
        let expected = ["p[ab]/gone", "p[ab]/old", "p[ab]/old/it's", "p[ab]/old/x"].map(|n| t.dest(n));
        assert_eq!(*delete, expected);

        t.write("p[ab]/a\u{1}b", "x");
        let files = Files::new().file(t.dest("p[ab]/keep/deep/file"), "x", 0o600).purge(t.dest("p[ab]"));
        let (_, answers) = t.inspect(&Work::new().files(files));
        assert_eq!(answers.whole().refused(), Some("inspect"), "this byte stands for a newline in our lists");
    });
}

#[test]
fn a_script_is_asked_whether_all_is_as_wanted() {
    everywhere(|t| {
        let mut s = script("true");
        s.facts = Some(inline("echo noise; echo dev=eth0; echo other=1"));
        s.unless = Some(inline(&format!("test \"$FACT_DEV\" = eth0; test -e {}", t.dest("flag"))));
        let work = Work::new().script(s);
        assert!(!t.inspect(&work).0.inspection.is_unchanged());
        t.write("flag", "");
        assert!(t.inspect(&work).0.inspection.is_unchanged());
    });
}

#[test]
fn the_state_digest_is_stable_and_follows_the_state() {
    everywhere(|t| {
        t.write("a", "x");
        let work = Work::new().files(Files::new().file(t.dest("a"), "y", 0o644).dir(t.dest("d"), 0o755));
        let digest = || t.inspect(&work).0.inspection.state_digest;
        let first = digest();
        assert_eq!(first.len(), 64);
        assert_eq!(digest(), first);
        t.write("a", "z");
        let second = digest();
        assert_ne!(second, first);
        fs::create_dir(t.dest("d")).unwrap();
        assert_ne!(digest(), second);
    });
}

#[test]
fn the_agent_travels_once() {
    everywhere(|t| {
        let work = Work::new();
        let ask = |sent, install| {
            let payload = for_inspect(&work.run, &work.job, &work.contents, install).unwrap();
            t.call(sent, &["inspect"], &bytes(&payload))
        };
        assert_eq!(ask(Sent::Payload, false).all, [Answer::NeedAgent]);
        ask(Sent::Install, true).whole();
        ask(Sent::Payload, false).whole();
        assert_eq!(fs::read_dir(t.state().join("agent")).unwrap().count(), 1);
    });
}

#[test]
fn a_payload_that_was_cut_is_refused_wherever_the_cut_is() {
    everywhere(|t| {
        let work = Work::new().files(Files::new().file(t.dest("a"), "x".repeat(3000), 0o644));
        let (inspected, _) = t.inspect(&work);
        let whole = crate::target::Begun::plan(t, &work, &inspected).1;
        let blocks = whole.len() / 512;
        for cut in [0, 100, 512, 1024, 512 * (blocks - 4), 512 * (blocks - 3) - 7] {
            let answers = t.call(Sent::Payload, &["begin", "01CUT"], &whole[..cut]);
            let refused = answers.all.iter().any(|a| matches!(a, Answer::Error(_) | Answer::UnpackFailed(_)));
            assert!(refused, "cut at {cut} of {}: {answers:#?}", whole.len());
            assert!(!t.state().join("current").exists());
        }
        assert_eq!(fs::read_dir(t.state().join("inbox")).unwrap().count(), 0);
    });
}

#[test]
fn what_a_login_script_prints_changes_nothing() {
    everywhere(|t| {
        t.inspect(&Work::new());
        let line = command_line(Become::None, "n7", Sent::Plain, &["status"]);
        let connection = t.connect();
        let job = connection
            .start_line(&format!("printf 'Welcome!\\n@snapback:fake end\\nno newline'; {line}"), b"");
        crate::target::finish(&job);
        let answers = Answers::read(&job, "n7");
        assert!(matches!(answers.whole().all[0], Answer::Inspect(_)), "{answers:#?}");
        drop(connection);
        let _: &Target = t;
    });
}

#[test]
fn a_probe_asks_each_remote_check_once_and_leaves_nothing() {
    everywhere(|t| {
        t.write("there", "x");
        let work = Work::new()
            .check(check("good", &format!("test -e {}", t.dest("there"))))
            .check(check("bad", "echo no such thing; exit 3"))
            .check(check("slow", "sleep 5"));
        let before = look(t, "");
        let answers = t.probe(&work);
        answers.whole();
        let probed: Vec<_> = answers
            .all
            .iter()
            .filter_map(|answer| match answer {
                Answer::Probed { n, answer } => Some((*n, answer.clone())),
                _ => None,
            })
            .collect();
        assert_eq!(probed.len(), 3, "{:?}", answers.all);
        assert_eq!(probed[0], (0, Verdict::Passed));
        assert_eq!(probed[1], (1, Verdict::Failed("exit status 3: no such thing".to_owned())));
        assert!(matches!(&probed[2], (2, Verdict::Error(_))), "{probed:?}");
        assert_same(&before, &look(t, ""));
        assert!(fs::read_dir(t.state().join("inbox")).is_ok_and(|mut inbox| inbox.next().is_none()));
    });
}

#[test]
fn what_the_snapshot_would_take_is_told_where_something_would_change() {
    everywhere(|t| {
        for name in ["old/a", "old/b", "tree/one", "tree/two"] {
            t.write(name, "x".repeat(3000));
        }
        let same = Work::new().files(Files::new().file(t.dest("old/a"), "x".repeat(3000), 0o644));
        chmod(&t.dest("old/a"), 0o644);
        assert_eq!(t.inspect(&same).0.inspection.space, None);
        let files = Files::new().file(t.dest("old/a"), "new", 0o644).file(t.dest("old/b"), "new", 0o644);
        let mut watcher = script("true");
        watcher.watch = vec![t.dest("tree"), t.dest("absent")];
        let space = |work: Work| t.inspect(&work).0.inspection.space.unwrap();
        let replaced = space(Work::new().files(files.clone().file(t.dest("fresh"), "new", 0o644)));
        assert_eq!(
            (replaced.copies, replaced.copies_bytes),
            (2, 2 * 4 * 1024),
            "what is new replaces nothing"
        );
        let both = space(Work::new().files(files).script(watcher));
        assert_eq!(both.copies, 2 + 3, "the directory counts");
        assert!(both.copies_bytes >= replaced.copies_bytes + 2 * 3000, "{both:?}");
        assert!(both.free_inodes.is_none_or(|free| free > 0), "{both:?}");
    });
}
