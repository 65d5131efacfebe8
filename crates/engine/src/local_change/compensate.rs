//! Undoing and finishing the local changes of a run whose controller is gone, or that could not do it.

use super::journal::open_steps;
use super::{Steps, leftover, read_output};
use crate::record::{Records, RunRecord};
use crate::stream::{EventReceiver, events};
use snapback_core::host::HostName;
use std::collections::BTreeMap;
use std::io;

/// How a host ended, as far as its local changes care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostEnd {
    /// It keeps its change.
    Confirmed,
    /// It is as before: rolled back and verified, or never touched.
    AsBefore,
    /// It isn't known, or a person is needed, for this reason: its local changes stay as they are.
    Open(String),
}

/// What became of the local changes of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compensated {
    /// The host.
    pub host: HostName,
    /// The changes that were begun for it.
    pub changes: Vec<String>,
    /// What failed or was left; nothing when all is done.
    pub left: Vec<String>,
}

/// Returns the hosts of a run for which local changes are neither undone nor finished.
#[must_use]
pub fn open_hosts(record: &RunRecord) -> Vec<HostName> {
    open_steps(&record.local).into_keys().collect()
}

/// A run that is over and has left local changes open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOpen {
    /// The run.
    pub run: String,
    /// The hosts that they were made for.
    pub hosts: Vec<HostName>,
}

/// Returns the runs of a fleet that have left local changes neither undone nor finished, newest first. Only records of
/// runs that made any are read.
#[must_use]
pub fn left_open(records: &Records, fleet: &str) -> Vec<LeftOpen> {
    let with_any = records.runs().into_iter().filter(|run| records.local_folder(run).exists());
    let read = with_any.filter_map(|run| records.open(fleet, Some(&run)).ok());
    let open = read.filter(|record| !record.is_running).map(|record| {
        let hosts = open_hosts(&record);
        LeftOpen { run: record.header.run, hosts }
    });
    open.filter(|left| !left.hosts.is_empty()).collect()
}

/// Does what is left to be done, host by host, with the values that the record holds; goes on writing the record.
/// Doing it again does only what failed.
///
/// # Errors
/// When the record can't be written, or somebody is at work on the run.
pub async fn compensate(
    records: &Records,
    record: &RunRecord,
    ends: &BTreeMap<HostName, HostEnd>,
) -> io::Result<Vec<Compensated>> {
    let (sender, receiver) = events(&record.header.run);
    sender.record_to(records.reopen(&record.header.run)?);
    // What is told goes into the record; here nobody reads it.
    let _unread: EventReceiver = receiver;
    let mut done = Vec::new();
    for (host, found) in open_steps(&record.local) {
        let mut steps = Steps { host: host.clone(), events: sender.clone(), steps: found };
        let changes = steps.names();
        let left = match ends.get(&host) {
            Some(HostEnd::Confirmed) => finish(&mut steps, true).await,
            Some(HostEnd::AsBefore) => finish(&mut steps, false).await,
            Some(HostEnd::Open(why)) => vec![why.clone()],
            None => vec!["how the host ended isn't known".to_owned()],
        };
        done.push(Compensated { host, changes, left });
    }
    if let Some(log) = sender.take_record() {
        log.close()?;
    }
    Ok(done)
}

async fn finish(steps: &mut Steps, is_confirmed: bool) -> Vec<String> {
    for step in steps.steps.iter_mut().filter(|step| step.may_run) {
        if !leftover::end(&step.begun.output).await {
            return vec![format!("a command of {} still runs and can't be ended", step.begun.change.name)];
        }
        step.may_run = false;
        if step.output.is_empty() {
            // What it wrote before its controller was killed: the one thing that the record can't know.
            step.output = read_output(&step.begun.output);
        }
    }
    steps.close(is_confirmed).await
}
