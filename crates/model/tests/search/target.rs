//! What the target does, by the rules of `agent-scripts/`: each function is one step, and says whether it could be taken.

use crate::rules::Mutation;
use crate::world::{
    APPLIED, APPLYING, ARMED, Answer, By, Content, Decider, Done, END, GRACE, Guard, Power, READY,
    ROLLING_BACK, Request, Runner, Session, Stage, Turn, World,
};

impl World {
    pub(crate) fn is_late(&self, t: usize, by: u8, broken: Option<Mutation>) -> bool {
        let stopped = self.wall_back && broken == Some(Mutation::DeadlineOnWallClock);
        self.deadline(t).is_none_or(|deadline| self.now >= deadline + by) && !stopped
    }

    /// Why the supervisor would decide for a rollback now.
    fn supervisor_cause(&self, t: usize, broken: Option<Mutation>) -> bool {
        let tx = &self.tx[t];
        let runner_lost = tx.go && tx.runner != Runner::Alive && !tx.passed && !tx.failed;
        let session_lost = !tx.go && !tx.session.is_alive();
        tx.turn.is_none() && (tx.failed || self.is_late(t, 0, broken) || session_lost || runner_lost)
    }

    fn backup_cause(&self, t: usize, broken: Option<Mutation>) -> bool {
        let tx = &self.tx[t];
        let overrules = !tx.supervisor.is_there() || self.is_stuck(t, broken);
        tx.turn.is_none() && tx.armed.is_some() && overrules
    }

    /// Whether it is so late that a supervisor would have decided, if it could.
    pub(crate) fn is_stuck(&self, t: usize, broken: Option<Mutation>) -> bool {
        self.is_late(t, GRACE, broken) && broken != Some(Mutation::StuckIsAlive)
    }

    /// Whether something on the target is due before time may go on.
    pub(crate) fn is_urgent(&self, broken: Option<Mutation>) -> bool {
        self.power == Power::Booting || (self.power == Power::Up && (0..2).any(|t| self.is_due(t, broken)))
    }

    fn is_due(&self, t: usize, broken: Option<Mutation>) -> bool {
        let tx = &self.tx[t];
        if tx.carrier.is_some_and(|by| self.lives(t, by)) {
            return true;
        }
        // Staging may take long; arming, and what follows it, has limits.
        if matches!(tx.session, Session::Armed | Session::Guarded) {
            return true;
        }
        if !tx.is_open() || tx.undo_failed {
            return false;
        }
        let to_carry = tx.turn.is_some();
        let supervisor = tx.supervisor == Guard::Alive
            && (tx.looked[Decider::Supervisor as usize].is_some()
                || to_carry
                || self.supervisor_cause(t, broken)
                || (tx.passed && !tx.ready));
        let backup = tx.backup == Guard::Alive
            && (tx.looked[Decider::Backup as usize].is_some() || to_carry || self.backup_cause(t, broken));
        supervisor || backup
    }

    pub(crate) fn lives(&self, t: usize, by: By) -> bool {
        match by {
            By::Supervisor => self.tx[t].supervisor == Guard::Alive,
            By::Backup => self.tx[t].backup == Guard::Alive,
            By::Request(_) | By::Detached => true,
        }
    }

    /// The one primitive: a hard link that only one can make. `chain` is what the decider saw of the chain.
    fn link(&mut self, t: usize, turn: Turn, chain: bool, broken: Option<Mutation>) -> bool {
        let tx = &mut self.tx[t];
        let overwrites = matches!(broken, Some(Mutation::CheckThenAct | Mutation::ConfirmByDeletion));
        if !overwrites && (tx.turn.is_some() || tx.extended != chain) {
            return false;
        }
        if tx.done.is_some() {
            return false;
        }
        tx.turn = Some(turn);
        tx.durable = false;
        true
    }

    /// Whoever sees a decision makes it durable before acting on it.
    fn see(&mut self, t: usize, broken: Option<Mutation>) {
        let skipped = match broken {
            // A marker that is gone is gone for this boot only: nobody synced that.
            Some(Mutation::ConfirmByDeletion) => self.tx[t].turn == Some(Turn::Confirm),
            _ => false,
        };
        self.tx[t].durable |= !skipped;
    }

