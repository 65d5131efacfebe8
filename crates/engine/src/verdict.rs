//! What is told of a host at its end: why, what state it is in now, and what to do next.

use crate::talk::Ending;
use snapback_core::event::CheckStatus;
use snapback_core::host::HostName;
use snapback_core::inspection::Pending;
use snapback_core::job::RunSpec;
use snapback_core::lease::{Holder, Lease, Origin};
use snapback_core::outcome::{Health, HostResult};
use snapback_core::rollout::Ending as RunEnding;
use snapback_transport::ConnectError;

/// What is known of why a host ends as it does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    cause: String,
    hint: String,
    blocked: Blocked,
    late_ms: u64,
    broken: Vec<String>,
    /// Changes that nothing can undo.
    stays: Vec<String>,
    /// Changes on the controller that going back leaves as they are.
    stays_here: Vec<String>,
    /// What the checks said after the undo, the worst of it, and those that failed.
    health: Option<Health>,
    failing: Vec<String>,
    /// Required checks that it was confirmed despite, and why they were red.
    despite: Vec<String>,
    /// It could not be reached, and such hosts are left out.
    left_out: bool,
    /// Another host of its batch has failed, and nothing was wrong with it.
    called_off: bool,
    /// What is neither undone nor finished on the controller.
    left_here: Vec<String>,
    /// Its state and what to do next, where a confirmed host wasn't undone and the usual words don't fit.
    after: Option<(String, String)>,
}

/// Whether another transaction is in the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Blocked {
    /// No.
    #[default]
    No,
    /// Somebody's transaction is under way.
    ByLock,
    /// A rollback failed there, and nobody has looked at it yet.
    ByFailedRollback,
}

/// The three things that a failure must say.
pub(crate) struct Told {
    pub(crate) cause: String,
    pub(crate) state: String,
    pub(crate) next: String,
    pub(crate) health: Option<Health>,
    pub(crate) failing: Vec<String>,
}

impl Verdict {
    pub(crate) fn failed(cause: &str) -> Self {
        Self { cause: cause.to_owned(), ..Self::default() }
    }

    pub(crate) fn local(cause: &str) -> Self {
        Self::failed(&format!("on the controller: {cause}"))
    }

    pub(crate) fn agent_error(text: &str) -> Self {
        Self::failed(&format!("the agent failed: {text}"))
    }

    /// Every way in failed: the final way's failure is the one that counts.
    pub(crate) fn no_line(failures: &[ConnectError]) -> Self {
        let Some(first) = failures.first() else { return Self::failed("the host has no way in") };
        Self { cause: first.message.clone(), hint: first.hint.clone(), ..Self::default() }
    }

    pub(crate) fn from_ending(ending: &Ending) -> Self {
        match ending {
            Ending::NoBecome { uid, why } => Self {
                cause: no_become(*uid, why),
                hint: become_hint(why).to_owned(),
                ..Self::default()
            },
            Ending::PasswordRefused(why) => Self {
                cause: why.clone(),
                hint: "see that it is this user's password there, then run again; it was sent once and not tried further"
                    .to_owned(),
                ..Self::default()
            },
            Ending::UnpackFailed(df) => Self {
                cause: format!("what was sent could not be unpacked there (df: {df})"),
                hint: "free some space on the file system of the state directory, or raise the quota there; if it can't be written, mkdir -p /etc/snapback/state".to_owned(),
                ..Self::default()
            },
            Ending::NeedAgent => Self::failed("the agent could not be installed there"),
            Ending::Cut(why) if why.is_empty() => Self::failed("the connection was lost"),
            Ending::Cut(why) => Self::failed(&format!("the connection was lost: {why}")),
            Ending::Flooded(why) => Self {
                cause: why.clone(),
                hint: "see what `ssh HOST true` prints: a login script, a forced command or another program than a shell"
                    .to_owned(),
                ..Self::default()
            },
            Ending::NoLine(error) => Self::no_line(std::slice::from_ref(error)),
            Ending::Source(why) => Self::local(why),
            Ending::Whole => Self::default(),
        }
    }

