//! `deploy history`: the runs of a fleet, from this controller's records.

use crate::args::{GlobalArgs, Output, RunArgs};
use crate::faces::{colour_out, complain, print};
use crate::wiring;
use snapback_core::outcome::ExitCode;
use snapback_engine::record::{Progress, RunRecord};
use snapback_render::history::{RunRow, history_json, render_history};
use std::collections::BTreeMap;

/// Runs the command; no host is contacted.
pub(crate) fn run(global: &GlobalArgs, args: &RunArgs) -> anyhow::Result<u8> {
    let fleet = wiring::load_fleet(&args.fleet(), &args.select())?;
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
