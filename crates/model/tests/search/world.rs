//! What there is in the model: a host with its clock and power, a transaction for each controller, two controllers.

use snapback_core::lifecycle::State;
use snapback_core::target::TargetState;

/// A moment of the host's boot-time clock. Everything that must happen at a moment happens before the next.
pub(crate) type Tick = u8;

/// The longest that apply may take.
pub(crate) const APPLY: Tick = 1;
/// The confirm window.
pub(crate) const WINDOW: Tick = 1;
/// The longest a host may stay armed.
pub(crate) const CAP: Tick = 3;
/// A living supervisor begins to undo at the deadline, the backup one tick later.
pub(crate) const GRACE: Tick = 1;
/// What the clock shows, always: longer ago than this counts as long ago. All that is due is due sooner.
pub(crate) const NOW: Tick = CAP + GRACE + 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Power {
    Up,
    Off,
    /// The boot hook works; there is no network yet.
    Booting,
}

/// A process of the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Guard {
    None,
    Alive,
    Frozen,
    Dead,
}

impl Guard {
    /// A frozen process is there all the same.
    pub(crate) fn is_there(self) -> bool {
        matches!(self, Self::Alive | Self::Frozen)
    }

    pub(crate) fn die(&mut self) {
        if self.is_there() {
            *self = Self::Dead;
        }
    }
}

/// How far the session that runs `begin` has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Session {
    None,
    /// What was sent is there; nothing is locked.
    Arrived,
    Locked,
    Armed,
    /// Supervisor and backup were read back.
    Guarded,
    Dead,
    /// It has started the runner, or refused.
    Over,
}

impl Session {
    pub(crate) fn is_alive(self) -> bool {
        self != Self::None && !self.is_gone()
    }

    pub(crate) fn is_gone(self) -> bool {
        matches!(self, Self::Dead | Self::Over)
    }

    pub(crate) fn die(&mut self) {
        if self.is_alive() {
            *self = Self::Dead;
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Runner {
    None,
    Alive,
    Ended,
}

/// What of the change is on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Content {
    Old,
    Half,
    New,
}

/// What the last file of the chain of turns says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Turn {
    Confirm,
    Rollback,
}

/// Whose process carries the decision out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum By {
    Supervisor,
    Backup,
    /// A confirmation's own process.
    Request(u8),
    /// A process that a contact or the boot started.
    Detached,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Done {
    Confirmed,
    RolledBack,
    Discarded,
}

/// Who has looked at the record and is about to link a rollback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Decider {
    Supervisor,
    Backup,
    /// The verb `rollback`.
    Abort,
}

/// What each decider saw when it looked: whether the chain had been extended.
pub(crate) type Looked = [Option<bool>; 3];

/// Lines of the journal, in the order in which they can stand there.
pub(crate) const ARMED: u8 = 1;
pub(crate) const APPLYING: u8 = 2;
pub(crate) const APPLIED: u8 = 3;
pub(crate) const READY: u8 = 4;
pub(crate) const ROLLING_BACK: u8 = 5;
pub(crate) const END: u8 = 6;

/// A transaction: what its record says, what runs for it, and what the properties need to remember.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tx {
    pub(crate) session: Session,
    /// The session answered that it refuses.
    pub(crate) refused: bool,
    pub(crate) record: bool,
    /// The boot and the moment.
    pub(crate) armed: Option<(u8, Tick)>,
    pub(crate) go: bool,
    pub(crate) applied: Option<Tick>,
    pub(crate) passed: bool,
    pub(crate) failed: bool,
    pub(crate) ready: bool,
    pub(crate) supervisor: Guard,
    pub(crate) backup: Guard,
    pub(crate) runner: Runner,
    pub(crate) looked: Looked,
    /// The first turn says `extend`.
    pub(crate) extended: bool,
    pub(crate) turn: Option<Turn>,
    /// A power cut can't take the turn away any more.
    pub(crate) durable: bool,
    pub(crate) carrier: Option<By>,
    pub(crate) done: Option<Done>,
    pub(crate) undo_failed: bool,
    pub(crate) content: Content,
    /// A bit for each line of the journal.
    pub(crate) journal: u8,
    /// Remembered: a confirmation was carried out, a rollback was begun.
    pub(crate) carried: (bool, bool),
    /// Remembered: since when anything of the change is there.
    pub(crate) dirty_since: Option<Tick>,
    /// Remembered: how many of supervisor and backup were killed or frozen in this boot.
    pub(crate) guards_out: u8,
    /// Remembered: an undo has failed, which a person was told; what they do about it takes its time.
    pub(crate) undo_failed_once: bool,
    /// Remembered: somebody was told that it is confirmed.
    pub(crate) told_confirmed: bool,
}

impl Tx {
    pub(crate) fn new() -> Self {
        Self {
            session: Session::None,
            refused: false,
            record: false,
            armed: None,
            go: false,
            applied: None,
            passed: false,
            failed: false,
            ready: false,
            supervisor: Guard::None,
            backup: Guard::None,
            runner: Runner::None,
            looked: [None; 3],
            extended: false,
            turn: None,
            durable: false,
            carrier: None,
            done: None,
            undo_failed: false,
            content: Content::Old,
            journal: 0,
            carried: (false, false),
            dirty_since: None,
            guards_out: 0,
            undo_failed_once: false,
            told_confirmed: false,
        }
    }

