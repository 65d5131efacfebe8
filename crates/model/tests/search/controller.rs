//! What a controller hears and does. Where it goes is decided by core's `step` alone.

use crate::forget::has_begun;
use crate::rules::Mutation;
use crate::world::{
    APPLIED, APPLYING, ARMED, Answer, Broken, By, Decider, Done, END, Line, READY, ROLLING_BACK, Request,
    Session, Stage, World,
};
use snapback_core::lifecycle::{Input, State, step};
use snapback_core::target::TargetState;

/// Whether the journal is read in this state; while it is undone too, whoever ordered that.
fn is_read(state: State) -> bool {
    state.is_followed() || state == State::RollingBack
}

impl World {
    /// Hands an input to core. What it has no answer to is noted: the engine must not be able to hear it.
    fn hear(&mut self, c: usize, input: Input) {
        match step(self.controller[c].state, input) {
            // One host has nobody to wait for.
            Ok(State::Passed) => return self.passed(c),
            Ok(next) => self.controller[c].state = next,
            Err(_) => self.broken = Some(Broken::Input),
        }
        let state = self.controller[c].state;
        if state != State::Confirming {
            for request in self.request.iter_mut().flatten().filter(|r| usize::from(r.tx) == c) {
                request.heard = false;
            }
        }
        if state.is_final() {
            self.controller[c].line = Line::None;
        }
    }

    fn passed(&mut self, c: usize) {
        self.controller[c].state = State::Passed;
        self.hear(c, Input::Cleared);
    }

    /// Something that the controller itself sees or decides.
    pub(crate) fn own_input(&mut self, c: usize, input: Input) -> bool {
        let controller = &self.controller[c];
        let (state, other) = (controller.state, self.controller[1 - c].state);
        // The second comes when the first has begun: before that both only look.
        let turn_came = c == 0 || has_begun(other);
        let possible = match input {
            Input::Start => state == State::Pending && turn_came,
            Input::ConnectFailed => state == State::Connecting,
            Input::InspectedDiffers | Input::InspectedSame => {
                state == State::Inspecting && controller.line != Line::None
            }
            Input::LocalChecksPassed | Input::LocalChecksFailed => {
                matches!(state, State::Checking | State::TargetReady)
            }
            // A clock may run fast: the controller's own never decides for the host.
            Input::DeadlinePassed => {
                state.may_be_armed() && !matches!(state, State::Asking | State::RollingBack)
            }
            Input::GaveUp => matches!(state, State::Asking | State::RollingBack),
            Input::Halt => matches!(state, State::Planned),
            Input::Lost => {
                matches!(state, State::Inspecting | State::Planned | State::Beginning)
                    && controller.line == Line::None
            }
            _ => false,
        };
        if !controller.alive || !possible {
            return false;
        }
        self.hear(c, input);
        true
    }

    pub(crate) fn connect(&mut self, c: usize, broken: Option<Mutation>) -> bool {
        let controller = &self.controller[c];
        if !controller.alive || controller.line != Line::None || !self.is_reachable() {
            return false;
        }
        match controller.state {
            State::Connecting => self.hear(c, Input::Connected),
            State::RollingBack => {
                let tx = &mut self.tx[c];
                if tx.is_open() && tx.armed.is_some() {
                    tx.looked[Decider::Abort as usize] = Some(tx.extended);
                }
            }
            State::Asking => {
                self.contact(broken);
                self.ask(c, broken);
                return true;
            }
            state if is_read(state) && state != State::Beginning => {}
            _ => return false,
        }
        self.contact(broken);
        self.controller[c].line = Line::Later;
        true
    }

    /// Reads the target's state, as `status` and `follow` tell it.
    fn ask(&mut self, c: usize, broken: Option<Mutation>) {
        match self.tx[c].state() {
            Some(TargetState::RollbackFailed) => self.hear(c, Input::TargetRollbackFailed),
            Some(TargetState::RollingBack) => self.hear(c, Input::TargetRollingBack),
            Some(TargetState::Armed | TargetState::Applying) => self.hear(c, Input::TargetApplying),
            Some(TargetState::Applied) => self.hear(c, Input::TargetApplied),
            Some(TargetState::Ready) => self.hear(c, Input::TargetReady),
            Some(TargetState::Locked | TargetState::Confirming) => {}
            Some(TargetState::Confirmed) => self.hear(c, Input::TargetConfirmed),
            Some(TargetState::RolledBack) => self.hear(c, Input::TargetRolledBack),
            Some(TargetState::Discarded) | None => {
                // Barred: a `begin` that arrives later finds a record of its name.
                if broken != Some(Mutation::UntouchedWithoutBar) && !self.tx[c].record {
                    (self.tx[c].record, self.tx[c].done) = (true, Some(Done::Discarded));
                }
                self.untouched(c);
            }
        }
    }

