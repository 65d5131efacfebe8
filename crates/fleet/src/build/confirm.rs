//! The time limits of a host.

use super::Bench;
use super::check::ReadyCheck;
use crate::file::{Document, RawConfirm};
use crate::hosts::Host;
use crate::place::{At, Place};
use crate::problem::Problem;
use crate::reader::written;
use snapback_core::check::Check;
use snapback_core::deadline::{BadPolicy, ConfirmPolicy, TIME_FOR_A_PERSON, window_default, window_least};
use snapback_core::proof::{Mode, Proof};
use snapback_core::undo::LastResort;
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
    pub(super) proof: Proof,
    written: RawConfirm,
}

impl Limits {
    /// Returns the limits of a fleet; a mode that was asked for on the command line wins.
    pub(super) fn of(document: &Document, mode: Option<Mode>) -> Self {
        let written = document.confirm.as_ref().map(|confirm| confirm.value.clone()).unwrap_or_default();
        let or = |key: &Option<At<Duration>>, default| key.as_ref().map_or(default, |key| key.value);
        Self {
            apply_timeout: or(&written.apply_timeout, APPLY_TIMEOUT),
            hard_cap: or(&written.hard_cap, HARD_CAP),
            settle: or(&written.settle, SETTLE),
            timeout: written.timeout.as_ref().map(|key| key.value),
            reorder_kex: written.reorder_kex.unwrap_or(true),
            proof: Proof {
                mode: mode.or(written.mode).unwrap_or_default(),
                probes: written.probes.unwrap_or(1),
                via: written.via.clone(),
            },
            written,
        }
    }

    /// Returns the policy of a host: the window that was set, or the worst case of its checks, at least a minute, and
    /// more where a person is asked.
    pub(super) fn policy(&self, host: &Host, checks: &[Check]) -> ConfirmPolicy {
        let person = if self.proof.mode == Mode::Manual { TIME_FOR_A_PERSON } else { Duration::ZERO };
        let computed = || window_default(self.settle, checks, host.connect_timeout()) + person;
        ConfirmPolicy {
            window: self.timeout.unwrap_or_else(computed),
            apply_timeout: self.apply_timeout,
            hard_cap: self.hard_cap,
            settle: self.settle,
            reorder_kex: self.reorder_kex,
        }
    }

    /// Returns what makes the time armed exceed the cap, the likeliest first: what departs from its default.
    fn blame_for_cap<'a>(&'a self, slowest: Option<&'a Place>) -> Option<&'a Place> {
        let place = |key: &'a Option<At<Duration>>, to_blame: bool| {
            key.as_ref().filter(|_| to_blame).map(|k| &k.place)
        };
        place(&self.written.hard_cap, self.hard_cap < HARD_CAP)
            .or_else(|| place(&self.written.apply_timeout, self.apply_timeout > APPLY_TIMEOUT))
            .or_else(|| place(&self.written.timeout, true))
            .or(slowest)
            .or_else(|| place(&self.written.settle, true))
    }
}

impl Bench<'_> {
    /// Returns what is left when an undo has failed, the same for all hosts.
    pub(super) fn last_resort(&mut self, document: &Document) -> LastResort {
        let Some(confirm) = &document.confirm else { return LastResort::default() };
        let failsafe = self.maybe(confirm.value.failsafe.as_ref());
        LastResort { failsafe, reboot: confirm.value.failsafe_reboot }
    }

    /// Checks that the limits of a host fit each other.
    pub(super) fn judge_policy(
        &self,
        limits: &Limits,
        host: &Host,
        checks: &[Check],
        ready: &[&ReadyCheck<'_>],
    ) {
        let policy = limits.policy(host, checks);
        let Err(bad) = policy.check(window_least(limits.settle, checks)) else { return };
        let slowest =
            ready.iter().max_by_key(|check| check.raw.pace.healthy_deadline + check.raw.pace.timeout);
        let slowest = slowest.map(|check| &check.raw.deadline_place);
        let (place, message, hint) = match bad {
            BadPolicy::CapTooShort { needed, cap } => (
                limits.blame_for_cap(slowest),
                format!(
                    "`apply_timeout` ({}) and the confirm window ({}) exceed `hard_cap` ({})",
                    written(policy.apply_timeout),
                    written(policy.window),
                    written(cap)
                ),
                format!("raise `hard_cap` in [confirm] to \"{}\" at least, or shorten the others", written(needed)),
            ),
            BadPolicy::WindowTooShort { needed, window } => (
                limits.written.timeout.as_ref().map(|key| &key.place),
                format!(
                    "the confirm window ({}) ends before the checks can: they need {}",
                    written(window),
                    written(needed)
                ),
                "raise it, shorten `healthy_deadline` of the slowest check, or leave it out: then it is computed".to_owned(),
            ),
        };
        let problem = match place {
            Some(place) => Problem::at(place, message),
            None => Problem::nowhere(message),
        };
        self.report.add(problem.hint(hint).on(&host.name));
    }
}
