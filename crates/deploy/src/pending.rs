//! Which pending transactions a command is about: those of a fleet's hosts, or those of one run by its record.

use crate::args::{GlobalArgs, PendingArgs};
use crate::exit::Usage;
use crate::wiring;
use snapback_core::job::HostJob;
use snapback_engine::ask::Asker;
use snapback_engine::record::Records;
use std::io::{self, Read};
use std::path::Path;

/// How many hosts of a run are asked at once: its record doesn't say.
const PARALLEL: usize = 50;

/// Hosts to ask, and what they are asked with.
pub(crate) struct Pending {
    pub(crate) jobs: Vec<HostJob>,
    /// The fleet's name, where a fleet was named.
    pub(crate) fleet: Option<String>,
    /// Only this run's transactions.
    pub(crate) run: Option<String>,
    pub(crate) parallel: usize,
    pub(crate) asker: Asker,
}

/// Finds the hosts: FLEET is a file, anything that reads like a run's id and isn't one is a run.
pub(crate) fn find(global: &GlobalArgs, args: &PendingArgs) -> anyhow::Result<Pending> {
    let mut records = Records::in_state_dir(&wiring::state_dir(global)?);
    if let Some(text) = handed_over(args)? {
        records.give(&text);
    }
    let asker = Asker { records, ..wiring::asker(global)? };
    if let Some(run) = run_of(&args.target) {
        let jobs = jobs_of(&run, &asker.records, args)?;
        return Ok(Pending { jobs, fleet: None, run: Some(run), parallel: PARALLEL, asker });
    }
    let fleet = wiring::load_fleet(&args.target, &args.select)?;
    let parallel = fleet.parallel.max(1);
    Ok(Pending { jobs: fleet.jobs, fleet: Some(fleet.name), run: None, parallel, asker })
}

/// The record of another controller: a file, standard input, or the environment, and never an argument.
fn handed_over(args: &PendingArgs) -> anyhow::Result<Option<String>> {
    let read = match &args.record {
        Some(path) if path == Path::new("-") => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).map(|_| text)
        }
        Some(path) => std::fs::read_to_string(path),
        None => return Ok(std::env::var("DEPLOY_RECORD").ok().filter(|text| !text.is_empty())),
    };
    let named = args.record.as_deref().unwrap_or(Path::new("-")).display();
    read.map(Some).map_err(|error| Usage(format!("error: the record {named} can't be read: {error}")).into())
}

fn run_of(target: &Path) -> Option<String> {
    let text = target.to_str()?;
    let is_run = text.len() == ulid::ULID_LEN && ulid::Ulid::from_string(text).is_ok();
    (is_run && !target.exists()).then(|| text.to_owned())
}

fn jobs_of(run: &str, records: &Records, args: &PendingArgs) -> anyhow::Result<Vec<HostJob>> {
    let known = records.hosts_of(run).unwrap_or_default();
    let mut jobs: Vec<_> = known.iter().filter_map(snapback_engine::record::HostRecord::job).collect();
    if jobs.is_empty() {
        return Err(Usage(format!(
            "error: there is no record of run {run} here\n  hint: name the fleet file, or hand the record over: --record FILE"
        ))
        .into());
    }
    if let Some(limit) = &args.select.limit {
        let names: Vec<_> = limit.split("||").map(str::trim).collect();
        if let Some(stranger) = names.iter().find(|name| !jobs.iter().any(|job| job.host.as_str() == **name))
        {
            let text = format!(
                "error: --limit: {stranger:?} is no host of run {run}; with a run, hosts are named, joined by ||"
            );
            return Err(Usage(text).into());
        }
        jobs.retain(|job| names.contains(&job.host.as_str()));
    }
    Ok(jobs)
}
