//! The bake: the checks of the hosts that a batch has changed go on before the next batch begins.

use crate::host::HostTask;
use crate::run::Run;
use futures::future::join_all;
use snapback_core::outcome::HostResult;
use snapback_core::rollout::{Ending, Input};
use std::cell::Cell;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::interval;

/// How often it is looked whether the run was stopped.
const LOOK: Duration = Duration::from_millis(250);

impl Run {
    /// Goes on asking the checks of the batch's hosts. One that fails is undone at once. Once more have failed than may,
    /// or somebody stops the run, the rest of the time isn't waited for.
    pub(super) async fn bake(&mut self, batch: usize) -> Input {
        let shared = self.shared.clone();
        let course = &shared.course;
        let (over, failures) = (watch::Sender::new(false), Cell::new(self.failures()));
        let broke = &self.broke;
        let note = |task: &HostTask| {
            failures.set(failures.get() + 1);
            if course.budget.is_exceeded(failures.get()) {
                broke.get_or_init(|| task.job.host.clone());
                over.send_replace(true);
            }
        };
        let members = course.batches.get(batch).map(|batch| batch.hosts.as_slice()).unwrap_or_default();
        let tasks =
            self.tasks.iter_mut().enumerate().filter(|(at, task)| {
                task.result() == HostResult::Confirmed && members.binary_search(at).is_ok()
            });
        let mut baking = Box::pin(join_all(tasks.map(|(_, task)| task.bake(course.bake, &over, note))));
        let mut look = interval(LOOK);
        loop {
            tokio::select! {
                _ = &mut baking => break,
                _ = look.tick() => {
                    self.signals.pull(&self.halt);
                    // Those that are being undone are waited for.
                    if self.halt.why().is_some() {
                        over.send_replace(true);
                    }
                }
            }
        }
        drop(baking);
        match self.halt.why() {
            Some(Ending::Interrupted) => Input::Interrupted,
            Some(_) => Input::Aborted,
            None => Input::BakeDone { failures: self.failures() },
        }
    }
}
