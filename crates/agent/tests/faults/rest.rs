//! When a case is over: what was promised must hold, and the next run must need nobody's hands.

use crate::disk::Disk;
use crate::fault::{Struck, signal};
use crate::play::Question;
use crate::stage::{Stage, comes};
use crate::target::{Begun, Connection};
use nix::sys::signal::Signal;
use snapback_agent::call::Sent;
use snapback_testkit::faults::Case;
use std::collections::BTreeSet;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

/// What was done in a case, and asked.
pub struct Past<'a> {
    told: String,
    confirmed: Vec<Question<'a>>,
    asked: Vec<Question<'a>>,
    struck: Vec<Struck>,
}

/// Apply's limit, the window, and ten seconds for a stuck supervisor, and five until the backup looks, and the undo.
const GRACE: Duration = Duration::from_secs(4 + 3 + 10 + 5 + 5);

/// An undo that gets nowhere has its own limit: a minute, and twice the limits of what it may run.
const STUCK_UNDO: Duration = Duration::from_secs(60 + 2 * (5 + 5) + 5 + 5);

impl<'a> Past<'a> {
    pub fn new(told: String) -> Self {
        Self { told, confirmed: Vec::new(), asked: Vec::new(), struck: Vec::new() }
    }

    pub fn confirm(&mut self, connection: Connection<'a>, verb: &[&str], token: &str) {
        self.confirmed.push(Question::ask(connection, verb, token));
    }

    pub fn ask(&mut self, connection: Connection<'a>, verb: &[&str], stdin: &str) {
        self.asked.push(Question::ask(connection, verb, stdin));
    }

    pub fn note(&mut self, struck: Struck) {
        self.told.push_str(&format!(", {} {}", struck.name, struck.detail));
        self.struck.push(struck);
    }
}

/// Waits for the rest of a case and judges it.
pub fn judge(stage: &Stage, begun: &Begun, past: &mut Past<'_>, case: &mut Case) {
    let t = &stage.target;
    let disk = stage.disk.as_ref();
    // A full disk must not keep the undo from being carried out; one that can't be written to does, as long as it lasts.
    // So does an exhausted quota: btrfs renames nothing then.
    let blocks = ["read-only", "inodes", "quota"];
    let starved = past.struck.iter().any(|s| blocks.iter().any(|what| s.name.contains(what)));
    if starved {
        sleep(Duration::from_millis(500));
        disk.into_iter().for_each(Disk::mend);
    }
    let guarded =
        || t.pid(&begun.tx, "supervisor").is_some_and(lives) || t.pid(&begun.tx, "backup").is_some_and(lives);
    let tampered = past.struck.iter().any(|s| s.tampered);
    let stuck = past.struck.iter().flat_map(|s| &s.stopped).any(|pid| carries(stage, begun, *pid));
    comes(if stuck { STUCK_UNDO } else { GRACE }, || is_over(stage, begun) || !guarded());
    disk.into_iter().for_each(Disk::mend);
    // What is left without a guard is resolved by the next contact.
    let mut visits = 0;
    while !is_over(stage, begun) && visits < 3 {
        t.verb(&["status"]);
        comes(Duration::from_secs(6), || is_over(stage, begun));
        visits += 1;
    }
    past.struck.iter().flat_map(|s| &s.stopped).for_each(|pid| signal(*pid, Signal::SIGCONT));
    // A session that was stopped before it armed goes on as if nothing had been.
    comes(GRACE, || is_over(stage, begun));
    comes(Duration::from_secs(3), || t.processes().len() <= past.asked.len() + past.confirmed.len());
    // An undo that had no room left says so, and once there is room a rollback by hand mends it.
    if has_failed(stage, begun) && past.struck.iter().any(|s| s.name.starts_with("disk")) {
        t.call(Sent::Plain, &["rollback", "current"], b"by hand\n");
    }
    let violations = look(stage, begun, past, tampered);
    let next = next_run(stage, tampered);
    for what in violations.into_iter().chain(next) {
        case.violate(format!("{}: {what}\n{}", past.told, record(stage, begun)));
    }
    past.asked.drain(..).chain(past.confirmed.drain(..)).for_each(Question::abandon);
}

fn carries(stage: &Stage, begun: &Begun, pid: u32) -> bool {
    ["carry.1", "carry.2"].into_iter().any(|name| stage.target.pid(&begun.tx, name) == Some(pid))
}

