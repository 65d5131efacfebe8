//! Going back to before a run that was confirmed, by what the host has kept.

use crate::everywhere;
use crate::job::{Files, Work, inline, script, secs};
use crate::target::{Begun, Target, is_alive, signal, wait_until};
use crate::tree::{assert_same, look};
use snapback_agent::answer::{Answer, Held};
use snapback_core::change::{ChangeKind, RevertChange};
use snapback_core::inspection::{ChangeInspection, RevertFound};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// Back to before a run.
fn back(to: &str) -> Work {
    Work::new()
        .change(
            "back",
            ChangeKind::Revert(RevertChange { to: to.to_owned(), alone: false, timeout: secs(5) }),
        )
        .window(20)
}

/// A run that is confirmed, and what the host has kept of it.
fn confirmed(t: &Target, work: &Work) -> String {
    let begun = t.begin(work);
    assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
    confirm(t, &begun);
    begun.tx
}

fn confirm(t: &Target, begun: &Begun) {
    assert!(t.connect().confirm(begun).whole().is_confirmed());
    t.settle();
}

fn file(t: &Target, name: &str, text: &str) -> Work {
    Work::new().files(Files::new().file(t.dest(name), text, 0o644))
}

fn held(t: &Target) -> Vec<Held> {
    let told = t.verb(&["history"]);
    told.whole()
        .all
        .iter()
        .filter_map(|a| if let Answer::Held(h) = a { Some(h.clone()) } else { None })
        .collect()
}

fn found(t: &Target, work: &Work) -> RevertFound {
    let (inspected, answers) = t.inspect(work);
    match &answers.whole().refused().is_none().then_some(&inspected.inspection.changes[0]) {
        Some(ChangeInspection::Revert(found)) => found.clone(),
        _ => panic!("{answers:#?}"),
    }
}

fn refusal(t: &Target, work: &Work) -> String {
    let (_, answers) = t.inspect(work);
    let text = answers.whole().all.iter().find_map(|a| match a {
        Answer::Refused { text, .. } => Some(text.clone()),
        _ => None,
    });
    text.unwrap_or_else(|| panic!("it is not refused: {answers:#?}"))
}

/// A tree, and a run that changes all there is about it.
fn grow(t: &Target) -> Work {
    for name in ["app/plain", "app/two names", "app/purged/a/b", "app/purged/c", "app/kept"] {
        t.write(name, format!("old {name}\n"));
    }
    std::os::unix::fs::symlink("plain", t.dest("app/link")).unwrap();
    fs::set_permissions(t.dest("app/plain"), std::os::unix::fs::PermissionsExt::from_mode(0o4711)).unwrap();
    Work::new().files(
        Files::new()
            .file(t.dest("app/brand/new/file"), "new", 0o644)
            .link(t.dest("app/link"), "elsewhere")
            .file(t.dest("app/plain"), "new", 0o644)
            .file(t.dest("app/two names"), "new", 0o600)
            .purge(t.dest("app/purged"))
            .handler(&format!("cat {} >> {}", t.dest("app/plain"), t.dest("log"))),
    )
}

/// Directories that were only written into have the times of now.
fn timeless(t: &Target) -> std::collections::BTreeMap<String, String> {
    let mut seen = look(t, "app");
    for (path, line) in &mut seen {
        if fs::symlink_metadata(path).is_ok_and(|m| m.is_dir()) {
            *line = line.split(' ').take(2).collect::<Vec<_>>().join(" ");
        }
        // What comes from the snapshot is a copy: busybox gives a symlink no time, and a file no fractions of it.
        if t.shell == "busybox sh" {
            let words: Vec<_> = line.split(' ').collect();
            *line = [&words[..2], words.get(3..).unwrap_or_default()].concat().join(" ");
        }
    }
    seen.remove("attributes");
    seen
}

#[test]
fn a_confirmed_run_is_undone_and_its_handlers_run_after() {
    everywhere(|t| {
        let work = grow(t);
        let before = timeless(t);
        let run = confirmed(t, &work);
        assert_ne!(timeless(t), before);
        fs::remove_file(t.dest("log")).unwrap();
        let there = found(t, &back(&run));
        assert!(there.paths.iter().all(|p| !p.conflict), "{there:#?}");
        assert_eq!(there.handlers.len(), 1);
        let undone = confirmed(t, &back(&run));
        assert_same(&before, &timeless(t));
        assert_eq!(t.read("log").unwrap(), "old app/plain\n", "with the files in place");
        let held = held(t);
        let words: Vec<_> =
            held.iter().map(|h| (h.tx.as_str(), h.is_rollback, h.undone, h.is_candidate())).collect();
        assert_eq!(words, [(run.as_str(), false, true, false), (undone.as_str(), true, false, false)]);
        assert_eq!((held[0].fleet.as_str(), held[0].owner.as_str()), ("shop", "somebody@controller"));
        assert!(held[0].at > 1_700_000_000 && held[0].paths > 5, "{held:#?}");
    });
}