    /// The next step of the session that runs `begin`.
    pub(crate) fn session_step(&mut self, t: usize, broken: Option<Mutation>) -> bool {
        let late_arming = broken == Some(Mutation::ArmAfterApply);
        let (boot, now) = (self.boot, self.now);
        match self.tx[t].session {
            Session::Arrived => self.session_lock(t),
            Session::Locked if late_arming && self.tx[t].applied.is_none() => {
                let started = self.tx[t].runner == Runner::None;
                self.tx[t].go = true;
                self.tx[t].runner = Runner::Alive;
                return started;
            }
            Session::Locked => {
                self.tx[t].armed = Some((boot, now));
                self.tx[t].session = Session::Armed;
            }
            Session::Armed => {
                let tx = &mut self.tx[t];
                (tx.supervisor, tx.backup, tx.session) = (Guard::Alive, Guard::Alive, Session::Guarded);
                tx.write(ARMED);
            }
            Session::Guarded => {
                let tx = &mut self.tx[t];
                // From here on it only tells, and its end changes nothing.
                (tx.go, tx.session) = (true, Session::Over);
                if !late_arming {
                    tx.runner = Runner::Alive;
                }
                tx.write(APPLYING);
            }
            Session::None | Session::Dead | Session::Over => return false,
        }
        true
    }

    fn session_lock(&mut self, t: usize) {
        // A record of this name, or its bar, is the end of it.
        if self.lock.is_some() || self.tx[t].record {
            self.tx[t].refused = true;
            self.tx[t].session = Session::Over;
        } else {
            self.lock = Some(t as u8);
            self.tx[t].record = true;
            self.tx[t].session = Session::Locked;
        }
    }

    /// No space, a stale plan, a red baseline: nothing is armed.
    pub(crate) fn session_refuses(&mut self, t: usize) -> bool {
        let tx = &mut self.tx[t];
        if tx.session != Session::Locked || tx.runner != Runner::None {
            return false;
        }
        (tx.refused, tx.session) = (true, Session::Over);
        self.discard(t);
        true
    }

    fn discard(&mut self, t: usize) {
        self.tx[t].done = Some(Done::Discarded);
        self.tx[t].write(END);
        self.lock = None;
    }

    /// The runner writes a part of the change. It looks for a decision before it starts, and not in the middle.
    pub(crate) fn runner_writes(&mut self, t: usize, broken: Option<Mutation>) -> bool {
        let now = self.now;
        let tx = &mut self.tx[t];
        // One that was not ended is in the middle of what was undone under it.
        let in_the_middle = tx.carried.1 && broken == Some(Mutation::UndoBesideRunner);
        let next = match tx.content {
            _ if tx.runner != Runner::Alive || tx.applied.is_some() || tx.failed => return false,
            Content::Old if tx.turn.is_none() || in_the_middle => Content::Half,
            Content::Half => Content::New,
            _ => return false,
        };
        tx.content = next;
        tx.dirty_since.get_or_insert(now);
        true
    }

    pub(crate) fn runner_applied(&mut self, t: usize, broken: Option<Mutation>) -> bool {
        let now = self.now;
        let tx = &mut self.tx[t];
        if tx.runner != Runner::Alive || tx.content != Content::New || tx.applied.is_some() || tx.failed {
            return false;
        }
        let guarded = tx.supervisor.is_there() && tx.backup.is_there();
        if !guarded && broken != Some(Mutation::ArmAfterApply) {
            // It lost its guard: nobody may be left to hear it.
            (tx.failed, tx.runner) = (true, Runner::Ended);
            let chain = tx.extended;
            if self.link(t, Turn::Rollback, chain, broken) {
                self.see(t, broken);
                self.tx[t].carrier = Some(By::Detached);
            }
            return true;
        }
        tx.applied = Some(now);
        tx.write(APPLIED);
        true
    }

    /// The remote checks pass, or something fails.
    pub(crate) fn runner_ends(&mut self, t: usize, passed: bool) -> bool {
        let tx = &mut self.tx[t];
        if tx.runner != Runner::Alive || (passed && tx.applied.is_none()) {
            return false;
        }
        tx.runner = Runner::Ended;
        if passed {
            tx.passed = true;
        } else {
            tx.failed = true;
        }
        true
    }

