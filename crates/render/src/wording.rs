//! What an event is called in a line for people, and how much a person wants to read.

use crate::names::joined;
use crate::quantity::{bytes, count, elapsed, grouped, limit};
use crate::told::{last_line, one_line};
use snapback_core::event::{CheckStatus, EventKind};
use snapback_core::outcome::HostResult;
use snapback_core::rollout::{BatchKind, Ending};
use snapback_core::way::WayKind;
use std::collections::BTreeMap;
use std::time::Duration;

/// How much is told, from little to everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// What changes the state of a host, and what is wrong.
    #[default]
    Normal,
    /// Also what the user's commands print.
    Output,
    /// Every event.
    Everything,
}

impl Verbosity {
    /// Returns the level for so many `-v`.
    #[must_use]
    pub fn from_count(count: u8) -> Self {
        match count {
            0 => Self::Normal,
            1 => Self::Output,
            _ => Self::Everything,
        }
    }
}

/// Returns from which level on an event is told.
pub(crate) fn level(kind: &EventKind) -> Verbosity {
    match kind {
        EventKind::Output { .. } => Verbosity::Output,
        EventKind::HostConnected { way: WayKind::Final, .. }
        | EventKind::HostInspected { .. }
        | EventKind::Uploading { .. }
        | EventKind::ChangeStarted { .. }
        | EventKind::LocalStarted { .. }
        | EventKind::Ready { .. }
        | EventKind::Confirming { .. }
        | EventKind::UndoItem { ok: true, .. } => Verbosity::Everything,
        _ => Verbosity::Normal,
    }
}

/// Returns one harmless line that tells an event.
pub(crate) fn phrase(kind: &EventKind) -> String {
    one_line(&match kind {
        EventKind::RunStarted { fleet, hosts } => {
            format!("{fleet}: run started on {}", count(hosts.len(), "host"))
        }
        EventKind::RunFinished { exit_code, ms, .. } => {
            format!("run finished in {}, exit code {exit_code}", elapsed(Duration::from_millis(*ms)))
        }
        EventKind::HostConnected { way, ms } => connected(*way, *ms),
        EventKind::HostInspected { changes: 0 } => "inspected: all is as wanted".to_owned(),
        EventKind::HostInspected { changes } => format!("inspected: {} to make", count(*changes, "change")),
        EventKind::HolderAwaited { owner, run, left, secs } => {
            let free = left.map(|left| format!(", which has {} left", seconds(left)));
            let free = free.unwrap_or_default();
            format!("held by {owner} with run {run}{free}; waits {} at the longest", seconds(*secs))
        }
        EventKind::Uploading { bytes: size } => format!("sending {}", bytes(*size)),
        EventKind::GuardArmed { .. } => armed(kind),
        EventKind::ChangeStarted { name, .. } => format!("{name}: started"),
        EventKind::ChangeFinished { name, ms, .. } => {
            format!("{name}: applied in {}", elapsed(Duration::from_millis(*ms)))
        }
        EventKind::LocalStarted { .. } | EventKind::LocalFinished { .. } => local(kind),
        EventKind::Output { step, line } => format!("{step} | {line}"),
        EventKind::BatchStarted { .. }
        | EventKind::BakeStarted { .. }
        | EventKind::GateReached { .. }
        | EventKind::RolloutEnded { .. }
        | EventKind::BatchConfirming { .. }
        | EventKind::BatchSplit { .. }
        | EventKind::ScopeUndone { .. } => stage(kind),
        EventKind::Warning { text } => format!("warning: {}", one_line(text)),
        EventKind::HostFinished { .. } => finished(kind),
        other => confirmation(other),
    })
}

