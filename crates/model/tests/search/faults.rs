//! What goes wrong, and who else comes by.

use crate::rules::Mutation;
use crate::world::{Decider, Guard, Line, Power, Request, Runner, Session, Stage, Tx, World};

/// Something that goes wrong once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// The line breaks; the session at its other end dies with it, or doesn't.
    Cut {
        c: u8,
        session_dies: bool,
    },
    /// The controller is killed.
    Crash {
        c: u8,
        session_dies: bool,
    },
    /// The answer to a confirmation is lost.
    AnswerLost {
        slot: u8,
    },
    SupervisorKilled(u8),
    SupervisorFrozen(u8),
    BackupKilled(u8),
    RunnerKilled(u8),
    /// Whoever undoes or confirms is killed, if it is a process of its own.
    CarrierKilled(u8),
    UndoFails(u8),
    /// All power is lost. What wasn't synced is lost too, or not.
    PowerCut {
        unsynced_lost: bool,
    },
    /// Somebody sets the wall clock back.
    WallClockBack,
}

/// Somebody who comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Visit {
    /// A person asks for a rollback of what is open.
    Rollback,
    /// A confirmation over a connection that is older than `ready`.
    OldLine(u8),
    /// A confirmation with the token of another transaction.
    OtherToken(u8),
    /// An extension, by who has the token and a fresh connection.
    Extend(u8),
}

impl World {
    pub(crate) fn fault(&mut self, fault: Fault, broken: Option<Mutation>) -> bool {
        // A change that locks out may take the open lines with it: that is no fault.
        let free = matches!(fault, Fault::Cut { .. }) && self.is_locked_out();
        if self.faults == 0 && !free {
            return false;
        }
        let happened = match fault {
            Fault::Cut { c, session_dies } => self.cut(usize::from(c), session_dies, broken),
            Fault::Crash { c, session_dies } => self.crash(usize::from(c), session_dies, broken),
            Fault::AnswerLost { slot } => self.lose_answer(usize::from(slot)),
            Fault::SupervisorKilled(t) => self.kill_guard(usize::from(t), |tx| &mut tx.supervisor),
            Fault::BackupKilled(t) => self.kill_guard(usize::from(t), |tx| &mut tx.backup),
            Fault::SupervisorFrozen(t) => {
                let supervisor = &mut self.tx[usize::from(t)].supervisor;
                let lived = *supervisor == Guard::Alive;
                if lived {
                    *supervisor = Guard::Frozen;
                    self.tx[usize::from(t)].guards_out += 1;
                }
                lived
            }
            Fault::RunnerKilled(t) => {
                let runner = &mut self.tx[usize::from(t)].runner;
                let lived = *runner == Runner::Alive;
                *runner = if lived { Runner::Ended } else { *runner };
                lived
            }
            Fault::CarrierKilled(t) => self.kill_carrier(usize::from(t)),
            Fault::UndoFails(t) => self.undo_fails(usize::from(t)),
            Fault::PowerCut { unsynced_lost } => self.power_cut(unsynced_lost),
            Fault::WallClockBack => !std::mem::replace(&mut self.wall_back, true),
        };
        if happened && !free {
            self.faults -= 1;
        }
        happened
    }

    fn cut(&mut self, c: usize, session_dies: bool, broken: Option<Mutation>) -> bool {
        if self.controller[c].line == Line::None {
            return false;
        }
        if self.controller[c].line == Line::Arming {
            self.line_of_session_ends(c, session_dies, broken);
        }
        self.controller[c].line = Line::None;
        true
    }

    fn line_of_session_ends(&mut self, c: usize, session_dies: bool, broken: Option<Mutation>) {
        let tx = &mut self.tx[c];
        if session_dies {
            tx.session.die();
        }
        if broken == Some(Mutation::GuardInSession) {
            tx.supervisor.die();
            tx.backup.die();
        }
    }

