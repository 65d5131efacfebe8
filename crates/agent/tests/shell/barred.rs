//! A run that a host was asked about and didn't know can't begin there any more.

use crate::everywhere;
use crate::job::{Files, Work};
use crate::races::{ROUNDS, contest};
use crate::target::{Answers, Begun, Target, finish};
use snapback_agent::answer::Answer;
use snapback_agent::call::Sent;
use std::fs;

fn work(t: &Target) -> Work {
    t.write("a", "old");
    Work::new().files(Files::new().file(t.dest("a"), "new", 0o644))
}

/// Plans on a connection, and sends nothing yet.
fn planned(t: &Target) -> (crate::target::Connection<'_>, Begun, Vec<u8>) {
    let connection = t.connect();
    let work = work(t);
    let (inspected, _) = connection.inspect(&work);
    let (begun, payload) = Begun::plan(t, &work, &inspected);
    (connection, begun, payload)
}

fn is_untouched(answers: &Answers) -> bool {
    answers.all.iter().any(|a| matches!(a, Answer::Untouched(_)))
}

#[test]
fn a_begin_that_comes_after_the_host_was_called_untouched_is_refused() {
    everywhere(|t| {
        for ask in [["follow", "", "0", "done"].as_slice(), &["rollback", "", "0"]] {
            let (connection, begun, payload) = planned(t);
            let verb: Vec<_> = ask.iter().map(|w| if w.is_empty() { begun.tx.as_str() } else { w }).collect();
            for twice in 0..2 {
                assert!(is_untouched(t.verb(&verb).whole()), "{ask:?}, {twice}");
            }
            let late = connection.call(Sent::Payload, &["begin", &begun.tx], &payload);
            assert_eq!(late.whole().refused(), Some("barred"), "{late:#?}");
            assert_eq!(t.read("a").unwrap(), "old");
            assert!(!t.state().join("current").exists());
            assert_eq!(fs::read_dir(t.state().join("inbox")).unwrap().count(), 0, "nothing of it stays");
            assert!(is_untouched(t.verb(&verb).whole()), "and asked once more");
        }
        // The next run is none the worse for it, and what is asked in general bars nothing.
        t.verb(&["status"]).whole();
        t.verb(&["rollback", "current"]).whole();
        let next = t.begin(&work(t));
        assert!(next.answers.whole().is_ready(), "{:#?}", next.answers);
        assert!(t.connect().confirm(&next).whole().is_confirmed());
        t.settle();
    });
}

/// A folder is renamed to where a file is made, at the same moment.
const MEETING: &str = r#"
set -u
. "$1"
umask 077
me=$2 other=$3 STATE_DIR=$4
mkdir -p "$STATE_DIR/tx"
n=0
while [ "$n" -lt ROUNDS ]; do
	place=$STATE_DIR/tx/$n
	[ "$me" = bar ] || mkdir "$STATE_DIR/$n/folder"
	put 1 >"$STATE_DIR/$n/here.$me"
	while ! [ -s "$STATE_DIR/$n/here.$other" ]; do :; done
	case $me in
	bar)
		# A builtin would always come before a program: so here one is started as well, or two.
		/bin/true
		case $n in *[13579]) /bin/true ;; esac
		make_exclusively "$place"
		if is_barred "$n"; then put "won $n"; fi
		;;
	*) mv "$STATE_DIR/$n/folder" "$place" 2>/dev/null && put "won $n" ;;
	esac
	n=$((n + 1))
done
"#;

#[test]
fn a_folder_and_a_file_never_both_take_the_place() {
    everywhere(|t| {
        let said = contest(t, MEETING, ["bar", "begin"]);
        let mut wins = [0, 0];
        for n in 0..ROUNDS {
            let won = |who: usize| said[who].contains(&format!("won {n}\n"));
            assert!(won(0) != won(1), "round {n}: {} and {}", won(0), won(1));
            wins[usize::from(won(1))] += 1;
        }
        assert!(wins[0] > 0 && wins[1] > 0, "they never met: {wins:?}");
    });
}

#[test]
fn of_a_begin_and_a_bar_exactly_one_wins() {
    everywhere(|t| {
        let mut barred = 0;
        for round in 0..12_u64 {
            let (connection, begun, payload) = planned(t);
            let other = t.connect();
            let begin = connection.start(Sent::Payload, &["begin", &begun.tx], &payload, "b");
            // From before the begin has unpacked to after it has armed.
            std::thread::sleep(std::time::Duration::from_millis(round * round * 2));
            let ask = other.start(Sent::Plain, &["rollback", &begun.tx, "0"], b"", "r");
            finish(&begin);
            finish(&ask);
            let (begin, ask) = (Answers::read(&begin, "b"), Answers::read(&ask, "r"));
            let told_untouched = is_untouched(ask.whole());
            if begin.refused() == Some("barred") {
                assert!(told_untouched, "round {round}: {begin:#?} {ask:#?}");
                barred += 1;
            } else {
                // It was begun, so it was found: discarded before it armed, or undone after.
                assert!(!told_untouched, "round {round}: {begin:#?} {ask:#?}");
                assert!(
                    !begin.is_ready() || ask.rolled_back().is_some(),
                    "round {round}: {begin:#?} {ask:#?}"
                );
            }
            assert_eq!(t.read("a").unwrap(), "old", "round {round}");
            crate::target::wait_until("the lock is free", || !t.state().join("current").exists());
        }
        assert!(barred > 0 && barred < 12, "they never met: {barred}");
        t.settle();
    });
}

#[test]
fn old_bars_go() {
    everywhere(|t| {
        t.inspect(&work(t));
        t.verb(&["follow", "01OLD", "0", "done"]).whole();
        let old = t.tx("01OLD", "").parent().unwrap().join("01OLD");
        assert!(old.is_file());
        let eight_days = std::time::SystemTime::now() - std::time::Duration::from_secs(8 * 86_400);
        fs::File::open(&old).unwrap().set_modified(eight_days).unwrap();
        t.verb(&["follow", "01NEW", "0", "done"]).whole();
        assert!(!old.exists());
        assert!(t.state().join("tx/01NEW").is_file());
    });
}
