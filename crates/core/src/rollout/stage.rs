//! The one function that decides where a rollout goes.

use super::Course;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a rollout is: what has to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "stage")]
pub enum Stage {
    /// Look at all hosts. Nothing is changed.
    Preflight,
    /// Work on the hosts of this batch.
    Batch {
        /// Its index.
        batch: usize,
    },
    /// Go on asking the checks of the hosts that this batch has changed, for the time that was set.
    Bake {
        /// Its index.
        batch: usize,
    },
    /// Wait until somebody promotes the run.
    Gate {
        /// The index of the batch behind the gate.
        next: usize,
    },
    /// Start nothing more.
    Finished {
        /// Why it ended.
        ending: Ending,
    },
}

/// Why a rollout ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// All batches are done.
    Complete,
    /// More hosts failed than may.
    OverBudget,
    /// More hosts failed than may while all were only looked at: nothing was changed.
    OverBudgetBeforeStart,
    /// It was to stop here.
    AsAsked,
    /// Somebody aborted it.
    Aborted,
    /// Nobody promoted it in time.
    GateTimedOut,
    /// Nothing became of the hosts at work for too long.
    NoProgress,
    /// It was interrupted.
    Interrupted,
    /// Another run holds a host of the batch: nothing was changed on any of them.
    Held,
    /// The hook that goes before the first change has failed: nothing was changed.
    PreDeployFailed,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "input")]
pub enum Input {
    /// All hosts were looked at.
    PreflightDone {
        /// How many have failed so far in the whole run.
        failures: usize,
    },
    /// All hosts of the batch have ended.
    BatchDone {
        /// How many have failed so far in the whole run.
        failures: usize,
        /// How many hosts of the batch this run has changed and confirmed.
        changed: usize,
    },
    /// The bake's time is over.
    BakeDone {
        /// How many have failed so far in the whole run.
        failures: usize,
    },
    /// Somebody promoted the run.
    Promoted,
    /// Somebody aborted the run.
    Aborted,
    /// Nobody came to the gate in time.
    GateTimedOut,
    /// Another run holds a host of the batch, and nothing was begun on any of them.
    Held,
    /// Nothing became of the hosts at work for too long; those under way have ended.
    NoProgress,
    /// The run was interrupted; hosts under way have ended.
    Interrupted,
}

/// An input that the stage has no answer to: a bug in whoever drives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IllegalInput {
    /// Where the rollout was.
    pub stage: Stage,
    /// What was heard.
    pub input: Input,
}

impl fmt::Display for IllegalInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} can't be heard in {:?}", self.input, self.stage)
    }
}

impl std::error::Error for IllegalInput {}

/// Returns the stage that follows.
///
/// In words: a batch begins only while the budget holds; a batch that changed nothing needs no bake and no gate, since
/// it was done before; stopping by wish comes after the bake, since the next run would find nothing left to bake.
///
/// # Errors
/// [`IllegalInput`] for every pair that makes no sense.
pub fn step(course: &Course, stage: Stage, input: Input) -> Result<Stage, IllegalInput> {
    let over = |failures: usize| course.budget.is_exceeded(failures);
    let next = match (stage, input) {
        (Stage::Finished { .. }, _) => return Err(IllegalInput { stage, input }),
        (_, Input::Interrupted) => finished(Ending::Interrupted),
        (_, Input::Aborted) => finished(Ending::Aborted),
        (Stage::Batch { .. }, Input::Held) => finished(Ending::Held),
        (Stage::Batch { .. }, Input::NoProgress) => finished(Ending::NoProgress),
        (Stage::Preflight, Input::PreflightDone { failures }) if over(failures) => {
            finished(Ending::OverBudgetBeforeStart)
        }
        (Stage::Preflight, Input::PreflightDone { .. }) if course.begins_at_gate => Stage::Gate { next: 0 },
        (Stage::Preflight, Input::PreflightDone { .. }) => batch_or_end(course, 0),
        (Stage::Batch { .. }, Input::BatchDone { failures, .. })
        | (Stage::Bake { .. }, Input::BakeDone { failures })
            if over(failures) =>
        {
            finished(Ending::OverBudget)
        }
        (Stage::Batch { batch }, Input::BatchDone { changed, .. }) => after_batch(course, batch, changed > 0),
        (Stage::Bake { batch }, Input::BakeDone { .. }) => after_bake(course, batch, true),
        (Stage::Gate { next }, Input::Promoted) => batch_or_end(course, next),
        (Stage::Gate { .. }, Input::GateTimedOut) => finished(Ending::GateTimedOut),
        _ => return Err(IllegalInput { stage, input }),
    };
    Ok(next)
}

