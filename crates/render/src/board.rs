//! Where every host of a run stands right now: plain data, redrawn from at any time it is given.

use crate::names::joined;
use crate::palette::Palette;
use crate::quantity::{bytes, count, grouped, limit};
use crate::told::one_line;
use snapback_core::event::{Event, EventKind};
use snapback_core::outcome::HostResult;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// A host that has been at one step for so long is called slow.
const SLOW_MS: u64 = 30_000;

/// How many of the slowest are named when not every host has a line.
const SLOWEST: usize = 3;

/// What a run looks like at a moment.
#[derive(Debug, Default)]
pub(crate) struct Board {
    began_ms: u64,
    total: usize,
    active: Vec<Seat>,
    done: HashMap<String, HostResult>,
    results: BTreeMap<HostResult, usize>,
}

/// A host that is being worked on.
#[derive(Debug)]
struct Seat {
    host: String,
    phase: Phase,
    since_ms: u64,
    /// When the guard undoes, once it is armed.
    undoes_at_ms: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Inspecting,
    Sending(u64),
    Arming,
    Armed,
    Applying(String),
    Checking,
    Ready,
    Asking,
    Confirming,
    Undoing,
}

impl Phase {
    fn label(&self) -> String {
        match self {
            Self::Sending(size) => format!("sending {}", bytes(*size)),
            Self::Applying(name) => format!("applying {}", one_line(name)),
            other => other.word().to_owned(),
        }
    }

    /// One word for hosts that are counted rather than named.
    fn word(&self) -> &'static str {
        match self {
            Self::Inspecting => "inspecting",
            Self::Sending(_) => "sending",
            Self::Arming => "arming",
            Self::Armed => "armed",
            Self::Applying(_) => "applying",
            Self::Checking => "checking",
            Self::Ready => "ready",
            Self::Asking => "waits for a person",
            Self::Confirming => "confirming",
            Self::Undoing => "UNDOING",
        }
    }
}

impl Board {
    pub(crate) fn hear(&mut self, event: &Event) {
        if let EventKind::RunStarted { hosts, .. } = &event.kind {
            self.began_ms = event.at_ms;
            self.total = hosts.len();
        }
        let Some(host) = event.host.as_ref().map(|h| h.as_str()) else { return };
        if let EventKind::HostFinished { result, .. } = event.kind {
            self.finish(host, result);
            return;
        }
        // A host that was done with is worked on once more.
        if matches!(event.kind, EventKind::GoingBack { .. }) {
            self.open_again(host);
        }
        if !self.done.contains_key(host) {
            self.seat(host, event.at_ms).hear(event);
        }
    }

    /// Returns how many hosts are done with, and of how many.
    pub(crate) fn done_of_total(&self) -> (usize, usize) {
        (self.done.len(), self.total.max(self.done.len()))
    }

    /// Returns what stands beside the total bar.
    pub(crate) fn tally(&self, now_ms: u64, palette: Palette) -> String {
        let took = secs(now_ms.saturating_sub(self.began_ms) / 1_000);
        let counted =
            self.results.iter().map(|(r, n)| palette.result(*r, &format!("{} {}", grouped(*n), r.word())));
        counted.chain([took]).collect::<Vec<_>>().join(", ")
    }

    /// Returns one line for each active host, or counts and the slowest few where there are more than `room` lines.
    pub(crate) fn rows(&self, now_ms: u64, room: usize, palette: Palette) -> Vec<String> {
        if self.active.len() <= room {
            let width = self.active.iter().map(|s| s.host.chars().count()).max().unwrap_or_default();
            return self.active.iter().map(|seat| seat.row(now_ms, width, palette)).collect();
        }
        let mut rows = vec![self.phases()];
        let mut slowest: Vec<_> = self.active.iter().collect();
        slowest.sort_by_key(|seat| seat.since_ms);
        slowest.truncate(SLOWEST.min(room.saturating_sub(1)));
        let width = slowest.iter().map(|s| s.host.chars().count()).max().unwrap_or_default();
        rows.extend(slowest.iter().map(|seat| format!("slowest {}", seat.row(now_ms, width, palette))));
        rows
    }

