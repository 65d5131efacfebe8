//! `deploy status`: what is pending, and how the last transaction ended.

use super::compensate::warn_of_leftovers;
use crate::args::{GlobalArgs, Output, PendingArgs};
use crate::faces::{colour_out, print};
use crate::pending;
use futures::stream::{self, StreamExt};
use snapback_core::host::HostName;
use snapback_core::outcome::ExitCode;
use snapback_engine::ask::{Failure, Standing};
use snapback_render::history::render_last_run;
use snapback_render::status::{LastRun, StatusRow, render_status, status_json};

/// Runs the command. Exit 3 when a rollback failed somewhere, 4 when a host could not be asked.
pub(crate) async fn run(global: GlobalArgs, args: PendingArgs) -> anyhow::Result<u8> {
    let pending = pending::find(&global, &args)?;
    let rows: Vec<StatusRow> = stream::iter(&pending.jobs)
        .map(|job| async { row(job.host.clone(), pending.asker.standing(job).await) })
        .buffered(pending.parallel)
        .collect()
        .await;
    match global.output {
        Output::Human => {
            print(&render_status(&rows, global.verbose > 0, colour_out()));
            if let Some(fleet) = &pending.fleet
                && let Some(last) = pending.asker.records.of_fleet(fleet).next()
            {
                print(&render_last_run(&super::history::row(&last), colour_out()));
            }
        }
        Output::Json => print(&status_json(&rows)?),
    }
    if let Some(fleet) = &pending.fleet {
        warn_of_leftovers(&global, fleet)?;
    }
    Ok(code(&rows) as u8)
}

fn row(host: HostName, asked: Result<Standing, Failure>) -> StatusRow {
    match asked {
        Ok(standing) => {
            let items = standing.broken;
            let last = standing.last.map(|last| LastRun {
                tx: last.tx,
                result: last.result,
                ended_age_secs: last.age,
                owner: last.owner,
                items,
            });
            StatusRow {
                host,
                pending: standing.pending,
                lease: standing.lease,
                items: standing.stuck,
                last,
                error: None,
            }
        }
        Err(failure) => StatusRow {
            host,
            pending: None,
            lease: None,
            items: Vec::new(),
            last: None,
            error: Some(failure.cause),
        },
    }
}

fn code(rows: &[StatusRow]) -> ExitCode {
    let failed = |row: &StatusRow| row.pending.as_ref().is_some_and(|p| p.state == "rollback_failed");
    if rows.iter().any(failed) {
        ExitCode::PersonNeeded
    } else if rows.iter().any(|row| row.error.is_some()) {
        ExitCode::Unreachable
    } else {
        ExitCode::Good
    }
}
