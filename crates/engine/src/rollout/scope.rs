//! `rollback_scope`: once failures have stopped the run, what it has confirmed is undone as far as was asked for.

use crate::host::HostTask;
use crate::run::Run;
use futures::stream::{self, StreamExt};
use snapback_core::event::EventKind;
use snapback_core::host::HostName;
use snapback_core::outcome::HostResult;
use snapback_core::rollout::{Ending, is_stopped_by_failures};

impl Run {
    /// Undoes what the scope covers: no canary and no bake, `parallel` at a time. An interrupt begins no more of them.
    pub(super) async fn undo_scope(&mut self, ending: Ending) {
        let course = &self.shared.course;
        let is_due = is_stopped_by_failures(ending, course.budget, self.failures());
        let Some((because, failed_in)) = self.breaker().filter(|_| is_due) else { return };
        let shared = self.shared.clone();
        let is_covered = |at: usize, task: &HostTask| {
            let batch = shared.course.batch_of(at);
            task.result() == HostResult::Confirmed
                && batch.is_some_and(|batch| shared.course.rollback_scope.covers(failed_in, batch))
        };
        let tasks = self.tasks.iter_mut().enumerate();
        let covered: Vec<&mut HostTask> =
            tasks.filter_map(|(at, task)| is_covered(at, task).then_some(task)).collect();
        if covered.is_empty() {
            return;
        }
        let hosts = covered.iter().map(|task| task.job.host.clone()).collect();
        shared.events.run(EventKind::ScopeUndone { because: because.clone(), hosts });
        let halt = self.halt.clone();
        let undone = covered.into_iter().map(|task| {
            let (halt, because) = (&halt, &because);
            async move {
                if halt.is_stopped() {
                    task.leave_confirmed(because);
                } else {
                    task.go_back(&format!("undone because {because} failed")).await;
                }
            }
        });
        stream::iter(undone).buffer_unordered(shared.spec.parallel.max(1)).collect::<()>().await;
        self.after_undo(None).await;
    }

    /// The host whose failure was one too many, and the number of its batch.
    fn breaker(&self) -> Option<(HostName, usize)> {
        let broke = self.broke.get().cloned().or_else(|| self.last_failed())?;
        let at = self.tasks.iter().position(|task| task.job.host == broke)?;
        Some((broke, self.shared.course.batch_of(at)?))
    }

    /// Of those that failed while all were looked at, in no order: the last of the file.
    fn last_failed(&self) -> Option<HostName> {
        let failed = self.tasks.iter().rev().find(|task| task.is_to_blame());
        failed.map(|task| task.job.host.clone())
    }
}