#[test]
fn going_back_then_undone_is_as_if_nobody_had() {
    everywhere(|t| {
        let work = grow(t);
        let run = confirmed(t, &work);
        let after = look(t, "app");
        let begun = t.begin(&back(&run));
        assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
        assert_eq!(t.read("app/plain").unwrap(), "old app/plain\n");
        let end = t.verb(&["rollback", &begun.tx]);
        assert!(end.whole().rolled_back().is_some(), "{end:#?}");
        assert_same(&after, &look(t, "app"));
        t.settle();
        assert_eq!(held(t).iter().filter(|h| h.is_candidate()).count(), 1, "it can be undone still");
        confirmed(t, &back(&run));
        assert_eq!(t.read("app/plain").unwrap(), "old app/plain\n");
    });
}

#[test]
fn going_back_that_nobody_confirms_is_undone() {
    everywhere(|t| {
        t.write("a", "one");
        let run = confirmed(t, &file(t, "a", "two"));
        let begun = t.begin(&back(&run).window(1));
        assert!(begun.follow(t).whole().rolled_back().is_some());
        assert_eq!(t.read("a").unwrap(), "two");
    });
}

#[test]
fn going_back_twice_changes_nothing() {
    everywhere(|t| {
        t.write("a", "one");
        let run = confirmed(t, &file(t, "a", "two"));
        confirmed(t, &back(&run));
        let (inspected, answers) = t.inspect(&back(&run));
        assert!(inspected.inspection.is_unchanged(), "{answers:#?}");
        let begun = t.begin(&back(&run));
        assert!(begun.answers.whole().is_ready());
        confirm(t, &begun);
        assert_eq!(t.read("a").unwrap(), "one");
        assert_eq!(held(t).len(), 2, "what changed nothing is no part of the history");
    });
}

#[test]
fn going_back_over_one_run_alone_is_refused_where_a_later_one_has_changed_the_host() {
    let alone = |to: &str| {
        let revert = RevertChange { to: to.to_owned(), alone: true, timeout: secs(5) };
        Work::new().change("back", ChangeKind::Revert(revert)).window(20)
    };
    everywhere(|t| {
        for name in ["a", "b"] {
            t.write(name, "zero");
        }
        let why = refusal(t, &alone("01ZZZ"));
        assert!(why.contains("holds nothing of run 01ZZZ"), "{why}");
        let first = confirmed(t, &file(t, "a", "one"));
        let second = confirmed(t, &file(t, "b", "two"));
        let why = refusal(t, &alone(&first));
        assert!(why.contains(&format!("run {second} has changed this host since")), "{why}");
        confirmed(t, &alone(&second));
        assert_eq!([t.read("a"), t.read("b")].map(Option::unwrap), ["one", "zero"]);
        let (inspected, answers) = t.inspect(&alone(&second));
        assert!(inspected.inspection.is_unchanged(), "twice changes nothing: {answers:#?}");
    });
}

#[test]
fn each_path_gets_the_oldest_state_at_or_after_the_run() {
    everywhere(|t| {
        for name in ["a", "b", "c"] {
            t.write(name, "zero");
        }
        confirmed(t, &file(t, "a", "one"));
        let second = confirmed(t, &file(t, "b", "two"));
        confirmed(t, &file(t, "a", "three"));
        let fourth = confirmed(t, &file(t, "b", "four"));
        confirmed(t, &back(&second));
        assert_eq!([t.read("a"), t.read("b")].map(Option::unwrap), ["one", "zero"]);
        // Rollbacks in between are states as well.
        let sixth = confirmed(t, &file(t, "c", "six"));
        confirmed(t, &back(&sixth));
        assert_eq!(t.read("c").unwrap(), "zero");
        let why = refusal(t, &back(&fourth));
        assert!(why.contains("went back further") && why.contains("deploy what you want"), "{why}");
    });
}

