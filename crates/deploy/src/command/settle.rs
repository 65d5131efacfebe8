//! `deploy confirm`, `deploy extend`, `deploy rollback` and `deploy resolve --accept`: settle what is pending, from any terminal.

use crate::args::{GlobalArgs, Output, PendingArgs};
use crate::faces::print;
use crate::pending::{self, Pending};
use futures::stream::{self, StreamExt};
use serde_json::json;
use snapback_core::job::HostJob;
use snapback_core::outcome::{ExitCode, Health};
use snapback_engine::ask::{Failure, Settled};
use snapback_render::limit;
use std::time::Duration;

/// What is asked of the hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Confirm over a fresh connection, despite the required checks that are named.
    Confirm(Vec<String>),
    /// Move the deadline by so much.
    Extend(Duration),
    /// Roll back, or mend what a rollback left broken.
    Rollback,
    /// Take a failed rollback as it is.
    Accept,
}

/// Runs the command; each host is told on a line of its own.
pub(crate) async fn run(global: GlobalArgs, args: PendingArgs, verb: Verb) -> anyhow::Result<u8> {
    let pending = pending::find(&global, &args)?;
    let results: Vec<_> = stream::iter(&pending.jobs)
        .map(|job| {
            let (pending, verb) = (&pending, &verb);
            async move { (job, settle(pending, job, verb).await) }
        })
        .buffered(pending.parallel)
        .collect()
        .await;
    for (job, result) in &results {
        let (word, mut text) = told(result);
        if let (Verb::Confirm(despite), Ok(Settled::Confirmed)) = (&verb, result)
            && !despite.is_empty()
        {
            text = format!("confirmed despite {}; the change stays", despite.join(", "));
        }
        match global.output {
            Output::Human => print(&format!("{}: {text}", job.host)),
            Output::Json => {
                print(&json!({"host": job.host.as_str(), "result": word, "text": text}).to_string())
            }
        }
    }
    let codes = results.iter().map(|(_, result)| code(result, &verb));
    Ok(codes.max_by_key(|code| severity(*code)).unwrap_or(ExitCode::Good) as u8)
}

/// Asks host after host what can't be undone, each told on a line of its own; `nothing` is what is said of one that has
/// nothing of it.
pub(super) async fn one_by_one(
    jobs: &[HostJob],
    nothing: &str,
    ask: impl AsyncFn(&HostJob) -> Result<Settled, Failure>,
) -> ExitCode {
    let mut code = ExitCode::Good;
    for job in jobs {
        let result = ask(job).await;
        if matches!(result, Err(_) | Ok(Settled::Denied(_))) {
            code = ExitCode::Failed;
        }
        let text = match result {
            Ok(Settled::Nothing) => nothing.to_owned(),
            Err(failure) => failure.cause,
            ended => told(&ended).1,
        };
        print(&format!("{}: {text}", job.host));
    }
    code
}

async fn settle(pending: &Pending, job: &HostJob, verb: &Verb) -> Result<Settled, Failure> {
    let (asker, run) = (&pending.asker, pending.run.as_deref());
    match verb {
        Verb::Confirm(despite) => asker.confirm(job, run, despite).await,
        Verb::Extend(by) => asker.extend(job, run, *by).await,
        Verb::Rollback => asker.roll_back(job, run, "rolled back by hand").await,
        Verb::Accept => asker.accept(job).await,
    }
}

fn told(result: &Result<Settled, Failure>) -> (&'static str, String) {
    match result {
        Ok(Settled::Confirmed) => ("confirmed", "confirmed; the change stays".to_owned()),
        Ok(Settled::Extended { by, left }) => {
            ("extended", format!("extended by {}; the guard undoes in {}", limit(*by), limit(*left)))
        }
        Ok(Settled::RolledBack(health)) => ("rolled_back", rolled_back(*health)),
        Ok(Settled::RollbackFailed(items)) => {
            ("rollback_failed", format!("ROLLBACK FAILED: {}", items.join("; ")))
        }
        Ok(Settled::Nothing) => ("nothing", "nothing is pending".to_owned()),
        Ok(Settled::Accepted) => ("accepted", "taken as it is; the host may be deployed to again".to_owned()),
        Ok(Settled::Forgotten) => ("forgotten", "forgotten".to_owned()),
        Ok(Settled::Unlocked) => ("unlocked", "unlocked".to_owned()),
        Ok(Settled::Freed) => ("freed", "freed".to_owned()),
        Ok(Settled::Denied(why)) => ("denied", format!("no: {why}")),
        Err(failure) if failure.hint.is_empty() => ("error", failure.cause.clone()),
        Err(failure) => ("error", format!("{}\n  next: {}", failure.cause, failure.hint)),
    }
}

fn rolled_back(health: Option<Health>) -> String {
    let checks = match health {
        Some(Health::Healthy) => "; its checks pass",
        Some(Health::Failing) => "; its checks STILL FAIL with it",
        Some(Health::Unknown) => "; whether its checks pass is not known",
        None => "",
    };
    format!("rolled back; the old state is back, verified{checks}")
}

fn code(result: &Result<Settled, Failure>, verb: &Verb) -> ExitCode {
    match result {
        // Asked to confirm and rolled back instead: not what was wanted, and safe.
        Ok(Settled::RolledBack(_)) if matches!(verb, Verb::Confirm(_)) => ExitCode::Failed,
        Ok(Settled::Nothing) if matches!(verb, Verb::Confirm(_) | Verb::Extend(_)) => ExitCode::Failed,
        Ok(Settled::RollbackFailed(_)) => ExitCode::PersonNeeded,
        Ok(Settled::Denied(_)) => ExitCode::Failed,
        Ok(_) => ExitCode::Good,
        Err(_) => ExitCode::Unreachable,
    }
}

fn severity(code: ExitCode) -> u8 {
    match code {
        ExitCode::PersonNeeded => 3,
        ExitCode::Failed => 2,
        ExitCode::Good => 0,
        _ => 1,
    }
}