    /// The host said no before anything was armed.
    pub(crate) fn refused(reason: &str, text: &str, pending: Option<&Pending>) -> Self {
        let hint = match reason {
            "stale_plan" => "run deploy again",
            "no_boot_hook" | "volatile_state" => {
                "pass --volatile-guard if a reboot inside the window is no worry"
            }
            "no_space" => "free some space there, or, where df says that there is enough, raise the quota",
            "snapshot" | "stage" => {
                "see what keeps the state directory from being written: df, df -i, the quota"
            }
            "inspect" => "mend that on the host, or change the fleet file, then run deploy again",
            _ => "see `deploy doctor`",
        };
        let mut verdict = Self { cause: text.to_owned(), hint: hint.to_owned(), ..Self::default() };
        if matches!(reason, "locked" | "leased") {
            verdict.blocked = Blocked::ByLock;
            if let Some(other) = pending {
                verdict.block(other);
            }
        }
        verdict
    }

    /// The fleet file says that the host is not to be changed.
    pub(crate) fn protected() -> Self {
        Self {
            hint: "pass --allow-protected to change it all the same".to_owned(),
            ..Self::failed("it is protected in the fleet file, and would be changed")
        }
    }

    /// Another run holds the host.
    pub(crate) fn held(holder: &Holder) -> Self {
        match holder {
            Holder::Open(pending) => Self::refused("locked", "another transaction is open on this host", Some(pending)),
            Holder::Lease(lease) => Self {
                cause: leased_by(lease),
                hint: "run again when it is done, or wait for it with --lock-wait; if its controller is gone: deploy unlock"
                    .to_owned(),
                blocked: Blocked::ByLock,
                ..Self::default()
            },
        }
    }

    fn block(&mut self, other: &Pending) {
        if other.state == "rollback_failed" {
            self.blocked = Blocked::ByFailedRollback;
            self.cause = format!(
                "the rollback of run {} by {} failed there, and it is still open",
                other.tx, other.owner
            );
            self.hint =
                "mend the host and run `deploy rollback`, or take it as it is with `deploy resolve --accept`"
                    .to_owned();
        } else {
            self.cause = locked_by(other);
            self.hint =
                "wait, with --lock-wait if you like, or roll it back with `deploy rollback`".to_owned();
        }
    }

    /// The run ended before the host's turn.
    pub(crate) fn not_reached(ending: RunEnding) -> Self {
        let (cause, hint) = match ending {
            RunEnding::Complete => ("", ""),
            RunEnding::OverBudget => {
                ("more hosts failed than `max_failures` allows", "mend the cause, then: deploy retry")
            }
            RunEnding::OverBudgetBeforeStart => (
                "more hosts had failed than `max_failures` allows before the first was changed",
                "mend the cause, then run deploy again",
            ),
            RunEnding::AsAsked => ("the run was to stop before it", "run deploy again without --stop-after"),
            RunEnding::Aborted => ("the run was aborted", "deploy retry"),
            RunEnding::GateTimedOut => ("nobody promoted the run in time", "deploy retry"),
            RunEnding::NoProgress => ("no host came to its end within `progress_deadline`", "deploy retry"),
            RunEnding::Interrupted => ("the run was interrupted", "deploy retry"),
            RunEnding::Held => (
                "another run holds a host of its batch",
                "run again when that is done, or wait for it with --lock-wait",
            ),
            RunEnding::PreDeployFailed => {
                ("the hook pre_deploy failed", "mend what it says, then run deploy again")
            }
        };
        Self { hint: hint.to_owned(), ..Self::failed(cause) }
    }

    /// Another host of its batch has failed.
    pub(crate) fn called_off(why: &str) -> Self {
        Self { hint: "mend that, then: deploy retry".to_owned(), called_off: true, ..Self::failed(why) }
    }

    pub(crate) fn is_called_off(&self) -> bool {
        self.called_off
    }

    pub(crate) fn is_stuck(&self) -> bool {
        self.blocked == Blocked::ByFailedRollback || !self.left_here.is_empty()
    }

    /// A local change is neither undone nor finished.
    pub(crate) fn left_here(&mut self, text: &str) {
        self.left_here.push(text.to_owned());
    }

    pub(crate) fn is_lock(&self) -> bool {
        self.blocked == Blocked::ByLock
    }

    pub(crate) fn hint(&self) -> &str {
        &self.hint
    }

    pub(crate) fn cause(&self) -> &str {
        &self.cause
    }

