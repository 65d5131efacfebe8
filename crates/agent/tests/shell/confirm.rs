//! From `begin` to `confirmed`.

use crate::everywhere;
use crate::job::{Files, Work, check};
use crate::target::{Target, wait_until};
use snapback_agent::call::Sent;
use snapback_agent::journal::Entry;
use std::fs;
use std::os::unix::fs::MetadataExt;

fn work(t: &Target) -> Work {
    let files = Files::new()
        .file(t.dest("app/a.conf"), "new a\n", 0o640)
        .file(t.dest("app/b c.conf"), "new b", 0o755)
        .dir(t.dest("app/sub"), 0o2750)
        .file(t.dest("app/sub/deep/c"), "", 0o600)
        .link(t.dest("app/link"), "a.conf")
        .validate(&format!("grep -q new {}", t.dest("app/a.conf")))
        .handler(&format!("echo handled >> {}", t.dest("log")));
    Work::new().files(files).check(check("looks", &format!("test -s {}", t.dest("app/a.conf"))))
}

#[test]
fn a_confirmed_change_stays_and_leaves_a_small_record() {
    everywhere(|t| {
        t.write("app/a.conf", "old a\n");
        let begun = t.begin(&work(t));
        begun.answers.whole();
        let words: Vec<_> = begun.answers.journal().into_iter().map(word).collect();
        let expected =
            ["armed", "applying", "change_started", "change_finished", "applied", "check passed", "ready"];
        assert_eq!(words, expected, "{:#?}", begun.answers);
        assert!(t.connect().confirm(&begun).whole().is_confirmed());

        assert_eq!(t.read("app/a.conf").unwrap(), "new a\n");
        assert_eq!(t.read("app/b c.conf").unwrap(), "new b");
        assert_eq!(t.read("app/sub/deep/c").unwrap(), "");
        assert_eq!(fs::read_link(t.dest("app/link")).unwrap().to_str(), Some("a.conf"));
        assert_eq!(t.read("log").unwrap(), "handled\n");
        let mode = |name: &str| fs::metadata(t.dest(name)).unwrap().mode() & 0o7777;
        assert_eq!(
            [mode("app/a.conf"), mode("app/b c.conf"), mode("app/sub"), mode("app/sub/deep/c")],
            [0o640, 0o755, 0o2750, 0o600]
        );
        t.settle();
        assert!(!t.state().join("current").exists());
        let record: Vec<_> = fs::read_dir(t.tx(&begun.tx, ""))
            .unwrap()
            .flatten()
            .map(|e| e.file_name().into_string().unwrap())
            .collect();
        assert!(!record.iter().any(|n| ["reserve", "agent.sh", "lock"].contains(&n.as_str())), "{record:?}");
        let kept = [
            "after",
            "after.end",
            "before",
            "dirs",
            "handlers",
            "mounts",
            "paths",
            "snap",
            "spec",
            "touched",
        ];
        let mut left: Vec<_> = fs::read_dir(t.tx(&begun.tx, "job/c/0"))
            .unwrap()
            .flatten()
            .map(|e| e.file_name().into_string().unwrap())
            .collect();
        left.sort_unstable();
        assert_eq!(left, kept, "what going back needs, and no more");
        assert_eq!(fs::read_dir(t.state().join("inbox")).unwrap().count(), 0);
        assert!(t.inspect(&work(t)).0.inspection.is_unchanged());
    });
}

fn word(entry: &Entry) -> &'static str {
    match entry {
        Entry::Armed { .. } => "armed",
        Entry::Applying => "applying",
        Entry::ChangeStarted { .. } => "change_started",
        Entry::ChangeFinished { .. } => "change_finished",
        Entry::Output { .. } => "output",
        Entry::Applied { .. } => "applied",
        Entry::Check { status, .. } if status == "passed" => "check passed",
        Entry::Ready { .. } => "ready",
        _ => "other",
    }
}

