//! What is left to do for hosts that were confirmed in the run which this one goes on with: undos that were decided,
//! and a bake that was interrupted.

use super::bake::Oven;
use crate::host::{HostTask, Shared};
use crate::record::Earlier;
use crate::run::Run;
use futures::stream::{self, StreamExt};
use snapback_core::event::EventKind;
use snapback_core::job::HostJob;
use snapback_core::outcome::HostResult;
use snapback_core::rollout::{Ending, Input};
use std::sync::Arc;

/// Makes a task of each host that was confirmed before and can still be reached.
pub(crate) fn tasks(
    shared: &Arc<Shared>,
    confirmed: &[Earlier],
    mut jobs: Vec<HostJob>,
) -> Vec<(Earlier, HostTask)> {
    let task = |earlier: &Earlier| {
        let at = jobs.iter().position(|job| job.host == earlier.host)?;
        let task = HostTask::confirmed_by(&earlier.run, shared.clone(), jobs.swap_remove(at));
        Some((earlier.clone(), task))
    };
    confirmed.iter().filter_map(task).collect()
}

impl Run {
    /// Undoes what was to be undone already, and bakes anew what was baking. Then the first batch may come.
    pub(super) async fn finish_earlier(&mut self) -> Input {
        self.undo_due().await;
        if let Some(number) = self.before.baking.filter(|_| self.is_within_budget()) {
            self.bake_again(number).await;
        }
        match self.halt.why() {
            Some(Ending::Interrupted) => Input::Interrupted,
            Some(_) => Input::Aborted,
            None => Input::PreflightDone { failures: self.failures() },
        }
    }

    async fn undo_due(&mut self) {
        let halt = self.halt.clone();
        let parallel = self.shared.spec.parallel.max(1);
        let due = self.earlier.iter_mut().filter_map(|(earlier, task)| Some((earlier.due.clone()?, task)));
        let undone = due.map(|(cause, task)| {
            let halt = &halt;
            async move {
                // Not begun, it stays due.
                if !halt.is_stopped() {
                    task.go_back(&cause).await;
                }
            }
        });
        stream::iter(undone).buffer_unordered(parallel).collect::<()>().await;
        if self.earlier.iter().any(|(_, task)| task.was_undone()) {
            self.after_undo(None).await;
        }
    }

    async fn bake_again(&mut self, number: usize) {
        let shared = self.shared.clone();
        let failures = self.failures();
        let oven = Oven::new(&shared.course, &self.signals, &self.halt, &self.broke, failures);
        let baked = self
            .earlier
            .iter_mut()
            .filter(|(earlier, task)| earlier.batch == number && task.result() == HostResult::Confirmed);
        let mut baked = baked.map(|(_, task)| task).peekable();
        if baked.peek().is_none() {
            return;
        }
        shared.events.run(EventKind::BakeStarted { batch: number, secs: shared.course.bake.as_secs() });
        oven.bake(baked).await;
    }

    fn is_within_budget(&self) -> bool {
        !self.shared.course.budget.is_exceeded(self.failures())
    }
}