#[test]
fn a_run_that_changed_nothing_here_leaves_what_came_after_it() {
    everywhere(|t| {
        t.write("a", "one");
        // Ids are ULIDs: this one is older than all of the test's, and that one newer.
        confirmed(t, &file(t, "a", "two"));
        assert!(found(t, &back("01ZZZ")).paths.is_empty(), "a newer run than all: nothing to do");
        confirmed(t, &back("01AAA"));
        assert_eq!(t.read("a").unwrap(), "one");
    });
}

#[test]
fn scripts_are_undone_newest_first_with_the_values_of_then() {
    everywhere(|t| {
        let step = |name: &str| {
            let mut s = script(&format!(
                "echo up=$VAR_X > \"$DEPLOY_OUTPUT\"; echo apply {name} >> {}",
                t.dest("log")
            ));
            s.facts = Some(inline(&format!("echo f={name}")));
            s.rollback =
                Some(inline(&format!("echo \"undo $FACT_F $OUTPUT_UP $VAR_X\" >> {}", t.dest("log"))));
            s
        };
        let first = confirmed(t, &Work::new().var("x", "1").script(step("a")).script(step("b")));
        confirmed(t, &Work::new().var("x", "2").script(step("c")));
        fs::remove_file(t.dest("log")).unwrap();
        assert_eq!(found(t, &back(&first)).scripts.len(), 3);
        let begun = t.begin(&back(&first));
        assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
        assert_eq!(t.read("log").unwrap(), "undo c 2 2\nundo b 1 1\nundo a 1 1\n");
        fs::remove_file(t.dest("log")).unwrap();
        assert!(t.verb(&["rollback", &begun.tx]).whole().rolled_back().is_some());
        assert_eq!(t.read("log").unwrap(), "apply a\napply b\napply c\n", "the present again, oldest first");
        t.settle();
        confirmed(t, &back(&first));
        fs::remove_file(t.dest("log")).unwrap();
        assert!(found(t, &back(&first)).scripts.is_empty(), "no rollback is run twice");
        confirmed(t, &back(&first));
        assert_eq!(t.read("log"), None);
    });
}

#[test]
fn a_script_that_cannot_be_undone_is_named() {
    everywhere(|t| {
        let run = confirmed(t, &file(t, "a", "one").script(script("true")));
        let there = found(t, &back(&run));
        assert_eq!((there.stuck.len(), there.scripts.len()), (1, 0));
    });
}

#[test]
fn a_watched_tree_is_put_back_after_the_confirmation() {
    everywhere(|t| {
        for name in ["app/changed", "app/deleted", "app/sub/too"] {
            t.write(name, format!("old {name}"));
        }
        let before = timeless(t);
        let mut s = script(&format!(
            "cd {}; echo new > changed; rm -r deleted sub; mkdir -p x/y; echo z > x/y/z",
            t.dest("app")
        ));
        s.watch = vec![t.dest("app")];
        let run = confirmed(t, &Work::new().script(s));
        t.write("app/x/theirs", "by somebody else");
        let there = found(t, &back(&run));
        let conflicts: Vec<_> = there.paths.iter().filter(|p| p.conflict).map(|p| p.path.clone()).collect();
        assert_eq!(conflicts, [t.dest("app/x/theirs")], "{there:#?}");
        confirmed(t, &back(&run));
        assert_same(&before, &timeless(t));
    });
}

#[test]
fn a_tree_with_odd_names_goes_back_then_forth_then_back() {
    let names =
        ["-rf", "two\nlines", "\n", "back\\slash\\", "trailing ", "it's \"quoted\" $(id)", "a=b", "*[a]?"];
    everywhere(|t| {
        for name in names {
            t.write(&format!("app/files/{name}"), format!("old {name}"));
            t.write(&format!("app/gone/{name}/in it"), "old");
        }
        std::os::unix::fs::symlink("two\nlines", t.dest("app/a link")).unwrap();
        let before = timeless(t);
        let mut s = script(&format!(
            "cd {}; for f in files/* files/.[!.]*; do [ ! -f \"$f\" ] || echo new >\"$f\"; done; rm -r gone; ln -sfn x 'a link'; \
             mkdir 'new\\\n dir'; echo z >'new\\\n dir/ z '",
            t.dest("app")
        ));
        s.watch = vec![t.dest("app")];
        let run = confirmed(t, &Work::new().script(s));
        let after = look(t, "app");
        assert!(found(t, &back(&run)).paths.iter().all(|p| !p.conflict));
        let begun = t.begin(&back(&run));
        assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
        assert_same(&before, &timeless(t));
        assert!(t.verb(&["rollback", &begun.tx]).whole().rolled_back().is_some());
        t.settle();
        assert_same(&after, &look(t, "app"));
        confirmed(t, &back(&run));
        assert_same(&before, &timeless(t));
    });
}