    fn phases(&self) -> String {
        let mut counts: BTreeMap<Phase, (usize, &str)> = BTreeMap::new();
        for seat in &self.active {
            let phase = seat.phase.clone().counted();
            counts.entry(phase).or_insert((0, seat.phase.word())).0 += 1;
        }
        let parts: Vec<_> = counts.values().map(|(n, word)| format!("{} {word}", grouped(*n))).collect();
        format!("{} at work: {}", count(self.active.len(), "host"), joined(&parts, parts.len()))
    }

    fn finish(&mut self, host: &str, result: HostResult) {
        self.active.retain(|seat| seat.host != host);
        self.open_again(host);
        self.done.insert(host.to_owned(), result);
        *self.results.entry(result).or_default() += 1;
    }

    fn open_again(&mut self, host: &str) {
        if let Some(before) = self.done.remove(host)
            && let Some(count) = self.results.get_mut(&before)
        {
            *count -= 1;
            self.results.retain(|_, count| *count > 0);
        }
    }

    fn seat(&mut self, host: &str, at_ms: u64) -> &mut Seat {
        let at = self.active.iter().position(|seat| seat.host == host).unwrap_or(self.active.len());
        if at == self.active.len() {
            self.active.push(Seat {
                host: host.to_owned(),
                phase: Phase::Inspecting,
                since_ms: at_ms,
                undoes_at_ms: None,
            });
        }
        &mut self.active[at]
    }
}

impl Phase {
    /// The phase without what differs between hosts, so that they are counted together.
    fn counted(self) -> Self {
        match self {
            Self::Sending(_) => Self::Sending(0),
            Self::Applying(_) => Self::Applying(String::new()),
            other => other,
        }
    }
}

impl Seat {
    fn hear(&mut self, event: &Event) {
        let at = event.at_ms;
        match &event.kind {
            EventKind::HostInspected { .. } => self.enter(Phase::Arming, at),
            EventKind::Uploading { bytes } => self.enter(Phase::Sending(*bytes), at),
            EventKind::GuardArmed { apply_timeout, .. } => {
                self.undoes_in(*apply_timeout, at);
                self.enter(Phase::Armed, at);
            }
            EventKind::ChangeStarted { name, .. } => self.enter(Phase::Applying(name.clone()), at),
            EventKind::Applied { left } => {
                self.undoes_in(*left, at);
                self.enter(Phase::Checking, at);
            }
            EventKind::Ready { left } => {
                self.undoes_in(*left, at);
                self.enter(Phase::Ready, at);
            }
            EventKind::Extended { left, .. } => self.undoes_in(*left, at),
            EventKind::AwaitingPerson { left } => {
                self.undoes_in(*left, at);
                self.enter(Phase::Asking, at);
            }
            EventKind::Confirming { .. } => self.enter(Phase::Confirming, at),
            EventKind::RollbackStarted { .. } => {
                self.undoes_at_ms = None;
                self.enter(Phase::Undoing, at);
            }
            _ => {}
        }
    }

    fn enter(&mut self, phase: Phase, at_ms: u64) {
        if self.phase != phase {
            self.phase = phase;
            self.since_ms = at_ms;
        }
    }

    fn undoes_in(&mut self, secs: u64, at_ms: u64) {
        self.undoes_at_ms = Some(at_ms.saturating_add(secs.saturating_mul(1_000)));
    }

    fn row(&self, now_ms: u64, width: usize, palette: Palette) -> String {
        let mut row =
            format!("{}  {}", palette.heading(&format!("{:<width$}", self.host)), self.phase.label());
        if let Some(left) = self.undoes_at_ms.map(|at| at.saturating_sub(now_ms).div_ceil(1_000)) {
            let guard =
                if left == 0 { "the guard undoes now".to_owned() } else { format!("guard {}", secs(left)) };
            row.push_str(&palette.notable(&format!("  {guard}")));
        }
        let at_it = now_ms.saturating_sub(self.since_ms);
        if at_it >= SLOW_MS {
            row.push_str(&palette.notable(&format!("  slow: at this for {}", secs(at_it / 1_000))));
        }
        row
    }
}

fn secs(secs: u64) -> String {
    limit(Duration::from_secs(secs))
}