    pub(crate) fn say_ready(&mut self, t: usize, broken: Option<Mutation>) -> bool {
        let late = self.is_late(t, 0, broken);
        let tx = &mut self.tx[t];
        if tx.supervisor != Guard::Alive
            || tx.turn.is_some()
            || !tx.is_open()
            || !tx.passed
            || tx.ready
            || late
        {
            return false;
        }
        tx.ready = true;
        tx.write(READY);
        true
    }

    /// A decider finds a reason to roll back; it hasn't linked yet.
    pub(crate) fn look(&mut self, t: usize, who: Decider, broken: Option<Mutation>) -> bool {
        let cause = match who {
            Decider::Supervisor => self.tx[t].supervisor == Guard::Alive && self.supervisor_cause(t, broken),
            Decider::Backup => self.tx[t].backup == Guard::Alive && self.backup_cause(t, broken),
            // It looks when it is started, by a controller or a person.
            Decider::Abort => false,
        };
        let tx = &mut self.tx[t];
        if !cause || !tx.is_open() || tx.looked[who as usize].is_some() {
            return false;
        }
        tx.looked[who as usize] = Some(tx.extended);
        true
    }

    pub(crate) fn link_rollback(&mut self, t: usize, who: Decider, broken: Option<Mutation>) -> bool {
        let alive = match who {
            Decider::Supervisor => self.tx[t].supervisor == Guard::Alive,
            Decider::Backup => self.tx[t].backup == Guard::Alive,
            Decider::Abort => self.power == Power::Up,
        };
        let Some(chain) = self.tx[t].looked[who as usize].filter(|_| alive) else { return false };
        self.tx[t].looked[who as usize] = None;
        let won = self.link(t, Turn::Rollback, chain, broken);
        match who {
            // A stuck supervisor is killed by whoever overrules it.
            Decider::Backup if won => self.overrule_supervisor(t),
            // One that lost to an extension looks again.
            Decider::Abort if !won && self.tx[t].turn.is_none() && self.tx[t].is_open() => {
                self.tx[t].looked[who as usize] = Some(self.tx[t].extended);
            }
            Decider::Abort => self.contact(broken),
            _ => {}
        }
        true
    }

    /// Takes up a decision that nobody carries out.
    pub(crate) fn take_carry(&mut self, t: usize, by: By, broken: Option<Mutation>) -> bool {
        let tx = &self.tx[t];
        let waiting = |slot: u8| {
            self.request[slot as usize].is_some_and(|r| r.tx as usize == t && r.stage == Stage::Waiting)
        };
        let able = match by {
            By::Supervisor | By::Backup => self.lives(t, by),
            By::Request(slot) => tx.turn == Some(Turn::Confirm) && waiting(slot),
            By::Detached => false,
        };
        let follows = tx.carried.1 && broken == Some(Mutation::NobodyFollowsACarrier);
        if !able || follows || tx.turn.is_none() || tx.carrier.is_some() || !tx.is_open() || tx.undo_failed {
            return false;
        }
        self.see(t, broken);
        self.tx[t].carrier = Some(by);
        true
    }

    fn overrule_supervisor(&mut self, t: usize) {
        self.tx[t].guards_out += u8::from(self.tx[t].supervisor == Guard::Alive);
        self.tx[t].supervisor.die();
        self.drop_dead_carrier(t);
    }

    /// A carrier that hangs is killed past its limit, so that another can follow.
    pub(crate) fn kill_stuck_carrier(&mut self, t: usize) -> bool {
        self.tx[t].backup == Guard::Alive && self.kill_frozen_carrier(t)
    }

    fn kill_frozen_carrier(&mut self, t: usize) -> bool {
        let tx = &mut self.tx[t];
        if tx.carrier != Some(By::Supervisor) || tx.supervisor != Guard::Frozen {
            return false;
        }
        tx.supervisor = Guard::Dead;
        tx.carrier = None;
        true
    }

    pub(crate) fn drop_dead_carrier(&mut self, t: usize) {
        let tx = &mut self.tx[t];
        match tx.carrier {
            Some(By::Supervisor) if !tx.supervisor.is_there() => tx.carrier = None,
            Some(By::Backup) if !tx.backup.is_there() => tx.carrier = None,
            _ => {}
        }
    }

