//! Local changes that a run has left: undone or finished by how its hosts ended.

use super::signal;
use crate::args::{GlobalArgs, RunArgs, SelectArgs};
use crate::faces::{complain, print};
use crate::wiring;
use anyhow::Context;
use snapback_core::host::HostName;
use snapback_core::job::HostJob;
use snapback_core::outcome::{ExitCode, HostResult};
use snapback_engine::ask::Asker;
use snapback_engine::local_change::{self, Compensated, HostEnd};
use snapback_engine::record::RunRecord;
use snapback_engine::rollout::Signal;
use snapback_engine::settle::Wish;
use snapback_fleet::Fleet;
use std::collections::BTreeMap;

/// How many hosts a warning names.
const MOST_NAMED: usize = 10;

/// `deploy abort`: tells a run that is at work to start no more hosts; of one that is over, what it has left on the
/// controller is undone.
pub(crate) async fn abort(global: GlobalArgs, args: RunArgs) -> anyhow::Result<u8> {
    let record = signal::find(&global, &args)?;
    if record.is_running || local_change::open_hosts(&record).is_empty() {
        return signal::run(&global, &args, Signal::Abort);
    }
    let vars = if args.vars.is_empty() { record.header.vars.clone() } else { args.vars.clone() };
    let fleet = wiring::load_fleet(&args.fleet(), &SelectArgs { limit: None, vars })?;
    let is_done = compensate(&global, &record, &fleet).await?;
    if is_done {
        print(&format!("run {} has nothing left on the controller", record.header.run));
        return Ok(ExitCode::Good as u8);
    }
    Ok(ExitCode::PersonNeeded as u8)
}

/// Undoes or finishes the local changes that a run has left; each host is told. Returns whether none is left.
pub(super) async fn compensate(
    global: &GlobalArgs,
    record: &RunRecord,
    fleet: &Fleet,
) -> anyhow::Result<bool> {
    let open = local_change::open_hosts(record);
    if open.is_empty() {
        return Ok(true);
    }
    let asker = wiring::asker(global)?;
    let mut ends = BTreeMap::new();
    for host in open {
        let job = fleet.jobs.iter().find(|job| job.host == host);
        let end = end_of(&asker, job, record, &host).await;
        ends.insert(host, end);
    }
    let records = wiring::records(global)?;
    let done = local_change::compensate(&records, record, &ends).await;
    let done = done.context("the run's record could not be written; its local changes are as they were")?;
    for host in &done {
        complain(&told(host, &record.header.run));
    }
    Ok(done.iter().all(|host| host.left.is_empty()))
}

/// Warns of local changes that earlier runs of the fleet have left open: what they did on the controller still holds.
pub(super) fn warn_of_leftovers(global: &GlobalArgs, fleet: &str) -> anyhow::Result<()> {
    for left in local_change::left_open(&wiring::records(global)?, fleet) {
        let hosts: Vec<_> = left.hosts.iter().take(MOST_NAMED).map(HostName::as_str).collect();
        let more = left.hosts.len() - hosts.len();
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        complain(&format!(
            "warning: run {0} has left changes on the controller for {1}{more}, neither undone nor finished\n  next: deploy abort {0}",
            left.run,
            hosts.join(", ")
        ));
    }
    Ok(())
}

fn told(host: &Compensated, run: &str) -> String {
    let changes = host.changes.join(", ");
    if host.left.is_empty() {
        return format!("{}: local changes closed: {changes}", host.host);
    }
    let left = host.left.join("; ");
    format!("{}: local changes NOT closed: {changes}: {left}\n  then: deploy abort {run}", host.host)
}

/// How a host ended: by the record if it says so, else by the host's own word.
async fn end_of(asker: &Asker, job: Option<&HostJob>, record: &RunRecord, host: &HostName) -> HostEnd {
    match record.results().get(host) {
        Some(HostResult::Confirmed) => return HostEnd::Confirmed,
        Some(HostResult::RollbackFailed | HostResult::Unknown) | None => {}
        Some(_) => return HostEnd::AsBefore,
    }
    let Some(job) = job else {
        return HostEnd::Open("it is no longer in the fleet file, so it can't be asked".to_owned());
    };
    let run = record.header.run.as_str();
    let ended = record.results().contains_key(host);
    if !ended {
        // Settled as it is: whether a whole batch can be kept isn't asked here.
        let jobs = std::slice::from_ref(job);
        for left in asker.settle_open(record, jobs, Wish::Undo, 1).await {
            if let Some(told) = left.told {
                complain(&format!("{}: {told}", left.host));
            }
            if left.is_confirmed {
                return HostEnd::Confirmed;
            }
        }
    }
    let standing = match asker.standing(job).await {
        Ok(standing) => standing,
        Err(failure) => return HostEnd::Open(format!("it could not be asked: {}", failure.cause)),
    };
    match (standing.pending, standing.last) {
        (Some(pending), _) if pending.tx == run => {
            HostEnd::Open(format!("the run is still open there, as {}", pending.state))
        }
        // A host whose failed rollback was accepted keeps what it has.
        (_, Some(last)) if last.tx == run && ["confirmed", "accepted"].contains(&last.result.as_str()) => {
            HostEnd::Confirmed
        }
        (_, Some(last)) if last.tx == run => HostEnd::AsBefore,
        _ if record.was_armed(host) => {
            HostEnd::Open("it was armed, and its last transaction is another one".to_owned())
        }
        _ => HostEnd::AsBefore,
    }
}
