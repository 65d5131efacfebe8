//! `deploy retry` and `deploy resume`: what a run has left undone.

use super::apply::{Consent, Origin, perform};
use super::compensate::compensate;
use super::rollback;
use crate::args::{AgainArgs, GlobalArgs, ResumeArgs, SelectArgs};
use crate::exit::Usage;
use crate::faces::complain;
use crate::{jumps, wiring};
use snapback_core::host::HostName;
use snapback_core::job::HostJob;
use snapback_core::outcome::ExitCode;
use snapback_engine::Continued;
use snapback_engine::record::{Earlier, RunRecord};
use snapback_engine::settle::Wish;
use snapback_fleet::Fleet;
use std::time::Duration;

/// How long a record may be held by what its controller has left.
const A_MOMENT: Duration = Duration::from_secs(1);

/// Runs again on all hosts that the run has left undone, as a run of its own.
pub(crate) async fn retry(global: GlobalArgs, args: AgainArgs) -> anyhow::Result<u8> {
    let record = ended(&global, &args).await?;
    let left = record.not_done();
    go_on(&global, args, &record, left, Going::Anew).await
}

/// Goes on with the hosts whose turn has not come, in the run's own batches, by its rules and on its budget. A batch that
/// is confirmed as one and was split is made whole again.
pub(crate) async fn resume(global: GlobalArgs, args: ResumeArgs) -> anyhow::Result<u8> {
    let record = ended(&global, &args.again).await?;
    if args.undo {
        return undo_split(&global, args.again, &record).await;
    }
    let left = record.to_resume();
    go_on(&global, args.again, &record, left, Going::On).await
}

/// How what is left is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Going {
    /// As a run like any other.
    Anew,
    /// By the rules of the run, which both count as.
    On,
}

/// Goes back to before the run on the confirmed hosts of split batches.
async fn undo_split(global: &GlobalArgs, args: AgainArgs, record: &RunRecord) -> anyhow::Result<u8> {
    let torn = record.torn();
    let run = &record.header.run;
    if torn.is_empty() {
        let text = format!(
            "error: no batch of run {run} is split\n  hint: `deploy rollback --to {run}` undoes all of it"
        );
        return Err(Usage(text).into());
    }
    let vars = vars_of(&args, record);
    let select = SelectArgs { limit: None, vars: vars.clone() };
    let settled =
        settle_open(global, record, &wiring::load_fleet(&args.run.fleet(), &select)?, Wish::Undo).await?;
    let of_torn = |host: &HostName| torn.iter().any(|torn| torn.others.contains(host));
    let mut confirmed: Vec<HostName> = settled.into_iter().filter(of_torn).collect();
    confirmed.extend(torn.iter().flat_map(|torn| torn.confirmed.iter().cloned()));
    if confirmed.is_empty() {
        complain(&format!(
            "run {run} has confirmed no host of a batch that is split: nothing is left to undo"
        ));
        return Ok(ExitCode::Good as u8);
    }
    let mut fleet = wiring::load_hosts(&args.run.fleet(), &select, Some(confirmed))?;
    wiring::open_protected(&args.go.care, &mut fleet);
    // Hosts that were confirmed by a run that this one went on with go back to before that.
    rollback::go_back(&mut fleet, &wiring::records(global)?.origin_of(record));
    jumps::keep_apart(global, &mut fleet).await?;
    let comment = format!("undoes what run {run} has confirmed of a split batch");
    let spec = wiring::run_spec(&fleet, &comment, args.go.volatile_guard);
    let origin = Origin { vars, continues: None };
    perform(global, &fleet, (spec, origin), Consent::of(&args.go)).await
}

fn vars_of(args: &AgainArgs, record: &RunRecord) -> Vec<(String, String)> {
    if args.run.vars.is_empty() { record.header.vars.clone() } else { args.run.vars.clone() }
}

