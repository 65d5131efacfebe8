//! What can't matter any more is forgotten, so that worlds which go on alike are one. A search with `Forgets::Compared`
//! demands of each world that they do.

use crate::world::{By, Content, Guard, Line, NOW, Power, Runner, Session, World};
use snapback_core::lifecycle::State;

/// Whether a search forgets, or looks at every world as it is and at what forgetting would make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forgets {
    Yes,
    Compared,
}

/// A boot before this one, whichever follows.
const EARLIER: u8 = u8::MAX;

impl World {
    /// Sets the clock back to `NOW` and all that is remembered of it with it: only how long ago something was counts, and
    /// beyond `NOW` not even that.
    pub(crate) fn set_clock(&mut self) {
        let now = std::mem::replace(&mut self.now, NOW);
        let same_age = |then: &mut u8| *then = NOW - (now - *then).min(NOW);
        for tx in &mut self.tx {
            tx.applied.as_mut().map(same_age);
            tx.dirty_since.as_mut().map(same_age);
            if let Some((boot, then)) = &mut tx.armed {
                same_age(then);
                *boot = if *boot == self.boot { 0 } else { EARLIER };
            }
        }
        self.boot = 0;
    }

    /// Forgets what nobody asks about any more.
    pub(crate) fn forget(&mut self, alone: bool) {
        for n in 0..2 {
            self.forget_controller(n);
            self.forget_guard(n);
            self.forget_reasons(n);
            self.forget_times(n);
            self.forget_done(n, alone);
        }
        self.forget_requests();
    }

    /// One that is dead hears nothing; of what it was remains whether it had begun, and whether it had asked.
    fn forget_controller(&mut self, n: usize) {
        let (controller, tx) = (&mut self.controller[n], &mut self.tx[n]);
        if !controller.alive {
            controller.state = match controller.state {
                state if !has_begun(state) => State::Pending,
                state if !may_have_asked(state) => State::Armed,
                _ => State::Asking,
            };
        }
        if !controller.alive || controller.state.is_final() {
            (controller.heard, tx.refused, tx.journal) = (0, false, 0);
        }
        tx.journal &= !((1 << (controller.heard + 1)) - 1);
        // It dies with its line, if it lives.
        if controller.line == Line::Arming && !tx.session.is_alive() {
            controller.line = Line::Later;
        }
    }

    fn forget_guard(&mut self, n: usize) {
        let tx = &mut self.tx[n];
        // A contact leaves one alone that has yet to begin, as long as its session lives.
        if tx.session.is_gone() {
            for guard in [&mut tx.supervisor, &mut tx.backup] {
                *guard = if *guard == Guard::Dead { Guard::None } else { *guard };
            }
            tx.runner = if tx.runner == Runner::None { Runner::Ended } else { tx.runner };
        }
        tx.guards_out = tx.guards_out.min(2);
        tx.durable = tx.turn.is_some() && (tx.durable || self.faults == 0);
    }

    /// Once a turn is there, or the boot will make one, nobody asks any more why.
    fn forget_reasons(&mut self, n: usize) {
        let (up, tx) = (self.power == Power::Up, &mut self.tx[n]);
        let decided = tx.turn.is_some() || !up;
        let watched = tx.supervisor == Guard::Alive && !decided;
        if tx.runner != Runner::Alive && !watched {
            (tx.passed, tx.failed) = (false, false);
        }
        if decided && self.visits == 0 {
            tx.ready = false;
        }
        if decided && tx.runner != Runner::Alive && tx.content == Content::Old {
            tx.applied = None;
        }
    }

    /// Times count as long as something is due: a decision, or the undo of what is there.
    fn forget_times(&mut self, n: usize) {
        let (up, tx) = (self.power == Power::Up, &mut self.tx[n]);
        let settled = tx.undo_failed_once || tx.done.is_some() || !up;
        let (to_decide, to_undo) = (tx.turn.is_none() && tx.done.is_none(), tx.content != Content::Old);
        if let Some((boot, then)) = &mut tx.armed {
            *boot = if up { *boot } else { EARLIER };
            if *boot == EARLIER || !(to_decide || to_undo && !settled) {
                *then = 0;
            }
        }
        if let Some(applied) = tx.applied.as_mut().filter(|_| !up || !(to_decide || to_undo && !settled)) {
            *applied = 0;
        }
        if let Some(since) = tx.dirty_since.as_mut().filter(|_| settled) {
            *since = 0;
        }
    }

    /// What is over and free has only its end; a mark that shows what was reached stays where one is alone.
    fn forget_done(&mut self, n: usize, alone: bool) {
        let tx = &mut self.tx[n];
        if tx.done.is_none() || tx.carrier.is_some() || self.lock == Some(n as u8) {
            return;
        }
        if tx.content == Content::Old {
            (tx.undo_failed_once, tx.guards_out) = (false, 0);
        }
        if !alone {
            self.bad[n] &= tx.content != Content::Old;
            tx.go = false;
            tx.extended &= self.visits > 0;
            tx.session = if tx.session == Session::Dead { Session::Over } else { tx.session };
        }
    }

    /// Two requests are alike whichever came first; how fresh a line is counts until there is a turn.
    fn forget_requests(&mut self) {
        for request in self.request.iter_mut().flatten() {
            request.fresh |= self.tx[usize::from(request.tx)].turn.is_some();
        }
        let carries = |slot: u8| self.tx.iter().any(|tx| tx.carrier == Some(By::Request(slot)));
        if (self.request[0], carries(0)) < (self.request[1], carries(1)) {
            self.request.swap(0, 1);
            for tx in &mut self.tx {
                if let Some(By::Request(slot)) = &mut tx.carrier {
                    *slot = 1 - *slot;
                }
            }
        }
    }
}

/// Whether anything was sent to the target.
pub(crate) fn has_begun(state: State) -> bool {
    state.may_be_armed() || state.is_final()
}

/// Whether a confirmation may have been sent.
pub(crate) fn may_have_asked(state: State) -> bool {
    matches!(state, State::Confirming | State::RollingBack | State::Asking | State::Finished(_))
}
