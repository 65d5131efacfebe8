//! Leases: several hosts are kept for a run before it begins the first.

use crate::everywhere;
use crate::job::{Files, Work};
use crate::races::{ROUNDS, contest};
use crate::target::{Answers, Begun, Connection, Target, bytes};
use snapback_agent::answer::Answer;
use snapback_agent::call::Sent;
use snapback_agent::inspect::Inspected;
use snapback_agent::payload::{for_inspect_and_lease, lease_text};
use snapback_core::lease::{Lease, Origin};
use std::fs;
use std::time::Duration;

fn work(t: &Target, run: &str) -> Work {
    let mut work = Work::new().files(Files::new().file(t.dest("a"), "new", 0o644));
    work.run.run = run.to_owned();
    work.run.owner = format!("{run}@controller");
    work.run.origin = Origin { branch: Some("main line".to_owned()), url: Some("https://ci/7".to_owned()) };
    work
}

/// Takes or renews the lease for a run, for a minute.
fn lease(t: &Target, run: &str) -> Answers {
    t.call(Sent::Plain, &["lease", run, "60"], lease_text(&work(t, run).run).as_bytes())
}

fn is_leased(answers: &Answers) -> bool {
    answers.whole().all.contains(&Answer::Leased)
}

fn told(answers: &Answers) -> Option<&Lease> {
    answers.all.iter().find_map(|a| if let Answer::Lease(lease) = a { Some(lease) } else { None })
}

/// A target that knows the agent.
fn ready(t: &Target) {
    t.write("a", "old");
    t.inspect(&work(t, "01SEEN"));
}

/// Inspects, and takes the lease along with it.
fn inspect_and_lease(t: &Target, work: &Work) -> Answers {
    let payload =
        for_inspect_and_lease(&work.run, &work.job, &work.contents, (false, Duration::from_secs(60)));
    t.call(Sent::Payload, &["inspect"], &bytes(&payload.unwrap()))
}

/// Begins as the run that the work is of.
fn begin(t: &Target, connection: &Connection<'_>, work: &Work, inspected: &Inspected) -> (Begun, Answers) {
    let (begun, payload) = Begun::plan(t, work, inspected);
    let answers = connection.call(Sent::Payload, &["begin", &work.run.run], &payload);
    (Begun { tx: work.run.run.clone(), ..begun }, answers)
}

#[test]
fn a_lease_keeps_others_out_and_says_whose_it_is() {
    everywhere(|t| {
        ready(t);
        assert!(is_leased(&lease(t, "01ONE")));
        let other = lease(t, "01TWO");
        assert_eq!(other.whole().refused(), Some("leased"));
        let found = told(&other).unwrap();
        assert_eq!((found.run.as_str(), found.owner.as_str()), ("01ONE", "01ONE@controller"));
        assert_eq!(found.origin.told(), "branch main_line, https://ci/7");
        assert_eq!(found.comment, "a change with  two blanks");
        assert!(found.left > 40 && found.left <= 60 && found.age < 20, "{found:?}");
        assert_eq!(told(t.verb(&["status"]).whole()).unwrap().run, "01ONE");
        let (_, seen) = t.inspect(&work(t, "01TWO"));
        assert_eq!(told(seen.whole()).unwrap().run, "01ONE");
        assert_eq!(t.verb(&["forget"]).whole().refused(), Some("leased"));
        // Whoever took none is kept out as well, after its lock and before anything else.
        let connection = t.connect();
        let (inspected, _) = connection.inspect(&work(t, "01TWO"));
        let (_, refused) = begin(t, &connection, &work(t, "01TWO"), &inspected);
        assert_eq!(refused.whole().refused(), Some("leased"));
        assert_eq!(told(&refused).unwrap().run, "01ONE");
        assert!(!t.state().join("current").exists());
        assert_eq!(t.read("a").unwrap(), "old");
    });
}

#[test]
fn a_lease_is_taken_twice_by_its_run_and_given_back_once() {
    everywhere(|t| {
        ready(t);
        assert!(is_leased(&lease(t, "01ONE")) && is_leased(&lease(t, "01ONE")));
        let files = || fs::read_dir(t.state().join("lease")).unwrap().count();
        assert_eq!(files(), 1, "what was renewed is swept");
        let given = |run: &str| t.verb(&["unlease", run]).whole().all.contains(&Answer::Unleased);
        assert!(!given("01TWO"), "only one's own");
        assert!(given("01ONE") && !given("01ONE"));
        assert_eq!(told(t.verb(&["status"]).whole()), None);
        assert!(is_leased(&lease(t, "01TWO")));
        assert_eq!(
            lease(t, "01ONE").whole().refused(),
            Some("leased"),
            "what was given back is another's now"
        );
    });
}