    /// The next step of whoever carries the decision out.
    pub(crate) fn carry_step(&mut self, t: usize, broken: Option<Mutation>) -> bool {
        let Some(by) = self.tx[t].carrier else { return false };
        if !self.lives(t, by) || self.power == Power::Off {
            return false;
        }
        let early = broken == Some(Mutation::DoneBeforeCarriedOut);
        let tx = &mut self.tx[t];
        match tx.turn {
            Some(Turn::Rollback) if early && tx.done.is_none() => tx.done = Some(Done::RolledBack),
            Some(Turn::Rollback) if tx.content != Content::Old || tx.runner == Runner::Alive => {
                self.undo_step(t, broken);
            }
            _ if tx.done.is_some() => self.release(t),
            Some(Turn::Confirm) => {
                (tx.done, tx.carried.0) = (Some(Done::Confirmed), true);
                tx.write(END);
            }
            _ => {
                (tx.done, tx.carried.1) = (Some(Done::RolledBack), true);
                tx.write(ROLLING_BACK);
                tx.write(END);
            }
        }
        true
    }

    fn undo_step(&mut self, t: usize, broken: Option<Mutation>) {
        let tx = &mut self.tx[t];
        tx.carried.1 = true;
        tx.write(ROLLING_BACK);
        if tx.runner == Runner::Alive && broken != Some(Mutation::UndoBesideRunner) {
            tx.runner = Runner::Ended;
            return;
        }
        tx.content = if tx.content == Content::New { Content::Half } else { Content::Old };
        if tx.content == Content::Old {
            tx.dirty_since = None;
            if broken == Some(Mutation::UndoBesideRunner) {
                tx.done = Some(Done::RolledBack);
                tx.write(END);
            }
        }
    }

    pub(crate) fn undo_fails(&mut self, t: usize) -> bool {
        let tx = &mut self.tx[t];
        if tx.carrier.is_none() || tx.turn != Some(Turn::Rollback) || tx.done.is_some() || tx.undo_failed {
            return false;
        }
        (tx.undo_failed, tx.undo_failed_once, tx.carrier, tx.carried.1) = (true, true, None, true);
        tx.write(ROLLING_BACK);
        tx.write(END);
        true
    }

    /// `done` is durable: the lock is free, and the guard ends.
    fn release(&mut self, t: usize) {
        if self.lock == Some(t as u8) {
            self.lock = None;
        }
        let tx = &mut self.tx[t];
        (tx.carrier, tx.supervisor, tx.backup, tx.looked) = (None, Guard::None, Guard::None, [None; 3]);
    }

    /// What every visit of a controller does first: the one rule.
    pub(crate) fn contact(&mut self, broken: Option<Mutation>) {
        if broken == Some(Mutation::NoResolveOnContact) {
            return;
        }
        let Some(t) = self.lock.map(usize::from) else { return };
        if self.tx[t].done.is_some() {
            return self.release(t);
        }
        if self.tx[t].turn.is_none() {
            let tx = &self.tx[t];
            if tx.session.is_alive() && (tx.armed.is_none() || tx.supervisor == Guard::None) {
                return;
            }
            if tx.armed.is_none() {
                return self.discard(t);
            }
            if tx.supervisor.is_there() && !self.is_stuck(t, broken) {
                return;
            }
            let chain = tx.extended;
            self.link(t, Turn::Rollback, chain, broken);
            self.overrule_supervisor(t);
        }
        self.kill_frozen_carrier(t);
        let follows = self.tx[t].carried.1 && broken == Some(Mutation::NobodyFollowsACarrier);
        if self.tx[t].carrier.is_none() && !self.tx[t].undo_failed && !follows {
            self.see(t, broken);
            self.tx[t].carrier = Some(By::Detached);
        }
    }

    /// The next step of a confirmation or an extension on the target.
    pub(crate) fn request_step(&mut self, slot: usize, broken: Option<Mutation>) -> bool {
        let Some(request) = self.request[slot].filter(|_| self.power == Power::Up) else { return false };
        let t = usize::from(request.tx);
        let stage = match request.stage {
            Stage::Arrived => self.request_looks(&request, broken),
            Stage::Looked(chain) => self.request_links(&request, chain, broken),
            Stage::Waiting if self.tx[t].done == Some(Done::Confirmed) => Stage::Answered(Answer::Confirmed),
            Stage::Waiting | Stage::Answered(_) => return false,
        };
        self.request[slot] = Some(Request { stage, ..request });
        if let Stage::Answered(answer) = stage {
            self.tx[t].told_confirmed |= answer == Answer::Confirmed;
            self.check_told(t, answer);
        }
        true
    }