fn finished(ending: Ending) -> Stage {
    Stage::Finished { ending }
}

fn batch_or_end(course: &Course, batch: usize) -> Stage {
    if batch < course.batches.len() { Stage::Batch { batch } } else { finished(Ending::Complete) }
}

fn after_batch(course: &Course, batch: usize, changed: bool) -> Stage {
    let is_last = batch + 1 >= course.batches.len();
    if changed && !is_last && !course.bake.is_zero() {
        Stage::Bake { batch }
    } else {
        after_bake(course, batch, changed)
    }
}

fn after_bake(course: &Course, batch: usize, changed: bool) -> Stage {
    if batch + 1 >= course.batches.len() {
        finished(Ending::Complete)
    } else if course.stops_after().is_some_and(|last| last <= batch) {
        finished(Ending::AsAsked)
    } else if changed && course.has_gate_after(batch) {
        Stage::Gate { next: batch + 1 }
    } else {
        batch_or_end(course, batch + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BatchKind, Budget, Sequence, Share, StopAfter, sequence};
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn course(gate: bool, bake: u64, stop_after: Option<StopAfter>) -> Course {
        let cut = Sequence { canary: vec![0], serial: vec![Share::Hosts(2)] };
        Course {
            batches: sequence(5, &cut, |_, _| false),
            staged: true,
            budget: Budget::AtMost(1),
            bake: Duration::from_secs(bake),
            gate,
            stop_after,
            ..Course::in_one_batch(5)
        }
    }

    fn walk(course: &Course, inputs: &[Input]) -> Vec<Stage> {
        let mut stage = Stage::Preflight;
        inputs
            .iter()
            .map(|input| {
                stage = step(course, stage, *input).unwrap();
                stage
            })
            .collect()
    }

    fn batch_done(failures: usize, changed: usize) -> Input {
        Input::BatchDone { failures, changed }
    }

    #[test]
    fn canary_bake_gate_and_the_rest() {
        let stages = walk(
            &course(true, 60, None),
            &[
                Input::PreflightDone { failures: 0 },
                batch_done(0, 1),
                Input::BakeDone { failures: 0 },
                Input::Promoted,
                batch_done(1, 1),
                Input::BakeDone { failures: 1 },
                batch_done(1, 2),
            ],
        );
        assert_eq!(
            stages,
            [
                Stage::Batch { batch: 0 },
                Stage::Bake { batch: 0 },
                Stage::Gate { next: 1 },
                Stage::Batch { batch: 1 },
                Stage::Bake { batch: 1 },
                Stage::Batch { batch: 2 },
                finished(Ending::Complete),
            ]
        );
    }

    #[test]
    fn a_canary_that_was_done_before_needs_neither_bake_nor_gate() {
        let stages = walk(&course(true, 60, None), &[Input::PreflightDone { failures: 0 }, batch_done(0, 0)]);
        assert_eq!(stages[1], Stage::Batch { batch: 1 });
    }

    #[test]
    fn stopping_by_wish_comes_after_the_bake_and_before_the_gate() {
        let canary = course(true, 60, Some(StopAfter::Canary));
        let stages = walk(
            &canary,
            &[Input::PreflightDone { failures: 0 }, batch_done(0, 1), Input::BakeDone { failures: 0 }],
        );
        assert_eq!(stages[2], finished(Ending::AsAsked));
        let again = walk(&canary, &[Input::PreflightDone { failures: 0 }, batch_done(0, 0)]);
        assert_eq!(again[1], finished(Ending::AsAsked), "and again, with nothing to do");
        let last = course(false, 0, Some(StopAfter::Batch(3)));
        let stages = walk(
            &last,
            &[Input::PreflightDone { failures: 0 }, batch_done(0, 1), batch_done(0, 1), batch_done(0, 1)],
        );
        assert_eq!(stages[3], finished(Ending::Complete));
    }

    #[test]
    fn gates_end_runs_that_nobody_promotes() {
        let waiting = [Input::PreflightDone { failures: 0 }, batch_done(0, 1)];
        for (input, ending) in [
            (Input::GateTimedOut, Ending::GateTimedOut),
            (Input::Aborted, Ending::Aborted),
            (Input::Interrupted, Ending::Interrupted),
        ] {
            let stages = walk(&course(true, 0, None), &[waiting[0], waiting[1], input]);
            assert_eq!(stages[2], finished(ending));
        }
    }

    #[test]
    fn what_makes_no_sense_is_illegal() {
        let course = course(true, 60, None);
        for (stage, input) in [
            (Stage::Preflight, Input::Promoted),
            (Stage::Preflight, batch_done(0, 0)),
            (Stage::Batch { batch: 0 }, Input::Promoted),
            (Stage::Batch { batch: 0 }, Input::GateTimedOut),
            (Stage::Bake { batch: 0 }, batch_done(0, 0)),
            (Stage::Gate { next: 1 }, Input::BakeDone { failures: 0 }),
            (finished(Ending::Complete), Input::Interrupted),
        ] {
            assert_eq!(step(&course, stage, input), Err(IllegalInput { stage, input }));
        }
    }

    proptest! {
        #[test]
        fn no_batch_begins_over_budget_each_begins_once_in_order_and_every_run_ends(
            all in 1_usize..60,
            canary in 0_usize..4,
            size in 1_usize..20,
            most in 0_usize..20,
            bake in any::<bool>(),
            gate in any::<bool>(),
            failing in prop::collection::vec(0_usize..6, 60),
            changed in prop::collection::vec(0_usize..6, 60),
        ) {
            let cut = Sequence { canary: (0..canary.min(all)).collect(), serial: vec![Share::Hosts(size)] };
            let course = Course {
                batches: sequence(all, &cut, |_, _| false),
                staged: true,
                budget: Budget::AtMost(most),
                bake: Duration::from_secs(u64::from(bake)),
                gate,
                ..Course::in_one_batch(all)
            };
            let (mut stage, mut failures, mut begun, mut steps) = (Stage::Preflight, 0, Vec::new(), 0);
            while !matches!(stage, Stage::Finished { .. }) {
                let input = match stage {
                    Stage::Preflight => Input::PreflightDone { failures },
                    Stage::Batch { batch } => {
                        prop_assert!(failures <= most, "a batch began over budget");
                        begun.push(batch);
                        failures += failing[batch];
                        Input::BatchDone { failures, changed: changed[batch] }
                    }
                    Stage::Bake { batch } => {
                        prop_assert!(bake && changed[batch] > 0);
                        Input::BakeDone { failures }
                    }
                    Stage::Gate { next } => {
                        prop_assert!(gate && course.batches[next - 1].kind == BatchKind::Canary);
                        Input::Promoted
                    }
                    Stage::Finished { .. } => unreachable!(),
                };
                stage = step(&course, stage, input).unwrap();
                steps += 1;
                prop_assert!(steps <= 3 * course.batches.len() + 2);
            }
            prop_assert_eq!(&begun, &(0..begun.len()).collect::<Vec<_>>());
            let complete = stage == finished(Ending::Complete);
            prop_assert_eq!(complete, begun.len() == course.batches.len() && failures <= most);
        }
    }
}
