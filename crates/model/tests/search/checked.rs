//! What can happen next, and what must hold in every state.

use crate::faults::{Fault, Visit};
use crate::rules::Mutation;
use crate::world::{
    Answer, Broken, By, CAP, Content, Decider, Done, GRACE, HORIZON, Power, Session, Stage, Turn, World,
};
use snapback_core::lifecycle::{Input, State};
use snapback_core::outcome::HostResult;
use stateright::{Model, Property};

/// One step of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Tick,
    Own(u8, Input),
    Connect(u8),
    Go(u8),
    Journal(u8),
    OpenConfirm(u8),
    Hear { slot: u8 },
    Session(u8),
    SessionRefuses(u8),
    Write(u8),
    Applied(u8),
    Passed(u8),
    Failed(u8),
    Ready(u8),
    Look(u8, Decider),
    Link(u8, Decider),
    TakeCarry(u8, By),
    KillStuck(u8),
    Carry(u8),
    Request { slot: u8 },
    BootHook,
    Booted,
    PowerOn,
    Fault(Fault),
    Visit(Visit),
}

/// What the second controller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Second {
    None,
    /// It has a change that goes well, and nothing fails on its own side.
    Plain,
    /// All that can happen to the first can happen to it.
    Whole,
}

/// How much is looked at, and which rule is broken, if any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    pub(crate) faults: u8,
    pub(crate) visits: u8,
    pub(crate) second: Second,
    /// The wall clock may be set back. No rule reads it, so this only doubles the states.
    pub(crate) wall: bool,
    pub(crate) broken: Option<Mutation>,
}

impl Space {
    fn take(&self, w: &mut World, action: Action) -> bool {
        let broken = self.broken;
        let up = w.power == Power::Up;
        let i = usize::from;
        match action {
            Action::Tick => {
                let goes_on = w.now < HORIZON && w.is_timed() && !w.is_urgent(broken);
                w.now += u8::from(goes_on);
                goes_on
            }
            Action::Own(c, input) => w.own_input(i(c), input),
            Action::Connect(c) => w.connect(i(c), broken),
            Action::Go(c) => w.go(i(c)),
            Action::Journal(c) => w.read_journal(i(c)),
            Action::OpenConfirm(c) => w.open_confirm(i(c), broken),
            Action::Hear { slot } => w.hear_answer(i(slot)),
            Action::Session(t) => up && w.session_step(i(t), broken),
            Action::SessionRefuses(t) => up && w.session_refuses(i(t)),
            Action::Write(t) => up && w.runner_writes(i(t), broken),
            Action::Applied(t) => up && w.runner_applied(i(t), broken),
            Action::Passed(t) => up && w.runner_ends(i(t), true),
            Action::Failed(t) => up && w.runner_ends(i(t), false),
            Action::Ready(t) => up && w.say_ready(i(t), broken),
            Action::Look(t, who) => up && w.look(i(t), who, broken),
            Action::Link(t, who) => up && w.link_rollback(i(t), who, broken),
            Action::TakeCarry(t, by) => up && w.take_carry(i(t), by, broken),
            Action::KillStuck(t) => up && w.kill_stuck_carrier(i(t)),
            Action::Carry(t) => w.carry_step(i(t), broken),
            Action::Request { slot } => w.request_step(i(slot), broken),
            Action::BootHook => w.boot_hook(broken),
            Action::Booted => w.booted(),
            Action::PowerOn => w.power_on(),
            Action::Fault(fault) => w.fault(fault, broken),
            Action::Visit(visit) => w.visit(visit, broken),
        }
    }

    /// Every move of the target must be in core's table; only a power cut may take back what was never told.
    fn check_moves(before: &World, after: &mut World, action: Action) {
        if matches!(action, Action::Fault(Fault::PowerCut { .. })) {
            return;
        }
        for t in 0..2 {
            let (was, is) = (before.tx[t].state(), after.tx[t].state());
            if let (Some(was), Some(is)) = (was, is)
                && was != is
                && !was.next().contains(&is)
            {
                after.broken = Some(Broken::Move);
            }
        }
    }
}