    fn check_told(&mut self, t: usize, answer: Answer) {
        let tx = &self.tx[t];
        let right = match answer {
            Answer::TooLate => tx.turn == Some(Turn::Rollback),
            Answer::Confirmed => tx.turn == Some(Turn::Confirm),
            _ => true,
        };
        if !right {
            self.broken = Some(crate::world::Broken::Told);
        }
    }

    fn request_looks(&mut self, request: &Request, broken: Option<Mutation>) -> Stage {
        let t = usize::from(request.tx);
        let tx = &self.tx[t];
        let fresh = request.fresh || broken == Some(Mutation::ConfirmOverOldConnection);
        if !request.right_token && broken != Some(Mutation::AnyToken) {
            return Stage::Answered(Answer::BadToken);
        }
        match tx.turn {
            Some(Turn::Confirm) => return Stage::Waiting,
            Some(Turn::Rollback) => return Stage::Answered(Answer::TooLate),
            None if !tx.ready => return Stage::Answered(Answer::NotReady),
            None if !fresh => return Stage::Answered(Answer::Stale),
            None => {}
        }
        let chain = tx.extended;
        if self.is_late(t, 0, broken) {
            // It links the rollback itself.
            return if self.link(t, Turn::Rollback, chain, broken) {
                Stage::Answered(Answer::TooLate)
            } else {
                Stage::Arrived
            };
        }
        Stage::Looked(chain)
    }

    fn request_links(&mut self, request: &Request, chain: bool, broken: Option<Mutation>) -> Stage {
        let t = usize::from(request.tx);
        if request.extends {
            return self.extend(t, chain);
        }
        if self.link(t, Turn::Confirm, chain, broken) {
            if matches!(broken, Some(Mutation::ConfirmByDeletion | Mutation::ToldBeforeDurable)) {
                return Stage::Answered(Answer::Confirmed);
            }
            return Stage::Waiting;
        }
        match self.tx[t].turn {
            Some(Turn::Confirm) => Stage::Waiting,
            Some(Turn::Rollback) => Stage::Answered(Answer::TooLate),
            // It lost to an extension: the chain has another turn, so it tries again.
            None if broken == Some(Mutation::LostToExtendIsTooLate) => Stage::Answered(Answer::TooLate),
            None => Stage::Arrived,
        }
    }

    fn extend(&mut self, t: usize, chain: bool) -> Stage {
        let tx = &mut self.tx[t];
        match tx.turn {
            Some(Turn::Rollback) => return Stage::Answered(Answer::TooLate),
            Some(Turn::Confirm) => return Stage::Waiting,
            None => {}
        }
        if tx.extended != chain {
            return Stage::Arrived;
        }
        tx.extended = true;
        Stage::Answered(Answer::Extended)
    }

    /// The boot hook finds what is open, before there is a network.
    pub(crate) fn boot_hook(&mut self, broken: Option<Mutation>) -> bool {
        let Some(t) = self.lock.map(usize::from).filter(|_| self.power == Power::Booting) else {
            return false;
        };
        if self.tx[t].carrier.is_some() || self.tx[t].undo_failed {
            return false;
        }
        if self.tx[t].done.is_some() {
            self.release(t);
            return true;
        }
        if self.tx[t].turn.is_none() {
            if self.tx[t].armed.is_none() {
                self.discard(t);
                return true;
            }
            let chain = self.tx[t].extended;
            self.link(t, Turn::Rollback, chain, broken);
        }
        self.tx[t].durable = true;
        self.tx[t].carrier = Some(By::Detached);
        true
    }

    pub(crate) fn booted(&mut self) -> bool {
        let idle = match self.lock.map(usize::from) {
            Some(t) => self.tx[t].undo_failed,
            None => true,
        };
        if self.power != Power::Booting || !idle {
            return false;
        }
        self.power = Power::Up;
        true
    }
}
