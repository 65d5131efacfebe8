//! Why a host ends as it does, in words, with what mends it.

use super::{Blocked, Verdict};
use crate::talk::Ending;
use snapback_core::inspection::Pending;
use snapback_core::lease::{Holder, Lease, Origin};
use snapback_core::rollout::Ending as RunEnding;
use snapback_transport::ConnectError;

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
            "stale_plan" | "taken_over" => "run deploy again",
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
        None => match other.over_in {
            Some(left) => {
                format!(
                    "nothing is armed there yet, and unless its session goes on it may be taken over in {left} s"
                )
            }
            None => format!("it is {}", other.state),
        },
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