#[test]
fn a_look_takes_the_lease_along_where_something_would_change() {
    everywhere(|t| {
        ready(t);
        assert!(is_leased(&inspect_and_lease(t, &work(t, "01ONE"))));
        let other = inspect_and_lease(t, &work(t, "01TWO"));
        assert!(!is_leased(&other));
        assert_eq!(told(&other).unwrap().run, "01ONE");
        t.verb(&["unlease", "01ONE"]);
        t.write("a", "new");
        assert!(!is_leased(&inspect_and_lease(t, &work(t, "01TWO"))), "there is nothing to be kept out of");
        assert_eq!(told(t.verb(&["status"]).whole()), None);
    });
}

#[test]
fn what_is_begun_needs_its_lease_no_longer_and_no_late_renewal_brings_it_back() {
    everywhere(|t| {
        ready(t);
        let connection = t.connect();
        let (inspected, _) = connection.inspect(&work(t, "01ONE"));
        assert!(is_leased(&lease(t, "01ONE")));
        let (begun, answers) = begin(t, &connection, &work(t, "01ONE"), &inspected);
        assert!(answers.whole().is_ready(), "{answers:#?}");
        assert!(is_leased(&lease(t, "01ONE")), "its own transaction is as good");
        let other = lease(t, "01TWO");
        assert_eq!(other.whole().refused(), Some("locked"));
        assert!(other.all.iter().any(|a| matches!(a, Answer::Pending(p) if p.tx == "01ONE"
            && p.origin.url.as_deref() == Some("https://ci/7"))));
        assert!(t.connect().confirm(&begun).whole().is_confirmed());
        lease(t, "01ONE").whole();
        assert!(is_leased(&lease(t, "01TWO")), "nobody else is in the way");
        t.settle();
    });
}

/// Changes a line of the lease that counts.
fn forge(t: &Target, from: &str, to: &str) {
    let file = fs::read_dir(t.state().join("lease")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&file).unwrap();
    let forged: Vec<String> =
        text.lines().map(|l| if l.starts_with(from) { to.to_owned() } else { l.to_owned() }).collect();
    fs::write(&file, forged.join("\n") + "\n").unwrap();
}

#[test]
fn a_lease_that_ran_out_another_boots_and_a_torn_one_are_taken_over() {
    everywhere(|t| {
        ready(t);
        for (from, to) in [("until", "until 1"), ("boot", "boot other"), ("end", ""), ("until", "until x")] {
            assert!(is_leased(&lease(t, "01ONE")));
            forge(t, from, to);
            assert_eq!(told(t.verb(&["status"]).whole()), None, "{to}");
            assert!(is_leased(&lease(t, "01TWO")), "{to}");
            assert_eq!(lease(t, "01ONE").whole().refused(), Some("leased"), "{to}");
            t.verb(&["unlease", "01TWO"]).whole();
        }
        // And whoever begins isn't kept out by one.
        assert!(is_leased(&lease(t, "01ONE")));
        forge(t, "until", "until 1");
        let next = t.begin(&work(t, "01TWO"));
        assert!(next.answers.whole().is_ready(), "{:#?}", next.answers);
        assert!(t.connect().confirm(&next).whole().is_confirmed());
        t.settle();
    });
}

#[test]
fn who_is_killed_half_way_through_taking_one_leaves_nothing_that_counts() {
    everywhere(|t| {
        ready(t);
        let folder = t.state().join("lease");
        fs::create_dir(&folder).unwrap();
        // Before the link; then behind it, with the old one not swept.
        fs::write(folder.join("new.1"), "run 01DEAD\nuntil 9").unwrap();
        assert_eq!(told(t.verb(&["status"]).whole()), None);
        assert!(is_leased(&lease(t, "01ONE")));
        let one = fs::read_to_string(folder.join("1")).unwrap();
        assert!(is_leased(&lease(t, "01ONE")));
        fs::write(folder.join("1"), one.replace("01ONE", "01OLD")).unwrap();
        assert_eq!(told(t.verb(&["status"]).whole()).unwrap().run, "01ONE", "the highest counts");
        assert_eq!(lease(t, "01OLD").whole().refused(), Some("leased"));
        assert!(is_leased(&lease(t, "01ONE")));
        assert!(!folder.join("1").exists());
    });
}

#[test]
fn a_state_that_can_not_be_written_is_a_refusal() {
    everywhere(|t| {
        ready(t);
        fs::write(t.state().join("lease"), "in the way").unwrap();
        let answers = lease(t, "01ONE");
        assert_eq!(answers.all.last(), Some(&Answer::End));
        assert_eq!(answers.refused(), Some("leased"));
    });
}

