//! All who may decide meet at one transaction: two confirmations, the deadline, a person who rolls back, a boot. Each is a
//! process of its own that runs the agent's functions, from the decision to `done`; what is stubbed is named below.

use crate::everywhere;
use crate::races::library;
use crate::target::Target;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

const DECIDERS: [&str; 5] = ["confirm", "confirm", "expiry", "abort", "boot"];

/// Rounds in each shell, unless `SNAPBACK_RACES` says otherwise (`cargo xtask races`).
const ROUNDS: usize = 40;

/// Left out: the sync (it would keep them apart), the search for processes of the transaction (there are none), naps (a
/// loser looks again at once, as often as it takes), and sshd (the connection is said to be fresh).
const CONTENDER: &str = r#"
set -u
. "$1"
umask 077
AGENT=- NONCE=n HOW=plain INBOX='' VERB=- SH=sh SETSID='' UID_NOW=0 BACKEND=bare NOEXEC=0 CP_KEEPS_ALL=1
ID='' TX='' JOB='' WHY='' PENDING='' DECISION='' KEEP_LABELS='' no_last='' NAP_FILE=/dev/null STAT_MTIME=%Y STATE_DEVICE=0
durable() { :; }
kill_transaction() { :; }
nap() { ct_left=30; }
read_connection() { CONNECTION=$$:5000; }
STATE_DIR=$2
# What follows a decision for rollback: it is carried out by one, and the others wait for that.
see_through() {
	until read_mark 'done'; do carry_out || :; done
	read_state
	tell "state $STATE"
	tell end
}
while read -r round; do
	DURABLE_TX='' DECISION=''
	open_tx "$round" || tell "no record"
	tell here
	read -r _
	case $3 in
	confirm) confirm_ready d ;;
	expiry) decide_now "not confirmed in time" || :; see_through ;;
	abort) decide_rollback "asked for by hand" || :; see_through ;;
	boot) decide_rollback "the host was started again" || :; see_through ;;
	esac
done
"#;

struct Decider {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Decider {
    fn start(t: &Target, script: &Path, library: &Path, role: &str) -> Self {
        let mut words = t.shell.split(' ');
        let mut child = Command::new(words.next().unwrap())
            .args(words)
            .args([script, library, &t.state()])
            .arg(role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.child.stdin.as_ref().unwrap(), "{line}").unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim_end().strip_prefix("@snapback:n ").unwrap_or(&line).to_owned()
    }

    /// Its verdict, without the words behind it.
    fn verdict(&mut self) -> String {
        let verdict = self.hear();
        assert_eq!(self.hear(), "end", "after {verdict}");
        verdict.split(" -- ").next().unwrap().to_owned()
    }
}

impl Drop for Decider {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if std::thread::panicking() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// The record of a host that is armed, ready and undecided.
fn prepare(t: &Target, round: &str) -> PathBuf {
    let tx = t.tx(round, "");
    fs::create_dir_all(tx.join("job")).unwrap();
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    let seconds: u64 = uptime.split('.').next().unwrap().parse().unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let write = |name: &str, text: String| fs::write(tx.join(name), text).unwrap();
    write("job/spec", "digest d\nchanges 0\nchecks 0\nvolatile 1\nwindow 600\nhard_cap 900\n".to_owned());
    write("armed", format!("{} {boot}end\n", seconds * 100));
    write("applied", format!("{}\nend\n", seconds * 100));
    write("ready", "10\nend\n".to_owned());
    write("go", "1\n".to_owned());
    write("arming_connection", "1:1\n".to_owned());
    write("candidate.rollback", "rollback\n".to_owned());
    write("cause", "a race\n".to_owned());
    write("lock", format!("{round}\n"));
    fs::hard_link(tx.join("lock"), t.state().join("current")).unwrap();
    tx
}

/// Has all of them decide at once; whether it was confirmed.
fn race(t: &Target, deciders: &mut [Decider], n: usize) -> bool {
    let round = format!("01ROUND{n}");
    let tx = prepare(t, &round);
    for decider in deciders.iter_mut() {
        decider.tell(&round);
    }
    for decider in deciders.iter_mut() {
        assert_eq!(decider.hear(), "here");
    }
    // Who is let go first has some microseconds more.
    let count = deciders.len();
    for at in 0..count {
        deciders[(n + at) % count].tell("go");
    }
    let told: Vec<_> = deciders.iter_mut().map(Decider::verdict).collect();
    let turn = fs::read_to_string(tx.join("turn.1")).unwrap();
    let confirmed = turn.starts_with("confirm");
    let (end, others) = if confirmed {
        ("confirmed", ["confirmed already=0", "state confirmed"])
    } else {
        assert_eq!(turn, "rollback\n");
        ("rolled_back", ["denied reason=too_late", "state rolled_back"])
    };
    for (decider, told) in DECIDERS.iter().zip(&told) {
        let expected = if *decider == "confirm" { others[0] } else { others[1] };
        assert_eq!(told, expected, "{round}: {decider} was told wrong; the turn says {turn}");
    }
    assert!(!tx.join("turn.2").exists() && !t.state().join("current").exists(), "{round}");
    assert_eq!(fs::read_to_string(tx.join("done")).unwrap(), format!("{end}\nend\n"), "{round}");
    let journal = fs::read_to_string(tx.join("journal")).unwrap();
    let ends = |line: &&str| line.starts_with("confirmed") || line.starts_with("rolled_back");
    let ends: Vec<_> = journal.lines().filter(ends).collect();
    assert!(ends.len() == 1 && ends[0].starts_with(end), "{round}: {journal}");
    fs::remove_dir_all(tx).unwrap();
    confirmed
}

#[test]
fn of_all_who_decide_at_once_one_wins_and_each_other_is_told_so() {
    let rounds = std::env::var("SNAPBACK_RACES").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    everywhere(|t| {
        let library = library(t);
        let script = t.path().join("decider");
        fs::write(&script, CONTENDER).unwrap();
        let mut deciders: Vec<_> =
            DECIDERS.iter().map(|role| Decider::start(t, &script, &library, role)).collect();
        let confirmed = (0..rounds).filter(|n| race(t, &mut deciders, *n)).count();
        eprintln!("races: {}: {rounds} rounds, {confirmed} confirmed", t.shell);
        assert!(confirmed > 0 && confirmed < rounds, "they never met: {confirmed} of {rounds}");
    });
}