#[test]
fn what_somebody_else_changed_since_is_a_conflict_in_the_plan() {
    everywhere(|t| {
        t.write("a", "one");
        t.write("b", "one");
        let files = Files::new().file(t.dest("a"), "two", 0o644).file(t.dest("b"), "two", 0o644);
        let run = confirmed(t, &Work::new().files(files));
        t.write("a", "theirs");
        let there = found(t, &back(&run));
        let told: Vec<_> = there.paths.iter().map(|p| (p.path.as_str(), p.remove, p.conflict)).collect();
        assert_eq!(told, [(t.dest("a").as_str(), false, true), (t.dest("b").as_str(), false, false)]);
    });
}

#[test]
fn another_fleets_run_on_the_same_path_is_in_the_way() {
    everywhere(|t| {
        t.write("a", "one");
        t.write("b", "one");
        let run = confirmed(t, &file(t, "a", "two"));
        let other = |name: &str, text: &str| {
            let mut work = file(t, name, text);
            work.run.fleet = "kiosk".to_owned();
            work
        };
        confirmed(t, &other("b", "theirs"));
        assert_eq!(found(t, &back(&run)).paths.len(), 1, "another path is nobody's business");
        confirmed(t, &other("a", "theirs"));
        let why = refusal(t, &back(&run));
        assert!(why.contains("of the fleet 'kiosk'") && why.contains(&t.dest("a")), "{why}");
        let mut theirs = back(&run);
        theirs.run.fleet = "kiosk".to_owned();
        assert!(refusal(t, &theirs).contains("is of the fleet 'shop'"));
        assert_eq!(t.read("a").unwrap(), "theirs");
        assert!(!t.state().join("current").exists());
    });
}

#[test]
fn the_last_few_are_kept_and_never_none() {
    everywhere(|t| {
        t.write("a", "0");
        let keep = |n: u32, text: &str| {
            let mut work = file(t, "a", text);
            work.job.keep = n;
            work
        };
        let runs: Vec<_> = (1..5).map(|n| confirmed(t, &keep(2, &n.to_string()))).collect();
        let told = held(t);
        let ids: Vec<_> = told.iter().map(|h| h.tx.as_str()).collect();
        assert_eq!(ids, [runs[2].as_str(), runs[3].as_str()]);
        assert!(refusal(t, &back(&runs[0])).contains("no longer keeps run"));
        assert!(refusal(t, &back("01AAA")).contains("no longer keeps run"));
        let last = confirmed(t, &keep(0, "5"));
        assert_eq!(held(t).len(), 1);
        let denied = t.verb(&["free", &last]);
        assert_eq!(denied.whole().denied(), Some("last"));
        confirmed(t, &back(&last));
        assert_eq!(t.read("a").unwrap(), "4");
    });
}

#[test]
fn a_run_that_was_freed_is_in_the_way_of_going_further_back() {
    everywhere(|t| {
        t.write("a", "0");
        let first = confirmed(t, &file(t, "a", "1"));
        let second = confirmed(t, &file(t, "b", "2"));
        let third = confirmed(t, &file(t, "c", "3"));
        assert!(t.verb(&["free", &second]).whole().all.contains(&Answer::Freed));
        assert!(!t.tx(&second, "job/c/0/snap").exists());
        assert!(t.tx(&third, "job/c/0/snap").exists());
        let states: Vec<_> = held(t).into_iter().map(|h| h.state).collect();
        assert_eq!(states, ["confirmed", "freed", "confirmed"]);
        let why = refusal(t, &back(&first));
        assert!(why.contains(&second) && why.contains("no longer keeps"), "{why}");
        assert!(refusal(t, &back(&second)).contains("no longer keeps"));
        assert!(matches!(t.verb(&["free", "01NOBODY"]).whole().all[0], Answer::Untouched(_)));
        confirmed(t, &back(&third));
        assert_eq!(t.read("c"), None);
        let older = t.verb(&["free", &first]);
        assert!(older.whole().all.contains(&Answer::Freed), "{older:#?}");
        assert_eq!(held(t).first().map(|h| h.tx.clone()), Some(third), "what is older than all is forgotten");
    });
}

