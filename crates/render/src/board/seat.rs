//! Where one host stands.

use super::{SLOW_MS, Slow};
use crate::quantity::bytes;
use crate::told::one_line;
use snapback_core::event::{Event, EventKind};
use snapback_core::outcome::HostResult;

/// A host of the run.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) host: String,
    pub(super) stand: Stand,
}

/// How it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// Nothing was heard of it.
    Unseen,
    /// It was looked at, and its turn has not come.
    Looked,
    /// It is being worked on.
    AtWork(Work),
    /// It is done with.
    Ended(HostResult),
}

/// What is done to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) phase: Phase,
    pub(super) since_ms: u64,
    pub(super) guard: Guard,
}

/// How its guard stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// Not armed, as far as was heard.
    None,
    /// It undoes then, unless it hears better.
    Until(u64),
    /// It undoes already.
    Undoing,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Undoing,
    Lost,
    GoingBack,
    Inspecting,
    Connected,
    Local(String),
    Sending(u64),
    Armed,
    Applying(String),
    Checking,
    Ready,
    Waiting,
    Confirming,
    Asking,
}

impl Work {
    /// Whoever waits for a person, or for others, is not slow.
    pub(super) fn is_slow(&self, now_ms: u64) -> bool {
        !self.phase.waits() && now_ms.saturating_sub(self.since_ms) >= SLOW_MS
    }
}

impl Phase {
    /// Returns whether nothing is done to the host meanwhile.
    pub(super) fn waits(&self) -> bool {
        matches!(self, Self::Asking | Self::Waiting)
    }

    pub(super) fn label(&self) -> String {
        match self {
            Self::Sending(size) => format!("sending {}", bytes(*size)),
            Self::Applying(name) => format!("applying {}", one_line(name)),
            Self::Local(name) => format!("{} on the controller", one_line(name)),
            other => other.word().to_owned(),
        }
    }

    /// One word for hosts that are counted rather than named.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Inspecting => "inspecting",
            Self::Connected => "connected",
            Self::Local(_) => "local change",
            Self::Sending(_) => "sending",
            Self::Armed => "armed",
            Self::Applying(_) => "applying",
            Self::Checking => "checking",
            Self::Ready => "ready",
            Self::Asking => "waits for a person",
            Self::Waiting => "waits for its batch",
            Self::Lost => "line lost",
            Self::Confirming => "confirming",
            Self::GoingBack => "going back",
            Self::Undoing => "UNDOING",
        }
    }
}

impl Seat {
    pub(super) fn new(host: &str) -> Self {
        Self { host: host.to_owned(), stand: Stand::Unseen }
    }

    pub(super) fn was_looked_at(&self) -> bool {
        match &self.stand {
            Stand::Unseen => false,
            Stand::AtWork(work) => work.phase != Phase::Inspecting,
            Stand::Looked | Stand::Ended(_) => true,
        }
    }

    pub(super) fn work(&self) -> Option<&Work> {
        match &self.stand {
            Stand::AtWork(work) => Some(work),
            _ => None,
        }
    }

    fn is_going_back(&self) -> bool {
        self.work().is_some_and(|work| work.phase == Phase::GoingBack)
    }

    pub(super) fn slow(&self, now_ms: u64) -> Option<Slow<'_>> {
        let work = self.work().filter(|work| work.is_slow(now_ms))?;
        Some(Slow {
            host: &self.host,
            word: work.phase.word(),
            label: work.phase.label(),
            since_ms: work.since_ms,
            undoes_at_ms: work.guard.until_ms(),
        })
    }

    pub(super) fn hear(&mut self, event: &Event) {
        let at = event.at_ms;
        match &event.kind {
            EventKind::HostFinished { result, .. } => self.stand = Stand::Ended(*result),
            // A host that was done with is worked on once more.
            EventKind::GoingBack { .. } => {
                self.stand = Stand::Looked;
                self.enter(Phase::GoingBack, at);
            }
            // What comes after a host's end, as its checks while it bakes, is nothing that it is at.
            _ if matches!(self.stand, Stand::Ended(_)) => {}
            EventKind::HostConnected { .. } if self.stand == Stand::Unseen => {
                self.enter(Phase::Inspecting, at);
            }
            EventKind::HostConnected { .. } if self.stand == Stand::Looked => {
                self.enter(Phase::Connected, at);
            }
            EventKind::HostInspected { .. } if self.is_going_back() => {}
            EventKind::HostInspected { .. } => self.stand = Stand::Looked,
            EventKind::LocalStarted { change, .. } => self.enter(Phase::Local(change.clone()), at),
            EventKind::Uploading { bytes } => self.enter(Phase::Sending(*bytes), at),
            EventKind::GuardArmed { apply_timeout, .. } => self.enter_until(Phase::Armed, *apply_timeout, at),
            EventKind::ChangeStarted { name, .. } => self.enter(Phase::Applying(name.clone()), at),
            EventKind::Applied { left } => self.enter_until(Phase::Checking, *left, at),
            EventKind::Ready { left } => self.enter_until(Phase::Ready, *left, at),
            EventKind::AwaitingPerson { left, .. } => self.enter_until(Phase::Asking, *left, at),
            EventKind::AwaitingBatch { left } => self.enter_until(Phase::Waiting, *left, at),
            EventKind::Extended { left, .. } => self.undoes_in(*left, at),
            EventKind::LineLost { .. } => self.enter(Phase::Lost, at),
            EventKind::Confirming { .. } => self.enter(Phase::Confirming, at),
            EventKind::RollbackStarted { .. } => {
                self.enter(Phase::Undoing, at);
                self.guard(Guard::Undoing);
            }
            _ => {}
        }
    }

    fn enter(&mut self, phase: Phase, at_ms: u64) {
        match &mut self.stand {
            Stand::AtWork(work) if work.phase == phase => {}
            Stand::AtWork(work) => (work.phase, work.since_ms) = (phase, at_ms),
            other => *other = Stand::AtWork(Work { phase, since_ms: at_ms, guard: Guard::None }),
        }
    }

    fn enter_until(&mut self, phase: Phase, secs: u64, at_ms: u64) {
        self.enter(phase, at_ms);
        self.undoes_in(secs, at_ms);
    }

    fn undoes_in(&mut self, secs: u64, at_ms: u64) {
        self.guard(Guard::Until(at_ms.saturating_add(secs.saturating_mul(1_000))));
    }

    fn guard(&mut self, guard: Guard) {
        if let Stand::AtWork(work) = &mut self.stand {
            work.guard = guard;
        }
    }
}

impl Guard {
    pub(super) fn until_ms(self) -> Option<u64> {
        match self {
            Self::Until(ms) => Some(ms),
            Self::None | Self::Undoing => None,
        }
    }
}