    /// The state that the files say, as `read_state` in `lib/record.sh` reads them.
    pub(crate) fn state(&self) -> Option<TargetState> {
        if !self.record {
            return None;
        }
        Some(match (self.done, self.turn) {
            (Some(Done::Confirmed), _) => TargetState::Confirmed,
            (Some(Done::RolledBack), _) => TargetState::RolledBack,
            (Some(Done::Discarded), _) => TargetState::Discarded,
            (None, Some(Turn::Confirm)) => TargetState::Confirming,
            (None, Some(Turn::Rollback)) if self.undo_failed && self.carrier.is_none() => {
                TargetState::RollbackFailed
            }
            (None, Some(Turn::Rollback)) => TargetState::RollingBack,
            (None, None) if self.ready => TargetState::Ready,
            (None, None) if self.applied.is_some() => TargetState::Applied,
            (None, None) if self.go => TargetState::Applying,
            (None, None) if self.armed.is_some() => TargetState::Armed,
            (None, None) => TargetState::Locked,
        })
    }

    pub(crate) fn is_open(&self) -> bool {
        self.record && self.done.is_none()
    }

    pub(crate) fn write(&mut self, line: u8) {
        self.journal |= 1 << line;
    }
}

/// A controller's line to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Line {
    None,
    /// The one over which `begin` was sent.
    Arming,
    Later,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Controller {
    /// Where it is in core's lifecycle.
    pub(crate) state: State,
    pub(crate) alive: bool,
    pub(crate) line: Line,
    /// The last line of the journal that it heard.
    pub(crate) heard: u8,
}

impl Controller {
    pub(crate) fn new() -> Self {
        Self { state: State::Pending, alive: true, line: Line::None, heard: 0 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Answer {
    Confirmed,
    TooLate,
    Extended,
    NotReady,
    Stale,
    BadToken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stage {
    Arrived,
    /// Everything it needs was there; it is about to link. With what it saw of the chain.
    Looked(bool),
    /// Confirming is decided; it answers when that is carried out.
    Waiting,
    Answered(Answer),
}

/// A confirmation (or an extension) as a process on the target. It outlives the line that brought it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Request {
    pub(crate) tx: u8,
    pub(crate) extends: bool,
    pub(crate) right_token: bool,
    /// Its connection was opened after `ready`.
    pub(crate) fresh: bool,
    pub(crate) stage: Stage,
    /// The controller still hears the answer.
    pub(crate) heard: bool,
}

/// Something that must never be, noticed on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Broken {
    /// The target moved in a way that isn't in core's table.
    Move,
    /// A controller heard what its state has no answer to.
    Input,
    /// A loser was told something else than what won.
    Told,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) now: Tick,
    pub(crate) boot: u8,
    pub(crate) power: Power,
    /// Somebody has set the wall clock back.
    pub(crate) wall_back: bool,
    /// Whose transaction `current` names.
    pub(crate) lock: Option<u8>,
    /// Whether the change locks everybody out.
    pub(crate) bad: [bool; 2],
    pub(crate) tx: [Tx; 2],
    pub(crate) controller: [Controller; 2],
    pub(crate) request: [Option<Request>; 2],
    /// How many faults may still come.
    pub(crate) faults: u8,
    /// How many things a person, an attacker or a second machine may still do.
    pub(crate) visits: u8,
    pub(crate) broken: Option<Broken>,
}

impl World {
    pub(crate) fn new(bad: [bool; 2], faults: u8, visits: u8) -> Self {
        Self {
            now: NOW,
            boot: 0,
            power: Power::Up,
            wall_back: false,
            lock: None,
            bad,
            tx: [Tx::new(), Tx::new()],
            controller: [Controller::new(), Controller::new()],
            request: [None; 2],
            faults,
            visits,
            broken: None,
        }
    }

    /// Whether time means anything: a deadline runs, or something of a change is there.
    pub(crate) fn is_timed(&self) -> bool {
        let runs = |tx: &Tx| tx.is_open() && (tx.armed.is_some() || tx.content != Content::Old);
        self.power == Power::Up && self.tx.iter().any(runs)
    }

    /// Whether nobody is left who would do anything: what follows is only time.
    pub(crate) fn is_over(&self) -> bool {
        let idle = self.controller.iter().all(|c| !c.alive || c.state.is_final());
        let begins = self.tx.iter().any(|tx| tx.session.is_alive() && !tx.go);
        let works = self.tx.iter().any(|tx| tx.runner == Runner::Alive || tx.carrier.is_some());
        idle && !begins
            && !works
            && self.lock.is_none()
            && self.request == [None; 2]
            && self.power == Power::Up
    }

    /// Whether a change keeps new connections out.
    pub(crate) fn is_locked_out(&self) -> bool {
        (0..2).any(|t| self.bad[t] && self.tx[t].content != Content::Old)
    }

    /// Whether a new connection gets in.
    pub(crate) fn is_reachable(&self) -> bool {
        self.power == Power::Up && !self.is_locked_out()
    }

    /// When the guard undoes; nothing if it wasn't armed in this boot.
    pub(crate) fn deadline(&self, t: usize) -> Option<Tick> {
        let tx = &self.tx[t];
        let (_, armed) = tx.armed.filter(|(boot, _)| *boot == self.boot)?;
        let until = match tx.applied {
            Some(applied) => applied + WINDOW + Tick::from(tx.extended),
            None => armed + APPLY,
        };
        Some(until.min(armed + CAP))
    }
}
