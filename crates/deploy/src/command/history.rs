//! `deploy history`: the runs of a fleet, from this controller's records, or what its hosts hold of them.

use super::settle;
use crate::args::{GlobalArgs, HistoryArgs, Output};
use crate::faces::{colour_out, complain, print};
use crate::wiring;
use futures::stream::{self, StreamExt};
use snapback_core::outcome::ExitCode;
use snapback_engine::ask::Held;
use snapback_engine::record::{Progress, RunRecord};
use snapback_fleet::Fleet;
use snapback_render::held::{HeldRow, held_json, render_held};
use snapback_render::history::{RunRow, history_json, render_history};
use std::collections::BTreeMap;

/// Runs the command.
pub(crate) async fn run(global: GlobalArgs, args: HistoryArgs) -> anyhow::Result<u8> {
    let hosts = args.fleet();
    let fleet = wiring::load_fleet(&hosts.fleet(), &hosts.select())?;
    match args.freed() {
        Some(run) => free(&global, &fleet, run).await,
        None if args.hosts || hosts.names_any() => of_hosts(&global, &fleet).await,
        None => of_controller(&global, &fleet),
    }
}

/// Frees what the hosts hold of a run.
async fn free(global: &GlobalArgs, fleet: &Fleet, run: &str) -> anyhow::Result<u8> {
    let asker = wiring::asker(global)?;
    let nothing = "it holds nothing of that run";
    let code = settle::one_by_one(&fleet.jobs, nothing, async |job| asker.free(job, run).await).await;
    Ok(code as u8)
}

/// Tells what the hosts hold, host by host.
async fn of_hosts(global: &GlobalArgs, fleet: &Fleet) -> anyhow::Result<u8> {
    let asker = wiring::asker(global)?;
    let asked = stream::iter(&fleet.jobs).map(|job| {
        let asker = &asker;
        async move { (job, asker.history(job).await) }
    });
    let told: Vec<_> = asked.buffered(fleet.parallel.max(1)).collect().await;
    let mut code = ExitCode::Good;
    for (job, held) in told {
        match held {
            Ok(held) => {
                let rows: Vec<HeldRow> = held.iter().map(|held| held_row(job.host.as_str(), held)).collect();
                match global.output {
                    Output::Json => print(&held_json(&rows)?),
                    Output::Human => print(&render_held(job.host.as_str(), &rows)),
                }
            }
            Err(failure) => {
                code = ExitCode::Unreachable;
                complain(&format!("{}: {}", job.host, failure.cause));
            }
        }
    }
    Ok(code as u8)
}

fn held_row(host: &str, held: &Held) -> HeldRow {
    HeldRow {
        host: host.to_owned(),
        run: held.tx.clone(),
        fleet: held.fleet.clone(),
        owner: held.owner.clone(),
        comment: held.comment.clone(),
        at_ms: held.at.saturating_mul(1000),
        changes: held.changes,
        paths: held.paths,
        state: match (held.state.as_str(), held.is_rollback, held.undone) {
            ("freed", ..) => "freed",
            ("accepted", ..) => "accepted as it was",
            (_, true, _) => "a rollback",
            (_, _, true) => "undone since",
            _ => "held",
        }
        .to_owned(),
    }
}

/// Tells the runs of this controller's records; no host is contacted.
fn of_controller(global: &GlobalArgs, fleet: &Fleet) -> anyhow::Result<u8> {
    let records = wiring::records(global)?;
    let rows: Vec<RunRow> = records.of_fleet(&fleet.name).map(|record| row(&record)).collect();
    match global.output {
        Output::Json => print(&history_json(&rows)?),
        Output::Human if rows.is_empty() => complain("no run of this fleet is recorded here"),
        Output::Human => print(&render_history(&rows, colour_out())),
    }
    Ok(ExitCode::Good as u8)
}

/// What is shown of a run.
pub(super) fn row(record: &RunRecord) -> RunRow {
    let mut results = BTreeMap::new();
    for result in record.results().into_values() {
        *results.entry(result).or_default() += 1;
    }
    let header = &record.header;
    let (end, exit_code) = match record.progress() {
        Progress::Finished { exit_code, .. } => ("finished", Some(exit_code)),
        Progress::Running => ("running", None),
        Progress::AtGate => ("waits for `deploy promote`", None),
        Progress::Died => ("its controller is gone", None),
    };
    RunRow {
        run: header.run.clone(),
        at_ms: header.at_ms,
        owner: header.owner.clone(),
        comment: header.comment.clone(),
        hosts: header.hosts.len(),
        results,
        end: end.to_owned(),
        exit_code,
    }
}
