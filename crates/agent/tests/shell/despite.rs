//! Red checks where a person decides: they veto until they are named.

use crate::everywhere;
use crate::job::{Files, Work, check, secs};
use crate::target::{Answers, Begun, Target};
use snapback_agent::answer::Answer;
use snapback_agent::call::Sent;
use snapback_agent::journal::Entry;
use snapback_core::proof::Mode;
use std::fs;

/// A name that no shell may read as anything else.
const ODD: &str = "it's * $HOME";

/// A change with a red check and a green one, about which a person decides.
fn work(t: &Target) -> Work {
    let files = Files::new().file(t.dest("a"), "new\n", 0o644);
    let mut work = Work::new()
        .files(files)
        .check(red(check("healthz", "echo no answer; false")))
        .check(check("fine", "true"));
    work.job.proof.mode = Mode::Manual;
    work
}

/// Red at once, and not after its patience.
fn red(mut check: snapback_core::check::Check) -> snapback_core::check::Check {
    check.pace.healthy_deadline = secs(0);
    check
}

/// A host that is ready, as far as it can be with a red check.
fn ready(t: &Target) -> Begun {
    t.write("a", "old\n");
    let begun = t.begin(&work(t));
    assert!(begun.answers.is_ready(), "{:#?}", begun.answers);
    begun
}

/// Why it was denied: the word, and the text.
fn denied(answers: &Answers) -> (String, String) {
    let found = answers.whole().all.iter().find_map(|answer| match answer {
        Answer::Denied { reason, text } => Some((reason.clone(), text.clone())),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("it was not denied: {answers:#?}"))
}

fn veto(t: &Target, begun: &Begun, token: &str, red: &[(&str, &str)]) -> Answers {
    let lines: String = red.iter().map(|(name, why)| format!("{name}\n{why}\n")).collect();
    let verb = ["veto", &begun.tx, &red.len().to_string()];
    t.call(Sent::Plain, &verb, format!("{token}\n{lines}").as_bytes())
}

fn despite(answers: &Answers) -> Vec<String> {
    let told = answers.journal().into_iter().filter_map(|entry| match entry {
        Entry::Despite { text } => Some(text.clone()),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_red_check_vetoes_until_it_is_named_then_the_change_stays_then_twice() {
    everywhere(|t| {
        let begun = ready(t);
        let (reason, text) = denied(&t.connect().confirm(&begun));
        assert_eq!(reason, "red_checks");
        assert!(
            text.contains("healthz (failed: exit status 1: no answer)") && text.contains("--despite"),
            "{text}"
        );
        let (reason, text) = denied(&t.connect().confirm_despite(&begun, &["fine"]));
        assert!(reason == "red_checks" && text.contains("healthz"), "the red one isn't named: {text}");
        let (reason, text) = denied(&t.connect().confirm_despite(&begun, &["healthz", "fine"]));
        assert_eq!(reason, "not_red");
        assert_eq!(text, "'fine' is no required check that is red here; red: healthz");
        assert!(!t.tx(&begun.tx, "turn.1").exists(), "nothing is decided by a no");
        assert!(t.connect().confirm_despite(&begun, &["healthz"]).whole().is_confirmed());
        assert!(t.connect().confirm_despite(&begun, &["healthz"]).whole().is_confirmed(), "twice is no harm");
        t.settle();
        assert_eq!(t.read("a").unwrap(), "new\n");
        assert_eq!(despite(&begun.follow(t)), ["healthz: failed: exit status 1: no answer"]);
        let turn = fs::read_to_string(t.tx(&begun.tx, "turn.1")).unwrap();
        assert!(turn.ends_with("\nhealthz: failed: exit status 1: no answer\n"), "{turn:?}");
    });
}

#[test]
fn naming_a_check_gives_away_nothing_else() {
    everywhere(|t| {
        t.write("a", "old\n");
        let early = t.connect();
        early.verb(&["status"]);
        let mut begun = t.begin(&work(t));
        assert_eq!(denied(&early.confirm_despite(&begun, &["healthz"])).0, "stale_connection");
        let token = std::mem::replace(&mut begun.token, "guess".to_owned());
        assert_eq!(denied(&t.connect().confirm_despite(&begun, &["healthz"])).0, "bad_token");
        assert_eq!(denied(&veto(t, &begun, "guess", &[("x", "y")])).0, "bad_token");
        begun.token = token;
        let digest = std::mem::replace(&mut begun.digest, "0".repeat(64));
        assert_eq!(denied(&t.connect().confirm_despite(&begun, &["healthz"])).0, "wrong_digest");
        begun.digest = digest;
        // The names were cut on the way.
        let cut = ["confirm", &begun.tx, &begun.digest, "2"];
        let answers = t.connect().call(Sent::Plain, &cut, format!("{}\nhealthz\n", begun.token).as_bytes());
        assert!(answers.all.iter().any(|a| matches!(a, Answer::Error(_))), "{answers:#?}");
        assert!(!t.tx(&begun.tx, "turn.1").exists());
        assert!(t.verb(&["rollback", &begun.tx]).whole().rolled_back().is_some());
        assert_eq!(denied(&t.connect().confirm_despite(&begun, &["healthz"])).0, "too_late");
        assert_eq!(denied(&veto(t, &begun, &begun.token, &[("x", "y")])).0, "too_late");
        assert_eq!(t.read("a").unwrap(), "old\n");
        t.settle();
    });
}

#[test]
fn a_red_host_that_nobody_decides_about_is_undone_at_its_deadline() {
    everywhere(|t| {
        t.write("a", "old\n");
        let mut short = work(t);
        short.job.confirm.window = secs(3);
        let begun = t.begin(&short);
        let answers = begun.follow(t);
        let (cause, late) = answers.rolled_back().expect("it was rolled back");
        assert_eq!(cause, "not confirmed within 3 s after apply");
        assert!(late < 2000, "{late} ms late");
        assert_eq!(denied(&t.connect().confirm_despite(&begun, &["healthz"])).0, "too_late");
        assert_eq!(t.read("a").unwrap(), "old\n");
        t.settle();
    });
}

#[test]
fn what_the_controller_found_red_vetoes_as_well_then_twice() {
    everywhere(|t| {
        let begun = ready(t);
        let here = [(ODD, "failed: 502 \t"), ("tls", "error: no route")];
        for red in [&here[..1], &here, &here] {
            let vetoed = veto(t, &begun, &begun.token, red);
            assert!(vetoed.whole().all.contains(&Answer::Vetoed), "{vetoed:#?}");
        }
        let (reason, text) = denied(&t.connect().confirm_despite(&begun, &["healthz"]));
        assert!(reason == "red_checks" && text.contains(ODD) && text.contains("no route"), "{text}");
        let told = t.verb(&["status"]);
        let red =
            told.all.iter().filter(|a| matches!(a, Answer::PendingItem(item) if item.contains("vetoes")));
        assert_eq!(red.count(), 3, "{told:#?}");
        assert!(t.connect().confirm_despite(&begun, &["tls", ODD, "healthz"]).whole().is_confirmed());
        t.settle();
        assert_eq!(despite(&begun.follow(t)).len(), 3);
        assert_eq!(t.read("a").unwrap(), "new\n");
    });
}