/// Each takes, sees that it is alone, and gives back; or takes over what has run out.
const MEETING: &str = r#"
set -u
. "$1"
umask 077
me=$2 other=$3 ROOT=$4
SPEC_owner=o SPEC_branch=- SPEC_url=- SPEC_comment=''
n=0
while [ "$n" -lt ROUNDS ]; do
	STATE_DIR=$ROOT/$n
	# Every third time there is one that has run out.
	if [ $((n % 3)) -eq 0 ] && [ "$me" = one ]; then
		mkdir -p "$STATE_DIR/lease" && put "run dead
until 1
since 0
boot x
end" >"$STATE_DIR/lease/4"
	fi
	put 1 >"$STATE_DIR/here.$me"
	while ! [ -s "$STATE_DIR/here.$other" ]; do :; done
	if take_lease "$me" 60; then put "won $n"; else put "lost $n ${LEASE_RUN:-nobody}"; fi
	n=$((n + 1))
done
"#;

#[test]
fn of_two_that_take_one_at_once_exactly_one_has_it() {
    everywhere(|t| {
        let said = contest(t, MEETING, ["one", "two"]);
        let mut wins = [0, 0];
        for n in 0..ROUNDS {
            let won = |who: usize| said[who].contains(&format!("won {n}\n"));
            assert!(won(0) != won(1), "round {n}: {} and {}", won(0), won(1));
            let (winner, loser, name) = if won(0) { (0, 1, "one") } else { (1, 0, "two") };
            assert!(said[loser].contains(&format!("lost {n} {name}\n")), "round {n}: {}", said[loser]);
            wins[winner] += 1;
        }
        assert!(wins[0] > 0 && wins[1] > 0, "they never met: {wins:?}");
    });
}

/// Looks, then writes: what the link is there to prevent.
const CHECK_THEN_ACT: &str = "link_lease() { [ ! -e \"$STATE_DIR/lease/$1\" ] || return 1; cp \"$tl_file\" \"$STATE_DIR/lease/$1\"; }\n";

/// A test of the test.
#[test]
fn takers_that_look_and_then_write_are_caught() {
    everywhere(|t| {
        let meeting = MEETING.replacen("umask 077\n", &format!("umask 077\n{CHECK_THEN_ACT}"), 1);
        let said = contest(t, &meeting, ["one", "two"]);
        let both = (0..ROUNDS).filter(|n| said.iter().all(|s| s.contains(&format!("won {n}\n")))).count();
        assert!(both > 0, "in {ROUNDS} rounds nobody noticed");
    });
}

/// One begins without a lease while another takes one: at most one of the two goes on.
const BEGINNER: &str = r#"
set -u
. "$1"
umask 077
me=$2 other=$3 ROOT=$4 NONCE=n VERB=- INBOX='' HOW=plain
know_nothing
SPEC_owner=o SPEC_branch=- SPEC_url=- SPEC_comment=''
tell_pending() { :; }
tell() { :; }
n=0
while [ "$n" -lt ROUNDS ]; do
	STATE_DIR=$ROOT/$n
	TX=$STATE_DIR/tx/begin ID=begin
	mkdir -p "$STATE_DIR/lease"
	[ "$me" = lease ] || { mkdir -p "$TX" && put begin >"$TX/lock"; }
	put 1 >"$STATE_DIR/here.$me"
	while ! [ -s "$STATE_DIR/here.$other" ]; do :; done
	case $me in
	begin)
		/bin/true
		case $n in *[13579]) /bin/true ;; esac
		ln "$TX/lock" "$STATE_DIR/current"
		if read_lease; then put "lost $n"; else put "won $n"; fi
		;;
	*) if lease_host lease 60; then put "won $n"; else put "lost $n"; fi ;;
	esac
	n=$((n + 1))
done
"#;

#[test]
fn one_who_begins_and_one_who_takes_a_lease_never_both_go_on() {
    everywhere(|t| {
        let said = contest(t, BEGINNER, ["begin", "lease"]);
        let won = |who: usize, n: usize| said[who].contains(&format!("won {n}\n"));
        let both = (0..ROUNDS).filter(|n| won(0, *n) && won(1, *n)).count();
        let wins: Vec<usize> = [0, 1].map(|who| (0..ROUNDS).filter(|n| won(who, *n)).count()).into();
        assert_eq!(both, 0, "{wins:?}");
        assert!(wins[0] > 0 && wins[1] > 0, "they never met: {wins:?}");
    });
}