/// What goes well, and what the guard does about the rest.
fn steps(actions: &mut Vec<Action>, n: u8) {
    actions.extend([Action::Connect(n), Action::Go(n), Action::Journal(n), Action::OpenConfirm(n)]);
    let inputs = [Input::Start, Input::InspectedDiffers, Input::LocalChecksPassed, Input::Lost];
    actions.extend(inputs.map(|input| Action::Own(n, input)));
    actions.extend([
        Action::Session(n),
        Action::Write(n),
        Action::Applied(n),
        Action::Passed(n),
        Action::Ready(n),
    ]);
    for who in [Decider::Supervisor, Decider::Backup] {
        actions.extend([Action::Look(n, who), Action::Link(n, who)]);
    }
    actions.push(Action::Link(n, Decider::Abort));
    let carriers = [By::Supervisor, By::Backup, By::Request(0), By::Request(1)];
    actions.extend(carriers.map(|by| Action::TakeCarry(n, by)));
    actions.extend([Action::KillStuck(n), Action::Carry(n)]);
}

/// What a controller may decide or miss, and what may fail, for one of the two.
fn troubles(actions: &mut Vec<Action>, n: u8) {
    let inputs = [
        Input::ConnectFailed,
        Input::InspectedSame,
        Input::LocalChecksFailed,
        Input::DeadlinePassed,
        Input::GaveUp,
        Input::Halt,
    ];
    actions.extend(inputs.map(|input| Action::Own(n, input)));
    actions.extend([Action::SessionRefuses(n), Action::Failed(n)]);
    for session_dies in [false, true] {
        actions.push(Action::Fault(Fault::Cut { c: n, session_dies }));
        actions.push(Action::Fault(Fault::Crash { c: n, session_dies }));
    }
    let faults = [
        Fault::SupervisorKilled(n),
        Fault::SupervisorFrozen(n),
        Fault::BackupKilled(n),
        Fault::RunnerKilled(n),
        Fault::CarrierKilled(n),
        Fault::UndoFails(n),
    ];
    actions.extend(faults.map(Action::Fault));
    actions.extend([Visit::OldLine(n), Visit::OtherToken(n), Visit::Extend(n)].map(Action::Visit));
}

/// What concerns the host and its requests, whoever's they are.
fn shared(actions: &mut Vec<Action>) {
    actions.extend([Action::Tick, Action::BootHook, Action::Booted, Action::PowerOn]);
    for slot in 0..2 {
        actions.extend([Action::Hear { slot }, Action::Request { slot }]);
        actions.push(Action::Fault(Fault::AnswerLost { slot }));
    }
    for unsynced_lost in [false, true] {
        actions.push(Action::Fault(Fault::PowerCut { unsynced_lost }));
    }
    actions.push(Action::Visit(Visit::Rollback));
}