#[test]
fn only_a_connection_opened_after_ready_confirms() {
    everywhere(|t| {
        let early = t.connect();
        early.verb(&["status"]);
        let arming = t.connect();
        let (inspected, _) = arming.inspect(&work(t));
        let begun = arming.begin(&work(t), &inspected);
        assert!(begun.answers.is_ready(), "{:#?}", begun.answers);
        assert_eq!(arming.confirm(&begun).whole().denied(), Some("stale_connection"));
        assert_eq!(early.confirm(&begun).whole().denied(), Some("stale_connection"));
        assert!(t.connect().confirm(&begun).whole().is_confirmed());
    });
}

#[test]
fn a_confirmation_needs_token_digest_and_readiness() {
    everywhere(|t| {
        let mut begun = t.begin(&work(t));
        assert!(begun.answers.is_ready(), "{:#?}", begun.answers);
        let (token, digest) = (begun.token.clone(), begun.digest.clone());
        begun.token = "guess".to_owned();
        assert_eq!(t.connect().confirm(&begun).whole().denied(), Some("bad_token"));
        begun.token = String::new();
        assert_eq!(t.connect().confirm(&begun).whole().denied(), Some("bad_token"));
        begun.token = token;
        begun.digest = "0".repeat(64);
        assert_eq!(t.connect().confirm(&begun).whole().denied(), Some("wrong_digest"));
        begun.digest = digest;
        assert!(t.connect().confirm(&begun).whole().is_confirmed());
        assert!(t.connect().confirm(&begun).whole().is_confirmed(), "twice is no harm");
        assert_eq!(t.verb(&["confirm", "01NOBODY", "x"]).whole().denied(), Some("unknown_transaction"));
    });
}

#[test]
fn a_host_that_has_lost_a_tool_of_the_guard_is_neither_confirmed_nor_extended_to_be_confirmed() {
    everywhere(|t| {
        let begun = t.begin(&work(t));
        assert!(begun.answers.is_ready(), "{:#?}", begun.answers);
        // As if the guard lived on copies, of which one has lost the program it was made from.
        let rescue = t.state().join("rescue");
        fs::create_dir(&rescue).unwrap();
        fs::write(rescue.join("tools.sh"), "mv() { /bin/mv \"$@\"; }\nlostool() { /bin/true; }\n").unwrap();
        fs::write(rescue.join("shell"), format!("{}\n", t.shell)).unwrap();
        fs::write(rescue.join("whole"), "1\n").unwrap();
        fs::write(t.tx(&begun.tx, "rescue"), format!("{}\n", rescue.display())).unwrap();
        let token = format!("{}\n", begun.token);
        let extend = ["extend", &begun.tx, "5", &begun.digest];
        let asked = t.connect().call(Sent::Plain, &extend, token.as_bytes());
        assert_eq!(asked.whole().denied(), Some("tool_gone"), "a batch would be split by it later");
        let denied = t.connect().confirm(&begun);
        assert_eq!(denied.whole().denied(), Some("tool_gone"));
        let told = format!("{denied:?}");
        assert!(told.contains("lostool is gone from this host"), "{told}");
        assert!(t.verb(&["rollback", &begun.tx]).whole().rolled_back().is_some());
        assert_eq!(t.read("app/a.conf"), None);
        t.settle();
    });
}

#[test]
fn nothing_is_confirmed_before_ready() {
    everywhere(|t| {
        let mut slow = work(t);
        slow.job.checks[0].pace.min_healthy_time = crate::job::secs(2);
        slow.job.checks[0].pace.healthy_deadline = crate::job::secs(5);
        let connection = t.connect();
        let (begun, job) = t.begin_unheard(&connection, &slow);
        wait_until("applied", || t.tx(&begun.tx, "applied").exists());
        assert_eq!(t.connect().confirm(&begun).whole().denied(), Some("not_ready"));
        crate::target::finish(&job);
        assert!(t.connect().confirm(&begun).whole().is_confirmed());
    });
}

#[test]
fn a_volatile_guard_must_be_asked_for() {
    everywhere(|t| {
        let mut work = work(t);
        work.run.volatile_guard = false;
        let begun = t.begin(&work);
        let reason = begun.answers.whole().refused();
        assert!(matches!(reason, Some("no_boot_hook" | "volatile_state")), "{:#?}", begun.answers);
        assert_eq!(t.read("app/a.conf"), None);
        t.settle();
    });
}
