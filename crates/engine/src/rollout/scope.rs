//! `rollback_scope`: once failures have stopped the run, what it has confirmed is undone as far as was asked for.

use crate::host::HostTask;
use crate::record::Earlier;
use crate::run::Run;
use futures::stream::{self, StreamExt};
use snapback_core::event::EventKind;
use snapback_core::host::HostName;
use snapback_core::outcome::HostResult;
use snapback_core::rollout::{Ending, is_stopped_by_failures};

impl Run {
    /// Undoes what the scope covers: no canary and no bake, `parallel` at a time. An interrupt begins no more of them.
    pub(super) async fn undo_scope(&mut self, ending: Ending) {
        let is_due = is_stopped_by_failures(ending, self.shared.course.budget, self.failures());
        let Some((because, failed_in)) = self.breaker().filter(|_| is_due) else { return };
        let shared = self.shared.clone();
        let course = &shared.course;
        let covers = |batch: usize| course.rollback_scope.covers(failed_in, batch);
        let own = self.tasks.iter_mut().enumerate();
        let own = own.filter_map(|(at, task)| course.batch_of(at).is_some_and(covers).then_some(task));
        let earlier = self.earlier.iter_mut();
        let earlier = earlier.filter_map(|(earlier, task)| covers(earlier.batch).then_some(task));
        let covered: Vec<&mut HostTask> =
            earlier.chain(own).filter(|task| task.result() == HostResult::Confirmed).collect();
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

    /// Whether a host that was confirmed before would be undone if the run were stopped now.
    pub(crate) fn is_covered(&self, earlier: &Earlier) -> bool {
        let breaker = self.breaker();
        breaker
            .is_some_and(|(_, failed_in)| self.shared.course.rollback_scope.covers(failed_in, earlier.batch))
    }

    /// The host whose failure was one too many, and the number of its batch.
    fn breaker(&self) -> Option<(HostName, usize)> {
        if let Some(broke) = &self.before.broke {
            return Some(broke.clone());
        }
        let broke = self.broke.get().cloned().or_else(|| self.last_failed())?;
        let earlier = self.earlier.iter().find(|(_, task)| task.job.host == broke);
        if let Some((earlier, _)) = earlier {
            return Some((broke, earlier.batch));
        }
        let at = self.tasks.iter().position(|task| task.job.host == broke)?;
        Some((broke, self.shared.course.batch_of(at)?))
    }

    /// Of those that failed while all were looked at, in no order: the last of the file.
    fn last_failed(&self) -> Option<HostName> {
        let earlier = self.earlier.iter().map(|(_, task)| task);
        let failed = earlier.chain(&self.tasks).rev().find(|task| task.is_to_blame());
        failed.map(|task| task.job.host.clone())
    }
}