    /// Keeps the first cause: what came later followed from it.
    pub(crate) fn because(&mut self, cause: &str) {
        if self.cause.is_empty() {
            cause.clone_into(&mut self.cause);
        }
    }

    /// Why it could not be confirmed: the first reason says most, the guard's own words later say less.
    pub(crate) fn unconfirmed(&mut self, reason: &str) {
        if self.cause.is_empty() {
            self.cause = format!("no fresh connection could confirm it: {reason}");
        }
    }

    /// A line got in, and what the change has taken away keeps the host from being confirmed.
    pub(crate) fn lacks(&mut self, text: &str) {
        self.because(&format!("the host denied the confirmation: {text}"));
        "leave it there, or bring another one in the same change, then: deploy retry"
            .clone_into(&mut self.hint);
    }

    pub(crate) fn rolled_back(&mut self, late_ms: u64, cause: &str) {
        self.late_ms = late_ms;
        self.because(cause);
    }

    /// Takes what some of the checks said after the undo; the worst counts.
    pub(crate) fn health(&mut self, health: Option<Health>) {
        self.health = self.health.max(health);
    }

    /// A check fails with the old state as well.
    pub(crate) fn failing(&mut self, check: &str, status: CheckStatus, detail: &str) {
        self.failing.push(format!("check '{check}' {}: {detail}", status.word()));
    }

    /// A change that can't be undone has begun.
    pub(crate) fn stays(&mut self, change: &str) {
        self.stays.push(format!("'{change}'"));
    }

    /// The same, with changes on the controller that going back has left as they are.
    pub(crate) fn leaving_here(self, changes: Vec<String>) -> Self {
        Self { stays_here: changes, ..self }
    }

    /// A person has confirmed it despite a check.
    pub(crate) fn despite(&mut self, told: &str) {
        self.despite.push(told.to_owned());
    }

    pub(crate) fn broken(&mut self, item: &str) {
        self.broken.push(item.to_owned());
    }

    /// What was broken may have been mended since.
    pub(crate) fn tried_again(&mut self) {
        self.broken.clear();
    }

    /// The host said that it was armed, and has forgotten it.
    pub(crate) fn lost_record(&mut self) {
        self.cause =
            format!("the host has lost its record of the run, so nothing undid it there ({})", self.cause);
    }

    pub(crate) fn unread(&mut self) {
        self.because("the line was lost and the host could not be asked again");
    }

    /// It could not be reached, and such hosts are left out.
    pub(crate) fn left_out(&mut self) {
        self.left_out = true;
    }

    /// The same, with its state and what to do next in words of their own.
    pub(crate) fn with(self, state: String, next: String) -> Self {
        Self { after: Some((state, next)), ..self }
    }

    /// The same, for this cause.
    pub(crate) fn for_cause(self, cause: &str) -> Self {
        Self { cause: cause.to_owned(), ..self }
    }

    pub(crate) fn tell(&self, result: HostResult, host: &HostName, spec: &RunSpec) -> Told {
        let (state, next) = match result {
            _ if self.after.is_some() => self.after.clone().unwrap_or_default(),
            HostResult::Confirmed => (self.confirmed_state(), String::new()),
            HostResult::Unchanged => (String::from("as wanted already; untouched"), String::new()),
            HostResult::Skipped if self.left_out => (
                format!("untouched: it was left out, since it could not be reached: {}", self.cause),
                String::new(),
            ),
            HostResult::Skipped => (String::from("untouched"), String::new()),
            HostResult::NotReached => (String::from("untouched"), self.hint.clone()),
            HostResult::RolledBack => (self.rolled_back_state(), self.after_rollback(host)),
            HostResult::RollbackFailed => (
                format!("NOT as before: {}", self.broken_items()),
                format!("look at {host}, mend it, then: deploy rollback --limit {host}"),
            ),
            HostResult::Unreachable => (String::from("untouched: nothing was sent to it"), self.hint.clone()),
            HostResult::Refused => (String::from("untouched: nothing was armed"), self.hint.clone()),
            HostResult::Unknown => (
                format!(
                    "not read back. If it still runs, its guard has undone run {} by now or will at its next boot; if the confirmation arrived, the change stays",
                    spec.run
                ),
                format!("deploy status --limit {host}"),
            ),
        };
        let (state, next) = self.with_left_here(state, next, spec);
        let good = result.is_good();
        let undone = result == HostResult::RolledBack;
        Told {
            cause: if good { String::new() } else { self.cause.clone() },
            state,
            next,
            health: self.health.filter(|_| undone),
            failing: if undone { self.failing.clone() } else { Vec::new() },
        }
    }

