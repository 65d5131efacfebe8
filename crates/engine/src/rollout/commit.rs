//! Committing a batch: hosts that are confirmed together are bound before the batch begins, their promise is written
//! down before the first is confirmed, and a batch that was split all the same is told host by host.

use super::bond::Bond;
use crate::host::{HostTask, Shared};
use crate::record::{Entry, Promise};
use crate::run::Run;
use snapback_core::event::EventKind;
use snapback_core::host::HostName;
use snapback_core::lifecycle::State;
use snapback_core::outcome::HostResult;
use snapback_core::rollout::{ConfirmScope, Ending, Input};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Hosts that are bound, and where they are in the course.
pub(super) struct Bound {
    pub(super) bond: Arc<Bond>,
    promise: Promise,
}

impl Run {
    /// Binds the hosts of a batch that would change to each other, where they are confirmed together. None of them is
    /// begun if one of the batch has failed already. A host that is alone waits for nobody.
    pub(super) fn bind(&mut self, batch: usize) -> Option<Bound> {
        let shared = self.shared.clone();
        let planned = shared.course.batches.get(batch)?;
        if shared.course.confirm_scope == ConfirmScope::Host {
            return None;
        }
        let of_batch = |task: &(usize, &mut HostTask)| planned.hosts.binary_search(&task.0).is_ok();
        let why = planned.hosts.iter().filter_map(|at| self.tasks.get(*at)).find_map(HostTask::spoils_batch);
        let members = self.tasks.iter_mut().enumerate().filter(of_batch).map(|(_, task)| task);
        let mut members: Vec<&mut HostTask> = members.filter(|task| task.state == State::Planned).collect();
        if let Some(why) = why {
            members.iter_mut().for_each(|task| task.leave_with_batch(&why));
        }
        members.retain(|task| task.state == State::Planned);
        if members.len() < 2 {
            return None;
        }
        let jobs: Vec<_> = members.iter().map(|task| task.job.clone()).collect();
        let bond =
            Bond::of(&jobs.iter().map(AsRef::as_ref).collect::<Vec<_>>(), shared.spec.connect_parallel);
        members.iter_mut().for_each(|task| task.join(bond.member()));
        let hosts: Vec<HostName> = jobs.iter().map(|job| job.host.clone()).collect();
        Some(Bound { bond, promise: Promise { batch: planned.number, hosts } })
    }

    /// The batch's hosts have ended: counts what became of them, and tells a batch that was split.
    pub(super) fn commit(&mut self, batch: usize) -> Input {
        self.tell_split(batch);
        match self.halt.why() {
            Some(Ending::Interrupted) => Input::Interrupted,
            Some(Ending::Aborted) => Input::Aborted,
            Some(Ending::NoProgress) => Input::NoProgress,
            _ => Input::BatchDone { failures: self.failures(), changed: self.confirmed_in(batch).count() },
        }
    }

    /// Tells batches that are split since the run that this one goes on with, and that it didn't come to.
    pub(super) fn tell_splits_left(&mut self) {
        for batch in 0..self.shared.course.batches.len() {
            let has_others =
                self.shared.course.batches.get(batch).is_some_and(|batch| !batch.with.is_empty());
            if has_others && !self.split.contains(&batch) {
                self.tell_split(batch);
            }
        }
    }

    fn tell_split(&mut self, batch: usize) {
        let Some(planned) = self.shared.course.batches.get(batch) else { return };
        if self.shared.course.confirm_scope == ConfirmScope::Batch && self.is_split(batch) {
            self.shared
                .events
                .run(EventKind::BatchSplit { batch: planned.number, hosts: self.ends_in(batch) });
            self.split.push(batch);
        }
    }

    /// Returns whether some hosts of a batch are confirmed now and others aren't.
    pub(crate) fn is_split(&self, batch: usize) -> bool {
        let ends = self.ends_in(batch);
        let confirmed = ends.values().filter(|result| **result == HostResult::Confirmed).count();
        confirmed > 0 && confirmed < ends.len()
    }

    /// How the hosts of a batch have ended that were to be changed.
    fn ends_in(&self, batch: usize) -> BTreeMap<String, HostResult> {
        let Some(planned) = self.shared.course.batches.get(batch) else { return BTreeMap::new() };
        let tasks = planned.hosts.iter().filter_map(|at| self.tasks.get(*at));
        let took_part =
            tasks.filter(|task| !matches!(task.result(), HostResult::Unchanged | HostResult::Skipped));
        let ends = took_part.map(|task| (task.job.host.to_string(), task.result()));
        let before = planned.with.iter().map(|host| (host.to_string(), HostResult::Confirmed));
        before.chain(ends).collect()
    }

    /// The hosts of a batch that this run has changed and confirmed.
    pub(super) fn confirmed_in(&self, batch: usize) -> impl Iterator<Item = &HostTask> {
        let members = self.shared.course.batches.get(batch).into_iter().flat_map(|batch| &batch.hosts);
        let tasks = members.filter_map(|at| self.tasks.get(*at));
        tasks.filter(|task| task.result() == HostResult::Confirmed)
    }
}

/// Waits until all windows are long enough, and writes down that all hosts are to be confirmed. Nobody is if that
/// can't be written.
pub(super) async fn promise(bound: Option<&Bound>, shared: &Shared) {
    let Some(Bound { bond, promise }) = bound else { return };
    bond.is_to_be_promised().await;
    let written = shared.events.record_durably(&Entry::Promise(promise.clone())).await;
    if bond.promised(written) {
        let (batch, hosts) = (promise.batch, promise.hosts.len());
        shared.events.run(EventKind::BatchConfirming { batch, hosts });
    }
}

/// Waits until something has become of one of the hosts.
pub(super) async fn progress(bound: Option<&Bound>) {
    match bound {
        Some(bound) => bound.bond.progress().await,
        None => std::future::pending().await,
    }
}