fn lives(pid: u32) -> bool {
    crate::target::is_alive(pid)
}

fn done(stage: &Stage, begun: &Begun) -> String {
    let text = fs::read_to_string(stage.target.tx(&begun.tx, "done")).unwrap_or_default();
    if text.ends_with("\nend\n") { text.lines().next().unwrap_or_default().to_owned() } else { String::new() }
}

fn is_over(stage: &Stage, begun: &Begun) -> bool {
    !stage.is_locked() || has_failed(stage, begun)
}

/// Its undo has failed, by a mark that is whole.
fn has_failed(stage: &Stage, begun: &Begun) -> bool {
    fs::read_to_string(stage.target.tx(&begun.tx, "undo_failed")).is_ok_and(|mark| mark.ends_with("end\n"))
}

/// What was promised of this transaction.
fn look(stage: &Stage, begun: &Begun, past: &Past<'_>, tampered: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let (held, mut done) = (stage.versions(), done(stage, begun));
    let only = |version: &str| held == BTreeSet::from([version.to_owned()]);
    let turn = fs::read_to_string(stage.target.tx(&begun.tx, "turn.1")).unwrap_or_default();
    // Where the last word was taken away once all was over, nobody is left who must say it again: the decision stands.
    if tampered && done.is_empty() && turn.starts_with("confirm ") {
        "confirmed".clone_into(&mut done);
    }
    let told_confirmed = past.confirmed.iter().any(|q| q.answers().is_confirmed());
    if told_confirmed && !(only("v2") && done == "confirmed" && turn.starts_with("confirm ")) {
        wrong.push(format!("confirmed was answered, and it is '{done}' by '{turn}', holding {held:?}"));
    }
    if done == "confirmed" && (past.confirmed.is_empty() || !turn.starts_with("confirm ")) {
        wrong.push(format!("confirmed, and nobody did: '{turn}'"));
    }
    match done.as_str() {
        "confirmed" if !only("v2") => wrong.push(format!("confirmed, and holds {held:?}")),
        "rolled_back" | "discarded" if !only("v1") => wrong.push(format!("{done}, and holds {held:?}")),
        "" if !only("v1") => wrong.push(format!("never done, and holds {held:?}")),
        _ => {}
    }
    if stage.is_locked() && !tampered {
        wrong.push(format!("still locked, {done:?}, and holds {held:?}"));
    }
    wrong
}

/// The next run goes through; after tampering it may also be refused, with a sentence that names the mend.
fn next_run(stage: &Stage, tampered: bool) -> Vec<String> {
    let t = &stage.target;
    // Nothing is struck any more, and a busy machine may take its time.
    let begun = t.begin(&stage.work("v3", &[]).apply_timeout(30).window(30));
    if begun.answers.is_ready() {
        let confirmed = t.connect().confirm(&begun).is_confirmed();
        let held = stage.versions();
        if confirmed && held == BTreeSet::from(["v3".to_owned()]) {
            return Vec::new();
        }
        return vec![format!("the next run: confirmed {confirmed}, and holds {held:?}")];
    }
    let told = format!("{:?}", begun.answers);
    if tampered && mends(stage) {
        return Vec::new();
    }
    vec![format!("the next run is refused: {told}")]
}

/// What a refusal after tampering asks for: a rollback by hand, or that a person takes the host as it is.
fn mends(stage: &Stage) -> bool {
    let t = &stage.target;
    t.call(Sent::Plain, &["rollback", "current"], b"by hand\n");
    if stage.is_locked() {
        t.verb(&["accept"]);
    }
    !stage.is_locked()
}

/// What the record says, for whoever reads of a failure.
fn record(stage: &Stage, begun: &Begun) -> String {
    let folder = stage.target.tx(&begun.tx, "");
    let mut text = String::new();
    let mut names: Vec<_> =
        fs::read_dir(&folder).into_iter().flatten().flatten().map(|e| e.file_name()).collect();
    names.sort();
    for name in names {
        let name = name.to_string_lossy().into_owned();
        let body = fs::read(folder.join(&name)).unwrap_or_default();
        let body = String::from_utf8_lossy(&body[..body.len().min(300)]).replace('\n', " | ");
        if !matches!(name.as_str(), "agent.sh" | "report") && !name.starts_with("reserve") {
            text.push_str(&format!("  {name}: {body}\n"));
        }
    }
    text + &fs::read_to_string(folder.join("journal")).unwrap_or_default()
}
