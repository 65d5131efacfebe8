//! What can happen next, and what is asked of every state.

use crate::faults::{Fault, Visit};
use crate::forget::Forgets;
use crate::promises::{CONTROLLER_TABLE, NOTHING_THAT_MATTERS, TARGET_TABLE, promises};
use crate::reached::{seen_alone, seen_by_two};
use crate::rules::Mutation;
use crate::world::{Broken, By, Decider, Power, Stage, World};
use snapback_core::lifecycle::Input;
use stateright::{Model, Property};
use std::collections::HashSet;

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
    pub(crate) forgets: Forgets,
    pub(crate) broken: Option<Mutation>,
}

impl Space {
    fn take(&self, w: &mut World, action: Action) -> bool {
        let broken = self.broken;
        let up = w.power == Power::Up;
        let i = usize::from;
        match action {
            Action::Tick => {
                let goes_on = w.is_timed() && !w.is_urgent(broken);
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

    /// What becomes of a world, with all that it remembers.
    fn step(&self, last: &World, action: Action) -> Option<World> {
        // What is broken needs no sequel.
        if last.broken == Some(Broken::Told) || (last.broken.is_some() && self.broken.is_none()) {
            return None;
        }
        let mut next = last.clone();
        if !self.take(&mut next, action) {
            return None;
        }
        Self::check_moves(last, &mut next, action);
        for slot in 0..2 {
            // Nobody hears it, so nobody needs it.
            if next.request[slot].is_some_and(|r| !r.heard && matches!(r.stage, Stage::Answered(_))) {
                next.take_answered(slot);
            }
        }
        next.set_clock();
        Some(next)
    }

    fn is_alone(&self) -> bool {
        self.second == Second::None
    }

    fn forgotten(&self, world: &World) -> World {
        let mut world = world.clone();
        world.forget(self.is_alone());
        world
    }

    /// All that can become of a world, forgotten, without what is the same.
    fn sequels(&self, world: &World) -> HashSet<World> {
        let (here, mut actions) = (self.forgotten(world), Vec::new());
        self.actions(world, &mut actions);
        let sequels = actions.into_iter().filter_map(|action| self.step(world, action));
        sequels.map(|next| self.forgotten(&next)).filter(|next| *next != here).collect()
    }

    /// Whether a world and what forgetting makes of it keep the same promises and have the same sequels.
    fn forgets_nothing_that_matters(&self, world: &World) -> bool {
        let forgotten = self.forgotten(world);
        let judged = promises().iter().all(|p| (p.condition)(self, world) == (p.condition)(self, &forgotten));
        judged && (forgotten == *world || self.sequels(world) == self.sequels(&forgotten))
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
        let mut next = self.step(last, action)?;
        if self.forgets == Forgets::Yes {
            next.forget(self.is_alone());
        }
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = promises();
        // A broken rule must be caught by what it does to a host or a person.
        if self.broken.is_none() {
            all.push(Property::always(TARGET_TABLE, |_, w: &World| w.broken != Some(Broken::Move)));
            all.push(Property::always(CONTROLLER_TABLE, |_, w: &World| w.broken != Some(Broken::Input)));
            all.extend(if self.is_alone() { seen_alone() } else { seen_by_two() });
        }
        if self.forgets == Forgets::Compared {
            all.push(Property::always(NOTHING_THAT_MATTERS, Self::forgets_nothing_that_matters));
        }
        all
    }
}
