//! The bake: the checks of the hosts that a batch has changed go on before the next batch begins.

use super::{Halt, Signals};
use crate::host::HostTask;
use crate::run::Run;
use futures::future::join_all;
use snapback_core::host::HostName;
use snapback_core::outcome::HostResult;
use snapback_core::rollout::{Course, Ending, Input};
use std::cell::{Cell, OnceCell};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::interval;

/// How often it is looked whether the run was stopped.
const LOOK: Duration = Duration::from_millis(250);

/// What ends a bake before its time.
pub(super) struct Oven<'r> {
    course: &'r Course,
    signals: &'r Signals,
    halt: &'r Halt,
    /// How many hosts have failed so far.
    failures: Cell<usize>,
    /// The host whose failure was one too many.
    broke: &'r OnceCell<HostName>,
    over: watch::Sender<bool>,
}

impl Run {
    /// Goes on asking the checks of the batch's hosts.
    pub(super) async fn bake(&mut self, batch: usize) -> Input {
        let shared = self.shared.clone();
        let members =
            shared.course.batches.get(batch).map(|batch| batch.hosts.as_slice()).unwrap_or_default();
        let failures = self.failures();
        let oven = Oven::new(&shared.course, &self.signals, &self.halt, &self.broke, failures);
        let tasks =
            self.tasks.iter_mut().enumerate().filter(|(at, task)| {
                task.result() == HostResult::Confirmed && members.binary_search(at).is_ok()
            });
        oven.bake(tasks.map(|(_, task)| task)).await;
        match self.halt.why() {
            Some(Ending::Interrupted) => Input::Interrupted,
            Some(_) => Input::Aborted,
            None => Input::BakeDone { failures: self.failures() },
        }
    }
}

impl<'r> Oven<'r> {
    /// Returns one in which nobody has failed since `failures` hosts had.
    pub(super) fn new(
        course: &'r Course,
        signals: &'r Signals,
        halt: &'r Halt,
        broke: &'r OnceCell<HostName>,
        failures: usize,
    ) -> Self {
        Self { course, signals, halt, failures: Cell::new(failures), broke, over: watch::Sender::new(false) }
    }

    /// Goes on asking the checks of these hosts. One that fails is undone at once. Once more have failed than may, or
    /// somebody stops the run, the rest of the time isn't waited for.
    pub(super) async fn bake(&self, tasks: impl Iterator<Item = &mut HostTask>) {
        let note = |task: &HostTask| self.note_failure(task);
        let mut baking = Box::pin(join_all(tasks.map(|task| task.bake(self.course.bake, &self.over, note))));
        let mut look = interval(LOOK);
        loop {
            tokio::select! {
                _ = &mut baking => break,
                _ = look.tick() => {
                    self.signals.pull(self.halt);
                    // Those that are being undone are waited for.
                    if self.halt.why().is_some() {
                        self.over.send_replace(true);
                    }
                }
            }
        }
    }

    fn note_failure(&self, task: &HostTask) {
        self.failures.set(self.failures.get() + 1);
        if self.course.budget.is_exceeded(self.failures.get()) {
            self.broke.get_or_init(|| task.job.host.clone());
            self.over.send_replace(true);
        }
    }
}
