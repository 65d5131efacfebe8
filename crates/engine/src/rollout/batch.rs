//! Working on the hosts of one batch.
//!
//! A batch has two steps: its hosts are worked on side by side, then the batch is committed (see `commit`).

use super::Halt;
use super::commit::{progress, promise};
use crate::host::HostTask;
use crate::run::Run;
use futures::stream::{self, StreamExt};
use snapback_core::host::HostName;
use snapback_core::lifecycle::State;
use snapback_core::rollout::{Course, Ending, Input};
use std::cell::{Cell, OnceCell};
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// How often it is looked whether somebody has aborted the run.
const LOOK_FOR_ABORT: Duration = Duration::from_millis(500);

/// What decides, before each host, whether it may still be begun.
struct Rules<'r> {
    course: &'r Course,
    halt: &'r Halt,
    failures: Cell<usize>,
    /// The host whose failure was one too many.
    broke: &'r OnceCell<HostName>,
}

impl Rules<'_> {
    fn may_begin(&self) -> bool {
        self.halt.why().is_none()
    }

    fn hear_end(&self, task: &HostTask) {
        if task.has_failed() {
            self.failures.set(self.failures.get() + 1);
            if self.course.budget.is_exceeded(self.failures.get()) {
                if task.is_to_blame() {
                    self.broke.get_or_init(|| task.job.host.clone());
                }
                self.halt.because(Ending::OverBudget);
            }
        }
    }
}

impl Run {
    /// Works on all hosts of a batch that would change, in order and `parallel` at a time, and commits it.
    pub(super) async fn work_on(&mut self, batch: usize) -> Input {
        let bound = self.bind(batch);
        let failures = Cell::new(self.failures());
        let shared = self.shared.clone();
        let halt = self.halt.clone();
        let rules = Rules { course: &shared.course, halt: &halt, failures, broke: &self.broke };
        let members =
            shared.course.batches.get(batch).map(|batch| batch.hosts.as_slice()).unwrap_or_default();
        let mut promising = pin!(promise(bound.as_ref(), &shared));
        // Those that wait for each other must all be begun.
        let parallel = shared.spec.parallel.max(if bound.is_some() { members.len() } else { 1 });
        let tasks = self
            .tasks
            .iter_mut()
            .enumerate()
            .filter(|(at, task)| task.state == State::Planned && members.binary_search(at).is_ok());
        let mut running =
            stream::iter(tasks.map(|(_, task)| work_or_leave(task, &rules))).buffer_unordered(parallel);
        let mut look = interval(LOOK_FOR_ABORT);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut progressed, mut is_promised) = (Instant::now(), false);
        loop {
            let stuck_at = shared.course.progress_deadline.map(|longest| progressed + longest);
            tokio::select! {
                ended = running.next() => match ended {
                    Some(()) => progressed = Instant::now(),
                    None => break,
                },
                () = &mut promising, if !is_promised => is_promised = true,
                () = progress(bound.as_ref()) => progressed = Instant::now(),
                _ = look.tick() => self.signals.pull(&halt),
                () = until(stuck_at), if halt.why().is_none() => halt.because(Ending::NoProgress),
            }
        }
        drop(running);
        self.commit(batch)
    }
}

async fn work_or_leave(task: &mut HostTask, rules: &Rules<'_>) {
    if rules.may_begin() {
        task.work().await;
        rules.hear_end(task);
    } else {
        task.leave(rules.halt.why().unwrap_or(Ending::Interrupted));
        task.tell_batch();
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
