//! All who may decide meet at one transaction: two confirmations, an extension, the deadline, a person who rolls back, a boot. Each is a
//! process of its own that runs the agent's functions, from the decision to `done`; what is stubbed is named below.

use crate::everywhere;
use crate::races::library;
use crate::target::Target;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

const DECIDERS: [&str; 6] = ["confirm", "confirm", "extend", "expiry", "abort", "boot"];

/// Rounds in each shell, unless `SNAPBACK_RACES` says otherwise (`cargo xtask races`).
const ROUNDS: usize = 40;

/// Left out: the sync (it would keep them apart), the search for processes of the transaction (there are none), long naps
/// (a loser looks again soon, as often as it takes), and sshd (the connection is said to be fresh).
const CONTENDER: &str = r#"
set -u
. "$1"
umask 077
AGENT=- NONCE=n HOW=plain INBOX='' VERB=- SH=sh SETSID='' UID_NOW=0 BACKEND=bare NOEXEC=0 CP_KEEPS_ALL=1
STAT_MTIME=%Y STATE_DEVICE=0
know_nothing
durable() { :; }
kill_transaction() { :; }
# Asleep, not spinning: five that spin would keep the one that works from its processor.
nap() { ct_left=30; sleep 0.01; }
read_connection() { CONNECTION=$$:5000; }
STATE_DIR=$2
# What follows a decision for rollback: it is carried out by one, and the others wait for that.
see_through() {
	until read_mark 'done'; do carry_out || nap 1; done
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
	extend) extend_decide 1 ;;
	# Only the turn that it found passed: what was extended meanwhile is not undone for that.
	expiry) read_deadline; decide_rollback "not confirmed in time" "$DEADLINE_TURN" || :; see_through ;;
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
    let sums = Command::new("sha256sum").arg(tx.join("job/spec")).output().unwrap();
    write("seal", String::from_utf8(sums.stdout).unwrap());
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

/// Has all of them decide at once; whether it was confirmed, or what went wrong.
fn race(t: &Target, deciders: &mut [Decider], n: usize) -> Result<bool, String> {
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
    let read = |turn: usize| fs::read_to_string(tx.join(format!("turn.{turn}"))).unwrap_or_default();
    let extended = read(1) == "extend 1\n";
    let last = if extended { 2 } else { 1 };
    let turn = read(last);
    let confirmed = turn.starts_with("confirm");
    let (end, others) = if confirmed {
        ("confirmed", ["confirmed already=0", "state confirmed"])
    } else {
        ("rolled_back", ["denied reason=too_late", "state rolled_back"])
    };
    for (decider, told) in DECIDERS.iter().zip(&told) {
        let expected = match *decider {
            "confirm" => others[0],
            "extend" if extended => "extended by=1",
            "extend" => "denied reason=too_late",
            _ => others[1],
        };
        ensure(told.starts_with(expected), || {
            format!("{round}: {decider} was told {told}; the turn says {turn}")
        })?;
    }
    ensure(confirmed || turn == "rollback\n", || format!("{round}: the turn says {turn:?}"))?;
    let is_over = !tx.join(format!("turn.{}", last + 1)).exists() && !t.state().join("current").exists();
    ensure(is_over, || format!("{round} isn't over"))?;
    let done = fs::read_to_string(tx.join("done")).unwrap();
    ensure(done == format!("{end}\nend\n"), || format!("{round}: done says {done}"))?;
    let journal = fs::read_to_string(tx.join("journal")).unwrap();
    let ends = |line: &&str| line.starts_with("confirmed") || line.starts_with("rolled_back");
    let ends: Vec<_> = journal.lines().filter(ends).collect();
    ensure(ends.len() == 1 && ends[0].starts_with(end), || format!("{round}: {journal}"))?;
    fs::remove_dir_all(tx).unwrap();
    Ok(confirmed)
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn start_all(t: &Target, library: &Path) -> Vec<Decider> {
    let script = t.path().join("decider");
    fs::write(&script, CONTENDER).unwrap();
    DECIDERS.iter().map(|role| Decider::start(t, &script, library, role)).collect()
}

#[test]
fn of_all_who_decide_at_once_one_wins_and_each_other_is_told_so() {
    let rounds = std::env::var("SNAPBACK_RACES").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    everywhere(|t| {
        let mut deciders = start_all(t, &library(t));
        let confirmed = (0..rounds).filter(|n| race(t, &mut deciders, *n).unwrap()).count();
        eprintln!("races: {}: {rounds} rounds, {confirmed} confirmed", t.shell);
        assert!(confirmed > 0 && confirmed < rounds, "they never met: {confirmed} of {rounds}");
    });
}

/// Looks, then writes: what the link is there to prevent.
const CHECK_THEN_ACT: &str = r#"
take_turn() {
	read_decision
	[ -z "$DECISION" ] && [ ! -e "$TX/turn.$TURN" ] || return 1
	cp "$TX/$1" "$TX/turn.$TURN"
}
"#;

/// A test of the test.
#[test]
fn deciders_that_look_and_then_write_are_caught() {
    everywhere(|t| {
        let library = library(t);
        let text = fs::read_to_string(&library).unwrap() + CHECK_THEN_ACT;
        fs::write(&library, text).unwrap();
        let mut deciders = start_all(t, &library);
        let caught = (0..10 * ROUNDS).find_map(|n| race(t, &mut deciders, n).err());
        assert!(caught.is_some(), "in {} rounds nobody noticed", 10 * ROUNDS);
    });
}
