//! Two decide at once: one wins.

use crate::everywhere;
use crate::target::Target;
use snapback_agent::bundle::agent;
use std::fs;
use std::process::{Command, Stdio};

pub const ROUNDS: usize = 200;

/// Both sides wait for each other at every round, so that they are at the link together.
const CONTENDER: &str = r#"
set -u
. "$1"
umask 077
me=$2 other=$3 STATE_DIR=$4 DURABLE_TX='' DECISION=''
# What is durable is not the point here, and would keep the two apart.
durable() { :; }
n=0
while [ "$n" -lt ROUNDS ]; do
	TX=$STATE_DIR/$n
	put "$me x" >"$TX/candidate.$me"
	put 1 >"$TX/here.$me"
	while ! [ -s "$TX/here.$other" ]; do :; done
	if take_turn "candidate.$me"; then put "won $n"; fi
	read_decision
	put "saw $n $DECISION"
	n=$((n + 1))
done
"#;

/// The agent without its last line: functions alone.
pub fn library(t: &Target) -> std::path::PathBuf {
    let library = t.path().join("library");
    let text = String::from_utf8(agent().text.to_vec()).unwrap();
    fs::write(&library, text.strip_suffix("main \"$@\"\n").unwrap()).unwrap();
    library
}

/// Has two processes of a script meet again and again, each told its own name and the other's; what they said.
pub fn contest(t: &Target, script: &str, names: [&str; 2]) -> Vec<String> {
    let library = library(t);
    let contender = t.path().join("contender");
    fs::write(&contender, script.replace("ROUNDS", &ROUNDS.to_string())).unwrap();
    for n in 0..ROUNDS {
        fs::create_dir(t.state().join(n.to_string())).unwrap();
    }
    let start = |me: &str, other: &str| {
        let mut words = t.shell.split(' ');
        Command::new(words.next().unwrap())
            .args(words)
            .arg(&contender)
            .arg(&library)
            .args([me, other])
            .arg(t.state())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let both = [start(names[0], names[1]), start(names[1], names[0])];
    both.into_iter().map(|c| String::from_utf8(c.wait_with_output().unwrap().stdout).unwrap()).collect()
}

#[test]
fn of_a_confirmation_and_a_rollback_exactly_one_wins() {
    everywhere(|t| {
        let said = contest(t, CONTENDER, ["confirm", "rollback"]);
        let won = |who: usize, n: usize| said[who].contains(&format!("won {n}\n"));
        let saw = |who: usize, n: usize, what: &str| said[who].contains(&format!("saw {n} {what}\n"));
        let mut wins = [0, 0];
        for n in 0..ROUNDS {
            assert!(won(0, n) != won(1, n), "round {n}: {} and {}", won(0, n), won(1, n));
            let (winner, word) = if won(0, n) { (0, "confirm") } else { (1, "rollback") };
            assert!(saw(0, n, word) && saw(1, n, word), "round {n}: both see what was decided");
            wins[winner] += 1;
        }
        assert!(wins[0] > 0 && wins[1] > 0, "they never met: {wins:?}");
    });
}

/// A confirmation, an extension and the deadline's passing, which may only take the turn that it was read with.
const THREE: &str = r#"
set -u
. "$1"
umask 077
me=$2 STATE_DIR=$3 DURABLE_TX='' DECISION=''
durable() { :; }
n=0
while [ "$n" -lt ROUNDS ]; do
	TX=$STATE_DIR/$n
	case $me in
	extend) put "extend 60 x" >"$TX/candidate.$me" ;;
	*) put "$me x" >"$TX/candidate.$me" ;;
	esac
	put 1 >"$TX/here.$me"
	for other in confirm extend rollback; do
		while ! [ -s "$TX/here.$other" ]; do :; done
	done
	turn=
	[ "$me" != rollback ] || turn=1
	if take_turn "candidate.$me" $turn; then put "won $n"; fi
	put 1 >"$TX/over.$me"
	for other in confirm extend rollback; do
		while ! [ -s "$TX/over.$other" ]; do :; done
	done
	read_decision
	put "saw $n ${DECISION:-open} $EXTENDED"
	n=$((n + 1))
done
"#;

#[test]
fn of_an_extension_a_confirmation_and_the_deadline_each_turn_has_one_winner() {
    everywhere(|t| {
        let library = t.path().join("library");
        let text = String::from_utf8(agent().text.to_vec()).unwrap();
        fs::write(&library, text.strip_suffix("main \"$@\"\n").unwrap()).unwrap();
        let contender = t.path().join("contender");
        fs::write(&contender, THREE.replace("ROUNDS", &ROUNDS.to_string())).unwrap();
        for n in 0..ROUNDS {
            fs::create_dir(t.state().join(n.to_string())).unwrap();
        }
        let start = |me: &&str| {
            let mut words = t.shell.split(' ');
            let mut command = Command::new(words.next().unwrap());
            command.args(words).arg(&contender).arg(&library).arg(me).arg(t.state());
            command.stdout(Stdio::piped()).spawn().unwrap()
        };
        let roles = ["confirm", "extend", "rollback"];
        let running: Vec<_> = roles.iter().map(start).collect();
        let said: Vec<_> = running
            .into_iter()
            .map(|c| String::from_utf8(c.wait_with_output().unwrap().stdout).unwrap())
            .collect();
        let won = |who: usize, n: usize| said[who].contains(&format!("won {n}\n"));
        let mut extended_and_confirmed = 0;
        for n in 0..ROUNDS {
            let winners = (won(0, n), won(1, n), won(2, n));
            let seen = match winners {
                (true, false, false) => "confirm 0",
                (false, false, true) => "rollback 0",
                (false, true, false) => "open 60",
                (true, true, false) => "confirm 60",
                other => panic!("round {n}: {other:?} won: the deadline undid what had been extended"),
            };
            extended_and_confirmed += usize::from(winners == (true, true, false));
            for (who, role) in roles.iter().enumerate() {
                let line = format!("saw {n} {seen}\n");
                assert!(said[who].contains(&line), "round {n}: {role} did not see {seen}");
            }
        }
        assert!(extended_and_confirmed > 0, "they never met");
    });
}