/// The record of a run that nobody is at work on.
async fn ended(global: &GlobalArgs, args: &AgainArgs) -> anyhow::Result<RunRecord> {
    let fleet = wiring::load_fleet(&args.run.fleet(), &args.run.select())?;
    let records = wiring::records(global)?;
    let open = || records.open(&fleet.name, args.run.run()).map_err(|error| Usage(format!("error: {error}")));
    let mut record = open()?;
    if record.is_running {
        // A program that a dead controller was just starting holds its record for a moment longer.
        tokio::time::sleep(A_MOMENT).await;
        record = open()?;
    }
    if record.is_running {
        let run = &record.header.run;
        let text = format!(
            "error: run {run} is still at work\n  hint: `deploy abort {run}` has it start no more hosts"
        );
        return Err(Usage(text).into());
    }
    Ok(record)
}

/// Makes a run of the hosts that are left.
async fn go_on(
    global: &GlobalArgs,
    args: AgainArgs,
    record: &RunRecord,
    mut left: Vec<HostName>,
    going: Going,
) -> anyhow::Result<u8> {
    let vars = vars_of(&args, record);
    let select = SelectArgs { limit: None, vars: vars.clone() };
    let whole = wiring::load_fleet(&args.run.fleet(), &select)?;
    let settled = settle_open(global, record, &whole, Wish::Keep).await?;
    compensate(global, record, &whole).await?;
    left.retain(|host| !settled.contains(host));
    let mut continued = Continued { run: record.header.run.clone(), ..Continued::default() };
    if going == Going::On {
        continued.before = record.before(&settled, &left);
        left.retain(|host| !continued.before.is_due(host));
    }
    if left.is_empty() && !continued.before.owes(&record.header.course) {
        complain(&format!("run {} has left nothing to do", record.header.run));
        return Ok(ExitCode::Good as u8);
    }
    let mut fleet = match left.is_empty() {
        true => Fleet { jobs: Vec::new(), ..whole.clone() },
        false => wiring::load_hosts(&args.run.fleet(), &select, Some(left))?,
    };
    wiring::open_protected(&args.go.care, &mut fleet);
    jumps::keep_apart(global, &mut fleet).await?;
    if going == Going::On {
        let hosts: Vec<HostName> = fleet.jobs.iter().map(|job| job.host.clone()).collect();
        fleet.course = record.course_over(&hosts, &settled);
        continued.jobs = jobs_before(global, &continued, &whole)?;
        // Their checks may come with files.
        fleet.contents.extend(whole.contents);
    }
    let comment = if args.go.comment.is_empty() { &record.header.comment } else { &args.go.comment };
    let spec = wiring::run_spec(&fleet, comment, args.go.volatile_guard);
    let origin = Origin { vars, continues: Some(continued) };
    let consent = Consent::of(&args.go);
    perform(global, &fleet, (spec, origin), consent).await
}

/// How the hosts are reached that were confirmed before: as the fleet file says, else as their run did.
fn jobs_before(global: &GlobalArgs, continued: &Continued, fleet: &Fleet) -> anyhow::Result<Vec<HostJob>> {
    let records = wiring::records(global)?;
    let job = |earlier: &Earlier| {
        let named = fleet.jobs.iter().find(|job| job.host == earlier.host).cloned();
        named.or_else(|| records.find(&earlier.run, &earlier.host).ok().flatten()?.job())
    };
    Ok(continued.before.confirmed.iter().filter_map(job).collect())
}

/// Hosts that a controller left in the middle are asked how it ended, and what is still open of that run is settled; those
/// that are confirmed are returned.
async fn settle_open(
    global: &GlobalArgs,
    record: &RunRecord,
    fleet: &Fleet,
    wish: Wish,
) -> anyhow::Result<Vec<HostName>> {
    let left = wiring::asker(global)?.settle_open(record, &fleet.jobs, wish, fleet.connect_parallel).await;
    for left in &left {
        if let Some(told) = &left.told {
            complain(&format!("{}: {told}", left.host));
        }
    }
    Ok(left.into_iter().filter(|left| left.is_confirmed).map(|left| left.host).collect())
}
