//! Moving the deadline, and looking whether one gets in.

use crate::everywhere;
use crate::job::{Files, Work, secs};
use crate::target::{Answers, Begun, Connection, Target, wait_until};
use snapback_agent::answer::Answer;
use snapback_agent::call::Sent;
use snapback_agent::journal::Entry;
use std::fs;
use std::time::{Duration, Instant};

/// Ready at once, and undone after so many seconds.
fn work(t: &Target, window: u64) -> Work {
    let mut work = Work::new().files(Files::new().file(t.dest("a"), "new\n", 0o644)).window(window);
    work.job.confirm.settle = Duration::ZERO;
    work
}

fn extend(connection: &Connection<'_>, begun: &Begun, by: u64) -> Answers {
    let verb = ["extend", begun.tx.as_str(), &by.to_string()];
    let answers = connection.call(Sent::Plain, &verb, format!("{}\n", begun.token).as_bytes());
    answers.whole();
    answers
}

/// As before a confirmation: with the plan's digest.
fn extend_to_confirm(connection: &Connection<'_>, begun: &Begun, by: u64, digest: &str) -> Answers {
    let verb = ["extend", begun.tx.as_str(), &by.to_string(), digest];
    let answers = connection.call(Sent::Plain, &verb, format!("{}\n", begun.token).as_bytes());
    answers.whole();
    answers
}

fn knock(connection: &Connection<'_>, begun: &Begun) -> Answers {
    let token = format!("{}\n", begun.token);
    let answers = connection.call(Sent::Plain, &["knock", &begun.tx], token.as_bytes());
    answers.whole();
    answers
}

/// By how much it was extended, and what is left.
fn extended(answers: &Answers) -> Option<(u64, u64)> {
    answers.all.iter().find_map(|a| match a {
        Answer::Extended { by, left } => Some((*by, *left)),
        _ => None,
    })
}

fn left(t: &Target) -> Option<u64> {
    let answers = t.verb(&["status"]);
    answers.all.iter().find_map(|a| if let Answer::Pending(p) = a { p.left } else { None })
}

#[test]
fn an_extended_window_is_kept_and_can_be_confirmed_in() {
    everywhere(|t| {
        let mut roomy = work(t, 2);
        roomy.job.confirm.hard_cap = secs(90);
        let begun = t.begin(&roomy);
        assert!(begun.answers.is_ready(), "{:#?}", begun.answers);
        let first = extended(&extend(&t.connect(), &begun, 30)).expect("it was extended");
        let second = extended(&extend(&t.connect(), &begun, 30)).expect("and again");
        assert!(first.0 == 30 && (29..=32).contains(&first.1), "{first:?}");
        assert!(second.0 == 30 && (58..=62).contains(&second.1), "{second:?}");
        assert!(left(t).is_some_and(|left| left > 50), "status reads the same deadline");
        std::thread::sleep(secs(4));
        assert!(t.tx(&begun.tx, "turn.2").exists() && !t.tx(&begun.tx, "turn.3").exists());
        assert!(t.connect().confirm(&begun).whole().is_confirmed());
        t.settle();
        let entries = begun.follow(t);
        let moved = entries.journal().into_iter().filter(|e| matches!(e, Entry::Extended { .. })).count();
        assert_eq!(moved, 2, "the journal tells of it: {entries:#?}");
    });
}

#[test]
fn an_extended_window_ends_all_the_same_and_says_how_long_it_was() {
    everywhere(|t| {
        t.write("a", "old\n");
        let begun = t.begin(&work(t, 2));
        let began = Instant::now();
        extended(&extend(&t.connect(), &begun, 2)).expect("it was extended");
        let answers = begun.follow(t);
        let (cause, late) = answers.rolled_back().expect("it was rolled back");
        assert_eq!(cause, "not confirmed within 2 s after apply, extended by 2 s");
        assert!(late < 2000, "{late} ms late");
        assert!(began.elapsed() > Duration::from_millis(3000), "after {:?}", began.elapsed());
        assert_eq!(t.read("a").unwrap(), "old\n");
        t.settle();
    });
}

#[test]
fn never_past_the_hard_cap() {
    everywhere(|t| {
        let mut capped = work(t, 6).apply_timeout(6);
        capped.job.confirm.hard_cap = secs(14);
        let began = Instant::now();
        let begun = t.begin(&capped);
        let (by, left) = extended(&extend(&t.connect(), &begun, 600)).expect("as far as the cap");
        assert!((1..=8).contains(&by) && left <= 14, "{by} {left}");
        let denied = extend(&t.connect(), &begun, 600);
        assert_eq!(denied.denied(), Some("at_cap"), "{denied:#?}");
        assert!(begun.follow(t).rolled_back().is_some());
        assert!(began.elapsed() < secs(60), "after {:?}", began.elapsed());
        t.settle();
    });
}

