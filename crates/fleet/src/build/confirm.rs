//! The time limits of a host.

use super::Bench;
use super::check::ReadyCheck;
use crate::file::{Document, RawConfirm};
use crate::hosts::Host;
use crate::place::{At, Place};
use crate::problem::Problem;
use snapback_core::check::Check;
use snapback_core::deadline::{BadPolicy, ConfirmPolicy, SHORTEST_WINDOW, window_needed};
use std::time::Duration;

const APPLY_TIMEOUT: Duration = Duration::from_secs(5 * 60);
const HARD_CAP: Duration = Duration::from_secs(15 * 60);
const SETTLE: Duration = Duration::from_secs(3);

/// `[confirm]` with its defaults, before any host is looked at.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) apply_timeout: Duration,
    hard_cap: Duration,
    settle: Duration,
    timeout: Option<Duration>,
    reorder_kex: bool,
    written: RawConfirm,
}

impl Limits {
    /// Returns the limits of a fleet.
    pub(super) fn of(document: &Document) -> Self {
        let written = document.confirm.as_ref().map(|confirm| confirm.value.clone()).unwrap_or_default();
        let or = |key: &Option<At<Duration>>, default| key.as_ref().map_or(default, |key| key.value);
        Self {
            apply_timeout: or(&written.apply_timeout, APPLY_TIMEOUT),
            hard_cap: or(&written.hard_cap, HARD_CAP),
            settle: or(&written.settle, SETTLE),
            timeout: written.timeout.as_ref().map(|key| key.value),
            reorder_kex: written.reorder_kex.unwrap_or(true),
            written,
        }
    }

    fn needed(&self, host: &Host, checks: &[Check]) -> Duration {
        window_needed(self.settle, checks, host.connect_timeout())
    }

    /// Returns the policy of a host: the window that was set, or the worst case of its checks, at least a minute.
    pub(super) fn policy(&self, host: &Host, checks: &[Check]) -> ConfirmPolicy {
        ConfirmPolicy {
            window: self.timeout.unwrap_or_else(|| self.needed(host, checks).max(SHORTEST_WINDOW)),
            apply_timeout: self.apply_timeout,
            hard_cap: self.hard_cap,
            settle: self.settle,
            reorder_kex: self.reorder_kex,
        }
    }

    /// Returns the key that makes the time armed as long as it is, the likeliest first.
    fn blame_for_cap(&self, slowest: Option<&Place>) -> Option<Place> {
        let written = &self.written;
        let keys = [&written.hard_cap, &written.timeout, &written.apply_timeout];
        let key = keys.into_iter().flatten().map(|key| &key.place).next();
        key.or(slowest).or(written.settle.as_ref().map(|key| &key.place)).cloned()
    }
}

impl Bench<'_> {
    /// Checks that the limits of a host fit each other.
    pub(super) fn judge_policy(
        &self,
        limits: &Limits,
        host: &Host,
        checks: &[Check],
        ready: &[&ReadyCheck<'_>],
    ) {
        let policy = limits.policy(host, checks);
        let Err(bad) = policy.check(limits.needed(host, checks)) else { return };
        let slowest =
            ready.iter().max_by_key(|check| check.raw.pace.healthy_deadline + check.raw.pace.timeout);
        let slowest = slowest.map(|check| &check.raw.deadline_place);
        let (place, message, hint) = match bad {
            BadPolicy::CapTooShort { needed, cap } => (
                limits.blame_for_cap(slowest),
                format!("`apply_timeout` ({:?}) and the confirm window ({:?}) exceed `hard_cap` ({cap:?})", policy.apply_timeout, policy.window),
                format!("raise `hard_cap` in [confirm] to {needed:?} at least, or shorten the others"),
            ),
            BadPolicy::WindowTooShort { needed, window } => (
                limits.written.timeout.as_ref().map(|key| key.place.clone()),
                format!("the confirm window ({window:?}) ends before the checks can: they need {needed:?}"),
                "raise it, shorten `healthy_deadline` of the slowest check, or leave it out: it is computed then".to_owned(),
            ),
        };
        let problem = match place {
            Some(place) => Problem::at(&place, message),
            None => Problem::nowhere(message),
        };
        self.report.add(problem.hint(hint).on(&host.name));
    }
}
