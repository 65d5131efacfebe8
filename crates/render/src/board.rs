//! Where every host of a run stands right now: plain data, shown from at any time it is given.

mod frame;
mod seat;

pub(crate) use frame::{Counts, Size};

use crate::quantity::{count, grouped};
use crate::wording::seconds;
use seat::{Seat, Stand};
use snapback_core::event::{Event, EventKind};
use snapback_core::rollout::BatchKind;
use std::collections::HashMap;

/// A host that has been at one step for so long is called slow.
pub(crate) const SLOW_MS: u64 = 30_000;

/// Up to so many hosts each has lines of its own; of more, equal ones are folded.
pub(crate) const FEW: usize = 20;

/// What a run looks like at a moment.
#[derive(Debug, Default)]
pub(crate) struct Board {
    began_ms: u64,
    seats: Vec<Seat>,
    by_name: HashMap<String, usize>,
    stage: Stage,
    /// How many batches there are; 0 where nothing was said of any.
    batches: usize,
}

/// What the run as a whole is at.
#[derive(Debug, Default)]
enum Stage {
    /// Hosts are looked at; nothing is changed.
    #[default]
    Looking,
    /// Hosts are changed, without batches.
    Changing,
    /// The hosts of a batch are changed.
    Batch { number: usize, kind: BatchKind, members: Vec<usize> },
    /// The checks of a batch go on.
    Bake { number: usize, until_ms: u64 },
    /// It waits for a word.
    Gate { next: usize, until_ms: u64 },
    /// What was confirmed is undone.
    Undoing { members: Vec<usize> },
    /// No more hosts are begun.
    Over,
}

/// A host that has been at one step for long.
#[derive(Debug)]
pub(crate) struct Slow<'a> {
    pub(crate) host: &'a str,
    /// What it is at, without what differs between hosts.
    pub(crate) word: &'static str,
    /// What it is at.
    pub(crate) label: String,
    pub(crate) since_ms: u64,
    pub(crate) undoes_at_ms: Option<u64>,
}

impl Board {
    pub(crate) fn hear(&mut self, event: &Event) {
        match &event.host {
            Some(host) => self.hear_of_host(host.as_str(), event),
            None => self.hear_of_run(event),
        }
    }

    /// Returns how many hosts there are.
    pub(crate) fn total(&self) -> usize {
        self.seats.len()
    }

    /// Returns the hosts that are slow, the slowest first.
    pub(crate) fn slow(&self, now_ms: u64) -> Vec<Slow<'_>> {
        let mut slow: Vec<_> = self.seats.iter().filter_map(|seat| seat.slow(now_ms)).collect();
        slow.sort_by_key(|slow| slow.since_ms);
        slow
    }

    /// Returns how many hosts stand how.
    pub(crate) fn counts(&self) -> Counts {
        self.seats.iter().fold(Counts::default(), |counts, seat| counts.with(&seat.stand))
    }

    /// Returns how long the run has gone on, in seconds.
    pub(crate) fn secs(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.began_ms) / 1_000
    }

    /// Tells what the run as a whole is at; empty where there is nothing to say.
    pub(crate) fn stage(&self, now_ms: u64) -> String {
        let left = |until_ms: u64| seconds(until_ms.saturating_sub(now_ms).div_ceil(1_000));
        match &self.stage {
            Stage::Looking => {
                let looked = self.seats.iter().filter(|seat| seat.was_looked_at()).count();
                format!("looked at {} of {} hosts", grouped(looked), grouped(self.total()))
            }
            Stage::Batch { number, kind, members } => {
                let canary = match (kind, members.first()) {
                    (BatchKind::Canary, Some(first)) => {
                        let more = if members.len() > 1 { ", ..." } else { "" };
                        format!(" (canary {}{more})", self.seats[*first].host)
                    }
                    _ => String::new(),
                };
                let ended = self.ended(members);
                format!(
                    "batch {}{canary}: {} of {} ended",
                    self.of_batches(*number),
                    grouped(ended),
                    count(members.len(), "host")
                )
            }
            Stage::Bake { number, until_ms } => {
                format!("batch {} bakes, {} left", self.of_batches(*number), left(*until_ms))
            }
            Stage::Gate { next, until_ms } => {
                format!(
                    "waits for `deploy promote` before batch {}, {} left",
                    self.of_batches(*next),
                    left(*until_ms)
                )
            }
            Stage::Undoing { members } => {
                let ended = grouped(self.ended(members));
                format!("undoes what was confirmed: {ended} of {} ended", count(members.len(), "host"))
            }
            Stage::Changing | Stage::Over => String::new(),
        }
    }

    fn ended(&self, members: &[usize]) -> usize {
        members.iter().filter(|at| matches!(self.seats[**at].stand, Stand::Ended(_))).count()
    }

    fn of_batches(&self, number: usize) -> String {
        if self.batches == 0 {
            grouped(number)
        } else {
            format!("{} of {}", grouped(number), grouped(self.batches))
        }
    }

    fn hear_of_run(&mut self, event: &Event) {
        let until_ms = |secs: u64| event.at_ms.saturating_add(secs.saturating_mul(1_000));
        match &event.kind {
            EventKind::RunStarted { hosts, .. } => {
                self.began_ms = event.at_ms;
                for host in hosts {
                    self.seat(host.as_str());
                }
            }
            EventKind::BatchStarted { batch, of, kind, hosts } => {
                self.batches = *of;
                let members = hosts.iter().map(|host| self.seat(host.as_str())).collect();
                self.stage = Stage::Batch { number: *batch, kind: *kind, members };
            }
            EventKind::BakeStarted { batch, secs } => {
                self.stage = Stage::Bake { number: *batch, until_ms: until_ms(*secs) };
            }
            EventKind::GateReached { next, secs } => {
                self.stage = Stage::Gate { next: *next, until_ms: until_ms(*secs) };
            }
            EventKind::ScopeUndone { hosts, .. } => {
                let members = hosts.iter().map(|host| self.seat(host.as_str())).collect();
                self.stage = Stage::Undoing { members };
            }
            EventKind::RolloutEnded { .. } => self.stage = Stage::Over,
            _ => {}
        }
    }

    fn hear_of_host(&mut self, host: &str, event: &Event) {
        let at = self.seat(host);
        self.seats[at].hear(event);
        let begun = matches!(
            event.kind,
            EventKind::Uploading { .. } | EventKind::LocalStarted { .. } | EventKind::GuardArmed { .. }
        );
        if begun && matches!(self.stage, Stage::Looking) {
            self.stage = Stage::Changing;
        }
    }

    fn seat(&mut self, host: &str) -> usize {
        if let Some(at) = self.by_name.get(host) {
            return *at;
        }
        self.by_name.insert(host.to_owned(), self.seats.len());
        self.seats.push(Seat::new(host));
        self.seats.len() - 1
    }
}
