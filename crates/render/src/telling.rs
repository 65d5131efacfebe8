//! Which events are told as lines, and which are folded with their like: of a few hosts each event has its line, of
//! thousands only what went wrong, and of equal things only the first few.

mod pool;

use crate::board::FEW;
use crate::names::{joined, without_name};
use crate::palette::Tone;
use crate::quantity::count;
use crate::wording::{Verbosity, brief, level, phrase};
use pool::Pools;
use snapback_core::event::{CheckStatus, Event, EventKind};
use snapback_core::outcome::HostResult;

/// How many names stand in a folded line.
const MOST_NAMES: usize = 3;

/// A line about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The host it is about; empty for the run as a whole.
    pub(crate) host: String,
    pub(crate) text: String,
    pub(crate) tone: Tone,
    /// It is told in full elsewhere: a terminal shows what fits on one line.
    pub(crate) is_told_again: bool,
}

impl Line {
    /// Returns a line about the run as a whole that is worth a look.
    pub(crate) fn of_run(text: String) -> Self {
        Self { host: String::new(), text, tone: Tone::Notable, is_told_again: false }
    }
}

/// Says of each event what is written.
#[derive(Debug)]
pub(crate) struct Telling {
    verbosity: Verbosity,
    is_seen_elsewhere: fn(&EventKind) -> bool,
    hosts: usize,
    pools: Pools,
}

impl Telling {
    /// Returns what tells lines of this level, but for those that are seen elsewhere unless everything is told.
    pub(crate) fn new(verbosity: Verbosity, is_seen_elsewhere: fn(&EventKind) -> bool) -> Self {
        Self { verbosity, is_seen_elsewhere, hosts: 0, pools: Pools::default() }
    }

    /// Returns whether equal things are folded.
    pub(crate) fn folds(&self) -> bool {
        self.folds_of(self.hosts)
    }

    /// Returns whether equal things are folded in a run of so many hosts.
    pub(crate) fn folds_of(&self, hosts: usize) -> bool {
        hosts > FEW && self.verbosity == Verbosity::Normal
    }

    /// Returns the lines that an event is worth.
    pub(crate) fn hear(&mut self, event: &Event) -> Vec<Line> {
        if let EventKind::RunStarted { hosts, .. } = &event.kind {
            self.hosts = hosts.len();
        }
        match &event.host {
            Some(host) if self.folds() => self.pooled(host.as_str(), &event.kind).into_iter().collect(),
            None if self.folds() && is_turn(&event.kind) => {
                let mut lines = self.all_folded();
                lines.extend(self.line(event));
                lines
            }
            _ => self.line(event).into_iter().collect(),
        }
    }

    /// Returns what went wrong on more hosts since it was last told.
    pub(crate) fn folded(&mut self) -> Vec<Line> {
        self.pools.drain(|tone| !is_good(tone))
    }

    /// Returns everything that was folded since it was last told.
    pub(crate) fn all_folded(&mut self) -> Vec<Line> {
        self.pools.drain(|_| true)
    }

    fn line(&self, event: &Event) -> Option<Line> {
        let told = match self.verbosity {
            Verbosity::Everything => true,
            most => level(&event.kind) <= most && !(self.is_seen_elsewhere)(&event.kind),
        };
        told.then(|| Line {
            host: event.host.as_ref().map(ToString::to_string).unwrap_or_default(),
            text: phrase(&event.kind),
            tone: tone(&event.kind),
            is_told_again: self.folds() && matches!(event.kind, EventKind::BatchStarted { .. }),
        })
    }

    /// Of many hosts only their ends and what is wrong without being an end are told.
    fn pooled(&mut self, host: &str, kind: &EventKind) -> Option<Line> {
        let told = match kind {
            EventKind::HostFinished { .. } | EventKind::Warning { .. } => true,
            // What vetoes is told by the host's end.
            EventKind::CheckFinished { status, required, .. } => {
                *status == CheckStatus::RedBefore || (*status != CheckStatus::Passed && !required)
            }
            EventKind::LocalFinished { ok, .. } => !ok,
            _ => false,
        };
        if !told {
            return None;
        }
        let (text, tone) = (brief(kind), tone(kind));
        let line = Line { host: host.to_owned(), text, tone, is_told_again: true };
        self.pools.take(without_name(&line.text, host), line, is_good(tone))
    }
}

/// The run goes on to something else: what came before is summed up.
fn is_turn(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::BatchStarted { .. }
            | EventKind::BakeStarted { .. }
            | EventKind::GateReached { .. }
            | EventKind::ScopeUndone { .. }
            | EventKind::RolloutEnded { .. }
            | EventKind::RunFinished { .. }
    )
}

/// Of what is as wanted, or was left alone, only the number matters.
fn is_good(tone: Tone) -> bool {
    match tone {
        Tone::Result(result) => {
            result.is_good() || matches!(result, HostResult::Skipped | HostResult::NotReached)
        }
        _ => false,
    }
}

fn tone(kind: &EventKind) -> Tone {
    match kind {
        EventKind::HostFinished { result, .. } => Tone::Result(*result),
        EventKind::Output { .. } => Tone::Faint,
        _ if level(kind) == Verbosity::Everything => Tone::Faint,
        _ => Tone::Notable,
    }
}

/// Returns the line of several hosts of which the same is told.
fn folded(hosts: &[String], more: bool, text: &str, tone: Tone) -> Line {
    let number = count(hosts.len(), if more { "more host" } else { "host" });
    let text = if is_good(tone) {
        format!("{number}: {text}")
    } else {
        format!("{number}: {text} ({})", joined(hosts, MOST_NAMES))
    };
    Line { host: String::new(), text, tone, is_told_again: true }
}