fn local(kind: &EventKind) -> String {
    match kind {
        EventKind::LocalStarted { change, deed } => {
            format!("{change}: {} started on the controller", deed.word())
        }
        EventKind::LocalFinished { change, deed, ok: true, detail, ms } => {
            let took = elapsed(Duration::from_millis(*ms));
            let said = format!("{change}: {} on the controller", deed.word());
            if detail.is_empty() { format!("{said} in {took}") } else { with_detail(&said, detail) }
        }
        EventKind::LocalFinished { change, deed, detail, .. } => {
            with_detail(&format!("{change}: {} FAILED on the controller", deed.word()), detail)
        }
        _ => String::new(),
    }
}

fn stage(kind: &EventKind) -> String {
    match kind {
        EventKind::BatchStarted { batch, of, kind, hosts } => {
            let of = if *of == 0 { String::new() } else { format!(" of {}", grouped(*of)) };
            let what = if *kind == BatchKind::Canary { " (canary)" } else { "" };
            let names = joined(hosts, 5);
            format!("batch {}{of}{what}, {}: {names}", grouped(*batch), count(hosts.len(), "host"))
        }
        EventKind::BatchConfirming { batch, hosts } => {
            format!("batch {batch}: all {} have passed and are confirmed", grouped(*hosts))
        }
        EventKind::BatchSplit { batch, hosts } => format!("batch {batch} is SPLIT: {}", split(hosts)),
        EventKind::BakeStarted { batch, secs } => {
            format!("batch {batch} bakes: its checks go on for {}", seconds(*secs))
        }
        EventKind::GateReached { next, secs } => format!(
            "waiting for `deploy promote` before batch {next}, {} at the longest; `deploy abort` ends the run",
            seconds(*secs)
        ),
        EventKind::RolloutEnded { ending, failures, not_reached } => {
            let left = if *not_reached == 0 {
                String::new()
            } else {
                format!("; {} not reached", grouped(*not_reached))
            };
            format!("{}{left}", ended(*ending, *failures))
        }
        EventKind::ScopeUndone { because, hosts } => {
            format!("UNDOING what was confirmed, because {because} failed: {}", joined(hosts, 5))
        }
        _ => String::new(),
    }
}

/// How the hosts of a split batch ended, each by its name.
pub(crate) fn split(hosts: &BTreeMap<String, HostResult>) -> String {
    let mut by_result: BTreeMap<HostResult, Vec<&str>> = BTreeMap::new();
    for (host, result) in hosts {
        by_result.entry(*result).or_default().push(host);
    }
    let parts = by_result.iter().map(|(result, hosts)| format!("{} {}", result.word(), hosts.join(", ")));
    parts.collect::<Vec<_>>().join("; ")
}

fn ended(ending: Ending, failures: usize) -> String {
    let failed = format!("{} failed, more than may", count(failures, "host"));
    match ending {
        Ending::Complete => "all batches are done".to_owned(),
        Ending::OverBudget => format!("STOPPED: {failed}"),
        Ending::OverBudgetBeforeStart => format!("STOPPED before the first change: {failed}"),
        Ending::AsAsked => "stopped here, as asked".to_owned(),
        Ending::Aborted => "STOPPED: aborted".to_owned(),
        Ending::GateTimedOut => "STOPPED: nobody promoted the run in time".to_owned(),
        Ending::NoProgress => "STOPPED: no host came to its end within `progress_deadline`".to_owned(),
        Ending::Interrupted => "STOPPED: interrupted".to_owned(),
        Ending::Held => "STOPPED: another run holds a host of the batch, so none of it was begun".to_owned(),
        Ending::PreDeployFailed => "STOPPED before the first change: the hook pre_deploy failed".to_owned(),
    }
}