#[test]
fn it_needs_the_token_and_a_line_that_is_younger_than_the_guard() {
    everywhere(|t| {
        let early = t.connect();
        early.verb(&["status"]);
        let arming = t.connect();
        let (inspected, _) = arming.inspect(&work(t, 30));
        let mut begun = arming.begin(&work(t, 30), &inspected);
        assert_eq!(extend(&early, &begun, 9).denied(), Some("stale_connection"));
        assert_eq!(extend(&arming, &begun, 9).denied(), Some("stale_connection"));
        let token = std::mem::replace(&mut begun.token, "guess".to_owned());
        assert_eq!(extend(&t.connect(), &begun, 9).denied(), Some("bad_token"));
        assert_eq!(knock(&t.connect(), &begun).denied(), Some("bad_token"));
        begun.token = token;
        assert!(!t.tx(&begun.tx, "turn.1").exists());
        assert_eq!(knock(&early, &begun).denied(), Some("stale_connection"));
        assert_eq!(knock(&arming, &begun).denied(), Some("stale_connection"));
        assert!(knock(&t.connect(), &begun).all.contains(&Answer::LetIn));
        assert!(!t.tx(&begun.tx, "turn.1").exists(), "a probe decides nothing");
        assert!(t.connect().confirm(&begun).whole().is_confirmed());
        assert_eq!(extend(&t.connect(), &begun, 9).denied(), Some("too_late"));
        assert_eq!(knock(&t.connect(), &begun).denied(), Some("too_late"));
        assert_eq!(t.verb(&["extend", "01NOBODY", "9"]).denied(), Some("unknown_transaction"));
    });
}

#[test]
fn a_host_that_still_applies_can_be_given_more_time_to() {
    everywhere(|t| {
        let mut slow = crate::job::script("sleep 9");
        slow.irreversible = true;
        slow.timeout = secs(15);
        let mut work = Work::new().script(slow).apply_timeout(8).window(20);
        work.job.confirm.settle = Duration::ZERO;
        let connection = t.connect();
        let (begun, job) = t.begin_unheard(&connection, &work);
        wait_until("the supervisor", || {
            fs::read_to_string(t.tx(&begun.tx, "go")).is_ok_and(|go| !go.is_empty())
        });
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(knock(&t.connect(), &begun).denied(), Some("not_ready"));
        let to_confirm = extend_to_confirm(&t.connect(), &begun, 10, &begun.digest);
        assert_eq!(to_confirm.denied(), Some("not_ready"));
        extended(&extend(&t.connect(), &begun, 10)).expect("it was extended");
        crate::target::finish(&job);
        assert!(Answers::read(&job, "n").is_ready());
        assert!(t.connect().confirm(&begun).whole().is_confirmed());
        t.settle();
    });
}

#[test]
fn with_the_digest_only_what_could_confirm_extends() {
    everywhere(|t| {
        let early = t.connect();
        early.verb(&["status"]);
        let arming = t.connect();
        let (inspected, _) = arming.inspect(&work(t, 30));
        let begun = arming.begin(&work(t, 30), &inspected);
        assert_eq!(extend_to_confirm(&early, &begun, 9, &begun.digest).denied(), Some("stale_connection"));
        assert_eq!(extend_to_confirm(&t.connect(), &begun, 9, "another").denied(), Some("wrong_digest"));
        assert!(!t.tx(&begun.tx, "turn.1").exists());
        extended(&extend_to_confirm(&t.connect(), &begun, 9, &begun.digest)).expect("it was extended");
        assert!(t.connect().confirm(&begun).whole().is_confirmed());
        t.settle();
    });
}

#[test]
fn an_extension_that_is_torn_or_foreign_is_a_rollback() {
    for text in ["extend", "extend 010", "extend -5", "extend 99999999", "extend 5x"] {
        let t = &Target::new("dash");
        t.write("a", "old\n");
        let begun = t.begin(&work(t, 30));
        fs::write(t.tx(&begun.tx, "turn.1"), text).unwrap();
        assert!(begun.follow(t).rolled_back().is_some(), "{text}");
        assert_eq!(t.read("a").unwrap(), "old\n", "{text}");
        t.settle();
    }
}

#[test]
fn a_boot_undoes_an_extended_host_as_any_other() {
    everywhere(|t| {
        t.write("a", "old\n");
        let begun = t.begin(&work(t, 30));
        extended(&extend(&t.connect(), &begun, 60)).expect("it was extended");
        for who in ["supervisor", "backup"] {
            crate::target::signal(t.pid(&begun.tx, who).unwrap(), "KILL");
        }
        wait_until("they are gone", || !crate::target::is_alive(t.pid(&begun.tx, "supervisor").unwrap()));
        t.verb(&["boot", &begun.tx, "boot-late"]);
        assert_eq!(t.read("a").unwrap(), "old\n");
        assert!(t.tx(&begun.tx, "turn.2").exists(), "the rollback is the second turn");
        assert!(begun.follow(t).rolled_back().is_some());
        t.settle();
    });
}