    fn crash(&mut self, c: usize, session_dies: bool, broken: Option<Mutation>) -> bool {
        if !self.controller[c].alive || self.controller[c].state.is_final() {
            return false;
        }
        self.cut(c, session_dies, broken);
        self.controller[c].alive = false;
        for request in self.request.iter_mut().flatten().filter(|r| usize::from(r.tx) == c) {
            request.heard = false;
        }
        true
    }

    fn lose_answer(&mut self, slot: usize) -> bool {
        match &mut self.request[slot] {
            Some(request) if request.heard => request.heard = false,
            _ => return false,
        }
        true
    }

    fn kill_guard(&mut self, t: usize, guard: fn(&mut Tx) -> &mut Guard) -> bool {
        let tx = &mut self.tx[t];
        if !guard(tx).is_there() {
            return false;
        }
        tx.guards_out += u8::from(*guard(tx) == Guard::Alive);
        guard(tx).die();
        self.drop_dead_carrier(t);
        true
    }

    fn kill_carrier(&mut self, t: usize) -> bool {
        use crate::world::By;
        match self.tx[t].carrier {
            Some(By::Detached) if self.power == Power::Up => {}
            Some(By::Request(slot)) => self.request[usize::from(slot)] = None,
            _ => return false,
        }
        self.tx[t].carrier = None;
        true
    }

    fn power_cut(&mut self, unsynced_lost: bool) -> bool {
        if self.power == Power::Off {
            return false;
        }
        let unsynced = self.tx.iter().any(|tx| tx.turn.is_some() && !tx.durable && tx.done.is_none());
        if unsynced_lost && !unsynced {
            return false;
        }
        self.power = Power::Off;
        self.request = [None; 2];
        for controller in &mut self.controller {
            controller.line = Line::None;
        }
        for tx in &mut self.tx {
            if unsynced_lost && !tx.durable {
                tx.turn = None;
                // With the turn went what was built upon it.
                if tx.done == Some(crate::world::Done::Confirmed) {
                    tx.done = None;
                }
            }
            tx.session.die();
            (tx.supervisor, tx.backup, tx.guards_out) = (Guard::None, Guard::None, 0);
            if tx.runner == Runner::Alive {
                tx.runner = Runner::Ended;
            }
            (tx.carrier, tx.looked) = (None, [None; 3]);
        }
        true
    }

    pub(crate) fn power_on(&mut self) -> bool {
        if self.power != Power::Off {
            return false;
        }
        (self.power, self.boot) = (Power::Booting, self.boot + 1);
        true
    }

    pub(crate) fn visit(&mut self, visit: Visit, broken: Option<Mutation>) -> bool {
        if self.visits == 0 || self.power != Power::Up {
            return false;
        }
        let request = |t: u8| Request {
            tx: t,
            extends: false,
            right_token: true,
            fresh: true,
            stage: Stage::Arrived,
            heard: false,
        };
        let came = match visit {
            Visit::Rollback => self.is_reachable() && self.person_rolls_back(broken),
            Visit::OldLine(t) => {
                let began = self.tx[usize::from(t)].session != Session::None;
                began && self.place(Request { fresh: false, ..request(t) })
            }
            Visit::OtherToken(t) => {
                self.is_reachable()
                    && self.tx[usize::from(t)].is_open()
                    && self.place(Request { right_token: false, ..request(t) })
            }
            Visit::Extend(t) => {
                self.is_reachable()
                    && self.tx[usize::from(t)].ready
                    && !self.tx[usize::from(t)].extended
                    && self.place(Request { extends: true, ..request(t) })
            }
        };
        if came {
            self.visits -= 1;
        }
        came
    }

    fn person_rolls_back(&mut self, broken: Option<Mutation>) -> bool {
        let Some(t) = self.lock.map(usize::from) else { return false };
        let tx = &mut self.tx[t];
        if !tx.is_open() || tx.armed.is_none() || tx.looked[Decider::Abort as usize].is_some() {
            return false;
        }
        if tx.undo_failed {
            tx.undo_failed = false;
            tx.journal &= !(1 << crate::world::END);
            self.contact(broken);
        } else {
            tx.looked[Decider::Abort as usize] = Some(tx.extended);
        }
        true
    }
}
