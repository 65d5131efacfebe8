//! Settling what a run has left open: its controller died, or lost its hosts. Each is asked how it ended; what is still
//! open is rolled back, unless it was promised that all of its batch are confirmed and that can still be kept.

use crate::ask::{Asker, Failure, Settled, Standing};
use crate::record::{Promise, RunRecord};
use futures::stream::{self, StreamExt};
use snapback_core::host::HostName;
use snapback_core::job::HostJob;
use snapback_core::outcome::HostResult;
use snapback_core::rollout::{Found, keeps_promise};
use snapback_core::target::TargetState;
use std::collections::{BTreeMap, BTreeSet};

/// What is to become of a batch that was to be confirmed as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// What was promised is kept, where it can be.
    Keep,
    /// Nothing more is confirmed.
    Undo,
}

/// A host of whose end nothing was known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The host.
    pub host: HostName,
    /// The run's change is in place there and confirmed.
    pub is_confirmed: bool,
    /// What was done or found, where it is worth telling.
    pub told: Option<String>,
}

/// Why it is rolled back, for whoever reads it on the host.
const CAUSE: &str = "the controller of its run is gone, and the run is gone on with";

impl Asker {
    /// Settles what a run has left open on these hosts, so many at a time.
    pub async fn settle_open(
        &self,
        record: &RunRecord,
        jobs: &[HostJob],
        wish: Wish,
        at_once: usize,
    ) -> Vec<Left> {
        let undos: BTreeMap<&HostName, &str> = record.maybe_undone().into_iter().collect();
        let mut open: BTreeSet<HostName> = record.maybe_open().into_iter().collect();
        open.extend(undos.keys().map(|host| (*host).clone()));
        let jobs: Vec<&HostJob> = jobs.iter().filter(|job| open.contains(&job.host)).collect();
        let asked = stream::iter(&jobs).map(|job| self.standing_surely(job)).buffered(at_once.max(1));
        let standing: Vec<Result<Standing, Failure>> = asked.collect().await;
        let found: BTreeMap<&HostName, Found> = jobs
            .iter()
            .map(|job| &job.host)
            .zip(standing.iter().map(|s| found(s, &record.header.run)))
            .collect();
        let to_confirm = match wish {
            Wish::Keep => promised(record, &found),
            Wish::Undo => BTreeSet::new(),
        };
        let settling = jobs.iter().zip(standing).map(|(job, standing)| {
            let confirm = to_confirm.contains(&job.host);
            let undo = undos.get(&job.host).copied();
            async move {
                let run = undo.unwrap_or(&record.header.run);
                let left = self.settle_one(job, standing, run, confirm).await;
                // An undo that was confirmed is no change that is in place.
                Left { is_confirmed: left.is_confirmed && undo.is_none(), ..left }
            }
        });
        stream::iter(settling).buffered(at_once.max(1)).collect().await
    }

    /// One lost handshake must not decide about a whole batch.
    async fn standing_surely(&self, job: &HostJob) -> Result<Standing, Failure> {
        match self.standing(job).await {
            Err(_) => self.standing(job).await,
            known => known,
        }
    }

    async fn settle_one(
        &self,
        job: &HostJob,
        standing: Result<Standing, Failure>,
        run: &str,
        confirm: bool,
    ) -> Left {
        let left = |is_confirmed, told: Option<String>| Left { host: job.host.clone(), is_confirmed, told };
        let standing = match standing {
            Ok(standing) => standing,
            Err(failure) => return left(false, Some(failure.cause)),
        };
        if standing.pending.as_ref().is_none_or(|pending| pending.tx != run) {
            return left(is_confirmed(&standing, run), None);
        }
        if confirm && matches!(self.confirm(job, Some(run), &[]).await, Ok(Settled::Confirmed)) {
            let told = "confirmed: all hosts of its batch had passed when the controller was gone";
            return left(true, Some(told.to_owned()));
        }
        match self.roll_back(job, Some(run), CAUSE).await {
            Ok(Settled::RolledBack(_)) => {
                left(false, Some("what the run had begun is rolled back".to_owned()))
            }
            Ok(Settled::Confirmed) => left(true, None),
            Ok(other) => {
                left(false, Some(format!("what the run had begun could not be rolled back: {other:?}")))
            }
            Err(failure) => left(false, Some(failure.cause)),
        }
    }
}

fn is_confirmed(standing: &Standing, run: &str) -> bool {
    let last = standing.last.as_ref();
    last.is_some_and(|last| last.tx == run && last.result == HostResult::Confirmed.word())
}

fn found(standing: &Result<Standing, Failure>, run: &str) -> Found {
    let Ok(standing) = standing else { return Found::Silent };
    let pending = standing.pending.as_ref().filter(|pending| pending.tx == run);
    match pending.map(|pending| TargetState::from_word(&pending.state)) {
        Some(Some(TargetState::Ready)) => Found::Ready,
        Some(Some(TargetState::Confirming)) => Found::Confirmed,
        None if is_confirmed(standing, run) => Found::Confirmed,
        _ => Found::Undone,
    }
}

/// The hosts that are still to be confirmed: those of each batch whose promise can be kept.
fn promised(record: &RunRecord, found: &BTreeMap<&HostName, Found>) -> BTreeSet<HostName> {
    let results = record.results();
    let of = |host: &HostName| match (found.get(host), results.get(host)) {
        (Some(found), _) => *found,
        (None, Some(HostResult::Confirmed)) => Found::Confirmed,
        (None, Some(HostResult::Unknown) | None) => Found::Silent,
        (None, Some(_)) => Found::Undone,
    };
    let kept = record.promises.iter().filter(|promise: &&Promise| {
        let all: Vec<Found> = promise.hosts.iter().map(of).collect();
        keeps_promise(&all)
    });
    kept.flat_map(|promise| promise.hosts.iter().cloned()).collect()
}
