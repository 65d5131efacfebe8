//! `deploy unlock`: whose lease keeps a host from being deployed to, and taking it away.

use super::settle;
use crate::args::{GlobalArgs, UnlockArgs};
use crate::faces::complain;
use crate::{ask, wiring};
use futures::stream::{self, StreamExt};
use snapback_core::event::visible;
use snapback_core::job::HostJob;
use snapback_core::lease::Lease;
use snapback_core::outcome::ExitCode;
use snapback_engine::ask::{Failure, Standing};
use snapback_render::lease::holds;
use std::collections::BTreeMap;

/// Runs the command. A transaction that is open is never touched by it.
pub(crate) async fn run(global: GlobalArgs, args: UnlockArgs) -> anyhow::Result<u8> {
    let fleet = wiring::load_fleet(&args.hosts.fleet(), &args.hosts.select())?;
    ask::must_be_able_to_ask(args.yes)?;
    let asker = wiring::asker(&global)?;
    let asked = stream::iter(&fleet.jobs).map(|job| {
        let asker = &asker;
        async move { (job, asker.standing(job).await) }
    });
    let told: Vec<_> = asked.buffered(fleet.parallel.max(1)).collect().await;
    let mut code = ExitCode::Good;
    let mut leases = BTreeMap::new();
    for (job, standing) in told {
        let (text, found) = found(job, &standing);
        complain(&format!("{}: {text}", job.host));
        match found {
            Found::Lease(lease) => drop(leases.insert(job.host.clone(), lease.run.clone())),
            Found::Nothing => {}
            Found::Other(worse) if code == ExitCode::Good => code = worse,
            Found::Other(_) => {}
        }
    }
    if leases.is_empty() {
        return Ok(code as u8);
    }
    let question = format!(
        "The runs above lose what they hold on {}. Their controllers may be alive.",
        hosts(leases.len())
    );
    if !args.yes && !ask::typed(&question, "yes")? {
        complain("nothing was unlocked");
        return Ok(ExitCode::Failed as u8);
    }
    let jobs: Vec<HostJob> =
        fleet.jobs.iter().filter(|job| leases.contains_key(&job.host)).cloned().collect();
    let unlocked = settle::one_by_one(&jobs, "its lease is gone already", async |job| {
        let run = leases.get(&job.host).map_or("", String::as_str);
        asker.unlock(job, run).await
    });
    let unlocked = unlocked.await;
    Ok(if unlocked == ExitCode::Good { code } else { unlocked } as u8)
}

/// What stands on a host.
enum Found<'s> {
    /// A lease, which can be taken away.
    Lease(&'s Lease),
    /// Nothing.
    Nothing,
    /// What this command is not for.
    Other(ExitCode),
}

fn found<'s>(job: &HostJob, standing: &'s Result<Standing, Failure>) -> (String, Found<'s>) {
    match standing {
        Err(failure) => (failure.cause.clone(), Found::Other(ExitCode::Unreachable)),
        Ok(Standing { pending: Some(open), .. }) => {
            let then = match open.state.as_str() {
                "rollback_failed" => format!(
                    "mend the host, then: deploy rollback --limit {0}; or: deploy resolve --accept --limit {0}",
                    job.host
                ),
                _ => format!(
                    "its guard decides; to see it: deploy status --limit {0}; to keep it: deploy confirm --limit {0}; to undo it now: deploy rollback --limit {0}",
                    job.host
                ),
            };
            let whose = format!(
                "run {} of {} is open there ({}), which is no lease",
                open.tx, open.owner, open.state
            );
            (visible(&format!("{whose}: {then}")), Found::Other(ExitCode::Failed))
        }
        Ok(Standing { lease: Some(lease), .. }) => {
            (visible(&format!("held by {}", holds(lease))), Found::Lease(lease))
        }
        Ok(_) => ("nobody holds it".to_owned(), Found::Nothing),
    }
}

fn hosts(number: usize) -> String {
    if number == 1 { "1 host".to_owned() } else { format!("{number} hosts") }
}
