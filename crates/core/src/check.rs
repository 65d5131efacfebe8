//! Checks: what must hold for a host to be confirmed.

use crate::change::Command;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Where a check runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Where {
    /// On the controller, once for each host.
    Local,
    /// On the target.
    Remote,
}

/// What a check does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// Runs a command: 0 passes, anything else fails.
    Run(Command),
    /// Fetches a URL from the controller.
    Http(HttpProbe),
    /// Opens a TCP connection from the controller.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
}

/// What `use = "http"` asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpProbe {
    /// `http://` or `https://`.
    pub url: String,
    /// `host:port` to connect to instead of what the URL names.
    pub connect_to: Option<String>,
    /// The status that passes.
    pub status: u16,
    /// A text that the body must contain.
    pub contains: Option<String>,
    /// Extra request headers.
    pub headers: BTreeMap<String, String>,
}

/// One check of one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its name in the fleet file, or a made-up one.
    pub name: String,
    /// Controller or target.
    pub runs: Where,
    /// What it does.
    pub probe: Probe,
    /// When it is asked and judged.
    pub pace: Pace,
    /// Its failure undoes the host; otherwise it is only reported.
    pub required: bool,
    /// Run before the change too: red before means reported, not vetoing.
    pub baseline: bool,
}

/// When a check is asked and how its answers are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// From the start of one attempt to the start of the next.
    pub interval: Duration,
    /// The longest one attempt may take.
    pub timeout: Duration,
    /// How long it must have passed without a break.
    pub min_healthy_time: Duration,
    /// By when it must have been healthy, counted from the end of settling.
    pub healthy_deadline: Duration,
    /// How many failed attempts after the first pass are forgiven.
    pub failure_limit: u32,
}

/// What one attempt said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It holds.
    Passed,
    /// It said no; the text is its last line.
    Failed(String),
    /// It could not be run or did not end in time.
    Error(String),
}

/// How a check stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Ask again.
    Pending,
    /// It has been healthy for long enough.
    Healthy,
    /// It failed for good; the answer that decided.
    Unhealthy(Answer),
}

/// Judges a check from the answers so far. All times are measured from the end of settling.
#[derive(Clone, Debug)]
pub struct Judge {
    pace: Pace,
    healthy_since: Option<Duration>,
    failures_after_pass: u32,
    passed_once: bool,
}

impl Judge {
    /// Returns a judge that has heard nothing.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        Self { pace, healthy_since: None, failures_after_pass: 0, passed_once: false }
    }

    /// Hears one answer, given when its attempt started and ended, and says how the check stands.
    ///
    /// A failure before the first pass is patience (the service may still be starting) until `healthy_deadline`;
    /// a failure after it counts against `failure_limit` and starts the healthy time anew.
    pub fn hear(&mut self, started: Duration, ended: Duration, answer: &Answer) -> Verdict {
        if *answer == Answer::Passed {
            self.passed_once = true;
            let since = *self.healthy_since.get_or_insert(started);
            if ended.saturating_sub(since) >= self.pace.min_healthy_time {
                return Verdict::Healthy;
            }
        } else {
            self.healthy_since = None;
            if self.passed_once {
                self.failures_after_pass += 1;
                if self.failures_after_pass > self.pace.failure_limit {
                    return Verdict::Unhealthy(answer.clone());
                }
            }
        }
        if ended >= self.pace.healthy_deadline { self.overdue(answer) } else { Verdict::Pending }
    }

    fn overdue(&self, answer: &Answer) -> Verdict {
        let last = match answer {
            Answer::Passed => Answer::Failed("passed, but not for min_healthy_time".to_owned()),
            other => other.clone(),
        };
        Verdict::Unhealthy(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        Pace {
            interval: secs(1),
            timeout: secs(5),
            min_healthy_time: secs(5),
            healthy_deadline: secs(45),
            failure_limit: 0,
        }
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn no() -> Answer {
        Answer::Failed("no".to_owned())
    }

    #[test]
    fn healthy_only_after_min_healthy_time_without_a_break() {
        let mut judge = Judge::new(pace());
        assert_eq!(judge.hear(secs(0), secs(0), &Answer::Passed), Verdict::Pending);
        assert_eq!(judge.hear(secs(4), secs(4), &Answer::Passed), Verdict::Pending);
        assert_eq!(judge.hear(secs(5), secs(5), &Answer::Passed), Verdict::Healthy);
    }

    #[test]
    fn failing_before_the_first_pass_is_patience_until_the_deadline() {
        let mut judge = Judge::new(pace());
        assert_eq!(judge.hear(secs(0), secs(1), &no()), Verdict::Pending);
        assert_eq!(judge.hear(secs(44), secs(44), &no()), Verdict::Pending);
        assert_eq!(judge.hear(secs(45), secs(45), &no()), Verdict::Unhealthy(no()));
    }

    #[test]
    fn a_failure_after_a_pass_counts_against_the_limit() {
        let mut judge = Judge::new(pace());
        judge.hear(secs(0), secs(0), &Answer::Passed);
        assert_eq!(judge.hear(secs(1), secs(1), &no()), Verdict::Unhealthy(no()));

        let mut forgiving = Judge::new(Pace { failure_limit: 1, ..pace() });
        forgiving.hear(secs(0), secs(0), &Answer::Passed);
        assert_eq!(forgiving.hear(secs(1), secs(1), &no()), Verdict::Pending);
        assert_eq!(
            forgiving.hear(secs(2), secs(2), &Answer::Passed),
            Verdict::Pending,
            "healthy time starts anew"
        );
        assert_eq!(forgiving.hear(secs(7), secs(7), &Answer::Passed), Verdict::Healthy);
    }

    #[test]
    fn passing_too_late_for_min_healthy_time_is_said_so() {
        let mut judge = Judge::new(pace());
        let verdict = judge.hear(secs(44), secs(45), &Answer::Passed);
        assert!(
            matches!(verdict, Verdict::Unhealthy(Answer::Failed(reason)) if reason.contains("min_healthy_time"))
        );
    }
}