fn confirmation(kind: &EventKind) -> String {
    match kind {
        EventKind::Applied { left } => format!("applied; the guard undoes in {}", seconds(*left)),
        EventKind::CheckFinished { .. } => check(kind),
        EventKind::Extended { by, left } => {
            format!("extended by {}; the guard undoes in {}", seconds(*by), seconds(*left))
        }
        EventKind::AwaitingPerson { left, red } if red.is_empty() => {
            format!("all checks have passed; waits for a person, and the guard undoes in {}", seconds(*left))
        }
        EventKind::AwaitingPerson { left, red } => {
            format!("{} RED; waits for a person, and the guard undoes in {}", red.join(", "), seconds(*left))
        }
        EventKind::AwaitingBatch { left } => {
            format!("passed; waits for the others of its batch, and the guard undoes in {}", seconds(*left))
        }
        EventKind::Ready { left } => format!("ready to be confirmed; the guard undoes in {}", seconds(*left)),
        EventKind::LineLost { during } => {
            format!("line lost during {during}; the target goes on and its guard stays armed")
        }
        EventKind::Confirming { attempt: 0 | 1 } => "confirming over a fresh connection".to_owned(),
        EventKind::Confirming { attempt } => format!("confirming over a fresh connection, attempt {attempt}"),
        EventKind::ConfirmFailed { reason } => format!("not confirmed: {reason}"),
        EventKind::RollbackStarted { cause } => format!("undoing: {cause}"),
        EventKind::GoingBack { to, cause } => format!("going back to before run {to}: {cause}"),
        EventKind::UndoItem { item, ok, detail } => {
            let outcome = if *ok { "undone" } else { "NOT undone" };
            with_detail(&format!("{outcome}: {item}"), detail)
        }
        EventKind::CheckedAgain { check, status, detail, .. } => {
            with_detail(&format!("after the undo: check {check} {}", status.word()), detail)
        }
        _ => String::new(),
    }
}

fn connected(way: WayKind, ms: u64) -> String {
    let took = elapsed(Duration::from_millis(ms));
    match way {
        WayKind::Final => format!("connected in {took}"),
        WayKind::Was => format!("connected in {took} by the old way (`was`), which never confirms"),
    }
}

fn armed(kind: &EventKind) -> String {
    let EventKind::GuardArmed { backend, boot_hook, apply_timeout, window } = kind else {
        return String::new();
    };
    let reboot = if boot_hook == "none" { ", NO boot hook" } else { "" };
    format!(
        "guard armed ({backend}{reboot}): it undoes unless apply ends within {} and it is confirmed within {} after",
        seconds(*apply_timeout),
        seconds(*window)
    )
}

fn check(kind: &EventKind) -> String {
    let EventKind::CheckFinished { check, status, detail, required } = kind else { return String::new() };
    let said = match status {
        CheckStatus::Passed => return format!("check {check} passed"),
        CheckStatus::Failed => "failed",
        CheckStatus::Error => "could not be run",
        CheckStatus::RedBefore => "was red before the change (only reported)",
    };
    let weight = if *required || *status == CheckStatus::RedBefore { "" } else { " (only reported)" };
    with_detail(&format!("check {check} {said}{weight}"), &last_line(detail))
}

/// Returns one harmless line that tells an event; of an end only how and why.
pub(crate) fn brief(kind: &EventKind) -> String {
    match kind {
        EventKind::HostFinished { .. } => one_line(&how_and_why(kind)),
        other => phrase(other),
    }
}

fn finished(kind: &EventKind) -> String {
    let EventKind::HostFinished { result, state, .. } = kind else { return String::new() };
    let why = how_and_why(kind);
    if result.is_good() || *result == HostResult::NotReached || state.is_empty() {
        why
    } else {
        format!("{why}; now: {}", one_line(state))
    }
}

fn how_and_why(kind: &EventKind) -> String {
    let EventKind::HostFinished { result, cause, .. } = kind else { return String::new() };
    let word = if result.is_good() { result.word().to_owned() } else { result.word().to_uppercase() };
    with_detail(&word, &one_line(cause))
}

fn with_detail(said: &str, detail: &str) -> String {
    if detail.trim().is_empty() { said.to_owned() } else { format!("{said}: {detail}") }
}

/// Returns a number of seconds as people read it.
pub(crate) fn seconds(secs: u64) -> String {
    limit(Duration::from_secs(secs))
}
