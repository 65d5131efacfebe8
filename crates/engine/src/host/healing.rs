//! After an undo: whether the checks hold with the old state. It is told, and changes no result.

use super::HostTask;
use super::telling::status_of;
use crate::local_check::{self, CheckReport};
use snapback_core::check::{Check, Where};
use snapback_core::event::{CheckStatus, EventKind};
use snapback_core::lifecycle::State;
use snapback_core::outcome::{Health, HostResult};
use std::sync::Mutex;
use std::time::Duration;

/// The run has its result by then, so it waits no longer than this for the local checks.
const BRIEFLY: Duration = Duration::from_secs(10);

/// The longest that one attempt may take then.
const ATTEMPT: Duration = Duration::from_secs(5);

impl HostTask {
    /// Takes a remote check's word; what it comes to is in the line that ends the undo.
    pub(super) fn take_recheck(&mut self, n: usize, status: &str, detail: &str) {
        let (name, required) = self.remote_check_named(n);
        let status = status_of(status);
        if required && matches!(status, CheckStatus::Failed | CheckStatus::Error) {
            self.verdict.failing(&name, status, detail);
        }
    }

    /// Asks the local checks of a host that was rolled back once more, side by side and briefly.
    pub(super) async fn check_again(&mut self) {
        let local: Vec<Check> =
            self.job.checks.iter().filter(|c| c.runs == Where::Local).map(briefly).collect();
        if self.state != State::Finished(HostResult::RolledBack) || local.is_empty() {
            return;
        }
        let env = self.local_env();
        let heard = Mutex::new(Vec::new());
        let all = local_check::run_all(&local, &env, &self.red_before, |report| {
            if let Ok(mut heard) = heard.lock() {
                heard.push(report);
            }
        });
        let ended = tokio::time::timeout(BRIEFLY, all).await.is_ok();
        for report in heard.into_inner().unwrap_or_default() {
            self.take_again(report);
        }
        if !ended {
            self.verdict.health(Some(Health::Unknown));
        }
    }

    fn take_again(&mut self, report: CheckReport) {
        if report.vetoes() {
            self.verdict.failing(&report.name, report.status, &report.detail);
            self.verdict.health(Some(Health::Failing));
        } else if report.required && report.status == CheckStatus::Passed {
            self.verdict.health(Some(Health::Healthy));
        }
        self.tell(EventKind::CheckedAgain {
            check: report.name,
            status: report.status,
            detail: report.detail,
            required: report.required,
        });
    }
}

/// The first pass is enough, and patience ends in time to be told.
fn briefly(check: &Check) -> Check {
    let mut check = check.clone();
    check.pace.min_healthy_time = Duration::ZERO;
    check.pace.timeout = check.pace.timeout.min(ATTEMPT);
    // A command that has to be killed may take two seconds to be gone.
    let last_attempt = BRIEFLY.saturating_sub(check.pace.timeout + Duration::from_secs(2));
    check.pace.healthy_deadline = check.pace.healthy_deadline.min(last_attempt);
    check
}
