//! Whole verbs meet at one transaction: the agent as it is sent, nothing of it left out.

use crate::everywhere;
use crate::job::{Files, Work};
use crate::target::{Answers, Connection, Target, finish, signal};
use snapback_agent::answer::Answer;
use snapback_agent::call::Sent;
use snapback_agent::journal::Entry;
use std::fs;

/// In each shell.
const ROUNDS: usize = 4;

/// Two confirm over fresh connections, a person rolls back, and the boot hook finds no living supervisor; whether it
/// was confirmed.
fn race(t: &Target, n: usize) -> bool {
    t.write("a", "old");
    let begun = t.begin(&Work::new().window(60).files(Files::new().file(t.dest("a"), "new", 0o644)));
    assert!(begun.answers.is_ready(), "{:#?}", begun.answers);
    let lines: [Connection<'_>; 4] = std::array::from_fn(|_| t.connect());
    let token = format!("{}\n", begun.token);
    let supervisor = t.pid(&begun.tx, "supervisor").unwrap();
    let start = |who: usize| match who {
        0 | 1 => lines[who].start(Sent::Plain, &["confirm", &begun.tx, &begun.digest], token.as_bytes(), "n"),
        2 => lines[who].start(Sent::Plain, &["rollback", &begun.tx, "0"], b"by hand\n", "n"),
        _ => {
            signal(supervisor, "KILL");
            lines[who].start(Sent::Plain, &["boot", &begun.tx, "boot-late"], b"", "n")
        }
    };
    // Another one is first each time.
    let mut jobs: Vec<_> = (0..4).map(|k| (k + n) % 4).map(|who| (who, start(who))).collect();
    jobs.sort();
    let told: Vec<_> = jobs
        .iter()
        .map(|(_, job)| {
            finish(job);
            Answers::read(job, "n")
        })
        .collect();
    t.settle();
    let done = fs::read_to_string(t.tx(&begun.tx, "done")).unwrap();
    let confirmed = done == "confirmed\nend\n";
    assert!(confirmed || done == "rolled_back\nend\n", "{done}");
    assert_eq!(t.read("a").unwrap(), if confirmed { "new" } else { "old" });
    assert!(!t.state().join("current").exists());
    for told in &told[..2] {
        let heard = told.whole().is_confirmed();
        assert_eq!(heard, confirmed, "{told:#?}");
        assert!(heard || told.denied() == Some("too_late"), "{told:#?}");
    }
    let by_hand = told[2].whole();
    let heard = by_hand.journal().contains(&&Entry::Confirmed);
    assert_eq!(heard, confirmed, "{by_hand:#?}");
    assert_eq!(by_hand.rolled_back().is_some(), !confirmed, "{by_hand:#?}");
    assert!(!by_hand.all.iter().any(|a| matches!(a, Answer::Untouched(_))), "{by_hand:#?}");
    confirmed
}

#[test]
fn of_whole_verbs_that_decide_at_once_one_wins_and_each_other_is_told_so() {
    everywhere(|t| {
        let confirmed = (0..ROUNDS).filter(|n| race(t, *n)).count();
        eprintln!("races: {}: {ROUNDS} rounds of whole verbs, {confirmed} confirmed", t.shell);
    });
}