#[test]
fn a_file_with_two_names_has_two_again_when_all_is_confirmed() {
    everywhere(|t| {
        t.write("cron.d/job", "old");
        t.write("app/first", "old");
        fs::hard_link(t.dest("app/first"), t.dest("app/second")).unwrap();
        let big = "x".repeat(10_000_001);
        t.write("app/big", &big);
        fs::hard_link(t.dest("app/big"), t.dest("app/big too")).unwrap();
        let work = Work::new().files(
            Files::new()
                .file(t.dest("app/big"), "small", 0o644)
                .file(t.dest("app/first"), "new", 0o644)
                .file(t.dest("cron.d/job"), "new", 0o644),
        );
        let run = confirmed(t, &work);
        let names = |name: &str| fs::metadata(t.dest(name)).unwrap().nlink();
        assert_eq!(
            [names("cron.d/job"), names("app/first"), names("app/second"), names("app/big too")],
            [1; 4]
        );
        confirmed(t, &back(&run));
        assert_eq!(t.read("app/big").map(|b| b.len()), Some(big.len()));
        assert_eq!(t.read("app/first").unwrap(), "old");
        assert_eq!([names("cron.d/job"), names("app/first"), names("app/big")], [1; 3]);
    });
}

#[test]
fn going_back_that_is_killed_half_way_is_undone() {
    everywhere(|t| {
        t.write("app/a", "one");
        let mut s = script("true");
        s.rollback =
            Some(inline(&format!("touch {}; test -e {} && sleep 60; true", t.dest("in"), t.dest("hang"))));
        s.timeout = secs(30);
        let run = confirmed(t, &file(t, "app/a", "two").script(s));
        t.write("hang", "");
        let connection = t.connect();
        let work = back(&run).apply_timeout(30).window(30);
        let (begun, _) = t.begin_unheard(&connection, &work);
        wait_until("it is in the middle", || t.read("in").is_some());
        assert_eq!(t.read("app/a").unwrap(), "one");
        fs::remove_file(t.dest("hang")).unwrap();
        signal(t.pid(&begun.tx, "runner").unwrap(), "KILL");
        let end = begun.follow(t);
        assert!(end.whole().rolled_back().is_some(), "{end:#?}");
        assert_eq!(t.read("app/a").unwrap(), "two");
        t.settle();
        confirmed(t, &back(&run));
        assert_eq!(t.read("app/a").unwrap(), "one");
    });
}

#[test]
fn a_cleaning_that_was_cut_is_done_again_and_loses_nothing() {
    everywhere(|t| {
        t.write("a", "one");
        let run = confirmed(t, &file(t, "a", "two"));
        // As if it had been killed before its end.
        fs::remove_file(t.tx(&run, "kept")).unwrap();
        assert_eq!(found(t, &back(&run)).paths.len(), 1);
        confirmed(t, &file(t, "b", "x"));
        assert!(t.tx(&run, "kept").exists());
        confirmed(t, &back(&run));
        assert_eq!(t.read("a").unwrap(), "one");
    });
}

#[test]
fn a_plan_of_going_back_that_is_no_longer_true_is_refused() {
    everywhere(|t| {
        t.write("a", "one");
        let run = confirmed(t, &file(t, "a", "two"));
        let connection = t.connect();
        let (inspected, _) = connection.inspect(&back(&run));
        t.write("a", "three!");
        let begun = connection.begin(&back(&run), &inspected);
        assert_eq!(begun.answers.whole().refused(), Some("stale_plan"));
        assert_eq!(t.read("a").unwrap(), "three!");
    });
}

/// Later runs remove old records, and a supervisor may have been frozen all the while.
#[test]
fn a_supervisor_that_wakes_up_while_its_record_is_removed_undoes_nothing() {
    everywhere(|t| {
        t.write("app/a", "old");
        let begun = t.begin(&file(t, "app/a", "new"));
        assert!(begun.answers.whole().is_ready(), "{:#?}", begun.answers);
        let supervisor = t.pid(&begun.tx, "supervisor").unwrap();
        signal(supervisor, "STOP");
        assert!(t.connect().confirm(&begun).whole().is_confirmed());
        // As far as a removal that goes on is at some moment: the job is gone, and the word that it is over.
        fs::remove_dir_all(t.tx(&begun.tx, "job")).unwrap();
        for gone in ["done", "turn.1", "carry.1"] {
            fs::remove_file(t.tx(&begun.tx, gone)).unwrap();
        }
        signal(supervisor, "CONT");
        wait_until("the supervisor's end", || !is_alive(supervisor));
        assert_eq!(t.read("app/a").as_deref(), Some("new"));
        assert!(!t.tx(&begun.tx, "turn.1").exists());
        t.settle();
    });
}
