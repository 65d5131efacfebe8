//! The bake: the checks of the hosts that a batch has changed go on before the next batch begins.

use crate::run::Run;
use futures::future::join_all;
use snapback_core::outcome::HostResult;
use snapback_core::rollout::{Ending, Input};
use std::time::Duration;
use tokio::time::interval;

/// How often it is looked whether the run was stopped.
const LOOK: Duration = Duration::from_millis(250);

impl Run {
    /// Goes on asking the checks of the batch's hosts. Once a host has failed and the budget with it, the rest of the
    /// time isn't waited for.
    pub(super) async fn bake(&mut self, batch: usize) -> Input {
        let shared = self.shared.clone();
        let members =
            shared.course.batches.get(batch).map(|batch| batch.hosts.as_slice()).unwrap_or_default();
        let tasks =
            self.tasks.iter_mut().enumerate().filter(|(at, task)| {
                task.result() == HostResult::Confirmed && members.binary_search(at).is_ok()
            });
        let mut baking = Box::pin(join_all(tasks.map(|(_, task)| task.bake(shared.course.bake))));
        let mut look = interval(LOOK);
        loop {
            tokio::select! {
                _ = &mut baking => break,
                _ = look.tick() => {
                    self.signals.pull(&self.halt);
                    if self.halt.why().is_some() {
                        break;
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
