//! How long a host may stay armed: arithmetic on times it is given.

use crate::check::Check;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The shortest confirm window that is computed. LuCI's 30 s proved too short for people and routing
/// protocols; anything below a minute is only used when the fleet file asks for it.
pub const SHORTEST_WINDOW: Duration = Duration::from_secs(60);

/// What is set aside in the window for opening the fresh connection and confirming over it.
pub const CONFIRM_MARGIN: Duration = Duration::from_secs(20);

/// What is added to a computed window in which a person is to be asked.
pub const TIME_FOR_A_PERSON: Duration = Duration::from_secs(120);

/// The time limits of one host's transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmPolicy {
    /// From the end of apply until the guard undoes.
    pub window: Duration,
    /// The longest that apply may take.
    pub apply_timeout: Duration,
    /// The longest a host may stay armed, all included.
    pub hard_cap: Duration,
    /// Waited after apply before the first check.
    pub settle: Duration,
    /// Whether the confirming connection may use the cheaper key exchange first.
    pub reorder_kex: bool,
}

/// Why a policy can't be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadPolicy {
    /// `apply_timeout` + `timeout` is more than `hard_cap`.
    CapTooShort {
        /// `apply_timeout` + `timeout`.
        needed: Duration,
        /// `hard_cap`.
        cap: Duration,
    },
    /// The window the user set ends before the checks can.
    WindowTooShort {
        /// What the checks need.
        needed: Duration,
        /// What was set.
        window: Duration,
    },
}

/// Returns the shortest window in which these checks can come to their verdict: settling and the slowest of them.
#[must_use]
pub fn window_least(settle: Duration, checks: &[Check]) -> Duration {
    let slowest = checks.iter().map(|c| c.pace.healthy_deadline).max().unwrap_or_default();
    settle + slowest
}

/// Returns the confirm window that is used unless the fleet file sets one: the least, one more attempt, opening the
/// fresh connection, and a margin; at least [`SHORTEST_WINDOW`].
#[must_use]
pub fn window_default(settle: Duration, checks: &[Check], connect_timeout: Duration) -> Duration {
    let attempt = checks.iter().map(|c| c.pace.timeout).max().unwrap_or_default();
    let needed = window_least(settle, checks) + attempt + connect_timeout + CONFIRM_MARGIN;
    needed.max(SHORTEST_WINDOW)
}

impl ConfirmPolicy {
    /// Checks that the limits fit each other.
    ///
    /// # Errors
    /// [`BadPolicy`] when `apply_timeout` + `window` exceeds `hard_cap`, or the window is shorter than `least`.
    pub fn check(&self, least: Duration) -> Result<(), BadPolicy> {
        let armed = self.apply_timeout + self.window;
        if armed > self.hard_cap {
            return Err(BadPolicy::CapTooShort { needed: armed, cap: self.hard_cap });
        }
        if self.window < least {
            return Err(BadPolicy::WindowTooShort { needed: least, window: self.window });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Command;
    use crate::check::{Pace, Probe, Where};

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn check(runs: Where, healthy_deadline: u64) -> Check {
        Check {
            name: "c".to_owned(),
            runs,
            probe: Probe::Run(Command::Inline("true".to_owned())),
            pace: Pace {
                interval: secs(1),
                timeout: secs(5),
                min_healthy_time: secs(0),
                healthy_deadline: secs(healthy_deadline),
                failure_limit: 0,
            },
            required: true,
            baseline: false,
        }
    }

    #[test]
    fn the_window_covers_the_slowest_of_checks_that_run_side_by_side() {
        let checks = [check(Where::Remote, 45), check(Where::Remote, 10), check(Where::Local, 30)];
        assert_eq!(window_least(secs(3), &checks), secs(3 + 45));
        assert_eq!(window_default(secs(3), &checks, secs(10)), secs(3 + 45 + 5 + 10 + 20));
        assert_eq!(window_default(secs(3), &[], secs(10)), SHORTEST_WINDOW);
    }

    #[test]
    fn a_policy_that_exceeds_its_cap_is_refused() {
        let policy = ConfirmPolicy {
            window: secs(120),
            apply_timeout: secs(300),
            hard_cap: secs(400),
            settle: secs(3),
            reorder_kex: true,
        };
        assert_eq!(policy.check(secs(60)), Err(BadPolicy::CapTooShort { needed: secs(420), cap: secs(400) }));
        let roomy = ConfirmPolicy { hard_cap: secs(900), ..policy };
        assert_eq!(roomy.check(secs(60)), Ok(()));
        assert_eq!(
            roomy.check(secs(121)),
            Err(BadPolicy::WindowTooShort { needed: secs(121), window: secs(120) })
        );
    }
}
