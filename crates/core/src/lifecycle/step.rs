//! The one function that decides where a host goes.

use super::{Input, State};
use crate::outcome::HostResult;
use std::fmt;

/// An input that the state has no answer to: a bug in the engine or a target that talks nonsense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IllegalInput {
    /// Where the host was.
    pub state: State,
    /// What was heard.
    pub input: Input,
}

impl fmt::Display for IllegalInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} can't be heard while {:?}", self.input, self.state)
    }
}

impl std::error::Error for IllegalInput {}

/// Returns the state that follows.
///
/// The shape of the table, in words: before `begin` is sent a failure leaves the host untouched; after it only
/// the target can say what became of it, so every doubt leads to [`State::Asking`]. `confirmed` has two doors:
/// the fresh confirmation, and the target's own word that it is confirmed.
///
/// # Errors
/// [`IllegalInput`] for every pair that isn't in the table.
pub fn step(state: State, input: Input) -> Result<State, IllegalInput> {
    let next = if state.is_final() {
        None
    } else if state.may_be_armed() {
        armed(state, input)
    } else {
        unarmed(state, input)
    };
    next.ok_or(IllegalInput { state, input })
}

fn unarmed(state: State, input: Input) -> Option<State> {
    use State::{Beginning, Connecting, Finished, Inspecting, Pending, Planned};
    Some(match (state, input) {
        (Pending, Input::Start) => Connecting,
        (Pending | Connecting | Inspecting | Planned, Input::Halt) => Finished(HostResult::NotReached),
        (Pending | Connecting | Inspecting | Planned, Input::LeaveOut) => Finished(HostResult::Skipped),
        (Connecting, Input::Connected) => Inspecting,
        (Connecting, Input::ConnectFailed | Input::Lost) => Finished(HostResult::Unreachable),
        (Inspecting, Input::InspectedDiffers) => Planned,
        (Inspecting, Input::InspectedSame) => Finished(HostResult::Unchanged),
        (Inspecting, Input::TargetRefused) => Finished(HostResult::Refused),
        (Inspecting | Planned, Input::ConnectFailed | Input::Lost) => Finished(HostResult::Unreachable),
        (Planned, Input::TargetRefused) => Finished(HostResult::Refused),
        (Planned, Input::Go) => Beginning,
        _ => return None,
    })
}

fn armed(state: State, input: Input) -> Option<State> {
    use State::{Asking, Confirming, Finished, RollingBack};
    Some(match (state, input) {
        // What the target says of the end is believed in every state: it was read from its disk.
        (_, Input::TargetConfirmed) => Finished(HostResult::Confirmed),
        (_, Input::TargetRolledBack) => Finished(HostResult::RolledBack),
        (_, Input::TargetRollbackFailed) => Finished(HostResult::RollbackFailed),
        (State::Beginning | Asking, Input::TargetRefused | Input::TargetUntouched) => {
            Finished(HostResult::Refused)
        }
        (Asking | RollingBack, Input::GaveUp) => Finished(HostResult::Unknown),
        (Asking, Input::Lost | Input::ConnectFailed | Input::DeadlinePassed | Input::Halt) => Asking,
        // Asked over a new line and found alive: undone on the controller's word, or already undoing itself.
        (
            Asking,
            Input::TargetArmed
            | Input::TargetApplying
            | Input::TargetApplied
            | Input::TargetReady
            | Input::TargetRollingBack,
        ) => RollingBack,
        (_, Input::TargetRollingBack) => RollingBack,
        (_, Input::DeadlinePassed) => Asking,
        // In-flight hosts finish: an interrupt only keeps further ones from starting.
        (_, Input::Halt) => state,
        (Confirming, Input::ConfirmedFresh) => Finished(HostResult::Confirmed),
        (Confirming, Input::ConfirmFailed | Input::Lost) => Asking,
        (RollingBack, Input::Lost | Input::ConnectFailed) => Asking,
        // What the journal still had to say from before the decision is read on the way to its end.
        (
            RollingBack,
            Input::TargetArmed | Input::TargetApplying | Input::TargetApplied | Input::TargetReady,
        ) => RollingBack,
        _ => return forward(state, input),
    })
}

