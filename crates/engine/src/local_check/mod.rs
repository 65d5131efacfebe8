//! Runs the checks of a host whose place is the controller.
//!
//! [`run_all`] asks every local check until it is judged, all side by side; [`baseline`] asks some of them once
//! before anything is changed; [`attempt`] is one question. When to ask is in `pace`, what counts as an answer
//! in `command`, `http` and `tcp`.

mod command;
mod dial;
mod http;
mod pace;
pub(crate) mod tail;
mod tcp;
mod tls;

pub use crate::local_command::LocalEnv;
use futures::future::join_all;
use snapback_core::check::{Answer, Check, Probe, Where};
use snapback_core::event::CheckStatus;
use std::collections::BTreeMap;

/// What an attempt brought: the answer, and the last lines that were printed or received.
type Heard = (Answer, Vec<String>);

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// Its name.
    pub name: String,
    /// Its verdict.
    pub status: CheckStatus,
    /// Its last line, or why it could not be run.
    pub detail: String,
    /// The last lines of the attempt that decided, at most 20, cut at 500 characters, safe for a terminal.
    pub output_tail: Vec<String>,
    /// It could have vetoed.
    pub required: bool,
}

impl CheckReport {
    /// Returns whether the check forbids confirming the host.
    #[must_use]
    pub fn vetoes(&self) -> bool {
        self.required && matches!(self.status, CheckStatus::Failed | CheckStatus::Error)
    }
}

/// Asks a check once.
///
/// The answer comes within the check's timeout; a command that has to be killed may take up to two seconds more
/// to be gone. Dropping the future kills the command at once.
pub async fn attempt(check: &Check, env: &LocalEnv) -> (Answer, Vec<String>) {
    let limit = check.pace.timeout;
    match &check.probe {
        Probe::Run(command) => command::ask(command, env, limit).await,
        Probe::Http(probe) => http::ask(probe, limit).await,
        Probe::Tcp { host, port } => tcp::ask(host, *port, limit).await,
    }
}

/// Asks all local checks, side by side, until each is judged, and returns the reports in the order of `checks`.
///
/// `red_before` is what [`baseline`] returned: these checks are asked like the others, since the change may mend
/// what they ask about, but red is then only reported. `on_report` hears each report as its check ends. Checks that run on the target are
/// passed over.
pub async fn run_all(
    checks: &[Check],
    env: &LocalEnv,
    red_before: &BTreeMap<String, String>,
    on_report: impl Fn(CheckReport),
) -> Vec<CheckReport> {
    let on_report = &on_report;
    join_all(local(checks).map(|check| async move {
        let (answer, lines) = pace::until_judged(check.pace, || attempt(check, env)).await;
        let report = report(check, answer, lines, red_before.contains_key(&check.name));
        on_report(report.clone());
        report
    }))
    .await
}

/// Asks each local check with `baseline = true` once, side by side, and returns the red ones with the reason.
pub async fn baseline(checks: &[Check], env: &LocalEnv) -> BTreeMap<String, String> {
    let asked = local(checks).filter(|check| check.baseline).map(|check| async move {
        match attempt(check, env).await.0 {
            Answer::Passed => None,
            Answer::Failed(reason) | Answer::Error(reason) => Some((check.name.clone(), reason)),
        }
    });
    join_all(asked).await.into_iter().flatten().collect()
}

fn local(checks: &[Check]) -> impl Iterator<Item = &Check> {
    checks.iter().filter(|check| check.runs == Where::Local)
}

fn report(check: &Check, answer: Answer, output_tail: Vec<String>, was_red: bool) -> CheckReport {
    let (status, detail) = match answer {
        Answer::Passed => (CheckStatus::Passed, tail::last_line(&output_tail).unwrap_or_default().to_owned()),
        Answer::Failed(reason) | Answer::Error(reason) if was_red => (CheckStatus::RedBefore, reason),
        Answer::Failed(reason) => (CheckStatus::Failed, reason),
        Answer::Error(reason) => (CheckStatus::Error, reason),
    };
    CheckReport { name: check.name.clone(), status, detail, output_tail, required: check.required }
}