impl Model for Space {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        [false, true]
            .into_iter()
            .map(|bad| {
                let mut world = World::new([bad, false], self.faults, self.visits);
                world.controller[1].alive = self.second != Second::None;
                world
            })
            .collect()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.is_over() {
            return;
        }
        shared(actions);
        steps(actions, 0);
        troubles(actions, 0);
        if self.second != Second::None {
            steps(actions, 1);
        }
        if self.second == Second::Whole {
            troubles(actions, 1);
        }
        if self.wall {
            actions.push(Action::Fault(Fault::WallClockBack));
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        // What is broken needs no sequel.
        if last.broken == Some(Broken::Told) || (last.broken.is_some() && self.broken.is_none()) {
            return None;
        }
        let mut next = last.clone();
        if !self.take(&mut next, action) {
            return None;
        }
        Self::check_moves(last, &mut next, action);
        for slot in &mut next.request {
            // Nobody hears it, so nobody needs it.
            if slot.is_some_and(|r| !r.heard && matches!(r.stage, Stage::Answered(_))) {
                *slot = None;
            }
        }
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always(NEVER_BOTH, never_both),
            Property::always(CONFIRMED_IS_CONFIRMED, confirmed_is_confirmed),
            Property::always(ROLLED_BACK_IS_OLD, rolled_back_is_old),
            Property::always(UNTOUCHED_IS_UNTOUCHED, untouched_is_untouched),
            Property::always(LOCK_OUT_ENDS, lock_out_ends),
            Property::always(UNCONFIRMED_IS_UNDONE, unconfirmed_is_undone),
            Property::always(NOBODY_IS_LOCKED_FOR_EVER, nobody_is_locked_for_ever),
            Property::always(NOBODY_ELSE_CONFIRMS, nobody_else_confirms),
            Property::always(LOSERS_ARE_TOLD, |_, w: &World| w.broken != Some(Broken::Told)),
        ];
        // A broken rule must be caught by what it does to a host or a person.
        if self.broken.is_none() {
            all.push(Property::always(TARGET_TABLE, |_, w: &World| w.broken != Some(Broken::Move)));
            all.push(Property::always(CONTROLLER_TABLE, |_, w: &World| w.broken != Some(Broken::Input)));
            all.extend(if self.second == Second::None { seen_alone() } else { seen_by_two() });
        }
        all
    }
}

pub(crate) const NEVER_BOTH: &str = "never both confirmed and undone";
pub(crate) const CONFIRMED_IS_CONFIRMED: &str = "what is reported confirmed is confirmed, and new";
pub(crate) const ROLLED_BACK_IS_OLD: &str = "what is reported rolled back is over, and old";
pub(crate) const UNTOUCHED_IS_UNTOUCHED: &str = "what is reported untouched is never changed";
pub(crate) const LOCK_OUT_ENDS: &str = "a lock-out ends by the deadline";
pub(crate) const UNCONFIRMED_IS_UNDONE: &str = "unconfirmed is undone by the deadline";
pub(crate) const NOBODY_IS_LOCKED_FOR_EVER: &str = "nobody is locked for ever";
pub(crate) const NOBODY_ELSE_CONFIRMS: &str = "only who began it confirms";
pub(crate) const LOSERS_ARE_TOLD: &str = "losers are told what won";
pub(crate) const TARGET_TABLE: &str = "the target moves by core's table";
pub(crate) const CONTROLLER_TABLE: &str = "the controller hears what core's table answers";

/// All of them.
pub(crate) const PROMISES: [&str; 11] = [
    NEVER_BOTH,
    CONFIRMED_IS_CONFIRMED,
    ROLLED_BACK_IS_OLD,
    UNTOUCHED_IS_UNTOUCHED,
    LOCK_OUT_ENDS,
    UNCONFIRMED_IS_UNDONE,
    NOBODY_IS_LOCKED_FOR_EVER,
    NOBODY_ELSE_CONFIRMS,
    LOSERS_ARE_TOLD,
    TARGET_TABLE,
    CONTROLLER_TABLE,
];

fn never_both(_: &Space, w: &World) -> bool {
    w.tx.iter().all(|tx| tx.carried != (true, true))
}

fn confirmed_is_confirmed(_: &Space, w: &World) -> bool {
    (0..2).all(|n| {
        let tx = &w.tx[n];
        let reported = w.controller[n].state == State::Finished(HostResult::Confirmed) || tx.told_confirmed;
        !reported || (tx.turn == Some(Turn::Confirm) && tx.content == Content::New)
    })
}

fn rolled_back_is_old(_: &Space, w: &World) -> bool {
    (0..2).all(|n| {
        let tx = &w.tx[n];
        let reported = w.controller[n].state == State::Finished(HostResult::RolledBack);
        !reported || (tx.done == Some(Done::RolledBack) && tx.content == Content::Old)
    })
}