/// The way of a host on which all goes well, and of a line that comes and goes while it does.
fn forward(state: State, input: Input) -> Option<State> {
    use State::{
        Applying, Armed, Beginning, Checking, Confirming, LocalPassed, Passed, RollingBack, TargetReady,
    };
    Some(match (state, input) {
        (Beginning, Input::Lost) => State::Asking,
        (Beginning, Input::TargetArmed) => Armed,
        (Armed, Input::TargetApplying) => Applying,
        (Applying, Input::TargetApplied) => Checking,
        (Checking, Input::TargetReady) => TargetReady,
        (Checking, Input::LocalChecksPassed) => LocalPassed,
        (TargetReady, Input::LocalChecksPassed) | (LocalPassed, Input::TargetReady) => Passed,
        (Passed, Input::Cleared) => Confirming,
        (Checking | TargetReady, Input::LocalChecksFailed) => RollingBack,
        // While it begins it isn't known whether it is armed; from confirming on its word may be out already.
        (Armed | Applying | Checking | TargetReady | LocalPassed | Passed, Input::CalledOff) => RollingBack,
        // Losing the line while the network changes is normal: the engine reconnects and follows.
        (Armed | Applying | Checking | TargetReady | LocalPassed | Passed, Input::Lost) => state,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{ALL_INPUTS, ALL_STATES};
    use super::*;
    use std::collections::BTreeSet;

    fn reachable_from(start: State) -> BTreeSet<State> {
        let mut seen = BTreeSet::from([start]);
        let mut todo = vec![start];
        while let Some(state) = todo.pop() {
            for input in ALL_INPUTS {
                if let Ok(next) = step(state, input)
                    && seen.insert(next)
                {
                    todo.push(next);
                }
            }
        }
        seen
    }

    /// All states reachable when the given state may not be entered.
    fn reachable_without(forbidden: State) -> BTreeSet<State> {
        let mut seen = BTreeSet::from([State::Pending]);
        let mut todo = vec![State::Pending];
        while let Some(state) = todo.pop() {
            for input in ALL_INPUTS {
                if let Ok(next) = step(state, input)
                    && next != forbidden
                    && seen.insert(next)
                {
                    todo.push(next);
                }
            }
        }
        seen
    }

    fn doors_into(goal: HostResult) -> BTreeSet<Input> {
        let mut doors = BTreeSet::new();
        for state in ALL_STATES {
            for input in ALL_INPUTS {
                if step(state, input) == Ok(State::Finished(goal)) {
                    doors.insert(input);
                }
            }
        }
        doors
    }

    #[test]
    fn every_state_is_reached_and_every_state_reaches_a_final() {
        let reached = reachable_from(State::Pending);
        for state in ALL_STATES {
            assert!(reached.contains(&state), "{state:?} is never reached");
            assert!(reachable_from(state).iter().any(|s| s.is_final()), "{state:?} never ends");
        }
    }

    #[test]
    fn finals_have_no_exit() {
        for state in ALL_STATES.into_iter().filter(|s| s.is_final()) {
            for input in ALL_INPUTS {
                assert_eq!(step(state, input), Err(IllegalInput { state, input }));
            }
        }
    }

    #[test]
    fn confirmed_has_two_doors() {
        let doors = doors_into(HostResult::Confirmed);
        assert_eq!(doors, BTreeSet::from([Input::ConfirmedFresh, Input::TargetConfirmed]));
        for state in ALL_STATES.into_iter().filter(|s| *s != State::Confirming) {
            assert!(step(state, Input::ConfirmedFresh).is_err(), "{state:?} took a confirmation nobody sent");
        }
    }

    #[test]
    fn nothing_is_applied_unless_it_is_armed() {
        let reached = reachable_without(State::Armed);
        for state in [
            State::Applying,
            State::Checking,
            State::TargetReady,
            State::LocalPassed,
            State::Passed,
            State::Confirming,
        ] {
            assert!(!reached.contains(&state), "{state:?} is reached without Armed");
        }
    }

    #[test]
    fn only_a_host_that_has_passed_is_cleared_and_none_is_called_off_whose_confirmation_may_be_out() {
        for state in ALL_STATES {
            assert_eq!(step(state, Input::Cleared).is_ok(), state == State::Passed, "{state:?}");
        }
        assert!(!reachable_without(State::Passed).contains(&State::Confirming));
        for state in reachable_from(State::Confirming) {
            assert!(step(state, Input::CalledOff).is_err(), "{state:?}");
        }
    }

    #[test]
    fn after_begin_only_the_target_says_how_it_ended() {
        let told_by_target = [
            Input::TargetRefused,
            Input::TargetUntouched,
            Input::TargetConfirmed,
            Input::TargetRolledBack,
            Input::TargetRollbackFailed,
            Input::ConfirmedFresh,
        ];
        for state in ALL_STATES.into_iter().filter(|s| s.may_be_armed()) {
            for input in ALL_INPUTS {
                match step(state, input) {
                    Ok(State::Finished(HostResult::Unknown)) => assert_eq!(input, Input::GaveUp),
                    Ok(State::Finished(_)) => assert!(told_by_target.contains(&input), "{state:?} {input:?}"),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn unchanged_unreachable_and_not_reached_are_never_claimed_once_begin_was_sent() {
        for state in ALL_STATES.into_iter().filter(|s| s.may_be_armed()) {
            for input in ALL_INPUTS {
                if let Ok(State::Finished(result)) = step(state, input) {
                    assert!(
                        !matches!(
                            result,
                            HostResult::Unchanged
                                | HostResult::Unreachable
                                | HostResult::NotReached
                                | HostResult::Skipped
                        ),
                        "{state:?} {input:?} claims {result:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_live_state_answers_a_lost_line_and_a_halt() {
        for state in ALL_STATES.into_iter().filter(|s| !s.is_final()) {
            assert!(step(state, Input::Halt).is_ok(), "{state:?} ignores Halt");
            if state != State::Pending {
                assert!(step(state, Input::Lost).is_ok(), "{state:?} ignores Lost");
            }
            if state.may_be_armed() {
                assert!(step(state, Input::DeadlinePassed).is_ok(), "{state:?} ignores the deadline");
            }
        }
    }
}