    /// A host that said `armed` and now knows of nothing has lost its record.
    fn untouched(&mut self, c: usize) {
        let (state, was_armed) = (self.controller[c].state, self.controller[c].heard >= ARMED);
        match state {
            _ if !was_armed => self.hear(c, Input::TargetUntouched),
            State::Asking | State::RollingBack => self.hear(c, Input::GaveUp),
            _ => self.hear(c, Input::DeadlinePassed),
        }
    }

    /// Go: what was planned is sent over the line that inspected.
    pub(crate) fn go(&mut self, c: usize) -> bool {
        let controller = &self.controller[c];
        if !controller.alive || controller.state != State::Planned || controller.line == Line::None {
            return false;
        }
        self.hear(c, Input::Go);
        self.controller[c].line = Line::Arming;
        self.tx[c].session = Session::Arrived;
        true
    }

    /// Hears the next line of the journal, or the refusal.
    pub(crate) fn read_journal(&mut self, c: usize) -> bool {
        let controller = &self.controller[c];
        if !controller.alive || controller.line == Line::None || !is_read(controller.state) {
            return false;
        }
        let tx = &self.tx[c];
        if tx.refused {
            if controller.state != State::Beginning {
                return false;
            }
            self.hear(c, Input::TargetRefused);
            return true;
        }
        let Some(line) = (controller.heard + 1..=END).find(|n| tx.journal & (1 << n) != 0) else {
            return false;
        };
        let input = match (line, tx.done) {
            (ARMED, _) => Input::TargetArmed,
            (APPLYING, _) => Input::TargetApplying,
            (APPLIED, _) => Input::TargetApplied,
            (READY, _) => Input::TargetReady,
            (ROLLING_BACK, _) => Input::TargetRollingBack,
            (_, Some(Done::Confirmed)) => Input::TargetConfirmed,
            (_, Some(Done::RolledBack)) => Input::TargetRolledBack,
            (_, None) => Input::TargetRollbackFailed,
            (_, Some(Done::Discarded)) => {
                self.untouched(c);
                return true;
            }
        };
        self.controller[c].heard = line;
        self.hear(c, input);
        true
    }

    /// Opens the connection whose first act is the confirmation.
    pub(crate) fn open_confirm(&mut self, c: usize, broken: Option<Mutation>) -> bool {
        let controller = &self.controller[c];
        let asked = self.request.iter().flatten().any(|r| usize::from(r.tx) == c && r.heard);
        if !controller.alive || controller.state != State::Confirming || asked {
            return false;
        }
        // A broken controller would take the line it has.
        let old_line = broken == Some(Mutation::ConfirmOverOldConnection) && controller.line != Line::None;
        if !self.is_reachable() && !old_line {
            return false;
        }
        let fresh = self.tx[c].ready && !old_line;
        self.place(Request {
            tx: c as u8,
            extends: false,
            right_token: true,
            fresh,
            stage: Stage::Arrived,
            heard: true,
        })
    }

    /// Puts a request where there is room.
    pub(crate) fn place(&mut self, request: Request) -> bool {
        match self.request.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some(request),
            None => return false,
        }
        true
    }

    /// Takes one away that has answered; what it carries out it goes on with.
    pub(crate) fn take_answered(&mut self, slot: usize) {
        self.request[slot] = None;
        for tx in self.tx.iter_mut().filter(|tx| tx.carrier == Some(By::Request(slot as u8))) {
            tx.carrier = Some(By::Detached);
        }
    }

    pub(crate) fn hear_answer(&mut self, slot: usize) -> bool {
        let Some(request) = self.request[slot] else { return false };
        let (Stage::Answered(answer), true) = (request.stage, request.heard) else { return false };
        let c = usize::from(request.tx);
        self.take_answered(slot);
        match answer {
            Answer::Confirmed => self.hear(c, Input::ConfirmedFresh),
            Answer::TooLate | Answer::BadToken => self.hear(c, Input::ConfirmFailed),
            // Another fresh connection may do better.
            Answer::Stale | Answer::NotReady | Answer::Extended => {}
        }
        true
    }
}
