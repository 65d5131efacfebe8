//! `deploy retry` and `deploy resume`: what a run has left undone.

use super::apply::{Consent, Origin, perform};
use super::compensate::compensate;
use crate::args::{AgainArgs, GlobalArgs, SelectArgs};
use crate::exit::Usage;
use crate::faces::complain;
use crate::wiring;
use futures::stream::{self, StreamExt};
use snapback_core::host::HostName;
use snapback_core::job::HostJob;
use snapback_core::outcome::{ExitCode, HostResult};
use snapback_engine::ask::{Asker, Settled};
use snapback_engine::record::RunRecord;
use snapback_fleet::Fleet;

/// Runs again on all hosts that the run has left undone, as a run of its own.
pub(crate) async fn retry(global: GlobalArgs, args: AgainArgs) -> anyhow::Result<u8> {
    let record = ended(&global, &args)?;
    let left = record.not_done();
    go_on(&global, args, &record, left, |_| None).await
}

/// Goes on with the hosts whose turn has not come, in the run's own batches, by its rules and on its budget.
pub(crate) async fn resume(global: GlobalArgs, args: AgainArgs) -> anyhow::Result<u8> {
    let record = ended(&global, &args)?;
    let results = record.results();
    let left = |host: &&HostName| matches!(results.get(*host), None | Some(HostResult::NotReached));
    let left: Vec<HostName> = record.header.hosts.iter().filter(left).cloned().collect();
    go_on(&global, args, &record, left, |fleet| {
        let hosts: Vec<HostName> = fleet.jobs.iter().map(|job| job.host.clone()).collect();
        fleet.course = record.course_over(&hosts);
        Some(record.failures())
    })
    .await
}

/// The record of a run that nobody is at work on.
fn ended(global: &GlobalArgs, args: &AgainArgs) -> anyhow::Result<RunRecord> {
    let fleet = wiring::load_fleet(&args.run.fleet(), &args.run.select())?;
    let records = wiring::records(global)?;
    let record = records.open(&fleet.name, args.run.run());
    let record = record.map_err(|error| Usage(format!("error: {error}")))?;
    if record.is_running {
        let run = &record.header.run;
        let text = format!(
            "error: run {run} is still at work\n  hint: `deploy abort {run}` has it start no more hosts"
        );
        return Err(Usage(text).into());
    }
    Ok(record)
}

/// Makes a run of the hosts that are left; `rules` may set its course and say how many hosts had failed before.
async fn go_on(
    global: &GlobalArgs,
    args: AgainArgs,
    record: &RunRecord,
    mut left: Vec<HostName>,
    rules: impl FnOnce(&mut Fleet) -> Option<usize>,
) -> anyhow::Result<u8> {
    let vars = if args.run.vars.is_empty() { record.header.vars.clone() } else { args.run.vars.clone() };
    let select = SelectArgs { limit: None, vars: vars.clone() };
    let settled = settle_open(global, record, wiring::load_fleet(&args.run.fleet(), &select)?).await?;
    compensate(global, record, &wiring::load_fleet(&args.run.fleet(), &select)?).await?;
    left.retain(|host| !settled.contains(host));
    if left.is_empty() {
        complain(&format!("run {} has left nothing to do", record.header.run));
        return Ok(ExitCode::Good as u8);
    }
    let mut fleet = wiring::load_hosts(&args.run.fleet(), &select, Some(left))?;
    let failed_before = rules(&mut fleet).unwrap_or_default();
    let comment = if args.comment.is_empty() { &record.header.comment } else { &args.comment };
    let spec = wiring::run_spec(&fleet, comment, args.volatile_guard);
    let origin = Origin { vars, continues: Some((record.header.run.clone(), failed_before)) };
    let consent = Consent { yes: args.yes, dry_run: args.dry_run };
    perform(global, &fleet, (spec, origin), consent).await
}

/// Hosts that a controller left in the middle are asked how it ended: what is still open of that run is rolled back,
/// and those that were confirmed after all are returned.
async fn settle_open(global: &GlobalArgs, record: &RunRecord, fleet: Fleet) -> anyhow::Result<Vec<HostName>> {
    let open = record.maybe_begun();
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let asker = wiring::asker(global)?;
    let jobs: Vec<&HostJob> = fleet.jobs.iter().filter(|job| open.contains(&job.host)).collect();
    let confirmed = stream::iter(jobs).map(|job| settle(&asker, job, &record.header.run));
    let confirmed: Vec<Option<HostName>> = confirmed.buffered(fleet.connect_parallel.max(1)).collect().await;
    Ok(confirmed.into_iter().flatten().collect())
}

pub(super) async fn settle(asker: &Asker, job: &HostJob, run: &str) -> Option<HostName> {
    let standing = match asker.standing(job).await {
        Ok(standing) => standing,
        Err(failure) => {
            complain(&format!("{}: {}", job.host, failure.cause));
            return None;
        }
    };
    if standing.pending.is_some_and(|pending| pending.tx == run) {
        let cause = "the controller of its run is gone, and the run is gone on with";
        let told = match asker.roll_back(job, None, cause).await {
            Ok(Settled::RolledBack(_)) => "what the run had begun is rolled back".to_owned(),
            Ok(Settled::Confirmed) => return Some(job.host.clone()),
            Ok(other) => format!("what the run had begun could not be rolled back: {other:?}"),
            Err(failure) => failure.cause,
        };
        complain(&format!("{}: {told}", job.host));
        return None;
    }
    let confirmed =
        standing.last.is_some_and(|last| last.tx == run && last.result == HostResult::Confirmed.word());
    confirmed.then(|| job.host.clone())
}
