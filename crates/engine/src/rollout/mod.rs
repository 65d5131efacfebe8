//! Carries a rollout out: `snapback_core::rollout::step` says what comes next, and `Run::roll_out` does it.

mod bake;
mod batch;
pub(crate) mod bond;
mod brake;
mod commit;
pub(crate) mod earlier;
mod gate;
pub(crate) mod keeper;
pub(crate) mod lock;
pub(crate) mod preflight;
mod scope;
mod signal;
pub(crate) mod slots;
mod space;

pub use brake::Halt;
pub use keeper::Release;
pub use lock::Locking;
pub use signal::{Signal, Signals};

use crate::run::Run;
use snapback_core::event::EventKind;
use snapback_core::lifecycle::State;
use snapback_core::outcome::HostResult;
use snapback_core::rollout::{Ending, Input, Stage, step};

impl Run {
    /// Goes over the batches until the rollout has ended; hosts whose turn did not come are told as not reached.
    pub(crate) async fn roll_out(&mut self) -> Ending {
        let mut stage = Stage::Preflight;
        let mut input = self.finish_earlier().await;
        let ending = loop {
            stage = match step(&self.shared.course, stage, input) {
                Ok(next) => next,
                Err(illegal) => {
                    tracing::error!("{illegal}");
                    break Ending::Aborted;
                }
            };
            self.tell_stage(stage);
            input = match stage {
                Stage::Preflight => Input::PreflightDone { failures: self.failures() },
                Stage::Batch { batch } if !self.secure_batch(batch).await => self.held_input(),
                Stage::Batch { batch } => {
                    let input = self.work_on(batch).await;
                    self.after_batch(batch).await;
                    input
                }
                Stage::Bake { batch } => {
                    let input = self.bake(batch).await;
                    self.after_undo(Some(batch)).await;
                    input
                }
                Stage::Gate { .. } => self.wait_at_gate().await,
                Stage::Finished { ending } => break ending,
            };
        };
        self.leave_rest(ending);
        self.undo_scope(ending).await;
        ending
    }

    /// How many hosts have failed so far, those of the run that this one goes on with included.
    pub(crate) fn failures(&self) -> usize {
        let earlier = self.earlier.iter().map(|(_, task)| task);
        self.before.failed + self.tasks.iter().chain(earlier).filter(|task| task.has_failed()).count()
    }

    /// Ends the rollout before its first batch.
    pub(crate) fn call_off(&mut self, ending: Ending) -> Ending {
        self.tell_stage(Stage::Finished { ending });
        self.leave_rest(ending);
        ending
    }

    /// What is left when a rollout ends has not been touched.
    fn leave_rest(&mut self, ending: Ending) {
        for task in self.tasks.iter_mut().filter(|task| !task.state.is_final()) {
            task.leave(ending);
        }
        self.tell_splits_left();
    }

    fn tell_stage(&self, stage: Stage) {
        let course = &self.shared.course;
        if !course.staged && course.batches.len() < 2 {
            return;
        }
        let number = |batch: usize| course.batches.get(batch).map_or(batch + 1, |batch| batch.number);
        let kind = match stage {
            Stage::Preflight => return,
            Stage::Batch { batch } => {
                let Some(planned) = course.batches.get(batch) else { return };
                let hosts = planned.hosts.iter().filter_map(|at| self.tasks.get(*at));
                EventKind::BatchStarted {
                    batch: planned.number,
                    of: course.batches.last().map_or(0, |batch| batch.number),
                    kind: planned.kind,
                    hosts: hosts.map(|task| task.job.host.clone()).collect(),
                }
            }
            Stage::Bake { batch } => {
                EventKind::BakeStarted { batch: number(batch), secs: course.bake.as_secs() }
            }
            Stage::Gate { next } => {
                EventKind::GateReached { next: number(next), secs: course.gate_timeout.as_secs() }
            }
            Stage::Finished { ending } => EventKind::RolloutEnded {
                ending,
                failures: self.failures(),
                not_reached: self.tasks.iter().filter(|task| is_left(task.state)).count(),
            },
        };
        self.shared.events.run(kind);
    }
}

fn is_left(state: State) -> bool {
    !state.is_final() || state == State::Finished(HostResult::NotReached)
}