    fn confirmed_state(&self) -> String {
        let state = String::from("the change is in place and confirmed");
        if self.despite.is_empty() { state } else { format!("{state} despite {}", self.despite.join("; ")) }
    }

    fn with_left_here(&self, state: String, next: String, spec: &RunSpec) -> (String, String) {
        if self.left_here.is_empty() {
            return (state, next);
        }
        let then = format!("deploy abort {}", spec.run);
        let next = if next.is_empty() { then } else { format!("{next}; then: {then}") };
        (format!("{state}\non the controller: {}", self.left_here.join("; ")), next)
    }

    fn rolled_back_state(&self) -> String {
        let mut text = String::from("the old state is back, verified on the host");
        if self.late_ms > 0 {
            text.push_str(&format!(" (the guard fired {} ms after its deadline)", self.late_ms));
        }
        if !self.stays.is_empty() {
            text.push_str(&format!("; what {} did can't be undone and stays", self.stays.join(", ")));
        }
        if !self.stays_here.is_empty() {
            text.push_str(&format!(
                "; made on the controller, and not undone: {}",
                self.stays_here.join(", ")
            ));
        }
        match self.health {
            Some(Health::Healthy) => text.push_str("; its checks pass"),
            Some(Health::Failing) => {
                text.push_str(&format!("\nSTILL FAILING with the old state: {}", self.failing.join("; ")));
            }
            Some(Health::Unknown) => text.push_str("; whether its checks pass is not known"),
            None => {}
        }
        text
    }

    fn after_rollback(&self, host: &HostName) -> String {
        if self.hint.is_empty() && self.left_here.is_empty() {
            format!("deploy logs {host}\nmend the cause, then: deploy retry")
        } else {
            self.hint.clone()
        }
    }

    fn broken_items(&self) -> String {
        if self.broken.is_empty() { "see `deploy status`".to_owned() } else { self.broken.join("; ") }
    }
}

fn no_become(uid: Option<u32>, why: &str) -> String {
    match uid {
        Some(uid) => {
            format!("uid {uid} can't become root there: neither `sudo -n` nor `doas -n` works ({why})")
        }
        None => format!("root can't be reached there: {why}"),
    }
}

/// What mends it, by what sudo, doas or run0 said.
fn become_hint(why: &str) -> &'static str {
    if why.contains("must have a tty") {
        "sudo wants a terminal there, and there is none: with visudo add `Defaults:USER !requiretty`"
    } else if why.contains("not in the sudoers file")
        || why.contains("not allowed")
        || why.contains("may not run")
    {
        "allow it in /etc/sudoers.d, with visudo, or connect as root"
    } else if why.contains("doas") && !why.contains("sudo") {
        "permit it in /etc/doas.conf with `nopass`, or connect as root"
    } else if why.contains("interactive authentication")
        || why.contains("Access denied")
        || why.contains("run0")
    {
        "run0 asks nobody here: allow it by a polkit rule, or use sudo, or connect as root"
    } else {
        "pass -K to be asked for sudo's password, allow it without one, or connect as root"
    }
}

/// Who holds a host, since when, and until when.
fn locked_by(other: &Pending) -> String {
    let until = match other.left {
        Some(left) => format!("its guard decides in {left} s"),
        None => format!("it is {}", other.state),
    };
    let what = what_for(&other.origin, &other.comment);
    format!("{} holds the host with run {}{what}, begun {} s ago; {until}", other.owner, other.tx, other.age)
}

/// Who is about to change a host, since when, and until when.
fn leased_by(lease: &Lease) -> String {
    let what = what_for(&lease.origin, &lease.comment);
    format!(
        "{} is about to change the host with run {}{what}, since {} s; its lease ends in {} s unless it is renewed",
        lease.owner, lease.run, lease.age, lease.left
    )
}

fn what_for(origin: &Origin, comment: &str) -> String {
    let parts: Vec<String> =
        [comment.to_owned(), origin.told()].into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) }
}