fn untouched_is_untouched(_: &Space, w: &World) -> bool {
    (0..2).all(|n| {
        let tx = &w.tx[n];
        let reported = match w.controller[n].state {
            State::Finished(result) => !matches!(
                result,
                HostResult::Confirmed
                    | HostResult::RolledBack
                    | HostResult::RollbackFailed
                    | HostResult::Unknown
            ),
            _ => false,
        };
        !reported || (tx.dirty_since.is_none() && tx.carried == (false, false) && tx.armed.is_none())
    })
}

/// Both parts of the guard were killed in this boot: then it is the next contact or the next boot that undoes.
fn is_unguarded(w: &World, t: usize) -> bool {
    w.tx[t].guards_killed >= 2
}

/// By when what is on the host since then must be undone. What comes late, of a session that was slow to begin, is undone
/// at once.
fn undone_by(w: &World, t: usize, since: u8) -> u8 {
    w.deadline(t).unwrap_or(since + CAP).max(since).min(since + CAP) + GRACE
}

fn lock_out_ends(_: &Space, w: &World) -> bool {
    (0..2).all(|t| {
        let tx = &w.tx[t];
        let out = w.bad[t] && w.power == Power::Up && !tx.undo_failed_once && !is_unguarded(w, t);
        let since = tx.dirty_since.filter(|_| out);
        // One that is confirmed ends no more.
        since.is_none_or(|since| w.now <= undone_by(w, t, since) && tx.done != Some(Done::Confirmed))
    })
}

fn unconfirmed_is_undone(_: &Space, w: &World) -> bool {
    (0..2).all(|t| {
        let tx = &w.tx[t];
        if tx.content == Content::Old || tx.undo_failed_once || w.power != Power::Up {
            return true;
        }
        match (tx.done, tx.turn) {
            (Some(Done::Confirmed), _) => tx.content == Content::New,
            (Some(_), _) => false,
            (None, Some(Turn::Confirm)) => true,
            (None, _) => is_unguarded(w, t) || w.now <= undone_by(w, t, tx.dirty_since.unwrap_or_default()),
        }
    })
}

/// A lock is held by somebody who lives, or a contact moves it, or a person was told that the undo failed.
fn nobody_is_locked_for_ever(space: &Space, w: &World) -> bool {
    let Some(t) = w.lock.map(usize::from).filter(|_| w.power == Power::Up) else { return true };
    let tx = &w.tx[t];
    let held = tx.session.is_alive() || tx.supervisor.is_there() || tx.carrier.is_some() || tx.undo_failed;
    if held {
        return true;
    }
    let mut visited = w.clone();
    visited.contact(space.broken);
    visited != *w
}

/// A confirmation was asked for by a controller that had heard `ready`, over a connection younger than that.
fn nobody_else_confirms(_: &Space, w: &World) -> bool {
    (0..2).all(|n| {
        let asked = !matches!(
            w.controller[n].state,
            State::Pending
                | State::Connecting
                | State::Inspecting
                | State::Planned
                | State::Beginning
                | State::Armed
                | State::Applying
                | State::Checking
                | State::TargetReady
                | State::LocalPassed
                | State::Passed
        );
        w.tx[n].turn != Some(Turn::Confirm) || asked
    })
}

/// What must be reached, or the properties above say nothing.
fn seen_alone() -> Vec<Property<Space>> {
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
            w.boot > 0 && w.power == Power::Booting && w.tx[0].done == Some(Done::RolledBack) && w.tx[0].go
        }),
        Property::sometimes("a session dies before it arms", |_, w: &World| {
            w.tx[0].done == Some(Done::Discarded) && w.tx[0].session == Session::Dead
        }),
        Property::sometimes("a controller is killed and the host undoes", |_, w: &World| {
            !w.controller[0].alive && w.tx[0].done == Some(Done::RolledBack)
        }),
    ]
}

fn seen_by_two() -> Vec<Property<Space>> {
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
