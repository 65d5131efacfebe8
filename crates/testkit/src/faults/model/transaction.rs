//! A transaction of the model: what its files would say, and when it moves on.

use super::fault::TargetFault;
use fastrand::Rng;
use snapback_core::target::TargetState;
use std::time::Duration;
use tokio::time::Instant;

/// How a transaction goes on its target if nobody disturbs it, and what strikes it when.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// From the lock to `armed`.
    pub stage: Duration,
    /// From `applying` to `applied`, or to its failure.
    pub apply: Duration,
    /// Apply fails at its end.
    pub apply_fails: bool,
    /// From `applied` to `ready`, or to a red check.
    pub checks: Duration,
    /// A check is red at the end.
    pub checks_fail: bool,
    /// How long an undo takes.
    pub undo: Duration,
    /// How many undos fail before one succeeds.
    pub failing_undos: u32,
    /// How soon a dead supervisor is noticed.
    pub notice: Duration,
    /// What strikes, and how long after the lock was taken.
    pub faults: Vec<(Duration, TargetFault)>,
}

fn up_to(rng: &mut Rng, millis: u64) -> Duration {
    Duration::from_millis(rng.u64(0..=millis))
}

impl Behaviour {
    /// Draws one that is struck by so many faults.
    #[must_use]
    pub fn draw(rng: &mut Rng, faults: u32) -> Self {
        let longest_apply = if rng.u32(0..12) == 0 { 90_000 } else { 6000 };
        Self {
            stage: up_to(rng, 2000),
            apply: up_to(rng, longest_apply),
            apply_fails: rng.u32(0..12) == 0,
            checks: up_to(rng, 4000),
            checks_fail: rng.u32(0..12) == 0,
            undo: up_to(rng, 8000),
            failing_undos: if rng.u32(0..10) == 0 { rng.u32(1..3) } else { 0 },
            notice: if rng.bool() { Duration::from_millis(100) } else { up_to(rng, 5000) },
            faults: (0..faults).map(|_| (up_to(rng, 15_000), TargetFault::draw(rng))).collect(),
        }
    }

    /// One that goes well and soon.
    #[must_use]
    pub fn calm() -> Self {
        Self::draw(&mut Rng::with_seed(0), 0).calmed()
    }

    fn calmed(self) -> Self {
        let soon = Duration::from_millis(500);
        Self { apply: soon, checks: soon, apply_fails: false, checks_fail: false, failing_undos: 0, ..self }
    }
}

/// Whether a supervisor does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Supervisor {
    Alive,
    Dead(Instant),
    Stuck,
}

/// What was asked for, as the job's spec says it.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub(super) owner: String,
    pub(super) token_hash: String,
    pub(super) digest: String,
    pub(super) state_digest: String,
    pub(super) apply_timeout: Duration,
    pub(super) window: Duration,
    pub(super) hard_cap: Duration,
    /// What the host's content is to become.
    pub(super) wants: String,
}

/// One transaction.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// The run's id.
    pub id: String,
    /// Where it stands.
    pub state: TargetState,
    /// What the host held before it.
    pub before: String,
    /// When its state last changed.
    pub since: Instant,
    /// By when it must be decided, once it is armed.
    pub deadline: Option<Instant>,
    /// When it was decided.
    pub decided: Option<Instant>,
    pub(super) asked: Asked,
    pub(super) behaviour: Behaviour,
    pub(super) began: Instant,
    pub(super) armed: Option<Instant>,
    pub(super) ready: Option<Instant>,
    pub(super) arming_connection: u64,
    pub(super) holder_alive: bool,
    pub(super) supervisor: Supervisor,
    pub(super) backup_alive: bool,
    /// Somebody carries the decision out.
    pub(super) carried: bool,
    pub(super) journal: Vec<String>,
    pub(super) cause: String,
}

/// What comes next in a transaction by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Move(TargetState),
    Decide(&'static str),
    UndoEnds,
    Strike,
}

impl Transaction {
    /// Returns whether no decision was taken, and the guard answers for it.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        use TargetState::{Applied, Applying, Armed, Ready};
        matches!(self.state, Armed | Applying | Applied | Ready)
    }

    /// Returns whether it holds the host's lock.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.state.is_done()
    }

    /// What comes next, and when, as long as the host is up.
    pub(super) fn next(&self) -> Option<(Instant, Due)> {
        let strike = self.behaviour.faults.iter().map(|(after, _)| (self.began + *after, Due::Strike));
        let strike = strike.filter(|_| self.is_open());
        strike.chain(self.own_move()).chain(self.decision()).min_by_key(|(at, _)| *at)
    }

    fn own_move(&self) -> Option<(Instant, Due)> {
        use TargetState::{Applied, Applying, Armed, Confirmed, Confirming, Locked, Ready, RollingBack};
        let by = &self.behaviour;
        let (after, due) = match self.state {
            Locked if self.holder_alive => (by.stage, Due::Move(Armed)),
            Armed if self.holder_alive => (Duration::from_millis(50), Due::Move(Applying)),
            Applying if by.apply_fails && self.supervisor == Supervisor::Alive => {
                (by.apply, Due::Decide("change 's': exit status 1"))
            }
            Applying if !by.apply_fails => (by.apply, Due::Move(Applied)),
            Applied if by.checks_fail && self.supervisor == Supervisor::Alive => {
                (by.checks, Due::Decide("check 'x' failed: no"))
            }
            // `ready` is the supervisor's word.
            Applied if !by.checks_fail && self.supervisor == Supervisor::Alive => {
                (by.checks, Due::Move(Ready))
            }
            Confirming if self.carried => (Duration::from_millis(80), Due::Move(Confirmed)),
            RollingBack if self.carried => (by.undo, Due::UndoEnds),
            _ => return None,
        };
        Some((self.since + after, due))
    }

    /// When the guard decides by itself.
    fn decision(&self) -> Option<(Instant, Due)> {
        if !self.is_guarded() {
            return None;
        }
        let deadline = self.deadline?;
        match self.supervisor {
            Supervisor::Alive if self.state == TargetState::Armed && !self.holder_alive => Some((
                self.since + Duration::from_secs(1),
                Due::Decide("the session ended before apply began"),
            )),
            Supervisor::Alive => Some((deadline, Due::Decide("not confirmed in time"))),
            Supervisor::Dead(at) if self.backup_alive => {
                Some((at + self.behaviour.notice, Due::Decide("the supervisor was gone")))
            }
            Supervisor::Stuck if self.backup_alive => {
                let late = Duration::from_secs(10) + self.behaviour.notice;
                Some((deadline + late, Due::Decide("the supervisor was stuck past the deadline")))
            }
            _ => None,
        }
    }
}
