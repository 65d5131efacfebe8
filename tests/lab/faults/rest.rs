//! When a case is over: what was promised must hold, and the next run must need nobody's hands.

use super::fault::{Blow, mend};
use super::pool::Pool;
use super::stricken::{APPLY, Stricken, WINDOW, comes};
use crate::e2e_stage::{Running, Said, record};
use snapback_testkit::faults::Case;
use std::collections::BTreeSet;
use std::time::Duration;

/// What was done in a case.
pub(crate) struct Past {
    told: String,
    fleet: String,
    silenced: bool,
    tampered: bool,
}

/// Apply's limit, the window, ten seconds for a stuck supervisor, five until the backup looks, and the undo.
const GRACE: Duration = Duration::from_secs(APPLY + WINDOW + 10 + 5 + 6);

/// An undo that gets nowhere has a limit of its own: a minute, and twice the limits of what it may run.
const STUCK_UNDO: Duration = Duration::from_secs(60 + 2 * (3 + 4) + 5);

impl Past {
    pub(crate) fn new(told: String, fleet: String) -> Self {
        Self { told, fleet, silenced: false, tampered: false }
    }

    pub(crate) fn note(&mut self, blow: &Blow) {
        self.told.push_str(&format!(", {} {}", blow.name, blow.detail));
        self.silenced |= blow.silenced;
        self.tampered |= blow.tampered;
    }
}

/// Waits for the rest of a case and judges it.
pub(crate) fn judge(pool: &Pool, on: &Stricken<'_>, run: Running, past: Past, case: &mut Case) {
    let fleet = pool.stage.fleet(&past.fleet);
    let over = || !on.is_locked() || on.is_stuck();
    comes(Duration::from_secs(1), over);
    mend_what_blocks(on, &past);
    let stuck = past.told.contains("supervisor stopped") || past.told.contains("supervisor's cgroup frozen");
    let guarded = || ["supervisor", "backup"].iter().any(|who| on.pid(who).is_some()) || on.is_systemd();
    comes(if stuck { GRACE + STUCK_UNDO } else { GRACE }, || over() || !guarded() || nobody(on));
    mend(on);
    let said = run.end();
    for _ in 0..3 {
        if !over() {
            // What has no guard is resolved by the next contact.
            pool.stage.says(&["status", &fleet]);
            comes(Duration::from_secs(8), over);
        }
    }
    // An undo that had no room left says so, and once there is room a rollback by hand mends it.
    if on.is_stuck() && past.told.contains("disk") {
        pool.stage.says(&["rollback", &fleet]);
    }
    let mut wrong = look(on, &past);
    wrong.extend(check_said(on, &said, &past));
    wrong.extend(next_run(pool, on, &past));
    for what in wrong {
        let (out, err) = (tail(&said.out), tail(&said.err));
        case.violate(format!("{}: {}: {what}\n{out}\n{err}\n{}", on.host.name(), past.told, record(on.host)));
    }
}

fn tail(text: &str) -> &str {
    let start = text.len().saturating_sub(1500);
    text.get(start..).unwrap_or(text)
}

/// A disk without inodes or writing holds up the undo as long as it lasts, and so does an exhausted quota, with which
/// btrfs renames nothing; without space it must not.
fn mend_what_blocks(on: &Stricken<'_>, past: &Past) {
    if past.told.contains("quota") {
        on.sh("rm -f /var/lib/snapback/.filler*");
    }
    if past.told.contains("no inodes") {
        on.sh("rm -rf /var/lib/snapback/.fillers");
    }
}

/// No guard is left on the host: whoever was there is dead.
fn nobody(on: &Stricken<'_>) -> bool {
    let alive = "pgrep -f 'snapback/(tx|agent)' >/dev/null || systemctl is-active -q 'snapback-*.timer' 'snapback-*.service' 2>/dev/null";
    on.host.is_on().unwrap_or(false) && !on.host.exec(&["sh", "-c", alive]).is_ok_and(|ran| ran.success())
}

/// What was promised of this transaction.
fn look(on: &Stricken<'_>, past: &Past) -> Vec<String> {
    let (held, done) = (on.versions(), on.done());
    let only = |version: &str| held == BTreeSet::from([version.to_owned()]);
    let turn = on.read_tx("turn.1").unwrap_or_default();
    let mut wrong = Vec::new();
    if done == "confirmed" && !(only("v2") && turn.starts_with("confirm ")) {
        wrong.push(format!("confirmed by '{turn}', and holds {held:?}"));
    }
    if done != "confirmed" && !only("v1") {
        wrong.push(format!("'{done}', and holds {held:?}"));
    }
    if on.is_locked() && !past.tampered {
        wrong.push(format!("still locked, '{done}', and holds {held:?}"));
    }
    wrong
}

/// What the controller said at its end is so.
fn check_said(on: &Stricken<'_>, said: &Said, past: &Past) -> Vec<String> {
    let ends = said.events(on.host.name(), "host_finished");
    let Some(end) = ends.last() else {
        let quiet = past.silenced || said.code == Some(130);
        return if quiet {
            Vec::new()
        } else {
            vec![format!("nothing was said of the host's end: {:?}", said.code)]
        };
    };
    let (done, result) = (on.done(), end["result"].as_str().unwrap_or_default());
    let holds = match result {
        "confirmed" => done == "confirmed",
        "rolled_back" => done == "rolled_back",
        "unreachable" | "refused" | "unchanged" | "not_reached" | "skipped" => done != "confirmed",
        // Without room it may have failed, and gone well when it was tried again with room.
        "rollback_failed" => past.tampered || past.told.contains("disk"),
        _ => true,
    };
    if holds { Vec::new() } else { vec![format!("{result} was said, and it is '{done}'")] }
}

/// The next run goes through; after tampering it may also be refused, with a sentence that names the mend.
fn next_run(pool: &Pool, on: &Stricken<'_>, past: &Past) -> Vec<String> {
    let more: &[&str] = if on.is_systemd() { &[] } else { &["--volatile-guard"] };
    let fleet = on.fleet("v3", &[], "");
    let name = on.host.name();
    let mut said = pool.stage.start(&fleet, more).end();
    if past.tampered && said.code != Some(0) {
        let named = said.events(name, "host_finished").iter().any(|end| end["next"].as_str() > Some(""));
        if !named {
            return vec![format!("refused without a mend: {}\n{}", said.out, said.err)];
        }
        let file = pool.stage.fleet(&fleet);
        pool.stage.says(&["rollback", &file]);
        if on.is_locked() {
            pool.stage.says(&["resolve", "--accept", &file]);
        }
        said = pool.stage.start(&fleet, more).end();
    }
    let held = on.versions();
    if said.code == Some(0) && held == BTreeSet::from(["v3".to_owned()]) {
        return Vec::new();
    }
    vec![format!("the next run: {:?}, and holds {held:?}: {}\n{}", said.code, said.out, said.err)]
}
