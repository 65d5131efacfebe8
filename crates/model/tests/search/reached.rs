//! What must be reached, or the promises say nothing.

use crate::checked::Space;
use crate::world::{Answer, Done, Power, Session, Stage, World};
use snapback_core::lifecycle::State;
use snapback_core::outcome::HostResult;
use stateright::Property;

pub(crate) fn seen_alone() -> Vec<Property<Space>> {
    vec![
        Property::sometimes("a host is confirmed", |_, w: &World| is_result(w, 0, HostResult::Confirmed)),
        Property::sometimes("a lock-out is undone", |_, w: &World| {
            w.bad[0] && w.tx[0].done == Some(Done::RolledBack) && is_result(w, 0, HostResult::RolledBack)
        }),
        Property::sometimes("the undo fails", |_, w: &World| is_result(w, 0, HostResult::RollbackFailed)),
        Property::sometimes("a host is given up as unknown", |_, w: &World| {
            is_result(w, 0, HostResult::Unknown)
        }),
        Property::sometimes("a confirmation comes too late", |_, w: &World| {
            w.request.iter().flatten().any(|r| r.stage == Stage::Answered(Answer::TooLate))
        }),
        Property::sometimes("an extended window is confirmed", |_, w: &World| {
            w.tx[0].extended && is_result(w, 0, HostResult::Confirmed)
        }),
        Property::sometimes("a boot undoes", |_, w: &World| {
            w.power == Power::Booting && w.tx[0].done == Some(Done::RolledBack) && w.tx[0].go
        }),
        Property::sometimes("a session dies before it arms", |_, w: &World| {
            w.tx[0].done == Some(Done::Discarded) && w.tx[0].session == Session::Dead
        }),
        Property::sometimes("a controller is killed and the host undoes", |_, w: &World| {
            !w.controller[0].alive && w.tx[0].done == Some(Done::RolledBack)
        }),
    ]
}

pub(crate) fn seen_by_two() -> Vec<Property<Space>> {
    vec![
        Property::sometimes("the second comer is refused", |_, w: &World| {
            is_result(w, 1, HostResult::Refused) && w.lock == Some(0)
        }),
        Property::sometimes("the second comer follows a rollback", |_, w: &World| {
            w.tx[0].done == Some(Done::RolledBack) && is_result(w, 1, HostResult::Confirmed)
        }),
    ]
}

fn is_result(w: &World, n: usize, result: HostResult) -> bool {
    w.controller[n].state == State::Finished(result)
}
